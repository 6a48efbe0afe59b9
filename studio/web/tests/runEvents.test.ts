import { expect, test } from "vitest";
import { EMPTY, reduce, restarted } from "../src/pages/runs/runEvents";

const step = (sequence: number, at: number, loss: number) => ({
    sequence,
    time_ms: 1_000 + sequence,
    kind: "step",
    step: at,
    steps: 10,
    epoch: at / 10,
    loss,
    gradient_norm: 1,
    learning_rate: 0.001,
    tokens_per_second: 100,
    memory_bytes: null,
    eta_seconds: 5,
});

test("events that were seen before change nothing", () => {
    const once = reduce(EMPTY, [step(1, 1, 4), step(2, 2, 3)]);
    expect(reduce(once, [step(1, 1, 9), step(2, 2, 9)])).toEqual(once);
    expect(once.steps.map((one) => one.loss)).toEqual([4, 3]);
});

test("a rewind takes back the steps behind it", () => {
    const data = reduce(EMPTY, [
        step(1, 1, 4),
        step(2, 2, 3),
        step(3, 3, 2),
        { sequence: 4, time_ms: 5, kind: "evaluation", step: 3, loss: 2.5, best: true },
        { sequence: 5, time_ms: 6, kind: "rewound", step: 1, reason: "another machine" },
        step(6, 2, 7),
    ]);
    expect(data.steps.map((one) => [one.step, one.loss])).toEqual([
        [1, 4],
        [2, 7],
    ]);
    expect(data.evaluations).toEqual([]);
    expect(data.log.map((line) => line.kind)).toEqual(["rewound"]);
});

test("a later look at the same step takes the earlier one's place", () => {
    const look = (sequence: number, loss: number) => ({ sequence, time_ms: 0, kind: "evaluation", step: 4, loss, best: false });
    expect(reduce(EMPTY, [look(1, 2), look(2, 1)]).evaluations).toEqual([{ step: 4, loss: 1, best: false }]);
});

test("another trainer counts from one again, and the log says so", () => {
    const data = restarted(reduce(EMPTY, [step(40, 20, 1)]));
    expect(data.steps).toEqual([]);
    expect(reduce(data, [step(1, 1, 5)]).steps.map((one) => one.loss)).toEqual([5]);
    expect(data.log.at(-1)?.kind).toBe("restarted");
});

test("what is no event is passed over", () => {
    expect(reduce(EMPTY, [null, 3, "x", {}, { sequence: "1", kind: "step" }])).toEqual(EMPTY);
});
