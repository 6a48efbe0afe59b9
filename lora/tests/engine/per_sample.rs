//! Gradients of single samples, and runs that show them.

use std::path::Path;
use std::sync::Arc;
use tributary_lora::{
    AdamWConfig, Adapter, Architecture, Capture, CapturedSample, CapturedStep, Control, Dataset, EncodedSample,
    Experts, Family, LoraConfig, Model, ModelConfig, Outcome, RopeConfig, RopeScaling, Routing, Scores, Session,
    SessionConfig, Targets, TrainConfig, TrainError, TrainingRun, sample_gradient, sample_gradients,
};
use tributary_protocol::ContentHash;

fn config() -> ModelConfig {
    ModelConfig {
        vocab_size: 48,
        hidden_size: 24,
        intermediate_size: 40,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::None },
        positions_max: 32,
        tie_word_embeddings: false,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        architecture: Architecture::default(),
    }
}

fn dense() -> Arc<Model> {
    Arc::new(Model::random(config(), 4).unwrap())
}

fn sample(row: u32) -> EncodedSample {
    let tokens = (0..9 + row % 5).map(|i| (i * (row + 3) + row) % 47).collect();
    EncodedSample::new(ContentHash::of(&row.to_le_bytes()), tokens, 2)
}

/// Some samples, of which at least two are kept for validation, and as many trained on as make three steps an epoch.
fn dataset() -> Dataset {
    let divided = |part: u32| Dataset::divide((0..14).map(sample).collect(), part * 50_000).unwrap();
    (1..20).map(divided).find(|dataset| (9..=12).contains(&dataset.training().len())).unwrap()
}

fn lora() -> LoraConfig {
    LoraConfig { rank: 3, alpha: 6.0, targets: Targets::AllLinear, ..Default::default() }
}

fn settings() -> TrainConfig {
    TrainConfig {
        epochs: 3,
        batch_size: 4,
        micro_batch_size: 3,
        learning_rate: 1e-2,
        adamw: AdamWConfig { epsilon: 1e-4, weight_decay: 0.01, lora_plus_ratio: Some(2.0), ..Default::default() },
        gradient_norm_max: Some(0.5),
        ..Default::default()
    }
}

fn start(model: &Arc<Model>, lora: LoraConfig, settings: TrainConfig) -> TrainingRun {
    TrainingRun::new(model.clone(), Adapter::new(model, lora, 5).unwrap(), dataset(), settings).unwrap()
}

/// What a step showed.
#[derive(Clone, Debug, Default)]
struct Seen {
    steps: Vec<Step>,
    settled: usize,
}

#[derive(Clone, Debug)]
struct Step {
    samples: Vec<usize>,
    tokens: Vec<usize>,
    scale: f64,
    keep: f64,
    learning_rate: f64,
    gradients: Vec<f32>,
    factors: Vec<f32>,
    ghosts: Vec<CapturedSample>,
    ghost_gradients: Vec<f32>,
    preconditioner: Vec<f32>,
}

impl Capture for Seen {
    fn begin(&mut self, steps: u64) -> Result<(), TrainError> {
        self.steps.truncate(steps as usize);
        Ok(())
    }

    fn step(&mut self, step: &CapturedStep<'_>) -> Result<(), TrainError> {
        assert_eq!(step.step, self.steps.len() as u64 + 1);
        self.steps.push(Step {
            samples: step.samples.iter().map(|sample| sample.index).collect(),
            tokens: step.samples.iter().map(|sample| sample.tokens).collect(),
            scale: step.scale,
            keep: step.keep,
            learning_rate: step.learning_rate,
            gradients: step.gradients.to_vec(),
            factors: step.factors.to_vec(),
            ghosts: step.ghosts.to_vec(),
            ghost_gradients: step.ghost_gradients.to_vec(),
            preconditioner: step.preconditioner.to_vec(),
        });
        Ok(())
    }

    fn settle(&mut self) -> Result<(), TrainError> {
        self.settled += 1;
        Ok(())
    }
}

fn flat(adapter: &Adapter) -> Vec<f32> {
    let values = |(_, tensor): (String, candle_core::Tensor)| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    adapter.tensors().into_iter().flat_map(values).collect()
}

/// Largest difference, as a part of the largest element.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0);
    a.iter().zip(b).fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

/// An adapter after some steps, so that neither `A` nor `B` is special.
fn trained(model: &Arc<Model>, lora: LoraConfig) -> Adapter {
    let mut run = start(model, lora, TrainConfig { learning_rate: 5e-2, ..settings() });
    (0..4).for_each(|_| {
        run.step().unwrap();
    });
    run.into_adapter().unwrap()
}

fn mixture() -> Arc<Model> {
    let routing = Routing { scores: Scores::Softmax, normalised: true, scale: 1.0, groups: None };
    let experts = Experts { count: 5, chosen: 2, intermediate_size: 20, shared: 0, first_layer: 0, routing };
    let architecture = Architecture { family: Family::Mixtral, experts: Some(experts), ..Architecture::default() };
    Arc::new(Model::random(ModelConfig { architecture, ..config() }, 4).unwrap())
}

#[test]
fn one_backward_pass_gives_the_gradient_of_each_sample() {
    let samples: Vec<EncodedSample> = (0..6).map(sample).collect();
    let together: Vec<&EncodedSample> = samples.iter().collect();
    let dora = LoraConfig { weight_decomposed: true, ..lora() };
    let some = LoraConfig { targets: [tributary_lora::Target::K, tributary_lora::Target::Down].into(), ..lora() };
    for (name, model, lora) in [
        ("all layers", dense(), lora()),
        ("two layers", dense(), some),
        ("experts", mixture(), lora()),
        ("DoRA", dense(), dora),
    ] {
        let adapter = trained(&model, lora);
        let all = sample_gradients(&model, &adapter, &together).unwrap();
        for (sample, gradient) in samples.iter().zip(&all) {
            let alone = sample_gradient(&model, &adapter, sample).unwrap();
            let worst = difference(&alone, gradient);
            // Sums over at most 13 positions in another order.
            assert!(worst < 1e-5, "{name}: {worst:e}");
        }
        println!("{name}: {} parameters", adapter.parameter_count());
    }
    assert!(sample_gradients(&dense(), &trained(&dense(), self::lora()), &[]).unwrap().is_empty());
}

#[test]
fn a_captured_run_has_the_same_bits() {
    let noisy = LoraConfig { dropout: 0.2, ..lora() };
    let dora = LoraConfig { weight_decomposed: true, ..noisy.clone() };
    for (name, model, lora) in [
        ("LoRA", dense(), lora()),
        ("dropout", dense(), noisy),
        ("DoRA", dense(), dora),
        ("experts", mixture(), lora()),
    ] {
        for activation_checkpointing in [false, true] {
            let settings = TrainConfig { activation_checkpointing, neftune_alpha: Some(5.0), ..settings() };
            let (mut plain, mut captured) =
                (start(&model, lora.clone(), settings), start(&model, lora.clone(), settings));
            let mut seen = Seen::default();
            while !plain.is_done() {
                assert_eq!(plain.step().unwrap(), captured.step_captured(&mut seen).unwrap(), "{name}");
            }
            assert_eq!(plain.trace(), captured.trace(), "{name}");
            assert!(flat(plain.adapter().unwrap()) == flat(captured.adapter().unwrap()), "{name}");
            assert_eq!(seen.steps.len() as u64, captured.steps());
        }
    }
}

#[test]
fn what_a_step_shows_adds_up_to_what_it_did() {
    let model = dense();
    // Without averages over steps, a step's movement follows from its own gradient.
    let adamw = AdamWConfig { beta1: 0.0, beta2: 0.0, ..settings().adamw };
    let mut run = start(&model, LoraConfig { dropout: 0.2, ..lora() }, TrainConfig { adamw, ..settings() });
    let mut seen = Seen::default();
    while !run.is_done() {
        let before = flat(run.adapter().unwrap());
        run.step_captured(&mut seen).unwrap();
        let after = flat(run.adapter().unwrap());
        let step = seen.steps.last().unwrap();
        assert_eq!(step.preconditioner, run.preconditioner());
        let expected: Vec<f32> = (0..before.len())
            .map(|at| {
                let sum: f32 = step.gradients.chunks(before.len()).map(|row| row[at]).sum();
                let moved = step.learning_rate * f64::from(step.preconditioner[at]) * step.scale * f64::from(sum);
                (step.keep * f64::from(before[at]) - moved) as f32
            })
            .collect();
        let worst = difference(&after, &expected);
        assert!(worst < 1e-4, "{worst:e}");
        assert_eq!(step.samples.len(), step.tokens.len());
        assert!(
            step.samples
                .iter()
                .zip(&step.tokens)
                .all(|(sample, tokens)| { dataset().training()[*sample].trained_tokens() == *tokens })
        );
    }
}

#[test]
fn every_epoch_shows_the_gradient_of_each_ghost_once() {
    let dora = LoraConfig { weight_decomposed: true, ..lora() };
    let noisy = LoraConfig { dropout: 0.2, ..lora() };
    for (name, lora, is_plain) in [("LoRA", lora(), true), ("DoRA", dora, true), ("dropout", noisy, false)] {
        let model = dense();
        let mut run = start(&model, lora, settings());
        let ghosts = run.dataset().validation().to_vec();
        let mut seen = Seen::default();
        while !run.is_done() {
            let adapter = run.adapter().unwrap();
            let before: Vec<Vec<f32>> =
                ghosts.iter().map(|ghost| sample_gradient(&model, adapter, ghost).unwrap()).collect();
            run.step_captured(&mut seen).unwrap();
            let step = seen.steps.last().unwrap();
            assert_eq!(step.ghost_gradients.len(), step.ghosts.len() * before[0].len());
            for (ghost, row) in step.ghosts.iter().zip(step.ghost_gradients.chunks(before[0].len())) {
                let sample = &ghosts[ghost.index];
                assert_eq!((ghost.id, ghost.tokens), (sample.id(), sample.trained_tokens()));
                // Of the sum of the losses, where the other is of their mean.
                let mean: Vec<f32> = row.iter().map(|value| value / ghost.tokens as f32).collect();
                let worst = difference(&before[ghost.index], &mean);
                // What training steps drop, ghosts drop too.
                assert_eq!(worst < 1e-5, is_plain, "{name}: {worst:e}");
            }
        }
        let mut times = vec![0; ghosts.len()];
        seen.steps.iter().flat_map(|step| &step.ghosts).for_each(|ghost| times[ghost.index] += 1);
        assert!(times.len() > 1 && times.iter().all(|times| *times == 3), "{name}: {times:?}");
    }
}

/// The mean of the drawn gradients is zero, since a model expects nothing of itself; that of their squares is not.
#[test]
fn drawn_labels_have_no_direction() {
    let model = dense();
    let mut seen = Seen::default();
    // One long epoch at a learning rate of next to nothing: many draws at one point.
    let settings = TrainConfig { epochs: 300, learning_rate: 1e-12, ..settings() };
    let mut run = start(&model, lora(), settings);
    while !run.is_done() {
        run.step_captured(&mut seen).unwrap();
    }
    let width = run.adapter().unwrap().parameter_count();
    let rows: Vec<&[f32]> = seen.steps.iter().flat_map(|step| step.factors.chunks(width)).collect();
    let mut mean = vec![0f64; width];
    let mut square = 0f64;
    for row in &rows {
        mean.iter_mut().zip(*row).for_each(|(sum, value)| *sum += f64::from(*value) / rows.len() as f64);
        square += row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / rows.len() as f64;
    }
    let of_mean: f64 = mean.iter().map(|value| value * value).sum();
    let own: f64 = {
        let rows: Vec<&[f32]> = seen.steps[..3].iter().flat_map(|step| step.gradients.chunks(width)).collect();
        let mean = |at: usize| rows.iter().map(|row| f64::from(row[at])).sum::<f64>() / rows.len() as f64;
        (0..width).map(|at| mean(at).powi(2)).sum()
    };
    println!("{} draws: square {square:.3}, of the mean {of_mean:.5}, of the mean of own labels {own:.3}", rows.len());
    // The mean of n independent draws has 1/n of their square.
    assert!(of_mean < 1.5 * square / rows.len() as f64, "{of_mean} {square}");
    assert!(own > 20.0 * of_mean, "{own} {of_mean}");
}

fn session(folder: &Path) -> Session {
    let run = start(&dense(), lora(), settings());
    Session::open(run, folder, SessionConfig { checkpoint_steps: 2, ..SessionConfig::default() }).unwrap()
}

/// Refuses what it has not seen.
#[derive(Debug)]
struct Strict;

impl Capture for Strict {
    fn begin(&mut self, steps: u64) -> Result<(), TrainError> {
        match steps {
            0 => Ok(()),
            _ => Err(TrainError::Capture { reason: format!("{steps} steps are missing") }),
        }
    }

    fn step(&mut self, step: &CapturedStep<'_>) -> Result<(), TrainError> {
        match step.step {
            3 => Err(TrainError::Capture { reason: "the disk is full".into() }),
            _ => Ok(()),
        }
    }

    fn settle(&mut self) -> Result<(), TrainError> {
        Ok(())
    }
}

#[test]
fn a_session_shows_its_steps_and_ends_when_they_cannot_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = session(folder.path());
    let Outcome::Finished(plain) = whole.run(&mut |_| Control::Continue).unwrap() else { panic!("not finished") };

    let folder = tempfile::tempdir().unwrap();
    let mut broken = session(folder.path()).captured(Box::new(Strict)).unwrap();
    let error = broken.run(&mut |_| Control::Continue).unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    drop(broken);
    // Its checkpoint is of step 2, of which the next one knows nothing.
    let error = session(folder.path()).captured(Box::new(Strict)).unwrap_err();
    assert!(error.to_string().contains("2 steps are missing"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let mut captured = session(folder.path()).captured(Box::<Seen>::default()).unwrap();
    let Outcome::Finished(summary) = captured.run(&mut |_| Control::Continue).unwrap() else { panic!("not finished") };
    assert_eq!(summary, plain);
}
