// @vitest-environment jsdom
import { act, screen, waitFor } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import type { BaseModel, Datanet, Estimate, Grant, Hyperparameters } from "../src/api/client";
import { baseModels, datanet as datanetQuery, grants as grantsQuery } from "../src/api/queries";
import { newDraft, type Draft } from "../src/pages/build/draft";
import { ReviewStep } from "../src/pages/build/ReviewStep";
import { wallet } from "../src/wallet/wallet";
import { CONFIG, listOf, queries, show } from "./render";

const ADA = "5FBhYxDBoQjJAWYE1fvRzH9EBwbqbtdXKjtwf1onWhx8E75w";
const TRIB = 10 ** 12;
const split = { treasury: 20_000, base_owner: 80_000, trainer: 100_000, model_owner: 200_000, datanet_owners: 100_000, contributors: 500_000 };
const draft = (change: Partial<Draft> = {}): Draft => ({
    ...newDraft({ hyperparameters: { epochs: 3 } as Hyperparameters, split }),
    step: "review",
    base: 0,
    data: [{ datanet: 2, version: 1 }],
    ...change,
});
const net = {
    id: 2,
    name: "Tides",
    status: "active",
    terms: { price: String(20 * TRIB), royalty_floor_ppm: 300_000, licence: "CC-BY-4.0", purposes: ["commercial"] },
} as Datanet;
const grant = {
    id: 5,
    datanet: 2,
    status: "active",
    is_usable: true,
    used: 0,
    terms: { versions: { kind: "all", number: null }, purpose: "commercial", base_models: { kind: "any", base: null }, uses: 1 },
} as unknown as Grant;
const estimate = {
    seconds: 101,
    runs: 1,
    memory_bytes: 7e7,
    base_bytes: 5e6,
    steps: 60,
    training_samples: 95,
    bond_required: String(67 * TRIB),
    price_suggested: String(135 * TRIB),
    price_basis: "the chain's least price",
    deposit: String(0.6 * TRIB),
    blockers: [],
    warnings: [],
} as unknown as Estimate;

async function open(given: Draft, found: { estimate?: Partial<Estimate>; grants?: Grant[] } = {}) {
    const client = queries();
    client.setQueryData(baseModels.queryKey, { items: [{ id: 0, name: "tiny", licence: "Apache-2.0" }] as BaseModel[] } as never);
    client.setQueryData(datanetQuery(2).queryKey, net);
    client.setQueryData(grantsQuery({ account: ADA }).queryKey, listOf(found.grants ?? [grant]) as never);
    // What is asked for is the step's own business; it is answered whatever it was.
    globalThis.fetch = () => new Promise(() => undefined);
    show(<ReviewStep draft={given} config={CONFIG} change={() => undefined} footer={() => null} />, client);
    const key = await waitFor(() => {
        const asked = client.getQueryCache().findAll({ queryKey: ["estimate"] })[0];
        if (!asked) throw new Error("nothing is asked for");
        return asked.queryKey;
    });
    act(() => void client.setQueryData(key, { ...estimate, ...found.estimate }));
    await screen.findByText("1 min 41 s");
}
const post = () => screen.getByRole<HTMLButtonElement>("button", { name: "Post the job" });

beforeEach(() => wallet.set({ address: ADA, name: "Ada", source: { kind: "development", path: "//Ada" } }));

test("what leaves the balance is price, fees of the data and deposit, and the job can be posted", async () => {
    await open(draft());
    expect(screen.getByText("Leaves your free balance now").parentElement?.textContent).toContain("155.6");
    expect(screen.queryByText("This job would be refused")).toBeNull();
    expect(post().disabled).toBe(false);
});

test.each<[string, Draft, Parameters<typeof open>[1], RegExp]>([
    ["parts that do not sum", draft({ split: { ...split, treasury: 0 } }), {}, /must sum to 100%; they sum to 98%/],
    ["too little for contributors", draft({ split: { ...split, contributors: 200_000, trainer: 400_000 } }), {}, /at least 30%/],
    ["a price below the chain's", draft({ price: "0.5" }), {}, /At least 1 TRIB/],
    ["no grant", draft(), { grants: [] }, /not covered by any of your grants/],
    ["a grant for another purpose", draft({ purpose: "research" }), {}, /not covered by any of your grants/],
    ["what the gateway found", draft(), { estimate: { blockers: [{ message: "no trainer has the bond" }] as never } }, /no trainer has the bond/i],
])("%s stops the job, and is said", async (_, given, found, words) => {
    await open(given, found);
    expect((await screen.findByText("This job would be refused")).parentElement?.textContent).toMatch(words);
    expect(post().disabled).toBe(true);
});
