//! Choosing prompts from a list, and confirming the plan.

use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, MultiSelect};
use gadugi_analysis::PromptFile;

use crate::error::{Exit, Problem, Stop};
use crate::text;

/// Prompts of the list that are shown at a time.
const SHOWN: usize = 20;

/// The prompts that the user chooses; at the beginning all are chosen.
pub(crate) fn choose(prompts: Vec<PromptFile>) -> Result<Vec<PromptFile>, Stop> {
    let items: Vec<(String, bool)> =
        prompts.iter().map(|prompt| (text::fit(&prompt.shown, 100), true)).collect();
    let chosen = MultiSelect::with_theme(&ColorfulTheme::default())
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

/// Whether the plan is to be run.
pub(crate) fn confirm() -> Result<bool, Stop> {
    let theme = ColorfulTheme::default();
    let answer = Confirm::with_theme(&theme).with_prompt("Run this plan?").default(true);
    Ok(answer.interact_opt().map_err(asked)?.unwrap_or(false))
}

fn asked(error: dialoguer::Error) -> Stop {
    let dialoguer::Error::IO(error) = error;
    if error.kind() == std::io::ErrorKind::Interrupted {
        let message = "interrupted; nothing was started".to_owned();
        return Problem { code: "interrupted".into(), exit: Exit::Interrupted, message, hint: None }.into();
    }
    Problem::environment("terminal", format_args!("cannot ask: {error}"), None).into()
}
