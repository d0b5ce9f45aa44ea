//! Which task changes what another uses.
//!
//! That one file imports another orders nothing: it would put half of every repository in line. Here two things must come
//! together. One task's words change something by its name (rename it, remove it, give it another signature, make it),
//! and it will write the file that defines it; the other task's words use that very name, or it will write or read a
//! file that imports that very name from there. Then the other comes second, so that it starts from what the name means
//! by then. Each side must be likelier than not, and the edge is as sure as both together.
//!
//! Such an edge never contradicts what prompts declare: where it would close a circle, the weakest that was inferred
//! drops ([`without_circles`]).

mod circles;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use gadugi_core::pattern::Cover;
use gadugi_core::{Confidence, PathClaim};

use crate::map::{FileId, RepositoryMap};
use crate::overlap::{Expected, percent};
use crate::text::one_line;
pub(crate) use circles::without_circles;

/// From which probability on something counts as expected: likelier than not.
const LIKELY: f64 = 0.5;
/// Pairs of tasks that one name may order. Of a name that more change and use, each user waits for the surest change
/// alone: 5,000 prompts that use what 5,000 change have 5,000 edges, not 25 million.
const MOST_PAIRS: usize = 1000;

/// What a prompt wants of something that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymbolIntent {
    /// It is not there yet.
    Create,
    /// It gets another meaning or signature.
    Change,
    /// It gets another name or place.
    Rename,
    /// It goes.
    Remove,
    /// It is called, imported, built on or only named.
    Use,
}

impl SymbolIntent {
    /// Whether others who use it have to know.
    pub fn changes(self) -> bool {
        self != Self::Use
    }

    /// What the task does to it, in words.
    fn word(self) -> &'static str {
        match self {
            Self::Create => "creates",
            Self::Change => "changes",
            Self::Rename => "renames",
            Self::Remove => "removes",
            Self::Use => "uses",
        }
    }
}

/// Something that a prompt names and that files define: a function, a type, a constant, a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSymbol {
    /// Its name as the file that defines it has it, without what it belongs to.
    pub name: String,
    /// The file that defines it, or will; none where the base has none and the words name none.
    pub file: Option<String>,
    /// What is wanted of it.
    pub intent: SymbolIntent,
    /// How sure it is that this is meant.
    pub confidence: Confidence,
}

/// Which files import a name from a file. All that import it are looked through once, for all names of it.
pub(crate) struct Importers<'m> {
    map: &'m RepositoryMap,
    known: RefCell<HashMap<FileId, ByName<'m>>>,
}

/// Names that are imported from a file, and the files that import each.
type ByName<'m> = HashMap<&'m str, Vec<&'m str>>;

impl<'m> Importers<'m> {
    pub(crate) fn new(map: &'m RepositoryMap) -> Self {
        Self { map, known: RefCell::default() }
    }

    /// That all of a module is imported says nothing of one name.
    pub(crate) fn of(&self, file: &str, name: &str) -> Vec<&'m str> {
        let Some(file) = self.map.file(file) else { return Vec::new() };
        let mut known = self.known.borrow_mut();
        let by_name = known.entry(file).or_insert_with(|| self.look(file));
        by_name.get(name).cloned().unwrap_or_default()
    }

    fn look(&self, file: FileId) -> ByName<'m> {
        let mut by_name = ByName::new();
        for importer in self.map.importers(file) {
            let path = self.map.path(*importer);
            for import in self.map.imports(*importer).iter().filter(|import| import.files.contains(&file)) {
                for imported in &import.names {
                    let files = by_name.entry(imported.name).or_default();
                    if files.last() != Some(&path) {
                        files.push(path);
                    }
                }
            }
        }
        by_name
    }
}

/// What is known of one task here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    /// Its id, for the evidence.
    pub(crate) id: &'a str,
    /// What its words name.
    pub(crate) symbols: &'a [NamedSymbol],
    /// What it may write.
    pub(crate) writes: &'a [Expected<'a>],
    /// What it may read.
    pub(crate) reads: &'a [PathClaim],
}

/// One task comes behind another that changes what it uses.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ImportEdge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) confidence: Confidence,
    pub(crate) evidence: String,
}

/// A name, and the file that defines it.
type Symbol<'a> = (&'a str, Option<&'a str>);

/// A task that changes or uses a name, and how likely.
struct Party<'a> {
    task: usize,
    probability: f64,
    intent: SymbolIntent,
    /// The file that imports it, where that says so.
    through: Option<&'a str>,
}

/// The edges that names give, each pair of tasks once, by the tasks. `importing` tells which files import a name from a
/// file.
pub(crate) fn edges<'a>(
    tasks: &[Task<'a>],
    importing: &dyn Fn(&str, &str) -> Vec<&'a str>,
) -> Vec<ImportEdge> {
    let (changers, users) = by_symbol(tasks);
    if changers.is_empty() {
        return Vec::new();
    }
    let claimed = by_file(tasks);
    let mut found: BTreeMap<(usize, usize), (f64, String, usize)> = BTreeMap::new();
    for ((name, file), changers) in &changers {
        let mut parties: Vec<&Party<'_>> = users.get(&(*name, *file)).into_iter().flatten().collect();
        let importers = file.map_or_else(Vec::new, |file| importing(file, name));
        let importers: Vec<Party<'_>> = importers
            .into_iter()
            .filter(|importer| Some(*importer) != *file)
            .filter_map(|importer| Some((importer, claimed.get(importer)?)))
            .flat_map(|(importer, claims)| {
                claims.iter().map(move |(task, probability)| Party {
                    task: *task,
                    probability: *probability,
                    intent: SymbolIntent::Use,
                    through: Some(importer),
                })
            })
            .collect();
        parties.extend(&importers);
        let changing: HashSet<usize> = changers.iter().map(|party| party.task).collect();
        parties.retain(|party| !changing.contains(&party.task));
        for (changer, user) in pairs(changers, &parties) {
            let sure = changer.probability * user.probability;
            let entry = found.entry((changer.task, user.task)).or_default();
            entry.2 += 1;
            if sure > entry.0 {
                (entry.0, entry.1) = (sure, evidence(tasks, (name, *file), changer, user));
            }
        }
    }
    let edges = found.into_iter().map(|((from, to), (sure, evidence, count))| {
        let more = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        ImportEdge { from, to, confidence: percent(sure), evidence: format!("{evidence}{more}") }
    });
    edges.collect()
}

/// Who changes and who uses what: by name and file, tasks in order, each once.
type Parties<'a> = BTreeMap<Symbol<'a>, Vec<Party<'a>>>;

fn by_symbol<'a>(tasks: &[Task<'a>]) -> (Parties<'a>, Parties<'a>) {
    let (mut changers, mut users) = (Parties::new(), Parties::new());
    for (at, task) in tasks.iter().enumerate() {
        for symbol in task.symbols {
            let sure = symbol.confidence.probability();
            let file = symbol.file.as_deref();
            let changes = symbol.intent.changes();
            // Only who will write the file changes what is in it. What is to be made may not have a file yet.
            let probability = match file {
                Some(file) if changes => sure.min(writes(task, file)),
                _ => sure,
            };
            if probability < LIKELY {
                continue;
            }
            let list = if changes { &mut changers } else { &mut users };
            let parties: &mut Vec<Party<'a>> = list.entry((symbol.name.as_str(), file)).or_default();
            let party = Party { task: at, probability, intent: symbol.intent, through: None };
            match parties.iter_mut().rev().find(|other| other.task == at) {
                Some(other) if other.probability >= probability => {}
                Some(other) => *other = party,
                None => parties.push(party),
            }
        }
    }
    (changers, users)
}

/// How likely it is that a task writes a file.
fn writes(task: &Task<'_>, file: &str) -> f64 {
    let covering = task.writes.iter().filter(|expected| Cover::of(expected.path).covers(file));
    covering.map(|expected| expected.probability).fold(0.0, f64::max)
}

/// For each file the tasks that probably write or read it: by task, each once.
fn by_file<'a>(tasks: &[Task<'a>]) -> HashMap<&'a str, Vec<(usize, f64)>> {
    let mut claimed: HashMap<&'a str, Vec<(usize, f64)>> = HashMap::new();
    for (at, task) in tasks.iter().enumerate() {
        let writes = task.writes.iter().map(|expected| (expected.path, expected.probability));
        let reads = task.reads.iter().map(|claim| (claim.path.as_str(), claim.confidence.probability()));
        for (path, probability) in writes.chain(reads).filter(|(_, probability)| *probability >= LIKELY) {
            let list = claimed.entry(path).or_default();
            match list.last_mut() {
                Some((task, known)) if *task == at => *known = known.max(probability),
                _ => list.push((at, probability)),
            }
        }
    }
    claimed
}

/// Each change with each use, or where those would be too many each use with the surest change.
fn pairs<'p, 'a>(changers: &'p [Party<'a>], users: &[&'p Party<'a>]) -> Vec<(&'p Party<'a>, &'p Party<'a>)> {
    let surest = changers.iter().rev().max_by(|a, b| a.probability.total_cmp(&b.probability));
    let few = changers.len().saturating_mul(users.len()) <= MOST_PAIRS;
    let changers: Vec<&Party<'a>> =
        if few { changers.iter().collect() } else { surest.into_iter().collect() };
    users.iter().flat_map(|user| changers.iter().map(|changer| (*changer, *user))).collect()
}

fn evidence(tasks: &[Task<'_>], symbol: Symbol<'_>, changer: &Party<'_>, user: &Party<'_>) -> String {
    let name = one_line(symbol.0, 60);
    let place = symbol.1.map_or_else(String::new, |file| format!(" of {file}"));
    let (changes, by) = (changer.intent.word(), tasks[changer.task].id);
    match user.through {
        Some(file) => format!("“{name}”{place}, which {by} {changes}, is imported by {file}"),
        None => format!("“{name}”{place}, which {by} {changes}, is used by {}", tasks[user.task].id),
    }
}

#[cfg(test)]
mod tests;
