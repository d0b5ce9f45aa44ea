//! Which file uses which: imports resolved to files, the way back, and where names are defined.

use std::{panic, thread};

use hashbrown::HashMap;

use super::entry::FileId;
use super::facts::ImportKind;
use super::languages::{self, Layout};
use super::project::Project;
use super::record::SymbolAt;
use super::vocabulary::WordId;
use super::{Definition, Import, ImportedName};
use crate::lists::Lists;
use crate::parallel::shares;

/// How many files a name is followed through that hand it on.
const MOST_HOPS: usize = 8;

/// Files for which a thread more is worth it.
const WORTH_A_THREAD: usize = 2000;

/// All imports and where they lead.
pub(crate) struct Graph {
    layouts: Vec<Box<dyn Layout>>,
    /// Of each file, the first of its imports.
    first_import: Vec<u32>,
    /// Of each import, the first of its targets.
    first_target: Vec<u32>,
    targets: Vec<FileId>,
    /// Of each file, sorted.
    importers: Lists<FileId>,
}

/// What one thread found out: for each of its files how many imports, for each import how many targets.
#[derive(Default)]
struct Part {
    imports: Vec<u32>,
    targets: Vec<u32>,
    files: Vec<FileId>,
}

impl Graph {
    pub(crate) fn new(project: &Project<'_>) -> Self {
        let layouts: Vec<Box<dyn Layout>> = thread::scope(|scope| {
            let works = languages::ALL.map(|language| scope.spawn(move || language.layout(project)));
            let done = works.into_iter().map(|work| work.join());
            done.map(|done| done.unwrap_or_else(|cause| panic::resume_unwind(cause))).collect()
        });
        let (mut first_import, mut first_target, mut targets) = (vec![0], vec![0], Vec::new());
        for part in resolve_all(project, &layouts) {
            for count in part.imports {
                first_import.push(first_import.last().copied().unwrap_or_default() + count);
            }
            for count in part.targets {
                first_target.push(first_target.last().copied().unwrap_or_default() + count);
            }
            targets.extend(part.files);
        }
        let mut graph = Self { layouts, first_import, first_target, targets, importers: Lists::default() };
        graph.look_through(project);
        graph.turn_round(project);
        graph
    }

    /// Where a name is taken from a file that hands it on, the file that defines it is used as well.
    fn look_through(&mut self, project: &Project<'_>) {
        let extra: Vec<(usize, FileId)> = {
            let graph = &*self;
            let behind = |files: &[FileId]| graph.behind(project, files);
            shares(&files_of(project), WORTH_A_THREAD, behind).concat()
        };
        if extra.is_empty() {
            return;
        }
        let (mut targets, mut first) = (Vec::with_capacity(self.targets.len() + extra.len()), vec![0]);
        let mut extra = extra.into_iter().peekable();
        for (import, bounds) in self.first_target.windows(2).enumerate() {
            let start = targets.len();
            targets.extend_from_slice(&self.targets[bounds[0] as usize..bounds[1] as usize]);
            while let Some((_, file)) = extra.next_if(|(of, _)| *of == import) {
                targets.push(file);
            }
            targets[start..].sort_unstable();
            first.push(targets.len() as u32);
        }
        (self.targets, self.first_target) = (targets, first);
    }

    /// For imports of these files, in their order, the files behind those that they lead to.
    fn behind(&self, project: &Project<'_>, files: &[FileId]) -> Vec<(usize, FileId)> {
        let mut known: HashMap<(FileId, WordId), Option<FileId>> = HashMap::new();
        let mut found: Vec<(usize, FileId)> = Vec::new();
        for &file in files {
            let first = self.first_import.get(file.index()).map_or(0, |first| *first as usize);
            let imports = project.record(file).into_iter().flat_map(|record| record.imports());
            for (number, import) in
                imports.enumerate().filter(|(_, import)| import.kind != ImportKind::Declares)
            {
                let targets = self.targets_of_import(file, number);
                let before = found.len();
                for (&target, (name, _)) in
                    targets.iter().flat_map(|target| import.names().map(move |name| (target, name)))
                {
                    let origin = *known
                        .entry((target, name))
                        .or_insert_with(|| self.origin_of(project, target, name).map(|(file, _)| file));
                    if let Some(origin) = origin
                        && origin != file
                        && !targets.contains(&origin)
                        && !found[before..].iter().any(|(_, known)| *known == origin)
                    {
                        found.push((first + number, origin));
                    }
                }
            }
        }
        found
    }

    /// Finds the importers of every file.
    fn turn_round(&mut self, project: &Project<'_>) {
        let mut pairs: Vec<(u32, FileId)> = Vec::with_capacity(self.targets.len());
        for file in project.files.all() {
            pairs.extend(self.targets_of(file).iter().map(|target| (target.0, file)));
        }
        pairs.sort_unstable();
        pairs.dedup();
        self.importers = Lists::new(project.files.len(), &pairs);
    }

    /// All files that a file's imports lead to, with repetitions.
    fn targets_of(&self, file: FileId) -> &[FileId] {
        let Some([first, last]) = self.first_import.get(file.index()..file.index() + 2) else { return &[] };
        let bounds = (self.first_target.get(*first as usize), self.first_target.get(*last as usize));
        let (Some(start), Some(end)) = bounds else { return &[] };
        self.targets.get(*start as usize..*end as usize).unwrap_or_default()
    }

    /// The targets of a file's import.
    fn targets_of_import(&self, file: FileId, number: usize) -> &[FileId] {
        let at = self.first_import.get(file.index()).map_or(0, |first| *first as usize) + number;
        let Some([start, end]) = self.first_target.get(at..at + 2) else { return &[] };
        self.targets.get(*start as usize..*end as usize).unwrap_or_default()
    }

    pub(crate) fn imports<'m>(&'m self, project: &Project<'m>, file: FileId) -> Vec<Import<'m>> {
        let imports = project.record(file).into_iter().flat_map(|record| record.imports());
        let whole = |(number, import): (usize, super::record::ImportAt<'_>)| {
            let name = |(name, alias): (u32, Option<u32>)| ImportedName {
                name: project.word(name),
                alias: alias.map(|alias| project.word(alias)),
            };
            Import {
                raw: project.word(import.module),
                files: self.targets_of_import(file, number),
                names: import.names().map(name).collect(),
                kind: import.kind,
                line: import.line,
            }
        };
        imports.enumerate().map(whole).collect()
    }

    pub(crate) fn importers(&self, file: FileId) -> &[FileId] {
        self.importers.of(file.0)
    }

    pub(crate) fn module(&self, project: &Project<'_>, name: &str) -> Vec<FileId> {
        let mut files = Vec::new();
        if !name.is_empty() {
            self.layouts.iter().for_each(|layout| layout.module(project, name, &mut files));
        }
        files.sort_unstable();
        files.dedup();
        files
    }

    /// Follows a name through the files that hand it on to the one that defines it.
    pub(crate) fn origin<'m>(
        &self,
        project: &Project<'m>,
        file: FileId,
        name: &str,
    ) -> Option<Definition<'m>> {
        let (file, symbol) = self.origin_of(project, file, project.find(name)?)?;
        Some(definition(project, file, symbol))
    }

    fn origin_of(&self, project: &Project<'_>, file: FileId, name: WordId) -> Option<(FileId, SymbolAt)> {
        let mut next = vec![(file, name)];
        let mut seen = next.clone();
        for _ in 0..MOST_HOPS {
            let mut further = Vec::new();
            for (file, name) in next.drain(..) {
                let Some(record) = project.record(file) else { continue };
                let mut symbols = record.symbols();
                if let Some((_, symbol)) =
                    symbols.find(|(_, symbol)| symbol.name == name && symbol.owner.is_none())
                {
                    return Some((file, symbol));
                }
                self.handed_on(project, file, name, &mut further);
            }
            further.retain(|step| !seen.contains(step));
            seen.extend(&further);
            next = further;
        }
        None
    }

    /// From where a file that does not define a name has it, and what it is called there.
    fn handed_on(&self, project: &Project<'_>, file: FileId, name: WordId, into: &mut Vec<(FileId, WordId)>) {
        let imports = project.record(file).into_iter().flat_map(|record| record.imports());
        for (number, import) in imports.enumerate().filter(|(_, import)| import.kind == ImportKind::HandsOn) {
            for (theirs, alias) in import.names() {
                let all = alias.is_none() && project.word(theirs) == "*";
                if all || alias.unwrap_or(theirs) == name {
                    let theirs = if all { name } else { theirs };
                    let files = self.targets_of_import(file, number);
                    into.extend(files.iter().map(|file| (*file, theirs)));
                }
            }
        }
    }
}

/// Resolves every import; the parts are in the order of the files.
fn resolve_all(project: &Project<'_>, layouts: &[Box<dyn Layout>]) -> Vec<Part> {
    shares(&files_of(project), WORTH_A_THREAD, |files| resolve(project, layouts, files))
}

fn files_of(project: &Project<'_>) -> Vec<FileId> {
    project.files.all().collect()
}

fn resolve(project: &Project<'_>, layouts: &[Box<dyn Layout>], files: &[FileId]) -> Part {
    let mut part = Part::default();
    for &file in files {
        let language = project.known[file.index()].language;
        let layout = language.and_then(|(language, _)| layouts.get(usize::from(language)));
        let (Some(layout), Some(record)) = (layout, project.record(file)) else {
            part.imports.push(0);
            continue;
        };
        let before = part.targets.len();
        for import in record.imports() {
            let start = part.files.len();
            layout.resolve(project, file, &import, &mut part.files);
            tidy(&mut part.files, start, file);
            part.targets.push((part.files.len() - start) as u32);
        }
        part.imports.push((part.targets.len() - before) as u32);
    }
    part
}

/// Each target once and sorted, and never the file itself.
fn tidy(files: &mut Vec<FileId>, start: usize, own: FileId) {
    if files.len() > start + 1 {
        files[start..].sort_unstable();
    }
    let mut kept = start;
    for at in start..files.len() {
        let file = files[at];
        if file != own && (kept == start || files[kept - 1] != file) {
            files[kept] = file;
            kept += 1;
        }
    }
    files.truncate(kept);
}

/// Where every name is defined.
pub(crate) struct Definitions {
    /// Of each name, the first of its places.
    first: Vec<u32>,
    /// File, and where in its record.
    places: Vec<(FileId, u32)>,
}

impl Definitions {
    pub(crate) fn new(project: &Project<'_>) -> Self {
        let mut first = vec![0_u32; project.store.words.len() + 1];
        let records = || project.files.all().filter_map(|file| Some((file, project.record(file)?)));
        for (_, record) in records() {
            for (_, symbol) in record.symbols() {
                first[symbol.name as usize + 1] += 1;
            }
        }
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut places = vec![(FileId(0), 0); first.last().copied().unwrap_or_default() as usize];
        let mut next = first.clone();
        for (file, record) in records() {
            for (at, symbol) in record.symbols() {
                let place = &mut next[symbol.name as usize];
                places[*place as usize] = (file, at);
                *place += 1;
            }
        }
        Self { first, places }
    }

    pub(crate) fn of<'m>(&self, project: &Project<'m>, name: &str) -> Vec<Definition<'m>> {
        let Some(id) = project.find(name).filter(|id| *id > 0) else { return Vec::new() };
        let Some([start, end]) = self.first.get(id as usize..id as usize + 2) else { return Vec::new() };
        let places = self.places[*start as usize..*end as usize].iter();
        places
            .filter_map(|(file, at)| Some(definition(project, *file, project.record(*file)?.symbol_at(*at)?)))
            .collect()
    }
}

pub(crate) fn definition<'m>(project: &Project<'m>, file: FileId, symbol: SymbolAt) -> Definition<'m> {
    Definition {
        file,
        name: project.word(symbol.name),
        kind: symbol.kind,
        line: symbol.line,
        owner: symbol.owner.map(|owner| project.word(owner)),
        exported: symbol.exported,
    }
}
