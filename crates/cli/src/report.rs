//! The honest account of a run, for people.

use std::fmt::Write as _;

use gadugi_core::{Millis, format_duration};
use gadugi_engine::protocol::{PairsOfTasks, Prediction, RunView, TaskView};

use crate::follow::{count, dollars, mark, short, tokens};
use crate::table::{Align, Table};
use crate::text::{self, shell_word};

/// Paths of one task that are named before the rest is counted.
const PATHS: usize = 6;

/// Columns of why a task did not succeed: what an agent said may be any length.
const DETAIL: usize = 400;

/// The whole report, in so many columns where a number is named.
pub(crate) fn render(view: &RunView, columns: Option<usize>) -> String {
    let mut out = String::new();
    let succeeded = view.tasks.iter().filter(|task| task.state == "succeeded").count();
    let _ = writeln!(out, "\n{}: {succeeded} of {} succeeded\n", view.run, count(view.tasks.len(), "task"));
    if let Some(because) = &view.sequential_because {
        let _ = writeln!(out, "Taken one after another: {}\n", text::line(because));
    }
    out.push_str(&table(view, columns));
    failures(&mut out, view);
    surprises(&mut out, view);
    sums(&mut out, view);
    homecoming(&mut out, view, succeeded);
    out
}

fn table(view: &RunView, columns: Option<usize>) -> String {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("", Left),
        ("TASK", Left),
        ("OUTCOME", Left),
        ("VERDICT", Left),
        ("TIME", Right),
        ("TOKENS", Right),
        ("COST", Right),
        ("COMMIT", Left),
        ("BRANCH", Left),
    ])
    .spare(&["BRANCH", "COMMIT", "COST", "TOKENS"]);
    for task in &view.tasks {
        table.row([
            mark(&task.state),
            task.id.as_str(),
            &task.state,
            task.verdict.as_deref().unwrap_or_default(),
            &format_duration(Millis(task.elapsed_ms)),
            &tokens(task.usage.tokens()),
            &dollars(task.usage.cost_microusd),
            task.commit.as_ref().map_or("", |commit| short(commit.as_str())),
            task.branch.as_deref().unwrap_or_default(),
        ]);
    }
    table.render(columns)
}

fn failures(out: &mut String, view: &RunView) {
    let mut failed = view.tasks.iter().filter(|task| task.state != "succeeded").peekable();
    if failed.peek().is_none() {
        return;
    }
    out.push_str("\nWhat did not succeed:\n");
    for task in failed {
        let why = if task.detail.is_empty() { task.state.clone() } else { text::fit(&task.detail, DETAIL) };
        let _ = writeln!(out, "  {}: {why}", task.id);
        for command in ways_out(task, view) {
            let _ = writeln!(out, "      {command}");
        }
        for reference in &task.salvage {
            let _ = writeln!(out, "      git diff {reference}^ {reference}    # what it left uncommitted");
        }
    }
}

/// The commands that help with a task that did not succeed.
fn ways_out(task: &TaskView, view: &RunView) -> Vec<String> {
    let id = shell_word(task.id.as_str());
    match (task.state.as_str(), task.verdict.as_deref()) {
        // It comes back with the task that it waited for.
        ("skipped", _) => Vec::new(),
        (_, Some("conflict")) => {
            let merge = format!("git merge {}", shell_word(&view.branch));
            let resolve = match (kept(task, view), &task.branch) {
                (Some(workspace), _) => Some(format!("cd {} && {merge}", shell_word(&workspace))),
                (None, Some(branch)) => Some(format!("git switch {} && {merge}", shell_word(branch))),
                (None, None) => None,
            };
            let mut ways: Vec<String> = resolve
                .into_iter()
                .map(|resolve| format!("{resolve}    # resolve, commit, then: gadugi land {id}"))
                .collect();
            ways.push(format!("gadugi retry {id}    # from what is merged by now"));
            ways
        }
        (_, Some("rejected")) => {
            vec![
                format!("gadugi logs {id}    # what the check said"),
                format!("gadugi diff {id}"),
                format!("gadugi retry {id} --with 'what to mend'"),
            ]
        }
        _ => vec![format!("gadugi logs {id}"), format!("gadugi retry {id}")],
    }
}

fn kept(task: &TaskView, view: &RunView) -> Option<String> {
    let workspace = task.workspace.as_ref()?.to_string_lossy().into_owned();
    view.kept.iter().any(|(path, _)| *path == workspace).then_some(workspace)
}

/// Where a task wrote other files than the plan said.
fn surprises(out: &mut String, view: &RunView) {
    let mut lines = String::new();
    for task in view.tasks.iter().filter(|task| task.state == "succeeded") {
        let Some(prediction) = task.prediction.as_ref().filter(|known| known.precision.is_some()) else {
            continue;
        };
        let parts: Vec<String> =
            [("wrote beyond the plan", &prediction.beyond), ("did not write", &prediction.missed)]
                .into_iter()
                .filter(|(_, paths)| !paths.is_empty())
                .map(|(word, paths)| format!("{word}: {}", list(paths)))
                .collect();
        if !parts.is_empty() {
            let _ = writeln!(lines, "  {}: {}", task.id, parts.join("; "));
        }
    }
    if !lines.is_empty() {
        let _ = write!(out, "\nOther files than the plan said:\n{lines}");
    }
}

/// How well the plan foresaw what was written, in a line or two; nothing where nobody knows what was.
pub(crate) fn foreseen(prediction: &Prediction) -> String {
    let Prediction { claims, right, written, found, collisions, .. } = prediction;
    let mut out = String::new();
    if *written > 0 {
        let came = if *claims > 0 {
            format!("; of {claims} that were expected {right} came")
        } else {
            String::new()
        };
        let _ = writeln!(out, "Files written: {written}, {found} of them expected{came}");
    }
    let PairsOfTasks { foreseen, unforeseen, in_vain } = collisions;
    if foreseen + unforeseen + in_vain > 0 {
        let _ = writeln!(
            out,
            "Pairs of tasks that wrote one file: {foreseen} foreseen, {unforeseen} not; {in_vain} expected in vain"
        );
    }
    out
}

fn list(paths: &[String]) -> String {
    let mut shown: Vec<String> = paths.iter().take(PATHS).map(|path| text::line(path)).collect();
    if paths.len() > PATHS {
        shown.push(format!("and {} more", paths.len() - PATHS));
    }
    shown.join(", ")
}

fn sums(out: &mut String, view: &RunView) {
    let _ = writeln!(
        out,
        "\nWall time {}, sum of task times {}: speed-up {:.2}",
        format_duration(Millis(view.wall_ms)),
        format_duration(Millis(view.task_ms)),
        view.speedup
    );
    let _ =
        writeln!(out, "Tokens {}, cost {}", tokens(view.usage.tokens()), dollars(view.usage.cost_microusd));
    out.push_str(&view.prediction.as_ref().map(foreseen).unwrap_or_default());
    if !view.kept.is_empty() {
        out.push_str("Worktrees that are kept:\n");
        for (path, reason) in &view.kept {
            let _ = writeln!(out, "  {} ({})", text::line(path), text::line(reason));
        }
    }
}

fn homecoming(out: &mut String, view: &RunView, succeeded: usize) {
    let tip = view.tip.as_ref().map_or("", |tip| short(tip.as_str()));
    if succeeded == 0 || view.tip.as_ref() == Some(&view.base) {
        let _ =
            writeln!(out, "Nothing was merged: {} stands where it began, at {tip}", text::line(&view.branch));
        return;
    }
    let _ = writeln!(out, "Merged: {} at {tip}", text::line(&view.branch));
    match view.landed_into.last() {
        Some(into) => {
            let _ = writeln!(out, "Landed on {}", text::line(into));
        }
        None => {
            let _ = writeln!(out, "Bring it home: gadugi land {}", view.run);
        }
    }
}

#[cfg(test)]
mod tests {
    use gadugi_core::{CommitId, RunId, TaskId, Timestamp, Usage};
    use gadugi_engine::protocol::TaskPrediction;

    use super::*;

    fn task(id: &str, state: &str, verdict: Option<&str>, detail: &str) -> TaskView {
        let usage = Usage { input_tokens: 1200, cost_microusd: 12_000, ..Usage::default() };
        TaskView {
            id: TaskId::new(id),
            name: id.into(),
            prompt: format!("prompts/{id}.md"),
            state: state.into(),
            over: true,
            verdict: verdict.map(str::to_owned),
            detail: detail.into(),
            resumes_at: None,
            held: false,
            suspected_ms: None,
            salvage: Vec::new(),
            waits_for: Vec::new(),
            attempts: 1,
            steps: 1,
            step_kind: None,
            phase: None,
            action: String::new(),
            pid: None,
            cpu_percent: 0.0,
            memory_mb: 0.0,
            started_at: None,
            finished_at: None,
            elapsed_ms: 65_000,
            usage,
            branch: Some(format!("feature/parallel-{id}")),
            executor: "local".into(),
            container: None,
            workspace: Some(format!("/repo/.worktrees/{id}").into()),
            base: None,
            commit: Some(CommitId::new("0123456789abcdef")),
            changed: vec![format!("src/{id}/a.rs")],
            question: None,
            prediction: None,
            session: None,
            attempt_dir: None,
            phases: Vec::new(),
        }
    }

    fn view(tasks: Vec<TaskView>) -> RunView {
        RunView {
            counts: gadugi_engine::handle::Counts::default(),
            run: RunId::new("orchestration-20261121-090000-beef"),
            status: "finished".into(),
            paused_because: None,
            paused_detail: String::new(),
            holds: Vec::new(),
            limited: std::collections::BTreeMap::new(),
            budget_microusd: None,
            reserved_microusd: 0,
            started_at: Timestamp(0),
            finished_at: Some(Timestamp(100_000)),
            wall_ms: 100_000,
            task_ms: 250_000,
            speedup: 2.5,
            branch: "gadugi/orchestration-20261121-090000-beef".into(),
            tip: Some(CommitId::new("fedcba9876543210")),
            base: CommitId::new("0000000000000000"),
            landed_into: Vec::new(),
            worktree_dir: "/repo/.worktrees".into(),
            sequential_because: None,
            slots: 4,
            seq: 9,
            usage: Usage { input_tokens: 6000, cost_microusd: 60_000, ..Usage::default() },
            tasks,
            kept: Vec::new(),
            needs: Vec::new(),
            queue: Vec::new(),
            forecast: None,
            prediction: None,
        }
    }

    #[test]
    fn the_report_says_what_came_of_each_task_and_what_to_do() {
        let mut view = view(vec![
            task("lexer", "succeeded", Some("verified"), ""),
            task("parser", "failed", Some("conflict"), "conflicts in src/a.rs, src/b\u{1b}[31m.rs"),
            task("broken", "failed", Some("rejected"), "sh test.sh failed (exit 1)"),
            task("slow", "timed-out", None, "its time was over"),
            task("calc", "skipped", None, "parser did not succeed"),
        ]);
        view.kept = vec![("/repo/.worktrees/parser".into(), "not merged".into())];
        view.tasks[0].prediction = Some(TaskPrediction {
            precision: Some(0.0),
            recall: Some(0.0),
            beyond: vec!["src/lexer/a.rs".into()],
            missed: vec!["src/lexer.rs".into(), "docs/*.md".into()],
        });
        // Nothing was expected of it.
        view.tasks[1].prediction = Some(TaskPrediction { beyond: vec!["x".into()], ..Default::default() });
        let collisions = PairsOfTasks { foreseen: 1, unforeseen: 0, in_vain: 2 };
        view.prediction =
            Some(Prediction { claims: 2, right: 0, written: 1, found: 0, collisions, ..Default::default() });
        let text = render(&view, None);
        assert!(!text.contains('\u{1b}'));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_run_that_merged_nothing_offers_nothing_to_land() {
        let mut view = view(vec![task("a", "failed", None, "crashed")]);
        view.tip = Some(view.base.clone());
        let text = render(&view, Some(60));
        assert!(text.contains("Nothing was merged") && !text.contains("gadugi land"), "{text}");
    }
}
