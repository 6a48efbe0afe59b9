import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { MessageSquareText, Repeat2 } from "lucide-react";
import type { JobDetail } from "../../api/client";
import { job as jobQuery } from "../../api/queries";
import { formatSignificant } from "../../lib/format";
import { t } from "../../strings/en";
import { ButtonLink } from "../../ui/Button";
import { Account, Amount, Fact, Facts, Hash, Stat, Stats, When } from "../../ui/data";
import { ErrorState, LoadingBlock, Notice, Skeleton } from "../../ui/feedback";
import { Page, Section } from "../../ui/Page";
import { JobActions } from "./JobActions";
import { RecipeFacts } from "./RecipeFacts";
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
    return (
        <>
            <JobActions job={job} />
            {job.stage === "open" && (
                <Notice title={t.runs.queueTitle}>
                    {job.queue_position === null || job.queue_position === 0 ? t.runs.queueFirst : t.runs.queueBehind(job.queue_position)}
                </Notice>
            )}
            <RunCharts job={job} data={events} isAvailable={run.is_available} isLive={run.is_live} />
            {metrics && (
                <Section title={t.runs.result}>
                    <Stats>
                        <Stat name={t.runs.validationBefore} detail={t.runs.nats}>
                            {formatSignificant(metrics.validation_loss_before)}
                        </Stat>
                        <Stat name={t.runs.validationAfter} detail={t.runs.nats}>
                            {formatSignificant(metrics.validation_loss)}
                        </Stat>
                        <Stat name={t.runs.trainingLoss} detail={t.runs.nats}>
                            {formatSignificant(metrics.training_loss)}
                        </Stat>
                        <Stat name={t.runs.steps}>{metrics.steps}</Stat>
                    </Stats>
                </Section>
            )}
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
