// @vitest-environment jsdom
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../src/lib/bytes";
import { promise, promised, PurseError, quoteOf, type Purse, type Quote } from "../src/payment/purse";
import { costOf, encodeVoucher, voucherHeader, voucherPayload } from "../src/payment/voucher";

// The golden cases that the chain's own code is tested with.
const vectors = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../../protocol/vectors/channels.json"), "utf8"));

interface Case {
    channel: string;
    model: string;
    input_tokens: string;
    output_tokens: string;
    amount: string;
    payload: string;
    text: string;
}

describe("vouchers", () => {
    // Numbers beyond 2^53 are beyond what a browser's tokens and channels count to.
    const cases = (vectors.vouchers.cases as Case[]).filter((one) =>
        [one.channel, one.model, one.input_tokens, one.output_tokens].every((text) => Number.isSafeInteger(Number(text))),
    );

    test("there are golden cases", () => expect(cases.length).toBeGreaterThan(1));

    test.each(cases)("channel $channel, $amount: the bytes are the chain's", (one) => {
        const voucher = {
            channel: Number(one.channel),
            model: Number(one.model),
            input_tokens: Number(one.input_tokens),
            output_tokens: Number(one.output_tokens),
            amount: BigInt(one.amount),
        };
        const payload = voucherPayload(voucher, vectors.genesis, fromHex(vectors.operator));
        expect(toHex(payload)).toBe(one.payload);
        expect(payload).toHaveLength(132);
        expect(voucherHeader(voucher, new Uint8Array(64).fill(0xab))).toBe(one.text);
    });

    test("a number that does not fit is no voucher", () => {
        expect(() => encodeVoucher({ channel: 0, model: 0, input_tokens: 0, output_tokens: 0, amount: 1n << 128n })).toThrow(RangeError);
    });

    test("prices are rounded up", () => {
        expect(costOf({ input: 1, output: 1 }, { input_per_1000: 3_000n, output_per_1000: 7_001n })).toBe(11n);
        expect(costOf({ input: 0, output: 0 }, { input_per_1000: 3_000n, output_per_1000: 7_001n })).toBe(0n);
    });
});

describe("a purse", () => {
    const purse: Purse = {
        channel: 3,
        operator: "5G748kxjHk7L7hreZhdCr23958pTzywjsQcYUi34HE4uUBte",
        genesis: `0x${"07".repeat(32)}`,
        funded: 1_000n,
        key: { publicKey: `0x${"01".repeat(32)}`, sign: () => new Uint8Array(64) },
    };
    const usage = (input_tokens: number, output_tokens: number, amount: bigint) => ({ input_tokens, output_tokens, amount });
    const quote = (whole: Quote["whole"], used = usage(0, 0, 0n)): Quote => ({ used, promised: used, least: whole, whole });
    const refusal = (act: () => void) => {
        try {
            act();
        } catch (error) {
            if (error instanceof PurseError) return error.refusal.kind;
            throw error;
        }
        return null;
    };

    test("promises what is asked, and keeps it", () => {
        promise(purse, 5, quote(usage(10, 100, 210n)), 500n);
        expect(promised(purse, 5)).toEqual(usage(10, 100, 210n));
        // Each model has vouchers of its own.
        expect(promised(purse, 6).amount).toBe(0n);
    });

    test("promises no more than the person allows for one answer", () => {
        expect(refusal(() => promise(purse, 5, quote(usage(10, 100, 501n)), 500n))).toBe("over_limit");
        // What was used before is paid already.
        expect(refusal(() => promise(purse, 5, quote(usage(20, 200, 901n), usage(10, 100, 402n)), 500n))).toBeNull();
    });

    test("promises no more than the channel holds", () => {
        expect(refusal(() => promise(purse, 5, quote(usage(10, 100, 1_001n)), 5_000n))).toBe("top_up");
        expect(refusal(() => promise(purse, 5, quote(null), 5_000n))).toBe("top_up");
    });

    test("never promises less than before", () => {
        promise(purse, 5, quote(usage(10, 100, 210n)), 500n);
        expect(refusal(() => promise(purse, 5, quote(usage(10, 99, 300n)), 500n))).toBe("takes_back");
        expect(refusal(() => promise(purse, 5, quote(usage(10, 100, 209n)), 500n))).toBe("takes_back");
        expect(promised(purse, 5).amount).toBe(210n);
    });

    test("reads an operator's quote, and nothing else", () => {
        const part = (amount: unknown) => ({ input_tokens: 1, output_tokens: 2, amount });
        const body = (whole: unknown) => ({
            quote: { used: part("5"), promised: part("9"), voucher_least: part("10"), voucher_whole: whole },
        });
        expect(quoteOf(body(part("12")))?.whole).toEqual(usage(1, 2, 12n));
        expect(quoteOf(body(null))?.whole).toBeNull();
        expect(quoteOf(body(part(12)))?.whole).toBeNull();
        expect(quoteOf(body(part("1e9")))?.whole).toBeNull();
        for (const other of [null, 3, {}, { quote: null }, { quote: { used: 1 } }]) expect(quoteOf(other)).toBeNull();
    });
});
