//! LoRA and QLoRA steps of a model in the shape of Llama 3 8B on a GPU, with random parameters: tokens per second and peak
//! memory.
//!
//! `cuda_check [device=cuda:0] [layers=32] [batch=1] [positions=2048] [rank=16] [steps=6]`
//!
//! One line for LoRA in bf16 and one for QLoRA (NF4, double quantisation, computed in bf16), each with and without activation
//! checkpointing. The first step, which loads kernels, is not counted. Memory is what the driver's pool had handed out at
//! most; cuBLAS takes some more.

use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tributary_lora::{
    Adapter, Dataset, DeviceChoice, EncodedSample, LoraConfig, Model, ModelConfig, Placement, Precision, Targets,
    TrainConfig, TrainingRun,
};
use tributary_protocol::ContentHash;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let settings: HashMap<&str, &str> = arguments.iter().filter_map(|argument| argument.split_once('=')).collect();
    let number = |key: &str, default: usize| settings.get(key).map_or(Ok(default), |text| text.parse());
    let device: DeviceChoice = settings.get("device").map_or(Ok(DeviceChoice::Cuda(0)), |text| text.parse())?;
    let placement = Placement { device, ..Placement::cuda(0) };
    let shape = Shape {
        layers: number("layers", 32)?,
        batch: number("batch", 1)?,
        positions: number("positions", 2048)?,
        rank: number("rank", 16)?,
        steps: number("steps", 6)?,
    };
    println!("{placement}, {shape:?}");
    for precision in [Precision::F32, Precision::Nf4Double] {
        for checkpointing in [false, true] {
            measure(placement, &shape, precision, checkpointing)?;
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Shape {
    layers: usize,
    batch: usize,
    positions: usize,
    rank: usize,
    steps: usize,
}

/// Llama 3 8B but for the number of layers.
fn config(shape: &Shape) -> Result<ModelConfig, Failure> {
    Ok(ModelConfig::from_json(&format!(
        r#"{{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096,
        "intermediate_size": 14336, "num_hidden_layers": {}, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": {}, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "silu",
        "tie_word_embeddings": false, "eos_token_id": 128001}}"#,
        shape.layers,
        shape.positions.max(8192)
    ))?)
}

fn measure(placement: Placement, shape: &Shape, precision: Precision, checkpointing: bool) -> Result<(), Failure> {
    let pool = Pool::of(&placement.device()?)?;
    let began = Instant::now();
    let model = Arc::new(Model::stand_in(config(shape)?, 1, precision, placement)?);
    let made = began.elapsed().as_secs_f64();
    let tokens: Vec<u32> = (0..shape.batch * (shape.positions + 1)).map(|i| (i * 7919 % 128_000) as u32).collect();
    let sample = |tokens: &[u32]| EncodedSample::new(ContentHash::of(&tokens[0].to_le_bytes()), tokens.to_vec(), 0);
    let dataset = Dataset::divide(tokens.chunks(shape.positions + 1).map(sample).collect(), 0)?;
    let settings = TrainConfig {
        epochs: 1_000_000,
        batch_size: shape.batch,
        micro_batch_size: shape.batch,
        learning_rate: 1e-4,
        snapshots: 0,
        activation_checkpointing: checkpointing,
        ..TrainConfig::default()
    };
    let lora = LoraConfig { rank: shape.rank, targets: Targets::AllLinear, ..LoraConfig::default() };
    let adapter = Adapter::new(&model, lora, 1)?;
    let parameters = adapter.parameter_count();
    let mut run = TrainingRun::new(model.clone(), adapter, dataset, settings)?;
    let first = run.step()?;
    pool.forget_peak()?;
    let began = Instant::now();
    let mut last = first;
    for _ in 0..shape.steps {
        last = run.step()?;
    }
    let seconds = began.elapsed().as_secs_f64() / shape.steps as f64;
    let gib = |bytes: u64| bytes as f64 / f64::from(1u32 << 30);
    println!(
        "{}{}: {:.0} tokens/s, {seconds:.3} s per step, peak {:.2} GiB (base {:.2} GiB, {parameters} trained), loss {:.3} to \
         {:.3}; made in {made:.0} s",
        if precision == Precision::F32 { "LoRA" } else { "QLoRA" },
        if checkpointing { ", checkpointing" } else { "" },
        last.positions as f64 / seconds,
        gib(pool.peak()?),
        gib(model.parameter_bytes() as u64),
        first.loss,
        last.loss,
    );
    Ok(())
}

/// The driver's pool, from which every tensor of a device comes.
struct Pool(sys::CUmemoryPool);

impl Pool {
    fn of(device: &Device) -> Result<Self, Failure> {
        let context = device.as_cuda_device()?.cuda_stream().context().clone();
        context.bind_to_thread()?;
        #[expect(unsafe_code, reason = "a question to the driver")]
        // SAFETY: the context is bound and its device exists.
        let pool = unsafe { result::device::get_default_mem_pool(context.cu_device())? };
        Ok(Self(pool))
    }

    /// Most bytes in use at once since the last [`Pool::forget_peak`].
    fn peak(&self) -> Result<u64, Failure> {
        let mut bytes = 0u64;
        #[expect(unsafe_code, reason = "a question to the driver")]
        // SAFETY: this attribute is a u64, and the pool is that of a live device.
        unsafe {
            let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
            result::mem_pool::get_attribute(self.0, attribute, (&raw mut bytes).cast())?;
        }
        Ok(bytes)
    }

    fn forget_peak(&self) -> Result<(), Failure> {
        // The driver accepts zero only, which stands for what is in use now.
        let mut zero = 0u64;
        #[expect(unsafe_code, reason = "a question to the driver")]
        // SAFETY: as above.
        unsafe {
            let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
            result::mem_pool::set_attribute(self.0, attribute, (&raw mut zero).cast())?;
        }
        Ok(())
    }
}
