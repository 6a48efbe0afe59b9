// Amounts, accounts, hashes, times: shown in one way everywhere.
import { Link } from "@tanstack/react-router";
import { Check, Copy } from "lucide-react";
import { useState, type ReactNode } from "react";
import type { When as WhenData } from "../api/client";
import { exactAmount, formatAmount } from "../lib/amount";
import { formatDateTime, formatInteger, formatRelative, shortAccount, shortHash } from "../lib/format";
import { useNow } from "../lib/useNow";
import { t } from "../strings/en";
import { useAccountName } from "../wallet/names";
import { Skeleton } from "./feedback";

export function Amount({ value, digits = 4, unit = true }: { value: bigint | string; digits?: number; unit?: boolean }) {
    return (
        <span className="amount" title={`${exactAmount(value)} TRIB`}>
            {formatAmount(value, digits)}
            {unit && <span className="unit"> TRIB</span>}
        </span>
    );
}

export function Account({ address, name, link = true }: { address: string; name?: string | null; link?: boolean }) {
    const known = useAccountName(address);
    const shown = name ?? known;
    const content = (
        <>
            <Blot seed={address} />
            <span className={shown ? "account-name" : "mono"}>{shown ?? shortAccount(address)}</span>
        </>
    );
    if (!link) return <span className="account" title={address}>{content}</span>;
    return (
        <Link to="/accounts/$address" params={{ address }} className="account" title={address}>
            {content}
        </Link>
    );
}

/** A small picture of an account: three drops whose hues and places come of its letters. */
function drawBlot(seed: string) {
    let state = 2_166_136_261;
    for (const letter of seed) state = Math.imul(state ^ letter.charCodeAt(0), 16_777_619) >>> 0;
    const draw = (range: number) => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return (state >>> 8) % range;
    };
    const hue = draw(360);
    const drops = [0, 1, 2].map((index) => ({
        cx: 4 + draw(11),
        cy: 4 + draw(11),
        r: 4 + draw(5),
        fill: `hsl(${(hue + index * (60 + draw(80))) % 360} 55% ${42 + draw(18)}%)`,
    }));
    return { hue, drops };
}

export function Blot({ seed, size = 18 }: { seed: string; size?: number }) {
    const { hue, drops } = drawBlot(seed);
    return (
        <svg className="blot" width={size} height={size} viewBox="0 0 18 18" aria-hidden>
            <rect width="18" height="18" fill={`hsl(${hue} 40% 82%)`} />
            {drops.map((drop, index) => (
                <circle key={index} {...drop} />
            ))}
        </svg>
    );
}

export function CopyButton({ text, label = t.ui.copy }: { text: string; label?: string }) {
    const [done, setDone] = useState(false);
    return (
        <button
            type="button"
            className="copy-button"
            aria-label={done ? t.ui.copied : label}
            title={done ? t.ui.copied : label}
            onClick={() => {
                void navigator.clipboard.writeText(text).then(() => {
                    setDone(true);
                    setTimeout(() => setDone(false), 1_500);
                });
            }}
        >
            {done ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
        </button>
    );
}

export function Hash({ value }: { value: string }) {
    return (
        <span className="hash">
            <code title={value}>{shortHash(value)}</code>
            <CopyButton text={value} label={t.ui.copyHash} />
        </span>
    );
}

/** A time as people say it, with the date and the block behind it. */
export function When({ at, block = false }: { at: WhenData; block?: boolean }) {
    const now = useNow();
    const where = t.ui.block(formatInteger(at.block));
    if (at.time === null) return <span>{where}</span>;
    // The clock of a page ticks seldom: what has happened is never told as if it were to come.
    const relative = formatRelative(at.time, at.is_estimate ? now : Math.max(now, Date.parse(at.time)));
    return (
        <time dateTime={at.time} title={`${formatDateTime(at.time)} · ${where}${at.is_estimate ? ` · ${t.ui.estimated}` : ""}`}>
            {at.is_estimate ? t.ui.about(relative) : relative}
            {block && <span className="muted"> · {where}</span>}
        </time>
    );
}

/** Names and values below each other. */
export function Facts({ children, columns = 1 }: { children: ReactNode; columns?: 1 | 2 | 3 }) {
    return <dl className={`facts columns-${columns}`}>{children}</dl>;
}

export function Fact({ name, help, children }: { name: string; help?: string; children: ReactNode }) {
    return (
        <div className="fact">
            <dt>{name}</dt>
            <dd>
                {children}
                {help && <span className="field-help">{help}</span>}
            </dd>
        </div>
    );
}

export function Stat({ name, children, detail }: { name: string; children: ReactNode; detail?: ReactNode }) {
    return (
        <div className="stat">
            <dt>{name}</dt>
            <dd>
                <span className="stat-value">{children}</span>
                {detail !== undefined && <span className="stat-detail">{detail}</span>}
            </dd>
        </div>
    );
}

export const Stats = ({ children }: { children: ReactNode }) => <dl className="stats">{children}</dl>;

/** The same before its numbers are there, as high as with them. */
export const StatsLoading = ({ names }: { names: string[] }) => (
    <Stats>
        {names.map((name) => (
            <Stat key={name} name={name} detail="&nbsp;">
                <Skeleton height="1.15em" width="60%" />
            </Stat>
        ))}
    </Stats>
);
