import { createStore, useStore } from "./store";

// One clock for every relative time on a page.
const clock = createStore(Date.now());
let running: ReturnType<typeof setInterval> | null = null;

export function useNow(): number {
    if (running === null && typeof window !== "undefined") {
        running = setInterval(() => clock.set(Date.now()), 10_000);
    }
    return useStore(clock);
}
