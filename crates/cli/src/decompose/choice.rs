//! Which prompts are split.

use std::collections::BTreeSet;

use gadugi_analysis::PromptFile;
use gadugi_core::{Complexity, EdgeReason, Plan, PlannedTask};

/// A prompt, and how it was named.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) file: PromptFile,
    /// By itself; else it is one of a folder.
    pub(crate) by_itself: bool,
}

impl Named {
    /// Prompts of which nobody asks how they were named.
    pub(crate) fn all(files: Vec<PromptFile>) -> Vec<Self> {
        files.into_iter().map(|file| Self { file, by_itself: false }).collect()
    }
}

/// Which are split.
pub(super) struct Chosen<'a> {
    pub(super) tasks: Vec<&'a PlannedTask>,
    /// What is left whole and why, a line each.
    pub(super) left: Vec<String>,
}

/// Prompts that are named by themselves are split, and of folders those that are much work. One that others wait for stays
/// whole: they name it, and nobody changes what they say.
pub(super) fn choose<'a>(plan: &'a Plan, prompts: &[Named]) -> Chosen<'a> {
    let declared = plan.edges.iter().filter(|edge| edge.reason == EdgeReason::Declared);
    let needed: BTreeSet<&str> = declared.map(|edge| edge.from.as_str()).collect();
    let mut chosen = Chosen { tasks: Vec::new(), left: Vec::new() };
    let mut small = Vec::new();
    for task in &plan.tasks {
        let by_itself = prompts.iter().any(|named| named.by_itself && named.file.shown == task.prompt.path);
        if !by_itself && task.complexity < Complexity::High {
            small.push(format!("{} ({})", task.prompt.path, task.complexity.word()));
        } else if needed.contains(task.id.as_str()) {
            chosen.left.push(format!("{} is left whole: other prompts depend on it", task.prompt.path));
        } else {
            chosen.tasks.push(task);
        }
    }
    if !small.is_empty() {
        const SHOWN: usize = 8;
        let more = small.len().saturating_sub(SHOWN);
        small.truncate(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        chosen.left.push(format!("left whole, as no large ones: {}{more}", small.join(", ")));
    }
    chosen
}
