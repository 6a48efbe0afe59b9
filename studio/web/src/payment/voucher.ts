// Vouchers as docs/protocol/channels.md says: what an app has promised an operator so far for a model's answers.
import { concat, fromHex, toHex } from "../lib/bytes";

export interface Usage {
    input_tokens: number;
    output_tokens: number;
    /** Plancks. */
    amount: bigint;
}

export interface Voucher extends Usage {
    channel: number;
    model: number;
}

export const NOTHING_USED: Usage = { input_tokens: 0, output_tokens: 0, amount: 0n };
export const VOUCHER_HEADER = "x-tributary-voucher";

const CONTEXT = new TextEncoder().encode("tributary voucher v1");

function little(value: bigint, bytes: number): Uint8Array {
    const out = new Uint8Array(bytes);
    let rest = value;
    for (let place = 0; place < bytes; place += 1) {
        out[place] = Number(rest & 0xffn);
        rest >>= 8n;
    }
    if (rest !== 0n) throw new RangeError(`${value} does not fit in ${bytes} bytes`);
    return out;
}

/** The 48 bytes of what a voucher says. */
export function encodeVoucher({ channel, model, input_tokens, output_tokens, amount }: Voucher): Uint8Array {
    return concat(
        little(BigInt(channel), 8),
        little(BigInt(model), 8),
        little(BigInt(input_tokens), 8),
        little(BigInt(output_tokens), 8),
        little(amount, 16),
    );
}

/** The 132 bytes that the channel's key signs, for one chain and one operator. */
export function voucherPayload(voucher: Voucher, genesis: string, operator: Uint8Array): Uint8Array {
    return concat(CONTEXT, fromHex(genesis), operator, encodeVoucher(voucher));
}

/** The header's value: the voucher and its signature of 64 bytes, in hexadecimal digits. */
export function voucherHeader(voucher: Voucher, signature: Uint8Array): string {
    if (signature.length !== 64) throw new RangeError("a signature has 64 bytes");
    return toHex(concat(encodeVoucher(voucher), signature));
}

/** What tokens cost at these prices per thousand, rounded up. */
export function costOf(tokens: { input: number; output: number }, prices: { input_per_1000: bigint; output_per_1000: bigint }): bigint {
    const milli = BigInt(tokens.input) * prices.input_per_1000 + BigInt(tokens.output) * prices.output_per_1000;
    return (milli + 999n) / 1000n;
}
