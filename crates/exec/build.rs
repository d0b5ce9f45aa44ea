//! Builds the shim apart and hands its path to the crate, which embeds it.
//!
//! Apart, because it has to be static (`+crt-static`) so that it runs in any image, and that flag is for the shim alone:
//! given to the whole build it breaks proc-macros, and given without a `--target` it reaches build scripts.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables of cargo's that say where things come from; all its others would build something else.
const KEPT: [&str; 7] = [
    "CARGO_HOME",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
];

#[expect(clippy::disallowed_methods, reason = "a build script has no other door to cargo's variables")]
fn variable(name: &str) -> PathBuf {
    PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}")))
}

fn main() {
    let crates = variable("CARGO_MANIFEST_DIR").join("..");
    let (shim, target) = (crates.join("shim"), variable("TARGET"));
    let target = target.display().to_string();
    assert!(target.contains("-linux-"), "gadugi runs on Linux, not on {target}");
    let target_dir = variable("OUT_DIR").join("shim");
    for watched in [
        shim.join("src"),
        shim.join("Cargo.toml"),
        crates.join("../Cargo.toml"),
        crates.join("../Cargo.lock"),
    ] {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    build(&shim, &target, &target_dir);
    let binary = target_dir.join(&target).join("shim/gadugi-shim");
    println!("cargo::rustc-env=GADUGI_SHIM_BINARY={}", binary.display());
}

fn build(shim: &Path, target: &str, target_dir: &Path) {
    let mut cargo = Command::new(variable("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--locked",
        "--bin",
        "gadugi-shim",
        "--profile",
        "shim",
        "--target",
        target,
    ]);
    cargo.arg("--manifest-path").arg(shim.join("Cargo.toml")).arg("--target-dir").arg(target_dir);
    for (name, _) in variables() {
        let text = name.to_string_lossy();
        let foreign = text.starts_with("CARGO_") && !KEPT.iter().any(|kept| text.starts_with(kept));
        if foreign || ["RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CLIPPY_ARGS"].contains(&&*text) {
            cargo.env_remove(name);
        }
    }
    // In this form it beats every other way to give flags.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    let status =
        cargo.status().unwrap_or_else(|error| panic!("cargo cannot be started for the shim: {error}"));
    assert!(
        status.success(),
        "the shim does not build (it needs the C library's static part: libc6-dev): {status}"
    );
}

#[expect(clippy::disallowed_methods, reason = "a build script has no other door to cargo's variables")]
fn variables() -> env::VarsOs {
    env::vars_os()
}
