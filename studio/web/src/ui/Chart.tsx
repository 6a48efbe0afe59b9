import { lazy, Suspense } from "react";
import { Skeleton } from "./feedback";
import type { ChartProps } from "./ChartCanvas";

const Canvas = lazy(() => import("./ChartCanvas"));

/** A line chart; its library comes when the first one is drawn, in a frame that has its size already. */
export function Chart(props: ChartProps) {
    return (
        <figure className="chart" style={{ minHeight: props.height + 34 }}>
            <Suspense fallback={<Skeleton height={`${props.height}px`} />}>
                <Canvas {...props} />
            </Suspense>
        </figure>
    );
}

export type { ChartProps, ChartSeries } from "./ChartCanvas";
