import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Cpu } from "lucide-react";
import { Link } from "@tanstack/react-router";
import type { Trainer } from "../../api/client";
import { network, recentBlocks, trainers } from "../../api/queries";
import { formatClock, formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { Account, Amount, Hash, Stat, Stats, StatsLoading } from "../../ui/data";
import { CodeBlock } from "../../ui/CodeBlock";
import { Badge, EmptyState, LoadingBlock, Meter, Skeleton } from "../../ui/feedback";
import { Page, Section } from "../../ui/Page";
import { PagedView, QueryView } from "../../ui/query";
import { useConfig } from "../../wallet/useWallet";
import "./network.css";

export function NetworkPage() {
    const now = useQuery(network);
    const list = useInfiniteQuery(trainers);
    const blocks = useQuery(recentBlocks);
    const config = useConfig();
    return (
        <Page title={t.network.title} lead={t.network.lead}>
            <QueryView query={now} loading={
                    <StatsLoading names={[t.home.height, t.network.indexed, t.network.trainers, t.network.contributors, t.network.paidIn]} />
                }>
                {(data) => (
                    <Stats>
                        <Stat
                            name={t.home.height}
                            detail={data.block_seconds === null ? " " : t.home.every(data.block_seconds.toFixed(1))}
                        >
                            {formatInteger(data.finalised.number)}
                        </Stat>
                        <Stat name={t.network.indexed} detail={t.network.behind(data.index.blocks_behind)}>
                            {formatInteger(data.index.block)}
                        </Stat>
                        <Stat name={t.network.trainers}>{formatInteger(data.trainers)}</Stat>
                        <Stat name={t.network.contributors} detail={t.network.contributions(data.contributions)}>
                            {formatInteger(data.contributors)}
                        </Stat>
                        <Stat name={t.network.paidIn}>
                            <Amount value={data.paid_in} digits={2} />
                        </Stat>
                    </Stats>
                )}
            </QueryView>
            <Section title={t.network.trainers} lead={t.network.trainersLead}>
                <PagedView
                    query={list}
                    loading={
                        <div className="grid-cards loading-block">
                            <Skeleton height="8.2rem" />
                            <Skeleton height="8.2rem" />
                        </div>
                    }
                    empty={<EmptyState icon={<Cpu />} title={t.network.noTrainers}>{t.network.noTrainersText}</EmptyState>}>
                    {(items) => (
                        <div className="grid-cards">
                            {items.map((trainer) => (
                                <TrainerCard key={trainer.account} trainer={trainer} />
                            ))}
                        </div>
                    )}
                </PagedView>
            </Section>
            <div className="split even">
                <Section title={t.network.blocks} lead={t.network.blocksLead}>
                    <QueryView query={blocks} loading={<LoadingBlock rows={6} height="2rem" />}>
                        {({ items }) => (
                            <div className="table-wrap blocks">
                                <table>
                                    <thead>
                                        <tr>
                                            <th>{t.network.block}</th>
                                            <th>{t.earnings.when}</th>
                                            <th>{t.network.hash}</th>
                                            <th className="number">{t.network.events}</th>
                                        </tr>
                                    </thead>
                                    <tbody>
                                        {items.slice(0, 10).map((block) => (
                                            <tr key={block.number}>
                                                <td>{formatInteger(block.number)}</td>
                                                <td className="mono small">{block.time ? formatClock(block.time) : "–"}</td>
                                                <td>
                                                    <Hash value={block.hash} />
                                                </td>
                                                <td className="number">{block.events}</td>
                                            </tr>
                                        ))}
                                    </tbody>
                                </table>
                            </div>
                        )}
                    </QueryView>
                </Section>
                <Section title={t.network.run} lead={t.network.runLead}>
                    <h3>{t.network.runTrainer}</h3>
                    <p className="small muted">{t.network.runTrainerText}</p>
                    <CodeBlock label={t.network.runTrainer} code={t.network.trainerCommand(config?.chain.node_url ?? "ws://127.0.0.1:9944")} wraps />
                    <h3>{t.network.runNode}</h3>
                    <p className="small muted">{t.network.runNodeText}</p>
                    <CodeBlock label={t.network.runNode} code={t.network.nodeCommand} wraps />
                </Section>
            </div>
        </Page>
    );
}

export function TrainerCard({ trainer }: { trainer: Trainer }) {
    const ended = trainer.settled + trainer.lapsed + trainer.overturned;
    const { live } = trainer;
    return (
        <article className="item-card">
            <div className="row spread">
                <h3>
                    <Link to="/accounts/$address" params={{ address: trainer.account }} className="account">
                        <Account address={trainer.account} link={false} />
                    </Link>
                </h3>
                {live ? (
                    <Badge tone={live.job === null ? "good" : "info"} dot>
                        {live.job === null ? t.network.idle : t.network.phases(live.phase)}
                    </Badge>
                ) : (
                    <Badge>{trainer.active > 0 ? t.network.working : t.network.unseen}</Badge>
                )}
            </div>
            {live && live.job !== null && live.steps > 0 && (
                <div className="stack tight">
                    <Meter value={live.step} max={live.steps} label={t.runs.stepOf(live.step, live.steps)} />
                    <Link to="/jobs/$id" params={{ id: live.job }} className="small">
                        {t.runs.title(live.job)} · {t.runs.stepOf(live.step, live.steps)}
                    </Link>
                </div>
            )}
            <div className="item-meta">
                <span>
                    {t.network.bonded} <strong><Amount value={trainer.bonded} digits={2} /></strong>
                </span>
                <span>
                    {t.network.earned} <strong><Amount value={trainer.earned} digits={2} /></strong>
                </span>
            </div>
            <p className="small muted">
                {ended === 0 ? t.network.noRecord : t.network.record(trainer.settled, trainer.lapsed, trainer.overturned)}
            </p>
        </article>
    );
}
