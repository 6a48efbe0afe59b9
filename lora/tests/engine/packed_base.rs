//! Bases that bitsandbytes packed, in the folders that `save_pretrained` writes.

use crate::common::fixture;
use candle_core::Device;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;
use tributary_lora::{
    Adapter, Batch, EncodedSample, LoadError, LoraConfig, Model, ModelConfig, Nf4Matrix, Nf4Scales, Precision,
    sample_gradient,
};
use tributary_protocol::ContentHash;

/// A tensor of a file.
#[derive(Clone)]
struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Raw {
    fn floats(values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: vec![values.len()], bytes }
    }

    fn bytes_of(bytes: &[u8]) -> Self {
        Self { dtype: Dtype::U8, shape: vec![bytes.len()], bytes: bytes.to_vec() }
    }

    fn values(&self) -> Vec<f32> {
        match self.dtype {
            Dtype::BF16 => self.bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::F32 => self.bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            other => panic!("{other:?}"),
        }
    }
}

type Tensors = BTreeMap<String, Raw>;

fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let raw =
        |view: TensorView<'_>| Raw { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
    file.tensors().into_iter().map(|(name, view)| (name, raw(view))).collect()
}

fn write(path: &Path, tensors: &Tensors) {
    let views =
        tensors.iter().map(|(name, raw)| (name, TensorView::new(raw.dtype, raw.shape.clone(), &raw.bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The linear layers of a Llama's decoder.
fn is_linear(name: &str) -> bool {
    name.ends_with("_proj.weight")
}

/// Every value that NF4's codes stand for, from a matrix that has them all.
fn quant_map() -> Vec<f32> {
    let codes: Vec<u8> = (0..8).map(|pair| (2 * pair) << 4 | (2 * pair + 1)).collect();
    Nf4Matrix::from_parts(1, 16, codes, Nf4Scales::Plain(vec![1.0])).unwrap().dequantise()
}

/// The 256 values of the scales' codes, from scales that have them all.
fn nested_map() -> Vec<f32> {
    let scales = Nf4Scales::Double { codes: (0..=255).collect(), scales: vec![1.0], offset: 0.0 };
    (0..256).map(|code| scales.get(code)).collect()
}

/// The tensors that bitsandbytes 0.50.2 writes for a packed weight (`QuantState.as_dict(packed=True)`).
fn saved(name: &str, matrix: &Nf4Matrix) -> Tensors {
    let mut codes = Raw::bytes_of(matrix.packed());
    codes.shape.push(1);
    let mut state = json!({
        "quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [matrix.rows(), matrix.columns()],
    });
    let mut tensors =
        Tensors::from([(name.to_owned(), codes), (format!("{name}.quant_map"), Raw::floats(&quant_map()))]);
    match matrix.scales() {
        Nf4Scales::Plain(scales) => drop(tensors.insert(format!("{name}.absmax"), Raw::floats(scales))),
        Nf4Scales::Double { codes, scales, offset } => {
            state["nested_blocksize"] = 256.into();
            state["nested_dtype"] = "float32".into();
            state["nested_offset"] = f64::from(*offset).into();
            tensors.insert(format!("{name}.absmax"), Raw::bytes_of(codes));
            tensors.insert(format!("{name}.nested_absmax"), Raw::floats(scales));
            tensors.insert(format!("{name}.nested_quant_map"), Raw::floats(&nested_map()));
        }
    }
    tensors.insert(format!("{name}.quant_state.bitsandbytes__nf4"), Raw::bytes_of(state.to_string().as_bytes()));
    tensors
}

fn packed(tensors: &Tensors, double: bool, which: impl Fn(&str) -> bool) -> Tensors {
    let mut out = Tensors::new();
    for (name, raw) in tensors {
        if which(name) {
            let matrix = Nf4Matrix::quantise(&raw.values(), raw.shape[0], raw.shape[1], double).unwrap();
            out.extend(saved(name, &matrix));
        } else {
            out.insert(name.clone(), raw.clone());
        }
    }
    out
}

fn write_config(from: &Path, to: &Path, double: bool) {
    let mut config: Value = serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
    config["quantization_config"] = json!({
        "_load_in_4bit": true, "_load_in_8bit": false, "bnb_4bit_compute_dtype": "bfloat16",
        "bnb_4bit_quant_storage": "uint8", "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": double,
        "llm_int8_enable_fp32_cpu_offload": false, "llm_int8_has_fp16_weight": false, "llm_int8_skip_modules": null,
        "llm_int8_threshold": 6.0, "load_in_4bit": true, "load_in_8bit": false, "quant_method": "bitsandbytes",
    });
    std::fs::write(to.join("config.json"), config.to_string()).unwrap();
}

/// A model's folder, its bf16 tensors, and an empty folder with the configuration of the packed one.
fn folders(double: bool) -> (TempDir, Tensors, TempDir) {
    let config = ModelConfig::from_json(
        r#"{"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":48,"hidden_size":24,"intermediate_size":40,
        "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"rms_norm_eps":1e-5,"rope_theta":10000.0,
        "max_position_embeddings":64,"hidden_act":"silu","tie_word_embeddings":false,"eos_token_id":1}"#,
    );
    let (plain, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Model::random(config.unwrap(), 9).unwrap().save_bf16(plain.path()).unwrap();
    write_config(plain.path(), to.path(), double);
    let tensors = read(&plain.path().join("model.safetensors"));
    (plain, tensors, to)
}

fn sample() -> EncodedSample {
    EncodedSample::new(ContentHash::default(), (0..20).map(|i| (i * 7 + 3) % 48).collect(), 3)
}

fn logits(model: &Model) -> Vec<Vec<f32>> {
    model.logits(&Batch::new([&sample()]), None).unwrap().to_vec2().unwrap()
}

#[test]
fn a_packed_folder_is_the_base_that_packing_gives() {
    for (double, precision) in [(false, Precision::Nf4), (true, Precision::Nf4Double)] {
        let (plain, tensors, folder) = folders(double);
        write(&folder.path().join("model.safetensors"), &packed(&tensors, double, is_linear));
        assert_eq!(ModelConfig::stored_precision(folder.path()).unwrap(), Some(precision));
        assert_eq!(ModelConfig::stored_precision(plain.path()).unwrap(), None);
        let found = Model::load(folder.path(), &Device::Cpu).unwrap();
        let expected = Model::load_as(plain.path(), &Device::Cpu, precision).unwrap();
        assert_eq!(found.precision(), precision);
        assert_eq!(found.parameter_bytes(), expected.parameter_bytes());
        assert_eq!(logits(&found), logits(&expected));
        let gradient = |model: &Model| {
            let adapter = Adapter::new(model, LoraConfig { rank: 2, ..LoraConfig::default() }, 5).unwrap();
            sample_gradient(model, &adapter, &sample()).unwrap()
        };
        assert_eq!(gradient(&found), gradient(&expected));
        // It cannot be had in another form without saying so.
        for asked in [Precision::F32, Precision::Nf4, Precision::Nf4Double] {
            match Model::load_as(folder.path(), &Device::Cpu, asked) {
                Ok(_) => assert_eq!(asked, precision),
                Err(error) => {
                    assert!(matches!(error, LoadError::Packed { stored, .. } if stored == precision), "{error}");
                    assert!(error.to_string().contains("hint: load them as they are"), "{error}");
                }
            }
        }
    }
}

#[test]
fn parts_of_a_weight_may_lie_in_two_files_and_some_layers_stay_as_they_were() {
    let (_plain, tensors, folder) = folders(true);
    let skipped = "model.layers.1.mlp.down_proj.weight";
    let all = packed(&tensors, true, |name| is_linear(name) && name != skipped);
    let (first, second): (Tensors, Tensors) = all.into_iter().partition(|(name, _)| name.len() % 2 == 0);
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let mut map = serde_json::Map::new();
    for (name, part) in names.iter().zip([&first, &second]) {
        write(&folder.path().join(name), part);
        map.extend(part.keys().map(|tensor| (tensor.clone(), Value::from(*name))));
    }
    let index = json!({"metadata": {}, "weight_map": map});
    std::fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    let found = Model::load(folder.path(), &Device::Cpu).unwrap();
    let whole = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join("config.json"), whole.path().join("config.json")).unwrap();
    write(&whole.path().join("model.safetensors"), &packed(&tensors, true, is_linear));
    let packed_too = Model::load(whole.path(), &Device::Cpu).unwrap();
    assert!(found.parameter_bytes() > packed_too.parameter_bytes());
    assert_ne!(logits(&found), logits(&packed_too));
}

#[test]
fn packed_tensors_that_cannot_be_used_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut Tensors)| {
        let (_plain, tensors, folder) = folders(true);
        let mut all = packed(&tensors, true, is_linear);
        change(&mut all);
        write(&folder.path().join("model.safetensors"), &all);
        Model::load(folder.path(), &Device::Cpu).unwrap_err()
    };
    let name = "model.layers.0.self_attn.q_proj.weight";
    let error = refused(&|all| drop(all.remove(&format!("{name}.absmax"))));
    assert!(error.to_string().starts_with(&format!("tensor {name} is packed in a way")), "{error}");
    assert!(error.to_string().ends_with(".absmax is missing"), "{error}");
    // Without its description a weight is taken for what its shape says.
    let error = refused(&|all| drop(all.remove(&format!("{name}.quant_state.bitsandbytes__nf4"))));
    assert!(
        matches!(&error, LoadError::Shape { name: named, .. } if named == name)
            || matches!(&error, LoadError::UnexpectedTensor { .. }),
        "{error}"
    );
    let error = refused(&|all| {
        let head = all.remove("lm_head.weight").unwrap();
        let matrix = Nf4Matrix::quantise(&head.values(), head.shape[0], head.shape[1], true).unwrap();
        all.extend(saved("lm_head.weight", &matrix));
    });
    assert!(
        error.to_string().contains("lm_head.weight is packed in a way that is not supported: only the linear"),
        "{error}"
    );
    // A folder that does not say that it is packed is a damaged plain one.
    let (plain, tensors, _) = folders(true);
    write(&plain.path().join("model.safetensors"), &packed(&tensors, true, is_linear));
    assert!(matches!(
        Model::load(plain.path(), &Device::Cpu),
        Err(LoadError::Shape { .. } | LoadError::UnexpectedTensor { .. })
    ));
}

/// Codes, scales and map are those that bitsandbytes gave (tools/make_golden.py).
#[test]
fn weights_that_bitsandbytes_packed_are_read_as_they_are() {
    let (Some(base), Some(golden)) = (fixture("stories260K"), fixture("golden-stories260K")) else { return };
    let plain = base.join("hf");
    let given = read(&golden.join("nf4/bnb_4bit.safetensors"));
    let folder = tempfile::tempdir().unwrap();
    write_config(&plain, folder.path(), false);
    let names = ["model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.down_proj.weight"];
    let mut tensors = read(&plain.join("model.safetensors"));
    for name in names {
        let shape = tensors[name].shape.clone();
        let of = |part: &str| given[&format!("nf4.{name}.{part}")].clone();
        let state = json!({"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": shape}).to_string();
        tensors.insert(name.to_owned(), of("packed"));
        tensors.insert(format!("{name}.absmax"), of("absmax"));
        tensors.insert(format!("{name}.quant_map"), of("code"));
        tensors.insert(format!("{name}.quant_state.bitsandbytes__nf4"), Raw::bytes_of(state.as_bytes()));
    }
    write(&folder.path().join("model.safetensors"), &tensors);
    let found = Model::load(folder.path(), &Device::Cpu).unwrap();
    // The same model with what bitsandbytes makes of these weights, written out in f32.
    let dense = tempfile::tempdir().unwrap();
    std::fs::copy(plain.join("config.json"), dense.path().join("config.json")).unwrap();
    let mut tensors = read(&plain.join("model.safetensors"));
    for name in names {
        tensors.insert(name.to_owned(), given[&format!("nf4.{name}.dequant")].clone());
    }
    write(&dense.path().join("model.safetensors"), &tensors);
    let expected = Model::load(dense.path(), &Device::Cpu).unwrap();
    let (found, expected) = (logits(&found), logits(&expected));
    let pairs = found.iter().flatten().zip(expected.iter().flatten());
    let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    println!("largest difference of logits {worst:.2e}");
    // The same weights, multiplied tile by tile: rounding only.
    assert!(worst < 1e-4, "{worst}");
}
