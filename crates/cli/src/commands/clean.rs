//! `gadugi clean`.

use clap::Args;
use gadugi_core::parse_duration;
use gadugi_engine::protocol::{Reply, Request};

use crate::args::Global;
use crate::error::{Done, Exit, Problem};
use crate::follow::count;
use crate::place::{Place, block_on};
use crate::{output, text};

/// What is put away.
#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// Only what was over so long ago: 30m, 2d; a bare number is hours
    #[arg(long, value_name = "T", default_value = "24", value_parser = hours)]
    older_than: f64,
}

pub(crate) fn run(global: &Global, args: &CleanArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let Some(mut client) = place.engine_with_records().await? else {
            output::result("nothing to put away\n")?;
            return Ok(Exit::Success);
        };
        match client.ask(&Request::Clean { older_than_hours: args.older_than }).await? {
            Reply::Cleaned { runs, worktrees, kept, caches } => {
                let (runs, trees) = (count(runs.len(), "run"), count(worktrees.len(), "worktree"));
                let caches =
                    if caches == 0 { String::new() } else { format!(", {}", count(caches, "cache")) };
                output::result(&format!("put away: records of {runs}, {trees}{caches}\n"))?;
                for (path, reason) in kept {
                    let line = format!("kept: {} ({reason})", path.display());
                    output::result(&format!("{}\n", text::line(&line)))?;
                }
                Ok(Exit::Success)
            }
            other => Err(Problem::unexpected(&other).into()),
        }
    })
}

fn hours(text: &str) -> Result<f64, String> {
    // No time at all is a fair wish here: everything that is over.
    if text.trim().parse::<f64>() == Ok(0.0) {
        return Ok(0.0);
    }
    parse_duration(text).map(|length| length.as_seconds() / 3600.0).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::hours;

    #[test]
    fn a_bare_number_is_hours() {
        assert_eq!(hours("24"), Ok(24.0));
        assert_eq!(hours("30m"), Ok(0.5));
        assert_eq!(hours("0"), Ok(0.0));
        assert!(hours("soon").unwrap_err().contains("expected a duration"));
        assert!(hours("-1").is_err());
    }
}
