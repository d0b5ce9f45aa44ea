//! What steps may cost is set aside before they begin, so that together they cannot overshoot.

mod common;

use common::*;
use gadugi_core::{
    Command, Decision, Effect, EndClass, Event, Hold, Input, Millis, Outcome, RunSettings, SkipReason,
    StepEnd, StepExit, Target, Usage, next_wake,
};
use proptest::prelude::*;

fn with(budget: Option<u64>, task_budget: Option<u64>, slots: u32) -> RunSettings {
    RunSettings {
        budget_microusd: budget,
        task_budget_microusd: task_budget,
        max_parallel: Some(slots),
        setup: vec![],
        verify: None,
        ..settings()
    }
}

fn names(tasks: usize) -> Vec<String> {
    (0..tasks).map(|n| format!("t{n}")).collect()
}

fn story(tasks: usize, settings: RunSettings) -> Story {
    let ids = names(tasks);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    Story::of_agents(plan(&ids, &[]), settings)
}

fn costing(class: EndClass, microusd: u64) -> StepEnd {
    let mut end = spoken(class, None);
    if let Some(agent) = &mut end.agent {
        agent.usage = Usage { cost_microusd: microusd, ..Usage::default() };
    }
    end
}

/// What each running step may cost.
fn reserved(story: &Story) -> Vec<Option<u64>> {
    story.run().in_slots().filter_map(|(_, attempt)| attempt.step()).map(|step| step.reserved).collect()
}

fn budgets(decision: &Decision) -> Vec<Option<u64>> {
    let launched = decision.effects.iter().filter_map(|effect| match effect {
        Effect::LaunchStep { budget, .. } => Some(*budget),
        _ => None,
    });
    launched.collect()
}

fn holds(decision: &Decision) -> Vec<&'static str> {
    let budget = |event: &&Event| {
        matches!(
            event,
            Event::DispatchHeld { hold: Hold::Budget, .. } | Event::DispatchFreed { hold: Hold::Budget, .. }
        )
    };
    decision.events.iter().filter(budget).map(Event::word).collect()
}

#[test]
fn ten_agents_share_what_there_is_before_they_begin() {
    let story = story(10, with(Some(1_000_000), None, 10));
    assert_eq!(reserved(&story), [Some(100_000); 10]);
    assert_eq!((story.run().spent(), story.run().reserved()), (0, 1_000_000));
}

#[test]
fn what_an_agent_may_cost_goes_with_its_launch() {
    let mut story = Story::of(plan(&["a"], &[]), with(Some(1_000_000), None, 1));
    story.opened();
    assert_eq!(budgets(&story.prepared("a")), [Some(1_000_000)]);
    // What gadugi itself runs costs nothing.
    let setup = RunSettings { setup: vec!["npm ci".into()], ..with(Some(1_000_000), Some(1), 1) };
    let mut story = Story::of(plan(&["a"], &[]), setup);
    story.opened();
    assert_eq!(budgets(&story.prepared("a")), [None]);
    let mut free = Story::of(plan(&["a"], &[]), with(None, None, 1));
    free.opened();
    assert_eq!(budgets(&free.prepared("a")), [None]);
}

#[test]
fn few_tasks_share_it_among_themselves_and_what_is_left_comes_back() {
    let mut story = story(3, with(Some(900_000), None, 10));
    assert_eq!(reserved(&story), [Some(300_000); 3]);
    story.ends("t0", costing(EndClass::Done, 100_000));
    assert_eq!((story.run().spent(), story.run().reserved()), (100_000, 600_000));
    let decision = story.ends("t1", costing(EndClass::MaxTurns, 50_000));
    // Of 900,000 are spent 150,000 and set aside 300,000: one continues, and nobody else wants anything.
    assert_eq!(budgets(&decision), [Some(450_000)]);
    assert_eq!(story.run().spent() + story.run().reserved(), 900_000);
}

#[test]
fn an_end_that_tells_no_cost_gives_back_what_was_set_aside() {
    let mut story = story(2, with(Some(1_000_000), None, 2));
    story.ends("t0", ended(StepExit::Lost));
    assert_eq!((story.run().spent(), story.run().reserved()), (0, 500_000));
    story.ends("t1", ended(StepExit::NeverBegan));
    assert_eq!(reserved(&story), [Some(500_000)], "the other one comes back too");
}

#[test]
fn those_for_whom_nothing_is_left_wait_for_what_comes_back() {
    // Three cents: no step is given less than one.
    let mut story = story(5, with(Some(30_000), None, 5));
    assert_eq!(reserved(&story), [Some(10_000); 3]);
    assert_eq!((story.word("t3"), story.word("t4")), ("suspended".into(), "suspended".into()));
    assert!(story.run().holds.contains(&Hold::Budget));
    // A cent is not there yet, then it is.
    let first = story.ends("t0", costing(EndClass::Done, 1_000));
    assert_eq!((budgets(&first), holds(&first)), (vec![], vec![]));
    let second = story.ends("t1", costing(EndClass::Done, 1_000));
    assert_eq!(budgets(&second), [Some(10_000)]);
    assert!(story.run().holds.contains(&Hold::Budget), "one still waits");
    story.all_start();
    let third = story.ends("t2", costing(EndClass::Done, 1_000));
    assert_eq!((budgets(&third), holds(&third)), (vec![Some(17_000)], vec!["dispatch-freed"]));
}

#[test]
fn one_that_has_nobody_beside_it_may_spend_all() {
    assert_eq!(reserved(&story(1, with(Some(1_000_000), None, 10))), [Some(1_000_000)]);
    // What cannot begin before it is over needs no part of it yet.
    let chain = plan(&["a", "b", "c"], &[("a", "b"), ("b", "c")]);
    let mut story = Story::of_agents(chain, with(Some(1_000_000), None, 10));
    assert_eq!(reserved(&story), [Some(1_000_000)]);
    story.ends("a", costing(EndClass::Done, 300_000));
    story.merges("a");
    story.all_start();
    assert_eq!(reserved(&story), [Some(700_000)]);
}

#[test]
fn the_wait_is_an_event_with_its_reason_and_is_told_once() {
    let mut story = Story::of(plan(&["a", "b"], &[]), with(Some(10_000), None, 2));
    story.opened();
    story.prepared("a");
    let waits = story.prepared("b");
    assert_eq!(
        suspension(&waits).map(|(because, until, _)| (because, until)),
        Some(("waits for what others have reserved of the budget".into(), None))
    );
    let reason = waits.events.iter().find_map(|event| match event {
        Event::DispatchHeld { hold: Hold::Budget, reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(reason, Some("what is left is reserved by steps that run"));
    story.started("a");
    assert!(story.later(Millis::seconds(60)).is_empty());
}

#[test]
fn a_spent_budget_ends_what_cannot_go_on_and_begins_nothing_more() {
    let mut story = story(3, with(Some(20_000), None, 2));
    assert_eq!(reserved(&story), [Some(10_000); 2]);
    story.ends("t0", costing(EndClass::Done, 10_000));
    assert_eq!(story.word("t2"), "waiting", "what the other does not use may come back");
    story.ends("t1", costing(EndClass::Crashed, 10_000));
    assert_eq!(story.task("t1").outcome(), Some(&Outcome::Failed));
    assert_eq!(detail(&story, "t1"), "the run's budget is spent");
    assert_eq!(story.task("t2").outcome(), Some(&Outcome::Skipped { because: SkipReason::Budget }));
    assert_eq!(story.word("t0"), "collecting", "what is paid for is brought in");
    assert!(words(&story.merges("t0")).contains(&"task-merged"));
}

#[test]
fn who_overspends_all_the_same_ends_the_spending() {
    let mut story = story(3, with(Some(300_000), None, 2));
    story.ends("t0", costing(EndClass::Done, 900_000));
    assert_eq!((story.word("t1"), story.word("t2")), ("running".into(), "waiting".into()));
    story.ends("t1", costing(EndClass::MaxTurns, 1));
    assert_eq!(detail(&story, "t1"), "the run's budget is spent");
    assert_eq!(story.word("t2"), "skipped");
}

#[test]
fn a_step_that_spent_its_share_goes_on_when_there_is_more() {
    let mut story = story(2, with(Some(1_000_000), None, 2));
    let decision = story.ends("t0", costing(EndClass::Budget, 500_000));
    assert_eq!(suspension(&decision).map(|(because, ..)| because), Some("budget: said".into()));
    assert_eq!(holds(&decision), ["dispatch-held"]);
    let decision = story.ends("t1", costing(EndClass::Done, 100_000));
    assert_eq!(budgets(&decision), [Some(400_000)]);
    assert_eq!(holds(&decision), ["dispatch-freed"]);
}

#[test]
fn a_tasks_own_budget_is_its_own() {
    let mut story = story(2, with(None, Some(200_000), 2));
    assert_eq!(reserved(&story), [Some(200_000); 2]);
    let decision = story.ends("t0", costing(EndClass::MaxTurns, 150_000));
    assert_eq!(budgets(&decision), [Some(50_000)], "over all its steps");
    story.all_start();
    story.ends("t0", costing(EndClass::MaxTurns, 50_000));
    assert_eq!(detail(&story, "t0"), "its budget is spent");
    assert_eq!(story.word("t1"), "running");
    // A step that says so itself is not asked again: nothing comes back to a task of its own.
    story.ends("t1", costing(EndClass::Budget, 200_000));
    assert_eq!(detail(&story, "t1"), "budget: said");
}

#[test]
fn a_task_that_spent_its_own_does_not_wait_for_what_others_leave() {
    let mut story = story(2, with(Some(1_000_000), Some(200_000), 2));
    story.ends("t0", costing(EndClass::Budget, 200_000));
    assert_eq!(detail(&story, "t0"), "budget: said");
}

/// An agent that says so whatever it is given does not go on for ever.
#[test]
fn a_step_that_says_again_and_again_that_its_budget_is_spent_is_given_up() {
    let mut story = story(1, with(Some(1_000_000), None, 1));
    let mut steps = 0;
    while story.task("t0").outcome().is_none() && steps < 100 {
        story.ends("t0", costing(EndClass::Budget, 0));
        story.all_start();
        steps += 1;
    }
    assert_eq!(steps, 20);
}

#[test]
fn the_prompts_own_budget_comes_before_the_runs_for_each() {
    let mut plan = plan(&["a", "b"], &[]);
    plan.tasks[0].budget_microusd = Some(50_000);
    let story = Story::of_agents(plan, with(Some(1_000_000), Some(300_000), 2));
    assert_eq!(reserved(&story), [Some(50_000), Some(300_000)]);
}

#[test]
fn what_a_resumed_run_has_spent_before_counts() {
    let mut story = story(2, with(Some(1_000_000), None, 2));
    story.command(Command::Interrupt { run: run_id(), now: false });
    let cost = |microusd| StepEnd { stopped: true, ..costing(EndClass::Crashed, microusd) };
    story.ends("t0", cost(400_000));
    story.ends("t1", cost(400_000));
    story.command(Command::Resume { run: run_id(), target: Target::All });
    assert_eq!(reserved(&story), [Some(100_000); 2]);
}

/// What somebody pays for one step, in thousandths of what was set aside, and how the step ends.
fn turns() -> impl Strategy<Value = Vec<(usize, u64, u8)>> {
    let cost = prop_oneof![Just(0), Just(1000), 0..=1000_u64, Just(999)];
    proptest::collection::vec(
        (any::<prop::sample::Index>().prop_map(|at| at.index(1000)), cost, 0..12_u8),
        64,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    /// As long as each agent keeps to what it was given, what is spent and what is set aside are never more than there is;
    /// and whatever comes, every task comes to an end.
    #[test]
    fn they_cannot_overshoot_together(
        tasks in 1..14_usize,
        slots in 1..11_u32,
        budget in prop_oneof![0..40_000_u64, 10_000..3_000_000_u64],
        own in proptest::option::of(1..800_000_u64),
        turns in turns(),
    ) {
        let mut story = Story::of(
            plan(&names(tasks).iter().map(String::as_str).collect::<Vec<_>>(), &[]),
            with(Some(budget), own, slots),
        );
        story.opened();
        // Beyond what is thrown, agents are done at once and cost what they may.
        let mut turns = turns.into_iter();
        for _ in 0..2000 {
            let run = story.run();
            let (spent, reserved) = (run.spent(), run.reserved());
            prop_assert!(spent + reserved <= budget, "{spent} spent, {reserved} set aside of {budget}");
            if let Some(own) = own {
                for task in &run.tasks {
                    let step = task.active().and_then(|attempt| attempt.step());
                    let aside = step.and_then(|step| step.reserved).unwrap_or(0);
                    prop_assert!(task.usage.cost_microusd + aside <= own);
                }
            }
            if run.open() == 0 {
                break;
            }
            let at = |word: &str| -> Vec<String> {
                names(tasks).into_iter().filter(|id| story.word(id) == word).collect()
            };
            let (preparing, starting, collecting) = (at("preparing"), at("starting"), at("collecting"));
            if let Some(id) = collecting.first() {
                story.merges(id);
            } else if let Some(id) = preparing.first() {
                story.prepared(id);
            } else if let Some(id) = starting.first() {
                story.started(id);
            } else {
                let running = at("running");
                let (which, cost, how) = turns.next().unwrap_or((0, 1000, 0));
                if running.is_empty() {
                    let wake = next_wake(&story.state, story.now);
                    prop_assert!(wake.is_some(), "it waits for nothing: {:?}", run.tasks);
                    story.wakes();
                    continue;
                }
                let id = &running[which % running.len()];
                let step = story.task(id).active().and_then(|attempt| attempt.step()).expect("a step");
                let given = step.reserved;
                prop_assert!(given.is_some_and(|given| given > 0), "a step that may cost nothing is not begun");
                let cost = given.unwrap_or(0) * cost / 1000;
                let end = match how {
                    0..=4 => costing(EndClass::Done, cost),
                    5 => costing(EndClass::MaxTurns, cost),
                    6 => costing(EndClass::Budget, given.unwrap_or(0)),
                    7 => costing(EndClass::Overloaded, cost),
                    8 => ended(StepExit::Lost),
                    9 => ended(StepExit::NeverBegan),
                    10 => costing(EndClass::Refused, cost),
                    _ => costing(EndClass::UsageLimit { resets_at: None }, cost),
                };
                story.ends(id, end);
            }
            prop_assert!(story.once(Input::Tick).is_empty());
        }
        prop_assert_eq!(story.run().open(), 0, "it goes on for ever: {:?}", story.run().tasks);
        prop_assert_eq!(story.run().reserved(), 0);
    }
}
