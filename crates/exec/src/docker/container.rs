//! What a step's container is made of: the order in gadugi's words, and the request in the engine's.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount as BindMount, MountType,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use rustix::process::{Resource, getrlimit};

use super::connection::Engine;
use super::error::DockerError;
use super::image::Image;
use super::volume::Overlay;
use crate::StepOrder;

/// Where the shim is mounted.
pub(crate) const SHIM: &str = "/gadugi/shim";

/// Where the step's gate is mounted: the folder of its sockets.
pub const GATE: &str = "/gadugi/gate";

/// The socket in the gate over which the shim receives the step's folder.
pub(crate) const LAUNCH_SOCKET: &str = "launch.sock";

/// Names nothing of the machine; the same for all, since agents see it.
const HOSTNAME: &str = "gadugi";

/// Open files that a process may have, where gadugi itself may have as many (an engine of a user cannot raise its own
/// bound). Enough for any build; a million, which some engines give, keeps programs busy that close all of them.
const OPEN_FILES: u64 = 65_536;

/// Bytes of the container's log, which holds no more than a shim's last words.
const LOG: &str = "64k";

/// What stands where an image declares a volume: memory, so that nothing outlives the container.
const VOLUME: &str = "rw,nosuid,nodev,size=64m";

/// Memory that an engine accepts for a container at the least.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;

/// The container that a step is to run in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerOrder {
    /// The image's name or id.
    pub image: String,
    /// The container's name; of one step the same each time, so that the engine lets it run once only.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// User and group inside.
    pub user: (u32, u32),
    /// What of the host it sees, beside shim and gate.
    pub mounts: Vec<Mount>,
    /// Views of folders of the host that stay as they are.
    pub overlays: Vec<Overlay>,
    /// The folder that is mounted (read-only) at `/gadugi/gate`; made (0700) where it is not there. The step's own: who can
    /// look into it can take the step's place.
    pub gate: PathBuf,
    /// Memory, swap included; none: no bound.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a processor; none: no bound.
    pub cpus_permille: Option<u32>,
    /// Processes and threads; none: no bound.
    pub pids: Option<u32>,
}

/// A folder or file of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// On the host, absolute; must be there.
    pub source: PathBuf,
    /// In the container, absolute.
    pub target: PathBuf,
    /// Whether it cannot be written through.
    pub read_only: bool,
}

/// The engine's request for that container.
pub(crate) fn body(
    engine: &Engine,
    shim: &Path,
    order: &StepOrder,
    container: &ContainerOrder,
    image: &Image,
) -> Result<ContainerCreateBody, DockerError> {
    Ok(ContainerCreateBody {
        image: Some(image.id.clone()),
        hostname: Some(HOSTNAME.into()),
        user: Some(format!("{}:{}", container.user.0, container.user.1)),
        env: Some(environment(engine, order, image)?),
        entrypoint: Some(vec![SHIM.into(), "--from".into(), format!("{GATE}/{LAUNCH_SOCKET}")]),
        cmd: Some(Vec::new()),
        working_dir: Some(text(&order.cwd)?),
        labels: Some(container.labels.clone().into_iter().collect()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        stop_signal: Some("SIGTERM".into()),
        tty: Some(false),
        open_stdin: Some(false),
        network_disabled: Some(true),
        host_config: Some(host(engine, shim, container, image)?),
        ..Default::default()
    })
}

fn host(
    engine: &Engine,
    shim: &Path,
    container: &ContainerOrder,
    image: &Image,
) -> Result<HostConfig, DockerError> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let memory = container.memory_bytes.map(|bytes| number(bytes.max(LEAST_MEMORY)));
    let memory = memory.filter(|_| engine.limits.memory);
    let mut security = vec!["no-new-privileges".to_owned()];
    if engine.selinux {
        // A confined container could not reach the gateway's socket, nor its workspace.
        security.push("label=disable".into());
    }
    Ok(HostConfig {
        memory,
        memory_swap: memory.filter(|_| engine.limits.swap),
        nano_cpus: container
            .cpus_permille
            .filter(|_| engine.limits.cpus)
            .map(|part| i64::from(part) * 1_000_000),
        pids_limit: container.pids.filter(|_| engine.limits.pids).map(i64::from),
        mounts: Some(mounts(shim, container)?),
        tmpfs: Some(volumes(container, image)),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(security),
        network_mode: Some("none".into()),
        ipc_mode: Some("private".into()),
        userns_mode: engine.userns_remap.then(|| "host".into()),
        init: Some(false),
        privileged: Some(false),
        auto_remove: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ulimits: Some(ulimits()),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(HashMap::from([("max-size".into(), LOG.into())])),
        }),
        ..Default::default()
    })
}

fn ulimits() -> Vec<ResourcesUlimits> {
    let both = |name: &str, value: u64| {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        ResourcesUlimits { name: Some(name.into()), soft: Some(value), hard: Some(value) }
    };
    let own = getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES);
    vec![both("core", 0), both("nofile", OPEN_FILES.min(own))]
}

fn mounts(shim: &Path, container: &ContainerOrder) -> Result<Vec<BindMount>, DockerError> {
    let own = [(shim, SHIM), (&container.gate, GATE)];
    let own = own.map(|(source, target)| (source, Path::new(target), true));
    let ordered = container.mounts.iter().map(|mount| (&*mount.source, &*mount.target, mount.read_only));
    let bind = |(source, target, read_only): (&Path, &Path, bool)| {
        Ok(BindMount {
            typ: Some(MountType::BIND),
            source: Some(text(source)?),
            target: Some(text(target)?),
            read_only: Some(read_only),
            ..Default::default()
        })
    };
    let binds = ordered.chain(own).map(bind);
    binds.chain(container.overlays.iter().map(Overlay::mount)).collect()
}

/// Where the image declares volumes, but for what is mounted anyway.
fn volumes(container: &ContainerOrder, image: &Image) -> HashMap<String, String> {
    let mounted = |path: &str| {
        let targets = container.mounts.iter().map(|mount| &*mount.target);
        let views = container.overlays.iter().map(|view| &*view.target);
        targets.chain(views).chain([Path::new(SHIM), Path::new(GATE)]).any(|target| target == Path::new(path))
    };
    // Its owner is named, and not its mode: some versions of runc give it that of the folder beneath, whatever is asked.
    let options = format!("{VOLUME},uid={},gid={}", container.user.0, container.user.1);
    image.volumes.iter().filter(|path| !mounted(path)).map(|path| (path.clone(), options.clone())).collect()
}

/// Exactly the order's: a name without a value takes away what the image, or the engine, would add. `PATH` alone is the
/// image's where the order has none.
fn environment(engine: &Engine, order: &StepOrder, image: &Image) -> Result<Vec<String>, DockerError> {
    let mut environment = Vec::new();
    let mut names = Vec::new();
    for (name, value) in order.environment() {
        let named = name.to_string_lossy().into_owned();
        let value = value.into_string().map_err(|_| not_text(&name))?;
        environment.push(format!("{}={value}", name.into_string().map_err(|name| not_text(&name))?));
        names.push(named);
    }
    // Podman reads a name alone as a wish for its own variable of that name.
    if !engine.podman {
        let foreign = image.env.iter().filter_map(|entry| entry.split('=').next()).chain(["HOSTNAME"]);
        let foreign: Vec<_> =
            foreign.filter(|name| *name != "PATH" && !names.iter().any(|own| own == name)).collect();
        environment.extend(foreign.into_iter().map(str::to_owned));
    }
    Ok(environment)
}

fn not_text(name: &OsString) -> DockerError {
    let name = name.to_string_lossy();
    DockerError::Order(format!("the variable {name} is not UTF-8, which a container engine cannot pass on"))
}

pub(crate) fn text(path: &Path) -> Result<String, DockerError> {
    let words = |what| DockerError::Order(format!("{} {what}", path.display()));
    if !path.is_absolute() {
        return Err(words("is not an absolute path"));
    }
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| words("is not UTF-8, which a container engine cannot be told"))
}
