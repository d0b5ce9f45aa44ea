//! A repository on disk for tests: prompts are real files, the tree is their list.

use std::fs;
use std::path::{Path, PathBuf};

use gadugi_analysis::history::History;
use gadugi_analysis::map::RepositoryMap;
use gadugi_analysis::{Analysis, AnalysisError, AnalysisOptions, AnalysisRequest, analyse, prompts};
use gadugi_core::{CommitId, Edge};
use tempfile::TempDir;

pub(crate) struct Repository {
    folder: TempDir,
    files: Vec<(String, String)>,
}

impl Repository {
    /// Files, with their texts.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mut repository = Self { folder: TempDir::new().expect("a temporary folder"), files: Vec::new() };
        for (path, text) in files {
            repository.write(path, text.as_bytes());
        }
        repository
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&mut self, path: &str, bytes: &[u8]) {
        let file = self.root().join(path);
        fs::create_dir_all(file.parent().expect("a file has a folder")).expect("a folder");
        fs::write(file, bytes).expect("a file");
        self.files.push((path.to_owned(), String::from_utf8_lossy(bytes).into_owned()));
    }

    pub(crate) fn plan(&self, arguments: &[&str]) -> Result<Analysis, AnalysisError> {
        self.plan_with(arguments, AnalysisOptions::default())
    }

    pub(crate) fn plan_with(
        &self,
        arguments: &[&str],
        options: AnalysisOptions<'_>,
    ) -> Result<Analysis, AnalysisError> {
        let arguments: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
        let prompts = prompts::resolve(self.root(), self.root(), &arguments)
            .map_err(|errors| AnalysisError::Input(errors.into_iter().map(Into::into).collect()))?;
        let base = CommitId::new("0".repeat(40));
        let files: Vec<(&str, &str)> =
            self.files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let map = RepositoryMap::of_texts(&files).expect("a map");
        analyse(&AnalysisRequest {
            base: &base,
            map: &map,
            history: &History::default(),
            prompts: &prompts,
            options,
        })
    }
}

/// `from > to reason`, for each edge.
pub(crate) fn arrows(edges: &[Edge]) -> Vec<String> {
    edges.iter().map(|edge| format!("{} > {} {}", edge.from, edge.to, edge.reason.word())).collect()
}
