//! The simulator itself: it finds what is broken on purpose, and tells it in few words.

use gadugi_core::{Decision, Effect, Event, Input, Report, State, Timestamp, decide};

use super::{Shape, Simulator, Story};

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
    println!("{story}");
    small(&story, 1);
}

#[test]
fn a_dependency_that_is_broken_is_found_and_shrunk_to_two_tasks() {
    /// A task that failed is told to those behind it as one that succeeded.
    fn flatters(state: &State, now: Timestamp, input: Input) -> Decision {
        let mut decision = decide(state, now, input);
        for event in &mut decision.events {
            if let Event::TaskFinished { outcome, verdict, .. } = event
                && *outcome == gadugi_core::Outcome::Failed
            {
                *outcome = gadugi_core::Outcome::Succeeded;
                *verdict = Some(gadugi_core::Verdict::Unverified);
            }
        }
        decision
    }
    let story = found(flatters);
    assert!(story.problem.contains("that is not what happened"), "{story}");
    small(&story, 1);
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
