//! The JSON object in an agent's last words.

use serde_json::{Map, Value};

use super::MAX_ANSWER_BYTES;
use crate::text::one_line;

/// The one object that is an answer; or what is wrong, in one line.
pub(super) fn object(words: &str) -> Result<Map<String, Value>, String> {
    if words.len() > MAX_ANSWER_BYTES {
        return Err(format!("it has {} bytes; at most {MAX_ANSWER_BYTES} are possible", words.len()));
    }
    if words.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let Scan { answers, others, trouble } = scan(words);
    let mut answers = answers.into_iter();
    match (answers.next(), answers.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => {
            Err(format!("it has {} JSON objects with tasks; one is wanted", answers.len() + 2))
        }
        (None, _) => Err(match trouble {
            Some(trouble) => trouble,
            None if others > 0 => "its JSON object has neither `tasks` nor `whole`".to_owned(),
            None => {
                let words = one_line(words, 60);
                format!("it has no JSON object, and begins {words:?}")
            }
        }),
    }
}

/// What was found.
struct Scan {
    /// Objects that can be meant, different ones.
    answers: Vec<Map<String, Value>>,
    /// How many objects cannot.
    others: usize,
    /// The first object that is broken.
    trouble: Option<String>,
}

/// Looks for objects at every brace that is in none of those before. What is broken is looked through too: prose may hold
/// a brace, and a good object behind it.
fn scan(words: &str) -> Scan {
    let mut scan = Scan { answers: Vec::new(), others: 0, trouble: None };
    let mut at = 0;
    while let Some(next) = words[at..].find('{') {
        at += next;
        let mut values = serde_json::Deserializer::from_str(&words[at..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(Value::Object(object))) => {
                if !object.contains_key("tasks") && !object.contains_key("whole") {
                    scan.others += 1;
                } else if !scan.answers.contains(&object) {
                    scan.answers.push(object);
                }
                at += values.byte_offset().max(1);
            }
            Some(Err(error)) if error.is_eof() => {
                scan.trouble.get_or_insert_with(|| "its JSON breaks off before its end".to_owned());
                return scan;
            }
            Some(Err(error)) => {
                // A brace of prose is no JSON at all; one that a name in quotes follows was meant.
                if words[at + 1..].trim_start().starts_with('"') {
                    let line = words[..at].matches('\n').count() + error.line();
                    let what = error.to_string();
                    let what = what.split(" at line ").next().unwrap_or_default();
                    let trouble = format!("its JSON is broken in line {line}: {what}");
                    scan.trouble.get_or_insert(trouble);
                }
                at += 1;
            }
            Some(Ok(_)) | None => at += 1,
        }
    }
    scan
}
