//! What stays after the story when it is to stay: the model is published and served, and the ModelFactory looks at it all.

use super::{
    cast::{Actor, Cast},
    ending::Ending,
    processes::free_port,
    story::{LOOK, START_PATIENCE, Story, own_program},
};
use crate::args::KEY_VARIABLE;
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};
use tributary_client::{Account, ChainClient, calls};
use tributary_daemon::http;
use tributary_protocol::{Amount, amount::TRIB, model::Prices};

/// What the model's owner asks for 1,000 tokens.
const PRICES: Prices = Prices { input_per_1000: TRIB / 10, output_per_1000: TRIB / 5 };
/// What the operator asks for them, the owner's price included.
const OFFER: [&str; 2] = ["0.2", "0.4"];
/// What the operator starts with.
const OPERATORS_MONEY: Amount = 100 * TRIB;
/// The processes' names, which are their logs' too.
const SERVER: &str = "server";
const STUDIO: &str = "studio";

/// Where what stays can be reached.
pub struct Staying {
    /// The ModelFactory.
    pub studio: String,
    /// The OpenAI-compatible API, with `/v1`.
    pub api: String,
    /// A key for it.
    pub key: String,
    /// What clients call the model.
    pub model: String,
    /// Who serves it.
    pub operator: Account,
}

impl Story {
    /// Publishes and serves the model, and starts the ModelFactory with the pages in `web`.
    pub async fn stay(&mut self, ending: &Ending, web: Option<&Path>) -> anyhow::Result<Staying> {
        let task = self.narrator.step("The model is published; an operator serves it; the ModelFactory opens");
        let client = ChainClient::connect(&self.node_url).await?;
        let cast = Cast::new(&client)?;
        cast.requester.does_for_good(&calls::models::publish(ending.model, PRICES)).await?;
        let operator = Actor::new(&client, "Operator")?;
        let money = calls::balances::transfer_keep_alive(operator.account(), OPERATORS_MONEY);
        cast.buyer.does_for_good(&money).await?;

        task.note("waiting for the server");
        let (own, state) = (own_program()?, self.folder.join("operator"));
        let port = free_port()?;
        let address = format!("http://127.0.0.1:{port}");
        let model = format!("tributary-model-{}", ending.model);
        let arguments = [
            "serve".to_owned(),
            format!("--node={}", self.node_url),
            format!("--state={}", state.display()),
            format!("--base={}", self.material.base.display()),
            "--all-published".to_owned(),
            format!("--provider={}", ending.trainer_exchange),
            format!("--endpoint={address}/v1"),
            format!("--price-in={}", OFFER[0]),
            format!("--price-out={}", OFFER[1]),
            format!("--listen=127.0.0.1:{port}"),
        ];
        let secret = operator.secret();
        self.processes.start(SERVER, &own, arguments, &[(KEY_VARIABLE, &secret)])?;
        self.wait_for(&format!("{address}/health")).await?;
        let key = api_key(&own, &state).await?;

        task.note("waiting for the ModelFactory");
        let port = free_port()?;
        let studio = format!("http://127.0.0.1:{port}");
        let mut arguments = vec![
            "studio".to_owned(),
            format!("--node={}", self.node_url),
            format!("--data={}", self.folder.join("studio").display()),
            format!("--base={}", self.material.base.display()),
            format!("--store={}", self.store().display()),
            format!("--provider={}", ending.trainer_exchange),
            format!("--serving={address}"),
            // The model is the requester's, whose key the ModelFactory has here.
            "--bundles".to_owned(),
            format!("--listen=127.0.0.1:{port}"),
        ];
        arguments.extend(self.http.iter().map(|trainer| format!("--trainer={trainer}")));
        arguments.extend(web.map(|folder| format!("--web={}", folder.display())));
        let requester = cast.requester.secret();
        self.processes.start(STUDIO, &own, arguments, &[(KEY_VARIABLE, &requester)])?;
        self.wait_for(&format!("{studio}/api/config")).await?;
        drop(task);
        self.narrator.tell(&format!("the ModelFactory: {studio}"));
        self.narrator.tell(&format!("OpenAI's API: {address}/v1, model {model}"));
        self.narrator.finish_step();
        Ok(Staying { studio, api: format!("{address}/v1"), key, model, operator: operator.account() })
    }

    /// Waits until a page is there; fails at once if a process has ended.
    async fn wait_for(&mut self, url: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        while http::get(url).await.is_err() {
            self.processes.check()?;
            ensure!(Instant::now() < deadline, "{url} does not come up");
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// A key of the operator's, made as its operator would.
async fn api_key(own: &PathBuf, state: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(own);
    command.args(["serve", "keys", "add", "--json", "--name", "demo", "--state"]).arg(state);
    let output = command.output().await.context("cannot make a key for the API")?;
    ensure!(output.status.success(), "cannot make a key for the API: {}", String::from_utf8_lossy(&output.stderr));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).context("no key for the API")?;
    Ok(made["key"].as_str().context("no key for the API")?.to_owned())
}
