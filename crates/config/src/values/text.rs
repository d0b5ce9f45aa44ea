//! Texts and lists of texts, each with what it may hold.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Mismatch, Value, in_files, need_text, need_texts, show_texts};
use crate::check_branch_template;

macro_rules! single_text {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub String);

        impl Value for $name {
            fn from_text(text: &str) -> Result<Self, Mismatch> {
                let rule: fn(&str) -> bool = $rule;
                if rule(text) { Ok(Self(text.to_owned())) } else { Err(Mismatch::text($expected, text)) }
            }

            fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
                Self::from_text(need_text($expected, value)?)
            }

            fn show(&self) -> String {
                format!("{:?}", self.0)
            }

            fn schema() -> serde_json::Value {
                json!({ "type": "string" })
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

macro_rules! text_list {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub Vec<String>);

        impl $name {
            fn checked(texts: Vec<String>) -> Result<Self, Mismatch> {
                let rule: fn(&str) -> bool = $rule;
                match texts.iter().find(|text| !rule(text)) {
                    Some(bad) => Err(Mismatch::text($expected, bad)),
                    None => Ok(Self(texts)),
                }
            }
        }

        impl Value for $name {
            fn from_text(text: &str) -> Result<Self, Mismatch> {
                Self::checked(vec![text.to_owned()])
            }

            fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
                Self::checked(need_texts($expected, value)?)
            }

            fn show(&self) -> String {
                show_texts(&self.0)
            }

            fn schema() -> serde_json::Value {
                json!({
                    "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
                })
            }
        }
    };
}

/// Whether a text can be a word of a command line that is not taken for a flag.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Whether a text can go through the system's own calls, and says something.
fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains('\0')
}

fn is_folder(text: &str) -> bool {
    is_text(text) && !matches!(text.trim_end_matches('/'), "" | "." | "..") && !text.contains('\n')
}

fn is_variable(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_variable_pattern(pattern: &str) -> bool {
    is_variable(pattern.strip_suffix('*').unwrap_or(pattern))
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| is_word(rest) && !rest.starts_with('/'))
}

/// Whether what is sent there is read by nobody on the way: `https`, or this machine itself. Nor is a password to stand in it,
/// which a file of the repository would show.
fn is_webhook(text: &str) -> bool {
    let (plain, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let here = address || host.eq_ignore_ascii_case("localhost");
    is_word(rest) && !host.is_empty() && !authority.contains('@') && (here || !plain)
}

fn is_host_port(text: &str) -> bool {
    let parts = text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    let host = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    matches!(parts, Some((name, Ok(1..))) if !name.is_empty() && name.chars().all(host))
}

single_text! {
    /// One word: a model, a commit.
    Word, "one word that does not begin with a dash", is_word
}
single_text! {
    /// A program: a name, or a path.
    Program, "the name or the path of a program", |text| is_text(text) && !text.starts_with('-')
}
single_text! {
    /// A shell command; an empty one stands for none.
    ShellCommand, "a shell command", |text| !text.contains('\0')
}
single_text! {
    /// A folder of gadugi's own: relative to the repository, or absolute.
    Folder, "a folder other than the repository itself", is_folder
}
single_text! {
    /// The address of a model API.
    Url, "an address that begins with https:// or http://", is_url
}

single_text! {
    /// Where notifications are sent.
    Webhook, "an address that begins with https:// (http:// to this machine alone) and holds no password", is_webhook
}
single_text! {
    /// The name of a variable.
    Variable, "the name of a variable", is_variable
}

text_list! {
    /// Shell commands, one after another.
    ShellCommands, "a shell command or a list of them", is_text
}
text_list! {
    /// Arguments of a program, as they are.
    Arguments, "a list of arguments", |text| !text.contains('\0')
}
text_list! {
    /// Patterns, words.
    Texts, "a text or a list of them", is_text
}
text_list! {
    /// Names of variables, `*` at the end stands for any rest.
    EnvDeny, "names of variables, with a * at most at the end", is_variable_pattern
}
text_list! {
    /// Hosts with their ports.
    HostPorts, "hosts with their ports, such as api.example.com:443", is_host_port
}

/// How branches are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchTemplate(pub String);

impl Value for BranchTemplate {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        match check_branch_template(text) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(error) => {
                let reason = error.to_string();
                Err(Mismatch::text(reason.strip_prefix("expected ").unwrap_or(&reason), text))
            }
        }
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        Self::from_text(need_text("a branch name with {id} or {name} in it", value)?)
    }

    fn show(&self) -> String {
        format!("{:?}", self.0)
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "\\{(id|name)\\}" })
    }
}

/// Variables for a process. What stands in them may be secret: it is never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvMap(pub BTreeMap<String, String>);

impl EnvMap {
    const EXPECTED: &str = "a table of variables and their texts, none of them gadugi's own";
}

impl Value for EnvMap {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        Err(Mismatch::text(Self::EXPECTED, text))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        let table = value.as_table().ok_or_else(|| Mismatch::value(Self::EXPECTED, value))?;
        let mut variables = BTreeMap::new();
        for (name, value) in table {
            // What tells an attempt's processes apart is gadugi's to set.
            let own = name.starts_with("GADUGI_") || name.starts_with("ORCHESTRATOR_");
            if !is_variable(name) || own {
                return Err(Mismatch::text(Self::EXPECTED, name));
            }
            match value.as_str() {
                Some(text) if !text.contains('\0') => variables.insert(name.clone(), text.to_owned()),
                Some(_) => return Err(Mismatch::text(Self::EXPECTED, name)),
                None => return Err(Mismatch::value(Self::EXPECTED, value)),
            };
        }
        Ok(Self(variables))
    }

    fn show(&self) -> String {
        let names: Vec<String> = self.0.keys().map(|name| format!("{name} = …")).collect();
        format!("{{ {} }}", names.join(", "))
    }

    fn schema() -> serde_json::Value {
        json!({
            "type": "object",
            "propertyNames": { "pattern": "^(?!GADUGI_|ORCHESTRATOR_)[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": "string" }
        })
    }
}

in_files!(
    Word,
    Program,
    ShellCommand,
    Folder,
    Url,
    Webhook,
    Variable,
    ShellCommands,
    Arguments,
    Texts,
    EnvDeny,
    HostPorts,
    BranchTemplate,
    EnvMap
);
