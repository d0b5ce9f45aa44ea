//! The environment: one door, and the register of every variable that gadugi reads.

use std::ffi::OsString;

/// A variable that gadugi reads, and what it does with it.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it decides.
    pub purpose: &'static str,
}

macro_rules! register {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $purpose:literal;)*) => {
        $(
            #[doc = $purpose]
            pub const $constant: &str = $name;
        )*

        /// Every variable that gadugi itself reads. What is merely passed on to agents is not here.
        pub const REGISTER: &[Variable] = &[$(Variable { name: $name, purpose: $purpose }),*];
    };
}

register! {
    HOME = "HOME", "the user's home directory";
    PATH = "PATH", "where programs are looked for";
    XDG_CONFIG_HOME = "XDG_CONFIG_HOME", "where the user's own gadugi.toml lies";
    XDG_RUNTIME_DIR = "XDG_RUNTIME_DIR", "where the engine's socket lies when the repository's path is too long for one, and where a user's container engine listens";
    XDG_STATE_HOME = "XDG_STATE_HOME", "where what tasks of all repositories took is kept, by default ~/.local/state";
    DOCKER_HOST = "DOCKER_HOST", "where the container engine listens: unix:///PATH";
    DOCKER_CONTEXT = "DOCKER_CONTEXT", "which of docker's contexts says where the container engine listens";
    DOCKER_CONFIG = "DOCKER_CONFIG", "where docker's own settings lie, by default ~/.docker";
    NO_COLOR = "NO_COLOR", "no colours on the terminal";
    TERM = "TERM", "a terminal that is dumb gets plain lines instead of a redrawn block";
    ATTEMPT = "GADUGI_ATTEMPT", "set inside an attempt: marks its processes, and refuses a run inside a run";
    LOG = "GADUGI_LOG", "what the engine writes into its log: error, warn, info, debug, trace";
    MAX_PARALLEL = "GADUGI_MAX_PARALLEL", "slots, as --max-parallel";
    TIMEOUT = "GADUGI_TIMEOUT", "time for each task, as --timeout";
    EXECUTOR = "GADUGI_EXECUTOR", "where steps run, as --executor";
    AGENT = "GADUGI_AGENT", "which agent, as --agent";
    MODEL = "GADUGI_MODEL", "which model, as --model";
    MAX_TURNS = "GADUGI_MAX_TURNS", "turns of an agent step, as --max-turns";
    BUDGET = "GADUGI_BUDGET", "US dollars for the run, as --budget";
    TASK_BUDGET = "GADUGI_TASK_BUDGET", "US dollars for each task, as --task-budget";
    BASE = "GADUGI_BASE", "the commit to start from, as --base";
    VERIFY = "GADUGI_VERIFY", "the command that tests the work, as --verify";
    NO_REVIEW = "GADUGI_NO_REVIEW", "leave out phases 9 and 10, as --no-review: 1 or 0";
    NO_FALLBACK = "GADUGI_NO_FALLBACK", "an analysis that fails ends the run, as --no-fallback: 1 or 0";
    OVERLAP = "GADUGI_OVERLAP", "what is done where two tasks would write one file, as --overlap";
    OVERLAP_THRESHOLD = "GADUGI_OVERLAP_THRESHOLD", "from how sure that is on, in percent, as --overlap-threshold";
    KEEP = "GADUGI_KEEP", "keep worktrees of merged tasks, as --keep: 1 or 0";
    API_KEY = "ANTHROPIC_API_KEY", "whether agents have a credential of the environment: doctor says so, and never shows it";
    AUTH_TOKEN = "ANTHROPIC_AUTH_TOKEN", "as ANTHROPIC_API_KEY";
    OAUTH_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN", "as ANTHROPIC_API_KEY";
    CONFIG = "GADUGI_CONFIG", "the configuration file, as --config";
}

/// A variable's value where it is set, not empty, and UTF-8.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// All variables.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn all() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}
