//! Images on a real engine: built, refused, looked into.
#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use gadugi_exec::docker::{Connection, DockerError};
use gadugi_exec::image::devcontainer::{self, Source};
use gadugi_exec::image::{self, BuildNews, BuildOrder, Built, ImageCheck, ImageError, Network};
use gadugi_testkit::docker::{self, AGENT_IMAGE, BASE_IMAGE};

async fn connect(socket: &str) -> Result<Connection, DockerError> {
    let environment: [(OsString, OsString); 1] = [("DOCKER_HOST".into(), socket.into())];
    Connection::open(&environment).await
}

async fn engine() -> Connection {
    connect(&docker::socket()).await.unwrap()
}

fn docker(arguments: &[&str]) -> (bool, String) {
    let socket = docker::socket();
    let output = Command::new("docker").args(["--host", &socket]).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), said.concat())
}

/// An image of a test's own, gone with the test.
struct Tag(String);

impl Tag {
    fn new(name: &str) -> Self {
        Self(format!("gadugi-test/{name}:{}", std::process::id()))
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        docker(&["rmi", "--force", &self.0]);
    }
}

/// An order with a Dockerfile of one's own, in a folder of overrides.
fn order(tag: &Tag, folder: &Path, dockerfile: &str) -> BuildOrder {
    fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
    BuildOrder::agent(&tag.0, None, Some(folder)).unwrap()
}

async fn try_build(dockerfile: &str) -> Result<(Built, Vec<BuildNews>), ImageError> {
    let (tag, folder) = (Tag::new("try"), tempfile::tempdir().unwrap());
    let mut news = Vec::new();
    let order = order(&tag, folder.path(), dockerfile);
    let built = image::build(&engine().await, &order, |one| news.push(one)).await?;
    Ok((built, news))
}

#[tokio::test]
async fn an_image_is_built_from_overrides_and_says_what_it_was_built_from() {
    let (tag, folder, connection) = (Tag::new("built"), tempfile::tempdir().unwrap(), engine().await);
    fs::create_dir(folder.path().join("out")).unwrap();
    for (path, text) in [("hello", "from a folder\n"), ("out/left", "no"), (".dockerignore", "out\n")] {
        fs::write(folder.path().join(path), text).unwrap();
    }
    let dockerfile = format!(
        "FROM {BASE_IMAGE}\nARG WORD=none\nARG GADUGI_VERSION\nCOPY . /files/\nRUN cat /files/hello && echo word $WORD\n\
         RUN test ! -e /files/out && test -e /files/certificates/README.md\n"
    );
    let mut order = order(&tag, folder.path(), &dockerfile);
    order.arguments.insert("WORD".into(), "given".into());
    order.network = Network::Host;
    let mut news = Vec::new();
    let built = image::build(&connection, &order, |one| news.push(one)).await.unwrap();
    assert!(built.id.starts_with("sha256:") && built.size > 100_000_000, "{built:?}");
    let steps: Vec<u32> = news
        .iter()
        .filter_map(|one| match one {
            BuildNews::Step { number, .. } => Some(*number),
            _ => None,
        })
        .collect();
    assert_eq!(steps[..6], [1, 2, 3, 4, 5, 6]);
    for line in ["from a folder", "word given"] {
        assert!(news.contains(&BuildNews::Line(line.into())), "{news:?}");
    }
    let facts = image::find_image(&connection, &tag.0).await.unwrap().unwrap();
    assert_eq!((&facts.id, facts.size), (&built.id, built.size));
    assert_eq!(facts.inputs, Some(order.fingerprint()));
    assert_eq!(facts.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_step_that_fails_is_told_with_its_last_words() {
    let failing = format!("FROM {BASE_IMAGE}\nRUN echo it begins; echo it breaks >&2; exit 7\n");
    match try_build(&failing).await.unwrap_err() {
        ImageError::Build { step, words, tail } => {
            assert!(step.unwrap().starts_with("RUN echo it begins"));
            assert!(words.contains("returned a non-zero code: 7"), "{words}");
            // In which order: they come by two pipes.
            assert!(["it begins", "it breaks"].iter().all(|word| tail.contains(&(*word).into())), "{tail:?}");
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_base_that_is_nowhere_is_no_failed_step() {
    let named = "gadugi-test/there-is-no-such-image:none";
    match try_build(&format!("ARG BASE={named}\nFROM ${{BASE}}\n")).await.unwrap_err() {
        // Which of them depends on whether this machine reaches a registry.
        ImageError::BaseMissing { image, .. } | ImageError::BaseUnreachable { image, .. } => {
            assert_eq!(image, named);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_dockerfile_that_is_none_is_refused() {
    match try_build("FROBNICATE the image\n").await.unwrap_err() {
        ImageError::Build { words, .. } => assert!(words.to_lowercase().contains("frobnicate"), "{words}"),
        other => panic!("{other}"),
    }
    let tag = Tag::new("none");
    let mut order = BuildOrder::agent(&tag.0, None, None).unwrap();
    order.dockerfile = "not/there".into();
    let error = image::build(&engine().await, &order, |_| {}).await.unwrap_err();
    assert!(matches!(&error, ImageError::NoDockerfile(path) if path == "not/there"), "{error}");
}

#[tokio::test]
async fn without_an_engine_there_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix://{}/none.sock", folder.path().display());
    let error = connect(&socket).await.unwrap_err();
    assert!(matches!(error, DockerError::Absent { .. }), "{error}");
}

#[tokio::test]
async fn an_image_is_looked_into_once() {
    let connection = engine().await;
    let labels = HashMap::from([("gadugi.instance".to_owned(), "test".to_owned())]);
    let check = |image: &'static str, agent: &'static str, user: Option<&'static str>| {
        let (connection, labels) = (connection.clone(), labels.clone());
        async move { image::check_image(&connection, image, agent, user, labels).await }
    };
    let agent = check(AGENT_IMAGE, "claude", Some("agent")).await.unwrap();
    assert_eq!(agent, ImageCheck { shell: true, git: true, agent: true, user: Some((10001, 10001)) });
    assert_eq!(agent.missing("claude"), Vec::<&str>::new());
    let base = check(BASE_IMAGE, "claude", Some("nobody-of-that-name")).await.unwrap();
    assert_eq!((base.missing("claude"), base.user), (vec!["claude"], None));
    let began = std::time::Instant::now();
    assert_eq!(check(BASE_IMAGE, "claude", Some("nobody-of-that-name")).await.unwrap(), base);
    // A container takes a fifth of a second at the least; to ask for the image's id takes 2 ms.
    let again = began.elapsed();
    assert!(again.as_millis() < 150, "{again:?}");
    let missing = check("gadugi-test/none:none", "claude", None).await.unwrap_err();
    assert!(matches!(missing, ImageError::Docker(DockerError::ImageMissing { .. })), "{missing}");
    let left = docker(&["ps", "--all", "--quiet", "--filter", "label=gadugi.instance=test"]);
    assert_eq!(left, (true, String::new()));
}

#[tokio::test]
async fn an_image_without_a_shell_has_nothing() {
    let (tag, folder, connection) = (Tag::new("bare"), tempfile::tempdir().unwrap(), engine().await);
    let order = order(&tag, folder.path(), "FROM scratch\nCOPY certificates/README.md /file\n");
    image::build(&connection, &order, |_| {}).await.unwrap();
    let check = image::check_image(&connection, &tag.0, "claude", None, HashMap::new()).await.unwrap();
    assert_eq!(check.missing("claude"), ["sh", "git", "claude"]);
}

#[tokio::test]
async fn a_devcontainers_image_is_built_from_its_commit() {
    let connection = engine().await;
    let text = r#"{"build": {"dockerfile": "../Dev", "context": "..", "args": {"WHO": "dev"}, "target": "tools"}, }"#;
    let Some(Source::Build(recipe)) = devcontainer::parse(text, devcontainer::PLACES[0]).unwrap().source
    else {
        panic!("no recipe");
    };
    assert_eq!((recipe.dockerfile.as_str(), recipe.context.as_str()), ("Dev", ""));
    let dockerfile = format!(
        "FROM {BASE_IMAGE} AS tools\nARG WHO\nCOPY . /src/\nRUN cat /src/a && echo for $WHO\nFROM tools\nRUN false\n"
    );
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in [("Dev", dockerfile.as_bytes()), ("a", b"of the commit\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    let order = recipe.order(archive.as_slice(), &dockerfile).unwrap();
    let tag = Tag(order.tag.clone());
    let mut lines = Vec::new();
    image::build(&connection, &order, |one| lines.push(one)).await.unwrap();
    assert!(lines.contains(&BuildNews::Line("for dev".into())), "{lines:?}");
    assert!(image::find_image(&connection, &tag.0).await.unwrap().is_some());
}

/// In the agent image as steps run in it: another uid, nothing writable but home and workspace, no network.
#[test]
fn the_agent_image_has_what_agents_need() {
    let script = "set -e; id -u; claude --version; git --version; uv --version; rg --version; node --version; npm --version; \
         python3 --version; cc --version; jq --version; ps --version; curl --version; \
         cd $HOME; git init -q r; cd r; echo x > f; git add f; git -c user.name=a -c user.email=a@b commit -qm c; git log --format=%s; \
         uv venv --quiet --offline v; touch /usr/x 2>&1 || true";
    let (ok, said) = docker(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--read-only",
        "--user",
        "12345:12345",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--tmpfs",
        "/workspace:mode=1777",
        "--tmpfs",
        "/gadugi/home:mode=1777",
        "--tmpfs",
        "/tmp",
        AGENT_IMAGE,
        "sh",
        "-c",
        script,
    ]);
    assert!(ok, "{said}");
    for sign in [
        "12345\n",
        "2.1.197 (Claude Code)",
        "git version 2.",
        "uv 0.",
        "ripgrep ",
        "v18.",
        "Python 3.",
        "Read-only file system",
    ] {
        assert!(said.contains(sign), "{sign}: {said}");
    }
}
