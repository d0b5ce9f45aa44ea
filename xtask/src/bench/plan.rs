//! `gadugi plan` in a repository of 50,000 sources, with nothing known of it and then with everything known, and for
//! ten thousand prompts in a small one: how long it takes on two cores, and how much memory.

mod corpus;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde_json::{Map, json};

use super::sandbox::Sandbox;
use super::{Measurement, median, rounded, watch};
use crate::shell;
use corpus::{Corpus, Dice};

/// Everything that is made is made from this.
const SEED: u64 = 20_250_601;

/// The large repository: 100 MB of sources.
const FILES: usize = 50_000;
const MEAN_BYTES: usize = 1_600;
const PROMPTS: usize = 200;

/// The small one.
const SMALL_FILES: usize = 300;
const MANY_PROMPTS: usize = 10_000;

/// Seconds, on two cores.
const COLD_BAR: f64 = 15.0;
const WARM_BAR: f64 = 1.0;
const MANY_BAR: f64 = 5.0;

/// MiB of gadugi's own process.
const MEMORY_BAR: f64 = 500.0;

const CORES: usize = 2;
const WARM_ROUNDS: usize = 3;

/// Between two looks at a process's memory: the kernel tells nobody when a process grows.
const LOOK: Duration = Duration::from_millis(5);

/// One plan.
struct Planned {
    seconds: f64,
    peak_mib: f64,
}

pub(super) fn measure(binary: &Path) -> Result<Measurement> {
    let large = Sandbox::new()?;
    let corpus = fill(&large, FILES, PROMPTS)?;
    shell::say(&format!(
        "{} sources, {:.1} MB, from seed {SEED}; {PROMPTS} prompts",
        corpus.files,
        corpus.bytes as f64 / 1e6
    ));
    let cold = plan(&large, binary, PROMPTS)?;
    shell::say(&format!("nothing known: {:.2} s, {:.0} MiB", cold.seconds, cold.peak_mib));
    let mut warm = Vec::new();
    for _ in 0..WARM_ROUNDS {
        warm.push(plan(&large, binary, PROMPTS)?);
    }
    drop(large);
    let warm_seconds = median(&warm.iter().map(|round| round.seconds).collect::<Vec<f64>>());
    shell::say(&format!("all known: {warm_seconds:.2} s"));
    let small = Sandbox::new()?;
    fill(&small, SMALL_FILES, MANY_PROMPTS)?;
    let many = plan(&small, binary, MANY_PROMPTS)?;
    shell::say(&format!(
        "{MANY_PROMPTS} prompts for {SMALL_FILES} sources: {:.2} s, {:.0} MiB",
        many.seconds, many.peak_mib
    ));

    let peak = warm.iter().chain([&cold, &many]).map(|round| round.peak_mib).fold(0.0, f64::max);
    let ratios =
        [cold.seconds / COLD_BAR, warm_seconds / WARM_BAR, many.seconds / MANY_BAR, peak / MEMORY_BAR];
    let value = ratios.into_iter().fold(0.0, f64::max);
    let mut more = Map::new();
    more.insert("files".into(), json!(corpus.files));
    more.insert("bytes".into(), json!(corpus.bytes));
    more.insert("cores".into(), json!(CORES));
    for (name, value, bar) in [
        ("cold_seconds", cold.seconds, COLD_BAR),
        ("warm_seconds", warm_seconds, WARM_BAR),
        ("many_prompts_seconds", many.seconds, MANY_BAR),
        ("peak_mib", peak, MEMORY_BAR),
    ] {
        more.insert(name.into(), json!(rounded(value)));
        more.insert(format!("{name}_bar"), json!(bar));
    }
    Ok(Measurement { bench: "plan", value, bar: 1.0, holds: value <= 1.0, more })
}

/// Makes the repository, whose prompts lie in its folder and not in its commit.
fn fill(sandbox: &Sandbox, files: usize, prompts: usize) -> Result<Corpus> {
    let repository = sandbox.repository();
    fs::create_dir_all(repository.join("prompts"))?;
    sandbox.git(&["init", "--quiet", "--initial-branch=main"])?;
    let mut import = sandbox.command("git");
    import.args(["fast-import", "--quiet", "--done"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut import = import.spawn().context("cannot start git fast-import")?;
    let stdin = import.stdin.take().context("git fast-import has no input")?;
    let written = corpus::write(&mut std::io::BufWriter::new(stdin), SEED, files, MEAN_BYTES);
    ensure!(import.wait()?.success(), "git fast-import failed");
    let corpus = written?;
    let mut dice = Dice::new(SEED);
    for number in 0..prompts {
        fs::write(
            repository.join(format!("prompts/task-{number:05}.md")),
            prompt(&mut dice, &corpus, number),
        )?;
    }
    Ok(corpus)
}

/// What somebody could want: a file by its path, another by its name, a function, and a few words.
fn prompt(dice: &mut Dice, corpus: &Corpus, number: usize) -> String {
    let mut path = || corpus.paths[dice.below(corpus.paths.len())].as_str();
    let (one, two) = (path(), path());
    let name = two.rsplit('/').next().unwrap_or(two);
    let symbol = &corpus.symbols[dice.below(corpus.symbols.len())];
    let mut text = format!("# Repair how task {number} is handled\n\n");
    let words = format!(
        "`{symbol}` in `{one}` gives the wrong answer for an empty list. Look at {name} for how it is done there, and \
         do the same here. Add a test, and say in the documentation what holds for an empty list.\n"
    );
    // A string takes everything.
    write!(
        text,
        "{words}\n## What is wanted\n\n- the function returns nothing\n- `{one}` stays as it is otherwise\n"
    )
    .unwrap_or_default();
    text
}

/// Plans all prompts on so many cores, and looks at the process while it lives.
fn plan(sandbox: &Sandbox, binary: &Path, prompts: usize) -> Result<Planned> {
    let output = sandbox.path("plan.json");
    let mut command = sandbox.command("taskset");
    command.args(["--cpu-list", &cores()?]).arg(binary).args(["plan", "--json", "prompts"]);
    command.stdin(Stdio::null()).stdout(File::create(&output)?).stderr(File::create(sandbox.path("said"))?);
    let began = Instant::now();
    let mut child = command.spawn().context("cannot start taskset, which is in util-linux")?;
    let mut peak = 0;
    let status = loop {
        // The last look but one is at most so old; what is grown later is given back first.
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        peak = peak.max(watch::peak_kib(&status).unwrap_or(0));
        match child.try_wait()? {
            Some(status) => break status,
            None => watch::pause(LOOK),
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    let said = fs::read_to_string(sandbox.path("said")).unwrap_or_default();
    ensure!(status.success(), "gadugi plan: {status}\n{}", said.trim());
    let plan: serde_json::Value = serde_json::from_reader(std::io::BufReader::new(File::open(&output)?))?;
    let tasks = plan["tasks"].as_array().map_or(0, Vec::len);
    ensure!(tasks == prompts, "{tasks} of {prompts} prompts are planned");
    Ok(Planned { seconds, peak_mib: peak as f64 / 1024.0 })
}

/// The first cores that this process may use.
fn cores() -> Result<String> {
    let allowed = sched_getaffinity(None)?;
    let mut list = String::new();
    for core in (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).take(CORES) {
        let comma = if list.is_empty() { "" } else { "," };
        write!(list, "{comma}{core}")?;
    }
    Ok(list)
}
