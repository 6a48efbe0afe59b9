// Money. On the wire an amount is a string of plancks (10^-12 TRIB); here it is a bigint, never a float.

export const DECIMALS = 12;
export const TRIB = 10n ** BigInt(DECIMALS);
const U128_MAX = 2n ** 128n - 1n;

const grouped = new Intl.NumberFormat("en-US");

/** An amount with at most `digits` decimals, rounded down: what is shown is never more than what is there. */
export function formatAmount(plancks: bigint | string, digits = 4): string {
    const value = BigInt(plancks);
    const sign = value < 0n ? "−" : "";
    const size = value < 0n ? -value : value;
    const whole = size / TRIB;
    const fraction = (size % TRIB).toString().padStart(DECIMALS, "0");
    const shown = fraction.slice(0, digits).replace(/0+$/, "");
    if (whole === 0n && shown === "" && size > 0n) return `${sign}<${smallest(digits)}`;
    return sign + grouped.format(whole) + (shown ? `.${shown}` : "");
}

function smallest(digits: number): string {
    return digits === 0 ? "1" : `0.${"0".repeat(digits - 1)}1`;
}

/** An amount to the last planck, without grouping: for titles, CSV and inputs. */
export function exactAmount(plancks: bigint | string): string {
    const value = BigInt(plancks);
    const fraction = (value % TRIB).toString().padStart(DECIMALS, "0").replace(/0+$/, "");
    return (value / TRIB).toString() + (fraction ? `.${fraction}` : "");
}

/** Reads what a person typed as TRIB; `null` if it is no amount of at most twelve decimals. */
export function parseAmount(text: string): bigint | null {
    const match = /^(\d{1,27})(?:\.(\d{1,12}))?$/.exec(text.trim().replaceAll(",", ""));
    if (!match) return null;
    const plancks = BigInt(match[1] ?? "0") * TRIB + BigInt((match[2] ?? "").padEnd(DECIMALS, "0"));
    return plancks <= U128_MAX ? plancks : null;
}

/** `amount x parts / 10^6`, rounded down. */
export function partOf(amount: bigint, ppm: number): bigint {
    return (amount * BigInt(ppm)) / 1_000_000n;
}

export function sum(amounts: Iterable<bigint | string>): bigint {
    let total = 0n;
    for (const amount of amounts) total += BigInt(amount);
    return total;
}

/** As a number of TRIB, for charts only. */
export function approximate(plancks: bigint | string): number {
    return Number(BigInt(plancks)) / 1e12;
}
