// The transactions that people sign here, each made from what the pages know. What a call does and how it can fail is the
// pallet's documentation.
import { Enum, type Transaction } from "polkadot-api";
import type { AnswerClaim, Claim, Hyperparameters, Purpose, Split } from "../api/client";
import type { ChainApi } from "./connection";

/** A transaction once the node is connected. */
export type MakeTransaction = (api: ChainApi) => Transaction;

const utf8 = new TextEncoder();
const text = (value: string) => utf8.encode(value);
type H32 = Parameters<ChainApi["tx"]["Channels"]["open"]>[0]["key"];
const hash = (value: string) => (value.startsWith("0x") ? value : `0x${value}`) as H32;
const PURPOSES = { research: "Research", evaluation: "Evaluation", commercial: "Commercial" } as const;
const purposeOf = (purpose: Purpose) => Enum(PURPOSES[purpose]);

export interface TermsInput {
    price: bigint;
    purposes: Purpose[];
    royalty_floor_ppm: number;
    admission: "anyone" | "members";
    access: "open" | "on_request";
    grant_blocks_max: number;
    grant_uses_max: number;
    licence: string;
}

const terms = (input: TermsInput) => ({
    price: input.price,
    purposes: {
        research: input.purposes.includes("research"),
        evaluation: input.purposes.includes("evaluation"),
        commercial: input.purposes.includes("commercial"),
    },
    royalty_floor: input.royalty_floor_ppm,
    admission: Enum(input.admission === "anyone" ? "Anyone" : "Members"),
    access: Enum(input.access === "open" ? "Open" : "OnRequest"),
    grant_blocks_max: input.grant_blocks_max,
    grant_uses_max: input.grant_uses_max,
    licence: text(input.licence),
});

export interface RegisterInput {
    name: string;
    domain: string;
    description: string;
    terms: TermsInput;
}

export const registerDatanet =
    (input: RegisterInput): MakeTransaction =>
    (api) =>
        api.tx.Datanets.register({
            name: text(input.name),
            domain: text(input.domain),
            description: text(input.description),
            schema: Enum("PromptCompletion"),
            terms: terms(input.terms),
        });

export const updateTerms =
    (datanet: number, input: TermsInput): MakeTransaction =>
    (api) =>
        api.tx.Datanets.update_terms({ datanet, terms: terms(input) });

export const setCurators =
    (datanet: number, curators: string[]): MakeTransaction =>
    (api) =>
        api.tx.Datanets.set_curators({ datanet, curators });

export const retireDatanet =
    (datanet: number): MakeTransaction =>
    (api) =>
        api.tx.Datanets.retire({ datanet });

export const publishVersion =
    (datanet: number): MakeTransaction =>
    (api) =>
        api.tx.Datanets.publish_version({ datanet });

export interface CommitmentInput {
    root: string;
    blob: string;
    samples: number;
    bytes: number;
}

export const submitContribution =
    (datanet: number, commitment: CommitmentInput, licence: string): MakeTransaction =>
    (api) =>
        api.tx.Datanets.submit_contribution({
            datanet,
            samples: {
                root: hash(commitment.root),
                blob: hash(commitment.blob),
                samples: commitment.samples,
                bytes: BigInt(commitment.bytes),
            },
            licence: text(licence),
        });

export const acceptContributions =
    (ids: number[]): MakeTransaction =>
    (api) => {
        const [first, ...others] = ids.map((id) => api.tx.Datanets.accept({ contribution: BigInt(id) }));
        if (!first) throw new Error("nothing to accept");
        return others.length === 0 ? first : batch(api, [first, ...others]);
    };

export const rejectContribution =
    (id: number, reason: string): MakeTransaction =>
    (api) =>
        api.tx.Datanets.reject({ contribution: BigInt(id), reason: text(reason) });

export const withdrawContribution =
    (id: number): MakeTransaction =>
    (api) =>
        api.tx.Datanets.withdraw({ contribution: BigInt(id) });

export interface GrantInput {
    datanet: number;
    purpose: Purpose;
    /** `null`: any base model. */
    base: number | null;
    uses: number;
    expires_at: number;
}

export const requestGrant =
    (input: GrantInput): MakeTransaction =>
    (api) =>
        api.tx.Grants.request({
            datanet: input.datanet,
            terms: {
                versions: Enum("All"),
                purpose: purposeOf(input.purpose),
                base_models: input.base === null ? Enum("Any") : Enum("Only", input.base),
                uses: input.uses,
                expires_at: input.expires_at,
            },
        });

export const issueGrant =
    (grant: number): MakeTransaction =>
    (api) =>
        api.tx.Grants.issue({ grant: BigInt(grant) });

export const denyGrant =
    (grant: number, reason: string): MakeTransaction =>
    (api) =>
        api.tx.Grants.deny({ grant: BigInt(grant), reason: text(reason) });

export const revokeGrant =
    (grant: number, reason: string): MakeTransaction =>
    (api) =>
        api.tx.Grants.revoke({ grant: BigInt(grant), reason: text(reason) });

export const renounceGrant =
    (grant: number): MakeTransaction =>
    (api) =>
        api.tx.Grants.renounce({ grant: BigInt(grant) });

export interface JobInput {
    base: number;
    data: { datanet: number; version: number; grant: number }[];
    purpose: Purpose;
    method: { kind: "lora" | "qlora"; double_quantisation: boolean };
    hyperparameters: Hyperparameters;
    attribution: AttributionInput;
    split: Split;
    price: bigint;
    deadline: number;
    acceptance_blocks: number;
    data_fees_max: bigint;
}

export type AttributionInput =
    | { kind: "trac_in_cp"; checkpoints: number }
    | { kind: "data_value_embedding" }
    | { kind: "group_tangents"; groups: number; halves: number; coalitions: number; way: "gradient" | "midpoint" | "loss" };

const SCHEDULES = { constant: "Constant", linear: "Linear", cosine: "Cosine" } as const;
const WAYS = { gradient: "Gradient", midpoint: "Midpoint", loss: "Loss" } as const;

export const postJob =
    (input: JobInput): MakeTransaction =>
    (api) => {
        const { hyperparameters: recipe, attribution } = input;
        const targets = (name: string) => recipe.targets[name] ?? false;
        return api.tx.Jobs.post({
            spec: {
                base: input.base,
                data: input.data.map((use) => ({
                    version: { datanet: use.datanet, number: use.version },
                    grant: BigInt(use.grant),
                })),
                purpose: purposeOf(input.purpose),
                method:
                    input.method.kind === "lora"
                        ? Enum("Lora")
                        : Enum("Qlora", { double_quantisation: input.method.double_quantisation }),
                hyperparameters: {
                    ...recipe,
                    targets: {
                        q_proj: targets("q_proj"),
                        k_proj: targets("k_proj"),
                        v_proj: targets("v_proj"),
                        o_proj: targets("o_proj"),
                        gate_proj: targets("gate_proj"),
                        up_proj: targets("up_proj"),
                        down_proj: targets("down_proj"),
                        q_a_proj: targets("q_a_proj"),
                        q_b_proj: targets("q_b_proj"),
                        kv_a_proj_with_mqa: targets("kv_a_proj_with_mqa"),
                        kv_b_proj: targets("kv_b_proj"),
                        qkv_proj: targets("qkv_proj"),
                        gate_up_proj: targets("gate_up_proj"),
                    },
                    learning_rate_nano: BigInt(recipe.learning_rate_nano),
                    seed: BigInt(recipe.seed),
                    template: Enum(recipe.template === "plain" ? "Plain" : "Chat"),
                    schedule: Enum(SCHEDULES[recipe.schedule]),
                    arithmetic: Enum(recipe.arithmetic === "fast" ? "Fast" : "DetF32V1"),
                },
                attribution:
                    attribution.kind === "trac_in_cp"
                        ? Enum("TracInCp", { checkpoints: attribution.checkpoints })
                        : attribution.kind === "data_value_embedding"
                          ? Enum("DataValueEmbedding")
                          : Enum("GroupTangents", {
                                groups: attribution.groups,
                                halves: attribution.halves,
                                coalitions: attribution.coalitions,
                                way: Enum(WAYS[attribution.way]),
                            }),
                split: input.split,
                price: input.price,
                deadline: input.deadline,
                acceptance_blocks: input.acceptance_blocks,
            },
            data_fees_max: input.data_fees_max,
        });
    };

export const cancelJob =
    (job: number): MakeTransaction =>
    (api) =>
        api.tx.Jobs.cancel({ job: BigInt(job) });

/** Pays what the trainer has done of it, and no more than `payMax`. */
export const stopJob =
    (job: number, payMax: bigint): MakeTransaction =>
    (api) =>
        api.tx.Jobs.stop({ job: BigInt(job), pay_max: payMax });

export const acceptJob =
    (job: number): MakeTransaction =>
    (api) =>
        api.tx.Jobs.accept({ job: BigInt(job) });

export const settleJob =
    (job: number): MakeTransaction =>
    (api) =>
        api.tx.Jobs.settle({ job: BigInt(job) });

export const expireJob =
    (job: number): MakeTransaction =>
    (api) =>
        api.tx.Jobs.expire({ job: BigInt(job) });

export const disputeJob =
    (job: number, evidence: string): MakeTransaction =>
    (api) =>
        api.tx.Jobs.dispute({ job: BigInt(job), evidence: hash(evidence) });

export interface PricesInput {
    input_per_1000: bigint;
    output_per_1000: bigint;
}

export const publishModel =
    (model: number, prices: PricesInput): MakeTransaction =>
    (api) =>
        api.tx.Models.publish({ model: BigInt(model), prices });

export const setModelTerms =
    (model: number, prices: PricesInput): MakeTransaction =>
    (api) =>
        api.tx.Models.set_terms({ model: BigInt(model), prices });

export const withdrawModel =
    (model: number): MakeTransaction =>
    (api) =>
        api.tx.Models.withdraw({ model: BigInt(model) });

/** Deploys and offers in one transaction: an operator that may serve but has no prices can sell nothing. */
export const deployModel =
    (model: number, endpoint: string, prices: PricesInput, until: number): MakeTransaction =>
    (api) =>
        batch(api, [
            api.tx.Models.deploy({ model: BigInt(model), endpoint: text(endpoint) }),
            api.tx.Channels.offer({ model: BigInt(model), prices, until }),
        ]);

export const undeployModel =
    (model: number): MakeTransaction =>
    (api) =>
        api.tx.Models.undeploy({ model: BigInt(model) });

export const fundModel =
    (model: number, amount: bigint): MakeTransaction =>
    (api) =>
        api.tx.Attribution.fund({ model: BigInt(model), amount });

/** Of a model's revenue, by the shares. */
export interface ShareClaim {
    kind: "shares";
    model: number;
    claim: Claim;
}

/** Of what an operator paid in for its answers, by the epoch that the chain accepted. */
export interface PaidAnswersClaim {
    kind: "answers";
    model: number;
    operator: string;
    epoch: number;
    claim: AnswerClaim;
}

export type ClaimInput = ShareClaim | PaidAnswersClaim;

/** Shares count in units, answers in amounts, which no number of JavaScript holds. */
const leafOf = (leaf: Omit<Claim["leaf"], "units">, units: number | string) => ({
    index: leaf.index,
    contribution: BigInt(leaf.contribution),
    contributor: hash(leaf.contributor),
    units: BigInt(units),
    evidence: hash(leaf.evidence),
});

const proofOf = (proof: Claim["proof"] | AnswerClaim["proof"]) => proof.siblings.map((node) => ({ hash: hash(node.hash), sum: BigInt(node.sum) }));

const claimShares = (api: ChainApi, { model, claim: { leaf, proof } }: ShareClaim) =>
    api.tx.Attribution.claim({ model: BigInt(model), leaf: leafOf(leaf, leaf.units), proof: proofOf(proof) });

const claimAnswers = (api: ChainApi, { model, operator, claim: { leaf, proof } }: PaidAnswersClaim) =>
    api.tx.Attribution.claim_answers({ model: BigInt(model), operator, leaf: leafOf(leaf, leaf.amount), proof: proofOf(proof) });

/** Both kinds in one transaction. */
export const claimRewards =
    (inputs: ClaimInput[]): MakeTransaction =>
    (api) => {
        const [first, ...others] = inputs.map((input) => (input.kind === "answers" ? claimAnswers(api, input) : claimShares(api, input)));
        if (!first) throw new Error("nothing to claim");
        return others.length === 0 ? first : batch(api, [first, ...others]);
    };

export const openChannel =
    (operator: string, key: string, amount: bigint): MakeTransaction =>
    (api) =>
        api.tx.Channels.open({ operator, key: hash(key), amount });

export const topUpChannel =
    (channel: number, amount: bigint): MakeTransaction =>
    (api) =>
        api.tx.Channels.top_up({ channel: BigInt(channel), amount });

export const closeChannel =
    (channel: number): MakeTransaction =>
    (api) =>
        api.tx.Channels.close({ channel: BigInt(channel) });

export const finaliseChannel =
    (channel: number): MakeTransaction =>
    (api) =>
        api.tx.Channels.finalise({ channel: BigInt(channel) });

export const bond =
    (amount: bigint): MakeTransaction =>
    (api) =>
        api.tx.Jobs.bond({ amount });

/** All or none. */
function batch(api: ChainApi, calls: Transaction[]): Transaction {
    return api.tx.Utility.batch_all({ calls: calls.map((call) => call.decodedCall as never) });
}
