//! What `decide` gives at every stage of a task for every report and command, as a snapshot to be read: facts, then
//! `->` effects. What gives nothing is left out.

mod common;

use common::stages::{COMPOSED, STAGES, WORK, at, crashed};
use common::*;
use gadugi_core::{
    AdvanceFailure, Collected, Command, Composition, Decision, Effect, EndClass, Input, Millis, Outcome,
    Phase, Reply, Report, Salvage, StepExit, Target, decide,
};

fn effect_word(effect: &Effect) -> String {
    match effect {
        Effect::LaunchStep { kind, .. } => format!("launch {}", kind.word()),
        Effect::AdoptStep { kind, .. } => format!("adopt {}", kind.word()),
        Effect::StopStep { force, .. } => format!("stop {force:?}"),
        effect => effect.word().to_owned(),
    }
}

fn shown(decision: &Decision) -> String {
    let facts = decision.events.iter().map(|event| match event {
        gadugi_core::Event::TaskFinished { task, outcome, verdict, .. } => match verdict {
            Some(verdict) => format!("{task} {outcome}/{verdict}"),
            None => format!("{task} {outcome}"),
        },
        gadugi_core::Event::StopRequested { cause, .. } => format!("stop-requested({cause:?})"),
        gadugi_core::Event::AttemptSuspended { until: Some(_), alone: true, .. } => "suspended alone".into(),
        gadugi_core::Event::AttemptSuspended { until: Some(_), .. } => "suspended for a time".into(),
        gadugi_core::Event::MergePutBack { until: Some(_), .. } => "put back for a time".into(),
        gadugi_core::Event::RunPaused { cause, .. } => format!("run-paused({cause:?})"),
        event => event.word().to_owned(),
    });
    let mut text = facts.collect::<Vec<_>>().join(", ");
    if !decision.effects.is_empty() {
        let effects: Vec<String> = decision.effects.iter().map(effect_word).collect();
        text = format!("{text} -> {}", effects.join(", "));
    }
    match &decision.reply {
        Some(Reply::Refused(refusal)) => format!("refused: {refusal}"),
        _ => text.trim().to_owned(),
    }
}

/// Reports as they would come about the present attempt, step and merge of `a`.
fn reports(story: &Story) -> Vec<(String, Report)> {
    let number = story.task("a").attempts;
    let id = || attempt("a", number);
    let now = || step("a", number, story.task("a").steps);
    let composed = |result| Report::Composed {
        run: run_id(),
        task: task("a"),
        work: commit(WORK),
        onto: commit("base"),
        result,
    };
    let advanced = |result| Report::Advanced { run: run_id(), task: task("a"), to: commit(COMPOSED), result };
    let collected = |changed: &[&str]| {
        let changed = changed.iter().map(|path| (*path).to_owned()).collect();
        Report::WorkCollected {
            attempt: id(),
            result: Ok(Collected { commit: commit(WORK), changed, committed_rest: false }),
        }
    };
    let ended_as = |end| Report::StepEnded { step: now(), end };
    let quiet = |seconds, after_result| Report::StepQuiet {
        step: now(),
        quiet: Millis::seconds(seconds),
        after_result,
    };
    let no = || "no".to_owned();
    let list: Vec<(&str, Report)> = vec![
        ("opened", Report::IntegrationOpened { run: run_id(), result: Ok(commit("base")) }),
        ("not opened", Report::IntegrationOpened { run: run_id(), result: Err(no()) }),
        ("prepared", Report::WorkspacePrepared { attempt: id(), result: Ok(("/w".into(), "b".into())) }),
        ("not prepared", Report::WorkspacePrepared { attempt: id(), result: Err(no()) }),
        ("started", Report::StepStarted { step: now(), process: process() }),
        ("phase", Report::PhaseReached { step: now(), phase: Phase::Documentation }),
        ("quiet", quiet(600, false)),
        ("quiet for long", quiet(1800, false)),
        ("quiet after a result", quiet(30, true)),
        ("alive", Report::StepAlive { step: now() }),
        ("fills the disk", Report::DiskUsed { step: now(), bytes: u64::MAX }),
        ("limited", Report::AccountLimited { step: now(), until: None, reason: no() }),
        ("ended, exit 0", ended_as(ended(StepExit::Code(0)))),
        ("ended, done", ended_as(done())),
        ("ended, crashed", ended_as(crashed())),
        ("ended, overloaded", ended_as(spoken(EndClass::Overloaded, None))),
        ("ended, usage limit", ended_as(spoken(EndClass::UsageLimit { resets_at: None }, None))),
        ("ended, max turns", ended_as(spoken(EndClass::MaxTurns, None))),
        ("ended, auth", ended_as(spoken(EndClass::Auth, None))),
        ("ended, out of memory", ended_as(ended(StepExit::OutOfMemory))),
        ("ended, stopped", ended_as(stopped())),
        ("ended, not started", ended_as(ended(StepExit::NotStarted("no such program".into())))),
        ("ended, lost", ended_as(ended(StepExit::Lost))),
        ("ended, lease lapsed", ended_as(ended(StepExit::LeaseLapsed))),
        ("collected", collected(&["a.rs"])),
        ("collected nothing", collected(&[])),
        ("not collected", Report::WorkCollected { attempt: id(), result: Err(no()) }),
        ("composed", composed(Composition::Clean(commit(COMPOSED)))),
        ("conflict", composed(Composition::Conflict(vec!["a.rs".into()]))),
        ("not composed", composed(Composition::Failed(no()))),
        ("advanced", advanced(Ok(()))),
        ("moved", advanced(Err(AdvanceFailure::Moved(commit("elsewhere"))))),
        ("not advanced", advanced(Err(AdvanceFailure::Failed(no())))),
        ("salvaged", Report::WorkSalvaged { attempt: id(), salvage: Salvage::Nothing }),
        ("tidied", Report::Tidied { run: run_id(), kept: vec![] }),
    ];
    list.into_iter().map(|(name, report)| (name.to_owned(), report)).collect()
}

fn commands() -> Vec<(String, Command)> {
    let run = run_id;
    let list = vec![
        ("cancel a", Command::Cancel { run: run(), target: only("a") }),
        ("cancel all", Command::Cancel { run: run(), target: Target::All }),
        ("pause", Command::Pause { run: run(), target: Target::All }),
        ("pause a", Command::Pause { run: run(), target: only("a") }),
        ("interrupt", Command::Interrupt { run: run(), now: false }),
        ("interrupt now", Command::Interrupt { run: run(), now: true }),
        ("resume", Command::Resume { run: run(), target: Target::All }),
        ("resume a", Command::Resume { run: run(), target: only("a") }),
        ("retry a", Command::Retry { run: run(), target: only("a"), with: None }),
        ("retry all", Command::Retry { run: run(), target: Target::All, with: None }),
        ("clock jumped", Command::ClockJumped { by: 3_600_000 }),
        ("restart", Command::Restart),
        (
            "start again",
            Command::StartRun { run: run(), plan: plan(&["a"], &[]), settings: Box::new(settings()) },
        ),
    ];
    list.into_iter().map(|(name, command)| (name.to_owned(), command)).collect()
}

/// The stages at which decide is asked: a task is merged and finished in one transaction.
fn asked() -> impl Iterator<Item = &'static str> {
    STAGES.into_iter().map(|(stage, _)| stage).filter(|stage| *stage != "merged")
}

/// How somebody had disturbed the run before.
fn disturbed(story: &Story, how: &str) -> Option<Story> {
    let mut story = story.clone();
    let command = match how {
        "" => return Some(story),
        "cancelled" => Command::Cancel { run: run_id(), target: only("a") },
        "interrupted" => Command::Interrupt { run: run_id(), now: false },
        "held" => Command::Pause { run: run_id(), target: only("a") },
        _ => Command::Pause { run: run_id(), target: Target::All },
    };
    let decision = story.once(Input::Command(command));
    (!decision.events.is_empty() && story.task("a").active().is_some()).then_some(story)
}

#[test]
fn what_every_report_and_command_gives_at_every_stage() {
    let mut text = String::new();
    for stage in asked() {
        for how in ["", "cancelled", "interrupted", "paused", "held"] {
            let Some(story) = disturbed(&at(stage), how) else { continue };
            text += format!("{stage} {how}").trim();
            text += "\n";
            let mut line = |name: &str, input: Input| {
                let decision = decide(&story.state, story.now, input);
                let shown = shown(&decision);
                // The refusals are the same whatever disturbed the run.
                if !shown.is_empty() && (how.is_empty() || !shown.starts_with("refused")) {
                    text += &format!("    {name:<21} {shown}\n");
                }
            };
            line("tick", Input::Tick);
            reports(&story).into_iter().for_each(|(name, report)| line(&name, Input::Report(report)));
            commands().into_iter().for_each(|(name, command)| line(&name, Input::Command(command)));
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_report_that_comes_twice_gives_nothing_the_second_time() {
    let mut taken = 0;
    for stage in asked() {
        // A second report of silence is one more look at it, and what the second stage of the verdict waits for.
        for (name, report) in reports(&at(stage)).into_iter().filter(|(name, _)| name != "quiet for long") {
            let mut story = at(stage);
            if story.once(Input::Report(report.clone())).is_empty() {
                continue;
            }
            taken += 1;
            let again = decide(&story.state, story.now, Input::Report(report.clone()));
            assert!(again.is_empty(), "{stage}: {name} at once again: {}", shown(&again));
            while !story.once(Input::Tick).is_empty() {
                let again = decide(&story.state, story.now, Input::Report(report.clone()));
                assert!(again.is_empty(), "{stage}: {name} later again: {}", shown(&again));
            }
        }
    }
    assert!(taken > 40, "only {taken} reports were taken in at all");
}

#[test]
fn a_report_of_an_earlier_attempt_another_step_or_another_merge_gives_nothing() {
    for stage in asked() {
        let story = at(stage);
        let state = story.task("a");
        let early = attempt("a", state.attempts - 1);
        let mut foreign: Vec<Report> = vec![
            Report::WorkspacePrepared { attempt: early.clone(), result: Ok(("/w".into(), "b".into())) },
            Report::WorkCollected { attempt: early.clone(), result: Err("no".into()) },
        ];
        let there = step("a", state.attempts, state.steps);
        for id in [
            step("a", state.attempts - 1, state.steps),
            step("a", state.attempts, state.steps + 1),
            step("a", state.attempts, state.steps.wrapping_sub(1)),
            step("b", state.attempts, state.steps),
            step("z", state.attempts, state.steps),
            gadugi_core::StepId {
                attempt: gadugi_core::AttemptId { run: gadugi_core::RunId::new("another"), ..there.attempt },
                ..there
            },
        ] {
            foreign.push(Report::StepStarted { step: id.clone(), process: process() });
            foreign.push(Report::PhaseReached { step: id.clone(), phase: Phase::Documentation });
            foreign.push(Report::StepAlive { step: id.clone() });
            foreign.push(Report::DiskUsed { step: id.clone(), bytes: u64::MAX });
            let reason = "weekly limit".to_owned();
            foreign.push(Report::AccountLimited { step: id.clone(), until: None, reason });
            let (quiet, after_result) = (Millis::seconds(9999), true);
            foreign.push(Report::StepQuiet { step: id.clone(), quiet, after_result });
            foreign.push(Report::StepEnded { step: id, end: done() });
        }
        for (work, onto, to) in [("old", "base", "old"), (WORK, "elsewhere", "elsewhere")] {
            let result = Composition::Clean(commit(COMPOSED));
            let (work, onto) = (commit(work), commit(onto));
            foreign.push(Report::Composed { run: run_id(), task: task("a"), work, onto, result });
            let to = commit(to);
            foreign.push(Report::Advanced { run: run_id(), task: task("a"), to, result: Ok(()) });
        }
        for report in foreign {
            let decision = decide(&story.state, story.now, Input::Report(report.clone()));
            assert!(decision.is_empty(), "{stage}: {report:?}: {}", shown(&decision));
        }
    }
}

#[test]
fn a_restart_owes_exactly_what_was_under_way() {
    for (stage, owed) in [
        ("waiting", vec![]),
        ("preparing", vec!["prepare-workspace"]),
        ("ready", vec![]),
        ("setup-intended", vec!["adopt setup"]),
        ("setup-running", vec!["adopt setup"]),
        ("agent-intended", vec!["adopt agent"]),
        ("agent-running", vec!["adopt agent"]),
        ("collecting", vec!["collect-work"]),
        ("suspended", vec![]),
        ("suspended-until", vec![]),
        ("queued", vec![]),
        ("queued-until", vec![]),
        ("composing", vec!["compose"]),
        ("composed", vec![]),
        ("verify-intended", vec!["adopt verify"]),
        ("verify-running", vec!["adopt verify"]),
        ("advancing", vec!["advance"]),
        ("succeeded", vec![]),
        ("failed-owed", vec!["salvage-work"]),
        ("failed", vec![]),
        ("run-ending", vec!["tidy-run"]),
        ("run-over", vec![]),
    ] {
        let effects: Vec<String> =
            gadugi_core::outstanding(&at(stage).state).iter().map(effect_word).collect();
        assert_eq!(effects, owed, "{stage}");
    }
    let mut cancelled = at("agent-running");
    cancelled.command(Command::Cancel { run: run_id(), target: Target::All });
    let effects: Vec<String> = gadugi_core::outstanding(&cancelled.state).iter().map(effect_word).collect();
    assert_eq!(effects, ["adopt agent"], "it is stopped once it is found");
    let unopened = Story::of(plan(&["a"], &[]), settings());
    let effects: Vec<String> = gadugi_core::outstanding(&unopened.state).iter().map(effect_word).collect();
    assert_eq!(effects, ["open-integration"]);
}

#[test]
fn who_asks_twice_is_in_a_hurry() {
    for (command, waiting) in [
        (Command::Interrupt { run: run_id(), now: false }, "agent-running"),
        (Command::Interrupt { run: run_id(), now: false }, "verify-running"),
        (Command::Cancel { run: run_id(), target: Target::All }, "agent-running"),
    ] {
        let mut story = at(waiting);
        let first: Vec<String> = story.command(command.clone()).effects.iter().map(effect_word).collect();
        let second: Vec<String> = story.command(command).effects.iter().map(effect_word).collect();
        assert_eq!(
            (first, second),
            (vec!["stop Grace".to_owned()], vec!["stop Now".to_owned()]),
            "{waiting}"
        );
    }
}

#[test]
fn what_is_over_stays_over_whatever_comes() {
    let story = at("succeeded");
    for (name, report) in reports(&story) {
        let decision = decide(&story.state, story.now, Input::Report(report));
        assert!(decision.is_empty(), "{name}: {}", shown(&decision));
    }
    assert_eq!(story.task("a").outcome(), Some(&Outcome::Succeeded));
}
