//! The original's defects that would live in this crate, each by its name.

use crate::common::{Repository, arrows};
use gadugi_core::Plan;

#[test]
fn original_defect_requires_the_parser_gave_everyone_an_edge() {
    let repository = Repository::new(&[
        (
            "prompts/alpha.md",
            "# Alpha\n\nRequires the parser to be fast. Depends on the lexer, and after parsing, print.\n",
        ),
        ("prompts/beta.md", "# Beta\n\nThis requires the parser. It depends on libc.\n"),
        ("prompts/gamma.md", "# Gamma\n\nRequires the parser.\n"),
    ]);
    let plan = repository.plan(&[]).unwrap().plan;
    assert_eq!(arrows(&plan.edges), Vec::<String>::new());
    assert!(plan.tasks.iter().all(|task| task.depends_on.is_empty()));

    // With a task of that very name, the words mean it, and it never waits for itself.
    let repository = Repository::new(&[
        ("prompts/alpha.md", "# Alpha\n\nRequires the parser to be fast, and the fast lexer.\n"),
        ("prompts/gamma.md", "# Gamma\n\nRequires the parser.\n"),
        ("prompts/parser.md", "# Parser\n\nRequires the parser. Depends on parser.md.\n"),
    ]);
    let plan = repository.plan(&[]).unwrap().plan;
    assert_eq!(arrows(&plan.edges), ["parser > gamma declared"]);
}

#[test]
fn original_defect_plan_and_dependencies_were_computed_and_never_consulted() {
    let repository = Repository::new(&[
        ("prompts/a.md", "# A\n\nDepends on c.md.\n"),
        ("prompts/b.md", "---\ndepends_on: [a]\n---\n# B\n\nWhatever.\n"),
        ("prompts/c.md", "# C\n\nWhatever.\n"),
    ]);
    let plan = repository.plan(&[]).unwrap().plan;
    // What follows from the plan follows from its edges: stages, critical path and times.
    let names = |ids: &[gadugi_core::TaskId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(plan.stages().iter().map(|stage| names(stage)).collect::<Vec<_>>(), [["c"], ["a"], ["b"]]);
    assert_eq!(names(&plan.critical_path()), ["c", "a", "b"]);
    assert!((plan.parallel_seconds(3) - plan.sequential_seconds()).abs() < 1e-9);
    let free = Plan { edges: Vec::new(), ..plan };
    assert!(free.parallel_seconds(3) < free.sequential_seconds());
}

#[test]
fn original_defect_the_prompt_file_was_overwritten_with_an_error() {
    let prompts: [(&str, &[u8]); 6] = [
        ("prompts/good.md", b"# Good\n\nChange prompts/good.md and prompts/empty.md.\n"),
        ("prompts/empty.md", b""),
        ("prompts/latin.md", b"# caf\xe9\n"),
        ("prompts/front.md", b"---\nkind: [\n---\n# Front\n"),
        ("prompts/unknown.md", b"---\ndepends_on: nobody\n---\n# Unknown\n"),
        ("prompts/done.md", b"# IMPLEMENTED\n"),
    ];
    let mut repository = Repository::new(&[]);
    for (path, bytes) in prompts {
        repository.write(path, bytes);
    }
    for arguments in [&[][..], &["prompts/good.md"], &["prompts/unknown.md"], &["prompts/front.md"]] {
        let _ = repository.plan(arguments);
    }
    for (path, bytes) in prompts {
        assert_eq!(std::fs::read(repository.root().join(path)).unwrap(), bytes, "{path}");
    }
    // Nor is a prompt of the plan anybody's target.
    let plan = repository.plan(&["prompts/good.md"]).unwrap().plan;
    assert!(plan.tasks[0].writes.iter().all(|claim| claim.path != "prompts/good.md"));
}

#[test]
fn original_defect_speed_up_was_invented() {
    let mut repository = Repository::new(&[]);
    for name in ["a", "b", "c"] {
        repository.write(&format!("prompts/{name}.md"), b"# Change it\n\nUpdate `src/one.rs`.\n");
    }
    repository.write("src/one.rs", b"");
    let plan = repository.plan(&[]).unwrap().plan;
    let json = gadugi_analysis::render::plan_json(&plan, 8);
    // All want one file: nothing runs side by side, and nothing is promised.
    assert_eq!(json["speed_improvement"], 1.0);
    assert_eq!(json["parallelizable_tasks"], 0);
    assert_eq!(json["sequential_seconds"], json["parallel_seconds"]);
}
