//! The kinds of values, each with the one rule by which it is read: from the words of a flag or a variable, or
//! from what a file says.

mod kinds;
mod text;

use std::fmt;

pub use kinds::{
    AgentChoice, CacheNames, Cpus, Dollars, ExecutorChoice, HomeChoice, KindChoice, Lease, Length,
    NotifyKind, NotifyKinds, OverlapChoice, Parallel, Parts, Percent, Pids, Size, StrategyChoice, Switch,
    TaskTimeout, Tries, Turns, UvChoice,
};
pub use text::{
    Arguments, BranchTemplate, EnvDeny, EnvMap, Folder, HostPorts, Program, ShellCommand, ShellCommands,
    Texts, Url, Variable, Webhook, Word,
};

/// Variables that no agent sees unless the configuration says otherwise: what opens forges, clouds, registries and
/// other machines. A `*` at the end stands for any rest.
pub const DEFAULT_ENV_DENY: [&str; 47] = [
    // Forges.
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "GITHUB_PAT",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITLAB_TOKEN",
    "GITLAB_ACCESS_TOKEN",
    "BITBUCKET_TOKEN",
    "BITBUCKET_APP_PASSWORD",
    "GITEA_TOKEN",
    "FORGEJO_TOKEN",
    "CODEBERG_TOKEN",
    "CI_JOB_TOKEN",
    "CI_JOB_JWT*",
    "ACTIONS_ID_TOKEN_*",
    "ACTIONS_RUNTIME_TOKEN",
    // Clouds.
    "AWS_*",
    "AZURE_*",
    "ARM_CLIENT_*",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_*",
    "DIGITALOCEAN_*",
    "HCLOUD_TOKEN",
    "LINODE_TOKEN",
    "CLOUDFLARE_API_*",
    "FLY_API_TOKEN",
    "FLY_ACCESS_TOKEN",
    "HEROKU_API_KEY",
    "NETLIFY_AUTH_TOKEN",
    "VERCEL_TOKEN",
    "VAULT_TOKEN",
    "TF_TOKEN_*",
    "KUBECONFIG",
    // Registries.
    "DOCKER_AUTH_CONFIG",
    "NPM_TOKEN",
    "NODE_AUTH_TOKEN",
    "CARGO_REGISTRY_TOKEN",
    "TWINE_PASSWORD",
    "PYPI_TOKEN",
    "UV_PUBLISH_TOKEN",
    // Other machines, and programs that hand out passwords.
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SSH_ASKPASS",
    "GIT_ASKPASS",
    "GPG_AGENT_INFO",
];

/// What was expected and what was found instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was expected.
    pub expected: String,
    /// What was found, fit for one line.
    pub found: String,
}

impl Mismatch {
    /// A text that does not fit.
    pub(crate) fn text(expected: impl Into<String>, found: &str) -> Self {
        const LONGEST_SHOWN: usize = 80;
        let mut short: String = found.chars().take(LONGEST_SHOWN).collect();
        if short.len() < found.len() {
            short.push('…');
        }
        let found = if found.is_empty() { "nothing".to_owned() } else { format!("{short:?}") };
        Self { expected: expected.into(), found }
    }

    /// A value of a file that does not fit.
    pub(crate) fn value(expected: impl Into<String>, found: &toml::Value) -> Self {
        match found {
            toml::Value::String(text) => Self::text(expected, text),
            toml::Value::Array(_) => Self { expected: expected.into(), found: "a list".into() },
            toml::Value::Table(_) => Self { expected: expected.into(), found: "a table".into() },
            other => Self { expected: expected.into(), found: other.to_string() },
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

/// One kind of value.
pub trait Value: Sized + Clone {
    /// Reads the words of a flag or a variable.
    fn from_text(text: &str) -> Result<Self, Mismatch>;

    /// Reads what a file says.
    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch>;

    /// For people, in one line; where it can be, as a file would say it.
    fn show(&self) -> String;

    /// What a schema says of it.
    fn schema() -> serde_json::Value;
}

/// Reads a value in a model of `serde`, so that an error carries its place in the file.
macro_rules! in_files {
    ($($name:ident),* $(,)?) => { $(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = toml::Value::deserialize(deserializer)?;
                <Self as $crate::values::Value>::from_toml(&value).map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                // A schema that is no object cannot be written here: each kind's own test makes one.
                <Self as $crate::values::Value>::schema().try_into().unwrap_or_default()
            }
        }
    )* };
}
pub(crate) use in_files;

/// A text where a file says a text.
pub(crate) fn need_text<'a>(expected: &str, value: &'a toml::Value) -> Result<&'a str, Mismatch> {
    value.as_str().ok_or_else(|| Mismatch::value(expected, value))
}

/// A list of texts where a file says one, or a single text.
pub(crate) fn need_texts(expected: &str, value: &toml::Value) -> Result<Vec<String>, Mismatch> {
    match value {
        toml::Value::String(text) => Ok(vec![text.clone()]),
        toml::Value::Array(items) => {
            items.iter().map(|item| need_text(expected, item).map(str::to_owned)).collect()
        }
        other => Err(Mismatch::value(expected, other)),
    }
}

/// A list as a file would say it.
pub(crate) fn show_texts(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(", "))
}
