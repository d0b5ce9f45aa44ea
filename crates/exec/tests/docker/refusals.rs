//! What keeps a step from being started: each with one clear line, and nothing is left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixListener;

use gadugi_exec::docker::Connection;
use gadugi_exec::{DockerError, DockerExecutor, ExecError, Mount, StepOrder};
use gadugi_testkit::docker::BASE_IMAGE;

use crate::common::{code, next_line, patiently, to_end};
use crate::stage::Stage;

async fn refused(stage: &Stage, order: &StepOrder) -> DockerError {
    match patiently(stage.executor.launch(order)).await {
        Err(ExecError::Docker(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn environment(host: &str) -> Vec<(OsString, OsString)> {
    vec![("DOCKER_HOST".into(), host.into())]
}

async fn unreachable(host: &str) -> DockerError {
    patiently(Connection::open(&environment(host))).await.unwrap_err()
}

#[tokio::test]
async fn engines_that_cannot_be_used_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let host = |name: &str| format!("unix://{}", path(name).display());
    let error = unreachable(&host("none")).await;
    assert!(matches!(&error, DockerError::Absent { looked } if *looked == [path("none")]), "{error}");
    drop(UnixListener::bind(path("left")).unwrap());
    let error = unreachable(&host("left")).await;
    assert!(matches!(error, DockerError::NotListening { .. }), "{error}");
    let _silent = UnixListener::bind(path("silent")).unwrap();
    let error = unreachable(&host("silent")).await;
    assert!(matches!(error, DockerError::NotAnswering { .. }), "{error}");
    let error = unreachable("tcp://127.0.0.1:2375").await;
    assert!(matches!(error, DockerError::Remote { .. }), "{error}");
    for error in [unreachable(&host("none")).await, unreachable("ssh://me@there").await] {
        assert!(!error.to_string().contains('\n') && error.to_string().len() < 200, "{error}");
    }
}

#[tokio::test]
async fn the_image_is_missing_or_for_other_machines() {
    let stage = Stage::new().await;
    let mut order = stage.script("echo never");
    order.container.as_mut().unwrap().image = "gadugi-test/no-such:image".into();
    let error = refused(&stage, &order).await;
    assert!(matches!(&error, DockerError::ImageMissing { image } if image == "gadugi-test/no-such:image"));
    assert!(matches!(
        stage.executor.image("gadugi-test/no-such:image").await,
        Err(DockerError::ImageMissing { .. })
    ));
    assert_eq!(
        stage.executor.image(BASE_IMAGE).await.unwrap().architecture,
        stage.executor.engine().architecture
    );

    let foreign = format!("gadugi-test/foreign-{}", stage.instance);
    fs::write(stage.path("Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n").unwrap();
    let context = stage.path("Dockerfile").display().to_string();
    let folder = stage.root.path().display().to_string();
    stage.docker(&["build", "-q", "--platform", "linux/s390x", "-t", &foreign, "-f", &context, &folder]);
    let error = stage.executor.image(&foreign).await.unwrap_err();
    stage.docker(&["rmi", "-f", &foreign]);
    assert!(error.to_string().contains("is for linux/s390x, and this machine is linux/"), "{error}");
    assert_eq!(stage.containers(), [""; 0]);
}

#[tokio::test]
async fn a_launch_that_fails_leaves_nothing() {
    let stage = Stage::new().await;
    // What is to be mounted is not there.
    let mut order = stage.script("echo never");
    let mounts = &mut order.container.as_mut().unwrap().mounts;
    mounts.push(Mount { source: stage.path("gone"), target: "/gone".into(), read_only: true });
    let error = refused(&stage, &order).await;
    assert!(error.to_string().contains("gone"), "{error}");
    assert_eq!(stage.containers(), [""; 0]);
    order.container.as_mut().unwrap().mounts.pop();
    let (lines, ended) = stage.run(&order).await;
    assert_eq!(
        (lines, ended.exit),
        (vec!["echo never".replace("echo ", "")], code(0)),
        "then it can be launched"
    );

    // The shim cannot run.
    let broken = Stage::new().await;
    let shim = fs::read_dir(broken.path("state/bin")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&shim).unwrap();
    fs::write(&shim, "no program").unwrap();
    fs::set_permissions(&shim, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = refused(&broken, &broken.script("echo never")).await;
    assert!(matches!(error, DockerError::Shim { .. }), "{error}");
    assert!(error.to_string().contains("exec format error") && !error.to_string().contains('\n'), "{error}");
    assert_eq!(broken.containers(), [""; 0]);
}

#[tokio::test]
async fn anothers_container_of_that_name_is_left_alone() {
    let stage = Stage::new().await;
    let order = stage.script("echo never");
    let name = &order.container.as_ref().unwrap().name;
    stage.docker(&["create", "--name", name, BASE_IMAGE, "true"]);
    let error = refused(&stage, &order).await;
    let there = stage.docker(&["ps", "-aq", "--filter", &format!("name={name}")]);
    stage.docker(&["rm", name]);
    assert!(matches!(error, DockerError::NameTaken { .. }), "{error}");
    assert!(!there.is_empty());
}

#[tokio::test]
async fn only_what_is_this_instances_and_unknown_is_reaped() {
    let stage = Stage::new().await;
    let other = format!("{}-other", stage.instance);
    let (own, foreign) = (format!("gadugi.instance={}", stage.instance), format!("gadugi.instance={other}"));
    let made = |label: &str, suffix: &str| {
        let name = format!("{}-{suffix}", stage.instance);
        stage.docker(&["volume", "create", "--label", label, &name]);
        stage.docker(&["network", "create", "--driver", "bridge", "--label", label, &name]);
        stage.docker(&["create", "--name", &name, "--label", label, BASE_IMAGE, "true"]);
        name
    };
    let names = [made(&own, "own"), made(&foreign, "foreign"), made("something=else", "plain")];
    let order = stage.script("echo on; sleep 1000");
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "on");
    let number = order.container.as_ref().unwrap().labels["gadugi.attempt"].clone();

    let keep = |labels: &BTreeMap<String, String>| labels.get("gadugi.attempt") == Some(&number);
    let reaped = stage.executor.reap(&stage.instance, keep).await.unwrap();
    let own_name = vec![names[0].clone()];
    assert_eq!((&reaped.containers, &reaped.networks, &reaped.volumes), (&own_name, &own_name, &own_name));
    let left =
        |kind: &str| stage.docker(&[kind, "ls", "-q", "--filter", &format!("name={}", stage.instance)]);
    assert_eq!((left("volume").lines().count(), left("network").lines().count()), (2, 2));

    let reaped = stage.executor.reap(&stage.instance, |_| false).await.unwrap();
    assert_eq!(reaped.containers, [order.container.unwrap().name]);
    let (_, ended) = to_end(&mut follower).await;
    assert!(ended.by_engine, "{ended:?}");
    for name in &names[1..] {
        stage.docker(&["rm", name]);
        stage.docker(&["volume", "rm", name]);
        stage.docker(&["network", "rm", name]);
    }
}

#[tokio::test]
async fn the_engine_says_what_it_is() {
    let stage = Stage::new().await;
    let engine = stage.executor.engine();
    let told =
        stage.docker(&["version", "--format", "{{.Server.Version}} {{.Server.APIVersion}} {{.Server.Arch}}"]);
    let api = format!("{}.{}", engine.api.0, engine.api.1);
    assert_eq!(told.split(' ').next(), Some(&*engine.version));
    assert!(told.ends_with(&engine.architecture) && told.contains(&api), "{told}: {engine:?}");
    assert!(!engine.rootless && !engine.podman && !engine.selinux && engine.limits.memory);
    let root = tempfile::tempdir().unwrap();
    let none = DockerExecutor::connect(&environment("unix:///none"), root.path()).await.unwrap_err();
    assert!(none.to_string().starts_with("no container engine"), "{none}");
}
