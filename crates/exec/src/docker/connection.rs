//! A connection with a container engine of this machine, and what that engine is.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::models::{SystemInfo, SystemInfoCgroupVersionEnum, SystemVersion};
use bollard::{API_DEFAULT_VERSION, Docker};
use rustix::process::{getegid, geteuid};
use tokio::net::UnixStream;

use super::endpoint::{endpoints, machine_of};
use super::error::{DockerError, one_line};

/// Between the asking and the beginning of an answer, seconds. A start waits for others' starts, and a machine whose disk
/// is busy takes half a minute for what else takes a fifth of a second.
const ANSWER_SECONDS: u64 = 120;

/// For so long an engine may take to say who it is.
const GREETING: Duration = Duration::from_secs(10);

/// The oldest interface that has all that is used: Docker 19.03, Podman 3.
const LEAST_API: (usize, usize) = (1, 40);

/// The agent's user and group where gadugi is root and the repository root's, too.
const NOBODY_ELSE: (u32, u32) = (10001, 10001);

/// A container engine, and the way to it. Requests have a connection each: nothing is held between them.
#[derive(Clone, Debug)]
pub struct Connection {
    client: Docker,
    engine: Engine,
}

/// What an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Where it listens.
    pub socket: PathBuf,
    /// Its version, in its own words.
    pub version: String,
    /// The version of its interface that is spoken: major, minor.
    pub api: (usize, usize),
    /// Whether it is Podman.
    pub podman: bool,
    /// Whether it runs as a user: that user is 0 in its containers.
    pub rootless: bool,
    /// Whether its containers are confined by SELinux.
    pub selinux: bool,
    /// Whether users of its containers are others outside, unless a container asks for its own.
    pub userns_remap: bool,
    /// 1 or 2; none where it does not say.
    pub cgroup_version: Option<u8>,
    /// Its processors as images name them: `amd64`, `arm64`.
    pub architecture: String,
    /// Whether containers go on while it is away.
    pub live_restore: bool,
    /// Which limits it can set.
    pub limits: EngineLimits,
}

/// Which limits an engine can set: an engine of a user may have been given none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Memory.
    pub memory: bool,
    /// Memory and swap together.
    pub swap: bool,
    /// Processor time.
    pub cpus: bool,
    /// Processes.
    pub pids: bool,
}

/// Who an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentUser {
    /// User and group inside the container.
    pub inside: (u32, u32),
    /// To whom folders and files are to be given outside, where gadugi is root; none: they are the agent's already.
    pub outside: Option<(u32, u32)>,
    /// Whether it is root inside: a user's engine makes that user root there, and nobody outside.
    pub is_root_inside: bool,
}

impl Connection {
    /// Connects with the engine that the environment asks for (`DOCKER_HOST`, `DOCKER_CONTEXT`, docker's own settings),
    /// else with the first that answers: the user's own, then the system's.
    pub async fn open(environment: &[(OsString, OsString)]) -> Result<Self, DockerError> {
        let sockets = endpoints(environment)?.sockets;
        let mut refused = None;
        for socket in &sockets {
            match Self::open_socket(socket).await {
                // Of several reasons the first that is more than absence says most.
                Err(DockerError::Absent { .. }) => {}
                Err(error) if refused.is_none() => refused = Some(error),
                Err(_) => {}
                done => return done,
            }
        }
        Err(refused.unwrap_or(DockerError::Absent { looked: sockets }))
    }

    async fn open_socket(socket: &Path) -> Result<Self, DockerError> {
        let silent = |words: &str| DockerError::NotAnswering { socket: socket.into(), words: words.into() };
        // Tried bare first: what is wrong with the socket itself is told best by the system.
        match tokio::time::timeout(GREETING, UnixStream::connect(socket)).await {
            Err(_) => return Err(silent("no connection within 10 s")),
            Ok(Err(error)) => {
                let error = bollard::errors::Error::IOError { err: error };
                return Err(DockerError::of(socket, "connect", &error));
            }
            Ok(Ok(_)) => {}
        }
        if let Some(machine) = machine_of(socket) {
            return Err(DockerError::OtherMachine { socket: socket.into(), words: machine.into() });
        }
        let failed = |error| DockerError::of(socket, "say what it is", &error);
        let client =
            Docker::connect_with_unix(&socket.to_string_lossy(), ANSWER_SECONDS, API_DEFAULT_VERSION);
        let greeting = async {
            let client = client.map_err(failed)?.negotiate_version().await.map_err(failed)?;
            let (version, info) = tokio::join!(client.version(), client.info());
            let engine = engine(socket, &client, &version.map_err(failed)?, &info.map_err(failed)?)?;
            Ok(Self { client, engine })
        };
        tokio::time::timeout(GREETING, greeting)
            .await
            .unwrap_or_else(|_| Err(silent("no answer within 10 s")))
    }

    /// What the engine is.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The way to it.
    pub(crate) fn client(&self) -> &Docker {
        &self.client
    }

    /// What an error of the client means.
    pub(crate) fn error(&self, what: &'static str, error: &bollard::errors::Error) -> DockerError {
        DockerError::of(&self.engine.socket, what, error)
    }

    /// Who an agent is that works on a repository of that owner's (user, group).
    pub fn user_for(&self, owner: (u32, u32)) -> AgentUser {
        self.engine.user_for((geteuid().as_raw(), getegid().as_raw()), owner, self.socket_owner())
    }

    /// To whom that user's files are to be given outside; none: they are theirs already.
    pub(crate) fn outside(&self, inside: (u32, u32)) -> Option<(u32, u32)> {
        let is_root = geteuid().is_root();
        let outside = if self.engine.rootless { self.socket_owner() } else { inside };
        Some(outside).filter(|outside| is_root && outside.0 != 0)
    }

    /// Who a user's engine runs as.
    fn socket_owner(&self) -> (u32, u32) {
        let own = (geteuid().as_raw(), getegid().as_raw());
        std::fs::metadata(&self.engine.socket).map_or(own, |data| (data.uid(), data.gid()))
    }
}

impl Engine {
    fn user_for(&self, gadugi: (u32, u32), owner: (u32, u32), socket: (u32, u32)) -> AgentUser {
        let is_root = gadugi.0 == 0;
        let (inside, outside) = match (self.rootless, is_root) {
            // 0 there is whoever the engine runs as: us, or where we are root the owner of its socket.
            (true, false) => ((0, 0), None),
            (true, true) => ((0, 0), Some(socket).filter(|socket| socket.0 != 0)),
            (false, false) => (gadugi, None),
            (false, true) => {
                let user = if owner.0 == 0 { NOBODY_ELSE } else { owner };
                (user, Some(user))
            }
        };
        AgentUser { inside, outside, is_root_inside: inside.0 == 0 }
    }
}

fn engine(
    socket: &Path,
    client: &Docker,
    version: &SystemVersion,
    info: &SystemInfo,
) -> Result<Engine, DockerError> {
    let unsuitable = |words: String| DockerError::Unsuitable { socket: socket.into(), words };
    if info.os_type.as_deref().is_some_and(|os| os != "linux") {
        return Err(unsuitable(format!(
            "its containers run {}",
            info.os_type.as_deref().unwrap_or_default()
        )));
    }
    let own = rustix::system::uname();
    let kernel = own.release().to_string_lossy();
    if let Some(other) = info.kernel_version.as_deref().filter(|other| !other.is_empty() && *other != kernel)
    {
        let words = format!("its kernel is {other}, this machine's {kernel}");
        return Err(DockerError::OtherMachine { socket: socket.into(), words });
    }
    let api = client.client_version();
    let api = (api.major_version, api.minor_version);
    if api < LEAST_API {
        let (least, is) = (format!("{}.{}", LEAST_API.0, LEAST_API.1), format!("{}.{}", api.0, api.1));
        return Err(unsuitable(format!(
            "its interface is version {is}, and {least} is the least that will do"
        )));
    }
    let options = info.security_options.as_deref().unwrap_or_default();
    let has = |name: &str| options.iter().any(|option| option.split(',').any(|part| part == name));
    let components = version.components.as_deref().unwrap_or_default();
    Ok(Engine {
        socket: socket.to_owned(),
        version: one_line(version.version.as_deref().unwrap_or("?")),
        api,
        podman: components.iter().any(|component| component.name.contains("Podman")),
        rootless: has("name=rootless"),
        selinux: has("name=selinux"),
        userns_remap: has("name=userns"),
        cgroup_version: match info.cgroup_version {
            Some(SystemInfoCgroupVersionEnum::_1) => Some(1),
            Some(SystemInfoCgroupVersionEnum::_2) => Some(2),
            _ => None,
        },
        architecture: as_images_say(info.architecture.as_deref().or(version.arch.as_deref()).unwrap_or("?")),
        live_restore: info.live_restore_enabled == Some(true),
        limits: EngineLimits {
            memory: info.memory_limit != Some(false),
            swap: info.swap_limit != Some(false),
            cpus: info.cpu_cfs_quota != Some(false) && info.cpu_cfs_period != Some(false),
            pids: info.pids_limit != Some(false),
        },
    })
}

/// The kernel's name of a processor as images have it.
pub(crate) fn as_images_say(machine: &str) -> String {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i386" | "i686" => "386",
        other => other,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(rootless: bool) -> Engine {
        let limits = EngineLimits { memory: true, swap: true, cpus: true, pids: true };
        Engine {
            socket: "/s".into(),
            version: "1".into(),
            api: (1, 41),
            podman: false,
            rootless,
            selinux: false,
            userns_remap: false,
            cgroup_version: Some(2),
            architecture: "amd64".into(),
            live_restore: false,
            limits,
        }
    }

    #[test]
    fn agents_are_nobody_who_owns_more_than_their_work() {
        let (root, user, owner) = ((0, 0), (1000, 100), (1234, 1235));
        let of = |rootless, gadugi, owner| {
            let agent = engine(rootless).user_for(gadugi, owner, (7, 8));
            (agent.inside, agent.outside, agent.is_root_inside)
        };
        assert_eq!(of(false, user, owner), (user, None, false), "a user's agents are that user's");
        assert_eq!(of(false, root, owner), (owner, Some(owner), false));
        assert_eq!(of(false, root, root), ((10001, 10001), Some((10001, 10001)), false), "never root");
        assert_eq!(of(true, user, owner), (root, None, true));
        assert_eq!(of(true, root, owner), (root, Some((7, 8)), true), "root with a user's engine");
    }

    #[test]
    fn processors_have_one_name() {
        assert_eq!(["x86_64", "aarch64", "amd64"].map(as_images_say), ["amd64", "arm64", "amd64"]);
    }
}
