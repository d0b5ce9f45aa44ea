//! What is wrong with an answer: each thing in a line by which its agent can mend it.

use std::collections::{BTreeMap, BTreeSet};

use gadugi_core::Kind;
use gadugi_core::order::{Arc, circle, topological};
use gadugi_core::pattern::glob;
use serde_json::{Map, Value};

use super::overlap::Place;
use super::{Answer, Part, Parts, Reading};
use crate::order::Reach;
use crate::plan::done_word;
use crate::text::{closest, one_line};

/// Lines that are told: an agent that did everything wrong begins anew anyway.
const MOST_TOLD: usize = 12;

/// Longest id, in bytes: file names and branches are made from it.
const LONGEST_ID: usize = 40;
/// Longest title, in characters.
const LONGEST_TITLE: usize = 120;
/// Longest text of one part, in bytes: some ten pages.
const LONGEST_TEXT: usize = 32 * 1024;
/// Longest of what says that a part is done, in bytes, and how many there may be.
const LONGEST_DONE: usize = 2000;
const MOST_DONE: usize = 20;
/// Paths of one part, and how long each may be, in bytes.
const MOST_TOUCHES: usize = 100;
const LONGEST_PATH: usize = 300;
/// How far priorities go in either direction.
const PRIORITY: i64 = 1000;

const FIELDS: [&str; 9] =
    ["id", "title", "wanted", "context", "done", "depends_on", "touches", "kind", "priority"];

/// Looks at everything.
pub(super) fn check(object: &Map<String, Value>, most: u32) -> Reading {
    let mut wrong = Wrong::default();
    for key in object.keys().filter(|key| !["tasks", "whole"].contains(&key.as_str())) {
        wrong.doubts.push(format!("it has {}, which the schema does not know", shown(key)));
    }
    let whole = match object.get("whole") {
        None | Some(Value::Null) => None,
        Some(Value::String(why)) if !why.trim().is_empty() => Some(why.trim().to_owned()),
        Some(_) => {
            wrong.fault("`whole` is no text that says why there is nothing to split");
            None
        }
    };
    let tasks = match object.get("tasks") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(tasks)) => tasks,
        Some(_) => {
            wrong.fault("`tasks` is no list");
            &[]
        }
    };
    match (whole, tasks.len()) {
        _ if wrong.any() => wrong.reading(None),
        (Some(why), 0) => wrong.reading(Some(Answer::Whole(why))),
        (Some(_), _) => {
            wrong.fault("it has both tasks and `whole`; one of them is wanted");
            wrong.reading(None)
        }
        (None, 0) => {
            wrong.fault("it has no tasks; where there is nothing to split, `whole` says why");
            wrong.reading(None)
        }
        (None, _) => of_tasks(wrong, tasks, most),
    }
}

fn of_tasks(mut wrong: Wrong, tasks: &[Value], most: u32) -> Reading {
    if tasks.len() > most as usize {
        wrong.fault(format!("it has {} tasks; at most {most} are allowed: join some", tasks.len()));
        return wrong.reading(None);
    }
    let parts: Vec<Part> =
        tasks.iter().enumerate().filter_map(|(at, task)| part(&mut wrong, at + 1, task)).collect();
    if parts.len() < tasks.len() {
        return wrong.reading(None);
    }
    names(&mut wrong, &parts);
    if wrong.any() {
        return wrong.reading(None);
    }
    let arcs = arcs(&parts);
    if let Some(circle) = circle(parts.len(), &arcs) {
        // "a waits for b" reads against the direction of the arcs.
        let mut around: Vec<&str> =
            circle.into_iter().rev().map(|at| parts[arcs[at].to].id.as_str()).collect();
        around.extend(around.first().copied());
        wrong.fault(format!("depends_on closes a circle: {}", around.join(" waits for ")));
        return wrong.reading(None);
    }
    overlaps(&mut wrong, &parts, &arcs);
    if let [only] = &parts[..] {
        return wrong.reading(Some(Answer::Whole(format!("it is one task: {}", only.title))));
    }
    let order = topological(&vec![0; parts.len()], &arcs);
    let mut parts: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
    let parts = order.into_iter().filter_map(|at| parts[at].take()).collect();
    wrong.reading(Some(Answer::Parts(Parts(parts))))
}

/// What was found so far.
#[derive(Default)]
struct Wrong {
    faults: Vec<String>,
    doubts: Vec<String>,
}

impl Wrong {
    fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    fn any(&self) -> bool {
        !self.faults.is_empty()
    }

    fn reading(self, answer: Option<Answer>) -> Reading {
        let answer = answer.filter(|_| self.faults.is_empty());
        Reading { answer, faults: shortened(self.faults), doubts: shortened(self.doubts) }
    }
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST_TOLD {
        let more = lines.len() - MOST_TOLD;
        lines.truncate(MOST_TOLD);
        lines.push(format!("and {more} more of that sort"));
    }
    lines
}

/// An agent's word, as it can stand in a line.
fn shown(word: &str) -> String {
    format!("{:?}", one_line(word, 60))
}

/// One task of the answer, by its number from 1. None where anything of it is wrong, which is told.
fn part(wrong: &mut Wrong, number: usize, task: &Value) -> Option<Part> {
    let Value::Object(fields) = task else {
        wrong.fault(format!("task {number} is no object"));
        return None;
    };
    let before = wrong.faults.len();
    let name = fields
        .get("id")
        .and_then(Value::as_str)
        .map_or_else(String::new, |id| format!(" ({})", one_line(id, 40)));
    let mut reader = Reader { wrong, fields, place: format!("task {number}{name}") };
    reader.unknown();
    let part = Part {
        id: reader.id(),
        title: reader.title(),
        wanted: reader.text("wanted", true),
        context: reader.text("context", false),
        done: reader.done(),
        depends_on: reader.depends_on(),
        touches: reader.touches(),
        kind: reader.kind(),
        priority: reader.priority(),
    };
    (wrong.faults.len() == before).then_some(part)
}

/// The fields of one task.
struct Reader<'a> {
    wrong: &'a mut Wrong,
    fields: &'a Map<String, Value>,
    place: String,
}

impl Reader<'_> {
    fn fault(&mut self, what: impl std::fmt::Display) {
        let fault = format!("{}: {what}", self.place);
        self.wrong.faults.push(fault);
    }

    fn unknown(&mut self) {
        for key in self.fields.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
            let meant = closest(key, FIELDS).map_or_else(String::new, |meant| format!("; {meant} is meant?"));
            let doubt = format!("{}: {} is not in the schema{meant}", self.place, shown(key));
            self.wrong.doubts.push(doubt);
        }
    }

    /// A text of at most so many bytes; nothing where it is wrong, which is told.
    fn string(&mut self, key: &str, required: bool, longest: usize) -> String {
        match self.fields.get(key) {
            Some(Value::String(text)) if text.len() > longest => {
                self.fault(format_args!("{key} has {} bytes; at most {longest} are possible", text.len()));
            }
            Some(Value::String(text)) if required && text.trim().is_empty() => {
                self.fault(format_args!("{key} is empty"));
            }
            Some(Value::String(text)) => return plain(text),
            None | Some(Value::Null) if required => self.fault(format_args!("{key} is missing")),
            None | Some(Value::Null) => {}
            Some(_) => self.fault(format_args!("{key} is no text")),
        }
        String::new()
    }

    fn text(&mut self, key: &str, required: bool) -> String {
        self.string(key, required, LONGEST_TEXT)
    }

    fn id(&mut self) -> String {
        let id = self.string("id", true, LONGEST_TEXT);
        let safe = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !id.is_empty() && (!safe || id.starts_with('-') || id.len() > LONGEST_ID) {
            self.fault(format_args!(
                "its id is not of the form [a-z0-9][a-z0-9-]*, at most {LONGEST_ID} characters"
            ));
        }
        id
    }

    fn title(&mut self) -> String {
        let title = self.string("title", true, LONGEST_TEXT);
        let line = one_line(&title, usize::MAX);
        if line.chars().count() > LONGEST_TITLE {
            self.fault(format_args!("its title has over {LONGEST_TITLE} characters"));
        } else if let Some(word) = done_word(&line) {
            self.fault(format_args!("its title has the word {word}, which marks prompts that are done"));
        }
        line
    }

    /// A list of texts; one alone stands for itself.
    fn list(&mut self, key: &str, most: usize, longest: usize) -> Vec<String> {
        let items = match self.fields.get(key) {
            None | Some(Value::Null) => return Vec::new(),
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.fault(format_args!("{key} is no list of texts"));
                return Vec::new();
            }
        };
        if items.len() > most {
            self.fault(format_args!("{key} has {} items; at most {most} are possible", items.len()));
            return Vec::new();
        }
        let mut texts = Vec::new();
        for item in items {
            match item {
                Value::String(text) if text.len() > longest => {
                    self.fault(format_args!("an item of {key} has over {longest} bytes"));
                }
                Value::String(text) if text.trim().is_empty() => {}
                Value::String(text) => texts.push(plain(text)),
                _ => self.fault(format_args!("an item of {key} is no text")),
            }
        }
        texts
    }

    fn done(&mut self) -> Vec<String> {
        let before = self.wrong.faults.len();
        let done = self.list("done", MOST_DONE, LONGEST_DONE);
        if done.is_empty() && self.wrong.faults.len() == before {
            self.fault("done is missing: nothing says how one knows that it is done");
        }
        done.iter().map(|line| one_line(line, LONGEST_DONE)).collect()
    }

    fn depends_on(&mut self) -> Vec<String> {
        let mut names = self.list("depends_on", FAR_TOO_MANY, LONGEST_PATH);
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    fn touches(&mut self) -> Vec<String> {
        let before = self.wrong.faults.len();
        let paths = self.list("touches", MOST_TOUCHES, LONGEST_PATH);
        if paths.is_empty() && self.wrong.faults.len() == before {
            self.fault("touches is missing: nothing says which files it will write");
        }
        let mut kept = Vec::new();
        for path in paths {
            match place(&path) {
                Ok(path) if kept.contains(&path) => {}
                Ok(path) => kept.push(path),
                Err(why) => self.fault(format_args!("touches has {}, which {why}", shown(&path))),
            }
        }
        kept
    }

    fn kind(&mut self) -> Option<Kind> {
        let word = self.string("kind", false, LONGEST_PATH);
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word);
        if kind.is_none() && !word.is_empty() {
            let words = Kind::ALL.map(Kind::word).join(", ");
            self.fault(format_args!("kind is {}; it can be {words}", shown(&word)));
        }
        kind
    }

    fn priority(&mut self) -> Option<i64> {
        match self.fields.get("priority") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let number = value.as_i64().filter(|number| number.abs() <= PRIORITY);
                if number.is_none() {
                    self.fault(format_args!("priority is no whole number from -{PRIORITY} to {PRIORITY}"));
                }
                number
            }
        }
    }
}

/// More names of parts than there can be parts.
const FAR_TOO_MANY: usize = 1000;

/// The text without what a terminal or an editor would obey.
fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// A path as it can stand in `touches`; or what is wrong with it.
fn place(path: &str) -> Result<String, &'static str> {
    let path = path.trim();
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut parts = path.trim_end_matches('/').split('/');
    if path.starts_with(['/', '~']) || path.contains(":\\") || path.contains("://") {
        return Err("is not in the repository: paths begin at its root");
    }
    if path.contains(['\n', '\t']) {
        return Err("is no path");
    }
    if parts.clone().any(|part| part == "..") {
        return Err("leaves the repository");
    }
    if parts
        .next()
        .is_some_and(|first| first == ".git" || first == ".gadugi" || first.is_empty() || first == ".")
    {
        return Err("is nothing that a task may write");
    }
    glob(path).map_err(|_| "is no pattern that can be read")?;
    Ok(path.to_owned())
}

/// Ids that two have, and names that nobody has.
fn names(wrong: &mut Wrong, parts: &[Part]) {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    parts.iter().for_each(|part| *count.entry(&part.id).or_default() += 1);
    for (id, times) in count.iter().filter(|(_, times)| **times > 1) {
        wrong.fault(format!("{times} tasks have the id {id}"));
    }
    for part in parts {
        for name in &part.depends_on {
            if *name == part.id {
                wrong.fault(format!("{} depends on itself", part.id));
            } else if !count.contains_key(name.as_str()) {
                let meant = closest(name, count.keys().copied());
                let meant = meant.map_or_else(String::new, |meant| format!("; {meant} is meant?"));
                wrong.fault(format!("{} depends on {}, which is no task{meant}", part.id, shown(name)));
            }
        }
    }
}

fn arcs(parts: &[Part]) -> Vec<Arc> {
    let place = |id: &str| parts.iter().position(|part| part.id == id);
    let arcs = parts.iter().enumerate().flat_map(|(to, part)| {
        part.depends_on.iter().filter_map(move |name| Some(Arc { from: place(name)?, to }))
    });
    arcs.collect()
}

/// Tasks that write one file, where neither waits for the other.
fn overlaps(wrong: &mut Wrong, parts: &[Part], arcs: &[Arc]) {
    let reach = Reach::of(parts.len(), arcs);
    let is_before = |one, other| reach.as_ref().is_some_and(|reach| reach.reaches(one, other));
    let places: Vec<Vec<Place<'_>>> =
        parts.iter().map(|part| part.touches.iter().map(|path| Place::new(path)).collect()).collect();
    for one in 0..parts.len() {
        for other in one + 1..parts.len() {
            if is_before(one, other) || is_before(other, one) {
                continue;
            }
            let met = places[one].iter().zip(&parts[one].touches).find_map(|(place, path)| {
                places[other].iter().any(|theirs| place.meets(theirs)).then_some(path)
            });
            if let Some(path) = met {
                wrong.doubts.push(format!(
                    "{} and {} both write {}, and neither waits for the other",
                    parts[one].id,
                    parts[other].id,
                    one_line(path, 80)
                ));
            }
        }
    }
}
