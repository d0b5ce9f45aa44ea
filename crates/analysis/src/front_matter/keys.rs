//! The keys of front matter, each with what it takes. [`KEYS`] and the `match` in [`read`] name the same ones.

use gadugi_core::pattern::glob;
use gadugi_core::{DoneWhen, ExecutorKind, Kind, RESERVED_AGENTS, parse_duration};

use super::yaml::{Node, Value};
use super::{Findings, FrontMatter, Known, Placed};
use crate::ids;
use crate::text::closest;

/// Every key, in the contract's order.
const KEYS: [&str; 13] = [
    "id",
    "depends_on",
    "touches",
    "kind",
    "priority",
    "timeout",
    "agent",
    "model",
    "budget",
    "verify",
    "done_when",
    "executor",
    "network",
];
/// More than anybody will spend on one task, in US dollars; it keeps millionths within 64 bits.
const MOST_BUDGET: f64 = 1e9;

pub(super) fn read(root: &Node, known: Known<'_>, findings: &mut Findings<'_>) -> FrontMatter {
    let mut matter = FrontMatter::default();
    let entries = match &root.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null => &[],
        other => {
            findings.error(root, format!("expected keys with values, found {}", other.describe()));
            &[]
        }
    };
    for (key, value) in entries {
        let Value::Text(name) = &key.value else {
            findings.error(key, format!("expected a key, found {}", key.value.describe()));
            continue;
        };
        // A key with nothing behind it says nothing.
        if matches!(value.value, Value::Null) && KEYS.contains(&name.as_str()) {
            continue;
        }
        read_key(name, key, value, known, &mut matter, findings);
    }
    matter
}

fn read_key(
    name: &str,
    key: &Node,
    value: &Node,
    known: Known<'_>,
    matter: &mut FrontMatter,
    findings: &mut Findings<'_>,
) {
    match name {
        "id" => matter.id = id(value, findings),
        "depends_on" => matter.depends_on = names(value, findings),
        "touches" => matter.touches = Some(touches(value, findings)),
        "kind" => matter.kind = kind(value, findings),
        "priority" => matter.priority = priority(value, findings),
        "timeout" => matter.timeout = timeout(value, findings),
        "agent" => matter.agent = agent(value, known, findings),
        "model" => matter.model = text(value, findings),
        "budget" => matter.budget_microusd = budget(value, findings),
        "verify" => matter.verify = text(value, findings),
        "done_when" => matter.done_when = done_when(value, findings),
        "executor" => matter.executor = executor(value, findings),
        "network" => matter.network = network(value, findings),
        _ => {
            let meant =
                closest(name, KEYS).map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
            let name = crate::text::one_line(name, 40);
            findings.warn(key, &format!("unknown key `{name}` is ignored{meant}"));
        }
    }
}

/// Text, or a number as it is written.
fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Some(text),
        _ => None,
    }
}

fn expected<T>(what: &str, node: &Node, findings: &mut Findings<'_>) -> Option<T> {
    findings.error(node, format!("expected {what}, found {}", node.value.describe()));
    None
}

fn text(node: &Node, findings: &mut Findings<'_>) -> Option<String> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() && !text.contains('\0') => Some(text.clone()),
        _ => expected("text", node, findings),
    }
}

/// The items of a list; one thing alone is a list of one.
fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Null => &[],
        _ => std::slice::from_ref(node),
    }
}

fn id(node: &Node, findings: &mut Findings<'_>) -> Option<Placed<String>> {
    match scalar(node) {
        Some(id) if ids::is_safe(id) => Some(Placed { value: id.to_owned(), at: findings.place(node) }),
        _ => expected(
            "an id (letters, digits, `.`, `_`, `-`; no dot or dash first, no `..`, at most 60)",
            node,
            findings,
        ),
    }
}

fn names(node: &Node, findings: &mut Findings<'_>) -> Vec<Placed<String>> {
    let mut names = Vec::new();
    for item in items(node) {
        match scalar(item).map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => names.push(Placed { value: name.to_owned(), at: findings.place(item) }),
            None => {
                expected::<()>("the id or the prompt file of a task", item, findings);
            }
        }
    }
    names
}

/// A path or pattern from the repository's root, without `./`; none where it leaves the repository.
fn inside(path: &str) -> Option<String> {
    let path = path.trim();
    let path = path.strip_prefix("./").unwrap_or(path);
    let escapes = path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains('\0');
    (!path.is_empty() && !escapes).then(|| path.to_owned())
}

fn touches(node: &Node, findings: &mut Findings<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    for item in items(node) {
        match scalar(item).and_then(inside) {
            Some(path) => match glob(&path) {
                Ok(_) => paths.push(path),
                Err(error) => findings.error(item, format!("bad pattern: {}", error.kind())),
            },
            None => {
                expected::<()>("a path or pattern inside the repository", item, findings);
            }
        }
    }
    paths
}

fn kind(node: &Node, findings: &mut Findings<'_>) -> Option<Kind> {
    let word = scalar(node).unwrap_or_default();
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.word() == word) {
        return Some(kind);
    }
    let words = Kind::ALL.map(Kind::word);
    let meant = closest(word, words).map_or(String::new(), |meant| format!(" (did you mean {meant}?)"));
    let what = format!("one of {}", words.join(", "));
    findings.error(node, format!("expected {what}, found {}{meant}", node.value.describe()));
    None
}

fn priority(node: &Node, findings: &mut Findings<'_>) -> Option<i64> {
    match &node.value {
        Value::Number(text) if text.parse::<i64>().is_ok() => text.parse().ok(),
        _ => expected("a whole number", node, findings),
    }
}

fn timeout(node: &Node, findings: &mut Findings<'_>) -> Option<gadugi_core::Millis> {
    let Some(text) = scalar(node) else { return expected("a duration such as 90m", node, findings) };
    parse_duration(text).map_err(|error| findings.error(node, error.to_string())).ok()
}

fn agent(node: &Node, known: Known<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let name = text(node, findings)?;
    if known.agents.contains(&name) {
        return Some(name);
    }
    if RESERVED_AGENTS.contains(&name.as_str()) {
        findings.error(node, format!("the agent {name} is a reserved name: there is no adapter for it yet"));
        return None;
    }
    if known.agents.is_empty() {
        return Some(name);
    }
    expected(&format!("one of the agents {}", known.agents.join(", ")), node, findings)
}

fn budget(node: &Node, findings: &mut Findings<'_>) -> Option<u64> {
    let amount = match &node.value {
        Value::Number(text) => text.replace('_', "").parse::<f64>().ok(),
        _ => None,
    };
    match amount {
        // In range, so the cast is exact to the millionth.
        Some(usd) if (0.0..=MOST_BUDGET).contains(&usd) => Some((usd * 1e6).round() as u64),
        _ => expected("a number of US dollars, 0 or more", node, findings),
    }
}

fn executor(node: &Node, findings: &mut Findings<'_>) -> Option<ExecutorKind> {
    match scalar(node) {
        Some("local") => Some(ExecutorKind::Local),
        Some("docker") => Some(ExecutorKind::Docker),
        Some("kubernetes") => {
            findings.error(node, "the executor kubernetes is a reserved name: it is not built yet");
            None
        }
        _ => expected("local or docker", node, findings),
    }
}

fn network(node: &Node, findings: &mut Findings<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for item in items(node) {
        match scalar(item).filter(|text| is_host_and_port(text)) {
            Some(text) => hosts.push(text.to_owned()),
            None => {
                expected::<()>("host:port, such as api.example.com:443", item, findings);
            }
        }
    }
    hosts
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let port_is_one =
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_one = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            host.len() <= 253
                && host.trim_start_matches("*.").split('.').all(|label| {
                    !label.is_empty()
                        && label.len() <= 63
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                        && label
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                })
        }
    };
    port_is_one && host_is_one
}

fn done_when(node: &Node, findings: &mut Findings<'_>) -> Vec<DoneWhen> {
    items(node).iter().filter_map(|item| condition(item, findings)).collect()
}

fn condition(node: &Node, findings: &mut Findings<'_>) -> Option<DoneWhen> {
    const SHAPE: &str = "{exists: PATH}, {contains: {file: PATH, text: TEXT}} or {run: COMMAND}";
    let Value::Map(entries) = &node.value else { return expected(SHAPE, node, findings) };
    let [(key, value)] = entries.as_slice() else {
        findings.error(node, format!("expected one condition in each item: {SHAPE}"));
        return None;
    };
    match scalar(key) {
        Some("exists") => path(value, findings).map(DoneWhen::Exists),
        Some("run") => text(value, findings).map(DoneWhen::Run),
        Some("contains") => contains(value, findings),
        _ => expected(SHAPE, key, findings),
    }
}

fn path(node: &Node, findings: &mut Findings<'_>) -> Option<String> {
    match scalar(node).and_then(inside) {
        Some(path) => Some(path),
        None => expected("a path inside the repository", node, findings),
    }
}

fn contains(node: &Node, findings: &mut Findings<'_>) -> Option<DoneWhen> {
    const SHAPE: &str = "{file: PATH, text: TEXT}";
    let Value::Map(entries) = &node.value else { return expected(SHAPE, node, findings) };
    let (mut file, mut words) = (None, None);
    for (key, value) in entries {
        match scalar(key) {
            Some("file") => file = Some(path(value, findings)?),
            Some("text") => match scalar(value).filter(|text| !text.is_empty()) {
                Some(text) => words = Some(text.to_owned()),
                None => return expected("text", value, findings),
            },
            _ => return expected(SHAPE, key, findings),
        }
    }
    match (file, words) {
        (Some(file), Some(text)) => Some(DoneWhen::Contains { file, text }),
        _ => expected(SHAPE, node, findings),
    }
}
