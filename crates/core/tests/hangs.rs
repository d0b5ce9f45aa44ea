//! When silence is taken for a hang, with the numbers that a run has by default.

mod common;

use common::stages::at;
use common::*;
use gadugi_core::{
    Decision, Effect, EndClass, HangSettings, Input, Millis, Report, RunSettings, SessionMode, StepEnd,
    StepKind, StopForce,
};

const MINUTE: u64 = 60;

/// How often the engine looks at what is quiet.
const LOOK: u64 = 30;

fn agent() -> Story {
    Story::of_agents(plan(&["a"], &[]), settings())
}

/// The engine looks at a step that has been quiet for so many seconds.
fn quiet(story: &mut Story, seconds: u64) -> Decision {
    let step = story.current("a");
    story.now = story.now + Millis::seconds(LOOK);
    story.report(Report::StepQuiet { step, quiet: Millis::seconds(seconds), after_result: false })
}

fn quiet_after_result(story: &mut Story, seconds: u64) -> Decision {
    let step = story.current("a");
    story.report(Report::StepQuiet { step, quiet: Millis::seconds(seconds), after_result: true })
}

fn alive(story: &mut Story) -> Decision {
    let step = story.current("a");
    story.report(Report::StepAlive { step })
}

fn suspected(story: &Story) -> Option<Millis> {
    let suspicion = story.task("a").active().and_then(|attempt| attempt.step()?.suspected);
    suspicion.map(|suspicion| suspicion.quiet)
}

/// Looks at a step that is quiet from now on, until that many seconds of silence; what followed, with when.
fn silence(story: &mut Story, until: u64) -> Vec<(u64, String)> {
    let mut followed = Vec::new();
    for seconds in (LOOK..=until).step_by(LOOK as usize) {
        let decision = quiet(story, seconds);
        followed.extend(words(&decision).iter().map(|word| (seconds, (*word).to_owned())));
        let stop = |effect: &Effect| matches!(effect, Effect::StopStep { force: StopForce::Grace, .. });
        let stops = decision.effects.iter().filter(|effect| stop(effect)).count();
        assert_eq!(stops, decision.effects.len(), "{:?}", decision.effects);
        assert_eq!(stops, words(&decision).iter().filter(|word| **word == "stop-requested").count());
    }
    followed
}

/// An hour of work in which a line, a file or some processor time comes at least every nine minutes: compiling, say.
#[test]
fn what_gives_signs_is_never_even_suspected() {
    let mut story = agent();
    for _ in 0..7 {
        assert_eq!(silence(&mut story, 9 * MINUTE), []);
        assert!(alive(&mut story).is_empty(), "it was not suspected, so that there is nothing to take back");
    }
    assert_eq!((story.word("a"), suspected(&story)), ("running".into(), None));
}

/// A model that thinks for 20 minutes says nothing, computes nothing here and touches no file.
#[test]
fn what_thinks_for_twenty_minutes_without_any_sign_is_shown_and_left_alone() {
    let mut story = agent();
    assert_eq!(silence(&mut story, 20 * MINUTE), [(10 * MINUTE, "step-suspected".into())]);
    assert_eq!(suspected(&story), Some(Millis::seconds(10 * MINUTE)));
    assert_eq!(story.task("a").active().and_then(|attempt| attempt.stopping), None);
    assert_eq!(words(&alive(&mut story)), ["step-cleared"]);
    assert_eq!(suspected(&story), None);
    assert!(alive(&mut story).is_empty());
    // It falls silent again: all begins anew.
    assert_eq!(silence(&mut story, 29 * MINUTE), [(10 * MINUTE, "step-suspected".into())]);
    story.ends("a", done());
    assert_eq!(story.word("a"), "collecting");
}

#[test]
fn what_gives_no_sign_for_thirty_minutes_is_stopped_once_and_taken_up_again() {
    let mut story = agent();
    let session = story.task("a").session.clone().expect("a session");
    let followed = silence(&mut story, 40 * MINUTE);
    let (suspect, stop) = ("step-suspected".to_owned(), "stop-requested".to_owned());
    assert_eq!(followed, [(10 * MINUTE, suspect), (30 * MINUTE, stop)]);
    let mut decision = story.ends("a", stopped());
    let (because, until, alone) = suspension(&decision).expect("it is taken up again");
    assert_eq!((because.as_str(), alone), ("it gave no sign of life", false));
    assert!(until.is_some());
    decision.effects.extend(story.later(Millis::seconds(2)).effects);
    assert_eq!(launched(&decision), [StepKind::Agent { session, mode: SessionMode::Resume }]);
    story.all_start();
    assert_eq!(silence(&mut story, 10 * MINUTE).len(), 1, "the next step is looked at afresh");
}

#[test]
fn suspicion_alone_stops_nothing_however_late_it_comes() {
    // An engine that was away looks at last, and nobody has seen the first stage.
    let mut story = agent();
    assert_eq!(words(&quiet(&mut story, 100 * MINUTE)), ["step-suspected"]);
    assert_eq!(words(&quiet(&mut story, 100 * MINUTE)), ["stop-requested"]);
    assert!(quiet(&mut story, 101 * MINUTE).is_empty());
}

#[test]
fn ticks_and_time_alone_suspect_nobody() {
    let mut story = agent();
    for _ in 0..119 {
        assert!(story.later(Millis::seconds(MINUTE)).is_empty());
    }
    assert_eq!(words(&story.later(Millis::seconds(MINUTE))), ["stop-requested"], "its two hours are over");
}

#[test]
fn what_lives_on_after_its_result_gets_thirty_seconds_and_what_it_said_stands() {
    let mut story = agent();
    assert!(quiet_after_result(&mut story, 29).is_empty());
    assert_eq!(words(&quiet_after_result(&mut story, 30)), ["stop-requested"]);
    assert!(quiet_after_result(&mut story, 60).is_empty());
    let end = story.ends("a", StepEnd { stopped: true, ..done() });
    assert!(end.effects.iter().any(|effect| matches!(effect, Effect::CollectWork { .. })));
    assert_eq!(story.word("a"), "collecting");
}

#[test]
fn what_lived_on_after_a_bad_result_has_that_result() {
    let mut story = agent();
    quiet_after_result(&mut story, 30);
    let decision = story.ends("a", StepEnd { stopped: true, ..spoken(EndClass::Overloaded, None) });
    assert_eq!(suspension(&decision).expect("again").0, "overloaded: said");
    let tally = story.task("a").active().map(|attempt| attempt.tally.transient);
    assert_eq!(tally, Some(1), "its own silence brought it about, nobody's wish");
}

/// A result is not the end: an agent may go on and write another one.
#[test]
fn what_writes_on_after_a_result_is_judged_like_any_other() {
    let mut story = agent();
    assert!(quiet(&mut story, 60).is_empty());
    assert_eq!(words(&quiet(&mut story, 10 * MINUTE)), ["step-suspected"]);
}

/// What a step that hung says when it is stopped is no success.
#[test]
fn a_hung_agent_that_says_done_while_it_is_stopped_is_taken_up_again() {
    let mut story = agent();
    silence(&mut story, 30 * MINUTE);
    let decision = story.ends("a", StepEnd { stopped: true, ..done() });
    assert_eq!(suspension(&decision).expect("again").0, "it gave no sign of life");
    // One that ended by itself before the stop reached it was done.
    let mut story = agent();
    silence(&mut story, 30 * MINUTE);
    story.ends("a", done());
    assert_eq!(story.word("a"), "collecting");
}

/// Whatever it says when it is stopped, a hang counts as a crash: three in a row are enough.
#[test]
fn who_hangs_again_and_again_is_given_up() {
    let mut story = agent();
    for hangs in 1.. {
        silence(&mut story, 30 * MINUTE);
        story.ends("a", StepEnd { stopped: true, ..spoken(EndClass::Overloaded, None) });
        if story.task("a").outcome().is_some() {
            assert_eq!(hangs, 3);
            break;
        }
        assert!(hangs < 10, "it never ends");
        story.later(Millis::seconds(10));
        story.all_start();
    }
    assert_eq!(detail(&story, "a"), "it gave no sign of life; given up after 3 tries");
}

#[test]
fn somebodys_wish_comes_before_the_verdict() {
    use gadugi_core::{Command, Outcome};
    let mut story = agent();
    silence(&mut story, 30 * MINUTE);
    story.command(Command::Cancel { run: run_id(), target: only("a") });
    story.ends("a", stopped());
    assert_eq!(story.task("a").outcome(), Some(&Outcome::Cancelled));
    // One that is being stopped already is not stopped for silence.
    let mut story = agent();
    story.command(Command::Pause { run: run_id(), target: only("a") });
    assert_eq!(silence(&mut story, 60 * MINUTE), []);
    let decision = story.ends("a", stopped());
    assert_eq!(suspension(&decision).map(|(because, ..)| because), Some("paused".into()));
}

#[test]
fn a_setup_or_verify_command_that_hangs_is_tried_again() {
    for (stage, word) in [("setup-running", "suspended"), ("verify-running", "queued")] {
        let mut story = at(stage);
        let minutes = |story: &mut Story, minutes| {
            let (step, quiet) = (story.current("a"), Millis::seconds(minutes * MINUTE));
            let report = Report::StepQuiet { step, quiet, after_result: false };
            words(&story.once(Input::Report(report)))
        };
        assert_eq!(minutes(&mut story, 30), ["step-suspected"]);
        assert_eq!(minutes(&mut story, 30), ["stop-requested"]);
        let (step, end) = (story.current("a"), stopped());
        story.once(Input::Report(Report::StepEnded { step, end }));
        assert_eq!(story.word("a"), word);
    }
}

#[test]
fn a_run_has_its_own_patience() {
    let hang = HangSettings {
        suspect: Millis::seconds(60),
        stop: Millis::seconds(120),
        after_result: Millis::seconds(1),
    };
    let mut story = Story::of_agents(plan(&["a"], &[]), RunSettings { hang, ..settings() });
    let (suspect, stop) = ("step-suspected".to_owned(), "stop-requested".to_owned());
    assert_eq!(silence(&mut story, 300), [(60, suspect), (120, stop)]);
    let mut story = Story::of_agents(plan(&["a"], &[]), RunSettings { hang, ..settings() });
    assert_eq!(words(&quiet_after_result(&mut story, 1)), ["stop-requested"]);
}

/// Nobody looks at a step that has not started, and what is said of an earlier one is late.
#[test]
fn only_the_step_that_runs_can_be_quiet() {
    let mut story = at("agent-intended");
    assert!(quiet(&mut story, 100 * MINUTE).is_empty());
    let mut story = agent();
    let mut early = story.current("a");
    early.step -= 1;
    let late = Report::StepQuiet { step: early, quiet: Millis::seconds(9999), after_result: true };
    assert!(story.report(late).is_empty());
}
