// @vitest-environment jsdom
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test, vi } from "vitest";
import type { AnswerClaim, Claim, Earnings } from "../src/api/client";
import { account as accountQuery } from "../src/api/queries";
import { claimRewards } from "../src/chain/calls";
import type { ChainApi } from "../src/chain/connection";
import { transactions } from "../src/chain/transactions";
import { TRIB } from "../src/lib/amount";
import { EarningsPage } from "../src/pages/earnings/EarningsPage";
import { DEVELOPMENT_NAMES } from "../src/wallet/names";
import { wallet } from "../src/wallet/wallet";
import { queries, show } from "./render";

const addressOf = (name: string) => Object.entries(DEVELOPMENT_NAMES).find(([, other]) => other === name)?.[0] ?? "";
const [ADA, OPERATOR, DAVE] = [addressOf("Ada"), addressOf("Operator"), addressOf("Dave")] as const;
const HASH = `0x${"07".repeat(32)}`;
const trib = (amount: number) => String(BigInt(Math.round(amount * 1e6)) * (TRIB / 1_000_000n));

/** What a chain's interface is asked to make. */
const made: { pallet: string; call: string; arguments: Record<string, unknown> }[] = [];
const api = {
    tx: new Proxy(
        {},
        {
            get: (_, pallet: string) =>
                new Proxy(
                    {},
                    {
                        get: (_, call: string) => (given: Record<string, unknown>) => {
                            made.push({ pallet, call, arguments: given });
                            return { decodedCall: { pallet, call }, getEstimatedFees: () => Promise.resolve(TRIB / 100n) };
                        },
                    },
                ),
        },
    ),
} as ChainApi;

// The node is what a test of a page has not: everything on this side of it runs.
vi.mock("../src/chain/connection", () => ({ connect: () => ({ api }), requireChain: () => Promise.resolve() }));

const byShares: Claim = {
    leaf: { index: 0, contribution: 1, contributor: HASH, units: 400_000_000, evidence: HASH },
    proof: { siblings: [{ hash: HASH, sum: 600_000_000 }] },
    claimable: trib(3),
    claimed: trib(1),
};
const byAnswers = (change: Partial<AnswerClaim> = {}): AnswerClaim => ({
    leaf: { index: 0, contribution: 1, contributor: HASH, amount: trib(0.75), evidence: HASH },
    proof: { siblings: [{ hash: HASH, sum: trib(2) }] },
    claimable: trib(0.5),
    claimed: trib(0.25),
    ...change,
});
const ledger = (operator: string, change: object = {}) => ({
    operator,
    funded: trib(5),
    claimed: trib(0.25),
    epoch: 2,
    accepted_epoch: 2,
    is_pending: false,
    pending_until: null,
    is_challenged: false,
    ...change,
});
const earnings = {
    account: ADA,
    claimed: "0",
    by_role: [],
    series: [],
    payouts: [],
    is_complete: true,
    missing_models: [],
    contributions: [
        {
            contribution: 1,
            datanet: 0,
            datanet_name: "Tides",
            samples: 12,
            status: "accepted",
            models: [{ model: 4, title: "Pilot", units: 1, share_ppm: 400_000, earned: trib(4), claimed: trib(1), claimable: trib(3) }],
            earned: trib(4),
            claimed: trib(1),
            claimable: trib(3),
        },
    ],
} as unknown as Earnings;

type Answer = { status?: number; body: unknown };
const refusal = (status: number, code: string, message: string): Answer => ({ status, body: { error: { code, message, hint: null } } });
const shown = (operator: string, claims: AnswerClaim[]): Answer => ({
    body: { model: 4, operator, account: ADA, epoch: 2, claims, claimable: "0" },
});

/** Opens Ada's earnings; `operators` is what the gateway says of each. Returns the paths that were asked for. */
function open(ledgers: object[], operators: Record<string, Answer>, shares: Claim[] = [byShares]) {
    const answers: Record<string, Answer> = {
        [`/api/accounts/${ADA}/earnings`]: { body: earnings },
        [`/api/models/4/claims/${ADA}`]: { body: { model: 4, job: 0, account: ADA, root: HASH, claims: shares, claimable: "0" } },
        "/api/models/4": { body: { model: { id: 4 }, ledgers } },
    };
    for (const [operator, answer] of Object.entries(operators)) answers[`/api/models/4/operators/${operator}/claims/${ADA}`] = answer;
    const asked: string[] = [];
    globalThis.fetch = (request) => {
        const { pathname } = new URL((request as Request).url);
        asked.push(pathname);
        const answer = answers[pathname];
        // What is not of this test stays open.
        if (!answer) return new Promise(() => undefined);
        return Promise.resolve(Response.json(answer.body, { status: answer.status ?? 200 }));
    };
    const client = queries();
    client.setQueryData(accountQuery(ADA).queryKey, { balance: { free: trib(100) } } as never);
    show(<EarningsPage />, client);
    return asked;
}

const panel = () => screen.findByRole("region", { name: "Ready to claim" });
const total = async () => (await panel()).querySelector(".claim-amount")?.textContent;

beforeEach(() => {
    made.length = 0;
    transactions.set([]);
    wallet.set({ address: ADA, name: "Ada", source: { kind: "development", path: "//Ada" } });
});

test("one total is made of shares and of each operator's epoch, less what was paid", async () => {
    open([ledger(OPERATOR)], { [OPERATOR]: shown(OPERATOR, [byAnswers()]) });
    // 0.75 were earned by answers, and 0.25 of them claimed before.
    await waitFor(async () => expect(await total()).toBe("3.5 TRIB"));
    const region = within(await panel());
    expect(region.getByText("from 1 contribution in 1 model")).toBeTruthy();
    const part = (name: string | RegExp) => region.getByText(name).closest("div")?.querySelector("dd")?.textContent;
    expect(part("By your shares of models")).toBe("3 TRIB");
    expect(part("For paid answers")).toBe("0.5 TRIB");
    expect(part("model 4, epoch 2")).toBe("0.5 TRIB");
    expect(region.getByRole("link", { name: "Operator" })).toBeTruthy();
    const row = within(screen.getByRole("row", { name: /Pilot/ }));
    expect(row.getByText("0.5", { exact: false })?.closest("td")?.textContent).toBe("3.5 TRIBof it 0.5 TRIB for paid answers");
});

test("an operator that cannot be reached is named, and the others are claimed", async () => {
    open([ledger(OPERATOR), ledger(DAVE)], {
        [OPERATOR]: shown(OPERATOR, [byAnswers()]),
        [DAVE]: refusal(502, "operator_away", "the operator does not answer"),
    });
    const title = await screen.findByText("An operator does not show what its answers earned you");
    const notice = within(title.closest<HTMLElement>(".notice") ?? document.body);
    expect(notice.getByRole("listitem").textContent).toBe("Dave Model 4: The operator does not answer.");
    await waitFor(async () => expect(await total()).toBe("3.5 TRIB"));
    expect((await screen.findByRole<HTMLButtonElement>("button", { name: "Claim all" })).disabled).toBe(false);
});

test("an operator that shows another epoch, or shows what is wrong, is told apart", async () => {
    open([ledger(OPERATOR), ledger(DAVE)], {
        [OPERATOR]: refusal(409, "other_epoch", "the operator shows epoch 1, which is not epoch 2 as the chain has accepted it"),
        [DAVE]: refusal(502, "operator_wrong", "the operator's answer cannot be read"),
    });
    await screen.findByText("Some operators do not show what their answers earned you");
    expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual(
        expect.arrayContaining([
            "Operator Model 4: The operator shows epoch 1, which is not epoch 2 as the chain has accepted it.",
            "Dave Model 4: The operator's answer cannot be read.",
        ]),
    );
    expect(await total()).toBe("3 TRIB");
});

test("only operators with an accepted epoch and something left are asked", async () => {
    const asked = open(
        [ledger(OPERATOR, { accepted_epoch: null }), ledger(DAVE, { claimed: trib(5) }), ledger(ADA)],
        { [ADA]: shown(ADA, [byAnswers({ claimable: "0", claimed: trib(0.75) })]) },
        [],
    );
    await waitFor(() => expect(asked.filter((path) => path.includes("/operators/"))).toEqual([`/api/models/4/operators/${ADA}/claims/${ADA}`]));
    await waitFor(async () => expect(await total()).toBe("0 TRIB"));
    expect(await screen.findByText(/^Nothing waits at the moment/)).toBeTruthy();
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Claim all" }).disabled).toBe(true);
    expect(screen.queryByText("For paid answers")).toBeNull();
});

test("claiming all sends both kinds in one transaction", async () => {
    open([ledger(OPERATOR)], { [OPERATOR]: shown(OPERATOR, [byAnswers()]) });
    await waitFor(async () => expect(await total()).toBe("3.5 TRIB"));
    await userEvent.click(screen.getByRole("button", { name: "Claim all" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Claim your earnings" }));
    expect(dialog.getByText("Contribution 1 in model 4")).toBeTruthy();
    expect(dialog.getByText("Contribution 1 in model 4, paid answers up to epoch 2")).toBeTruthy();
    await dialog.findByText("0.01");
    expect(made.map(({ pallet, call }) => `${pallet}.${call}`)).toEqual(["Attribution.claim", "Attribution.claim_answers", "Utility.batch_all"]);
    expect(made[1]?.arguments).toEqual({
        model: 4n,
        operator: OPERATOR,
        leaf: { index: 0, contribution: 1n, contributor: HASH, units: BigInt(trib(0.75)), evidence: HASH },
        proof: [{ hash: HASH, sum: BigInt(trib(2)) }],
    });
    expect(made[2]?.arguments).toEqual({
        calls: [
            { pallet: "Attribution", call: "claim" },
            { pallet: "Attribution", call: "claim_answers" },
        ],
    });
});

test("a single claim is sent as it is", () => {
    claimRewards([{ kind: "answers", model: 4, operator: OPERATOR, epoch: 2, claim: byAnswers() }])(api);
    expect(made.map(({ call }) => call)).toEqual(["claim_answers"]);
    expect(() => claimRewards([])(api)).toThrow("nothing to claim");
});
