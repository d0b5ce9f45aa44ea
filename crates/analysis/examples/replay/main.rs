//! Replays a repository's own history: what would have been foretold of each commit, and what it then changed.
//!
//! `cargo xtask bench analysis` builds this and runs it on one repository after another. Each of the last thousand
//! commits without merges whose message says something is a prompt at its parent's tree; the truth is the files that it
//! changed. Beside what gadugi foretells stand the patterns of its first version, and the files that change most. The
//! last line is JSON.

mod blobs;
mod evaluate;
mod guesses;
mod original;
mod pairs;
mod past;
mod popular;
mod prompt;
mod report;
mod score;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use gadugi_analysis::Threshold;

use evaluate::{Figures, Ground};
use guesses::{Guess, Said4All};
use pairs::Together;
use past::Past;
use verdict::Verdict;

/// Commits that are replayed.
const COMMITS: usize = 1_000;

/// What is asked for.
struct Wish {
    repository: PathBuf,
    /// What it is called.
    name: String,
    detail: bool,
    /// Where to write what the model sees, in a file called after the repository.
    fit: Option<PathBuf>,
}

impl Wish {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let (mut repository, mut name, mut fit, mut detail) = (None, None, None, false);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--repo" => repository = words.next().map(PathBuf::from),
                "--name" => name = words.next(),
                "--detail" => detail = true,
                "--fit" => fit = words.next().map(PathBuf::from),
                _ => bail!("{word} is not known; --repo DIR [--name NAME] [--detail] [--fit FOLDER]"),
            }
        }
        let repository = repository.context("--repo DIR is missing")?;
        let name = name.unwrap_or_else(|| report::name(&repository));
        Ok(Self { repository, name, detail, fit })
    }
}

fn main() -> ExitCode {
    match Wish::read(std::env::args().skip(1)).and_then(|wish| replay(&wish)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            report::complain(&format!("replay: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Whether every bar is reached.
fn replay(wish: &Wish) -> Result<bool> {
    let past = Past::read(&wish.repository, COMMITS)?;
    report::cases(&wish.name, &past);
    if let Some(folder) = &wish.fit {
        std::fs::write(folder.join(format!("{}.tsv", wish.name)), guesses::signals(&past)?)?;
    }
    let said =
        guesses::ask(&past, &[&guesses::Gadugi as &dyn Guess, &guesses::Original, &guesses::Popularity])?;
    let ground = Ground::new(said.truth.clone());
    let figures = measure(&ground, &said);
    report::table(&ground, &figures);
    let gadugi = said.method(guesses::GADUGI, Together::AnyFile, None);
    let as_bold = |pairs| ground.precision_of_surest(&gadugi, pairs);
    let verdict = Verdict::of(&figures, as_bold);
    if wish.detail {
        report::detail(&past, &ground, &said);
    }
    report::verdict(&wish.name, &past, &ground, &figures, &verdict);
    Ok(verdict.holds())
}

/// From this probability on plans count a file as one that the task will write (`plan.rs`).
const WRITES_FROM: f64 = 0.3;

/// What says yes or no has no threshold.
const YES: Option<(f64, f64)> = Some((1.0, 1.0));

/// The figures of all ways, in the order of the table.
fn measure(ground: &Ground, said: &Said4All) -> Vec<Figures> {
    let gadugi = said.method(guesses::GADUGI, Together::AnyFile, None);
    let shipped = (WRITES_FROM, f64::from(Threshold::default().as_percent()) / 100.0);
    let shipped = said.method(guesses::GADUGI, Together::AnyFile, Some(shipped));
    let original = said.method(guesses::ORIGINAL, Together::BothSets, YES);
    let every = said.method(verdict::EVERY, Together::Always, YES);
    let popular = said.settings("popular", Together::BothSets);
    let named = said.settings("named", Together::BothSets);
    let mut methods = vec![
        (verdict::GADUGI, &gadugi, &gadugi),
        (verdict::SHIPPED, &shipped, &shipped),
        (verdict::ORIGINAL, &original, &original),
    ];
    for (name, settings) in [(verdict::POPULARITY, &popular), (verdict::NAMED, &named)] {
        let best = (ground.best(settings, Ground::fit_writes), ground.best(settings, Ground::fit_pairs));
        if let (Some(writes), Some(pairs)) = best {
            methods.push((name, writes, pairs));
        }
    }
    methods.push((verdict::EVERY, &every, &every));
    ground.figures(&methods)
}
