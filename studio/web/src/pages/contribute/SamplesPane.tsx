import { LockKeyhole } from "lucide-react";
import { useState } from "react";
import { formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { Button } from "../../ui/Button";
import { Badge, EmptyState, ErrorState, LoadingBlock, Notice } from "../../ui/feedback";
import { Switch } from "../../ui/fields";
import { openConnect } from "../../wallet/ConnectDialog";
import { useWallet } from "../../wallet/useWallet";
import { SAMPLES_PAGE, useSamples } from "./samples";
import "./contribute.css";

/** A contribution's samples, page by page, for who may read them. */
export function SamplesPane({ contribution, isHeld }: { contribution: number; isHeld: boolean }) {
    const [offset, setOffset] = useState(0);
    const [onlySuspects, setOnlySuspects] = useState(false);
    const [refusal, setRefusal] = useState<string | null>(null);
    const account = useWallet();
    const { isUnlocked, query, unlock } = useSamples(contribution, offset, onlySuspects);
    if (!isHeld) return <EmptyState title={t.curate.cannotRead}>{t.curate.cannotReadText}</EmptyState>;
    if (!isUnlocked) {
        return (
            <EmptyState
                icon={<LockKeyhole />}
                title={t.curate.unlock}
                actions={
                    account ? (
                        <Button
                            kind="primary"
                            onPress={() => {
                                setRefusal(null);
                                void unlock().catch((error: unknown) => setRefusal(error instanceof Error ? error.message : String(error)));
                            }}
                        >
                            {t.contributions.readSamples}
                        </Button>
                    ) : (
                        <Button kind="primary" onPress={openConnect}>
                            {t.wallet.connect}
                        </Button>
                    )
                }
            >
                {refusal ? `${t.transactions.rejectedByWallet}. ${refusal}` : t.curate.unlockText}
            </EmptyState>
        );
    }
    if (query.isError) return <ErrorState error={query.error} onRetry={() => void unlock()} />;
    if (!query.data) return <LoadingBlock rows={5} height="4rem" />;
    const { items, total, suspects } = query.data;
    const last = offset + items.length;
    return (
        <div className="stack tight">
            {suspects > 0 && (
                <Switch
                    isSelected={onlySuspects}
                    onChange={(selected) => {
                        setOffset(0);
                        setOnlySuspects(selected);
                    }}
                >
                    {t.curate.onlySuspects(formatInteger(suspects))}
                </Switch>
            )}
            <ol className="samples-pane" role="list">
                {items.map((sample) => (
                    <li key={sample.index} className="sample">
                        <small>{formatInteger(sample.index + 1)}</small>
                        <div>{sample.prompt}</div>
                        <div className="completion">{sample.completion}</div>
                        {sample.suspicion && (
                            <div>
                                <Badge tone="warn">
                                    {t.curate.suspicion(sample.suspicion.model, (sample.suspicion.score_ppm / 1_000_000).toFixed(2))}
                                </Badge>
                            </div>
                        )}
                    </li>
                ))}
            </ol>
            {total === 0 && <Notice>{t.ui.none}</Notice>}
            {total > SAMPLES_PAGE && (
                <div className="row spread">
                    <Button size="small" isDisabled={offset === 0} onPress={() => setOffset(Math.max(0, offset - SAMPLES_PAGE))}>
                        {t.contributions.previous}
                    </Button>
                    <span className="small muted">
                        {t.contributions.shown(formatInteger(offset + 1), formatInteger(last), formatInteger(total))}
                    </span>
                    <Button size="small" isDisabled={last >= total} onPress={() => setOffset(last)}>
                        {t.contributions.following}
                    </Button>
                </div>
            )}
        </div>
    );
}
