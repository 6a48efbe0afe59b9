// What a page shows while it waits, when there is nothing, and when something is wrong.
import { CircleAlert, CircleCheck, Info, RefreshCw, TriangleAlert, WifiOff } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError, UnreachableError } from "../api/client";
import { sentence } from "../lib/format";
import { t } from "../strings/en";
import { Button } from "./Button";

/** Grey shapes of the size of what is to come, so that nothing jumps. */
export function Skeleton({ height = "1.2em", width = "100%" }: { height?: string; width?: string }) {
    return <span className="skeleton" style={{ height, width }} aria-hidden />;
}

export function LoadingBlock({ rows = 4, height = "3.25rem" }: { rows?: number; height?: string }) {
    return (
        <div className="loading-block" role="status" aria-label={t.ui.loading}>
            {Array.from({ length: rows }, (_, row) => (
                <Skeleton key={row} height={height} />
            ))}
        </div>
    );
}

export function Spinner({ label = t.ui.loading }: { label?: string }) {
    return <span className="spinner" role="status" aria-label={label} />;
}

interface EmptyProps {
    icon?: ReactNode;
    title: string;
    children?: ReactNode;
    actions?: ReactNode;
}

export function EmptyState({ icon, title, children, actions }: EmptyProps) {
    return (
        <div className="empty-state">
            {icon && (
                <span className="empty-icon" aria-hidden>
                    {icon}
                </span>
            )}
            <h3>{title}</h3>
            {children && <p>{children}</p>}
            {actions && <div className="row center">{actions}</div>}
        </div>
    );
}

/** Why something cannot be shown, and what to do. */
export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
    const gone = error instanceof UnreachableError;
    const missing = error instanceof ApiError && error.status === 404;
    const message = error instanceof Error ? error.message : String(error);
    const hint = error instanceof ApiError ? error.hint : gone ? t.errors.unreachableHint : null;
    return (
        <div className="empty-state error" role="alert">
            <span className="empty-icon" aria-hidden>
                {gone ? <WifiOff /> : <CircleAlert />}
            </span>
            <h3>{gone ? t.errors.unreachableTitle : missing ? t.errors.notFoundTitle : t.errors.failedTitle}</h3>
            <p>{sentence(message)}</p>
            {hint && <p className="muted">{sentence(hint)}</p>}
            {onRetry && !missing && (
                <Button icon={<RefreshCw size={15} />} onPress={onRetry}>
                    {t.ui.retry}
                </Button>
            )}
        </div>
    );
}

export type Tone = "info" | "good" | "warn" | "bad";
const NOTICE_ICONS = { info: Info, good: CircleCheck, warn: TriangleAlert, bad: CircleAlert };

export function Notice({ tone = "info", title, children }: { tone?: Tone; title?: string; children?: ReactNode }) {
    const Icon = NOTICE_ICONS[tone];
    return (
        <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : undefined}>
            <Icon size={18} aria-hidden />
            <div>
                {title && <strong>{title}</strong>}
                {children}
            </div>
        </div>
    );
}

export type BadgeTone = "plain" | "brand" | "good" | "warn" | "bad" | "info";

export function Badge({ tone = "plain", children, dot = false }: { tone?: BadgeTone; children: ReactNode; dot?: boolean }) {
    return <span className={`badge ${tone}${dot ? " dot" : ""}`}>{children}</span>;
}

/** How far something is. */
export function Meter({ value, max, label, tone = "brand" }: { value: number; max: number; label: string; tone?: "brand" | "gold" | "bad" }) {
    const part = max > 0 ? Math.min(1, Math.max(0, value / max)) : 0;
    return (
        <div
            className={`meter ${tone}`}
            role="progressbar"
            aria-label={label}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(part * 100)}
        >
            <span style={{ width: `${part * 100}%` }} />
        </div>
    );
}
