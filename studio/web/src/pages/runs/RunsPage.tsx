import { keepPreviousData, useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Waypoints } from "lucide-react";
import { useMemo } from "react";
import type { Job, Stage } from "../../api/client";
import { jobs } from "../../api/queries";
import type { JobsSearch } from "../../app/router";
import { formatSignificant } from "../../lib/format";
import { t } from "../../strings/en";
import { Button, ButtonLink } from "../../ui/Button";
import { Chart, type ChartSeries } from "../../ui/Chart";
import { Account, Amount, When } from "../../ui/data";
import { EmptyState, LoadingBlock, Meter } from "../../ui/feedback";
import { Checkbox, Select, Switch } from "../../ui/fields";
import { Page, Section } from "../../ui/Page";
import { PagedView } from "../../ui/query";
import { useAddress } from "../../wallet/useWallet";
import { readRun } from "./runEvents";
import { StageBadge } from "./StageBadge";
import "./runs.css";

const STAGES: Stage[] = ["open", "leased", "reported", "disputed", "settled", "cancelled", "expired"];
const COMPARED_MAX = 6;

const clean = (search: { [K in keyof JobsSearch]?: JobsSearch[K] | undefined }): JobsSearch =>
    Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined && value !== "")) as JobsSearch;

export function RunsPage() {
    const search = useSearch({ from: "/jobs" });
    const navigate = useNavigate({ from: "/jobs" });
    const address = useAddress();
    const stage = STAGES.find((one) => one === search.stage);
    const query = useInfiniteQuery({
        ...jobs({ ...(stage ? { stage } : {}), ...(search.mine && address ? { account: address } : {}) }),
        placeholderData: keepPreviousData,
    });
    const compared = (search.compare ?? "").split(",").filter(Boolean).map(Number).filter(Number.isSafeInteger);
    const set = (change: { [K in keyof JobsSearch]?: JobsSearch[K] | undefined }) =>
        void navigate({ search: (now) => clean({ ...now, ...change }), replace: true, resetScroll: false });
    const toggle = (id: number, on: boolean) =>
        set({ compare: (on ? [...compared, id].slice(-COMPARED_MAX) : compared.filter((one) => one !== id)).join(",") || undefined });
    return (
        <Page
            title={t.runs.pageTitle}
            lead={t.runs.lead}
            actions={
                <ButtonLink to="/build" kind="primary">
                    {t.home.doors.build.action}
                </ButtonLink>
            }
        >
            <div className="row">
                <div style={{ minWidth: "13rem" }}>
                    <Select
                        label={t.runs.stage}
                        hidesLabel
                        value={stage ?? ""}
                        onChange={(value) => set({ stage: value || undefined })}
                        options={[
                            { value: "", label: t.runs.anyStage },
                            ...STAGES.map((value) => ({ value, label: t.words.stageShort[value] })),
                        ]}
                    />
                </div>
                {address && (
                    <Switch isSelected={search.mine ?? false} onChange={(mine) => set({ mine: mine || undefined })}>
                        {t.runs.onlyMine}
                    </Switch>
                )}
            </div>
            {compared.length > 0 && <Comparison ids={compared} onClear={() => set({ compare: undefined })} />}
            <PagedView
                query={query}
                empty={
                    <EmptyState
                        icon={<Waypoints />}
                        title={stage || search.mine ? t.datanets.noMatchTitle : t.home.noRunsTitle}
                        actions={
                            <ButtonLink to="/build" kind="primary">
                                {t.home.doors.build.action}
                            </ButtonLink>
                        }
                    >
                        {stage || search.mine ? t.datanets.noMatchText : t.home.noRunsText}
                    </EmptyState>
                }
            >
                {(items) => (
                    <ul role="list" className="run-list">
                        {items.map((job) => (
                            <RunItem
                                key={job.id}
                                job={job}
                                isCompared={compared.includes(job.id)}
                                onCompare={(on) => toggle(job.id, on)}
                            />
                        ))}
                    </ul>
                )}
            </PagedView>
        </Page>
    );
}

function RunItem({ job, isCompared, onCompare }: { job: Job; isCompared: boolean; onCompare: (on: boolean) => void }) {
    const hasRun = job.stage !== "open" && job.stage !== "expired";
    return (
        <li className="run-item">
            <div>
                <div className="row">
                    <Link to="/jobs/$id" params={{ id: job.id }} className="strong">
                        {t.runs.title(job.id)}
                    </Link>
                    <StageBadge stage={job.stage} />
                </div>
                <p className="small muted">
                    {job.base.name} · {job.data.map((use) => use.datanet_name).join(", ")} · <When at={job.posted} />
                </p>
                {job.stage === "leased" && job.progress && (
                    <div className="run-progress">
                        <Meter
                            value={job.progress.step}
                            max={job.progress.steps}
                            label={t.runs.stepOf(job.progress.step, job.progress.steps)}
                        />
                        <span className="small muted">{t.runs.stepOf(job.progress.step, job.progress.steps)}</span>
                    </div>
                )}
            </div>
            <div className="run-side small">
                {job.report && <span>{t.runs.loss(formatSignificant(job.report.metrics.validation_loss, 3))}</span>}
                <Amount value={job.price} digits={2} />
                {job.trainer ? <Account address={job.trainer} /> : <span className="muted">{t.runs.noTrainer}</span>}
                {hasRun && (
                    <Checkbox isSelected={isCompared} onChange={onCompare}>
                        {t.runs.compare}
                    </Checkbox>
                )}
            </div>
        </li>
    );
}

/** Loss curves of several runs over their passes, which unlike steps are the same amount of data for all. */
function Comparison({ ids, onClear }: { ids: number[]; onClear: () => void }) {
    const runs = useQueries({
        queries: ids.map((id) => ({
            queryKey: ["run", id],
            queryFn: ({ signal }: { signal: AbortSignal }) => readRun(id, signal),
            staleTime: 10_000,
        })),
    });
    const isLoading = runs.some((run) => run.isPending);
    const datas = runs.map((run) => run.data);
    const key = datas.map((data) => data?.lastSequence).join();
    const shown = ids.join();
    const { x, series } = useMemo(() => {
        const epochs = [...new Set(datas.flatMap((data) => data?.steps.map((one) => one.epoch) ?? []))].sort((a, b) => a - b);
        const place = new Map(epochs.map((epoch, index) => [epoch, index]));
        const series = ids.map((id, index): ChartSeries => {
            const values: (number | null)[] = epochs.map(() => null);
            for (const one of datas[index]?.steps ?? []) {
                const at = place.get(one.epoch);
                if (at !== undefined) values[at] = one.loss;
            }
            return { name: t.runs.title(id), colour: `--s${index}`, values };
        });
        return { x: epochs, series };
        // eslint-disable-next-line react-hooks/exhaustive-deps -- `key` says when the data is other
    }, [key, shown]);
    return (
        <Section
            title={t.runs.comparison}
            lead={t.runs.comparisonLead}
            actions={
                <Button size="small" onPress={onClear}>
                    {t.datanets.clear}
                </Button>
            }
        >
            {isLoading ? (
                <LoadingBlock rows={1} height="260px" />
            ) : x.length === 0 ? (
                <EmptyState title={t.runs.noEvents} />
            ) : (
                <Chart label={t.runs.comparison} x={x} xName={t.runs.epoch} series={series} height={260} />
            )}
        </Section>
    );
}
