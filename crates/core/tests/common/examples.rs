//! One example at least of each kind of event.

use gadugi_core::{
    AgentEnd, AgentSettings, ClaimSource, CommitId, Confidence, DoneWhen, EdgeReason, EndClass, Event,
    ExecutorKind, Hold, Millis, Outcome, PathClaim, PauseCause, Phase, PhaseRecord, PhaseStatus, Plan,
    RunSettings, Salvage, SessionId, SessionMode, SkipReason, SkippedPrompt, StepEnd, StepExit, StepKind,
    StopCause, Timestamp, Usage, Verdict,
};

use super::{attempt, commit, done, edge, plan, process, run_id, step, task};

/// The place of an event's kind in the list of all kinds. A new kind does not compile until it is placed here, and
/// the test fails until it has an example.
pub(crate) fn kind(event: &Event) -> usize {
    match event {
        Event::RunStarted { .. } => 0,
        Event::IntegrationOpened { .. } => 1,
        Event::CapacityMeasured { .. } => 2,
        Event::RunPaused { .. } => 3,
        Event::RunResumed { .. } => 4,
        Event::DispatchHeld { .. } => 5,
        Event::DispatchFreed { .. } => 6,
        Event::AccountLimited { .. } => 7,
        Event::ClockJumped { .. } => 8,
        Event::TaskHeld { .. } => 9,
        Event::TaskReleased { .. } => 10,
        Event::AttemptStarted { .. } => 11,
        Event::WorkspacePrepared { .. } => 12,
        Event::StepIntended { .. } => 13,
        Event::StepStarted { .. } => 14,
        Event::PhaseReached { .. } => 15,
        Event::StepSuspected { .. } => 16,
        Event::StepCleared { .. } => 17,
        Event::StopRequested { .. } => 18,
        Event::StepEnded { .. } => 19,
        Event::WorkCollected { .. } => 20,
        Event::PhasesRecorded { .. } => 21,
        Event::MergeStarted { .. } => 22,
        Event::MergeComposed { .. } => 23,
        Event::MergeAccepted { .. } => 24,
        Event::IntegrationMoved { .. } => 25,
        Event::MergePutBack { .. } => 26,
        Event::TaskMerged { .. } => 27,
        Event::AttemptSuspended { .. } => 28,
        Event::WorkSalvaged { .. } => 29,
        Event::TaskFinished { .. } => 30,
        Event::TaskRevived { .. } => 31,
        Event::RunEnding { .. } => 32,
        Event::RunFinished { .. } => 33,
        Event::RunLanded { .. } => 34,
        Event::AnswerAppraised { .. } => 35,
    }
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 36;

fn full_plan() -> Plan {
    let mut plan = plan(&["lexer", "parser"], &[("lexer", "parser")]);
    let parser = &mut plan.tasks[1];
    parser.depends_on = vec![task("lexer")];
    parser.writes = vec![PathClaim {
        path: "src/parser/**".into(),
        confidence: Confidence(90),
        evidence: "touches: src/parser/**".into(),
        source: ClaimSource::Declared,
        stated: None,
    }];
    parser.reads = vec![PathClaim {
        path: "src/lexer.rs".into(),
        confidence: Confidence(60),
        evidence: "`lexer`".into(),
        source: ClaimSource::Path,
        stated: None,
    }];
    parser.estimate.seconds = 0.1 + 0.2;
    parser.priority = -3;
    parser.timeout = Some(Millis::seconds(5400));
    parser.agent = Some("scripted".into());
    parser.model = Some("large".into());
    parser.budget_microusd = Some(2_500_000);
    parser.verify = Some("cargo test -p parser".into());
    parser.done_when = vec![
        DoneWhen::Exists("src/parser/errors.rs".into()),
        DoneWhen::Contains { file: "CHANGELOG.md".into(), text: "parser".into() },
        DoneWhen::Run("make check".into()),
    ];
    parser.executor = Some(ExecutorKind::Docker);
    parser.network = vec!["api.example.com:443".into()];
    plan.edges.push(edge("lexer", "parser", EdgeReason::SameFile));
    plan.edges.push(edge("lexer", "parser", EdgeReason::Import));
    plan.sequential_because = Some("notes.md is not UTF-8".into());
    plan.skipped = vec![SkippedPrompt { path: "prompts/old.md".into(), because: "IMPLEMENTED".into() }];
    plan.warnings = vec!["prompts/parser.md:3: unknown key `colour`".into()];
    plan
}

fn full_settings() -> RunSettings {
    let agent = AgentSettings {
        command: Some("/opt/claude".into()),
        args: vec!["--betas".into()],
        env: [("A".to_owned(), "b".to_owned())].into(),
    };
    RunSettings {
        max_parallel: Some(3),
        model: Some("small".into()),
        budget_microusd: Some(10_000_000),
        task_budget_microusd: Some(1_000_000),
        verify: Some("make check".into()),
        include: vec![".env".into()],
        setup: vec!["npm ci".into()],
        env_deny: vec!["AWS_*".into()],
        agents: [("claude".to_owned(), agent)].into(),
        ..RunSettings::default()
    }
}

fn ends() -> Vec<StepEnd> {
    let classes = [
        EndClass::Done,
        EndClass::MaxTurns,
        EndClass::Auth,
        EndClass::Overloaded,
        EndClass::UsageLimit { resets_at: Some(Timestamp(1_700_000_000_000)) },
        EndClass::UsageLimit { resets_at: None },
        EndClass::Budget,
        EndClass::Refused,
        EndClass::NoSession,
        EndClass::Crashed,
        EndClass::Silent,
    ];
    let exits = [
        StepExit::Code(0),
        StepExit::Signal(9),
        StepExit::OutOfMemory,
        StepExit::NotStarted("no such program".into()),
        StepExit::NeverBegan,
        StepExit::LeaseLapsed,
        StepExit::Lost,
        StepExit::TooMuchOutput,
        StepExit::EndedByEngine,
    ];
    let usage = Usage {
        input_tokens: u64::MAX,
        output_tokens: 2,
        cache_read_tokens: 3,
        cache_write_tokens: 4,
        cost_microusd: 5,
    };
    let agent = |class| AgentEnd {
        class,
        detail: "said \"so\"\n\u{1f980}".into(),
        usage,
        turns: 7,
        no_change: Some("it is there".into()),
        claimed_phases: vec![4, 7],
    };
    let taken = gadugi_core::Taken {
        pids_peak: Some(12),
        disk_written_bytes: Some(3 << 30),
        net_in_bytes: Some(4_000_000),
        net_out_bytes: Some(900_000),
    };
    let measured = StepEnd { peak_mib: 412, cpu_ms: 61_000, taken: Box::new(taken), ..done() };
    let spoken = classes.map(|class| StepEnd { agent: Some(agent(class)), ..done() });
    let silent = exits.map(|exit| StepEnd { exit, agent: None, stopped: true, ..done() });
    spoken.into_iter().chain(silent).chain([measured]).collect()
}

fn of_steps() -> Vec<Event> {
    let id = || step("parser", 2, 3);
    let session = || SessionId::new("6f9619ff-8b86-d011-b42d-00c04fc964ff");
    let kinds = [
        StepKind::Setup,
        StepKind::Agent { session: session(), mode: SessionMode::Fresh },
        StepKind::Agent { session: session(), mode: SessionMode::Resume },
        StepKind::Verify { commit: commit("c0ffee") },
    ];
    let mut events: Vec<Event> =
        kinds.into_iter().map(|what| Event::StepIntended { step: id(), what, reserved: None }).collect();
    let what = StepKind::Agent { session: session(), mode: SessionMode::Fresh };
    events.push(Event::StepIntended { step: id(), what, reserved: Some(250_000) });
    events.push(Event::StepStarted { step: id(), process: process() });
    events.push(Event::PhaseReached { step: id(), phase: Phase::Documentation });
    events.push(Event::StepSuspected { step: id(), quiet: Millis(600_000) });
    events.push(Event::StepCleared { step: id() });
    events.extend(ends().into_iter().map(|end| Event::StepEnded { step: id(), end }));
    events
}

fn of_attempts() -> Vec<Event> {
    let id = || attempt("parser", 2);
    let hex = || CommitId::new("89e6c98d92887913cadf06b2adb97f26cde4849b");
    let later = || Some(Timestamp(1_700_000_000_000));
    let said = |status| PhaseRecord { phase: Phase::Testing, status };
    let phases = vec![
        said(PhaseStatus::Proved { evidence: "exit status 0".into() }),
        said(PhaseStatus::Claimed),
        said(PhaseStatus::Unreported),
        said(PhaseStatus::LeftOut { because: "no forge".into() }),
        said(PhaseStatus::Failed { because: "exit status 1".into() }),
    ];
    let mut events = vec![
        Event::AttemptStarted { attempt: id(), base: hex(), session: SessionId::new("s") },
        Event::WorkspacePrepared { attempt: id(), path: "/w/parser".into(), branch: "feature/parser".into() },
        Event::WorkCollected {
            attempt: id(),
            commit: hex(),
            changed: vec!["a b.rs".into(), "naïve\n.rs".into()],
            committed_rest: true,
        },
        Event::PhasesRecorded { attempt: id(), phases },
        Event::MergeStarted { attempt: id(), onto: hex() },
        Event::MergeComposed { attempt: id(), commit: hex() },
        Event::MergeAccepted { attempt: id(), verified: true },
        Event::IntegrationMoved { attempt: id(), commit: hex() },
        Event::MergePutBack { attempt: id(), because: "interrupted".into(), until: None },
        Event::MergePutBack { attempt: id(), because: "lost".into(), until: later() },
        Event::TaskMerged { attempt: id(), commit: hex() },
        Event::AttemptSuspended { attempt: id(), because: "interrupted".into(), until: None, alone: false },
        Event::AttemptSuspended { attempt: id(), because: "overloaded".into(), until: later(), alone: false },
        Event::AttemptSuspended { attempt: id(), because: "killed".into(), until: later(), alone: true },
    ];
    let kept = Salvage::Kept { reference: "refs/gadugi/salvage/parser/2".into(), commit: hex() };
    let salvages = [Salvage::Nothing, kept, Salvage::Failed { because: "no room".into() }];
    events.extend(salvages.map(|salvage| Event::WorkSalvaged { attempt: id(), salvage }));
    let causes = [
        StopCause::Timeout,
        StopCause::Cancel,
        StopCause::Interrupt,
        StopCause::Held,
        StopCause::Hung,
        StopCause::Lingered,
    ];
    events.extend(causes.map(|cause| Event::StopRequested { attempt: id(), cause }));
    events
}

fn of_tasks() -> Vec<Event> {
    let finished = |outcome, verdict| Event::TaskFinished {
        run: run_id(),
        task: task("parser"),
        outcome,
        verdict,
        detail: "said".into(),
    };
    vec![
        finished(Outcome::Succeeded, Some(Verdict::Verified)),
        finished(Outcome::Succeeded, Some(Verdict::Unverified)),
        finished(Outcome::Succeeded, Some(Verdict::NoChange)),
        finished(Outcome::Failed, Some(Verdict::Rejected)),
        finished(Outcome::Failed, Some(Verdict::Conflict)),
        finished(Outcome::Failed, None),
        finished(Outcome::TimedOut, None),
        finished(Outcome::Cancelled, None),
        finished(Outcome::Skipped { because: SkipReason::Dependency(task("lexer")) }, None),
        finished(Outcome::Skipped { because: SkipReason::Budget }, None),
        finished(Outcome::Lost, None),
        Event::TaskRevived { run: run_id(), task: task("parser"), with: Some("try harder".into()) },
        Event::TaskRevived { run: run_id(), task: task("parser"), with: None },
        Event::TaskHeld { run: run_id(), task: task("parser") },
        Event::TaskReleased { run: run_id(), task: task("parser") },
    ]
}

/// Every kind of event, in every shape that its parts can take.
pub(crate) fn examples() -> Vec<Event> {
    let run = run_id;
    let paused = |cause, detail: &str| Event::RunPaused { run: run(), cause, detail: detail.to_owned() };
    let mut events = vec![
        Event::RunStarted { run: run(), plan: full_plan(), settings: Box::new(full_settings()) },
        Event::IntegrationOpened { run: run(), commit: commit("c0ffee") },
        Event::CapacityMeasured {
            slots: 4,
            reason: "4 processors, 12 GiB available".into(),
            memory_mib: Some(11_264),
        },
        paused(PauseCause::Asked, ""),
        paused(PauseCause::Interrupted, ""),
        paused(PauseCause::EngineLost, ""),
        paused(PauseCause::AuthRefused, "auth: 401 invalid x-api-key"),
        Event::RunResumed { run: run() },
        Event::AccountLimited {
            run: run(),
            agent: "claude".into(),
            until: Timestamp(1_700_000_000_000),
            reason: "You've hit your limit".into(),
        },
        Event::ClockJumped { run: run(), by: -3_600_000 },
        Event::RunEnding { run: run() },
        Event::RunFinished {
            run: run(),
            wall: Millis(61_234),
            kept: vec![("/w/lexer".into(), "uncommitted changes".into())],
        },
        Event::RunLanded { run: run(), into: "main".into(), commit: commit("c0ffee") },
        Event::AnswerAppraised { step: step("large", 1, 2), taken: true, wrong: vec![] },
        Event::AnswerAppraised {
            step: step("large", 1, 1),
            taken: false,
            wrong: vec!["a waits for b, and b for a".into()],
        },
    ];
    for hold in [Hold::Memory, Hold::Room, Hold::Cpu, Hold::Disk, Hold::Budget, Hold::Alone, Hold::Api] {
        events.push(Event::DispatchHeld { run: run(), hold, reason: "700 MiB of memory available".into() });
        events.push(Event::DispatchFreed { run: run(), hold });
    }
    events.extend(of_attempts());
    events.extend(of_steps());
    events.extend(of_tasks());
    events
}
