//! Packed weights as bitsandbytes' users save them.
//!
//! `save_pretrained` of a model in four bits writes, for each packed weight, beside `NAME` (the codes, `[bytes, 1]`):
//!
//! | tensor | what |
//! |---|---|
//! | `NAME.absmax` | scale of each block, f32; with double quantisation its code, u8 |
//! | `NAME.quant_map` | the 16 values of the codes, f32 |
//! | `NAME.nested_absmax`, `NAME.nested_quant_map` | with double quantisation: the scales' scales and the 256 values, f32 |
//! | `NAME.quant_state.bitsandbytes__nf4` | the rest as JSON text, u8 |
//!
//! Source: bitsandbytes 0.50.2, `QuantState.as_dict(packed=True)`.

use super::matrix::Nf4Matrix;
use super::nf4::{BLOCK, CODEBOOK};
use super::scales::{self, Nf4Scales};
use super::weight::Precision;
use crate::error::QuantError;
use safetensors::Dtype;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What `config.json` must say of packed weights.
pub(crate) const ACCEPTED: &str = "bitsandbytes in four bits: quant_method \"bitsandbytes\", load_in_4bit true, \
    bnb_4bit_quant_type \"nf4\", bnb_4bit_quant_storage \"uint8\"";

/// What follows a packed weight's name in that of its description.
pub(crate) const STATE: &str = ".quant_state.bitsandbytes__nf4";

/// What follows it in the names of its other parts.
const PARTS: [&str; 4] = [".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"];

/// How the weights are packed, by the `quantization_config` of a `config.json`; `None` if it is none of bitsandbytes' NF4.
pub(crate) fn precision_of(config: &Map<String, Value>) -> Option<Precision> {
    let is = |key: &str, accepted: Value| config.get(key) == Some(&accepted);
    let unless = |key: &str, accepted: Value| config.get(key).is_none_or(|value| *value == accepted);
    let four_bits = is("load_in_4bit", true.into()) || is("_load_in_4bit", true.into());
    // Without the key bitsandbytes' own default holds, which is another data type.
    let nf4 = is("bnb_4bit_quant_type", "nf4".into()) && unless("bnb_4bit_quant_storage", "uint8".into());
    let method = unless("quant_method", "bitsandbytes".into());
    (method && four_bits && nf4).then(|| match config.get("bnb_4bit_use_double_quant") {
        Some(Value::Bool(true)) => Precision::Nf4Double,
        _ => Precision::Nf4,
    })
}

/// The weight that the tensor `name` is a part of, beside its codes.
pub(crate) fn whole_of(name: &str) -> Option<&str> {
    PARTS.iter().chain([&STATE]).find_map(|end| name.strip_suffix(end))
}

/// A tensor as it is in the file.
pub(crate) struct Part {
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its elements, little endian.
    pub bytes: Vec<u8>,
}

/// The JSON text of a weight's description.
#[derive(Deserialize)]
struct State {
    quant_type: String,
    blocksize: usize,
    shape: Vec<usize>,
    nested_blocksize: Option<usize>,
    nested_offset: Option<f64>,
}

/// The weight `[rows, columns]` of the parts that `read(what follows its name)` gives, packed as it is in the file.
///
/// Errors: a part that is missing, of another type or length; other blocks, or other values of the codes than NF4 has.
pub(crate) fn read_matrix<E: From<QuantError>>(
    [rows, columns]: [usize; 2],
    precision: Precision,
    mut read: impl FnMut(&str) -> Result<Option<Part>, E>,
) -> Result<Nf4Matrix, E> {
    let mut part = |end: &'static str, dtype: Dtype| -> Result<Vec<u8>, E> {
        let what = |reason: String| QuantError::Saved { reason };
        let shown = if end.is_empty() { "its codes" } else { end };
        match read(end)? {
            Some(part) if part.dtype == dtype => Ok(part.bytes),
            Some(part) => Err(what(format!("{shown} has type {:?}, {dtype:?} is accepted", part.dtype)).into()),
            None => Err(what(format!("{shown} is missing")).into()),
        }
    };
    let fault = |reason: String| QuantError::Saved { reason };
    let state = part(STATE, Dtype::U8)?;
    let state: State = serde_json::from_slice(&state).map_err(|error| fault(format!("{STATE} is damaged: {error}")))?;
    if state.quant_type != "nf4" || state.blocksize != BLOCK {
        let found = format!("{} in blocks of {}", state.quant_type, state.blocksize);
        return Err(fault(format!("it is {found}; nf4 in blocks of {BLOCK} is accepted")).into());
    }
    if state.shape != [rows, columns] {
        return Err(fault(format!("its shape is {:?}, config.json says [{rows}, {columns}]", state.shape)).into());
    }
    if f32s(&part(".quant_map", Dtype::F32)?) != CODEBOOK {
        return Err(fault("its quant_map has other values than NF4's".into()).into());
    }
    let scales = match (state.nested_offset, precision) {
        (None, Precision::Nf4) => Nf4Scales::Plain(f32s(&part(".absmax", Dtype::F32)?)),
        (Some(offset), Precision::Nf4Double) => {
            if state.nested_blocksize != Some(scales::BLOCK) {
                let found = state.nested_blocksize.unwrap_or_default();
                let reason = format!("its scales are in blocks of {found}; {} is accepted", scales::BLOCK);
                return Err(fault(reason).into());
            }
            if f32s(&part(".nested_quant_map", Dtype::F32)?) != *scales::dynamic_map() {
                return Err(fault("its nested_quant_map is not the signed dynamic map of 8 bits".into()).into());
            }
            let outer = f32s(&part(".nested_absmax", Dtype::F32)?);
            // Written from an f32, so nothing is lost.
            Nf4Scales::Double { codes: part(".absmax", Dtype::U8)?, scales: outer, offset: offset as f32 }
        }
        (nested, _) => {
            let (stated, found) = if nested.is_none() { (true, "plain") } else { (false, "quantised") };
            let reason = format!("its scales are {found}, config.json says bnb_4bit_use_double_quant {stated}");
            return Err(fault(reason).into());
        }
    };
    Ok(Nf4Matrix::from_parts(rows, columns, part("", Dtype::U8)?, scales)?)
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The tensors of a weight, by what follows its name.
    type Parts = Vec<(&'static str, Part)>;

    fn parts(double: bool) -> Parts {
        let values: Vec<f32> = (0..6 * 40).map(|i| libm::sinf(i as f32 * 0.37) * 0.1).collect();
        let matrix = Nf4Matrix::quantise(&values, 6, 40, double).unwrap();
        let floats = |values: &[f32]| Part {
            dtype: Dtype::F32,
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        };
        let raw = |bytes: &[u8]| Part { dtype: Dtype::U8, bytes: bytes.to_vec() };
        let mut state = json!({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [6, 40]});
        let mut parts = vec![("", raw(matrix.packed())), (".quant_map", floats(&CODEBOOK))];
        match matrix.scales() {
            Nf4Scales::Plain(scales) => parts.push((".absmax", floats(scales))),
            Nf4Scales::Double { codes, scales, offset } => {
                state["nested_blocksize"] = 256.into();
                state["nested_dtype"] = "float32".into();
                state["nested_offset"] = f64::from(*offset).into();
                parts.push((".absmax", raw(codes)));
                parts.push((".nested_absmax", floats(scales)));
                parts.push((".nested_quant_map", floats(scales::dynamic_map())));
            }
        }
        parts.push((STATE, raw(state.to_string().as_bytes())));
        parts
    }

    fn read(parts: &[(&'static str, Part)], shape: [usize; 2], precision: Precision) -> Result<Nf4Matrix, QuantError> {
        read_matrix(shape, precision, |end| {
            let found = parts.iter().find(|(name, _)| *name == end);
            Ok(found.map(|(_, part)| Part { dtype: part.dtype, bytes: part.bytes.clone() }))
        })
    }

    #[test]
    fn parts_come_back_as_they_were() {
        for (double, precision) in [(false, Precision::Nf4), (true, Precision::Nf4Double)] {
            let parts = parts(double);
            let found = read(&parts, [6, 40], precision).unwrap();
            let values: Vec<f32> = (0..6 * 40).map(|i| libm::sinf(i as f32 * 0.37) * 0.1).collect();
            assert_eq!(found, Nf4Matrix::quantise(&values, 6, 40, double).unwrap());
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused_by_name() {
        let refused = |change: &dyn Fn(&mut Parts), shape, precision| {
            let mut parts = parts(true);
            change(&mut parts);
            read(&parts, shape, precision).unwrap_err().to_string()
        };
        let of = |parts: &mut Parts, end| parts.iter().position(|(name, _)| *name == end).unwrap();
        let double = Precision::Nf4Double;
        let text = refused(&|_| {}, [40, 6], double);
        assert!(text.contains("its shape is [6, 40], config.json says [40, 6]"), "{text}");
        let text = refused(&|_| {}, [6, 40], Precision::Nf4);
        assert!(text.contains("its scales are quantised, config.json says bnb_4bit_use_double_quant false"), "{text}");
        for end in ["", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", STATE] {
            let without = |parts: &mut Parts| parts.retain(|(name, _)| *name != end);
            let text = refused(&without, [6, 40], double);
            assert!(text.contains("is missing") && text.contains(end), "{text}");
            let wrong = |parts: &mut Parts| {
                let at = of(parts, end);
                parts[at].1.dtype = Dtype::F16;
            };
            assert!(refused(&wrong, [6, 40], double).contains("has type F16"));
        }
        for end in [".quant_map", ".nested_quant_map"] {
            let other = |parts: &mut Parts| {
                let at = of(parts, end);
                parts[at].1.bytes[1] ^= 1;
            };
            assert!(refused(&other, [6, 40], double).contains(&end[1..]));
        }
        let blocks = |parts: &mut Parts| {
            let at = of(parts, STATE);
            let text = String::from_utf8(parts[at].1.bytes.clone()).unwrap();
            parts[at].1.bytes = text.replace("\"blocksize\":64", "\"blocksize\":128").into();
        };
        let text = refused(&blocks, [6, 40], double);
        assert!(text.contains("nf4 in blocks of 128; nf4 in blocks of 64 is accepted"), "{text}");
        let short = |parts: &mut Parts| parts[0].1.bytes.truncate(119);
        assert!(refused(&short, [6, 40], double).contains("119 packed bytes, the shape has 120"));
    }

    #[test]
    fn other_ways_to_quantise_are_not_taken_for_this_one() {
        let precision = |config: Value| precision_of(config.as_object().unwrap());
        let mut config = json!({
            "quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": true, "bnb_4bit_quant_storage": "uint8", "bnb_4bit_compute_dtype": "float32",
        });
        assert_eq!(precision(config.clone()), Some(Precision::Nf4Double));
        config["bnb_4bit_use_double_quant"] = false.into();
        assert_eq!(precision(config.clone()), Some(Precision::Nf4));
        for (key, other) in [
            ("quant_method", json!("gptq")),
            ("load_in_4bit", json!(false)),
            ("bnb_4bit_quant_type", json!("fp4")),
            ("bnb_4bit_quant_storage", json!("bfloat16")),
        ] {
            let mut other_config = config.clone();
            other_config[key] = other;
            assert_eq!(precision(other_config), None, "{key}");
        }
        assert_eq!(precision(json!({"bits": 4})), None);
    }
}
