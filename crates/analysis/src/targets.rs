//! Which files a prompt is about: paths, patterns and names of a program in its words, resolved against the real tree and
//! what its files define.
//!
//! The words before a path or a name say what is wanted of it: "create", "fix" and their like mean that it is written, "see",
//! "like" and "use" that it is read. A prompt that only names a file probably means to change it, but not surely; code
//! in a fence is mostly an example.

mod names;
mod words;

use std::collections::{BTreeMap, HashSet};

use gadugi_core::pattern::{glob, is_pattern};
use gadugi_core::{ClaimSource, Confidence, PathClaim};

use crate::imports::{NamedSymbol, SymbolIntent};
use crate::inference::{InferenceError, MAX_PATHS, Surroundings};
use crate::markdown::{Block, BlockKind};
use crate::text::evidence;
use crate::tree::{Found, Tree};
use words::{Intent, Reader, Word};

/// Below this an expectation to write says too little to hold anybody up, and is taken as a reading.
const WRITES_FROM: u8 = 40;

/// What a prompt is about, the paths sorted.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) writes: Vec<PathClaim>,
    pub(crate) reads: Vec<PathClaim>,
    /// What it names of what files define or will define, in the order of the names.
    pub(crate) symbols: Vec<NamedSymbol>,
}

/// Finds the targets.
pub(crate) fn find(
    body: &str,
    blocks: &[Block],
    around: &Surroundings<'_>,
) -> Result<Targets, InferenceError> {
    let mut gathered =
        Gathered { around, claims: BTreeMap::new(), symbols: BTreeMap::new(), unknown: HashSet::new() };
    let mut reader = Reader::default();
    for block in blocks {
        let heading =
            block.section.and_then(|section| blocks.get(section)).map(|heading| &body[heading.range.clone()]);
        reader.begin(block, &body[block.range.clone()], heading.unwrap_or(""));
        while let Some(word) = reader.next_target(&body[block.range.clone()]) {
            let fenced = block.kind == BlockKind::Fence;
            let (start, end) = (block.range.start + word.start, block.range.start + word.end);
            gathered.take(&word, fenced, || evidence(body, start, end))?;
        }
    }
    Ok(gathered.finish())
}

/// What is known of one path so far.
#[derive(Default)]
struct Claim {
    writes: u8,
    reads: u8,
    write_evidence: (String, ClaimSource),
    read_evidence: (String, ClaimSource),
}

struct Gathered<'a> {
    around: &'a Surroundings<'a>,
    claims: BTreeMap<String, Claim>,
    /// What is wanted of each name, and how sure it is that it is meant.
    symbols: BTreeMap<(String, Option<String>), (SymbolIntent, u8)>,
    /// Words that stand for nothing: a long listing repeats them.
    unknown: HashSet<String>,
}

impl Gathered<'_> {
    fn take(
        &mut self,
        word: &Word<'_>,
        fenced: bool,
        evidence: impl Fn() -> String,
    ) -> Result<(), InferenceError> {
        if self.unknown.contains(word.text) {
            return Ok(());
        }
        if let Some((path, sure)) = resolve(word.text, word.code, word.intent, &self.around.tree) {
            return self.claim(path, ClaimSource::Path, (word.intent, sure, fenced), &evidence);
        }
        let Some(named) = names::resolve(word.text, word.code, self.around.map) else {
            // A later "create it" could still make it a target, so only what can never be one is remembered.
            if word.intent == Intent::Create {
                if !fenced && word.code {
                    self.will_define(word.text);
                }
                self.unknown.insert(word.text.to_owned());
            }
            return Ok(());
        };
        // What is there already is changed: "add a limit to `Client`".
        let intent = if word.intent == Intent::Create { Intent::Change } else { word.intent };
        for file in &named.files {
            let path = self.around.map.path(*file).to_owned();
            if named.source == ClaimSource::Symbol && !fenced {
                self.symbol(named.name.clone(), Some(path.clone()), symbol_intent(intent), named.sure);
            }
            self.claim(path, named.source, (intent, named.sure, fenced), &evidence)?;
        }
        Ok(())
    }

    /// A name that the prompt wants and that nobody defines yet. A plain word is no name: "create `it`".
    fn will_define(&mut self, word: &str) {
        /// How sure it is that the word will be a name of the program.
        const SURE: u8 = 80;
        if words::is_program_name(word) {
            let name = word.rsplit(':').next().unwrap_or(word).to_owned();
            self.symbol(name, None, SymbolIntent::Create, SURE);
        }
    }

    /// Notes a name; where it is named twice, what changes it counts.
    fn symbol(&mut self, name: String, file: Option<String>, intent: SymbolIntent, sure: u8) {
        if self.symbols.len() >= MAX_PATHS {
            return;
        }
        let known = self.symbols.entry((name, file)).or_insert((intent, sure));
        *known = (known.0.min(intent), known.1.max(sure));
    }

    fn claim(
        &mut self,
        path: String,
        source: ClaimSource,
        (intent, sure, fenced): (Intent, u8, bool),
        evidence: &impl Fn() -> String,
    ) -> Result<(), InferenceError> {
        if self.around.prompts.contains(path.as_str()) {
            return Ok(());
        }
        let (mut writes, mut reads) = intent.confidence();
        let scale = |confidence: u8| (u16::from(confidence) * u16::from(sure) / 100) as u8;
        (writes, reads) = (scale(writes), scale(reads));
        if fenced {
            (writes, reads) = (writes / 2, reads / 2);
        }
        if !self.claims.contains_key(&path) && self.claims.len() >= MAX_PATHS {
            return Err(InferenceError::TooManyPaths);
        }
        let claim = self.claims.entry(path).or_default();
        if writes > claim.writes || reads > claim.reads {
            let evidence = evidence();
            if writes > claim.writes {
                (claim.writes, claim.write_evidence) = (writes, (evidence.clone(), source));
            }
            if reads > claim.reads {
                (claim.reads, claim.read_evidence) = (reads, (evidence, source));
            }
        }
        Ok(())
    }

    fn finish(self) -> Targets {
        let mut targets = Targets::default();
        for (path, claim) in self.claims {
            // What is both read and written is a target: the plainer word decides, and a tie means the change.
            if claim.writes >= WRITES_FROM && claim.writes >= claim.reads {
                targets.writes.push(path_claim(path, claim.writes, claim.write_evidence));
            } else if claim.reads >= claim.writes {
                targets.reads.push(path_claim(path, claim.reads, claim.read_evidence));
            } else {
                targets.reads.push(path_claim(path, claim.writes, claim.write_evidence));
            }
        }
        let symbols = self.symbols.into_iter().map(|((name, file), (intent, sure))| NamedSymbol {
            name,
            file,
            intent,
            confidence: Confidence(sure),
        });
        targets.symbols.extend(symbols);
        targets
    }
}

fn path_claim(path: String, confidence: u8, (evidence, source): (String, ClaimSource)) -> PathClaim {
    PathClaim { path, confidence: Confidence(confidence), evidence, source, stated: None }
}

fn symbol_intent(intent: Intent) -> SymbolIntent {
    match intent {
        Intent::Create => SymbolIntent::Create,
        Intent::Change => SymbolIntent::Change,
        Intent::Rename => SymbolIntent::Rename,
        Intent::Remove => SymbolIntent::Remove,
        Intent::Write | Intent::Read | Intent::Keep | Intent::Named => SymbolIntent::Use,
    }
}

/// The path that a word stands for, and how sure that is in percent.
fn resolve(word: &str, code: bool, intent: Intent, tree: &Tree<'_>) -> Option<(String, u8)> {
    let path = clean(word)?;
    if is_pattern(path) {
        return pattern(path, code, tree);
    }
    let named = code || path.contains('/') || has_extension(path);
    match tree.find(path) {
        Found::File(file) if named || is_well_known(file) => Some((file.to_owned(), 100)),
        Found::Unique(file) if named && (has_extension(path) || is_well_known(path)) => {
            Some((file.to_owned(), if path.contains('/') { 90 } else { 80 }))
        }
        Found::Folder(folder) if path.contains('/') => Some((format!("{folder}/"), 70)),
        Found::File(_) | Found::Unique(_) | Found::Folder(_) | Found::Ambiguous => None,
        Found::Nothing => new_file(path, intent, tree).map(|sure| (path.to_owned(), sure)),
    }
}

/// A word without what a sentence and an editor put around a path; none where it cannot be one of the repository.
fn clean(word: &str) -> Option<&str> {
    if word.contains("://")
        || word.contains('\0')
        || word.contains('@')
        || word.starts_with(['-', '$', '~', '\\'])
    {
        return None;
    }
    let word = word.strip_prefix("./").unwrap_or(word);
    let word = word.split_once('#').map_or(word, |(path, _)| path);
    // `src/a.rs:12:3` is a place in a file; `a::b` is a name in a program.
    let word = match word.split_once(':') {
        Some((path, place)) if place.starts_with(|c: char| c.is_ascii_digit()) => path,
        Some(_) => return None,
        None => word,
    };
    let path = word.trim_end_matches(['.', ',']);
    let sound = !path.is_empty()
        && path.len() <= 512
        && !path.starts_with('/')
        && !path.contains("//")
        && path.split('/').all(|part| part != ".." && part != ".");
    sound.then_some(path)
}

/// Whether the last part has an extension that begins with a letter: not `1.2`, not `e.g`.
fn has_extension(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').is_some_and(|(stem, extension)| {
        (1..=10).contains(&extension.len())
            && extension.starts_with(|c: char| c.is_ascii_alphabetic())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && (!stem.is_empty() || name.len() > 2)
    })
}

/// Names without an extension that are files all the same.
fn is_well_known(path: &str) -> bool {
    const NAMES: [&str; 12] = [
        "Makefile",
        "Dockerfile",
        "Containerfile",
        "Justfile",
        "justfile",
        "Gemfile",
        "Rakefile",
        "Procfile",
        "LICENSE",
        "NOTICE",
        "CODEOWNERS",
        "Jenkinsfile",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    NAMES.contains(&name)
}

/// Extensions of files that are written by hand: for names in no folder, where `app.run` is no file.
fn is_usual_extension(path: &str) -> bool {
    const EXTENSIONS: [&str; 44] = [
        "rs", "py", "ts", "tsx", "js", "jsx", "mjs", "cjs", "go", "java", "kt", "c", "h", "cc", "cpp", "hpp",
        "cs", "rb", "php", "swift", "scala", "sh", "bash", "sql", "md", "rst", "txt", "toml", "yaml", "yml",
        "json", "xml", "html", "css", "scss", "svelte", "vue", "lock", "ini", "cfg", "proto", "graphql",
        "tf", "csv",
    ];
    path.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

/// How sure it is that a path that is not there will be made: its folder is there, or the words say so.
fn new_file(path: &str, intent: Intent, tree: &Tree<'_>) -> Option<u8> {
    let create = intent == Intent::Create;
    let (folder, _) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
    if path.ends_with('/') {
        return (create && path.len() > 1).then_some(70);
    }
    if !has_extension(path) && !is_well_known(path) {
        return None;
    }
    match (folder.is_empty(), tree.has_folder(folder), create) {
        (true, _, true) => (is_usual_extension(path) || is_well_known(path)).then_some(75),
        (true, _, false) => None,
        (false, true, true) => Some(95),
        (false, true, false) => Some(85),
        (false, false, true) => Some(80),
        (false, false, false) => None,
    }
}

/// A pattern is a target where it fits a file, or where it can fit new ones in a folder that is there.
fn pattern(path: &str, code: bool, tree: &Tree<'_>) -> Option<(String, u8)> {
    // Outside of code a star is mostly emphasis, and brackets are mostly Markdown.
    let is_glob = path.contains('/') || path.strip_prefix("*.").is_some_and(|rest| !rest.contains('*'));
    if !is_glob || (!code && path.contains(['[', '{', '?'])) {
        return None;
    }
    // In a sentence "*.rs" means those of every folder.
    let path = if path.contains('/') { path.to_owned() } else { format!("**/{path}") };
    let matcher = glob(&path).ok()?.compile_matcher();
    let fixed = path.find(['*', '?', '[', '{']).map_or("", |at| &path[..at]);
    let folder = fixed.rsplit_once('/').map_or("", |(folder, _)| folder);
    let fits = tree.files().any(|file| matcher.is_match(file));
    (fits || (!folder.is_empty() && tree.has_folder(folder))).then_some((path, if fits { 85 } else { 60 }))
}

#[cfg(test)]
mod tests;
