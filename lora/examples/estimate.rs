//! Compares what a run was estimated to take with what it takes, on five shapes, in turns:
//! `cargo run --release -p tributary-lora --example estimate -- [SHAPE|all] [ROUNDS]`
//!
//! The last table has the medians of all rounds: a machine that others use too changes its speed between a measurement and the run.
//! Each run is a process of its own, which loads its base from a folder and trains by a session; its peak is what the
//! system says the process had at most. Seconds are those on a processor, summed over threads: with `RAYON_NUM_THREADS=1`
//! they do not depend on what else the machine does.

use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tributary_lora::{
    Adapter, Architecture, Control, Dataset, EncodedSample, Estimate, Experts, Family, LoraConfig, MachineSpeed, Model,
    ModelConfig, Plan, Precision, RopeConfig, RopeScaling, Routing, Scores, Session, SessionConfig, Target, Targets,
    TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Shape {
    name: &'static str,
    model: ModelConfig,
    precision: Precision,
    lora: LoraConfig,
    train: TrainConfig,
    tokens: usize,
}

#[derive(Serialize, Deserialize)]
struct Measured {
    peak_bytes: u64,
    cpu_seconds: f64,
    wall_seconds: f64,
    folder_bytes: u64,
}

fn shapes() -> Vec<Shape> {
    let model = |family, layers, hidden_size, intermediate_size, heads, kv_heads, vocab_size| ModelConfig {
        vocab_size,
        hidden_size,
        intermediate_size,
        layers,
        heads,
        kv_heads,
        head_dim: 64,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
        positions_max: 1024,
        tie_word_embeddings: family == Family::Qwen2,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        architecture: Architecture { family, ..Architecture::default() },
    };
    let lora = |rank| LoraConfig { rank, alpha: 16.0, targets: Targets::AllLinear, ..LoraConfig::default() };
    let train = |micro_batch_size, batch_size, activation_checkpointing| TrainConfig {
        epochs: 1,
        micro_batch_size,
        batch_size,
        activation_checkpointing,
        ..TrainConfig::default()
    };
    let mut experts = model(Family::Mixtral, 6, 384, 768, 6, 2, 4000);
    let routing = Routing { scores: Scores::Softmax, groups: None, normalised: true, scale: 1.0 };
    experts.architecture.experts =
        Some(Experts { count: 4, chosen: 2, intermediate_size: 768, shared: 0, first_layer: 0, routing });
    vec![
        Shape {
            name: "llama 12x384, rank 8, 4x128 tokens",
            model: model(Family::Llama, 12, 384, 1024, 6, 2, 8000),
            precision: Precision::F32,
            lora: lora(8),
            train: train(4, 4, false),
            tokens: 128,
        },
        Shape {
            name: "qwen2 6x512 tied, 32k vocabulary, q and v, 2x384 tokens, recomputing",
            model: model(Family::Qwen2, 6, 512, 1408, 8, 2, 32_000),
            precision: Precision::F32,
            lora: LoraConfig { targets: [Target::Q, Target::V].into(), ..lora(16) },
            train: train(2, 4, true),
            tokens: 384,
        },
        Shape {
            name: "mistral 8x640 in 4 bits, rank 32, 8x96 tokens",
            model: model(Family::Mistral, 8, 640, 1728, 10, 5, 16_000),
            precision: Precision::Nf4Double,
            lora: lora(32),
            train: train(8, 8, false),
            tokens: 96,
        },
        Shape {
            name: "mixtral 6x384, 2 of 4 experts, dropout, 4x160 tokens",
            model: experts,
            precision: Precision::F32,
            lora: LoraConfig { dropout: 0.1, ..lora(4) },
            train: train(4, 8, false),
            tokens: 160,
        },
        Shape {
            name: "qwen3 16x320, DoRA rank 8, 6x256 tokens, recomputing",
            model: model(Family::Qwen3, 16, 320, 960, 5, 1, 12_000),
            precision: Precision::F32,
            lora: LoraConfig { weight_decomposed: true, ..lora(8) },
            train: train(6, 6, true),
            tokens: 256,
        },
    ]
}

/// Samples of about the same length, half of each trained on; some kept for validation.
fn dataset(shape: &Shape) -> Fallible<Dataset> {
    let sample = |row: usize| {
        let length = shape.tokens + 1 - row % 7;
        let tokens = (0..length).map(|i| ((i * 7919 + row * 104_729) % shape.model.vocab_size) as u32).collect();
        EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens, length / 2)
    };
    Ok(Dataset::divide((0..26).map(sample).collect(), 100_000)?)
}

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).map(|text| text.parse::<usize>()).transpose();
    match arguments.first().map(String::as_str) {
        Some("prepare") => prepare(&shapes()[number(1)?.unwrap_or(0)], Path::new(&arguments[2])),
        Some("run") => run(&shapes()[number(1)?.unwrap_or(0)], Path::new(&arguments[2])),
        Some("speed") => {
            println!("{}", serde_json::to_string(&MachineSpeed::measure_by(&mut cpu_seconds)?)?);
            Ok(())
        }
        Some("all") => compare(None, number(1)?.unwrap_or(5)),
        _ => compare(number(0)?, number(1)?.unwrap_or(1)),
    }
}

/// What was estimated, and what came of it.
struct Compared {
    estimate: Estimate,
    speed: MachineSpeed,
    measured: Measured,
}

impl Compared {
    /// Estimated bytes of memory, and those of the process.
    fn memory(&self) -> (f64, f64) {
        (self.estimate.memory.peak() as f64, self.measured.peak_bytes as f64)
    }

    fn seconds(&self) -> (f64, f64) {
        (self.estimate.seconds(&self.speed), self.measured.cpu_seconds)
    }

    fn disk(&self) -> (f64, f64) {
        (self.estimate.disk.folder() as f64, self.measured.folder_bytes as f64)
    }
}

fn error((estimate, real): (f64, f64)) -> f64 {
    (estimate / real - 1.0) * 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(only: Option<usize>, rounds: usize) -> Fallible<()> {
    let shapes = shapes();
    let chosen: Vec<usize> = (0..shapes.len()).filter(|index| only.is_none_or(|only| only == *index)).collect();
    let mut all: Vec<Vec<Compared>> = shapes.iter().map(|_| Vec::new()).collect();
    println!(
        "{:<70} {:>22} {:>26} {:>20}",
        "shape", "peak MB: est real err", "seconds: est cpu err wall", "disk MB: est real"
    );
    for _ in 0..rounds {
        for &index in &chosen {
            let compared = once(&shapes[index], index)?;
            let ((bytes, peak), (seconds, cpu), (disk, folder)) =
                (compared.memory(), compared.seconds(), compared.disk());
            println!(
                "{:<70} {:>6.0} {:>6.0} {:>+6.1}% {:>7.2} {:>6.2} {:>+6.1}% {:>6.2} {:>8.1} {:>8.1}",
                shapes[index].name,
                bytes / f64::from(1 << 20),
                peak / f64::from(1 << 20),
                error((bytes, peak)),
                seconds,
                cpu,
                error((seconds, cpu)),
                compared.measured.wall_seconds,
                disk / 1e6,
                folder / 1e6,
            );
            if only.is_some() && rounds == 1 {
                println!("{:#?}\n{:#?}\n{:#?}", compared.estimate.memory, compared.estimate.work, compared.speed);
            }
            all[index].push(compared);
        }
    }
    if rounds > 1 {
        println!("{:<70} {:>8} {:>8} {:>8}", format!("median error of {rounds}"), "memory", "time", "disk");
        for &index in &chosen {
            let of = |what: fn(&Compared) -> (f64, f64)| median(all[index].iter().map(what).map(error).collect());
            let (memory, time, disk) = (of(Compared::memory), of(Compared::seconds), of(Compared::disk));
            println!("{:<70} {memory:>+7.1}% {time:>+7.1}% {disk:>+7.1}%", shapes[index].name);
        }
    }
    Ok(())
}

fn once(shape: &Shape, index: usize) -> Fallible<Compared> {
    let dir = tempfile::tempdir()?;
    let folder = dir.path().to_string_lossy().into_owned();
    child(&["prepare", &index.to_string(), &folder])?;
    let speed: MachineSpeed = serde_json::from_str(&child(&["speed"])?)?;
    let dataset = dataset(shape)?;
    let mut plan = Plan::new(&shape.model, shape.precision, &shape.lora, &shape.train, &dataset);
    plan.is_bf16 = true;
    let estimate = Estimate::new(&plan)?;
    let measured: Measured = serde_json::from_str(&child(&["run", &index.to_string(), &folder])?)?;
    Ok(Compared { estimate, speed, measured })
}

/// Runs this program again and returns what it printed last.
fn child(arguments: &[&str]) -> Fallible<String> {
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.lines().last().unwrap_or_default().to_owned())
}

fn prepare(shape: &Shape, dir: &Path) -> Fallible<()> {
    Ok(Model::random(shape.model.clone(), 1)?.save_bf16(&dir.join("base"))?)
}

fn run(shape: &Shape, dir: &Path) -> Fallible<()> {
    let model = Arc::new(Model::load_as(&dir.join("base"), &Device::Cpu, shape.precision)?);
    let adapter = Adapter::new(&model, shape.lora.clone(), 1)?;
    let run = TrainingRun::new(model, adapter, dataset(shape)?, shape.train)?;
    let folder = dir.join("run");
    let mut session = Session::open(run, &folder, SessionConfig::default())?;
    let (began, cpu) = (std::time::Instant::now(), cpu_seconds());
    session.run(&mut |_| Control::Continue)?;
    let measured = Measured {
        peak_bytes: peak_bytes()?,
        cpu_seconds: cpu_seconds() - cpu,
        wall_seconds: began.elapsed().as_secs_f64(),
        folder_bytes: folder_bytes(&folder)?,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// The most memory that this process has had.
fn peak_bytes() -> Fallible<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Seconds that all threads of this process have run, in millionths.
#[expect(unsafe_code, reason = "the standard library has no clock for this")]
fn cpu_seconds() -> f64 {
    unsafe extern "C" {
        fn clock() -> std::ffi::c_long;
    }
    // SAFETY: it takes nothing and returns a number; POSIX fixes the unit.
    let ticks = unsafe { clock() };
    ticks as f64 / 1e6
}

fn folder_bytes(dir: &Path) -> Fallible<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
