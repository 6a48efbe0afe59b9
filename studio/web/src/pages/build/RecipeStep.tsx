import { useQuery } from "@tanstack/react-query";
import type { Hyperparameters } from "../../api/client";
import { baseModels } from "../../api/queries";
import { t } from "../../strings/en";
import { Checkbox, ChoiceCards, NumberField, Select } from "../../ui/fields";
import { Section } from "../../ui/Page";
import type { StepProps } from "./BuildPage";
import { CREDIT_ANSWERS, CREDIT_SIMPLE, presetOf, type Preset } from "./draft";

const TARGETS = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
    "q_a_proj",
    "q_b_proj",
    "kv_a_proj_with_mqa",
    "kv_b_proj",
    "qkv_proj",
    "gate_up_proj",
];

export function RecipeStep({ draft, config, change, footer }: StepProps) {
    const bases = useQuery(baseModels);
    const base = bases.data?.items.find((one) => one.id === draft.base) ?? null;
    const recipe = draft.hyperparameters;
    const set = (part: Partial<Hyperparameters>) => change({ preset: "custom", hyperparameters: { ...recipe, ...part } });
    const choosePreset = (preset: Preset) =>
        change(
            preset === "custom" ? { preset } : { preset, hyperparameters: presetOf(preset, base, config.defaults.hyperparameters) },
        );
    const noTargets = !TARGETS.some((name) => recipe.targets[name]);
    const patienceNeeds = recipe.patience > 0 && (recipe.evaluation_steps === 0 || recipe.validation === 0);
    return (
        <div className="stack">
            <Section title={t.build.recipeTitle} lead={t.build.recipeLead}>
                <ChoiceCards
                    label={t.build.preset}
                    value={draft.preset}
                    onChange={choosePreset}
                    options={[
                        ...(["taste", "balanced", "thorough"] as const).map((value) => ({
                            value: value as Preset,
                            label: t.build.presets[value].title,
                            detail: t.build.presets[value].text,
                        })),
                        ...(draft.preset === "custom"
                            ? [{ value: "custom" as Preset, label: t.build.presets.custom.title, detail: t.build.presets.custom.text }]
                            : []),
                    ]}
                />
                <ChoiceCards
                    label={t.build.method}
                    columns={2}
                    value={draft.method}
                    onChange={(method) => change({ method })}
                    options={[
                        { value: "lora", label: t.build.lora, detail: t.build.loraText },
                        { value: "qlora", label: t.build.qlora, detail: t.build.qloraText },
                    ]}
                />
                <ChoiceCards
                    label={t.build.credit}
                    value={draft.attribution.kind === "group_tangents" ? "answers" : draft.attribution.kind === "trac_in_cp" ? "simple" : "embedding"}
                    onChange={(kind) =>
                        change({
                            attribution:
                                kind === "answers" ? CREDIT_ANSWERS : kind === "simple" ? CREDIT_SIMPLE : { kind: "data_value_embedding" },
                        })
                    }
                    options={[
                        { value: "simple", label: t.build.credits.trac_in_cp, detail: t.build.creditSimpleText },
                        { value: "embedding", label: t.build.credits.data_value_embedding, detail: t.build.creditEmbeddingText },
                        { value: "answers", label: t.build.credits.group_tangents, detail: t.build.creditAnswersText },
                    ]}
                />
            </Section>
            <Section>
                <details className="more">
                    <summary>{t.build.advanced}</summary>
                    <div className="stack">
                        <h3>{t.build.groups.learning}</h3>
                        <div className="form-grid">
                            <NumberField
                                label={t.build.fields.learningRate}
                                help={t.build.help.learningRate}
                                value={recipe.learning_rate_nano / 1e9}
                                onChange={(rate) => set({ learning_rate_nano: Math.max(1, Math.round(rate * 1e9)) })}
                                min={1e-9}
                                max={1}
                                step={0.00001}
                                format={{ maximumFractionDigits: 9, maximumSignificantDigits: 6 }}
                            />
                            <NumberField
                                label={t.build.fields.epochs}
                                help={t.build.help.epochs}
                                value={recipe.epochs}
                                onChange={(epochs) => set({ epochs })}
                                min={1}
                                max={1_000}
                            />
                            <NumberField
                                label={t.build.fields.batchSize}
                                help={t.build.help.batchSize}
                                value={recipe.batch_size}
                                onChange={(batch_size) => set({ batch_size })}
                                min={1}
                                max={1_024}
                            />
                            <NumberField
                                label={t.build.fields.accumulation}
                                help={t.build.help.accumulation}
                                value={recipe.accumulation}
                                onChange={(accumulation) => set({ accumulation })}
                                min={1}
                                max={1_024}
                            />
                            <Select
                                label={t.build.fields.schedule}
                                help={t.build.help.schedule}
                                value={recipe.schedule}
                                onChange={(schedule) => set({ schedule })}
                                options={[
                                    { value: "constant", label: t.build.schedules.constant },
                                    { value: "linear", label: t.build.schedules.linear },
                                    { value: "cosine", label: t.build.schedules.cosine },
                                ]}
                            />
                            <Percent
                                label={t.build.fields.warmup}
                                help={t.build.help.warmup}
                                ppm={recipe.warmup}
                                onChange={(warmup) => set({ warmup })}
                                max={0.5}
                            />
                            <NumberField
                                label={t.build.fields.weightDecay}
                                help={t.build.help.weightDecay}
                                value={recipe.weight_decay_micro / 1e6}
                                onChange={(decay) => set({ weight_decay_micro: Math.round(decay * 1e6) })}
                                min={0}
                                max={1}
                                step={0.001}
                                format={{ maximumFractionDigits: 6 }}
                            />
                            <NumberField
                                label={t.build.fields.clip}
                                help={t.build.help.clip}
                                value={recipe.gradient_norm_max_micro / 1e6}
                                onChange={(norm) => set({ gradient_norm_max_micro: Math.round(norm * 1e6) })}
                                min={0}
                                max={1_000}
                                step={0.1}
                                format={{ maximumFractionDigits: 3 }}
                            />
                        </div>
                        <h3>{t.build.groups.adapter}</h3>
                        <div className="form-grid">
                            <NumberField
                                label={t.build.fields.rank}
                                help={t.build.help.rank}
                                value={recipe.rank}
                                onChange={(rank) => set({ rank })}
                                min={1}
                                max={1_024}
                            />
                            <NumberField
                                label={t.build.fields.alpha}
                                help={t.build.help.alpha}
                                value={recipe.alpha}
                                onChange={(alpha) => set({ alpha })}
                                min={1}
                                max={4_096}
                            />
                            <Percent
                                label={t.build.fields.dropout}
                                help={t.build.help.dropout}
                                ppm={recipe.dropout}
                                onChange={(dropout) => set({ dropout })}
                                max={0.9}
                            />
                        </div>
                        <fieldset className="field">
                            <legend className="label">{t.build.fields.targets}</legend>
                            <p className="field-help">{t.build.help.targets}</p>
                            <div className="target-grid">
                                {TARGETS.map((name) => (
                                    <Checkbox
                                        key={name}
                                        isSelected={recipe.targets[name] ?? false}
                                        onChange={(on) => set({ targets: { ...recipe.targets, [name]: on } })}
                                    >
                                        <code>{name}</code>
                                    </Checkbox>
                                ))}
                            </div>
                            {noTargets && <span className="field-problem">{t.build.noTargets}</span>}
                        </fieldset>
                        <div className="stack tight">
                            <Checkbox
                                isSelected={recipe.rank_stabilised}
                                onChange={(rank_stabilised) => set({ rank_stabilised })}
                                detail={t.build.help.rslora}
                            >
                                {t.build.fields.rslora}
                            </Checkbox>
                            <Checkbox
                                isSelected={recipe.weight_decomposed}
                                onChange={(weight_decomposed) => set({ weight_decomposed })}
                                detail={t.build.help.dora}
                            >
                                {t.build.fields.dora}
                            </Checkbox>
                        </div>
                        <h3>{t.build.groups.data}</h3>
                        <div className="form-grid">
                            <NumberField
                                label={t.build.fields.sequence}
                                help={t.build.help.sequence}
                                value={recipe.sequence_tokens}
                                onChange={(sequence_tokens) => set({ sequence_tokens })}
                                min={8}
                                max={131_072}
                            />
                            <Select
                                label={t.build.fields.template}
                                help={t.build.help.template}
                                value={recipe.template}
                                onChange={(template) => set({ template })}
                                options={[
                                    { value: "plain", label: t.build.templates.plain },
                                    { value: "chat", label: t.build.templates.chat },
                                ]}
                            />
                            <Percent
                                label={t.build.fields.validation}
                                help={t.build.help.validation}
                                ppm={recipe.validation}
                                onChange={(validation) => set({ validation })}
                                max={0.5}
                            />
                            <NumberField
                                label={t.build.fields.evaluationSteps}
                                help={t.build.help.evaluationSteps}
                                value={recipe.evaluation_steps}
                                onChange={(evaluation_steps) => set({ evaluation_steps })}
                                min={0}
                                max={1_000_000}
                            />
                            <NumberField
                                label={t.build.fields.patience}
                                help={t.build.help.patience}
                                value={recipe.patience}
                                onChange={(patience) => set({ patience })}
                                min={0}
                                max={1_000}
                                problem={patienceNeeds ? t.build.patienceNeeds : null}
                            />
                            <NumberField
                                label={t.build.fields.seed}
                                help={t.build.help.seed}
                                value={recipe.seed}
                                onChange={(seed) => set({ seed })}
                                min={0}
                                max={Number.MAX_SAFE_INTEGER}
                                format={{ useGrouping: false }}
                            />
                        </div>
                        <Checkbox isSelected={recipe.packing} onChange={(packing) => set({ packing })} detail={t.build.help.packing}>
                            {t.build.fields.packing}
                        </Checkbox>
                        <ChoiceCards
                            label={t.build.fields.arithmetic}
                            columns={2}
                            value={recipe.arithmetic}
                            onChange={(arithmetic) => set({ arithmetic })}
                            options={[
                                { value: "det-f32-v1", label: t.build.deterministic, detail: t.build.deterministicText },
                                { value: "fast", label: t.build.fast, detail: t.build.fastText },
                            ]}
                        />
                    </div>
                </details>
            </Section>
            {footer({ isDisabled: noTargets || patienceNeeds, why: noTargets ? t.build.noTargets : patienceNeeds ? t.build.patienceNeeds : null })}
        </div>
    );
}

function Percent(props: { label: string; help: string; ppm: number; max: number; onChange: (ppm: number) => void }) {
    return (
        <NumberField
            label={props.label}
            help={props.help}
            value={props.ppm / 1e6}
            onChange={(part) => props.onChange(Math.round(part * 1e6))}
            min={0}
            max={props.max}
            step={0.01}
            format={{ style: "percent", maximumFractionDigits: 2 }}
        />
    );
}
