//! Tasks that only wait: how much of the waiting is shared.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, json};

use super::sandbox::{Prompt, Sandbox};
use super::{Measurement, rounded, run};
use crate::shell;

/// Sum of four waits over the wall time, on four slots.
const BAR: f64 = 3.7;
const WAIT_SECONDS: f64 = 10.0;
const INDEPENDENT: [&str; 4] = ["a", "b", "c", "d"];

/// Wall time over the critical path of the graph.
const GRAPH_BAR: f64 = 1.10;
const GRAPH_WAIT_SECONDS: f64 = 5.0;
const GRAPH_STAGES: f64 = 3.0;
const GRAPH_WIDTH: usize = 3;

/// Seven tasks in three stages: three, three that each follow two of them, and one that follows those.
const GRAPH: [(&str, &[&str]); 7] = [
    ("a", &[]),
    ("b", &[]),
    ("c", &[]),
    ("d", &["a", "b"]),
    ("e", &["b", "c"]),
    ("f", &["a", "c"]),
    ("g", &["d", "e", "f"]),
];

pub(super) fn measure(binary: &Path) -> Result<Measurement> {
    let tasks: Vec<(&str, &[&str])> = INDEPENDENT.iter().map(|id| (*id, [].as_slice())).collect();
    // What the tasks were asked to wait, not what was measured of them: slow handling counts against us.
    let sum = WAIT_SECONDS * tasks.len() as f64;
    let (wall, reported) = waits(binary, &tasks, WAIT_SECONDS, INDEPENDENT.len())?;
    let value = sum / wall;
    shell::say(&format!(
        "{} independent tasks of {WAIT_SECONDS} s on as many slots: {wall:.3} s, {value:.3} times as fast as one \
         after another (the run's own report says {reported:.3})",
        tasks.len()
    ));

    let critical = GRAPH_WAIT_SECONDS * GRAPH_STAGES;
    let (graph_wall, _) = waits(binary, &GRAPH, GRAPH_WAIT_SECONDS, GRAPH_WIDTH)?;
    let graph = graph_wall / critical;
    shell::say(&format!(
        "{} tasks of {GRAPH_WAIT_SECONDS} s in {GRAPH_STAGES} stages on {GRAPH_WIDTH} slots: {graph_wall:.3} s, \
         {graph:.3} times the critical path of {critical} s",
        GRAPH.len()
    ));

    let mut more = Map::new();
    more.insert("wall_seconds".into(), json!(rounded(wall)));
    more.insert("reported_speedup".into(), json!(rounded(reported)));
    more.insert("graph_ratio".into(), json!(rounded(graph)));
    more.insert("graph_bar".into(), json!(GRAPH_BAR));
    more.insert("graph_wall_seconds".into(), json!(rounded(graph_wall)));
    let holds = value >= BAR && graph <= GRAPH_BAR;
    Ok(Measurement { bench: "speedup", value, bar: BAR, holds, more })
}

/// Wall time in seconds, and the speed-up that the run itself reported.
fn waits(binary: &Path, tasks: &[(&str, &[&str])], seconds: f64, slots: usize) -> Result<(f64, f64)> {
    let sandbox = Sandbox::new()?;
    let prompt = |(id, after): &(&str, &[&str])| Prompt {
        id: (*id).to_owned(),
        after: after.iter().map(|id| (*id).to_owned()).collect(),
        script: vec![format!("sleep {seconds}s"), format!("write out/{id}.txt done by {id}")],
    };
    sandbox.fill(&tasks.iter().map(prompt).collect::<Vec<Prompt>>())?;
    let measured = run::measure(binary, &sandbox, slots)?;
    measured.none_lost(&sandbox, tasks.len())?;
    Ok((measured.wall.as_secs_f64(), measured.number("speedup")?))
}
