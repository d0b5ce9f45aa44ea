//! The plan as a graph for Mermaid and Graphviz.

use std::collections::HashMap;
use std::fmt::Write;

use gadugi_core::{Edge, EdgeReason, Plan, TaskId};

use crate::text::one_line;

/// Longest label of an edge, in characters.
const LONGEST_LABEL: usize = 60;

/// A Mermaid flowchart. Declared edges are solid, others dashed. Nodes are numbered, since an id may be a word of
/// Mermaid's own (`end`).
pub fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart LR\n");
    let number: HashMap<&TaskId, usize> =
        plan.tasks.iter().enumerate().map(|(at, task)| (&task.id, at)).collect();
    for (at, task) in plan.tasks.iter().enumerate() {
        let (id, name) = (mermaid_text(task.id.as_str()), mermaid_text(&task.name));
        let _ = writeln!(out, "    t{at}[\"{id}<br/>{name}\"]");
    }
    for edge in &plan.edges {
        let (Some(from), Some(to)) = (number.get(&edge.from), number.get(&edge.to)) else { continue };
        let arrow = if edge.reason == EdgeReason::Declared { "-->" } else { "-.->" };
        let _ = writeln!(out, "    t{from} {arrow}|\"{}\"| t{to}", mermaid_text(&label(edge)));
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

/// A Graphviz digraph. Declared edges are solid, others dashed.
pub fn dot(plan: &Plan) -> String {
    let mut out = String::from("digraph plan {\n    rankdir=LR;\n    node [shape=box];\n");
    for task in &plan.tasks {
        let (id, name) = (dot_text(task.id.as_str()), dot_text(&task.name));
        let _ = writeln!(out, "    \"{id}\" [label=\"{id}\\n{name}\"];");
    }
    for edge in &plan.edges {
        let (from, to) = (dot_text(edge.from.as_str()), dot_text(edge.to.as_str()));
        let style = if edge.reason == EdgeReason::Declared { "solid" } else { "dashed" };
        let _ = writeln!(
            out,
            "    \"{from}\" -> \"{to}\" [style={style}, label=\"{}\"];",
            dot_text(&label(edge))
        );
    }
    out.push_str("}\n");
    out
}

/// What a quoted string of Graphviz reads as it stands: its escapes begin with a backslash.
fn dot_text(text: &str) -> String {
    one_line(text, 200).replace('\\', "\\\\").replace('"', "\\\"")
}

fn label(edge: &Edge) -> String {
    one_line(&format!("{}: {}", edge.reason.word(), edge.evidence), LONGEST_LABEL)
}
