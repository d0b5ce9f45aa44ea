//! What happened, in lines that a person can read.

use gadugi_core::{Command, Effect, Event, Report};

pub(super) fn event(event: &Event) -> String {
    let place = match (event.step(), event.attempt(), event.task()) {
        (Some(step), ..) => step.to_string(),
        (_, Some(attempt), _) => attempt.to_string(),
        (.., Some(task)) => task.to_string(),
        _ => event.run().map(ToString::to_string).unwrap_or_default(),
    };
    let more = match event {
        Event::RunPaused { cause, .. } => format!("{cause:?}"),
        Event::StopRequested { cause, .. } => format!("{cause:?}"),
        Event::StepIntended { what, .. } => format!("{what:?}"),
        Event::StepEnded { end, .. } => {
            format!("{:?} {}", end.exit, if end.stopped { "stopped" } else { "by itself" })
        }
        Event::TaskFinished { outcome, verdict, detail, .. } => format!("{outcome} {verdict:?} {detail}"),
        Event::AttemptStarted { base, .. } => format!("at {base}"),
        Event::WorkCollected { commit, .. }
        | Event::MergeComposed { commit, .. }
        | Event::IntegrationMoved { commit, .. }
        | Event::TaskMerged { commit, .. } => commit.to_string(),
        Event::MergeStarted { onto, .. } => format!("onto {onto}"),
        Event::MergePutBack { because, .. } | Event::AttemptSuspended { because, .. } => because.clone(),
        Event::CapacityMeasured { slots, .. } => format!("{slots} slots"),
        _ => String::new(),
    };
    format!("  + {} {place} {more}", event.word())
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::OpenIntegration { run, .. } => format!("opens the branch of {run}"),
        Effect::PrepareWorkspace { attempt, base } => format!("prepares {attempt} at {base}"),
        Effect::LaunchStep { step, kind } => format!("launches {step}, {}", kind.word()),
        Effect::AdoptStep { step, kind } => format!("adopts {step}, {}", kind.word()),
        Effect::StopStep { step, force } => format!("stops {step}: {force:?}"),
        Effect::CollectWork { attempt, .. } => format!("collects {attempt}"),
        Effect::Compose { task, work, onto, .. } => format!("composes {task}: {work} onto {onto}"),
        Effect::Advance { task, from, to, .. } => format!("advances for {task}: {from} to {to}"),
        Effect::TidyRun { run } => format!("tidies {run}"),
    }
}

pub(super) fn report(report: &Report) -> String {
    match report {
        Report::IntegrationOpened { run, result } => format!("the branch of {run}: {result:?}"),
        Report::WorkspacePrepared { attempt, result } => format!("the workspace of {attempt}: {result:?}"),
        Report::StepStarted { step, .. } => format!("{step} started"),
        Report::PhaseReached { step, phase } => format!("{step} reached {}", phase.title()),
        Report::StepEnded { step, end } => format!("{step} ended: {:?}, stopped: {}", end.exit, end.stopped),
        Report::WorkCollected { attempt, result } => format!("the work of {attempt}: {result:?}"),
        Report::Composed { task, work, onto, result, .. } => {
            format!("{task}: {work} onto {onto} composed: {result:?}")
        }
        Report::Advanced { task, to, result, .. } => format!("{task}: advanced to {to}: {result:?}"),
        Report::Tidied { run, .. } => format!("{run} is tidy"),
    }
}

pub(super) fn command(command: &Command) -> String {
    let Command::StartRun { run, plan, settings } = command else { return format!("{command:?}") };
    let edges: Vec<String> =
        plan.edges.iter().map(|edge| format!("{}-{}->{}", edge.from, edge.reason.word(), edge.to)).collect();
    format!(
        "start {run}: {} tasks, edges [{}], slots {:?}, budget {:?}, verify {:?}, one by one: {}",
        plan.tasks.len(),
        edges.join(" "),
        settings.max_parallel,
        settings.budget_microusd,
        settings.verify,
        plan.sequential_because.is_some()
    )
}
