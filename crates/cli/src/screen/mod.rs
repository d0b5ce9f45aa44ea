//! The full-screen view of a run: the same facts as the live lines and the page, for people who live in a terminal.
//!
//! What is shown is the run's view, as `gadugi status` has it, and the chosen task's stream, as `gadugi logs` has it; no truth
//! of its own. Who follows the run says when something has changed ([`Screen::changed`]); the screen asks then, at most four
//! times a second, and draws at most ten times a second, and only where something is new. Between [`Screen::begin`] and its
//! end nothing else may write to the terminal.

mod app;
mod engine;
mod figures;
mod jobs;
mod keys;
mod list;
mod pane;
mod render;
#[cfg(test)]
mod tests;
mod tty;

use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use gadugi_core::RunId;
use gadugi_engine::layout::Layout;
use gadugi_engine::protocol::{Activity, RunView};
use gadugi_sys::clock;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::error::Stop;
use crate::{output, text};
use app::App;
pub(crate) use app::Purpose;
use engine::{Asker, Heard};
use jobs::{Jobs, Wanted};
use keys::Wish;
use tty::Tty;

/// Between two drawings: ten a second, more than anybody reads.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(100);
/// Between two looks at the run.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// A look at a run of thousands of tasks takes its time: so many times as long as it took, nobody looks again.
const REST: u32 = 4;
/// What changes by time alone (durations, moments to come) is drawn anew so often.
const TICK: Duration = Duration::from_secs(1);
/// Processor and memory change without an event: where nothing else happens, they are asked for so often.
const FIGURES: Duration = Duration::from_secs(2);

/// What whoever looks on asks of who follows the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// What Ctrl-C means.
    Interrupt,
    /// To leave; the run goes on.
    Leave,
    /// To follow the run again: it rested, and it goes on.
    Follow,
}

/// The screen.
pub(crate) struct Screen {
    app: App,
    tty: Tty,
    events: EventStream,
    jobs: Jobs,
    asker: Asker,
    heard: mpsc::Receiver<Heard>,
    /// Whether the run has changed since it was looked at.
    stale: bool,
    /// Since when a look is under way.
    looking: Option<Instant>,
    next_look: Instant,
    last_look: Instant,
    /// Whether something is to be drawn.
    dirty: bool,
    drawn: Option<Instant>,
}

impl Screen {
    /// Takes the terminal.
    pub(crate) fn begin(layout: &Layout, run: &RunId, purpose: Purpose) -> Result<Self, Stop> {
        let jobs = Jobs::new()?;
        let (asker, heard) = Asker::new(layout.clone());
        let now = Instant::now();
        Ok(Self {
            app: App::new(run.clone(), purpose, output::colours()),
            tty: Tty::take()?,
            events: EventStream::new(),
            jobs,
            asker,
            heard,
            stale: true,
            looking: None,
            next_look: now,
            last_look: now,
            dirty: true,
            drawn: None,
        })
    }

    /// Something happened to the run.
    pub(crate) fn changed(&mut self) {
        self.stale = true;
    }

    /// A task is doing something.
    pub(crate) fn activity(&mut self, activity: &Activity) {
        self.app.activity(activity);
        self.dirty = true;
    }

    /// Says something beside what is shown.
    pub(crate) fn say(&mut self, line: &str) {
        self.app.said = Some(text::line(line));
        self.dirty = true;
    }

    /// The run is over, or nothing of it is under way any more.
    pub(crate) fn rests(&mut self, view: Box<RunView>) {
        self.app.look(view, clock::now());
        self.app.rests = true;
        (self.stale, self.dirty) = (false, true);
    }

    /// Somebody follows the run (again).
    pub(crate) fn is_followed(&mut self) {
        self.app.rests = false;
        // That nobody followed it is past.
        self.app.said = None;
        (self.stale, self.dirty) = (true, true);
    }

    /// How the run stands.
    pub(crate) fn look_at(&mut self, view: Box<RunView>) {
        self.app.look(view, clock::now());
        self.dirty = true;
    }

    /// Gives the terminal back; how the run stood when it was looked at last.
    pub(crate) fn leave(self) -> Option<Box<RunView>> {
        self.app.view
    }

    /// Shows what there is until whoever looks on asks for something. A wait that is given up loses nothing: whatever was
    /// heard was taken in at once.
    pub(crate) async fn asked(&mut self) -> Result<Asked, Stop> {
        loop {
            self.look();
            self.draw()?;
            let looks = self.stale && self.looking.is_none();
            let ticks = self.app.changes_with_time() && !self.tty.is_away();
            let tick = self.drawn.map_or_else(Instant::now, |drawn| drawn + TICK);
            let (draws, drawing) = (self.dirty && !self.tty.is_away(), self.next_drawing());
            let asked = tokio::select! {
                wanted = self.jobs.next() => self.job(&wanted)?,
                event = self.events.next() => match event {
                    Some(Ok(event)) => self.event(event)?,
                    // A terminal that cannot be read from is gone.
                    Some(Err(_)) | None => Some(Asked::Leave),
                },
                Some(heard) = self.heard.recv() => self.heard(heard),
                () = self.app.pane.grown() => {
                    self.dirty = true;
                    None
                }
                () = sleep_until(self.next_look), if looks => None,
                () = sleep_until(drawing), if draws => None,
                () = sleep_until(tick), if ticks => {
                    self.stale |= self.last_look.elapsed() >= FIGURES;
                    self.dirty = true;
                    None
                }
            };
            if let Some(asked) = asked {
                return Ok(asked);
            }
        }
    }

    /// Looks at the run, where it has changed and it is time.
    fn look(&mut self) {
        if self.stale && self.looking.is_none() && Instant::now() >= self.next_look {
            self.stale = false;
            self.looking = Some(Instant::now());
            self.asker.look(&self.app.run);
        }
    }

    fn next_drawing(&self) -> Instant {
        self.drawn.map_or_else(Instant::now, |drawn| drawn + BETWEEN_DRAWINGS)
    }

    /// Draws, where something is new and it is time.
    fn draw(&mut self) -> Result<(), Stop> {
        let early = self.drawn.is_some_and(|drawn| drawn.elapsed() < BETWEEN_DRAWINGS);
        if !self.dirty || self.tty.is_away() || early {
            return Ok(());
        }
        self.app.pane.read();
        let app = &mut self.app;
        self.tty.draw(|frame| render::screen(app, frame, clock::now()))?;
        self.drawn = Some(Instant::now());
        // What one reading left is read for the next drawing.
        self.dirty = self.app.pane.has_more();
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<Option<Asked>, Stop> {
        self.dirty = true;
        let wish = match event {
            Event::Key(key) => self.app.key(key),
            Event::Paste(pasted) => {
                self.app.paste(&pasted);
                None
            }
            Event::Resize(..) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
        };
        // A run that rests says nothing; others may have taken it up again.
        self.stale |= self.app.rests;
        match wish {
            None => {}
            Some(Wish::Leave) => return Ok(Some(Asked::Leave)),
            Some(Wish::Interrupt) => return Ok(Some(Asked::Interrupt)),
            Some(Wish::Suspend) if jobs::ask_to_stop() => {}
            Some(Wish::Suspend) => self.say("there is no shell to come back from"),
            Some(Wish::Redraw) => self.tty.redraw()?,
            Some(Wish::Ask(request, granted)) => self.asker.wish(*request, granted),
        }
        Ok(None)
    }

    fn job(&mut self, wanted: &Wanted) -> Result<Option<Asked>, Stop> {
        match wanted {
            Wanted::HangUp => return Ok(Some(Asked::Leave)),
            Wanted::Stop => {
                self.tty.step_aside();
                jobs::stop();
            }
            Wanted::GoOn => {
                self.tty.come_back()?;
                (self.dirty, self.stale, self.drawn) = (true, true, None);
            }
        }
        Ok(None)
    }

    fn heard(&mut self, heard: Heard) -> Option<Asked> {
        self.dirty = true;
        match heard {
            Heard::View(view) => {
                let known = self.app.view.as_ref().map_or(0, |before| before.seq);
                let happened = view.seq > known;
                self.looked();
                self.app.look(view, clock::now());
                if self.app.rests && happened {
                    return Some(Asked::Follow);
                }
            }
            // Who follows the run hears of it, and of the next engine.
            Heard::Nobody => self.looked(),
            Heard::Granted(words) => {
                self.say(&words);
                self.stale = true;
            }
            Heard::Refused(words) => self.say(&words),
        }
        None
    }

    /// A look is over.
    fn looked(&mut self) {
        let now = Instant::now();
        let took = self.looking.take().map_or(Duration::ZERO, |began| now - began);
        self.next_look = now + BETWEEN_LOOKS.max(took * REST);
        self.last_look = now;
    }
}
