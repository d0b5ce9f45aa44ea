//! Where the engine listens: what the user's environment and docker's own settings say.
//!
//! As the docker command does it: `DOCKER_HOST` beats `DOCKER_CONTEXT` beats the current context of
//! `~/.docker/config.json`. Where none of these is set, the usual sockets are tried, a user's own first.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gadugi_sys::env;
use serde::Deserialize;

use super::error::DockerError;

/// Sockets to try, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) sockets: Vec<PathBuf>,
}

/// Sockets of engines that run as root.
const SYSTEM: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];

/// The file of docker's settings, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(rename = "currentContext")]
    current_context: String,
}

/// A context's description, as far as it is read.
#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Endpoints", default)]
    endpoints: MetaEndpoints,
}

#[derive(Default, Deserialize)]
struct MetaEndpoints {
    docker: Option<MetaEndpoint>,
}

#[derive(Deserialize)]
struct MetaEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// What that environment asks for.
pub(crate) fn endpoints(environment: &[(OsString, OsString)]) -> Result<Endpoints, DockerError> {
    let get = |name: &str| {
        let found = environment.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_os_str()).filter(|value| !value.is_empty())
    };
    if let Some(host) = get(env::DOCKER_HOST) {
        return one(&host.to_string_lossy(), env::DOCKER_HOST);
    }
    let folder = get(env::DOCKER_CONFIG)
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(get(env::HOME)?).join(".docker")));
    let context = match (get(env::DOCKER_CONTEXT), &folder) {
        (Some(name), _) => Some(name.to_string_lossy().into_owned()),
        (None, Some(folder)) => current_context(folder)?,
        (None, None) => None,
    };
    if let Some(name) = context.filter(|name| name != "default") {
        let host = context_host(folder.as_deref(), &name)?;
        return one(&host, &format!("docker context {name:?}"));
    }
    let own = get(env::XDG_RUNTIME_DIR).map(Path::new);
    let own = own.into_iter().flat_map(|dir| [dir.join("docker.sock"), dir.join("podman/podman.sock")]);
    Ok(Endpoints { sockets: own.chain(SYSTEM.map(PathBuf::from)).collect() })
}

fn one(host: &str, named_by: &str) -> Result<Endpoints, DockerError> {
    match host.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(Endpoints { sockets: vec![path.into()] }),
        _ => Err(DockerError::Remote { address: host.into(), named_by: named_by.into() }),
    }
}

fn current_context(folder: &Path) -> Result<Option<String>, DockerError> {
    let path = folder.join("config.json");
    let text = match fs::read(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other.map_err(|source| DockerError::File { path, source })?,
    };
    // Docker itself goes on with its defaults where this file is broken.
    let settings: Settings = serde_json::from_slice(&text).unwrap_or_default();
    Ok(Some(settings.current_context).filter(|name| !name.is_empty()))
}

/// Each context has a folder, named by a hash of its name; its description has the name itself.
fn context_host(folder: Option<&Path>, name: &str) -> Result<String, DockerError> {
    let error = |words: String| DockerError::Context { name: name.into(), words };
    let folder = folder.ok_or_else(|| error("neither HOME nor DOCKER_CONFIG is set".into()))?;
    let all = folder.join("contexts/meta");
    let entries = fs::read_dir(&all).map_err(|cause| error(format!("{}: {cause}", all.display())))?;
    for entry in entries.flatten() {
        let meta = fs::read(entry.path().join("meta.json")).unwrap_or_default();
        let Ok(meta) = serde_json::from_slice::<Meta>(&meta) else { continue };
        if meta.name == name {
            let host = meta.endpoints.docker.map(|docker| docker.host).filter(|host| !host.is_empty());
            return host.ok_or_else(|| error("it names no host".into()));
        }
    }
    Err(error(format!("there is none of that name in {}", all.display())))
}

/// Whether the socket is that of an engine which is known to run in a virtual machine.
pub(crate) fn machine_of(socket: &Path) -> Option<&'static str> {
    let has = |name: &str| socket.components().any(|part| part.as_os_str() == OsStr::new(name));
    if socket.ends_with("desktop/docker.sock") {
        Some("Docker Desktop")
    } else if has(".colima") || has(".lima") {
        Some("Lima")
    } else if has(".rd") {
        Some("Rancher Desktop")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn sockets(pairs: &[(&str, &str)]) -> Vec<PathBuf> {
        endpoints(&environment(pairs)).unwrap().sockets
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        endpoints(&environment(pairs)).unwrap_err().to_string()
    }

    #[test]
    fn without_settings_the_usual_sockets_are_tried_the_users_own_first() {
        let system = ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
        assert_eq!(sockets(&[]), system);
        let own = ["/run/user/7/docker.sock", "/run/user/7/podman/podman.sock"].map(PathBuf::from);
        let both: Vec<_> = own.into_iter().chain(system).collect();
        assert_eq!(sockets(&[("XDG_RUNTIME_DIR", "/run/user/7"), ("DOCKER_HOST", "")]), both);
    }

    #[test]
    fn only_a_socket_of_this_machine_will_do() {
        assert_eq!(sockets(&[("DOCKER_HOST", "unix:///a/b.sock")]), [PathBuf::from("/a/b.sock")]);
        for host in ["tcp://127.0.0.1:2375", "ssh://me@there", "npipe:////./pipe/docker", "fd://", "unix://a"]
        {
            let told = error(&[("DOCKER_HOST", host), ("DOCKER_CONTEXT", "other")]);
            assert!(told.contains(host) && told.contains("DOCKER_HOST"), "{told}");
        }
    }

    #[test]
    fn contexts_are_found_by_name() {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join(".docker");
        let home_is = ("HOME", home.path().to_str().unwrap());
        assert_eq!(sockets(&[home_is]).len(), 2, "no settings at all");
        for (folder, name, host) in
            [("0a", "rootless", "unix:///run/user/5/docker.sock"), ("0b", "far", "ssh://far")]
        {
            let meta = docker.join("contexts/meta").join(folder);
            fs::create_dir_all(&meta).unwrap();
            let text = format!(
                r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#
            );
            fs::write(meta.join("meta.json"), text).unwrap();
        }
        assert_eq!(sockets(&[home_is]).len(), 2, "contexts, and none of them the current one");
        fs::write(docker.join("config.json"), r#"{"auths":{},"currentContext":"rootless"}"#).unwrap();
        let rootless = [PathBuf::from("/run/user/5/docker.sock")];
        assert_eq!(sockets(&[home_is]), rootless);
        assert_eq!(sockets(&[home_is, ("DOCKER_HOST", "unix:///x")]), [PathBuf::from("/x")]);
        assert_eq!(sockets(&[home_is, ("DOCKER_CONTEXT", "default")]).len(), 2);
        assert!(error(&[home_is, ("DOCKER_CONTEXT", "far")]).contains("ssh://far"));
        assert!(error(&[home_is, ("DOCKER_CONTEXT", "none")]).contains("none of that name"));
        let config = docker.to_str().unwrap();
        assert_eq!(sockets(&[("HOME", "/none"), ("DOCKER_CONFIG", config)]), rootless);
        assert!(error(&[("DOCKER_CONTEXT", "x")]).contains("neither HOME"));
    }

    #[test]
    fn virtual_machines_are_known_by_their_sockets() {
        assert_eq!(machine_of(Path::new("/home/u/.docker/desktop/docker.sock")), Some("Docker Desktop"));
        assert_eq!(machine_of(Path::new("/home/u/.colima/default/docker.sock")), Some("Lima"));
        assert_eq!(machine_of(Path::new("/var/run/docker.sock")), None);
    }
}
