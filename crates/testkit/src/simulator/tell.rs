//! What happened, in lines that a person can read.

use gadugi_core::{Command, Effect, Event, Report, StepKind, Timestamp};

pub(super) fn event(event: &Event) -> String {
    let place = match (event.step(), event.attempt(), event.task()) {
        (Some(step), ..) => step.to_string(),
        (_, Some(attempt), _) => attempt.to_string(),
        (.., Some(task)) => task.to_string(),
        _ => event.run().map(ToString::to_string).unwrap_or_default(),
    };
    let more = match event {
        Event::RunPaused { cause, .. } => format!("{cause:?}"),
        Event::DispatchHeld { hold, reason, .. } => format!("{}: {reason}", hold.word()),
        Event::DispatchFreed { hold, .. } => hold.word().to_owned(),
        Event::AccountLimited { agent, until, .. } => format!("{agent} until {}", until.0),
        Event::ClockJumped { by, .. } => format!("{by} ms"),
        Event::StepSuspected { quiet, .. } => format!("quiet for {} ms", quiet.0),
        Event::WorkSalvaged { salvage, .. } => format!("{salvage:?}"),
        Event::StopRequested { cause, .. } => format!("{cause:?}"),
        Event::StepIntended { what, reserved, .. } => match (what, reserved) {
            (StepKind::Agent { mode, .. }, Some(reserved)) => format!("agent, {mode:?}, up to {reserved}"),
            (StepKind::Agent { mode, .. }, None) => format!("agent, {mode:?}"),
            (kind, _) => kind.word().to_owned(),
        },
        Event::StepEnded { end, .. } => {
            let said = end.agent.as_ref().map_or("nothing", |agent| agent.class.word());
            format!("{:?}, says {said}, {}", end.exit, if end.stopped { "stopped" } else { "by itself" })
        }
        Event::TaskFinished { outcome, verdict, detail, .. } => format!("{outcome} {verdict:?} {detail}"),
        Event::AttemptStarted { base, .. } => format!("at {base}"),
        Event::WorkCollected { commit, .. }
        | Event::MergeComposed { commit, .. }
        | Event::IntegrationMoved { commit, .. }
        | Event::TaskMerged { commit, .. } => commit.to_string(),
        Event::AnswerAppraised { taken, wrong, .. } => {
            format!("{}{}", if *taken { "taken" } else { "not taken: " }, wrong.join("; "))
        }
        Event::MergeStarted { onto, .. } => format!("onto {onto}"),
        Event::MergePutBack { because, until, .. } => format!("{because}{}", wait(*until)),
        Event::AttemptSuspended { because, until, alone, .. } => {
            format!("{because}{}{}", wait(*until), if *alone { ", alone" } else { "" })
        }
        Event::CapacityMeasured { slots, .. } => format!("{slots} slots"),
        _ => String::new(),
    };
    format!("  + {} {place} {more}", event.word())
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::OpenIntegration { run, .. } => format!("opens the branch of {run}"),
        Effect::PrepareWorkspace { attempt, base } => format!("prepares {attempt} at {base}"),
        Effect::LaunchStep { step, kind, .. } => format!("launches {step}, {}", kind.word()),
        Effect::AdoptStep { step, kind } => format!("adopts {step}, {}", kind.word()),
        Effect::StopStep { step, force } => format!("stops {step}: {force:?}"),
        Effect::SalvageWork { attempt } => format!("salvages {attempt}"),
        Effect::MakeRoom { run } => format!("makes room in {run}"),
        Effect::CollectWork { attempt, .. } => format!("collects {attempt}"),
        Effect::TakeAnswer { step } => format!("looks at the answer of {step}"),
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
        Report::StepQuiet { step, quiet, after_result } => {
            format!("{step} quiet for {} ms{}", quiet.0, if *after_result { " after its result" } else { "" })
        }
        Report::StepAlive { step } => format!("{step} gives signs of life"),
        Report::DiskUsed { step, bytes } => format!("{step} takes {bytes} bytes of the disk"),
        Report::AccountLimited { step, reason, .. } => format!("{step} met a limit: {reason}"),
        Report::WorkSalvaged { attempt, salvage } => format!("what {attempt} left: {salvage:?}"),
        Report::StepEnded { step, end } => format!("{step} ended: {:?}, stopped: {}", end.exit, end.stopped),
        Report::WorkCollected { attempt, result } => format!("the work of {attempt}: {result:?}"),
        Report::AnswerTaken { step, result } => format!("the answer of {step}: {result:?}"),
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
    let tasks: Vec<&str> = plan.tasks.iter().take(40).map(|task| task.id.as_str()).collect();
    format!(
        "start {run}: tasks [{}], edges [{}], slots {:?}, budget {:?}, verify {:?}, one by one: {}, {:?}, {:?}",
        tasks.join(" "),
        edges.join(" "),
        settings.max_parallel,
        settings.budget_microusd,
        settings.verify,
        plan.sequential_because.is_some(),
        settings.retry,
        settings.hang
    )
}

fn wait(until: Option<Timestamp>) -> String {
    until.map_or_else(String::new, |until| format!(", until {}", until.0))
}
