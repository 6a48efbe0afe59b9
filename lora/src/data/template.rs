//! Chat templates: the jinja programs by which a model's makers put turns into one text.

use super::conversation::{Role, Turn};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, context};
use serde_json::Value as Json;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest template that is accepted, in bytes. The longest published ones have about 20 KiB.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Instructions that one rendering may take: a template comes from strangers and may not run for ever. A turn takes some
/// hundred.
const FUEL: u64 = 20_000_000;
/// Where a model names its special tokens, and often its template.
const SETTINGS_FILE: &str = "tokenizer_config.json";
/// The name that every template has inside its environment; errors are told by [`ChatTemplate::name`].
const INNER_NAME: &str = "chat";

/// Why a template cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A file holds no template.
    #[error("{path}: {reason}; hint: a jinja file, or a JSON file with \"chat_template\", is accepted")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is no jinja, or too long.
    #[error("the chat template {name} is not valid: {reason}")]
    Syntax {
        /// The template.
        name: String,
        /// What the parser says.
        reason: String,
    },
    /// It refuses these turns.
    #[error("the chat template {name} refuses these turns: {reason}")]
    Render {
        /// The template.
        name: String,
        /// What it says.
        reason: String,
    },
    /// It loses text.
    #[error(
        "the chat template {name} leaves out the text of the turns, given as text or as a list of parts; hint: --template \
         FILE with another"
    )]
    LosesText {
        /// The template.
        name: String,
    },
    /// It loses one turn, as templates do that know no system turn.
    #[error(
        "the chat template {name} leaves out or rewrites turn {turn} ({role}); hint: take it out of the data, or --template \
         FILE with another"
    )]
    LosesTurn {
        /// The template.
        name: String,
        /// The turn, from 1.
        turn: usize,
        /// Who speaks.
        role: Role,
    },
    /// Where the assistant speaks cannot be told.
    #[error(
        "the chat template {name} does not let it be decided what the assistant says in turn {turn}: it changes the text in \
         a way that depends on it; hint: --template FILE with another"
    )]
    Undecided {
        /// The template.
        name: String,
        /// The turn, from 1.
        turn: usize,
    },
    /// No token ends what the assistant says.
    #[error(
        "the chat template {name} does not end each turn of the assistant with a token of this tokenizer: after the text \
         follows {follows:?}; hint: --template FILE of this model"
    )]
    NoEnd {
        /// The template.
        name: String,
        /// What follows.
        follows: String,
    },
    /// Turns end with different tokens.
    #[error("the chat template {name} ends the assistant's turns with different tokens, {first} and {other}")]
    Ends {
        /// The template.
        name: String,
        /// One of them.
        first: u32,
        /// Another.
        other: u32,
    },
}

/// How a template wants the text of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// As text.
    Text,
    /// As a list of parts `{"type": "text", "text"}`, as templates of models with images do.
    Parts,
}

/// A chat template, ready to render.
///
/// It sees what `transformers` gives it: `messages`, `add_generation_prompt`, the special tokens by name, `tools` and
/// `documents` as none; Python's methods of strings, `raise_exception`, loop controls and `{% generation %}` blocks. It has
/// no clock: `strftime_now` is an error, since training data may not depend on the day.
#[derive(Debug)]
pub struct ChatTemplate {
    name: String,
    environment: Environment<'static>,
    specials: Vec<(String, String)>,
    content: Content,
    prompts: bool,
}

impl ChatTemplate {
    /// A template from its `source`. `settings` is the model's `tokenizer_config.json`, for the special tokens' texts.
    ///
    /// Errors: no valid jinja; a template that leaves out what the turns say.
    pub fn new(name: &str, source: &str, settings: &Json) -> Result<Self, TemplateError> {
        let invalid = |reason: String| TemplateError::Syntax { name: name.to_owned(), reason };
        if source.len() > SOURCE_BYTES_MAX {
            return Err(invalid(format!("{} bytes, at most {SOURCE_BYTES_MAX} are accepted", source.len())));
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| invalid(error.to_string()))?);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_fuel(Some(FUEL));
        environment.add_function("raise_exception", |text: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, text))
        });
        environment.add_function("strftime_now", |_: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, "it asks for today's date, on which training may not depend"))
        });
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned(INNER_NAME, without_generation_tags(source))
            .map_err(|error| invalid(error.to_string()))?;
        let mut template = Self {
            name: name.to_owned(),
            environment,
            specials: specials(settings),
            content: Content::Text,
            prompts: false,
        };
        template.content = template.wanted_content()?;
        let question = [Turn::new(Role::User, "question")];
        template.prompts = match (template.render(&question, true), template.render(&question, false)) {
            (Ok(with), Ok(without)) => with != without,
            _ => false,
        };
        Ok(template)
    }

    /// The template of the model folder `dir`: `chat_template.jinja`, `chat_template.json`, or the one in
    /// `tokenizer_config.json` (of several, the one named `default`). `None` if the model has none.
    pub fn from_dir(dir: &Path) -> Result<Option<Self>, TemplateError> {
        let settings = Self::settings(dir)?;
        for file in ["chat_template.jinja", "chat_template.json"] {
            let path = dir.join(file);
            if path.is_file() {
                return Self::from_file(&path, &settings).map(Some);
            }
        }
        let path = dir.join(SETTINGS_FILE);
        match source_in(&settings) {
            None => Ok(None),
            Some(source) => Self::new(&path.display().to_string(), source, &settings).map(Some),
        }
    }

    /// The `tokenizer_config.json` of the model folder `dir`; null if it has none.
    pub fn settings(dir: &Path) -> Result<Json, TemplateError> {
        let path = dir.join(SETTINGS_FILE);
        if path.is_file() { read_json(&path) } else { Ok(Json::Null) }
    }

    /// The template in a jinja file, or under `chat_template` in a JSON file. Special tokens that the JSON file names count
    /// before those of `settings`.
    pub fn from_file(path: &Path, settings: &Json) -> Result<Self, TemplateError> {
        let name = path.display().to_string();
        if path.extension().is_some_and(|extension| extension == "json") {
            let own = read_json(path)?;
            let source = source_in(&own).ok_or_else(|| TemplateError::File {
                path: path.to_owned(),
                reason: "no \"chat_template\" with text, or with one named \"default\"".into(),
            })?;
            let settings = if specials(&own).is_empty() { settings } else { &own };
            return Self::new(&name, source, settings);
        }
        Self::new(&name, &read_text(path)?, settings)
    }

    /// What errors call it: its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it can write what comes before an answer that is yet to be generated.
    pub fn prompts(&self) -> bool {
        self.prompts
    }

    /// The text of `turns`; with `add_generation_prompt`, up to where the assistant's next answer begins.
    pub fn render(&self, turns: &[Turn], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let texts: Vec<&str> = turns.iter().map(|turn| turn.text.as_str()).collect();
        self.render_texts(turns, &texts, add_generation_prompt)
    }

    /// As [`Self::render`], with other texts than those of the turns.
    pub(super) fn render_texts(
        &self,
        turns: &[Turn],
        texts: &[&str],
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        let message = |(turn, text): (&Turn, &&str)| {
            let content = match self.content {
                Content::Text => Value::from(*text),
                Content::Parts => Value::from(vec![context! { type => "text", text => *text }]),
            };
            context! { role => turn.role.name(), content => content }
        };
        let messages: Vec<Value> = turns.iter().zip(texts).map(message).collect();
        let specials =
            Value::from_pairs(self.specials.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))));
        let given = context! { messages, add_generation_prompt, tools => (), documents => (), ..specials };
        let rendered = self.environment.get_template(INNER_NAME).and_then(|template| template.render(given));
        rendered.map_err(|error| TemplateError::Render { name: self.name.clone(), reason: reason(&error) })
    }

    fn wanted_content(&mut self) -> Result<Content, TemplateError> {
        // Words without spaces or case, which no filter for trimming changes.
        let turns = [Turn::new(Role::User, "qzquestionzq"), Turn::new(Role::Assistant, "qzanswerzq")];
        let mut first_error = None;
        for content in [Content::Text, Content::Parts] {
            self.content = content;
            match self.render(&turns, false) {
                Ok(text) if turns.iter().all(|turn| text.contains(&turn.text)) => return Ok(content),
                Ok(_) => {}
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(TemplateError::LosesText { name: self.name.clone() }))
    }
}

/// What a template says to people: its own exception, else the error with its line.
fn reason(error: &Error) -> String {
    match (error.kind(), error.detail(), error.line()) {
        (ErrorKind::OutOfFuel, ..) => "it takes too many steps".into(),
        (ErrorKind::InvalidOperation, Some(detail), _) => detail.to_owned(),
        (_, _, Some(line)) => format!("{error} at line {line}"),
        _ => error.to_string(),
    }
}

/// `{% generation %}` marks what the assistant says for `transformers`; the text is the same without it.
///
/// The tags become blocks that change nothing, so that their signs for spaces keep their meaning.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag[2..].find("%}").map(|end| end + 4) else {
            rest = tag;
            break;
        };
        let inner = tag[2..end - 2].trim_matches(['-', '+']).trim();
        match inner {
            "generation" => out.push_str(&tag[..end].replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag[..end].replace("endgeneration", "endif")),
            _ => out.push_str(&tag[..end]),
        }
        rest = &tag[end..];
    }
    out.push_str(rest);
    out
}

/// Python's `json.dumps(value, ensure_ascii=False)`, without minijinja's escapes for HTML.
fn to_json(value: Value, options: Kwargs) -> Result<Value, Error> {
    let failed = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    // `ensure_ascii`, `sort_keys` and `separators` are accepted and mean nothing here; `indent` changes the text.
    let indent: Option<usize> = options.get("indent")?;
    let text = match indent {
        Some(_) => serde_json::to_string_pretty(&value).map_err(failed)?,
        None => {
            let mut out = Vec::new();
            let mut serializer = serde_json::Serializer::with_formatter(&mut out, Spaced);
            serde::Serialize::serialize(&value, &mut serializer).map_err(failed)?;
            String::from_utf8_lossy(&out).into_owned()
        }
    };
    Ok(Value::from_safe_string(text))
}

/// JSON with a space after each comma and colon.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

fn specials(settings: &Json) -> Vec<(String, String)> {
    let names = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];
    let text = |name: &str| settings[name].as_str().or_else(|| settings[name]["content"].as_str());
    names.iter().filter_map(|name| Some(((*name).to_owned(), text(name)?.to_owned()))).collect()
}

fn source_in(settings: &Json) -> Option<&str> {
    let found = &settings["chat_template"];
    let named = || found.as_array()?.iter().find(|one| one["name"] == "default")?["template"].as_str();
    found.as_str().or_else(named)
}

fn read_text(path: &Path) -> Result<String, TemplateError> {
    std::fs::read_to_string(path)
        .map_err(|source| TemplateError::Read { path: path.to_owned(), source: Arc::new(source) })
}

fn read_json(path: &Path) -> Result<Json, TemplateError> {
    serde_json::from_str(&read_text(path)?)
        .map_err(|error| TemplateError::File { path: path.to_owned(), reason: format!("not valid JSON: {error}") })
}
