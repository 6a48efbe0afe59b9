import { Link, type LinkProps } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import { useEffect, type ReactNode } from "react";
import { t } from "../strings/en";

interface Crumb {
    label: string;
    to: LinkProps["to"];
    params?: LinkProps["params"];
}

interface PageProps {
    title: string;
    /** What stands before the title in the browser's tab only. */
    tab?: string;
    lead?: ReactNode;
    crumbs?: Crumb[];
    actions?: ReactNode;
    badges?: ReactNode;
    children: ReactNode;
    width?: "normal" | "narrow" | "full";
}

export function Page({ title, tab, lead, crumbs, actions, badges, children, width = "normal" }: PageProps) {
    useEffect(() => {
        document.title = `${tab ?? title} · ${t.app.name}`;
    }, [tab, title]);
    return (
        <div className={`page ${width}`}>
            <header className="page-head">
                {crumbs && (
                    <nav aria-label={t.ui.breadcrumbs} className="crumbs">
                        {crumbs.map((crumb, place) => (
                            <span key={crumb.label}>
                                {place > 0 && <ChevronRight size={14} aria-hidden />}
                                <Link to={crumb.to as string} params={crumb.params as never}>
                                    {crumb.label}
                                </Link>
                            </span>
                        ))}
                    </nav>
                )}
                <div className="page-title">
                    <div>
                        <h1>{title}</h1>
                        {badges && <div className="row">{badges}</div>}
                    </div>
                    {actions && <div className="row page-actions">{actions}</div>}
                </div>
                {lead && <p className="lead">{lead}</p>}
            </header>
            {children}
        </div>
    );
}

interface SectionProps {
    title?: string;
    lead?: ReactNode;
    actions?: ReactNode;
    children: ReactNode;
    tone?: "card" | "plain";
    id?: string;
}

export function Section({ title, lead, actions, children, tone = "card", id }: SectionProps) {
    return (
        <section className={`section ${tone}`} id={id} aria-label={title}>
            {(title || actions) && (
                <header className="section-head">
                    <div>
                        {title && <h2>{title}</h2>}
                        {lead && <p className="muted">{lead}</p>}
                    </div>
                    {actions && <div className="row">{actions}</div>}
                </header>
            )}
            {children}
        </section>
    );
}

export interface TabItem {
    to: LinkProps["to"];
    params?: LinkProps["params"];
    label: string;
    count?: number;
    exact?: boolean;
}

/** Tabs that are places: each has an address, and the back button goes back to it. */
export function TabNav({ label, items }: { label: string; items: TabItem[] }) {
    return (
        <nav className="tab-nav" aria-label={label}>
            {items.map((item) => (
                <Link
                    key={item.label}
                    to={item.to as string}
                    params={item.params as never}
                    activeOptions={{ exact: item.exact ?? true }}
                    resetScroll={false}
                >
                    {item.label}
                    {item.count !== undefined && item.count > 0 && <span className="count">{item.count}</span>}
                </Link>
            ))}
        </nav>
    );
}
