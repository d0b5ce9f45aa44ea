//! A Docker engine of the tests' own, and the images that they want on it.
//!
//! The engine is started and ended by `gadugi-test-engine` (of `crates/testkit`), which ends with this process however that one
//! ends. Its data lies in `target/tools`, so that a second run finds the images. What reaches this machine's mirrors (proxies,
//! certificates, registries) is looked up here and handed to the image's build, and is written nowhere in the repository.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::shell::{cargo, output, run, say};
use crate::{names, shell, tools};

/// Names the engine to the tests; where it is set already, that engine is taken and none is started.
pub(crate) const VARIABLE: &str = "GADUGI_TEST_DOCKER";

/// As `gadugi_testkit::docker` has them.
pub(crate) const BASE_IMAGE: &str = "gadugi-test/base:bookworm";
const AGENT_IMAGE: &str = "gadugi-test/agent:bookworm";

/// Debian's release that the base image is.
const RELEASE: &str = "bookworm";

/// An engine with the images on it.
pub(crate) struct Engine {
    address: String,
    /// The containers that were there before the tests.
    before: BTreeSet<String>,
    keeper: Option<Keeper>,
}

/// The program that keeps an engine; it ends the engine when its input ends.
struct Keeper {
    process: Child,
    input: Option<ChildStdin>,
}

impl Engine {
    /// Starts it, makes the images where they are not there yet, and says how long that took. The programs of the workspace have to
    /// be built.
    pub(crate) fn start() -> Result<Self> {
        let began = Instant::now();
        let built = names::target()?.join("debug");
        let given = shell::variable(VARIABLE);
        let mut engine = match given {
            Some(address) => Self { address, before: BTreeSet::new(), keeper: None },
            None => Self::keep(&built.join("gadugi-test-engine"))?,
        };
        engine.base_image()?;
        engine.agent_image(&built.join(names::BINARY))?;
        if engine.keeper.is_some() {
            // What an earlier Dockerfile came to; on an engine of somebody's own it is theirs to say.
            output(engine.docker(["image", "prune", "--force"]))?;
        }
        engine.before = engine.containers()?;
        say(&format!(
            "a Docker engine with its images at {}: {:.0} s",
            engine.address,
            began.elapsed().as_secs_f64()
        ));
        Ok(engine)
    }

    fn keep(program: &Path) -> Result<Self> {
        let folder = names::tools().join("engine");
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(program);
        // A group of its own: Ctrl-C ends this process, and by that the engine in good order.
        command.arg(folder.join("data")).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let input = process.stdin.take();
        let mut keeper = Keeper { process, input };
        let mut address = String::new();
        BufReader::new(keeper.process.stdout.take().context("no pipe")?).read_line(&mut address)?;
        ensure!(address.starts_with("unix://"), "the tests' Docker engine could not be started");
        Ok(Self { address: address.trim().to_owned(), before: BTreeSet::new(), keeper: Some(keeper) })
    }

    /// `unix:///…`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Removes the containers that the tests left and describes each.
    pub(crate) fn remove_what_is_left(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for id in self.containers()?.difference(&self.before) {
            let format = "{{.Names}} of {{.Image}}, {{.Status}}";
            left.push(
                output(self.docker(["ps", "--all", "--filter", &format!("id={id}"), "--format", format]))?
                    .trim()
                    .to_owned(),
            );
            output(self.docker(["rm", "--force", "--volumes", id]))?;
        }
        Ok(left)
    }

    fn containers(&self) -> Result<BTreeSet<String>> {
        let ids = output(self.docker(["ps", "--all", "--quiet", "--no-trunc"]))?;
        Ok(ids.lines().map(str::to_owned).collect())
    }

    fn docker<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut docker = Command::new("docker");
        docker.args(["--host", &self.address]).args(arguments);
        docker
    }

    fn base_image(&self) -> Result<()> {
        let archive = names::tools().join(format!("base-{RELEASE}.tar"));
        if !archive.exists() {
            bootstrap(&archive)?;
        }
        // By its label, since another archive is another image.
        let stamp = format!("{:?}", fs::metadata(&archive)?.modified()?);
        let label = "{{index .Config.Labels \"gadugi.test.archive\"}}";
        if output(self.docker(["image", "inspect", "--format", label, BASE_IMAGE]))
            .is_ok_and(|found| found.trim() == stamp)
        {
            return Ok(());
        }
        let mut import =
            self.docker(["import", "--change", &format!("LABEL gadugi.test.archive=\"{stamp}\"")]);
        import.arg(&archive).arg(BASE_IMAGE).stdout(Stdio::null());
        run(import)
    }

    /// Through gadugi itself. Where nothing changed, the engine has every layer already.
    fn agent_image(&self, gadugi: &Path) -> Result<()> {
        let overrides = tempfile::tempdir()?;
        let certificates = overrides.path().join("certificates");
        fs::create_dir(&certificates)?;
        for certificate in extra_certificates() {
            fs::copy(&certificate, certificates.join(certificate.file_name().context("a file has a name")?))?;
        }
        let mut build = Command::new(gadugi);
        build.args(["image", "build", "--base", BASE_IMAGE, "--tag", AGENT_IMAGE, "--network", "host"]);
        for (name, value) in mirrors() {
            build.args(["--build-arg", &format!("{name}={value}")]);
        }
        build.arg(overrides.path()).env("DOCKER_HOST", &self.address).env_remove("DOCKER_CONTEXT");
        run(build)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.input.take());
        // It has nothing left to do but to end.
        let _ = self.process.wait();
    }
}

/// Debian with git and certificates, from the mirror that this machine's own packages come from.
fn bootstrap(archive: &Path) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("debootstrap-").tempdir_in(names::tools())?;
    let root = folder.path().join("root");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", "--include=ca-certificates,git", RELEASE]).arg(&root);
    debootstrap.args(mirror()).stdout(Stdio::null());
    run(debootstrap)?;
    for emptied in ["var/cache/apt/archives", "var/lib/apt/lists"] {
        let _ = fs::remove_dir_all(root.join(emptied));
        fs::create_dir_all(root.join(emptied))?;
    }
    let half = folder.path().join("half.tar");
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "--one-file-system", "--create", "--file"])
        .arg(&half)
        .arg("--directory")
        .arg(&root)
        .arg(".");
    run(tar)?;
    fs::rename(&half, archive)?;
    Ok(())
}

/// The address that apt's own configuration has for Debian; none: debootstrap's own.
fn mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(
        fs::read_dir("/etc/apt/sources.list.d")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path())),
    );
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).find_map(|text| mirror_of(&text))
}

/// `deb [options] http://host/debian suite main`, or the same as `URIs: http://host/debian`.
fn mirror_of(sources: &str) -> Option<String> {
    let lines =
        sources.lines().map(str::trim).filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"));
    let mut addresses = lines.flat_map(str::split_whitespace).filter(|word| word.contains("://"));
    addresses.find(|address| address.trim_end_matches('/').ends_with("/debian")).map(str::to_owned)
}

/// What this machine trusts beyond what everybody does.
fn extra_certificates() -> Vec<PathBuf> {
    let entries = fs::read_dir("/usr/local/share/ca-certificates").into_iter().flatten();
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "crt")).collect()
}

/// Build arguments that lead to this machine's mirrors.
fn mirrors() -> Vec<(String, String)> {
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
    let mut found: Vec<(String, String)> =
        proxies.into_iter().filter_map(|name| Some((name.to_owned(), shell::variable(name)?))).collect();
    let mut npm = Command::new("npm");
    npm.args(["config", "get", "registry"]);
    if let Some(registry) =
        output(npm).ok().map(|text| text.trim().to_owned()).filter(|text| text.contains("://"))
    {
        found.push(("NPM_CONFIG_REGISTRY".into(), registry));
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "config", "get", "global.index-url"]);
    if let Some(index) =
        shell::variable("PIP_INDEX_URL").or_else(|| output(pip).ok()).filter(|text| text.contains("://"))
    {
        found.push(("PIP_INDEX_URL".into(), index.trim().to_owned()));
    }
    found
}

/// Runs a command with the engine and its images.
pub(crate) fn run_with(command: &[String]) -> Result<()> {
    refuse_without_root()?;
    tools::provide(&tools::FOR_CONTAINERS)?;
    run(cargo(["build", "--locked", "--package", names::BINARY, "--package", "gadugi-testkit", "--bins"]))?;
    let engine = Engine::start()?;
    let (program, arguments) = command.split_first().context("no command")?;
    let mut wished = Command::new(program);
    wished.args(arguments).env(VARIABLE, engine.address());
    let done = run(wished);
    let left = engine.remove_what_is_left()?;
    ensure!(left.is_empty(), "containers were left behind (removed now): {}", left.join("; "));
    done
}

/// Where no engine can be had: the reason, in one line.
pub(crate) fn refuse_without_root() -> Result<()> {
    if shell::variable(VARIABLE).is_none() && !shell::is_root() {
        bail!(
            "a Docker engine of the tests' own needs root: run this as root, or set {VARIABLE}=unix:///PATH"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_one_of_apt() {
        for (sources, expected) in [
            ("deb http://mirror.example/debian bookworm main\n", Some("http://mirror.example/debian")),
            (
                "# deb http://no.example/debian x\ndeb [signed-by=/k] https://m.example/debian/ x main",
                Some("https://m.example/debian/"),
            ),
            (
                "Types: deb\nURIs: http://a.example/debian-security\n\nTypes: deb\nURIs: http://a.example/debian\n",
                Some("http://a.example/debian"),
            ),
            ("deb https://other.example/apt cloud main\n", None),
            ("", None),
        ] {
            assert_eq!(mirror_of(sources).as_deref(), expected, "{sources}");
        }
    }

    #[test]
    fn names_are_those_of_the_testkit() {
        let testkit = fs::read_to_string(names::root().join("crates/testkit/src/docker.rs")).unwrap();
        for name in [VARIABLE, BASE_IMAGE, AGENT_IMAGE] {
            assert!(testkit.contains(&format!("\"{name}\"")), "{name}");
        }
    }
    #[test]
    fn the_compose_file_hands_over_what_the_engine_needs_and_no_more() {
        let text = fs::read_to_string(names::root().join("docker-compose.yml")).unwrap();
        let file: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let service = &file["services"]["gadugi"];
        for volume in service["volumes"].as_array().unwrap() {
            assert_eq!(volume["source"], volume["target"], "the same path on both sides");
        }
        assert_eq!(service["volumes"].as_array().unwrap().len(), 2);
        assert_eq!((&service["pid"], &service["cap_drop"][0]), (&"host".into(), &"ALL".into()));
        assert!(service["privileged"].is_null());
        let dockerfile = service["build"]["dockerfile"].as_str().unwrap();
        assert!(names::root().join(dockerfile).is_file());
        let version = format!("gadugi/engine:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(service["image"], version.as_str());
        // Every variable without a default is one that the comment says how to set.
        for variable in text.split("${").skip(1).filter(|rest| rest.starts_with("GADUGI_")) {
            let name = variable.split([':', '}']).next().unwrap();
            assert!(text.contains(&format!("{name}=")), "{name}");
        }
    }
}
