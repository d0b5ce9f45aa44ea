//! Memory of the one that follows: alone in its process, so that nobody else's counts.

mod common;

use std::fs;
use std::io::Write;

use common::{Fixture, to_end};
use gadugi_core::StepExit;
use gadugi_exec::{Adoption, MAX_LINE};

#[tokio::test]
async fn a_line_costs_no_more_than_is_kept_of_it_however_long_it_is() {
    let fixture = Fixture::new();
    let high = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    };
    let before = high();
    let order = fixture.script("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after");
    let (lines, _) = fixture.run(&order).await;
    let lengths: Vec<_> =
        lines.iter().map(|line| (line.bytes.len(), line.whole_length, line.offset)).collect();
    assert_eq!(lengths, [(MAX_LINE, 100_000_000, 0), (5, 5, 100_000_001)]);
    assert!(high() - before < 6 * MAX_LINE, "{} bytes", high() - before);
    // A gigabyte in one line, found by another engine: most of it is a hole, which reads as any other bytes do.
    let order = fixture.script("printf torn; kill -KILL $$");
    fixture.run(&order).await;
    let gigabyte = 1_000_000_000;
    let file = fs::OpenOptions::new().append(true).open(order.dir.join("stdout.jsonl")).unwrap();
    file.set_len(gigabyte).unwrap();
    (&file).write_all(b"\n{\"after\":1}\n").unwrap();
    let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    let Adoption::Ended(mut follower) = adoption else { panic!("{adoption:?}") };
    let (lines, ended) = to_end(&mut follower).await;
    let lengths: Vec<_> =
        lines.iter().map(|line| (line.bytes.len(), line.whole_length, line.offset)).collect();
    assert_eq!(lengths, [(MAX_LINE, gigabyte, 0), (11, 11, gigabyte + 1)]);
    assert!(lines[0].bytes.starts_with(b"torn\0") && lines[1].bytes == b"{\"after\":1}");
    assert_eq!(ended.exit, StepExit::Signal(9));
    assert!(high() - before < 6 * MAX_LINE, "{} bytes", high() - before);
}
