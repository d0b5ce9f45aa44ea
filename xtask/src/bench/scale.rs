//! Five thousand tasks, two hundred at a time, each of which says something: none lost, and what the engine needs for
//! them.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, json};

use super::sandbox::{Prompt, Sandbox};
use super::{Measurement, rounded, run};
use crate::shell;

const TASKS: usize = 5000;
const SLOTS: usize = 200;

/// What each task says: lines, and how many a second. A real agent says fewer a second, but works for minutes or hours
/// and says thousands: what a task costs beside its lines weighs more here than it does there.
const LINES: usize = 600;
const LINES_PER_SECOND: usize = 20;

/// The engine's peak memory in MiB.
const BAR: f64 = 120.0;

/// Percent of one core for each thousand lines a second, everything that the engine does counted in: its own threads,
/// without the git that it calls.
const CPU_BAR: f64 = 5.0;

/// Most descriptors that the engine may have open: the arithmetic of its own `descriptors.rs`.
const DESCRIPTORS: usize = 48 + 8 * 6 + 3 * SLOTS;

pub(super) fn measure(binary: &Path) -> Result<Measurement> {
    let sandbox = Sandbox::new()?;
    let task = |number| {
        let id = format!("task-{number:04}");
        let script =
            vec![format!("lines {LINES} {LINES_PER_SECOND}"), format!("write out/{id}.txt done by {id}")];
        Prompt { id, after: Vec::new(), script }
    };
    sandbox.fill_small(&(1..=TASKS).map(task).collect::<Vec<Prompt>>())?;
    let measured = run::measure(binary, &sandbox, SLOTS)?;
    measured.none_lost(&sandbox, TASKS)?;

    let lines = lines(&sandbox.repository().join(".gadugi/runs"))?;
    let engine = &measured.engine;
    let descriptors = engine.descriptors(0, TASKS + 1).context("the engine was not seen")?;
    let value = engine.peak_kib as f64 / 1024.0;
    let (wall, cpu) = (measured.wall.as_secs_f64(), engine.cpu.as_secs_f64());
    // Percent of a core over thousands of lines a second: the wall time is in both and cancels out.
    let per_thousand = cpu * 100.0 / (lines as f64 / 1000.0);
    shell::say(&format!(
        "{TASKS} tasks on {SLOTS} slots in {wall:.1} s, none lost; the engine's peak memory {value:.1} MiB, its processor \
         time {cpu:.1} s for {lines} lines ({:.0} a second): {per_thousand:.2} % of a core for each thousand a second; at \
         most {descriptors} descriptors of {DESCRIPTORS}",
        lines as f64 / wall
    ));

    let mut more = Map::new();
    more.insert("tasks".into(), json!(TASKS));
    more.insert("slots".into(), json!(SLOTS));
    more.insert("lost".into(), json!(0));
    more.insert("wall_seconds".into(), json!(rounded(wall)));
    more.insert("lines".into(), json!(lines));
    more.insert("cpu_seconds".into(), json!(rounded(cpu)));
    more.insert("cpu_percent_per_1000_lines".into(), json!(rounded(per_thousand)));
    more.insert("cpu_bar".into(), json!(CPU_BAR));
    more.insert("descriptors".into(), json!(descriptors));
    more.insert("descriptors_bound".into(), json!(DESCRIPTORS));
    let holds = value <= BAR && per_thousand <= CPU_BAR && descriptors <= DESCRIPTORS;
    Ok(Measurement { bench: "scale", value, bar: BAR, holds, more })
}

/// Lines of all outputs below a folder.
fn lines(folder: &Path) -> Result<u64> {
    let mut found = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found += lines(&entry.path())?;
        } else if entry.file_name() == "stdout.jsonl" {
            let mut bytes = Vec::new();
            File::open(entry.path())?.read_to_end(&mut bytes)?;
            found += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_of_outputs_alone_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let step = folder.path().join("run/task/1/1");
        std::fs::create_dir_all(&step).unwrap();
        std::fs::write(step.join("stdout.jsonl"), "a\nb\ntorn").unwrap();
        std::fs::write(step.join("stderr.log"), "no\n").unwrap();
        assert_eq!(lines(folder.path()).unwrap(), 2);
    }
}
