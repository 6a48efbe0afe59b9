import { expect, test } from "vitest";
import type { Datanet, Grant, Hyperparameters } from "../src/api/client";
import { covers, jobOf, licenceConflicts, newDraft, presetOf, priceOf, sayLicensed, usability } from "../src/pages/build/draft";

const when = { block: 100, time: null, is_estimate: true };
const grant = (change: Partial<Grant> = {}, terms: Partial<Grant["terms"]> = {}): Grant => ({
    id: 7,
    datanet: 1,
    datanet_name: "",
    owner: "o",
    grantee: "g",
    status: "active",
    reason: null,
    terms: {
        versions: { kind: "up_to", number: 2 },
        purpose: "commercial",
        base_models: { kind: "only", base: 0 },
        uses: 3,
        expires: when,
        ...terms,
    },
    used: 0,
    is_usable: true,
    deposit: "0",
    requested: when,
    decided: null,
    ...change,
});
const datanet = (change: Partial<Datanet> = {}): Datanet =>
    ({
        id: 1,
        status: "active",
        latest: { number: 2, samples: 1, bytes: 1, contributions: 1, published: when },
        terms: { purposes: ["commercial"], licence: "CC-BY-4.0" },
        ...change,
    }) as Datanet;
const recipe = { rank: 16, alpha: 32, epochs: 3, batch_size: 4, learning_rate_nano: 200_000 } as Hyperparameters;
const split = { treasury: 20_000, base_owner: 80_000, trainer: 100_000, model_owner: 200_000, datanet_owners: 100_000, contributors: 500_000 };

test("a grant covers its versions, its purpose and its base, while it can be used", () => {
    const use = { version: 2, purpose: "commercial", base: 0 } as const;
    expect(covers(grant(), use)).toBe(true);
    expect(covers(grant(), { ...use, version: 3 })).toBe(false);
    expect(covers(grant(), { ...use, purpose: "research" })).toBe(false);
    expect(covers(grant(), { ...use, base: 1 })).toBe(false);
    expect(covers(grant({ is_usable: false }), use)).toBe(false);
    expect(covers(grant({}, { versions: { kind: "only", number: 1 } }), use)).toBe(false);
});

test("a Datanet says why it cannot be chosen", () => {
    const kind = (net: Datanet, grants: Grant[], purpose: "commercial" | "research" = "commercial") => usability(net, 2, grants, purpose, 0).kind;
    expect(kind(datanet(), [grant()])).toBe("usable");
    expect(kind(datanet(), [])).toBe("no_grant");
    expect(kind(datanet(), [grant({ status: "requested", is_usable: false })])).toBe("waiting");
    expect(kind(datanet(), [], "research")).toBe("purpose_not_offered");
    expect(kind(datanet({ latest: null }), [grant()])).toBe("no_version");
    expect(kind(datanet({ status: "retired" }), [grant()])).toBe("retired");
    const denied = usability(datanet(), 2, [grant({ status: "denied", is_usable: false, reason: "no" })], "commercial", 0);
    expect(denied.kind === "no_grant" && denied.refused?.reason).toBe("no");
});

test("licences that do not go together are named", () => {
    const conflicts = (licences: string[], purpose: "commercial" | "research") =>
        licenceConflicts(
            licences.map((licence, place) => ({ name: `Net ${place}`, licence })),
            purpose,
        ).map(({ kind, of }) => `${kind}: ${sayLicensed(of)}`);
    expect(conflicts(["CC-BY-4.0", "Apache-2.0"], "commercial")).toEqual([]);
    expect(conflicts(["CC-BY-NC-4.0"], "research")).toEqual([]);
    expect(conflicts(["MIT", "CC-BY-NC-4.0"], "commercial")).toEqual(["non_commercial: Net 1 (CC-BY-NC-4.0)"]);
    expect(conflicts(["CC-BY-ND-4.0"], "research")).toEqual(["no_derivatives: Net 0 (CC-BY-ND-4.0)"]);
    expect(conflicts(["CC-BY-SA-4.0", "CC-BY-SA-4.0"], "research")).toEqual([]);
    expect(conflicts(["CC-BY-SA-4.0", "ODbL-1.0", "MIT"], "research")).toEqual([
        "share_alike: Net 0 (CC-BY-SA-4.0), Net 1 (ODbL-1.0)",
    ]);
});

test("a small base gets a recipe for small bases", () => {
    const base = (parameters: number) => ({ parameters }) as Parameters<typeof presetOf>[1];
    expect(presetOf("balanced", base(1_000_000), recipe)).toMatchObject({ epochs: 40, learning_rate_nano: 2_000_000 });
    expect(presetOf("balanced", base(8_000_000_000), recipe)).toMatchObject({ epochs: 3, learning_rate_nano: 200_000 });
});

test("a job is made only when every version has its grant, within the chain's bounds", () => {
    const draft = { ...newDraft({ hyperparameters: recipe, split }), base: 0, data: [{ datanet: 1, version: 2 }], deadlineHours: 10_000 };
    const context = {
        grants: [{ datanet: 1, grant: 7 }],
        price: 5n,
        fees: 2n,
        head: 1_000,
        blockMs: 3_000,
        limits: { deadline_blocks_max: 201_600, acceptance_blocks_min: 20, acceptance_blocks_max: 600 },
    };
    const job = jobOf(draft, context);
    expect(job).toMatchObject({ data: [{ datanet: 1, version: 2, grant: 7 }], acceptance_blocks: 600, data_fees_max: 2n });
    expect(job?.deadline).toBeLessThanOrEqual(1_000 + 201_600);
    expect(jobOf(draft, { ...context, grants: [] })).toBeNull();
    expect(jobOf({ ...draft, base: null }, context)).toBeNull();
});

test("an empty price is the suggested one, and nonsense is none", () => {
    const draft = newDraft({ hyperparameters: recipe, split });
    expect(priceOf(draft, "7")).toBe(7n);
    expect(priceOf({ ...draft, price: "1.5" }, "7")).toBe(1_500_000_000_000n);
    expect(priceOf({ ...draft, price: "x" }, "7")).toBeNull();
});
