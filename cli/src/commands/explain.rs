//! `tributary attribution explain`, and checking what it wrote.

use super::{
    blocking,
    inputs::{InputArgs, Sources},
    model,
};
use crate::{
    context::Context,
    output::{Output, Record},
    views::{accuracy, units_percent},
};
use anyhow::{Context as _, ensure};
use candle_core::Device;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::{collections::HashMap, path::PathBuf, time::Instant};
use tributary_attribution::{AnswerEvidence, Explained, ExplainedModel};
use tributary_client::Account;
use tributary_daemon::{Bundle, Recipe, verify_bundle};
use tributary_lora::{Adapter, DataConfig, Dataset, Model, SamplingConfig, Tokenizer, data::Prompter, reply};
use tributary_protocol::{
    ContentHash, ContributionId, Ppm,
    answer::{Rule, attributed_part},
    sample::{CanonicalLine, Limits, ParsedSamples},
    sum_tree::Domain,
};

/// An answer, and where the inputs come from.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    #[command(flatten)]
    from: InputArgs,
    /// What was asked
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// What the model answered; what it answers now if left out
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
    /// Contributions to show, each with its samples
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    top: usize,
    /// Write the evidence to this file, for `attribution check-answer`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Evidence of an answer, and where the inputs come from.
#[derive(Args, Clone, Debug)]
pub struct CheckAnswerArgs {
    #[command(flatten)]
    from: InputArgs,
    /// The evidence, as `attribution explain --out` or an operator wrote it
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
    /// Check only that the units follow from the sketch; else the answer's gradient is computed again too
    #[arg(long)]
    integers_only: bool,
}

/// A contribution's part of an answer.
#[derive(Clone, Debug, Serialize)]
struct AnswerView {
    contribution: ContributionId,
    contributor: Account,
    /// Of the 10^9 that the answer would divide if all of it were attributed.
    units: u64,
    /// The samples behind it, the largest first, with their units and, where the data is at hand, their text.
    samples: Vec<SampleView>,
}

#[derive(Clone, Debug, Serialize)]
struct SampleView {
    sample: ContentHash,
    units: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Record for AnswerView {
    const COLUMNS: &'static [&'static str] = &["contribution", "contributor", "part", "because of"];

    fn row(&self) -> Vec<String> {
        let because = self
            .samples
            .first()
            .map_or_else(String::new, |sample| sample.text.clone().unwrap_or_else(|| sample.sample.to_string()));
        vec![self.contribution.to_string(), self.contributor.to_string(), units_percent(self.units), because]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        Self::COLUMNS.iter().copied().zip(self.row()).collect()
    }
}

/// A job's model with all that its answers are explained by.
pub(super) struct Subject {
    pub model: Model,
    pub tokenizer: Tokenizer,
    pub adapter: Adapter,
    pub bundle: Bundle,
    pub recipe: Recipe,
    /// The samples whose files are at hand.
    pub lines: HashMap<ContentHash, CanonicalLine>,
}

/// The job's bundle, checked against the chain, with its base model and the files that are given.
pub(super) async fn subject(context: &Context, args: &InputArgs) -> anyhow::Result<Subject> {
    let client = context.client().await?;
    let job = args.job;
    let (report, recipe) = model::report(&client, job).await?;
    let spec = client.latest().job(job).await?.context("the job was removed meanwhile")?.spec;
    let base = args.base_of(&client, &spec).await?;
    let mut sources = Sources::new(context, args);
    let bundle = sources.bundle(&report.bundle).await;
    let lines = sources.local_files().await;
    sources.stop().await;
    let (bytes, files) = (bundle?, lines?);
    let domain = Domain { genesis: client.genesis().0, job };
    blocking(move || -> anyhow::Result<Subject> {
        let bundle = verify_bundle(&bytes, &report, &recipe, &domain)?;
        let model = Model::load_with(&base, &Device::Cpu, recipe.precision(), recipe.arithmetic())?;
        let tokenizer = Tokenizer::from_dir(&base, model.config())?;
        let scratch = tempfile::Builder::new().prefix("tributary-explain-").tempdir()?;
        bundle.extract(scratch.path())?;
        let adapter = Adapter::load(scratch.path(), &model)?;
        let lines = files.into_values().flatten().map(|line| (line.hash(), line)).collect();
        Ok(Subject { model, tokenizer, adapter, bundle, recipe, lines })
    })
    .await?
}

/// Explains an answer of a job's model.
pub async fn explain(context: &Context, args: ExplainArgs) -> anyhow::Result<Output> {
    let subject = subject(context, &args.from).await?;
    blocking(move || -> anyhow::Result<Output> {
        let report = subject.bundle.evidence()?;
        let embeddings = subject.bundle.embeddings()?.with_context(|| {
            format!(
                "the job's attribution, {}, scores trainings and no answers\nhint: post a job with --attribution tangents",
                crate::views::attribution(report.method)
            )
        })?;
        let tangents = subject.bundle.tangents()?;
        let explained = ExplainedModel { report: &report, embeddings: &embeddings, tangents: tangents.as_ref() };
        let answer = match &args.answer {
            Some(answer) => answer.clone(),
            None => subject.answer(&args.prompt)?,
        };
        let line = json!({ "prompt": args.prompt, "completion": answer }).to_string();
        let lines = ParsedSamples::parse(line.as_bytes(), &Limits::DEFAULT)?.into_lines();
        let data = DataConfig { validation_ppm: 0, packing: None, ..subject.recipe.data(subject.model.config()) };
        let dataset = Dataset::encode(&lines, &subject.tokenizer, &data)?;
        let sample = dataset.training().first().context("the answer has no token")?;

        let began = Instant::now();
        let attributed = attributed_part(report.accuracy.as_ref());
        let paid = explained.explain(&subject.model, &subject.adapter, sample, &Rule::new(attributed))?;
        let seconds = began.elapsed().as_secs_f64();
        // What is shown is who shaped the answer, whether or not it is paid by that.
        let whole = explained.explain(&subject.model, &subject.adapter, sample, &Rule::new(Ppm::ONE))?;
        if let Some(path) = &args.out {
            std::fs::write(path, paid.evidence.to_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let views: Vec<AnswerView> = subject.views(&whole, args.top);
        let summary = [
            ("answer", answer),
            ("attributed", accuracy(report.accuracy.as_ref(), attributed)),
            ("to nobody in particular", units_percent(whole.evidence.base)),
            ("evidence", paid.evidence.hash().to_string()),
            ("seconds", format!("{seconds:.3}")),
        ];
        let json = json!({
            "answer": summary[0].1, "attributed_ppm": attributed, "base": whole.evidence.base, "seconds": seconds,
            "fallback": whole.evidence.fallback, "contributions": views, "evidence": paid.evidence.hash(),
        });
        let text: Vec<String> = summary.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Ok(Output::new(json, format!("{}\n{}", Output::list(&views).text(), text.join("\n"))))
    })
    .await?
}

/// Checks the evidence of an answer.
pub async fn check_answer(context: &Context, args: CheckAnswerArgs) -> anyhow::Result<Output> {
    let bytes = std::fs::read(&args.evidence).with_context(|| format!("cannot read {}", args.evidence.display()))?;
    let evidence =
        AnswerEvidence::from_bytes(&bytes).with_context(|| format!("{} is no evidence", args.evidence.display()))?;
    let subject = subject(context, &args.from).await?;
    blocking(move || -> anyhow::Result<Output> {
        let report = subject.bundle.evidence()?;
        let embeddings =
            subject.bundle.embeddings()?.context("the job made no embeddings: its answers have no evidence")?;
        let tangents = subject.bundle.tangents()?;
        let explained = ExplainedModel { report: &report, embeddings: &embeddings, tangents: tangents.as_ref() };
        ensure!(
            evidence.rule == Rule::new(attributed_part(report.accuracy.as_ref())),
            "the evidence follows another rule than the model's accuracy gives"
        );
        let began = Instant::now();
        let whole = explained.check(&evidence)?;
        let integers = began.elapsed().as_secs_f64();
        let began = Instant::now();
        if !args.integers_only {
            ensure!(
                explained.repeat(&subject.model, &subject.adapter, &evidence)?,
                "the answer's tokens do not give this evidence{}",
                match subject.recipe.hyperparameters.arithmetic {
                    tributary_protocol::recipe::Arithmetic::DetF32V1 => "",
                    tributary_protocol::recipe::Arithmetic::Fast =>
                        " on this machine, and the job's arithmetic is not reproducible",
                }
            );
        }
        let gradient = began.elapsed().as_secs_f64();
        let views = subject.views(&whole, usize::MAX);
        let what = if args.integers_only { "follow from its sketch" } else { "follow from its tokens, bit for bit" };
        let text = format!(
            "{}\nthe answer's units {what} (integers {integers:.3} s, gradient {gradient:.3} s)",
            Output::list(&views).text()
        );
        let json = json!({
            "stands": true, "repeated": !args.integers_only, "evidence": evidence.hash(), "contributions": views,
            "base": evidence.base, "seconds": { "integers": integers, "gradient": gradient },
        });
        Ok(Output::new(json, text))
    })
    .await?
}

impl Subject {
    /// What the model answers, greedily.
    fn answer(&self, prompt: &str) -> anyhow::Result<String> {
        let data = self.recipe.data(self.model.config());
        let prompt = Prompter::new(&self.tokenizer, &data)?.question(prompt)?;
        Ok(reply(&self.model, Some(&self.adapter), &self.tokenizer, &prompt, SamplingConfig::default(), |_| {})?)
    }

    fn views(&self, explained: &Explained, top: usize) -> Vec<AnswerView> {
        let paid = explained.contributions.iter().filter(|share| share.units > 0);
        let sample = |(sample, units): &(ContentHash, u64)| SampleView {
            sample: *sample,
            units: *units,
            text: self.lines.get(sample).map(|line| format!("{} {}", line.sample().prompt, line.sample().completion)),
        };
        let view = |share: &tributary_attribution::ContributionShare| AnswerView {
            contribution: share.contribution,
            contributor: Account(share.contributor),
            units: share.units,
            samples: share.samples.iter().take(5).map(sample).collect(),
        };
        paid.take(top).map(view).collect()
    }
}
