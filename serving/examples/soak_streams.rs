//! Many clients that read streams from one server for long: `soak_streams MODEL FOLDER [clients=200] [minutes=10] [adapters=16] [room=8]`.
//!
//! The adapters are those of `bench_serve adapters MODEL FOLDER`; there is room for some of them in memory. Each client asks the next model as soon
//! as its stream is over. A stream counts as whole if each line of it is JSON of the right form, its answer ends, and `[DONE]`
//! follows. Prints a line a minute; fails if a stream was not whole, or if the process takes more memory at the end than after
//! two minutes, by more than a tenth.

use candle_core::Device;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tributary_lora::{Model, Tokenizer};
use tributary_protocol::recipe::Template;
use tributary_serving::api::{Api, ApiLimits, FolderCatalogue, OpenTill, Server};
use tributary_serving::{AdapterDisk, EngineConfig, EngineThread};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Words that prompts are made of.
const WORDS: [&str; 8] = ["The", "tide", "comes", "in", "at", "noon", "they", "said"];

/// Broken streams that are told of.
const TOLD_MAX: u64 = 20;

#[derive(Default)]
struct Counts {
    whole: AtomicU64,
    broken: AtomicU64,
    tokens: AtomicU64,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, folder, settings @ ..] = arguments.as_slice() else {
        return Err("soak_streams MODEL FOLDER [clients=200] [minutes=10] [adapters=16] [room=8]".into());
    };
    let number = |name: &str, default: usize| -> Result<usize, Failure> {
        let found = settings.iter().find_map(|setting| setting.strip_prefix(name)?.strip_prefix('='));
        Ok(found.map_or(Ok(default), str::parse)?)
    };
    let (clients, minutes) = (number("clients", 200)?, number("minutes", 10)?);
    let (adapters, room) = (number("adapters", 16)?, number("room", 8)?);
    let (base, folder) = (Path::new(base), Path::new(folder));
    let model = Arc::new(Model::load(base, &Device::Cpu)?);
    let tokenizer = Arc::new(Tokenizer::from_dir(base, model.config())?);
    let mut catalogue = FolderCatalogue::new("base", Template::Plain);
    let mut names = vec!["base".to_owned()];
    let mut largest = 0;
    for hash in std::fs::read_to_string(folder.join("order.txt"))?.lines().take(adapters) {
        let name = format!("adapter-{}", names.len());
        catalogue.add(&name, &folder.join(hash))?;
        names.push(name);
        largest = largest.max(std::fs::metadata(folder.join(hash).join(tributary_lora::WEIGHTS_FILE))?.len());
    }
    let config = EngineConfig {
        kv_bytes: 256 << 20,
        adapter_bytes: largest * room as u64 + (1 << 16),
        ..EngineConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let cache = tempfile::tempdir()?;
    let disk = AdapterDisk::open(cache.path(), u64::MAX, Box::new(catalogue.clone()))?;
    let engine =
        runtime.block_on(async { EngineThread::start(model.clone(), Some(tokenizer.clone()), disk, config, 1) })?;
    let api = Api {
        engine,
        model,
        tokenizer,
        base: Default::default(),
        catalogue: Arc::new(catalogue),
        till: Arc::new(OpenTill),
        jobs: None,
        // All of them are one client to the server.
        limits: ApiLimits { requests_max: 2 * clients, requests_per_client_max: 2 * clients, ..ApiLimits::default() },
        pages: Default::default(),
    };
    let counts = Arc::new(Counts::default());
    let names = Arc::new(names);
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(Server::new(api)?.serve(listener, Default::default()));
        let until = Instant::now() + Duration::from_secs(60 * minutes as u64);
        let reading: Vec<_> = (0..clients)
            .map(|client| {
                let (counts, names) = (counts.clone(), names.clone());
                tokio::spawn(async move {
                    let mut number = client;
                    while Instant::now() < until {
                        match stream(address, &names, number).await {
                            Ok(tokens) => {
                                counts.whole.fetch_add(1, Ordering::Relaxed);
                                counts.tokens.fetch_add(tokens, Ordering::Relaxed);
                            }
                            Err(error) => {
                                if counts.broken.fetch_add(1, Ordering::Relaxed) < TOLD_MAX {
                                    eprintln!("client {client}: {error}");
                                }
                            }
                        }
                        number += clients;
                    }
                })
            })
            .collect();
        let mut resident = Vec::new();
        for minute in 1..=minutes {
            tokio::time::sleep(Duration::from_secs(60)).await;
            resident.push(resident_bytes()?);
            let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
            println!(
                "minute {minute}: {} whole streams, {} broken, {} tokens, {} MB",
                get(&counts.whole),
                get(&counts.broken),
                get(&counts.tokens),
                resident[minute - 1] >> 20,
            );
        }
        for client in reading {
            client.await?;
        }
        if counts.broken.load(Ordering::Relaxed) > 0 {
            return Err("streams were broken".into());
        }
        if let (Some(early), Some(late)) = (resident.get(1), resident.last())
            && late * 10 > early * 11
        {
            return Err(format!("memory grew from {} to {} MB", early >> 20, late >> 20).into());
        }
        Ok(())
    })
}

/// Reads one stream to its end; returns how many tokens it had.
async fn stream(address: std::net::SocketAddr, names: &[String], number: usize) -> Result<u64, Failure> {
    let prompt: Vec<&str> = (0..4 + number % 40).map(|i| WORDS[(i * 5 + number) % WORDS.len()]).collect();
    let body = serde_json::json!({
        "model": names[number * 7 % names.len()],
        "prompt": prompt.join(" "),
        "max_tokens": 8 + number * 53 % 57,
        "temperature": 0.8,
        "seed": number,
        "stream": true,
        "stream_options": { "include_usage": true },
    })
    .to_string();
    let head = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all((head + &body).as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(answer.lines().next().unwrap_or_default().to_owned().into());
    }
    let (mut tokens, mut ended, mut done) = (None, false, false);
    for data in answer.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if done {
            return Err("something follows [DONE]".into());
        }
        if data == "[DONE]" {
            done = true;
            continue;
        }
        let chunk: serde_json::Value = serde_json::from_str(data)?;
        if let Some(error) = chunk.get("error") {
            return Err(error.to_string().into());
        }
        ended |= chunk["choices"][0]["finish_reason"].is_string();
        tokens = chunk["usage"]["completion_tokens"].as_u64().or(tokens);
    }
    match tokens {
        Some(tokens) if ended && done => Ok(tokens),
        _ => Err("the stream ends in the middle".into()),
    }
}

/// What the process has in memory.
fn resident_bytes() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
