//! Makes a long log of a short one, for `cargo xtask bench recovery`: what happened to one task of a run happens, event
//! by event, to all tasks whose ids begin with a given text. The core applies each event before it is stored.
//!
//! `retell DATABASE RUN TASK PREFIX`; no engine may live. Prints the number of events that the run then has.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use gadugi_core::{Event, RunId, State, TaskId};
use gadugi_store::{Store, StoredEvent};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, run, task, prefix] = &arguments[..] else {
        return Err("retell DATABASE RUN TASK PREFIX".into());
    };
    let count = retell(Path::new(database), &RunId::new(run), &TaskId::new(task), prefix)?;
    writeln!(std::io::stdout(), "{count}")?;
    Ok(())
}

fn retell(database: &Path, run: &RunId, task: &TaskId, prefix: &str) -> Result<usize, Box<dyn Error>> {
    let mut store = Store::open(database)?;
    let stored = store.events(run)?;
    let mut state = State::default();
    for StoredEvent { at, event, .. } in &stored {
        state.apply(*at, event)?;
    }
    let now = stored.last().ok_or("the run has no events")?.at;
    let story: Vec<Value> = stored
        .iter()
        .filter(|stored| stored.event.task() == Some(task))
        .map(|stored| serde_json::to_value(&stored.event))
        .collect::<Result<_, _>>()?;
    let plan = state.runs.get(run).ok_or("there is no such run")?.plan.clone();
    let mut count = stored.len();
    for other in plan.tasks.iter().filter(|other| other.id.as_str().starts_with(prefix)) {
        // Its own story so far: it was skipped and revived as often.
        let events = story
            .iter()
            .map(|event| serde_json::from_value(told_of(event, task.as_str(), other.id.as_str())))
            .collect::<Result<Vec<Event>, _>>()?;
        events.iter().try_for_each(|event| state.apply(now, event))?;
        count += store.append(now, &events)?.len();
    }
    Ok(count)
}

/// The event with every mention of a task turned into one of another.
fn told_of(value: &Value, task: &str, other: &str) -> Value {
    match value {
        Value::String(text) => text.replace(task, other).into(),
        Value::Array(values) => values.iter().map(|value| told_of(value, task, other)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), told_of(value, task, other))).collect()
        }
        plain => plain.clone(),
    }
}
