//! Whether this build, on this machine, computes what `det-f32-v1` says.
//!
//! Small cases of every operation, two short training runs and a generation are computed and compared, bit for bit, with
//! what `lora/vectors/det-f32-v1.json` says; the hash over all of them is the constant [`CONFORMANCE`]. The definition that
//! the cases check is `docs/protocol/det-f32-v1.md`.

mod cases;
mod runs;

use serde::{Deserialize, Serialize};
use tributary_protocol::ContentHash;

/// The file with the vectors, as it was when this was compiled.
const VECTORS: &str = include_str!("../../vectors/det-f32-v1.json");

/// Domain of the hash over all cases.
const CONTEXT: &str = "tributary.network 2026-11 det-f32-v1 conformance v1";

/// The hash over the outputs of all cases. It changes only with the profile's name.
pub const CONFORMANCE: ContentHash =
    ContentHash(bytes(b"c9f5852fc64ff9114b25e814d046a780f2f5d38df095f21877d94a8d231b1c19"));

/// The bytes that these hexadecimal digits stand for.
const fn bytes(digits: &[u8; 64]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 64 {
        let digit = match digits[i] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        };
        bytes[i / 2] = bytes[i / 2] << 4 | digit;
        i += 1;
    }
    bytes
}

/// Why the machine or the build does not compute as `det-f32-v1` says.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConformanceError {
    /// A case gives other bits.
    #[error(
        "this build computes {case} as {found}, det-f32-v1 says {expected}; hint: rebuild from the released sources, and \
         report the processor if that does not help"
    )]
    Differs {
        /// Name of the first such case in `lora/vectors/det-f32-v1.json`.
        case: String,
        /// Hash of what was computed.
        found: ContentHash,
        /// Hash that the vectors have.
        expected: String,
    },
    /// The vectors and the constant of this build do not belong together.
    #[error(
        "the conformance vectors give {found}, this build expects {expected}; hint: rebuild from the released sources"
    )]
    Vectors {
        /// Hash over all cases.
        found: ContentHash,
        /// The constant.
        expected: ContentHash,
    },
    /// A case could not be computed.
    #[error("conformance case {case} failed: {reason}")]
    Failed {
        /// Name of the case.
        case: String,
        /// What went wrong.
        reason: String,
    },
}

/// A case with its result.
struct Case {
    /// What it is called.
    name: &'static str,
    /// Operation and inputs, in the words of the definition.
    what: &'static str,
    outputs: Vec<f32>,
}

impl Case {
    /// BLAKE3 of the outputs' bits, little endian.
    fn hash(&self) -> ContentHash {
        let bytes: Vec<u8> = self.outputs.iter().flat_map(|value| value.to_le_bytes()).collect();
        ContentHash::of(&bytes)
    }
}

/// The file with the vectors.
#[derive(Serialize, Deserialize)]
struct Vectors {
    profile: String,
    hash: String,
    numbers: String,
    cases: Vec<Vector>,
}

#[derive(Serialize, Deserialize)]
struct Vector {
    name: String,
    what: String,
    /// Number of outputs.
    count: usize,
    /// Bits of the first outputs, in hexadecimal.
    first: Vec<String>,
    /// Hash of all.
    blake3: String,
}

/// Outputs of a case that the file shows.
const SHOWN: usize = 16;

/// Inputs of the cases, in words.
const NUMBERS: &str =
    "numbers(count, seed)[i] = (((7919·i + 104729·seed) mod 65521) - 32760) / 16384, i from 0, exact in f32";

fn all() -> Result<Vec<Case>, ConformanceError> {
    let mut cases = cases::all()?;
    cases.extend(runs::all()?);
    Ok(cases)
}

fn hash(cases: &[Case]) -> ContentHash {
    let mut hash = blake3::Hasher::new_derive_key(CONTEXT);
    for case in cases {
        hash.update(&(case.name.len() as u32).to_le_bytes());
        hash.update(case.name.as_bytes());
        hash.update(&case.hash().0);
    }
    ContentHash(*hash.finalize().as_bytes())
}

/// Computes all cases and returns their hash, which is [`CONFORMANCE`].
///
/// Errors: the first case with other bits. Cost: well under a second.
pub fn conformance() -> Result<ContentHash, ConformanceError> {
    let broken = |error: serde_json::Error| ConformanceError::Failed { case: "file".into(), reason: error.to_string() };
    let vectors: Vectors = serde_json::from_str(VECTORS).map_err(broken)?;
    let cases = all()?;
    for (index, case) in cases.iter().enumerate() {
        let expected = vectors.cases.get(index).filter(|vector| vector.name == case.name);
        let expected = expected.map_or_else(|| "nothing".to_owned(), |vector| vector.blake3.clone());
        let found = case.hash();
        if found.to_string() != expected {
            return Err(ConformanceError::Differs { case: case.name.into(), found, expected });
        }
    }
    match hash(&cases) {
        CONFORMANCE => Ok(CONFORMANCE),
        found => Err(ConformanceError::Vectors { found, expected: CONFORMANCE }),
    }
}

/// What this build computes, as the text of `lora/vectors/det-f32-v1.json` and the hash over all cases.
///
/// For the example `conformance`, which writes the file where a new profile is made.
pub fn conformance_vectors() -> Result<(String, ContentHash), ConformanceError> {
    let cases = all()?;
    let hash = hash(&cases);
    let vectors = Vectors {
        profile: "det-f32-v1".into(),
        hash: hash.to_string(),
        numbers: NUMBERS.into(),
        cases: cases
            .iter()
            .map(|case| Vector {
                name: case.name.into(),
                what: case.what.into(),
                count: case.outputs.len(),
                first: case.outputs.iter().take(SHOWN).map(|value| format!("{:08x}", value.to_bits())).collect(),
                blake3: case.hash().to_string(),
            })
            .collect(),
    };
    let broken = |error: serde_json::Error| ConformanceError::Failed { case: "file".into(), reason: error.to_string() };
    Ok((serde_json::to_string_pretty(&vectors).map_err(broken)? + "\n", hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_build_conforms_and_the_file_is_what_it_writes() {
        assert_eq!(conformance().unwrap(), CONFORMANCE);
        assert_eq!(CONFORMANCE.to_string(), serde_json::from_str::<Vectors>(VECTORS).unwrap().hash);
        let (text, hash) = conformance_vectors().unwrap();
        assert!(text == VECTORS, "the file differs; hint: run the example `conformance`");
        assert_eq!(hash, CONFORMANCE);
    }

    #[test]
    fn every_bit_of_every_case_counts() {
        let cases = all().unwrap();
        assert!(cases.iter().all(|case| case.outputs.len() > 1 && case.outputs.iter().all(|value| value.is_finite())));
        let names: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len());
        let mut changed = all().unwrap();
        let last = changed.last_mut().unwrap().outputs.last_mut().unwrap();
        *last = f32::from_bits(last.to_bits() ^ 1);
        assert_ne!(hash(&changed), hash(&cases));
    }
}
