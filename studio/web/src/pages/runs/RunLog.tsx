import { formatClock, formatSignificant } from "../../lib/format";
import { t } from "../../strings/en";
import { EmptyState } from "../../ui/feedback";
import type { LogLine, RunData } from "./runEvents";

/** What happened in the run beside its steps, newest first. */
export function RunLog({ data, isAvailable }: { data: RunData; isAvailable: boolean }) {
    const evaluations: LogLine[] = data.evaluations.map((one) => ({
        sequence: -one.step,
        time_ms: data.steps.find((step) => step.step >= one.step)?.time_ms ?? data.log[0]?.time_ms ?? 0,
        kind: "evaluation",
        fields: { ...one },
    }));
    const lines = [...data.log, ...evaluations].sort((a, b) => b.time_ms - a.time_ms).slice(0, 200);
    if (lines.length === 0) return <EmptyState title={isAvailable ? t.runs.noEvents : t.runs.notShown} />;
    return (
        // It scrolls, so the keyboard has to reach it.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <ol className="run-log" role="list" tabIndex={0} aria-label={t.runs.log}>
            {lines.map((line) => (
                <li key={`${line.kind}.${line.sequence}`} data-kind={line.kind}>
                    <time className="mono">{formatClock(line.time_ms)}</time>
                    <span>{say(line)}</span>
                </li>
            ))}
        </ol>
    );
}

function say({ kind, fields }: LogLine): string {
    const number = (name: string) => (typeof fields[name] === "number" ? fields[name] : 0);
    const text = (name: string) => (typeof fields[name] === "string" ? fields[name] : "");
    const words = t.runs.events;
    switch (kind) {
        case "started":
            return words.started(number("steps"), number("samples"), number("validation_samples"));
        case "restarted":
            return words.restarted;
        case "resumed":
            return words.resumed(number("step"));
        case "rewound":
            return words.rewound(number("step"), text("reason"));
        case "evaluation":
            return words.evaluation(number("step"), formatSignificant(number("loss")), fields["best"] === true);
        case "checkpoint":
            return words.checkpoint(number("step"));
        case "snapshot":
            return words.snapshot(number("step"));
        case "stopped_early":
            return words.stoppedEarly(number("step"), number("best_step"));
        case "paused":
            return words.paused(number("step"));
        case "cancelled":
            return words.cancelled(number("step"));
        case "finished":
            return words.finished(number("step"));
        case "failed":
            return words.failed(number("step"), text("reason"));
        default:
            return kind;
    }
}
