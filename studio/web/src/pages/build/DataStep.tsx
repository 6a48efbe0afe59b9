import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useDeferredValue, useState } from "react";
import type { Datanet, Grant, Purpose } from "../../api/client";
import { baseModels, datanets, grants as grantsQuery } from "../../api/queries";
import { formatInteger, formatPpm } from "../../lib/format";
import { t } from "../../strings/en";
import { Button } from "../../ui/Button";
import { Amount } from "../../ui/data";
import { EmptyState, Notice } from "../../ui/feedback";
import { Checkbox, ChoiceCards, Select, TextField } from "../../ui/fields";
import { Section } from "../../ui/Page";
import { itemsOf, PagedView } from "../../ui/query";
import { openConnect } from "../../wallet/ConnectDialog";
import { useAddress } from "../../wallet/useWallet";
import { RequestGrant } from "../grants/RequestGrant";
import type { StepProps } from "./BuildPage";
import { licenceConflicts, sayLicensed, usability, type ChosenData, type Licensed } from "./draft";

const PURPOSES: Purpose[] = ["commercial", "research", "evaluation"];

export function DataStep({ draft, config, change, footer }: StepProps) {
    const address = useAddress();
    const [words, setWords] = useState("");
    const asked = useDeferredValue(words.trim());
    const query = useInfiniteQuery(datanets({ status: "active", limit: 50, ...(asked ? { q: asked } : {}) }));
    const own = useInfiniteQuery({ ...grantsQuery({ account: address ?? "" }), enabled: address !== null });
    const bases = useQuery(baseModels);
    const held = address === null ? [] : itemsOf(own);
    const all = itemsOf(query);
    const base = bases.data?.items.find((one) => one.id === draft.base);
    const chosen = draft.data.flatMap((use) => all.find((one) => one.id === use.datanet) ?? []);
    const licensed = (nets: Datanet[]): Licensed[] => [
        ...(base ? [{ name: base.name, licence: base.licence }] : []),
        ...nets.map((one) => ({ name: one.name, licence: one.terms.licence })),
    ];
    const conflicts = licenceConflicts(licensed(chosen), draft.purpose);
    const knownOf = (kind: string) => conflicts.find((one) => one.kind === kind)?.of.length ?? 0;
    /** What choosing one more would bring into conflict; it is said before anybody asks for a grant. */
    const conflictsWith = (datanet: Datanet) =>
        chosen.some((one) => one.id === datanet.id)
            ? []
            : licenceConflicts(licensed([...chosen, datanet]), draft.purpose).filter((one) => one.of.length > knownOf(one.kind));
    const missing = draft.data.filter((use) => {
        const found = all.find((one) => one.id === use.datanet);
        return found && usability(found, use.version, held, draft.purpose, draft.base ?? -1).kind !== "usable";
    });
    const max = config.limits.job_versions_max;
    const toggle = (use: ChosenData, on: boolean) =>
        change({ data: on ? [...draft.data, use].slice(0, max) : draft.data.filter((one) => one.datanet !== use.datanet) });
    const setVersion = (use: ChosenData) =>
        change({ data: draft.data.map((one) => (one.datanet === use.datanet ? use : one)) });

    return (
        <div className="stack">
            <Section title={t.build.purposeTitle} lead={t.build.purposeLead}>
                <ChoiceCards
                    label={t.build.purpose}
                    value={draft.purpose}
                    onChange={(purpose) => change({ purpose })}
                    options={PURPOSES.map((value) => ({
                        value,
                        label: t.words.purposes[value],
                        detail: t.words.purposeHelp[value],
                    }))}
                />
            </Section>
            <Section title={t.build.dataTitle} lead={t.build.dataLead(max)}>
                {address === null && (
                    <Notice>
                        <p>{t.build.connectForGrants}</p>
                        <p style={{ marginTop: "0.5rem" }}>
                            <Button size="small" kind="primary" onPress={openConnect}>
                                {t.wallet.connect}
                            </Button>
                        </p>
                    </Notice>
                )}
                <TextField
                    label={t.datanets.search}
                    placeholder={t.datanets.searchPlaceholder}
                    type="search"
                    value={words}
                    onChange={setWords}
                />
                <PagedView query={query} empty={<EmptyState title={t.datanets.noMatchTitle}>{t.datanets.noMatchText}</EmptyState>}>
                    {(items) => (
                        <ul role="list" className="data-choices">
                            {items.map((datanet) => (
                                <DataChoice
                                    key={datanet.id}
                                    datanet={datanet}
                                    chosen={draft.data.find((use) => use.datanet === datanet.id) ?? null}
                                    grants={held}
                                    purpose={draft.purpose}
                                    base={draft.base ?? -1}
                                    conflicts={conflictsWith(datanet).map((one) => t.build.conflicts[one.kind].text(sayLicensed(one.of)))}
                                    onToggle={toggle}
                                    onVersion={setVersion}
                                />
                            ))}
                        </ul>
                    )}
                </PagedView>
                {conflicts.map((conflict) => (
                    <Notice key={conflict.kind} tone="warn" title={t.build.conflicts[conflict.kind].title}>
                        <p>{t.build.conflicts[conflict.kind].text(sayLicensed(conflict.of))}</p>
                    </Notice>
                ))}
                {footer({
                    isDisabled: draft.data.length === 0 || missing.length > 0,
                    why: draft.data.length === 0 ? t.build.chooseData : missing.length > 0 ? t.build.missingGrants : null,
                })}
            </Section>
        </div>
    );
}

interface ChoiceProps {
    datanet: Datanet;
    chosen: ChosenData | null;
    grants: Grant[];
    purpose: Purpose;
    base: number;
    /** What its licence stands against, in sentences. */
    conflicts: string[];
    onToggle: (use: ChosenData, on: boolean) => void;
    onVersion: (use: ChosenData) => void;
}

function DataChoice({ datanet, chosen, grants, purpose, base, conflicts, onToggle, onVersion }: ChoiceProps) {
    const version = chosen?.version ?? datanet.latest?.number ?? 0;
    const state = usability(datanet, version, grants, purpose, base);
    const isUsable = state.kind === "usable";
    const why = {
        usable: () => null,
        retired: () => t.build.why.retired,
        no_version: () => t.build.why.noVersion,
        purpose_not_offered: () =>
            t.build.why.purpose(t.words.purposes[purpose], datanet.terms.purposes.map((one) => t.words.purposes[one]).join(", ")),
        waiting: () => t.build.why.waiting,
        no_grant: () => {
            const { mismatch, refused } = state.kind === "no_grant" ? state : { mismatch: null, refused: null };
            if (mismatch) return t.build.why.otherGrant(t.words.purposes[mismatch.terms.purpose]);
            if (refused) return t.build.why[refused.status === "denied" ? "denied" : "revoked"](refused.reason ?? "");
            return t.build.why.noGrant;
        },
    }[state.kind]();
    return (
        <li data-usable={isUsable} data-chosen={chosen !== null}>
            <Checkbox
                isSelected={chosen !== null}
                isDisabled={!isUsable && chosen === null}
                onChange={(on) => onToggle({ datanet: datanet.id, version }, on)}
                detail={
                    <>
                        {datanet.latest
                            ? `${formatInteger(datanet.latest.samples)} ${t.datanets.samplesWord} · ${datanet.terms.licence} · `
                            : `${datanet.terms.licence} · `}
                        <Amount value={datanet.terms.price} digits={2} /> · {t.datanets.royalty(formatPpm(datanet.terms.royalty_floor_ppm, 0))}
                    </>
                }
            >
                <strong>{datanet.name}</strong>
            </Checkbox>
            <div className="row">
                {isUsable && datanet.versions > 1 && chosen && (
                    <Select
                        label={t.build.version}
                        hidesLabel
                        value={String(version)}
                        onChange={(value) => onVersion({ datanet: datanet.id, version: Number(value) })}
                        options={Array.from({ length: datanet.versions }, (_, place) => {
                            const number = datanet.versions - place;
                            return { value: String(number), label: t.datanets.version(number) };
                        })}
                    />
                )}
                {isUsable && <span className="small muted">{t.build.grantOf(state.grant.id, state.grant.terms.uses - state.grant.used)}</span>}
                {why && <span className="small why">{why}</span>}
                {conflicts.map((text) => (
                    <span key={text} className="small why">
                        {text}
                    </span>
                ))}
                <RequestGrant
                    datanet={datanet}
                    purpose={purpose}
                    isOffered={state.kind === "no_grant" || (state.kind === "purpose_not_offered" && datanet.terms.purposes.length > 0)}
                />
                <Link to="/datanets/$id" params={{ id: datanet.id }} className="small">
                    {t.build.details}
                </Link>
            </div>
        </li>
    );
}
