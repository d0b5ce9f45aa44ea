//! Colours and weights: the sixteen that every terminal has its own idea of, and none at all where none are wanted.

use gadugi_engine::protocol::TaskView;
use ratatui::style::{Color, Modifier, Style};

use crate::screen::list::Standing;

/// How things are told apart beside their words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    colours: bool,
}

impl Theme {
    /// With colours, or with weights alone.
    pub(super) fn new(colours: bool) -> Self {
        Self { colours }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// What stands back.
    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What stands out.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The name of the part that keys move in.
    pub(super) fn title(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The rule of that part.
    pub(super) fn focus(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// A key.
    pub(super) fn key(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// What went well.
    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    /// What went wrong.
    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What wants to be looked at.
    pub(super) fn warning(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// What is under way.
    pub(super) fn busy(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// A figure's bars.
    pub(super) fn bars(self) -> Style {
        self.coloured(Color::Blue)
    }

    /// The row that is chosen: whatever the terminal's colours are, they are turned round.
    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A task's sign and state.
    pub(super) fn task(self, task: &TaskView) -> Style {
        match Standing::of(task) {
            Standing::NeedsYou if task.over => self.bad(),
            Standing::NeedsYou => self.warning(),
            Standing::Runs => self.busy(),
            Standing::Over if task.state == "succeeded" => self.good(),
            Standing::Waits | Standing::Over => self.dim(),
        }
    }
}
