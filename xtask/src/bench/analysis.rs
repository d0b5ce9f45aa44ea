//! What is foretold of a task, on the histories of real repositories: each of the last thousand commits without merges whose
//! message says something becomes a prompt at its parent's tree, and the truth is the files that it changed.
//!
//! The replay itself is an example of the analysis (`analysis-replay`), which this builds and runs on one repository
//! after another; it says there how each figure is come by. This adds up: a repository where one bar is missed is
//! one too many. Nothing is written into the repositories; of a bare one a clone is made that shares its objects.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use super::Measurement;
use crate::{names, shell};

/// The example that replays one repository.
const EXAMPLE: &str = "analysis-replay";

/// The least value: every bar is reached just so.
const BAR: f64 = 1.0;

/// Which repositories.
#[derive(Args, Clone)]
pub(crate) struct Analysis {
    /// A git repository with a history of its own; can be given several times
    #[arg(long = "repo", value_name = "DIR", required = true)]
    repositories: Vec<PathBuf>,
    /// For whoever works on the prediction: how true its probabilities are, and its worst misses in the earlier half
    #[arg(long)]
    detail: bool,
    /// For whoever fits the prediction: writes there what it sees of each file that it weighs, and the truth, of the earlier half
    #[arg(long, value_name = "FOLDER")]
    fit: Option<PathBuf>,
}

/// Replays all, each with its own line of JSON. The value is the worst: how many times the nearest bar is reached.
pub(super) fn measure(wish: &Analysis) -> Result<Measurement> {
    let build = ["build", "--release", "--locked", "--package", "gadugi-analysis", "--example", EXAMPLE];
    shell::run(shell::cargo(build))?;
    let program = names::target()?.join("release/examples").join(EXAMPLE);
    let lines = wish.repositories.iter().map(|repository| replay(&program, repository, wish));
    Ok(summary(&lines.collect::<Result<Vec<Value>>>()?))
}

fn replay(program: &Path, repository: &Path, wish: &Analysis) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let name = name(repository)?;
    let place = with_a_worktree(repository, &folder.path().join("clone"))?;
    let mut replay = Command::new(program);
    replay.arg("--repo").arg(&place).args(["--name", &name]);
    if wish.detail {
        replay.arg("--detail");
    }
    if let Some(folder) = &wish.fit {
        replay.arg("--fit").arg(folder);
    }
    let mut replay = replay.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = replay.stdout.take().context("it has no output")?;
    let mut last = String::new();
    for line in BufReader::new(output).lines() {
        last = line?;
        shell::say(&last);
    }
    let status = replay.wait()?;
    // 1: a bar is missed, which its last line says.
    match status.code() {
        Some(0 | 1) => serde_json::from_str(&last).context("the replay's last line is no JSON"),
        _ => bail!("the replay of {}: {status}", repository.display()),
    }
}

/// The repository, or where that is bare a clone that shares its objects.
fn with_a_worktree(repository: &Path, clone: &Path) -> Result<PathBuf> {
    let mut bare = git(repository);
    bare.args(["rev-parse", "--is-bare-repository"]);
    if shell::output(bare)?.trim() != "true" {
        return Ok(repository.to_owned());
    }
    let mut make = Command::new("git");
    make.args(["clone", "--quiet", "--shared", "--no-checkout"]).arg(repository).arg(clone);
    shell::output(make)?;
    Ok(clone.to_owned())
}

fn git(repository: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(repository);
    git
}

/// What a repository is called: the last part of where it came from, else of where it lies.
fn name(repository: &Path) -> Result<String> {
    let mut origin = git(repository);
    origin.args(["config", "--get", "remote.origin.url"]);
    let whole = std::fs::canonicalize(repository)
        .with_context(|| format!("there is no {}", repository.display()))?
        .to_string_lossy()
        .into_owned();
    Ok(last_part(shell::output(origin).ok().as_deref()).or_else(|| last_part(Some(&whole))).unwrap_or(whole))
}

/// Git directories are called after what they are, and lie in what is called after the repository.
fn last_part(place: Option<&str>) -> Option<String> {
    let parts = place?.trim().rsplit(['/', ':']);
    let named = parts.map(|part| part.trim_end_matches(".git")).find(|part| !["", "repo"].contains(part));
    named.map(str::to_owned)
}

fn summary(lines: &[Value]) -> Measurement {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or("?").to_owned();
    let told = lines.iter().map(|line| {
        json!({
            "repository": text(line, "repository"),
            "commit": text(line, "commit"),
            "value": line["value"],
            "holds": line["holds"],
            "f1": line["gadugi"]["pairs"]["f1"],
            "times_original": line["times_original"]["value"],
            "times_popularity": line["times_popularity"]["value"],
        })
    });
    let mut more = Map::new();
    more.insert("repositories".into(), told.collect());
    Measurement {
        bench: "analysis",
        value: lines.iter().map(|line| line["value"].as_f64().unwrap_or(0.0)).fold(f64::INFINITY, f64::min),
        bar: BAR,
        holds: !lines.is_empty() && lines.iter().all(|line| line["holds"] == true),
        more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &Value, holds: bool) -> Value {
        json!({"repository": "r", "commit": "c", "value": value, "holds": holds, "gadugi": {"pairs": {"f1": 0.5}},
               "times_original": {"value": null}, "times_popularity": {"value": 1.5}})
    }

    #[test]
    fn one_that_falls_short_is_one_too_many() {
        let both = summary(&[line(&json!(1.2), true), line(&json!(0.9), false)]);
        assert!(!both.holds && (both.value - 0.9).abs() < f64::EPSILON);
        let good = summary(&[line(&json!(1.2), true), line(&json!(1.1), true)]);
        assert!(good.holds && (good.value - 1.1).abs() < f64::EPSILON);
        // Nothing was measured where there is no figure.
        assert!(summary(&[line(&Value::Null, false)]).value.abs() < f64::EPSILON);
        assert!(!summary(&[]).holds);
        assert!(
            good.line().contains(
                r#""repositories":[{"repository":"r","commit":"c","value":1.2,"holds":true,"f1":0.5"#
            )
        );
    }

    #[test]
    fn repositories_have_names() {
        for (place, expected) in [
            ("https://example.com/owner/name.git\n", Some("name")),
            ("git@example.com:name", Some("name")),
            ("/somewhere/name/.git", Some("name")),
            ("/somewhere/owner+name/repo/", Some("owner+name")),
            ("", None),
        ] {
            assert_eq!(last_part(Some(place)).as_deref(), expected, "{place}");
        }
        assert_eq!(last_part(None), None);
    }
}
