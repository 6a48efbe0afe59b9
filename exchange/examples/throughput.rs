//! Moves a blob from one process to another over 127.0.0.1 and prints the speed and the verified fraction.
//!
//! `cargo run --release -p tributary-exchange --example throughput -- [MIB] [tcp|quic]` (default: 64, both).

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;
use tokio::sync::watch;
use tributary_exchange::{
    AccountKey, AccountSigner, BlobHash, FetchRequest, GenesisHash, GrantSource, GrantSourceError, Identity, Multiaddr,
    Node, NodeConfig, Reader, Scope, Sr25519Signer, Store,
};

const GENESIS: GenesisHash = [1; 32];
const SEED: [u8; 32] = [7; 32];
const SCOPE: Scope = Scope::Version { datanet: 0, version: 0 };

/// Lets the one account read, at a chain that finalises a block each second.
struct OneAccount {
    account: AccountKey,
    height: watch::Sender<u32>,
}

#[async_trait]
impl GrantSource for OneAccount {
    async fn may_read(&self, account: AccountKey, scope: Scope, _: BlobHash) -> Result<bool, GrantSourceError> {
        Ok(account == self.account && scope == SCOPE)
    }

    fn finalised(&self) -> watch::Receiver<u32> {
        self.height.subscribe()
    }

    fn genesis(&self) -> GenesisHash {
        GENESIS
    }
}

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, mib, transport] = arguments.as_slice()
        && role == "provide"
    {
        return provide(mib.parse()?, transport).await;
    }
    let mib: u64 = arguments.first().map_or(Ok(64), |text| text.parse())?;
    match arguments.get(1) {
        Some(transport) => measure(mib, transport).await,
        None => {
            measure(mib, "tcp").await?;
            measure(mib, "quic").await
        }
    }
}

/// The provider process: prints the blob's hash and the address, and serves until its input ends.
async fn provide(mib: u64, transport: &str) -> Outcome {
    let folder = std::env::temp_dir().join(format!("tributary-throughput-{}", std::process::id()));
    let store = Store::open(&folder, u64::MAX)?;
    let mut bytes = vec![0; usize::try_from(mib << 20)?];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    let blob = store.import_bytes(&bytes)?.hash;
    let grants =
        Arc::new(OneAccount { account: Sr25519Signer::from_seed(&SEED).account(), height: watch::Sender::new(0) });
    let mut config = NodeConfig::new(Identity::Ephemeral, store);
    config.listen = vec![match transport {
        "quic" => "/ip4/127.0.0.1/udp/0/quic-v1".parse()?,
        _ => "/ip4/127.0.0.1/tcp/0".parse()?,
    }];
    config.grants = Some(grants.clone());
    let node = Node::spawn(config).await?;
    println!("{} {}", hex::encode(blob), node.addresses()[0]);
    std::io::stdout().flush()?;

    let blocks = tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            grants.height.send_modify(|height| *height += 1);
        }
    });
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    blocks.abort();
    node.shutdown().await;
    drop(node);
    Ok(std::fs::remove_dir_all(folder)?)
}

async fn measure(mib: u64, transport: &str) -> Outcome {
    let mut provider = Command::new(std::env::current_exe()?)
        .args(["provide", &mib.to_string(), transport])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(provider.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let (hash, address) = line.trim().split_once(' ').ok_or("the provider did not start")?;
    let mut blob: BlobHash = [0; 32];
    hex::decode_to_slice(hash, &mut blob)?;
    let address: Multiaddr = address.parse()?;

    let folder = std::env::temp_dir().join(format!("tributary-throughput-{}", std::process::id()));
    let store = Store::open(&folder, u64::MAX)?;
    let mut config = NodeConfig::new(Identity::Ephemeral, store);
    config.reader = Some(Reader { signer: Arc::new(Sr25519Signer::from_seed(&SEED)), genesis: GENESIS });
    let node = Node::spawn(config).await?;
    let verified = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&verified);
    let begun = Instant::now();
    let fetched = node
        .fetch(&[address], FetchRequest { scope: SCOPE, blob, bytes: None }, move |progress| {
            seen.fetch_max(progress.verified, Ordering::Relaxed);
        })
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{transport}: {mib} MiB in {seconds:.3} s, {:.1} MB/s, verified {:.6}, {} bytes received ({:.3}% over)",
        fetched.bytes as f64 / 1e6 / seconds,
        verified.load(Ordering::Relaxed) as f64 / fetched.bytes as f64,
        fetched.received,
        (fetched.received as f64 / fetched.bytes as f64 - 1.0) * 100.0,
    );
    drop(provider.stdin.take());
    provider.wait()?;
    node.shutdown().await;
    drop(node);
    Ok(std::fs::remove_dir_all(folder)?)
}
