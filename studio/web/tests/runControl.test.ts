import { expect, test } from "vitest";
import { isPaused } from "../src/pages/runs/RunControl";
import { EMPTY, reduce } from "../src/pages/runs/runEvents";

const event = (sequence: number, kind: string) => ({ sequence, time_ms: sequence, kind, step: 1 });

test("a run waits from its pause to where it goes on", () => {
    let data = reduce(EMPTY, [event(1, "started"), event(2, "checkpoint")]);
    expect(isPaused(data, 0)).toBe(false);
    data = reduce(data, [event(3, "paused")]);
    expect(isPaused(data, 0)).toBe(true);
    data = reduce(data, [event(4, "resumed"), event(5, "checkpoint")]);
    expect(isPaused(data, 0)).toBe(false);
});

test("what was told before the trainer answered says nothing of what it does now", () => {
    const data = reduce(EMPTY, [event(1, "started"), event(2, "checkpoint")]);
    expect(isPaused(data, 2)).toBeNull();
    expect(isPaused(EMPTY, 0)).toBeNull();
});
