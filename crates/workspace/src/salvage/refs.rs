//! The refs that hold salvaged work: their names, and what is known of each.

use std::path::Path;

use gadugi_core::{AttemptId, CommitId, RunId, TaskId};

use crate::Result;
use crate::door::lossy;
use crate::repository::Repository;

/// Below it lies everything that was salvaged.
const FOLDER: &str = "refs/gadugi/salvage/";
/// The line of a salvage's message that says whose it is.
const ATTEMPT: &str = "Gadugi-Attempt: ";

/// One ref that holds salvaged work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalvageInfo {
    /// Its name.
    pub reference: String,
    /// Where it is.
    pub commit: CommitId,
    /// Whose work it is; none: gadugi did not make it.
    pub attempt: Option<AttemptId>,
    /// How many paths differ from the commit that the worktree stood on.
    pub files: usize,
}

/// Where an attempt's work is salvaged to: `refs/gadugi/salvage/<task>/<attempt>`. The attempt is named by its run and its
/// number (`20261121-090000-beef-2`): no run takes another's ref, and all that there is of one task is found below one folder.
pub fn salvage_ref(attempt: &AttemptId) -> String {
    let run = attempt.run.as_str();
    let run = run.strip_prefix("orchestration-").unwrap_or(run);
    format!("{FOLDER}{}/{}-{}", part(attempt.task.as_str()), part(run), attempt.attempt)
}

/// Whose worktree lies at a path, as far as the path says it: `…/<run>/<task>`. For what no record tells of.
pub fn attempt_at(path: &Path) -> AttemptId {
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name)
            .map_or_else(|| "unknown".into(), |name| name.to_string_lossy().into_owned())
    };
    AttemptId { run: RunId::new(name(path.parent())), task: TaskId::new(name(Some(path))), attempt: 1 }
}

/// Task ids are safe in paths; in a ref `..`, a final dot, a leading one and a final `.lock` are not.
fn part(id: &str) -> String {
    let mut name: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    while name.contains("..") {
        name = name.replace("..", ".");
    }
    let name = name.trim_matches('.');
    let name = name.strip_suffix(".lock").map_or_else(|| name.to_owned(), |stem| format!("{stem}-lock"));
    if name.is_empty() { "-".to_owned() } else { name }
}

/// What a salvage says of itself. Its first line says what it is, its last whose.
pub(crate) fn message(
    attempt: &AttemptId,
    path: &Path,
    files: usize,
    commits: usize,
    left_out: &[String],
) -> String {
    const NAMED: usize = 100;
    let mut text = format!("Salvaged: {} of {}\n\n", attempt.task, attempt.run);
    text.push_str(&format!(
        "What was uncommitted in {}: {files} paths.\n",
        one_line(&path.to_string_lossy())
    ));
    if commits > 0 {
        text.push_str(&format!("Its further parents are {commits} commits that no branch held.\n"));
    }
    if !left_out.is_empty() {
        text.push_str("\nNot stored:\n");
        for line in left_out.iter().take(NAMED) {
            text.push_str(&format!("- {}\n", one_line(line)));
        }
        if left_out.len() > NAMED {
            text.push_str(&format!("- and {} more\n", left_out.len() - NAMED));
        }
    }
    text.push_str(&format!("\n{ATTEMPT}{attempt}\n"));
    text
}

fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), "?")
}

/// `run/task/2`
fn attempt_of(line: &str) -> Option<AttemptId> {
    let mut parts = line.trim().rsplitn(3, '/');
    let (attempt, task, run) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    Some(AttemptId { run: RunId::new(run), task: TaskId::new(task), attempt })
}

impl Repository {
    /// All refs that hold salvaged work, by name. Reads only.
    pub fn salvages(&self) -> Result<Vec<SalvageInfo>> {
        let list = ["for-each-ref", "--format=%(refname) %(objecttype) %(objectname)", FOLDER];
        let listing = self.main(list).text()?;
        let mut found = Vec::new();
        for line in listing.lines() {
            let mut words = line.split(' ');
            if let (Some(name), Some("commit"), Some(id)) = (words.next(), words.next(), words.next()) {
                found.push(self.describe_salvage(name, &CommitId::new(id))?);
            }
        }
        Ok(found)
    }

    pub(crate) fn describe_salvage(&self, reference: &str, commit: &CommitId) -> Result<SalvageInfo> {
        let text = self.main(["show", "--no-patch", "--format=%P%n%B", commit.as_str()]).bytes()?;
        let text = lossy(&text);
        let parent = text.lines().next().and_then(|parents| parents.split(' ').next()).unwrap_or_default();
        let plain = match parent {
            "" => self.empty_tree()?,
            parent => self.tree_of(&CommitId::new(parent))?,
        };
        let files = self.changes(&plain, &self.tree_of(commit)?)?.len();
        let attempt = text.lines().rev().find_map(|line| line.strip_prefix(ATTEMPT)).and_then(attempt_of);
        Ok(SalvageInfo { reference: reference.to_owned(), commit: commit.clone(), attempt, files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refs_that_git_takes_and_nobody_elses() {
        let name = |run: &str, task: &str, attempt| {
            let attempt = AttemptId { run: RunId::new(run), task: TaskId::new(task), attempt };
            salvage_ref(&attempt)
        };
        let run = "orchestration-20261121-090000-beef";
        assert_eq!(name(run, "lexer", 1), "refs/gadugi/salvage/lexer/20261121-090000-beef-1");
        assert_ne!(name(run, "lexer", 2), name(run, "lexer", 1));
        for task in ["a..b", "x.lock", "end.", "ü", "a b", "..", "", "-dash", "HEAD"] {
            assert!(crate::refname::well_formed(&name(run, task, 1)), "{task:?}");
        }
    }

    #[test]
    fn a_message_says_whose_it_is() {
        let attempt = AttemptId { run: RunId::new("orchestration-1"), task: TaskId::new("a"), attempt: 3 };
        let left = vec!["odd\nname: unreadable".to_owned()];
        let text = message(&attempt, Path::new("/w/a"), 2, 1, &left);
        let last = text.lines().last().unwrap();
        assert_eq!(attempt_of(last.strip_prefix(ATTEMPT).unwrap()), Some(attempt));
        assert!(text.contains("- odd?name: unreadable"), "{text}");
        assert_eq!(attempt_of("a/b"), None);
    }
}
