//! `overlap = "ask"`: whether tasks that are expected to write one file are taken one after another.

use gadugi_analysis::{Collisions, release};

use super::interactive::Asking;
use crate::error::Stop;
use crate::output::{self, Manner};
use crate::planning::Planned;
use crate::text;

/// Tasks of a group that a question names.
const MOST_NAMED: usize = 6;

/// Asks of each group of tasks, and lets those run side by side that are to. Where nobody can be asked, they are taken one
/// after another.
pub(super) fn settle(planned: &mut Planned, asking: Option<&Asking>, manner: Manner) -> Result<(), Stop> {
    let groups = planned.collisions.groups.len();
    if groups == 0 {
        return Ok(());
    }
    if !output::can_ask() {
        manner.tell(
            "overlap = \"ask\": there is no terminal to ask at, so such tasks are taken one after another",
        );
        return Ok(());
    }
    let own;
    let asking = match asking {
        Some(asking) => asking,
        None => {
            own = Asking::begin()?;
            &own
        }
    };
    for group in 0..groups {
        let question = format!("{}. One after another?", question(&planned.collisions, group));
        if !asking.yes(&text::line(&question))? {
            release(&mut planned.plan, &planned.collisions.groups[group]);
        }
    }
    Ok(())
}

/// What is expected of a group, in words.
fn question(collisions: &Collisions, group: usize) -> String {
    let tasks = &collisions.groups[group];
    let mut names: Vec<&str> = tasks.iter().take(MOST_NAMED).map(|task| task.as_str()).collect();
    let more = tasks.len().saturating_sub(MOST_NAMED);
    let more_names = format!("{more} more");
    if more > 0 {
        names.push(&more_names);
    }
    let names = match names.split_last() {
        Some((last, [_, ..])) => format!("{} and {last}", names[..names.len() - 1].join(", ")),
        _ => names.join(""),
    };
    let pair = collisions.likeliest(group);
    match pair.and_then(|pair| Some((pair, pair.overlap.files.first()?))) {
        Some((pair, file)) if tasks.len() > 2 => format!(
            "{names} would write the same files; {} and {} {} ({} %)",
            pair.a, pair.b, file.path, pair.overlap.confidence.0
        ),
        Some((pair, file)) => {
            format!("{names} would both write {} ({} %)", file.path, pair.overlap.confidence.0)
        }
        None => format!("{names} would write the same files"),
    }
}
