import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Sprout } from "lucide-react";
import { useState } from "react";
import type { ContributionModel } from "../../api/client";
import { contribution, datanet as datanetQuery } from "../../api/queries";
import { withdrawContribution } from "../../chain/calls";
import { formatPpm } from "../../lib/format";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Account, Amount, Fact, Facts, When } from "../../ui/data";
import { EmptyState, ErrorState, LoadingBlock, Notice } from "../../ui/feedback";
import { Page, Section } from "../../ui/Page";
import { useAddress } from "../../wallet/useWallet";
import { Commitment } from "./Commitment";
import { ContributionBadge } from "./ContributionTable";
import { SamplesPane } from "./SamplesPane";

export function ContributionPage() {
    const { id } = useParams({ from: "/contributions/$id" });
    const query = useQuery(contribution(id));
    const address = useAddress();
    const [isOpen, setOpen] = useState(false);
    const data = query.data?.contribution;
    const net = useQuery({ ...datanetQuery(data?.datanet ?? -1), enabled: data !== undefined });
    const mayRead =
        data !== undefined &&
        address !== null &&
        (address === data.contributor || address === net.data?.owner || (net.data?.curators.includes(address) ?? false));
    const canWithdraw = data !== undefined && address === data.contributor && (data.status === "pending" || data.status === "accepted");
    return (
        <Page
            title={t.contributions.title(id)}
            crumbs={[
                { label: t.datanets.title, to: "/datanets" },
                ...(data ? [{ label: data.datanet_name, to: "/datanets/$id" as const, params: { id: data.datanet } }] : []),
            ]}
            badges={data && <ContributionBadge status={data.status} />}
            actions={
                canWithdraw && (
                    <Button kind="danger" onPress={() => setOpen(true)}>
                        {t.contributions.withdraw}
                    </Button>
                )
            }
        >
            {!data || !query.data ? (
                query.isError ? (
                    <ErrorState error={query.error} onRetry={() => void query.refetch()} />
                ) : (
                    <LoadingBlock />
                )
            ) : (
                <>
                    {data.reason && (
                        <Notice tone="bad" title={t.contributions.reasonGiven}>
                            {data.reason}
                        </Notice>
                    )}
                    {data.status === "pending" && <Notice>{t.contributions.pendingText}</Notice>}
                    {(data.status === "accepted" || query.data.models.length > 0) && (
                        <Section title={t.contributions.earnedFrom} lead={t.contributions.earnedFromLead}>
                            <ModelShares models={query.data.models} />
                        </Section>
                    )}
                    <Section>
                        <Facts columns={2}>
                            <Fact name={t.contributions.contributor}>
                                <Account address={data.contributor} />
                            </Fact>
                            <Fact name={t.contributions.datanet}>
                                <Link to="/datanets/$id" params={{ id: data.datanet }}>
                                    {data.datanet_name}
                                </Link>
                            </Fact>
                            <Fact name={t.contributions.submitted}>
                                <When at={data.submitted} block />
                            </Fact>
                            {data.decided && data.curator && (
                                <Fact name={t.contributions.decidedBy}>
                                    <Account address={data.curator} /> <When at={data.decided} />
                                </Fact>
                            )}
                            <Fact name={t.contributions.licence}>{data.licence}</Fact>
                            <Fact name={t.contribute.deposit}>
                                <Amount value={data.deposit} />
                            </Fact>
                            <Fact name={t.contributions.versions}>
                                {data.versions.length === 0 ? t.contributions.notInVersion : data.versions.join(", ")}
                            </Fact>
                            <Fact name={t.contributions.claimed}>
                                <Amount value={data.claimed} />
                            </Fact>
                        </Facts>
                    </Section>
                    <Commitment commitment={data.commitment} />
                    {mayRead && (
                        <Section title={t.contributions.samplesTitle} lead={t.contributions.samplesLead}>
                            <SamplesPane contribution={id} isHeld={data.is_held} />
                        </Section>
                    )}
                    <TransactionDialog
                        isOpen={isOpen}
                        onClose={() => setOpen(false)}
                        title={t.contributions.withdrawTitle(id)}
                        make={() => Promise.resolve(withdrawContribution(id))}
                        tone="danger"
                        confirm={t.contributions.withdraw}
                    >
                        <p>{t.contributions.withdrawText}</p>
                    </TransactionDialog>
                </>
            )}
        </Page>
    );
}

export function ModelShares({ models }: { models: ContributionModel[] }) {
    if (models.length === 0) {
        return (
            <EmptyState icon={<Sprout />} title={t.contributions.noModels}>
                {t.contributions.noModelsText}
            </EmptyState>
        );
    }
    return (
        <div className="table-wrap">
            <table>
                <thead>
                    <tr>
                        <th>{t.contributions.model}</th>
                        <th className="number">{t.contributions.share}</th>
                        <th className="number">{t.contributions.earned}</th>
                        <th className="number">{t.contributions.claimed}</th>
                        <th className="number">{t.contributions.claimable}</th>
                    </tr>
                </thead>
                <tbody>
                    {models.map((one) => (
                        <tr key={one.model}>
                            <td>
                                <Link to="/models/$id" params={{ id: one.model }} className="strong">
                                    {one.title}
                                </Link>{" "}
                                <span className="small muted nowrap">{t.models.number(one.model)}</span>
                            </td>
                            <td className="number">
                                {one.share_ppm === null ? <span className="muted small">{t.contributions.shareUnknown}</span> : formatPpm(one.share_ppm)}
                            </td>
                            <td className="number">{one.earned === null ? "–" : <Amount value={one.earned} />}</td>
                            <td className="number">
                                <Amount value={one.claimed} />
                            </td>
                            <td className="number">{one.claimable === null ? "–" : <Amount value={one.claimable} />}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
