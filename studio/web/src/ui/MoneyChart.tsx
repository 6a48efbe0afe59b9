import { useMemo } from "react";
import type { SeriesPoint } from "../api/client";
import { approximate } from "../lib/amount";
import { useNow } from "../lib/useNow";
import { t } from "../strings/en";
import { Chart, type ChartSeries } from "./Chart";

interface Props {
    label: string;
    series: { name: string; points: SeriesPoint[] }[];
    height?: number;
}

const amounts = new Intl.NumberFormat("en-US", { maximumFractionDigits: 4 });

const MARGIN_SECONDS = 120;

/** Sums that grow over time, one curve each. */
export function MoneyChart({ label, series, height = 240 }: Props) {
    const now = useNow() / 1000;
    const { x, curves } = useMemo(() => {
        const time = (point: SeriesPoint) => (point.at.time === null ? 0 : new Date(point.at.time).getTime() / 1000);
        const times = [...new Set(series.flatMap((one) => one.points.map(time)))].sort((a, b) => a - b);
        // Drawn from a while before the first, where all was zero, until now, where it still is what it was.
        const first = times[0];
        if (first !== undefined) {
            times.unshift(first - Math.max(MARGIN_SECONDS, (now - first) * 0.08));
            times.push(Math.max(now, (times.at(-1) ?? 0) + 1));
        }
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
    }, [series, now]);
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
