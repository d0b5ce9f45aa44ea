//! What the machine lacks holds back what would begin, with an event and its reason, and never what runs.

mod common;

use common::*;
use gadugi_core::{
    Command, Decision, Effect, EndClass, Event, Hold, Millis, Reading, Report, RunId, RunSettings, RunState,
    StepEnd, StepExit, Target,
};
use proptest::prelude::*;

/// What begins and ceases to hold a run back, with the reason.
fn holds(decision: &Decision) -> Vec<(Hold, String)> {
    let found = decision.events.iter().filter_map(|event| match event {
        Event::DispatchHeld { hold, reason, .. } => Some((*hold, reason.clone())),
        Event::DispatchFreed { hold, .. } => Some((*hold, "freed".into())),
        _ => None,
    });
    found.collect()
}

fn begun(decision: &Decision) -> usize {
    words(decision).iter().filter(|word| **word == "attempt-started").count()
}

fn slots(slots: Option<u32>) -> RunSettings {
    RunSettings { max_parallel: slots, setup: vec![], verify: None, ..settings() }
}

/// A run of five tasks whose branch is not open yet, on a machine that bears as many.
fn five(named: Option<u32>) -> Story {
    let mut story = Story::of(plan(&["a", "b", "c", "d", "e"], &[]), slots(named));
    story.measured(16, 64);
    story
}

fn reads(story: &mut Story, reading: Reading) -> Decision {
    story.command(Command::Measured(reading))
}

fn short_of_memory(mib: u64) -> Reading {
    Reading { available_mib: Some(mib), ..machine(16, 64) }
}

fn busy(percent: u32) -> Reading {
    Reading { cpu_percent: Some(percent), ..machine(16, 64) }
}

fn full(mib: u64) -> Reading {
    Reading { disk_free_mib: Some(mib), ..machine(16, 64) }
}

fn makes_room(decision: &Decision) -> usize {
    decision.effects.iter().filter(|effect| matches!(effect, Effect::MakeRoom { .. })).count()
}

#[test]
fn each_hold_begins_at_its_threshold_and_ends_with_a_margin() {
    type Look = fn(u64) -> Reading;
    let cases: [(Hold, Look, [u64; 4], &str); 3] = [
        (
            Hold::Memory,
            short_of_memory,
            [1024, 1023, 1279, 1280],
            "1023 MiB of memory available, 1024 needed",
        ),
        (Hold::Cpu, |percent| busy(percent as u32), [90, 91, 81, 80], "processors are 91 % busy"),
        (Hold::Disk, full, [512, 511, 639, 640], "511 MiB left on the disk, 512 needed"),
    ];
    for (hold, look, [well, short, not_yet, again], reason) in cases {
        let mut story = five(None);
        reads(&mut story, machine(16, 64));
        assert_eq!(holds(&reads(&mut story, look(well))), [], "{hold:?}");
        assert_eq!(holds(&reads(&mut story, look(short))), [(hold, reason.to_owned())]);
        assert_eq!(holds(&reads(&mut story, look(short))), [], "told once");
        assert_eq!(holds(&reads(&mut story, look(not_yet))), [], "{hold:?}");
        assert!(story.run().holds.contains(&hold));
        assert_eq!(holds(&reads(&mut story, look(again))), [(hold, "freed".into())]);
        assert!(story.run().holds.is_empty());
    }
}

#[test]
fn what_cannot_be_measured_holds_nothing_back() {
    let mut story = five(Some(4));
    reads(&mut story, full(1));
    let decision = reads(&mut story, Reading { cpus: 16, ..Reading::default() });
    assert_eq!(holds(&decision), [(Hold::Disk, "freed".into())]);
}

#[test]
fn little_memory_lets_one_at_a_time_begin_over_all_runs() {
    let mut story = five(Some(4));
    reads(&mut story, short_of_memory(500));
    assert_eq!(begun(&story.opened()), 1);
    let other = RunId::new("other");
    let settings = Box::new(slots(Some(4)));
    story.command(Command::StartRun { run: other.clone(), plan: plan(&["x", "y"], &[]), settings });
    reads(&mut story, short_of_memory(500));
    assert_eq!(begun(&story.report(Report::IntegrationOpened { run: other, result: Ok(commit("base")) })), 0);
    let all = |story: &Story| story.state.runs.values().map(RunState::slots_held).sum::<usize>();
    for id in ["a", "b"] {
        story.all_start();
        assert_eq!(all(&story), 1);
        assert_eq!(begun(&story.ends(id, done())), 1);
    }
    story.all_start();
    // With memory again all four slots are taken, one of them by the other run.
    assert_eq!(begun(&reads(&mut story, machine(16, 64))), 3);
}

#[test]
fn what_runs_when_memory_runs_short_goes_on() {
    let mut story = five(Some(4));
    story.opened();
    story.all_start();
    let decision = reads(&mut story, short_of_memory(10));
    assert_eq!((words(&decision), decision.effects.len()), (vec!["dispatch-held"], 0));
    for (id, left) in [("a", 3), ("b", 2), ("c", 1)] {
        assert_eq!(begun(&story.ends(id, done())), 0);
        assert_eq!(story.run().slots_held(), left);
    }
    assert_eq!(begun(&story.ends("d", done())), 1, "never none for good");
}

/// A step that waits for memory is what a stall is; free memory that the kernel counts does not help it.
#[test]
fn stalls_count_whatever_is_called_available() {
    let mut story = five(Some(4));
    let stalls = |percent| Reading { memory_stall_percent: Some(percent), ..machine(16, 64) };
    assert_eq!(holds(&reads(&mut story, stalls(20))), []);
    let reason = "21 % of the time something waits for memory".to_owned();
    assert_eq!(holds(&reads(&mut story, stalls(21))), [(Hold::Memory, reason)]);
    assert_eq!(holds(&reads(&mut story, stalls(11))), []);
    assert_eq!(holds(&reads(&mut story, stalls(10))), [(Hold::Memory, "freed".into())]);
}

#[test]
fn busy_processors_let_none_begin_beyond_the_slots_that_the_user_named() {
    let mut named = five(Some(3));
    reads(&mut named, busy(99));
    assert!(named.run().holds.is_empty(), "nothing is said of what holds nothing back");
    assert_eq!(begun(&named.opened()), 3);
    let mut unnamed = five(None);
    reads(&mut unnamed, busy(99));
    assert_eq!(begun(&unnamed.opened()), 1, "one at a time where they named none");
    unnamed.all_start();
    assert_eq!(begun(&reads(&mut unnamed, busy(80))), 3);
}

#[test]
fn a_full_disk_lets_nothing_begin_and_room_is_made_once() {
    let mut story = five(Some(2));
    story.opened();
    story.all_start();
    let decision = reads(&mut story, full(100));
    assert_eq!((words(&decision), makes_room(&decision)), (vec!["dispatch-held"], 1));
    assert_eq!(makes_room(&reads(&mut story, full(50))), 0);
    assert_eq!(begun(&story.ends("a", done())), 0);
    // What is merged is what room can be made of.
    let merged = story.merges("a");
    assert!(words(&merged).contains(&"task-merged"));
    assert_eq!(makes_room(&merged), 1);
    story.ends("b", spoken(EndClass::Crashed, None));
    assert_eq!(launched(&story.later(Millis::seconds(10))), [], "nor does what was suspended go on");
    let freed = reads(&mut story, machine(16, 64));
    assert_eq!(
        (holds(&freed), launched(&freed).len(), begun(&freed)),
        (vec![(Hold::Disk, "freed".into())], 1, 1)
    );
    story.all_start();
    story.ends("c", done());
    assert_eq!(makes_room(&story.merges("c")), 0);
    // The next time it is made again.
    assert_eq!(makes_room(&reads(&mut story, full(100))), 1);
}

/// Git looks at all worktrees that are there whenever it makes one.
#[test]
fn workspaces_of_merged_tasks_are_put_away_sixty_four_at_a_time() {
    let ids: Vec<String> = (0..130).map(|n| format!("t{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut story = Story::of_agents(plan(&ids, &[]), slots(Some(130)));
    let mut rooms = Vec::new();
    for (nth, id) in ids.iter().enumerate() {
        story.ends(id, done());
        if makes_room(&story.merges(id)) > 0 {
            rooms.push(nth + 1);
        }
    }
    assert_eq!(rooms, [64, 128]);
}

#[test]
fn a_run_that_is_over_is_held_back_by_nothing() {
    let mut story = five(Some(2));
    story.opened();
    reads(&mut story, full(100));
    story.command(Command::Cancel { run: run_id(), target: Target::All });
    for id in ["a", "b"] {
        story.report(Report::WorkspacePrepared { attempt: attempt(id, 1), result: Err("gone".into()) });
    }
    assert_eq!((story.run().status.word(), story.run().holds.len()), ("ending", 0));
    assert!(reads(&mut story, full(10)).is_empty());
}

#[test]
fn what_was_killed_for_want_of_memory_comes_back_alone() {
    let mut story = five(Some(3));
    story.opened();
    story.all_start();
    let killed = story.ends("a", ended(StepExit::OutOfMemory));
    assert!(suspension(&killed).expect("it is tried again").2);
    story.later(Millis::seconds(2));
    // Its time has come: until the others are over nothing begins, and then it has the machine for itself.
    let mut held = holds(&killed);
    for id in ["b", "c", "d"] {
        story.all_start();
        if story.word(id) == "running" {
            let ends = story.ends(id, done());
            held.extend(holds(&ends));
            assert_eq!(begun(&ends), 0);
        }
    }
    assert!(story.run().holds.contains(&Hold::Alone));
    assert_eq!((story.word("a"), story.run().slots_held()), ("starting".into(), 1));
    story.started("a");
    assert!(story.later(Millis::seconds(60)).is_empty());
    let ends = story.ends("a", done());
    assert!(holds(&ends).contains(&(Hold::Alone, "freed".into())));
    assert!(begun(&ends) >= 1);
    assert_eq!(story.task("a").active().map(|attempt| attempt.alone), Some(false));
}

/// An attempt that never had the machine for long enough still needs it for itself.
#[test]
fn what_comes_back_alone_stays_alone_until_it_has_got_somewhere() {
    let mut story = Story::of_agents(plan(&["a", "b"], &[]), slots(Some(1)));
    story.ends("a", ended(StepExit::OutOfMemory));
    story.all_start();
    story.ends("b", done());
    story.later(Millis::seconds(2));
    story.all_start();
    assert_eq!(
        (story.word("a"), story.task("a").active().map(|attempt| attempt.alone)),
        ("running".into(), Some(true))
    );
    assert!(suspension(&story.ends("a", spoken(EndClass::Overloaded, None))).expect("again").2);
}

/// Two runs; the other has nothing to do with what was killed, but shares the machine with it. Neither place in the
/// order of runs keeps it from coming back.
#[test]
fn nothing_of_another_run_begins_beside_it_either() {
    for name in ["a-run-before-it", "run-behind-it"] {
        let mut story = Story::of_agents(plan(&["a"], &[]), slots(Some(2)));
        let other = RunId::new(name);
        let x = gadugi_core::AttemptId { run: other.clone(), task: task("x"), attempt: 1 };
        let settings = Box::new(slots(Some(1)));
        let plan = plan(&["x", "y"], &[]);
        story.command(Command::StartRun { run: other.clone(), plan, settings });
        story.report(Report::IntegrationOpened { run: other, result: Ok(commit("base")) });
        story.ends("a", ended(StepExit::OutOfMemory));
        story.later(Millis::seconds(2));
        assert_eq!(story.word("a"), "suspended", "x is still there");
        let gone = story.report(Report::WorkspacePrepared { attempt: x, result: Err("gone".into()) });
        assert_eq!((story.word("a"), begun(&gone)), ("starting".into(), 0), "{name}");
        story.started("a");
        let ends = story.ends("a", done());
        assert_eq!(begun(&ends), 1, "y begins after it");
    }
}

/// What must come back alone and cannot, since somebody paused it or its account is limited, keeps nobody waiting.
#[test]
fn what_cannot_come_back_does_not_keep_the_others_waiting() {
    for how in ["pause the task", "pause the run", "limit"] {
        let mut story = Story::of_agents(plan(&["a"], &[]), slots(Some(2)));
        let other = RunId::new("other");
        let settings = Box::new(RunSettings { agent: "scripted".into(), ..slots(Some(2)) });
        story.command(Command::StartRun { run: other.clone(), plan: plan(&["x"], &[]), settings });
        if how == "limit" {
            let until = story.now + Millis::seconds(3600);
            let (run, agent) = (run_id(), "claude".to_owned());
            story.fact(&Event::AccountLimited { run, agent, until, reason: String::new() });
        }
        story.ends("a", ended(StepExit::OutOfMemory));
        match how {
            "pause the task" => _ = story.command(Command::Pause { run: run_id(), target: only("a") }),
            "pause the run" => _ = story.command(Command::Pause { run: run_id(), target: Target::All }),
            _ => {}
        }
        story.later(Millis::seconds(10));
        assert_eq!(story.word("a"), "suspended", "{how}");
        let opened = story.report(Report::IntegrationOpened { run: other, result: Ok(commit("base")) });
        assert_eq!(begun(&opened), 1, "{how}");
    }
}

#[test]
fn who_is_killed_alone_as_well_is_given_up_in_the_end() {
    let mut story = five(Some(3));
    story.opened();
    story.all_start();
    for id in ["b", "c"] {
        story.ends(id, done());
    }
    story.all_start();
    for _ in 0..3 {
        for id in ["d", "e"] {
            if story.word(id) == "running" {
                story.ends(id, done());
            }
        }
        story.ends("a", ended(StepExit::OutOfMemory));
        story.later(Millis::seconds(10));
        story.all_start();
    }
    assert_eq!(story.word("a"), "failed");
    assert_eq!(detail(&story, "a"), "killed by the kernel for want of memory; given up after 3 tries");
    assert!(!story.run().holds.contains(&Hold::Alone));
}

/// An agent that was seen to take 3 GiB is not begun with 2 GiB left.
#[test]
fn what_attempts_were_seen_to_take_is_asked_for() {
    let mut story = five(Some(2));
    story.opened();
    story.all_start();
    story.ends("a", StepEnd { peak_mib: 3072, cpu_ms: 100, ..done() });
    assert_eq!(holds(&reads(&mut story, short_of_memory(3072))), []);
    let reason = "3071 MiB of memory available, 3072 needed".to_owned();
    assert_eq!(holds(&reads(&mut story, short_of_memory(3071))), [(Hold::Memory, reason)]);
    assert_eq!(
        story.state.learnt.of(&"claude".to_owned(), gadugi_core::Kind::Feature).map(|seen| seen.peak_mib),
        Some(3072)
    );
}

#[test]
fn the_machines_number_follows_what_it_can_bear_and_is_told_when_it_changes() {
    let mut story = Story::of(plan(&["a", "b", "c", "d", "e"], &[]), slots(None));
    let told = |decision: &Decision| {
        decision.events.iter().find_map(|event| match event {
            Event::CapacityMeasured { slots, reason, .. } => Some((*slots, reason.clone())),
            _ => None,
        })
    };
    let first = told(&story.measured(3, 64));
    assert_eq!(first, Some((2, "3 processors, 64.0 GiB of memory available".into())));
    assert_eq!(told(&story.measured(3, 64)), None);
    assert_eq!(begun(&story.opened()), 2);
    story.all_start();
    // Light ones, and both slots taken: one more.
    story.ends("a", StepEnd { peak_mib: 300, cpu_ms: 100, ..done() });
    story.all_start();
    let more = told(&story.measured(3, 64)).expect("a new number");
    assert_eq!(more.0, 3);
    assert!(more.1.ends_with("agents take up to 300 MiB and 0.1 processors"), "{}", more.1);
    // A heavy one: fewer at once, and those that run go on.
    story.ends("b", StepEnd { peak_mib: 30_000, cpu_ms: 100, ..done() });
    let fewer = story.measured(3, 32);
    assert_eq!((told(&fewer).map(|told| told.0), fewer.effects.len()), (Some(1), 0));
}

fn readings() -> impl Strategy<Value = Reading> {
    let mib = || proptest::option::of(0..200_000_u64);
    let percent = || proptest::option::of(0..=100_u32);
    (0..64_u32, mib(), 0..50_000_u64, percent(), percent(), proptest::option::of(512..9_000_u64)).prop_map(
        |(cpus, available_mib, agents_mib, cpu_percent, memory_stall_percent, disk_free_mib)| Reading {
            cpus,
            available_mib,
            agents_mib,
            cpu_percent,
            memory_stall_percent,
            disk_free_mib,
            slowed: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the machine says, with room on its disk one attempt goes on: there is never less than one slot.
    #[test]
    fn there_is_never_less_than_one_slot(
        looks in proptest::collection::vec((readings(), 0..60_000_u64, 0..9_000_u64), 1..12),
        named in proptest::option::of(1..9_u32),
    ) {
        let ids: Vec<String> = (0..looks.len() + 1).map(|n| format!("t{n}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut story = Story::of(plan(&ids, &[]), slots(named));
        let first = looks[0].0.clone();
        reads(&mut story, Reading { disk_free_mib: None, ..first });
        story.opened();
        for (reading, peak_mib, cpu_ms) in looks {
            let cpus = reading.cpus;
            let before = story.run().slots_held();
            let held: Vec<Hold> = story.run().holds.iter().copied().collect();
            reads(&mut story, reading);
            let capacity = story.state.capacity.expect("a number");
            prop_assert!(capacity >= 1 && capacity <= (2 * cpus).max(4), "{capacity} of {cpus}");
            let now = story.run().slots_held();
            prop_assert!(now >= 1, "{:?} was {held:?} with {before} slots", story.run().holds);
            if story.run().holds.contains(&Hold::Memory) {
                prop_assert!(now <= before.max(1));
            }
            story.all_start();
            let (at, _) = story.run().in_slots().next().expect("one");
            let id = ids[at];
            story.ends(id, StepEnd { peak_mib, cpu_ms, wall: Millis(1000), ..done() });
        }
    }
}
