import { useMemo } from "react";
import type { SeriesPoint } from "../api/client";
import { approximate } from "../lib/amount";
import { t } from "../strings/en";
import { Chart, type ChartSeries } from "./Chart";

interface Props {
    label: string;
    series: { name: string; points: SeriesPoint[] }[];
    height?: number;
}

const amounts = new Intl.NumberFormat("en-US", { maximumFractionDigits: 4 });

/** Sums that grow over time, one curve each. */
export function MoneyChart({ label, series, height = 240 }: Props) {
    const { x, curves } = useMemo(() => {
        const time = (point: SeriesPoint) => (point.at.time === null ? 0 : new Date(point.at.time).getTime() / 1000);
        const times = [...new Set(series.flatMap((one) => one.points.map(time)))].sort((a, b) => a - b);
        // A curve that begins and ends at one moment is a dot; it is drawn from just before, where it was zero.
        const first = times[0];
        if (first !== undefined) times.unshift(first - 60);
        const last = times.at(-1);
        if (last !== undefined) times.push(last + 60);
        const curves = series.map((one, place): ChartSeries => {
            let next = 0;
            let total = 0;
            const values = times.map((at) => {
                for (; next < one.points.length; next += 1) {
                    const point = one.points[next];
                    if (!point || time(point) > at) break;
                    total = approximate(point.total);
                }
                return total;
            });
            return { name: one.name, colour: `--s${place}`, values, fill: series.length === 1 };
        });
        return { x: times, curves };
    }, [series]);
    return (
        <Chart
            label={label}
            x={x}
            xKind="time"
            xName={t.charts.step}
            series={curves}
            height={height}
            stepped
            fromZero
            formatY={(value) => `${amounts.format(value)}`}
        />
    );
}
