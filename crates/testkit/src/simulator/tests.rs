//! The simulator itself: it finds what is broken on purpose, and tells it in few words.

use gadugi_core::{
    Command, Decision, Effect, Event, Input, Outcome, Report, State, StepKind, Timestamp, Verdict, decide,
};

use super::{Shape, Simulator, Story, Summary};

/// The story of the first seed that shows what is wrong with `decide`.
fn found(decide: super::Decider) -> Story {
    let simulator = Simulator { decide, ..Simulator::shaped(Shape::small()) };
    let failure = simulator.play(0..3000, 2, &|_| true).expect_err("nobody noticed");
    assert_eq!(simulator.run(failure.seed), Err(failure.clone()), "it replays exactly");
    let story = simulator.explain(failure.seed).expect("it fails again");
    assert_eq!(story.seed, failure.seed);
    assert!(!story.lines.is_empty() && story.to_string().contains(&story.problem));
    story
}

fn small(story: &Story, tasks: usize) {
    assert!(story.tasks <= tasks && story.events.0 <= 30, "{story}");
    assert!(story.edges < tasks && story.commands <= 2 && story.accidents <= 1, "{story}");
    assert!(story.decisions <= 6, "{story}");
}

#[test]
fn a_launch_that_is_asked_for_twice_is_found_and_shrunk_to_one_task() {
    fn twice(state: &State, now: Timestamp, input: Input) -> Decision {
        let mut decision = decide(state, now, input);
        let launches = |effect: &&Effect| matches!(effect, Effect::LaunchStep { .. });
        let again = decision.effects.iter().find(launches).cloned();
        decision.effects.extend(again);
        decision
    }
    let story = found(twice);
    assert!(story.problem.contains("launched a second time"), "{story}");
    small(&story, 1);
}

#[test]
fn an_end_that_goes_unrecorded_is_found_and_shrunk_to_one_task() {
    fn deaf(state: &State, now: Timestamp, input: Input) -> Decision {
        let failed = matches!(&input, Input::Report(Report::StepEnded { end, .. }) if !end.passed());
        if failed { Decision::default() } else { decide(state, now, input) }
    }
    let story = found(deaf);
    small(&story, 1);
}

#[test]
fn a_success_that_was_none_is_found_and_shrunk_to_one_task() {
    fn flatters(state: &State, now: Timestamp, input: Input) -> Decision {
        let mut decision = decide(state, now, input);
        for event in &mut decision.events {
            if let Event::TaskFinished { outcome, verdict, .. } = event
                && *outcome == Outcome::Failed
            {
                *outcome = Outcome::Succeeded;
                *verdict = Some(Verdict::Unverified);
            }
        }
        decision
    }
    let story = found(flatters);
    assert!(story.problem.contains("that is not what happened"), "{story}");
    small(&story, 1);
}

#[test]
fn a_task_that_passes_another_is_found_and_shrunk_to_few() {
    /// The engine hears of the end of a task that has not ended, and those behind it begin.
    fn hasty(state: &State, now: Timestamp, input: Input) -> Decision {
        let mut decision = decide(state, now, input);
        let intends =
            |event: &Event| matches!(event, Event::StepIntended { what: StepKind::Agent { .. }, .. });
        if let Some(event) = decision.events.iter().find(|event| intends(event))
            && let (Some(run), Some(task)) = (event.run().cloned(), event.task().cloned())
        {
            let (outcome, verdict) = (Outcome::Succeeded, Some(Verdict::NoChange));
            decision.events.push(Event::TaskFinished { run, task, outcome, verdict, detail: String::new() });
        }
        decision
    }
    let story = found(hasty);
    assert!(story.problem.contains("that is not what happened"), "{story}");
    small(&story, 1);
}

#[test]
fn what_an_engine_forgets_in_a_crash_is_found_and_shrunk() {
    /// It comes back and looks for nothing.
    fn forgets(state: &State, now: Timestamp, input: Input) -> Decision {
        let restart = matches!(input, Input::Command(Command::Restart));
        let mut decision = decide(state, now, input);
        if restart {
            decision.effects.clear();
        }
        decision
    }
    let story = found(forgets);
    assert!(story.problem.contains("stuck"), "{story}");
    small(&story, 1);
}

#[test]
fn pauses_that_come_to_nothing_are_noticed() {
    let pauses = |paused| Summary { pauses: (paused, 20_000_000), ..Summary::default() };
    assert_eq!(pauses(10_100_000).check(), Ok(()));
    assert!(pauses(0).check().is_err() && pauses(20_000_000).check().is_err());
    assert_eq!(Summary { pauses: (0, 1000), ..Summary::default() }.check(), Ok(()));
}

#[test]
fn a_panic_is_a_problem_like_any_other() {
    fn panics(state: &State, now: Timestamp, input: Input) -> Decision {
        let merged = matches!(&input, Input::Report(Report::Advanced { result: Ok(()), .. }));
        assert!(!merged, "no merges here");
        decide(state, now, input)
    }
    let story = found(panics);
    assert!(story.problem.contains("no merges here"), "{story}");
    small(&story, 1);
}
