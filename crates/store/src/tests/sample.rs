//! One event of every kind.

use gadugi_core::*;

pub(crate) fn run(name: &str) -> RunId {
    RunId::new(format!("orchestration-20261121-090000-{name}"))
}

pub(crate) fn plan(tasks: usize) -> Plan {
    let task = |number: usize| PlannedTask {
        purpose: Purpose::Work,
        id: TaskId::new(format!("task-{number}")),
        name: "Titel mit Ünicode \u{202e} und \"Zeichen\"".into(),
        prompt: PromptRef { path: format!("prompts/task-{number}.md"), bytes: 1234 },
        kind: Kind::BugFix,
        complexity: Complexity::High,
        writes: vec![PathClaim {
            path: "src/a.rs".into(),
            confidence: Confidence(90),
            evidence: "`a`".into(),
            source: ClaimSource::Path,
            stated: None,
        }],
        reads: vec![],
        depends_on: vec![],
        estimate: Estimate {
            seconds: 600.5,
            cpu: 1.0,
            memory_mb: 512,
            disk_mb: 100,
            spread: 2.0,
            source: "table".into(),
        },
        priority: -3,
        timeout: Some(Millis::seconds(5)),
        agent: Some("claude".into()),
        model: None,
        budget_microusd: Some(2_500_000),
        verify: Some("make".into()),
        done_when: vec![DoneWhen::Contains { file: "f".into(), text: "t".into() }, DoneWhen::Run("x".into())],
        executor: Some(ExecutorKind::Docker),
        network: vec!["api.example.com:443".into()],
    };
    Plan {
        base: CommitId::new("a".repeat(40)),
        tasks: (1..=tasks).map(task).collect(),
        edges: vec![],
        sequential_because: None,
        skipped: vec![SkippedPrompt { path: "old.md".into(), because: "COMPLETED".into() }],
        warnings: vec!["w".into()],
    }
}

pub(crate) fn started(run: &RunId, tasks: usize) -> Event {
    Event::RunStarted { run: run.clone(), plan: plan(tasks), settings: Box::default() }
}

pub(crate) fn finished(run: &RunId) -> Event {
    Event::RunFinished { run: run.clone(), wall: Millis(5), kept: vec![("/w".into(), "dirty".into())] }
}

pub(crate) fn revived(run: &RunId) -> Event {
    Event::TaskRevived { run: run.clone(), task: TaskId::new("task-1"), with: Some("again\n".into()) }
}

pub(crate) fn reached(run: &RunId, number: u32) -> Event {
    let attempt = AttemptId { run: run.clone(), task: TaskId::new("task-1"), attempt: 1 };
    Event::PhaseReached { step: StepId { attempt, step: number }, phase: Phase::Implementation }
}

pub(crate) fn step(run: &RunId, number: u32) -> StepId {
    let attempt = AttemptId { run: run.clone(), task: TaskId::new("task-1"), attempt: 1 };
    StepId { attempt, step: number }
}

fn end() -> StepEnd {
    let class = EndClass::UsageLimit { resets_at: Some(Timestamp(17)) };
    StepEnd {
        exit: StepExit::NotStarted("no such file".into()),
        stopped: true,
        wall: Millis(12),
        max_rss_kib: u64::MAX,
        peak_mib: 7,
        cpu_ms: 9,
        taken: Box::new(Taken { pids_peak: Some(5), disk_written_bytes: Some(1 << 40), ..Taken::default() }),
        agent: Some(AgentEnd {
            class,
            detail: "d".into(),
            usage: Usage { input_tokens: 1, cost_microusd: 9, ..Usage::default() },
            turns: 3,
            no_change: Some("nothing to do".into()),
            claimed_phases: vec![4, 5],
        }),
        tail: "\u{0}\u{1b}[31m".into(),
    }
}

/// One event of every kind, in an order that a run could have; some more than once for their variants.
pub(crate) fn every_event(run: &RunId) -> Vec<Event> {
    let run = run.clone();
    let task = TaskId::new("task-1");
    let attempt = AttemptId { run: run.clone(), task: task.clone(), attempt: 2 };
    let step = StepId { attempt: attempt.clone(), step: 7 };
    let commit = CommitId::new("b".repeat(40));
    let session = SessionId::derive(&attempt, &commit, 0);
    let end = end();
    let phases = vec![
        PhaseRecord { phase: Phase::Testing, status: PhaseStatus::Proved { evidence: "exit 0".into() } },
        PhaseRecord { phase: Phase::Review, status: PhaseStatus::Claimed },
    ];
    let process = Process { pid: 4, start_ticks: 99, boot: "boot".into() };
    let skipped = Outcome::Skipped { because: SkipReason::Dependency(TaskId::new("other")) };
    let over = |outcome, verdict| Event::TaskFinished {
        run: run.clone(),
        task: task.clone(),
        outcome,
        verdict,
        detail: String::new(),
    };
    vec![
        started(&run, 2),
        Event::IntegrationOpened { run: run.clone(), commit: commit.clone() },
        Event::CapacityMeasured { slots: 3, reason: "4 cpus".into(), memory_mib: None },
        Event::CapacityMeasured { slots: 4, reason: "4 cpus".into(), memory_mib: Some(6000) },
        Event::RunPaused { run: run.clone(), cause: PauseCause::EngineLost, detail: String::new() },
        Event::RunResumed { run: run.clone() },
        Event::AttemptStarted { attempt: attempt.clone(), base: commit.clone(), session: session.clone() },
        Event::WorkspacePrepared { attempt: attempt.clone(), path: "/w".into(), branch: "b".into() },
        Event::StepIntended {
            step: step.clone(),
            what: StepKind::Agent { session, mode: SessionMode::Resume },
            reserved: Some(250_000),
        },
        Event::StepIntended { step: step.clone(), what: StepKind::Setup, reserved: None },
        Event::StepStarted { step: step.clone(), process },
        Event::PhaseReached { step: step.clone(), phase: Phase::Implementation },
        Event::StopRequested { attempt: attempt.clone(), cause: StopCause::Timeout },
        Event::StepEnded { step, end },
        Event::WorkCollected {
            attempt: attempt.clone(),
            commit: commit.clone(),
            changed: vec!["a b\"c".into()],
            committed_rest: true,
        },
        Event::PhasesRecorded { attempt: attempt.clone(), phases },
        Event::MergeStarted { attempt: attempt.clone(), onto: commit.clone() },
        Event::MergeComposed { attempt: attempt.clone(), commit: commit.clone() },
        Event::MergeAccepted { attempt: attempt.clone(), verified: false },
        Event::IntegrationMoved { attempt: attempt.clone(), commit: commit.clone() },
        Event::MergePutBack { attempt: attempt.clone(), because: "x".into(), until: None },
        Event::TaskMerged { attempt: attempt.clone(), commit: commit.clone() },
        Event::AttemptSuspended { attempt, because: "x".into(), until: Some(Timestamp(5)), alone: true },
        over(skipped, None),
        over(Outcome::Succeeded, Some(Verdict::Verified)),
        revived(&run),
        Event::RunEnding { run: run.clone() },
        finished(&run),
        Event::RunLanded { run, into: "main".into(), commit },
    ]
}
