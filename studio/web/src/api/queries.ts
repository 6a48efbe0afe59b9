// One function for each question to the gateway. Keys begin with the kind of entity, so that `live.ts` can say what a new
// block made stale.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { paths } from "../generated/api";
import { FROM_PAGE, gateway, read, type Earnings, type EstimateRequest } from "./client";

type Query<P extends keyof paths> = paths[P] extends { get: { parameters: { query?: infer Q } } } ? NonNullable<Q> : never;

const PAGE = 24;
const first = { initialPageParam: null as string | null, getNextPageParam: (page: { next: string | null }) => page.next };
const cursor = (after: string | null) => (after === null ? {} : { cursor: after });

export const config = queryOptions({
    queryKey: ["config"],
    queryFn: ({ signal }) => read(gateway.GET("/api/config", { signal })),
    staleTime: Number.POSITIVE_INFINITY,
});

export const network = queryOptions({
    queryKey: ["network"],
    queryFn: ({ signal }) => read(gateway.GET("/api/network", { signal })),
});

export const datanets = (query: Query<"/api/datanets">) =>
    infiniteQueryOptions({
        queryKey: ["datanet", "list", query],
        queryFn: ({ signal, pageParam }) =>
            read(gateway.GET("/api/datanets", { signal, params: { query: { limit: PAGE, ...query, ...cursor(pageParam) } } })),
        ...first,
    });

export const datanetFacets = queryOptions({
    queryKey: ["datanet", "facets"],
    queryFn: ({ signal }) => read(gateway.GET("/api/datanets/facets", { signal })),
});

export const datanet = (id: number) =>
    queryOptions({
        queryKey: ["datanet", id],
        queryFn: ({ signal }) => read(gateway.GET("/api/datanets/{id}", { signal, params: { path: { id } } })),
    });

export const datanetVersions = (id: number) =>
    infiniteQueryOptions({
        queryKey: ["version", id],
        queryFn: ({ signal, pageParam }) =>
            read(gateway.GET("/api/datanets/{id}/versions", { signal, params: { path: { id }, query: cursor(pageParam) } })),
        ...first,
    });

export const datanetEarnings = (id: number) =>
    queryOptions({
        queryKey: ["stream", "datanet", id],
        queryFn: ({ signal }) => read(gateway.GET("/api/datanets/{id}/earnings", { signal, params: { path: { id } } })),
    });

export const contributions = (query: Query<"/api/contributions">) =>
    infiniteQueryOptions({
        queryKey: ["contribution", "list", query],
        queryFn: ({ signal, pageParam }) =>
            read(gateway.GET("/api/contributions", { signal, params: { query: { limit: PAGE, ...query, ...cursor(pageParam) } } })),
        ...first,
    });

export const contribution = (id: number) =>
    queryOptions({
        queryKey: ["contribution", id],
        queryFn: ({ signal }) => read(gateway.GET("/api/contributions/{id}", { signal, params: { path: { id } } })),
    });

export const grants = (query: Query<"/api/grants">) =>
    infiniteQueryOptions({
        queryKey: ["grant", "list", query],
        queryFn: ({ signal, pageParam }) =>
            read(gateway.GET("/api/grants", { signal, params: { query: { limit: 100, ...query, ...cursor(pageParam) } } })),
        ...first,
    });

export const baseModels = queryOptions({
    queryKey: ["base_model", "list"],
    queryFn: ({ signal }) => read(gateway.GET("/api/base-models", { signal, params: { query: { limit: 100 } } })),
});

export const baseModel = (id: number) =>
    queryOptions({
        queryKey: ["base_model", id],
        queryFn: ({ signal }) => read(gateway.GET("/api/base-models/{id}", { signal, params: { path: { id } } })),
    });

export const jobs = (query: Query<"/api/jobs">) =>
    infiniteQueryOptions({
        queryKey: ["job", "list", query],
        queryFn: ({ signal, pageParam }) =>
            read(gateway.GET("/api/jobs", { signal, params: { query: { limit: PAGE, ...query, ...cursor(pageParam) } } })),
        ...first,
    });

export const job = (id: number) =>
    queryOptions({
        queryKey: ["job", id],
        queryFn: ({ signal }) => read(gateway.GET("/api/jobs/{id}", { signal, params: { path: { id } } })),
    });

export const models = (query: Query<"/api/models">) =>
    infiniteQueryOptions({
        queryKey: ["model", "list", query],
        queryFn: ({ signal, pageParam }) =>
            read(gateway.GET("/api/models", { signal, params: { query: { limit: PAGE, ...query, ...cursor(pageParam) } } })),
        ...first,
    });

export const model = (id: number) =>
    queryOptions({
        queryKey: ["model", id],
        queryFn: ({ signal }) => read(gateway.GET("/api/models/{id}", { signal, params: { path: { id } } })),
    });

/** How a model was trained to be asked, which its job's recipe says. */
export const templateOf = (id: number) =>
    queryOptions({
        queryKey: ["model", id, "template"],
        queryFn: async ({ signal }) => {
            const { model: found } = await read(gateway.GET("/api/models/{id}", { signal, params: { path: { id } } }));
            const { job: made } = await read(gateway.GET("/api/jobs/{id}", { signal, params: { path: { id: found.job } } }));
            return made.hyperparameters.template;
        },
        staleTime: Number.POSITIVE_INFINITY,
    });

export const claims = (id: number, account: string) =>
    queryOptions({
        queryKey: ["stream", "claims", id, account],
        queryFn: ({ signal }) =>
            read(gateway.GET("/api/models/{id}/claims/{account}", { signal, params: { path: { id, account } } })),
    });

/** How long after a failure an operator is asked again. */
const OPERATOR_PAUSE_MS = 60_000;

/**
 * What an operator's paid answers have earned an account. The gateway asks the operator, and checks proofs and epoch against
 * the chain: a page's policy lets it ask nobody else. The chain checks them once more when they are claimed.
 */
export const answerClaims = (id: number, operator: string, account: string) =>
    queryOptions({
        queryKey: ["stream", "answers", id, operator, account],
        queryFn: ({ signal }) =>
            read(
                gateway.GET("/api/models/{id}/operators/{operator}/claims/{account}", {
                    signal,
                    params: { path: { id, operator, account } },
                }),
            ),
        retry: false,
        refetchInterval: ({ state }) => (state.status === "error" ? OPERATOR_PAUSE_MS : false),
    });

export const account = (address: string) =>
    queryOptions({
        queryKey: ["account", address],
        queryFn: ({ signal }) => read(gateway.GET("/api/accounts/{address}", { signal, params: { path: { address } } })),
    });

export const earnings = (address: string) =>
    queryOptions({
        queryKey: ["stream", "earnings", address],
        // The same address answers with CSV who asks for it; a page gets JSON.
        queryFn: async ({ signal }) =>
            (await read(gateway.GET("/api/accounts/{address}/earnings", { signal, params: { path: { address } } }))) as Earnings,
    });

export const payouts = (query: Query<"/api/payouts">) =>
    infiniteQueryOptions({
        queryKey: ["stream", "payouts", query],
        queryFn: ({ signal, pageParam }) =>
            read(gateway.GET("/api/payouts", { signal, params: { query: { limit: PAGE, ...query, ...cursor(pageParam) } } })),
        ...first,
    });

export const trainers = infiniteQueryOptions({
    queryKey: ["trainer", "list"],
    queryFn: ({ signal, pageParam }) =>
        read(gateway.GET("/api/trainers", { signal, params: { query: { limit: 100, ...cursor(pageParam) } } })),
    ...first,
});

export const trainer = (account: string) =>
    queryOptions({
        queryKey: ["trainer", account],
        queryFn: ({ signal }) => read(gateway.GET("/api/trainers/{account}", { signal, params: { path: { account } } })),
    });

export const channels = (account: string) =>
    queryOptions({
        queryKey: ["channel", "list", account],
        queryFn: ({ signal }) => read(gateway.GET("/api/channels", { signal, params: { query: { account, limit: 100 } } })),
    });

export const channel = (id: number) =>
    queryOptions({
        queryKey: ["channel", id],
        queryFn: ({ signal }) => read(gateway.GET("/api/channels/{id}", { signal, params: { path: { id } } })),
    });

export const recentBlocks = queryOptions({
    queryKey: ["block", "recent"],
    queryFn: ({ signal }) => read(gateway.GET("/api/blocks/recent", { signal, params: { query: { limit: 30 } } })),
});

export const search = (q: string) =>
    queryOptions({
        queryKey: ["search", q],
        queryFn: ({ signal }) => read(gateway.GET("/api/search", { signal, params: { query: { q } } })),
        enabled: q.trim().length > 0,
        staleTime: 10_000,
    });

export const estimate = (request: EstimateRequest | null) =>
    queryOptions({
        queryKey: ["estimate", request],
        queryFn: ({ signal }) => {
            if (request === null) throw new Error("nothing to estimate");
            return read(gateway.POST("/api/estimate", { signal, params: { header: FROM_PAGE }, body: request }));
        },
        enabled: request !== null,
        staleTime: 30_000,
    });
