import { describe, expect, test } from "vitest";
import { exactAmount, formatAmount, parseAmount, partOf, TRIB } from "../src/lib/amount";

describe("amounts", () => {
    test.each([
        ["0", "0"],
        ["1", "<0.0001"],
        ["1000000000000", "1"],
        ["1234567890123456", "1,234.5678"],
        ["999999999999", "0.9999"],
        ["340282366920938463463374607431768211455", "340,282,366,920,938,463,463,374,607.4317"],
    ])("%s plancks are shown as %s", (plancks, shown) => {
        expect(formatAmount(plancks)).toBe(shown);
    });

    test("what is shown is never more than what is there", () => {
        for (let plancks = 1n; plancks < 10n ** 20n; plancks = plancks * 3n + 7n) {
            const shown = formatAmount(plancks, 3);
            if (shown.startsWith("<")) continue;
            const read = parseAmount(shown);
            expect(read).not.toBeNull();
            expect((read ?? 0n) <= plancks).toBe(true);
            expect(plancks - (read ?? 0n)).toBeLessThan(10n ** 9n);
        }
    });

    test("what is written exactly reads back", () => {
        for (const plancks of [0n, 1n, TRIB, 10n ** 11n, 123_456_789_012_345_678n]) {
            expect(parseAmount(exactAmount(plancks))).toBe(plancks);
        }
    });

    test.each(["", "-1", "1.2.3", "1e3", "0.1234567890123", "abc", "1 2", `${10n ** 28n}`])("%j is no amount", (text) => {
        expect(parseAmount(text)).toBeNull();
    });

    test("parts are rounded down", () => {
        expect(partOf(10n, 333_333)).toBe(3n);
        expect(partOf(TRIB, 1_000_000)).toBe(TRIB);
    });
});
