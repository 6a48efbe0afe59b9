import type { Split } from "../../api/client";
import { formatPpm } from "../../lib/format";
import { t } from "../../strings/en";
import "./sale-flow.css";

const PARTS = ["contributors", "model_owner", "trainer", "datanet_owners", "base_owner", "treasury"] as const;
const HEIGHT = 250;
const GAP = 12;
const WIDTH = 560;
const LEFT = 26;

/** A payment as a river that divides: each arm as broad as its part. */
export function SaleFlow({ split }: { split: Split }) {
    const parts = PARTS.filter((name) => split[name] > 0);
    const room = HEIGHT - GAP * (parts.length - 1);
    const sizes = parts.map((name) => (split[name] / 1_000_000) * room);
    const arms = parts.map((name, place) => {
        const before = sizes.slice(0, place).reduce((sum, size) => sum + size, 0);
        const from = GAP * (parts.length - 1) * 0.5 + before;
        return { name, place, size: sizes[place] ?? 0, from, to: before + GAP * place };
    });
    return (
        <div className="sale-flow">
            <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden>
                <rect x="0" y={GAP * (parts.length - 1) * 0.5} width={LEFT} height={room} rx="4" fill="var(--brand)" />
                {arms.map(({ name, place, size, from, to }) => (
                    <path
                        key={name}
                        d={`M${LEFT} ${from} C ${WIDTH * 0.5} ${from} ${WIDTH * 0.5} ${to} ${WIDTH} ${to} L ${WIDTH} ${to + size} C ${WIDTH * 0.5} ${to + size} ${WIDTH * 0.5} ${from + size} ${LEFT} ${from + size} Z`}
                        fill={`var(--s${place})`}
                        opacity={name === "contributors" ? 0.95 : 0.55}
                    />
                ))}
            </svg>
            <ul role="list">
                {arms.map(({ name, place, size }) => (
                    <li key={name} style={{ flexGrow: size }} data-main={name === "contributors"}>
                        <span className="swatch" style={{ background: `var(--s${place})` }} aria-hidden />
                        <strong>{formatPpm(split[name], 0)}</strong>
                        <span>{t.words.split[name]}</span>
                    </li>
                ))}
            </ul>
        </div>
    );
}
