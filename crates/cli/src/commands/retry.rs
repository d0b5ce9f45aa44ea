//! `gadugi retry`.

use clap::Args;
use gadugi_core::Target;
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request};

use crate::args::Global;
use crate::commands::runs;
use crate::commands::targets::{Meant, of_tasks};
use crate::error::{Done, Exit, Problem, Stop};
use crate::follow::{count, environment};
use crate::output;
use crate::place::{Place, block_on};
use crate::text::shell_word;

/// What is taken up again.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The tasks: id, a unique prefix of it, or the prompt's name
    #[arg(value_name = "TASK", required_unless_present = "all")]
    tasks: Vec<String>,
    /// All tasks of the run that did not succeed
    #[arg(long, conflicts_with = "tasks")]
    all: bool,
    /// Words for their agents
    #[arg(long, value_name = "TEXT")]
    with: Option<String>,
    /// The run [default: the latest that has the task]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

pub(crate) fn run(global: &Global, args: &RetryArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine_for_run().await?;
        for meant in wanted(&mut client, args).await? {
            let (run, target, with) = (meant.run(), meant.target.clone(), args.with.clone());
            let request = Request::Retry { run, target, with, environment: Some(environment()) };
            let (run, tasks) = match client.ask(&request).await? {
                Reply::Accepted { run, tasks } => (run, tasks),
                other => return Err(Problem::unexpected(&other).into()),
            };
            output::result(&format!("{run}: {} taken up again\n", count(tasks, "task")))?;
            let follow = match meant.tasks().next() {
                Some(task) if args.tasks.len() == 1 => {
                    format!("gadugi logs -f {}, or ", shell_word(task.id.as_str()))
                }
                _ => String::new(),
            };
            output::say(&format!("follow: {follow}gadugi resume {run}"));
        }
        Ok(Exit::Success)
    })
}

async fn wanted(client: &mut Client, args: &RetryArgs) -> Result<Vec<Meant>, Stop> {
    if args.all {
        let view = runs::status(client, args.run.as_deref()).await?;
        return Ok(vec![Meant { view, target: Target::All }]);
    }
    of_tasks(client, args.run.as_deref(), args.tasks.iter()).await
}
