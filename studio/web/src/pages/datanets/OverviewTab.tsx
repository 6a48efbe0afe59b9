import { useState } from "react";
import type { Datanet } from "../../api/client";
import { publishVersion } from "../../chain/calls";
import { formatBytes, formatDuration, formatInteger, formatPpm } from "../../lib/format";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Account, Amount, Fact, Facts, Stat, Stats, When } from "../../ui/data";
import { Notice } from "../../ui/feedback";
import { Section } from "../../ui/Page";
import { useConfig } from "../../wallet/useWallet";
import { RequestGrant } from "../grants/RequestGrant";
import { useDatanet } from "./useDatanet";

export function OverviewTab() {
    const { datanet, isOwner } = useDatanet();
    const { terms, counts, latest } = datanet;
    return (
        <div className="stack">
            {isOwner && <Publish datanet={datanet} />}
            <Stats>
                <Stat
                    name={t.datanets.latestLabel}
                    detail={latest ? <When at={latest.published} /> : t.datanets.noVersion}
                >
                    {latest ? t.datanets.latest(latest.number) : "–"}
                </Stat>
                <Stat
                    name={t.datanets.sampleForm}
                    detail={latest ? `${formatBytes(latest.bytes)}, ${t.datanets.inLatest(latest.contributions)}` : " "}
                >
                    {latest ? formatInteger(latest.samples) : "0"}
                </Stat>
                <Stat name={t.datanets.tabs.models} detail={t.datanets.jobs(counts.jobs)}>
                    {formatInteger(counts.models)}
                </Stat>
                <Stat name={t.datanets.fees}>
                    <Amount value={datanet.earned.fees} digits={2} />
                </Stat>
                <Stat name={t.datanets.claimedByContributors}>
                    <Amount value={datanet.earned.contributors} digits={2} />
                </Stat>
            </Stats>
            <div className="split">
                <div className="stack">
                    <Section title={t.datanets.about}>
                        <p className="prose">{datanet.description || <span className="muted">{t.datanets.noDescription}</span>}</p>
                        <Facts>
                            <Fact name={t.datanets.owner}>
                                <Account address={datanet.owner} />
                            </Fact>
                            <Fact name={t.datanets.curators}>
                                {datanet.curators.length === 0 ? (
                                    t.datanets.onlyOwner
                                ) : (
                                    <span className="row">
                                        {datanet.curators.map((curator) => (
                                            <Account key={curator} address={curator} />
                                        ))}
                                    </span>
                                )}
                            </Fact>
                            <Fact name={t.datanets.sampleForm}>{t.datanets.sampleFormValue}</Fact>
                            <Fact name={t.datanets.registered}>
                                <When at={datanet.registered} block />
                            </Fact>
                        </Facts>
                    </Section>
                </div>
                <Section title={t.datanets.terms} actions={<RequestGrant datanet={datanet} />}>
                    <TermsFacts datanet={datanet} />
                    <p className="small muted">{t.words.access[terms.access]}</p>
                </Section>
            </div>
        </div>
    );
}

function TermsFacts({ datanet: { terms } }: { datanet: Datanet }) {
    const blockMs = useConfig()?.chain.block_ms ?? 3_000;
    return (
        <Facts>
            <Fact name={t.datanets.price}>
                <Amount value={terms.price} />
            </Fact>
            <Fact name={t.datanets.royaltyFloor}>{t.datanets.ofRevenue(formatPpm(terms.royalty_floor_ppm, 0))}</Fact>
            <Fact name={t.datanets.purposes}>{terms.purposes.map((purpose) => t.words.purposes[purpose]).join(", ")}</Fact>
            <Fact name={t.datanets.licence}>{terms.licence}</Fact>
            <Fact name={t.datanets.admission}>{t.words.admission[terms.admission]}</Fact>
            <Fact name={t.datanets.grantLimits}>
                {t.datanets.grantLimitsValue(formatDuration((terms.grant_blocks_max * blockMs) / 1000), terms.grant_uses_max)}
            </Fact>
        </Facts>
    );
}

function Publish({ datanet }: { datanet: Datanet }) {
    const [isOpen, setOpen] = useState(false);
    const waiting = datanet.counts.accepted - (datanet.latest?.contributions ?? 0);
    if ((waiting <= 0 || datanet.status === "retired") && !isOpen) return null;
    return (
        <Notice title={t.datanets.publishLead(waiting)}>
            <p style={{ marginTop: "0.5rem" }}>
                <Button size="small" kind="primary" onPress={() => setOpen(true)}>
                    {t.datanets.publishVersion}
                </Button>
            </p>
            <TransactionDialog
                isOpen={isOpen}
                onClose={() => setOpen(false)}
                title={t.datanets.publishVersion}
                make={() => Promise.resolve(publishVersion(datanet.id))}
                feeKey={datanet.id}
                done={<Notice tone="good">{t.datanets.publishDone}</Notice>}
            >
                <p>{t.datanets.publishLead(waiting)}</p>
            </TransactionDialog>
        </Notice>
    );
}
