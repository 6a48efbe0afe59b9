// What an account can claim now: by its shares of models, and by what operators' answers have earned it.
import { useQueries } from "@tanstack/react-query";
import { ApiError, type Earnings } from "../../api/client";
import { answerClaims, claims, model as modelQuery } from "../../api/queries";
import type { ClaimInput, PaidAnswersClaim, ShareClaim } from "../../chain/calls";

/** An operator whose answers cannot be claimed now. */
export interface Unanswered {
    model: number;
    operator: string;
    reason: string;
}

export interface Claimable {
    /** What is more than nothing; by shares first. */
    claims: ClaimInput[];
    /** Whether what the shares bring is not known yet. */
    isLoading: boolean;
    /** Whether operators are still asked. */
    isAsking: boolean;
    unanswered: Unanswered[];
    /** What waits for paid answers, by {@link placeOf}. */
    answers: ReadonlyMap<string, bigint>;
}

/** A contribution in a model. */
export const placeOf = (model: number, contribution: number) => `${model}.${contribution}`;

const isSomething = ({ claim }: ClaimInput) => BigInt(claim.claimable) > 0n;

export function useClaimable({ account, contributions }: Earnings): Claimable {
    const models = [...new Set(contributions.flatMap((one) => one.models.map(({ model }) => model)))];
    const byShares = useQueries({ queries: models.map((id) => claims(id, account)) });
    // A model's page says who has paid for answers with it. Those who deploy it no more are among them.
    const details = useQueries({ queries: models.map((id) => modelQuery(id)) });
    const owing = details.flatMap(({ data }) =>
        (data?.ledgers ?? [])
            .filter((ledger) => ledger.accepted_epoch !== null && BigInt(ledger.funded) > BigInt(ledger.claimed))
            .map(({ operator }) => ({ model: data?.model.id ?? 0, operator })),
    );
    const byAnswers = useQueries({ queries: owing.map(({ model, operator }) => answerClaims(model, operator, account)) });

    const shares = byShares.flatMap(({ data }): ShareClaim[] => data?.claims.map((claim) => ({ kind: "shares", model: data.model, claim })) ?? []);
    const answers = byAnswers.flatMap(({ data, isError }): PaidAnswersClaim[] => {
        // What was shown before an operator failed may be of an older epoch, which the chain takes no more.
        if (!data || isError || data.epoch === null) return [];
        const { model, operator, epoch } = data;
        return data.claims.map((claim) => ({ kind: "answers", model, operator, epoch, claim }));
    });
    const unanswered = owing.flatMap((one, place): Unanswered[] => {
        const error = byAnswers[place]?.error;
        // If it is the gateway that is away, the page says so.
        return error instanceof ApiError ? [{ ...one, reason: error.message }] : [];
    });
    const waits = new Map<string, bigint>();
    for (const { model, claim } of answers) {
        const place = placeOf(model, claim.leaf.contribution);
        waits.set(place, (waits.get(place) ?? 0n) + BigInt(claim.claimable));
    }
    return {
        claims: [...shares, ...answers].filter(isSomething),
        isLoading: byShares.some(({ isPending }) => isPending),
        isAsking: [...details, ...byAnswers].some(({ isPending }) => isPending),
        unanswered,
        answers: waits,
    };
}
