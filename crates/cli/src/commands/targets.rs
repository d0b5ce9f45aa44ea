//! What a command is about: tasks, runs, or everything; and waiting until what was asked for has become true.

use gadugi_core::{RunId, Target, TaskId};
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Frame, RunView, TaskView};

use crate::commands::runs;
use crate::error::{Problem, Stop};
use crate::place::Place;

/// Some tasks of a run, or all of it.
pub(crate) struct Meant {
    /// How the run stood when it was asked.
    pub(crate) view: Box<RunView>,
    /// Which tasks.
    pub(crate) target: Target,
}

/// What the words mean. Nothing is done about any before all are understood. One run with tasks beside it says where those
/// tasks are.
pub(crate) async fn meant(client: &mut Client, words: &[String]) -> Result<Vec<Meant>, Stop> {
    let (named, tasks): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| runs::is_run(word));
    if named.len() > 1 && !tasks.is_empty() {
        let hint = Some("name the tasks of one run at a time");
        return Err(Problem::request("ambiguous-task", "tasks beside several runs", hint).into());
    }
    if tasks.is_empty() {
        let mut all = Vec::new();
        for run in named {
            let view = runs::status(client, Some(run)).await?;
            all.push(Meant { view, target: Target::All });
        }
        return Ok(all);
    }
    of_tasks(client, named.first().map(|run| run.as_str()), tasks.into_iter()).await
}

/// Tasks by what people call them, in that run, else each in the latest run that has it.
pub(crate) async fn of_tasks(
    client: &mut Client,
    run: Option<&str>,
    words: impl Iterator<Item = &String>,
) -> Result<Vec<Meant>, Stop> {
    let mut all: Vec<Meant> = Vec::new();
    for word in words {
        let (view, task) = runs::task(client, run, word).await?;
        match all.iter_mut().find(|meant| meant.view.run == view.run) {
            Some(Meant { target: Target::Tasks(tasks), .. }) => tasks.push(task),
            _ => all.push(Meant { view, target: Target::Tasks(vec![task]) }),
        }
    }
    Ok(all)
}

/// All of every run that is not over.
pub(crate) async fn everything(client: &mut Client) -> Result<Vec<Meant>, Stop> {
    let views = runs::unfinished(client).await?;
    Ok(views.into_iter().map(|view| Meant { view, target: Target::All }).collect())
}

impl Meant {
    /// The run.
    pub(crate) fn run(&self) -> RunId {
        self.view.run.clone()
    }

    /// Whether a task is meant.
    pub(crate) fn holds(&self, task: &TaskId) -> bool {
        match &self.target {
            Target::All => true,
            Target::Tasks(tasks) => tasks.contains(task),
        }
    }

    /// The tasks that are meant, as they stood.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &TaskView> {
        self.view.tasks.iter().filter(|task| self.holds(&task.id))
    }
}

/// Waits until what is meant of that run is as wanted, or the run goes no further; gives how it stands then.
pub(crate) async fn settled(
    place: &Place,
    client: &mut Client,
    meant: &Meant,
    done: impl Fn(&TaskView) -> bool,
) -> Result<Box<RunView>, Stop> {
    let mut following = place.engine().await?;
    following.follow(&meant.view.run, meant.view.seq).await?;
    loop {
        let view = runs::status(client, Some(meant.view.run.as_str())).await?;
        if view.tasks.iter().filter(|task| meant.holds(&task.id)).all(&done) {
            return Ok(view);
        }
        loop {
            match following.next_frame().await? {
                // A task's stage changes with an event of its own; what it says meanwhile changes nothing.
                Some(Frame::Event { event }) if event.get("task").is_some() => break,
                Some(Frame::Event { .. } | Frame::Activity(_)) => {}
                Some(Frame::Failed(failure)) => return Err(Problem::from(failure).into()),
                Some(Frame::AtRest { view } | Frame::Finished { view }) => return Ok(view),
                None => {
                    let hint = format!("gadugi status {}", meant.view.run);
                    let gone = "the engine went away before that was confirmed";
                    return Err(Problem::environment("engine-gone", gone, Some(&hint)).into());
                }
            }
        }
    }
}
