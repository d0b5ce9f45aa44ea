//! Why two tasks do or don't run together, in words and as JSON: `gadugi plan --why A B`.

use std::fmt::Write;

use gadugi_core::{Edge, EdgeReason, OverlapPolicy};
use serde_json::{Value, json};

use crate::overlap::{Overlap, Shared, Side};
use crate::text::one_line;
use crate::why::{Verdict, Why};

/// Version of the shape. It grows by fields without a new number.
const SCHEMA: u32 = 1;
/// Longest piece of evidence, in characters.
const LONGEST: usize = 100;

/// The answer as JSON: what [`Why`] has, and in `summary` and `advice` the sentences that people are shown.
pub fn why_json(why: &Why) -> Value {
    let mut value = json!({ "schema": SCHEMA, "summary": summary(why), "advice": advice(why) });
    // A tree of plain values always becomes JSON.
    if let (Some(object), Ok(Value::Object(fields))) = (value.as_object_mut(), serde_json::to_value(why)) {
        object.extend(fields);
    }
    value
}

/// The answer in words.
pub fn why(why: &Why) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", summary(why));
    if !why.path.is_empty() {
        out.push('\n');
        path(&mut out, why);
    }
    match &why.overlap {
        Some(overlap) => shared(&mut out, why, overlap),
        None => {
            let _ = writeln!(out, "\nNo file is known that both may write.");
        }
    }
    let _ = writeln!(out, "\nTo change that:");
    for line in advice(why) {
        let _ = writeln!(out, "  - {line}");
    }
    out
}

/// One sentence.
fn summary(why: &Why) -> String {
    let (first, second) = (&why.first.id, &why.second.id);
    match why.verdict {
        Verdict::Sequential => {
            let because = why.sequential_because.as_deref().unwrap_or_default();
            let because = one_line(because, 200);
            format!(
                "{first} and {second} do not run together: all tasks are taken one after another ({because})."
            )
        }
        Verdict::Ordered if why.path.len() + why.path_more == 1 => {
            format!("{second} waits for {first}: they do not run together.")
        }
        Verdict::Ordered => {
            let between = why.path.len() + why.path_more - 1;
            let tasks = if between == 1 { "one task" } else { &format!("{between} tasks") };
            format!("{second} waits for {first}, by {tasks} between them: they do not run together.")
        }
        Verdict::OneSlot => format!(
            "Nothing orders {first} and {second}, but there is one slot: {first} is first ({}).",
            precedence(why)
        ),
        Verdict::Slots => format!(
            "Nothing orders {first} and {second}: they run together where two of the {} slots for {} tasks are free; \
             {first} is taken first ({}).",
            why.slots,
            why.tasks,
            precedence(why)
        ),
        Verdict::Together => format!("Nothing keeps {first} and {second} apart: they run together."),
    }
}

/// Why the first of two that nothing orders is taken first.
fn precedence(why: &Why) -> String {
    let (first, second) = (why.first.priority, why.second.priority);
    if first == second {
        format!("both have priority {first}: the longer chain of tasks goes first, then who was given first")
    } else {
        format!("priority {first} before {second}")
    }
}

fn path(out: &mut String, why: &Why) {
    let left_out = why.path.len() / 2;
    for (at, edge) in why.path.iter().enumerate() {
        if why.path_more > 0 && at == left_out {
            let _ = writeln!(out, "  … and {} more …", why.path_more);
        }
        let _ = writeln!(out, "  {}", step(edge));
    }
}

fn step(edge: &Edge) -> String {
    let evidence = one_line(&edge.evidence, LONGEST);
    let what = match edge.reason {
        EdgeReason::Declared => format!("its prompt says so: “{evidence}”"),
        EdgeReason::SameFile => format!("{evidence} ({} %)", edge.confidence.0),
        EdgeReason::Import => format!("{evidence} ({} %)", edge.confidence.0),
    };
    format!("{} waits for {} ({}): {what}", edge.to, edge.from, edge.reason.word())
}

fn shared(out: &mut String, why: &Why, overlap: &Overlap) {
    let reaches = overlap.confidence.0 >= why.threshold;
    let than = if reaches { "which reaches" } else { "below" };
    let _ = writeln!(
        out,
        "\nThat both write one file: {} %, {than} the threshold of {} %. Both may write",
        overlap.confidence.0, why.threshold
    );
    for file in &overlap.files {
        let _ = writeln!(out, "  {}", both(why, file));
    }
    if overlap.more > 0 {
        let _ = writeln!(out, "  and {} more", overlap.more);
    }
}

fn both(why: &Why, file: &Shared) -> String {
    let with =
        file.with.as_ref().map_or_else(String::new, |with| format!(" (in {})", one_line(with, LONGEST)));
    format!(
        "{}{with}: {} x {} = {}; {}; {}",
        one_line(&file.path, LONGEST),
        percent(file.first.probability),
        percent(file.second.probability),
        percent(file.probability),
        side(why.first.id.as_str(), &file.first),
        side(why.second.id.as_str(), &file.second),
    )
}

fn side(id: &str, side: &Side) -> String {
    let evidence = one_line(&side.evidence, LONGEST);
    if evidence.is_empty() {
        format!("{id} by {}", side.source.word())
    } else {
        format!("{id} by {} (“{evidence}”)", side.source.word())
    }
}

fn percent(probability: f64) -> String {
    format!("{} %", (probability * 100.0).round())
}

/// What would have to be said for another answer.
fn advice(why: &Why) -> Vec<String> {
    let (first, second) = (&why.first, &why.second);
    let mut advice = Vec::new();
    let has = |reason: EdgeReason| why.path.iter().any(|edge| edge.reason == reason);
    if why.verdict == Verdict::Sequential {
        advice.push("mend what the analysis failed for; --no-fallback makes it an error".to_owned());
        return advice;
    }
    if why.path.is_empty() {
        if matches!(why.verdict, Verdict::OneSlot | Verdict::Slots) {
            advice.push("--max-parallel N gives more slots; `priority:` in a prompt's front matter says who is taken first".to_owned());
        }
        advice.push(format!("`depends_on: [{}]` in {} puts them in order", first.id, second.prompt));
        if why.policy == OverlapPolicy::Parallel {
            advice
                .push("the overlap policy is parallel: with serialize, shared files order tasks".to_owned());
        } else if let Some(overlap) = why.overlap.as_ref().filter(|overlap| overlap.confidence.0 > 0) {
            advice.push(format!(
                "--overlap-threshold {} (or less) puts them in order for what both may write",
                overlap.confidence.0
            ));
        }
        return advice;
    }
    if has(EdgeReason::Declared) {
        let says = why.path.iter().filter(|edge| edge.reason == EdgeReason::Declared);
        let says: Vec<&str> = says.map(|edge| edge.to.as_str()).collect();
        advice.push(format!("take what says so out of the prompt of {}", says.join(", ")));
    }
    if has(EdgeReason::SameFile) {
        advice.push(
            "`touches: [PATH, …]` in a prompt's front matter says what it writes, in place of what is inferred".to_owned(),
        );
        let shared = why.path.iter().filter(|edge| edge.reason == EdgeReason::SameFile);
        let weakest = shared.map(|edge| edge.confidence.0).min().unwrap_or(100);
        if weakest < 100 {
            advice.push(format!(
                "--overlap-threshold {} lets them run together, if no other path is left",
                weakest + 1
            ));
        }
        advice.push(
            "--overlap parallel lets all tasks run together that share files; the merge finds conflicts"
                .to_owned(),
        );
    }
    for edge in why.path.iter().filter(|edge| edge.reason == EdgeReason::Import) {
        advice.push(format!(
            "`depends_on: [{}]` in the prompt of {} turns their order round",
            edge.to, edge.from
        ));
    }
    advice
}
