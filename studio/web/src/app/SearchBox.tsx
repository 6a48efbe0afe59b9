import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { ComboBox, Input, ListBox, ListBoxItem, Popover, Text } from "react-aria-components";
import { search } from "../api/queries";
import { t } from "../strings/en";

/** Finds Datanets, models, runs, accounts and blocks by name or number. */
export function SearchBox() {
    const [text, setText] = useState("");
    const asked = useDeferredValue(text.trim());
    const found = useQuery(search(asked));
    const router = useRouter();
    const hits = asked === "" ? [] : (found.data?.items ?? []);
    return (
        <ComboBox
            className="search-box"
            aria-label={t.search.label}
            inputValue={text}
            onInputChange={setText}
            items={hits.map((hit) => ({ ...hit, key: `${hit.kind}:${hit.id}` }))}
            selectedKey={null}
            onSelectionChange={(key) => {
                const hit = hits.find((one) => `${one.kind}:${one.id}` === key);
                if (!hit) return;
                setText("");
                router.history.push(hit.href);
            }}
            menuTrigger="input"
            allowsEmptyCollection={asked !== ""}
            allowsCustomValue
        >
            <Search size={16} aria-hidden />
            <Input className="input" placeholder={t.search.placeholder} type="search" />
            <Popover className="popover search-popover">
                <ListBox
                    className="list-box"
                    renderEmptyState={() => (
                        <p className="list-empty">{found.isFetching ? t.ui.loading : found.isError ? t.errors.unreachable : t.search.nothing}</p>
                    )}
                >
                    {(hit: (typeof hits)[number] & { key: string }) => (
                        <ListBoxItem id={hit.key} className="list-item" textValue={hit.title}>
                            <span className="hit-kind">{t.search.kinds[hit.kind]}</span>
                            <Text slot="label">{hit.title}</Text>
                            {hit.subtitle && (
                                <Text slot="description" className="list-detail">
                                    {hit.subtitle}
                                </Text>
                            )}
                        </ListBoxItem>
                    )}
                </ListBox>
            </Popover>
        </ComboBox>
    );
}
