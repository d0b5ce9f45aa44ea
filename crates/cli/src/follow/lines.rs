//! How rows and sums look: plain functions of the board, so that they can be looked at without a terminal.

use gadugi_core::{Phase, Timestamp, Usage, format_duration};

use super::board::{Board, Row, Stage};
use super::words::{count, hold_words, when};
use crate::text;

/// Columns of a task's name.
const NAME: usize = 24;
/// Columns of the bar.
const BAR: usize = 20;
/// Columns of a phase: the longest title that an agent reports, with its number.
const PHASE: usize = 24;

/// All of it: a line for each running task, then for each that is to be taken up again, in at most so many rows, what
/// holds the run back, and below them the overall line with its bar.
pub(crate) fn block(board: &Board, now: Timestamp, rows: usize, columns: usize) -> Vec<String> {
    let held = held_back(board, now);
    let rows = rows.saturating_sub(held.len()).max(1);
    let mut running: Vec<&Row> = board.rows().iter().filter(|row| row.since().is_some()).collect();
    running.extend(board.rows().iter().filter(|row| matches!(row.stage, Stage::Suspended { .. })));
    let shown = if running.len() > rows { rows.saturating_sub(1) } else { running.len() };
    let names = name_columns(board).min((columns / 4).max(8));
    let mut lines: Vec<String> = running[..shown].iter().map(|one| row(one, now, names, columns)).collect();
    if running.len() > shown {
        lines.push(text::cut(&format!("… and {} more", count(running.len() - shown, "task")), columns));
    }
    lines.extend(held.iter().map(|line| text::cut(line, columns)));
    let done = board.rows().iter().filter(|row| matches!(row.stage, Stage::Over { .. })).count();
    let full = BAR * done / board.rows().len().max(1);
    let bar = console::style("━".repeat(full)).green().for_stderr();
    let rest = console::style("╌".repeat(BAR - full)).dim().for_stderr();
    lines.push(format!("{bar}{rest} {}", text::cut(&overall(board, now), columns.saturating_sub(BAR + 1))));
    lines
}

/// Why less begins than could: a line for each reason.
fn held_back(board: &Board, now: Timestamp) -> Vec<String> {
    let holds = board.holds.iter().map(|hold| hold_words(*hold).to_owned());
    let limited = board.limited.iter().filter(|(_, until)| **until > now);
    let limits = limited.map(|(agent, until)| {
        format!("the limit of {agent}'s account is reached; it goes on {}", when(*until, now))
    });
    holds.chain(limits).collect()
}

/// What a task is at, in a few words.
fn doing(row: &Row, now: Timestamp) -> String {
    let Stage::Suspended { until } = row.stage else { return row.action.clone() };
    match until {
        _ if row.held => "paused".to_owned(),
        Some(until) if until > now => format!("again {}: {}", when(until, now), row.action),
        _ => format!("again as soon as it can: {}", row.action),
    }
}

/// One running task in so many columns: name, phase, action, elapsed, tokens, cost.
fn row(row: &Row, now: Timestamp, names: usize, columns: usize) -> String {
    let elapsed = row.since().map_or_else(String::new, |since| format_duration(now.since(since)));
    let numbers = format!("{elapsed:>7}{}", usage_columns(&row.usage()));
    let name = pad(text::cut(row.id.as_str(), names.min(NAME)), names.min(NAME));
    let phase = row.phase.and_then(Phase::from_number);
    let phase = phase.map_or_else(String::new, |phase| format!("{} {}", phase.number(), phase.title()));
    let spare = columns.saturating_sub(text::width(&name) + numbers.len() + 4);
    // Where the terminal is narrow the phase goes first, then the action. Who waits is in none.
    let waits = matches!(row.stage, Stage::Suspended { .. });
    let phase =
        if spare >= PHASE + 14 && !waits { pad(text::cut(&phase, PHASE), PHASE) } else { String::new() };
    let spare = spare.saturating_sub(text::width(&phase) + 2 * usize::from(!phase.is_empty()));
    let action = pad(text::cut(&doing(row, now), spare), spare);
    let cells = [name, phase, action, numbers];
    let cells: Vec<&str> = cells.iter().filter(|cell| !cell.is_empty()).map(String::as_str).collect();
    text::cut(&cells.join("  "), columns)
}

/// The width that the names of running tasks need.
fn name_columns(board: &Board) -> usize {
    board.rows().iter().map(|row| text::width(row.id.as_str())).max().unwrap_or(0).clamp(1, NAME)
}

/// The overall line, behind the bar: `3/8 done, 2 running, 1 failed  1m 02s  12.3k tokens  $0.42`.
fn overall(board: &Board, now: Timestamp) -> String {
    let rows = board.rows();
    let of = |wanted: fn(Stage) -> bool| rows.iter().filter(|row| wanted(row.stage)).count();
    let done = of(|stage| matches!(stage, Stage::Over { .. }));
    let running = of(|stage| matches!(stage, Stage::Running { .. }));
    let merging = of(|stage| matches!(stage, Stage::Merging { .. }));
    let paused = rows.iter().filter(|row| row.held && !matches!(row.stage, Stage::Over { .. })).count();
    let again = rows.iter().filter(|row| !row.held && matches!(row.stage, Stage::Suspended { .. })).count();
    let failed = of(|stage| stage == Stage::Over { succeeded: false });
    let mut line = format!("{done}/{} done", rows.len());
    for (number, word) in [
        (running, "running"),
        (merging, "merging"),
        (again, "to be taken up again"),
        (paused, "paused"),
        (failed, "not succeeded"),
    ] {
        if number > 0 {
            line.push_str(&format!(", {number} {word}"));
        }
    }
    if board.paused {
        line.push_str(", the run is paused");
    }
    if let Some(started_at) = board.started_at {
        line.push_str(&format!("  {}", format_duration(now.since(started_at))));
    }
    let usage = board.usage();
    if usage.tokens() > 0 {
        line.push_str(&format!("  {} tokens", tokens(usage.tokens())));
    }
    if usage.cost_microusd > 0 {
        line.push_str(&format!("  {}", dollars(usage.cost_microusd)));
    }
    line
}

fn usage_columns(usage: &Usage) -> String {
    format!("{:>7}{:>8}", tokens(usage.tokens()), dollars(usage.cost_microusd))
}

/// `950`, `12.3k`, `4.5M`.
pub(crate) fn tokens(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..999_950 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

/// `$0.42`; less than a cent with four digits.
pub(crate) fn dollars(microusd: u64) -> String {
    match microusd {
        0 => "$0.00".to_owned(),
        1..10_000 => format!("${:.4}", microusd as f64 / 1e6),
        _ => format!("${:.2}", microusd as f64 / 1e6),
    }
}

fn pad(clean: String, columns: usize) -> String {
    let missing = columns.saturating_sub(text::width(&clean));
    clean + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use gadugi_core::{AttemptId, CommitId, Event, Hold, Outcome, RunId, SessionId, StepId, TaskId};
    use gadugi_engine::protocol::Activity;

    use super::*;

    fn board() -> Board {
        let mut board = Board::default();
        let attempt = |task: &str| AttemptId { run: RunId::new("r"), task: TaskId::new(task), attempt: 1 };
        for task in ["lexer", "a-task-with-a-very-long-name-indeed", "waits"] {
            board.event(
                &Event::TaskRevived { run: RunId::new("r"), task: TaskId::new(task), with: None },
                Timestamp(0),
            );
        }
        board.started_at = Some(Timestamp(0));
        for task in ["lexer", "a-task-with-a-very-long-name-indeed"] {
            let (base, session) = (CommitId::new("0"), SessionId::new("s"));
            board.event(&Event::AttemptStarted { attempt: attempt(task), base, session }, Timestamp(1000));
        }
        let step = StepId { attempt: attempt("lexer"), step: 1 };
        board.event(&Event::PhaseReached { step, phase: Phase::Implementation }, Timestamp(2000));
        board.activity(&Activity {
            task: TaskId::new("lexer"),
            phase: None,
            action: "Edit \u{1b}[31msrc/\nlexer.rs\u{202e}".into(),
            usage: Usage {
                input_tokens: 12_000,
                output_tokens: 345,
                cost_microusd: 123_400,
                ..Usage::default()
            },
        });
        board
    }

    #[test]
    fn a_row_holds_what_is_known_in_the_columns_there_are() {
        let board = board();
        let names = name_columns(&board);
        for columns in [0, 5, 20, 40, 60, 80, 120] {
            for one in board.rows() {
                assert!(text::width(&row(one, Timestamp(64_000), names, columns)) <= columns);
            }
        }
        let lines: Vec<String> = [60, 80, 110]
            .into_iter()
            .flat_map(|columns| {
                board.rows().iter().take(2).map(move |one| row(one, Timestamp(64_000), names, columns))
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_small_terminal_shows_some_and_counts_the_rest() {
        let board = board();
        assert_eq!(block(&board, Timestamp(64_000), 10, 80).len(), 3);
        let lines = block(&board, Timestamp(64_000), 1, 80);
        assert_eq!((lines.len(), lines[0].as_str()), (2, "… and 2 tasks more"));
    }

    #[test]
    fn the_overall_line_counts() {
        let mut board = board();
        assert_eq!(overall(&board, Timestamp(64_000)), "0/3 done, 2 running  1m 04s  12.3k tokens  $0.12");
        let finished = Event::TaskFinished {
            run: RunId::new("r"),
            task: TaskId::new("lexer"),
            outcome: Outcome::Failed,
            verdict: None,
            detail: String::new(),
        };
        board.event(&finished, Timestamp(65_000));
        assert_eq!(
            overall(&board, Timestamp(66_000)),
            "1/3 done, 1 running, 1 not succeeded  1m 06s  12.3k tokens  $0.12"
        );
    }

    #[test]
    fn what_waits_says_for_what_and_how_long() {
        let mut board = board();
        let attempt = AttemptId { run: RunId::new("r"), task: TaskId::new("lexer"), attempt: 1 };
        let suspended = |until| Event::AttemptSuspended {
            attempt: attempt.clone(),
            because: "API Error: 529 Overloaded".into(),
            until,
            alone: false,
        };
        let now = Timestamp(64_000);
        let shown = |board: &Board| block(board, now, 10, 100);
        board.event(&suspended(Some(Timestamp(75_500))), now);
        let lines = shown(&board);
        assert!(lines[0].starts_with("a-task"), "what runs comes first: {lines:?}");
        assert!(lines[1].contains("again in 12s: API Error: 529 Overloaded"), "{lines:?}");
        assert_eq!(
            overall(&board, now),
            "0/3 done, 1 running, 1 to be taken up again  1m 04s  12.3k tokens  $0.12"
        );
        let run = RunId::new("r");
        board.event(&Event::ClockJumped { run: run.clone(), by: 10_000 }, now);
        assert!(shown(&board)[1].contains("again in 22s"));
        board.event(&suspended(None), now);
        assert!(shown(&board)[1].contains("again as soon as it can"));
        board.event(&Event::TaskHeld { run: run.clone(), task: TaskId::new("lexer") }, now);
        assert!(shown(&board)[1].contains("  paused "));
        board.event(
            &Event::DispatchHeld { run: run.clone(), hold: Hold::Disk, reason: "1 MiB left".into() },
            now,
        );
        let (agent, reason) = ("claude".to_owned(), "limit".to_owned());
        let limited = Event::AccountLimited { run: run.clone(), agent, until: Timestamp(67_000), reason };
        board.event(&limited, now);
        let lines = shown(&board);
        assert_eq!(lines[2], "the disk is nearly full: nothing begins until there is room");
        assert_eq!(lines[3], "the limit of claude's account is reached; it goes on in 3s");
        board.event(&Event::DispatchFreed { run, hold: Hold::Disk }, now);
        assert_eq!(block(&board, Timestamp(67_000), 10, 100).len(), 3, "both are over");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0, 999, 1000, 999_949, 999_950, 12_345_678].map(tokens),
            ["0", "999", "1.0k", "999.9k", "1.0M", "12.3M"]
        );
        assert_eq!([0, 1234, 10_000, 1_500_000].map(dollars), ["$0.00", "$0.0012", "$0.01", "$1.50"]);
    }
}
