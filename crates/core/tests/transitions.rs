//! Every event at every stage: where it leads, or that it cannot happen. Read a row as "this fact", a column as "at
//! this stage", a cell as the stage that follows; a dot is an `IllegalTransition`.

mod common;

use std::collections::BTreeSet;

use common::examples::{KINDS, kind};
use common::stages::{COMPOSED, STAGES, WORK, at, crashed, stage_of};
use common::*;
use gadugi_core::{
    Event, Hold, Millis, Outcome, PauseCause, Phase, Salvage, SessionId, SessionMode, State, StepExit,
    StepKind, StopCause, TaskStatus, Verdict,
};

/// ```text
/// Wa waiting      Ai agent intended        Qu queued              Ad advancing  Ee failed, its run is ending
/// Pr preparing    Ar agent runs            Qt queued, with a time Me merged     Eo failed, its run is over
/// Re ready        Co collecting            Mc composing           Fs succeeded
/// Si setup intended  Su suspended          Md composed            Fo failed, its work still to be saved
/// Sr setup runs   St suspended, with a time  Vi, Vr verify intended, verify runs  Ff failed, its run goes on
/// ```
const TASKS: &str = "
                         Wa Pr Re Si Sr Ai Ar Co Su St Qu Qt Mc Md Vi Vr Ad Me Fs Fo Ff Ee Eo
attempt-started          Pr .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
workspace-prepared       .  Re .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
step-intended setup      .  .  Si .  .  .  .  .  Si Si .  .  .  .  .  .  .  .  .  .  .  .  .
step-intended agent      .  .  Ai .  .  .  .  .  Ai Ai .  .  .  .  .  .  .  .  .  .  .  .  .
step-intended verify     .  .  .  .  .  .  .  .  .  .  .  .  .  Vi .  .  .  .  .  .  .  .  .
step-started             .  .  .  Sr .  Ar .  .  .  .  .  .  .  .  Vr .  .  .  .  .  .  .  .
phase-reached            .  .  .  .  Sr .  Ar .  .  .  .  .  .  .  .  Vr .  .  .  .  .  .  .
step-suspected           .  .  .  .  Sr .  Ar .  .  .  .  .  .  .  .  Vr .  .  .  .  .  .  .
step-cleared             .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
stop-requested           .  Pr Re Si Sr Ai Ar Co Su St Qu Qt Mc Md Vi Vr Ad Me .  .  .  .  .
step-ended done          .  .  .  Re Re Co Co .  .  .  .  .  .  .  Md Md .  .  .  .  .  .  .
step-ended failed        .  .  .  Re Re Re Re .  .  .  .  .  .  .  Md Md .  .  .  .  .  .  .
step-ended lost          .  .  .  Re Re Re Re .  .  .  .  .  .  .  Md Md .  .  .  .  .  .  .
work-collected           .  .  .  .  .  .  .  Qu .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
answer-appraised         .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
phases-recorded          Wa Pr Re Si Sr Ai Ar Co Su St Qu Qt Mc Md Vi Vr Ad Me Fs Fo Ff .  .
merge-started            .  .  .  .  .  .  .  .  .  .  Mc Mc .  .  .  .  .  .  .  .  .  .  .
merge-composed           .  .  .  .  .  .  .  .  .  .  .  .  Md .  .  .  .  .  .  .  .  .  .
merge-accepted           .  .  .  .  .  .  .  .  .  .  .  .  .  Ad .  .  .  .  .  .  .  .  .
integration-moved        .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  Qu .  .  .  .  .  .
merge-put-back           .  .  .  .  .  .  .  .  .  .  .  .  Qu Qu .  .  .  .  .  .  .  .  .
merge-put-back-until     .  .  .  .  .  .  .  .  .  .  .  .  Qt Qt .  .  .  .  .  .  .  .  .
task-merged              .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  Me .  .  .  .  .  .
attempt-suspended        .  .  Su .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
attempt-suspended-until  .  .  St .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
work-salvaged            .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  Ff .  .  .
task-held                Wa Pr Re Si Sr Ai Ar Co Su St Qu Qt Mc Md Vi Vr Ad Me .  .  .  .  .
task-released            .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
task-finished            Ff Ff Fo Fo Fo Fo Fo Fo Fo Fo Fo Fo Fo Fo Fo Fo Fo Fo .  .  .  .  .
task-revived             .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  Wa Wa .  Wa
";

/// The same for a run: new, with its branch open, with a hold, paused, with all tasks over, with all over and work
/// still to be saved, ending, over. (What ends a run whose work is still to be saved is the log of a version that saved
/// none: `decide` never does.)
const RUNS: &str = "
                       New    Open   Held   Paused AllOver Owed   Ending  Over     Unknown
run-started            .      .      .      .      .       .      .       .        active
integration-opened     active .      .      .      .       .      .       .        .
run-paused             paused paused paused paused paused  paused .       .        .
run-resumed            .      .      .      active .       .      .       .        .
dispatch-held          active active .      paused active  active .       .        .
dispatch-freed         .      .      active .      .       .      .       .        .
account-limited        active active active paused active  active .       .        .
clock-jumped           active active active paused active  active .       .        .
run-ending             .      .      .      .      ending  ending .       .        .
run-finished           .      .      .      .      .       .      finished .       .
run-landed             active active active paused active  active ending  finished .
capacity-measured      active active active paused active  active ending  finished none
";

/// The facts of the table's rows, as they would be at that stage of `a`.
fn facts(story: &Story) -> Vec<(&'static str, Event)> {
    let state = story.task("a");
    let (number, steps) = (state.attempts, state.steps);
    let id = || attempt("a", number);
    let now = || step("a", number, steps);
    let next = || step("a", number, steps + 1);
    let session = state.session.clone().unwrap_or_else(|| SessionId::new("s"));
    let agent = StepKind::Agent { session: session.clone(), mode: SessionMode::Fresh };
    let verify = StepKind::Verify { commit: commit(COMPOSED) };
    let intended = |what| Event::StepIntended { step: next(), what, reserved: Some(7) };
    let lost = ended(StepExit::Lost);
    let until = Some(story.now);
    let put_back = |until| Event::MergePutBack { attempt: id(), because: "interrupted".into(), until };
    let suspended =
        |until| Event::AttemptSuspended { attempt: id(), because: "no".into(), until, alone: true };
    // What verifies or sets up is done by an exit status, an agent by its word.
    let good = done();
    vec![
        (
            "attempt-started",
            Event::AttemptStarted { attempt: attempt("a", number + 1), base: commit("base"), session },
        ),
        (
            "workspace-prepared",
            Event::WorkspacePrepared { attempt: id(), path: "/w".into(), branch: "b".into() },
        ),
        ("step-intended setup", intended(StepKind::Setup)),
        ("step-intended agent", intended(agent)),
        ("step-intended verify", intended(verify)),
        ("step-started", Event::StepStarted { step: now(), process: process() }),
        ("phase-reached", Event::PhaseReached { step: now(), phase: Phase::Documentation }),
        ("step-suspected", Event::StepSuspected { step: now(), quiet: Millis(600_000) }),
        ("step-cleared", Event::StepCleared { step: now() }),
        ("stop-requested", Event::StopRequested { attempt: id(), cause: StopCause::Cancel }),
        ("step-ended done", Event::StepEnded { step: now(), end: good }),
        ("step-ended failed", Event::StepEnded { step: now(), end: crashed() }),
        ("step-ended lost", Event::StepEnded { step: now(), end: lost }),
        (
            "work-collected",
            Event::WorkCollected {
                attempt: id(),
                commit: commit(WORK),
                changed: vec![],
                committed_rest: false,
            },
        ),
        ("answer-appraised", Event::AnswerAppraised { step: now(), taken: true, wrong: vec![] }),
        ("phases-recorded", Event::PhasesRecorded { attempt: id(), phases: vec![] }),
        ("merge-started", Event::MergeStarted { attempt: id(), onto: commit("base") }),
        ("merge-composed", Event::MergeComposed { attempt: id(), commit: commit(COMPOSED) }),
        ("merge-accepted", Event::MergeAccepted { attempt: id(), verified: true }),
        ("integration-moved", Event::IntegrationMoved { attempt: id(), commit: commit("elsewhere") }),
        ("merge-put-back", put_back(None)),
        ("merge-put-back-until", put_back(until)),
        ("task-merged", Event::TaskMerged { attempt: id(), commit: commit(COMPOSED) }),
        ("attempt-suspended", suspended(None)),
        ("attempt-suspended-until", suspended(until)),
        ("work-salvaged", Event::WorkSalvaged { attempt: id(), salvage: Salvage::Nothing }),
        ("task-held", Event::TaskHeld { run: run_id(), task: task("a") }),
        ("task-released", Event::TaskReleased { run: run_id(), task: task("a") }),
        (
            "task-finished",
            Event::TaskFinished {
                run: run_id(),
                task: task("a"),
                outcome: Outcome::Failed,
                verdict: Some(Verdict::Rejected),
                detail: String::new(),
            },
        ),
        ("task-revived", Event::TaskRevived { run: run_id(), task: task("a"), with: None }),
    ]
}

fn run_facts(story: &Story) -> Vec<(&'static str, Event)> {
    let run = run_id;
    let settings = Box::new(settings());
    let slots = story.state.capacity.unwrap_or(0) + 1;
    let (agent, until) = ("claude".to_owned(), story.now);
    let limited = Event::AccountLimited { run: run(), agent, until, reason: String::new() };
    vec![
        ("run-started", Event::RunStarted { run: run(), plan: plan(&["a"], &[]), settings }),
        ("integration-opened", Event::IntegrationOpened { run: run(), commit: commit("base") }),
        ("run-paused", Event::RunPaused { run: run(), cause: PauseCause::Asked, detail: "said".into() }),
        ("run-resumed", Event::RunResumed { run: run() }),
        ("dispatch-held", Event::DispatchHeld { run: run(), hold: Hold::Cpu, reason: String::new() }),
        ("dispatch-freed", Event::DispatchFreed { run: run(), hold: Hold::Cpu }),
        ("account-limited", limited),
        ("clock-jumped", Event::ClockJumped { run: run(), by: 1000 }),
        ("run-ending", Event::RunEnding { run: run() }),
        ("run-finished", Event::RunFinished { run: run(), wall: Millis(1), kept: vec![] }),
        ("run-landed", Event::RunLanded { run: run(), into: "main".into(), commit: commit("base") }),
        ("capacity-measured", Event::CapacityMeasured { slots, reason: String::new(), memory_mib: None }),
    ]
}

fn letters(stage: &str) -> &'static str {
    STAGES.iter().find(|(name, _)| *name == stage).map_or("?", |(_, letters)| letters)
}

/// Takes in a fact on a copy. On an error nothing may have changed.
fn taken(story: &Story, event: &Event) -> Option<State> {
    let mut state = story.state.clone();
    match state.apply(story.now, event) {
        Ok(()) => Some(state),
        Err(error) => {
            assert_eq!(state, story.state, "{error}");
            assert_eq!(error.event, event.word());
            None
        }
    }
}

fn rows(table: &str) -> Vec<Vec<String>> {
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Tables are compared cell by cell; a difference shows the whole table as it is now.
fn same(table: &str, found: &str) {
    assert!(rows(table) == rows(found), "the table is not as the code is, which gives:\n{found}");
}

#[test]
fn every_event_of_a_task_at_every_stage() {
    let stories: Vec<Story> = STAGES.iter().map(|(stage, _)| at(stage)).collect();
    let mut found = format!("{:<22}", "");
    STAGES.iter().for_each(|(_, letters)| found += &format!(" {letters}"));
    for (row, (name, _)) in facts(&stories[0]).iter().enumerate() {
        found += &format!("\n{name:<22}");
        for story in &stories {
            let cell = taken(story, &facts(story)[row].1).map_or(".", |state| {
                letters(stage_of(state.runs[&run_id()].task(&task("a")).expect("the task")))
            });
            found += &format!(" {cell:<2}");
        }
    }
    same(TASKS, &found);
}

#[test]
fn every_event_of_a_run_at_every_status() {
    let fresh = Story::of(plan(&["a", "b"], &[("a", "b")]), settings());
    let mut open = fresh.clone();
    open.opened();
    let mut paused = open.clone();
    let cause = PauseCause::Interrupted;
    paused.fact(&Event::RunPaused { run: run_id(), cause, detail: String::new() });
    let mut held = open.clone();
    held.fact(&Event::DispatchHeld { run: run_id(), hold: Hold::Cpu, reason: String::new() });
    let mut over = open.clone();
    for id in ["a", "b"] {
        over.fact(&Event::TaskFinished {
            run: run_id(),
            task: task(id),
            outcome: Outcome::Cancelled,
            verdict: None,
            detail: String::new(),
        });
    }
    let unknown = Story { state: State::default(), now: fresh.now };
    let stories =
        [fresh, open, held, paused, over, at("failed-owed"), at("run-ending"), at("run-over"), unknown];
    let mut found = format!("{:<22} New Open Held Paused AllOver Owed Ending Over Unknown", "");
    for (row, (name, _)) in run_facts(&stories[0]).iter().enumerate() {
        found += &format!("\n{name:<22}");
        for story in &stories {
            let cell = taken(story, &run_facts(story)[row].1)
                .map_or(".", |state| state.runs.get(&run_id()).map_or("none", |run| run.status.word()));
            found += &format!(" {cell:<8}");
        }
    }
    same(RUNS, &found);
}

#[test]
fn the_tables_have_every_event_and_every_stage() {
    let story = at("ready");
    let events: BTreeSet<usize> =
        facts(&story).iter().chain(&run_facts(&story)).map(|(_, event)| kind(event)).collect();
    assert_eq!(events, (0..KINDS).collect());
    for (stage, _) in STAGES {
        let story = at(stage);
        let found = stage_of(story.task("a"));
        match stage {
            "run-ending" | "run-over" => assert_eq!(found, "failed"),
            _ => assert_eq!(found, stage),
        }
    }
}

/// An attempt or step that is not the present one, a task or run that is not there, a commit that is another.
#[test]
fn what_is_about_something_else_cannot_happen() {
    for (stage, _) in STAGES {
        let story = at(stage);
        for (name, event) in facts(&story) {
            for other in elsewhere(&event) {
                assert!(taken(&story, &other).is_none(), "{stage}: {name}: {other:?}");
            }
        }
    }
}

/// The same fact about others.
fn elsewhere(event: &Event) -> Vec<Event> {
    let value = serde_json::to_value(event).expect("JSON");
    let changed = |key: &str, to: serde_json::Value| {
        let mut value = value.clone();
        let place = value.get_mut(key)?;
        *place = to;
        serde_json::from_value(value).ok()
    };
    let number = |key: &str, by: u64| Some(serde_json::json!(value.get(key)?.as_u64()? + by));
    let mut others = vec![
        changed("run", "another".into()),
        changed("task", "z".into()),
        number("attempt", 1).and_then(|to| changed("attempt", to)),
        number("attempt", 1).and_then(|_| changed("attempt", 0.into())),
        number("step", 1).and_then(|to| changed("step", to)),
        number("step", 0).and_then(|_| changed("step", 0.into())),
    ];
    if matches!(event, Event::TaskMerged { .. }) {
        others.push(changed("commit", "another".into()));
    }
    if matches!(event, Event::StepIntended { what: StepKind::Verify { .. }, .. }) {
        others.push(changed("what", serde_json::json!({"kind": "verify", "commit": "another"})));
    }
    others.into_iter().flatten().collect()
}

#[test]
fn a_revived_task_begins_again_as_if_nothing_were_left() {
    let mut story = at("run-over");
    story.command(gadugi_core::Command::Retry { run: run_id(), target: only("a"), with: Some("try".into()) });
    let state = story.task("a");
    assert!(matches!(state.status, TaskStatus::Active(_)));
    assert_eq!((state.attempts, state.steps, state.merged), (2, 0, false));
    assert_eq!(state.note.as_deref(), Some("try"));
    assert_eq!((&state.workspace, &state.commit, state.changed.len()), (&None, &None, 0));
    assert_eq!(state.usage, gadugi_core::Usage::default(), "the first attempt's setup used nothing");
}
