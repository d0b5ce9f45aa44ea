//! Tools that are shown in a way of their own: those that write files, and those that keep a list of what is to be done.

use crate::claude::parser::{ABOUT, SUMMARY};
use crate::event::one_line;
use crate::transcript::{
    Call, Edit, Hunk, LONGEST_LINE, Named, Object, Said, Todo, TodoStatus, pretty, strings,
};

/// A tool's use.
pub(super) fn call(block: &Object<'_>) -> Said {
    let name = block.text("name").unwrap_or_else(|| "tool".into());
    let input = block.object("input").unwrap_or_default();
    let about = ABOUT.iter().find_map(|key| input.text(key)).unwrap_or_default();
    let mut call = Call {
        id: block.text("id").unwrap_or_default(),
        title: one_line(&format!("{name} {about}"), SUMMARY),
        input: block.raw("input").map(|input| pretty(input.get(), LONGEST_LINE)).unwrap_or_default(),
    };
    if let Some(edit) = edit(&name, &input) {
        return Said::Edit(call, edit);
    }
    let todo = match name.as_str() {
        "TodoWrite" => input.objects("todos").map(|items| items.iter().filter_map(item).collect()),
        "TaskCreate" => item(&input).map(|item| vec![item]),
        "TaskUpdate" => update(&input).map(|item| vec![item]),
        _ => None,
    };
    match todo {
        Some(items) => {
            if let [Todo { text, .. }] = &items[..] {
                call.title = one_line(&format!("{name} {text}"), SUMMARY);
            }
            Said::Todo(call, items)
        }
        None => Said::Tool(call),
    }
}

/// What a tool's use is to write.
fn edit(name: &str, input: &Object<'_>) -> Option<Edit> {
    let text = |of: &Object<'_>, key: &str| of.text(key).unwrap_or_default();
    let one = |old: String, new: String| vec![Hunk { old, new, line: None }];
    let (path, created, hunks) = match name {
        "Edit" => {
            let hunks = one(input.text("old_string")?, text(input, "new_string"));
            (input.text("file_path")?, false, hunks)
        }
        "MultiEdit" => {
            let places = input.objects("edits")?;
            let hunk = |place: &Object<'_>| Hunk {
                old: text(place, "old_string"),
                new: text(place, "new_string"),
                line: None,
            };
            (input.text("file_path")?, false, places.iter().map(hunk).collect())
        }
        "Write" => (input.text("file_path")?, true, one(String::new(), input.text("content")?)),
        // The cell's old source stands in its outcome.
        "NotebookEdit" => {
            (input.text("notebook_path")?, false, one(String::new(), text(input, "new_source")))
        }
        _ => return None,
    };
    Some(Edit { path, created, hunks })
}

/// What a tool that writes files says that it wrote.
pub(super) fn written(result: &Object<'_>) -> Option<Edit> {
    if let (Some(path), Some(new)) = (result.text("notebook_path"), result.text("new_source")) {
        let old = result.text("old_source").unwrap_or_default();
        return Some(Edit { path, created: false, hunks: vec![Hunk { old, new, line: None }] });
    }
    let path = result.text("filePath")?;
    let places = result.objects("structuredPatch")?;
    let created = result.text("type").as_deref() == Some("create");
    if created {
        let new = result.text("content").unwrap_or_default();
        return Some(Edit { path, created, hunks: vec![Hunk { old: String::new(), new, line: Some(1) }] });
    }
    Some(Edit { path, created, hunks: places.iter().filter_map(place).collect() })
}

/// One place of a patch: lines with their mark in front.
fn place(place: &Object<'_>) -> Option<Hunk> {
    let (mut old, mut new) = (String::new(), String::new());
    for line in strings(place.list("lines")?) {
        let mut characters = line.chars();
        let mark = characters.next();
        let text = characters.as_str();
        // `\ No newline at end of file` is of neither.
        if matches!(mark, Some('-' | ' ')) {
            old.extend([text, "\n"]);
        }
        if matches!(mark, Some('+' | ' ')) {
            new.extend([text, "\n"]);
        }
    }
    Some(Hunk { old, new, line: place.whole("newStart") })
}

/// The list as a tool says that it is now.
pub(super) fn listed(result: &Object<'_>) -> Option<Vec<Todo>> {
    let items = result.objects("newTodos").or_else(|| result.objects("tasks"))?;
    Some(items.iter().filter_map(item).collect())
}

/// An item of either kind of list.
fn item(item: &Object<'_>) -> Option<Todo> {
    let text = item.text("content").or_else(|| item.text("subject"))?;
    let status = item.text("status").as_deref().and_then(status).unwrap_or(TodoStatus::Pending);
    Some(Todo { text, status })
}

/// The item that a tool tells of with its number, by which alone it is named from then on.
pub(super) fn named(result: &Object<'_>) -> Option<Named> {
    let task = result.object("task")?;
    Some(Named { name: number(&task.text("id")?), text: task.text("subject")? })
}

fn number(id: &str) -> String {
    format!("#{id}")
}

/// What an update makes of an item; none where it changes something else, or takes it away.
fn update(input: &Object<'_>) -> Option<Todo> {
    let status = status(&input.text("status")?)?;
    let number = number(&input.text("taskId").unwrap_or_default());
    let text = match input.text("subject") {
        Some(subject) => format!("{number} {subject}"),
        None => number,
    };
    Some(Todo { text, status })
}

fn status(word: &str) -> Option<TodoStatus> {
    Some(match word {
        "pending" => TodoStatus::Pending,
        "in_progress" => TodoStatus::InProgress,
        "completed" => TodoStatus::Completed,
        _ => return None,
    })
}
