//! What a run's numbers depend on.

use crate::conformance::{ConformanceError, conformance};
use crate::ops::Backend;
use crate::placement::Placement;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A profile: the promise that is made about the bits of a run.
///
/// Both run the same code on a processor that has fused multiply-adds: measured, the defined order of operations costs
/// nothing there, and registers of any width give its bits. They differ in what is refused and in what may change later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arithmetic {
    /// Every f32 of a run is a function of its inputs alone: not of the number of threads, the caches or the width of the
    /// registers. Defined in `docs/protocol/det-f32-v1.md`; a processor that cannot do it is refused.
    #[default]
    #[serde(rename = "det-f32-v1")]
    DetF32V1,
    /// The quickest that the machine has, which may be another order of operations tomorrow or on another machine.
    /// Without fused multiply-adds, products round twice.
    #[serde(rename = "fast")]
    Fast,
}

/// Why a profile cannot be had here.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ArithmeticError {
    /// The processor multiplies and adds with two roundings.
    #[error(
        "this processor has no fused multiply-add (AVX2 and FMA on x86-64), without which det-f32-v1 has no defined \
         result; hint: use a processor with both (Intel since Haswell, AMD since Excavator), or a job that accepts \
         the profile fast"
    )]
    NoFusedMultiplyAdd,
    /// This build, or this machine, computes something else than the profile says.
    #[error(transparent)]
    Conformance(#[from] ConformanceError),
    /// The model lies where the profile has no defined result.
    #[error(
        "det-f32-v1 is defined for f32 on the processor, and not for {placement}; hint: the profile fast is accepted there"
    )]
    Placed {
        /// Where it lies.
        placement: Placement,
    },
    /// No such profile.
    #[error("unknown arithmetic {name:?}; hint: accepted are det-f32-v1 and fast")]
    Unknown {
        /// The name.
        name: String,
    },
}

impl Arithmetic {
    /// The name in files and jobs.
    pub fn name(self) -> &'static str {
        match self {
            Self::DetF32V1 => "det-f32-v1",
            Self::Fast => "fast",
        }
    }

    /// Whether this machine keeps the profile's promise.
    ///
    /// For `det-f32-v1`: the processor has fused multiply-adds, and [`conformance`] holds, which is computed once per
    /// process (well under a second). [`Model::load`](crate::Model::load) calls it; a training run asks
    /// the processor again.
    pub fn check(self) -> Result<(), ArithmeticError> {
        static CONFORMS: OnceLock<Result<(), ConformanceError>> = OnceLock::new();
        self.check_processor()?;
        match self {
            Self::Fast => Ok(()),
            Self::DetF32V1 => Ok(CONFORMS.get_or_init(|| conformance().map(|_| ())).clone()?),
        }
    }

    /// [`Arithmetic::check`] for a model that lies at `placement`: anywhere but on the processor in f32 there is only `fast`.
    pub fn check_at(self, placement: Placement) -> Result<(), ArithmeticError> {
        match self {
            Self::DetF32V1 if !placement.is_native() => Err(ArithmeticError::Placed { placement }),
            _ => self.check(),
        }
    }

    /// The part of [`Arithmetic::check`] that asks the processor only.
    pub(crate) fn check_processor(self) -> Result<(), ArithmeticError> {
        match self {
            Self::DetF32V1 if !Backend::detect().is_fused() => Err(ArithmeticError::NoFusedMultiplyAdd),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arithmetic {
    type Err = ArithmeticError;

    fn from_str(name: &str) -> Result<Self, ArithmeticError> {
        [Self::DetF32V1, Self::Fast]
            .into_iter()
            .find(|arithmetic| arithmetic.name() == name)
            .ok_or_else(|| ArithmeticError::Unknown { name: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files() {
        for arithmetic in [Arithmetic::DetF32V1, Arithmetic::Fast] {
            assert_eq!(serde_json::to_string(&arithmetic).unwrap(), format!("{:?}", arithmetic.name()));
            assert_eq!(arithmetic.name().parse::<Arithmetic>().unwrap(), arithmetic);
        }
        let error = "det".parse::<Arithmetic>().unwrap_err().to_string();
        assert!(error.contains("\"det\"") && error.contains("det-f32-v1 and fast"), "{error}");
    }

    #[test]
    fn this_machine_is_accepted_if_it_has_fused_multiply_adds() {
        assert!(Arithmetic::Fast.check().is_ok());
        assert_eq!(Arithmetic::DetF32V1.check().is_ok(), Backend::detect().is_fused());
    }
}
