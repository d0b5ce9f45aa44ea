//! A Docker engine of one's own: started, killed, started again, and gone in the end with all that it started.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gadugi_sys::clock;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::leftovers::Leftovers;

/// How long an engine may take to answer: it opens a database and starts containerd (2 s here, idle).
const START: Duration = Duration::from_secs(90);

/// How long it may take to leave once its containers are gone.
const STOP: Duration = Duration::from_secs(20);

/// What an engine is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where its images and containers lie; none: in the engine's own folder, gone with it.
    pub data_root: Option<PathBuf>,
    /// Further arguments of `dockerd`, such as `--live-restore`.
    pub arguments: Vec<String>,
    /// Whether the engine itself is in the machine's network, so that images can be built that need something from there (with
    /// network `host`). Else it is in a network of its own that leads nowhere.
    pub in_network: bool,
}

/// The bridge that an engine makes for itself, and that all engines of a machine share.
const BRIDGE: &str = "docker0";

/// A Docker engine of a test's own. It needs root, changes no rules of a firewall, and its containers have network `none` or
/// `host`. Dropped, it is stopped, and so is what it started.
#[derive(Debug)]
pub struct TestEngine {
    /// Sockets, pid file, log; short, since containerd's own sockets lie below it and a socket's path has 107 bytes.
    folder: TempDir,
    data_root: PathBuf,
    options: Options,
    /// Whether the machine had no bridge before.
    makes_bridge: bool,
    leftovers: Leftovers,
    dockerd: Option<Child>,
}

impl TestEngine {
    /// Starts one with no images and waits until it answers.
    ///
    /// # Panics
    /// Where it does not start; the end of its log is told.
    pub fn start() -> Self {
        Self::start_with(Options::default()).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same with options.
    ///
    /// # Errors
    /// Where it does not start, in words, with the end of its log.
    pub fn start_with(options: Options) -> Result<Self, String> {
        // Not TMPDIR, which may be long.
        let folder = tempfile::Builder::new()
            .prefix("gadugi-engine-")
            .permissions(fs::Permissions::from_mode(0o711))
            .tempdir_in("/tmp")
            .map_err(|error| format!("/tmp: {error}"))?;
        let data_root = options.data_root.clone().unwrap_or_else(|| folder.path().join("data"));
        let cgroup = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let leftovers = Leftovers::new(cgroup, folder.path().to_owned(), data_root.clone());
        let makes_bridge = options.in_network && !has_bridge();
        let mut engine = Self { folder, data_root, options, makes_bridge, leftovers, dockerd: None };
        engine.launch()?;
        Ok(engine)
    }

    /// Its address: `unix:///…`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket_path().display())
    }

    /// Its socket.
    pub fn socket_path(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// The end of what it wrote to its log.
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Ends it with SIGKILL: containerd dies with it, containers and their shims go on. What has no
    /// `--live-restore` is ended when the engine is back.
    pub fn kill(&mut self) {
        if let Some(mut dockerd) = self.dockerd.take() {
            // It cannot have been waited for: it is still ours.
            dockerd.kill().expect("a child can be killed");
            dockerd.wait().expect("a child can be waited for");
            self.leftovers.kill_containerd();
        }
    }

    /// Ends it as a service manager does, with SIGTERM: it stops its containers (TERM, and after their
    /// time KILL) and leaves.
    pub fn stop(&mut self) {
        let Some(mut dockerd) = self.dockerd.take() else { return };
        // It is still ours, also where it has ended by itself.
        if let Some(pid) = i32::try_from(dockerd.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP;
        while dockerd.try_wait().expect("a child can be waited for").is_none() {
            if Instant::now() > deadline {
                dockerd.kill().expect("a child can be killed");
            }
            // std has no way to wait for a child with a deadline.
            clock::pause(Duration::from_millis(10));
        }
    }

    /// Starts it again where it was, with its images and containers, and waits until it answers.
    ///
    /// # Panics
    /// Where it runs, and where it does not start.
    pub fn restart(&mut self) {
        assert!(self.dockerd.is_none(), "kill or stop it first");
        self.launch().unwrap_or_else(|why| panic!("{why}"));
    }

    /// Copies an image from another engine (`unix:///…`), by `docker save | docker load`.
    ///
    /// # Panics
    /// Where that fails.
    pub fn load(&self, image: &str, from: &str) {
        let mut save = self.docker(from, &["save", image]).stdout(Stdio::piped()).spawn().expect("docker");
        let tar = save.stdout.take().expect("a pipe");
        let loaded = self.docker(&self.host(), &["load"]).stdin(tar).output().expect("docker");
        let saved = save.wait().expect("a child can be waited for");
        let said = String::from_utf8_lossy(&loaded.stderr);
        assert!(saved.success() && loaded.status.success(), "{image} from {from}: {saved}, {said}");
    }

    /// The `docker` command towards an engine, with no configuration of anybody's.
    fn docker(&self, host: &str, arguments: &[&str]) -> Command {
        let mut docker = Command::new("docker");
        docker.args(["--host", host]).args(arguments).env("DOCKER_CONFIG", self.folder.path());
        for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_API_VERSION"] {
            docker.env_remove(variable);
        }
        docker
    }

    fn launch(&mut self) -> Result<(), String> {
        let folder = self.folder.path();
        // The machine's own /etc/docker/daemon.json is for the machine's own engine.
        let configuration = folder.join("daemon.json");
        let file = |name: &str, error: io::Error| format!("{}: {error}", folder.join(name).display());
        fs::write(&configuration, "{}").map_err(|error| file("daemon.json", error))?;
        // Left behind by one that was killed. The pids may be somebody else's by now, or zombies, which dockerd takes
        // for a containerd that runs.
        for pid_file in ["pid", "x/containerd/containerd.pid"] {
            let _ = fs::remove_file(folder.join(pid_file));
        }
        let log = File::options().create(true).append(true).open(folder.join("log"));
        let log = log.map_err(|error| file("log", error))?;
        let mut dockerd = if self.options.in_network {
            Command::new("dockerd")
        } else {
            // An engine that is told to have no bridge deletes the machine's, whoever uses it: so it must not see it.
            let mut unshared = Command::new("unshare");
            unshared.args(["--net", "dockerd", "--bridge=none"]);
            unshared
        };
        dockerd.arg("--config-file").arg(configuration).arg("--data-root").arg(&self.data_root);
        dockerd.arg("--exec-root").arg(folder.join("x")).arg("--pidfile").arg(folder.join("pid"));
        dockerd.args(["--host", &self.host(), "--cgroup-parent", &format!("/{}", self.leftovers.cgroup())]);
        dockerd.args(["--iptables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"]);
        // Without systemd too; it is the default where cgroups are of version 1.
        dockerd.arg("--exec-opt=native.cgroupdriver=cgroupfs").args(&self.options.arguments);
        // A group of its own: Ctrl-C on the tests' terminal is not for the engine.
        dockerd.process_group(0).stdin(Stdio::null()).stderr(log).stdout(Stdio::null());
        let child = dockerd.spawn().map_err(|error| format!("cannot start dockerd: {error}"))?;
        let child = self.dockerd.insert(child);
        let deadline = Instant::now() + START;
        let socket = folder.join("docker.sock");
        let why = loop {
            if let Ok(Some(status)) = child.try_wait() {
                break format!("dockerd ended: {status}");
            }
            if answers(&socket) {
                return Ok(());
            }
            if Instant::now() > deadline {
                break format!("dockerd does not answer within {} s", START.as_secs());
            }
            // Its socket is listened on by another process: nothing tells when.
            clock::pause(Duration::from_millis(20));
        };
        Err(format!("{why}\n{}", self.log_tail()))
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        // Containers first: an engine that stops gives each of them ten seconds.
        self.leftovers.kill_containers();
        self.stop();
        self.leftovers.clear();
        if self.makes_bridge && has_bridge() {
            // Nothing is left of it but that; where it stays, it does no harm.
            let _ = Command::new("ip").args(["link", "delete", BRIDGE]).output();
        }
    }
}

fn has_bridge() -> bool {
    Path::new("/sys/class/net").join(BRIDGE).exists()
}

/// Whether an engine answers there: the socket is there well before.
fn answers(socket: &Path) -> bool {
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.into())
    };
    ask().is_ok_and(|status| status.ends_with(b" 200"))
}
