// How numbers, times and identifiers are shown.

const locale = "en-US";
const integers = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const dateOnly = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

export const formatInteger = (value: number | bigint) => integers.format(value);
/** Whole below ten thousand, where every digit can still be read. */
export const formatCompact = (value: number) => (Math.abs(value) < 10_000 ? integers : compact).format(value);
export const formatDateTime = (time: string | number | Date) => dateTime.format(new Date(time));
export const formatDate = (time: string | number | Date) => dateOnly.format(new Date(time));
const hours = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hour12: false });
const days = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
export const formatClock = (time: string | number | Date) => clock.format(new Date(time));

/** A time on an axis whose marks are `step` seconds apart. */
export function formatClockAt(time: number, step: number): string {
    return (step >= 86_400 ? days : step >= 60 ? hours : clock).format(time);
}

/** `value` with a fixed number of significant digits, without an exponent where that is readable. */
export function formatSignificant(value: number, digits = 4): string {
    if (!Number.isFinite(value)) return "–";
    if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7)) {
        return value.toExponential(Math.min(2, digits - 1)).replace("e-", "e−").replace("e+", "e");
    }
    return new Intl.NumberFormat(locale, { maximumSignificantDigits: digits }).format(value);
}

export function formatPercent(part: number, digits = 1): string {
    if (part > 0 && part < 10 ** -(digits + 2)) return `<${(10 ** -digits).toFixed(digits)}%`;
    return `${(part * 100).toFixed(digits).replace(/\.0+$/, "")}%`;
}

export const formatPpm = (ppm: number, digits = 1) => formatPercent(ppm / 1_000_000, digits);

export function formatBytes(bytes: number): string {
    const units = ["bytes", "kB", "MB", "GB", "TB"];
    let value = bytes;
    let unit = 0;
    while (value >= 1000 && unit < units.length - 1) {
        value /= 1000;
        unit += 1;
    }
    return unit === 0 ? `${integers.format(value)} bytes` : `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

/** Seconds as people say them: the two largest units. */
export function formatDuration(seconds: number): string {
    if (!Number.isFinite(seconds) || seconds < 0) return "–";
    if (seconds < 1) return "under a second";
    const parts: [number, string][] = [
        [86_400, "day"],
        [3_600, "h"],
        [60, "min"],
        [1, "s"],
    ];
    let rest = Math.round(seconds);
    const shown: string[] = [];
    for (const [size, name] of parts) {
        const count = Math.floor(rest / size);
        if (count > 0 || (shown.length > 0 && shown.length < 2)) {
            if (count > 0) shown.push(name === "day" ? plural(count, name) : `${count} ${name}`);
            else break;
        }
        rest -= count * size;
        if (shown.length === 2) break;
    }
    return shown.join(" ");
}

/** "3 minutes ago", "in 2 hours". */
export function formatRelative(time: string | number | Date, now = Date.now()): string {
    const seconds = (new Date(time).getTime() - now) / 1000;
    const size = Math.abs(seconds);
    if (size < 45) return seconds > 5 ? relative.format(Math.round(seconds), "second") : "just now";
    if (size < 2_700) return relative.format(Math.round(seconds / 60), "minute");
    if (size < 79_200) return relative.format(Math.round(seconds / 3_600), "hour");
    if (size < 2_600_000) return relative.format(Math.round(seconds / 86_400), "day");
    return dateOnly.format(new Date(time));
}

export const shortAccount = (address: string) => `${address.slice(0, 6)}…${address.slice(-5)}`;

export function shortHash(hash: string): string {
    const digits = hash.startsWith("0x") ? hash.slice(2) : hash;
    return `${digits.slice(0, 8)}…${digits.slice(-4)}`;
}

/** UTF-8 bytes of a text: the chain's bounds are in bytes. */
export const byteLength = (text: string) => new TextEncoder().encode(text).length;

export function plural(count: number, one: string, many = `${one}s`): string {
    return `${formatInteger(count)} ${count === 1 ? one : many}`;
}

/** What a program says, as a sentence: a capital in front, a full stop behind. */
export function sentence(text: string): string {
    const said = text.charAt(0).toUpperCase() + text.slice(1);
    return /[.!?…]$/.test(said) ? said : `${said}.`;
}
