//! Loading and generation without an adapter.

use crate::{Reference, fixture, golden_samples, stories_at, values, worst};
use tributary_lora::{Batch, Generation, Model, Placement, SamplingConfig, sample_loss};

on_devices!(
    greedy_text_equals_that_of_llama2_c,
    logits_ids_and_losses_equal_those_of_transformers,
    packed_sequences_do_not_see_each_other,
);

fn greedy(model: &Model, prompt: &[u32], stops: &[u32], tokens_max: usize) -> Vec<u32> {
    let config = SamplingConfig { tokens_max, ..Default::default() };
    Generation::new(model, None, prompt, stops, config).unwrap().map(Result::unwrap).collect()
}

fn greedy_text_equals_that_of_llama2_c(placement: Placement) {
    let Some((model, tokenizer)) = stories_at(placement) else { return };
    let expected = std::fs::read_to_string(fixture("stories260K").unwrap().join("expected_greedy.txt")).unwrap();
    // llama2.c generates 200 tokens after the one that begins a sequence, which would also end it.
    let text = tokenizer.decode(&greedy(&model, &[1], &[1], 200)).unwrap();
    assert_eq!(text.trim(), expected.trim());
    println!("greedy text: {} characters equal", text.len());
}

fn logits_ids_and_losses_equal_those_of_transformers(placement: Placement) {
    let Some((model, tokenizer)) = stories_at(placement) else { return };
    let reference = Reference::open(&fixture("golden-stories260K").unwrap().join("base/reference.safetensors"));
    let ids = reference.ids("input_ids");
    assert_eq!(tokenizer.encode("Once upon a time, there was a little girl named Lily.").unwrap(), ids);
    let logits = values(&model.logits(&Batch::sequence(&ids), None).unwrap());
    assert!(worst("base logits", &logits, &reference.get("logits")) < 1e-4);

    let expected = reference.ids("greedy_ids");
    assert_eq!(greedy(&model, &expected[..1], &[1], 199), expected[1..]);

    let samples = golden_samples(&tokenizer);
    let losses: Vec<f64> = samples.iter().map(|sample| f64::from(sample_loss(&model, None, sample).unwrap())).collect();
    assert!(worst("base sample losses", &losses, &reference.get("sample_loss")) < 1e-4);
}

fn packed_sequences_do_not_see_each_other(placement: Placement) {
    let Some((model, tokenizer)) = stories_at(placement) else { return };
    let samples = golden_samples(&tokenizer);
    let batch = Batch::new(&samples);
    let together = model.loss_sum(&batch, None).unwrap().to_scalar::<f32>().unwrap();
    let apart: f32 =
        samples.iter().map(|sample| sample_loss(&model, None, sample).unwrap() * sample.trained_tokens() as f32).sum();
    assert!(worst("packed loss", &[f64::from(together)], &[f64::from(apart)]) < 1e-2);
}
