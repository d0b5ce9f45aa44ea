//! `--decompose`: prompts are split by the task-analyzer, as a run of questions, and what it answers becomes prompt files.
//!
//! [`choice`] says which prompts are split, [`question`] runs the questions and reads the answers, [`files`] writes the parts.
//! The checks of an answer are the analysis' own, and the engine has held the answer against them already, in the
//! conversation in which it could still be mended.

mod choice;
mod files;
mod question;
mod request;

use clap::Args;
use gadugi_analysis::PromptFile;
use gadugi_analysis::decompose::{Answer, MAX_PARTS};
use gadugi_config::Resolved;
use gadugi_core::{PlannedTask, RunId};
use gadugi_engine::protocol::RunView;
use gadugi_sys::env;
use serde_json::{Value, json};

use crate::error::{Exit, Problem, Stop};
use crate::follow::{Start, ViewArgs, count, questions};
use crate::place::{Place, block_on};
use crate::planning;
use crate::text;

pub(crate) use choice::Named;
use files::Around;
pub(crate) use request::named;

/// How prompts are split.
#[derive(Debug, Args)]
pub(crate) struct DecomposeArgs {
    /// Have the task-analyzer split prompts into tasks: those that are named as files, and of a folder those of high or
    /// critical complexity. The parts become files below prompts/, which you can change before you run them
    #[arg(long)]
    pub(crate) decompose: bool,
    /// Tasks that one prompt may become [default: 12, or what gadugi.toml says]
    #[arg(long, value_name = "N", value_parser = most, allow_negative_numbers = true, requires = "decompose")]
    max_tasks: Option<u32>,
}

impl DecomposeArgs {
    fn most(&self, resolved: &Resolved) -> u32 {
        self.max_tasks.unwrap_or(resolved.analysis.max_parts)
    }

    /// Agents ask nobody: a question is a run.
    pub(crate) fn refuse(&self, command: &str) -> Result<(), Stop> {
        match env::get(env::ATTEMPT) {
            Some(attempt) if self.decompose => {
                let message =
                    format!("{command} inside a task of gadugi ({attempt}) is refused: agents start no runs");
                Err(Problem::request("inside-attempt", message, None).into())
            }
            _ => Ok(()),
        }
    }
}

/// The number of tasks that one prompt may become.
fn most(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (2..=MAX_PARTS).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 2 to {MAX_PARTS}"))
}

/// What became of one prompt that was to be split.
#[derive(Debug)]
pub(crate) struct Split {
    /// The prompt, as people know it.
    prompt: String,
    /// The run that asked.
    run: RunId,
    came_to: CameTo,
}

#[derive(Debug)]
enum CameTo {
    /// It stays one task, and why.
    Whole(String),
    /// These files.
    Parts(files::Written),
}

/// What the prompts have become.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// These are to be planned, and this became of those that were to be split.
    Prompts(Vec<PromptFile>, Vec<Split>),
    /// It was not done: the run of questions was interrupted, say, and told how it goes on.
    Ended(Exit),
}

/// Splits those of the prompts that are to be split.
pub(crate) fn split(
    place: &Place,
    resolved: &Resolved,
    prompts: &[Named],
    args: &DecomposeArgs,
    view: ViewArgs,
) -> Result<Outcome, Stop> {
    let manner = view.manner();
    let files: Vec<PromptFile> = prompts.iter().map(|named| named.file.clone()).collect();
    // What is to be said of the plan is said of the one that comes of it.
    let planned = planning::plan(place, resolved, &files, crate::output::Manner::Quiet)?;
    let chosen = choice::choose(&planned.plan, prompts);
    chosen.left.iter().for_each(|line| manner.tell(&text::line(line)));
    if chosen.tasks.is_empty() {
        manner.tell("nothing is split");
        return Ok(Outcome::Prompts(files, Vec::new()));
    }
    for task in &chosen.tasks {
        files::check_free(place, &task.id)?;
    }
    let asked = block_on(question::ask(place, resolved, &planned, &chosen.tasks, args.most(resolved), view))?;
    let over = match asked {
        Ok(over) => over,
        Err(exit) => return Ok(Outcome::Ended(exit)),
    };
    let is_chosen = |task: &PlannedTask| chosen.tasks.iter().any(|other| other.id == task.id);
    let others = planned.plan.tasks.iter().filter(|task| !is_chosen(task));
    let needs =
        |task: &&PlannedTask| (task.id.clone(), task.depends_on.iter().map(ToString::to_string).collect());
    let around = Around {
        taken: others.map(|task| task.id.to_string()).collect(),
        needs: chosen.tasks.iter().map(needs).collect(),
    };
    let splits = take_answers(place, &over, around, view)?;
    let place_of = |file: &PromptFile| splits.iter().find(|split| split.prompt == file.shown);
    let prompts = files.into_iter().flat_map(|file| match place_of(&file).map(|split| &split.came_to) {
        Some(CameTo::Parts(written)) => written.files.clone(),
        Some(CameTo::Whole(_)) | None => vec![file],
    });
    Ok(Outcome::Prompts(prompts.collect(), splits))
}

/// Takes up a run of questions where it was, and writes what comes of it.
pub(crate) async fn resumed(place: &Place, start: Start, view: ViewArgs) -> Result<Exit, Stop> {
    let over = match questions(place, start, view).await? {
        Ok(over) => over,
        Err(exit) => return Ok(exit),
    };
    let splits = take_answers(place, &over, Around::default(), view)?;
    if view.json {
        crate::output::result_json(&event(&splits))?;
    }
    for split in &splits {
        if let CameTo::Parts(written) = &split.came_to {
            view.manner()
                .tell(&format!("how they would run: gadugi plan {}", text::shell_word(&written.folder)));
        }
    }
    Ok(Exit::Success)
}

/// Reads the answers of a run that is over, and writes the parts. What one prompt came to is kept whatever became of the
/// others; what is wrong is told of each.
fn take_answers(
    place: &Place,
    over: &RunView,
    mut around: Around,
    view: ViewArgs,
) -> Result<Vec<Split>, Stop> {
    let (mut splits, mut problems) = (Vec::new(), Vec::new());
    for task in over.tasks.iter().filter(|task| task.question.is_some()) {
        let came_to = question::answer(over, task).and_then(|answer| match answer {
            Answer::Whole(why) => Ok(CameTo::Whole(why)),
            Answer::Parts(parts) => files::write(place, over, task, &parts, &mut around).map(CameTo::Parts),
        });
        match came_to {
            Ok(came_to) => {
                let split = Split { prompt: task.prompt.clone(), run: over.run.clone(), came_to };
                view.manner().tell(&split.words());
                splits.push(split);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(splits) } else { Err(Stop::Problems(problems)) }
}

impl Split {
    fn words(&self) -> String {
        let prompt = text::line(&self.prompt);
        match &self.came_to {
            CameTo::Whole(why) => format!("{prompt}: nothing to split ({})", text::fit(why, 200)),
            CameTo::Parts(written) => {
                let parts = count(written.parts.len(), "task");
                format!("{prompt}: {parts}, in {} (read and change them)", written.folder)
            }
        }
    }

    fn json(&self) -> Value {
        match &self.came_to {
            CameTo::Whole(why) => json!({"prompt": self.prompt, "run": self.run, "whole": why, "parts": []}),
            CameTo::Parts(written) => json!({
                "prompt": self.prompt,
                "run": self.run,
                "folder": written.folder,
                "parts": written.parts,
            }),
        }
    }
}

/// What became of the prompts that were to be split, as a part of `plan --json`.
pub(crate) fn json(splits: &[Split]) -> Value {
    splits.iter().map(Split::json).collect()
}

/// The same as the first line of `run --json`.
pub(crate) fn event(splits: &[Split]) -> Value {
    json!({"type": "decomposed", "decomposed": json(splits)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_tasks_has_bounds() {
        assert_eq!((most("2"), most("100")), (Ok(2), Ok(100)));
        for wrong in ["1", "0", "-3", "101", "many", ""] {
            assert!(most(wrong).unwrap_err().contains("from 2 to 100"), "{wrong}");
        }
    }
}
