import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { account as accountQuery, contributions as contributionsQuery, jobs as jobsQuery, trainer as trainerQuery } from "../../api/queries";
import { shortAccount } from "../../lib/format";
import { t } from "../../strings/en";
import { Amount, Blot, CopyButton, Fact, Facts, Stat, Stats } from "../../ui/data";
import { EmptyState, ErrorState, LoadingBlock } from "../../ui/feedback";
import { Page, Section } from "../../ui/Page";
import { PagedView } from "../../ui/query";
import { ContributionTable } from "../contribute/ContributionTable";
import { TrainerCard } from "./NetworkPage";
import { StageBadge } from "../runs/StageBadge";
import "./network.css";

export function AccountPage() {
    const { address = "" } = useParams({ strict: false });
    const query = useQuery(accountQuery(address));
    const data = query.data;
    return (
        <Page
            title={data?.name ?? shortAccount(address)}
            badges={
                <span className="row address">
                    <Blot seed={address} size={24} />
                    <code className="small">{address}</code>
                    <CopyButton text={address} label={t.wallet.copyAddress} />
                </span>
            }
        >
            {!data ? (
                query.isError ? (
                    <ErrorState error={query.error} onRetry={() => void query.refetch()} />
                ) : (
                    <LoadingBlock />
                )
            ) : (
                <>
                    <Stats>
                        <Stat name={t.wallet.free}>
                            <Amount value={data.balance.free} />
                        </Stat>
                        <Stat name={t.wallet.held}>
                            <Amount value={data.balance.reserved} />
                        </Stat>
                        <Stat name={t.account.transactions}>{data.balance.nonce}</Stat>
                    </Stats>
                    {data.roles.contributions > 0 && (
                        <Section title={t.account.contributions}>
                            <OwnContributions address={address} count={data.roles.contributions} />
                        </Section>
                    )}
                    <div className="grid-cards">
                        {data.roles.is_trainer && <OwnTrainer address={address} />}
                        <Section title={t.account.roles}>
                            <Facts>
                                <Fact name={t.account.datanets}>
                                    <Links ids={data.roles.owns_datanets} to="/datanets/$id" name={t.datanets.number} />
                                </Fact>
                                <Fact name={t.account.curates}>
                                    <Links ids={data.roles.curates} to="/datanets/$id" name={t.datanets.number} />
                                </Fact>
                                <Fact name={t.nav.models}>
                                    <Links ids={data.roles.models} to="/models/$id" name={t.models.number} />
                                </Fact>
                                <Fact name={t.account.deploys}>
                                    <Links ids={data.roles.deploys} to="/models/$id" name={t.models.number} />
                                </Fact>
                            </Facts>
                        </Section>
                        {data.roles.jobs > 0 && (
                            <Section title={t.nav.runs}>
                                <OwnJobs address={address} />
                            </Section>
                        )}
                        {data.balance.holds.length > 0 && (
                            <Section title={t.account.holds} lead={t.account.holdsLead}>
                                <Facts>
                                    {data.balance.holds.map((hold) => (
                                        <Fact key={`${hold.pallet}.${hold.reason}`} name={t.account.hold(hold.pallet, hold.reason)}>
                                            <Amount value={hold.amount} />
                                        </Fact>
                                    ))}
                                </Facts>
                            </Section>
                        )}
                    </div>
                </>
            )}
        </Page>
    );
}

function Links({ ids, to, name }: { ids: number[]; to: "/datanets/$id" | "/models/$id"; name: (id: number) => string }) {
    if (ids.length === 0) return <span className="muted">{t.ui.none}</span>;
    return (
        <span className="row">
            {ids.map((id) => (
                <Link key={id} to={to} params={{ id }}>
                    {name(id)}
                </Link>
            ))}
        </span>
    );
}

function OwnContributions({ address, count }: { address: string; count: number }) {
    const query = useInfiniteQuery(contributionsQuery({ contributor: address }));
    return (
        <PagedView
            query={query}
            loading={<LoadingBlock rows={Math.min(count, 24) + 1} height="2.9rem" />}
            empty={<EmptyState title={t.contributions.none} />}
        >
            {(items) => <ContributionTable contributions={items} showsDatanet />}
        </PagedView>
    );
}

function OwnJobs({ address }: { address: string }) {
    const query = useInfiniteQuery(jobsQuery({ account: address }));
    return (
        <PagedView query={query} loading={<LoadingBlock rows={1} height="1.6rem" />} empty={<EmptyState title={t.home.noRunsTitle} />}>
            {(items) => (
                <ul role="list" className="plain-list">
                    {items.map((job) => (
                        <li key={job.id} className="row spread">
                            <Link to="/jobs/$id" params={{ id: job.id }}>
                                {t.runs.title(job.id)}
                            </Link>
                            <StageBadge stage={job.stage} />
                        </li>
                    ))}
                </ul>
            )}
        </PagedView>
    );
}

function OwnTrainer({ address }: { address: string }) {
    const query = useQuery(trainerQuery(address));
    return query.data ? <TrainerCard trainer={query.data} /> : null;
}
