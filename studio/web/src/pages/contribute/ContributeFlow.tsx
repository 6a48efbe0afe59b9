import { useNavigate } from "@tanstack/react-router";
import { FileUp, RotateCcw } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Button as AriaButton, DropZone, FileTrigger, type FileDropItem } from "react-aria-components";
import type { CheckReport, Config, Datanet, Upload } from "../../api/client";
import { sendFile } from "../../api/upload";
import { submitContribution } from "../../chain/calls";
import { numberField } from "../../chain/transactions";
import { formatBytes, formatPercent } from "../../lib/format";
import { load, save } from "../../lib/persist";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Amount, Fact, Facts } from "../../ui/data";
import { ErrorState, Meter, Notice } from "../../ui/feedback";
import { TextField } from "../../ui/fields";
import { Section } from "../../ui/Page";
import { CheckResult } from "./CheckResult";
import { Commitment } from "./Commitment";
import "./contribute.css";

type State =
    | { at: "choose"; problem: string | null; interrupted?: string }
    | { at: "sending"; what: "check" | "upload"; file: File; part: number; report: CheckReport | null }
    | { at: "checked"; file: File; report: CheckReport }
    | { at: "failed"; what: "check" | "upload"; file: File; error: unknown; report: CheckReport | null }
    | { at: "uploaded"; upload: Kept; wasResumed: boolean };

/** What is kept of an upload until it is submitted, should the page be reloaded. */
interface Kept {
    name: string;
    commitment: Upload["commitment"];
    deposit: string;
    leftOut: number;
}

const ENDINGS = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet"];
/** The file whose upload has begun and not ended. */
interface Begun {
    name: string;
}

const isBegun = (value: unknown): value is Begun => typeof value === "object" && value !== null && "name" in value && typeof value.name === "string";
const isKept = (value: unknown): value is Kept =>
    typeof value === "object" && value !== null && "commitment" in value && "deposit" in value && "name" in value;

export function ContributeFlow({ datanet, config }: { datanet: Datanet; config: Config }) {
    const navigate = useNavigate();
    const key = `upload.${config.chain.genesis}.${datanet.id}`;
    const [state, setState] = useState<State>(() => {
        const kept = load("session", key, isKept);
        if (kept) return { at: "uploaded", upload: kept, wasResumed: true };
        const begun = load("session", `${key}.begun`, isBegun);
        return { at: "choose", problem: null, ...(begun ? { interrupted: begun.name } : {}) };
    });
    const [licence, setLicence] = useState(datanet.terms.licence);
    const [isSigning, setSigning] = useState(false);
    const [made, setMade] = useState<number | null>(null);
    const running = useRef<AbortController | null>(null);
    useEffect(() => () => running.current?.abort(), []);

    const startOver = () => {
        running.current?.abort();
        save("session", key, null);
        save("session", `${key}.begun`, null);
        setState({ at: "choose", problem: null });
    };
    const send = async (what: "check" | "upload", file: File, report: CheckReport | null) => {
        running.current?.abort();
        const controller = new AbortController();
        running.current = controller;
        setState({ at: "sending", what, file, part: 0, report });
        const onProgress = (part: number) =>
            setState((now) => (now.at === "sending" && now.file === file ? { ...now, part } : now));
        try {
            if (what === "check") {
                const found = await sendFile<CheckReport>("/api/data/check", file, {
                    query: { name: file.name },
                    signal: controller.signal,
                    onProgress,
                });
                setState({ at: "checked", file, report: found });
                return;
            }
            save("session", `${key}.begun`, { name: file.name } satisfies Begun);
            const upload = await sendFile<Upload>("/api/uploads", file, {
                query: { name: file.name, datanet: datanet.id },
                signal: controller.signal,
                onProgress,
            });
            const kept = { name: file.name, commitment: upload.commitment, deposit: upload.deposit, leftOut: upload.left_out };
            save("session", key, kept);
            save("session", `${key}.begun`, null);
            setState({ at: "uploaded", upload: kept, wasResumed: false });
            setSigning(true);
        } catch (error) {
            // Left, not failed: what has begun is told to who comes back.
            if (controller.signal.aborted) return;
            save("session", `${key}.begun`, null);
            setState({ at: "failed", what, file, error, report });
        }
    };
    const take = (file: File) => {
        save("session", `${key}.begun`, null);
        const max = config.uploads.bytes_max;
        if (file.size > max) {
            setState({ at: "choose", problem: t.contribute.tooLarge(formatBytes(file.size), formatBytes(max)) });
        } else if (!ENDINGS.some((ending) => file.name.toLowerCase().endsWith(ending))) {
            setState({ at: "choose", problem: t.contribute.wrongKind });
        } else void send("check", file, null);
    };

    if (state.at === "choose") return <Chooser onFile={take} problem={state.problem} interrupted={state.interrupted} bytesMax={config.uploads.bytes_max} />;
    if (state.at === "sending") {
        const isWaiting = state.part >= 1;
        return (
            <Section>
                <div className="sending">
                    <strong>{state.file.name}</strong>
                    <span className="muted" aria-live="polite">
                        {state.what === "check" || isWaiting ? t.contribute.checking : t.contribute.uploading(formatPercent(state.part, 0))}
                    </span>
                    <Meter value={state.part} max={1} label={t.contribute.uploading(formatPercent(state.part, 0))} />
                    <div className="row">
                        <Button size="small" onPress={startOver}>
                            {t.ui.cancel}
                        </Button>
                    </div>
                </div>
            </Section>
        );
    }
    if (state.at === "failed") {
        return (
            <div className="stack">
                <h2>{state.what === "check" ? t.contribute.checkFailed : t.contribute.uploadFailed}</h2>
                <ErrorState error={state.error} onRetry={() => void send(state.what, state.file, state.report)} />
                <div className="row">
                    <Button icon={<RotateCcw size={15} />} onPress={startOver}>
                        {t.contribute.another}
                    </Button>
                </div>
            </div>
        );
    }

    const commitment = state.at === "uploaded" ? state.upload.commitment : state.report.commitment;
    const deposit = state.at === "uploaded" ? state.upload.deposit : state.report.deposit;
    const otherLicence = licence.trim() !== datanet.terms.licence;
    const submit = () => {
        if (state.at === "uploaded") setSigning(true);
        else void send("upload", state.file, state.report);
    };
    return (
        <div className="stack">
            {state.at === "uploaded" ? (
                <Notice tone={state.wasResumed ? "info" : "good"} title={state.upload.name}>
                    {state.wasResumed ? t.contribute.resumed : t.contribute.uploaded}
                </Notice>
            ) : (
                <CheckResult report={state.report} />
            )}
            {commitment && <Commitment commitment={commitment} />}
            {commitment && deposit && (state.at === "uploaded" || state.report.is_submittable) && (
                <Section title={t.contribute.steps.sign}>
                    <div className="form-grid">
                        <TextField
                            label={t.contribute.licence}
                            help={otherLicence ? t.contribute.licenceOther(datanet.terms.licence) : t.contribute.licenceHelp}
                            bytesMax={64}
                            value={licence}
                            onChange={setLicence}
                            problem={licence.trim() === "" ? t.register.licenceRequired : null}
                        />
                        <Facts>
                            <Fact name={t.contribute.deposit} help={t.contribute.depositHelp}>
                                <Amount value={deposit} />
                            </Fact>
                        </Facts>
                    </div>
                    <div className="row">
                        <Button kind="primary" size="large" onPress={submit} isDisabled={licence.trim() === ""}>
                            {t.contribute.submit}
                        </Button>
                        <Button onPress={startOver}>{t.contribute.another}</Button>
                    </div>
                </Section>
            )}
            {!(commitment && (state.at === "uploaded" || state.report.is_submittable)) && (
                <div className="row">
                    <Button kind="primary" icon={<RotateCcw size={15} />} onPress={startOver}>
                        {t.contribute.another}
                    </Button>
                </div>
            )}
            {state.at === "uploaded" && (
                <TransactionDialog
                    isOpen={isSigning}
                    onClose={() => {
                        setSigning(false);
                        if (made !== null) void navigate({ to: "/contributions/$id", params: { id: made } });
                    }}
                    title={t.contribute.submit}
                    make={() => Promise.resolve(submitContribution(datanet.id, state.upload.commitment, licence.trim()))}
                    feeKey={[state.upload.commitment.blob, licence]}
                    spends={BigInt(state.upload.deposit)}
                    onFinal={(events) => {
                        save("session", key, null);
                        setMade(numberField(events, "Datanets", "ContributionSubmitted", "contribution"));
                    }}
                    done={
                        <Notice tone="good" title={t.contribute.doneTitle}>
                            {t.contribute.doneText}
                        </Notice>
                    }
                    next={t.contribute.open}
                >
                    <Facts>
                        <Fact name={t.contributions.datanet}>{datanet.name}</Fact>
                        <Fact name={t.contribute.count}>{state.upload.commitment.samples}</Fact>
                        <Fact name={t.contribute.deposit}>
                            <Amount value={state.upload.deposit} />
                        </Fact>
                    </Facts>
                </TransactionDialog>
            )}
        </div>
    );
}

interface ChooserProps {
    onFile: (file: File) => void;
    problem: string | null;
    /** The file whose upload was cut off. */
    interrupted: string | undefined;
    bytesMax: number;
}

function Chooser({ onFile, problem, interrupted, bytesMax }: ChooserProps) {
    return (
        <div className="stack">
            {interrupted !== undefined && <Notice tone="warn">{t.contribute.interrupted(interrupted)}</Notice>}
            <DropZone
                className="drop-zone"
                aria-label={t.contribute.drop}
                onDrop={(event) => {
                    const item = event.items.find((one): one is FileDropItem => one.kind === "file");
                    if (item) void item.getFile().then(onFile);
                }}
            >
                <span className="empty-icon" aria-hidden>
                    <FileUp />
                </span>
                <strong>{t.contribute.drop}</strong>
                <span className="muted">{t.contribute.dropOr}</span>
                <FileTrigger
                    acceptedFileTypes={ENDINGS}
                    onSelect={(files) => {
                        const file = files?.[0];
                        if (file) onFile(file);
                    }}
                >
                    <AriaButton className="button primary medium">
                        <span>{t.contribute.choose}</span>
                    </AriaButton>
                </FileTrigger>
                <span className="small muted">{t.contribute.formats(formatBytes(bytesMax))}</span>
            </DropZone>
            {problem && <Notice tone="bad">{problem}</Notice>}
        </div>
    );
}
