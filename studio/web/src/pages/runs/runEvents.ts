// A run's events, as the trainer told them, in the order that counts: kept by number, and taken back where it rewound.
import { useEffect, useState } from "react";
import { createStore, useStore, type Store } from "../../lib/store";
import { openStream, type StreamState } from "../../lib/stream";

export interface StepPoint {
    step: number;
    steps: number;
    epoch: number;
    loss: number;
    gradient_norm: number;
    learning_rate: number;
    tokens_per_second: number;
    memory_bytes: number | null;
    eta_seconds: number;
    time_ms: number;
}

export interface LogLine {
    sequence: number;
    time_ms: number;
    kind: string;
    fields: Record<string, unknown>;
}

export interface RunData {
    state: StreamState;
    lastSequence: number;
    steps: StepPoint[];
    evaluations: { step: number; loss: number; best: boolean }[];
    log: LogLine[];
    samples: number | null;
    parameters: number | null;
}

export const EMPTY: RunData = {
    state: "connecting",
    lastSequence: 0,
    steps: [],
    evaluations: [],
    log: [],
    samples: null,
    parameters: null,
};

type Raw = Record<string, unknown> & { sequence: number; time_ms: number; kind: string };

const isRaw = (value: unknown): value is Raw =>
    typeof value === "object" &&
    value !== null &&
    typeof (value as Raw).sequence === "number" &&
    typeof (value as Raw).kind === "string";
const number = (value: unknown) => (typeof value === "number" && Number.isFinite(value) ? value : 0);

/** What is known after these events. An event that was seen before changes nothing. */
export function reduce(data: RunData, events: unknown[]): RunData {
    const next = { ...data, steps: [...data.steps], evaluations: [...data.evaluations], log: [...data.log] };
    for (const event of events) {
        if (!isRaw(event) || event.sequence <= next.lastSequence) continue;
        next.lastSequence = event.sequence;
        const step = number(event["step"]);
        switch (event.kind) {
            case "step":
                next.steps = upsert(next.steps, {
                    step,
                    steps: number(event["steps"]),
                    epoch: number(event["epoch"]),
                    loss: number(event["loss"]),
                    gradient_norm: number(event["gradient_norm"]),
                    learning_rate: number(event["learning_rate"]),
                    tokens_per_second: number(event["tokens_per_second"]),
                    memory_bytes: typeof event["memory_bytes"] === "number" ? event["memory_bytes"] : null,
                    eta_seconds: number(event["eta_seconds"]),
                    time_ms: event.time_ms,
                });
                continue;
            case "evaluation":
                next.evaluations = upsert(next.evaluations, { step, loss: number(event["loss"]), best: event["best"] === true });
                continue;
            case "started":
                next.samples = number(event["samples"]);
                next.parameters = number(event["parameters"]);
                break;
            case "rewound":
                next.steps = next.steps.filter((one) => one.step <= step);
                next.evaluations = next.evaluations.filter((one) => one.step <= step);
                break;
        }
        const { sequence, time_ms, kind, ...fields } = event;
        next.log.push({ sequence, time_ms, kind, fields });
    }
    return next;
}

/** Another trainer has begun the run anew, and counts its events from 1. */
export function restarted(data: RunData): RunData {
    const time_ms = data.steps.at(-1)?.time_ms ?? data.log.at(-1)?.time_ms ?? 0;
    const line: LogLine = { sequence: -(data.log.length + 1), time_ms, kind: "restarted", fields: {} };
    return { ...EMPTY, state: data.state, log: [...data.log, line] };
}

/** Events come in order, so a new one nearly always goes to the end. */
function upsert<T extends { step: number }>(all: T[], one: T): T[] {
    const last = all.at(-1);
    if (last === undefined || last.step < one.step) {
        all.push(one);
        return all;
    }
    return [...all.filter((other) => other.step < one.step), one, ...all.filter((other) => other.step > one.step)];
}

/** How often what has come is shown: a run of fast steps would otherwise draw more than it can be looked at. */
const FLUSH_MS = 200;

interface Followed {
    store: Store<RunData>;
    /** Id of the last event that came: the gateway's, which also says whose run it is. */
    lastId: string | null;
    followers: number;
    stop: (() => void) | null;
}

// Runs that were looked at: who comes back to one goes on from its last event.
const followed = new Map<number, Followed>();

function follow(job: number): () => void {
    const entry = followed.get(job) ?? { store: createStore(EMPTY), lastId: null, followers: 0, stop: null };
    followed.set(job, entry);
    entry.followers += 1;
    if (entry.stop === null && entry.store.get().state !== "ended") {
        let waiting: unknown[] = [];
        let timer: ReturnType<typeof setTimeout> | null = null;
        const flush = () => {
            timer = null;
            const batch = waiting;
            waiting = [];
            entry.store.set((now) => reduce(now, batch));
        };
        const close = openStream({
            url: (after) => `/api/jobs/${job}/events${after === null ? "" : `?after=${after}`}`,
            events: ["message", "restarted"],
            end: "end",
            after: entry.lastId,
            onState: (state) => {
                if (state === "ended") flush();
                entry.store.set((now) => ({ ...now, state }));
            },
            onEvent: (name, data, id) => {
                if (id) entry.lastId = id;
                if (name === "restarted") {
                    waiting = [];
                    entry.store.set((now) => restarted(now));
                    return;
                }
                waiting.push(data);
                timer ??= setTimeout(flush, FLUSH_MS);
            },
        });
        entry.stop = () => {
            close();
            if (timer !== null) clearTimeout(timer);
            if (waiting.length > 0) flush();
        };
    }
    return () => {
        entry.followers -= 1;
        if (entry.followers > 0) return;
        entry.stop?.();
        entry.stop = null;
    };
}

const NOTHING = createStore(EMPTY);

/** A run's events as they come, those before included; nothing while `isWanted` is false. */
export function useRunEvents(job: number, isWanted: boolean): RunData {
    const [store, setStore] = useState<{ job: number; store: Store<RunData> } | null>(null);
    useEffect(() => {
        if (!isWanted) return;
        const leave = follow(job);
        const entry = followed.get(job);
        // eslint-disable-next-line react-hooks/set-state-in-effect -- the store exists only once the run is followed
        if (entry) setStore({ job, store: entry.store });
        return leave;
    }, [job, isWanted]);
    return useStore(isWanted && store?.job === job ? store.store : NOTHING);
}

/** All events there are of a run that may be over, for comparing. */
export async function readRun(job: number, signal: AbortSignal): Promise<RunData> {
    const answer = await fetch(`/api/jobs/${job}/events?format=ndjson`, { signal });
    if (!answer.ok) return EMPTY;
    const lines = (await answer.text()).split("\n").filter(Boolean);
    return reduce(
        EMPTY,
        lines.map((line): unknown => JSON.parse(line)),
    );
}
