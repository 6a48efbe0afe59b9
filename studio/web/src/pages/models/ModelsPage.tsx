import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Boxes } from "lucide-react";
import { useDeferredValue, useEffect, useState } from "react";
import { models } from "../../api/queries";
import type { ModelsSearch } from "../../app/router";
import { t } from "../../strings/en";
import { Button, ButtonLink } from "../../ui/Button";
import { EmptyState } from "../../ui/feedback";
import { Select, Switch, TextField } from "../../ui/fields";
import { Page } from "../../ui/Page";
import { PagedView } from "../../ui/query";
import { useAddress } from "../../wallet/useWallet";
import { ModelCard } from "./ModelCard";

const clean = (search: { [K in keyof ModelsSearch]?: ModelsSearch[K] | undefined }): ModelsSearch =>
    Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as ModelsSearch;

export function ModelsPage() {
    const search = useSearch({ from: "/models" });
    const navigate = useNavigate({ from: "/models" });
    const address = useAddress();
    const [words, setWords] = useState(search.q ?? "");
    const asked = useDeferredValue(words.trim());
    useEffect(() => {
        void navigate({ search: (now) => clean({ ...now, q: asked || undefined }), replace: true });
    }, [asked, navigate]);
    const query = useInfiniteQuery({
        ...models({
            ...(search.q ? { q: search.q } : {}),
            ...(search.status ? { status: search.status } : {}),
            ...(search.mine && address ? { owner: address } : {}),
        }),
        placeholderData: keepPreviousData,
    });
    const isFiltered = Object.keys(search).length > 0;
    return (
        <Page
            title={t.models.title}
            lead={t.models.lead}
            actions={
                <ButtonLink to="/build" kind="primary">
                    {t.home.doors.build.action}
                </ButtonLink>
            }
        >
            <div className="stack tight">
                <div className="filters">
                    <TextField label={t.datanets.search} placeholder={t.models.searchPlaceholder} type="search" value={words} onChange={setWords} />
                    <Select
                        label={t.models.status}
                        value={search.status ?? ""}
                        onChange={(status) =>
                            void navigate({ search: (now) => clean({ ...now, status: status === "" ? undefined : status }), replace: true })
                        }
                        options={[
                            { value: "", label: t.ui.any },
                            { value: "published", label: t.words.model.published },
                            { value: "private", label: t.words.model.private },
                            { value: "withdrawn", label: t.words.model.withdrawn },
                        ]}
                    />
                </div>
                {address && (
                    <Switch
                        isSelected={search.mine ?? false}
                        onChange={(mine) => void navigate({ search: (now) => clean({ ...now, mine: mine || undefined }), replace: true })}
                    >
                        {t.runs.onlyMine}
                    </Switch>
                )}
            </div>
            <PagedView
                query={query}
                empty={
                    isFiltered ? (
                        <EmptyState
                            icon={<Boxes />}
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
                            icon={<Boxes />}
                            title={t.home.noModelsTitle}
                            actions={
                                <ButtonLink to="/build" kind="primary">
                                    {t.home.doors.build.action}
                                </ButtonLink>
                            }
                        >
                            {t.home.noModelsText}
                        </EmptyState>
                    )
                }
            >
                {(items) => (
                    <div className="grid-cards">
                        {items.map((model) => (
                            <ModelCard key={model.id} model={model} />
                        ))}
                    </div>
                )}
            </PagedView>
        </Page>
    );
}
