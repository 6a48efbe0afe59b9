import { useQuery } from "@tanstack/react-query";
import { baseModels } from "../../api/queries";
import { formatCompact } from "../../lib/format";
import { t } from "../../strings/en";
import { EmptyState } from "../../ui/feedback";
import { ChoiceCards } from "../../ui/fields";
import { Section } from "../../ui/Page";
import { QueryView } from "../../ui/query";
import type { StepProps } from "./BuildPage";
import { presetOf } from "./draft";

export function BaseStep({ draft, config, change, footer }: StepProps) {
    const bases = useQuery(baseModels);
    return (
        <Section title={t.build.baseTitle} lead={t.build.baseLead}>
            <QueryView query={bases}>
                {({ items }) =>
                    items.length === 0 ? (
                        <EmptyState title={t.build.noBases}>{t.build.noBasesText}</EmptyState>
                    ) : (
                        <>
                            <ChoiceCards
                                label={t.build.base}
                                columns={2}
                                value={draft.base === null ? null : String(draft.base)}
                                onChange={(value) => {
                                    const base = items.find((one) => String(one.id) === value) ?? null;
                                    const { preset } = draft;
                                    change({
                                        base: base?.id ?? null,
                                        ...(preset === "custom"
                                            ? {}
                                            : { hyperparameters: presetOf(preset, base, config.defaults.hyperparameters) }),
                                    });
                                }}
                                options={items.map((base) => ({
                                    value: String(base.id),
                                    label: base.name,
                                    detail: [
                                        t.words.family[base.family] ?? base.family,
                                        t.build.parameters(formatCompact(base.parameters)),
                                        base.licence,
                                    ].join(" · "),
                                    content: <span className="muted">{t.build.tunedFrom(base.models)}</span>,
                                }))}
                            />
                            {footer({ isDisabled: draft.base === null, why: draft.base === null ? t.build.chooseBase : null })}
                        </>
                    )
                }
            </QueryView>
        </Section>
    );
}
