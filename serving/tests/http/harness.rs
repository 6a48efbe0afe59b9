//! A server over a small model whose tokens are bytes, a till that counts, and a client that sees every byte.

use crate::common::{adapter, small, write};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary_lora::{Model, ModelConfig, Tokenizer};
use tributary_protocol::recipe::Template;
use tributary_protocol::{ContentHash, ModelId};
use tributary_serving::api::{Api, ApiLimits, Server};
use tributary_serving::{
    AdapterDisk, Admission, Catalogue, Credentials, EngineConfig, EngineThread, Jobs, NoSource, Refusal, Served,
    Settled, Sold, Ticket, Till, Wanted,
};

/// The characters that stand for bytes in GPT-2's alphabet.
fn alphabet() -> Vec<char> {
    let printable =
        |byte: u32| (33..=126).contains(&byte) || (161..=172).contains(&byte) || (174..=255).contains(&byte);
    let mut other = 0x100..;
    (0..256).map(|byte| char::from_u32(if printable(byte) { byte } else { other.next().unwrap() }).unwrap()).collect()
}

/// A random model of 258 tokens: the bytes, `<s>` and `</s>`; its tokenizer has a chat template.
pub fn byte_model(folder: &Path) -> (Arc<Model>, Arc<Tokenizer>) {
    let config = r#"{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 258, "hidden_size": 24,
        "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "bos_token_id": 256, "eos_token_id": 257 }"#;
    let config = ModelConfig::from_json(config).unwrap();
    let vocabulary: serde_json::Map<String, Value> =
        alphabet().iter().enumerate().map(|(byte, character)| (character.to_string(), json!(byte))).collect();
    let special = |id: u32, content: &str| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true })
    };
    let byte_level =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(256, "<s>"), special(257, "</s>")],
        "normalizer": null, "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": [] },
    });
    let template = "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}\
                    {% if add_generation_prompt %}<s>assistant: {% endif %}";
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.join("chat_template.jinja"), template).unwrap();
    let settings = json!({ "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true });
    std::fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
    let tokenizer = Tokenizer::from_dir(folder, &config).unwrap();
    (Arc::new(Model::random(config, 7).unwrap()), Arc::new(tokenizer))
}

/// Models by name.
pub struct Names(pub Mutex<Vec<Arc<Served>>>);

impl Catalogue for Names {
    fn list(&self) -> Vec<Arc<Served>> {
        self.0.lock().unwrap().clone()
    }

    fn find(&self, id: &str) -> Option<Arc<Served>> {
        self.list().into_iter().find(|served| served.id == id)
    }
}

/// What happened at the till.
#[derive(Default)]
pub struct Book {
    /// Tokens that are admitted at most.
    pub tokens_max: Option<u32>,
    /// Why nobody is admitted.
    pub refusal: Option<Refusal>,
    /// Why nothing is settled.
    pub unsettled: Option<Refusal>,
    pub wanted: Vec<Wanted>,
    pub credentials: Vec<Credentials>,
    pub settled: Vec<Sold>,
    pub dropped: usize,
}

#[derive(Clone, Default)]
pub struct CountingTill(pub Arc<Mutex<Book>>);

impl CountingTill {
    pub fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// How many were admitted, settled and dropped.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.book(|book| (book.wanted.len(), book.settled.len(), book.dropped))
    }
}

struct CountingTicket(CountingTill, bool);

#[async_trait]
impl Till for CountingTill {
    async fn admit(&self, credentials: &Credentials, wanted: Wanted) -> Result<Admission, Refusal> {
        self.book(|book| {
            if let Some(refusal) = &book.refusal {
                return Err(refusal.clone());
            }
            book.credentials.push(credentials.clone());
            let answer_tokens_max = wanted.answer_tokens_max.min(book.tokens_max.unwrap_or(u32::MAX));
            book.wanted.push(wanted);
            Ok(Admission { answer_tokens_max, ticket: Box::new(CountingTicket(self.clone(), false)) })
        })
    }

    async fn recognise(&self, _: &Credentials) -> Result<(), Refusal> {
        self.book(|book| book.refusal.clone().map_or(Ok(()), Err))
    }
}

#[async_trait]
impl Ticket for CountingTicket {
    async fn settle(mut self: Box<Self>, sold: Sold) -> Result<Settled, Refusal> {
        self.1 = true;
        // What is interrupted here would be lost.
        tokio::task::yield_now().await;
        self.0.book(|book| {
            book.settled.push(sold.clone());
            match &book.unsettled {
                Some(refusal) => Err(refusal.clone()),
                None => Ok(Settled {
                    object: Some(json!({ "paid_for": sold.answer_tokens })),
                    header: Some(format!("receipt-{}", sold.answer_tokens)),
                }),
            }
        })
    }
}

impl Drop for CountingTicket {
    fn drop(&mut self) {
        if !self.1 {
            self.0.book(|book| book.dropped += 1);
        }
    }
}

/// A server that listens.
pub struct Running {
    pub address: SocketAddr,
    pub till: CountingTill,
    pub names: Arc<Names>,
    pub engine: EngineThread,
    pub tokenizer: Arc<Tokenizer>,
    pub adapters: Vec<ContentHash>,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

/// Models "base" and "chat" (asked by the template) without, "one" and "two" with an adapter.
pub async fn start() -> Running {
    start_with(ApiLimits::default(), small()).await
}

pub async fn start_with(limits: ApiLimits, config: EngineConfig) -> Running {
    start_for(limits, config, None).await
}

pub async fn start_for(limits: ApiLimits, config: EngineConfig, jobs: Option<Arc<dyn Jobs>>) -> Running {
    start_with_pages(limits, config, jobs, axum::Router::new()).await
}

pub async fn start_with_pages(
    limits: ApiLimits,
    config: EngineConfig,
    jobs: Option<Arc<dyn Jobs>>,
    pages: axum::Router,
) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let (model, tokenizer) = byte_model(folder.path());
    let adapters: Vec<ContentHash> = (0..2).map(|number| write(&adapter(&model, number), folder.path())).collect();
    let served = |id: &str, adapter: Option<ContentHash>, template| {
        let model = adapter.map(|_| ModelId(7));
        Arc::new(Served { id: id.into(), model, adapter, template, created_s: 5, owner: "us".into() })
    };
    let names = vec![
        served("base", None, Template::Plain),
        served("chat", None, Template::Chat),
        served("org/one", Some(adapters[0]), Template::Plain),
        served("org/two", Some(adapters[1]), Template::Plain),
    ];
    let names = Arc::new(Names(Mutex::new(names)));
    let disk = AdapterDisk::open(folder.path(), u64::MAX, Box::new(NoSource)).unwrap();
    let engine = EngineThread::start(model.clone(), Some(tokenizer.clone()), disk, config, 1).unwrap();
    let till = CountingTill::default();
    let api = Api {
        engine: engine.clone(),
        model,
        tokenizer: tokenizer.clone(),
        base: ContentHash::of(b"base"),
        catalogue: names.clone(),
        till: Arc::new(till.clone()),
        jobs,
        limits,
        pages,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(Server::new(api).unwrap().serve(listener, shutdown.clone()));
    Running { address, till, names, engine, tokenizer, adapters, shutdown, serving, _folder: folder }
}

/// A response as it came.
#[derive(Clone, Debug, Default)]
pub struct Got {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of a stream's events; the last one is `[DONE]`.
    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let rest = self.body.strip_suffix("data: [DONE]\n\n").expect("the stream ends with [DONE]");
        let events = rest.split_terminator("\n\n").filter(|event| !event.starts_with(':'));
        events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }
}

impl Running {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Got {
        self.send("GET", path, &[], b"").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Got {
        self.post_bytes(path, body.to_string().as_bytes()).await
    }

    pub async fn post_bytes(&self, path: &str, body: &[u8]) -> Got {
        self.send("POST", path, &[("content-type", "application/json")], body).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let mut stream = self.connect().await;
        stream.write_all(&request(method, path, headers, body)).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        parse(&answer)
    }
}

/// A bias by which the model says nothing but letters.
pub fn letters() -> Value {
    Value::Object((b'a'..=b'z').map(|letter| (letter.to_string(), json!(100))).collect())
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("content-length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn parse(answer: &[u8]) -> Got {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let rest = &answer[end + 4..];
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if is_chunked { unchunk(rest) } else { rest.to_vec() };
    Got { status, headers, body: String::from_utf8(body).unwrap() }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return body };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}
