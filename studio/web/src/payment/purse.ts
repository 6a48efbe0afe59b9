// Paying for answers from a channel: keeps what was promised, and signs more when an answer needs it, within limits.
import { load, save } from "../lib/persist";
import { publicKeyOf } from "../wallet/address";
import type { ChannelKey } from "./keys";
import { NOTHING_USED, voucherHeader, voucherPayload, type Usage } from "./voucher";

/** What an operator says a voucher must say; the error of status 402 has it. */
export interface Quote {
    used: Usage;
    promised: Usage;
    least: Usage | null;
    whole: Usage | null;
}

export interface Purse {
    channel: number;
    operator: string;
    genesis: string;
    /** What the channel holds. */
    funded: bigint;
    key: ChannelKey;
}

/** Why no voucher is signed. */
export type Refusal = { kind: "over_limit"; needed: bigint } | { kind: "top_up"; needed: bigint } | { kind: "takes_back" };

export class PurseError extends Error {
    override readonly name = "PurseError";
    constructor(readonly refusal: Refusal) {
        super(refusal.kind);
    }
}

const isKept = (value: unknown): value is { input: number; output: number; amount: string } =>
    typeof value === "object" && value !== null && "amount" in value && typeof value.amount === "string";

const name = (purse: Purse, model: number) => `voucher.${purse.genesis}.${purse.channel}.${model}`;

/** The newest voucher that was signed. It is no secret: it pays nobody but the operator. */
export function promised(purse: Purse, model: number): Usage {
    const kept = load("local", name(purse, model), isKept);
    return kept ? { input_tokens: kept.input, output_tokens: kept.output, amount: BigInt(kept.amount) } : NOTHING_USED;
}

/** The header that shows the newest voucher, signed. */
export function show(purse: Purse, model: number): string {
    const voucher = { channel: purse.channel, model, ...promised(purse, model) };
    const payload = voucherPayload(voucher, purse.genesis, publicKeyOf(purse.operator));
    return voucherHeader(voucher, purse.key.sign(payload));
}

/**
 * Promises what a quote asks for one more request, at most `limit` above what is used. Kept before it is shown: a voucher
 * that is known to the operator and not to us could be promised twice.
 */
export function promise(purse: Purse, model: number, quote: Quote, limit: bigint): void {
    const wanted = quote.whole ?? quote.least;
    const now = promised(purse, model);
    if (wanted === null) throw new PurseError({ kind: "top_up", needed: purse.funded });
    const grows =
        wanted.amount >= now.amount && wanted.input_tokens >= now.input_tokens && wanted.output_tokens >= now.output_tokens;
    if (!grows) throw new PurseError({ kind: "takes_back" });
    // What was promised for answers before and not used up pays for this one too: only the rest is new.
    const more = wanted.amount - quote.used.amount;
    if (more > limit) throw new PurseError({ kind: "over_limit", needed: more });
    if (wanted.amount > purse.funded) throw new PurseError({ kind: "top_up", needed: wanted.amount - purse.funded });
    save("local", name(purse, model), {
        input: wanted.input_tokens,
        output: wanted.output_tokens,
        amount: wanted.amount.toString(),
    });
}

/** Reads the quote of a refusal; `null` if it has none. */
export function quoteOf(error: unknown): Quote | null {
    if (typeof error !== "object" || error === null || !("quote" in error)) return null;
    const quote = error.quote as Record<string, unknown> | null;
    const used = usageOf(quote?.["used"]);
    const before = usageOf(quote?.["promised"]);
    if (!quote || !used || !before) return null;
    return { used, promised: before, least: usageOf(quote["voucher_least"]), whole: usageOf(quote["voucher_whole"]) };
}

function usageOf(value: unknown): Usage | null {
    if (typeof value !== "object" || value === null) return null;
    const { input_tokens, output_tokens, amount } = value as Record<string, unknown>;
    if (typeof input_tokens !== "number" || typeof output_tokens !== "number" || typeof amount !== "string") return null;
    return /^\d{1,39}$/.test(amount) ? { input_tokens, output_tokens, amount: BigInt(amount) } : null;
}

