import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { CircleCheckBig } from "lucide-react";
import { useState } from "react";
import type { Contribution, Datanet } from "../../api/client";
import { contributions, datanet } from "../../api/queries";
import { acceptContributions, rejectContribution } from "../../chain/calls";
import { byteLength, formatBytes, formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button, ButtonLink } from "../../ui/Button";
import { Account, When } from "../../ui/data";
import { EmptyState, ErrorState, LoadingBlock, Notice } from "../../ui/feedback";
import { Select, TextField } from "../../ui/fields";
import { Page, Section } from "../../ui/Page";
import { PagedView, itemsOf } from "../../ui/query";
import { useAddress } from "../../wallet/useWallet";
import { SamplesPane } from "../contribute/SamplesPane";
import "./curate.css";

export function ReviewPage() {
    const { id } = useParams({ from: "/datanets/$id/review" });
    const query = useQuery(datanet(id));
    const address = useAddress();
    const data = query.data;
    const isCurator = data && address !== null && (data.owner === address || data.curators.includes(address));
    return (
        <Page
            title={data ? t.curate.title(data.name) : t.datanets.reviewNone}
            lead={t.curate.lead}
            crumbs={[
                { label: t.datanets.title, to: "/datanets" },
                { label: data?.name ?? t.datanets.number(id), to: "/datanets/$id", params: { id } },
            ]}
        >
            {!data ? (
                query.isError ? (
                    <ErrorState error={query.error} onRetry={() => void query.refetch()} />
                ) : (
                    <LoadingBlock />
                )
            ) : (
                <>
                    {!isCurator && <Notice tone="warn">{t.curate.notCurator}</Notice>}
                    <Queue datanet={data} />
                    <Suspects datanet={data.id} />
                </>
            )}
        </Page>
    );
}

function Queue({ datanet: data }: { datanet: Datanet }) {
    const pending = useInfiniteQuery(contributions({ datanet: data.id, status: "pending" }));
    const [chosen, setChosen] = useState<number | null>(null);
    const [decision, setDecision] = useState<Decision | null>(null);
    return (
        <>
        <PagedView
            query={pending}
            empty={
                <EmptyState
                    icon={<CircleCheckBig />}
                    title={t.curate.empty}
                    actions={
                        <ButtonLink to="/datanets/$id" params={{ id: data.id }}>
                            {data.name}
                        </ButtonLink>
                    }
                >
                    {t.curate.emptyText}
                </EmptyState>
            }
        >
            {(items) => {
                const current = items.find((one) => one.id === chosen) ?? items[0];
                return (
                    <div className="review">
                        <nav aria-label={t.curate.queue} className="review-queue">
                            <h2>
                                {t.curate.queue} <span className="count">{items.length}</span>
                            </h2>
                            <ul role="list">
                                {items.map((one) => (
                                    <li key={one.id}>
                                        <button type="button" aria-current={one.id === current?.id} onClick={() => setChosen(one.id)}>
                                            <strong>{t.contributions.title(one.id)}</strong>
                                            <span>
                                                {formatInteger(one.commitment.samples)} {t.datanets.samplesWord} · <When at={one.submitted} />
                                            </span>
                                        </button>
                                    </li>
                                ))}
                            </ul>
                        </nav>
                        {current && <Review key={current.id} contribution={current} onDecide={setDecision} />}
                    </div>
                );
            }}
        </PagedView>
        {/* Beside the queue, not in it: what is decided leaves the queue while its transaction is still shown. */}
        {decision && <DecisionDialog {...decision} onClose={() => setDecision(null)} />}
        </>
    );
}

/** Accepted contributions with samples that look wrong to models that learned from them. */
function Suspects({ datanet: id }: { datanet: number }) {
    const query = useInfiniteQuery(contributions({ datanet: id, status: "accepted", suspects: true }));
    if (itemsOf(query).length === 0) return null;
    return (
        <Section title={t.curate.suspects} lead={t.curate.suspectsLead}>
            <PagedView query={query} empty={null}>
                {(items) => (
                    <ul role="list" className="suspects">
                        {items.map((one) => (
                            <li key={one.id} className="row spread">
                                <span className="row">
                                    <ButtonLink to="/contributions/$id" params={{ id: one.id }} size="small">
                                        {t.contributions.title(one.id)}
                                    </ButtonLink>
                                    <Account address={one.contributor} />
                                </span>
                                <span className="muted small">
                                    {t.curate.suspectsOf(formatInteger(one.suspects), formatInteger(one.commitment.samples))}
                                </span>
                            </li>
                        ))}
                    </ul>
                )}
            </PagedView>
        </Section>
    );
}

interface Decision {
    id: number;
    kind: "accept" | "reject";
}

function DecisionDialog({ id, kind, onClose }: Decision & { onClose: () => void }) {
    const [reason, setReason] = useState("");
    const text = reason.trim();
    if (kind === "accept") {
        return (
            <TransactionDialog
                isOpen
                onClose={onClose}
                title={t.curate.acceptTitle(id)}
                make={() => Promise.resolve(acceptContributions([id]))}
                confirm={t.curate.accept}
            >
                <p>{t.curate.acceptText}</p>
            </TransactionDialog>
        );
    }
    return (
        <TransactionDialog
            isOpen
            onClose={onClose}
            title={t.curate.rejectTitle(id)}
            make={text && byteLength(text) <= 512 ? () => Promise.resolve(rejectContribution(id, text)) : null}
            feeKey={text.length}
            tone="danger"
            confirm={t.curate.reject}
            form={
                <TextField
                    label={t.curate.reason}
                    placeholder={t.curate.reasonPlaceholder}
                    rows={3}
                    bytesMax={512}
                    value={reason}
                    onChange={setReason}
                    autoFocus
                />
            }
        >
            <p className="muted small">{t.curate.rejectText}</p>
        </TransactionDialog>
    );
}

interface ReviewProps {
    contribution: Contribution;
    onDecide: (decision: Decision) => void;
}

function Review({ contribution, onDecide }: ReviewProps) {
    const address = useAddress();
    const accepted = useInfiniteQuery(contributions({ datanet: contribution.datanet, status: "accepted" }));
    const [other, setOther] = useState<string | null>(null);
    const candidates = itemsOf(accepted);
    const compared = candidates.find((one) => String(one.id) === other) ?? candidates[0];
    const isOwn = address === contribution.contributor;
    return (
        <div className="stack">
            <div className="row spread review-bar">
                <div className="row">
                    <Account address={contribution.contributor} />
                    <span className="muted small">
                        {formatBytes(contribution.commitment.bytes)} · {contribution.licence}
                    </span>
                </div>
                <div className="row">
                    <Button kind="danger" onPress={() => onDecide({ id: contribution.id, kind: "reject" })}>
                        {t.curate.reject}
                    </Button>
                    <Button kind="primary" onPress={() => onDecide({ id: contribution.id, kind: "accept" })} isDisabled={isOwn}>
                        {t.curate.accept}
                    </Button>
                </div>
            </div>
            {isOwn && <Notice tone="warn">{t.curate.own}</Notice>}
            <div className="split even">
                <Section title={t.curate.this}>
                    <SamplesPane contribution={contribution.id} isHeld={contribution.is_held} />
                </Section>
                <Section
                    title={t.curate.accepted}
                    actions={
                        compared && (
                            <Select
                                label={t.curate.compareWith}
                                hidesLabel
                                value={String(compared.id)}
                                onChange={setOther}
                                options={candidates.map((one) => ({ value: String(one.id), label: t.contributions.title(one.id) }))}
                            />
                        )
                    }
                >
                    {compared ? (
                        <SamplesPane key={compared.id} contribution={compared.id} isHeld={compared.is_held} />
                    ) : (
                        <EmptyState title={t.curate.compareNothing} />
                    )}
                </Section>
            </div>
        </div>
    );
}
