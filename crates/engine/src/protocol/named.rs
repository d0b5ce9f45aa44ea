//! Which task a person means: by its id, its prompt's name, or a unique prefix of its id.

use gadugi_core::{PlannedTask, TaskId};

use super::TaskView;

/// Something that is called what a task is called.
pub(crate) trait Named {
    fn id(&self) -> &TaskId;
    fn name(&self) -> &str;
    /// Path of its prompt.
    fn prompt(&self) -> &str;
}

impl Named for TaskView {
    fn id(&self) -> &TaskId {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn prompt(&self) -> &str {
        &self.prompt
    }
}

impl Named for PlannedTask {
    fn id(&self) -> &TaskId {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn prompt(&self) -> &str {
        &self.prompt.path
    }
}

/// Where the task stands that a person means.
pub(crate) fn find<T: Named>(tasks: &[T], wanted: &str) -> Result<usize, TaskNotFound> {
    if let Some(at) = tasks.iter().position(|task| task.id().as_str() == wanted) {
        return Ok(at);
    }
    let all = || tasks.iter().enumerate();
    let named: Vec<usize> = all().filter(|(_, task)| is_called(*task, wanted)).map(|(at, _)| at).collect();
    if let [at] = named[..] {
        return Ok(at);
    }
    let begins = |task: &T| task.id().as_str().starts_with(wanted);
    let found: Vec<usize> = all().filter(|(_, task)| begins(task)).map(|(at, _)| at).collect();
    match found[..] {
        [at] if !wanted.is_empty() => Ok(at),
        [] => Err(TaskNotFound::Unknown {
            wanted: wanted.to_owned(),
            known: tasks.iter().map(|task| task.id().clone()).collect(),
        }),
        _ => Err(TaskNotFound::Ambiguous {
            wanted: wanted.to_owned(),
            matches: found.iter().map(|at| tasks[*at].id().clone()).collect(),
        }),
    }
}

/// Whether it, its prompt, or its prompt's file is called so.
fn is_called(task: &impl Named, wanted: &str) -> bool {
    let prompt = task.prompt();
    let file = prompt.rsplit('/').next().unwrap_or(prompt);
    file == wanted || file.strip_suffix(".md") == Some(wanted) || prompt == wanted || task.name() == wanted
}

/// Why a task cannot be told from what a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskNotFound {
    /// None is called so.
    #[error("no task is called {wanted:?}; there are {}", list(.known))]
    Unknown {
        /// What was written.
        wanted: String,
        /// What there is.
        known: Vec<TaskId>,
    },
    /// Several begin so.
    #[error("{wanted:?} could be {}", list(.matches))]
    Ambiguous {
        /// What was written.
        wanted: String,
        /// What it could be.
        matches: Vec<TaskId>,
    },
}

fn list(ids: &[TaskId]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<&str> = ids.iter().take(SHOWN).map(TaskId::as_str).collect();
    let rest = ids.len().saturating_sub(SHOWN);
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more", shown.join(", ")) }
}
