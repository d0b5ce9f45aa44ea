//! `gadugi image build`, as somebody would type it.
#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use gadugi_testkit::docker::{self, BASE_IMAGE};

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `gadugi image build` in an empty folder: it needs no repository.
fn build(host: &str, arguments: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gadugi"));
    command.args(["image", "build"]).args(arguments).current_dir(home.path());
    command.env("HOME", home.path()).env("DOCKER_HOST", host).env_remove("DOCKER_CONTEXT");
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(["--host", &docker::socket()]).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// An image of a test's own, gone with the test.
struct Tag(String);

impl Drop for Tag {
    fn drop(&mut self) {
        docker(&["rmi", "--force", &self.0]);
    }
}

fn tag(name: &str) -> Tag {
    Tag(format!("gadugi-test/cli-{name}:{}", std::process::id()))
}

fn overrides(dockerfile: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    folder
}

fn path(folder: &Path) -> &str {
    folder.to_str().unwrap()
}

#[test]
fn an_image_of_ones_own_dockerfile_is_built_step_by_step() {
    let tag = tag("own");
    let folder = overrides("ARG BASE\nFROM ${BASE}\nARG WORD\nRUN echo $WORD > /word\n");
    let ran = build(
        &docker::socket(),
        &[
            "--base",
            BASE_IMAGE,
            "--tag",
            &tag.0,
            "--build-arg",
            "WORD=hello",
            "--build-arg",
            "UNUSED=1",
            path(folder.path()),
        ],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with(&format!("built {} (", tag.0)) && ran.stdout.lines().count() == 1,
        "{}",
        ran.stdout
    );
    for line in
        ["[4/6] RUN echo $WORD > /word", "warning: no line of the Dockerfile takes the build argument UNUSED"]
    {
        assert!(ran.stderr.contains(line), "{}", ran.stderr);
    }
    assert!(
        ran.stderr.contains("agents cannot work in") && ran.stderr.contains("it has no claude"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains('\u{1b}'), "plain lines where nobody looks: {}", ran.stderr);
    assert_eq!(docker(&["run", "--rm", "--network", "none", &tag.0, "cat", "/word"]), "hello\n");
}

#[test]
fn a_build_that_fails_ends_with_its_last_words_and_one_line() {
    let folder = overrides(&format!("FROM {BASE_IMAGE}\nRUN echo the mirror is gone && exit 3\n"));
    let ran = build(&docker::socket(), &["--tag", "gadugi-test/never:1", path(folder.path())]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let last = ran.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("error: the image cannot be built: ") && last.contains("non-zero code: 3"),
        "{last}"
    );
    assert!(ran.stderr.contains("  | the mirror is gone\n"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_begun_says_what_mends_it() {
    let empty = tempfile::tempdir().unwrap();
    let nowhere = format!("unix://{}/docker.sock", empty.path().display());
    let closed = format!("unix://{}/closed.sock", empty.path().display());
    drop(std::os::unix::net::UnixListener::bind(empty.path().join("closed.sock")).unwrap());
    let socket = docker::socket();
    for (host, arguments, code, words) in [
        (nowhere.as_str(), &[][..], 3, "there is no socket at"),
        (&closed, &[], 3, "no container engine listens at"),
        ("tcp://127.0.0.1:2375", &[], 3, "only a Unix socket"),
        (&socket, &["--base", "a b"], 2, "expected an image's name"),
        (&socket, &["--tag", "-x"], 2, ""),
        (&socket, &["--tag", "Gadugi/Agent"], 2, "lower"),
        (&socket, &["--build-arg", "X"], 2, "expected NAME=VALUE"),
        (&socket, &["--network", "none"], 2, "none"),
        (&socket, &["/there/is/none"], 2, "there is no folder /there/is/none"),
    ] {
        let ran = build(host, arguments);
        assert_eq!(ran.code, Some(code), "{host} {arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn a_base_that_is_nowhere_is_named() {
    let ran = build(
        &docker::socket(),
        &["--base", "gadugi-test/no-such-image:none", "--tag", "gadugi-test/never:2"],
    );
    // 2 where the registry says that there is none, 3 where it cannot be asked.
    assert!(matches!(ran.code, Some(2 | 3)), "{}", ran.stderr);
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.starts_with("error: ") && last.contains("gadugi-test/no-such-image:none"), "{last}");
}
