//! No descriptor to be had for a while: nothing is lost for it, and nothing runs twice. One test: the limit is its whole
//! process's.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

mod common;

use std::fs;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use common::{Fixture, assert_nothing_left, code, patiently, to_end};
use gadugi_exec::{Adoption, LocalExecutor};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Does that, at first without descriptors: it takes until there are some.
async fn scarcely<T>(work: impl Future<Output = T>) -> T {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..before }).unwrap();
    let mut work = pin!(work);
    let early = tokio::time::timeout(Duration::from_millis(600), &mut work).await;
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(early.is_err(), "it cannot be done without descriptors");
    patiently(work).await
}

#[tokio::test]
async fn without_descriptors_steps_are_launched_adopted_and_taken_in_later() {
    let fixture = Fixture::new();
    assert!(Command::new("mkfifo").arg(fixture.path("fifo")).status().unwrap().success());
    let mut fifo = fs::OpenOptions::new().read(true).write(true).open(fixture.path("fifo")).unwrap();
    let order = fixture.script("echo ran >> ../ran; echo one; read x < ../fifo; echo two; exit 5");
    let follower = scarcely(fixture.executor.launch(&order)).await.unwrap();
    let process = follower.process().clone();
    drop(follower);
    let executor = LocalExecutor::new(&fixture.path("state")).unwrap();
    let adoption = scarcely(executor.adopt(&order.dir, &order.attempt)).await.unwrap();
    let Adoption::Running(mut follower) = adoption else { panic!("{adoption:?}") };
    assert_eq!(*follower.process(), process);
    let end = to_end(&mut follower);
    fifo.write_all(b"\n").unwrap();
    let (lines, ended) = scarcely(end).await;
    assert_eq!((lines.len(), ended.exit), (2, code(5)));
    let adoption = scarcely(executor.adopt(&order.dir, &order.attempt)).await.unwrap();
    assert!(matches!(adoption, Adoption::Ended(_)), "{adoption:?}");
    assert_eq!(fs::read_to_string(fixture.path("ran")).unwrap(), "ran\n");
    assert_nothing_left(&order);
}
