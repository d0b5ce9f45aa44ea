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
}

impl Wish {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let (mut repository, mut name, mut detail) = (None, None, false);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--repo" => repository = words.next().map(PathBuf::from),
                "--name" => name = words.next(),
                "--detail" => detail = true,
                _ => bail!("{word} is not known; --repo DIR [--name NAME] [--detail]"),
            }
        }
        let repository = repository.context("--repo DIR is missing")?;
        let name = name.unwrap_or_else(|| report::name(&repository));
        Ok(Self { repository, name, detail })
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
    let said = guesses::ask(&past, &[&guesses::Original as &dyn Guess, &guesses::Popularity])?;
    let ground = Ground::new(said.truth.clone());
    let figures = measure(&ground, &said);
    report::table(&ground, &figures);
    let verdict = Verdict::of(&figures);
    if wish.detail {
        report::detail(&past, &ground, &said);
    }
    report::verdict(&wish.name, &past, &ground, &figures, &verdict);
    Ok(verdict.holds())
}

/// The figures of all ways, in the order of the table.
fn measure(ground: &Ground, said: &Said4All) -> Vec<Figures> {
    let gadugi = said.method(guesses::GADUGI, Together::LikeliestFile, None);
    let original = said.method(guesses::ORIGINAL, Together::BothSets, Some(1.0));
    let every = said.method("every pair", Together::Always, Some(1.0));
    let (popular, named) =
        (said.settings("popular", Together::BothSets), said.settings("named", Together::BothSets));
    let mut methods = vec![("gadugi", &gadugi, &gadugi), ("original", &original, &original)];
    for (name, settings) in [(verdict::POPULARITY, &popular), (verdict::NAMED, &named)] {
        let best = (ground.best(settings, Ground::fit_writes), ground.best(settings, Ground::fit_pairs));
        if let (Some(writes), Some(pairs)) = best {
            methods.push((name, writes, pairs));
        }
    }
    methods.push((verdict::EVERY, &every, &every));
    ground.figures(&methods)
}
