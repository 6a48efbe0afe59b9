import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Download, MessageSquareText } from "lucide-react";
import type { ModelDetail } from "../../api/client";
import { model as modelQuery } from "../../api/queries";
import { formatInteger, formatPpm, formatSignificant } from "../../lib/format";
import { t } from "../../strings/en";
import { ButtonAnchor, ButtonLink } from "../../ui/Button";
import { Account, Amount, Fact, Facts, Hash, Stat, Stats, When } from "../../ui/data";
import { Badge, EmptyState, ErrorState, LoadingBlock, Notice, Skeleton } from "../../ui/feedback";
import { MoneyChart } from "../../ui/MoneyChart";
import { Page, Section } from "../../ui/Page";
import { ShareBar } from "../../ui/ShareBar";
import { useAddress } from "../../wallet/useWallet";
import { SaleFlow } from "../home/SaleFlow";
import { Deployments } from "./Deployments";
import { LineageGraph } from "./LineageGraph";
import { ModelActions } from "./ModelActions";
import { ModelStatusBadge } from "./ModelStatusBadge";
import { Snippets } from "./Snippets";
import "./models.css";

export function ModelPage() {
    const { id } = useParams({ from: "/models/$id" });
    const query = useQuery(modelQuery(id));
    const data = query.data;
    return (
        <Page
            title={data?.model.title ?? t.models.number(id)}
            crumbs={[{ label: t.models.title, to: "/models" }]}
            badges={
                data && (
                    <>
                        <Badge>{t.models.number(id)}</Badge>
                        <ModelStatusBadge status={data.model.status} />
                        {data.model.deployments > 0 && (
                            <Badge tone="info" dot>
                                {t.models.live}
                            </Badge>
                        )}
                        {data.model.is_affected && <Badge tone="bad">{t.models.affected}</Badge>}
                    </>
                )
            }
            actions={
                data && (
                    <>
                        <ButtonAnchor href={`/api/models/${id}/bundle`} download icon={<Download size={16} />}>
                            {t.models.download}
                        </ButtonAnchor>
                        <ButtonLink to="/chat" search={{ model: String(id) }} kind="primary" icon={<MessageSquareText size={16} />}>
                            {t.runs.chat}
                        </ButtonLink>
                    </>
                )
            }
        >
            {data ? (
                <Detail detail={data} />
            ) : query.isError ? (
                <ErrorState error={query.error} onRetry={() => void query.refetch()} />
            ) : (
                <>
                    <Skeleton height="5.5rem" />
                    <LoadingBlock rows={2} height="14rem" />
                </>
            )}
        </Page>
    );
}

function Detail({ detail }: { detail: ModelDetail }) {
    const { model, contributors, stream } = detail;
    const address = useAddress();
    const isOwner = address === model.owner;
    return (
        <>
            {model.is_affected && (
                <Notice tone="warn" title={t.models.affected}>
                    {t.models.affectedText}
                </Notice>
            )}
            {isOwner && <ModelActions model={model} />}
            <Stats>
                <Stat name={t.runs.lossGone} detail={t.models.before(formatSignificant(model.metrics.validation_loss_before, 3))}>
                    {formatSignificant(model.metrics.validation_loss, 3)}
                </Stat>
                <Stat name={t.models.trainedOn} detail={t.models.stepsOf(formatInteger(model.metrics.steps))}>
                    {t.models.tokensOf(formatInteger(model.metrics.tokens))}
                </Stat>
                <Stat name={t.models.paidIn}>
                    <Amount value={model.paid_in} digits={2} />
                </Stat>
                <Stat name={t.models.earnedByContributors} detail={<><Amount value={model.claimed} digits={2} /> {t.models.claimed}</>}>
                    <Amount value={model.earned_by_contributors} digits={2} />
                </Stat>
            </Stats>
            <Section title={t.models.lineage} lead={t.models.lineageLead}>
                <LineageGraph lineage={detail.lineage} />
            </Section>
            <div className="split">
                <div className="stack">
                    <Section title={t.models.whoShaped} lead={t.models.whoShapedLead}>
                        {contributors === null ? (
                            <EmptyState title={t.models.sharesUnknown}>{t.models.sharesUnknownText}</EmptyState>
                        ) : (
                            <ShareBar
                                label={t.models.whoShaped}
                                shares={contributors.slice(0, 12).map((one) => ({
                                    key: one.index,
                                    part: one.share_ppm / 1e6,
                                    text: t.contributions.title(one.contribution),
                                    label: (
                                        <span className="row">
                                            <Link to="/contributions/$id" params={{ id: one.contribution }}>
                                                {t.contributions.title(one.contribution)}
                                            </Link>
                                            <Account address={one.contributor} />
                                        </span>
                                    ),
                                    detail: (
                                        <>
                                            {t.models.earned} <Amount value={one.earned} />
                                        </>
                                    ),
                                }))}
                            />
                        )}
                        {contributors && detail.contributor_count > 12 && (
                            <p className="small muted">{t.models.moreContributors(detail.contributor_count - 12)}</p>
                        )}
                    </Section>
                    <Section title={t.models.useIt} lead={t.models.useItLead}>
                        <Snippets detail={detail} />
                    </Section>
                    <Section title={t.models.deployments} lead={t.models.deploymentsLead}>
                        <Deployments detail={detail} />
                    </Section>
                    {detail.sales.length > 0 && (
                        <Section title={t.models.sales}>
                            <MoneyChart label={t.models.sales} series={[{ name: t.models.paidIn, points: detail.sales }]} height={200} />
                        </Section>
                    )}
                </div>
                <div className="stack">
                    <Section title={t.models.card}>
                        <Facts>
                            <Fact name={t.build.base}>{model.base.name}</Fact>
                            <Fact name={t.models.baseLicence}>{model.base_licence}</Fact>
                            {model.data.map((use) => (
                                <Fact key={`${use.datanet}@${use.version}`} name={t.datanets.version(use.version)}>
                                    <Link to="/datanets/$id" params={{ id: use.datanet }}>
                                        {use.datanet_name}
                                    </Link>
                                    <span className="field-help">{use.licence}</span>
                                </Fact>
                            ))}
                            <Fact name={t.build.purpose}>{t.words.purposes[model.purpose]}</Fact>
                            <Fact name={t.models.owner}>
                                <Account address={model.owner} />
                            </Fact>
                            <Fact name={t.runs.trainer}>
                                <Account address={model.trainer} />
                            </Fact>
                            <Fact name={t.models.job}>
                                <Link to="/jobs/$id" params={{ id: model.job }}>
                                    {t.runs.title(model.job)}
                                </Link>
                            </Fact>
                            <Fact name={t.models.created}>
                                <When at={model.created} block />
                            </Fact>
                            <Fact name={t.runs.adapter}>
                                <Hash value={model.adapter} />
                            </Fact>
                            {stream && (
                                <Fact name={t.models.root}>
                                    <Hash value={stream.contribution_root} />
                                </Fact>
                            )}
                        </Facts>
                    </Section>
                    <Section title={t.models.prices}>
                        {model.status === "published" ? (
                            <Facts>
                                <Fact name={t.models.input}>
                                    <Amount value={model.prices.input_per_1000} />
                                </Fact>
                                <Fact name={t.models.output}>
                                    <Amount value={model.prices.output_per_1000} />
                                </Fact>
                            </Facts>
                        ) : (
                            <p className="muted">{t.models.notForSale}</p>
                        )}
                    </Section>
                    <Section title={t.build.splitTitle}>
                        <SaleFlow split={model.split} />
                    </Section>
                    <Section title={t.models.accuracy} lead={t.models.accuracyLead}>
                        {model.accuracy ? (
                            <Facts>
                                <Fact name={t.models.coalitions} help={t.models.coalitionsHelp}>
                                    {formatSignificant(model.accuracy.coalitions.value, 2)} (
                                    {formatSignificant(model.accuracy.coalitions.low, 2)}–{formatSignificant(model.accuracy.coalitions.high, 2)})
                                </Fact>
                                <Fact name={t.models.ceiling}>{formatSignificant(model.accuracy.ceiling, 2)}</Fact>
                                <Fact name={t.models.attributed} help={t.models.attributedHelp}>
                                    {formatPpm(stream?.attributed_ppm ?? 0)}
                                </Fact>
                                <Fact name={t.models.ghost} help={t.models.ghostHelp}>
                                    {formatPpm(model.accuracy.ghost_share_ppm, 2)}
                                </Fact>
                                {model.accuracy.mislabel && (
                                    <Fact name={t.models.mislabel} help={t.models.mislabelHelp}>
                                        {formatSignificant(model.accuracy.mislabel.value, 2)} (
                                        {formatSignificant(model.accuracy.mislabel.low, 2)}–{formatSignificant(model.accuracy.mislabel.high, 2)})
                                    </Fact>
                                )}
                            </Facts>
                        ) : (
                            <p className="muted">{t.models.notMeasured}</p>
                        )}
                    </Section>
                </div>
            </div>
        </>
    );
}
