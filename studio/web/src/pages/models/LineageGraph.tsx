import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Lineage } from "../../api/client";
import { t } from "../../strings/en";
import { seriesColour } from "../../ui/ShareBar";

type Node = Lineage["nodes"][number];

// What flows into what, left to right.
const COLUMNS: Node["kind"][][] = [["contributor"], ["contribution"], ["datanet_version"], ["base_model", "job", "trainer"], ["adapter", "model"]];
const WIDTH = 152;
const ROW = 50;
const HEIGHT = 38;
const COLUMN_GAP = 30;
const SHOWN_MAX = 14;

interface Placed extends Node {
    x: number;
    y: number;
    colour: string;
}

/** Where a model came from, as streams that join: people, their contributions, versions, the run, the model. */
export function LineageGraph({ lineage }: { lineage: Lineage }) {
    const { nodes, edges, width, height, hidden } = useMemo(() => place(lineage), [lineage]);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    return (
        <div className="lineage">
            {/* A region that scrolls must be reachable by keyboard. */}
            {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
            <div className="lineage-scroll" tabIndex={0} role="group" aria-label={t.models.lineage}>
                <div className="lineage-canvas" style={{ width, height }}>
                    <svg width={width} height={height} aria-hidden>
                        {edges.map((edge) => {
                            const from = byId.get(edge.from);
                            const to = byId.get(edge.to);
                            if (!from || !to) return null;
                            const [left, right] = from.x <= to.x ? [from, to] : [to, from];
                            const [x1, y1, x2, y2] = [left.x + WIDTH, left.y + HEIGHT / 2, right.x, right.y + HEIGHT / 2];
                            const isAbove = left.x === right.x;
                            const middle = (x1 + x2) / 2;
                            return (
                                <path
                                    key={`${edge.from}>${edge.to}`}
                                    d={
                                        isAbove
                                            ? `M${left.x + WIDTH / 2} ${left.y + HEIGHT / 2} L${right.x + WIDTH / 2} ${right.y + HEIGHT / 2}`
                                            : `M${x1} ${y1} C ${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`
                                    }
                                    stroke={left.colour}
                                    strokeWidth={isAbove ? 1.5 : 5}
                                    strokeOpacity={0.5}
                                    fill="none"
                                />
                            );
                        })}
                    </svg>
                    <ul role="list">
                        {nodes.map((node) => (
                            <li key={node.id} style={{ left: node.x, top: node.y, width: WIDTH, height: HEIGHT, borderLeftColor: node.colour }}>
                                <small>{t.models.kinds[node.kind]}</small>
                                {node.href ? (
                                    <Link to={node.href} title={node.detail ?? node.label}>
                                        {node.label}
                                    </Link>
                                ) : (
                                    <span title={node.detail ?? node.label}>{node.label}</span>
                                )}
                            </li>
                        ))}
                    </ul>
                </div>
            </div>
            {hidden > 0 && <p className="small muted">{t.models.lineageHidden(hidden)}</p>}
        </div>
    );
}

function place({ nodes, edges }: Lineage) {
    const columns = COLUMNS.map((kinds) => kinds.flatMap((kind) => nodes.filter((node) => node.kind === kind))).filter((column) => column.length > 0);
    const shown = columns.map((column) => column.slice(0, SHOWN_MAX));
    const rows = Math.max(1, ...shown.map((column) => column.length));
    const height = rows * ROW;
    const placed: Placed[] = shown.flatMap((column, at) =>
        column.map((node, row) => ({
            ...node,
            x: at * (WIDTH + COLUMN_GAP),
            y: (height - column.length * ROW) / 2 + row * ROW + (ROW - HEIGHT) / 2,
            colour: node.kind === "contributor" || node.kind === "contribution" ? seriesColour(row) : "var(--brand)",
        })),
    );
    const hidden = columns.reduce((total, column) => total + Math.max(0, column.length - SHOWN_MAX), 0);
    return { nodes: placed, edges, height, hidden, width: shown.length * (WIDTH + COLUMN_GAP) - COLUMN_GAP };
}
