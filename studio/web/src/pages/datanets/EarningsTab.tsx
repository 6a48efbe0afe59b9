import { useQuery } from "@tanstack/react-query";
import { Coins } from "lucide-react";
import { datanetEarnings } from "../../api/queries";
import { t } from "../../strings/en";
import { Amount, Stat, Stats } from "../../ui/data";
import { EmptyState } from "../../ui/feedback";
import { MoneyChart } from "../../ui/MoneyChart";
import { Section } from "../../ui/Page";
import { QueryView } from "../../ui/query";
import { useDatanet } from "./useDatanet";

export function EarningsTab() {
    const { datanet } = useDatanet();
    const query = useQuery(datanetEarnings(datanet.id));
    return (
        <QueryView query={query}>
            {(data) => {
                const series = [
                    { name: t.datanets.feesSeries, points: data.fees },
                    { name: t.datanets.ownerSeries, points: data.owner_part },
                    { name: t.datanets.contributorsSeries, points: data.contributors },
                ];
                if (series.every((one) => one.points.length === 0)) {
                    return (
                        <EmptyState icon={<Coins />} title={t.datanets.noEarnings}>
                            {t.datanets.noEarningsText}
                        </EmptyState>
                    );
                }
                return (
                    <div className="stack">
                        <Stats>
                            {series.map((one) => (
                                <Stat key={one.name} name={one.name}>
                                    <Amount value={one.points.at(-1)?.total ?? "0"} />
                                </Stat>
                            ))}
                        </Stats>
                        <Section title={t.datanets.earningsOver}>
                            <MoneyChart label={t.datanets.earningsOver} series={series} />
                        </Section>
                    </div>
                );
            }}
        </QueryView>
    );
}
