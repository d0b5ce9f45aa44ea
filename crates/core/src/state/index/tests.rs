//! After whatever has happened, the index is what the tasks themselves give.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Index, Need};
use crate::state::{Attempt, RunState, Stage, State, TaskState, TaskStatus};
use crate::{
    AttemptId, CommitId, Complexity, Edge, EdgeReason, EndClass, Estimate, Event, Kind, Millis, Outcome,
    Plan, PlannedTask, Process, PromptRef, RunId, RunSettings, Salvage, SessionId, SessionMode, SkipReason,
    StepEnd, StepExit, StepId, StepKind, StopCause, TaskId, Timestamp, Usage, Verdict,
};

/// The index of that run, made from its tasks alone.
fn afresh(run: &RunState) -> Index {
    let all = || 0..run.tasks.len();
    let outcome = |at: usize| run.tasks[at].outcome();
    let attempts = |wanted: fn(&Attempt) -> bool| -> BTreeSet<usize> {
        all().filter(|at| run.tasks[*at].active().is_some_and(wanted)).collect()
    };
    let waits = |at: usize| {
        let open = run.before(at).iter().filter(|(from, _)| outcome(*from).is_none()).count();
        let broken = run.before(at).iter().filter(|(from, need)| {
            *need == Need::Success && outcome(*from).is_some_and(|outcome| !outcome.satisfies_dependents())
        });
        (open as u32, broken.count() as u32)
    };
    let waiting = |at: &usize| run.tasks[*at].status == TaskStatus::Waiting;
    let count = |wanted: fn(&TaskState) -> bool| run.tasks.iter().filter(|task| wanted(task)).count();
    let reserved = |task: &TaskState| task.active().and_then(|attempt| attempt.step()?.reserved).unwrap_or(0);
    Index {
        before: run.index.before.clone(),
        after: run.index.after.clone(),
        order: run.index.order.clone(),
        waits: all().map(waits).collect(),
        active: attempts(|_| true),
        slots: attempts(Attempt::holds_slot),
        suspended: attempts(|attempt| matches!(attempt.stage, Stage::Suspended { .. })),
        queued: attempts(|attempt| matches!(attempt.stage, Stage::Queued { .. })),
        merging: attempts(|attempt| matches!(attempt.stage, Stage::Merging { .. })),
        unblocked: all().filter(|at| waiting(at) && waits(*at).0 == 0).map(|at| run.rank(at)).collect(),
        doomed: all().filter(|at| waiting(at) && waits(*at).1 > 0).collect(),
        unsalvaged: all().filter(|at| run.tasks[*at].salvage.values().any(Option::is_none)).collect(),
        open: count(|task| task.outcome().is_none()),
        merged: count(|task| task.outcome().is_some() && task.merged),
        held: count(|task| task.held),
        spent: run.tasks.iter().map(|task| task.usage.cost_microusd).sum(),
        reserved: run.tasks.iter().map(reserved).sum(),
    }
}

fn run_id() -> RunId {
    RunId::new("run")
}

fn task(at: usize) -> TaskId {
    TaskId::new(format!("t{at}"))
}

fn planned(at: usize, priority: i64) -> PlannedTask {
    PlannedTask {
        purpose: crate::Purpose::Work,
        id: task(at),
        name: String::new(),
        prompt: PromptRef { path: String::new(), bytes: 0 },
        kind: Kind::Feature,
        complexity: Complexity::Low,
        writes: vec![],
        reads: vec![],
        depends_on: vec![],
        estimate: Estimate {
            seconds: 1.0,
            cpu: 1.0,
            memory_mb: 1,
            disk_mb: 1,
            spread: 2.0,
            source: String::new(),
        },
        priority,
        timeout: None,
        agent: None,
        model: None,
        budget_microusd: None,
        verify: None,
        done_when: vec![],
        executor: None,
        network: vec![],
    }
}

/// Edges lead from earlier tasks to later ones; some pairs have several, with different reasons.
fn plans() -> impl Strategy<Value = Plan> {
    let reason =
        prop_oneof![Just(EdgeReason::Declared), Just(EdgeReason::SameFile), Just(EdgeReason::Import)];
    let edges = proptest::collection::vec((0..8_usize, 0..8_usize, reason), 0..16);
    (proptest::collection::vec(-2..3_i64, 1..8), edges).prop_map(|(priorities, edges)| {
        let tasks: Vec<PlannedTask> =
            priorities.into_iter().enumerate().map(|(at, priority)| planned(at, priority)).collect();
        let inside = edges.into_iter().filter(|(from, to, _)| from < to && *to < tasks.len());
        let edges = inside.map(|(from, to, reason)| Edge {
            from: task(from),
            to: task(to),
            reason,
            evidence: String::new(),
            confidence: crate::Confidence::default(),
        });
        Plan {
            base: CommitId::new("base"),
            edges: edges.collect(),
            tasks,
            sequential_because: None,
            skipped: vec![],
            warnings: vec![],
        }
    })
}

fn ends() -> Vec<StepEnd> {
    let end = |exit, class: Option<EndClass>| StepEnd {
        exit,
        stopped: false,
        wall: Millis(10),
        max_rss_kib: 1,
        peak_mib: 1,
        cpu_ms: 1,
        taken: Box::default(),
        agent: class.map(|class| crate::AgentEnd {
            class,
            detail: String::new(),
            usage: Usage { cost_microusd: 7, ..Usage::default() },
            turns: 1,
            no_change: None,
            claimed_phases: vec![],
        }),
        tail: String::new(),
    };
    vec![
        end(StepExit::Code(0), Some(EndClass::Done)),
        end(StepExit::Code(1), Some(EndClass::Crashed)),
        end(StepExit::Lost, None),
    ]
}

/// Whatever might be said about that task now, most of it impossible.
fn imaginable(run: &RunState, at: usize) -> Vec<Event> {
    let state = &run.tasks[at];
    let id = |number| AttemptId { run: run_id(), task: task(at), attempt: number };
    let now = || id(state.attempts);
    let step = |by| StepId { attempt: now(), step: state.steps + by };
    let (commit, session) = (|| CommitId::new("c"), || SessionId::new("s"));
    let until = Some(Timestamp(99));
    let finished = |outcome, verdict| Event::TaskFinished {
        run: run_id(),
        task: task(at),
        outcome,
        verdict,
        detail: String::new(),
    };
    let verify = StepKind::Verify { commit: commit() };
    let agent = StepKind::Agent { session: session(), mode: SessionMode::Resume };
    let intended = |what, reserved| Event::StepIntended { step: step(1), what, reserved };
    let suspended =
        |until| Event::AttemptSuspended { attempt: now(), because: String::new(), until, alone: false };
    let process = Process { pid: 1, start_ticks: 1, boot: String::new() };
    let mut events = vec![
        Event::AttemptStarted { attempt: id(state.attempts + 1), base: commit(), session: session() },
        Event::WorkspacePrepared { attempt: now(), path: String::new(), branch: String::new() },
        intended(StepKind::Setup, None),
        intended(agent.clone(), Some(5)),
        intended(agent, Some(3)),
        intended(verify, None),
        Event::StepStarted { step: step(0), process },
        Event::StepSuspected { step: step(0), quiet: Millis(1) },
        Event::StepCleared { step: step(0) },
        Event::StopRequested { attempt: now(), cause: StopCause::Held },
        Event::WorkCollected { attempt: now(), commit: commit(), changed: vec![], committed_rest: false },
        Event::MergeStarted { attempt: now(), onto: commit() },
        Event::MergeComposed { attempt: now(), commit: commit() },
        Event::MergeAccepted { attempt: now(), verified: true },
        Event::MergePutBack { attempt: now(), because: String::new(), until },
        Event::IntegrationMoved { attempt: now(), commit: commit() },
        Event::TaskMerged { attempt: now(), commit: commit() },
        suspended(None),
        suspended(until),
        Event::TaskHeld { run: run_id(), task: task(at) },
        Event::TaskReleased { run: run_id(), task: task(at) },
        Event::TaskRevived { run: run_id(), task: task(at), with: None },
        finished(Outcome::Succeeded, Some(Verdict::Verified)),
        finished(Outcome::Failed, None),
        finished(Outcome::Skipped { because: SkipReason::Budget }, None),
        Event::ClockJumped { run: run_id(), by: 5 },
        Event::RunEnding { run: run_id() },
        Event::RunFinished { run: run_id(), wall: Millis(1), kept: vec![] },
    ];
    events.extend(ends().into_iter().map(|end| Event::StepEnded { step: step(0), end }));
    events.extend(
        (1..=state.attempts)
            .map(|number| Event::WorkSalvaged { attempt: id(number), salvage: Salvage::Nothing }),
    );
    events
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn it_is_what_the_tasks_give(
        plan in plans(),
        choices in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 100),
    ) {
        let mut state = State::default();
        let settings = Box::new(RunSettings::default());
        let tasks = plan.tasks.len();
        let started = Event::RunStarted { run: run_id(), plan, settings };
        prop_assert_eq!(state.apply(Timestamp(1), &started), Ok(()));
        for (which, what) in choices {
            let run = &state.runs[&run_id()];
            prop_assert_eq!(&run.index, &afresh(run));
            let mut possible = Vec::new();
            for event in imaginable(run, which.index(tasks)) {
                let mut next = state.clone();
                match next.apply(Timestamp(2), &event) {
                    Ok(()) => possible.push(next),
                    Err(_) => prop_assert!(next == state, "refused, and yet it changed: {event:?}"),
                }
            }
            if !possible.is_empty() {
                state = possible.swap_remove(what.index(possible.len()));
            }
        }
    }

    /// The same edges both ways, one for each pair, with the strongest need.
    #[test]
    fn its_edges_are_those_of_the_plan(plan in plans()) {
        let run = RunState::new(run_id(), Timestamp(1), plan.clone(), RunSettings::default());
        let mut needs: BTreeMap<(usize, usize), Need> = BTreeMap::new();
        for edge in &plan.edges {
            let place = |id: &TaskId| plan.tasks.iter().position(|task| task.id == *id).unwrap();
            let need = needs.entry((place(&edge.from), place(&edge.to))).or_insert(Need::End);
            if edge.reason == EdgeReason::Declared {
                *need = Need::Success;
            }
        }
        let places = || 0..plan.tasks.len();
        let before = places().flat_map(|to| run.before(to).iter().map(move |(from, need)| ((*from, to), *need)));
        let after = places().flat_map(|from| run.index.after(from).iter().map(move |(to, need)| ((from, *to), *need)));
        let (before, after): (Vec<_>, Vec<_>) = (before.collect(), after.collect());
        prop_assert_eq!((before.len(), after.len()), (needs.len(), needs.len()));
        prop_assert_eq!(&before.into_iter().collect::<BTreeMap<_, _>>(), &needs);
        prop_assert_eq!(&after.into_iter().collect::<BTreeMap<_, _>>(), &needs);
    }
}

/// Those of the highest priority first, and of two alike the first in the plan.
#[test]
fn what_can_begin_comes_in_the_order_of_priority() {
    let tasks: Vec<PlannedTask> =
        [0, 5, -1, 5].into_iter().enumerate().map(|(at, priority)| planned(at, priority)).collect();
    let plan = Plan {
        base: CommitId::new("base"),
        tasks,
        edges: vec![],
        sequential_because: None,
        skipped: vec![],
        warnings: vec![],
    };
    let run = RunState::new(run_id(), Timestamp(1), plan, RunSettings::default());
    assert_eq!(run.unblocked().collect::<Vec<_>>(), [1, 3, 0, 2]);
}
