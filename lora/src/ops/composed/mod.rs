//! The operations composed of whole tensors' arithmetic, for every device and kind of numbers.
//!
//! The kernels beside this folder work on f32 in CPU memory; anything else comes here ([`is_native`](super::is_native)). An
//! operation is a forward and a backward pass written with candle's plain tensor arithmetic, wrapped as one node of the
//! graph: only its arguments are kept for the gradient, and frozen weights, which are no arguments, get none.
//!
//! # Invariant
//! None of candle's fused operations (rms-norm, softmax, rope, quantised products): they drop gradients without an error.
//! No tensor without elements reaches a kernel, which GPUs refuse to start.

mod attention;
mod cross_entropy;
mod dora;
mod experts;
mod gated;
mod linear;
mod rms_norm;
mod rope;
mod rows;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use attention::attention_within;
pub(super) use attention::causal_attention;
pub(crate) use attention::{PlacedCache, attend_cached};
#[cfg(test)]
pub(super) use cross_entropy::loss_within;
pub(super) use cross_entropy::next_token_loss;
pub(super) use dora::{dora_linear, row_norms};
pub(crate) use experts::nothing_of;
pub(super) use experts::{combine_experts, expert_weights};
pub(super) use gated::gated;
pub(super) use linear::{decode_linear, linear, lora_linear};
pub(super) use rms_norm::rms_norm;
pub(crate) use rows::add_to_rows;

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, DType, InplaceOp1, Layout, Result, Shape, Storage,
    Tensor, bail,
};
use std::sync::Mutex;

/// An operation with its gradient.
pub(crate) trait Composed: Send + Sync + 'static {
    /// What errors call it.
    const NAME: &'static str;

    /// The result.
    fn forward(&self, args: &[&Tensor]) -> Result<Tensor>;

    /// The gradients of the arguments, each of its argument's shape and kind; `None` where `wanted` says that nobody reads
    /// it.
    fn backward(&self, args: &[&Tensor], dy: &Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>>;
}

/// Applies an operation to one, two or three arguments. Without a variable behind any of them nothing is kept.
pub(crate) fn apply<C: Composed>(op: C, args: &[&Tensor]) -> Result<Tensor> {
    let detached: Vec<Tensor> = args.iter().map(|arg| arg.detach()).collect();
    let detached: Vec<&Tensor> = detached.iter().collect();
    let y = op.forward(&detached)?;
    if !args.iter().any(|arg| arg.track_op()) {
        return Ok(y);
    }
    let y = match y.is_contiguous() && y.layout().start_offset() == 0 && !detached.iter().any(|arg| shares(arg, &y)) {
        true => y,
        false => y.force_contiguous()?,
    };
    let made = Made { shape: y.shape().clone(), y: Mutex::new(Some(y)), op };
    match args {
        [x] => x.apply_op1(made),
        [x, y] => x.apply_op2(y, made),
        [x, y, z] => x.apply_op3(y, z, made),
        _ => bail!("{} of {} arguments", C::NAME, args.len()),
    }
}

/// The kind of numbers for what must not be rounded to 16 bits on its way: f32, or f64 for f64.
pub(super) fn wide(x: &Tensor) -> Result<Tensor> {
    x.to_dtype(wide_dtype(x.dtype()))
}

/// The kind of [`wide`] numbers.
pub(super) fn wide_dtype(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Whether both are views of the same memory.
fn shares(a: &Tensor, b: &Tensor) -> bool {
    let ((a, _), (b, _)) = (a.storage_and_layout(), b.storage_and_layout());
    std::ptr::eq::<Storage>(&*a, &*b)
}

/// An operation whose result is there already: a node of the graph takes it over without copying it.
struct Made<C> {
    op: C,
    y: Mutex<Option<Tensor>>,
    shape: Shape,
}

impl<C: Composed> Made<C> {
    fn take(&self) -> Result<Storage> {
        let Some(y) = self.y.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() else {
            bail!("{} was applied twice", C::NAME)
        };
        let taken = Take::default();
        y.inplace_op1(&taken)?;
        match taken.0.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some(storage) => Ok(storage),
            None => bail!("{} has no result", C::NAME),
        }
    }

    fn cpu(&self) -> Result<(CpuStorage, Shape)> {
        match self.take()? {
            Storage::Cpu(storage) => Ok((storage, self.shape.clone())),
            _ => bail!("the result of {} is not in CPU memory", C::NAME),
        }
    }

    fn cuda(&self) -> Result<(CudaStorage, Shape)> {
        match self.take()? {
            Storage::Cuda(storage) => Ok((storage, self.shape.clone())),
            _ => bail!("the result of {} is not in a GPU's memory", C::NAME),
        }
    }

    fn gradients(&self, args: &[&Tensor], dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let wanted: Vec<bool> = args.iter().map(|arg| arg.track_op()).collect();
        let detached: Vec<Tensor> = args.iter().map(|arg| arg.detach()).collect();
        let detached: Vec<&Tensor> = detached.iter().collect();
        self.op.backward(&detached, &dy.detach().contiguous()?, &wanted)
    }
}

/// Takes the memory out of a tensor that nobody reads any more.
#[derive(Default)]
struct Take(Mutex<Option<Storage>>);

impl Take {
    fn keep(&self, storage: Storage) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(storage);
    }
}

impl InplaceOp1 for Take {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        self.keep(Storage::Cpu(std::mem::replace(storage, CpuStorage::U8(Vec::new()))));
        Ok(())
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        // One byte stays behind: GPUs do not hand out less.
        let left = storage.device().zeros_impl(&Shape::from(1), DType::U8)?;
        self.keep(Storage::Cuda(std::mem::replace(storage, left)));
        Ok(())
    }
}

impl<C: Composed> CustomOp1 for Made<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let [dx] = exactly(C::NAME, self.gradients(&[x], dy)?)?;
        Ok(dx)
    }
}

impl<C: Composed> CustomOp2 for Made<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, _: &Tensor, dz: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dy] = exactly(C::NAME, self.gradients(&[x, y], dz)?)?;
        Ok((dx, dy))
    }
}

impl<C: Composed> CustomOp3 for Made<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        z: &Tensor,
        _: &Tensor,
        dw: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, dy, dz] = exactly(C::NAME, self.gradients(&[x, y, z], dw)?)?;
        Ok((dx, dy, dz))
    }
}

fn exactly<const N: usize>(name: &str, gradients: Vec<Option<Tensor>>) -> Result<[Option<Tensor>; N]> {
    let count = gradients.len();
    gradients.try_into().or_else(|_| bail!("{name} has {count} gradients for {N} arguments"))
}
