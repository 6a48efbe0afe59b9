import { CircleAlert, CircleCheck, X } from "lucide-react";
import { useEffect } from "react";
import { dismiss, transactions, type SentTransaction } from "../chain/transactions";
import { useStore } from "../lib/store";
import { t } from "../strings/en";
import { IconButton } from "../ui/Button";
import { Spinner } from "../ui/feedback";

/** Transactions under way, wherever the person is; and how the last ones ended. */
export function TransactionTray() {
    const shown = useStore(transactions).filter((one) => !one.dismissed);
    return (
        <div className="tray" role="region" aria-label={t.transactions.tray} aria-live="polite">
            {shown.map((one) => (
                <TrayItem key={one.id} sent={one} />
            ))}
        </div>
    );
}

const STAY_MS = 8_000;

function TrayItem({ sent }: { sent: SentTransaction }) {
    useEffect(() => {
        if (sent.phase !== "final") return;
        const timer = setTimeout(() => dismiss(sent.id), STAY_MS);
        return () => clearTimeout(timer);
    }, [sent.id, sent.phase]);
    const isOver = sent.phase === "final" || sent.phase === "failed";
    return (
        <div className={`tray-item ${sent.phase}`}>
            {sent.phase === "final" ? (
                <CircleCheck size={18} aria-hidden />
            ) : sent.phase === "failed" ? (
                <CircleAlert size={18} aria-hidden />
            ) : (
                <Spinner />
            )}
            <div>
                <strong>{sent.title}</strong>
                <span>{sent.failure ? `${sent.failure.title}. ${sent.failure.text}` : t.transactions.phases[sent.phase]}</span>
            </div>
            {isOver && <IconButton label={t.ui.dismiss} icon={<X size={15} />} onPress={() => dismiss(sent.id)} />}
        </div>
    );
}
