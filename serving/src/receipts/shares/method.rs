//! How an answer's shares were made: what a receipt names by its hash.

use serde::{Deserialize, Serialize};
use tributary_protocol::{ContentHash, Ppm, answer::Rule, recipe::AttributionMethod};

/// The format that this program writes and reads.
const FORMAT: u32 = 2;

/// Why an answer goes by the shares of the model's training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// The model's attribution divides no revenue of single answers: it was not measured, or is not right enough.
    NotAttributed,
    /// The model's job made nothing that answers are explained by.
    NotExplained,
    /// The base is served in another precision than the model was trained on.
    OtherPrecision,
    /// The result of the model's job is not at hand.
    NoBundle,
    /// The model said nothing.
    NothingSaid,
    /// Request and answer are longer than the operator explains.
    TooLong,
    /// Too many answers waited to be explained.
    Busy,
    /// It took too long.
    Late,
    /// It failed.
    Failed,
}

impl Because {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NotAttributed,
        Self::NotExplained,
        Self::OtherPrecision,
        Self::NoBundle,
        Self::NothingSaid,
        Self::TooLong,
        Self::Busy,
        Self::Late,
        Self::Failed,
    ];
}

/// How shares were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By what shaped the answer.
    Answer {
        /// How the model's job attributes.
        attribution: AttributionMethod,
        /// The rule that scores become units by.
        rule: Rule,
    },
    /// By the shares of the model's training.
    Training(Because),
}

#[derive(Serialize)]
struct Document {
    format: u32,
    adapter: ContentHash,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AttributionMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    training: Option<Because>,
}

impl Method {
    /// The method of a model whose attribution is trusted with `attributed`, when all goes well: what its epochs name.
    pub fn of_model(attribution: AttributionMethod, attributed: Ppm) -> Self {
        match attribution {
            _ if attributed == Ppm::ZERO => Self::Training(Because::NotAttributed),
            AttributionMethod::TracInCp { .. } => Self::Training(Because::NotExplained),
            AttributionMethod::DataValueEmbedding | AttributionMethod::GroupTangents { .. } => {
                Self::Answer { attribution, rule: Rule::new(attributed) }
            }
        }
    }

    /// What is hashed: JSON without spaces, the same for everybody who made the shares of this adapter's answers so.
    pub fn document(&self, adapter: ContentHash) -> Vec<u8> {
        let document = match *self {
            Self::Answer { attribution, rule } => {
                Document { format: FORMAT, adapter, answer: Some(attribution), rule: Some(rule), training: None }
            }
            Self::Training(because) => {
                Document { format: FORMAT, adapter, answer: None, rule: None, training: Some(because) }
            }
        };
        serde_json::to_vec(&document).expect("numbers and words have a JSON form")
    }

    /// BLAKE3 of the document: what receipts and epochs name.
    pub fn hash(&self, adapter: ContentHash) -> ContentHash {
        ContentHash::of(&self.document(adapter))
    }

    /// The method with this hash, among those that an answer of such a model can have.
    pub fn recognise(
        hash: ContentHash,
        adapter: ContentHash,
        attribution: AttributionMethod,
        attributed: Ppm,
    ) -> Option<Self> {
        let regular = Self::of_model(attribution, attributed);
        let others = Because::ALL.into_iter().map(Self::Training);
        std::iter::once(regular).chain(others).find(|method| method.hash(adapter) == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::recipe::TangentWay;

    const TANGENTS: AttributionMethod =
        AttributionMethod::GroupTangents { groups: 16, halves: 0, coalitions: 12, way: TangentWay::Loss };

    #[test]
    fn the_document_is_fixed() {
        let adapter = ContentHash([0xab; 32]);
        let text = |method: Method| String::from_utf8(method.document(adapter)).unwrap();
        let hex = "ab".repeat(32);
        let answer = Method::of_model(TANGENTS, Ppm::from_percent(80));
        assert_eq!(
            text(answer),
            format!(
                r#"{{"format":2,"adapter":"{hex}","answer":{{"group_tangents":{{"groups":16,"halves":0,"coalitions":12,"way":"loss"}}}},"rule":{{"floor_quantile":950000,"sample_max":500000,"attributed":800000}}}}"#
            )
        );
        let busy = format!(r#"{{"format":2,"adapter":"{hex}","training":"busy"}}"#);
        assert_eq!(text(Method::Training(Because::Busy)), busy);
    }

    #[test]
    fn every_method_is_recognised_by_its_hash_and_no_other() {
        let (adapter, attributed) = (ContentHash([1; 32]), Ppm::from_percent(80));
        let methods: Vec<Method> = Because::ALL.into_iter().map(Method::Training).collect();
        for method in methods.into_iter().chain([Method::of_model(TANGENTS, attributed)]) {
            let found = Method::recognise(method.hash(adapter), adapter, TANGENTS, attributed);
            assert_eq!(found, Some(method));
        }
        let other = Method::of_model(TANGENTS, Ppm::from_percent(81)).hash(adapter);
        assert_eq!(Method::recognise(other, adapter, TANGENTS, attributed), None);
        assert_eq!(Method::of_model(TANGENTS, Ppm::ZERO), Method::Training(Because::NotAttributed));
        let tracin = Method::of_model(AttributionMethod::TracInCp { checkpoints: 2 }, attributed);
        assert_eq!(tracin, Method::Training(Because::NotExplained));
    }
}
