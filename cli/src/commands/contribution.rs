//! `tributary contribution`.

use super::{blocking, done};
use crate::{args::parse, context::Context, inbox, output::Output, views::ContributionView};
use anyhow::{Context as _, ensure};
use clap::Subcommand;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tributary_client::calls::datanets;
use tributary_protocol::{
    ContributionId, DatanetId,
    datanet::{Name, SampleCommitment, Text},
    sample::{Limits, LineError, ParsedSamples},
};

/// Commands on contributions.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a JSONL file and show what would be committed to; sends nothing
    Check {
        /// One JSON object a line: {prompt, completion} or {instruction, input?, output}
        file: PathBuf,
        /// Leave out samples that stand in the file already
        #[arg(long)]
        skip_duplicates: bool,
    },
    /// Submit a JSONL file: the samples go to your data provider, their commitment to the chain
    Submit {
        /// The Datanet
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
        /// One JSON object a line: {prompt, completion} or {instruction, input?, output}
        file: PathBuf,
        /// Licence of the samples, an SPDX expression
        #[arg(long, value_name = "SPDX", value_parser = parse::name)]
        licence: Name,
        /// Store folder of the data provider that will serve the samples; it may be running
        #[arg(long, value_name = "DIR")]
        store: PathBuf,
        /// Leave out samples that stand in the file already
        #[arg(long)]
        skip_duplicates: bool,
    },
    /// Accept contributions into the next version
    Accept {
        /// Their numbers
        #[arg(required = true, value_parser = parse::contribution)]
        contributions: Vec<ContributionId>,
    },
    /// Refuse a contribution, and say why
    Reject {
        /// Its number
        #[arg(value_parser = parse::contribution)]
        contribution: ContributionId,
        /// Why, for its contributor and everybody else
        #[arg(long, value_parser = parse::text)]
        reason: Text,
    },
    /// Take your contribution back; published versions keep it
    Withdraw {
        /// Its number
        #[arg(value_parser = parse::contribution)]
        contribution: ContributionId,
    },
    /// List the contributions to a Datanet
    List {
        /// The Datanet
        #[arg(value_parser = parse::datanet)]
        datanet: DatanetId,
        /// Only those that wait for a curator
        #[arg(long)]
        pending: bool,
    },
    /// Show one contribution
    Show {
        /// Its number
        #[arg(value_parser = parse::contribution)]
        contribution: ContributionId,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::Check { file, skip_duplicates } => {
                let (samples, left_out) = blocking(move || read(&file, skip_duplicates)).await??;
                Ok(checked(&samples.commitment(), &left_out))
            }
            Self::Submit { datanet, file, licence, store, skip_duplicates } => {
                let (samples, _) = blocking(move || read(&file, skip_duplicates)).await??;
                let commitment = samples.commitment();
                let signer = context.signer().await?;
                // The file first: a commitment whose file nobody has is of no use.
                let held = store.clone();
                blocking(move || inbox::put(&held, &samples.canonical_file())).await??;
                let receipt = signer.submit(&datanets::submit_contribution(datanet, &commitment, &licence)).await?;
                let contribution = receipt.contribution()?;
                let sentence = format!(
                    "submitted contribution {contribution}: {} samples, held for the provider in {}",
                    commitment.samples,
                    store.display()
                );
                Ok(done(&receipt, json!({ "contribution": contribution, "samples": commitment }), sentence))
            }
            Self::Accept { contributions } => {
                let signer = context.signer().await?;
                let calls: Vec<_> = contributions.iter().map(|id| datanets::accept(*id)).collect();
                let call = match <[_; 1]>::try_from(calls) {
                    Ok([call]) => call,
                    Err(calls) => tributary_client::calls::utility::batch_all(calls),
                };
                let receipt = signer.submit(&call).await?;
                let sentence = format!("accepted {} into the next version", contributions.len());
                Ok(done(&receipt, json!({ "accepted": contributions }), sentence))
            }
            Self::Reject { contribution, reason } => {
                let receipt = context.signer().await?.submit(&datanets::reject(contribution, &reason)).await?;
                Ok(done(&receipt, json!({ "rejected": contribution }), format!("rejected contribution {contribution}")))
            }
            Self::Withdraw { contribution } => {
                let receipt = context.signer().await?.submit(&datanets::withdraw(contribution)).await?;
                Ok(done(
                    &receipt,
                    json!({ "withdrawn": contribution }),
                    format!("withdrew contribution {contribution}"),
                ))
            }
            Self::List { datanet, pending } => {
                let all = context.client().await?.latest().all_contributions(datanet).await?;
                let wanted = all.into_iter().filter(|(_, contribution)| {
                    !pending || contribution.status == tributary_protocol::datanet::ContributionStatus::Pending
                });
                let views: Vec<_> = wanted.map(|(id, contribution)| ContributionView::new(id, contribution)).collect();
                Ok(Output::list(&views))
            }
            Self::Show { contribution } => {
                let found = context.client().await?.latest().contribution(contribution).await?;
                let found = found.with_context(|| format!("there is no contribution {contribution}"))?;
                Ok(Output::record(&ContributionView::new(contribution, found)))
            }
        }
    }
}

/// Reads a file of samples. A file that is too large is refused before it is read.
pub fn read(path: &Path, skip_duplicates: bool) -> anyhow::Result<(ParsedSamples, Vec<LineError>)> {
    let failed = || format!("cannot read {}", path.display());
    let bytes = fs::metadata(path).with_context(failed)?.len();
    let max = Limits::DEFAULT.file_bytes;
    ensure!(
        bytes <= max as u64,
        "{} has {bytes} bytes, more than {max}\nhint: submit it as several contributions",
        path.display()
    );
    let file = fs::read(path).with_context(failed)?;
    Ok(if skip_duplicates {
        ParsedSamples::parse_skipping_duplicates(&file, &Limits::DEFAULT)?
    } else {
        (ParsedSamples::parse(&file, &Limits::DEFAULT)?, Vec::new())
    })
}

fn checked(commitment: &SampleCommitment, left_out: &[LineError]) -> Output {
    let left_out: Vec<String> = left_out.iter().map(LineError::to_string).collect();
    let mut fields = vec![
        ("samples", commitment.samples.to_string()),
        ("bytes", commitment.bytes.to_string()),
        ("sample root", commitment.root.to_string()),
        ("blob", commitment.blob.to_string()),
    ];
    if !left_out.is_empty() {
        fields.push(("left out", left_out.join("\n")));
    }
    Output::new(json!({ "samples": commitment, "left_out": left_out }), crate::output::fields(&fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::sample::SamplesError;

    #[test]
    fn every_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.jsonl");
        fs::write(&path, b"{\"prompt\":\"a\",\"completion\":\"b\"}\n\n{\"prompt\":\"a\"}\n\xff\n{\"prompt\":\"a\",\"completion\":\"b\"}\n").unwrap();
        let error = read(&path, false).unwrap_err();
        let Some(SamplesError::Lines(lines)) = error.downcast_ref() else { panic!("{error}") };
        assert_eq!(lines.first.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn a_wrong_file_is_refused_before_anything_is_kept_or_sent() {
        let folder = tempfile::tempdir().unwrap();
        let (file, store) = (folder.path().join("data.jsonl"), folder.path().join("store"));
        let good = "{\"prompt\":\"a\",\"completion\":\"b\"}\n";
        let cases: [(Vec<u8>, &str); 5] = [
            (Vec::new(), "the file is empty"),
            (format!("{good}{{\"prompt\":\n").into(), "line 2: malformed JSON at column 10"),
            (format!("{good}\n").into(), "line 2: blank line"),
            ([good.as_bytes(), b"\xff\n"].concat(), "line 2: not UTF-8 at byte 1"),
            (good.repeat(2).into(), "line 2: the same sample as line 1"),
        ];
        // Nobody listens there: whoever tries to send anything says so.
        let context = Context::new(crate::args::Globals {
            json: false,
            node: "ws://127.0.0.1:1".into(),
            key_file: None,
            dev_account: Some("alice".into()),
        });
        for (content, expected) in cases {
            fs::write(&file, &content).unwrap();
            let submit = Command::Submit {
                datanet: DatanetId(0),
                file: file.clone(),
                licence: parse::name("MIT").unwrap(),
                store: store.clone(),
                skip_duplicates: false,
            };
            let error = submit.run(&context).await.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            let import = super::super::provider::Command::Import { file: file.clone(), store: store.clone() };
            let error = import.run(&context).await.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!store.exists(), "a store for {expected}");
            assert_eq!(fs::read(&file).unwrap(), content);
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.jsonl");
        // Sparse: it takes no room, and reading it would say that a line is too long.
        fs::File::create(&path).unwrap().set_len(Limits::DEFAULT.file_bytes as u64 + 1).unwrap();
        let error = read(&path, false).unwrap_err().to_string();
        assert!(error.contains("large.jsonl has 268435457 bytes, more than 268435456\nhint: "), "{error}");
    }

    #[test]
    fn duplicates_are_left_out_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.jsonl");
        let line = "{\"prompt\":\"a\",\"completion\":\"b\"}\n";
        fs::write(&path, line.repeat(2)).unwrap();
        assert!(read(&path, false).is_err());
        let (samples, left_out) = read(&path, true).unwrap();
        assert_eq!((samples.lines().len(), left_out.len()), (1, 1));
        assert!(read(&folder.path().join("absent"), false).is_err());
    }
}
