//! Which layers an adapter changes, as PEFT says it.

use crate::error::AdapterError;
use crate::lora::Target;
use regex::Regex;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;

/// The layers that an adapter changes. In JSON, as in PEFT's `target_modules`: a list of names, `"all-linear"`, or a
/// pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// These, in every decoder layer.
    Named(BTreeSet<Target>),
    /// Every linear layer of the decoder; not the head.
    AllLinear,
    /// Those whose whole path, such as `model.layers.0.self_attn.q_proj`, matches this regular expression.
    Pattern(String),
}

/// How PEFT names every linear layer.
const ALL_LINEAR: &str = "all-linear";

/// Paths of what PEFT could adapt and this crate does not; a pattern that matches one asks for another adapter.
const OUTSIDE: [&str; 2] = ["lm_head", "model.embed_tokens"];

impl Targets {
    /// Layers by their names.
    ///
    /// Errors: an unknown name; the text lists the accepted ones.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, AdapterError> {
        let targets = names.into_iter().map(|name| {
            Target::from_name(name)
                .ok_or_else(|| AdapterError::UnknownTarget { name: name.into(), accepted: accepted() })
        });
        Ok(Self::Named(targets.collect::<Result<_, _>>()?))
    }

    /// [`Targets::AllLinear`] for `all-linear`, else a pattern.
    pub fn from_text(text: &str) -> Self {
        if text == ALL_LINEAR { Self::AllLinear } else { Self::Pattern(text.into()) }
    }

    /// What decides about single layers.
    ///
    /// Errors: no names; an expression that cannot be compiled, or that matches what cannot be adapted.
    pub(crate) fn selector(&self) -> Result<Selector, AdapterError> {
        let pattern = match self {
            Self::Named(names) if names.is_empty() => {
                return Err(AdapterError::Config {
                    reason: format!("no target layers; hint: name some of {}", accepted()),
                });
            }
            Self::Named(_) | Self::AllLinear => None,
            Self::Pattern(pattern) => {
                let refuse = |reason: String| AdapterError::Pattern { pattern: pattern.clone(), reason };
                // PEFT matches the whole path. This engine takes linear time whatever the pattern, which comes from
                // files of strangers; in exchange it has no look-around and no back-references.
                let regex = Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| refuse(error.to_string()))?;
                if let Some(path) = OUTSIDE.into_iter().find(|path| regex.is_match(path)) {
                    return Err(refuse(format!("it matches {path}, which an adapter cannot change here")));
                }
                Some(regex)
            }
        };
        Ok(Selector { targets: self.clone(), pattern })
    }
}

/// The names of all targets, for messages.
pub(crate) fn accepted() -> String {
    Target::KNOWN.map(Target::name).join(", ")
}

/// [`Targets`], ready to be asked about layers.
pub(crate) struct Selector {
    targets: Targets,
    pattern: Option<Regex>,
}

impl Selector {
    /// Whether the layer with this path is changed.
    pub(crate) fn selects(&self, path: &str, target: Target) -> bool {
        match (&self.targets, &self.pattern) {
            (Targets::Named(names), _) => names.contains(&target),
            (_, Some(pattern)) => pattern.is_match(path),
            (_, None) => true,
        }
    }

    /// The error for a model with these `modules`, of which no layer is selected.
    pub(crate) fn matches_nothing(&self, modules: &[&str]) -> AdapterError {
        let reason = "it matches no linear layer; hint: it must match whole paths such as \
                      model.layers.0.self_attn.q_proj";
        match &self.targets {
            Targets::Pattern(pattern) => AdapterError::Pattern { pattern: pattern.clone(), reason: reason.into() },
            _ => AdapterError::Config {
                reason: format!("the model has none of the target layers; hint: its layers are {}", modules.join(", ")),
            },
        }
    }
}

impl From<BTreeSet<Target>> for Targets {
    fn from(names: BTreeSet<Target>) -> Self {
        Self::Named(names)
    }
}

impl<const N: usize> From<[Target; N]> for Targets {
    fn from(names: [Target; N]) -> Self {
        Self::Named(names.into())
    }
}

impl Serialize for Targets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(names) => names.serialize(serializer),
            Self::AllLinear => serializer.serialize_str(ALL_LINEAR),
            Self::Pattern(pattern) => serializer.serialize_str(pattern),
        }
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamesOrText;

        impl<'de> Visitor<'de> for NamesOrText {
            type Value = Targets;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "a list of {}, {ALL_LINEAR:?} or a regular expression", accepted())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Targets, E> {
                Ok(Targets::from_text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Targets, A::Error> {
                BTreeSet::deserialize(SeqAccessDeserializer::new(names)).map(Targets::Named)
            }
        }

        deserializer.deserialize_any(NamesOrText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_pefts_and_names_stay_a_list() {
        for (json, targets) in [
            (r#"["q_proj","v_proj"]"#, Targets::from([Target::V, Target::Q])),
            (r#""all-linear""#, Targets::AllLinear),
            (r#"".*\\.q_proj""#, Targets::Pattern(r".*\.q_proj".into())),
        ] {
            assert_eq!(serde_json::to_string(&targets).unwrap(), json);
            assert_eq!(serde_json::from_str::<Targets>(json).unwrap(), targets);
        }
        let error = serde_json::from_str::<Targets>(r#"["c_attn"]"#).unwrap_err().to_string();
        assert!(error.contains("c_attn") && error.contains("gate_proj"), "{error}");
        assert!(serde_json::from_str::<Targets>("7").unwrap_err().to_string().contains("all-linear"));
    }

    #[test]
    fn patterns_match_whole_paths() {
        let selector = Targets::Pattern(r".*layers\.(0|3)\.self_attn\.(q|v)_proj".into()).selector().unwrap();
        assert!(selector.selects("model.layers.3.self_attn.v_proj", Target::V));
        assert!(!selector.selects("model.layers.13.self_attn.k_proj", Target::K));
        assert!(!selector.selects("model.layers.3.self_attn.v_proj.extra", Target::V));
        // An alternative does not escape the anchors.
        let selector = Targets::Pattern("q_proj|v_proj".into()).selector().unwrap();
        assert!(!selector.selects("model.layers.0.self_attn.v_proj", Target::V));
    }

    #[test]
    fn what_cannot_be_adapted_is_refused_by_name() {
        let error = |targets: Targets| targets.selector().err().unwrap().to_string();
        assert!(error(Targets::Pattern(".*".into())).contains("lm_head"));
        assert!(error(Targets::Pattern("(".into())).contains("unclosed group"));
        assert!(error(Targets::Pattern("(?!x).*".into())).contains("look-around"));
        assert!(error(Targets::Named(BTreeSet::new())).contains("q_proj, k_proj"));
        let error = Targets::from_names(["q_proj", "wq"]).unwrap_err().to_string();
        assert!(error.contains("wq") && error.contains("down_proj"), "{error}");
    }
}
