//! Serving for pay.

use super::{ADAPTER_DISK_BYTES, Base, LOADERS, ServeArgs, announce, listen};
use crate::{amounts::Money, commands::blocking, context::Context, output::Output};
use serde_json::json;
use std::sync::Arc;
use tributary_daemon::shutdown_on_signals;
use tributary_protocol::model::Prices;
use tributary_serving::{
    AdapterDisk, EngineConfig, EngineThread, Jobs,
    api::{Api, ApiLimits, Server},
    operator::{OFFER_BLOCKS, OfferTerms, Operator, OperatorConfig, Redeeming, Running, Selection, TuningBase},
};

/// Serves until it is stopped. In this order: what was begun before is finished, models are deployed and offered, the engine
/// starts, the door opens; and at the end the door closes, answers that run are completed, what was sold is on the disk.
pub async fn serve(args: ServeArgs, context: &Context) -> anyhow::Result<Output> {
    args.check()?;
    let mut config = config(&args)?;
    let shutdown = shutdown_on_signals()?;
    // Taken first: nothing is written to the chain for a server that cannot listen.
    let listener = listen(args.listen).await?;
    let client = context.lasting_client().await?;
    let key = context.key_for(&client)?;
    let folder = config.base.clone();
    let base = blocking(move || Base::load(&folder)).await??;
    config.base_name = (!args.no_base).then(|| (base.name.clone(), base.template));

    let operator = Operator::prepare(config, client, key).await?;
    let disk = AdapterDisk::open(&operator.adapters_folder(), ADAPTER_DISK_BYTES, Box::new(operator.source()))?;
    let catalogue = operator.catalogue().clone();
    let mut running = operator.open(base.model.clone()).await?;

    let Base { model, tokenizer, content, .. } = base;
    let jobs: Option<Arc<dyn Jobs>> = match args.tune.config(&args.state()?, &args.base, &tokenizer)? {
        None => None,
        Some(config) => {
            let base = TuningBase { model: model.clone(), tokenizer: tokenizer.clone(), content };
            Some(Arc::new(args.tune.start(config, &mut running, base, context.json()).await?))
        }
    };
    let engine = EngineThread::start(model.clone(), Some(tokenizer.clone()), disk, EngineConfig::default(), LOADERS)?;
    let api = Api {
        engine: engine.clone(),
        model,
        tokenizer,
        base: content,
        catalogue,
        till: Arc::new(running.till()),
        jobs,
        limits: ApiLimits::default(),
        pages: running.pages(),
    };
    let server = Server::new(api)?;
    tell(&running, listener.local_addr()?, context.json());
    server.serve(listener, shutdown).await?;
    engine.stop().await?;
    running.stop().await?;
    Ok(Output::default())
}

fn config(args: &ServeArgs) -> anyhow::Result<OperatorConfig> {
    let mut config = OperatorConfig::new(args.state()?, args.base.folder()?);
    config.models = match (args.all_deployed, args.all_published) {
        (true, _) => Selection::AllDeployed,
        (_, true) => Selection::AllPublished { most: args.published_max },
        _ => Selection::These(args.models.clone()),
    };
    let prices = args.price_in.zip(args.price_out);
    config.offer = args.endpoint.clone().map(|endpoint| OfferTerms {
        endpoint,
        prices: prices.map(|(input, output)| Prices { input_per_1000: input.0, output_per_1000: output.0 }),
        blocks: OFFER_BLOCKS,
    });
    config.providers = args.providers.clone();
    config.exposure = args.exposure();
    config.redeeming = Redeeming { amount: args.redeem_at.0, blocks: args.redeem_after, ..Redeeming::default() };
    Ok(config)
}

/// Says what was done on the chain, and what is served where.
fn tell(running: &Running, address: std::net::SocketAddr, json: bool) {
    let chain = running.desk().chain();
    let mut lines = Vec::new();
    for offered in running.offered() {
        if let Some(endpoint) = &offered.deployed {
            lines.push(format!("model {} is deployed at {endpoint}", offered.model));
        }
        if let Some(prices) = &offered.offered {
            let (input, output) = (Money(prices.input_per_1000), Money(prices.output_per_1000));
            lines.push(format!("model {} is offered: {input} in, {output} out, per 1,000 tokens", offered.model));
        }
    }
    let mut models = Vec::new();
    for entry in running.desk().catalogue().entries() {
        let state = match (entry.standing.may_serve, entry.standing.offer) {
            (true, Some(offer)) => format!("offered until block {}", offer.until),
            (true, None) => "not offered, so nobody can buy; hint: --endpoint".to_owned(),
            (false, _) => "may not be served at the moment".to_owned(),
        };
        lines.push(format!("{} answers as model {}: {state}", entry.served.id, entry.model));
        models.push(json!({ "id": entry.served.id, "model": entry.model, "may_serve": entry.standing.may_serve }));
    }
    lines.push(format!("operator {}, answering on http://{address}/v1", chain.operator()));
    announce(json, &json!({ "address": address, "operator": chain.operator(), "models": models }), &lines);
}
