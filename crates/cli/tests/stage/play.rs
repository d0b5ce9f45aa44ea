//! A run that is led to its end whatever happens to its engine: as a person would, who takes it up again whenever it
//! stands still, and who says what they wanted once more where nobody answered.

use std::fs::File;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PATIENCE, Stage, signal};

/// Something that a person does while a run goes on or after it.
#[derive(Clone, Copy)]
pub struct Deed {
    pub when: When,
    pub what: What,
    /// Whether it has come about, as `gadugi status` shows it. A command that says so is believed without.
    pub done: fn(&Value) -> bool,
}

/// When it is done.
#[derive(Clone, Copy)]
pub enum When {
    /// The ledger has that line.
    Told(&'static str),
    /// The run is over.
    Over,
}

/// What is done.
#[derive(Clone, Copy)]
pub enum What {
    Gadugi(&'static [&'static str]),
    /// Ctrl-C for whoever follows the run.
    Interrupt,
}

/// How long a Ctrl-C may take until a person presses it again.
const AGAIN: Duration = Duration::from_millis(1500);

/// Leads a run to its end.
pub struct Play<'a> {
    stage: &'a Stage,
    args: Vec<&'a str>,
    deeds: &'a [Deed],
    follower: Option<Child>,
    followed: u32,
    interrupted: Option<Instant>,
}

impl<'a> Play<'a> {
    pub fn new(stage: &'a Stage, more: &[&'a str], deeds: &'a [Deed]) -> Self {
        let args = ["run", "--agent", "scripted", "--no-review", "--json"].iter().chain(more);
        Self { stage, args: args.copied().collect(), deeds, follower: None, followed: 0, interrupted: None }
    }

    /// Until the run is over and everything is done; or says why that does not come about.
    pub fn lead(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        self.follow(&self.args.clone());
        while Instant::now() < end {
            if self.follows() {
                if let Some(deed) = self.deeds.first().filter(|deed| self.is_time(deed))
                    && self.perform(deed)
                {
                    self.deeds = &self.deeds[1..];
                }
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let view = self.stage.view();
            match view.as_ref().map(|view| view["status"].as_str().unwrap()) {
                None => self.follow(&self.args.clone()),
                Some("finished") => match self.deeds.first() {
                    None => return Ok(()),
                    Some(deed) => {
                        if self.perform(deed) {
                            self.deeds = &self.deeds[1..];
                        }
                    }
                },
                Some(_) => {
                    // It came about while nobody looked.
                    let interrupts = |deed: &&Deed| matches!(deed.what, What::Interrupt);
                    if let (Some(deed), Some(view)) = (self.deeds.first().filter(interrupts), &view)
                        && (deed.done)(view)
                    {
                        self.deeds = &self.deeds[1..];
                    }
                    self.follow(&["resume", "--json"]);
                }
            }
        }
        Err(format!("the run came to no end: {:#}", self.stage.view().unwrap_or_default()))
    }

    /// How often somebody had to begin to follow the run.
    pub fn followed(&self) -> u32 {
        self.followed
    }

    fn follow(&mut self, args: &[&str]) {
        self.followed += 1;
        let file =
            |name: &str| File::create(self.stage.home.join(format!("{name}-{}", self.followed))).unwrap();
        let mut command = self.stage.command(args);
        self.follower = Some(command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap());
    }

    fn follows(&mut self) -> bool {
        let lives = self.follower.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none());
        if !lives {
            self.follower = None;
        }
        lives
    }

    fn is_time(&self, deed: &Deed) -> bool {
        match deed.when {
            When::Told(line) => self.stage.ledger().iter().any(|told| told == line),
            When::Over => false,
        }
    }

    /// Whether it has come about.
    fn perform(&mut self, deed: &Deed) -> bool {
        match deed.what {
            What::Gadugi(args) if self.stage.gadugi(args).code == Some(0) => return true,
            What::Gadugi(_) => {}
            What::Interrupt => {
                if self.interrupted.is_some_and(|before| before.elapsed() < AGAIN) {
                    return false;
                }
                self.interrupted = Some(Instant::now());
                let Some(follower) = &self.follower else { return false };
                signal(i32::try_from(follower.id()).unwrap(), "INT");
            }
        }
        self.stage.view().is_some_and(|view| (deed.done)(&view))
    }
}

impl Drop for Play<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.follower.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The word on a task's state.
pub fn state_of<'v>(view: &'v Value, task: &str) -> &'v str {
    let tasks = view["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    tasks
        .iter()
        .find(|found| found["id"] == task)
        .and_then(|found| found["state"].as_str())
        .unwrap_or_default()
}
