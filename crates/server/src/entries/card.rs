//! An entry as it goes over the wire: words of one kind or another, and no longer than asked for.

use gadugi_agents::one_line;
use gadugi_agents::transcript::{self, Call, Entry, Final, Outcome, Said, TodoStatus};
use gadugi_sys::clock;

use crate::wire::{self, EntryKind};

/// Bytes of each text in a list.
const EACH: usize = 4 << 10;

/// Bytes of all texts of one line in a list. One line can hold a thousand entries, and one entry a thousand places of an edit.
const LINE: usize = 256 << 10;

/// Bytes of all texts of one entry that is asked for whole.
const WHOLE: usize = 8 << 20;

/// Characters of a title.
const TITLE: usize = 160;

/// Bytes of an id that is looked at; Claude Code's have some thirty.
const ID: usize = 200;

/// Where an entry stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where its line begins.
    pub(super) offset: u64,
    /// Where the next line begins.
    pub(super) end: u64,
    /// Its place in its line.
    pub(super) index: u32,
    /// Whether the line was too long to be read whole.
    pub(super) torn: bool,
}

/// Cuts the texts of one line's entries.
pub(super) struct Cutter {
    each: usize,
    left: usize,
    cut: bool,
    taken: usize,
}

impl Cutter {
    pub(super) fn for_list() -> Self {
        Self { each: EACH, left: LINE, cut: false, taken: 0 }
    }

    pub(super) fn for_one() -> Self {
        Self { each: WHOLE, left: WHOLE, cut: false, taken: 0 }
    }

    /// Bytes that the last entry has, about.
    pub(super) fn taken(&self) -> usize {
        // Its names and numbers.
        self.taken + 200
    }

    pub(super) fn card(&mut self, entry: Entry, place: Place) -> wire::Entry {
        (self.cut, self.taken) = (place.torn, 0);
        let mut card = wire::Entry {
            offset: place.offset,
            end: place.end,
            index: place.index,
            kind: EntryKind::Raw,
            at: entry.at.map(clock::rfc3339),
            id: None,
            parent: entry.parent.map(id),
            title: String::new(),
            text: None,
            is_error: false,
            edit: None,
            todo: None,
            named: None,
            input: None,
            cut: false,
        };
        self.fill(&mut card, entry.said);
        self.taken += card.title.len();
        card.cut = self.cut;
        card
    }

    fn fill(&mut self, card: &mut wire::Entry, said: Said) {
        card.kind = kind(&said);
        match said {
            Said::Text(text) | Said::Thinking(text) | Said::Raw(text) => {
                card.title = one_line(&text, TITLE);
                card.text = Some(self.text(text));
            }
            Said::Tool(call) => self.call(card, call),
            Said::Edit(call, edit) => {
                self.call(card, call);
                card.edit = Some(self.edit(edit));
            }
            Said::Todo(call, items) => {
                self.call(card, call);
                card.todo = Some(self.todo(items));
            }
            Said::Outcome(outcome) => self.outcome(card, outcome),
            Said::Error { title, text } => {
                (card.title, card.is_error) = (title, true);
                card.text = text.map(|text| self.text(text));
            }
            Said::Note { title, text, about } => {
                (card.title, card.id) = (title, about.map(id));
                card.text = text.map(|text| self.text(text));
            }
            Said::Phase(phase) => card.title = format!("phase {} {}", phase.number(), phase.title()),
            Said::NoChange(reason) => {
                card.title = one_line(&format!("nothing to change: {reason}"), TITLE);
                card.text = Some(self.text(reason));
            }
            Said::Final(word) => self.last_word(card, word),
        }
    }

    fn call(&mut self, card: &mut wire::Entry, call: Call) {
        card.id = Some(id(call.id)).filter(|id| !id.is_empty());
        card.title = call.title;
        card.input = Some(self.text(call.input)).filter(|input| !input.is_empty());
    }

    fn outcome(&mut self, card: &mut wire::Entry, outcome: Outcome) {
        card.id = Some(id(outcome.id)).filter(|id| !id.is_empty());
        card.title = one_line(&outcome.text, TITLE);
        card.is_error = outcome.is_error;
        card.text = Some(self.text(outcome.text));
        // What was written and what is to be done say all of it, and shorter.
        if outcome.edit.is_none() && outcome.todo.is_none() {
            card.input = outcome.structured.map(|structured| self.text(structured));
        }
        card.edit = outcome.edit.map(|edit| self.edit(edit));
        card.todo = outcome.todo.map(|items| self.todo(items));
        card.named =
            outcome.named.map(|named| wire::Named { name: id(named.name), text: self.text(named.text) });
    }

    fn last_word(&mut self, card: &mut wire::Entry, word: Final) {
        let Final { is_error, word, text, turns, took, usage } = word;
        let cost = usage.cost_microusd as f64 / 1e6;
        // An API failure ends with `subtype: "success"` and `is_error: true`.
        let word = if is_error && word == "success" { "failed" } else { word.as_str() };
        card.title = format!("{word}: {turns} turns, {} tokens, ${cost:.2}", usage.tokens());
        card.is_error = is_error;
        card.text = Some(self.text(text));
        let used = serde_json::json!({
            "turns": turns,
            "seconds": took.0 as f64 / 1e3,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "cost_usd": cost,
        });
        card.input = Some(format!("{used:#}"));
    }

    fn edit(&mut self, edit: transcript::Edit) -> wire::Edit {
        let path = self.text(edit.path);
        let hunks = self.while_there_is_room(edit.hunks, |cutter, hunk| wire::Hunk {
            old: cutter.text(hunk.old),
            new: cutter.text(hunk.new),
            line: hunk.line,
        });
        wire::Edit { path, created: edit.created, hunks }
    }

    fn todo(&mut self, items: Vec<transcript::Todo>) -> Vec<wire::Todo> {
        self.while_there_is_room(items, |cutter, item| wire::Todo {
            text: cutter.text(item.text),
            status: match item.status {
                TodoStatus::Pending => wire::TodoStatus::Pending,
                TodoStatus::InProgress => wire::TodoStatus::InProgress,
                TodoStatus::Completed => wire::TodoStatus::Completed,
            },
        })
    }

    fn while_there_is_room<T, U>(
        &mut self,
        items: Vec<T>,
        mut each: impl FnMut(&mut Self, T) -> U,
    ) -> Vec<U> {
        let mut kept = Vec::new();
        for item in items {
            if self.left == 0 {
                self.cut = true;
                break;
            }
            kept.push(each(self, item));
        }
        kept
    }

    /// As much of the text as there is room for.
    fn text(&mut self, mut text: String) -> String {
        let most = self.each.min(self.left);
        if text.len() > most {
            text.truncate(text.floor_char_boundary(most));
            // What is kept of it must not hold the memory of what was cut.
            text.shrink_to_fit();
            self.cut = true;
        }
        self.left -= text.len();
        self.taken += text.len();
        text
    }
}

fn id(mut id: String) -> String {
    id.truncate(id.floor_char_boundary(ID));
    id
}

/// The wire's word for what an entry is.
pub(super) fn kind(said: &Said) -> EntryKind {
    match said {
        Said::Text(_) => EntryKind::Text,
        Said::Thinking(_) => EntryKind::Thinking,
        Said::Tool(_) => EntryKind::Tool,
        Said::Edit(..) => EntryKind::Edit,
        Said::Todo(..) => EntryKind::Todo,
        Said::Outcome(_) => EntryKind::Result,
        Said::Error { .. } => EntryKind::Error,
        Said::Note { .. } => EntryKind::Note,
        Said::Phase(_) | Said::NoChange(_) => EntryKind::Phase,
        Said::Final(_) => EntryKind::Final,
        Said::Raw(_) => EntryKind::Raw,
    }
}
