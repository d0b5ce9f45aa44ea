//! SIGKILL of the engine at random moments of a run of twelve tasks on real processes, several times a run: no task is
//! lost, none runs twice at once, no merge is made twice, nothing is left over, and the tree is the same each time. In
//! every other round git is slow.
//!
//! The seed of each round is printed when it fails, and chosen with `GADUGI_SOAK_SEED`. Twenty rounds here;
//! `cargo xtask soak` asks for two hundred.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test reads what the soak says, and kills when its dice say so"
)]

mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use stage::aftermath::Aftermath;
use stage::play::Play;
use stage::side_by_side::side_by_side;
use stage::{Stage, signal};

/// How many rounds, and where the soak wants to be told what came of them.
const ROUNDS: &str = "GADUGI_SOAK_ROUNDS";
const SEED: &str = "GADUGI_SOAK_SEED";
const REPORT: &str = "GADUGI_SOAK_KILLS";

const TASKS: usize = 12;
/// Of twelve tasks that nothing is wrong with, so many shall succeed without a person.
const SUCCEEDED_FRACTION: f64 = 0.95;

/// What one round came to.
#[derive(Default)]
struct Round {
    /// Engines that were killed.
    kills: u32,
    /// Tasks that are not over, or whose work is not where it should be.
    lost: usize,
    /// Tasks that began while they ran, or were done more than once.
    twice: usize,
    merged_twice: usize,
    /// Processes, locks, worktrees.
    left_over: usize,
    succeeded: usize,
    aftermath: Option<Aftermath>,
}

/// Layers of tasks, some of which wait for others, and two that write one file. Each takes some 100 ms.
fn set(stage: &Stage) {
    stage.write("gadugi.toml", "[workspace]\nsetup = ['echo setup >> \"$LEDGER\"']\n");
    let work = |name: &str, sleep: u32| {
        format!(
            "phase 4\nrun sh tools/begin\nsleep {sleep}ms\nphase 5\nwrite {name}.txt {name}\nrun sh tools/end"
        )
    };
    for (at, name) in ["amber", "beech", "cedar", "dogwood"].into_iter().enumerate() {
        stage.prompt(name, "", &work(name, 60 + 40 * at as u32));
    }
    for (name, after) in [("elm", "amber"), ("fir", "beech"), ("gum", "cedar"), ("hazel", "dogwood")] {
        stage.prompt(name, &format!("depends_on: [{after}]"), &work(name, 100));
    }
    for name in ["ironwood", "juniper"] {
        let shared = format!("{}\nappend src/shared.txt one more\ncommit {name}", work(name, 80));
        stage.prompt(name, "touches: [src/shared.txt]", &shared);
    }
    stage.prompt("katsura", "depends_on: [elm, fir]", &work("katsura", 50));
    stage.prompt("larch", "depends_on: [gum, hazel, juniper]", &work("larch", 50));
}

/// Puts a git before the real one that takes its time, as it does where a repository is large: it outlives its engine by
/// more than the next one takes to come up.
fn slow_down_git(stage: &mut Stage) {
    let path = std::env::var("PATH").unwrap();
    let git = path.split(':').map(|folder| Path::new(folder).join("git")).find(|git| git.is_file()).unwrap();
    let folder = stage.home.join("slow");
    fs::create_dir(&folder).unwrap();
    let script =
        format!("#!/bin/sh\nsleep 0.04\n{} \"$@\"\ncode=$?\nsleep 0.04\nexit $code\n", git.display());
    fs::write(folder.join("git"), script).unwrap();
    fs::set_permissions(folder.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    stage.variables.push(("PATH".into(), format!("{}:{path}", folder.display())));
}

/// The next number of a sequence that the seed decides (splitmix64).
fn dice(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Kills whichever engine lives, again and again, after times that the seed decides, until the run is over or as often
/// as the seed says.
fn kill_engines(stage: &Stage, seed: u64, over: &AtomicBool) -> u32 {
    let mut state = seed;
    let wanted = 3 + dice(&mut state) % 4;
    let mut killed = 0;
    while u64::from(killed) < wanted {
        std::thread::sleep(Duration::from_micros(dice(&mut state) % 350_000));
        while !over.load(Ordering::Relaxed) && stage.engine().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Some die in their very first moments.
        if dice(&mut state).is_multiple_of(4) {
            std::thread::sleep(Duration::from_micros(dice(&mut state) % 20_000));
        }
        if over.load(Ordering::Relaxed) {
            break;
        }
        if let Some(pid) = stage.engine() {
            signal(pid, "KILL");
            killed += 1;
        }
    }
    killed
}

fn round(seed: Option<u64>) -> Result<Round, String> {
    let mut stage = Stage::new();
    stage.keep_ledger();
    set(&stage);
    stage.commit("prompts");
    if seed.is_some_and(|seed| seed % 2 == 1) {
        slow_down_git(&mut stage);
    }
    let over = AtomicBool::new(false);
    let (kills, ended) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| seed.map_or(0, |seed| kill_engines(&stage, seed, &over)));
        let verify = ["--max-parallel", "4", "--verify", "echo verify >> \"$LEDGER\"; test -f README.md"];
        let ended = Play::new(&stage, &verify, &[]).lead();
        over.store(true, Ordering::Relaxed);
        (killer.join().unwrap(), ended)
    });
    ended?;
    stage.engine_leaves();
    Ok(judge(stage.aftermath(), kills))
}

fn judge(aftermath: Aftermath, kills: u32) -> Round {
    let count = |lines: &[String]| {
        lines.iter().fold(BTreeMap::new(), |mut counts: BTreeMap<String, usize>, line| {
            *counts.entry(line.clone()).or_default() += 1;
            counts
        })
    };
    let (ledger, merged) = (count(&aftermath.ledger), count(&aftermath.merged));
    let done = |task: &str| ledger.get(&format!("end {task}")).copied().unwrap_or_default();
    let has_merge = |task: &str| merged.keys().any(|subject| subject.starts_with(&format!("{task}: ")));
    let succeeded = aftermath.tasks.values().filter(|end| end.starts_with("\"succeeded\""));
    Round {
        kills,
        lost: TASKS - aftermath.tasks.keys().filter(|task| done(task) > 0 && has_merge(task)).count(),
        twice: ledger
            .iter()
            .filter(|(line, times)| line.starts_with("twice ") || is_of_task(line) && **times > 1)
            .count(),
        merged_twice: merged.values().filter(|times| **times > 1).count(),
        succeeded: succeeded.count(),
        left_over: aftermath.left_over.len() + aftermath.kept.len(),
        aftermath: Some(aftermath),
    }
}

fn is_of_task(line: &str) -> bool {
    line.starts_with("begin ") || line.starts_with("end ")
}

#[test]
fn an_engine_that_is_killed_at_any_time_costs_nobody_anything() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = number(SEED).unwrap_or(1);
    let undisturbed = round(None).unwrap_or_else(|why| panic!("nobody killed it, and {why}"));
    let seeds: Vec<u64> = (first..first + number(ROUNDS).unwrap_or(20)).collect();
    let rounds = side_by_side(&seeds, |seed| round(Some(*seed)));
    let failed: Vec<String> = seeds
        .iter()
        .zip(&rounds)
        .filter_map(|(seed, round)| match round {
            Err(why) => Some(format!("seed {seed}: {why}")),
            Ok(round) if round.aftermath != undisturbed.aftermath => {
                Some(format!("seed {seed}: {:#?}", round.aftermath))
            }
            Ok(_) => None,
        })
        .collect();
    let sum = |of: fn(&Round) -> usize| rounds.iter().flatten().map(of).sum::<usize>();
    let kills: u32 = rounds.iter().flatten().map(|round| round.kills).sum();
    let fraction = sum(|round| round.succeeded) as f64 / (seeds.len() * TASKS) as f64;
    let told = json!({
        "rounds": seeds.len(), "first_seed": first, "kills": kills, "tasks": seeds.len() * TASKS,
        "failed_rounds": failed.len(), "lost": sum(|round| round.lost), "twice": sum(|round| round.twice),
        "merged_twice": sum(|round| round.merged_twice), "left_over": sum(|round| round.left_over),
        "succeeded_fraction": fraction,
    });
    if let Ok(file) = std::env::var(REPORT) {
        fs::write(file, told.to_string()).unwrap();
    }
    assert!(failed.is_empty(), "{} of {} rounds:\n{}", failed.len(), seeds.len(), failed.join("\n\n"));
    assert!(kills as usize >= 2 * seeds.len(), "several kills a run: {told}");
    assert!(fraction >= SUCCEEDED_FRACTION, "{told}");
}
