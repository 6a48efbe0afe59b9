//! Fine-tuning for holders of keys.

use crate::{
    amounts::Money,
    args::{BaseArgs, RecipeArgs, recipe},
    output,
};
use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use tributary_client::{KeySource, Keypair};
use tributary_exchange::Multiaddr;
use tributary_lora::Tokenizer;
use tributary_protocol::recipe::Template;
use tributary_serving::{
    operator::{Running, TuningBase, TuningNetwork},
    tuning::TuningConfig,
};

/// How models are tuned for holders of keys, and what that may cost.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Fine-tuning (off without --tune-budget)")]
pub struct TuneArgs {
    /// Have models tuned for keys that have a budget (serve keys add --tuning-budget): what all their jobs may cost together.
    /// Deposits, which return, and fees come on top
    #[arg(long, value_name = "AMOUNT", conflicts_with = "local")]
    tune_budget: Option<Money>,
    /// File with the secret of the account that posts and pays the jobs and owns the models; your own account if left out
    #[arg(long, value_name = "FILE", requires = "tune_budget")]
    tune_key_file: Option<PathBuf>,
    /// Where trainers fetch the data of these jobs; may be given several times. They name what is printed at the start as a
    /// --provider of theirs
    #[arg(long, value_name = "MULTIADDR", default_values = ["/ip4/0.0.0.0/tcp/4002", "/ip4/0.0.0.0/udp/4002/quic-v1"])]
    tune_listen: Vec<Multiaddr>,
    /// A trainer's pages, such as http://127.0.0.1:9616, to follow runs by; may be given several times
    #[arg(long, value_name = "URL", requires = "tune_budget")]
    tune_trainer: Vec<String>,
    /// What a trainer is paid for 1,000 tokens that it reads; the chain's least price at least
    #[arg(long, value_name = "AMOUNT", default_value = "0.01")]
    tune_rate: Money,
    /// How models are trained where a job says "auto": JSON, as a bundle's recipe.json
    #[arg(long, value_name = "FILE", requires = "tune_budget")]
    tune_recipe: Option<PathBuf>,
    /// Most gigabytes of data that are kept for trainers
    #[arg(long, value_name = "GB", default_value_t = 32)]
    tune_data_gb: u64,
}

impl TuneArgs {
    /// What can be said before anything is started.
    pub fn check(&self) -> anyhow::Result<()> {
        for url in &self.tune_trainer {
            ensure!(
                url.starts_with("http://"),
                "{url} is no plain http:// address; hint: --tune-trainer http://HOST:PORT"
            );
        }
        Ok(())
    }

    /// The settings, if models are tuned at all.
    pub fn config(&self, state: &Path, base: &BaseArgs, tokenizer: &Tokenizer) -> anyhow::Result<Option<TuningConfig>> {
        let Some(budget) = self.tune_budget else { return Ok(None) };
        let mut usual = if base.base.is_some() { recipe::DEFAULT } else { recipe::TINY };
        if tokenizer.chat_template()?.is_some() {
            usual.hyperparameters.template = Template::Chat;
        }
        let recipe = RecipeArgs { recipe: self.tune_recipe.clone(), ..RecipeArgs::default() }.over(usual)?;
        let mut config = TuningConfig::new(state.join("tuning"), recipe, budget.0);
        config.rate = self.tune_rate.0;
        Ok(Some(config))
    }

    /// Begins, and says where trainers find the data.
    pub async fn start(
        &self,
        config: TuningConfig,
        running: &mut Running,
        base: TuningBase,
        json: bool,
    ) -> anyhow::Result<tributary_serving::tuning::Tuning> {
        let key = self.tune_key_file.as_ref().map(|path| Keypair::load(&KeySource::File(path.clone()))).transpose()?;
        let network = TuningNetwork {
            listen: self.tune_listen.clone(),
            trainers: self.tune_trainer.clone(),
            bytes: self.tune_data_gb.saturating_mul(1_000_000_000),
        };
        let file = config.folder.join("addresses");
        let (tuning, addresses) = running.tune(config, network, key, base).await?;
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let written = std::fs::write(&file, addresses.join("\n") + "\n");
        written.with_context(|| format!("cannot write {}", file.display()))?;
        let name = tuning.base_name().await?;
        if json {
            output::json_line(&json!({ "tunes": name, "data": addresses }));
        } else {
            match name {
                Some(name) => {
                    output::line(&format!("tuning {name} for keys with a budget; trainers fetch the data at"))
                }
                None => output::line(
                    "the base is not on the chain, so that nothing can be tuned; hint: tributary model register-base",
                ),
            }
            addresses.iter().for_each(|address| output::line(address));
        }
        Ok(tuning)
    }
}
