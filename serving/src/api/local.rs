//! Adapters from folders, for nobody's money: `tributary serve --local`.

use crate::adapters::{AdapterSource, SourceError};
use crate::door::{Admission, Catalogue, Credentials, Refusal, Served, Settled, Sold, Ticket, Till, Wanted};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tributary_lora::{CONFIG_FILE, WEIGHTS_FILE};
use tributary_protocol::ContentHash;
use tributary_protocol::recipe::Template;

/// A till that asks for nothing: whoever reaches the server may ask. For one's own machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenTill;

#[async_trait]
impl Till for OpenTill {
    async fn admit(&self, _: &Credentials, wanted: Wanted) -> Result<Admission, Refusal> {
        Ok(Admission { answer_tokens_max: wanted.answer_tokens_max, ticket: Box::new(Free) })
    }

    async fn recognise(&self, _: &Credentials) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Nothing is owed.
struct Free;

#[async_trait]
impl Ticket for Free {
    async fn settle(self: Box<Self>, _: Sold) -> Result<Settled, Refusal> {
        Ok(Settled::default())
    }
}

/// Why folders cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}; hint: an adapter's folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A recipe that says nothing about how the model is asked.
    #[error("{path} is no recipe: {reason}")]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Two adapters of the same weights with different settings: by the hash of the weights they are one.
    #[error("{folder} and {other} hold the same weights with different {CONFIG_FILE}; hint: leave one of them out")]
    Ambiguous {
        /// One folder.
        folder: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// Two models with one name.
    #[error("two models are called {id:?}; hint: rename one of the folders")]
    Twice {
        /// The name.
        id: String,
    },
}

/// How an adapter was trained, beside its files where a job's bundle was unpacked.
const RECIPE_FILE: &str = "recipe.json";

/// The base model, and adapters in folders, as they were when they were looked up. Clones are the same.
#[derive(Clone, Debug)]
pub struct FolderCatalogue {
    models: Vec<Arc<Served>>,
    folders: Arc<HashMap<ContentHash, PathBuf>>,
}

impl FolderCatalogue {
    /// The base model, called `id`, which is asked by `template`.
    pub fn new(id: &str, template: Template) -> Self {
        Self { models: vec![Arc::new(Served::base(id, template))], folders: Arc::default() }
    }

    /// Adds the adapter in `folder`, called `id`. It is asked as the recipe beside it says, else as the base is. Blocks: the
    /// weights are read for their hash.
    ///
    /// Errors: files that are not there; a name that is taken.
    pub fn add(&mut self, id: &str, folder: &Path) -> Result<(), FolderError> {
        if self.find(id).is_some() {
            return Err(FolderError::Twice { id: id.to_owned() });
        }
        let path = folder.join(WEIGHTS_FILE);
        let failed = |path: &Path, source| FolderError::Read { path: path.to_owned(), source };
        let adapter = ContentHash::of(&std::fs::read(&path).map_err(|source| failed(&path, source))?);
        let config_in = |folder: &Path| {
            let path = folder.join(CONFIG_FILE);
            std::fs::read(&path).map_err(|source| failed(&path, source))
        };
        let config = config_in(folder)?;
        if let Some(other) = self.folders.get(&adapter)
            && config_in(other)? != config
        {
            return Err(FolderError::Ambiguous { folder: folder.to_owned(), other: other.clone() });
        }
        let created =
            std::fs::metadata(&path).and_then(|data| data.modified()).map_err(|source| failed(&path, source))?;
        let trained = template_of(&folder.join(RECIPE_FILE))?;
        let served = Served {
            id: id.to_owned(),
            model: None,
            adapter: Some(adapter),
            template: trained.or(self.models.first().map(|base| base.template)).unwrap_or_default(),
            created_s: created.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            owner: "local".to_owned(),
        };
        self.models.push(Arc::new(served));
        Arc::make_mut(&mut self.folders).insert(adapter, folder.to_owned());
        Ok(())
    }

    /// Adds every folder inside `root` that holds an adapter, called as the folder is, in the order of names. Blocks.
    ///
    /// Errors: as of [`Self::add`].
    pub fn add_all(&mut self, root: &Path) -> Result<(), FolderError> {
        let failed = |source| FolderError::Read { path: root.to_owned(), source };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(root).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.join(WEIGHTS_FILE).is_file() {
                found.push(path);
            }
        }
        found.sort();
        for folder in found {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.add(&name, &folder)?;
        }
        Ok(())
    }
}

impl Catalogue for FolderCatalogue {
    fn list(&self) -> Vec<Arc<Served>> {
        self.models.clone()
    }

    fn find(&self, id: &str) -> Option<Arc<Served>> {
        self.models.iter().find(|served| served.id == id).cloned()
    }
}

impl AdapterSource for FolderCatalogue {
    fn fetch(&self, adapter: &ContentHash, into: &Path) -> Result<(), SourceError> {
        let folder = self.folders.get(adapter).ok_or(SourceError::Unknown)?;
        for name in [CONFIG_FILE, WEIGHTS_FILE] {
            let path = folder.join(name);
            std::fs::copy(&path, into.join(name)).map_err(|error| SourceError::Unavailable {
                reason: format!("cannot read {}: {error}", path.display()),
            })?;
        }
        Ok(())
    }
}

/// How the recipe in a file says that the model is asked; `None` without a file.
fn template_of(path: &Path) -> Result<Option<Template>, FolderError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FolderError::Read { path: path.to_owned(), source }),
    };
    let wrong = |reason: String| FolderError::Recipe { path: path.to_owned(), reason };
    let recipe: Value = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let template = &recipe["hyperparameters"]["template"];
    match serde_json::from_value(template.clone()) {
        Ok(template) => Ok(Some(template)),
        Err(_) => Err(wrong(format!("hyperparameters.template is {template}; \"plain\" and \"chat\" are accepted"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, weights: &str, config: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(WEIGHTS_FILE), weights).unwrap();
        std::fs::write(folder.join(CONFIG_FILE), config).unwrap();
    }

    #[test]
    fn folders_are_models_by_their_names() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        write(&at("b"), "weights of b", "{}");
        write(&at("a"), "weights of a", "{}");
        std::fs::create_dir(at("empty")).unwrap();
        std::fs::write(at("a").join(RECIPE_FILE), r#"{"hyperparameters": {"template": "chat"}}"#).unwrap();
        let mut catalogue = FolderCatalogue::new("base", Template::Plain);
        catalogue.add_all(root.path()).unwrap();
        let models: Vec<(String, Template)> =
            catalogue.list().iter().map(|served| (served.id.clone(), served.template)).collect();
        let expected = [("base", Template::Plain), ("a", Template::Chat), ("b", Template::Plain)];
        assert_eq!(models, expected.map(|(id, template)| (id.to_owned(), template)));
        // They are handed over as they lie there, and nothing else is.
        let into = tempfile::tempdir().unwrap();
        catalogue.fetch(&ContentHash::of(b"weights of b"), into.path()).unwrap();
        assert_eq!(std::fs::read(into.path().join(WEIGHTS_FILE)).unwrap(), b"weights of b");
        assert_eq!(catalogue.fetch(&ContentHash::of(b"other"), into.path()), Err(SourceError::Unknown));
        assert!(matches!(catalogue.add("a", &at("b")), Err(FolderError::Twice { .. })));
        assert!(matches!(catalogue.add("c", &at("empty")), Err(FolderError::Read { .. })));
        write(&at("c"), "weights of a", r#"{"lora_alpha": 3}"#);
        assert!(matches!(catalogue.add("c", &at("c")), Err(FolderError::Ambiguous { .. })));
        write(&at("d"), "weights of d", "{}");
        std::fs::write(at("d").join(RECIPE_FILE), r#"{"hyperparameters": {"template": "xml"}}"#).unwrap();
        assert!(matches!(catalogue.add("d", &at("d")), Err(FolderError::Recipe { .. })));
    }
}
