import { Link } from "@tanstack/react-router";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Lineage } from "../../api/client";
import { t } from "../../strings/en";
import { useAccountName } from "../../wallet/names";
import { seriesColour } from "../../ui/ShareBar";

type Node = Lineage["nodes"][number];

// What flows into what, left to right.
const COLUMNS: Node["kind"][][] = [["contributor"], ["contribution"], ["datanet_version"], ["base_model", "job", "trainer"], ["adapter", "model"]];
const WIDTH_MIN = 152;
const WIDTH_MAX = 208;
const ROW = 50;
const HEIGHT = 38;
const COLUMN_GAP = 34;
const SHOWN_MAX = 14;

interface Placed extends Node {
    x: number;
    y: number;
    colour: string;
}

/** Where a model came from, as streams that join: people, their contributions, versions, the run, the model. */
export function LineageGraph({ lineage }: { lineage: Lineage }) {
    const frame = useRef<HTMLDivElement>(null);
    const [room, setRoom] = useState(0);
    useLayoutEffect(() => {
        const element = frame.current;
        if (!element) return;
        const measure = () => setRoom(element.clientWidth);
        measure();
        const observer = new ResizeObserver(measure);
        observer.observe(element);
        return () => observer.disconnect();
    }, []);
    const { nodes, edges, box, width, height, hidden } = useMemo(() => place(lineage, room), [lineage, room]);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    return (
        <div className="lineage">
            {/* A region that scrolls must be reachable by keyboard. */}
            {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
            <div className="lineage-scroll" ref={frame} tabIndex={0} role="group" aria-label={t.models.lineage}>
                <div className="lineage-canvas" style={{ width, height }}>
                    <svg width={width} height={height} aria-hidden>
                        {edges.map((edge) => {
                            const from = byId.get(edge.from);
                            const to = byId.get(edge.to);
                            if (!from || !to) return null;
                            const [left, right] = from.x <= to.x ? [from, to] : [to, from];
                            const [x1, y1, x2, y2] = [left.x + box, left.y + HEIGHT / 2, right.x, right.y + HEIGHT / 2];
                            const isAbove = left.x === right.x;
                            const middle = (x1 + x2) / 2;
                            return (
                                <path
                                    key={`${edge.from}>${edge.to}`}
                                    d={
                                        isAbove
                                            ? `M${left.x + box / 2} ${left.y + HEIGHT / 2} L${right.x + box / 2} ${right.y + HEIGHT / 2}`
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
                            <li key={node.id} style={{ left: node.x, top: node.y, width: box, height: HEIGHT, borderLeftColor: node.colour }}>
                                <small>{t.models.kinds[node.kind]}</small>
                                <NodeName node={node} />
                            </li>
                        ))}
                    </ul>
                </div>
            </div>
            {hidden > 0 && <p className="small muted">{t.models.lineageHidden(hidden)}</p>}
        </div>
    );
}

function NodeName({ node }: { node: Node }) {
    const rest = node.id.slice(node.id.indexOf(":") + 1);
    const isPerson = node.kind === "contributor" || node.kind === "trainer";
    const name = useAccountName(isPerson ? rest : "");
    const label = name ?? (node.kind === "job" && /^\d+$/.test(rest) ? t.runs.title(Number(rest)) : node.label);
    const title = [label, node.detail].filter(Boolean).join(" · ");
    return node.href ? (
        <Link to={node.href} title={title}>
            {label}
        </Link>
    ) : (
        <span title={title}>{label}</span>
    );
}

function place({ nodes, edges }: Lineage, room: number) {
    const columns = COLUMNS.map((kinds) => kinds.flatMap((kind) => nodes.filter((node) => node.kind === kind))).filter((column) => column.length > 0);
    const shown = columns.map((column) => column.slice(0, SHOWN_MAX));
    const gaps = (shown.length - 1) * COLUMN_GAP;
    const box = Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, Math.floor((room - gaps) / Math.max(1, shown.length))));
    const rows = Math.max(1, ...shown.map((column) => column.length));
    const height = rows * ROW;
    const placed: Placed[] = shown.flatMap((column, at) =>
        column.map((node, row) => ({
            ...node,
            x: at * (box + COLUMN_GAP),
            y: (height - column.length * ROW) / 2 + row * ROW + (ROW - HEIGHT) / 2,
            colour: node.kind === "contributor" || node.kind === "contribution" ? seriesColour(row) : "var(--brand)",
        })),
    );
    const hidden = columns.reduce((total, column) => total + Math.max(0, column.length - SHOWN_MAX), 0);
    return { nodes: placed, edges, box, height, hidden, width: shown.length * box + gaps };
}
