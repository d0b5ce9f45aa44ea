//! `gadugi worktrees`.

use clap::Args;
use gadugi_engine::protocol::{Reply, Request, WorktreeLine};

use crate::args::Global;
use crate::error::{Done, Exit, Problem};
use crate::place::{Place, block_on};
use crate::table::{Align, Table};
use crate::{output, text};

/// How they are listed.
#[derive(Debug, Args)]
pub(crate) struct WorktreesArgs {
    /// Mend what can be mended without losing anything
    #[arg(long)]
    repair: bool,
    /// List them as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(global: &Global, args: &WorktreesArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine().await?;
        match client.ask(&Request::Worktrees { repair: args.repair }).await? {
            Reply::Worktrees { worktrees, repaired } if args.json => {
                output::result_json_pretty(
                    &serde_json::json!({"worktrees": worktrees, "repaired": repaired}),
                )?;
            }
            Reply::Worktrees { worktrees, repaired } => {
                for line in repaired {
                    output::result(&format!("mended: {}\n", text::line(&line)))?;
                }
                output::result(&render(&worktrees))?;
            }
            other => return Err(Problem::unexpected(&other).into()),
        }
        Ok(Exit::Success)
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
