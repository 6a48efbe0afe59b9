import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { Ban } from "lucide-react";
import type { Datanet } from "../../api/client";
import { datanet } from "../../api/queries";
import { t } from "../../strings/en";
import { ButtonLink } from "../../ui/Button";
import { EmptyState, ErrorState, LoadingBlock } from "../../ui/feedback";
import { Page } from "../../ui/Page";
import { useAddress, useConfig } from "../../wallet/useWallet";
import { ContributeFlow } from "./ContributeFlow";

export function ContributePage() {
    const { id } = useParams({ from: "/datanets/$id/contribute" });
    const query = useQuery(datanet(id));
    const data = query.data;
    return (
        <Page
            title={data ? t.contribute.to(data.name) : t.contribute.title}
            lead={t.contribute.lead}
            width="narrow"
            crumbs={[
                { label: t.datanets.title, to: "/datanets" },
                { label: data?.name ?? t.datanets.number(id), to: "/datanets/$id", params: { id } },
            ]}
        >
            {data ? (
                <Gate datanet={data} />
            ) : query.isError ? (
                <ErrorState error={query.error} onRetry={() => void query.refetch()} />
            ) : (
                <LoadingBlock />
            )}
        </Page>
    );
}

/** Says at once who cannot contribute, and why, rather than after the work. */
function Gate({ datanet: data }: { datanet: Datanet }) {
    const address = useAddress();
    const config = useConfig();
    const isMember = address === data.owner || (address !== null && data.curators.includes(address));
    const closed =
        data.status === "retired"
            ? t.contribute.closedRetired
            : data.terms.admission === "members" && address !== null && !isMember
              ? t.contribute.closedMembers
              : null;
    if (closed) {
        return (
            <EmptyState icon={<Ban />} title={t.contribute.closedTitle} actions={<ButtonLink to="/datanets">{t.datanets.title}</ButtonLink>}>
                {closed}
            </EmptyState>
        );
    }
    if (config && !config.uploads.is_enabled) {
        return (
            <EmptyState icon={<Ban />} title={t.contribute.disabled}>
                {t.contribute.disabledHint}
            </EmptyState>
        );
    }
    return config ? <ContributeFlow datanet={data} config={config} /> : <LoadingBlock />;
}
