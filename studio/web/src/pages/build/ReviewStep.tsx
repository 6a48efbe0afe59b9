import { keepPreviousData, useInfiniteQuery, useQueries, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useState } from "react";
import type { EstimateRequest, Split } from "../../api/client";
import { live } from "../../api/live";
import { baseModels, datanet as datanetQuery, estimate as estimateQuery, grants as grantsQuery } from "../../api/queries";
import { postJob } from "../../chain/calls";
import { numberField } from "../../chain/transactions";
import { exactAmount } from "../../lib/amount";
import { formatBytes, formatDuration, formatInteger, formatPpm, sentence } from "../../lib/format";
import { save } from "../../lib/persist";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Amount, Fact, Facts, Stat, Stats } from "../../ui/data";
import { ErrorState, LoadingBlock, Notice } from "../../ui/feedback";
import { AmountField, NumberField } from "../../ui/fields";
import { Section } from "../../ui/Page";
import { itemsOf } from "../../ui/query";
import { openConnect } from "../../wallet/ConnectDialog";
import { useAddress } from "../../wallet/useWallet";
import { SaleFlow } from "../home/SaleFlow";
import type { StepProps } from "./BuildPage";
import { covers, jobOf, licenceConflicts, priceOf, sayLicensed, splitSum } from "./draft";

const PARTS = ["contributors", "model_owner", "trainer", "datanet_owners", "base_owner", "treasury"] as const;

export function ReviewStep({ draft, config, change, footer }: StepProps) {
    const navigate = useNavigate();
    const address = useAddress();
    const bases = useQuery(baseModels);
    const base = bases.data?.items.find((one) => one.id === draft.base);
    const nets = useQueries({ queries: draft.data.map((use) => datanetQuery(use.datanet)) }).flatMap((one) => one.data ?? []);
    const own = useInfiniteQuery({ ...grantsQuery({ account: address ?? "" }), enabled: address !== null });
    const typed = useDeferredValue(draft.price.trim() === "" ? null : priceOf(draft, undefined));
    const request: EstimateRequest | null =
        draft.base === null
            ? null
            : {
                  base: draft.base,
                  method: { kind: draft.method, double_quantisation: draft.method === "qlora" },
                  hyperparameters: draft.hyperparameters as never,
                  attribution: draft.attribution,
                  data: draft.data,
                  purpose: draft.purpose,
                  ...(address ? { account: address } : {}),
                  ...(typed === null ? {} : { price: typed.toString() }),
              };
    const estimate = useQuery({ ...estimateQuery(request), placeholderData: keepPreviousData });
    const [isOpen, setOpen] = useState(false);
    const [made, setMade] = useState<number | null>(null);

    const price = priceOf(draft, estimate.data?.price_suggested);
    const fees = nets.reduce((total, net) => total + BigInt(net.terms.price), 0n);
    const deposit = BigInt(estimate.data?.deposit ?? config.deposits.job);
    const least = BigInt(config.limits.job_price_min);
    const floor = Math.max(0, ...nets.map((net) => net.terms.royalty_floor_ppm));
    const grants = draft.data.flatMap((use) => {
        const found = itemsOf(own).find(
            (grant) =>
                grant.datanet === use.datanet &&
                covers(grant, { version: use.version, purpose: draft.purpose, base: draft.base ?? -1 }),
        );
        return found ? [{ datanet: use.datanet, grant: found.id }] : [];
    });
    const licensed = [...(base ? [{ name: base.name, licence: base.licence }] : []), ...nets.map((net) => ({ name: net.name, licence: net.terms.licence }))];
    const conflicts = licenceConflicts(licensed, draft.purpose);
    const sum = splitSum(draft.split);

    const blockers = [
        ...(sum !== 1_000_000 ? [t.build.splitSum(formatPpm(sum))] : []),
        ...(draft.split.contributors < floor ? [t.build.splitFloor(formatPpm(floor, 0))] : []),
        ...(price !== null && price < least ? [t.ui.amountTooSmall(least)] : []),
        ...(estimate.data?.blockers ?? []).map((one) => one.message),
        ...(address !== null && own.isSuccess && grants.length < draft.data.length ? [t.build.missingGrants] : []),
    ];
    const warnings = [
        ...(estimate.data?.warnings ?? []).map((one) => one.message),
        ...conflicts.map((conflict) => t.build.conflicts[conflict.kind].text(sayLicensed(conflict.of))),
    ];
    const total = price === null ? null : price + fees + deposit;
    const make = () => {
        const job = jobOf(draft, {
            grants,
            price: price ?? 0n,
            fees,
            head: live.get().head?.number ?? 0,
            blockMs: config.chain.block_ms,
            limits: config.limits,
        });
        return job ? Promise.resolve(postJob(job)) : Promise.reject(new Error(t.build.incomplete));
    };
    const setSplit = (name: keyof Split, percent: number) =>
        change({ split: { ...draft.split, [name]: Math.round(percent * 1e6) } });

    return (
        <div className="stack">
            {estimate.isError && !estimate.data ? (
                <ErrorState error={estimate.error} onRetry={() => void estimate.refetch()} />
            ) : !estimate.data ? (
                <LoadingBlock rows={1} height="6.1rem" />
            ) : (
                <Stats>
                    <Stat name={t.build.time} detail={t.build.timeDetail(estimate.data.runs)}>
                        {formatDuration(estimate.data.seconds)}
                    </Stat>
                    <Stat name={t.build.memory} detail={t.build.memoryDetail(formatBytes(estimate.data.base_bytes))}>
                        {formatBytes(estimate.data.memory_bytes)}
                    </Stat>
                    <Stat name={t.build.stepsCount} detail={t.build.samplesCount(formatInteger(estimate.data.training_samples))}>
                        {formatInteger(estimate.data.steps)}
                    </Stat>
                    <Stat name={t.build.bond} detail={t.build.bondDetail}>
                        <Amount value={estimate.data.bond_required} digits={2} />
                    </Stat>
                </Stats>
            )}
            <Section title={t.build.whatTitle}>
                <Facts columns={2}>
                    <Fact name={t.build.base}>{base?.name ?? "–"}</Fact>
                    <Fact name={t.build.purpose}>{t.words.purposes[draft.purpose]}</Fact>
                    <Fact name={t.build.dataTitle}>
                        {nets.map((net) => {
                            const version = draft.data.find((use) => use.datanet === net.id)?.version ?? 0;
                            return <div key={net.id}>{`${net.name}, ${t.datanets.version(version).toLowerCase()}`}</div>;
                        })}
                    </Fact>
                    <Fact name={t.build.recipeTitle}>
                        {t.build.presets[draft.preset].title} · {draft.method === "lora" ? t.build.lora : t.build.qlora}
                    </Fact>
                    <Fact name={t.build.fields.epochs}>{draft.hyperparameters.epochs}</Fact>
                    <Fact name={t.build.credit}>{t.build.credits[draft.attribution.kind]}</Fact>
                </Facts>
            </Section>
            <Section title={t.build.payTitle} lead={t.build.payLead}>
                <div className="form-grid">
                    <AmountField
                        label={t.build.price}
                        help={estimate.data && sentence(estimate.data.price_basis)}
                        value={draft.price}
                        placeholder={estimate.data ? exactAmount(estimate.data.price_suggested) : ""}
                        minimum={least}
                        onChange={(value) => change({ price: value })}
                    />
                    <NumberField
                        label={t.build.deadline}
                        help={t.build.deadlineHelp}
                        value={draft.deadlineHours}
                        onChange={(deadlineHours) => change({ deadlineHours })}
                        min={1}
                        max={Math.floor((config.limits.deadline_blocks_max * config.chain.block_ms) / 3_600_000)}
                    />
                    <NumberField
                        label={t.build.acceptance}
                        help={t.build.acceptanceHelp}
                        value={draft.acceptanceHours}
                        onChange={(acceptanceHours) => change({ acceptanceHours })}
                        min={(config.limits.acceptance_blocks_min * config.chain.block_ms) / 3_600_000}
                        max={(config.limits.acceptance_blocks_max * config.chain.block_ms) / 3_600_000}
                        step={0.25}
                        format={{ maximumFractionDigits: 2 }}
                    />
                </div>
                <Facts>
                    <Fact name={t.build.toTrainer}>{price === null ? "–" : <Amount value={price} />}</Fact>
                    <Fact name={t.build.toDatanets}>
                        <Amount value={fees} />
                    </Fact>
                    <Fact name={t.build.depositName} help={t.build.depositHelp}>
                        <Amount value={deposit} />
                    </Fact>
                    <Fact name={t.build.totalNow}>
                        <strong>{total === null ? "–" : <Amount value={total} />}</strong>
                    </Fact>
                </Facts>
            </Section>
            <Section title={t.build.splitTitle} lead={t.build.splitLead}>
                {sum === 1_000_000 ? <SaleFlow split={draft.split} /> : <Notice tone="bad">{t.build.splitSum(formatPpm(sum))}</Notice>}
                <details className="more">
                    <summary>{t.build.splitChange}</summary>
                    <div className="form-grid">
                        {PARTS.map((name) => (
                            <NumberField
                                key={name}
                                label={t.words.split[name]}
                                value={draft.split[name] / 1e6}
                                onChange={(part) => setSplit(name, part)}
                                min={0}
                                max={1}
                                step={0.01}
                                format={{ style: "percent", maximumFractionDigits: 2 }}
                                {...(name === "contributors" && floor > 0 ? { help: t.build.splitFloor(formatPpm(floor, 0)) } : {})}
                            />
                        ))}
                    </div>
                </details>
            </Section>
            {warnings.length > 0 && (
                <Notice tone="warn" title={t.build.warnings}>
                    <ul className="findings">
                        {[...new Set(warnings)].map((text) => (
                            <li key={text}>{text}</li>
                        ))}
                    </ul>
                </Notice>
            )}
            {blockers.length > 0 && (
                <Notice tone="bad" title={t.build.blockers}>
                    <ul className="findings">
                        {[...new Set(blockers)].map((text) => (
                            <li key={text}>{text}</li>
                        ))}
                    </ul>
                </Notice>
            )}
            <div className="row spread">
                {footer(null)}
                {address !== null && !estimate.data && !estimate.isError && <span className="small muted">{t.build.estimating}</span>}
                {address === null ? (
                    <Button kind="primary" size="large" onPress={openConnect}>
                        {t.wallet.connect}
                    </Button>
                ) : (
                    <Button
                        kind="primary"
                        size="large"
                        onPress={() => setOpen(true)}
                        isDisabled={blockers.length > 0 || price === null || grants.length < draft.data.length}
                    >
                        {t.build.post}
                    </Button>
                )}
            </div>
            <TransactionDialog
                isOpen={isOpen}
                onClose={() => {
                    setOpen(false);
                    if (made === null) return;
                    save("session", `build.${config.chain.genesis}`, null);
                    void navigate({ to: "/jobs/$id", params: { id: made } });
                }}
                title={t.build.postTitle}
                make={make}
                feeKey={[draft, price?.toString()]}
                spends={total ?? 0n}
                onFinal={(events) => setMade(numberField(events, "Jobs", "JobPosted", "job"))}
                done={<Notice tone="good">{t.build.done}</Notice>}
                next={t.build.watch}
            >
                <Facts>
                    <Fact name={t.build.intoEscrow} help={t.build.escrowHelp}>
                        <Amount value={(price ?? 0n) + fees} />
                    </Fact>
                    <Fact name={t.build.depositName}>
                        <Amount value={deposit} />
                    </Fact>
                </Facts>
            </TransactionDialog>
        </div>
    );
}
