import type { ReactNode } from "react";
import { formatPercent } from "../lib/format";

export interface Share {
    key: string | number;
    label: ReactNode;
    /** What a screen reader says of it. */
    text: string;
    part: number;
    detail?: ReactNode;
    /** Not a share of anybody's: what is left over. */
    isRest?: boolean;
}

const COLOURS = 8;
export const seriesColour = (place: number) => `var(--s${place % COLOURS})`;

/** Parts of a whole as one bar, with their names below. Parts sum to one, or what is missing stays empty. */
export function ShareBar({ shares, label, compact = false }: { shares: Share[]; label: string; compact?: boolean }) {
    const colour = (share: Share, place: number) => (share.isRest ? "var(--rest)" : seriesColour(place));
    return (
        <div className={`share-bar${compact ? " compact" : ""}`}>
            <div
                className="share-track"
                role="img"
                aria-label={`${label}: ${shares.map((share) => `${share.text} ${formatPercent(share.part)}`).join(", ")}`}
            >
                {shares.map((share, place) => (
                    <span key={share.key} style={{ flexGrow: share.part, background: colour(share, place) }} />
                ))}
            </div>
            {!compact && (
                <ul role="list" className="share-legend">
                    {shares.map((share, place) => (
                        <li key={share.key}>
                            <span className="swatch" style={{ background: colour(share, place) }} aria-hidden />
                            <span className="share-label">{share.label}</span>
                            <span className="share-part">{formatPercent(share.part)}</span>
                            {share.detail !== undefined && <span className="share-detail">{share.detail}</span>}
                        </li>
                    ))}
                </ul>
            )}
        </div>
    );
}
