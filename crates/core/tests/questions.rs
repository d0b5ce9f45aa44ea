//! Tasks that ask: their answer is looked at in place of their work.

mod common;

use common::*;
use gadugi_core::{
    Appraisal, Command, CommitId, Decision, Effect, EndClass, Event, Millis, Outcome, Phase, PhaseStatus,
    Plan, Purpose, Report, RunSettings, SessionMode, Stage, StepKind, TaskStatus, Verdict, outstanding,
};

fn question() -> Plan {
    let mut plan = plan(&["large", "after"], &[("large", "after")]);
    plan.tasks[0].purpose = Purpose::Decompose(12);
    plan
}

/// The agent of the question runs.
fn asked() -> Story {
    Story::of_agents(question(), settings())
}

fn appraisal(faults: &[&str], doubts: &[&str]) -> Appraisal {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Appraisal { gist: "3 tasks".into(), faults: words(faults), doubts: words(doubts) }
}

fn answers(story: &mut Story, appraisal: Appraisal) -> Decision {
    let step = story.current("large");
    story.report(Report::AnswerTaken { step, result: Ok(appraisal) })
}

/// It says that it is done, and its answer is looked at.
fn says(story: &mut Story, appraisal: Appraisal) -> Decision {
    let step = story.current("large");
    let end = story.ends("large", done());
    assert!(end.effects.contains(&Effect::TakeAnswer { step }), "{end:?}");
    assert!(!end.effects.iter().any(|effect| matches!(effect, Effect::CollectWork { .. })));
    answers(story, appraisal)
}

#[test]
fn a_good_answer_ends_its_task_and_changes_nothing() {
    let mut story = asked();
    let decision = says(&mut story, appraisal(&[], &[]));
    let task = story.task("large");
    assert_eq!(task.answer, Some(1));
    assert!(matches!(&task.status, TaskStatus::Finished {
        outcome: Outcome::Succeeded, verdict: Some(Verdict::NoChange), detail, ..
    } if detail == "3 tasks"));
    assert!(!task.merged && task.commit.is_none() && task.changed.is_empty());
    assert!(!words(&decision).contains(&"merge-started"), "{decision:?}");
    assert_eq!(story.word("after"), "preparing", "who waits for an answer goes on with it");
    for phase in Phase::ALL {
        let proved = matches!(task.phases[&phase], PhaseStatus::Proved { .. });
        assert_eq!(proved, matches!(phase, Phase::InitialSetup | Phase::SettingsUpdate), "{phase:?}");
    }
    assert_eq!(story.state.learnt, Default::default(), "what a question takes says nothing of work");
}

#[test]
fn a_bad_answer_goes_back_into_the_same_conversation_once() {
    let mut story = asked();
    let session = story.task("large").session.clone().unwrap();
    let decision = says(&mut story, appraisal(&["it is no JSON"], &[]));
    assert_eq!(launched(&decision), [StepKind::Agent { session, mode: SessionMode::Resume }]);
    let attempt = story.task("large").active().unwrap();
    assert_eq!((attempt.repairs, attempt.wrong.as_slice()), (1, &["it is no JSON".to_owned()][..]));
    story.started("large");
    says(&mut story, appraisal(&[], &[]));
    assert_eq!(story.task("large").answer, Some(2));
    assert_eq!(story.task("large").attempts, 1);
}

#[test]
fn an_answer_that_is_bad_twice_fails_with_the_reasons() {
    let mut story = asked();
    says(&mut story, appraisal(&["it is no JSON"], &[]));
    story.started("large");
    says(&mut story, appraisal(&["a waits for b, and b for a"], &["both write x"]));
    assert_eq!(story.word("large"), "failed");
    assert_eq!(detail(&story, "large"), "its answer will not do: a waits for b, and b for a; both write x");
    assert_eq!(story.word("after"), "skipped");
    assert_eq!(story.task("large").answer, None);
    story.salvaged("large");
    story.report(Report::Tidied { run: run_id(), kept: vec![] });
    // A person may ask again: the conversation and the count of repairs begin anew.
    story.command(Command::Retry { run: run_id(), target: only("large"), with: Some("in five".into()) });
    assert_eq!(story.task("large").active().unwrap().repairs, 0);
}

#[test]
fn a_doubt_is_raised_once_and_then_done_without() {
    let mut story = asked();
    says(&mut story, appraisal(&[], &["a and b both write x"]));
    assert_eq!(story.word("large"), "starting");
    story.started("large");
    says(&mut story, appraisal(&[], &["a and b both write x"]));
    assert_eq!(story.word("large"), "succeeded");
}

#[test]
fn an_answer_is_only_looked_for_behind_a_step_that_ended_well() {
    for class in [EndClass::Overloaded, EndClass::Crashed, EndClass::MaxTurns, EndClass::Silent] {
        let mut story = asked();
        let decision = story.ends("large", spoken(class.clone(), None));
        assert!(
            !decision.effects.iter().any(|effect| matches!(effect, Effect::TakeAnswer { .. })),
            "{class:?}"
        );
    }
}

#[test]
fn a_report_that_comes_twice_or_late_changes_nothing() {
    let mut story = asked();
    let first = story.current("large");
    says(&mut story, appraisal(&["no"], &[]));
    let late = || Report::AnswerTaken { step: first.clone(), result: Ok(appraisal(&[], &[])) };
    assert!(story.report(late()).is_empty());
    story.started("large");
    story.ends("large", done());
    assert!(story.report(late()).is_empty(), "the first answer is not the second");
    answers(&mut story, appraisal(&[], &[]));
    assert_eq!(story.task("large").answer, Some(2));
    assert!(story.report(late()).is_empty());
}

#[test]
fn after_a_crash_the_answer_is_looked_at_again() {
    let mut story = asked();
    let step = story.current("large");
    story.ends("large", done());
    assert!(outstanding(&story.state).contains(&Effect::TakeAnswer { step }));
    story.command(Command::Restart);
    answers(&mut story, appraisal(&["no"], &[]));
    // Nothing new begins until somebody says so, and then with what was wrong.
    assert!(matches!(&story.task("large").active().unwrap().stage, Stage::Suspended { .. }));
    let target = gadugi_core::Target::All;
    let resumed = story.command(Command::Resume { run: run_id(), target });
    assert!(matches!(launched(&resumed)[..], [StepKind::Agent { mode: SessionMode::Resume, .. }]));
    assert_eq!(story.task("large").active().unwrap().wrong, ["no"]);
}

#[test]
fn who_cancels_gets_no_answer() {
    let mut story = asked();
    story.ends("large", done());
    story.command(Command::Cancel { run: run_id(), target: only("large") });
    answers(&mut story, appraisal(&[], &[]));
    assert_eq!((story.word("large").as_str(), story.task("large").answer), ("cancelled", None));
}

#[test]
fn an_answer_that_cannot_be_read_fails() {
    let mut story = asked();
    story.ends("large", done());
    let step = story.current("large");
    story.report(Report::AnswerTaken { step, result: Err("stdout.jsonl: gone".into()) });
    assert_eq!(detail(&story, "large"), "its answer could not be read: stdout.jsonl: gone");
}

#[test]
fn a_question_has_no_work_and_work_has_no_answer() {
    let mut story = asked();
    story.ends("large", done());
    let mut state = story.state.clone();
    let collected = Event::WorkCollected {
        attempt: attempt("large", 1),
        commit: CommitId::new("c"),
        changed: vec![],
        committed_rest: false,
    };
    assert!(state.apply(story.now, &collected).is_err());
    let mut story =
        Story::of_agents(plan(&["a"], &[]), RunSettings { timeout: Millis::seconds(60), ..settings() });
    story.ends("a", done());
    let appraised = Event::AnswerAppraised { step: story.current("a"), taken: true, wrong: vec![] };
    assert!(story.state.clone().apply(story.now, &appraised).is_err());
}

#[test]
fn plans_of_before_there_were_questions_are_for_work() {
    let text = serde_json::to_string(&planned("a")).unwrap();
    assert!(!text.contains("purpose"), "and what is for work is written as it was: {text}");
    let mut asks = planned("a");
    asks.purpose = Purpose::Decompose(7);
    let text = serde_json::to_string(&asks).unwrap();
    assert!(text.contains(r#""purpose":{"decompose":7}"#), "{text}");
    assert_eq!(serde_json::from_str::<gadugi_core::PlannedTask>(&text).unwrap(), asks);
}
