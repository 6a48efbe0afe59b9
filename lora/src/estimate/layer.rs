//! What the layers of a decoder keep and compute, per position.

use crate::config::ModelConfig;
use crate::error::AdapterError;
use crate::lora::LoraConfig;
use crate::model::{Block, Site, tensor_shapes};
use crate::quant::Precision;

/// A decoder with its adapter, as numbers.
#[derive(Debug)]
pub(super) struct Decoder {
    pub layers: Vec<Layer>,
    pub hidden: usize,
    pub vocabulary: usize,
    /// Elements of all linear layers, which can be packed.
    pub packable: usize,
    /// Elements of everything else.
    pub other: usize,
    /// Elements of the largest tensor.
    pub largest: usize,
    /// Bytes of the rotary table.
    pub rope_bytes: usize,
    /// Query heads, and the features of a head's query and value.
    pub heads: usize,
    pub head_dim: usize,
    pub value_dim: usize,
}

/// One layer; all sizes are floats per position.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    pub attention: Part,
    pub feed_forward: Part,
}

/// One half of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// What the backward pass reads again.
    pub kept: f64,
    /// What the backward pass holds besides at its widest.
    pub transient: f64,
    /// The linear layers; those of experts count by the part of the positions that they compute.
    pub linears: Vec<Product>,
    /// Floats that operations other than products touch.
    pub touched: f64,
}

/// A linear layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    pub input: usize,
    pub output: usize,
    /// Part of the positions that it computes.
    pub share: f64,
    pub adapted: bool,
    /// Whether the part ends with it.
    pub last: bool,
    /// Whether it reads what came into the layer, into which nothing flows back if nothing before it is trained.
    pub reads_input: bool,
}

impl Decoder {
    pub(super) fn new(config: &ModelConfig, lora: &LoraConfig) -> Result<Self, AdapterError> {
        let selector = lora.targets.selector()?;
        let (family, hidden) = (config.family(), config.hidden_size);
        let mut layers = vec![Layer::default(); config.layers];
        let mut scaled = [vec![Vec::new(); config.layers], vec![Vec::new(); config.layers]];
        let mut packable = 0;
        let mut adapted = 0;
        for site in Site::all(config) {
            let (output, input) = site.shape(config);
            packable += output * input;
            let share = match (site.block, config.experts(site.layer)) {
                (Block::Expert(_), Some(experts)) => experts.chosen as f64 / experts.count as f64,
                _ => 1.0,
            };
            let is_adapted = selector.selects(&site.path(family), site.target);
            adapted += usize::from(is_adapted);
            let last = output == hidden
                && matches!(site.target, crate::lora::Target::O | crate::lora::Target::Down)
                && !matches!(site.block, Block::Expert(_));
            use crate::lora::Target::{K, KvA, Q, QA, Qkv, V};
            let reads_input = matches!(site.target, Q | K | V | QA | KvA | Qkv);
            let product = Product { input, output, share, adapted: is_adapted, last, reads_input };
            let layer = &mut layers[site.layer];
            let part = if site.block == Block::Attention { &mut layer.attention } else { &mut layer.feed_forward };
            let (mut outputs, mut inputs) = (1.0, 0.0);
            outputs += f64::from(u8::from(site.has_bias(config)));
            if is_adapted && lora.weight_decomposed {
                // The product before its columns are scaled; with dropout also x·Wᵀ and the sum, and both parts of x.
                (outputs, inputs) =
                    if lora.dropout > 0.0 { (outputs + 3.0, inputs + 2.0) } else { (outputs + 1.0, inputs) };
            }
            part.kept += share * (outputs * output as f64 + inputs * input as f64);
            if is_adapted && lora.weight_decomposed {
                // The gradient before its columns are scaled, and the sum that it goes into; of one layer at a time.
                scaled[usize::from(site.block != Block::Attention)][site.layer].push(2.0 * share * output as f64);
            }
            part.linears.push(product);
        }
        if adapted == 0 {
            let paths: Vec<String> = Site::all(config).into_iter().map(|site| site.path(family)).collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            return Err(selector.matches_nothing(&paths));
        }
        for (index, layer) in layers.iter_mut().enumerate() {
            attention_extras(&mut layer.attention, config);
            feed_forward_extras(&mut layer.feed_forward, config, index);
            let widest = |of_layer: &Vec<f64>| of_layer.iter().copied().fold(0.0, f64::max);
            layer.attention.transient += widest(&scaled[0][index]);
            layer.feed_forward.transient += widest(&scaled[1][index]);
        }
        let shapes = tensor_shapes(config);
        let elements = |shape: &Vec<usize>| shape.iter().product::<usize>();
        let all: usize = shapes.values().map(elements).sum();
        let rotated = config.architecture.latent.as_ref().map_or(config.head_dim, |latent| latent.rope_dim);
        Ok(Self {
            layers,
            hidden,
            vocabulary: config.vocab_size,
            packable,
            other: all - packable,
            largest: shapes.values().map(elements).max().unwrap_or(0),
            rope_bytes: 4 * config.positions_max * rotated,
            heads: config.heads,
            head_dim: config.head_dim,
            value_dim: config.value_dim(),
        })
    }

    pub(super) fn base_parameters(&self) -> usize {
        self.packable + self.other
    }

    pub(super) fn base_bytes(&self, precision: Precision, is_bf16: bool) -> f64 {
        let whole = if is_bf16 { 2.0 } else { 4.0 };
        // Four bits, and per 64 elements a scale of 32 bits, or of 8 with 32 more per 256 scales.
        let per_element = match precision {
            Precision::F32 => whole,
            Precision::Nf4 => 0.5 + 4.0 / 64.0,
            Precision::Nf4Double => 0.5 + 1.0 / 64.0 + 4.0 / (64.0 * 256.0),
        };
        self.packable as f64 * per_element + whole * self.other as f64
    }

    /// All linear layers, those of every expert singly.
    pub(super) fn linears(&self) -> impl Iterator<Item = &Product> {
        self.layers.iter().flat_map(|layer| layer.attention.linears.iter().chain(&layer.feed_forward.linears))
    }

    /// The first layer with something to train; what comes before it keeps nothing and has no backward pass.
    pub(super) fn first_trained(&self) -> usize {
        let trained =
            |layer: &Layer| layer.attention.linears.iter().chain(&layer.feed_forward.linears).any(|l| l.adapted);
        self.layers.iter().position(trained).unwrap_or(self.layers.len())
    }
}

impl Decoder {
    /// Parameters of an adapter for the same layers.
    pub(super) fn adapter_parameters(&self, lora: &LoraConfig) -> usize {
        let magnitude = usize::from(lora.weight_decomposed);
        let adapted = self.linears().filter(|linear| linear.adapted);
        adapted.map(|linear| lora.rank * (linear.input + linear.output) + magnitude * linear.output).sum()
    }
}

/// Norm, head norms or latents, attention, and the sum with what came in.
fn attention_extras(part: &mut Part, config: &ModelConfig) {
    let hidden = config.hidden_size as f64;
    let (heads, dim) = (config.heads as f64, config.head_dim as f64);
    let (queries, keys) = (heads * dim, (config.kv_heads * config.head_dim) as f64);
    let value = config.value_dim() as f64;
    let (values, out) = (config.kv_heads as f64 * value, heads * value);
    let mut extra = hidden + out + hidden;
    if config.family().has_head_norms() {
        extra += queries + keys;
    }
    if config.family().is_fused() {
        extra += queries + keys + values;
    }
    if let Some(latent) = &config.architecture.latent {
        let (rank, rope, nope) = (latent.kv_rank as f64, latent.rope_dim as f64, latent.nope_dim as f64);
        // Norms of the latents, and copies of the parts of a head's keys and values.
        extra += latent.query_rank.unwrap_or(0) as f64 + 2.0 * rank;
        extra += rope + heads * (rope + nope + value) + queries;
    }
    part.kept += extra;
    part.touched = 2.0 * hidden + extra + 2.0 * (queries + keys + values);
    // The gradients of queries, keys and values and their sums, the rotated queries and keys, and the gradients that
    // go round the attention and into it.
    part.transient = 3.0 * queries + 3.0 * keys + 2.0 * values + out + 2.0 * hidden;
}

/// Norm, gate, and the sum with what came in; experts with what goes to them and comes from them.
fn feed_forward_extras(part: &mut Part, config: &ModelConfig, layer: usize) {
    let hidden = config.hidden_size as f64;
    let mut extra = 2.0 * hidden;
    let fused = if config.family().is_fused() { 2.0 } else { 0.0 };
    let mut inner = config.intermediate_size as f64;
    if let Some(experts) = config.experts(layer) {
        let (chosen, size) = (experts.chosen as f64, experts.intermediate_size as f64);
        inner = size * (chosen + experts.shared as f64);
        // What each expert reads, all outputs in one, their sum, and the router.
        extra += 2.0 * chosen * hidden + hidden + experts.count as f64 + chosen;
        if experts.shared > 0 {
            extra += hidden;
        }
    }
    extra += inner * (1.0 + fused);
    part.kept += extra;
    part.touched = 2.0 * hidden + extra + 3.0 * inner;
    // The gradients of what the gate makes, of the gate and of what it multiplies, and the sums that they go into.
    part.transient = 4.0 * inner + 3.0 * hidden;
}
