//! The run of questions: one for each prompt that is split, followed to its end, and what its agents answered.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use gadugi_agents::{AgentKind, last_words};
use gadugi_analysis::decompose::{Answer, read};
use gadugi_config::Resolved;
use gadugi_core::{Plan, PlannedTask, Purpose, TaskId};
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request, RunView, Submission, TaskView};

use crate::commands::latest_run;
use crate::containers;
use crate::error::{Exit, Problem, Stop};
use crate::follow::{self, Board, Signals, Start, ViewArgs, count};
use crate::place::Place;
use crate::planning::{self, Planned};
use crate::text;

/// Asks how the prompts divide, and follows that to its end: how the run stands then, or how the command ends where it did
/// not come to one.
pub(super) async fn ask(
    place: &Place,
    resolved: &Resolved,
    planned: &Planned,
    tasks: &[&PlannedTask],
    most: u32,
    view: ViewArgs,
) -> Result<Result<Box<RunView>, Exit>, Stop> {
    let manner = view.manner();
    let plan = plan(planned, tasks, most);
    let mut resolved = resolved.clone();
    let about = containers::decide(place, &mut resolved, &plan, manner).await?;
    planning::check_runnable(&resolved, &plan)?;
    resolved.settings.uv = planning::uv(place, resolved.settings.uv, planned);
    // Nothing is built, tested or merged.
    resolved.settings.setup.clear();
    resolved.settings.verify = None;
    let prompts: BTreeMap<TaskId, String> = planned
        .prompts
        .iter()
        .filter(|(id, _)| plan.task(id).is_some())
        .map(|(id, text)| (id.clone(), text.clone()))
        .collect();
    // From here on a Ctrl-C is heard: it stops the run as soon as there is one.
    let signals = Signals::new()?;
    let mut client = place.engine().await?;
    if let Some(known) = unfinished(place, &mut client, &plan, &prompts).await? {
        manner.tell(&format!("{} asked the same and was not over: it is taken up", known.run));
        let run = known.run.clone();
        follow::take_up(&mut client, &run).await?;
        let start =
            Start { client, run, after: known.seq, board: Board::from_view(&known), signals, page: None };
        return follow::questions(place, start, view).await;
    }
    about.iter().for_each(|line| manner.tell(&text::line(line)));
    manner.tell(&format!("asking the task-analyzer about {}", count(plan.tasks.len(), "prompt")));
    let submission =
        Submission { plan, settings: resolved.settings, prompts, environment: follow::environment() };
    let run = match client.ask(&Request::Submit(Box::new(submission))).await? {
        Reply::Accepted { run, .. } => run,
        other => return Err(Problem::unexpected(&other).into()),
    };
    let start = Start { client, run, after: 0, board: Board::default(), signals, page: None };
    follow::questions(place, start, view).await
}

/// The prompts as questions that know nothing of each other.
fn plan(planned: &Planned, tasks: &[&PlannedTask], most: u32) -> Plan {
    let question = |task: &&PlannedTask| PlannedTask {
        purpose: Purpose::Decompose(most),
        depends_on: Vec::new(),
        verify: None,
        done_when: Vec::new(),
        ..(*task).clone()
    };
    Plan {
        base: planned.plan.base.clone(),
        tasks: tasks.iter().map(question).collect(),
        edges: Vec::new(),
        sequential_because: None,
        skipped: Vec::new(),
        warnings: Vec::new(),
    }
}

/// A run that asked the same and was interrupted: what it has cost so far is not spent again.
async fn unfinished(
    place: &Place,
    client: &mut Client,
    plan: &Plan,
    prompts: &BTreeMap<TaskId, String>,
) -> Result<Option<Box<RunView>>, Stop> {
    latest_run(client, |view| {
        let same = |planned: &PlannedTask, task: &TaskView| {
            let most = task.question.as_ref().map(|question| Purpose::Decompose(question.most));
            let text = std::fs::read_to_string(place.layout.prompt(&view.run, &task.id)).ok();
            task.id == planned.id && most == Some(planned.purpose) && text.as_ref() == prompts.get(&task.id)
        };
        view.status == "paused"
            && view.base == plan.base
            && view.tasks.len() == plan.tasks.len()
            && plan.tasks.iter().zip(&view.tasks).all(|(planned, task)| same(planned, task))
    })
    .await
}

/// The answer of a question that is over.
pub(super) fn answer(view: &RunView, task: &TaskView) -> Result<Answer, Problem> {
    let hint = format!("gadugi logs {} --run {}", text::shell_word(task.id.as_str()), view.run);
    let failed = |why: &str| {
        let message = format!("{} was not split: {why}", task.prompt);
        Problem::failure("not-split", message, Some(&hint))
    };
    let Some((question, dir)) = task.question.as_ref().and_then(|one| Some((one, one.answer.as_deref()?)))
    else {
        return Err(failed(if task.detail.is_empty() { &task.state } else { &task.detail }));
    };
    let words = words(dir, &question.agent).map_err(|error| Problem::io("read", dir, &error))?;
    let reading = read(&words.unwrap_or_default(), question.most);
    // The engine took it: somebody has changed the file since.
    reading.answer.ok_or_else(|| failed(&reading.faults.join("; ")))
}

fn words(dir: &Path, agent: &str) -> std::io::Result<Option<String>> {
    let kind = AgentKind::from_name(agent).map_err(std::io::Error::other)?;
    last_words(kind, BufReader::new(File::open(dir.join("stdout.jsonl"))?))
}
