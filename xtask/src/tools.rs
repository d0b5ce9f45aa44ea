//! What the tests need beside cargo: looked for, and installed where it is missing.
//!
//! Programs of the system come from apt, which needs root. What this repository pins (Claude Code, cargo-deny, Node.js where the
//! machine's is too old) goes to `target/tools`, which needs no rights, and so does a package of Debian's whose installation would
//! start a service (Prometheus): it is unpacked there. What cannot be installed is told, one line for each, and is an error.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{names, node, shell};

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: [u32; 3] = [0, 20, 2];

/// The version of cargo-fuzz that `cargo xtask fuzz` calls.
const CARGO_FUZZ: [u32; 3] = [0, 13, 2];

/// The least git: `merge-tree --write-tree`.
const GIT: [u32; 2] = [2, 38];

/// The least Node.js that Claude Code's package asks for.
const NODE: [u32; 2] = [18, 0];

/// Everything that `cargo xtask lint` needs.
pub(crate) const FOR_LINTS: [Need; 4] = [GIT_NEED, RUSTFMT, CLIPPY, DENY];

/// Everything that `cargo xtask test` needs. What others need comes before them.
pub(crate) const FOR_TESTS: [Need; 16] = [
    GIT_NEED,
    CERTIFICATES,
    COMPILER,
    NODE_NEED,
    NPM,
    DOCKER,
    IPTABLES,
    IPROUTE,
    DEBOOTSTRAP,
    RUSTFMT,
    CLIPPY,
    DENY,
    CLAUDE,
    NODE_FOR_PAGE,
    CHROMIUM,
    PROMETHEUS,
];

/// Everything that the page is built with.
pub(crate) const FOR_PAGE: [Need; 3] = [NODE_NEED, NPM, NODE_FOR_PAGE];

/// Everything that shows the page.
pub(crate) const FOR_BROWSER: [Need; 4] = [NODE_NEED, NPM, NODE_FOR_PAGE, CHROMIUM];

/// Everything that a Docker engine of the tests' own needs.
pub(crate) const FOR_CONTAINERS: [Need; 4] = [DOCKER, IPTABLES, IPROUTE, DEBOOTSTRAP];

/// Everything that `cargo xtask fuzz` needs.
pub(crate) const FOR_FUZZING: [Need; 2] = [CPP_COMPILER, FUZZ];

/// One thing that has to be there.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// What to call it, with the version where one matters.
    what: &'static str,
    /// Whether it is there.
    found: fn() -> bool,
    /// How it comes there.
    from: Source,
}

#[derive(Clone, Copy)]
enum Source {
    /// A package of the system.
    Apt(&'static str),
    /// A component of the Rust toolchain.
    Rustup(&'static str),
    /// A program that this repository pins; it needs no rights.
    Pinned(fn() -> Result<()>),
    /// A package of Debian's, unpacked into a folder of `target/tools` and not installed: it would start a service.
    Unpacked(&'static str),
}

const GIT_NEED: Need = Need {
    what: "git, 2.38 or later",
    found: || at_least("git", "--version", &GIT),
    from: Source::Apt("git"),
};
const CERTIFICATES: Need = Need {
    what: "the certificates of the certificate authorities",
    found: || Path::new("/etc/ssl/certs/ca-certificates.crt").exists(),
    from: Source::Apt("ca-certificates"),
};
const COMPILER: Need = Need {
    what: "a C compiler (cc)",
    found: || at_least("cc", "--version", &[]),
    from: Source::Apt("build-essential"),
};
const CPP_COMPILER: Need = Need {
    what: "a C++ compiler (c++)",
    found: || at_least("c++", "--version", &[]),
    from: Source::Apt("build-essential"),
};
const NODE_NEED: Need = Need {
    what: "Node.js, 18 or later",
    found: || at_least("node", "--version", &NODE),
    from: Source::Apt("nodejs"),
};
const NPM: Need = Need { what: "npm", found: || at_least("npm", "--version", &[]), from: Source::Apt("npm") };
// Behind the two: npm brings it along.
const NODE_FOR_PAGE: Need = Need {
    what: "Node.js, 20.19 or 22.12 or later, and npm",
    found: || node::search_path().is_some(),
    from: Source::Pinned(node::install),
};
const CHROMIUM: Need = Need { what: "Chromium", found: || chromium().is_ok(), from: Source::Apt("chromium") };
const PROMETHEUS: Need = Need {
    what: "Prometheus and promtool",
    found: || {
        let there = |name| is_program(name) || names::tools().join("prometheus/usr/bin").join(name).is_file();
        there("prometheus") && there("promtool")
    },
    from: Source::Unpacked("prometheus"),
};
const DOCKER: Need = Need {
    what: "the Docker Engine and its command",
    found: || is_program("dockerd") && is_program("docker"),
    from: Source::Apt("docker.io"),
};
// Some versions of the engine do not start without it, even where they are told to change no rules.
const IPTABLES: Need =
    Need { what: "iptables", found: || is_program("iptables"), from: Source::Apt("iptables") };
const IPROUTE: Need = Need { what: "ip", found: || is_program("ip"), from: Source::Apt("iproute2") };
const DEBOOTSTRAP: Need =
    Need { what: "debootstrap", found: || is_program("debootstrap"), from: Source::Apt("debootstrap") };
const RUSTFMT: Need = Need {
    what: "rustfmt",
    found: || at_least("rustfmt", "--version", &[]),
    from: Source::Rustup("rustfmt"),
};
const CLIPPY: Need = Need {
    what: "clippy",
    found: || at_least("cargo-clippy", "--version", &[]),
    from: Source::Rustup("clippy"),
};
const DENY: Need = Need {
    what: "cargo-deny 0.20.2",
    found: || cargo_deny().is_some(),
    from: Source::Pinned(install_cargo_deny),
};
const FUZZ: Need = Need {
    what: "cargo-fuzz 0.13.2",
    found: || cargo_fuzz().is_some(),
    from: Source::Pinned(install_cargo_fuzz),
};
const CLAUDE: Need = Need {
    what: "Claude Code, as pinned in xtask/tools/claude-code",
    found: || claude_is_there().unwrap_or(false),
    from: Source::Pinned(install_claude),
};

/// Looks for each of them and installs what is missing. Asked again when all is there, it only looks.
pub(crate) fn provide(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.found)()).collect();
    let told: Vec<String> = missing.iter().filter_map(|need| cannot_install(need)).collect();
    if !told.is_empty() {
        for line in &told {
            shell::complain(line);
        }
        bail!("{} of the things that are needed cannot be installed from here", told.len());
    }
    install_packages(&missing)?;
    for need in &missing {
        // A package may have brought it along since.
        if !(need.found)() {
            match need.from {
                Source::Pinned(install) => install(),
                Source::Unpacked(package) => unpack(package),
                Source::Apt(_) | Source::Rustup(_) => Ok(()),
            }
            .with_context(|| format!("cannot install {}", need.what))?;
        }
        ensure!((need.found)(), "{} was installed and still cannot be found: look at PATH", need.what);
    }
    shell::say(&format!("tools: {} installed, {} there before", missing.len(), needs.len() - missing.len()));
    Ok(())
}

/// The line for a thing that nothing here can install.
fn cannot_install(need: &Need) -> Option<String> {
    let by_hand = match need.from {
        Source::Apt(package) if !shell::is_root() => format!("as root: apt-get install {package}"),
        Source::Apt(package) | Source::Unpacked(package) if !is_program("apt-get") => {
            format!("with your system's package manager (Debian calls it {package})")
        }
        Source::Rustup(component) if !is_program("rustup") => {
            format!("as your Rust toolchain's component {component}")
        }
        _ => return None,
    };
    Some(format!("missing: {}; install it {by_hand}", need.what))
}

fn install_packages(missing: &[&Need]) -> Result<()> {
    let mut packages = Vec::new();
    let mut components = Vec::new();
    for need in missing {
        match need.from {
            Source::Apt(package) => packages.push(package),
            Source::Rustup(component) => components.push(component),
            Source::Pinned(_) | Source::Unpacked(_) => {}
        }
    }
    if !packages.is_empty() {
        shell::run(apt_get(&["update"]))?;
        shell::run(apt_get(
            &[&["install", "--yes", "--no-install-recommends"], packages.as_slice()].concat(),
        ))?;
    }
    if !components.is_empty() {
        let mut rustup = Command::new("rustup");
        rustup.args(["component", "add"]).args(components).current_dir(names::root());
        shell::run(rustup)?;
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet=2").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Fetches a package of Debian's and unpacks it into `target/tools/PACKAGE`: nobody's rights, no user, no service.
fn unpack(package: &str) -> Result<()> {
    if shell::is_root() {
        shell::run(apt_get(&["update"]))?;
    }
    let place = names::tools().join(package);
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place)?;
    let folder = tempfile::Builder::new().prefix("apt-").tempdir_in(names::tools())?;
    let mut download = apt_get(&["download", package]);
    // As root, apt fetches as a user of its own, who cannot write here; it says so on each call.
    download.args(["--option", "APT::Sandbox::User=root"]).current_dir(folder.path());
    shell::run(download)?;
    let archives = fs::read_dir(folder.path())?.map(|entry| Ok(entry?.path()));
    let archives: Vec<PathBuf> = archives.collect::<Result<_>>()?;
    let [archive] = archives.as_slice() else { bail!("apt-get download {package} left {archives:?}") };
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(archive).arg(&place);
    shell::run(unpack)
}

/// The pinned cargo-deny.
pub(crate) fn cargo_deny() -> Option<PathBuf> {
    pinned("cargo-deny", CARGO_DENY)
}

fn install_cargo_deny() -> Result<()> {
    install_pinned("cargo-deny", CARGO_DENY)
}

/// The pinned cargo-fuzz.
pub(crate) fn cargo_fuzz() -> Option<PathBuf> {
    pinned("cargo-fuzz", CARGO_FUZZ)
}

fn install_cargo_fuzz() -> Result<()> {
    install_pinned("cargo-fuzz", CARGO_FUZZ)
}

/// A program of cargo's registry: the one in `target/tools`, or the user's own of the same version.
fn pinned(name: &str, version: [u32; 3]) -> Option<PathBuf> {
    [names::tools().join("bin").join(name), PathBuf::from(name)]
        .into_iter()
        .find(|program| shell::version(program, "--version").is_some_and(|found| found == version))
}

fn install_pinned(name: &str, [major, minor, patch]: [u32; 3]) -> Result<()> {
    // Unoptimized: it runs for a second or two here, and is built in a third of the time.
    let mut install = shell::cargo(["install", "--quiet", "--locked", "--debug", "--root"]);
    install.arg(names::tools()).arg(format!("{name}@{major}.{minor}.{patch}"));
    shell::run(install)
}

/// The checked-in manifest and lockfile.
fn claude_pinned() -> PathBuf {
    names::root().join("xtask/tools/claude-code")
}

/// Where it is installed; the program is `node_modules/.bin/claude` below.
fn claude_installed() -> PathBuf {
    names::tools().join("claude-code")
}

/// Whether Claude Code is installed from the lockfile as it is now, and starts.
fn claude_is_there() -> Result<bool> {
    let installed = claude_installed();
    let lock = "package-lock.json";
    if fs::read(claude_pinned().join(lock))? != fs::read(installed.join(lock))? {
        return Ok(false);
    }
    let mut claude = Command::new(installed.join("node_modules/.bin/claude"));
    claude.arg("--version").env("HOME", installed.join("home")).env("DISABLE_AUTOUPDATER", "1");
    Ok(shell::output(claude).is_ok())
}

fn install_claude() -> Result<()> {
    let installed = claude_installed();
    fs::create_dir_all(installed.join("home"))?;
    install_from_lockfile(&claude_pinned(), &installed)
}

/// Installs npm packages into a folder, as a checked-in manifest and its lockfile say.
pub(crate) fn install_from_lockfile(pinned: &Path, installed: &Path) -> Result<()> {
    fs::create_dir_all(installed)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(pinned.join(file), installed.join(file))?;
    }
    let mut npm = Command::new("npm");
    // What it warns of (packages that ask for a newer Node.js than npm runs on) is known.
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(installed);
    shell::run(npm)
}

/// Where Chromium is.
pub(crate) fn chromium() -> Result<PathBuf> {
    let given = shell::variable("GADUGI_TEST_CHROMIUM").map(PathBuf::from);
    let path = shell::search_path();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    given.or_else(|| places.find(|path| path.is_file())).context("there is no Chromium")
}

fn at_least(program: &str, argument: &str, least: &[u32]) -> bool {
    shell::version(Path::new(program), argument).is_some_and(|found| found.as_slice() >= least)
}

fn is_program(name: &str) -> bool {
    std::env::split_paths(&shell::search_path()).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed_again() {
        const THERE: Need = Need { what: "sh", found: || true, from: Source::Pinned(|| bail!("called")) };
        provide(&[THERE]).unwrap();
    }

    #[test]
    fn what_does_not_come_by_its_installation_is_an_error() {
        const NEVER: Need = Need { what: "unobtainium", found: || false, from: Source::Pinned(|| Ok(())) };
        let error = provide(&[NEVER]).unwrap_err().to_string();
        assert!(error.contains("unobtainium"), "{error}");
    }

    #[test]
    fn the_lockfile_of_claude_code_holds_its_version_and_no_addresses() {
        let lock = fs::read_to_string(claude_pinned().join("package-lock.json")).unwrap();
        let manifest = fs::read_to_string(claude_pinned().join("package.json")).unwrap();
        let testkit = fs::read_to_string(names::root().join("crates/testkit/src/claude.rs")).unwrap();
        assert!(lock.contains("\"version\": \"2.1.197\"") && manifest.contains("\"2.1.197\""));
        assert!(testkit.contains("VERSION: &str = \"2.1.197\""), "testkit looks for another version");
        let image = fs::read_to_string(names::root().join("images/agent/Dockerfile")).unwrap();
        assert!(image.contains("ARG CLAUDE_CODE_VERSION=2.1.197\n"), "the agent image holds another version");
        assert!(!lock.contains("\"resolved\"") && !lock.contains("://"), "addresses in the lockfile");
    }
}
