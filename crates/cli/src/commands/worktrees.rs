//! `gadugi worktrees`.

use clap::{Args, ValueEnum};
use gadugi_engine::protocol::{Reply, Request, WorktreeLine};

use crate::args::Global;
use crate::error::{Done, Exit, Problem};
use crate::place::{Place, block_on};
use crate::table::{Align, Table};
use crate::{output, text};

/// How they are listed.
#[derive(Debug, Args)]
pub(crate) struct WorktreesArgs {
    /// What is done with them
    #[arg(value_enum, default_value_t = Action::List)]
    action: Action,
    /// The same as `gadugi worktrees repair`
    #[arg(long)]
    repair: bool,
    /// List them as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Show them
    List,
    /// Show them, and end with 1 where something is wrong
    Validate,
    /// Mend what can be mended without losing anything
    Repair,
}

pub(crate) fn run(global: &Global, args: &WorktreesArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine().await?;
        let repair = args.repair || args.action == Action::Repair;
        let (worktrees, repaired) = match client.ask(&Request::Worktrees { repair }).await? {
            Reply::Worktrees { worktrees, repaired } => (worktrees, repaired),
            other => return Err(Problem::unexpected(&other).into()),
        };
        if args.json {
            let all = serde_json::json!({"worktrees": worktrees, "repaired": repaired});
            output::result_json_pretty(&all)?;
        } else {
            for line in repaired {
                output::result(&format!("mended: {}\n", text::line(&line)))?;
            }
            output::result(&render(&worktrees))?;
        }
        let wrong = worktrees.iter().any(|tree| ["orphaned", "missing"].contains(&tree.status.as_str()));
        Ok(if args.action == Action::Validate && wrong { Exit::Failure } else { Exit::Success })
    })
}

fn render(worktrees: &[WorktreeLine]) -> String {
    if worktrees.is_empty() {
        return "no worktrees of gadugi's are here\n".to_owned();
    }
    let columns = ["STATUS", "TASK", "BRANCH", "PATH", "DETAIL"].map(|name| (name, Align::Left));
    let mut table = Table::new(&columns);
    for tree in worktrees {
        let task = tree.task.as_ref().map_or_else(String::new, |(_, task)| task.to_string());
        let branch = tree.branch.clone().unwrap_or_default();
        table.row([&tree.status, &task, &branch, &tree.path.to_string_lossy().into_owned(), &tree.detail]);
    }
    table.render(output::columns())
}
