import { Check } from "lucide-react";
import type { Phase, SentTransaction } from "../chain/transactions";
import { formatInteger } from "../lib/format";
import { t } from "../strings/en";

const ORDER: Phase[] = ["signing", "sent", "included", "final"];

/** Where a transaction is: signed, sent, in a block, final. */
export function PhaseSteps({ sent, account }: { sent: SentTransaction; account: string }) {
    const at = sent.phase === "preparing" ? -1 : ORDER.indexOf(sent.phase);
    const labels: Record<string, string> = {
        signing: t.transactions.phaseSigning(account),
        sent: t.transactions.phaseSent,
        included: sent.block === null ? t.transactions.phaseIncluded : t.transactions.phaseIncludedIn(formatInteger(sent.block)),
        final: t.transactions.phaseFinal,
    };
    return (
        <ol className="phases" role="list" aria-live="polite">
            {ORDER.map((phase, place) => {
                const isDone = place < at || sent.phase === "final";
                const isNow = !isDone && (place === at || (at === -1 && place === 0));
                return (
                    <li key={phase} className={isDone ? "done" : isNow ? "now" : "later"} aria-current={isNow ? "step" : undefined}>
                        <span className="phase-mark" aria-hidden>
                            {isDone && <Check size={13} strokeWidth={3} />}
                        </span>
                        <span>{labels[phase]}</span>
                    </li>
                );
            })}
        </ol>
    );
}
