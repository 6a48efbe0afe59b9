//! Words on the command line for the choices that the protocol offers.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tributary_protocol::{
    datanet::{AccessPolicy, Admission, Purpose},
    job::Stage,
    model::ModelFamily,
    recipe::{Arithmetic, Method, Schedule, TangentWay, Template},
};

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident: $type:ty { $($word:literal => $value:expr),+ $(,)? }) => {
        $(#[$doc])*
        pub fn $name() -> impl TypedValueParser<Value = $type> {
            PossibleValuesParser::new([$($word),+]).map(|word| match word.as_str() {
                $($word => $value,)+
                other => unreachable!("{other} is no possible value"),
            })
        }
    };
}

choice!(
    /// What data may be used for.
    purpose: Purpose {
        "research" => Purpose::Research,
        "evaluation" => Purpose::Evaluation,
        "commercial" => Purpose::Commercial,
    }
);
choice!(
    /// Who may contribute.
    admission: Admission { "anyone" => Admission::Anyone, "members" => Admission::Members }
);
choice!(
    /// How grants are given.
    access: AccessPolicy { "open" => AccessPolicy::Open, "on-request" => AccessPolicy::OnRequest }
);
choice!(
    /// From what a group's score for an answer is computed.
    tangent_way: TangentWay {
        "gradient" => TangentWay::Gradient,
        "midpoint" => TangentWay::Midpoint,
        "loss" => TangentWay::Loss,
    }
);
choice!(
    /// How the learning rate moves.
    schedule: Schedule {
        "constant" => Schedule::Constant,
        "linear" => Schedule::Linear,
        "cosine" => Schedule::Cosine,
    }
);
choice!(
    /// Whether the base is held in four bits.
    method: Method {
        "lora" => Method::Lora,
        "qlora" => Method::Qlora { double_quantisation: true },
        "qlora-single" => Method::Qlora { double_quantisation: false },
    }
);
choice!(
    /// How a sample is put to the model.
    template: Template { "plain" => Template::Plain, "chat" => Template::Chat }
);
choice!(
    /// The rules of arithmetic.
    arithmetic: Arithmetic { "det-f32-v1" => Arithmetic::DetF32V1, "fast" => Arithmetic::Fast }
);
choice!(
    /// A base model's family.
    family: ModelFamily {
        "llama" => ModelFamily::Llama,
        "mistral" => ModelFamily::Mistral,
        "qwen" => ModelFamily::Qwen,
        "deepseek" => ModelFamily::DeepSeek,
        "gemma" => ModelFamily::Gemma,
        "phi" => ModelFamily::Phi,
    }
);
choice!(
    /// Where a job stands.
    stage: Stage {
        "open" => Stage::Open,
        "leased" => Stage::Leased,
        "reported" => Stage::Reported,
        "disputed" => Stage::Disputed,
        "settled" => Stage::Settled,
        "cancelled" => Stage::Cancelled,
        "expired" => Stage::Expired,
    }
);
