//! Where a model lies, and what it computes with.

use crate::error::LoadError;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

/// Where a model lies and what it computes with.
///
/// On the processor in f32 it goes through the kernels of this crate. Anywhere else every operation is composed of whole
/// tensors' arithmetic, the same code on every device: an adapter's parameters, the optimiser and the losses stay f32
/// there, the frozen base and what flows through it are of the kind that [`Compute`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Placement {
    /// The device.
    pub device: DeviceChoice,
    /// The kind of numbers.
    pub compute: Compute,
}

/// A device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// The NVIDIA GPU with this number, in a build with the feature `cuda`.
    Cuda(usize),
}

/// The kind of numbers that a frozen base is held in, unless it is packed, and that flow through it.
///
/// Norms, softmax, losses and the gate of the feed-forward block are computed in f32 at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compute {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with the exponent of f32: what GPUs are quickest with.
    Bf16,
    /// 64 bits, to check the others. Slow on every device.
    F64,
}

impl Placement {
    /// The processor, in f32.
    pub const CPU: Self = Self { device: DeviceChoice::Cpu, compute: Compute::F32 };

    /// The GPU with this number, in bf16.
    pub const fn cuda(index: usize) -> Self {
        Self { device: DeviceChoice::Cuda(index), compute: Compute::Bf16 }
    }

    /// Whether the kernels of this crate compute here.
    pub fn is_native(self) -> bool {
        self == Self::CPU
    }

    /// The device.
    ///
    /// Errors: a GPU in a build without the feature `cuda`, or one that is not there.
    pub fn device(self) -> Result<Device, LoadError> {
        match self.device {
            DeviceChoice::Cpu => Ok(Device::Cpu),
            DeviceChoice::Cuda(_) if !cfg!(feature = "cuda") => Err(LoadError::NoCuda { device: self.device }),
            DeviceChoice::Cuda(index) => {
                gpu(index).map_err(|error| LoadError::NoDevice { device: self.device, reason: error.to_string() })
            }
        }
    }

    /// The kind of numbers, as tensors name it.
    pub fn dtype(self) -> DType {
        match self.compute {
            Compute::F32 => DType::F32,
            Compute::Bf16 => DType::BF16,
            Compute::F64 => DType::F64,
        }
    }
}

/// The GPU with this number. A process has one handle of it: others would have their own queue and kernels.
fn gpu(index: usize) -> candle_core::Result<Device> {
    static GPUS: Mutex<BTreeMap<usize, Device>> = Mutex::new(BTreeMap::new());
    let mut gpus = GPUS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(device) = gpus.get(&index) {
        return Ok(device.clone());
    }
    let device = Device::new_cuda(index)?;
    #[cfg(feature = "cuda")]
    keep_memory(&device)?;
    gpus.insert(index, device.clone());
    Ok(device)
}

/// Lets the driver keep freed memory for the next tensor: by default it hands all of it back whenever somebody waits for a
/// result, and maps it anew for the next step. Without effect on a GPU whose driver has no pools.
#[cfg(feature = "cuda")]
fn keep_memory(device: &Device) -> candle_core::Result<()> {
    use candle_core::cuda_backend::cudarc::driver::{result, sys};
    let stream = device.as_cuda_device()?.cuda_stream();
    let mut bytes = u64::MAX;
    #[expect(unsafe_code, reason = "a setting of the driver")]
    // SAFETY: the device is that of a live context, the pool is the device's own, and the attribute is a u64.
    let kept = unsafe {
        result::device::get_default_mem_pool(stream.context().cu_device()).and_then(|pool| {
            let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            result::mem_pool::set_attribute(pool, attribute, (&raw mut bytes).cast())
        })
    };
    if let Err(error) = kept {
        tracing::debug!("the GPU's freed memory is not kept: {error}");
    }
    Ok(())
}

/// Moves a tensor to a device, in another kind of numbers.
pub(crate) fn moved(tensor: &Tensor, device: &Device, dtype: DType) -> candle_core::Result<Tensor> {
    // The smaller of both forms travels.
    if dtype.size_in_bytes() < tensor.dtype().size_in_bytes() {
        return tensor.detach().to_dtype(dtype)?.to_device(device);
    }
    tensor.detach().to_device(device)?.to_dtype(dtype)
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F64 => "f64",
        })
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.device, self.compute)
    }
}

/// A name that is no device or kind of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {found:?}; hint: accepted are {accepted}")]
pub struct PlacementError {
    /// What was asked for.
    pub what: &'static str,
    /// The text.
    pub found: String,
    /// What is accepted.
    pub accepted: &'static str,
}

impl FromStr for DeviceChoice {
    type Err = PlacementError;

    /// `cpu`, `cuda` (the first GPU) or `cuda:N`.
    fn from_str(text: &str) -> Result<Self, PlacementError> {
        let unknown = || PlacementError { what: "device", found: text.into(), accepted: "cpu, cuda and cuda:NUMBER" };
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) => index.parse().map(Self::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl FromStr for Compute {
    type Err = PlacementError;

    fn from_str(text: &str) -> Result<Self, PlacementError> {
        let all = [Self::F32, Self::Bf16, Self::F64];
        all.into_iter().find(|compute| compute.to_string() == text).ok_or_else(|| PlacementError {
            what: "kind of numbers",
            found: text.into(),
            accepted: "f32, bf16 and f64",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        for device in [DeviceChoice::Cpu, DeviceChoice::Cuda(0), DeviceChoice::Cuda(3)] {
            assert_eq!(device.to_string().parse::<DeviceChoice>().unwrap(), device);
        }
        assert_eq!("cuda".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(0));
        for compute in [Compute::F32, Compute::Bf16, Compute::F64] {
            assert_eq!(compute.to_string().parse::<Compute>().unwrap(), compute);
        }
        for text in ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""] {
            let error = text.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("cuda:NUMBER"), "{error}");
        }
        let error = "f16".parse::<Compute>().unwrap_err().to_string();
        assert!(error.contains("\"f16\"") && error.contains("bf16"), "{error}");
    }

    #[test]
    fn a_build_without_cuda_says_how_to_get_it() {
        if cfg!(feature = "cuda") {
            return;
        }
        let error = Placement::cuda(1).device().unwrap_err().to_string();
        assert!(error.contains("cuda:1") && error.contains("feature `cuda`"), "{error}");
    }
}
