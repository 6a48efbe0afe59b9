//! `tributary attribution suspects`: the samples of a job that look wrong, for a curator to look at.

use super::{
    blocking,
    explain::{Subject, subject},
    inputs::InputArgs,
};
use crate::{
    context::Context,
    output::{Output, Record},
};
use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use tributary_attribution::{AttributionReport, ScreenSettings, Suspicion, screen as screened, unobserved};
use tributary_client::Account;
use tributary_lora::{DataConfig, Dataset};
use tributary_protocol::{ContentHash, ContributionId, sample::CanonicalLine};

/// A job, and where the inputs come from.
#[derive(Args, Clone, Debug)]
pub struct SuspectsArgs {
    #[command(flatten)]
    from: InputArgs,
    /// Samples to show, the most suspicious first
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    top: usize,
}

/// A sample that looks wrong.
#[derive(Clone, Debug, Serialize)]
struct SuspectView {
    sample: ContentHash,
    contribution: ContributionId,
    contributor: Account,
    /// The mean of its ranks in what is left of its loss and in how far learning it hurts the others, from 0 to 1.
    score: f64,
    prompt: String,
    completion: String,
}

impl Record for SuspectView {
    const COLUMNS: &'static [&'static str] = &["score", "contribution", "contributor", "prompt", "completion"];

    fn row(&self) -> Vec<String> {
        vec![
            format!("{:.2}", self.score),
            self.contribution.to_string(),
            self.contributor.to_string(),
            self.prompt.clone(),
            self.completion.clone(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        Self::COLUMNS.iter().copied().zip(self.row()).collect()
    }
}

/// Screens the samples of a job that are at hand.
pub async fn suspects(context: &Context, args: SuspectsArgs) -> anyhow::Result<Output> {
    let subject = subject(context, &args.from).await?;
    blocking(move || -> anyhow::Result<Output> {
        let report = subject.bundle.evidence()?;
        let owners = owners(&report);
        let mut lines: Vec<&CanonicalLine> =
            subject.lines.values().filter(|line| owners.contains_key(&line.hash())).collect();
        lines.sort_unstable_by_key(|line| line.hash());
        ensure!(
            !lines.is_empty(),
            "none of the given files has a sample that the job was trained on\nhint: --data with the contributions' files"
        );
        let of_all = owners.len();
        let found = screen(&subject, &lines)?;
        let (screened, shown) = (found.len(), args.top.min(found.len()));
        let views: Vec<SuspectView> = found.into_iter().take(args.top).filter_map(|one| view(&one, &subject, &owners)).collect();
        let text = format!(
            "{}\n{shown} of {screened} samples at hand, of {of_all} that the job was trained on; a right sample that is unlike all others stands high here too",
            Output::list(&views).text()
        );
        Ok(Output::new(json!({ "screened": screened, "trained_on": of_all, "suspects": views }), text))
    })
    .await?
}

/// Whose each sample is that was trained on.
fn owners(report: &AttributionReport) -> HashMap<ContentHash, (ContributionId, Account)> {
    let of_contribution = |part: &tributary_attribution::ContributionEvidence| {
        let owner = (part.contribution, Account(part.contributor.0));
        part.training.iter().map(move |sample| (sample.sample, owner)).collect::<Vec<_>>()
    };
    report.contributions.iter().flat_map(of_contribution).collect()
}

fn screen(subject: &Subject, lines: &[&CanonicalLine]) -> anyhow::Result<Vec<Suspicion>> {
    let data = DataConfig { validation_ppm: 0, packing: None, ..subject.recipe.data(subject.model.config()) };
    let lines: Vec<CanonicalLine> = lines.iter().copied().cloned().collect();
    let dataset = Dataset::encode(&lines, &subject.tokenizer, &data)?;
    Ok(screened(&subject.model, &subject.adapter, dataset.training(), ScreenSettings::default(), &unobserved)?)
}

fn view(
    found: &Suspicion,
    subject: &Subject,
    owners: &HashMap<ContentHash, (ContributionId, Account)>,
) -> Option<SuspectView> {
    let (contribution, contributor) = *owners.get(&found.sample)?;
    let sample = subject.lines.get(&found.sample)?.sample();
    Some(SuspectView {
        sample: found.sample,
        contribution,
        contributor,
        score: found.score,
        prompt: sample.prompt.clone(),
        completion: sample.completion.clone(),
    })
}
