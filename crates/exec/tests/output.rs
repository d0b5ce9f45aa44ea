//! Every byte of output, whatever happens.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Fixture, code, next_line, patiently, to_end};
use gadugi_core::StopForce;
use gadugi_exec::StepNews;

#[tokio::test]
async fn bytes_arrive_exactly() {
    let fixture = Fixture::new();
    let mut bytes: Vec<u8> =
        (0..300_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
    bytes.extend_from_slice(b"\n\n\xff\xfetorn");
    fs::write(fixture.path("work/bytes"), &bytes).unwrap();
    let order = fixture.script("cat bytes; cat bytes >&2");
    let (lines, ended) = fixture.run(&order).await;
    assert_eq!(ended.exit, code(0));
    assert!(fs::read(order.dir.join("stdout.jsonl")).unwrap() == bytes);
    assert!(fs::read(order.dir.join("stderr.log")).unwrap() == bytes);
    let joined = lines.iter().map(|line| &line.bytes[..]).collect::<Vec<_>>().join(&b'\n');
    assert!(joined == bytes, "the lines are the bytes between newlines, the torn one too");
    assert!(lines.iter().all(|line| bytes[usize::try_from(line.offset).unwrap()..].starts_with(&line.bytes)));
}

#[tokio::test]
async fn a_line_comes_before_the_next_is_written() {
    let fixture = Fixture::new();
    assert!(Command::new("mkfifo").arg(fixture.path("fifo")).status().unwrap().success());
    let order = fixture.script("echo one; read x < ../fifo; echo two");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "one");
    fs::write(fixture.path("fifo"), "\n").unwrap();
    assert_eq!(next_line(&mut follower).await, "two");
    to_end(&mut follower).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_loses_nothing() {
    let fixture = Fixture::new();
    let order = fixture.script("for i in $(seq 200); do echo $i; sleep 0.002; done; kill -KILL $$");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let mut lines = 0;
    let mut drops = 0;
    loop {
        let news = tokio::select! {
            biased;
            news = follower.next() => news,
            () = tokio::task::yield_now() => { drops += 1; continue }
        };
        match news.unwrap() {
            StepNews::Line(line) => {
                lines += 1;
                assert_eq!(common::text(line), lines.to_string());
            }
            StepNews::Ended(_) => break,
        }
    }
    assert_eq!(lines, 200);
    assert!(drops > 0, "some calls were dropped");
}

#[tokio::test]
async fn a_step_that_nobody_follows_goes_on_to_its_end() {
    let fixture = Fixture::new();
    let order = fixture.script("head -c 500000 /dev/zero | tr '\\0' '\\n'; echo over");
    drop(fixture.executor.launch(&order).await.unwrap());
    let follower = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    let (gadugi_exec::Adoption::Running(mut follower) | gadugi_exec::Adoption::Ended(mut follower)) =
        follower
    else {
        panic!("{follower:?}")
    };
    let (lines, ended) = to_end(&mut follower).await;
    assert_eq!((lines.len(), ended.exit), (500_001, code(0)));
}

#[tokio::test]
async fn a_file_that_is_cut_off_under_a_running_step_loses_only_what_was_cut() {
    let fixture = Fixture::new();
    assert!(Command::new("mkfifo").arg(fixture.path("fifo")).status().unwrap().success());
    let order =
        fixture.script("echo one; echo two; printf to; read x < ../fifo; echo rn; echo three; exit 5");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "one");
    assert_eq!(next_line(&mut follower).await, "two");
    let path = order.dir.join("stdout.jsonl");
    // It reads up to here before the file is cut in the middle of what it has read.
    let waiting = {
        let next = follower.next();
        tokio::pin!(next);
        patiently(async {
            while fs::metadata(&path).unwrap().len() < 10 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        tokio::select! { biased; news = &mut next => Some(news), () = tokio::task::yield_now() => None }
    };
    assert!(waiting.is_none());
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(6).unwrap();
    assert_eq!(next_line(&mut follower).await, "to", "what was read is told");
    fs::write(fixture.path("fifo"), "\n").unwrap();
    let (lines, ended) = to_end(&mut follower).await;
    let lines: Vec<_> = lines.into_iter().map(|line| (line.offset, common::text(line))).collect();
    assert_eq!(lines, [(6, "rn".to_owned()), (9, "three".into())]);
    assert_eq!(ended.exit, code(5));
}

#[tokio::test]
async fn a_file_that_is_deleted_under_a_running_step_loses_nothing_for_whoever_follows() {
    let fixture = Fixture::new();
    assert!(Command::new("mkfifo").arg(fixture.path("fifo")).status().unwrap().success());
    let order = fixture.script("echo one; read x < ../fifo; echo two; exit 5");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "one");
    fs::remove_file(order.dir.join("stdout.jsonl")).unwrap();
    fs::remove_file(order.dir.join("stderr.log")).unwrap();
    fs::write(fixture.path("fifo"), "\n").unwrap();
    let (lines, ended) = to_end(&mut follower).await;
    assert_eq!((lines[0].bytes.as_slice(), lines.len(), ended.exit), (&b"two"[..], 1, code(5)));
    assert_eq!(gadugi_exec::tail(&order.dir, 100), "");
}

#[tokio::test]
async fn what_is_no_file_any_more_keeps_nobody_waiting() {
    let fixture = Fixture::new();
    for name in ["stdout.jsonl", "stderr.log"] {
        let order = fixture.script("echo one; echo one >&2; exit 5");
        fixture.run(&order).await;
        let path = order.dir.join(name);
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let adoption = patiently(fixture.executor.adopt(&order.dir, &order.attempt)).await.unwrap();
        let gadugi_exec::Adoption::Ended(mut follower) = adoption else { panic!("{adoption:?}") };
        let (lines, ended) = to_end(&mut follower).await;
        assert_eq!((lines.len(), ended.exit), (usize::from(name == "stderr.log"), code(5)));
        assert!(gadugi_exec::tail(&order.dir, 100).len() <= 3);
    }
}

/// A small file system of the test's own.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(at).output().unwrap();
        let words = String::from_utf8_lossy(&mount.stderr);
        assert!(
            mount.status.success(),
            "this test mounts a small tmpfs and needs root with CAP_SYS_ADMIN: {words}"
        );
        Self(at)
    }

    fn fill(&self) {
        let mut left = 2 << 20;
        while left > 0 && fs::write(self.0.join("ballast"), vec![0; left]).is_err() {
            left -= 4096;
            if fs::metadata(self.0.join("ballast")).is_ok_and(|data| data.len() > 0) {
                break;
            }
        }
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test]
async fn on_a_full_disk_output_waits_for_room_and_nothing_is_lost() {
    let fixture = Fixture::new();
    let place = fixture.path("runs");
    let disk = SmallDisk::mount(&place);
    let order =
        fixture.script("trap 'exit 9' TERM; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); echo line-$i; done");
    fs::create_dir_all(&order.dir).unwrap();
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; 700 * 1024]).unwrap();
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let mut count = 0;
    // Goes on until the disk is full: what is written then fits by no means into what is left.
    let full = || rustix::fs::statvfs(disk.0).unwrap().f_bavail == 0;
    while !full() {
        count += 1;
        assert_eq!(next_line(&mut follower).await, format!("line-{count}"));
    }
    fixture.executor.renew_lease(&order.dir).expect("the lease can be renewed on a full disk");
    fs::remove_file(&ballast).unwrap();
    let (lines, ended) = to_end(&mut follower).await;
    for line in lines {
        count += 1;
        assert_eq!(common::text(line), format!("line-{count}"));
    }
    assert_eq!((count, ended.exit, ended.output_lost), (60_000, code(0), false));
}

#[tokio::test]
async fn a_step_on_a_full_disk_can_be_stopped_and_says_that_output_is_missing() {
    let fixture = Fixture::new();
    let place = fixture.path("runs");
    let disk = SmallDisk::mount(&place);
    let order = fixture.script("exec yes");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    while rustix::fs::statvfs(disk.0).unwrap().f_bavail > 0 {
        next_line(&mut follower).await;
    }
    assert!(follower.stopper().stop(StopForce::Now));
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.stopped, ended.output_lost), (true, true));
}

#[tokio::test]
async fn no_step_is_begun_where_its_end_could_not_be_recorded() {
    let fixture = Fixture::new();
    let place = fixture.path("runs");
    let disk = SmallDisk::mount(&place);
    let order = fixture.script("touch ../begun");
    fs::create_dir_all(&order.dir).unwrap();
    disk.fill();
    let error = patiently(fixture.executor.launch(&order)).await.unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    assert!(!fixture.path("begun").exists());
    fs::remove_file(disk.0.join("ballast")).unwrap();
    assert_eq!(fixture.run(&order).await.1.exit, code(0), "with room it can be launched after all");
    assert!(fixture.path("begun").exists());
}
