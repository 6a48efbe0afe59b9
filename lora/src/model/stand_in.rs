//! Models to measure speed and memory with.

use super::assembly::{linear_names, shapes};
use super::{Model, deviation, placed};
use crate::arithmetic::Arithmetic;
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::placement::Placement;
use crate::quant::{FrozenWeight, Nf4Matrix, Nf4Scales, Precision};
use crate::random::Random;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers that are drawn; all parameters repeat them.
const DRAWN: usize = 1 << 20;

impl Model {
    /// A model of the size of `config` for measurements: as [`Model::random`], but its parameters repeat a million numbers,
    /// which takes seconds instead of minutes for the largest, and the profile is `fast`.
    ///
    /// Errors: a device that this build or this machine does not have. Cost: memory for the model where it lies, and on the
    /// processor for its largest parameter in f32.
    pub fn stand_in(
        config: ModelConfig,
        seed: u64,
        precision: Precision,
        placement: Placement,
    ) -> Result<Self, LoadError> {
        Arithmetic::Fast.check_at(placement)?;
        placement.device()?;
        let mut random = Random::new(seed, "stand-in parameters");
        let drawn: Vec<f32> = (0..DRAWN).map(|_| random.normal()).collect();
        let packed = match precision {
            Precision::F32 => None,
            Precision::Nf4 | Precision::Nf4Double => {
                let quant = |source| LoadError::Quant { name: "stand-in".into(), source };
                Some(Nf4Matrix::quantise(&drawn, 1, DRAWN, false).map_err(quant)?)
            }
        };
        let linear = linear_names(&config);
        let mut parameters = BTreeMap::new();
        for (name, shape) in shapes(&config) {
            let count: usize = shape.iter().product();
            let weight = match (deviation(&config, &name, &shape), &packed, shape.as_slice()) {
                (Some(deviation), Some(packed), [rows, columns]) if linear.contains(&name) => {
                    let double = precision == Precision::Nf4Double;
                    let quant = |source| LoadError::Quant { name: name.clone(), source };
                    let matrix = repeated(packed, *rows, *columns, deviation, double).map_err(quant)?;
                    FrozenWeight::Nf4(Arc::new(matrix))
                }
                (deviation, _, _) => {
                    let values = match deviation {
                        None => vec![1.0 - config.family().norm_offset(); count],
                        Some(deviation) => drawn.iter().cycle().take(count).map(|value| deviation * value).collect(),
                    };
                    Tensor::from_vec(values, shape, &Device::Cpu)?.into()
                }
            };
            let weight = placed(&name, weight, placement)?;
            parameters.insert(name, weight);
        }
        let mut model = Self::assemble(config, parameters)?;
        (model.precision, model.arithmetic, model.placement) = (precision, Arithmetic::Fast, placement);
        Ok(model)
    }
}

/// The matrix that packing the repeated numbers of `drawn`, times `deviation`, gives: its blocks repeat as well.
fn repeated(
    drawn: &Nf4Matrix,
    rows: usize,
    columns: usize,
    deviation: f32,
    double: bool,
) -> Result<Nf4Matrix, crate::QuantError> {
    let (bytes, blocks) = ((rows * columns).div_ceil(2), (rows * columns).div_ceil(64));
    let codes = drawn.packed().iter().copied().cycle().take(bytes).collect();
    let scales = drawn.scales();
    let scales: Vec<f32> = (0..blocks).map(|block| deviation * scales.get(block % scales.len())).collect();
    let scales = if double { Nf4Scales::quantise(&scales) } else { Nf4Scales::Plain(scales) };
    Nf4Matrix::from_parts(rows, columns, codes, scales)
}
