// @vitest-environment jsdom
import { screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import type { Job } from "../src/api/client";
import { RunCharts } from "../src/pages/runs/RunCharts";
import { EMPTY, reduce, type RunData } from "../src/pages/runs/runEvents";
import type { ChartProps } from "../src/ui/Chart";
import { show } from "./render";

// A canvas is what this environment has not: what is drawn on it is listed.
vi.mock("../src/ui/ChartCanvas", () => ({
    default: ({ x, series }: ChartProps) => <output>{JSON.stringify({ x, ...Object.fromEntries(series.map((one) => [one.name, one.values])) })}</output>,
}));

const step = (sequence: number, at: number, loss: number, change: object = {}) => ({
    ...{ sequence, time_ms: 0, kind: "step", step: at, steps: 4, epoch: at / 4, loss, gradient_norm: 1, learning_rate: 1e-3 },
    ...{ tokens_per_second: 1_900, memory_bytes: 149_000_000, eta_seconds: 7 },
    ...change,
});
const look = (sequence: number, at: number, loss: number) => ({ sequence, time_ms: 0, kind: "evaluation", step: at, loss, best: true });
const job = (change: Partial<Job> = {}) => ({ stage: "leased", report: null, progress: null, ...change }) as Job;
const charts = (data: RunData, one = job()) => show(<RunCharts job={one} data={{ ...data, state: "open" }} isAvailable isLive />);
const drawn = async () => JSON.parse((await screen.findByRole("status", { hidden: true })).textContent ?? "") as unknown;

test("events that come twice after a lost connection are drawn once, and a rewind is taken back", async () => {
    const before = reduce(EMPTY, [look(1, 0, 7.8), step(2, 1, 7), step(3, 2, 6), step(4, 3, 5)]);
    // After the reconnection: the last ones again, then the trainer goes back and on.
    const data = reduce(before, [step(3, 2, 6), step(4, 3, 5), { sequence: 5, time_ms: 0, kind: "rewound", step: 1, reason: "restart" }, step(6, 2, 5.5)]);
    charts(data);
    expect(await drawn()).toEqual({ x: [0, 1, 2], "Training loss": [null, 7, 5.5], "Validation loss": [7.8, null, null] });
    expect(screen.getByText("Step 2 of 4")).toBeTruthy();
    expect(screen.getByText("about 7 s left")).toBeTruthy();
    expect(screen.getByText("1,900 tokens/s")).toBeTruthy();
});

test("between the last step and the report, what the trainer does is said", async () => {
    charts(reduce(EMPTY, [step(1, 4, 1)]));
    expect(await screen.findByText("Trained. Now the trainer works out who shaped the model.")).toBeTruthy();
});

test("a run that is queued or not shown says which", async () => {
    show(<RunCharts job={job({ stage: "open" })} data={EMPTY} isAvailable={false} isLive={false} />);
    expect(await screen.findByText("Not started")).toBeTruthy();
});
