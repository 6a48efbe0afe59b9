// @vitest-environment jsdom
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test, vi } from "vitest";
import { account as accountQuery } from "../src/api/queries";
import type { MakeTransaction } from "../src/chain/calls";
import { transactions, type ChainEvent } from "../src/chain/transactions";
import { TRIB } from "../src/lib/amount";
import { TransactionDialog } from "../src/transactions/TransactionDialog";
import { wallet } from "../src/wallet/wallet";
import { queries, show } from "./render";

// The node is what a test of a page has not: everything on this side of it runs.
vi.mock("../src/chain/connection", () => ({
    connect: () => ({ api: {} }),
    requireChain: () => Promise.resolve(),
    NodeUnreachableError: class extends Error {},
    WrongChainError: class extends Error {},
}));

const ADA = "5FBhYxDBoQjJAWYE1fvRzH9EBwbqbtdXKjtwf1onWhx8E75w";
const BLOCK = { number: 1_234, hash: "0x02", index: 0 };

interface Watcher {
    next: (event: unknown) => void;
    error: (error: unknown) => void;
}

/** A transaction whose way through the network the test decides. */
function transaction() {
    const seen: { watcher: Watcher | null } = { watcher: null };
    const make = (() => ({
        getEstimatedFees: () => Promise.resolve(TRIB / 100n),
        signSubmitAndWatch: () => ({ subscribe: (watcher: Watcher) => void (seen.watcher = watcher) }),
    })) as unknown as MakeTransaction;
    const watcher = () =>
        waitFor(() => {
            if (!seen.watcher) throw new Error("not signed yet");
            return seen.watcher;
        });
    return { make: () => Promise.resolve(make), watcher };
}

function open(props: Partial<Parameters<typeof TransactionDialog>[0]> = {}, free = 100n * TRIB) {
    const client = queries();
    client.setQueryData(accountQuery(ADA).queryKey, { balance: { free: free.toString() } } as never);
    const { make, watcher } = transaction();
    const onClose = vi.fn();
    show(<TransactionDialog isOpen onClose={onClose} title="Post a training job" make={make} spends={20n * TRIB} {...props} />, client);
    return { watcher, onClose };
}

beforeEach(() => {
    transactions.set([]);
    wallet.set({ address: ADA, name: "Ada", source: { kind: "development", path: "//Ada" } });
});

test("shows who signs and the fee, and follows the transaction until it is final", async () => {
    const onFinal = vi.fn<(events: ChainEvent[]) => void>();
    const { watcher, onClose } = open({ onFinal, done: <p>It is on chain.</p>, next: "Watch it" });
    expect(await screen.findByText("0.01")).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Sign and send" }));
    const { next } = await watcher();
    const now = () => document.querySelector('[aria-current="step"]')?.textContent;
    await waitFor(() => expect(now()).toBe("Sign with Ada"));
    next({ type: "signed", txHash: "0x03" });
    next({ type: "broadcasted" });
    await waitFor(() => expect(now()).toBe("Sent to the network"));
    next({ type: "txBestBlocksState", found: true, ok: true, block: BLOCK, events: [] });
    await waitFor(() => expect(now()).toBe("In block 1,234"));
    // A block may be left by the chain again.
    next({ type: "txBestBlocksState", found: false, isValid: true });
    await waitFor(() => expect(now()).toBe("Sent to the network"));
    expect(screen.queryByText("It is on chain.")).toBeNull();
    next({ type: "finalized", ok: true, block: BLOCK, events: [{ type: "Jobs", value: { type: "JobPosted", value: { job: 7 } } }] });
    expect(await screen.findByText("It is on chain.")).toBeTruthy();
    expect(onFinal).toHaveBeenCalledWith([{ pallet: "Jobs", name: "JobPosted", fields: { job: 7 } }]);
    await userEvent.click(screen.getByRole("button", { name: "Watch it" }));
    expect(onClose).toHaveBeenCalledOnce();
});

test("a refused signature is said, costs nothing and can be tried again", async () => {
    const { watcher } = open();
    await userEvent.click(await screen.findByRole("button", { name: "Sign and send" }));
    (await watcher()).error(new Error("Cancelled by the user"));
    expect(await screen.findByText("You did not sign")).toBeTruthy();
    expect(screen.getByText(/Nothing was sent and nothing was paid/)).toBeTruthy();
    expect(screen.getByRole("button", { name: "Try again" })).toBeTruthy();
});

test("what the chain refuses is told in its own words, with its name", async () => {
    const { watcher } = open();
    await userEvent.click(await screen.findByRole("button", { name: "Sign and send" }));
    const dispatchError = { type: "Module", value: { type: "Grants", value: { type: "UsedUp", value: undefined } } };
    (await watcher()).next({ type: "finalized", ok: false, block: BLOCK, events: [], dispatchError });
    expect(await screen.findByText("Every use of the grant is taken. Ask for another.")).toBeTruthy();
    expect(screen.getByText("Grants.UsedUp")).toBeTruthy();
});

test("who has too little cannot send, and sees why", async () => {
    open({}, 20n * TRIB);
    expect(await screen.findByText("Not enough free balance")).toBeTruthy();
    const button = screen.getByRole<HTMLButtonElement>("button", { name: "Sign and send" });
    expect(button.disabled).toBe(true);
});

test("without an account there is a way to one", async () => {
    wallet.set(null);
    open();
    expect(await screen.findByText("Connect an account to go on.")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Sign and send" })).toBeNull();
});
