import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { MessageSquareText, Repeat2 } from "lucide-react";
import type { JobDetail } from "../../api/client";
import { job as jobQuery } from "../../api/queries";
import { formatBytes, formatInteger, formatPercent, formatSignificant } from "../../lib/format";
import { t } from "../../strings/en";
import { ButtonLink } from "../../ui/Button";
import { Account, Amount, Fact, Facts, Hash, Stat, Stats, When } from "../../ui/data";
import { ErrorState, LoadingBlock, Notice, Skeleton } from "../../ui/feedback";
import { Page, Section } from "../../ui/Page";
import { JobActions } from "./JobActions";
import { RecipeFacts } from "./RecipeFacts";
import { RunControl } from "./RunControl";
import { RunCharts } from "./RunCharts";
import { RunLog } from "./RunLog";
import { useRunEvents } from "./runEvents";
import { StageBadge } from "./StageBadge";
import { Timeline } from "./Timeline";
import "./runs.css";

export function RunPage() {
    const { id } = useParams({ from: "/jobs/$id" });
    const query = useQuery(jobQuery(id));
    const data = query.data;
    return (
        <Page
            title={t.runs.title(id)}
            crumbs={[{ label: t.runs.pageTitle, to: "/jobs" }]}
            badges={data && <StageBadge stage={data.job.stage} />}
            actions={
                data && (
                    <>
                        <ButtonLink to="/build" search={{ from: id }} icon={<Repeat2 size={16} />}>
                            {t.runs.again}
                        </ButtonLink>
                        {data.job.model !== null && (
                            <>
                                <ButtonLink to="/models/$id" params={{ id: data.job.model }}>
                                    {t.runs.openModel}
                                </ButtonLink>
                                <ButtonLink
                                    to="/chat"
                                    search={{ model: String(data.job.model) }}
                                    kind="primary"
                                    icon={<MessageSquareText size={16} />}
                                >
                                    {t.runs.chat}
                                </ButtonLink>
                            </>
                        )}
                    </>
                )
            }
        >
            {data ? (
                <Run detail={data} />
            ) : query.isError ? (
                <ErrorState error={query.error} onRetry={() => void query.refetch()} />
            ) : (
                <>
                    <Skeleton height="5.5rem" />
                    <LoadingBlock rows={2} height="18rem" />
                </>
            )}
        </Page>
    );
}

function Run({ detail }: { detail: JobDetail }) {
    const { job, history, run } = detail;
    const events = useRunEvents(job.id, run.is_available);
    const metrics = job.report?.metrics;
    const last = events.steps.at(-1);
    return (
        <>
            <JobActions job={job} stopCost={detail.stop_cost} />
            <RunControl detail={detail} events={events} />
            {job.stage === "open" && (
                <Notice title={t.runs.queueTitle}>
                    {job.queue_position === null || job.queue_position === 0 ? t.runs.queueFirst : t.runs.queueBehind(job.queue_position)}
                </Notice>
            )}
            {metrics && (
                <Stats>
                    <Stat name={t.runs.lossGone} detail={t.runs.was(formatSignificant(metrics.validation_loss_before, 3))}>
                        {formatSignificant(metrics.validation_loss, 3)}
                        {metrics.validation_loss < metrics.validation_loss_before && (
                            <span className="stat-change">
                                {t.runs.lower(formatPercent(1 - metrics.validation_loss / metrics.validation_loss_before, 0))}
                            </span>
                        )}
                    </Stat>
                    <Stat name={t.runs.trainingLoss} detail={t.runs.nats}>
                        {formatSignificant(metrics.training_loss, 3)}
                    </Stat>
                    <Stat name={t.runs.steps} detail={t.runs.stepsDetail(formatInteger(metrics.tokens))}>
                        {formatInteger(metrics.steps)}
                    </Stat>
                    <Stat name={t.runs.speed} detail={last?.memory_bytes ? t.runs.inMemory(formatBytes(last.memory_bytes)) : " "}>
                        {last ? t.runs.perSecond(formatInteger(Math.round(last.tokens_per_second))) : "–"}
                    </Stat>
                </Stats>
            )}
            <RunCharts job={job} data={events} isAvailable={run.is_available} isLive={run.is_live} />
            <div className="split">
                <div className="stack">
                    <Section title={t.runs.log}>
                        <RunLog data={events} isAvailable={run.is_available} />
                    </Section>
                    <Section title={t.build.recipeTitle}>
                        <RecipeFacts job={job} />
                    </Section>
                </div>
                <div className="stack">
                    <Section title={t.runs.history}>
                        <Timeline history={history} />
                    </Section>
                    <Section title={t.runs.terms}>
                        <Facts>
                            <Fact name={t.runs.requester}>
                                <Account address={job.requester} />
                            </Fact>
                            <Fact name={t.runs.trainer}>{job.trainer ? <Account address={job.trainer} /> : t.runs.noTrainer}</Fact>
                            <Fact name={t.build.toTrainer}>
                                <Amount value={job.price} />
                            </Fact>
                            <Fact name={t.build.toDatanets}>
                                <Amount value={job.data_fees.reduce((total, fee) => total + BigInt(fee), 0n)} />
                            </Fact>
                            <Fact name={t.runs.escrow}>
                                <Amount value={job.escrow} />
                            </Fact>
                            <Fact name={t.runs.deadline}>
                                <When at={job.deadline} />
                            </Fact>
                            {job.report && (
                                <Fact name={t.runs.adapter}>
                                    <Hash value={job.report.adapter} />
                                </Fact>
                            )}
                        </Facts>
                    </Section>
                </div>
            </div>
        </>
    );
}
