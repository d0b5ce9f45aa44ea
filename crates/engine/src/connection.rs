//! One client: its requests, one after another, and what follows from them.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use gadugi_core::{Command, Refusal, Reply as CoreReply, RunId, State};
use gadugi_store::{Store, StoreError};
use gadugi_sys::{clock, files};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};

use crate::driver::{Asked, Followed, Meant, Standing, failure};
use crate::front::{Front, Opened};
use crate::handle::{Handle, Located};
use crate::protocol::{Failure, Frame, Reply, Request, RunView, Submission, VERSION};
use crate::recorded::Recorded;
use crate::view::{EventFrame, Live, run_view, wire_line};
use crate::world::World;
use crate::{gate, services};

/// The longest request: a thousand prompts of the largest size that is allowed (10 MB) would be ten times this; plans
/// are far smaller in practice, and a client's mistake must not fill the engine's memory.
const LONGEST: u64 = 1 << 30;

/// Events that are read from the log at a time while a client catches up: some 400 kB.
const PAGE: usize = 1000;

/// What a connection needs of its engine.
#[derive(Clone, Debug)]
pub(crate) struct Inside {
    pub(crate) world: Arc<World>,
    pub(crate) asked: mpsc::Sender<Asked>,
    /// Runs that the loop does not hold in memory.
    pub(crate) recorded: Arc<Recorded>,
    /// What shows this engine, where somebody does. Not held here: it holds handles, and so this.
    pub(crate) front: Option<Weak<dyn Front>>,
}

impl Inside {
    /// Reads the log beside the loop, in a thread of whoever asks.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let path = self.world.layout.database();
        let read = tokio::task::spawn_blocking(move || {
            work(&Store::open_to_read(&path).map_err(|error| unreadable(&error))?)
        });
        read.await.map_err(|error| failure("store", error.to_string()))?
    }
}

/// What is said of a log that cannot be read.
pub(crate) fn unreadable(error: &StoreError) -> Failure {
    failure("store", error.to_string())
}

/// Serves one client until it goes.
pub(crate) async fn serve(inside: Inside, stream: UnixStream) {
    if inside.asked.send(Asked::ClientCame).await.is_err() {
        return;
    }
    // A client that breaks off is not worth more than a line: whatever it asked for stands.
    if let Err(error) = converse(&inside, stream).await {
        tracing::debug!(%error, "a client broke off");
    }
    let _ = inside.asked.send(Asked::ClientGone).await;
}

async fn converse(inside: &Inside, stream: UnixStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(LONGEST).read_until(b'\n', &mut line).await?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(());
        }
        let request = serde_json::from_slice(&line);
        drop(line);
        match request {
            Ok(Request::Follow { run, after }) => return follow(inside, &mut writer, run, after).await,
            Ok(request) => {
                let reply = answer(inside, request).await.unwrap_or_else(Reply::Failed);
                write(&mut writer, &reply).await?;
            }
            Err(error) => {
                write(&mut writer, &Reply::Failed(failure("bad-request", error.to_string()))).await?;
            }
        }
    }
}

async fn write(writer: &mut OwnedWriteHalf, message: &impl Serialize) -> std::io::Result<()> {
    writer.write_all(&wire_line(message)?).await
}

/// The answer to anything but [`Request::Follow`].
pub(crate) async fn answer(inside: &Inside, request: Request) -> Result<Reply, Failure> {
    match request {
        Request::Hello => {
            ask(inside, Asked::Hello).await?;
            Ok(Reply::Hello { version: VERSION, pid: std::process::id() })
        }
        Request::Submit(submission) => submit(inside, *submission).await,
        Request::Status { run } => Ok(Reply::Run(status(inside, run).await?)),
        Request::Runs => Ok(Reply::Runs { runs: ask(inside, Asked::Runs).await? }),
        Request::Cancel { run, target } => {
            command(inside, run.clone(), Command::Cancel { run, target }).await
        }
        Request::Pause { run, target } => command(inside, run.clone(), Command::Pause { run, target }).await,
        Request::Interrupt { run, now } => {
            command(inside, run.clone(), Command::Interrupt { run, now }).await
        }
        Request::Resume { run, target, environment } => {
            let wish = Command::Resume { run: run.clone(), target };
            in_environment(inside, run, environment, wish).await
        }
        Request::Retry { run, target, with, environment } => {
            let wish = Command::Retry { run: run.clone(), target, with };
            in_environment(inside, run, environment, wish).await
        }
        Request::Export { run } => Ok(Reply::Export { run: ask(inside, |to| Asked::Export(run, to)).await? }),
        Request::Land { run, task, into } => services::land(inside, run, task, into).await,
        Request::Clean { older_than_hours } => services::clean(inside, older_than_hours).await,
        Request::Worktrees { repair } => services::worktrees(inside, repair).await,
        Request::Diff { run, task } => services::diff(inside, run, task).await,
        Request::Page { listen, environment } => page(inside, listen, environment).await,
        Request::Leave => {
            let _ = inside.asked.send(Asked::Terminate).await;
            Ok(Reply::Leaving)
        }
        Request::Follow { .. } => Err(failure("bad-request", "a run is followed on a connection of its own")),
    }
}

/// How a run stands; none: the latest. One that the loop does not hold in memory is read from the log, without it.
pub(crate) async fn status(inside: &Inside, run: Option<String>) -> Result<Box<RunView>, Failure> {
    let (run, capacity) = match ask(inside, |to| Asked::Status(run, to)).await? {
        Standing::Live(view) => return Ok(view),
        Standing::Recorded { run, capacity } => (run, capacity),
    };
    let (world, recorded) = (Arc::clone(&inside.world), Arc::clone(&inside.recorded));
    let read = inside.read(move |store| {
        // Before the run is read: what comes meanwhile is not said to be in it.
        let seq = store.last_seq().map_err(|error| unreadable(&error))?;
        let run = recorded.state(store, &run)?;
        let state = State { capacity, ..State::default() };
        let live = Live::of(&world.instance);
        Ok(Box::new(run_view(&state, &run, &live, &world.layout, seq, clock::now())))
    });
    read.await
}

/// A task of a run (none: the latest), by what a person calls it. Where the loop does not hold the run: from the log, without it.
pub(crate) async fn locate(inside: &Inside, run: Option<String>, task: String) -> Result<Meant, Failure> {
    let wanted = task.clone();
    let run = match ask(inside, |to| Asked::Task(run, wanted, to)).await? {
        Standing::Live(meant) => return Ok(meant),
        Standing::Recorded { run, .. } => run,
    };
    let recorded = Arc::clone(&inside.recorded);
    inside.read(move |store| Ok(Located::of(&*recorded.state(store, &run)?, &task))).await
}

async fn page(
    inside: &Inside,
    listen: Option<SocketAddr>,
    environment: Option<Vec<(String, String)>>,
) -> Result<Reply, Failure> {
    let front = inside.front.as_ref().and_then(Weak::upgrade);
    let front = front.ok_or_else(|| failure("no-page", "this engine shows no page"))?;
    let Opened { address, link } = front.open(Handle::new(inside.clone()), listen).await?;
    if let Some(environment) = environment {
        inside.world.environments.open_page(environment);
    }
    Ok(Reply::Page { address, link })
}

/// Asks the loop, and waits for its answer.
pub(crate) async fn ask<T>(
    inside: &Inside,
    question: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Asked,
) -> Result<T, Failure> {
    let (to, answer) = oneshot::channel();
    let leaving = || failure("leaving", "the engine is leaving");
    inside.asked.send(question(to)).await.map_err(|_| leaving())?;
    answer.await.map_err(|_| leaving())?
}

pub(crate) async fn command(inside: &Inside, run: RunId, command: Command) -> Result<Reply, Failure> {
    match ask(inside, |to| Asked::Command(command, to)).await? {
        CoreReply::Accepted { tasks } => Ok(Reply::Accepted { run, tasks }),
        CoreReply::Refused(refusal) => Err(refused(&refusal)),
    }
}

/// A wish whose steps see the environment of whoever wished it. It is there before the first can begin, and gone again
/// where the wish was refused.
async fn in_environment(
    inside: &Inside,
    run: RunId,
    environment: Option<Vec<(String, String)>>,
    wish: Command,
) -> Result<Reply, Failure> {
    let environments = &inside.world.environments;
    let before = match environment {
        Some(brought) => environments.bring(&run, brought),
        None => environments.lend(&run),
    };
    let answer = command(inside, run.clone(), wish).await;
    match answer {
        Err(_) => environments.restore(&run, before),
        Ok(_) => gate::supply(&inside.world, &run).await,
    }
    answer
}

fn refused(refusal: &Refusal) -> Failure {
    let code = match refusal {
        Refusal::UnknownRun(_) => "unknown-run",
        Refusal::RunExists(_) => "run-exists",
        Refusal::UnknownTask { .. } => "unknown-task",
        Refusal::RunOver(_) => "run-over",
        Refusal::NotPaused(_) => "not-paused",
        Refusal::NotRetryable(_) => "not-retryable",
        Refusal::BadPlan(_) => "bad-plan",
    };
    failure(code, refusal.to_string())
}

/// Keeps the prompts' words, then begins the run.
async fn submit(inside: &Inside, submission: Submission) -> Result<Reply, Failure> {
    let Submission { plan, settings, prompts, environment } = submission;
    let id = run_id();
    let layout = inside.world.layout.clone();
    let run = id.clone();
    let tasks: Vec<_> = plan.tasks.iter().map(|task| task.id.clone()).collect();
    let kept = tokio::task::spawn_blocking(move || {
        let dir = layout.run_dir(&run).join("prompts");
        files::create_private_dir(&dir)?;
        for task in tasks {
            let words = prompts.get(&task).map_or("", String::as_str);
            files::write_atomic(&layout.prompt(&run, &task), words.as_bytes())?;
        }
        Ok::<_, std::io::Error>(())
    });
    let kept = kept.await.map_err(|error| failure("store", error.to_string()))?;
    kept.map_err(|error| failure("store", format!("the prompts could not be kept: {error}")))?;
    inside.world.environments.bring(&id, environment);
    let start = Command::StartRun { run: id.clone(), plan, settings: Box::new(settings) };
    command(inside, id, start).await
}

fn run_id() -> RunId {
    let random = uuid::Uuid::new_v4().simple().to_string();
    RunId::new(format!("orchestration-{}-{}", clock::run_stamp(clock::now()), &random[..4]))
}

/// First what the log holds after the client's number, then what comes, none missing and none twice.
async fn follow(inside: &Inside, writer: &mut OwnedWriteHalf, run: RunId, after: u64) -> std::io::Result<()> {
    let id = run.clone();
    let followed = match ask(inside, |to| Asked::Follow(id, to)).await {
        Ok(followed) => followed,
        Err(failure) => return write(writer, &Frame::Failed(failure)).await,
    };
    let Followed { up_to, mut frames, report } = followed;
    let mut at = after;
    while at < up_to {
        let (path, run) = (inside.world.layout.database(), run.clone());
        let page = tokio::task::spawn_blocking(move || {
            Store::open_to_read(&path)?.events_after(Some(&run), at, PAGE)
        })
        .await?;
        let page = match page {
            Ok(page) => page,
            Err(error) => return write(writer, &Frame::Failed(failure("store", error.to_string()))).await,
        };
        let Some(last) = page.last() else { break };
        at = last.seq;
        for stored in page.iter().filter(|stored| stored.seq <= up_to) {
            let over = matches!(stored.event, gadugi_core::Event::RunFinished { .. });
            write(writer, &EventFrame::new(stored, over.then_some(&report))).await?;
        }
    }
    while let Some(line) = frames.recv().await {
        writer.write_all(&line).await?;
    }
    Ok(())
}
