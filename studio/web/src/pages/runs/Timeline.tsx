import type { JobEvent } from "../../api/client";
import { t } from "../../strings/en";
import { Account, Amount, When } from "../../ui/data";

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
                    {event.detail && <span className="small muted">{event.detail}</span>}
                </li>
            ))}
        </ol>
    );
}
