//! `gadugi logs TASK`.

mod files;
mod human;

use std::path::Path;

use clap::Args;
use gadugi_core::TaskId;
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Frame, RunView};
use tokio::sync::mpsc;

use crate::args::{self, Global};
use crate::commands::runs;
use crate::error::{Done, Exit, Problem, Stop};
use crate::output;
use crate::place::{Place, block_on};
pub(crate) use files::{Attempt, Watch};

/// What is shown, and how.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The task: its id, a unique prefix of it, or the prompt's name
    task: String,
    /// Go on with what comes, until the task is over
    #[arg(short, long)]
    follow: bool,
    /// The bytes as they came
    #[arg(long)]
    raw: bool,
    /// Only this step of the latest attempt, by its number from 1
    #[arg(long, value_name = "S", value_parser = args::step)]
    step: Option<u32>,
    /// The run [default: the latest that has the task]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

pub(crate) fn run(global: &Global, args: &LogsArgs) -> Done {
    let place = Place::find(global)?;
    block_on(async {
        let mut client = place.engine_for_run().await?;
        let (view, task) = runs::task(&mut client, args.run.as_deref(), &args.task).await?;
        let now = view.find(task.as_str())?;
        if !args.follow {
            let Some(dir) = &now.attempt_dir else {
                output::say(&format!("{task} has not begun"));
                return Ok(Exit::Success);
            };
            let mut attempt = Attempt::new(dir, args.raw, args.step);
            attempt.check()?;
            attempt.show()?;
            return Ok(Exit::Success);
        }
        follow(&place, client, &view, &task, args).await
    })
}

/// Shows what is there and what comes. New bytes are told by inotify, new attempts and the end by the engine.
async fn follow(place: &Place, mut client: Client, view: &RunView, task: &TaskId, args: &LogsArgs) -> Done {
    let mut frames = frames(place, view).await?;
    let mut shown: Option<(Attempt, Watch)> = None;
    loop {
        let view = runs::status_of_any(place, &mut client, &view.run).await?;
        let now = view.find(task.as_str())?;
        if let Some(dir) = now.attempt_dir.as_deref().filter(|dir| dir.is_dir())
            && shown.as_ref().is_none_or(|(attempt, _)| attempt.dir() != dir)
        {
            shown = Some(begin(dir, args)?);
        }
        if let Some((attempt, watch)) = &mut shown {
            watch.steps(attempt.dir())?;
            attempt.show()?;
        }
        if now.over {
            return Ok(Exit::Success);
        }
        match wait(&mut frames, &mut shown, task).await? {
            Waited::Look => {}
            Waited::Over => return Ok(Exit::Success),
            // What it ran goes on under the next.
            Waited::EngineGone => frames = self::frames(place, &view).await?,
        }
    }
}

fn begin(dir: &Path, args: &LogsArgs) -> Result<(Attempt, Watch), Stop> {
    Ok((Attempt::new(dir, args.raw, args.step), Watch::new(dir)?))
}

/// What came of waiting.
enum Waited {
    /// Something is worth a look at the engine.
    Look,
    /// Nothing comes any more.
    Over,
    /// The engine went away.
    EngineGone,
}

/// Waits until something is worth a look at the engine; new bytes are shown meanwhile.
async fn wait(
    frames: &mut mpsc::Receiver<Frame>,
    shown: &mut Option<(Attempt, Watch)>,
    task: &TaskId,
) -> Result<Waited, Stop> {
    loop {
        let frame = match shown {
            None => frames.recv().await,
            Some((attempt, watch)) => {
                tokio::select! {
                    frame = frames.recv() => frame,
                    () = watch.changed() => {
                        watch.steps(attempt.dir())?;
                        attempt.show()?;
                        continue;
                    }
                }
            }
        };
        match frame {
            None => return Ok(Waited::EngineGone),
            Some(Frame::AtRest { .. } | Frame::Finished { .. }) => {
                if let Some((attempt, _)) = shown {
                    attempt.show()?;
                }
                return Ok(Waited::Over);
            }
            Some(Frame::Failed(failure)) => return Err(Problem::from(failure).into()),
            Some(Frame::Event { event })
                if event.get("task").and_then(|id| id.as_str()) == Some(task.as_str()) =>
            {
                return Ok(Waited::Look);
            }
            Some(Frame::Event { .. } | Frame::Activity(_)) => {}
        }
    }
}

/// The run's frames, read by a task of its own: a wait that is given up loses none.
async fn frames(place: &Place, view: &RunView) -> Result<mpsc::Receiver<Frame>, Stop> {
    // Events that wake and nothing more: a full queue holds the engine's connection back, not the engine.
    const WAITING: usize = 64;
    let mut client = place.engine().await?;
    client.follow(&view.run, view.seq).await?;
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        while let Ok(Some(frame)) = client.next_frame().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
