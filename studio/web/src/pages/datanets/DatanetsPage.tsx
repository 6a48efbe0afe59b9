import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Database, Plus } from "lucide-react";
import { useDeferredValue, useEffect, useState } from "react";
import type { Datanet } from "../../api/client";
import { datanetFacets, datanets } from "../../api/queries";
import type { DatanetSearch } from "../../app/router";
import { formatCompact, formatPpm } from "../../lib/format";
import { t } from "../../strings/en";
import { Button, ButtonLink } from "../../ui/Button";
import { Amount } from "../../ui/data";
import { Badge, EmptyState } from "../../ui/feedback";
import { Select, Switch, TextField } from "../../ui/fields";
import { Page } from "../../ui/Page";
import { PagedView } from "../../ui/query";
import { useAddress } from "../../wallet/useWallet";

const ANY = "";

export function DatanetsPage() {
    const search = useSearch({ from: "/datanets" });
    const navigate = useNavigate({ from: "/datanets" });
    const address = useAddress();
    const facets = useQuery(datanetFacets);
    const [words, setWords] = useState(search.q ?? "");
    const asked = useDeferredValue(words);
    const set = (change: Partial<DatanetSearch>) =>
        void navigate({ search: (now) => clean({ ...now, ...change }), replace: true });
    useEffect(() => {
        void navigate({ search: (now) => clean({ ...now, q: asked.trim() || undefined }), replace: true });
    }, [asked, navigate]);
    const query = useInfiniteQuery({
        ...datanets({
            ...(search.q ? { q: search.q } : {}),
            ...(search.domain ? { domain: search.domain } : {}),
            ...(search.licence ? { licence: search.licence } : {}),
            ...(search.access ? { access: search.access } : {}),
            ...(search.mine && address ? { account: address } : {}),
        }),
        placeholderData: keepPreviousData,
    });
    const isFiltered = Object.keys(search).length > 0;
    const options = (values: { value: string; datanets: number }[] | undefined) => [
        { value: ANY, label: t.ui.any },
        ...(values ?? []).map(({ value, datanets }) => ({ value, label: `${value} (${datanets})` })),
    ];
    return (
        <Page
            title={t.datanets.title}
            lead={t.datanets.lead}
            actions={
                <ButtonLink to="/datanets/new" kind="primary" icon={<Plus size={16} />}>
                    {t.datanets.register}
                </ButtonLink>
            }
        >
            <div className="stack tight">
                <div className="filters">
                    <TextField
                        label={t.datanets.search}
                        placeholder={t.datanets.searchPlaceholder}
                        type="search"
                        value={words}
                        onChange={setWords}
                    />
                    <Select
                        label={t.datanets.domain}
                        value={search.domain ?? ANY}
                        onChange={(domain) => set({ domain: domain || undefined } as Partial<DatanetSearch>)}
                        options={options(facets.data?.domains)}
                    />
                    <Select
                        label={t.datanets.licence}
                        value={search.licence ?? ANY}
                        onChange={(licence) => set({ licence: licence || undefined } as Partial<DatanetSearch>)}
                        options={options(facets.data?.licences)}
                    />
                    <Select
                        label={t.datanets.access}
                        value={search.access ?? ANY}
                        onChange={(access) => set({ access: access || undefined } as Partial<DatanetSearch>)}
                        options={[
                            { value: ANY, label: t.ui.any },
                            { value: "open", label: t.words.accessShort.open },
                            { value: "on_request", label: t.words.accessShort.on_request },
                        ]}
                    />
                </div>
                {address && (
                    <Switch isSelected={search.mine ?? false} onChange={(mine) => set({ mine: mine || undefined } as Partial<DatanetSearch>)}>
                        {t.datanets.onlyMine}
                    </Switch>
                )}
            </div>
            <PagedView
                query={query}
                empty={
                    isFiltered ? (
                        <EmptyState
                            icon={<Database />}
                            title={t.datanets.noMatchTitle}
                            actions={
                                <Button
                                    onPress={() => {
                                        setWords("");
                                        void navigate({ search: {}, replace: true });
                                    }}
                                >
                                    {t.datanets.clear}
                                </Button>
                            }
                        >
                            {t.datanets.noMatchText}
                        </EmptyState>
                    ) : (
                        <EmptyState
                            icon={<Database />}
                            title={t.datanets.emptyTitle}
                            actions={
                                <ButtonLink to="/datanets/new" kind="primary">
                                    {t.datanets.register}
                                </ButtonLink>
                            }
                        >
                            {t.datanets.emptyText}
                        </EmptyState>
                    )
                }
            >
                {(items, total) => (
                    <>
                        <p className="muted small" aria-live="polite">
                            {t.datanets.found(total)}
                        </p>
                        <div className="grid-cards">
                            {items.map((datanet) => (
                                <DatanetCard key={datanet.id} datanet={datanet} />
                            ))}
                        </div>
                    </>
                )}
            </PagedView>
        </Page>
    );
}

function clean(search: { [K in keyof DatanetSearch]?: DatanetSearch[K] | undefined }): DatanetSearch {
    return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as DatanetSearch;
}

function DatanetCard({ datanet }: { datanet: Datanet }) {
    const address = useAddress();
    const mayReview = address !== null && (address === datanet.owner || datanet.curators.includes(address));
    return (
        <article className="item-card">
            <div className="row">
                <Badge tone="brand">{datanet.domain}</Badge>
                {datanet.status === "retired" ? (
                    <Badge tone="bad">{t.datanets.retired}</Badge>
                ) : (
                    <Badge tone={datanet.terms.access === "open" ? "good" : "plain"}>{t.words.accessShort[datanet.terms.access]}</Badge>
                )}
                {mayReview && datanet.counts.pending > 0 && (
                    <Badge tone="warn" dot>
                        {t.datanets.toReview(datanet.counts.pending)}
                    </Badge>
                )}
            </div>
            <h3>
                <Link to="/datanets/$id" params={{ id: datanet.id }}>
                    {datanet.name}
                </Link>
            </h3>
            <p className="description">{datanet.description || t.datanets.noDescription}</p>
            <div className="item-meta">
                {datanet.latest ? (
                    <span>
                        <strong>{formatCompact(datanet.latest.samples)}</strong> {t.datanets.samplesWord}
                    </span>
                ) : (
                    <span>{t.datanets.noVersion}</span>
                )}
                <span>{t.datanets.contributors(datanet.counts.contributors)}</span>
                <span>{t.datanets.models(datanet.counts.models)}</span>
                <span>{datanet.terms.licence}</span>
            </div>
            <hr />
            <div className="item-meta">
                <span>
                    <strong>
                        <Amount value={datanet.terms.price} digits={2} />
                    </strong>{" "}
                    {t.datanets.perJob}
                </span>
                <span>{t.datanets.royalty(formatPpm(datanet.terms.royalty_floor_ppm, 0))}</span>
            </div>
        </article>
    );
}
