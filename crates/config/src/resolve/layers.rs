//! The places where values come from, asked in one order, and the account of what was taken from where.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use gadugi_sys::env;

use super::{FILE_NAME, Flags, Setting};
use crate::document::{self, Document};
use crate::error::{ConfigError, Source, Warning};
use crate::model::ConfigFile;
use crate::values::{Switch, Value};

/// The names of one setting: in files, as a flag, as a variable.
pub(super) struct Key {
    name: Cow<'static, str>,
    flag: &'static str,
    variable: Option<&'static str>,
}

impl Key {
    /// A setting of `[run]` that has a flag and a variable.
    pub(super) fn run(name: &str, flag: &'static str, variable: &'static str) -> Self {
        Self::of(format!("run.{name}"), flag, variable)
    }

    /// A setting of another section that has both.
    pub(super) fn of(name: impl Into<Cow<'static, str>>, flag: &'static str, variable: &'static str) -> Self {
        Self { name: name.into(), flag, variable: Some(variable) }
    }

    /// A setting that only files have.
    pub(super) fn file(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), flag: "", variable: None }
    }
}

struct Layer {
    path: PathBuf,
    user: bool,
    document: Document,
}

/// All layers, and what was taken from them so far.
pub(super) struct Layers<'a> {
    /// The repository's file before the user's.
    files: Vec<Layer>,
    variable: &'a dyn Fn(&str) -> Option<String>,
    sources: Vec<Setting>,
    warnings: Vec<Warning>,
}

impl<'a> Layers<'a> {
    /// Reads the files.
    pub(super) fn open(
        root: &Path,
        flags: &Flags,
        variable: &'a dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let named = flags.config_file.clone().map(|path| (path, Source::Flag("--config")));
        let named =
            named.or_else(|| variable(env::CONFIG).map(|path| (path.into(), Source::Variable(env::CONFIG))));
        let mut files = Vec::new();
        let mut add = |path: PathBuf, user: bool| -> Result<bool, ConfigError> {
            let document = document::load(&path)?;
            let there = document.is_some();
            files.extend(document.map(|document| Layer { path, user, document }));
            Ok(there)
        };
        match named {
            Some((path, named_by)) => {
                if !add(path.clone(), false)? {
                    return Err(ConfigError::NotFound { path, named_by });
                }
            }
            None => {
                add(root.join(FILE_NAME), false)?;
            }
        }
        if let Some(path) = user_file(variable) {
            add(path, true)?;
        }
        let warnings = files.iter().flat_map(|layer| layer.document.warnings.clone()).collect();
        Ok(Self { files, variable, sources: Vec::new(), warnings })
    }

    /// The files' contents, the one that wins first.
    pub(super) fn files(&self) -> impl Iterator<Item = &ConfigFile> {
        self.files.iter().map(|layer| &layer.document.model)
    }

    /// The value of a setting that has no default.
    pub(super) fn pick<T: Value>(
        &mut self,
        key: Key,
        flag: Option<&str>,
        get: impl Fn(&ConfigFile) -> &Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let found = self.find(&key, flag, get)?;
        let (value, source) = found.map_or((None, Source::Default), |(value, source)| (Some(value), source));
        self.note(key, value.as_ref().map(T::show), source);
        Ok(value)
    }

    /// The value of a setting that has a default.
    pub(super) fn pick_or<T: Value>(
        &mut self,
        key: Key,
        flag: Option<&str>,
        default: T,
        get: impl Fn(&ConfigFile) -> &Option<T>,
    ) -> Result<T, ConfigError> {
        let (value, source) = self.find(&key, flag, get)?.unwrap_or((default, Source::Default));
        self.note(key, Some(value.show()), source);
        Ok(value)
    }

    /// The same, of a setting that only files have.
    pub(super) fn or<T: Value>(
        &mut self,
        key: Key,
        default: T,
        get: impl Fn(&ConfigFile) -> &Option<T>,
    ) -> Result<T, ConfigError> {
        self.pick_or(key, None, default, get)
    }

    /// A text that has no default.
    pub(super) fn text<T: Value + Into<String>>(
        &mut self,
        key: Key,
        flag: Option<&str>,
        get: impl Fn(&ConfigFile) -> &Option<T>,
    ) -> Result<Option<String>, ConfigError> {
        Ok(self.pick(key, flag, get)?.map(Into::into))
    }

    /// A switch that is on by default; flag and variable say the opposite (`--no-…`).
    pub(super) fn switched_off(
        &mut self,
        key: Key,
        flag: bool,
        get: impl Fn(&ConfigFile) -> &Option<Switch>,
    ) -> Result<bool, ConfigError> {
        let said = flag.then_some("true");
        let mut value = self.pick_or(key, said, Switch(true), get)?;
        if let Some(Setting { source: Source::Flag(_) | Source::Variable(_), value: shown, .. }) =
            self.sources.last_mut()
        {
            value = Switch(!value.0);
            *shown = Some(value.show());
        }
        Ok(value.0)
    }

    /// A value of a table that is made by name, where a file has it. Nothing is noted where none has.
    pub(super) fn pick_owned<T: Value>(
        &mut self,
        key: Key,
        get: impl Fn(&ConfigFile) -> Option<T>,
    ) -> Option<T> {
        let (value, source) = self.files.iter().find_map(|layer| {
            let value = get(&layer.document.model)?;
            Some((value, layer.document.source(&layer.path, layer.user, &key.name)))
        })?;
        self.note(key, Some(value.show()), source);
        Some(value)
    }

    /// Says of an agent that there is none of that name.
    pub(super) fn warn_unknown_agent(&mut self, name: &str) {
        let key = format!("agents.{name}");
        let from = self.files.iter().find(|layer| layer.document.model.agents.contains_key(name));
        let from = from.map(|layer| layer.document.source(&layer.path, layer.user, &key));
        self.warnings.extend(from.map(|from| Warning::UnknownAgent { from, name: name.to_owned() }));
    }

    /// Where the value came from that was taken last.
    pub(super) fn last_source(&self) -> Option<&Source> {
        self.sources.last().map(|setting| &setting.source)
    }

    /// What was taken from where, and what should be known.
    pub(super) fn finish(self) -> (Vec<Setting>, Vec<Warning>) {
        (self.sources, self.warnings)
    }

    fn find<T: Value>(
        &self,
        key: &Key,
        flag: Option<&str>,
        get: impl Fn(&ConfigFile) -> &Option<T>,
    ) -> Result<Option<(T, Source)>, ConfigError> {
        let read = |text: &str, from: Source| match T::from_text(text) {
            Ok(value) => Ok(Some((value, from))),
            Err(mismatch) => Err(ConfigError::Value { from, message: mismatch.to_string() }),
        };
        if let Some(text) = flag {
            return read(text, Source::Flag(key.flag));
        }
        if let Some((name, text)) = key.variable.and_then(|name| Some((name, (self.variable)(name)?))) {
            return read(&text, Source::Variable(name));
        }
        Ok(self.files.iter().find_map(|layer| {
            let value = get(&layer.document.model).clone()?;
            Some((value, layer.document.source(&layer.path, layer.user, &key.name)))
        }))
    }

    fn note(&mut self, key: Key, value: Option<String>, source: Source) {
        self.sources.push(Setting { key: key.name.into_owned(), value, source });
    }
}

/// `$XDG_CONFIG_HOME/gadugi/gadugi.toml`, else `~/.config/gadugi/gadugi.toml`. Relative paths there count as unset.
fn user_file(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute(env::XDG_CONFIG_HOME).or_else(|| Some(absolute(env::HOME)?.join(".config")))?;
    Some(folder.join("gadugi").join(FILE_NAME))
}
