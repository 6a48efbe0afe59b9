//! This engine's side of `scripts/bench/serve`: does one unit of work for every line on its standard input.
//!
//! `bench_serve adapters MODEL FOLDER [count=64] [rank=8]` writes adapters of all linear layers, and their hashes to `FOLDER/order.txt`.
//! `bench_serve decode MODEL FOLDER [batch=8] [adapters=0] [prompt=4] [tokens=64]` answers a batch; 0 adapters: the base.
//! `bench_serve mixed MODEL FOLDER [requests=64] [adapters=15] [batch=8]` answers requests of mixed lengths and adapters.
//! `bench_serve hot MODEL FOLDER [slots=8] [hot=8] [clients=4] [requests=64]` has clients ask in turn for some adapters, with room
//! for others in memory; prints the median of the milliseconds to the first token.
//! `bench_serve api MODEL FOLDER [clients=8] [tokens=64]` answers as many at the same time, through the engine's handle and over HTTP in
//! streams; prints the milliseconds of both.
//! `bench_serve cold MODEL FOLDER` prints the milliseconds to the first token from an adapter in memory and from one on the disk.
//!
//! It prints a line when it is ready and one after each unit. `RAYON_NUM_THREADS` is the number of threads.

use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tributary_lora::{Adapter, LoraConfig, Model, Target, Tokenizer};
use tributary_protocol::ContentHash;
use tributary_protocol::recipe::Template;
use tributary_serving::api::{Api, ApiLimits, FolderCatalogue, OpenTill, Server};
use tributary_serving::{AdapterDisk, Engine, EngineConfig, EngineThread, Event, NoSource, Request, RequestId};

type Failure = Box<dyn std::error::Error>;

/// The settings after the folder.
struct Settings(HashMap<String, String>);

impl Settings {
    fn number(&self, key: &str, default: usize) -> Result<usize, Failure> {
        Ok(self.0.get(key).map_or(Ok(default), |text| text.parse())?)
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, model, folder, settings @ ..] = arguments.as_slice() else {
        return Err("adapters|decode|mixed|hot|cold|api MODEL FOLDER [KEY=VALUE]...".into());
    };
    let split = |setting: &String| setting.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let settings = Settings(settings.iter().filter_map(split).collect());
    let base = Path::new(model);
    let model = Arc::new(Model::load(base, &Device::Cpu)?);
    let folder = Path::new(folder);
    match what.as_str() {
        "adapters" => write_adapters(&model, folder, &settings),
        "decode" => decode(model, folder, &settings),
        "mixed" => mixed(model, folder, &settings),
        "hot" => hot(model, folder, &settings),
        "cold" => cold(model, folder),
        "api" => api(model, base, folder, &settings),
        other => Err(format!("{other:?} is none of adapters, decode, mixed, hot, cold and api").into()),
    }
}

/// The numbers that all programs compute on; the peers make the same.
fn tokens(first: usize, count: usize, vocabulary: usize) -> Vec<u32> {
    (first..first + count).map(|i| (i * 7919 % vocabulary) as u32).collect()
}

/// Calls `work` for every line of the standard input and prints what it returns.
fn serve(mut work: impl FnMut() -> Result<String, Failure>) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    for line in std::io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", work()?)?;
    }
    Ok(())
}

fn write_adapters(model: &Model, folder: &Path, settings: &Settings) -> Result<(), Failure> {
    let (count, rank) = (settings.number("count", 64)?, settings.number("rank", 8)?);
    let config = LoraConfig { rank, alpha: 16.0, targets: Target::ALL.into(), ..LoraConfig::default() };
    let mut order = String::new();
    for number in 0..count {
        let adapter = Adapter::new(model, config.clone(), number as u64)?;
        for (index, (name, variable)) in adapter.variables().into_iter().enumerate() {
            if name.contains("lora_B") {
                let value = |i: usize| 0.02 * ((i * 7 + index * 3 + number * 5) as f32).sin();
                let values = (0..variable.elem_count()).map(value).collect();
                variable.set(&Tensor::from_vec(values, variable.shape(), variable.device())?)?;
            }
        }
        let hash = adapter.content_hash()?;
        let place = folder.join(hash.to_string());
        std::fs::create_dir_all(&place)?;
        adapter.save(&place, "base")?;
        order += &format!("{hash}\n");
    }
    Ok(std::fs::write(folder.join("order.txt"), order)?)
}

fn order(folder: &Path) -> Result<Vec<ContentHash>, Failure> {
    let text = std::fs::read_to_string(folder.join("order.txt"))?;
    Ok(text.lines().map(|line| line.parse::<ContentHash>()).collect::<Result<_, _>>()?)
}

fn disk(folder: &Path) -> Result<AdapterDisk, Failure> {
    Ok(AdapterDisk::open(folder, u64::MAX, Box::new(NoSource))?)
}

/// Answers the requests and returns all tokens, request by request.
fn answer(engine: &mut Engine, requests: &[Request]) -> Result<Vec<Vec<u32>>, Failure> {
    let ids = requests.iter().map(|request| engine.submit(request.clone())).collect::<Result<Vec<_>, _>>()?;
    let mut made: HashMap<RequestId, Vec<u32>> = HashMap::new();
    while !engine.is_idle() {
        for (id, event) in engine.step()? {
            match event {
                Event::Token { chosen, .. } => made.entry(id).or_default().push(chosen.token),
                Event::Finished { .. } => {}
                Event::Failed(error) => return Err(error.into()),
            }
        }
    }
    Ok(ids.iter().map(|id| made.remove(id).unwrap_or_default()).collect())
}

fn text(answers: &[Vec<u32>]) -> String {
    answers.concat().iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

/// An engine that computes everything anew in each unit.
fn plain(sequences_max: usize) -> EngineConfig {
    EngineConfig { sequences_max, rows_max: 128.max(sequences_max), prefix_cache: false, ..EngineConfig::default() }
}

fn decode(model: Arc<Model>, folder: &Path, settings: &Settings) -> Result<(), Failure> {
    let (batch, adapters) = (settings.number("batch", 8)?, settings.number("adapters", 0)?);
    let (prompt, answers) = (settings.number("prompt", 4)?, settings.number("tokens", 64)?);
    let (order, vocabulary) = (order(folder)?, model.config().vocab_size);
    let requests: Vec<Request> = (0..batch)
        .map(|row| Request {
            adapter: (adapters > 0).then(|| order[row % adapters]),
            tokens_max: Some(answers),
            ..Request::new(tokens(row * prompt, prompt, vocabulary))
        })
        .collect();
    let mut engine = Engine::new(model, None, disk(folder)?, plain(batch))?;
    serve(|| Ok(text(&answer(&mut engine, &requests)?)))
}

/// Lengths of prompt and answer of a request, and its adapter; the peer makes the same.
fn mixture(number: usize, adapters: usize) -> (usize, usize, usize) {
    (16 + number * 37 % 145, 8 + number * 53 % 121, number * 29 % (adapters + 1))
}

fn mixed(model: Arc<Model>, folder: &Path, settings: &Settings) -> Result<(), Failure> {
    let (count, adapters) = (settings.number("requests", 64)?, settings.number("adapters", 15)?);
    let (order, vocabulary) = (order(folder)?, model.config().vocab_size);
    let requests: Vec<Request> = (0..count)
        .map(|number| {
            let (prompt, answers, which) = mixture(number, adapters);
            let adapter = which.checked_sub(1).map(|which| order[which]);
            Request { adapter, tokens_max: Some(answers), ..Request::new(tokens(number * 200, prompt, vocabulary)) }
        })
        .collect();
    let mut engine = Engine::new(model, None, disk(folder)?, plain(settings.number("batch", 8)?))?;
    serve(|| Ok(text(&answer(&mut engine, &requests)?)))
}

/// Milliseconds to the first token.
async fn first_token(engine: &EngineThread, request: Request) -> Result<f64, String> {
    let start = Instant::now();
    let mut answers = engine.submit(request).await.map_err(|error| error.to_string())?;
    let mut first = None;
    while let Some(event) = answers.next().await {
        match event {
            Event::Token { .. } => {
                first.get_or_insert_with(|| start.elapsed().as_secs_f64() * 1e3);
            }
            Event::Finished { .. } => {}
            Event::Failed(error) => return Err(error.to_string()),
        }
    }
    first.ok_or_else(|| "an answer without a token".into())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn hot(model: Arc<Model>, folder: &Path, settings: &Settings) -> Result<(), Failure> {
    let (slots, hot) = (settings.number("slots", 8)?, settings.number("hot", 8)?);
    let (clients, requests) = (settings.number("clients", 4)?, settings.number("requests", 64)?);
    let (order, vocabulary) = (order(folder)?, model.config().vocab_size);
    let size = std::fs::metadata(folder.join(order[0].to_string()).join(tributary_lora::WEIGHTS_FILE))?.len();
    // Files are a little longer than what they hold, and reservations are made by files.
    let config = EngineConfig { adapter_bytes: size * slots as u64 + (1 << 16), ..plain(16) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = runtime
        .block_on(async { EngineThread::start(model, None, disk(folder)?, config, 1).map_err(Failure::from) })?;
    let request = |number: usize| Request {
        adapter: Some(order[number % hot]),
        tokens_max: Some(16),
        ..Request::new(tokens(number * 50, 48, vocabulary))
    };
    serve(|| {
        runtime.block_on(async {
            let client = async |client: usize| -> Result<Vec<f64>, String> {
                let mut times = Vec::new();
                for number in (client..requests).step_by(clients) {
                    times.push(first_token(&engine, request(number)).await?);
                }
                Ok(times)
            };
            let mut times = Vec::new();
            for part in futures_of((0..clients).map(client)).await {
                times.extend(part?);
            }
            Ok(format!("{:.2}", median(times)))
        })
    })
}

/// Runs futures side by side on this thread.
async fn futures_of<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in pending.iter_mut().filter(|(_, result)| result.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *result = Some(value);
            }
        }
        match pending.iter().all(|(_, result)| result.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, result)| result).collect()
}

fn cold(model: Arc<Model>, folder: &Path) -> Result<(), Failure> {
    let (order, vocabulary) = (order(folder)?, model.config().vocab_size);
    let size = std::fs::metadata(folder.join(order[0].to_string()).join(tributary_lora::WEIGHTS_FILE))?.len();
    // Room for four, so that after a round over all of them the first ones are gone again.
    let config = EngineConfig { adapter_bytes: 4 * size + (1 << 16), ..plain(16) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = runtime
        .block_on(async { EngineThread::start(model, None, disk(folder)?, config, 1).map_err(Failure::from) })?;
    let mut number = 0;
    serve(|| {
        let (mut warm, mut cold) = (Vec::new(), Vec::new());
        for _ in 0..16 {
            let request = Request {
                adapter: Some(order[number % order.len()]),
                tokens_max: Some(1),
                ..Request::new(tokens(number * 50, 32, vocabulary))
            };
            number += 1;
            cold.push(runtime.block_on(first_token(&engine, request.clone()))?);
            warm.push(runtime.block_on(first_token(&engine, request))?);
        }
        Ok(format!("{:.2} {:.2}", median(warm), median(cold)))
    })
}

fn api(model: Arc<Model>, base: &Path, folder: &Path, settings: &Settings) -> Result<(), Failure> {
    let (clients, answers) = (settings.number("clients", 8)?, settings.number("tokens", 64)?);
    let vocabulary = model.config().vocab_size;
    let tokenizer = Arc::new(Tokenizer::from_dir(base, model.config())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    let engine = EngineThread::start(model.clone(), Some(tokenizer.clone()), disk(folder)?, plain(64), 1)?;
    let api = Api {
        engine: engine.clone(),
        model,
        tokenizer: tokenizer.clone(),
        base: ContentHash::default(),
        catalogue: Arc::new(FolderCatalogue::new("base", Template::Plain)),
        till: Arc::new(OpenTill),
        jobs: None,
        limits: ApiLimits::default(),
        pages: Default::default(),
    };
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(Server::new(api)?.serve(listener, Default::default()));
    let prompt = |client: usize| tokens(client * 50, 16, vocabulary);
    let alone = async |client: usize| -> Result<usize, String> {
        let request = Request {
            tokens_max: Some(answers),
            stop_tokens: tokenizer.ends().to_vec(),
            ..Request::new(prompt(client))
        };
        let mut events = engine.submit(request).await.map_err(|error| error.to_string())?;
        let mut count = 0;
        while let Some(event) = events.next().await {
            count += usize::from(matches!(event, Event::Token { .. }));
        }
        Ok(count)
    };
    let over_http = async |client: usize| -> Result<usize, String> {
        let body = format!(
            "{{\"model\":\"base\",\"prompt\":{:?},\"max_tokens\":{answers},\"temperature\":0,\"stream\":true,\
             \"stream_options\":{{\"include_usage\":true}}}}",
            prompt(client)
        );
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(address).await.map_err(failed)?;
        let head = format!(
            "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(failed)?;
        let count = answer.split("\"completion_tokens\":").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
        count.ok_or(answer)
    };
    serve(|| {
        let start = Instant::now();
        let made: usize = runtime.block_on(futures_of((0..clients).map(alone))).into_iter().sum::<Result<_, _>>()?;
        let bare = start.elapsed().as_secs_f64() * 1e3;
        let start = Instant::now();
        let sent: usize =
            runtime.block_on(futures_of((0..clients).map(over_http))).into_iter().sum::<Result<_, _>>()?;
        let served = start.elapsed().as_secs_f64() * 1e3;
        match made == sent {
            true => Ok(format!("{bare:.2} {served:.2}")),
            false => Err(format!("{made} tokens from the engine, {sent} over HTTP").into()),
        }
    })
}
