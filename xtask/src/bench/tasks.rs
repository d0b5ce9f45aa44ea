//! A thousand trivial tasks: none lost, and what the engine needs for them.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, json};

use super::sandbox::{Prompt, Sandbox};
use super::{Measurement, rounded, run};
use crate::shell;

const TASKS: usize = 1000;
const SLOTS: usize = 8;

/// The engine's peak memory in MiB.
const BAR: f64 = 40.0;

/// How many descriptors more the second half of the run may need than the first, when the slots were full in both. A
/// leak of one for each task would show as hundreds.
const DESCRIPTORS: usize = 8;

pub(super) fn measure(binary: &Path) -> Result<Measurement> {
    let sandbox = Sandbox::new()?;
    let task = |number| {
        let id = format!("task-{number:04}");
        let script = vec![format!("write out/{id}.txt done by {id}")];
        Prompt { id, after: Vec::new(), script }
    };
    sandbox.fill(&(1..=TASKS).map(task).collect::<Vec<Prompt>>())?;
    let measured = run::measure(binary, &sandbox, SLOTS)?;
    measured.none_lost(&sandbox, TASKS)?;

    let engine = &measured.engine;
    let early =
        engine.descriptors(TASKS / 20, TASKS / 2).context("the engine was not seen in the first half")?;
    let late =
        engine.descriptors(TASKS / 2, TASKS + 1).context("the engine was not seen in the second half")?;
    let value = engine.peak_kib as f64 / 1024.0;
    let (wall, looks) = (measured.wall.as_secs_f64(), engine.looks.len());
    shell::say(&format!(
        "{TASKS} tasks on {SLOTS} slots in {wall:.1} s, none lost; the engine's peak memory {value:.1} MiB, its \
         descriptors at most {early} in the first half and {late} in the second ({looks} looks)"
    ));

    let mut more = Map::new();
    more.insert("tasks".into(), json!(TASKS));
    more.insert("lost".into(), json!(0));
    more.insert("wall_seconds".into(), json!(rounded(wall)));
    more.insert("descriptors_first_half".into(), json!(early));
    more.insert("descriptors_second_half".into(), json!(late));
    let holds = value <= BAR && late <= early + DESCRIPTORS;
    Ok(Measurement { bench: "tasks", value, bar: BAR, holds, more })
}
