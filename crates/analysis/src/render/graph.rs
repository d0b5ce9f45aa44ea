//! The plan as a graph for Mermaid and Graphviz: tasks, and who waits for whom with the reason and how sure it is. Declared
//! edges are solid, others dashed; the chain that takes longest is drawn thick.
//!
//! A plan of hundreds of tasks is drawn so that something can still be seen in it (`view`): what follows from other edges
//! is left out, and tasks that wait for the same and are waited for by the same are one box.

mod view;

use std::fmt::Write;

use gadugi_core::{EdgeReason, Plan};

use crate::text::one_line;
use view::{Line, View};

/// Longest label of an edge, in characters.
const LONGEST_LABEL: usize = 60;
/// Boxes and lines that Mermaid is given at most: it draws no more than 500 lines, and long before that nobody sees
/// anything.
const MOST_IN_MERMAID: usize = 150;

/// A Mermaid flowchart. Nodes are numbered, since an id may be a word of Mermaid's own (`end`).
pub fn mermaid(plan: &Plan) -> String {
    let view = View::new(plan, Some(MOST_IN_MERMAID));
    let mut out = String::from("flowchart LR\n");
    for (at, node) in view.boxes.iter().enumerate() {
        let text = match &node.name {
            Some(name) => format!("{}<br/>{}", mermaid_text(&node.ids), mermaid_text(name)),
            None => mermaid_text(&node.ids),
        };
        let _ = writeln!(out, "    t{at}[\"{text}\"]");
    }
    for line in &view.lines {
        let arrow = if line.edge.reason == EdgeReason::Declared { "-->" } else { "-.->" };
        let label = mermaid_text(&label(line, view.large));
        let _ = writeln!(out, "    t{} {arrow}|\"{label}\"| t{}", line.from, line.to);
    }
    let places = |places: Vec<String>| if places.is_empty() { None } else { Some(places.join(",")) };
    let critical = |(at, _): (usize, bool)| format!("t{at}");
    let boxes = view.boxes.iter().map(|node| node.critical).enumerate().filter(|(_, critical)| *critical);
    if let Some(boxes) = places(boxes.map(critical).collect()) {
        let _ = writeln!(out, "    classDef critical stroke-width:3px");
        let _ = writeln!(out, "    class {boxes} critical");
    }
    let lines = view.lines.iter().enumerate().filter(|(_, line)| line.critical);
    if let Some(lines) = places(lines.map(|(at, _)| at.to_string()).collect()) {
        let _ = writeln!(out, "    linkStyle {lines} stroke-width:4px");
    }
    for (at, remark) in view.remarks().iter().enumerate() {
        let _ = writeln!(out, "    note{at}[/\"{remark}\"/]");
    }
    out
}

/// Entity codes, with `#` in Mermaid's way, for all that Markdown, HTML or Mermaid would read.
fn mermaid_text(text: &str) -> String {
    let mut out = String::new();
    for c in one_line(text, 200).chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | ',' | '/' | ':' | '…') {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

/// A Graphviz digraph.
pub fn dot(plan: &Plan) -> String {
    let view = View::new(plan, None);
    let mut out = String::from("digraph plan {\n    rankdir=LR;\n    node [shape=box];\n");
    for node in &view.boxes {
        let id = dot_text(&node.ids);
        let name = node.name.as_ref().map_or_else(String::new, |name| format!("\\n{}", dot_text(name)));
        let thick = if node.critical { ", penwidth=3" } else { "" };
        let _ = writeln!(out, "    \"{}\" [label=\"{id}{name}\"{thick}];", dot_text(&node.id));
    }
    for line in &view.lines {
        let (from, to) = (dot_text(&view.boxes[line.from].id), dot_text(&view.boxes[line.to].id));
        let style = if line.edge.reason == EdgeReason::Declared { "solid" } else { "dashed" };
        let thick = if line.critical { ", penwidth=3" } else { "" };
        let label = dot_text(&label(line, view.large));
        let _ = writeln!(out, "    \"{from}\" -> \"{to}\" [style={style}{thick}, label=\"{label}\"];");
    }
    let remarks = view.remarks();
    if !remarks.is_empty() {
        let _ = writeln!(out, "    label=\"{}\";", remarks.join("\\n"));
    }
    out.push_str("}\n");
    out
}

/// What a quoted string of Graphviz reads as it stands: its escapes begin with a backslash.
fn dot_text(text: &str) -> String {
    one_line(text, 200).replace('\\', "\\\\").replace('"', "\\\"")
}

/// The reason, how sure it is where that is in doubt, and the evidence where there is room.
fn label(line: &Line<'_>, short: bool) -> String {
    let edge = line.edge;
    let reason = match edge.confidence.0 {
        100.. => edge.reason.word().to_owned(),
        percent => format!("{} {percent} %", edge.reason.word()),
    };
    if short { reason } else { one_line(&format!("{reason}: {}", edge.evidence), LONGEST_LABEL) }
}

#[cfg(test)]
mod tests;
