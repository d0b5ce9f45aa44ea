//! Memory of the one that follows: alone in its process, so that nobody else's counts.

mod common;

use std::fs;

use common::Fixture;
use gadugi_exec::MAX_LINE;

#[tokio::test]
async fn a_line_of_100_megabytes_costs_no_100_megabytes() {
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
}
