// Shows a part of the app as a page would: with the queries' client and a router around it.
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import type { Config } from "../src/api/client";
import { config as configQuery } from "../src/api/queries";

export const CONFIG = {
    is_development: true,
    chain: { name: "Test", genesis: "0x01", node_url: "ws://node.invalid", block_ms: 3_000 },
    deposits: { job: "600000000000", grant: "450000000000" },
    limits: {
        job_price_min: "1000000000000",
        deadline_blocks_max: 864_000,
        acceptance_blocks_min: 5,
        acceptance_blocks_max: 201_600,
        job_versions_max: 8,
    },
} as unknown as Config;

/** A client that asks nobody: what is not put into it stays open. */
export function queries(): QueryClient {
    const client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Number.POSITIVE_INFINITY } } });
    client.setQueryData(configQuery.queryKey, CONFIG);
    return client;
}

/** What lists page by page looks like in the client. */
export const listOf = <T,>(items: T[]) => ({ pages: [{ items, next: null, total: items.length }], pageParams: [null] });

export function show(ui: ReactNode, client = queries()) {
    const router = createRouter({
        routeTree: createRootRoute({ component: () => ui }),
        history: createMemoryHistory({ initialEntries: ["/"] }),
    });
    return render(
        <QueryClientProvider client={client}>
            <RouterProvider router={router as never} />
        </QueryClientProvider>,
    );
}
