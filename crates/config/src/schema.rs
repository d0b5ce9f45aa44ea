//! The JSON Schema of `gadugi.toml`, made from the model, and what follows from it: which keys there are.

use serde_json::Value;

use crate::model::ConfigFile;

/// The schema, as it is checked in (`gadugi.schema.json`).
pub fn json_schema() -> String {
    // A tree of plain values always becomes text.
    let text = serde_json::to_string_pretty(&root()).unwrap_or_default();
    format!("{text}\n")
}

fn root() -> Value {
    schemars::schema_for!(ConfigFile).to_value()
}

/// Which of these keys (dotted; parents before their children) the schema does not know: their places in the list,
/// each with the known key that looks most like it. What lies below an unknown key is not told once more.
pub(crate) fn unknown_keys(keys: &[String]) -> Vec<(usize, Option<String>)> {
    let root = root();
    let mut unknown: Vec<(usize, Option<String>)> = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let below = |(parent, _): &(usize, Option<String>)| {
            key.strip_prefix(keys[*parent].as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        if !unknown.iter().any(below)
            && let Some(meant) = lookup(&root, key)
        {
            unknown.push((at, meant));
        }
    }
    unknown
}

/// None where the key is known; else the known key beside it that looks most like it, if one does.
fn lookup(root: &Value, key: &str) -> Option<Option<String>> {
    let mut at = root;
    let mut path: Vec<&str> = Vec::new();
    for part in key.split('.') {
        at = resolved(root, at);
        if let Some(items) = at.get("items") {
            at = resolved(root, items);
        }
        let properties = at.get("properties").and_then(Value::as_object);
        let further = at.get("additionalProperties");
        at = match (properties.and_then(|known| known.get(part)), further) {
            (Some(known), _) => known,
            (None, Some(Value::Object(_))) => further?,
            (None, Some(Value::Bool(false))) => {
                let names = properties.into_iter().flat_map(|known| known.keys());
                return Some(closest(part, names).map(|name| {
                    path.push(name);
                    path.join(".")
                }));
            }
            // Anything goes here.
            (None, _) => return None,
        };
        path.push(part);
    }
    None
}

/// Follows a reference, and what stands beside null where a value is optional.
fn resolved<'a>(root: &'a Value, mut at: &'a Value) -> &'a Value {
    loop {
        let reference = at.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        match reference.and_then(|pointer| root.pointer(pointer)) {
            Some(target) => at = target,
            None => return at,
        }
    }
}

fn closest<'a>(word: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    let near = known.map(|name| (strsim::damerau_levenshtein(word, name), name.as_str()));
    let (distance, name) = near.min()?;
    (distance <= 1 + name.len() / 4).then_some(name)
}
