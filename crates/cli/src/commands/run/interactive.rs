//! Choosing prompts from a list, and confirming the plan.

use crate::decompose::Named;
use crate::error::{Exit, Problem, Stop};
use crate::follow::{Signals, Unechoed};
use crate::place::block_on;
use crate::text;
use console::Term;
use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, MultiSelect};

/// Prompts of the list that are shown at a time.
const SHOWN: usize = 20;

/// Somebody is being asked. Meanwhile a Ctrl-C ends the question and not the process, so that the terminal is left as it
/// was.
pub(crate) struct Asking {
    signals: Signals,
}

impl Asking {
    /// Begins to listen for it.
    pub(crate) fn begin() -> Result<Self, Stop> {
        Ok(Self { signals: block_on(async { Ok(Signals::new()?) })? })
    }

    /// The prompts that the user chooses; at the beginning all are chosen.
    pub(crate) fn choose(&self, prompts: Vec<Named>) -> Result<Vec<Named>, Stop> {
        let items: Vec<(String, bool)> =
            prompts.iter().map(|prompt| (text::fit(&prompt.file.shown, 100), true)).collect();
        let _asking = Unechoed::asking();
        // Marks that can be told apart without colours too.
        let theme = ColorfulTheme {
            checked_item_prefix: console::style("[x]".to_owned()).for_stderr().green(),
            unchecked_item_prefix: console::style("[ ]".to_owned()).for_stderr(),
            ..ColorfulTheme::default()
        };
        let chosen = MultiSelect::with_theme(&theme)
            .with_prompt("Prompts to run (space chooses, enter goes on)")
            .items_checked(items)
            .max_length(SHOWN)
            .interact_opt()
            .map_err(asked)?
            .unwrap_or_default();
        if chosen.is_empty() {
            return Err(Problem::request("nothing-chosen", "no prompt was chosen", None).into());
        }
        let keep = |(at, prompt)| chosen.contains(&at).then_some(prompt);
        Ok(prompts.into_iter().enumerate().filter_map(keep).collect())
    }

    /// Whether the plan is to be run. A Ctrl-C since the last question means no.
    pub(crate) fn confirm(&mut self) -> Result<bool, Stop> {
        if block_on(async { Ok(self.signals.pending().await) })? {
            return Err(interrupted());
        }
        self.yes("Run this plan?")
    }

    /// Whether the user says yes, which is what an empty answer means.
    pub(crate) fn yes(&self, question: &str) -> Result<bool, Stop> {
        let _asking = Unechoed::asking();
        let theme = ColorfulTheme::default();
        let answer = Confirm::with_theme(&theme).with_prompt(question).default(true);
        Ok(answer.interact_opt().map_err(asked)?.unwrap_or(false))
    }
}

fn asked(error: dialoguer::Error) -> Stop {
    let dialoguer::Error::IO(error) = error;
    // It was hidden for the question. A terminal that is gone needs none.
    let _ = Term::stderr().show_cursor();
    if error.kind() == std::io::ErrorKind::Interrupted {
        return interrupted();
    }
    Problem::environment("terminal", format_args!("cannot ask: {error}"), None).into()
}

fn interrupted() -> Stop {
    let message = "interrupted; nothing was started".to_owned();
    Problem { code: "interrupted".into(), exit: Exit::Interrupted, message, hint: None }.into()
}
