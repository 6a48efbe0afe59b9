import { useState } from "react";
import type { Job } from "../../api/client";
import { live } from "../../api/live";
import { acceptJob, cancelJob, disputeJob, expireJob, settleJob, stopJob, type MakeTransaction } from "../../chain/calls";
import { toHex } from "../../lib/bytes";
import { useStore } from "../../lib/store";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Amount, When } from "../../ui/data";
import { Notice } from "../../ui/feedback";
import { TextField } from "../../ui/fields";
import { useAddress } from "../../wallet/useWallet";

type Action = "accept" | "dispute" | "cancel" | "stop" | "settle" | "expire";

/** What this person can do about this job now, with why they might. */
export function JobActions({ job, stopCost }: { job: Job; stopCost: string | null }) {
    const address = useAddress();
    const head = useStore(live).head?.number ?? 0;
    const [action, setAction] = useState<Action | null>(null);
    const [evidence, setEvidence] = useState("");
    const isRequester = address === job.requester;
    const windowOver = job.until !== null && head > job.until.block;
    const possible: Action[] = [];
    if (job.stage === "open" && isRequester) possible.push("cancel");
    if (job.stage === "leased" && isRequester && !windowOver && stopCost !== null) possible.push("stop");
    if (job.stage === "reported" && isRequester && !windowOver) possible.push("accept", "dispute");
    if (job.stage === "reported" && windowOver) possible.push("settle");
    if ((job.stage === "leased" && windowOver) || (job.stage === "open" && head > job.deadline.block)) possible.push("expire");
    if (possible.length === 0 && action === null) return null;
    const make: Record<Action, () => Promise<MakeTransaction>> = {
        accept: () => Promise.resolve(acceptJob(job.id)),
        cancel: () => Promise.resolve(cancelJob(job.id)),
        // The trainer may be a step further when the chain reads this: a twentieth of the price more is allowed for.
        stop: () => Promise.resolve(stopJob(job.id, BigInt(stopCost ?? 0) + BigInt(job.price) / 20n)),
        settle: () => Promise.resolve(settleJob(job.id)),
        expire: () => Promise.resolve(expireJob(job.id)),
        // The chain takes 32 bytes that commit to the evidence; the text itself goes to who decides.
        dispute: async () => disputeJob(job.id, `0x${toHex(await blake3(evidence))}`),
    };
    const text = t.runs.actions;
    return (
        <Notice tone={job.stage === "reported" ? "good" : "info"} title={text.title[job.stage === "reported" ? "reported" : "other"]}>
            {job.stage === "reported" && job.until && (
                <p>
                    {windowOver ? text.windowOver : text.window} <When at={job.until} />
                </p>
            )}
            <div className="row" style={{ marginTop: "0.6rem" }}>
                {possible.map((one) => (
                    <Button
                        key={one}
                        size="small"
                        kind={one === "accept" || one === "settle" ? "primary" : one === "dispute" || one === "cancel" || one === "stop" ? "danger" : "secondary"}
                        onPress={() => setAction(one)}
                    >
                        {text[one].button}
                    </Button>
                ))}
            </div>
            {action && (
                <TransactionDialog
                    isOpen
                    onClose={() => setAction(null)}
                    title={text[action].title(job.id)}
                    make={action === "dispute" && evidence.trim() === "" ? null : make[action]}
                    feeKey={[job.id, action]}
                    confirm={text[action].button}
                    tone={action === "dispute" || action === "cancel" || action === "stop" ? "danger" : "primary"}
                    form={
                        action === "dispute" && (
                            <TextField label={text.evidence} help={text.evidenceHelp} rows={4} value={evidence} onChange={setEvidence} />
                        )
                    }
                >
                    <p>{text[action].text}</p>
                    {action === "stop" && stopCost !== null && (
                        <p>
                            {text.stopCosts} <Amount value={stopCost} />
                        </p>
                    )}
                </TransactionDialog>
            )}
        </Notice>
    );
}

async function blake3(text: string): Promise<Uint8Array> {
    const { blake3: hash } = await import("@noble/hashes/blake3.js");
    return hash(new TextEncoder().encode(text));
}
