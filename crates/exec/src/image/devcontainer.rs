//! A repository's own description of its container: `.devcontainer/devcontainer.json`, or `.devcontainer.json`.
//!
//! Honoured are `image`, a Dockerfile's build (`build.dockerfile`, `context`, `args`, `target`; the older `dockerFile` and `context`),
//! `containerEnv`, `remoteUser` and `containerUser`. What concerns editors alone is passed over. Everything else is named, since a
//! container without it is another container than its author meant. The text is that of the run's base commit: an agent that rewrites its own
//! copy changes nothing.

mod keys;
mod variables;

use std::collections::BTreeMap;

use jsonc_parser::ParseOptions;
use serde_json::{Map, Value};

use super::{BuildOrder, Context, ImageError, Network};
use keys::{Standing, standing};

/// Where such a file may lie, the first that is there counts.
pub const PLACES: [&str; 2] = [".devcontainer/devcontainer.json", ".devcontainer.json"];

/// The longest that is read, bytes.
pub const LONGEST: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevContainer {
    /// Where its image comes from; none: it names no image that can be had.
    pub source: Option<Source>,
    /// Variables for all processes in the container.
    pub env: BTreeMap<String, String>,
    /// The user of the image that work is to be done as (`remoteUser`, else `containerUser`): a name or a number.
    pub user: Option<String>,
    /// What is asked for and not done, one line each, in the file's order.
    pub unsupported: Vec<String>,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It has a name.
    Image(String),
    /// It is built.
    Build(Recipe),
}

/// How it is built. Paths begin at the repository's top; the top itself is the empty path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The Dockerfile.
    pub dockerfile: String,
    /// The folder whose files it may copy.
    pub context: String,
    /// Build arguments.
    pub arguments: BTreeMap<String, String>,
    /// The stage to stop at.
    pub target: Option<String>,
}

/// Why the file says nothing that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DevContainerError {
    /// It is no JSON, comments and trailing commas allowed.
    #[error("{path}: {words}")]
    Syntax {
        /// The file.
        path: String,
        /// What and where.
        words: String,
    },
    /// A value is not of the kind that it has to be.
    #[error("{path}: {key}: expected {expected}")]
    Value {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// A path leads out of the repository.
    #[error("{path}: {key}: {value} is not in the repository")]
    Outside {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// The path.
        value: String,
    },
    /// The file is longer than [`LONGEST`].
    #[error("{path}: it is longer than {LONGEST} bytes")]
    TooLong {
        /// The file.
        path: String,
    },
}

/// Reads such a file: its text and its path in the repository, one of [`PLACES`].
///
/// # Errors
/// Where it cannot be understood. What is understood and cannot be done is in [`DevContainer::unsupported`].
pub fn parse(text: &str, path: &str) -> Result<DevContainer, DevContainerError> {
    if text.len() > LONGEST {
        return Err(DevContainerError::TooLong { path: path.into() });
    }
    let text = text.trim_start_matches('\u{feff}');
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        ..ParseOptions::default()
    };
    let value: Option<Value> = jsonc_parser::parse_to_serde_value(text, &options)
        .map_err(|error| DevContainerError::Syntax { path: path.into(), words: error.to_string() })?;
    let Some(Value::Object(file)) = value else {
        return Err(DevContainerError::Value {
            path: path.into(),
            key: "the file".into(),
            expected: "an object",
        });
    };
    let mut reader = Reader { path, unsupported: Vec::new() };
    let mut container = DevContainer {
        source: reader.source(&file)?,
        env: reader.strings(&file, "containerEnv", "containerEnv")?,
        user: reader.user(&file)?,
        unsupported: Vec::new(),
    };
    for (key, value) in &file {
        reader.consider(key, value);
    }
    container.unsupported = reader.unsupported;
    Ok(container)
}

impl Recipe {
    /// What is to be built: from the files of [`Self::context`] as an archive (`git archive` of the commit's folder; `.dockerignore` is
    /// honoured) and the Dockerfile's text, from the same commit. Its tag says what went into it: [`BuildOrder::fingerprint`].
    ///
    /// # Errors
    /// Where the archive cannot be read.
    pub fn order(&self, files: impl std::io::Read, dockerfile: &str) -> Result<BuildOrder, ImageError> {
        let mut order = BuildOrder {
            tag: String::new(),
            context: Context::from_tar(files, Some(dockerfile))?,
            dockerfile: Context::DOCKERFILE.into(),
            arguments: self.arguments.clone(),
            target: self.target.clone(),
            network: Network::Default,
            labels: BTreeMap::new(),
        };
        order.tag = format!("gadugi/devcontainer:{}", &order.fingerprint()[..16]);
        Ok(order)
    }
}

/// Reads values and keeps what cannot be done.
struct Reader<'a> {
    path: &'a str,
    unsupported: Vec<String>,
}

impl Reader<'_> {
    fn source(&mut self, file: &Map<String, Value>) -> Result<Option<Source>, DevContainerError> {
        let empty = Map::new();
        let build = match file.get("build") {
            None => None,
            Some(Value::Object(build)) => Some(build),
            Some(_) => return Err(self.expected("build", "an object")),
        };
        let older = self.string(file, "dockerFile", "dockerFile")?;
        let nested = build.unwrap_or(&empty);
        let newer = self.string(nested, "dockerfile", "build.dockerfile")?;
        let image = self.string(file, "image", "image")?;
        let Some(dockerfile) = newer.or(older) else {
            if build.is_some() && image.is_none() {
                return Err(self.expected("build.dockerfile", "the name of a Dockerfile"));
            }
            return Ok(image.map(Source::Image));
        };
        let context = match self.string(nested, "context", "build.context")? {
            Some(context) => Some(context),
            None => self.string(file, "context", "context")?,
        };
        for key in
            nested.keys().filter(|key| !["dockerfile", "context", "args", "target"].contains(&key.as_str()))
        {
            self.unsupported.push(format!("build.{key} is not supported"));
        }
        Ok(Some(Source::Build(Recipe {
            dockerfile: self.inside("build.dockerfile", &dockerfile)?,
            context: self.inside("build.context", context.as_deref().unwrap_or("."))?,
            arguments: self.strings(nested, "args", "build.args")?,
            target: self.string(nested, "target", "build.target")?,
        })))
    }

    fn user(&mut self, file: &Map<String, Value>) -> Result<Option<String>, DevContainerError> {
        let container = self.string(file, "containerUser", "containerUser")?;
        let remote = self.string(file, "remoteUser", "remoteUser")?;
        let user = remote.or(container);
        if user.as_deref().is_some_and(|user| matches!(user.split(':').next(), Some("root" | "0"))) {
            self.unsupported.push("the user root is not supported: agents work without rights".into());
            return Ok(None);
        }
        Ok(user)
    }

    /// A text, its variables resolved; none where it is not there, empty, or depends on what agents are not told.
    fn string(
        &mut self,
        map: &Map<String, Value>,
        key: &str,
        name: &str,
    ) -> Result<Option<String>, DevContainerError> {
        match map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(self.resolve(name, text).filter(|text| !text.is_empty())),
            Some(_) => Err(self.expected(name, "a text")),
        }
    }

    fn strings(
        &mut self,
        map: &Map<String, Value>,
        key: &str,
        name: &str,
    ) -> Result<BTreeMap<String, String>, DevContainerError> {
        let mut all = BTreeMap::new();
        let pairs = match map.get(key) {
            None | Some(Value::Null) => return Ok(all),
            Some(Value::Object(pairs)) => pairs,
            Some(_) => return Err(self.expected(name, "an object of texts")),
        };
        for (key, value) in pairs {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(is) => is.to_string(),
                // As the format has it: null takes a variable away, and there is none here.
                Value::Null => continue,
                _ => return Err(self.expected(&format!("{name}.{key}"), "a text")),
            };
            if key.is_empty() || key.contains(['=', '\0']) || text.contains('\0') {
                return Err(self.expected(&format!("{name}.{key}"), "the name of a variable and a text"));
            }
            if let Some(text) = self.resolve(&format!("{name}.{key}"), &text) {
                all.insert(key.clone(), text);
            }
        }
        Ok(all)
    }

    fn resolve(&mut self, name: &str, text: &str) -> Option<String> {
        match variables::resolve(text) {
            Ok(text) => Some(text),
            Err(variable) => {
                self.unsupported
                    .push(format!("{name} is left out: ${{{variable}}} is not known in gadugi's containers"));
                None
            }
        }
    }

    /// A path that is relative to the file's folder, from the repository's top.
    fn inside(&self, key: &str, value: &str) -> Result<String, DevContainerError> {
        let outside =
            || DevContainerError::Outside { path: self.path.into(), key: key.into(), value: value.into() };
        if value.starts_with('/') {
            return Err(outside());
        }
        let mut parts: Vec<&str> = self.path.split('/').collect();
        parts.pop();
        for part in value.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop().ok_or_else(outside)?),
                name => parts.push(name),
            }
        }
        Ok(parts.join("/"))
    }

    fn consider(&mut self, key: &str, value: &Value) {
        let asks = !matches!(value, Value::Null | Value::Bool(false));
        let asks = asks && value.as_object().is_none_or(|map| !map.is_empty());
        let asks = asks && value.as_array().is_none_or(|list| !list.is_empty());
        let line = match standing(key) {
            Standing::Honoured | Standing::OfEditors => return,
            Standing::Unsupported(why) if asks => format!("{key} is not supported: {why}"),
            Standing::Unsupported(_) => return,
            Standing::Unknown => format!("{key} is not known"),
        };
        // The workspace is where it would have been put.
        if key == "workspaceFolder" && value == variables::WORKSPACE {
            return;
        }
        self.unsupported.push(line);
    }

    fn expected(&self, key: &str, expected: &'static str) -> DevContainerError {
        DevContainerError::Value { path: self.path.into(), key: key.into(), expected }
    }
}

#[cfg(test)]
mod tests;
