use super::*;
use gadugi_core::ExecutorKind;

struct Prompts {
    folder: tempfile::TempDir,
    files: Vec<PromptFile>,
}

impl Prompts {
    fn new(prompts: &[(&str, &str)]) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |(name, text): &(&str, &str)| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            PromptFile { shown: (*name).to_owned(), path }
        };
        let files = prompts.iter().map(write).collect();
        Self { folder, files }
    }

    fn analyse(&self, tree: &[&str], options: AnalysisOptions<'_>) -> Result<Analysis, AnalysisError> {
        assert!(self.folder.path().is_dir());
        let files: Vec<(&str, &str)> = tree.iter().map(|path| (*path, "")).collect();
        let map = RepositoryMap::of_texts(&files).unwrap();
        let base = CommitId::new("a".repeat(40));
        analyse(&AnalysisRequest {
            base: &base,
            map: &map,
            history: &History::default(),
            prompts: &self.files,
            options,
        })
    }

    fn plan(&self, tree: &[&str]) -> Plan {
        self.analyse(tree, AnalysisOptions::default()).unwrap().plan
    }
}

fn arrows(plan: &Plan) -> Vec<String> {
    plan.edges
        .iter()
        .map(|edge| format!("{} > {} {}: {}", edge.from, edge.to, edge.reason.word(), edge.evidence))
        .collect()
}

#[test]
fn a_prompt_becomes_a_task() {
    let text = "---\nid: parse\ntouches: [src/parser, src/new.rs]\nkind: bug-fix\npriority: 3\ntimeout: 1\nexecutor: docker\n---\n# The *title*\n\nRefactor all.\n";
    let prompts = Prompts::new(&[("prompts/a.md", text)]);
    let analysis = prompts.analyse(&["src/parser/mod.rs"], AnalysisOptions::default()).unwrap();
    let task = &analysis.plan.tasks[0];
    assert_eq!(task.id.as_str(), "parse");
    assert_eq!(task.name, "The *title*");
    assert_eq!(task.prompt, PromptRef { path: "prompts/a.md".into(), bytes: text.len() as u64 });
    assert_eq!(task.kind, Kind::BugFix, "front matter wins");
    assert_eq!(task.priority, 3);
    assert_eq!(task.executor, Some(ExecutorKind::Docker));
    let writes: Vec<&str> = task.writes.iter().map(|claim| claim.path.as_str()).collect();
    assert_eq!(writes, ["src/parser/", "src/new.rs"]);
    let kept = &analysis.texts[&task.id];
    assert_eq!(kept.whole, text);
    assert_eq!(kept.body(), "# The *title*\n\nRefactor all.\n");
}

#[test]
fn a_name_is_the_title_else_the_stem() {
    let prompts = Prompts::new(&[
        ("a.md", "words\n```\n# code\n```\n# Real\n"),
        ("b c.md", "words\n"),
        ("d.md", "# \u{1b}[31mRed\n"),
    ]);
    let plan = prompts.plan(&[]);
    let names: Vec<&str> = plan.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["Real", "b c", "[31mRed"]);
}

#[test]
fn prompts_that_are_done_are_skipped_and_nothing_waits_for_them() {
    let prompts = Prompts::new(&[
        ("done.md", "# Lexer - IMPLEMENTED\n"),
        ("gone.md", "---\nkind: nonsense\n---\n\n**COMPLETED** on Monday\n# Title\n"),
        ("not.md", "# Handle UNIMPLEMENTED calls, and what is completed\n"),
        (
            "next.md",
            "---\ndepends_on: [done, not]\n---\n# Next\nIMPLEMENTED in the second line says nothing.\n",
        ),
    ]);
    let plan = prompts.plan(&[]);
    let skipped: Vec<(&str, &str)> =
        plan.skipped.iter().map(|one| (one.path.as_str(), one.because.as_str())).collect();
    assert_eq!(
        skipped,
        [("done.md", "IMPLEMENTED in its first line"), ("gone.md", "COMPLETED in its first line")]
    );
    assert_eq!(arrows(&plan), ["not > next declared: depends_on: not"]);
    assert_eq!(plan.warnings, ["next.md:2:14: done is done, so nothing waits for it"]);
}

#[test]
fn tasks_that_write_one_file_follow_each_other() {
    let prompts = Prompts::new(&[
        ("a.md", "# A\n\nFix `src/a.rs`.\n"),
        ("b.md", "# B\n\nUpdate src/a.rs.\n"),
        ("c.md", "---\npriority: 5\ntouches: [src/*.rs]\n---\n# C\n"),
        ("d.md", "# D\n\nSee src/a.rs, update docs/d.md.\n"),
    ]);
    let plan = prompts.plan(&["src/a.rs", "docs/d.md"]);
    assert_eq!(
        arrows(&plan),
        ["c > a same-file: both write src/a.rs (src/*.rs)", "a > b same-file: both write src/a.rs"]
    );
}

#[test]
fn what_is_to_be_looked_at_is_not_written() {
    let prompts = Prompts::new(&[("a.md", "# A\n\nFix `src/a.rs`. See `README.md` for the style.\n")]);
    let plan = prompts.plan(&["src/a.rs", "README.md"]);
    let paths = |claims: &[PathClaim]| claims.iter().map(|claim| claim.path.clone()).collect::<Vec<_>>();
    assert_eq!(
        (paths(&plan.tasks[0].writes), paths(&plan.tasks[0].reads)),
        (vec!["src/a.rs".to_owned()], vec!["README.md".to_owned()])
    );
}

#[test]
fn a_shared_file_never_turns_a_declared_order_round() {
    let prompts = Prompts::new(&[
        ("a.md", "---\npriority: 9\n---\n# A\n\nFix src/a.rs. Depends on c.md.\n"),
        ("b.md", "# B\n\nFix src/a.rs.\n"),
        ("c.md", "# C\n\nFix src/a.rs. Depends on `d`.\n"),
        ("d.md", "# D\n\nFix src/a.rs.\n"),
    ]);
    let plan = prompts.plan(&["src/a.rs"]);
    plan.check().unwrap();
    let order: Vec<String> = plan.order().unwrap().into_iter().map(ToString::to_string).collect();
    // D and C inherit the priority of A, which waits for them.
    assert_eq!(order, ["d", "c", "a", "b"]);
    let same_file: Vec<String> =
        arrows(&plan).into_iter().filter(|arrow| arrow.contains("same-file")).collect();
    assert_eq!(same_file, ["a > b same-file: both write src/a.rs"]);
}

#[test]
fn the_weakest_edge_of_an_inferred_circle_drops() {
    let prompts = Prompts::new(&[
        ("lexer.md", "---\ndepends_on: types\n---\n# Lexer\n"),
        ("parser.md", "# Parser\n\nDepends on `lexer`.\n"),
        ("types.md", "# Types\n\nRequires the parser.\n"),
    ]);
    let plan = prompts.plan(&[]);
    plan.check().unwrap();
    assert_eq!(
        arrows(&plan),
        ["types > lexer declared: depends_on: types", "lexer > parser declared: Depends on `lexer`."]
    );
    assert_eq!(
        plan.warnings,
        ["types does not wait for parser (\"Requires the parser.\"): it would close a circle"]
    );
    assert!(plan.tasks[2].depends_on.is_empty());
}

/// Fails or panics where the prompt says so.
struct Moody;

impl PromptAnalyser for Moody {
    fn infer(&self, prompt: &ReadPrompt<'_>, around: &Surroundings<'_>) -> Result<Inference, InferenceError> {
        assert!(!prompt.body.contains("panic"), "a defect");
        if prompt.body.contains("fail") {
            return Err(InferenceError::Analyser("no idea".into()));
        }
        RuleAnalyser.infer(prompt, around)
    }
}

#[test]
fn where_the_inference_fails_tasks_are_taken_one_after_another() {
    let options = AnalysisOptions { analyser: &Moody, ..AnalysisOptions::default() };
    for (text, because) in [
        ("fail", "the analysis of a.md failed: no idea"),
        ("panic", "the analysis of a.md failed: the analyser panicked: a defect"),
    ] {
        let prompts =
            Prompts::new(&[("a.md", text), ("b.md", "---\ndepends_on: a\n---\n# B\n"), ("c.md", "# C")]);
        let plan = prompts.analyse(&[], options).unwrap().plan;
        assert_eq!(plan.sequential_because.as_deref(), Some(because));
        assert_eq!(plan.tasks.len(), 3);
        assert_eq!(arrows(&plan), ["a > b declared: depends_on: a"]);
        assert!((plan.parallel_seconds(8) - plan.sequential_seconds()).abs() < 1e-9);

        let strict = AnalysisOptions { fallback: false, ..options };
        let error = prompts.analyse(&[], strict).unwrap_err();
        assert!(matches!(error, AnalysisError::Inference { path, .. } if path == "a.md"));
    }
}

#[test]
fn a_prompt_that_names_too_much_fails_for_real() {
    let listing: String = (0..=crate::MAX_PATHS).map(|number| format!("create src/f{number}.rs\n")).collect();
    let prompts = Prompts::new(&[("a.md", &listing), ("b.md", "# B")]);
    let because = prompts.plan(&["src/x.rs"]).sequential_because.unwrap();
    assert_eq!(because, "the analysis of a.md failed: it names more than 5000 paths");
}

#[test]
fn stems_that_collide_are_named_by_path_and_unclear_names_are_refused() {
    let prompts =
        Prompts::new(&[("x/a.md", "# A"), ("y/a.md", "# A"), ("b.md", "---\ndepends_on: [a]\n---\n# B")]);
    let error = prompts.analyse(&[], AnalysisOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "b.md:2:14: depends_on names \"a\", which could be x-a or y-a");
}

#[test]
fn no_prompts_are_no_tasks() {
    let plan = Prompts::new(&[]).plan(&[]);
    assert_eq!((plan.tasks.len(), plan.edges.len()), (0, 0));
}
