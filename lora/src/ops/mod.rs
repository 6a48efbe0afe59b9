//! Tensor operations with analytic gradients.
//!
//! candle's own fused operations drop gradients without an error, and its plain ones keep every intermediate and compute
//! the weight gradient of frozen layers. These keep only what the gradient needs and compute only what somebody reads.
//! Own kernels work on contiguous f32 in CPU memory; what lies elsewhere or is of another kind goes through [`composed`]
//! forms of the same operations. Both are over *packed* rows `[positions, features]`: the sequences of a batch follow
//! each other without padding.

#[cfg(test)]
mod adapted_tests;
mod attention;
#[cfg(test)]
mod attention_tests;
mod composed;
mod cross_entropy;
mod dora;
mod dropout;
mod experts;
mod few_rows;
mod gated;
pub(crate) mod gemm;
mod linear;
pub(crate) mod math;
mod paged;
mod rms_norm;
mod row_update;
mod sampled_targets;
mod unread;

pub(crate) use attention::{AttentionShape, LayerCache, attend_cached, causal_attention};
pub(crate) use composed::{Composed, PlacedCache, add_to_rows, apply, attend_cached as attend_placed, nothing_of};
pub(crate) use cross_entropy::{IGNORED, next_token_loss};
pub(crate) use dora::{dora_linear, row_norms};
pub(crate) use experts::{choose_experts, combine_experts, expert_weights};
pub(crate) use few_rows::decode_linear;
pub(crate) use gated::gated;
pub(crate) use gemm::{Backend, CHUNK};
pub(crate) use linear::{frozen_linear, linear, lora_linear, low_rank_sum};
pub(crate) use paged::{PAGE, PagedLayer, PagedRow, attend_paged};
pub(crate) use rms_norm::rms_norm;
pub(crate) use row_update::{RowUpdate, Run, mixed_linear};
pub(crate) use sampled_targets::sampled_targets;
pub(crate) use unread::{unread_frozen_linear, unread_lora_linear};

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor, bail};

/// The elements of one argument of an operation.
pub(crate) fn elements<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else {
        bail!("expected f32 elements");
    };
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => bail!("expected a contiguous tensor"),
    }
}

/// Calls `read` with the elements of `tensor`, without copying them.
pub(crate) fn with_elements<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => read(elements(storage, layout)?),
        _ => bail!("expected a tensor in CPU memory"),
    }
}

/// Whether own kernels compute with `x`: f32 in CPU memory.
pub(crate) fn is_native(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// [`with_elements`] of a tensor wherever it lies and of whatever kind: in f32, copied where they are not. For what is small
/// or rare beside a step's work.
pub(crate) fn with_values<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    if is_native(tensor) {
        return with_elements(tensor, read);
    }
    read(&tensor.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?)
}

/// Whether a gradient of `tensor` will be read: it is a variable, or was computed from one.
fn is_tracked(tensor: &Tensor) -> bool {
    tensor.track_op()
}
