//! Interrupting a run and going on bit for bit.
//!
//! A checkpoint is one file, so that it is whole or absent: parameters, both moments and the trace as tensors, and in the
//! metadata the number of steps, the evaluations and a fingerprint of everything else that determines the run. The order of
//! samples follows from seed and step, so no random state needs keeping.
//!
//! The checkpoint before the last stays beside it: parameters can be finite and yet so large that the step after the
//! checkpoint shows them to be lost.

use crate::error::TrainError;
use crate::evaluation::Evaluation;
use crate::files::write_atomically;
use crate::ops::with_values;
use crate::quant::Precision;
use crate::settings::TrainConfig;
use crate::train::TrainingRun;
use candle_core::Tensor;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tributary_protocol::ContentHash;
use tributary_protocol::trace::StepRecord;

/// Name of the file.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";
/// Name of the checkpoint before the last.
const PREVIOUS_FILE: &str = "checkpoint.previous.safetensors";
const STATE_ENTRY: &str = "tributary_run";
const TRACE: &str = "trace";

#[derive(Serialize, Deserialize)]
struct State {
    run: ContentHash,
    steps: u64,
    /// Step and bits of the loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    evaluations: Vec<(u64, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best_adapter: Option<ContentHash>,
}

/// Sets the checkpoint in `dir` aside, so that the next does not replace the only one. It stays readable under its name.
pub(crate) fn set_aside(dir: &Path) -> Result<(), TrainError> {
    let (path, previous) = (dir.join(CHECKPOINT_FILE), dir.join(PREVIOUS_FILE));
    if !path.exists() {
        return Ok(());
    }
    let link = dir.join(format!(".{PREVIOUS_FILE}.{}.tmp", std::process::id()));
    let linked = std::fs::hard_link(&path, &link)
        // A file system without links costs a copy.
        .or_else(|_| std::fs::copy(&path, &link).map(|_| ()));
    let renamed = linked.and_then(|()| std::fs::rename(&link, &previous));
    // Renaming one link of a file to another does nothing, and the first stays.
    let _ = std::fs::remove_file(&link);
    renamed.map_err(|source| TrainError::File { path: previous, source })
}

/// Puts the checkpoint that was set aside back in place of the last one, and returns its step; without one there is none
/// any more.
pub(crate) fn restore(dir: &Path) -> Result<Option<u64>, TrainError> {
    let (path, previous) = (dir.join(CHECKPOINT_FILE), dir.join(PREVIOUS_FILE));
    if !previous.exists() {
        remove(dir)?;
        return Ok(None);
    }
    let access = |source| TrainError::File { path: path.clone(), source };
    std::fs::rename(&previous, &path).map_err(access)?;
    let bytes = std::fs::read(&path).map_err(access)?;
    Ok(Some(read_state(&path, &bytes)?.steps))
}

fn read_state(path: &Path, bytes: &[u8]) -> Result<State, TrainError> {
    let damaged = |reason: String| TrainError::DamagedCheckpoint { path: path.into(), reason };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
    let entry = header.metadata().as_ref().and_then(|metadata| metadata.get(STATE_ENTRY));
    let entry = entry.ok_or_else(|| damaged("no state".into()))?;
    serde_json::from_str(entry).map_err(|error| damaged(error.to_string()))
}

/// Removes the checkpoints in `dir`.
pub(crate) fn remove(dir: &Path) -> Result<(), TrainError> {
    for path in [dir.join(PREVIOUS_FILE), dir.join(CHECKPOINT_FILE)] {
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(TrainError::File { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

impl TrainingRun {
    /// Writes the state of the run to `dir`, replacing an older checkpoint there atomically.
    ///
    /// Errors: a parameter that is not finite; the older checkpoint stays then.
    pub fn checkpoint(&self, dir: &Path) -> Result<(), TrainError> {
        let path = dir.join(CHECKPOINT_FILE);
        let damaged = |reason: String| TrainError::DamagedCheckpoint { path: path.clone(), reason };
        self.check_parameters()?;
        let evaluations = self.evaluations.iter().map(|evaluation| (evaluation.step, evaluation.loss.to_bits()));
        let state = State {
            run: self.fingerprint()?,
            steps: self.steps_done(),
            evaluations: evaluations.collect(),
            best_adapter: self.best_adapter,
        };
        let state = serde_json::to_string(&state).map_err(|error| damaged(error.to_string()))?;
        let mut tensors: Vec<(String, Vec<u8>)> = Vec::new();
        for (index, (_, variable)) in self.parameters().iter().enumerate() {
            let moments = self.optimiser.moments_of(index)?;
            let parameter = with_values(variable.as_tensor(), |values| Ok(to_bytes(values)))?;
            tensors.push((format!("parameter.{index:06}"), parameter));
            tensors.push((format!("first.{index:06}"), to_bytes(&moments.first)));
            tensors.push((format!("second.{index:06}"), to_bytes(&moments.second)));
        }
        let trace = serde_json::to_vec(&self.trace).map_err(|error| damaged(error.to_string()))?;
        let mut views = Vec::with_capacity(tensors.len() + 1);
        for (name, bytes) in &tensors {
            let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes);
            views.push((name.as_str(), view.map_err(|error| damaged(error.to_string()))?));
        }
        let view = TensorView::new(Dtype::U8, vec![trace.len()], &trace);
        views.push((TRACE, view.map_err(|error| damaged(error.to_string()))?));
        let metadata = HashMap::from([(STATE_ENTRY.to_owned(), state)]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| damaged(error.to_string()))?;
        write_atomically(&path, &bytes).map_err(|source| TrainError::File { path, source })
    }

    /// Takes up the checkpoint in `dir`, if there is one, and says whether there was.
    ///
    /// The run must have been made from the same model, samples and settings. From here it gives the same bits as if it
    /// had never stopped; with the arithmetic `det-f32-v1` on any machine.
    pub fn resume(&mut self, dir: &Path) -> Result<bool, TrainError> {
        let path = dir.join(CHECKPOINT_FILE);
        if !path.exists() {
            return Ok(false);
        }
        let bytes = std::fs::read(&path).map_err(|source| TrainError::File { path: path.clone(), source })?;
        let damaged = |reason: String| TrainError::DamagedCheckpoint { path: path.clone(), reason };
        let state = read_state(&path, &bytes)?;
        if state.run != self.fingerprint()? {
            return Err(TrainError::OtherRun { what: "model, samples or settings" });
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let tensor = |name: &str| file.tensor(name).map_err(|error| damaged(error.to_string()));
        let values = |name: String, count: usize| match from_bytes(tensor(&name)?.data()) {
            values if values.len() == count => Ok(values),
            values => Err(damaged(format!("{name} has {} elements instead of {count}", values.len()))),
        };
        let trace: Vec<StepRecord> =
            serde_json::from_slice(tensor(TRACE)?.data()).map_err(|error| damaged(error.to_string()))?;
        if trace.len() as u64 != state.steps {
            return Err(damaged(format!("{} records of {} steps", trace.len(), state.steps)));
        }
        // Everything is read and checked before anything is changed.
        let mut parameters = Vec::new();
        let mut moments = Vec::new();
        for (index, (_, variable)) in self.parameters().iter().enumerate() {
            let count = variable.elem_count();
            let parameter = values(format!("parameter.{index:06}"), count)?;
            parameters.push(Tensor::from_vec(parameter, variable.shape(), variable.device())?);
            let (first, second) =
                (values(format!("first.{index:06}"), count)?, values(format!("second.{index:06}"), count)?);
            moments.push(crate::optim::Moments { first, second });
        }
        for ((_, variable), parameter) in self.parameters().iter().zip(&parameters) {
            variable.set(parameter)?;
        }
        self.optimiser.take_up(moments)?;
        self.optimiser.steps = state.steps;
        self.trace = trace;
        let evaluations = state.evaluations.into_iter();
        self.evaluations = evaluations.map(|(step, bits)| Evaluation { step, loss: f32::from_bits(bits) }).collect();
        self.best_adapter = state.best_adapter;
        Ok(true)
    }

    /// Hash of everything that determines the run apart from where its parameters start.
    fn fingerprint(&self) -> Result<ContentHash, TrainError> {
        let mut hash = blake3::Hasher::new_derive_key("tributary.network 2026-11 training run v1");
        let mut add = |part: &[u8]| {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        // It changes no bit of the result, so a run that ran out of memory may go on with it.
        let config = TrainConfig { activation_checkpointing: false, ..*self.config() };
        let settings = serde_json::to_vec(&(config, self.adapter().map(|adapter| adapter.config())));
        add(&settings
            .map_err(|error| TrainError::DamagedCheckpoint { path: PathBuf::new(), reason: error.to_string() })?);
        add(&self.model().content_hash().unwrap_or_default().0);
        // Profiles give different bits, so a run does not change its own.
        add(self.model().arithmetic().name().as_bytes());
        // Nor does a run move: other places round otherwise.
        let placement = self.model().placement();
        if !placement.is_native() {
            add(placement.to_string().as_bytes());
        }
        // Runs on f32 have the fingerprint that they had before there were others.
        match self.model().precision() {
            Precision::F32 => {}
            Precision::Nf4 => add(b"nf4"),
            Precision::Nf4Double => add(b"nf4_double"),
        }
        for (name, variable) in self.parameters() {
            add(format!("{name} {:?}", variable.dims()).as_bytes());
        }
        if let Some(positions) = self.dataset().packing() {
            add(b"packing");
            add(&(positions as u64).to_le_bytes());
        }
        if let Some(included) = self.included() {
            add(b"included");
            add(&included.iter().map(|included| u8::from(*included)).collect::<Vec<u8>>());
        }
        for samples in [self.dataset().training(), self.dataset().validation()] {
            add(&(samples.len() as u64).to_le_bytes());
            for sample in samples {
                add(&sample.id().0);
                add(&sample.tokens().iter().flat_map(|token| token.to_le_bytes()).collect::<Vec<u8>>());
                add(&(sample.trained_tokens() as u64).to_le_bytes());
                // A trained end is known by its length; anything else needs its places.
                let ranges = sample.trained_ranges();
                if ranges.len() > 1 || ranges.iter().any(|range| range.end < sample.tokens().len()) {
                    ranges.iter().for_each(|range| {
                        add(&(range.start as u64).to_le_bytes());
                        add(&(range.end as u64).to_le_bytes());
                    });
                }
            }
        }
        Ok(ContentHash(*hash.finalize().as_bytes()))
    }
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
