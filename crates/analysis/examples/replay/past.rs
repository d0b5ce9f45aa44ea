//! A repository's commits, each with the prompt it could have been made for, the tree and the history before it, and the files
//! that it changed.
//!
//! Nothing of the future leaks: of a case's history only the ancestors of its parent are seen, by the commits' own
//! parents and not by dates, and files have the names that they had at that parent.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use gadugi_analysis::history::{Changed, History, HistoryCache, MOST_COMMITS};
use gadugi_core::CommitId;
use gadugi_workspace::{Ancestor, Entry, EntryKind, MOST_FILES, Repository};

use super::prompt::{Prompt, prompt};

/// Commits that are read: those that are replayed, those before them, and merges.
const MOST_READ: usize = 16_000;

/// One commit to be foretold.
pub(crate) struct Case {
    pub(crate) id: CommitId,
    pub(crate) parent: CommitId,
    pub(crate) prompt: Prompt,
    /// The files that it changed, sorted; of a renamed one both names.
    pub(crate) truth: Vec<String>,
    /// Where its parent stands among the ancestors of the head.
    at: usize,
}

/// All that is replayed of one repository.
pub(crate) struct Past {
    pub(crate) repository: Repository,
    pub(crate) head: CommitId,
    /// The oldest first.
    pub(crate) cases: Vec<Case>,
    /// How many commits are no case, by reason.
    pub(crate) left_out: BTreeMap<&'static str, usize>,
    lineage: Lineage,
    facts: HistoryCache,
}

/// Who came before whom, by places in a list that begins with the newest.
struct Lineage {
    commits: Vec<Ancestor>,
    parents: Vec<Vec<usize>>,
}

impl Lineage {
    fn new(commits: Vec<Ancestor>) -> Self {
        let places: HashMap<&CommitId, usize> =
            commits.iter().enumerate().map(|(place, commit)| (&commit.id, place)).collect();
        let parents = commits
            .iter()
            .map(|commit| commit.parents.iter().filter_map(|parent| places.get(parent).copied()).collect())
            .collect();
        Self { commits, parents }
    }

    /// The commits without merges that lead to this one, with it, the newest first.
    fn before(&self, place: usize) -> impl Iterator<Item = &CommitId> {
        let mut seen = vec![false; self.commits.len()];
        let mut next = vec![place];
        while let Some(place) = next.pop() {
            if !std::mem::replace(&mut seen[place], true) {
                next.extend(self.parents[place].iter().filter(|parent| !seen[**parent]));
            }
        }
        let told = |(place, commit): &(usize, &Ancestor)| seen[*place] && can_be_told(commit);
        self.commits
            .iter()
            .enumerate()
            .filter(told)
            .map(|(_, commit)| &commit.id)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// No merge, and its parents are here.
fn can_be_told(commit: &Ancestor) -> bool {
    commit.parents.len() <= 1 && !commit.cut
}

impl Past {
    /// Reads the last `most` commits (without merges) of `HEAD` and what came before them.
    pub(crate) fn read(folder: &Path, most: usize) -> Result<Self> {
        let repository = Repository::discover(folder)?;
        let head = repository.head()?.commit;
        let lineage = Lineage::new(repository.ancestors(&head, MOST_READ)?);
        let told: Vec<CommitId> = lineage
            .commits
            .iter()
            .filter(|commit| can_be_told(commit))
            .map(|commit| commit.id.clone())
            .collect();
        let (mut facts, mut messages) = (HistoryCache::default(), HashMap::new());
        for one in repository.commit_facts(&told)? {
            let changes =
                one.changes.iter().map(|change| Changed { path: &change.path, from: change.from.as_deref() });
            facts.learn(one.id.clone(), one.seconds, &one.message, one.files > MOST_FILES, changes);
            messages.insert(one.id, one.message);
        }
        let (mut cases, mut left_out) = (Vec::new(), BTreeMap::new());
        let newest = lineage.commits.iter().enumerate().filter(|(_, commit)| can_be_told(commit)).take(most);
        for (place, commit) in newest {
            match case(&lineage, place, commit, &facts, messages.get(&commit.id)) {
                Ok(case) => cases.push(case),
                Err(reason) => *left_out.entry(reason).or_default() += 1,
            }
        }
        cases.reverse();
        ensure!(cases.len() >= 20, "{} has {} commits to replay: too few", folder.display(), cases.len());
        Ok(Self { repository, head, cases, left_out, lineage, facts })
    }

    /// The history as it was seen from a case's parent.
    pub(crate) fn history(&self, case: &Case) -> History {
        self.facts.history(self.lineage.before(case.at).take(MOST_COMMITS))
    }

    /// Everything that a case's parent holds but commits of other repositories.
    pub(crate) fn tree(&self, case: &Case) -> Result<Vec<Entry>> {
        let mut entries = self
            .repository
            .tree_entries(&case.parent)
            .with_context(|| format!("the tree of {}", case.parent))?;
        entries.retain(|entry| entry.kind != EntryKind::Submodule);
        Ok(entries)
    }
}

fn case(
    lineage: &Lineage,
    place: usize,
    commit: &Ancestor,
    facts: &HistoryCache,
    message: Option<&String>,
) -> Result<Case, &'static str> {
    let message = message.ok_or("that cannot be read")?;
    let at = *lineage.parents[place].first().ok_or("without a parent")?;
    let truth = facts.files(&commit.id).ok_or("that change more than 50 files")?;
    if truth.is_empty() {
        return Err("that change no file");
    }
    let prompt = prompt(message).map_err(|reason| reason.words())?;
    let truth = truth.into_iter().map(str::to_owned).collect();
    Ok(Case { id: commit.id.clone(), parent: lineage.commits[at].id.clone(), prompt, truth, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(id: &str, parents: &[&str]) -> Ancestor {
        Ancestor {
            id: CommitId::new(id),
            parents: parents.iter().map(|id| CommitId::new(*id)).collect(),
            cut: false,
        }
    }

    #[test]
    fn only_what_leads_to_a_commit_is_before_it() {
        // 6 merges 5 and 4; 4 was made beside 5 and 3, both on 2.
        let lineage = Lineage::new(vec![
            commit("6", &["5", "4"]),
            commit("5", &["3"]),
            commit("4", &["2"]),
            commit("3", &["2"]),
            commit("2", &["1"]),
            commit("1", &["0 is not here"]),
        ]);
        let before = |place| lineage.before(place).map(CommitId::as_str).collect::<Vec<_>>();
        assert_eq!(before(1), ["5", "3", "2", "1"]);
        assert_eq!(before(2), ["4", "2", "1"]);
        assert_eq!(before(0), ["5", "4", "3", "2", "1"]);
        assert_eq!(before(5), ["1"]);
    }
}
