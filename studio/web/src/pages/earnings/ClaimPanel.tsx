import { useState } from "react";
import { claimRewards, type ClaimInput, type PaidAnswersClaim } from "../../chain/calls";
import { sum } from "../../lib/amount";
import { sentence } from "../../lib/format";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Account, Amount, Fact, Facts } from "../../ui/data";
import { Notice, Skeleton, Spinner } from "../../ui/feedback";
import type { Claimable, Unanswered } from "./useClaimable";

/** Claims of one transaction: a block has room for more, but a wallet's window should stay readable. */
export const BATCH_MAX = 20;

const keyOf = (one: ClaimInput) => `${one.kind === "answers" ? one.operator : "shares"}.${one.model}.${one.claim.leaf.index}`;
const amountOf = (claims: ClaimInput[]) => sum(claims.map(({ claim }) => claim.claimable));
const isForAnswers = (one: ClaimInput): one is PaidAnswersClaim => one.kind === "answers";

/** What waits, of what it is made, and the way to it. */
export function ClaimPanel({ claims, isLoading, isAsking, unanswered }: Claimable) {
    const [isOpen, setOpen] = useState(false);
    const batch = claims.slice(0, BATCH_MAX);
    const total = amountOf(claims);
    const contributions = new Set(claims.map(({ claim }) => claim.leaf.contribution));
    const models = new Set(claims.map(({ model }) => model));
    return (
        <>
            <section className="claim-panel" data-waits={isLoading || total > 0n} aria-label={t.earnings.claimable}>
                <div>
                    <h2>{t.earnings.claimable}</h2>
                    <p className="claim-amount">{isLoading ? <Skeleton height="2.6rem" width="11rem" /> : <Amount value={total} digits={6} />}</p>
                    <p className="small">{claims.length > 0 ? t.earnings.from(contributions.size, models.size) : t.earnings.nothingNow}</p>
                </div>
                <Button kind="primary" size="large" onPress={() => setOpen(true)} isDisabled={batch.length === 0}>
                    {claims.length > BATCH_MAX ? t.earnings.claimSome(BATCH_MAX) : t.earnings.claimAll}
                </Button>
                <Parts claims={claims} isAsking={isAsking && !isLoading} />
                <TransactionDialog
                    isOpen={isOpen}
                    onClose={() => setOpen(false)}
                    title={t.earnings.claimTitle}
                    make={batch.length > 0 ? () => Promise.resolve(claimRewards(batch)) : null}
                    feeKey={batch.map(keyOf)}
                    confirm={t.earnings.claimAll}
                    done={<Notice tone="good">{t.earnings.claimedNow}</Notice>}
                >
                    <Facts>
                        {batch.map((one) => (
                            <Fact
                                key={keyOf(one)}
                                name={
                                    isForAnswers(one)
                                        ? t.earnings.claimOfAnswers(one.claim.leaf.contribution, one.model, one.epoch)
                                        : t.earnings.claimOf(one.claim.leaf.contribution, one.model)
                                }
                            >
                                <Amount value={one.claim.claimable} digits={6} />
                            </Fact>
                        ))}
                    </Facts>
                    <p className="small muted">{t.earnings.claimNote}</p>
                </TransactionDialog>
            </section>
            {unanswered.length > 0 && <UnansweredNotice all={unanswered} />}
        </>
    );
}

/** Where it comes from, once there is more than one way. */
function Parts({ claims, isAsking }: { claims: ClaimInput[]; isAsking: boolean }) {
    const answers = claims.filter(isForAnswers);
    const shares = claims.filter((one) => !isForAnswers(one));
    const ledgers = new Map<string, PaidAnswersClaim[]>();
    for (const one of answers) {
        const ledger = `${one.model}.${one.operator}`;
        ledgers.set(ledger, [...(ledgers.get(ledger) ?? []), one]);
    }
    if (answers.length === 0) {
        return isAsking ? (
            <p className="claim-parts row small">
                <Spinner label={t.earnings.asking} /> <span aria-hidden>{t.earnings.asking}</span>
            </p>
        ) : null;
    }
    return (
        <dl className="claim-parts">
            <div>
                <dt>{t.earnings.byShares}</dt>
                <dd>
                    <Amount value={amountOf(shares)} digits={6} />
                </dd>
            </div>
            <div>
                <dt>{t.earnings.byAnswers}</dt>
                <dd>
                    <Amount value={amountOf(answers)} digits={6} />
                </dd>
            </div>
            {[...ledgers].map(([ledger, [first, ...others]]) =>
                first ? (
                    <div key={ledger} className="of-it">
                        <dt>
                            <Account address={first.operator} /> <span className="nowrap">{t.earnings.epochOf(first.model, first.epoch)}</span>
                        </dt>
                        <dd>
                            <Amount value={amountOf([first, ...others])} digits={6} />
                        </dd>
                    </div>
                ) : null,
            )}
            {isAsking && (
                <div>
                    <dt>{t.earnings.asking}</dt>
                    <dd>
                        <Spinner />
                    </dd>
                </div>
            )}
        </dl>
    );
}

function UnansweredNotice({ all }: { all: Unanswered[] }) {
    return (
        <Notice tone="warn" title={t.earnings.unanswered(all.length)}>
            <ul className="unanswered">
                {all.map(({ model, operator, reason }) => (
                    <li key={`${model}.${operator}`}>
                        <Account address={operator} /> <span className="nowrap">{t.models.number(model)}</span>: {sentence(reason)}
                    </li>
                ))}
            </ul>
            {t.earnings.unansweredText}
        </Notice>
    );
}
