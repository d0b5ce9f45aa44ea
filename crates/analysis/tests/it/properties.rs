//! Whatever the text: no panic, safe and different ids, a plan that can be run.

use std::collections::BTreeSet;

use crate::common::Repository;
use gadugi_analysis::{AnalysisError, render, request};
use proptest::prelude::*;

/// Pieces that mean something to the analysis, and pieces that mean nothing to anybody.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "---\n",
            "id: a",
            "depends_on: [t0, t1]\n",
            "touches: ['src/**', \"*.rs\"]\n",
            "kind: feature\n",
            "timeout: 2h\n",
            "priority: 3\n",
            "done_when: [{exists: a}]\n",
            "# ",
            "\n",
            "\n\n",
            "- ",
            "1. ",
            "```",
            "`",
            "~~~\n",
            "depends on ",
            "after ",
            "Prerequisites: ",
            "## Dependencies\n",
            "t0",
            "t1.md",
            "`t2`",
            "create ",
            "fix ",
            "see ",
            "not ",
            "src/a.rs",
            "`src/b.rs`",
            "src/",
            "src/*.rs",
            "**",
            "[x](src/a.rs)",
            "new/c.rs",
            ".",
            ":",
            ", ",
            " and ",
            "é",
            "\u{202e}",
            "\u{feff}",
            "IMPLEMENTED",
            "execute these: ",
            "prompt files:\n",
            "../",
            "*a*",
            "{",
            "[",
            "&x ",
            "*x ",
            "!t ",
            "\t",
            "\r\n",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,12}",
        any::<String>(),
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plans_can_be_run_whatever_the_text(texts in proptest::collection::vec(text(), 1..6), slots in 0_usize..5) {
        let mut repository = Repository::new(&[("src/a.rs", ""), ("src/b.rs", ""), ("README.md", "")]);
        for (number, text) in texts.iter().enumerate() {
            repository.write(&format!("prompts/t{number}.md"), text.as_bytes());
        }
        match repository.plan(&[]) {
            Ok(analysis) => {
                analysis.plan.check().unwrap();
                let ids: BTreeSet<&str> = analysis.plan.tasks.iter().map(|task| task.id.as_str()).collect();
                prop_assert_eq!(ids.len(), analysis.plan.tasks.len());
                prop_assert_eq!(analysis.texts.len(), analysis.plan.tasks.len());
                for text in analysis.texts.values() {
                    prop_assert!(texts.contains(&text.whole) && !text.body().is_empty());
                }
                for edge in &analysis.plan.edges {
                    prop_assert!(edge.from != edge.to && !edge.evidence.is_empty());
                }
                let json = render::plan_json(&analysis.plan, slots);
                prop_assert!(json["speed_improvement"].as_f64().unwrap() > 0.99);
                for out in [render::table(&analysis.plan, slots, 80), render::mermaid(&analysis.plan), render::dot(&analysis.plan)] {
                    let harmless = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
                    prop_assert!(out.chars().all(harmless));
                }
            }
            Err(AnalysisError::Input(errors)) => prop_assert!(!errors.is_empty()),
            Err(AnalysisError::Cycle(tasks)) => prop_assert!(tasks.len() > 1),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn ids_are_safe_and_different_whatever_the_names(names in proptest::collection::btree_set("[^/\0]{1,40}|[a-c .-]{1,3}", 1..12)) {
        let mut repository = Repository::new(&[]);
        let mut arguments = BTreeSet::new();
        for name in &names {
            if name.len() > 200 { continue; }
            let path = format!("p/{name}.md");
            repository.write(&path, b"text");
            arguments.insert(path);
        }
        prop_assume!(!arguments.is_empty());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let plan = repository.plan(&arguments).unwrap().plan;
        plan.check().unwrap();
        prop_assert_eq!(plan.tasks.len(), arguments.len());
        for task in &plan.tasks {
            let id = task.id.as_str();
            prop_assert!((1..=60).contains(&id.len()), "{}", id);
            prop_assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
            prop_assert!(!id.starts_with(['.', '-']) && !id.contains("..") && !id.ends_with(".lock") && !id.ends_with('.'));
        }
    }

    #[test]
    fn requests_stay_in_the_repository_whatever_they_say(text in text(), lines in any::<String>()) {
        let repository = Repository::new(&[("prompts/t0.md", "x"), ("prompts/t1.md", "y"), ("src/a.rs", "")]);
        for request in [text.clone(), lines, format!("Execute these prompts:\n{text}")] {
            if let Ok(found) = request::resolve(repository.root(), repository.root(), &request) {
                prop_assert!(!found.files.is_empty());
                let root = repository.root().canonicalize().unwrap();
                for file in found.files {
                    prop_assert!(file.path.canonicalize().unwrap().starts_with(&root), "{:?}", file);
                }
            }
        }
    }
}
