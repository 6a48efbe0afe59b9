// The terms of a Datanet as a form: for registering one and for changing one.
import type { Purpose, Terms } from "../../api/client";
import type { TermsInput } from "../../chain/calls";
import { exactAmount, parseAmount } from "../../lib/amount";
import { t } from "../../strings/en";
import { AmountField, Checkbox, ChoiceCards, NumberField, Slider, TextField } from "../../ui/fields";

const PURPOSES: Purpose[] = ["research", "evaluation", "commercial"];

export interface TermsDraft {
    price: string;
    purposes: Purpose[];
    royaltyPercent: number;
    admission: "anyone" | "members";
    access: "open" | "on_request";
    days: number;
    uses: number;
    licence: string;
}

export const NEW_TERMS: TermsDraft = {
    price: "10",
    purposes: [...PURPOSES],
    royaltyPercent: 30,
    admission: "anyone",
    access: "on_request",
    days: 30,
    uses: 10,
    licence: "CC-BY-4.0",
};

export function draftOf(terms: Terms, blockMs: number): TermsDraft {
    return {
        price: exactAmount(terms.price),
        purposes: terms.purposes,
        royaltyPercent: terms.royalty_floor_ppm / 10_000,
        admission: terms.admission,
        access: terms.access,
        days: Math.max(1, Math.round((terms.grant_blocks_max * blockMs) / 86_400_000)),
        uses: terms.grant_uses_max,
        licence: terms.licence,
    };
}

/** The terms as the chain takes them; `null` while something is missing. */
export function termsOf(draft: TermsDraft, blockMs: number): TermsInput | null {
    const price = parseAmount(draft.price);
    if (price === null || draft.purposes.length === 0 || draft.licence.trim() === "") return null;
    return {
        price,
        purposes: draft.purposes,
        royalty_floor_ppm: Math.round(draft.royaltyPercent * 10_000),
        admission: draft.admission,
        access: draft.access,
        grant_blocks_max: Math.round((draft.days * 86_400_000) / blockMs),
        grant_uses_max: draft.uses,
        licence: draft.licence.trim(),
    };
}

export function TermsForm({ draft, onChange }: { draft: TermsDraft; onChange: (draft: TermsDraft) => void }) {
    const set = (change: Partial<TermsDraft>) => onChange({ ...draft, ...change });
    return (
        <>
            <div className="form-grid">
                <TextField
                    label={t.register.licence}
                    help={t.register.licenceHelp}
                    bytesMax={64}
                    value={draft.licence}
                    onChange={(licence) => set({ licence })}
                    problem={draft.licence.trim() === "" ? t.register.licenceRequired : null}
                />
                <AmountField
                    label={t.register.price}
                    help={t.register.priceHelp}
                    value={draft.price}
                    onChange={(price) => set({ price })}
                />
            </div>
            <Slider
                label={t.register.royalty}
                help={t.register.royaltyHelp}
                value={draft.royaltyPercent}
                onChange={(royaltyPercent) => set({ royaltyPercent })}
                min={0}
                max={90}
                step={1}
                format={(value) => `${value}%`}
            />
            <fieldset className="field">
                <legend className="label">{t.register.purposes}</legend>
                <div className="stack tight">
                    {PURPOSES.map((purpose) => (
                        <Checkbox
                            key={purpose}
                            isSelected={draft.purposes.includes(purpose)}
                            onChange={(on) =>
                                set({
                                    purposes: PURPOSES.filter((one) => (one === purpose ? on : draft.purposes.includes(one))),
                                })
                            }
                            detail={t.words.purposeHelp[purpose]}
                        >
                            {t.words.purposes[purpose]}
                        </Checkbox>
                    ))}
                </div>
                {draft.purposes.length === 0 && <span className="field-problem">{t.register.noPurpose}</span>}
            </fieldset>
            <ChoiceCards
                label={t.register.admission}
                columns={2}
                value={draft.admission}
                onChange={(admission) => set({ admission })}
                options={[
                    { value: "anyone", label: t.register.admissionAnyone, detail: t.register.admissionAnyoneHelp },
                    { value: "members", label: t.register.admissionMembers, detail: t.register.admissionMembersHelp },
                ]}
            />
            <ChoiceCards
                label={t.register.access}
                columns={2}
                value={draft.access}
                onChange={(access) => set({ access })}
                options={[
                    { value: "on_request", label: t.register.accessRequest, detail: t.register.accessRequestHelp },
                    { value: "open", label: t.register.accessOpen, detail: t.register.accessOpenHelp },
                ]}
            />
            <div className="form-grid">
                <NumberField
                    label={t.register.days}
                    help={t.register.daysHelp}
                    value={draft.days}
                    onChange={(days) => set({ days })}
                    min={1}
                    max={3_650}
                />
                <NumberField
                    label={t.register.uses}
                    value={draft.uses}
                    onChange={(uses) => set({ uses })}
                    min={1}
                    max={1_000_000}
                />
            </div>
        </>
    );
}
