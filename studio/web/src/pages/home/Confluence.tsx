import { Boxes } from "lucide-react";

interface Stream {
    colour: string;
    width: number;
    /** Where it begins. */
    from: number;
    /** Where it runs in the river. */
    to: number;
}

const COLOURS = ["--s0", "--s1", "--s4", "--s2", "--s3"];
const WIDTHS = [15, 9, 20, 11, 16];
const HEIGHT = 240;
const MIDDLE = HEIGHT / 2;
const RIVER = WIDTHS.reduce((total, one) => total + one, 0);

/** Streams as broad as they are, spread out on the left and side by side on the right. */
const STREAMS: Stream[] = WIDTHS.map((width, place) => {
    const above = WIDTHS.slice(0, place).reduce((total, one) => total + one, 0);
    return {
        colour: `var(${COLOURS[place]})`,
        width,
        from: 16 + ((HEIGHT - 32) * place) / (WIDTHS.length - 1),
        to: MIDDLE - RIVER / 2 + above + width / 2,
    };
});
const path = ({ from, to }: Stream) => `M0 ${from} C 150 ${from} 150 ${to} 290 ${to} L 400 ${to}`;

/** The picture of the idea: what many give becomes one model, and what the model earns goes back to each of them. */
export function Confluence() {
    return (
        <div className="confluence" aria-hidden>
            <svg viewBox={`0 0 440 ${HEIGHT}`} role="presentation">
                <defs>
                    <linearGradient id="source" gradientUnits="userSpaceOnUse" x1="0" y1="0" x2="90" y2="0">
                        <stop offset="0" stopColor="#fff" stopOpacity="0" />
                        <stop offset="1" stopColor="#fff" />
                    </linearGradient>
                    <mask id="fade">
                        <rect x="-10" y="-10" width="460" height={HEIGHT + 20} fill="url(#source)" />
                    </mask>
                </defs>
                <g mask="url(#fade)">
                    {STREAMS.map((stream) => (
                        <path key={stream.colour} d={path(stream)} stroke={stream.colour} strokeWidth={stream.width} fill="none" />
                    ))}
                </g>
                {STREAMS.map((stream, place) => (
                    <circle
                        key={stream.colour}
                        className="coin"
                        r="5"
                        style={{ offsetPath: `path("${path(stream)}")`, animationDelay: `${-1.7 * place}s`, offsetDistance: `${24 + 9 * place}%` }}
                    />
                ))}
                <rect x="352" y={MIDDLE - 44} width="88" height="88" rx="22" fill="var(--brand)" />
            </svg>
            <Boxes className="confluence-model" strokeWidth={1.6} />
        </div>
    );
}
