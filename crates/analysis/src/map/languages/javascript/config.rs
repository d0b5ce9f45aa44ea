//! What matters of `package.json`, `tsconfig.json` and `jsconfig.json`.
//!
//! Of a package: `name`, `main` (where it begins: each field that says so), `export` and `import` (a pattern, a space, a
//! target). Of a configuration: `extends`, `baseUrl`, `path` (a pattern, a space, a target).

use serde_json::Value;

use crate::map::facts::{Facts, Text};
use crate::map::files::name_of;

/// Fields of a package that say where it begins, the nearest to the source first.
const MAINS: [&str; 7] = ["source", "svelte", "types", "typings", "module", "main", "browser"];

/// Targets of one package that are kept.
const MOST: usize = 500;

pub(super) fn read(path: &str, text: &str, into: &mut Facts<'_>) {
    let text = without_comments(text);
    let Ok(value) = serde_json::from_str::<Value>(&text) else { return };
    let mut set = |key: &'static str, value: String| {
        if into.settings.len() < MOST {
            into.settings.push((key.into(), Text::Owned(value)));
        }
    };
    if name_of(path) == "package.json" {
        package(&value, &mut set);
    } else {
        configuration(&value, &mut set);
    }
}

fn package(value: &Value, set: &mut dyn FnMut(&'static str, String)) {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    text("name").into_iter().for_each(|name| set("name", name.to_owned()));
    MAINS.iter().filter_map(|main| text(main)).for_each(|main| set("main", main.to_owned()));
    for (key, field) in [("export", "exports"), ("import", "imports")] {
        let Some(field) = value.get(field) else { continue };
        let by_path = field.as_object().filter(|map| map.keys().any(|key| key.starts_with(['.', '#'])));
        match by_path {
            Some(map) => {
                for (pattern, target) in map {
                    targets(target).into_iter().for_each(|target| set(key, format!("{pattern} {target}")));
                }
            }
            None => targets(field).into_iter().for_each(|target| set(key, format!(". {target}"))),
        }
    }
}

/// All paths in a tree of conditions.
fn targets(value: &Value) -> Vec<&str> {
    let (mut found, mut todo) = (Vec::new(), vec![value]);
    while let Some(value) = todo.pop() {
        match value {
            Value::String(target) if !found.contains(&target.as_str()) => found.push(target.as_str()),
            Value::Object(map) => todo.extend(map.values().rev()),
            Value::Array(all) => todo.extend(all.iter().rev()),
            _ => {}
        }
    }
    found
}

fn configuration(value: &Value, set: &mut dyn FnMut(&'static str, String)) {
    match value.get("extends") {
        Some(Value::String(other)) => set("extends", other.clone()),
        Some(Value::Array(others)) => {
            others.iter().filter_map(Value::as_str).for_each(|other| set("extends", other.to_owned()));
        }
        _ => {}
    }
    let Some(options) = value.get("compilerOptions") else { return };
    options
        .get("baseUrl")
        .and_then(Value::as_str)
        .into_iter()
        .for_each(|base| set("baseUrl", base.to_owned()));
    for (pattern, all) in options.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for target in all.as_array().into_iter().flatten().filter_map(Value::as_str) {
            set("path", format!("{pattern} {target}"));
        }
    }
}

/// JSON as it is written by hand: without comments, and without commas behind the last of a list.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = rest.next() {
        match (quoted, c, rest.peek().copied()) {
            (true, '\\', _) => {
                plain.push(c);
                plain.extend(rest.next());
            }
            (_, '"', _) => {
                quoted = !quoted;
                plain.push(c);
            }
            (false, '/', Some('/')) => while rest.next_if(|c| *c != '\n').is_some() {},
            (false, '/', Some('*')) => {
                let mut before = ' ';
                rest.next();
                for c in rest.by_ref() {
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
            }
            (false, '}' | ']', _) => {
                let end = plain.trim_end();
                if end.ends_with(',') {
                    plain.truncate(end.len() - 1);
                }
                plain.push(c);
            }
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_last_commas_are_left_out() {
        let text = "{ // one\n \"a\": \"x//y\\\"/*\", /* two */ \"b\": [1, 2, ], }";
        let value: Value = serde_json::from_str(&without_comments(text)).unwrap();
        assert_eq!(value, serde_json::json!({"a": "x//y\"/*", "b": [1, 2]}));
    }
}
