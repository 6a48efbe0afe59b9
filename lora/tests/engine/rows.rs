//! Rows of many sequences in one run, beside each sequence by itself and beside transformers.

use crate::common::fixture;
use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use tributary_lora::{
    Adapter, Batch, Generation, LoraConfig, Model, ModelConfig, PageId, PagePool, Precision, SamplingConfig,
    ServedAdapter, Span, SpanError, Target, Targets,
};

const FAMILIES: &[&str] =
    &["llama", "llama3-rope", "mistral", "mixtral", "qwen2", "qwen3", "deepseek-v2", "deepseek-v3", "gemma", "phi3"];

fn tiny(positions: usize) -> Model {
    let text = format!(
        r#"{{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 40, "hidden_size": 24,
        "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": {positions}, "rms_norm_eps": 1e-5, "eos_token_id": 1 }}"#
    );
    Model::random(ModelConfig::from_json(&text).unwrap(), 9).unwrap()
}

/// An adapter that changes something: `B` is not zero.
fn adapter(model: &Model, config: LoraConfig, seed: u64) -> Adapter {
    let adapter = Adapter::new(model, config, seed).unwrap();
    for (index, (name, variable)) in adapter.variables().into_iter().enumerate() {
        if name.contains("lora_B") {
            let value = |i: usize| 0.2 * ((i * 7 + index * 3) as f32 + seed as f32).sin();
            let values = (0..variable.elem_count()).map(value).collect();
            variable.set(&Tensor::from_vec(values, variable.shape(), variable.device()).unwrap()).unwrap();
        }
        // Lengths that were trained away from those of the base.
        if name.contains("magnitude") {
            variable.set(&(variable.as_tensor() * 1.25).unwrap()).unwrap();
        }
    }
    adapter
}

/// Adapters of every kind that the engine knows, with different ranks.
fn kinds(model: &Model) -> Vec<Adapter> {
    let plain = LoraConfig { rank: 2, alpha: 3.0, targets: Targets::AllLinear, ..Default::default() };
    let output = match model.config().family().model_type() {
        "phi3" => Target::Qkv,
        _ => Target::O,
    };
    vec![
        adapter(model, plain.clone(), 1),
        adapter(model, LoraConfig { rank: 5, rank_stabilised: true, targets: [output].into(), ..plain.clone() }, 2),
        adapter(model, LoraConfig { rank: 3, weight_decomposed: true, ..plain }, 3),
    ]
}

/// A sequence that grows.
struct Sequence<'a> {
    tokens: Vec<u32>,
    adapter: Option<&'a ServedAdapter>,
    pages: Vec<PageId>,
    done: usize,
}

impl<'a> Sequence<'a> {
    fn new(tokens: &[u32], adapter: Option<&'a ServedAdapter>) -> Self {
        Self { tokens: tokens.to_vec(), adapter, pages: Vec::new(), done: 0 }
    }

    /// The next positions, at most `count`.
    fn span(&mut self, count: usize, pool: &mut PagePool) -> Span<'_> {
        let end = self.tokens.len().min(self.done + count);
        while self.pages.len() < PagePool::pages_for(end) {
            self.pages.push(pool.allocate().unwrap());
        }
        let (first, tokens) = (self.done, &self.tokens[self.done..end]);
        self.done = end;
        Span { tokens, first, pages: &self.pages, adapter: self.adapter, wanted: end == self.tokens.len() }
    }
}

fn best(row: &[f32]) -> u32 {
    (0..row.len()).reduce(|best, i| if row[i] > row[best] { i } else { best }).unwrap() as u32
}

/// Lets all sequences grow to `length` greedily, at most `chunk` positions of each at a time, and returns the logits of each.
fn grow(
    model: &Model,
    sequences: &mut [Sequence<'_>],
    length: usize,
    chunk: usize,
    pool: &mut PagePool,
) -> Vec<Vec<f32>> {
    let mut logits = vec![Vec::new(); sequences.len()];
    while sequences.iter().any(|sequence| sequence.tokens.len() < length) {
        let growing: Vec<usize> = (0..sequences.len()).filter(|i| sequences[*i].tokens.len() < length).collect();
        let of_growing = sequences.iter_mut().filter(|sequence| sequence.tokens.len() < length);
        let spans: Vec<Span<'_>> = of_growing.map(|sequence| sequence.span(chunk, pool)).collect();
        let wanting: Vec<usize> =
            growing.into_iter().zip(&spans).filter(|(_, span)| span.wanted).map(|(i, _)| i).collect();
        let found = model.next_logits(&spans, pool).unwrap();
        drop(spans);
        assert_eq!(found.rows().len(), wanting.len());
        for (i, row) in wanting.into_iter().zip(found.rows()) {
            logits[i].extend_from_slice(row);
            sequences[i].tokens.push(best(row));
        }
    }
    logits
}

/// Prompts of different lengths, one of a single token.
fn prompts(vocabulary: usize) -> Vec<Vec<u32>> {
    [5usize, 1, 19, 8, 3]
        .iter()
        .enumerate()
        .map(|(row, count)| (0..*count).map(|i| ((i * 11 + row * 5 + 3) % vocabulary) as u32).collect())
        .collect()
}

/// What rows do together, alone, in other stretches and in other pages, and what whole sequences do.
fn check_family(name: &str, model: &Model) {
    let adapters = kinds(model);
    let served: Vec<ServedAdapter> =
        adapters.iter().map(|adapter| ServedAdapter::new(adapter, model).unwrap()).collect();
    let which = [Some(0), None, Some(1), Some(2), Some(0)];
    let prompts = prompts(model.config().vocab_size);
    let length = 24.min(model.config().positions_max);
    let begin = |rows: &[usize]| -> Vec<Sequence<'_>> {
        rows.iter().map(|row| Sequence::new(&prompts[*row], which[*row].map(|i: usize| &served[i]))).collect()
    };
    let pool = || PagePool::new(model, 12).unwrap();
    let mut together = begin(&[0, 1, 2, 3, 4]);
    let logits = grow(model, &mut together, length, 64, &mut pool());
    let mut pieces = begin(&[4, 3, 2, 1, 0]);
    let mut crowded = pool();
    let in_pieces = grow(model, &mut pieces, length, 4, &mut crowded);
    for row in 0..5 {
        let mut alone = begin(&[row]);
        let logits_alone = grow(model, &mut alone, length, 64, &mut pool());
        assert_eq!(alone[0].tokens, together[row].tokens, "{name}, row {row}");
        assert!(logits_alone[0] == logits[row], "{name}, row {row}: other bits than alone");
        assert!(in_pieces[4 - row] == logits[row], "{name}, row {row}: other bits in pieces");
        // Whole sequences sum in another order; among equals either may be the best.
        let tokens = &together[row].tokens;
        let whole = model
            .logits(&Batch::sequence(&tokens[..length - 1]), which[row].map(|i| &adapters[i]))
            .unwrap()
            .to_vec2::<f32>()
            .unwrap();
        let vocabulary = model.config().vocab_size;
        for (index, found) in logits[row].chunks_exact(vocabulary).enumerate() {
            let expected = &whole[prompts[row].len() - 1 + index];
            let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{name}, row {row}, token {index}: {worst}");
        }
        let config = SamplingConfig { tokens_max: length - prompts[row].len(), ..Default::default() };
        let adapter = which[row].map(|i| &adapters[i]);
        let cached: Vec<u32> =
            Generation::new(model, adapter, &prompts[row], &[], config).unwrap().map(Result::unwrap).collect();
        assert_eq!(tokens[prompts[row].len()..], cached, "{name}, row {row}");
    }
}

#[test]
fn rows_of_every_family_get_what_they_get_alone() {
    check_family("random llama", &tiny(64));
    let Some(families) = fixture("golden-tiny-families") else { return };
    for name in FAMILIES {
        let model = Model::load(&families.join(name), &Device::Cpu).unwrap();
        check_family(name, &model);
    }
}

#[test]
fn packed_bases_serve_too() {
    let model = tiny(64).with_precision(Precision::Nf4Double).unwrap();
    check_family("nf4", &model);
}

#[test]
fn greedy_ids_of_every_family_equal_those_of_transformers() {
    let Some(families) = fixture("golden-tiny-families") else { return };
    for name in FAMILIES {
        let model = Model::load(&families.join(name), &Device::Cpu).unwrap();
        let bytes = std::fs::read(families.join(name).join("reference.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let ids = file.tensor("greedy_ids").unwrap();
        let ids: Vec<u32> =
            ids.data().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as u32).collect();
        // Beside a row with an adapter.
        let served = ServedAdapter::new(&kinds(&model)[0], &model).unwrap();
        let mut sequences = [Sequence::new(&[3, 2, 5], Some(&served)), Sequence::new(&ids[..4], None)];
        grow(&model, &mut sequences, ids.len(), 3, &mut PagePool::new(&model, 8).unwrap());
        assert_eq!(sequences[1].tokens, ids, "{name}");
    }
}

#[test]
fn an_adapter_changes_its_own_rows_only() {
    let model = tiny(64);
    let served = ServedAdapter::new(&kinds(&model)[0], &model).unwrap();
    let prompt = [3, 14, 15, 9];
    let mut pool = PagePool::new(&model, 8).unwrap();
    let mut sequences = [Sequence::new(&prompt, None), Sequence::new(&prompt, Some(&served))];
    let logits = grow(&model, &mut sequences, 5, 64, &mut pool);
    assert_ne!(logits[0], logits[1]);
    let base = model.logits(&Batch::sequence(&prompt), None).unwrap().to_vec2::<f32>().unwrap().pop().unwrap();
    let worst = base.iter().zip(&logits[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
    // Both factors in f32, filled up to whole blocks of 4 ranks, 8 inputs and 32 outputs.
    assert!(served.bytes() >= 4 * kinds(&model)[0].parameter_count());
}

#[test]
fn shared_pages_and_copies_are_as_good_as_ones_own() {
    let model = tiny(64);
    let mut pool = PagePool::new(&model, 8).unwrap();
    let prompt: Vec<u32> = (0..21).map(|i| (i * 7 + 2) % 40).collect();
    let mut first = [Sequence::new(&prompt, None)];
    let expected = grow(&model, &mut first, 30, 64, &mut pool);
    // Another begins with the same sixteen tokens and takes the page.
    let [first] = first;
    let shared = first.pages[0];
    pool.share(shared);
    let mut second = [Sequence { pages: vec![shared], done: 16, ..Sequence::new(&prompt, None) }];
    assert!(grow(&model, &mut second, 30, 64, &mut pool) == expected);
    assert_eq!(pool.references(shared), 2);
    // Nobody may write to it any more.
    let span = Span { tokens: &[1], first: 15, pages: &[shared], adapter: None, wanted: true };
    assert!(matches!(model.next_logits(&[span], &mut pool), Err(SpanError::SharedPage { references: 2, .. })));
    // A copy may be written to, and changes nothing for the others.
    let copy = pool.copy(shared).unwrap();
    let span = Span { pages: &[copy], ..span };
    model.next_logits(&[span], &mut pool).unwrap();
    let mut third = [Sequence { pages: vec![shared], done: 16, ..Sequence::new(&prompt, None) }];
    assert!(grow(&model, &mut third, 30, 64, &mut pool) == expected);
}

#[test]
fn what_cannot_be_run_is_named_and_writes_nothing() {
    let model = tiny(32);
    let mut pool = PagePool::new(&model, 4).unwrap();
    let page = pool.allocate().unwrap();
    let pages = [page];
    let span = Span { tokens: &[1, 2], first: 0, pages: &pages, adapter: None, wanted: true };
    let error = |span: Span<'_>, pool: &mut PagePool| model.next_logits(&[span], pool).unwrap_err();
    assert!(matches!(error(Span { tokens: &[], ..span }, &mut pool), SpanError::Empty));
    assert!(matches!(error(Span { tokens: &[40], ..span }, &mut pool), SpanError::Token { token: 40, vocab_size: 40 }));
    assert!(matches!(error(Span { first: 31, ..span }, &mut pool), SpanError::TooLong { positions: 33, .. }));
    assert!(matches!(error(Span { first: 15, ..span }, &mut pool), SpanError::Pages { needed: 2, found: 1 }));
    // Position 3 follows three that nobody computed.
    assert!(matches!(error(Span { first: 3, ..span }, &mut pool), SpanError::Gap { position: 0, first: 3 }));
    model.next_logits(&[span], &mut pool).unwrap();
    assert!(matches!(error(Span { first: 3, ..span }, &mut pool), SpanError::Gap { position: 2, first: 3 }));
    model.next_logits(&[Span { first: 2, ..span }], &mut pool).unwrap();
    let other = Model::random(
        ModelConfig::from_json(&model.config().to_json().replace("\"head_dim\": 6", "\"head_dim\": 8")).unwrap(),
        1,
    )
    .unwrap();
    assert!(matches!(other.next_logits(&[span], &mut pool), Err(SpanError::OtherModel { what: "pool" })));
    pool.release(page);
    assert!(matches!(error(span, &mut pool), SpanError::FreePage { .. }));
    assert_eq!(pool.free_pages(), pool.pages());
}
