import { Activity } from "lucide-react";
import { useMemo, useState } from "react";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import type { Job } from "../../api/client";
import { formatBytes, formatDuration, formatInteger, formatSignificant } from "../../lib/format";
import { t } from "../../strings/en";
import { Chart, type ChartSeries } from "../../ui/Chart";
import { Stat, Stats } from "../../ui/data";
import { Badge, EmptyState, Meter, Notice } from "../../ui/feedback";
import { Section } from "../../ui/Page";
import type { RunData } from "./runEvents";

type Shown = "loss" | "learning_rate" | "gradient_norm" | "tokens_per_second" | "memory_bytes";
const SHOWN: Shown[] = ["loss", "learning_rate", "gradient_norm", "tokens_per_second", "memory_bytes"];

interface Props {
    job: Job;
    data: RunData;
    isAvailable: boolean;
    isLive: boolean;
}

export function RunCharts({ job, data, isAvailable, isLive }: Props) {
    const [shown, setShown] = useState<Shown>("loss");
    const last = data.steps.at(-1);
    const { x, series } = useMemo(() => curves(data, shown), [data, shown]);
    const isRunning = job.stage === "leased";
    if (!isAvailable && data.steps.length === 0) {
        return (
            <Section title={t.runs.progress}>
                <EmptyState icon={<Activity />} title={job.stage === "open" ? t.runs.notStarted : t.runs.notShown}>
                    {job.stage === "open" ? t.runs.notStartedText : t.runs.notShownText}
                </EmptyState>
            </Section>
        );
    }
    const isOver = job.report !== null;
    const done = last?.step ?? job.progress?.step ?? 0;
    const steps = last?.steps ?? job.progress?.steps ?? 0;
    const format = shown === "memory_bytes" ? formatBytes : formatSignificant;
    return (
        <Section
            title={isOver ? t.runs.curves : t.runs.progress}
            lead={isOver && steps > 0 ? t.runs.stepOf(done, steps) : undefined}
            actions={
                <>
                    {isRunning && isLive && data.state === "open" && (
                        <Badge tone="good" dot>
                            {t.runs.live}
                        </Badge>
                    )}
                    {data.state === "lost" && <Badge tone="warn">{t.live.lost}</Badge>}
                </>
            }
        >
            {!isOver && (
                <>
                    <div className="stack tight">
                        <Meter value={done} max={steps} label={t.runs.stepOf(done, steps)} />
                        <div className="row spread small muted">
                            <span>{t.runs.stepOf(done, steps)}</span>
                            {isRunning && last && <span>{done >= steps ? t.runs.scoring : t.runs.eta(formatDuration(last.eta_seconds))}</span>}
                        </div>
                    </div>
                    <Stats>
                        <Stat name={t.runs.trainingLoss}>{last ? formatSignificant(last.loss, 3) : "–"}</Stat>
                        <Stat name={t.runs.validationLoss}>
                            {data.evaluations.length > 0 ? formatSignificant(data.evaluations.at(-1)?.loss ?? 0, 3) : "–"}
                        </Stat>
                        <Stat name={t.runs.speed}>{last ? t.runs.perSecond(formatInteger(Math.round(last.tokens_per_second))) : "–"}</Stat>
                        <Stat name={t.runs.memory}>{last?.memory_bytes ? formatBytes(last.memory_bytes) : "–"}</Stat>
                    </Stats>
                </>
            )}
            <ToggleButtonGroup
                className="toggle-group wrap"
                aria-label={t.runs.chartOf}
                selectedKeys={[shown]}
                disallowEmptySelection
                onSelectionChange={(keys) => {
                    const [key] = [...keys];
                    if (key) setShown(key as Shown);
                }}
            >
                {SHOWN.map((key) => (
                    <ToggleButton key={key} id={key}>
                        {t.runs.charts[key]}
                    </ToggleButton>
                ))}
            </ToggleButtonGroup>
            {x.length === 0 ? (
                <div style={{ minHeight: 294 }}>
                    <Notice>{t.charts.nothing}</Notice>
                </div>
            ) : (
                <Chart label={t.runs.charts[shown]} x={x} series={series} height={260} formatY={format} fromZero={shown !== "loss"} isWhole xMax={steps} />
            )}
        </Section>
    );
}

function curves(data: RunData, shown: Shown): { x: number[]; series: ChartSeries[] } {
    if (shown !== "loss") {
        return {
            x: data.steps.map((one) => one.step),
            series: [{ name: t.runs.charts[shown], colour: "--s0", values: data.steps.map((one) => one[shown]) }],
        };
    }
    const training = new Map(data.steps.map((one) => [one.step, one.loss]));
    const validation = new Map(data.evaluations.map((one) => [one.step, one.loss]));
    const x = [...new Set([...training.keys(), ...validation.keys()])].sort((a, b) => a - b);
    return {
        x,
        series: [
            { name: t.runs.trainingLoss, colour: "--s0", values: x.map((step) => training.get(step) ?? null) },
            { name: t.runs.validationLoss, colour: "--s1", values: x.map((step) => validation.get(step) ?? null), points: true, dashed: data.evaluations.length > 2 },
        ],
    };
}
