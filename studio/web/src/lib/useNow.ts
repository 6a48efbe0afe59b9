import { createStore, useStore } from "./store";

// One clock for every relative time on a page.
const clock = createStore(Date.now());
if (typeof window !== "undefined") setInterval(() => clock.set(Date.now()), 10_000);

export function useNow(): number {
    return useStore(clock);
}
