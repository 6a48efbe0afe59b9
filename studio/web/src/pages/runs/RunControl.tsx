import { useQueryClient } from "@tanstack/react-query";
import { Pause, Play } from "lucide-react";
import { useState } from "react";
import { FROM_PAGE, gateway, read, type JobDetail } from "../../api/client";
import { toHex } from "../../lib/bytes";
import { formatDuration } from "../../lib/format";
import { t } from "../../strings/en";
import { Button } from "../../ui/Button";
import { Notice } from "../../ui/feedback";
import { useConfig, useWallet } from "../../wallet/useWallet";
import { signText } from "../../wallet/wallet";
import type { RunData } from "./runEvents";

type Wish = "pause" | "resume";

/** What the trainer answered, and which event was the last that was known then. */
interface Standing {
    paused: boolean;
    left_seconds: number;
    after: number;
}

/** Whether the run waits, by what its trainer told of it behind the event `after`; `null` if it told nothing. */
export function isPaused(data: RunData, after: number): boolean | null {
    const last = data.log.findLast(({ kind }) => ["started", "resumed", "paused"].includes(kind));
    return last && last.sequence > after ? last.kind === "paused" : null;
}

/** Lets the requester of a job in work have its trainer wait, and go on. */
export function RunControl({ detail, events }: { detail: JobDetail; events: RunData }) {
    const account = useWallet();
    const genesis = useConfig()?.chain.genesis ?? null;
    const queries = useQueryClient();
    const [asked, setAsked] = useState<Standing | null>(null);
    const [isAsking, setIsAsking] = useState(false);
    const [refusal, setRefusal] = useState<string | null>(null);
    const { job, run } = detail;
    if (job.stage !== "leased" || !run.is_available || account?.address !== job.requester || genesis === null) return null;
    const paused = isPaused(events, asked?.after ?? 0) ?? asked?.paused ?? run.is_paused;
    const wish: Wish = paused ? "resume" : "pause";
    const text = t.runs.actions;

    const order = async () => {
        setIsAsking(true);
        setRefusal(null);
        try {
            const signedAt = Date.now();
            const message = `tributary: ${wish} job ${job.id} of ${genesis} at ${signedAt}`;
            const signature = `0x${toHex(await signText(account, message))}`;
            const answer = gateway.POST("/api/jobs/{id}/orders", {
                params: { path: { id: job.id }, header: FROM_PAGE },
                body: { wish, signed_at: signedAt, signature },
            });
            setAsked({ ...(await read(answer)), after: events.lastSequence });
            void queries.invalidateQueries({ queryKey: ["job", job.id] });
        } catch (error) {
            setRefusal(error instanceof Error ? error.message : String(error));
        } finally {
            setIsAsking(false);
        }
    };
    return (
        <Notice tone="info" title={paused ? text.paused : text.running}>
            <p>
                {paused ? text.pausedText : text.runningText}
                {asked && ` ${text.left(formatDuration(asked.left_seconds))}`}
            </p>
            {refusal && <p role="alert">{refusal}</p>}
            <div className="row" style={{ marginTop: "0.6rem" }}>
                <Button
                    size="small"
                    kind="secondary"
                    icon={paused ? <Play size={16} /> : <Pause size={16} />}
                    isDisabled={isAsking}
                    onPress={() => void order()}
                >
                    {isAsking ? text.pausing : text[wish]}
                </Button>
            </div>
        </Notice>
    );
}
