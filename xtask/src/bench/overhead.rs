//! The same tasks through a bare `xargs -P`, in worktrees made beforehand, and through `gadugi run` with analysis,
//! worktrees, event log, collection, merge and report: how much longer the latter takes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Map, json};

use super::sandbox::{Prompt, Sandbox};
use super::{Measurement, median, rounded, run};
use crate::shell;

const TASKS: usize = 16;
const SLOTS: usize = 4;
const ROUNDS: usize = 5;
const BAR: f64 = 1.10;

pub(super) fn measure(binary: &Path) -> Result<Measurement> {
    let mut rounds = Vec::new();
    // Where many files were just deleted, a file system is slow to make new ones. `xargs` finds its worktrees made, so
    // gadugi alone would pay for the last round's end: all folders stay until all rounds are over.
    let mut kept = Vec::new();
    for round in 1..=ROUNDS {
        // Whoever comes first may find the colder machine: they take turns.
        let (bare, ours) = if round % 2 == 1 {
            let bare = through_xargs(binary, &mut kept)?;
            (bare, through_gadugi(binary, &mut kept)?)
        } else {
            let ours = through_gadugi(binary, &mut kept)?;
            (through_xargs(binary, &mut kept)?, ours)
        };
        let (bare, ours) = (bare.as_secs_f64(), ours.as_secs_f64());
        let ratio = ours / bare;
        shell::say(&format!("round {round}: xargs {bare:.3} s, gadugi {ours:.3} s, ratio {ratio:.3}"));
        rounds.push((bare, ours, ratio));
    }
    let column = |pick: fn(&(f64, f64, f64)) -> f64| rounds.iter().map(pick).collect::<Vec<f64>>();
    let value = median(&column(|round| round.2));
    let mut more = Map::new();
    more.insert("tasks".into(), json!(TASKS));
    more.insert("slots".into(), json!(SLOTS));
    more.insert("xargs_seconds".into(), json!(rounded(median(&column(|round| round.0)))));
    more.insert("gadugi_seconds".into(), json!(rounded(median(&column(|round| round.1)))));
    more.insert(
        "ratios".into(),
        json!(column(|round| round.2).into_iter().map(rounded).collect::<Vec<f64>>()),
    );
    Ok(Measurement { bench: "overhead", value, bar: BAR, holds: value <= BAR, more })
}

/// Tasks of about 2 s each that write one file.
fn prompts() -> Vec<Prompt> {
    let task = |number| {
        let id = format!("task-{number:02}");
        let script = vec!["sleep 2s".into(), format!("write out/{id}.txt done by {id}")];
        Prompt { id, after: Vec::new(), script }
    };
    (1..=TASKS).map(task).collect()
}

fn through_gadugi(binary: &Path, kept: &mut Vec<Sandbox>) -> Result<Duration> {
    let sandbox = Sandbox::new()?;
    sandbox.fill(&prompts())?;
    let measured = run::measure(binary, &sandbox, SLOTS)?;
    measured.none_lost(&sandbox, TASKS)?;
    kept.push(sandbox);
    Ok(measured.wall)
}

fn through_xargs(binary: &Path, kept: &mut Vec<Sandbox>) -> Result<Duration> {
    let sandbox = Sandbox::new()?;
    let prompts = prompts();
    sandbox.fill(&prompts)?;
    let trees = sandbox.path("trees");
    for Prompt { id, .. } in &prompts {
        let tree = trees.join(id);
        sandbox.git(&["worktree", "add", "--quiet", "-b", id, &tree.to_string_lossy()])?;
    }
    let ids: Vec<&str> = prompts.iter().map(|prompt| prompt.id.as_str()).collect();
    let list = sandbox.path("list");
    fs::write(&list, ids.join("\n"))?;
    let mut xargs = sandbox.command("xargs");
    xargs
        .args(["-P", &SLOTS.to_string(), "-I", "{}", "-a"])
        .arg(&list)
        .args(["sh", "-c", r#"cd "$2/$3" && exec "$1" scripted-agent < "prompts/$3.md""#, "sh"])
        .args([binary, &trees])
        .arg("{}");
    let began = Instant::now();
    shell::output(xargs)?;
    let wall = began.elapsed();
    let done = ids.iter().filter(|id| trees.join(id).join(format!("out/{id}.txt")).exists()).count();
    ensure!(done == TASKS, "under xargs {done} of {TASKS} tasks wrote their file");
    kept.push(sandbox);
    Ok(wall)
}
