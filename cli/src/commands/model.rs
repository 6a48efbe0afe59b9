//! `tributary model`.

use super::{blocking, done};
use crate::{
    amounts::Money,
    args::{BaseArgs, ProviderArgs, choices, parse},
    chat::Chat,
    context::Context,
    embedded,
    fetching::Fetching,
    output::{self, Output},
    views::{BaseModelView, GrantView, LineageView, ModelView},
};
use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};
use tributary_client::{ChainClient, Model, calls::models};
use tributary_daemon::{Recipe, verify_bundle};
use tributary_lora::{
    SamplingConfig, base_model_hash,
    data::{Role, Turn},
};
use tributary_protocol::{
    JobId, ModelId,
    access::Scope,
    datanet::Name,
    job::Report,
    model::{ModelFamily, Prices},
    recipe::Template,
    sum_tree::Domain,
};

/// Commands on models.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a base model by the hash of its folder; the files stay with you
    RegisterBase {
        #[command(flatten)]
        base: BaseArgs,
        /// Its name on the chain; the folder's if left out
        #[arg(long, value_parser = parse::name)]
        name: Option<Name>,
        /// Its family
        #[arg(long, default_value = "llama", value_parser = choices::family())]
        family: ModelFamily,
        /// Its licence, an SPDX expression
        #[arg(long, value_name = "SPDX", default_value = "Apache-2.0", value_parser = parse::name)]
        licence: Name,
    },
    /// List tuned models
    List {
        /// List base models instead
        #[arg(long)]
        bases: bool,
    },
    /// Show one tuned model
    Show {
        /// Its number
        #[arg(value_parser = parse::model)]
        model: ModelId,
    },
    /// Show where a model came from, down to each contribution
    Lineage {
        /// Its number
        #[arg(value_parser = parse::model)]
        model: ModelId,
    },
    /// Offer your model at these prices
    Publish(PricesArgs),
    /// Change your model's prices
    SetTerms(PricesArgs),
    /// Stop offering your model; its record and its stream stay
    Withdraw {
        /// Its number
        #[arg(value_parser = parse::model)]
        model: ModelId,
    },
    /// Fetch a model's bundle, check it against the chain, and unpack it as PEFT reads it
    Fetch {
        /// Its number
        #[arg(value_parser = parse::model)]
        model: ModelId,
        #[command(flatten)]
        from: ProviderArgs,
        /// Where to; must be empty or absent
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Chat with a model on this machine
    Chat {
        #[command(flatten)]
        base: BaseArgs,
        /// PEFT folder of the adapter; without it, the base model answers
        #[arg(long, value_name = "DIR")]
        adapter: Option<PathBuf>,
        /// Ask this and end
        #[arg(long)]
        prompt: Option<String>,
        /// What the system's turn says; the model needs a chat template
        #[arg(long, value_name = "TEXT")]
        system: Option<String>,
        /// How it is asked; as the adapter was trained, if its folder says how, else by its chat template if it has one
        #[arg(long, value_parser = choices::template())]
        template: Option<Template>,
        #[command(flatten)]
        sampling: SamplingArgs,
    },
    /// Ask the base model and the tuned model the same
    Compare {
        #[command(flatten)]
        base: BaseArgs,
        /// PEFT folder of the adapter
        #[arg(long, value_name = "DIR")]
        adapter: PathBuf,
        /// A question; may be given several times
        #[arg(long = "prompt")]
        prompts: Vec<String>,
        /// Questions with expected answers: {"question", "expected"} on each line; both models get a score
        #[arg(long, value_name = "FILE", required_unless_present = "prompts")]
        questions: Option<PathBuf>,
    },
}

/// What a model shall cost.
#[derive(Args, Clone, Debug)]
pub struct PricesArgs {
    /// Its number
    #[arg(value_parser = parse::model)]
    model: ModelId,
    /// Per 1,000 tokens of a request
    #[arg(long, value_name = "AMOUNT")]
    input: Money,
    /// Per 1,000 tokens of an answer
    #[arg(long, value_name = "AMOUNT")]
    output: Money,
}

impl PricesArgs {
    fn prices(&self) -> Prices {
        Prices { input_per_1000: self.input.0, output_per_1000: self.output.0 }
    }
}

/// How answers are chosen.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Most tokens of an answer
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// 0 takes the most likely token every time
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Only so many most likely tokens
    #[arg(long)]
    top_k: Option<usize>,
    /// Only the most likely tokens that together reach this probability
    #[arg(long)]
    top_p: Option<f32>,
    /// Seed of the choice
    #[arg(long, default_value_t = 0)]
    sampling_seed: u64,
}

impl From<SamplingArgs> for SamplingConfig {
    fn from(args: SamplingArgs) -> Self {
        Self {
            tokens_max: args.tokens,
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            seed: args.sampling_seed,
        }
    }
}

impl Command {
    /// Does it.
    pub async fn run(self, context: &Context) -> anyhow::Result<Output> {
        match self {
            Self::RegisterBase { base, name, family, licence } => {
                register_base(context, &base, name, family, &licence).await
            }
            Self::List { bases: true } => {
                let all = context.client().await?.latest().all_base_models().await?;
                let views: Vec<_> = all.into_iter().map(|(id, base)| BaseModelView::new(id, base)).collect();
                Ok(Output::list(&views))
            }
            Self::List { bases: false } => {
                let view = context.client().await?.latest();
                let mut views = Vec::new();
                for (id, model) in view.all_models().await? {
                    let affected = view.is_affected(id).await?.unwrap_or_default();
                    views.push(ModelView::new(id, model, affected));
                }
                Ok(Output::list(&views))
            }
            Self::Show { model } => {
                let client = context.client().await?;
                Ok(Output::record(&show(&client, model).await?))
            }
            Self::Lineage { model } => {
                let lineage = lineage(&context.client().await?, model).await?;
                let tree = lineage.tree();
                Ok(Output::new(lineage, tree))
            }
            Self::Publish(args) => {
                let receipt = context.signer().await?.submit(&models::publish(args.model, args.prices())).await?;
                Ok(done(&receipt, json!({ "model": args.model }), format!("model {} is offered", args.model)))
            }
            Self::SetTerms(args) => {
                let receipt = context.signer().await?.submit(&models::set_terms(args.model, args.prices())).await?;
                Ok(done(
                    &receipt,
                    json!({ "model": args.model }),
                    format!("changed the prices of model {}", args.model),
                ))
            }
            Self::Withdraw { model } => {
                let receipt = context.signer().await?.submit(&models::withdraw(model)).await?;
                Ok(done(&receipt, json!({ "model": model }), format!("model {model} is no longer offered")))
            }
            Self::Fetch { model, from, to } => fetch(context, model, from, to).await,
            Self::Chat { base, adapter, prompt, system, template, sampling } => {
                let (asked, json) = (Asked { base: base.folder()?, adapter, template, system }, context.json());
                blocking(move || chat(&asked, prompt, sampling.into(), json)).await?
            }
            Self::Compare { base, adapter, prompts, questions } => {
                let folder = base.folder()?;
                blocking(move || compare(&folder, &adapter, &prompts, questions.as_deref())).await?
            }
        }
    }
}

async fn register_base(
    context: &Context,
    base: &BaseArgs,
    name: Option<Name>,
    family: ModelFamily,
    licence: &Name,
) -> anyhow::Result<Output> {
    let folder = base.folder()?;
    let name = match (name, &base.base) {
        (Some(name), _) => name,
        (None, None) => parse::name(embedded::BASE_NAME).map_err(anyhow::Error::msg)?,
        (None, Some(folder)) => {
            let last = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            parse::name(&last)
                .map_err(|reason| anyhow::anyhow!("the folder has no name for it ({reason})\nhint: --name"))?
        }
    };
    let (hash, parameters) = blocking(move || {
        // Loading checks that it is a model that trainers can tune.
        let parameters = Chat::load(&folder, Template::Plain)?.parameters();
        anyhow::Ok((base_model_hash(&folder)?, parameters))
    })
    .await??;
    let call = models::register_base(&name, family, hash, parameters as u64, licence);
    let receipt = context.signer().await?.submit(&call).await?;
    let id = receipt.base_model()?;
    let sentence = format!("registered base model {id}: {parameters} parameters, content {hash}");
    Ok(done(&receipt, json!({ "base_model": id, "content": hash, "parameters": parameters }), sentence))
}

/// A model's record.
pub async fn show(client: &ChainClient, id: ModelId) -> anyhow::Result<ModelView> {
    let view = client.latest();
    let model = find(client, id).await?;
    let affected = view.is_affected(id).await?.unwrap_or_default();
    Ok(ModelView::new(id, model, affected))
}

async fn find(client: &ChainClient, id: ModelId) -> anyhow::Result<Model> {
    client.latest().model(id).await?.with_context(|| format!("there is no model {id}; hint: tributary model list"))
}

/// A model's lineage, put together from the chain's records.
pub async fn lineage(client: &ChainClient, id: ModelId) -> anyhow::Result<LineageView> {
    use crate::views::{LineageData, LineagePart};

    let view = client.latest();
    let model = find(client, id).await?;
    let base = view.base_model(model.lineage.base).await?.context("the model's base is not on the chain")?;
    let mut data = Vec::new();
    for used in model.lineage.data.iter().copied() {
        let datanet = view.datanet(used.version.datanet).await?;
        let grant = view.grant(used.grant).await?.map(|grant| GrantView::new(used.grant, grant));
        let part = |(entry, contributor): (tributary_protocol::datanet::VersionEntry, _)| LineagePart {
            contribution: entry.contribution,
            contributor,
            samples: entry.samples.samples,
            blob: entry.samples.blob,
        };
        data.push(LineageData {
            used,
            datanet_name: datanet.map(|datanet| crate::views::text(&datanet.name)).unwrap_or_default(),
            grant_status: grant.map_or("removed", |grant| grant.status()).to_owned(),
            contributions: view.entries(used.version).await?.into_iter().map(part).collect(),
        });
    }
    Ok(LineageView {
        model: id,
        adapter: model.adapter,
        job: model.lineage.job,
        trainer: model.lineage.trainer,
        base: model.lineage.base,
        base_name: crate::views::text(&base.name),
        base_content: base.content,
        purpose: model.lineage.purpose,
        data,
    })
}

/// The report of a job that has one, and its recipe.
pub async fn report(client: &ChainClient, job: JobId) -> anyhow::Result<(Report, Recipe)> {
    use tributary_client::JobState;

    let found =
        client.latest().job(job).await?.with_context(|| format!("there is no job {job}; hint: tributary job list"))?;
    let recipe = Recipe::from(&found.spec);
    match found.state {
        JobState::Reported { report, .. } | JobState::Disputed { report, .. } | JobState::Settled { report, .. } => {
            Ok((report, recipe))
        }
        state => bail!("job {job} is {}: it has no report", state.stage()),
    }
}

async fn fetch(context: &Context, id: ModelId, from: ProviderArgs, to: PathBuf) -> anyhow::Result<Output> {
    let occupied = std::fs::read_dir(&to).is_ok_and(|mut entries| entries.next().is_some());
    ensure!(!occupied, "{} is not empty\nhint: choose another folder", to.display());
    let signer = context.signer().await?;
    let job = find(signer.client(), id).await?.lineage.job;
    let (report, recipe) = report(signer.client(), job).await?;
    let fetching = Fetching::start(&signer, from.providers).await?;
    let bytes = fetching.get("the bundle", Scope::Bundle(job), report.bundle, None).await;
    fetching.stop().await;
    let bytes = bytes?;
    let domain = Domain { genesis: signer.client().genesis().0, job };
    let folder = to.clone();
    blocking(move || -> anyhow::Result<()> {
        let bundle = verify_bundle(&bytes, &report, &recipe, &domain)?;
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(bundle.extract(&folder)?)
    })
    .await??;
    let text = format!("model {id}, checked against job {job}'s report, is in {}", to.display());
    Ok(Output::new(json!({ "model": id, "job": job, "adapter": report.adapter, "folder": to }), text))
}

/// Answers one prompt, or every line of the input, each of which the model knows the turns before.
fn chat(asked: &Asked, prompt: Option<String>, config: SamplingConfig, json: bool) -> anyhow::Result<Output> {
    let Asked { base, adapter, template, system } = asked;
    let chat = match template {
        Some(template) => Chat::load(base, *template)?,
        None => Chat::load_for(base, adapter.as_deref())?,
    };
    let adapter = adapter.as_deref().map(|folder| chat.adapter(folder)).transpose()?;
    let adapter = adapter.as_ref();
    anyhow::ensure!(
        system.is_none() || chat.holds_conversations(),
        "the model is asked without a chat template, where no system's turn has a place"
    );
    let start: Vec<Turn> = system.iter().map(|text| Turn::new(Role::System, text)).collect();
    if let Some(prompt) = prompt {
        let mut turns = start;
        turns.push(Turn::new(Role::User, &prompt));
        let answer = chat.converse(adapter, &mut turns, config, |_| {})?;
        return Ok(Output::new(json!({ "prompt": prompt, "answer": answer }), answer.clone()));
    }
    let person = std::io::stdin().is_terminal();
    if person {
        eprintln!("Ask something; an empty line or Ctrl-D ends.");
    }
    let mut turns = start.clone();
    for line in std::io::stdin().lock().lines() {
        let line = line.context("the input cannot be read")?;
        let prompt = match line.trim() {
            "" if person => break,
            "" => continue,
            prompt => prompt,
        };
        if !chat.holds_conversations() {
            turns = start.clone();
        }
        turns.push(Turn::new(Role::User, prompt));
        if json {
            let answer = chat.converse(adapter, &mut turns, config, |_| {})?;
            output::json_line(&json!({ "prompt": prompt, "answer": answer }));
            continue;
        }
        let mut out = std::io::stdout().lock();
        chat.converse(adapter, &mut turns, config, |text| {
            // As with every output: a reader that has gone is no error.
            let _ = write!(out, "{text}").and_then(|()| out.flush());
        })?;
        let _ = writeln!(out);
    }
    Ok(Output::default())
}

/// Who is asked, and how.
struct Asked {
    base: PathBuf,
    adapter: Option<PathBuf>,
    template: Option<Template>,
    system: Option<String>,
}

fn compare(base: &Path, adapter: &Path, prompts: &[String], questions: Option<&Path>) -> anyhow::Result<Output> {
    let chat = Chat::load_for(base, Some(adapter))?;
    let adapter = chat.adapter(adapter)?;
    let config = SamplingConfig { tokens_max: 64, ..SamplingConfig::default() };
    let mut answers = Vec::new();
    let mut text = Vec::new();
    for prompt in prompts {
        let before = chat.answer(None, prompt, config, |_| {})?;
        let after = chat.answer(Some(&adapter), prompt, config, |_| {})?;
        text.push(format!("{prompt}\n  base   {before}\n  tuned  {after}"));
        answers.push(json!({ "prompt": prompt, "base": before, "tuned": after }));
    }
    let mut scores = serde_json::Value::Null;
    if let Some(path) = questions {
        let file = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let questions = embedded::questions(&file)?;
        let (before, after) = (chat.examine(None, &questions)?, chat.examine(Some(&adapter), &questions)?);
        for ((question, (before, was)), (after, is)) in questions.iter().zip(&before).zip(&after) {
            let mark = |right: &bool| if *right { '+' } else { '-' };
            text.push(format!(
                "{} (expected: {})\n{} base   {before}\n{} tuned  {after}",
                question.question,
                question.expected,
                mark(was),
                mark(is)
            ));
            answers.push(json!({
                "prompt": question.question, "expected": question.expected,
                "base": before, "base_right": was, "tuned": after, "tuned_right": is,
            }));
        }
        let right = |answers: &[(String, bool)]| answers.iter().filter(|(_, right)| *right).count();
        let (before, after, all) = (right(&before), right(&after), questions.len());
        text.push(format!("base {before} of {all}, tuned {after} of {all}"));
        scores = json!({ "base": before, "tuned": after, "questions": all });
    }
    Ok(Output::new(json!({ "answers": answers, "score": scores }), text.join("\n")))
}
