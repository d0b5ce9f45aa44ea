//! Git's own files as weapons: all that an agent can write into its repository, and what becomes of it outside.

use std::fs;

use serde_json::json;

use crate::arena::{Arena, SECRETS};
use crate::stage::Ran;

/// Each leaves honest work beside its trap: the work arrives, and the trap catches nobody.
const TRAPS: [&str; 12] = [
    "hooks",
    "fsmonitor",
    "filters",
    "include",
    "gitfile",
    "gitlink",
    "gitother",
    "commondir",
    "alternates_user",
    "refs",
    "replace",
    "secrets",
];

/// The commit or blob that they name is not theirs to have, and no work of theirs is taken.
const THEFTS: [&str; 3] = ["alternates", "merge_of_secret", "tree_of_secret"];

fn branch(ran: &Ran) -> String {
    ran.report()["branch"].as_str().unwrap().to_owned()
}

#[test]
fn what_an_agent_writes_into_its_repository_neither_runs_nor_leads_anywhere() {
    let mut arena = Arena::new("", &json!({}));
    arena.attackers(&TRAPS);
    arena.attackers(&THEFTS);
    let ran = arena.battle(&["--keep"]);
    arena.nothing_happened();

    let branch = branch(&ran);
    for name in TRAPS.map(|name| name.replace('_', "-")).iter().filter(|name| *name != "secrets") {
        assert_eq!(ran.task(name)["outcome"], "succeeded", "{name}: {}", arena.task(name));
        let file = name.replace('-', "_");
        assert_eq!(arena.blob(&branch, &format!("work/{file}.txt")), format!("work of {file}"));
    }
    assert_eq!(arena.found(&ran, "secrets"), "none");
    no_foreign_ref(&arena, &ran);
    no_foreign_object(&arena, &branch);
    let landed = arena.gadugi(&["land"]);
    landed.ends_with(0);
    arena.nothing_outside();
    the_traps_work(&arena);
}

/// Of the refs that are gadugi's to move, each is one that a run makes: a task's branch, the run's, a salvage.
#[track_caller]
fn no_foreign_ref(arena: &Arena, ran: &Ran) {
    let refs = arena.git(&["for-each-ref", "--format=%(refname)"]);
    let tasks = ran.report()["tasks"].as_array().unwrap().clone();
    let run = format!("refs/heads/{}", branch(ran));
    let branches =
        tasks.iter().filter_map(|task| task["branch"].as_str()).map(|name| format!("refs/heads/{name}"));
    let mut allowed: Vec<String> = branches.chain([run]).collect();
    allowed.extend(
        ["refs/heads/main", "refs/heads/secret", "refs/tags/secret-tag", "refs/stash"].map(str::to_owned),
    );
    for name in refs.lines() {
        // What gadugi keeps of its own branches bears their names.
        let name = name.replace("refs/gadugi/branches/", "refs/heads/");
        let salvage = name.starts_with("refs/gadugi/salvage/orchestration-");
        assert!(salvage || allowed.contains(&name), "{name}: {allowed:?}");
    }
    assert!(!arena.root.join(".git/info/grafts").exists() && !arena.root.join(".git/shallow").exists());
}

/// Neither another repository's objects came, nor do the user's secrets stand in anybody's work.
#[track_caller]
fn no_foreign_object(arena: &Arena, branch: &str) {
    assert!(
        !arena.has_object(arena.world["other_commit"].as_str().unwrap()),
        "another repository's commit arrived"
    );
    assert!(!arena.has_text(&format!("{}\n", SECRETS[3])), "another repository's file arrived");
    let works = arena.git(&[
        "for-each-ref",
        "--format=%(refname)",
        "refs/heads/feature",
        "refs/heads/gadugi",
        "refs/gadugi",
    ]);
    for name in works.lines().chain([branch]) {
        let held = arena.git(&["rev-list", "--objects", name]);
        for secret in
            arena.world["secret_commits"].as_array().unwrap().iter().chain([&arena.world["secret_blob"]])
        {
            assert!(!held.contains(secret.as_str().unwrap()), "{name} holds the user's own {secret}");
        }
    }
}

/// What would be seen, were there a hole: the same workspaces, opened as nobody opens them.
#[track_caller]
fn the_traps_work(arena: &Arena) {
    arena.catches("hooks", &["commit", "--quiet", "--allow-empty", "--message", "x"]);
    arena.catches("fsmonitor", &["status"]);
    fs::write(arena.workspace("filters").join("trapped.txt"), "more\n").unwrap();
    arena.catches("filters", &["add", "trapped.txt"]);
    arena.catches("include", &["status"]);
    for (task, args, wanted) in [
        ("gitfile", ["rev-parse", "refs/heads/secret"], &arena.world["secret_commits"][0]),
        ("gitlink", ["rev-parse", "refs/heads/secret"], &arena.world["secret_commits"][0]),
        ("gitother", ["rev-parse", "HEAD"], &arena.world["other_commit"]),
        ("commondir", ["rev-parse", "refs/heads/main"], &arena.world["other_commit"]),
        ("alternates", ["rev-parse", "HEAD^{commit}"], &arena.world["other_commit"]),
        ("alternates-user", ["rev-parse", "secret-0^{commit}"], &arena.world["secret_commits"][0]),
    ] {
        let (found, said) = arena.git_in(&arena.workspace(task), &args);
        assert!(found && Some(said.trim()) == wanted.as_str(), "{task} leads nowhere: {said}");
    }
}

#[test]
fn links_over_paths_of_the_host_are_links_at_merge_diff_and_landing() {
    let mut arena = Arena::new("", &json!({}));
    arena.attackers(&["link_over", "link_first"]);
    arena.prompt("link-changed", "", "sleep 1s\nrun python3 attack/kit.py link_changed");
    arena.prompt("link-through", "depends_on: [link-first]", "run python3 attack/kit.py link_through");
    let ran = arena.battle(&[]);
    arena.nothing_happened();
    // Of the two that do not fit together one is merged, and neither has touched what lies behind the link.
    for name in ["link-first", "link-through"] {
        assert_eq!(ran.task(name)["outcome"], "succeeded", "{}", arena.task(name));
    }
    let diff = arena.gadugi(&["diff", "link-over"]);
    diff.ends_with(0);
    let victim = arena.world["victim"].as_str().unwrap();
    assert!(diff.stdout.contains(&format!("+{victim}/app.txt")), "the link itself is shown: {}", diff.stdout);
    assert!(!diff.stdout.contains("the host's own") && !diff.stdout.contains("root:"), "{}", diff.stdout);
    arena.gadugi(&["land"]).ends_with(0);
    arena.nothing_outside();
    assert_eq!(arena.read("later/app.txt"), "written through\n");
    assert!(!arena.root.join("later").is_symlink());
}
