//! What jobs made, as answers are explained by it: read once, kept while there is room.

use super::{
    method::{Because, Method},
    units::Units,
};
use std::{collections::HashMap, sync::Arc};
use tributary_attribution::{AttributionReport, Embeddings, EvidenceError, ExplainedModel, Tangents};
use tributary_daemon::{Bundle, BundleError};
use tributary_lora::{Adapter, AdapterError, Arithmetic, EncodedSample, LoadError, Model};
use tributary_protocol::{
    ContentHash, ContributionId,
    answer::{Rule, attributed_part},
};

/// Where the results of jobs are, once they were fetched and checked against the chain.
pub trait Results: Send + Sync + 'static {
    /// The bundle that holds the adapter with this hash; `None` if it is not at hand.
    fn bundle(&self, adapter: ContentHash) -> Result<Option<Bundle>, ResultError>;
}

/// A result that is at hand and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the result of the job that made adapter {adapter} cannot be read: {reason}")]
pub struct ResultError {
    /// The adapter.
    pub adapter: ContentHash,
    /// What is wrong.
    pub reason: String,
}

/// Why an answer is not explained.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unexplained {
    /// That is how it is with this model, or this answer.
    #[error("the answer goes by the shares of training: {0:?}")]
    Settled(Because),
    /// The result cannot be read.
    #[error(transparent)]
    Result(#[from] ResultError),
    #[error(transparent)]
    Bundle(Box<BundleError>),
    #[error(transparent)]
    Evidence(Box<EvidenceError>),
    #[error(transparent)]
    Adapter(Box<AdapterError>),
    #[error(transparent)]
    Model(Box<LoadError>),
    #[error("the evidence names a contribution that the model does not have")]
    Contribution,
}

impl Unexplained {
    /// What the receipt's method says of it.
    pub fn because(&self) -> Because {
        match self {
            Self::Settled(because) => *because,
            _ => Because::Failed,
        }
    }
}

macro_rules! boxed {
    ($($variant:ident($error:ty)),*) => {$(
        impl From<$error> for Unexplained {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        }
    )*};
}
boxed!(Bundle(BundleError), Evidence(EvidenceError), Adapter(AdapterError), Model(LoadError));

/// A model whose answers can be explained.
pub(super) struct Explaining {
    report: AttributionReport,
    embeddings: Embeddings,
    tangents: Option<Tangents>,
    model: Arc<Model>,
    adapter: Adapter,
    /// The leaf of each contribution.
    places: HashMap<ContributionId, u32>,
    rule: Rule,
    bytes: usize,
}

/// One request's answers, explained.
pub(super) struct Explained {
    pub units: Units,
    pub method: Method,
    /// A file for each answer, a line each.
    pub evidence: Vec<u8>,
}

impl Explaining {
    fn new(bundle: &Bundle, models: &mut Models) -> Result<Self, Unexplained> {
        let report = bundle.evidence()?;
        let attributed = attributed_part(report.accuracy.as_ref());
        let rule = match Method::of_model(report.method, attributed) {
            Method::Answer { rule, .. } => rule,
            Method::Training(because) => return Err(Unexplained::Settled(because)),
        };
        let embeddings = bundle.embeddings()?.ok_or(Unexplained::Settled(Because::NotExplained))?;
        let tangents = bundle.tangents()?;
        let recipe = bundle.recipe()?;
        if recipe.precision() != models.base.precision() {
            return Err(Unexplained::Settled(Because::OtherPrecision));
        }
        let model = models.under(recipe.arithmetic())?;
        let (config, weights) = bundle.peft()?;
        let adapter = Adapter::from_peft(config, weights, &model)?;
        let places = (0u32..).zip(&report.contributions).map(|(index, part)| (part.contribution, index)).collect();
        let of_tangents = tangents.as_ref().map_or(0, |tangents| tangents.groups().count() * tangents.parameters());
        // Rows of bytes, roots of two bytes, and tangents of four at most; the report's lists are smaller.
        let rows = embeddings.samples().len() + embeddings.ghosts().len();
        let bytes =
            rows * embeddings.bytes_per_sample() + 2 * embeddings.parameters() + 4 * of_tangents + 8 * weights.len();
        Ok(Self { report, embeddings, tangents, model, adapter, places, rule, bytes })
    }

    /// Explains the answers to one prompt. Those without tokens say nothing.
    pub fn explain(&self, prompt: &[u32], answers: &[Vec<u32>], tokens_max: usize) -> Result<Explained, Unexplained> {
        let explained =
            ExplainedModel { report: &self.report, embeddings: &self.embeddings, tangents: self.tangents.as_ref() };
        let mut of_answers = Vec::with_capacity(answers.len());
        let mut lines = Vec::new();
        for answer in answers.iter().filter(|answer| !answer.is_empty()) {
            let tokens = [prompt, answer].concat();
            if tokens.len() > tokens_max {
                return Err(Unexplained::Settled(Because::TooLong));
            }
            let sample = EncodedSample::new(ContentHash::default(), tokens, prompt.len());
            let evidence = explained.explain(&self.model, &self.adapter, &sample, &self.rule)?.evidence;
            if !lines.is_empty() {
                lines.push(b'\n');
            }
            lines.extend(evidence.to_bytes());
            of_answers.push((u32::try_from(answer.len()).unwrap_or(u32::MAX), evidence));
        }
        if of_answers.is_empty() {
            return Err(Unexplained::Settled(Because::NothingSaid));
        }
        let units = Units::of_answers(&of_answers, &self.places).ok_or(Unexplained::Contribution)?;
        let method = Method::Answer { attribution: self.report.method, rule: self.rule };
        Ok(Explained { units, method, evidence: lines })
    }
}

/// The base under the arithmetic of each job.
pub(super) struct Models {
    base: Arc<Model>,
    others: HashMap<Arithmetic, Arc<Model>>,
}

impl Models {
    pub fn new(base: Arc<Model>) -> Self {
        Self { base, others: HashMap::new() }
    }

    fn under(&mut self, arithmetic: Arithmetic) -> Result<Arc<Model>, LoadError> {
        if arithmetic == self.base.arithmetic() {
            return Ok(self.base.clone());
        }
        if let Some(model) = self.others.get(&arithmetic) {
            return Ok(model.clone());
        }
        let model = Arc::new(self.base.sharing(arithmetic)?);
        self.others.insert(arithmetic, model.clone());
        Ok(model)
    }
}

/// The models that were explained last, of at most so many bytes together; one always fits.
pub(super) struct Cache {
    results: Arc<dyn Results>,
    models: Models,
    bytes_max: usize,
    /// The one used last is the last.
    kept: Vec<(ContentHash, Explaining)>,
}

impl Cache {
    pub fn new(results: Arc<dyn Results>, models: Models, bytes_max: usize) -> Self {
        Self { results, models, bytes_max, kept: Vec::new() }
    }

    pub fn get(&mut self, adapter: ContentHash) -> Result<&Explaining, Unexplained> {
        match self.kept.iter().position(|(known, _)| *known == adapter) {
            Some(place) => {
                let used = self.kept.remove(place);
                self.kept.push(used);
            }
            None => {
                let bundle = self.results.bundle(adapter)?.ok_or(Unexplained::Settled(Because::NoBundle))?;
                let fresh = Explaining::new(&bundle, &mut self.models)?;
                let mut bytes: usize = self.kept.iter().map(|(_, kept)| kept.bytes).sum();
                while bytes + fresh.bytes > self.bytes_max && !self.kept.is_empty() {
                    bytes -= self.kept.remove(0).1.bytes;
                }
                self.kept.push((adapter, fresh));
            }
        }
        let found = self.kept.last().map(|(_, kept)| kept);
        found.ok_or(Unexplained::Settled(Because::NoBundle))
    }
}
