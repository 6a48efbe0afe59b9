// What the wizard gathers, and the rules by which it becomes a job.
import type { BaseModel, Datanet, Grant, Hyperparameters, Purpose, Split } from "../../api/client";
import type { AttributionInput, JobInput } from "../../chain/calls";
import { parseAmount } from "../../lib/amount";

export type Step = "base" | "data" | "recipe" | "review";
export const STEPS: Step[] = ["base", "data", "recipe", "review"];

export type Preset = "taste" | "balanced" | "thorough" | "custom";

export interface ChosenData {
    datanet: number;
    version: number;
}

export interface Draft {
    step: Step;
    base: number | null;
    purpose: Purpose;
    data: ChosenData[];
    preset: Preset;
    method: "lora" | "qlora";
    hyperparameters: Hyperparameters;
    attribution: AttributionInput;
    split: Split;
    /** TRIB as typed; empty: the price that is suggested. */
    price: string;
    deadlineHours: number;
    acceptanceHours: number;
}

/** A base of fewer parameters than this learns with other numbers: higher rates, more passes, short sequences. */
const SMALL_PARAMETERS = 100_000_000;

/** What a preset sets. Source: the project's recipes for its embedded base and for models of billions of parameters. */
export function presetOf(preset: Exclude<Preset, "custom">, base: BaseModel | null, defaults: Hyperparameters): Hyperparameters {
    const small = base !== null && base.parameters < SMALL_PARAMETERS;
    const start: Hyperparameters = small
        ? { ...defaults, rank: 16, alpha: 32, batch_size: 16, accumulation: 1, learning_rate_nano: 2_000_000, sequence_tokens: 128 }
        : defaults;
    switch (preset) {
        case "taste":
            return { ...start, rank: 8, alpha: 16, epochs: small ? 10 : 1 };
        case "balanced":
            return { ...start, epochs: small ? 40 : 3 };
        case "thorough":
            return { ...start, rank: 32, alpha: 64, epochs: small ? 80 : 6, evaluation_steps: 20, patience: 5 };
    }
}

export const CREDIT_SIMPLE: AttributionInput = { kind: "trac_in_cp", checkpoints: 16 };
export const CREDIT_ANSWERS: AttributionInput = {
    kind: "group_tangents",
    groups: 16,
    halves: 0,
    coalitions: 16,
    way: "loss",
};

export function newDraft(defaults: { hyperparameters: Hyperparameters; split: Split }): Draft {
    return {
        step: "base",
        base: null,
        purpose: "commercial",
        data: [],
        preset: "balanced",
        method: "lora",
        hyperparameters: defaults.hyperparameters,
        attribution: CREDIT_SIMPLE,
        split: defaults.split,
        price: "",
        deadlineHours: 24,
        acceptanceHours: 1,
    };
}

export function isDraft(value: unknown): value is Draft {
    if (typeof value !== "object" || value === null) return false;
    const draft = value as Partial<Draft>;
    return (
        STEPS.includes(draft.step as Step) &&
        Array.isArray(draft.data) &&
        typeof draft.hyperparameters === "object" &&
        typeof draft.split === "object" &&
        typeof draft.price === "string"
    );
}

/** Whether a grant lets its holder train this base on this version for this purpose, now. */
export function covers(grant: Grant, use: { version: number; purpose: Purpose; base: number }): boolean {
    const { terms } = grant;
    const { kind, number } = terms.versions;
    const version = kind === "all" || (kind === "up_to" ? use.version <= (number ?? 0) : use.version === number);
    const base = terms.base_models.kind === "any" || terms.base_models.base === use.base;
    return grant.is_usable && version && base && terms.purpose === use.purpose;
}

/** Why a Datanet cannot be chosen, or that it can. */
export type Usability =
    | { kind: "usable"; grant: Grant }
    | { kind: "retired" }
    | { kind: "no_version" }
    | { kind: "purpose_not_offered" }
    | { kind: "waiting" }
    | { kind: "no_grant"; mismatch: Grant | null; refused: Grant | null };

export function usability(datanet: Datanet, version: number, grants: Grant[], purpose: Purpose, base: number): Usability {
    if (datanet.status === "retired") return { kind: "retired" };
    if (!datanet.latest) return { kind: "no_version" };
    const own = grants.filter((grant) => grant.datanet === datanet.id);
    const fitting = own.find((grant) => covers(grant, { version, purpose, base }));
    if (fitting) return { kind: "usable", grant: fitting };
    if (!datanet.terms.purposes.includes(purpose)) return { kind: "purpose_not_offered" };
    if (own.some((grant) => grant.status === "requested" && grant.terms.purpose === purpose)) return { kind: "waiting" };
    const [newest] = own.toSorted((a, b) => b.id - a.id);
    const refused = newest?.status === "denied" || newest?.status === "revoked" ? newest : null;
    return { kind: "no_grant", mismatch: own.find((grant) => grant.is_usable) ?? null, refused };
}

/** A base model or a Datanet, and what it may be used under. */
export interface Licensed {
    name: string;
    licence: string;
}

export interface LicenceConflict {
    kind: "non_commercial" | "no_derivatives" | "share_alike";
    /** Those whose licences are in the way. */
    of: Licensed[];
}

/** Licences that by their SPDX names do not go together with the use, or with each other. */
export function licenceConflicts(all: Licensed[], purpose: Purpose): LicenceConflict[] {
    const under = (pattern: RegExp) => all.filter(({ licence }) => pattern.test(licence));
    const found: LicenceConflict[] = [];
    const nonCommercial = under(/(^|-)NC(-|$)/);
    if (purpose === "commercial" && nonCommercial.length > 0) found.push({ kind: "non_commercial", of: nonCommercial });
    const noDerivatives = under(/(^|-)ND(-|$)/);
    if (noDerivatives.length > 0) found.push({ kind: "no_derivatives", of: noDerivatives });
    const shareAlike = under(/(^|-)SA(-|$)|^A?GPL-|^ODbL-/);
    if (new Set(shareAlike.map(({ licence }) => licence)).size > 1) found.push({ kind: "share_alike", of: shareAlike });
    return found;
}

/** "Tide tables (CC-BY-NC-4.0), Harbour logs (ODbL-1.0)". */
export const sayLicensed = (all: Licensed[]) => all.map(({ name, licence }) => `${name} (${licence})`).join(", ");

export const splitSum = (split: Split) => Object.values(split).reduce((total, part) => total + part, 0);

/** What an answer can be paid by: only group tangents that were measured. */
export const paysAnswers = (attribution: AttributionInput) => attribution.kind === "group_tangents" && attribution.coalitions > 0;

interface JobContext {
    grants: { datanet: number; grant: number }[];
    price: bigint;
    fees: bigint;
    head: number;
    blockMs: number;
    limits: { deadline_blocks_max: number; acceptance_blocks_min: number; acceptance_blocks_max: number };
}

const blocksOf = (hours: number, blockMs: number) => Math.round((hours * 3_600_000) / blockMs);

export function jobOf(draft: Draft, context: JobContext): JobInput | null {
    const { base } = draft;
    if (base === null || draft.data.length === 0) return null;
    const data = draft.data.flatMap((use) => {
        const found = context.grants.find((one) => one.datanet === use.datanet);
        return found ? [{ ...use, grant: found.grant }] : [];
    });
    if (data.length !== draft.data.length) return null;
    const { limits } = context;
    const acceptance = blocksOf(draft.acceptanceHours, context.blockMs);
    return {
        base,
        data,
        purpose: draft.purpose,
        method: { kind: draft.method, double_quantisation: draft.method === "qlora" },
        hyperparameters: draft.hyperparameters,
        attribution: draft.attribution,
        split: draft.split,
        price: context.price,
        // A few blocks of slack: the head moves while the wallet's window is open.
        deadline: context.head + Math.min(blocksOf(draft.deadlineHours, context.blockMs), limits.deadline_blocks_max - 20),
        acceptance_blocks: Math.min(Math.max(acceptance, limits.acceptance_blocks_min), limits.acceptance_blocks_max),
        data_fees_max: context.fees,
    };
}

export const priceOf = (draft: Draft, suggested: string | undefined): bigint | null =>
    draft.price.trim() === "" ? (suggested === undefined ? null : BigInt(suggested)) : parseAmount(draft.price);
