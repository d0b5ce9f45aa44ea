//! Many steps, side by side and one after another. One test: it counts the descriptors of its whole process.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

mod common;

use std::fs;

use common::{Fixture, assert_nothing_left, code, to_end};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn zombies() -> usize {
    let own = format!(" {} ", std::process::id());
    let stats = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("stat")).ok());
    stats
        .filter(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(&format!(" Z{own}"))))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn steps_by_the_hundred_leave_no_descriptor_no_zombie_and_no_process() {
    let fixture = Fixture::new();
    fixture.run_script("exit 0").await;
    let before = descriptors();

    let orders: Vec<_> =
        (0..50).map(|n| fixture.script(&format!("echo {n}; read x < ../fifo; exit {n}"))).collect();
    // A fifo that is open for reading and writing never ends: each reader gets its line.
    assert!(std::process::Command::new("mkfifo").arg(fixture.path("fifo")).status().unwrap().success());
    let mut fifo = fs::OpenOptions::new().read(true).write(true).open(fixture.path("fifo")).unwrap();
    let mut followers = Vec::new();
    for order in &orders {
        followers.push(fixture.executor.launch(order).await.unwrap());
    }
    let peak = descriptors() - before;
    assert!(peak <= 2 * orders.len() + 5, "two for each step: {peak}");
    std::io::Write::write_all(&mut fifo, "\n".repeat(50).as_bytes()).unwrap();
    let ends =
        followers.into_iter().map(|mut follower| tokio::spawn(async move { to_end(&mut follower).await }));
    for (n, end) in ends.collect::<Vec<_>>().into_iter().enumerate() {
        let (lines, ended) = end.await.unwrap();
        assert_eq!((lines[0].bytes.clone(), ended.exit), (n.to_string().into_bytes(), code(n as i32)));
    }
    // Not before: a reader that comes late would wait for a writer that is gone.
    drop(fifo);
    orders.iter().for_each(assert_nothing_left);

    for n in 0..1000 {
        let (lines, ended) = fixture.run(&fixture.order(&["/bin/echo", &n.to_string()])).await;
        assert_eq!((lines[0].bytes.clone(), ended.exit), (n.to_string().into_bytes(), code(0)));
    }
    common::patiently(async {
        while descriptors() > before || zombies() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
