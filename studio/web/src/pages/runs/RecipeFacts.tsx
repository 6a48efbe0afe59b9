import type { Job } from "../../api/client";
import { formatInteger, formatPpm, formatSignificant } from "../../lib/format";
import { t } from "../../strings/en";
import { Fact, Facts } from "../../ui/data";

export function RecipeFacts({ job }: { job: Job }) {
    const recipe = job.hyperparameters;
    const { fields } = t.build;
    const targets = Object.entries(recipe.targets).filter(([, on]) => on);
    return (
        <Facts columns={2}>
            <Fact name={t.build.base}>{job.base.name}</Fact>
            <Fact name={t.build.method}>{job.method.kind === "lora" ? t.build.lora : t.build.qlora}</Fact>
            <Fact name={t.build.purpose}>{t.words.purposes[job.purpose]}</Fact>
            <Fact name={t.build.credit}>{t.build.credits[job.attribution.kind]}</Fact>
            <Fact name={fields.learningRate}>{formatSignificant(recipe.learning_rate_nano / 1e9)}</Fact>
            <Fact name={fields.epochs}>{formatInteger(recipe.epochs)}</Fact>
            <Fact name={fields.batchSize}>
                {formatInteger(recipe.batch_size)}
                {recipe.accumulation > 1 && ` × ${recipe.accumulation}`}
            </Fact>
            <Fact name={fields.rank}>
                {recipe.rank} / {recipe.alpha}
            </Fact>
            <Fact name={fields.schedule}>{t.build.schedules[recipe.schedule]}</Fact>
            <Fact name={fields.sequence}>{formatInteger(recipe.sequence_tokens)}</Fact>
            <Fact name={fields.targets}>{targets.length === Object.keys(recipe.targets).length ? t.ui.all : targets.map(([name]) => name).join(", ")}</Fact>
            <Fact name={fields.validation}>{formatPpm(recipe.validation)}</Fact>
            <Fact name={fields.arithmetic}>{recipe.arithmetic === "fast" ? t.build.fast : t.build.deterministic}</Fact>
            <Fact name={fields.seed}>{recipe.seed}</Fact>
        </Facts>
    );
}
