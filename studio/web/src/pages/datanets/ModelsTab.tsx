import { useInfiniteQuery } from "@tanstack/react-query";
import { Boxes } from "lucide-react";
import { models } from "../../api/queries";
import { t } from "../../strings/en";
import { ButtonLink } from "../../ui/Button";
import { EmptyState } from "../../ui/feedback";
import { PagedView } from "../../ui/query";
import { ModelCard } from "../models/ModelCard";
import { useDatanet } from "./useDatanet";

export function ModelsTab() {
    const { datanet } = useDatanet();
    const query = useInfiniteQuery(models({ datanet: datanet.id }));
    return (
        <PagedView
            query={query}
            empty={
                <EmptyState
                    icon={<Boxes />}
                    title={t.datanets.noModels}
                    actions={
                        <ButtonLink to="/build" search={{ datanet: datanet.id }} kind="primary">
                            {t.datanets.useIt}
                        </ButtonLink>
                    }
                >
                    {t.datanets.noModelsText}
                </EmptyState>
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
    );
}
