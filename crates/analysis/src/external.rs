//! Programs of the user's own in place of the built-in analyser and estimator: what they are asked, and what of their
//! answers can be used.
//!
//! One question for all tasks, one answer: JSON with a version (`schema`). The program is started by the caller
//! ([`Ask`]); here questions are written and answers are read, and nothing in an answer is believed unseen. What is wrong
//! with one task's part is told, and for that task the built-in rules stand; what cannot be read at all leaves everything
//! to them. Where the user wants no such fallback, both are errors. `docs/guide/analysis.md` describes the form for those
//! who write such programs, and `crates/analysis/schemas` has it as JSON Schemas.

mod analyser;
mod estimator;

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::text::one_line;
pub(crate) use analyser::consult as consult_analyser;
pub(crate) use estimator::{AskedTask, consult as consult_estimator};

/// Version of questions and answers. They grow by fields without a new number; who reads them ignores those that it does
/// not know.
pub const SCHEMA: u32 = 1;
/// Problems that are told of one answer before the rest is counted.
const MOST_PROBLEMS: usize = 10;

/// Gives a question to the program and brings its answer, or says why there is none.
pub type Ask<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, String>;

/// Why an answer cannot be used, where nothing is to stand in for it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExternalError {
    /// The program gave none.
    #[error("{0}")]
    NoAnswer(String),
    /// It is not JSON, or not of the form.
    #[error("its answer cannot be read: {0}")]
    Unreadable(String),
    /// It is of another version.
    #[error("its answer has schema {found}, and only {SCHEMA} is known")]
    Version {
        /// The version.
        found: u64,
    },
    /// Parts of it are wrong: each by itself.
    #[error("its answer is wrong: {}", .0.join("; "))]
    Wrong(Vec<String>),
}

/// A question: the same for both programs but for the tasks.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Question<'a, T> {
    /// Version of this shape.
    schema: u32,
    /// What is asked: `analyse` or `estimate`.
    ask: &'a str,
    /// The commit that the plan is for. The program is started at the root of the repository.
    base: &'a str,
    /// All tasks, in the order of the plan.
    tasks: Vec<T>,
}

/// An answer. Fields that are not named here are ignored.
#[derive(Deserialize, schemars::JsonSchema)]
struct Answer<T> {
    /// Version of this shape.
    #[expect(dead_code, reason = "it was looked at before the rest was read")]
    schema: u64,
    /// What is said of tasks: each at most once, in any order. Of a task that is left out nothing is said.
    tasks: Vec<T>,
}

/// What an answer says of each task that was asked about, in their order, and what is wrong with it.
#[derive(Debug)]
struct Opinions<T> {
    of_task: Vec<Option<T>>,
    problems: Vec<String>,
}

/// The JSON Schemas of questions and answers, each with its name, as they are checked in (`schemas/NAME.schema.json`).
pub fn json_schemas() -> [(&'static str, String); 4] {
    let text = |name: &'static str, schema: schemars::Schema| {
        let mut schema = schema.to_value();
        schema["title"] = Value::from(name);
        // A tree of plain values always becomes text.
        (name, serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n")
    };
    [
        text("analyser-question", schemars::schema_for!(Question<'static, analyser::Asked<'static>>)),
        text("analyser-answer", schemars::schema_for!(Answer<analyser::Said>)),
        text("estimator-question", schemars::schema_for!(Question<'static, AskedTask<'static>>)),
        text("estimator-answer", schemars::schema_for!(Answer<estimator::Said>)),
    ]
}

fn question<T: Serialize>(ask: &str, base: &str, tasks: Vec<T>) -> Result<Vec<u8>, ExternalError> {
    serde_json::to_vec(&Question { schema: SCHEMA, ask, base, tasks })
        .map_err(|error| ExternalError::NoAnswer(error.to_string()))
}

/// Reads an answer: `check` makes of one part what can be used, or says what is wrong with it.
fn opinions<W: DeserializeOwned, T>(
    bytes: &[u8],
    ids: &[&str],
    check: impl Fn(usize, W) -> Result<T, String>,
) -> Result<Opinions<T>, ExternalError> {
    let unreadable = |error: serde_json::Error| ExternalError::Unreadable(one_line(&error.to_string(), 200));
    // Version first: another one may have another shape.
    let value: Value = serde_json::from_slice(bytes).map_err(unreadable)?;
    match value.get("schema").and_then(Value::as_u64) {
        Some(found) if found == u64::from(SCHEMA) => {}
        Some(found) => return Err(ExternalError::Version { found }),
        None => return Err(ExternalError::Unreadable("it has no schema (a number)".to_owned())),
    }
    let answer: Answer<Value> = serde_json::from_value(value).map_err(unreadable)?;
    let place: HashMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let mut of_task: Vec<Option<T>> = ids.iter().map(|_| None).collect();
    let mut told = vec![false; ids.len()];
    let mut problems = Vec::new();
    for (number, part) in answer.tasks.into_iter().enumerate() {
        let id = part.get("id").and_then(Value::as_str).map(str::to_owned);
        let Some(id) = id else {
            problems.push(format!("task {} of it has no id", number + 1));
            continue;
        };
        let Some(at) = place.get(id.as_str()).copied() else {
            problems.push(format!("{:?} is no task of this plan", one_line(&id, 80)));
            continue;
        };
        if std::mem::replace(&mut told[at], true) {
            problems.push(format!("{id} is there twice; the first counts"));
            continue;
        }
        let checked = serde_json::from_value::<W>(part).map_err(|error| error.to_string());
        match checked.and_then(|part| check(at, part)) {
            Ok(opinion) => of_task[at] = Some(opinion),
            Err(problem) => problems.push(format!("{id}: {}", one_line(&problem, 200))),
        }
    }
    let missing: Vec<&str> = ids.iter().zip(&told).filter(|(_, told)| !**told).map(|(id, _)| *id).collect();
    if let [first, others @ ..] = missing.as_slice() {
        let others = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        problems.push(format!("it says nothing of {first}{others}"));
    }
    Ok(Opinions { of_task, problems })
}

/// Asks, and hands out what can be used. Warnings say what the built-in rules stand in for; without a fallback the first
/// cause is an error.
fn consult<W: DeserializeOwned, T>(
    who: &str,
    asked: Result<Vec<u8>, ExternalError>,
    ids: &[&str],
    fallback: bool,
    check: impl Fn(usize, W) -> Result<T, String>,
) -> Result<Opinions<T>, ExternalError> {
    match asked.and_then(|answer| opinions(&answer, ids, check)) {
        Ok(Opinions { problems, .. }) if !problems.is_empty() && !fallback => {
            Err(ExternalError::Wrong(bounded(problems)))
        }
        Ok(Opinions { of_task, problems }) => {
            let problems = bounded(problems).into_iter();
            let problems = problems.map(|problem| format!("the {who}'s answer: {problem}")).collect();
            Ok(Opinions { of_task, problems })
        }
        Err(error) if fallback => {
            let problem = format!("the {who} is of no use, and the built-in rules stand in for it: {error}");
            Ok(Opinions { of_task: ids.iter().map(|_| None).collect(), problems: vec![problem] })
        }
        Err(error) => Err(error),
    }
}

fn bounded(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    problems
}

#[cfg(test)]
mod tests;
