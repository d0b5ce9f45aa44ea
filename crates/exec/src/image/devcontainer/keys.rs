//! The keys of `devcontainer.json` and what becomes of each.

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is done as it says.
    Honoured,
    /// It concerns editors, ports of a desktop, or the container's end: nothing is lost without it.
    OfEditors,
    /// It is not done, and what is there instead.
    Unsupported(&'static str),
    /// No such key is known.
    Unknown,
}

const HONOURED: [&str; 7] =
    ["image", "build", "dockerFile", "context", "containerEnv", "remoteUser", "containerUser"];

const OF_EDITORS: [&str; 16] = [
    "$schema",
    "name",
    "customizations",
    "extensions",
    "settings",
    "devPort",
    "forwardPorts",
    "portsAttributes",
    "otherPortsAttributes",
    "shutdownAction",
    "overrideCommand",
    "updateRemoteUserUID",
    "userEnvProbe",
    "waitFor",
    "hostRequirements",
    "init",
];

const SETUP: &str = "[workspace] setup in gadugi.toml runs before the agent";
const SEALED: &str = "a container gets its workspace and nothing else of this machine";
const HARDENED: &str = "agents work without rights";
const BUILT: &str = "put what it installs into a Dockerfile";

const UNSUPPORTED: [(&str, &str); 21] = [
    ("dockerComposeFile", "a task has one container"),
    ("service", "a task has one container"),
    ("runServices", "a task has one container"),
    ("features", BUILT),
    ("overrideFeatureInstallOrder", BUILT),
    ("mounts", SEALED),
    ("workspaceMount", "the workspace is at /workspace"),
    ("workspaceFolder", "the workspace is at /workspace"),
    ("runArgs", "limits are in gadugi.toml, [limits]"),
    ("appPort", "the container has no network; network = […] names hosts that it may reach"),
    ("privileged", HARDENED),
    ("capAdd", HARDENED),
    ("securityOpt", HARDENED),
    ("remoteEnv", "containerEnv is"),
    ("secrets", "no credential goes into a container"),
    ("initializeCommand", "nothing of a repository runs on this machine itself"),
    ("onCreateCommand", SETUP),
    ("updateContentCommand", SETUP),
    ("postCreateCommand", SETUP),
    ("postStartCommand", SETUP),
    ("postAttachCommand", SETUP),
];

/// What becomes of it.
pub(super) fn standing(key: &str) -> Standing {
    if HONOURED.contains(&key) {
        return Standing::Honoured;
    }
    if OF_EDITORS.contains(&key) {
        return Standing::OfEditors;
    }
    let known = UNSUPPORTED.iter().find(|(name, _)| *name == key);
    known.map_or(Standing::Unknown, |(_, why)| Standing::Unsupported(why))
}
