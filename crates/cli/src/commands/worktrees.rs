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

impl WorktreesArgs {
    /// Whether anything is to be changed.
    pub(crate) fn mends(&self) -> bool {
        self.repair || self.action == Action::Repair
    }
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

/// What no worktree is: [`WorktreeLine::status`] of what dead runs left beside them.
const LEFTOVERS: &[&str] = &["unknown", "branch", "lock", "process", "salvaged"];
/// What is not as it should be.
const WRONG: &[&str] = &["orphaned", "missing", "damaged", "unknown", "lock", "process"];

pub(crate) fn run(global: &Global, args: &WorktreesArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine().await?;
        let repair = args.mends();
        let (lines, repaired) = match client.ask(&Request::Worktrees { repair }).await? {
            Reply::Worktrees { worktrees, repaired } => (worktrees, repaired),
            other => return Err(Problem::unexpected(&other).into()),
        };
        let wrong = lines.iter().any(|line| WRONG.contains(&line.status.as_str()));
        let (leftovers, worktrees): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| LEFTOVERS.contains(&line.status.as_str()));
        if args.json {
            let all =
                serde_json::json!({"worktrees": worktrees, "leftovers": leftovers, "repaired": repaired});
            output::result_json_pretty(&all)?;
        } else {
            for line in repaired {
                output::result(&format!("mended: {}\n", text::line(&line)))?;
            }
            output::result(&render(&worktrees, &leftovers))?;
            if wrong && !repair {
                output::say("`gadugi worktrees --repair` mends what can be mended, and loses nothing");
            }
        }
        Ok(if args.action == Action::Validate && wrong { Exit::Failure } else { Exit::Success })
    })
}

fn render(worktrees: &[WorktreeLine], leftovers: &[WorktreeLine]) -> String {
    let task =
        |line: &WorktreeLine| line.task.as_ref().map_or_else(String::new, |(_, task)| task.to_string());
    let mut out = String::new();
    if worktrees.is_empty() {
        out.push_str("no worktrees of gadugi's are here\n");
    } else {
        let columns = ["STATUS", "TASK", "BRANCH", "PATH", "DETAIL"].map(|name| (name, Align::Left));
        let mut table = Table::new(&columns);
        for tree in worktrees {
            let branch = tree.branch.clone().unwrap_or_default();
            table.row([
                &tree.status,
                &task(tree),
                &branch,
                &tree.path.to_string_lossy().into_owned(),
                &tree.detail,
            ]);
        }
        out.push_str(&table.render(output::columns()));
    }
    if !leftovers.is_empty() {
        let mut table = Table::new(&["WHAT", "TASK", "WHERE", "DETAIL"].map(|name| (name, Align::Left)));
        for line in leftovers {
            let what = if line.status == "unknown" { "folder" } else { &line.status };
            table.row([what, &task(line), &line.path.to_string_lossy(), &line.detail]);
        }
        out.push('\n');
        out.push_str(&table.render(output::columns()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktrees_and_what_lies_beside_them_are_told_apart() {
        let line = |path: &str, status: &str| WorktreeLine {
            path: path.into(),
            branch: None,
            task: Some((gadugi_core::RunId::new("r"), gadugi_core::TaskId::new("lexer"))),
            status: status.into(),
            detail: "why".into(),
        };
        let text = render(&[line("/w/lexer", "kept")], &[line("refs/gadugi/salvage/x", "salvaged")]);
        let rows: Vec<Vec<&str>> = text.lines().map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["STATUS", "TASK", "BRANCH", "PATH", "DETAIL"]);
        assert_eq!(rows[1], ["kept", "lexer", "/w/lexer", "why"]);
        assert_eq!(rows[3], ["WHAT", "TASK", "WHERE", "DETAIL"]);
        assert_eq!(rows[4], ["salvaged", "lexer", "refs/gadugi/salvage/x", "why"]);
        assert_eq!(render(&[], &[]), "no worktrees of gadugi's are here\n");
    }
}
