import { useInfiniteQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { grants } from "../../api/queries";
import { t } from "../../strings/en";
import { EmptyState } from "../../ui/feedback";
import { Section } from "../../ui/Page";
import { PagedView } from "../../ui/query";
import { GrantList } from "../grants/GrantList";
import { RequestGrant } from "../grants/RequestGrant";
import { useDatanet } from "./useDatanet";

export function GrantsTab() {
    const { datanet } = useDatanet();
    const query = useInfiniteQuery(grants({ datanet: datanet.id }));
    return (
        <Section title={t.grants.title} actions={<RequestGrant datanet={datanet} />}>
            <PagedView
                query={query}
                empty={
                    <EmptyState icon={<KeyRound />} title={t.grants.none}>
                        {t.grants.noneText}
                    </EmptyState>
                }
            >
                {(items) => <GrantList grants={items} />}
            </PagedView>
        </Section>
    );
}
