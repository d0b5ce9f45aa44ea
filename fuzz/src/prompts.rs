//! Prompts: front matter, titles, and the words that a plan is inferred from.

use std::collections::BTreeSet;
use std::fs;

use gadugi_analysis::history::History;
use gadugi_analysis::{AnalysisError, AnalysisOptions, AnalysisRequest, analyse, prompts as files, render};
use gadugi_core::CommitId;

/// Files that the words of a prompt may mean.
const TREE: [&str; 6] =
    ["README.md", "src/a.rs", "src/b.rs", "src/parser/mod.rs", "tests/a.rs", "Cargo.toml"];

/// Up to four prompts: whatever they say, a plan that can be run or errors that can be read.
pub fn prompts(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    fs::create_dir(root.join("prompts")).expect("a folder");
    let texts = crate::parts(data, 4);
    for (number, text) in texts.iter().enumerate() {
        fs::write(root.join(format!("prompts/t{number}.md")), text).expect("a file");
    }
    let prompts = files::resolve(root, root, &[]).expect("they are there");
    let (map, history) = (crate::map::of_names(&TREE), History::default());
    let base = CommitId::new("0".repeat(40));
    let request = AnalysisRequest {
        base: &base,
        map: &map,
        history: &history,
        prompts: &prompts,
        options: AnalysisOptions::default(),
    };
    match analyse(&request) {
        Ok(analysis) => sound(&analysis, &texts),
        Err(AnalysisError::Input(errors)) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(!error.to_string().is_empty());
            }
        }
        Err(AnalysisError::Cycle(tasks)) => assert!(tasks.len() > 1),
        Err(other) => panic!("{other}"),
    }
}

fn sound(analysis: &gadugi_analysis::Analysis, texts: &[&[u8]]) {
    let plan = &analysis.plan;
    plan.check().expect("a plan that can be run");
    assert_eq!(plan.tasks.len() + plan.skipped.len(), texts.len(), "a prompt is lost");
    let ids: BTreeSet<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids.len(), plan.tasks.len());
    for id in ids {
        let safe = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        assert!(safe && (1..=60).contains(&id.len()) && !id.starts_with(['.', '-']), "{id:?}");
    }
    for text in analysis.texts.values() {
        assert!(texts.contains(&text.whole.as_bytes()), "a prompt's words were changed");
        assert!(!text.body().is_empty());
    }
    for edge in &plan.edges {
        assert!(edge.from != edge.to && !edge.evidence.is_empty());
    }
    for task in &plan.tasks {
        assert!(task.estimate.seconds.is_finite() && task.estimate.seconds > 0.0);
    }
    let json = render::plan_json(plan, 2);
    assert!(json["speed_improvement"].as_f64().is_some_and(|times| plan.tasks.is_empty() || times > 0.99));
    for out in [render::table(plan, 2, 80), render::mermaid(plan), render::dot(plan)] {
        assert!(out.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{out:?}");
    }
    let text = serde_json::to_string(plan).expect("JSON");
    let read: gadugi_core::Plan = serde_json::from_str(&text).expect("a plan");
    assert!(read == *plan, "a plan is not read as it was written: {text}");
}
