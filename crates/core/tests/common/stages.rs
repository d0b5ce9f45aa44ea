//! A story for each stage that a task can be at.

use gadugi_core::{
    Attempt, AttemptId, Collected, Command, Composition, EndClass, Event, MergeStage, Millis, Report, Stage,
    StepKind, StepState, TaskState, TaskStatus, Timestamp,
};

use super::{Story, attempt, commit, done, ended, only, plan, run_id, settings, spoken, task};

/// The stages of task `a`, in the order of a good life, each with the two letters that stand for it in tables.
pub(crate) const STAGES: [(&str, &str); 23] = [
    ("waiting", "Wa"),
    ("preparing", "Pr"),
    ("ready", "Re"),
    ("setup-intended", "Si"),
    ("setup-running", "Sr"),
    ("agent-intended", "Ai"),
    ("agent-running", "Ar"),
    ("collecting", "Co"),
    ("suspended", "Su"),
    ("suspended-until", "St"),
    ("queued", "Qu"),
    ("queued-until", "Qt"),
    ("composing", "Mc"),
    ("composed", "Md"),
    ("verify-intended", "Vi"),
    ("verify-running", "Vr"),
    ("advancing", "Ad"),
    ("merged", "Me"),
    ("succeeded", "Fs"),
    ("failed-owed", "Fo"),
    ("failed", "Ff"),
    ("run-ending", "Ee"),
    ("run-over", "Eo"),
];

/// The stage at which a task is. A new stage does not compile until it has a name here, and the tables fail until it
/// has a column.
pub(crate) fn stage_of(state: &TaskState) -> &'static str {
    let attempt: &Attempt = match &state.status {
        TaskStatus::Waiting => return "waiting",
        TaskStatus::Finished { outcome, .. } if outcome.satisfies_dependents() => return "succeeded",
        TaskStatus::Finished { .. } if state.salvage.values().any(Option::is_none) => return "failed-owed",
        TaskStatus::Finished { .. } => return "failed",
        TaskStatus::Active(attempt) => attempt,
    };
    match &attempt.stage {
        Stage::Preparing => "preparing",
        Stage::Ready => "ready",
        Stage::Step(StepState { kind: StepKind::Setup, running: None, .. }) => "setup-intended",
        Stage::Step(StepState { kind: StepKind::Setup, running: Some(_), .. }) => "setup-running",
        Stage::Step(StepState { kind: StepKind::Agent { .. }, running: None, .. }) => "agent-intended",
        Stage::Step(StepState { kind: StepKind::Agent { .. }, running: Some(_), .. }) => "agent-running",
        Stage::Step(StepState { kind: StepKind::Verify { .. }, .. }) => "never",
        Stage::Collecting => "collecting",
        Stage::Suspended { until: None, .. } => "suspended",
        Stage::Suspended { until: Some(_), .. } => "suspended-until",
        Stage::Queued { until: None, .. } => "queued",
        Stage::Queued { until: Some(_), .. } => "queued-until",
        Stage::Merging { at, .. } => match at {
            MergeStage::Composing => "composing",
            MergeStage::Composed { .. } => "composed",
            MergeStage::Verifying { step: StepState { running: None, .. }, .. } => "verify-intended",
            MergeStage::Verifying { step: StepState { running: Some(_), .. }, .. } => "verify-running",
            MergeStage::Advancing { .. } if state.merged => "merged",
            MergeStage::Advancing { .. } => "advancing",
        },
    }
}

/// A story in which task `a` is at that stage, in its second attempt; `b` depends on it. The run is active but for
/// the stages of the run's own end.
pub(crate) fn at(stage: &str) -> Story {
    let mut story = Story::of(plan(&["a", "b"], &[("a", "b")]), settings());
    story.opened();
    story.prepared("a");
    story.started("a");
    // The first attempt fails, so that there is one to take for the present one.
    story.ends("a", ended(gadugi_core::StepExit::Code(1)));
    if stage == "failed-owed" {
        return story;
    }
    let salvage = gadugi_core::Salvage::Nothing;
    story.report(Report::WorkSalvaged { attempt: attempt("a", 1), salvage });
    if stage == "run-over" {
        story.report(Report::Tidied { run: run_id(), kept: vec![] });
        return story;
    }
    if stage == "run-ending" {
        return story;
    }
    story.report(Report::Tidied { run: run_id(), kept: vec![] });
    if stage == "failed" {
        // `b` wants the run to be alive.
        story.once(gadugi_core::Input::Command(Command::Retry {
            run: run_id(),
            target: only("b"),
            with: None,
        }));
        return story;
    }
    story.once(gadugi_core::Input::Command(Command::Retry { run: run_id(), target: only("a"), with: None }));
    for way in WAY {
        if name(&story) == stage {
            return story;
        }
        way(&mut story);
    }
    match stage {
        "suspended" => {
            let mut story = at("ready");
            story.fact(&suspended(None));
            story
        }
        "suspended-until" => {
            let mut story = at("ready");
            story.fact(&suspended(Some(story.now + PAUSE)));
            story
        }
        "queued-until" => {
            let mut story = at("composed");
            let until = Some(story.now + PAUSE);
            story.fact(&Event::MergePutBack { attempt: id(), because: "lost".into(), until });
            story
        }
        _ => {
            assert_eq!(name(&story), stage, "no way leads there");
            story
        }
    }
}

/// How long from then the stages that have a time are to wait.
pub(crate) const PAUSE: Millis = Millis::seconds(60);

fn suspended(until: Option<Timestamp>) -> Event {
    Event::AttemptSuspended { attempt: id(), because: "interrupted".into(), until, alone: false }
}

fn name(story: &Story) -> &'static str {
    stage_of(story.task("a"))
}

fn id() -> AttemptId {
    attempt("a", 2)
}

/// The work of the second attempt and its composition.
pub(crate) const WORK: &str = "work2";
pub(crate) const COMPOSED: &str = "composed2";

type Way = fn(&mut Story);

fn tick(story: &mut Story) {
    story.once(gadugi_core::Input::Tick);
}

fn hears(story: &mut Story, report: Report) {
    story.once(gadugi_core::Input::Report(report));
}

/// A good life, one decision after another.
const WAY: [Way; 16] = [
    tick,
    |story| {
        let result = Ok(("/w/a".into(), "feature/a".into()));
        hears(story, Report::WorkspacePrepared { attempt: id(), result });
    },
    tick,
    |story| hears(story, Report::StepStarted { step: story.current("a"), process: super::process() }),
    |story| {
        let end = ended(gadugi_core::StepExit::Code(0));
        hears(story, Report::StepEnded { step: story.current("a"), end });
    },
    tick,
    |story| hears(story, Report::StepStarted { step: story.current("a"), process: super::process() }),
    |story| hears(story, Report::StepEnded { step: story.current("a"), end: done() }),
    |story| {
        let result =
            Ok(Collected { commit: commit(WORK), changed: vec!["a.rs".into()], committed_rest: false });
        hears(story, Report::WorkCollected { attempt: id(), result });
    },
    tick,
    |story| {
        let result = Composition::Clean(commit(COMPOSED));
        let (work, onto) = (commit(WORK), commit("base"));
        hears(story, Report::Composed { run: run_id(), task: task("a"), work, onto, result });
    },
    tick,
    |story| hears(story, Report::StepStarted { step: story.current("a"), process: super::process() }),
    |story| {
        let end = ended(gadugi_core::StepExit::Code(0));
        hears(story, Report::StepEnded { step: story.current("a"), end });
    },
    |story| story.fact(&Event::TaskMerged { attempt: id(), commit: commit(COMPOSED) }),
    |story| {
        story.fact(&Event::TaskFinished {
            run: run_id(),
            task: task("a"),
            outcome: gadugi_core::Outcome::Succeeded,
            verdict: Some(gadugi_core::Verdict::Verified),
            detail: String::new(),
        });
    },
];

/// An agent's turn that came to nothing.
pub(crate) fn crashed() -> gadugi_core::StepEnd {
    spoken(EndClass::Crashed, None)
}
