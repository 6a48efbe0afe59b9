import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowRight } from "lucide-react";
import { useEffect } from "react";
import { jobs, models, network } from "../../api/queries";
import { formatCompact, formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { Amount, Stat, Stats, StatsLoading, When } from "../../ui/data";
import { EmptyState, Skeleton } from "../../ui/feedback";
import { Section } from "../../ui/Page";
import { PagedView, QueryView } from "../../ui/query";
import { useConfig } from "../../wallet/useWallet";
import { StageBadge } from "../runs/StageBadge";
import { ModelStatusBadge } from "../models/ModelStatusBadge";
import { Confluence } from "./Confluence";
import { SaleFlow } from "./SaleFlow";
import "./home.css";

export function HomePage() {
    useEffect(() => {
        document.title = t.app.name;
    }, []);
    return (
        <div className="page home">
            <header className="hero">
                <div className="hero-text">
                    <h1>{t.home.title}</h1>
                    <p className="lead">{t.home.lead}</p>
                </div>
                <Confluence />
            </header>
            <nav className="doors" aria-label={t.home.title}>
                <Door place={0} to="/datanets" {...t.home.doors.contribute} />
                <Door place={1} to="/build" {...t.home.doors.build} />
                <Door place={2} to="/models" {...t.home.doors.use} />
            </nav>
            <section aria-label={t.home.stats}>
                <NetworkStats />
            </section>
            <Flow />
            <div className="split even">
                <RecentModels />
                <RecentRuns />
            </div>
        </div>
    );
}

function Door({ place, to, title, text, action }: { place: number; to: string; title: string; text: string; action: string }) {
    return (
        <Link to={to} className="door" data-place={place} preload="intent">
            <span className="door-stream" aria-hidden />
            <strong>{title}</strong>
            <span>{text}</span>
            <em>
                {action} <ArrowRight size={16} aria-hidden />
            </em>
        </Link>
    );
}

function NetworkStats() {
    const query = useQuery(network);
    return (
        <QueryView
            query={query}
            loading={<StatsLoading names={[t.home.height, t.home.datanets, t.home.jobs, t.home.models, t.home.paid]} />}
        >
            {(now) => (
                <Stats>
                    <Stat
                        name={t.home.height}
                        detail={now.block_seconds === null ? " " : t.home.every(now.block_seconds.toFixed(1))}
                    >
                        {formatInteger(now.finalised.number)}
                    </Stat>
                    <Stat name={t.home.datanets} detail={t.home.samples(formatCompact(now.samples))}>
                        {formatInteger(now.datanets)}
                    </Stat>
                    <Stat
                        name={t.home.jobs}
                        detail={(now.jobs.open > 0 ? t.home.queued(now.jobs.open) : "") + t.home.settled(now.jobs.settled)}
                    >
                        {formatInteger(now.jobs.running)}
                    </Stat>
                    <Stat name={t.home.models} detail={t.home.published(now.models_published)}>
                        {formatInteger(now.models)}
                    </Stat>
                    <Stat
                        name={t.home.paid}
                        detail={
                            <>
                                <Amount value={now.paid_to_contributors} digits={2} /> {t.home.claimed}
                            </>
                        }
                    >
                        <Amount value={now.earned_by_contributors} digits={2} />
                    </Stat>
                </Stats>
            )}
        </QueryView>
    );
}

function Flow() {
    const split = useConfig()?.defaults.split;
    return (
        <Section title={t.home.flowTitle} lead={t.home.flowLead}>
            {split ? <SaleFlow split={split} /> : <Skeleton height="17rem" />}
        </Section>
    );
}

function RecentModels() {
    const query = useInfiniteQuery(models({ limit: 4 }));
    return (
        <Section
            title={t.home.recentModels}
            actions={
                <Link to="/models" className="small">
                    {t.ui.viewAll}
                </Link>
            }
        >
            <PagedView
                query={{ ...query, hasNextPage: false } as typeof query}
                empty={<EmptyState title={t.home.noModelsTitle}>{t.home.noModelsText}</EmptyState>}
            >
                {(items) => (
                    <ul role="list" className="recent">
                        {items.slice(0, 4).map((model) => (
                            <li key={model.id}>
                                <Link to="/models/$id" params={{ id: model.id }}>
                                    {model.title}
                                </Link>
                                <span className="muted small">
                                    {t.models.number(model.id)} · <When at={model.created} />
                                </span>
                                <ModelStatusBadge status={model.status} />
                            </li>
                        ))}
                    </ul>
                )}
            </PagedView>
        </Section>
    );
}

function RecentRuns() {
    const query = useInfiniteQuery(jobs({ limit: 4 }));
    return (
        <Section
            title={t.home.recentRuns}
            actions={
                <Link to="/jobs" className="small">
                    {t.ui.viewAll}
                </Link>
            }
        >
            <PagedView
                query={{ ...query, hasNextPage: false } as typeof query}
                empty={<EmptyState title={t.home.noRunsTitle}>{t.home.noRunsText}</EmptyState>}
            >
                {(items) => (
                    <ul role="list" className="recent">
                        {items.slice(0, 4).map((job) => (
                            <li key={job.id}>
                                <Link to="/jobs/$id" params={{ id: job.id }}>
                                    {t.runs.title(job.id)}
                                </Link>
                                <span className="muted small">
                                    {job.base.name} · <When at={job.posted} />
                                </span>
                                <StageBadge stage={job.stage} />
                            </li>
                        ))}
                    </ul>
                )}
            </PagedView>
        </Section>
    );
}
