import type { JobEvent } from "../../api/client";
import { t } from "../../strings/en";
import { Link } from "@tanstack/react-router";
import { Account, Amount, Hash, When } from "../../ui/data";

/** Every change of a job's state, with its time and block. */
export function Timeline({ history }: { history: JobEvent[] }) {
    return (
        <ol className="timeline" role="list">
            {history.map((event, place) => (
                <li key={`${event.at.block}.${event.event}.${place}`} data-event={event.event}>
                    <strong>{t.runs.history_events[event.event]}</strong>
                    <span className="small muted">
                        <When at={event.at} block />
                    </span>
                    {(event.account || event.amount) && (
                        <span className="row small">
                            {event.account && <Account address={event.account} />}
                            {event.amount && <Amount value={event.amount} />}
                        </span>
                    )}
                    {event.detail && (
                        <span className="small muted">
                            <Detail event={event.event} detail={event.detail} />
                        </span>
                    )}
                </li>
            ))}
        </ol>
    );
}

/** A report's adapter, the model that it became, or words. */
function Detail({ event, detail }: { event: JobEvent["event"]; detail: string }) {
    if (event === "reported" && /^[0-9a-f]{64}$/.test(detail)) {
        return (
            <>
                {t.runs.adapter} <Hash value={detail} />
            </>
        );
    }
    if (event === "settled" && /^\d+$/.test(detail)) {
        return (
            <Link to="/models/$id" params={{ id: Number(detail) }}>
                {t.models.number(Number(detail))}
            </Link>
        );
    }
    return <span className="wrap-anywhere">{detail}</span>;
}
