import { useInfiniteQuery } from "@tanstack/react-query";
import { ScanSearch, Upload } from "lucide-react";
import { useState } from "react";
import { contributions } from "../../api/queries";
import { t } from "../../strings/en";
import { ButtonLink } from "../../ui/Button";
import { EmptyState } from "../../ui/feedback";
import { Select } from "../../ui/fields";
import { Section } from "../../ui/Page";
import { PagedView } from "../../ui/query";
import { ContributionTable } from "../contribute/ContributionTable";
import { useDatanet } from "./useDatanet";

type Status = "pending" | "accepted" | "rejected" | "withdrawn";

export function ContributionsTab() {
    const { datanet, isCurator } = useDatanet();
    const [status, setStatus] = useState<Status | "">("");
    const query = useInfiniteQuery(contributions({ datanet: datanet.id, ...(status ? { status } : {}) }));
    return (
        <Section
            actions={
                <>
                    <div style={{ minWidth: "11rem" }}>
                        <Select
                            label={t.contributions.filter}
                            hidesLabel
                            value={status}
                            onChange={setStatus}
                            options={[
                                { value: "", label: t.ui.all },
                                ...(["pending", "accepted", "rejected", "withdrawn"] as const).map((value) => ({
                                    value,
                                    label: t.words.contribution[value],
                                })),
                            ]}
                        />
                    </div>
                    {isCurator && (
                        <ButtonLink to="/datanets/$id/review" params={{ id: datanet.id }} icon={<ScanSearch size={16} />}>
                            {t.datanets.reviewNone}
                        </ButtonLink>
                    )}
                </>
            }
        >
            <PagedView
                query={query}
                empty={
                    <EmptyState
                        icon={<Upload />}
                        title={t.contributions.none}
                        actions={
                            <ButtonLink to="/datanets/$id/contribute" params={{ id: datanet.id }} kind="primary">
                                {t.datanets.contribute}
                            </ButtonLink>
                        }
                    >
                        {t.contributions.noneText}
                    </EmptyState>
                }
            >
                {(items) => <ContributionTable contributions={items} />}
            </PagedView>
        </Section>
    );
}
