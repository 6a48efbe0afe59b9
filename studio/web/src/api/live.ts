// The gateway's stream of finalised blocks: keeps the height that pages show, and marks what a block changed as stale.
import type { QueryClient } from "@tanstack/react-query";
import { createStore } from "../lib/store";
import { openStream } from "../lib/stream";
import type { LiveChanged, LiveHead } from "./client";

export interface Live {
    state: "connecting" | "open" | "lost";
    head: LiveHead | null;
}

export const live = createStore<Live>({ state: "connecting", head: null });

/** Which questions an entity of each kind is part of, beside those about its own kind. */
const TOUCHES: Record<string, string[]> = {
    datanet: ["search"],
    contribution: ["datanet", "account"],
    version: ["datanet"],
    grant: ["datanet", "account", "estimate"],
    base_model: ["search"],
    model: ["datanet", "job", "contribution", "search", "account"],
    job: ["trainer", "datanet", "account"],
    trainer: ["account"],
    stream: ["model", "account", "datanet", "contribution"],
    deployment: ["model"],
    offer: ["model"],
    channel: ["account"],
};

/** Follows the stream until the returned function is called. */
export function followChain(client: QueryClient): () => void {
    let wasLost = false;
    return openStream({
        url: (after) => (after === null ? "/api/live" : `/api/live?after=${after}`),
        events: ["head", "changed"],
        onState: (state) => {
            if (state === "lost") wasLost = true;
            if (state === "open" && wasLost) {
                wasLost = false;
                void client.invalidateQueries();
            }
            if (state !== "ended") live.set((now) => ({ ...now, state: state === "connecting" && wasLost ? "lost" : state }));
        },
        onEvent: (name, data) => {
            if (name === "head") live.set((now) => ({ ...now, head: data as LiveHead }));
            else markStale(client, data as LiveChanged);
        },
    });
}

export function markStale(client: QueryClient, changed: LiveChanged): void {
    const kinds = new Set<string>(["network", "block"]);
    for (const { kind } of changed.entities) {
        kinds.add(kind);
        for (const other of TOUCHES[kind] ?? []) kinds.add(other);
    }
    void client.invalidateQueries({ predicate: ({ queryKey }) => kinds.has(String(queryKey[0])) });
}
