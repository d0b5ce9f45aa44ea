//! `gadugi retry TASK`.

use clap::Args;
use gadugi_core::Target;
use gadugi_engine::protocol::{Reply, Request};

use crate::args::Global;
use crate::commands::runs;
use crate::error::{Done, Exit, Problem};
use crate::follow::{count, environment};
use crate::output;
use crate::place::{Place, block_on};
use crate::text::shell_word;

/// What is taken up again.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The task: its id, a unique prefix of it, or the prompt's name
    task: String,
    /// Words for its agent
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
        let (view, task) = runs::task(&mut client, args.run.as_deref(), &args.task).await?;
        let (run, with) = (view.run, args.with.clone());
        let request = Request::Retry {
            run,
            target: Target::Tasks(vec![task.clone()]),
            with,
            environment: environment(),
        };
        match client.ask(&request).await? {
            Reply::Accepted { run, tasks } => {
                output::result(&format!("{run}: {} taken up again\n", count(tasks, "task")))?;
                let id = shell_word(task.as_str());
                output::say(&format!("follow it: gadugi logs -f {id}, or gadugi resume {run}"));
                Ok(Exit::Success)
            }
            other => Err(Problem::unexpected(&other).into()),
        }
    })
}
