import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Coins, Download } from "lucide-react";
import type { ContributionModel, Earnings } from "../../api/client";
import { earnings as earningsQuery } from "../../api/queries";
import { sum } from "../../lib/amount";
import { formatInteger, formatPpm } from "../../lib/format";
import { t } from "../../strings/en";
import { Button, ButtonAnchor, ButtonLink } from "../../ui/Button";
import { Amount, Stat, Stats, When } from "../../ui/data";
import { EmptyState, ErrorState, LoadingBlock, Notice, Skeleton } from "../../ui/feedback";
import { MoneyChart } from "../../ui/MoneyChart";
import { Page, Section } from "../../ui/Page";
import { openConnect } from "../../wallet/ConnectDialog";
import { useAddress } from "../../wallet/useWallet";
import { ContributionBadge } from "../contribute/ContributionTable";
import { ClaimPanel } from "./ClaimPanel";
import { placeOf, useClaimable, type Claimable } from "./useClaimable";
import "./earnings.css";

export function EarningsPage() {
    const address = useAddress();
    if (!address) {
        return (
            <Page title={t.earnings.title} lead={t.earnings.lead}>
                <EmptyState
                    icon={<Coins />}
                    title={t.transactions.needsAccount}
                    actions={
                        <Button kind="primary" onPress={openConnect}>
                            {t.wallet.connect}
                        </Button>
                    }
                >
                    {t.earnings.connectText}
                </EmptyState>
            </Page>
        );
    }
    return <Mine address={address} key={address} />;
}

function Mine({ address }: { address: string }) {
    const query = useQuery(earningsQuery(address));
    const data = query.data;
    return (
        <Page
            title={t.earnings.title}
            lead={t.earnings.lead}
            actions={
                <ButtonAnchor href={`/api/accounts/${address}/earnings.csv`} download icon={<Download size={16} />}>
                    {t.earnings.csv}
                </ButtonAnchor>
            }
        >
            {data ? (
                <Account data={data} />
            ) : query.isError ? (
                <ErrorState error={query.error} onRetry={() => void query.refetch()} />
            ) : (
                <>
                    <Skeleton height="8rem" />
                    <LoadingBlock rows={3} height="5rem" />
                </>
            )}
        </Page>
    );
}

function Account({ data }: { data: Earnings }) {
    const claimable = useClaimable(data);
    const received = sum(data.by_role.map((one) => one.amount));
    const payouts = data.by_role.reduce((total, one) => total + one.payouts, 0);
    const samples = data.contributions.reduce((total, one) => total + one.samples, 0);
    const models = new Set(data.contributions.flatMap((one) => one.models.map((model) => model.model)));
    const nothing = data.contributions.length === 0 && data.by_role.length === 0;
    return (
        <>
            {data.contributions.length > 0 && <ClaimPanel {...claimable} />}
            {!data.is_complete && (
                <Notice tone="warn" title={t.earnings.incomplete}>
                    {t.earnings.incompleteText(data.missing_models.map((id) => t.models.number(id)).join(", "))}
                </Notice>
            )}
            {nothing ? (
                <EmptyState icon={<Coins />} title={t.earnings.nothing} actions={<ButtonLink to="/datanets">{t.home.doors.contribute.action}</ButtonLink>}>
                    {t.earnings.nothingText}
                </EmptyState>
            ) : (
                <>
                    <Stats>
                        <Stat name={t.earnings.received} detail={t.earnings.payouts(payouts)}>
                            <Amount value={received} />
                        </Stat>
                        {data.contributions.length > 0 && (
                            <Stat name={t.earnings.myContributions} detail={t.datanets.samples(formatInteger(samples))}>
                                {formatInteger(data.contributions.length)}
                            </Stat>
                        )}
                        {models.size > 0 && <Stat name={t.earnings.learned}>{formatInteger(models.size)}</Stat>}
                        {(data.by_role.length > 1 ? data.by_role : []).map((one) => (
                            <Stat key={one.role} name={t.words.role[one.role] ?? one.role} detail={t.earnings.payouts(one.payouts)}>
                                <Amount value={one.amount} />
                            </Stat>
                        ))}
                    </Stats>
                    {data.series.length > 0 && (
                        <Section title={t.earnings.over}>
                            <MoneyChart label={t.earnings.over} series={[{ name: t.earnings.received, points: data.series }]} height={200} />
                        </Section>
                    )}
                    {data.contributions.length > 0 && <Contributions data={data} answers={claimable.answers} />}
                    {data.payouts.length > 0 && <Payouts data={data} />}
                </>
            )}
        </>
    );
}

function Contributions({ data, answers }: { data: Earnings; answers: Claimable["answers"] }) {
    const answersOf = (contribution: number) => (model: { model: number }) => answers.get(placeOf(model.model, contribution)) ?? 0n;
    return (
        <Section title={t.earnings.byContribution} lead={t.earnings.byContributionLead}>
            <ul role="list" className="earning-list">
                {data.contributions.map((one) => (
                    <li key={one.contribution}>
                        <div className="row spread">
                            <div className="row">
                                <Link to="/contributions/$id" params={{ id: one.contribution }} className="strong">
                                    {t.contributions.title(one.contribution)}
                                </Link>
                                <ContributionBadge status={one.status as "pending" | "accepted" | "rejected" | "withdrawn"} />
                                <span className="small muted">
                                    {one.datanet_name} · {formatInteger(one.samples)} {t.datanets.samplesWord}
                                </span>
                            </div>
                            <strong>{one.earned === null ? "–" : <Amount value={BigInt(one.earned) + sum(one.models.map(answersOf(one.contribution)))} />}</strong>
                        </div>
                        {one.models.length > 0 ? (
                            <div className="table-wrap">
                                <table className="compact">
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
                                        {one.models.map((model) => (
                                            <ModelRow key={model.model} model={model} answers={answersOf(one.contribution)(model)} />
                                        ))}
                                    </tbody>
                                </table>
                            </div>
                        ) : (
                            <p className="small muted">{t.contributions.noModels}</p>
                        )}
                    </li>
                ))}
            </ul>
        </Section>
    );
}

/** `answers`: what waits for paid answers, which the index does not know. */
function ModelRow({ model, answers }: { model: ContributionModel; answers: bigint }) {
    const isKnown = model.claimable !== null || answers > 0n;
    return (
        <tr>
            <td>
                <Link to="/models/$id" params={{ id: model.model }}>
                    {model.title}
                </Link>{" "}
                <span className="small muted nowrap">{t.models.number(model.model)}</span>
            </td>
            <td className="number">{model.share_ppm === null ? "–" : formatPpm(model.share_ppm)}</td>
            <td className="number">{model.earned === null ? "–" : <Amount value={BigInt(model.earned) + answers} />}</td>
            <td className="number">
                <Amount value={model.claimed} />
            </td>
            <td className="number">
                {isKnown ? <Amount value={BigInt(model.claimable ?? "0") + answers} /> : "–"}
                {answers > 0n && (
                    <div className="small muted">
                        {t.earnings.ofIt} <Amount value={answers} /> {t.earnings.forAnswers}
                    </div>
                )}
            </td>
        </tr>
    );
}

function Payouts({ data }: { data: Earnings }) {
    return (
        <Section title={t.earnings.history}>
            <div className="table-wrap">
                <table>
                    <thead>
                        <tr>
                            <th>{t.earnings.when}</th>
                            <th>{t.earnings.what}</th>
                            <th>{t.earnings.source}</th>
                            <th className="number">{t.earnings.amount}</th>
                        </tr>
                    </thead>
                    <tbody>
                        {data.payouts.slice(0, 50).map((one, place) => (
                            <tr key={`${one.at.block}.${place}`}>
                                <td className="nowrap">
                                    <When at={one.at} />
                                </td>
                                <td>
                                    {t.words.reason[one.reason] ?? one.reason}
                                    <div className="small muted">{t.words.role[one.role] ?? one.role}</div>
                                </td>
                                <td>
                                    {one.model !== null ? (
                                        <Link to="/models/$id" params={{ id: one.model }}>
                                            {t.models.number(one.model)}
                                        </Link>
                                    ) : one.job !== null ? (
                                        <Link to="/jobs/$id" params={{ id: one.job }}>
                                            {t.runs.title(one.job)}
                                        </Link>
                                    ) : one.datanet !== null ? (
                                        <Link to="/datanets/$id" params={{ id: one.datanet }}>
                                            {t.datanets.number(one.datanet)}
                                        </Link>
                                    ) : (
                                        "–"
                                    )}
                                </td>
                                <td className="number">
                                    <Amount value={one.amount} digits={6} />
                                </td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
        </Section>
    );
}
