// Server-sent events that survive lost connections and restarted servers.

export type StreamState = "connecting" | "open" | "lost" | "ended";

export interface StreamOptions {
    /** Makes the address from the id of the last event that was seen. */
    url: (after: string | null) => string;
    events: string[];
    onEvent: (name: string, data: unknown, id: string) => void;
    onState?: (state: StreamState) => void;
    /** The name of the event after which nothing follows. */
    end?: string;
    after?: string | null;
    /** Makes the connection; tests bring their own. */
    connect?: (url: string) => EventSource;
}

const PAUSE_MS = [500, 1_000, 2_000, 5_000, 10_000];

/** Opens a stream and keeps it open until the returned function is called. Events come once, in order of arrival. */
export function openStream(options: StreamOptions): () => void {
    let last = options.after ?? null;
    let failures = 0;
    let source: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | null = null;
    let closed = false;

    const close = () => {
        closed = true;
        source?.close();
        if (timer !== null) clearTimeout(timer);
    };
    const connect = () => {
        if (closed) return;
        options.onState?.("connecting");
        source = (options.connect ?? ((url) => new EventSource(url)))(options.url(last));
        source.onopen = () => {
            failures = 0;
            options.onState?.("open");
        };
        source.onerror = () => {
            // The browser's own retry gives up on an answer other than 200: a gateway that restarts gives such. So every
            // retry is ours.
            source?.close();
            if (closed) return;
            options.onState?.("lost");
            const pause = PAUSE_MS[Math.min(failures, PAUSE_MS.length - 1)];
            failures += 1;
            timer = setTimeout(connect, pause);
        };
        const take = (name: string) => (event: MessageEvent<string>) => {
            if (closed) return;
            if (event.lastEventId) last = event.lastEventId;
            if (name === options.end) {
                close();
                options.onState?.("ended");
                return;
            }
            let data: unknown;
            try {
                data = JSON.parse(event.data);
            } catch {
                return;
            }
            options.onEvent(name, data, event.lastEventId);
        };
        for (const name of options.events) source.addEventListener(name, take(name));
        if (options.end && !options.events.includes(options.end)) source.addEventListener(options.end, take(options.end));
    };
    connect();
    return close;
}
