import { expect, test } from "vitest";
import { byteLength, formatBytes, formatDuration, formatPercent, formatRelative, shortHash } from "../src/lib/format";

test.each([
    [0.4, "under a second"],
    [59, "59 s"],
    [60, "1 min"],
    [3_725, "1 h 2 min"],
    [90_000, "1 day 1 h"],
    [172_800, "2 days"],
    [Number.NaN, "–"],
])("%d seconds are %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
});

test("bytes have units, and texts are counted in UTF-8", () => {
    expect([formatBytes(999), formatBytes(1_500), formatBytes(25_000_000)]).toEqual(["999 bytes", "1.5 kB", "25 MB"]);
    expect(byteLength("Hafenstadt Ⅷ")).toBe(14);
});

test("a small share is not shown as none", () => {
    expect([formatPercent(0), formatPercent(0.0004), formatPercent(0.5), formatPercent(0.123)]).toEqual(["0%", "<0.1%", "50%", "12.3%"]);
});

test("times are told as people tell them", () => {
    const now = Date.parse("2026-11-21T12:00:00Z");
    expect(formatRelative("2026-11-21T11:59:50Z", now)).toBe("just now");
    expect(formatRelative("2026-11-21T11:30:00Z", now)).toBe("30 minutes ago");
    expect(formatRelative("2026-11-22T12:00:00Z", now)).toBe("tomorrow");
});

test("hashes with and without 0x are shortened alike", () => {
    const hash = "c92e5bae05816e6471fe9d6ae2695377a03371e15f70b7a3f5521b4bcdc7a8ad";
    expect(shortHash(hash)).toBe("c92e5bae…a8ad");
    expect(shortHash(`0x${hash}`)).toBe(shortHash(hash));
});
