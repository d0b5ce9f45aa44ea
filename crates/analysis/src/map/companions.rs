//! Which test goes with which file, by what they are called and where they lie.

use super::entry::FileId;
use super::files::{common_folders, folder_of, name_of};
use super::languages::{self, Subject};
use super::project::Project;
use crate::lists::Lists;

/// Tests and their subjects.
pub(crate) struct Companions {
    /// Of each file, whether it is a test, and what it is about.
    subjects: Vec<(bool, Option<FileId>)>,
    /// Of each file, sorted.
    tests: Lists<FileId>,
}

impl Companions {
    pub(crate) fn new(project: &Project<'_>) -> Self {
        let subjects: Vec<(bool, Option<FileId>)> = project
            .files
            .all()
            .map(|file| match subject(project, file) {
                Some(subject) => (true, find(project, file, &subject)),
                None => (false, None),
            })
            .collect();
        let tests: Vec<(u32, FileId)> = project
            .files
            .all()
            .zip(&subjects)
            .filter_map(|(test, (_, subject))| Some(((*subject)?.0, test)))
            .collect();
        Self { tests: Lists::new(project.files.len(), &tests), subjects }
    }

    pub(crate) fn is_test(&self, file: FileId) -> bool {
        self.subjects.get(file.index()).is_some_and(|(test, _)| *test)
    }

    pub(crate) fn subject_of(&self, test: FileId) -> Option<FileId> {
        self.subjects.get(test.index())?.1
    }

    pub(crate) fn tests_of(&self, file: FileId) -> &[FileId] {
        self.tests.of(file.0)
    }
}

fn subject(project: &Project<'_>, file: FileId) -> Option<Subject> {
    let (language, _) = project.known[file.index()].language?;
    languages::get(language).subject(project.files.path(file), project.files)
}

fn find(project: &Project<'_>, test: FileId, subject: &Subject) -> Option<FileId> {
    let exactly = subject.exactly.iter().find_map(|path| project.files.find(path));
    exactly.filter(|found| *found != test).or_else(|| {
        subject.named.iter().find_map(|name| {
            let ends = |file: &&FileId| {
                let before = project.files.path(**file).strip_suffix(name.as_str());
                before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
            };
            let all = project.files.named(name_of(name));
            nearest(project, test, all.iter().filter(ends).copied())
        })
    })
}

/// Of files with the right name the one whose folders are most like the test's: that share its last folders
/// (`tests/net/test_http.py` and `src/pkg/net/http.py`), then its first. None where two are as near.
fn nearest(project: &Project<'_>, test: FileId, candidates: impl Iterator<Item = FileId>) -> Option<FileId> {
    let path = project.files.path(test);
    let score = |file: FileId| {
        let other = project.files.path(file);
        let same_folder = folder_of(path) == folder_of(other);
        (same_folder, common_last(path, other), common_folders(path, other))
    };
    let mut best: Option<((bool, usize, usize), FileId, bool)> = None;
    // A test is no test's subject.
    for file in candidates.filter(|file| *file != test && subject(project, *file).is_none()) {
        let score = score(file);
        match &mut best {
            Some((known, _, tied)) if *known == score => *tied = true,
            Some((known, ..)) if *known > score => {}
            _ => best = Some((score, file, false)),
        }
    }
    best.filter(|(.., tied)| !tied).map(|(_, file, _)| file)
}

/// How many of their last folders two paths share.
fn common_last(one: &str, other: &str) -> usize {
    let (one, other) = (folder_of(one), folder_of(other));
    one.rsplit('/').zip(other.rsplit('/')).take_while(|(one, other)| one == other && !one.is_empty()).count()
}
