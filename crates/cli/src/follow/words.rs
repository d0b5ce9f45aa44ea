//! What an event says to people, in one line.

use gadugi_core::{
    Event, Hold, Millis, Outcome, PauseCause, Salvage, SkipReason, StepEnd, StepExit, StepKind, StopCause,
    TaskId, Timestamp, Verdict, format_duration,
};
use gadugi_engine::protocol::TaskView;
use gadugi_sys::clock;

use super::board::Board;
use crate::text;

/// Columns of what an agent gives as its reason: it may be anything, of any length.
const LONGEST: usize = 240;

/// What is so near needs no time of the day.
const SOON: Millis = Millis::seconds(60);

/// How much somebody wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What changes the outlook: a task is over, the run is paused.
    Important,
    /// What happens.
    Normal,
    /// All of it.
    Verbose,
}

/// A moment to come, as it is waited for: `in 12s`, later `at 14:05, in 2h 10m`; `now` where it is past.
pub(crate) fn when(at: Timestamp, now: Timestamp) -> String {
    // A part of a second is one more: nobody waits for less than is said.
    let left = Millis(at.since(now).0.div_ceil(1000) * 1000);
    if left.0 == 0 {
        "now".to_owned()
    } else if left < SOON {
        format!("in {}", format_duration(left))
    } else {
        format!("at {}, in {}", clock::local(at, now), format_duration(left))
    }
}

/// The words for an event at that moment, not cleaned yet, and who wants them; none where it says nothing to people.
pub(crate) fn describe(event: &Event, at: Timestamp, board: &Board) -> Option<(Level, String)> {
    use Level::{Important, Normal, Verbose};
    let words = match event {
        Event::RunStarted { run, plan, .. } => {
            (Normal, format!("{run}: {}", count(plan.tasks.len(), "task")))
        }
        Event::IntegrationOpened { commit, .. } => {
            (Verbose, format!("integration branch at {}", short(commit.as_str())))
        }
        Event::CapacityMeasured { slots, reason, .. } => {
            (Verbose, format!("{} ({reason})", count(*slots as usize, "slot")))
        }
        Event::RunPaused { cause, detail, .. } => {
            let colon = if detail.is_empty() { "" } else { ": " };
            (Important, format!("{}{colon}{}", pause_words(*cause), text::fit(detail, LONGEST)))
        }
        Event::DispatchHeld { hold, reason, .. } => (Important, format!("{} ({reason})", hold_words(*hold))),
        Event::DispatchFreed { hold, .. } => (Normal, freed_words(*hold).to_owned()),
        Event::AccountLimited { agent, until, reason, .. } => {
            let (until, reason) = (when(*until, at), text::fit(reason, LONGEST));
            (Important, format!("the limit of {agent}'s account is reached; it goes on {until} ({reason})"))
        }
        Event::ClockJumped { by, .. } => (Verbose, format!("the clock jumped by {by} ms")),
        Event::RunResumed { .. } => (Important, "the run goes on".to_owned()),
        Event::RunEnding { .. } => (Verbose, "all tasks are over; tidying up".to_owned()),
        Event::RunLanded { into, commit, .. } => {
            (Important, format!("landed on {into} at {}", short(commit.as_str())))
        }
        Event::RunFinished { .. } | Event::PhasesRecorded { .. } => return None,
        Event::TaskFinished { task, outcome, verdict, detail, .. } => {
            (Important, finished(task, outcome, *verdict, detail))
        }
        Event::TaskHeld { task, .. } => (Important, format!("{task}: paused")),
        Event::TaskReleased { task, .. } => (Important, format!("{task}: goes on")),
        Event::TaskRevived { task, .. } => (Normal, format!("{task}: wanted again")),
        other => {
            let (level, words) = of_attempt(other, at, board)?;
            (level, format!("{}: {words}", other.task()?))
        }
    };
    Some(words)
}

fn of_attempt(event: &Event, at: Timestamp, board: &Board) -> Option<(Level, String)> {
    use Level::{Important, Normal, Verbose};
    Some(match event {
        Event::AttemptStarted { attempt, .. } if attempt.attempt > 1 => {
            (Normal, format!("begins (try {})", attempt.attempt))
        }
        Event::AttemptStarted { .. } => (Normal, "begins".to_owned()),
        Event::WorkspacePrepared { path, branch, .. } => (Verbose, format!("workspace {path} on {branch}")),
        Event::StepIntended { step, what, .. } => (Verbose, format!("step {}: {}", step.step, what.word())),
        Event::StepStarted { step, process } => {
            (Verbose, format!("step {} runs (shim pid {})", step.step, process.pid))
        }
        Event::PhaseReached { phase, .. } => (Normal, format!("phase {} {}", phase.number(), phase.title())),
        Event::StopRequested { cause, .. } => {
            // What a person paused or interrupted was said to be so already.
            let asked = matches!(cause, StopCause::Held | StopCause::Interrupt);
            let level = if asked { Verbose } else { Important };
            (level, format!("being stopped: {}", stop_words(*cause)))
        }
        Event::StepEnded { step, end } => {
            let kind = board.step_kind(&step.attempt.task).map_or("step", StepKind::word);
            step_ended(kind, end)
        }
        Event::WorkCollected { changed, committed_rest, .. } => {
            let rest = if *committed_rest { "; what was uncommitted is committed" } else { "" };
            (Normal, format!("{} changed{rest}", count(changed.len(), "file")))
        }
        Event::AnswerAppraised { taken: true, wrong, .. } if wrong.is_empty() => {
            (Verbose, "its answer is taken".to_owned())
        }
        Event::AnswerAppraised { taken: true, wrong, .. } => {
            (Normal, format!("its answer is taken as it is: {}", wrong.join("; ")))
        }
        Event::AnswerAppraised { wrong, .. } => {
            (Normal, format!("its answer will not do: {}", wrong.join("; ")))
        }
        Event::MergeStarted { onto, .. } => (Verbose, format!("merging onto {}", short(onto.as_str()))),
        Event::MergeComposed { commit, .. } => (Verbose, format!("merges as {}", short(commit.as_str()))),
        Event::MergeAccepted { verified: true, .. } => (Normal, "the composed tree passes".to_owned()),
        Event::MergeAccepted { .. } => (Verbose, "nothing tests the composed tree".to_owned()),
        Event::IntegrationMoved { .. } => (Verbose, "the integration branch moved; merging again".to_owned()),
        Event::MergePutBack { because, .. } => (Normal, format!("merge put back: {because}")),
        Event::TaskMerged { commit, .. } => (Normal, format!("merged at {}", short(commit.as_str()))),
        Event::AttemptSuspended { because, until, alone, .. } => {
            let alone = if *alone { ", with nothing beside it" } else { "" };
            let when = until.map_or_else(String::new, |until| format!(" {}", when(until, at)));
            let level = if board.is_paused(event.task()?) { Verbose } else { Important };
            (level, format!("to be taken up again{when}{alone}: {}", text::fit(because, LONGEST)))
        }
        Event::StepSuspected { quiet, .. } => {
            (Important, format!("has given no sign of life for {}", format_duration(*quiet)))
        }
        Event::StepCleared { .. } => (Normal, "gives signs of life again".to_owned()),
        Event::WorkSalvaged { salvage, .. } => return salvaged(salvage),
        _ => return None,
    })
}

fn salvaged(salvage: &Salvage) -> Option<(Level, String)> {
    match salvage {
        Salvage::Nothing => None,
        Salvage::Kept { reference, .. } => Some((
            Level::Important,
            format!("what it left uncommitted is kept (git diff {reference}^ {reference})"),
        )),
        Salvage::Failed { because } => Some((
            Level::Important,
            format!("what it left uncommitted is still in its workspace and could not be saved: {because}"),
        )),
    }
}

fn step_ended(kind: &str, end: &StepEnd) -> (Level, String) {
    let took = format_duration(end.wall);
    let fine = match &end.agent {
        Some(agent) => agent.class == gadugi_core::EndClass::Done,
        None => end.passed(),
    };
    if fine || end.stopped {
        return (Level::Verbose, format!("{kind} ended after {took}"));
    }
    let words = match &end.agent {
        Some(agent) => format!(
            "{kind} ended ({}) after {took}: {}",
            agent.class.word(),
            text::fit(&agent.detail, LONGEST)
        ),
        None => {
            let last = last_line(&end.tail);
            let colon = if last.is_empty() { "" } else { ": " };
            format!("{kind} {} after {took}{colon}{last}", exit_words(&end.exit))
        }
    };
    (Level::Normal, words)
}

fn exit_words(exit: &StepExit) -> String {
    match exit {
        StepExit::Code(code) => format!("failed (exit {code})"),
        StepExit::Signal(signal) => format!("was ended by signal {signal}"),
        StepExit::OutOfMemory => "was killed by the kernel for want of memory".into(),
        StepExit::NotStarted(why) => format!("could not start ({why})"),
        StepExit::NeverBegan => "never began (no engine)".to_owned(),
        StepExit::LeaseLapsed => "was stopped (no engine)".to_owned(),
        StepExit::Lost => "was lost".to_owned(),
        StepExit::EndedByEngine => "ended with its container, which was stopped from outside".to_owned(),
        StepExit::TooMuchOutput => "was stopped (too much output)".to_owned(),
    }
}

/// A task's end: `✓ lexer: succeeded, verified`.
pub(crate) fn finished(task: &TaskId, outcome: &Outcome, verdict: Option<Verdict>, detail: &str) -> String {
    let verdict = verdict.map_or_else(String::new, |verdict| format!(", {verdict}"));
    let because = match outcome {
        Outcome::Skipped { because: SkipReason::Dependency(on) } => format!(" because {on} did not succeed"),
        Outcome::Skipped { because: SkipReason::Budget } => " because the budget was spent".to_owned(),
        _ if detail.is_empty() || detail == outcome.word() => String::new(),
        _ => format!(": {}", text::fit(detail, LONGEST)),
    };
    format!("{} {task}: {outcome}{verdict}{because}", mark(outcome.word()))
}

/// The sign for an outcome.
pub(crate) fn mark(outcome: &str) -> &'static str {
    match outcome {
        "succeeded" => "✓",
        "skipped" | "cancelled" => "-",
        _ => "✗",
    }
}

fn pause_words(cause: PauseCause) -> &'static str {
    match cause {
        PauseCause::Asked => "the run is paused; what runs goes on",
        PauseCause::Interrupted => "the run is interrupted; stopping what runs",
        PauseCause::AuthRefused => "the run is paused: the agent's credential was refused",
        PauseCause::EngineLost => "the engine was away; what runs was taken over, nothing new begins",
    }
}

/// How people are told of what holds a run back.
pub(crate) fn hold_words(hold: Hold) -> &'static str {
    match hold {
        Hold::Memory => "there is little memory: tasks begin one at a time",
        Hold::Room => "a task waits until there is memory for it; those that fit beside it go on",
        Hold::Cpu => "the processors are busy: without --max-parallel, tasks begin one at a time",
        Hold::Disk => "the disk is nearly full: nothing begins until there is room",
        Hold::Budget => {
            "what is left of the budget is set aside for tasks that run: nothing begins until some of it comes back"
        }
        Hold::Alone => "a task that was killed for want of memory runs alone",
        Hold::Api => "the model API is overloaded: tasks begin one at a time",
    }
}

fn freed_words(hold: Hold) -> &'static str {
    match hold {
        Hold::Memory => "there is memory again",
        Hold::Room => "there is memory for those that waited",
        Hold::Cpu => "the processors have room again",
        Hold::Disk => "there is room on the disk again",
        Hold::Budget => "there is budget to be set aside again",
        Hold::Alone => "others may run again",
        Hold::Api => "the model API takes requests again",
    }
}

fn stop_words(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Timeout => "its time is over",
        StopCause::Cancel => "cancelled",
        StopCause::Interrupt => "interrupted",
        StopCause::Held => "paused",
        StopCause::Hung => "it gave no sign of life",
        StopCause::Lingered => "it lived on after its final result",
        StopCause::DiskLimit => "it takes more of the disk than a task may",
    }
}

fn last_line(text: &str) -> String {
    text::line(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default())
}

/// `1 task`, `3 tasks`.
pub(crate) fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// A commit as people read it.
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

/// `a`, `a and b`, `a, b and 3 more`.
pub(crate) fn names(tasks: &[&TaskView]) -> String {
    const SHOWN: usize = 5;
    let mut words: Vec<String> = tasks.iter().take(SHOWN).map(|task| task.id.to_string()).collect();
    if tasks.len() > SHOWN {
        words.push(format!("{} more", tasks.len() - SHOWN));
    }
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_by_its_length_and_a_long_one_by_its_end_too() {
        let now = Timestamp(1_800_000_000_000);
        let when = |millis: i64| when(Timestamp(now.0 + millis), now);
        assert_eq!(
            [when(-5), when(0), when(1), when(11_001), when(59_000)],
            ["now", "now", "in 1s", "in 12s", "in 59s"]
        );
        let later = when(130 * 60 * 1000);
        assert!(later.starts_with("at ") && later.ends_with(", in 2h 10m"), "{later}");
    }
}
