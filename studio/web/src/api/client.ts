// The gateway's REST interface, typed by its OpenAPI document.
import createClient from "openapi-fetch";
import type { components, paths } from "../generated/api";
import { t } from "../strings/en";

type Schemas = components["schemas"];
export type Account = Schemas["AccountInfo"];
export type AnswerClaim = Schemas["AnswerClaim"];
export type BaseModel = Schemas["BaseModel"];
export type BlockSummary = Schemas["BlockSummary"];
export type Channel = Schemas["Channel"];
export type CheckReport = Schemas["CheckReport"];
export type Claim = Schemas["Claim"];
export type Config = Schemas["Config"];
export type Contribution = Schemas["Contribution"];
export type ContributionModel = Schemas["ContributionModel"];
export type Contributor = Schemas["Contributor"];
export type Datanet = Schemas["Datanet"];
export type DataUse = Schemas["DataUse"];
export type Earnings = Schemas["Earnings"];
export type Estimate = Schemas["Estimate"];
export type EstimateRequest = Schemas["EstimateRequest"];
export type Grant = Schemas["Grant"];
export type Hyperparameters = Schemas["Hyperparameters"];
export type Job = Schemas["Job"];
export type JobDetail = Schemas["JobDetail"];
export type JobEvent = Schemas["JobEvent"];
export type Lineage = Schemas["Lineage"];
export type LiveChanged = Schemas["LiveChanged"];
export type LiveHead = Schemas["LiveHead"];
export type Model = Schemas["Model"];
export type ModelDetail = Schemas["ModelDetail"];
export type Network = Schemas["Network"];
export type Offer = Schemas["Offer"];
export type Payout = Schemas["Payout"];
export type Purpose = Schemas["Purpose"];
export type Samples = Schemas["Samples"];
export type SearchHit = Schemas["SearchHit"];
export type SeriesPoint = Schemas["SeriesPoint"];
export type Split = Schemas["Split"];
export type Stage = Schemas["Stage"];
export type Terms = Schemas["Terms"];
export type Trainer = Schemas["Trainer"];
export type Upload = Schemas["Upload"];
export type Version = Schemas["Version"];
export type When = Schemas["When"];

/** An answer of the gateway that says no. */
export class ApiError extends Error {
    override readonly name = "ApiError";
    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
        readonly hint: string | null,
    ) {
        super(message);
    }
}

/** No answer at all: the gateway or the network is gone. */
export class UnreachableError extends Error {
    override readonly name = "UnreachableError";
}

export const gateway = createClient<paths>({
    baseUrl: typeof window === "undefined" ? "" : window.location.origin,
    // A call, not a reference: tests put their own `fetch` in place.
    fetch: (request) => globalThis.fetch(request),
});

/** What proves that a request which changes something comes from a page of the gateway's own. */
export const FROM_PAGE = { "x-tributary": "1" } as const;

interface Answer<T> {
    data?: T;
    error?: unknown;
    response: Response;
}

/** The body of a good answer; otherwise throws {@link ApiError} or {@link UnreachableError}. */
export async function read<T>(answer: Promise<Answer<T>>): Promise<T> {
    let got: Answer<T>;
    try {
        got = await answer;
    } catch (error) {
        if (error instanceof DOMException && error.name === "AbortError") throw error;
        throw new UnreachableError(t.errors.unreachable, { cause: error });
    }
    if (got.response.ok && got.data !== undefined) return got.data;
    throw toApiError(got.response.status, got.error);
}

export function toApiError(status: number, body: unknown): Error {
    if (isErrorBody(body)) return new ApiError(status, body.error.code, body.error.message, body.error.hint ?? null);
    // What stands in for a gateway that is down has no error of ours to tell.
    if (status === 502 || status === 503 || status === 504) return new UnreachableError(t.errors.unreachable);
    return new ApiError(status, "unknown", t.errors.unexpected(status), null);
}

function isErrorBody(body: unknown): body is Schemas["Error"] {
    if (typeof body !== "object" || body === null || !("error" in body)) return false;
    const { error } = body;
    return typeof error === "object" && error !== null && "message" in error && typeof error.message === "string";
}
