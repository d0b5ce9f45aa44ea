//! Texts as kernels wrote them.

use super::*;

/// Docker 20.10 on Linux 6.18, version 1 with the second one beside it.
const ONE: &str = "9:name=systemd:/docker/80b5\n8:pids:/docker/80b5\n7:blkio:/docker/80b5\n4:memory:/docker/80b5\n\
                   2:cpu,cpuacct:/docker/80b5\n0::/docker/80b5\n";
const ONE_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const TWO: &str = "0::/system.slice/docker-80b5.scope\n";
const TWO_MOUNTS: &str = "\
30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
";

fn find(own: &str, others: &[&str], mounts: &str) -> Groups {
    let others: Vec<String> = others.iter().map(|text| (*text).to_owned()).collect();
    Groups::find(own, &others, mounts, |_| true)
}

#[test]
fn groups_are_found_in_both_versions() {
    let place =
        |controller: &str| Some(Place::One(format!("/sys/fs/cgroup/{controller}/docker/80b5").into()));
    let one = Groups {
        cpu: place("cpu,cpuacct"),
        memory: place("memory"),
        pids: place("pids"),
        io: place("blkio"),
    };
    assert_eq!(find(ONE, &["4:memory:/system.slice/docker.service\n", "4:memory:/\n"], ONE_MOUNTS), one);
    let place = Some(Place::Two("/sys/fs/cgroup/system.slice/docker-80b5.scope".into()));
    let two = Groups { cpu: place.clone(), memory: place.clone(), pids: place.clone(), io: place };
    assert_eq!(find(TWO, &["0::/system.slice/docker.service\n", "0::/user.slice\n"], TWO_MOUNTS), two);
    // A part of the tree alone is mounted, at a place with a space in its name.
    let part = "1 2 0:3 /system.slice /a\\040b rw - cgroup2 cgroup2 rw\n";
    assert_eq!(find(TWO, &[], part).memory, Some(Place::Two("/a b/docker-80b5.scope".into())));
}

#[test]
fn groups_that_cannot_be_seen_or_are_not_its_own_are_none() {
    // Inside a container with a view of its own: the neighbour's group lies outside of it.
    assert_eq!(find("0::/../docker-80b5.scope\n", &["0::/\n"], TWO_MOUNTS), Groups::default());
    // Version 1 without such a view: what is mounted is the container's own part.
    let mounts = ONE_MOUNTS.replace(" / ", " /docker/c0ffee ");
    assert_eq!(find(ONE, &[], &mounts), Groups::default());
    assert_eq!(
        find(ONE, &[], &ONE_MOUNTS.replace(" / ", " /docker/80 ")),
        Groups::default(),
        "a prefix of a name"
    );
    // An engine that may make no groups leaves its containers in its own, or they are in ours.
    for others in [[TWO, "0::/x\n"], ["0::/x\n", TWO]] {
        assert_eq!(find(TWO, &others, TWO_MOUNTS), Groups::default());
    }
    assert_eq!(find("0::/\n", &[], TWO_MOUNTS), Groups::default(), "the whole machine's");
    assert_eq!(find("", &[], TWO_MOUNTS), Groups::default());
    assert_eq!(find("torn\n0:", &[], "torn - cgroup2\n"), Groups::default());
    assert_eq!(Groups::find(TWO, &[], TWO_MOUNTS, |_| false), Groups::default(), "gone already");
    assert_eq!(Groups::default().usage(), Usage::default());
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn figures_of_version_one() {
    let dir = folder(&[
        ("cpuacct.usage", "31611298000\n"),
        ("memory.usage_in_bytes", "1400832\n"),
        (
            "memory.stat",
            "cache 1122304\nrss 98304\ninactive_file 1\ntotal_cache 1122304\ntotal_rss 98304\ntotal_shmem 4096\ntotal_inactive_file 704512\n",
        ),
        ("pids.current", "17\n"),
        (
            "blkio.throttle.io_service_bytes_recursive",
            "1:0 Read 4096\n1:0 Write 8192\n1:0 Sync 12288\n1:0 Total 12288\n1:16 Read 1\n1:16 Write 2\nTotal 12291\n",
        ),
    ]);
    let place = Some(Place::One(dir.path().to_owned()));
    let groups = Groups { cpu: place.clone(), memory: place.clone(), pids: place.clone(), io: place };
    let usage = Usage {
        cpu_us: Some(31_611_298),
        memory: Some(Memory { used: 1_400_832 - 704_512, own: 98_304 + 4096 }),
        pids: Some(17),
        io: Some(Io { read: 4097, written: 8194 }),
    };
    assert_eq!(groups.usage(), usage);
    assert_eq!(io_one("Total 0\n"), Some(Io::default()), "nothing has been read yet");
    // The container is gone.
    dir.close().unwrap();
    assert_eq!(groups.usage(), Usage::default());
}

#[test]
fn figures_of_version_two() {
    let dir = folder(&[
        ("cpu.stat", "usage_usec 123456\nuser_usec 100000\nsystem_usec 23456\nnr_periods 0\n"),
        ("memory.current", "52428800\n"),
        (
            "memory.stat",
            "anon 31457280\nfile 20971520\nkernel 400000\nshmem 1048576\ninactive_anon 5\ninactive_file 10485760\n",
        ),
        ("pids.current", "5\n"),
        (
            "io.stat",
            "1:0 1:16 rbytes=7 wbytes=11 rios=1 wios=1 dbytes=0 dios=0\n1:32 rbytes=90112 wbytes=4096 rios=3 wios=1 dbytes=9 dios=1\n1:48 \n",
        ),
    ]);
    let place = Some(Place::Two(dir.path().to_owned()));
    let groups = Groups { cpu: place.clone(), memory: place.clone(), pids: place.clone(), io: place };
    let usage = Usage {
        cpu_us: Some(123_456),
        memory: Some(Memory { used: 41_943_040, own: 32_505_856 }),
        pids: Some(5),
        io: Some(Io { read: 90_119, written: 4107 }),
    };
    assert_eq!(groups.usage(), usage);
    // A controller that is not given to this group leaves out its files alone.
    fs::remove_file(dir.path().join("pids.current")).unwrap();
    assert_eq!(groups.usage(), Usage { pids: None, ..usage });
}

#[test]
fn what_goes_through_two_devices_counts_once() {
    let text =
        "253:0 rbytes=100 wbytes=50 rios=1 wios=1 dbytes=0 dios=0\n8:0 rbytes=100 wbytes=50 rios=1 wios=1\n";
    assert_eq!(io_two(text, |device| device == "253:0"), Some(Io { read: 100, written: 50 }));
}

#[test]
fn torn_texts_are_none() {
    for text in ["1:0 rbytes=", "1:0 rbytes=x wbytes=1", "1:0 rbytes=1"] {
        assert_eq!(io_two(text, |_| false), None, "{text:?}");
    }
    assert_eq!(io_one("1:0 Read x\n"), None);
    let dir = folder(&[("memory.current", "12\n"), ("memory.stat", "anon 1\n")]);
    assert_eq!(memory(&Place::Two(dir.path().to_owned())), None, "no word on what lies idle: no number");
}
