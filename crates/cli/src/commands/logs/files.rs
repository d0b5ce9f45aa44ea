//! The files of an attempt's steps: what of them was shown already, and being told when they grow.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inotify::{Inotify, WatchDescriptor, WatchMask, Watches};
use tokio::sync::Notify;

use super::human::Human;
use crate::error::{Problem, Stop};
use crate::{output, text};

/// Read at a time.
const CHUNK: usize = 64 * 1024;
/// No bound.
const ALL: u64 = u64::MAX;

/// Columns of a step's title.
const TITLE: usize = 90;

/// An attempt's steps, and how far each was shown.
pub(crate) struct Attempt {
    dir: PathBuf,
    raw: bool,
    only: Option<u32>,
    /// So much of the end of each file that is there already is wanted; none: all of it.
    end: Option<u64>,
    steps: Vec<Step>,
}

struct Step {
    number: u32,
    dir: PathBuf,
    stdout: Tail,
    stderr: Tail,
    human: Human,
}

/// One file, and how much of it was read.
struct Tail {
    path: PathBuf,
    read: u64,
    /// Whether the reading began within a line, which is left out.
    ragged: bool,
}

impl Attempt {
    /// The attempt in that folder.
    pub(super) fn new(dir: &Path, raw: bool, only: Option<u32>) -> Self {
        Self { dir: dir.to_owned(), raw, only, end: None, steps: Vec::new() }
    }

    /// The same for somebody who looks at its end: of what is there already so many bytes of each file.
    pub(crate) fn at_its_end(dir: &Path, bytes: u64) -> Self {
        Self { end: Some(bytes), ..Self::new(dir, false, None) }
    }

    /// Its folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the one step that is wanted is there.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let there = step_numbers(&self.dir);
        match self.only {
            Some(only) if !there.contains(&only) => {
                let there: Vec<String> = there.iter().map(ToString::to_string).collect();
                let message = format!("there is no step {only}; there are: {}", there.join(", "));
                Err(Problem::request("unknown-step", message, None).into())
            }
            _ => Ok(()),
        }
    }

    /// Shows what was not shown yet, step by step.
    pub(super) fn show(&mut self) -> Result<(), Stop> {
        self.look_for_steps();
        let many = self.only.is_none();
        self.steps.iter_mut().try_for_each(|step| step.show(self.raw, many))
    }

    /// What further bytes say to people, of about so many of them; and whether there are more.
    pub(crate) fn news(&mut self, most: u64) -> Result<(String, bool), Stop> {
        self.look_for_steps();
        let (many, mut left, mut out) = (self.only.is_none(), most, String::new());
        for step in &mut self.steps {
            let Step { number, dir, stdout, stderr, human } = step;
            let head = || title(*number, dir);
            let head: Option<&dyn Fn() -> String> = if many { Some(&head) } else { None };
            left -= stdout.read(left, |bytes| {
                out.push_str(&human.stdout(bytes, head));
                Ok(())
            })?;
            left -= stderr.read(left, |bytes| {
                out.push_str(&human.stderr(bytes, head));
                Ok(())
            })?;
        }
        Ok((out, left == 0))
    }

    fn look_for_steps(&mut self) {
        for number in step_numbers(&self.dir) {
            let wanted = self.only.is_none_or(|only| only == number);
            if wanted && !self.steps.iter().any(|step| step.number == number) {
                let dir = self.dir.join(number.to_string());
                let tail = |name| Tail::new(dir.join(name), self.end);
                let (stdout, stderr) = (tail("stdout.jsonl"), tail("stderr.log"));
                self.steps.push(Step { number, stdout, stderr, human: Human::default(), dir });
            }
        }
        self.steps.sort_by_key(|step| step.number);
    }
}

fn step_numbers(dir: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// `step 2: /bin/sh -c 'make test'`, from what the shim was asked.
fn title(number: u32, dir: &Path) -> String {
    let spec = std::fs::read(dir.join("spec.json")).ok();
    let spec: Option<serde_json::Value> = spec.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let argv = spec.as_ref().and_then(|spec| spec.get("argv")?.as_array()).into_iter().flatten();
    let words: Vec<String> = argv.filter_map(|word| word.as_str()).map(text::shell_word).collect();
    let command = if words.is_empty() { String::new() } else { format!(": {}", words.join(" ")) };
    text::fit(&format!("step {number}{command}"), TITLE)
}

impl Step {
    fn show(&mut self, raw: bool, many: bool) -> Result<(), Stop> {
        let Self { number, dir, stdout, stderr, human } = self;
        // Where there is output, what was asked of the shim is on record.
        let head = || title(*number, dir);
        if raw {
            stdout.read(ALL, output::result_bytes)?;
            stderr.read(ALL, |bytes| {
                // What was written to standard error stays apart from what was written to standard output.
                use std::io::Write;
                let _ = std::io::stderr().lock().write_all(bytes);
                Ok(())
            })?;
            return Ok(());
        }
        stdout.read(ALL, |bytes| output::result(&human.stdout(bytes, many.then_some(&head))))?;
        stderr.read(ALL, |bytes| output::result(&human.stderr(bytes, many.then_some(&head))))?;
        Ok(())
    }
}

impl Tail {
    fn new(path: PathBuf, end: Option<u64>) -> Self {
        let size = std::fs::metadata(&path).map_or(0, |found| found.len());
        let read = end.map_or(0, |end| size.saturating_sub(end));
        Self { path, read, ragged: read > 0 }
    }

    /// Takes what is there beyond what was read, at most so many bytes; answers how many.
    fn read(&mut self, most: u64, mut take: impl FnMut(&[u8]) -> Result<(), Stop>) -> Result<u64, Stop> {
        let mut file = match File::open(&self.path) {
            Ok(file) if most > 0 => file.take(most),
            _ => return Ok(0),
        };
        let failed = |error: std::io::Error| Problem::io("read", &self.path, &error);
        file.get_mut().seek(SeekFrom::Start(self.read)).map_err(failed)?;
        let (mut buffer, before) = (vec![0; CHUNK], self.read);
        loop {
            let read = match file.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.map_err(failed)?,
            };
            if read == 0 {
                return Ok(self.read - before);
            }
            self.read += read as u64;
            let bytes = &buffer[..read];
            match self.ragged.then(|| bytes.iter().position(|byte| *byte == b'\n')) {
                None => take(bytes)?,
                Some(None) => {}
                Some(Some(end)) => {
                    self.ragged = false;
                    take(&bytes[end + 1..])?;
                }
            }
        }
    }
}

/// Tells when an attempt's files grow.
pub(crate) struct Watch {
    watches: Watches,
    grown: Arc<Notify>,
    watched: HashMap<PathBuf, WatchDescriptor>,
}

impl Watch {
    /// Watches an attempt's folder for new steps.
    pub(crate) fn new(dir: &Path) -> Result<Self, Stop> {
        let mut inotify = Inotify::init().map_err(|error| Problem::io("watch", dir, &error))?;
        let watches = inotify.watches();
        let grown = Arc::new(Notify::new());
        let told = grown.clone();
        // A thread of its own waits in the kernel; it ends with the process. What it tells is only that there is
        // something: any number of growths make one.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while inotify.read_events_blocking(&mut buffer).is_ok() {
                told.notify_one();
            }
        });
        let mut watch = Self { watches, grown, watched: HashMap::new() };
        watch.turn_to(dir)?;
        Ok(watch)
    }

    /// Watches that attempt's folder instead of what was watched.
    pub(crate) fn turn_to(&mut self, dir: &Path) -> Result<(), Stop> {
        for (_, watched) in self.watched.drain() {
            // What was watched may be gone, and its watch with it.
            let _ = self.watches.remove(watched);
        }
        self.add(dir, WatchMask::CREATE | WatchMask::MOVED_TO)
    }

    fn add(&mut self, path: &Path, mask: WatchMask) -> Result<(), Stop> {
        let watched = self.watches.add(path, mask).map_err(|error| Problem::io("watch", path, &error))?;
        self.watched.insert(path.to_owned(), watched);
        Ok(())
    }

    /// Watches the steps that have come. Called before their files are read, so that nothing falls in between.
    pub(crate) fn steps(&mut self, dir: &Path) -> Result<(), Stop> {
        for number in step_numbers(dir) {
            let step = dir.join(number.to_string());
            if !self.watched.contains_key(&step) {
                self.add(&step, WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO)?;
            }
        }
        Ok(())
    }

    /// Waits until something grows. A wait that is given up loses nothing: what was told stays told.
    pub(crate) async fn changed(&self) {
        self.grown.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.jsonl");
        let mut tail = Tail::new(path.clone(), None);
        let mut got = Vec::new();
        let mut look = |tail: &mut Tail| {
            got.clear();
            tail.read(ALL, |bytes| {
                got.extend_from_slice(bytes);
                Ok(())
            })
            .unwrap();
            got.clone()
        };
        assert_eq!(look(&mut tail), b"", "no file is no error");
        std::fs::write(&path, "one\n").unwrap();
        assert_eq!(look(&mut tail), b"one\n");
        std::fs::write(&path, "one\ntwo").unwrap();
        assert_eq!(look(&mut tail), b"two");
        assert_eq!(look(&mut tail), b"");
    }

    #[test]
    fn the_end_of_a_long_file_is_read_from_a_line_s_beginning_and_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("1")).unwrap();
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
        std::fs::write(dir.path().join("1/stdout.jsonl"), lines.join("\n") + "\n").unwrap();
        let mut attempt = Attempt::at_its_end(dir.path(), 25);
        assert_eq!(attempt.news(12).unwrap(), (String::from("── step 1 ──\n"), true));
        let (more, whether) = attempt.news(100).unwrap();
        assert_eq!((more.as_str(), whether), ("line 998\nline 999\n", false));
        assert_eq!(attempt.news(100).unwrap(), (String::new(), false));
    }

    #[test]
    fn a_step_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for step in ["1", "2", "10", "prompt"] {
            std::fs::create_dir(dir.path().join(step)).unwrap();
        }
        assert_eq!(step_numbers(dir.path()), [1, 2, 10]);
        let Err(Stop::Problems(problems)) = Attempt::new(dir.path(), false, Some(3)).check() else {
            panic!()
        };
        assert_eq!(problems[0].message, "there is no step 3; there are: 1, 2, 10");
    }

    #[tokio::test]
    async fn growth_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join("1")).unwrap();
        watch.changed().await;
        watch.steps(dir.path()).unwrap();
        std::fs::write(dir.path().join("1/stdout.jsonl"), "x").unwrap();
        watch.changed().await;
    }
}
