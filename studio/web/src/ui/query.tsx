// Queries as pages see them: waiting, failed, or there.
import type { UseInfiniteQueryResult, UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { formatInteger } from "../lib/format";
import { t } from "../strings/en";
import { Button } from "./Button";
import { ErrorState, LoadingBlock } from "./feedback";

interface ViewProps<T> {
    query: UseQueryResult<T>;
    loading?: ReactNode;
    children: (data: T) => ReactNode;
}

/** What was read once stays on the page while the gateway cannot be reached. */
export function QueryView<T>({ query, loading, children }: ViewProps<T>) {
    if (query.data !== undefined) return <>{children(query.data)}</>;
    if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
    return <>{loading ?? <LoadingBlock />}</>;
}

interface Paged<T> {
    items: T[];
    next: string | null;
    total: number;
}

interface ListProps<T> {
    query: UseInfiniteQueryResult<{ pages: Paged<T>[] }>;
    empty: ReactNode;
    loading?: ReactNode;
    /** Whether the list stays where it is when it becomes empty: what it has open must not vanish under a hand. */
    isKept?: boolean;
    children: (items: T[], total: number) => ReactNode;
}

/** A list that grows page by page. */
export function PagedView<T>({ query, empty, loading, isKept = false, children }: ListProps<T>) {
    if (query.data === undefined) {
        if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
        return <>{loading ?? <LoadingBlock />}</>;
    }
    const items = query.data.pages.flatMap((page) => page.items);
    const total = query.data.pages.at(-1)?.total ?? items.length;
    if (items.length === 0 && !isKept) return <>{empty}</>;
    return (
        <>
            {children(items, total)}
            {items.length === 0 && empty}
            {query.hasNextPage && (
                <div className="row center">
                    <Button onPress={() => void query.fetchNextPage()} isPending={query.isFetchingNextPage}>
                        {t.ui.more(formatInteger(total - items.length))}
                    </Button>
                </div>
            )}
        </>
    );
}

/** All items that are loaded. */
export const itemsOf = <T,>(query: UseInfiniteQueryResult<{ pages: Paged<T>[] }>): T[] =>
    query.data?.pages.flatMap((page) => page.items) ?? [];
