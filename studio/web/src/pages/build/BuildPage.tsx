import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { Check } from "lucide-react";
import { useEffect, useState } from "react";
import type { Config } from "../../api/client";
import { baseModels, datanet as datanetQuery, job as jobQuery } from "../../api/queries";
import type { AttributionInput } from "../../chain/calls";
import { exactAmount } from "../../lib/amount";
import { load, save } from "../../lib/persist";
import { t } from "../../strings/en";
import { Button } from "../../ui/Button";
import { ErrorState, LoadingBlock } from "../../ui/feedback";
import { Page } from "../../ui/Page";
import { useConfig } from "../../wallet/useWallet";
import { BaseStep } from "./BaseStep";
import { DataStep } from "./DataStep";
import { isDraft, newDraft, presetOf, STEPS, type Draft } from "./draft";
import { RecipeStep } from "./RecipeStep";
import { ReviewStep } from "./ReviewStep";
import "./build.css";

export function BuildPage() {
    const search = useSearch({ from: "/build" });
    const config = useConfig();
    const bases = useQuery(baseModels);
    const earlier = useQuery({ ...jobQuery(search.from ?? -1), enabled: search.from !== undefined });
    const wanted = useQuery({ ...datanetQuery(search.datanet ?? -1), enabled: search.datanet !== undefined });
    const isWaiting =
        config === null ||
        bases.data === undefined ||
        (search.from !== undefined && earlier.isPending) ||
        (search.datanet !== undefined && wanted.isPending);
    return (
        <Page title={t.build.title} lead={t.build.lead} width="narrow">
            {bases.isError ? (
                <ErrorState error={bases.error} onRetry={() => void bases.refetch()} />
            ) : isWaiting ? (
                <LoadingBlock rows={4} height="5rem" />
            ) : (
                <Wizard
                    key={`${search.from}.${search.datanet}.${search.base}`}
                    config={config}
                    start={(): Draft => {
                        const kept = load("session", `build.${config.chain.genesis}`, isDraft);
                        if (earlier.data) {
                            const { job } = earlier.data;
                            return {
                                ...newDraft(config.defaults),
                                step: "recipe",
                                base: job.base.id,
                                purpose: job.purpose,
                                data: job.data.map((use) => ({ datanet: use.datanet, version: use.version })),
                                preset: "custom",
                                method: job.method.kind,
                                hyperparameters: job.hyperparameters,
                                attribution: job.attribution as AttributionInput,
                                split: job.split,
                                price: exactAmount(job.price),
                            };
                        }
                        const draft = kept ?? newDraft(config.defaults);
                        const only = bases.data.items.length === 1 ? bases.data.items[0] : undefined;
                        const base = bases.data.items.find((one) => one.id === (search.base ?? draft.base)) ?? only ?? null;
                        const chosen = wanted.data;
                        return {
                            ...draft,
                            base: base?.id ?? null,
                            hyperparameters:
                                kept && kept.base === base?.id
                                    ? kept.hyperparameters
                                    : presetOf("balanced", base, config.defaults.hyperparameters),
                            data:
                                chosen?.latest && !draft.data.some((use) => use.datanet === chosen.id)
                                    ? [...draft.data, { datanet: chosen.id, version: chosen.latest.number }]
                                    : draft.data,
                            purpose:
                                chosen && !chosen.terms.purposes.includes(draft.purpose)
                                    ? (chosen.terms.purposes[0] ?? draft.purpose)
                                    : draft.purpose,
                            step: search.datanet !== undefined ? (base ? "data" : "base") : draft.step,
                        };
                    }}
                />
            )}
        </Page>
    );
}

export interface StepProps {
    draft: Draft;
    config: Config;
    change: (change: Partial<Draft>) => void;
    /** Shows the buttons that lead on and back. */
    footer: (next: { label?: string; isDisabled?: boolean; why?: string | null } | null) => React.ReactNode;
}

function Wizard({ start, config }: { start: () => Draft; config: Config }) {
    const [draft, setDraft] = useState<Draft>(start);
    useEffect(() => {
        save("session", `build.${config.chain.genesis}`, draft);
    }, [draft, config.chain.genesis]);
    const change = (part: Partial<Draft>) => setDraft((now) => ({ ...now, ...part }));
    const at = STEPS.indexOf(draft.step);
    const go = (place: number) => {
        const step = STEPS[place];
        if (!step) return;
        change({ step });
        window.scrollTo({ top: 0, behavior: "smooth" });
    };
    const canReach = (place: number) => place <= at || (place === at + 1 && (at > 0 || draft.base !== null));
    const footer: StepProps["footer"] = (next) => (
        <div className="wizard-footer">
            {at > 0 && <Button onPress={() => go(at - 1)}>{t.ui.back}</Button>}
            {next && (
                <>
                    {next.why && <span className="small muted">{next.why}</span>}
                    <Button kind="primary" onPress={() => go(at + 1)} isDisabled={next.isDisabled ?? false}>
                        {next.label ?? t.ui.next}
                    </Button>
                </>
            )}
        </div>
    );
    const props: StepProps = { draft, config, change, footer };
    return (
        <div className="stack">
            <ol className="wizard-steps" role="list">
                {STEPS.map((step, place) => (
                    <li key={step} data-state={place < at ? "done" : place === at ? "now" : "later"}>
                        <button
                            type="button"
                            onClick={() => go(place)}
                            disabled={!canReach(place)}
                            aria-current={place === at ? "step" : undefined}
                        >
                            <span className="wizard-mark" aria-hidden>
                                {place < at ? <Check size={14} strokeWidth={3} /> : place + 1}
                            </span>
                            {t.build.steps[step]}
                        </button>
                    </li>
                ))}
            </ol>
            {draft.step === "base" && <BaseStep {...props} />}
            {draft.step === "data" && <DataStep {...props} />}
            {draft.step === "recipe" && <RecipeStep {...props} />}
            {draft.step === "review" && <ReviewStep {...props} />}
        </div>
    );
}
