import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { t } from "../strings/en";
import { ButtonLink } from "../ui/Button";
import { EmptyState, ErrorState, LoadingBlock } from "../ui/feedback";
import { Page } from "../ui/Page";
import { patiently } from "./patiently";
import { Shell } from "./Shell";

const root = createRootRoute({ component: Shell });

/** A page that is loaded when it is opened. */
const page = <T extends object, N extends keyof T & string>(load: () => Promise<T>, name: N) =>
    lazyRouteComponent(() => patiently(load), name);

/** A number in a path, or `NaN`, which no page has. */
const number = (text: string) => (/^\d{1,15}$/.test(text) ? Number(text) : Number.NaN);
const id = { parse: ({ id }: { id: string }) => ({ id: number(id) }), stringify: ({ id }: { id: number }) => ({ id: String(id) }) };

const home = createRoute({
    getParentRoute: () => root,
    path: "/",
    component: page(() => import("../pages/home/HomePage"), "HomePage"),
});

export interface DatanetSearch {
    q?: string;
    domain?: string;
    licence?: string;
    access?: "open" | "on_request";
    mine?: boolean;
}
const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
const defined = <T extends object>(value: T) =>
    Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as { [K in keyof T]?: NonNullable<T[K]> };

const datanets = createRoute({
    getParentRoute: () => root,
    path: "/datanets",
    validateSearch: (search: Record<string, unknown>): DatanetSearch =>
        defined({
            q: text(search["q"]),
            domain: text(search["domain"]),
            licence: text(search["licence"]),
            access: search["access"] === "open" || search["access"] === "on_request" ? search["access"] : undefined,
            mine: search["mine"] === true ? true : undefined,
        }),
    component: page(() => import("../pages/datanets/DatanetsPage"), "DatanetsPage"),
});
const registerDatanet = createRoute({
    getParentRoute: () => root,
    path: "/datanets/new",
    component: page(() => import("../pages/datanets/RegisterPage"), "RegisterPage"),
});
const datanet = createRoute({
    getParentRoute: () => root,
    path: "/datanets/$id",
    params: id,
    component: page(() => import("../pages/datanets/DatanetPage"), "DatanetPage"),
});
const datanetTab = <P extends string, T extends object>(path: P, load: () => Promise<T>, name: keyof T & string) =>
    createRoute({ getParentRoute: () => datanet, path, component: page(load, name) });
const tabs = [
    datanetTab("/", () => import("../pages/datanets/OverviewTab"), "OverviewTab"),
    datanetTab("/contributions", () => import("../pages/datanets/ContributionsTab"), "ContributionsTab"),
    datanetTab("/versions", () => import("../pages/datanets/VersionsTab"), "VersionsTab"),
    datanetTab("/grants", () => import("../pages/datanets/GrantsTab"), "GrantsTab"),
    datanetTab("/models", () => import("../pages/datanets/ModelsTab"), "ModelsTab"),
    datanetTab("/earnings", () => import("../pages/datanets/EarningsTab"), "EarningsTab"),
    datanetTab("/settings", () => import("../pages/datanets/SettingsTab"), "SettingsTab"),
] as const;
const contribute = createRoute({
    getParentRoute: () => root,
    path: "/datanets/$id/contribute",
    params: id,
    component: page(() => import("../pages/contribute/ContributePage"), "ContributePage"),
});
const curate = createRoute({
    getParentRoute: () => root,
    path: "/datanets/$id/review",
    params: id,
    component: page(() => import("../pages/curate/ReviewPage"), "ReviewPage"),
});
const contribution = createRoute({
    getParentRoute: () => root,
    path: "/contributions/$id",
    params: id,
    component: page(() => import("../pages/contribute/ContributionPage"), "ContributionPage"),
});
const grants = createRoute({
    getParentRoute: () => root,
    path: "/grants",
    component: page(() => import("../pages/grants/GrantsPage"), "GrantsPage"),
});

export interface BuildSearch {
    datanet?: number;
    base?: number;
    from?: number;
}
const whole = (value: unknown) => (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined);
const build = createRoute({
    getParentRoute: () => root,
    path: "/build",
    validateSearch: (search: Record<string, unknown>): BuildSearch =>
        defined({ datanet: whole(search["datanet"]), base: whole(search["base"]), from: whole(search["from"]) }),
    component: page(() => import("../pages/build/BuildPage"), "BuildPage"),
});

export interface JobsSearch {
    stage?: string;
    mine?: boolean;
    compare?: string;
}
const jobs = createRoute({
    getParentRoute: () => root,
    path: "/jobs",
    validateSearch: (search: Record<string, unknown>): JobsSearch =>
        defined({
            stage: text(search["stage"]),
            mine: search["mine"] === true ? true : undefined,
            compare: text(search["compare"]),
        }),
    component: page(() => import("../pages/runs/RunsPage"), "RunsPage"),
});
const job = createRoute({
    getParentRoute: () => root,
    path: "/jobs/$id",
    params: id,
    component: page(() => import("../pages/runs/RunPage"), "RunPage"),
});

export interface ChatSearch {
    model?: string;
}
const chat = createRoute({
    getParentRoute: () => root,
    path: "/chat",
    validateSearch: (search: Record<string, unknown>): ChatSearch =>
        defined({ model: text(search["model"]) ?? (typeof search["model"] === "number" ? String(search["model"]) : undefined) }),
    component: page(() => import("../pages/chat/ChatPage"), "ChatPage"),
});

export interface ModelsSearch {
    q?: string;
    status?: "private" | "published" | "withdrawn";
    mine?: boolean;
}
const models = createRoute({
    getParentRoute: () => root,
    path: "/models",
    validateSearch: (search: Record<string, unknown>): ModelsSearch => {
        const status = search["status"];
        return defined({
            q: text(search["q"]),
            status: status === "private" || status === "published" || status === "withdrawn" ? status : undefined,
            mine: search["mine"] === true ? true : undefined,
        });
    },
    component: page(() => import("../pages/models/ModelsPage"), "ModelsPage"),
});
const model = createRoute({
    getParentRoute: () => root,
    path: "/models/$id",
    params: id,
    component: page(() => import("../pages/models/ModelPage"), "ModelPage"),
});
const earnings = createRoute({
    getParentRoute: () => root,
    path: "/earnings",
    component: page(() => import("../pages/earnings/EarningsPage"), "EarningsPage"),
});
const network = createRoute({
    getParentRoute: () => root,
    path: "/network",
    component: page(() => import("../pages/network/NetworkPage"), "NetworkPage"),
});
const account = createRoute({
    getParentRoute: () => root,
    path: "/accounts/$address",
    component: page(() => import("../pages/network/AccountPage"), "AccountPage"),
});
// Where the gateway's links to trainers lead.
const trainer = createRoute({
    getParentRoute: () => root,
    path: "/trainers/$address",
    component: page(() => import("../pages/network/AccountPage"), "AccountPage"),
});

const tree = root.addChildren([
    home,
    datanets,
    registerDatanet,
    datanet.addChildren(tabs),
    contribute,
    curate,
    contribution,
    grants,
    build,
    jobs,
    job,
    chat,
    models,
    model,
    earnings,
    network,
    account,
    trainer,
]);

export const router = createRouter({
    routeTree: tree,
    scrollRestoration: true,
    defaultPendingMs: 150,
    defaultPendingComponent: () => (
        <div className="page">
            <LoadingBlock rows={5} />
        </div>
    ),
    defaultErrorComponent: ({ error, reset }) => (
        <div className="page">
            <ErrorState error={error} onRetry={reset} />
        </div>
    ),
    defaultNotFoundComponent: () => (
        <Page title={t.errors.noPageTitle}>
            <EmptyState title={t.errors.noPageText} actions={<ButtonLink to="/">{t.nav.home}</ButtonLink>} />
        </Page>
    ),
});

declare module "@tanstack/react-router" {
    interface Register {
        router: typeof router;
    }
}
