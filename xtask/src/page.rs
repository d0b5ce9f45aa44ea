//! The page: `dashboard/` built by npm into `dashboard/dist`, which the server's build embeds.
//!
//! It is built only where something changed that it is built from. What it was built from, and what came of it, stand as sums in
//! `target/page.json`; a bundle that somebody touched or removed is built again.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{names, node, shell, tools};

/// The folder of the page's sources.
pub(crate) fn sources() -> PathBuf {
    names::root().join("dashboard")
}

/// Where the built page lies; git and the rules of the repository look past it.
pub(crate) fn bundle() -> PathBuf {
    sources().join("dist")
}

fn stamp() -> PathBuf {
    names::root().join("target/page.json")
}

/// Installs what it takes and builds the page.
pub(crate) fn run() -> Result<()> {
    tools::provide(&tools::FOR_PAGE)?;
    build()
}

/// Builds the page where something changed.
pub(crate) fn build() -> Result<()> {
    let began = Instant::now();
    let inputs = inputs()?;
    if is_built(&inputs) {
        shell::say("the page in dashboard/dist is what its sources come to");
        return Ok(());
    }
    packages()?;
    shell::run(node::call("npm", &sources(), &["run", "--silent", "build"])?)?;
    let index = bundle().join("index.html");
    ensure!(index.is_file(), "npm run build left no {}", index.display());
    fs::create_dir_all(names::root().join("target"))?;
    let text = json!({ "inputs": inputs, "bundle": sum_of_bundle()? }).to_string();
    fs::write(stamp(), text + "\n")?;
    shell::say(&format!("the page is built: {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

/// Holds the page's sources against their types and their lints, and runs their tests.
pub(crate) fn check() -> Result<()> {
    packages()?;
    shell::run(node::call("npm", &sources(), &["run", "--silent", "check"])?)?;
    shell::run(node::call("npm", &sources(), &["test", "--silent"])?)
}

/// Installs the packages that the lockfile names, where others or none are there.
pub(crate) fn packages() -> Result<()> {
    if packages_are_there().unwrap_or(false) {
        return Ok(());
    }
    shell::run(node::call("npm", &sources(), &["ci", "--no-audit", "--no-fund"])?)
}

/// Whether every package of the lockfile is there in its version; npm lists what it installed.
fn packages_are_there() -> Result<bool> {
    let read = |path: &Path| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    let wanted = read(&sources().join("package-lock.json"))?;
    let there = read(&sources().join("node_modules/.package-lock.json"))?;
    Ok(satisfies(&wanted["packages"], &there["packages"]))
}

fn satisfies(wanted: &Value, there: &Value) -> bool {
    let Some(wanted) = wanted.as_object() else { return false };
    wanted.iter().filter(|(path, _)| !path.is_empty()).all(|(path, package)| {
        let found = &there[path.as_str()];
        // Of those for other machines none is there.
        let left_out = package["optional"] == true && found.is_null();
        left_out || (!found.is_null() && found["version"] == package["version"])
    })
}

/// The sum of everything that the page is built from, and of the Node.js that builds it.
fn inputs() -> Result<String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "dashboard"])
        .current_dir(names::root());
    let listed = shell::output(list)?;
    let mut sum = DefaultHasher::new();
    shell::output(node::call("node", &sources(), &["--version"])?)?.hash(&mut sum);
    for path in listed.split_terminator('\0').filter(|path| goes_in(path)) {
        path.hash(&mut sum);
        // One that was deleted and is not committed yet is listed too.
        fs::read(names::root().join(path)).ok().hash(&mut sum);
    }
    Ok(format!("{:016x}", sum.finish()))
}

/// Whether the bundle depends on this file: tests of the page, in the browser and outside, leave it as it is.
fn goes_in(path: &str) -> bool {
    !path.starts_with("dashboard/e2e/") && !path.starts_with("dashboard/dist/") && !path.ends_with(".test.ts")
}

fn is_built(inputs: &str) -> bool {
    let stamp = fs::read(stamp()).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    stamp.is_some_and(|stamp| {
        stamp["inputs"] == inputs && sum_of_bundle().is_ok_and(|sum| stamp["bundle"] == sum.as_str())
    })
}

/// The sum of every file of the bundle.
fn sum_of_bundle() -> Result<String> {
    let mut files = Vec::new();
    list(&bundle(), &mut files)?;
    files.sort();
    let mut sum = DefaultHasher::new();
    for path in files {
        path.hash(&mut sum);
        fs::read(&path)?.hash(&mut sum);
    }
    Ok(format!("{:016x}", sum.finish()))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_compared_by_version_and_those_of_other_machines_left_out() {
        let wanted = json!({
            "": {"name": "page"},
            "node_modules/a": {"version": "1.0.0"},
            "node_modules/b": {"version": "2.0.0", "optional": true},
        });
        let there = |version: &str| json!({"node_modules/a": {"version": version}});
        assert!(satisfies(&wanted, &there("1.0.0")));
        assert!(!satisfies(&wanted, &there("1.0.1")));
        assert!(!satisfies(&wanted, &json!({})));
        let other = json!({"node_modules/a": {"version": "1.0.0"}, "node_modules/b": {"version": "1.9.0"}});
        assert!(!satisfies(&wanted, &other), "one that is there is there in its version");
        assert!(!satisfies(&Value::Null, &Value::Null));
    }

    #[test]
    fn what_is_built_from_tests_is_nothing() {
        assert!(goes_in("dashboard/src/main.ts") && goes_in("dashboard/package-lock.json"));
        assert!(!goes_in("dashboard/e2e/run.mjs") && !goes_in("dashboard/src/lib/plain.test.ts"));
    }
}
