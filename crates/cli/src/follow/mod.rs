//! Following a run to its end: frames in, a face out, signals in between.
//!
//! Frames are read by a task of their own, so that a signal or a tick never cuts one in half. Where the engine goes
//! away, another is started and the run is followed from the last event that was seen: none is lost or shown twice.

mod board;
mod echo;
mod face;
mod lines;
mod signals;
mod words;

use std::time::Duration;

use clap::Args;
use gadugi_core::{Event, RunId, Timestamp};
use gadugi_engine::client::{Client, ClientError};
use gadugi_engine::protocol::{Frame, Reply, Request, RunView};
use gadugi_sys::{clock, env};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

pub(crate) use board::{Board, hold};
pub(crate) use echo::Unechoed;
use face::Face;
pub(crate) use lines::{dollars, tokens};
pub(crate) use signals::{Signals, heed};
pub(crate) use words::{count, hold_words, mark, names, short, when};

use crate::error::{Done, Exit, Problem, Stop};
use crate::output::Manner;
use crate::page::Page;
use crate::place::Place;
use crate::report;
use crate::screen::{Asked, Purpose};
use crate::{output, text};

/// Frames that wait for the face: some 100 kB of ordinary events; the engine's socket holds back behind them.
const FRAMES: usize = 256;
/// Between two redraws where nothing but time changes.
const TICK: Duration = Duration::from_millis(250);
/// How often the user has to ask for the end until the run is no longer followed to its rest.
const ENOUGH: u32 = 2;
/// Engines that may go away in a row without one event in between.
const LOSSES: u32 = 3;

/// How a run is watched.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ViewArgs {
    /// Events as JSON lines on standard output; the last is run-finished, with the report
    #[arg(long)]
    pub(crate) json: bool,
    /// Say everything that happens
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Only the final report, and what goes wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Follow it on the whole terminal, with keys to steer it (? helps)
    #[arg(short, long, conflicts_with_all = ["json", "quiet"])]
    pub(crate) watch: bool,
}

impl ViewArgs {
    /// How things are said beside the result.
    pub(crate) fn manner(self) -> Manner {
        match (self.json, self.quiet) {
            (true, _) => Manner::Json,
            (false, true) => Manner::Quiet,
            (false, false) => Manner::Words,
        }
    }
}

/// Where the following begins.
pub(crate) struct Start {
    /// A connection.
    pub(crate) client: Client,
    /// The run.
    pub(crate) run: RunId,
    /// The last event that is known.
    pub(crate) after: u64,
    /// What is known.
    pub(crate) board: Board,
    /// What the user asks for by signals.
    pub(crate) signals: Signals,
    /// The page that shows it, where one is open.
    pub(crate) page: Option<Page>,
}

/// Follows a run until it rests or is over, and says what it came to.
pub(crate) async fn to_the_end(place: &Place, start: Start, view: ViewArgs) -> Done {
    let face = if view.watch && output::can_show_a_screen() {
        Face::screen(place, &start.run, Purpose::ToTheEnd)?
    } else {
        Face::choose(view)
    };
    let mut follower = Follower::begin(place, start, view, face).await?;
    let end = follower.follow().await;
    follower.face.finish();
    match end {
        Ok(End::Finished(view)) => follower.finished(&view),
        other => follower.unfinished(other),
    }
}

/// Follows a run of questions until it is over: how it stands then. Where it comes to rest before, how the command ends.
/// Nothing of it goes to standard output, which is for what is made of the answers.
pub(crate) async fn questions(
    place: &Place,
    start: Start,
    view: ViewArgs,
) -> Result<Result<Box<RunView>, Exit>, Stop> {
    let face = Face::choose(ViewArgs { json: false, quiet: view.json || view.quiet, ..view });
    let mut follower = Follower::begin(place, start, view, face).await?;
    let end = follower.follow().await;
    follower.face.finish();
    match end {
        Ok(End::Finished(view)) => Ok(Ok(view)),
        other => follower.unfinished(other).map(Err),
    }
}

/// Shows a run on the whole terminal for as long as somebody looks on, also once it is over: what the run does is its own
/// business.
pub(crate) async fn look_on(place: &Place, client: Client, view: RunView) -> Done {
    let signals = Signals::new()?;
    let face = Face::screen(place, &view.run, Purpose::ToLook)?;
    let (run, after, board) = (view.run.clone(), view.seq, Board::from_view(&view));
    let start = Start { client, run, after, board, signals, page: None };
    let mut follower = Follower::begin(place, start, ViewArgs::default(), face).await?;
    follower.face.look(Box::new(view));
    let last = loop {
        match follower.follow().await? {
            End::Finished(view) | End::AtRest(view) => {
                follower.seen = follower.seen.max(view.seq);
                follower.face.rests(view);
                if !follower.rest().await? {
                    break follower.face.finish();
                }
            }
            End::Left => break follower.face.finish(),
        }
    };
    if let Some(view) = last {
        let over = view.tasks.iter().filter(|task| task.over).count();
        let tasks = count(view.tasks.len(), "task");
        output::result(&format!("{}: {}, {over} of {tasks} over\n", view.run, view.status))?;
    }
    Ok(if follower.interrupts > 0 { Exit::Interrupted } else { Exit::Success })
}

enum End {
    Finished(Box<RunView>),
    AtRest(Box<RunView>),
    /// The user does not want to wait for its rest.
    Left,
}

/// What comes next.
enum Next {
    Frame(Result<Option<Frame>, ClientError>),
    Signal,
    Asked(Asked),
    Note(String),
    Tick,
}

struct Follower<'a> {
    place: &'a Place,
    run: RunId,
    /// The last event that was shown.
    seen: u64,
    board: Board,
    face: Face,
    view: ViewArgs,
    frames: mpsc::Receiver<Result<Option<Frame>, ClientError>>,
    reader: JoinHandle<()>,
    signals: Signals,
    page: Option<Page>,
    /// How often the user asked for the end.
    interrupts: u32,
    losses: u32,
    /// What requests beside the following came to, where that is worth a word: one for each interruption.
    notes: mpsc::Sender<String>,
    heard: mpsc::Receiver<String>,
}

impl<'a> Follower<'a> {
    async fn begin(place: &'a Place, start: Start, view: ViewArgs, face: Face) -> Result<Self, Stop> {
        let Start { mut client, run, after, board, signals, page } = start;
        client.follow(&run, after).await?;
        let (frames, reader) = read(client);
        let (seen, interrupts, losses) = (after, 0, 0);
        let (notes, heard) = mpsc::channel(ENOUGH as usize);
        Ok(Self {
            notes,
            heard,
            place,
            run,
            seen,
            board,
            face,
            view,
            frames,
            reader,
            signals,
            page,
            interrupts,
            losses,
        })
    }

    async fn follow(&mut self) -> Result<End, Stop> {
        let mut ticker = tokio::time::interval(TICK);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let next = tokio::select! {
                biased;
                () = self.signals.next() => Next::Signal,
                asked = self.face.asked() => Next::Asked(asked?),
                frame = self.frames.recv() => Next::Frame(frame.unwrap_or(Ok(None))),
                Some(note) = self.heard.recv() => Next::Note(note),
                _ = ticker.tick(), if self.face.ticks() => Next::Tick,
            };
            match next {
                Next::Tick => self.face.draw(&self.board),
                Next::Asked(Asked::Leave) => return Ok(End::Left),
                Next::Asked(Asked::Follow) => {}
                Next::Signal | Next::Asked(Asked::Interrupt) => {
                    if !self.interrupt() {
                        return Ok(End::Left);
                    }
                }
                Next::Note(note) => self.face.say(&note),
                Next::Frame(Ok(Some(frame))) => {
                    if let Some(end) = self.frame(frame)? {
                        return Ok(end);
                    }
                }
                Next::Frame(Ok(None) | Err(ClientError::Gone | ClientError::Io { .. })) => {
                    if !self.reconnect().await? {
                        return Ok(End::Left);
                    }
                }
                Next::Frame(Err(error)) => return Err(error.into()),
            }
        }
    }

    fn frame(&mut self, frame: Frame) -> Result<Option<End>, Stop> {
        match frame {
            Frame::Event { event } => self.event(&event)?,
            Frame::Activity(activity) => {
                self.board.activity(&activity);
                self.face.activity(&activity);
                self.face.draw(&self.board);
            }
            Frame::AtRest { view } => return Ok(Some(End::AtRest(view))),
            Frame::Finished { view } => return Ok(Some(End::Finished(view))),
            Frame::Failed(failure) => return Err(Problem::from(failure).into()),
        }
        Ok(None)
    }

    fn event(&mut self, raw: &Value) -> Result<(), Stop> {
        let seq = raw.get("seq").and_then(Value::as_u64).unwrap_or(0);
        if seq != 0 && seq <= self.seen {
            return Ok(());
        }
        self.seen = self.seen.max(seq);
        self.losses = 0;
        let at = moment(raw.get("at")).unwrap_or_else(clock::now);
        // What a newer engine says beyond these words is shown as JSON, and nobody else misses it.
        let event: Option<Event> = serde_json::from_value(raw.clone()).ok();
        self.face.event(raw, event.as_ref(), at, &self.board)?;
        if let Some(event) = &event {
            self.board.event(event, at);
        }
        self.face.draw(&self.board);
        Ok(())
    }

    /// The user asks for the end: gracefully, then at once. The run is followed until it rests. The engine is asked
    /// beside that, so that one that does not answer keeps nobody from asking again. Answers whether it is still waited for.
    fn interrupt(&mut self) -> bool {
        self.interrupts += 1;
        if self.interrupts > ENOUGH || self.face.only_looks_on() {
            return false;
        }
        let now = self.interrupts > 1;
        self.face.say(if now {
            "stopping at once"
        } else {
            "stopping the agents gracefully, everything is kept (Ctrl-C again: at once)"
        });
        let request = Request::Interrupt { run: self.run.clone(), now };
        let (layout, notes) = (self.place.layout.clone(), self.notes.clone());
        tokio::spawn(async move {
            let asked = match Client::connect(&layout).await {
                Ok(Some(mut client)) => client.ask(&request).await.map(drop),
                // It is gone, and what comes back starts nothing new by itself.
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = asked {
                // As many notes as requests, and room for each: it is never full.
                let _ = notes.try_send(Problem::from(error).render(false, false));
            }
        });
        true
    }

    /// The engine went away: another takes over, and the run goes on unless the user has asked for its end. Answers whether
    /// it is still waited for.
    async fn reconnect(&mut self) -> Result<bool, Stop> {
        self.reader.abort();
        self.losses += 1;
        if self.losses > LOSSES {
            let hint = format!("see .gadugi/engine.log, then gadugi resume {}", self.run);
            return Err(Problem::environment(
                "engine-gone",
                "the engine goes away again and again",
                Some(&hint),
            )
            .into());
        }
        self.face.say("the engine went away; starting another");
        let next = next_engine(self.place, self.run.clone());
        tokio::pin!(next);
        let (mut client, lost) = loop {
            let asked = tokio::select! {
                biased;
                next = &mut next => break next?,
                () = self.signals.next() => Asked::Interrupt,
                asked = self.face.asked() => asked?,
            };
            let waits = match asked {
                Asked::Leave => false,
                Asked::Follow => true,
                Asked::Interrupt => self.interrupt(),
            };
            if !waits {
                return Ok(false);
            }
        };
        if lost && self.interrupts == 0 && !self.face.only_looks_on() {
            take_up(&mut client, &self.run).await?;
        }
        if let Some(page) = &mut self.page
            && let Err(Stop::Problems(problems)) = page.open_again(&mut client).await
        {
            // The run goes on without it.
            problems.iter().for_each(|problem| self.face.say(&problem.render(false, false)));
        }
        self.follow_by(client).await?;
        Ok(true)
    }

    async fn follow_by(&mut self, mut client: Client) -> Result<(), Stop> {
        client.follow(&self.run, self.seen).await?;
        self.reader.abort();
        (self.frames, self.reader) = read(client);
        self.face.is_followed();
        Ok(())
    }

    /// Somebody looks at a run that rests, until it goes on, or they leave: whether it goes on.
    async fn rest(&mut self) -> Result<bool, Stop> {
        let asked = tokio::select! {
            () = self.signals.next() => Asked::Interrupt,
            asked = self.face.asked() => asked?,
        };
        self.interrupts += u32::from(asked == Asked::Interrupt);
        if asked == Asked::Follow {
            let client = self.place.engine().await?;
            self.follow_by(client).await?;
        }
        Ok(asked == Asked::Follow)
    }

    /// What is said where the following ends before the run is over.
    fn unfinished(&self, end: Result<End, Stop>) -> Done {
        match end {
            Ok(End::Finished(view)) => self.finished(&view),
            Ok(End::AtRest(view)) => Ok(self.at_rest(&view)),
            Ok(End::Left) => {
                output::say(&format!("leaving; how it stands: gadugi status {}", self.run));
                Ok(Exit::Interrupted)
            }
            Err(Stop::ReaderGone) => {
                self.view.manner().warn("nobody reads the output any more; the run goes on");
                Ok(Exit::Failure)
            }
            Err(other) => Err(other),
        }
    }

    fn finished(&self, view: &RunView) -> Done {
        if !self.view.json {
            output::result(&report::render(view, output::columns()))?;
        }
        let succeeded = view.tasks.iter().all(|task| task.state == "succeeded");
        Ok(if succeeded { Exit::Success } else { Exit::Failure })
    }

    fn at_rest(&self, view: &RunView) -> Exit {
        let left = view.tasks.iter().filter(|task| !task.over).count();
        let left = format!("{left} of {} are left, and everything is kept", count(view.tasks.len(), "task"));
        let resume = format!("gadugi resume {}", view.run);
        let interrupted = self.interrupts > 0 || view.paused_because.as_deref() == Some("interrupted");
        let (code, exit, message, again) = match view.paused_because.as_deref() {
            _ if interrupted => ("interrupted", Exit::Interrupted, format!("interrupted; {left}"), resume),
            Some("auth-refused") => (
                "auth-refused",
                Exit::Environment,
                format!("the agent's credential was refused ({}); {left}", view.paused_detail),
                format!("mend the login (claude setup-token, or its API key), then {resume}"),
            ),
            Some(_) => ("paused", Exit::Failure, format!("paused; {left}"), resume),
            // The run itself goes on: what is left was paused task by task.
            None => {
                let held: Vec<_> = view.tasks.iter().filter(|task| task.held && !task.over).collect();
                let message = format!("paused: {}; {left}", names(&held));
                ("paused", Exit::Failure, message, resume)
            }
        };
        if self.view.json {
            let problem = Problem { code: code.into(), exit, message, hint: Some(again) };
            output::problem(true, &problem);
        } else {
            output::say(&text::line(&message));
            output::say(&format!("take it up again: {}", text::line(&again)));
        }
        exit
    }
}

/// The engine that comes after one that went away, and whether the run was left standing by that alone.
async fn next_engine(place: &Place, run: RunId) -> Result<(Client, bool), Stop> {
    let mut client = place.engine().await?;
    let status = client.ask(&Request::Status { run: Some(run.to_string()) }).await?;
    let lost = matches!(&status, Reply::Run(view) if view.paused_because.as_deref() == Some("engine-lost") && view.paused_detail.is_empty());
    Ok((client, lost))
}

/// Lets a run that is paused go on. One that came to its end meanwhile needs it no more: what was under way when an engine
/// died is taken in by the next one.
pub(crate) async fn take_up(client: &mut Client, run: &RunId) -> Result<(), Stop> {
    let environment = Some(environment());
    let resume = Request::Resume { run: run.clone(), target: gadugi_core::Target::All, environment };
    match client.ask(&resume).await {
        Err(ClientError::Refused(failure)) if failure.code == "run-over" => Ok(()),
        other => other.map(drop).map_err(Stop::from),
    }
}

/// Reads frames in a task of its own.
fn read(mut client: Client) -> (mpsc::Receiver<Result<Option<Frame>, ClientError>>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(FRAMES);
    let reader = tokio::spawn(async move {
        loop {
            let frame = client.next_frame().await;
            let last = !matches!(frame, Ok(Some(_)));
            if sender.send(frame).await.is_err() || last {
                return;
            }
        }
    });
    (receiver, reader)
}

/// This process's environment, as far as it is text: what agents may see.
pub(crate) fn environment() -> Vec<(String, String)> {
    env::all()
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// When: RFC 3339, or milliseconds.
fn moment(at: Option<&Value>) -> Option<Timestamp> {
    match at? {
        Value::String(text) => clock::parse_rfc3339(text),
        other => other.as_i64().map(Timestamp),
    }
}
