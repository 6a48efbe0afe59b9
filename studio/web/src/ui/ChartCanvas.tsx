import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../app/theme";
import { useStore } from "../lib/store";
import { formatClockAt, formatDateTime, formatSignificant } from "../lib/format";
import { t } from "../strings/en";

export interface ChartSeries {
    name: string;
    /** A CSS custom property, such as `--s0`. */
    colour: string;
    values: (number | null)[];
    /** Points, for what is measured now and then; joined by a line where `dashed` is set too. */
    points?: boolean;
    dashed?: boolean;
    fill?: boolean;
}

export interface ChartProps {
    /** What the chart shows, for who cannot see it. */
    label: string;
    x: number[];
    series: ChartSeries[];
    height: number;
    /** `time`: x is in seconds since 1970. */
    xKind?: "number" | "time";
    xName?: string;
    formatY?: (value: number) => string;
    stepped?: boolean;
    /** x has whole numbers only. */
    isWhole?: boolean;
    /** How far x will go, where that is known before it is there. */
    xMax?: number;
    /** Whether the y axis begins at 0. */
    fromZero?: boolean;
}

const WHOLE = [1, 2, 5].flatMap((one) => [0, 1, 2, 3, 4, 5, 6].map((power) => one * 10 ** power)).sort((a, b) => a - b);
const read = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export default function ChartCanvas(props: ChartProps) {
    const { label, x, series, height, xKind = "number", xName = t.charts.step, stepped = false, fromZero = false, isWhole = false, xMax = 0 } = props;
    const format = props.formatY ?? formatSignificant;
    const frame = useRef<HTMLDivElement>(null);
    const plot = useRef<uPlot | null>(null);
    const colours = useStore(theme);
    const data = useMemo<uPlot.AlignedData>(() => [x, ...series.map((one) => one.values)], [x, series]);
    // Curves that only grow keep their chart; another set of curves makes another.
    const shape = `${series.map((one) => `${one.name}|${one.colour}|${one.points}|${one.dashed}|${one.fill}`).join("\n")}|${xKind}|${stepped}`;
    const latest = useRef({ data, format });
    useEffect(() => {
        latest.current = { data, format };
    });

    useEffect(() => {
        const parent = frame.current;
        if (!parent) return;
        const grid = { stroke: read("--line"), width: 1 };
        const axis = {
            stroke: read("--ink-3"),
            font: `12px ${read("--font")}`,
            grid,
            ticks: { ...grid, size: 4 },
        };
        const made = new uPlot(
            {
                width: parent.clientWidth || 600,
                height,
                scales: {
                    x: { time: xKind === "time", ...(xMax > 0 ? { range: (_: uPlot, min: number, max: number): [number, number] => [min, Math.max(max, xMax)] } : {}) },
                    y: fromZero ? { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } : {},
                },
                legend: { live: true },
                cursor: { points: { size: 7 } },
                axes: [
                    {
                        ...axis,
                        grid: { show: false },
                        ...(isWhole ? { incrs: WHOLE } : {}),
                        ...(xKind === "time"
                            ? { space: 72, values: (_: uPlot, splits: number[], __: number, ___: number, step: number) => splits.map((at) => formatClockAt(at * 1000, step)) }
                            : {}),
                    },
                    { ...axis, size: 54, values: (_, values) => values.map((value) => latest.current.format(value)) },
                ],
                series: [
                    xKind === "time"
                        ? { label: t.charts.time, value: (_, value) => (value == null ? "–" : formatDateTime(value * 1000)) }
                        : { label: xName },
                    ...series.map((one): uPlot.Series => {
                        const stroke = read(one.colour);
                        return {
                            label: one.name,
                            stroke,
                            width: one.points ? 1.25 : 1.75,
                            spanGaps: !one.points || (one.dashed ?? false),
                            ...(one.dashed ? { dash: [6, 4] } : {}),
                            ...(one.fill ? { fill: `color-mix(in srgb, ${stroke} 14%, transparent)` } : {}),
                            points: one.points
                                ? { show: true, size: 7, fill: stroke, stroke: read("--surface"), width: 1.5 }
                                : { show: (plot: uPlot) => plot.data[0].length === 1, size: 6 },
                            ...(one.points && !one.dashed ? { paths: () => null } : {}),
                            ...(stepped && uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
                            value: (_, value) => (value == null ? "–" : latest.current.format(value)),
                        };
                    }),
                ],
            },
            latest.current.data,
            parent,
        );
        plot.current = made;
        const observer = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height }));
        observer.observe(parent);
        return () => {
            observer.disconnect();
            made.destroy();
            plot.current = null;
        };
        // eslint-disable-next-line react-hooks/exhaustive-deps -- `shape` says when the curves are others; data comes below
    }, [shape, height, colours, xName, fromZero, isWhole, xMax]);

    useEffect(() => {
        plot.current?.setData(data);
    }, [data]);

    return <div ref={frame} role="img" aria-label={`${label}. ${summary(props)}`} className="chart-frame" />;
}

function summary({ x, series, formatY = formatSignificant }: ChartProps): string {
    if (x.length === 0) return t.charts.nothing;
    return series
        .flatMap((one) => {
            const known = one.values.filter((value) => value !== null);
            const [first, last] = [known[0], known.at(-1)];
            return first === undefined || last === undefined ? [] : [t.charts.summary(one.name, formatY(first), formatY(last))];
        })
        .join(" ");
}
