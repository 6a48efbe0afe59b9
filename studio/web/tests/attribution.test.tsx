// @vitest-environment jsdom
import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Contributor, ModelDetail } from "../src/api/client";
import { model as modelQuery } from "../src/api/queries";
import type { Receipt, Sale } from "../src/api/serving";
import { Attribution } from "../src/pages/chat/Attribution";
import { queries, show } from "./render";

const ADA = "5FBhYxDBoQjJAWYE1fvRzH9EBwbqbtdXKjtwf1onWhx8E75w";
const BEN = "5GeKHLPcLM4pdM1QddVSZrA9R4ZhMF4qY9k2yuALnFxhoGiy";
const contributors = [
    { index: 0, contribution: 4, contributor: ADA, units: 250_000_000 },
    { index: 1, contribution: 9, contributor: BEN, units: 750_000_000 },
] as Contributor[];
const receipt = (change: Partial<Receipt>): Receipt => ({
    operator: BEN,
    model: 3,
    number: 12,
    price: "7400000000",
    input_tokens: 21,
    output_tokens: 8,
    base: 1_000_000_000,
    share_count: 0,
    leaf: "aa".repeat(32),
    signature: "bb".repeat(64),
    path: "",
    signed: "cafe",
    ...change,
});

function open(sale: Sale | null, shares: Contributor[] | null = contributors) {
    const client = queries();
    const detail = { contributors: shares, model: { split: { contributors: 500_000 } } } as unknown as ModelDetail;
    client.setQueryData(modelQuery(3).queryKey, detail);
    show(<Attribution model={3} sale={sale} />, client);
}
const parts = () => screen.getAllByRole("listitem").map((item) => item.textContent);

test("an answer that was not sold shows the model's shares, the largest first", async () => {
    open(null);
    expect(await screen.findByText("Learned from")).toBeTruthy();
    expect(parts()).toEqual(["Contribution 9Ben75%", "Contribution 4Ada25%"]);
    expect(screen.getByText(/has no receipt/)).toBeTruthy();
});

test("a sold answer's own shares come before those of training, and its receipt can be checked", async () => {
    // Four tenths go by training, six tenths by this answer, which Ada's contribution shaped alone.
    open({ price: "7400000000", receipt: receipt({ base: 400_000_000, share_count: 1, shares: [{ index: 0, units: 600_000_000 }] }) });
    expect(await screen.findByText("Shaped by")).toBeTruthy();
    expect(parts()).toEqual(["Contribution 4Ada70%", "Contribution 9Ben30%"]);
    await userEvent.click(screen.getByRole("button", { name: "Receipt 12" }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.getByText("tributary receipt verify --node ws://node.invalid cafe")).toBeTruthy();
    const row = dialog.getByText("Contribution 4").closest("tr");
    expect([...(row?.cells ?? [])].map((cell) => cell.textContent)).toEqual(["Contribution 4", "Ada", "60%", "70%"]);
    // Half of the price is the contributors'.
    expect(dialog.getByText("0.0037")).toBeTruthy();
});

test("a model whose shares nobody shows says so", async () => {
    open(null, null);
    expect(await screen.findByText("Nobody shows this model's shares at the moment.")).toBeTruthy();
});
