//! What an adapter sees of the repository when it works out modules: paths and facts of every file.

use super::cache::{RecordAt, Store};
use super::entry::FileId;
use super::files::Files;
use super::languages::{LanguageId, Reads};
use super::record::Record;
use super::vocabulary::WordId;

/// What is known of a file beside its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its language and how that reads it; none: no language of the map's.
    pub(crate) language: Option<(LanguageId, Reads)>,
    /// Its facts; none: they could not be had.
    pub(crate) record: Option<RecordAt>,
}

/// All files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Project<'m> {
    pub(crate) files: &'m Files,
    pub(crate) known: &'m [Known],
    pub(crate) store: &'m Store,
}

impl<'m> Project<'m> {
    /// What is known of a file.
    pub(crate) fn record(&self, file: FileId) -> Option<Record<'m>> {
        Some(self.store.record(self.known.get(file.index())?.record?))
    }

    /// A name.
    pub(crate) fn word(&self, id: WordId) -> &'m str {
        self.store.words.get(id)
    }

    /// The number of a name.
    pub(crate) fn find(&self, name: &str) -> Option<WordId> {
        self.store.words.find(name)
    }

    /// The files of a language that it reads so.
    pub(crate) fn files_of(
        &self,
        language: &'static str,
        reads: Reads,
    ) -> impl Iterator<Item = FileId> + use<'m> {
        let wanted = super::languages::ALL.iter().zip(0..).find(|(one, _)| one.name() == language);
        let wanted = wanted.map(|(_, id)| (id, reads));
        let known = self.known;
        self.files.all().filter(move |file| wanted.is_some() && known[file.index()].language == wanted)
    }

    /// What a manifest says under a key.
    pub(crate) fn settings(&self, file: FileId) -> impl Iterator<Item = (&'m str, &'m str)> + use<'m> {
        let store = self.store;
        let settings = self.record(file).into_iter().flat_map(|record| record.settings());
        settings.map(move |(key, value)| (store.words.get(key), store.words.get(value)))
    }
}
