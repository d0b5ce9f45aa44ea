//! What keys mean.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use gadugi_core::Target;
use gadugi_engine::protocol::{Request, TaskView};

use super::app::{App, Entry, Focus, Overlay, Question};
use crate::follow::environment;
use crate::text;

/// Columns of a filter.
const FILTER: usize = 60;

/// What a key asks of others than the screen.
#[derive(Debug)]
pub(super) enum Wish {
    /// Leave it.
    Leave,
    /// What Ctrl-C means.
    Interrupt,
    /// What Ctrl-Z means.
    Suspend,
    /// Draw all of it anew.
    Redraw,
    /// Something of the engine, and what is said once it is granted.
    Ask(Box<Request>, String),
}

impl App {
    /// Takes a key. Whatever was said before is read by now.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        self.said = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        match &mut self.entry {
            Entry::Filter => {
                self.filter_key(key.code);
                None
            }
            Entry::Question(_) => self.answer(key.code),
            Entry::Keys if self.overlay.is_some() => {
                self.overlay = None;
                None
            }
            Entry::Keys => self.command(key.code),
        }
    }

    /// Takes text that was pasted: words for the filter, never keys.
    pub(super) fn paste(&mut self, pasted: &str) {
        if matches!(self.entry, Entry::Filter) {
            self.filter.push_str(&text::fit(pasted, FILTER));
            self.refilter();
        }
    }

    fn control(&mut self, code: KeyCode) -> Option<Wish> {
        match code {
            KeyCode::Char('c') => Some(Wish::Interrupt),
            KeyCode::Char('z') => Some(Wish::Suspend),
            KeyCode::Char('l') => Some(Wish::Redraw),
            // As in pagers and shells.
            KeyCode::Char('d' | 'f') => self.command(KeyCode::PageDown),
            KeyCode::Char('u' | 'b') if !matches!(self.entry, Entry::Filter) => self.command(KeyCode::PageUp),
            KeyCode::Char('u') => {
                self.filter.clear();
                self.refilter();
                None
            }
            _ => None,
        }
    }

    fn filter_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.entry = Entry::Keys,
            KeyCode::Esc => {
                self.filter.clear();
                self.entry = Entry::Keys;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if text::width(&self.filter) < FILTER => {
                self.filter.push_str(&text::block(c.encode_utf8(&mut [0; 4])));
            }
            KeyCode::Up | KeyCode::Down => {
                self.command(code);
            }
            _ => {}
        }
        self.refilter();
    }

    fn refilter(&mut self) {
        let tasks = self.view.as_ref().map_or(&[][..], |view| &view.tasks);
        self.list.filter(&self.filter, tasks);
        self.turn();
    }

    fn answer(&mut self, code: KeyCode) -> Option<Wish> {
        let Entry::Question(question) = std::mem::take(&mut self.entry) else { return None };
        match code {
            KeyCode::Char('y' | 'Y') => {
                let Question { request, granted, .. } = *question;
                Some(Wish::Ask(Box::new(request), granted))
            }
            _ => {
                self.said = Some("left as it is".to_owned());
                None
            }
        }
    }

    fn command(&mut self, code: KeyCode) -> Option<Wish> {
        match code {
            KeyCode::Char('q') => return Some(Wish::Leave),
            KeyCode::Esc => self.step_back(),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.overlay = Some(Overlay::Help),
            KeyCode::Char('l') => self.overlay = Some(Overlay::Landing),
            KeyCode::Enter => self.zoomed = !self.zoomed,
            KeyCode::Tab | KeyCode::BackTab => {
                self.focus = if self.focus == Focus::List { Focus::Stream } else { Focus::List };
            }
            KeyCode::Char('/') => {
                self.zoomed = false;
                self.focus = Focus::List;
                self.entry = Entry::Filter;
            }
            KeyCode::Char('f') => self.pane.text().toggle_following(),
            KeyCode::Char('s') => {
                self.list.sort = self.list.sort.next();
                self.refilter();
            }
            KeyCode::Char('p') => return self.pause(),
            KeyCode::Char('P') => return self.pause_run(),
            KeyCode::Char('c') => self.cancel(),
            KeyCode::Char('C') => self.cancel_run(),
            KeyCode::Char('r') => self.retry(),
            KeyCode::Char('R') => self.retry_all(),
            code => self.go(code),
        }
        None
    }

    fn step_back(&mut self) {
        if self.zoomed {
            self.zoomed = false;
        } else if self.focus == Focus::Stream {
            self.focus = Focus::List;
        } else if !self.filter.is_empty() {
            self.filter.clear();
            self.refilter();
        }
    }

    /// Moves in the list, or in the stream.
    fn go(&mut self, code: KeyCode) {
        let tasks = self.view.as_ref().map_or(&[][..], |view| &view.tasks);
        if self.zoomed || self.focus == Focus::Stream {
            let stream = self.pane.text();
            match code {
                KeyCode::Up | KeyCode::Char('k') => stream.scroll(-1),
                KeyCode::Down | KeyCode::Char('j') => stream.scroll(1),
                KeyCode::PageUp => stream.page(-1),
                KeyCode::PageDown | KeyCode::Char(' ') => stream.page(1),
                KeyCode::Home | KeyCode::Char('g') => stream.rewind(),
                KeyCode::End | KeyCode::Char('G') => stream.follow(),
                _ => {}
            }
            return;
        }
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.list.step(-1, tasks),
            KeyCode::Down | KeyCode::Char('j') => self.list.step(1, tasks),
            KeyCode::PageUp => self.list.page(-1, tasks),
            KeyCode::PageDown | KeyCode::Char(' ') => self.list.page(1, tasks),
            KeyCode::Home | KeyCode::Char('g') => self.list.step(isize::MIN, tasks),
            KeyCode::End | KeyCode::Char('G') => self.list.step(isize::MAX, tasks),
            _ => {}
        }
        self.turn();
    }

    /// Pauses the chosen task, or lets it go on.
    fn pause(&mut self) -> Option<Wish> {
        let task = self.chosen()?;
        let (run, target) = (self.run.clone(), Target::Tasks(vec![task.id.clone()]));
        if task.over {
            self.said = Some(format!("{} is over: {}", task.id, text::line(&task.state)));
            return None;
        }
        let (request, granted) = if task.held {
            let environment = Some(environment());
            (Request::Resume { run, target, environment }, format!("{} goes on", task.id))
        } else {
            let granted = format!("{} is being paused; p lets it go on", task.id);
            (Request::Pause { run, target }, granted)
        };
        Some(Wish::Ask(Box::new(request), granted))
    }

    /// Pauses the run, or lets it go on.
    fn pause_run(&mut self) -> Option<Wish> {
        let (run, target) = (self.run.clone(), Target::All);
        let (request, granted) = match self.view.as_ref()?.status.as_str() {
            "finished" => {
                self.said = Some("the run is over".to_owned());
                return None;
            }
            "paused" => {
                (Request::Resume { run, target, environment: Some(environment()) }, "the run goes on")
            }
            _ => {
                let granted = "the run is paused: what runs goes on, nothing new begins; P lets it go on";
                (Request::Pause { run, target }, granted)
            }
        };
        Some(Wish::Ask(Box::new(request), granted.to_owned()))
    }

    fn cancel(&mut self) {
        let Some(task) = self.chosen() else { return };
        let id = &task.id;
        if task.over {
            self.said = Some(format!("{id} is over: {}", text::line(&task.state)));
            return;
        }
        let request = Request::Cancel { run: self.run.clone(), target: Target::Tasks(vec![id.clone()]) };
        self.ask(format!("cancel {id}?"), request, format!("{id} is being cancelled"));
    }

    fn cancel_run(&mut self) {
        let left = self.tasks().iter().filter(|task| !task.over).count();
        if left == 0 {
            self.said = Some("the run is over".to_owned());
            return;
        }
        let request = Request::Cancel { run: self.run.clone(), target: Target::All };
        let words = format!("cancel the whole run, {} left?", crate::follow::count(left, "task"));
        self.ask(words, request, "the run is being cancelled".to_owned());
    }

    fn retry(&mut self) {
        let Some(task) = self.chosen() else { return };
        let id = &task.id;
        if !can_be_retried(task) {
            self.said = Some(format!("{id} is {}: there is nothing to retry", text::line(&task.state)));
            return;
        }
        let target = Target::Tasks(vec![id.clone()]);
        let request =
            Request::Retry { run: self.run.clone(), target, with: None, environment: Some(environment()) };
        self.ask(format!("retry {id}?"), request, format!("{id} is taken up again"));
    }

    fn retry_all(&mut self) {
        let wanted = self.tasks().iter().filter(|task| can_be_retried(task)).count();
        if wanted == 0 {
            self.said = Some("there is nothing to retry".to_owned());
            return;
        }
        let (run, target, with) = (self.run.clone(), Target::All, None);
        let request = Request::Retry { run, target, with, environment: Some(environment()) };
        let wanted = crate::follow::count(wanted, "task");
        let words = format!("retry {wanted} that did not succeed?");
        self.ask(words, request, format!("{wanted} taken up again"));
    }

    fn ask(&mut self, words: String, request: Request, granted: String) {
        self.entry = Entry::Question(Box::new(Question { words, request, granted }));
    }
}

fn can_be_retried(task: &TaskView) -> bool {
    task.over && task.state != "succeeded"
}
