//! Surroundings in which no container can be had: each has its end and one clear line, with what mends it.

use std::process::{Command, Stdio};

use gadugi_testkit::docker::{BASE_IMAGE, socket};
use serde_json::json;

use crate::scene::{Scene, complaint, docker_at, said};
use crate::stage::Ran;

/// A scene with one small task for the scripted agent.
fn scene_with(engine: &str, image: &str) -> Scene {
    let scene = Scene::on(engine, image, "");
    scene.prompt("one", "", "write one.txt one");
    scene.commit("prompts");
    scene
}

/// Nothing was begun, and it was said in one line why, and what mends it.
#[track_caller]
fn refused(ran: &Ran, words: &str, mends: &str) {
    ran.ends_with(3);
    let lines = complaint(ran);
    assert!(lines.len() == 1 && lines[0].contains(words) && lines[0].contains(mends), "{lines:#?}");
    assert_eq!(ran.stdout, "");
}

const RUN: [&str; 4] = ["run", "--agent", "scripted", "--no-review"];

#[test]
fn without_an_engine_a_run_says_so_or_goes_on_without_containers() {
    let scene = scene_with("unix:///nonexistent/docker.sock", "any");
    refused(
        &scene.gadugi(&RUN),
        "no container engine: there is no socket at /nonexistent/docker.sock",
        "--executor local",
    );
    // Where nobody asked for containers.
    let mut command = scene.command(&[&RUN[..], &["--verify", ""]].concat());
    let ran = scene.finish(command.env_remove("GADUGI_EXECUTOR").spawn().unwrap());
    ran.ends_with(0);
    let told = "executor: local (no container engine: there is no socket at /nonexistent/docker.sock)";
    assert!(ran.stderr.contains(told) || ran.stdout.contains(told), "{ran:#?}");
}

#[test]
fn an_engine_on_another_machine_is_refused() {
    let scene = scene_with("tcp://127.0.0.1:2375", "any");
    refused(
        &scene.gadugi(&RUN),
        "the container engine tcp://127.0.0.1:2375 (DOCKER_HOST) is not on this machine",
        "--executor local",
    );
}

#[test]
fn a_socket_without_permission_is_told_from_no_engine() {
    /// Nobody's: no group of it may use a container engine's socket.
    const UID: &str = "54321";
    let scene = scene_with(&socket(), "any");
    let folder = scene.root.parent().unwrap();
    said(&Command::new("chown").args(["-R", UID]).arg(folder).output().unwrap(), &["chown"]);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", UID, "--regid", UID, "--clear-groups", env!("CARGO_BIN_EXE_gadugi")]).args(RUN);
    command.current_dir(&scene.root).env_clear().envs(scene.environment());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = scene.finish(command.spawn().unwrap());
    refused(&ran, "no permission to use the container engine's socket", "usermod -aG docker");
}

#[test]
fn an_image_that_is_not_there_names_the_command_that_makes_it() {
    let scene = scene_with(&socket(), "gadugi-test/nobody-made-it:1");
    refused(&scene.gadugi(&RUN), "the image gadugi-test/nobody-made-it:1 is not there", "gadugi image build");
    // Nothing of it is begun by whoever has one already.
    assert!(!scene.root.join(".worktrees").exists());
}

/// An image of a test's own. Dropped, it is gone.
struct Image(String);

impl Drop for Image {
    fn drop(&mut self) {
        let _ = docker_at(&socket()).args(["rmi", "--force", &self.0]).output();
    }
}

#[test]
fn an_image_for_other_processors_is_refused() {
    let image = Image(format!("gadugi-test/foreign:{}", std::process::id()));
    let foreign = if cfg!(target_arch = "x86_64") { "arm64" } else { "amd64" };
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    // An archive of nothing is two empty blocks, and this is its sum.
    let layer = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    let config = json!({"architecture": foreign, "os": "linux", "config": {}, "history": [],
        "rootfs": {"type": "layers", "diff_ids": [layer]}});
    let manifest = json!([{"Config": "config.json", "RepoTags": [image.0], "Layers": ["layer.tar"]}]);
    write("layer.tar", &[0; 1024]);
    write("config.json", config.to_string().as_bytes());
    write("manifest.json", manifest.to_string().as_bytes());
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(dir.path()).args(["-cf", "-", "layer.tar", "config.json", "manifest.json"]);
    let mut tar = tar.stdout(Stdio::piped()).spawn().unwrap();
    let mut load = docker_at(&socket());
    said(&load.arg("load").stdin(tar.stdout.take().unwrap()).output().unwrap(), &["load"]);
    tar.wait().unwrap();
    let scene = scene_with(&socket(), &image.0);
    refused(
        &scene.gadugi(&RUN),
        &format!("the image {} is for linux/{foreign}", image.0),
        "gadugi image build",
    );
}

#[test]
fn an_image_without_git_is_told() {
    let image = Image(format!("gadugi-test/gitless:{}", std::process::id()));
    let dockerfile = format!("FROM {BASE_IMAGE}\nRUN rm -f /usr/bin/git /usr/lib/git-core/git\n");
    let mut echo = Command::new("printf").arg(dockerfile).stdout(Stdio::piped()).spawn().unwrap();
    let mut build = docker_at(&socket());
    build.args(["build", "--network", "none", "--tag", &image.0, "-"]);
    said(&build.stdin(echo.stdout.take().unwrap()).output().unwrap(), &["build"]);
    echo.wait().unwrap();
    let scene = scene_with(&socket(), &image.0);
    refused(&scene.gadugi(&RUN), &format!("the image {} has no git", image.0), "gadugi image build");
    assert!(!scene.root.join(".worktrees").exists(), "nothing was begun");
}

#[test]
fn a_login_of_the_users_own_cannot_be_used_in_containers() {
    let scene = scene_with(&socket(), gadugi_testkit::docker::AGENT_IMAGE);
    let ran = scene.gadugi(&["run", "--no-review"]);
    refused(&ran, "containers need a key or token in the environment", "claude setup-token");
}
