//! Numbers that are not finite.

use crate::{VALIDATION_PPM, VOCABULARY, dataset, every, lora, model_config, open, settings, start, until};
use candle_core::Device;
use std::path::Path;
use std::sync::Arc;
use tributary_lora::{
    Adapter, BEST_FOLDER, Control, Dataset, EncodedSample, Event, Model, Session, TrainConfig, TrainError, TrainingRun,
    read_events,
};
use tributary_protocol::ContentHash;

fn failed(folder: &Path) -> (u64, Vec<ContentHash>, Option<u64>) {
    match read_events(folder, 0).unwrap().pop().unwrap().event {
        Event::Failed { step, samples, checkpoint_step, reason } => {
            assert!(reason.contains("hint: "), "{reason}");
            (step, samples, checkpoint_step)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ruined_parameters_are_not_what_stays() {
    let dir = tempfile::tempdir().unwrap();
    let diverging = TrainConfig { learning_rate: 1e30, ..settings() };
    let mut session = open(diverging, dir.path(), 1);
    let error = until(&mut session, |_| Control::Continue).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { step: 2.., .. }), "{error}");
    let (step, samples, kept) = failed(dir.path());
    assert_eq!(samples.len(), 4);
    let kept = kept.unwrap();
    assert!(kept < step - 1, "the parameters after step {} are ruined, and {kept} stays", step - 1);
    drop(session);
    // What stays can be taken up.
    let mut run = start(&crate::model(), lora(), diverging);
    assert!(run.resume(dir.path()).unwrap());
    assert_eq!(run.steps_done(), kept);
    assert!(run.evaluate().unwrap().unwrap().is_finite());
}

#[test]
fn a_validation_loss_that_is_not_finite_stops_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let diverging = TrainConfig { learning_rate: 1e30, evaluation_steps: 1, keep_best: true, ..settings() };
    let mut session = open(diverging, dir.path(), 1);
    let error = until(&mut session, |_| Control::Continue).unwrap_err();
    assert!(matches!(&error, TrainError::NotFinite { what: "validation loss", samples, .. } if !samples.is_empty()));
    assert_eq!(failed(dir.path()).2, Some(0));
}

/// A model folder in which the embedding of the last token is infinite.
fn poisoned_model() -> Arc<Model> {
    let dir = tempfile::tempdir().unwrap();
    Model::random(model_config(), 4).unwrap().save_bf16(dir.path()).unwrap();
    let path = dir.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let end = metadata.info("model.embed_tokens.weight").unwrap().data_offsets.1;
    // The last element of the last row; bf16 infinity.
    bytes[8 + header + end - 2..8 + header + end].copy_from_slice(&[0x80, 0x7f]);
    std::fs::write(&path, bytes).unwrap();
    Arc::new(Model::load(dir.path(), &Device::Cpu).unwrap())
}

#[test]
fn a_sample_that_breaks_the_loss_is_named_and_everything_before_it_stays() {
    let poisoned = EncodedSample::new(ContentHash([0xff; 32]), vec![0, 5, VOCABULARY - 1, 7, 9], 2);
    // Not shuffled: the ninth sample is in the third step.
    let mut samples = dataset().training().to_vec();
    samples.insert(8, poisoned.clone());
    samples.extend(dataset().validation().to_vec());
    let dataset = Dataset::divide(samples, VALIDATION_PPM).unwrap();
    let model = poisoned_model();
    let config =
        TrainConfig { shuffle: false, evaluation_steps: 1, keep_best: true, learning_rate: 1e-3, ..settings() };
    let dir = tempfile::tempdir().unwrap();
    let begin = || {
        let adapter = Adapter::new(&model, lora(), 5).unwrap();
        TrainingRun::new(model.clone(), adapter, dataset.clone(), config).unwrap()
    };
    let mut session = Session::open(begin(), dir.path(), every(1)).unwrap();
    let error = until(&mut session, |_| Control::Continue).unwrap_err();
    let TrainError::NotFinite { what: "loss", step: 3, samples, .. } = &error else { panic!("{error}") };
    assert!(samples.len() == 4 && samples.contains(&poisoned.id()));
    assert!(error.to_string().contains(&poisoned.id().to_string()), "{error}");
    assert_eq!(failed(dir.path()), (3, samples.clone(), Some(2)));
    let best = session.training().best_evaluation().unwrap();
    drop(session);
    let mut run = begin();
    assert!(run.resume(dir.path()).unwrap());
    assert_eq!((run.steps_done(), run.best_evaluation()), (2, Some(best)));
    let mut same = begin();
    for _ in 0..best.step {
        same.step().unwrap();
    }
    let kept = Adapter::load(&dir.path().join(BEST_FOLDER), &model).unwrap();
    assert_eq!(kept.content_hash().unwrap(), same.adapter().unwrap().content_hash().unwrap());
}
