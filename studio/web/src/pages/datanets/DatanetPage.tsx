import { useQuery } from "@tanstack/react-query";
import { Outlet, useParams } from "@tanstack/react-router";
import { FlaskConical, ScanSearch, Upload } from "lucide-react";
import { Suspense } from "react";
import { datanet } from "../../api/queries";
import { t } from "../../strings/en";
import { ButtonLink } from "../../ui/Button";
import { Badge, ErrorState, LoadingBlock, Skeleton } from "../../ui/feedback";
import { Page, TabNav, type TabItem } from "../../ui/Page";
import { useAddress } from "../../wallet/useWallet";

const CRUMBS = [{ label: t.datanets.title, to: "/datanets" as const }];

export function DatanetPage() {
    const { id } = useParams({ from: "/datanets/$id" });
    const query = useQuery(datanet(id));
    const address = useAddress();
    const data = query.data;
    if (!data) {
        return (
            <Page title={t.datanets.number(id)} crumbs={CRUMBS}>
                {query.isError ? (
                    <ErrorState error={query.error} onRetry={() => void query.refetch()} />
                ) : (
                    <>
                        <Skeleton height="2.5rem" />
                        <LoadingBlock />
                    </>
                )}
            </Page>
        );
    }
    const isOwner = address === data.owner;
    const isCurator = isOwner || (address !== null && data.curators.includes(address));
    const params = { id };
    const { counts } = data;
    const tabs: TabItem[] = [
        { to: "/datanets/$id", params, label: t.datanets.tabs.overview },
        { to: "/datanets/$id/contributions", params, label: t.datanets.tabs.contributions, count: counts.contributions },
        { to: "/datanets/$id/versions", params, label: t.datanets.tabs.versions, count: data.versions },
        { to: "/datanets/$id/grants", params, label: t.datanets.tabs.grants, count: counts.grants_active + counts.grants_requested },
        { to: "/datanets/$id/models", params, label: t.datanets.tabs.models, count: counts.models },
        { to: "/datanets/$id/earnings", params, label: t.datanets.tabs.earnings },
        ...(isOwner ? [{ to: "/datanets/$id/settings" as const, params, label: t.datanets.tabs.settings }] : []),
    ];
    return (
        <Page
            title={data.name}
            crumbs={CRUMBS}
            badges={
                <>
                    <Badge tone="brand">{data.domain}</Badge>
                    <Badge>{data.terms.licence}</Badge>
                    {data.status === "retired" && <Badge tone="bad">{t.datanets.retired}</Badge>}
                </>
            }
            actions={
                <>
                    {isCurator && counts.pending > 0 && (
                        <ButtonLink to="/datanets/$id/review" params={params} icon={<ScanSearch size={16} />}>
                            {t.datanets.review(counts.pending)}
                        </ButtonLink>
                    )}
                    <ButtonLink to="/build" search={{ datanet: id }} icon={<FlaskConical size={16} />}>
                        {t.datanets.useIt}
                    </ButtonLink>
                    {data.status === "active" && (
                        <ButtonLink to="/datanets/$id/contribute" params={params} kind="primary" icon={<Upload size={16} />}>
                            {t.datanets.contribute}
                        </ButtonLink>
                    )}
                </>
            }
        >
            <TabNav label={t.datanets.tabs.label} items={tabs} />
            <Suspense fallback={<LoadingBlock />}>
                <Outlet />
            </Suspense>
        </Page>
    );
}
