// @vitest-environment jsdom
import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import type { CheckReport } from "../src/api/client";
import { CheckResult } from "../src/pages/contribute/CheckResult";
import { show } from "./render";

const none = { total: 0, first: [] };
const report = (change: Partial<CheckReport>): CheckReport =>
    ({
        name: "ferries.jsonl",
        accepted: 3,
        refused: none,
        duplicates: none,
        truncated: none,
        tokens: 120,
        trained_tokens: 40,
        tokens_max: 512,
        lengths: { max: 43, buckets: [{ from: 32, to: 63, rows: 3 }] },
        preview: [
            {
                place: { kind: "line", number: 1 },
                segments: [
                    { text: "<s><|user|> When does it leave?<|assistant|>", trained: false },
                    { text: " At ten.</s>", trained: true },
                ],
            },
        ],
        known: null,
        problem: null,
        ...change,
    }) as unknown as CheckReport;

test("what is learned is marked, and the model's own marks step back", async () => {
    show(<CheckResult report={report({})} />);
    const learned = (await screen.findByText("At ten.")).closest("mark");
    expect(learned?.textContent).toBe(" At ten.</s>");
    expect([...document.querySelectorAll("code")].map((mark) => mark.textContent)).toEqual(["<s>", "<|user|>", "<|assistant|>", "</s>"]);
    // One bucket says no more than the longest row.
    expect(screen.queryByText("Length of rows, in tokens")).toBeNull();
});

test("rows that cannot be used are named by their lines, and the rest are counted", async () => {
    const first = Array.from({ length: 14 }, (_, place) => ({ place: { kind: "line", number: place + 2 }, what: "no completion" }));
    show(<CheckResult report={report({ refused: { total: 40, first } as CheckReport["refused"] })} />);
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.getByText("40 rows cannot be used")).toBeTruthy();
    expect(screen.getByText("Line 2")).toBeTruthy();
    expect(screen.getByText("and 28 more")).toBeTruthy();
});

test("samples that were submitted before are found", async () => {
    show(<CheckResult report={report({ known: 5 })} />);
    expect((await screen.findByRole("link", { name: /as contribution 5/ })).getAttribute("href")).toBe("/contributions/5");
});
