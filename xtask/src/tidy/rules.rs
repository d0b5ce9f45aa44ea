//! One function for each rule: it looks at the tree and says, line by line, what breaks the rule.

use std::collections::BTreeSet;

use super::Tree;

/// A rule: what breaks it, each with the file and what to do.
pub(super) type Rule = fn(&Tree) -> Vec<String>;

/// All of them.
pub(super) const ALL: [Rule; 11] = [
    crates_say_what_they_are,
    crates_take_the_workspace_lints,
    the_map_is_complete,
    files_stay_short,
    no_workplace_is_named,
    the_core_stands_alone,
    nothing_imports_the_cli,
    one_crate_calls_git,
    one_module_launches,
    no_test_is_ignored,
    documents_hold_together,
];

/// What begins a file that no person wrote.
const GENERATED: &str = "// Generated ";

/// The longest file of Rust, TypeScript or Svelte, in lines. One that grows beyond it is missing a room.
const LONGEST: usize = 600;

/// The one module that may start a step of an agent.
const LAUNCH_MODULE: &str = "crates/engine/src/launch.rs";

fn crates_say_what_they_are(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in tree.packages() {
        let (library, program) = (format!("{package}/src/lib.rs"), format!("{package}/src/main.rs"));
        let Some((path, text)) =
            [library, program].into_iter().find_map(|path| Some((path.clone(), tree.text(&path)?)))
        else {
            complaints.push(format!("{package}: it has neither src/lib.rs nor src/main.rs"));
            continue;
        };
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if head.first().is_none_or(|first| first.len() < "//! A few words.".len()) {
            complaints.push(format!("{path}: it does not open with a paragraph that says what the crate is"));
        }
        if !head.iter().any(|line| line.starts_with("//! **Never in here:**")) {
            complaints.push(format!(
                "{path}: its first lines do not say what is never in it (//! **Never in here:** …)"
            ));
        }
    }
    complaints
}

fn crates_take_the_workspace_lints(tree: &Tree) -> Vec<String> {
    let packages = tree.packages().map(|package| format!("{package}/Cargo.toml"));
    packages
        .filter(|path| tree.text(path).is_none_or(|text| !text.contains("[lints]\nworkspace = true")))
        .map(|path| format!("{path}: it does not take the workspace's lints ([lints] workspace = true)"))
        .collect()
}

fn the_map_is_complete(tree: &Tree) -> Vec<String> {
    let Some(map) = tree.text("ARCHITECTURE.md") else {
        return vec!["ARCHITECTURE.md: it is missing".into()];
    };
    let folders =
        tree.files.keys().filter_map(|path| path.split_once('/')).map(|(folder, _)| format!("{folder}/"));
    let places: BTreeSet<String> = folders.chain(tree.packages().map(str::to_owned)).collect();
    places
        .iter()
        .filter(|place| !map.contains(&format!("`{place}`")))
        .map(|place| format!("ARCHITECTURE.md: it does not name `{place}`"))
        .collect()
}

fn files_stay_short(tree: &Tree) -> Vec<String> {
    tree.ending(&[".rs", ".ts", ".svelte", ".mjs"])
        .filter(|(_, text)| !text.starts_with(GENERATED))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{path}: {lines} lines; over {LONGEST} a room is missing"))
        .collect()
}

/// Names of hosts and folders of somebody's machine, in two halves so that this file does not name them either.
const WORKPLACES: [(&str, &str); 8] = [
    ("registry.npm", "js.org"),
    ("registry.yarn", "pkg.com"),
    ("files.python", "hosted.org"),
    ("static.crates", ".io"),
    ("index.crates", ".io"),
    ("deb.debian", ".org"),
    ("/wor", "k/"),
    ("/roo", "t/"),
];

fn no_workplace_is_named(tree: &Tree) -> Vec<String> {
    let names: Vec<String> = WORKPLACES.iter().map(|(left, right)| format!("{left}{right}")).collect();
    let texts = tree.files.iter().filter_map(|(path, text)| Some((path, text.as_deref()?)));
    let mut complaints = Vec::new();
    for (path, text) in texts {
        for (number, line) in text.lines().enumerate() {
            for name in names.iter().filter(|name| stands_alone(line, name)) {
                complaints.push(format!("{path}:{}: it names {name}, a place of one machine", number + 1));
            }
        }
    }
    complaints
}

/// Whether `name` is in the line, and is not the rest of a longer path (`target/work/`).
fn stands_alone(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !name.starts_with('/') || before.is_none_or(|c| !(c.is_alphanumeric() || "._-/})>]*$".contains(c)))
    })
}

fn the_core_stands_alone(tree: &Tree) -> Vec<String> {
    let path = "crates/core/Cargo.toml";
    dependencies(tree, path)
        .into_iter()
        .filter(|name| name.starts_with("gadugi"))
        .map(|name| format!("{path}: the core depends on no crate of ours, and here is {name}"))
        .collect()
}

fn nothing_imports_the_cli(tree: &Tree) -> Vec<String> {
    let packages = tree.packages().map(|package| format!("{package}/Cargo.toml"));
    packages
        .filter(|path| dependencies(tree, path).iter().any(|name| name == "gadugi"))
        .map(|path| format!("{path}: nothing imports the cli"))
        .collect()
}

/// What a manifest names in its tables of dependencies, whichever they are. A line of such a table is `name = …` or
/// `name.workspace = true`.
fn dependencies(tree: &Tree, manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in tree.text(manifest).unwrap_or_default().lines() {
        if line.starts_with('[') {
            inside = line.trim_end().ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (inside, line.split_once(['.', '=', ' '])) {
            names.push(name.trim().to_owned());
        }
    }
    names
}

fn one_crate_calls_git(tree: &Tree) -> Vec<String> {
    let callers = places(tree, |line| {
        let line: String = line.split_whitespace().collect();
        line.contains("Command::new(\"git\"") || line.contains("/git\")")
    });
    callers
        .into_iter()
        .filter(|(path, _)| !path.starts_with("crates/workspace/"))
        .map(|(path, line)| format!("{path}:{line}: only crates/workspace calls git"))
        .collect()
}

fn one_module_launches(tree: &Tree) -> Vec<String> {
    let mut complaints: Vec<String> = places(tree, |line| line.contains(".launch("))
        .iter()
        .filter(|(path, _)| path != LAUNCH_MODULE && !path.starts_with("crates/exec/"))
        .map(|(path, line)| format!("{path}:{line}: steps are launched in {LAUNCH_MODULE} and nowhere else"))
        .collect();
    // The module also asks the adapter for the launch itself, so here the receiver's name tells.
    let launches = places(tree, |line| line.contains("executor.launch("));
    match launches.iter().filter(|(path, _)| path == LAUNCH_MODULE).count() {
        1 => {}
        times => {
            complaints.push(format!(
                "{LAUNCH_MODULE}: it calls executor.launch {times} times; there is one way to start"
            ));
        }
    }
    complaints
}

/// Lines of the product's own code (neither tests nor examples nor chores) that satisfy `is`: path and number.
fn places(tree: &Tree, is: fn(&str) -> bool) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(&[".rs"]) {
        let test = path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs");
        if test
            || path.contains("/examples/")
            || path.starts_with("crates/testkit/")
            || path.starts_with("xtask/")
        {
            continue;
        }
        // Tests inside a module stand at its end.
        let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = product.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        found.extend(lines.filter(|(_, line)| is(line)).map(|(number, _)| (path.to_owned(), number + 1)));
    }
    found
}

fn no_test_is_ignored(tree: &Tree) -> Vec<String> {
    let mark = concat!("#[ign", "ore");
    tree.ending(&[".rs"])
        .filter(|(_, text)| text.contains(mark))
        .map(|(path, _)| format!("{path}: a test is run or taken out, not ignored"))
        .collect()
}

/// Headings that every decision has.
const DECISION: [&str; 3] = ["## Problem", "## Decision", "## What lost, and why"];

fn documents_hold_together(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut numbers = BTreeSet::new();
    for (path, text) in tree.ending(&[".md"]) {
        if let Some(name) = path.strip_prefix("docs/design/") {
            let number =
                name.get(..5).filter(|start| start.ends_with('-') && start[..4].parse::<u16>().is_ok());
            match number {
                None => {
                    complaints.push(format!("{path}: a decision's name begins with four digits and a dash"));
                }
                Some(number) if !numbers.insert(number) => {
                    complaints.push(format!("{path}: another decision has this number"));
                }
                Some(_) => {}
            }
            let missing = DECISION.iter().filter(|heading| !text.contains(**heading));
            complaints.extend(missing.map(|heading| format!("{path}: it lacks \"{heading}\"")));
        }
        let broken = links(text).filter(|link| !leads_somewhere(tree, path, link));
        complaints.extend(broken.map(|link| format!("{path}: its link {link} leads nowhere")));
    }
    complaints
}

/// Targets of Markdown links that are paths.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target).filter(|target| {
        let path = target.contains(['.', '/']) && !target.contains(char::is_whitespace);
        path && !target.contains(':') && !target.starts_with('#')
    })
}

fn leads_somewhere(tree: &Tree, document: &str, link: &str) -> bool {
    let mut folders: Vec<&str> = document.split('/').collect();
    folders.pop();
    for part in link.split('#').next().unwrap_or_default().trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    let path = folders.join("/");
    let folder = format!("{path}/");
    tree.files.contains_key(&path) || tree.files.keys().any(|file| file.starts_with(&folder))
}

#[cfg(test)]
mod tests;
