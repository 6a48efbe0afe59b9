import { Fragment } from "react";
import { Link } from "@tanstack/react-router";
import type { CheckReport } from "../../api/client";
import { formatCompact, formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { Stat, Stats } from "../../ui/data";
import { Notice, type Tone } from "../../ui/feedback";
import { Section } from "../../ui/Page";

type Findings = CheckReport["refused"];

/** What the check found: first whether the file will do, then why not, then what a model would see. */
export function CheckResult({ report }: { report: CheckReport }) {
    return (
        <div className="stack">
            <Stats>
                <Stat name={t.contribute.accepted} detail={report.name}>
                    {formatInteger(report.accepted)}
                </Stat>
                <Stat name={t.contribute.refused} detail=" ">
                    {formatInteger(report.refused.total)}
                </Stat>
                <Stat name={t.contribute.duplicates} detail=" ">
                    {formatInteger(report.duplicates.total)}
                </Stat>
                <Stat name={t.contribute.tokens} detail={`${t.contribute.tokensHelp(formatCompact(report.trained_tokens))}; ${t.contribute.longest(formatInteger(report.lengths.max))}`}>
                    {formatCompact(report.tokens)}
                </Stat>
            </Stats>
            {report.problem && report.refused.total === 0 && <Notice tone="bad">{report.problem}</Notice>}
            <FindingList
                tone="bad"
                findings={report.refused}
                title={t.contribute.refusedTitle(report.refused.total)}
                text={t.contribute.refusedText}
            />
            <FindingList
                tone="warn"
                findings={report.duplicates}
                title={t.contribute.duplicatesTitle(report.duplicates.total)}
                text={t.contribute.duplicatesText}
            />
            <FindingList
                tone="info"
                findings={report.truncated}
                title={t.contribute.truncatedTitle(report.truncated.total)}
                text={t.contribute.truncatedText(formatInteger(report.tokens_max))}
            />
            {report.known !== null && (
                <Notice tone="warn">
                    <Link to="/contributions/$id" params={{ id: report.known }}>
                        {t.contribute.known(report.known)}
                    </Link>
                </Notice>
            )}
            {report.accepted > 0 && (
                <div className={report.lengths.buckets.length > 1 ? "split" : "stack"}>
                    <Section title={t.contribute.preview} lead={t.contribute.previewLead}>
                        <div className="preview">
                            {report.preview.slice(0, 3).map((row) => (
                                <p key={row.place.number} className="preview-row">
                                    {row.segments.map((segment, place) => (
                                        <Fragment key={place}>
                                            {segment.trained ? (
                                                <mark>
                                                    <Marked text={segment.text} />
                                                </mark>
                                            ) : (
                                                <Marked text={segment.text} />
                                            )}
                                        </Fragment>
                                    ))}
                                </p>
                            ))}
                        </div>
                    </Section>
                    {report.lengths.buckets.length > 1 && (
                        <Section title={t.contribute.lengths}>
                            <Histogram buckets={report.lengths.buckets} />
                        </Section>
                    )}
                </div>
            )}
        </div>
    );
}

/** A text in which the model's own marks, such as `<|user|>`, step back. */
function Marked({ text }: { text: string }) {
    return text.split(/(<\|?\/?[a-z_]+\|?>)/i).map((part, place) =>
        place % 2 === 1 ? (
            <code key={place} className="token-mark">
                {part}
            </code>
        ) : (
            <span key={place}>{part}</span>
        ),
    );
}

function FindingList({ tone, findings, title, text }: { tone: Tone; findings: Findings; title: string; text: string }) {
    if (findings.total === 0) return null;
    const shown = findings.first.slice(0, 12);
    return (
        <Notice tone={tone} title={title}>
            <p>{text}</p>
            <ul className="findings">
                {shown.map((finding, place) => (
                    <li key={place}>
                        <strong>
                            {(finding.place.kind === "line" ? t.contribute.line : t.contribute.row)(formatInteger(finding.place.number))}
                        </strong>
                        : {finding.what}
                    </li>
                ))}
                {findings.total > shown.length && <li>{t.contribute.andMore(formatInteger(findings.total - shown.length))}</li>}
            </ul>
        </Notice>
    );
}

function Histogram({ buckets }: { buckets: CheckReport["lengths"]["buckets"] }) {
    const most = Math.max(1, ...buckets.map((bucket) => bucket.rows));
    return (
        <ul role="list" className="histogram">
            {buckets.map((bucket) => (
                <li key={bucket.from}>
                    <span className="muted">{t.contribute.bucket(formatInteger(bucket.from), formatInteger(bucket.to))}</span>
                    <span className="bar" style={{ width: `${(bucket.rows / most) * 100}%` }} aria-hidden />
                    <span>{t.contribute.rows(formatInteger(bucket.rows))}</span>
                </li>
            ))}
        </ul>
    );
}
