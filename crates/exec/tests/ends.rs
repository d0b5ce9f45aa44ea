//! How steps begin and end.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::{Fixture, assert_nothing_left, code, exists, mode, next_line, to_end};
use gadugi_core::StepExit;
use gadugi_exec::tail;

#[tokio::test]
async fn exit_statuses_and_signals_are_told_as_they_were() {
    let fixture = Fixture::new();
    for (script, exit) in [
        ("exit 0", code(0)),
        ("exit 7", code(7)),
        ("exit 255", code(255)),
        ("kill -KILL $$", StepExit::Signal(9)),
        ("kill -TERM $$", StepExit::Signal(15)),
    ] {
        let (lines, ended) = fixture.run_script(script).await;
        assert_eq!((ended.exit, ended.stopped, lines.len()), (exit, false, 0), "{script}");
        assert!(ended.max_rss_kib > 0, "{script}");
        assert_eq!((ended.left_over, ended.output_lost), (0, false));
    }
}

#[tokio::test]
async fn wall_time_is_the_main_process_alone() {
    let fixture = Fixture::new();
    let before = gadugi_sys::clock::now();
    let (_, ended) = fixture.run_script("sleep 0.3").await;
    assert!((300..10_000).contains(&ended.wall.0), "{:?}", ended.wall);
    assert!(ended.ended_at.since(before).0 >= 300);
}

#[tokio::test]
async fn the_environment_is_the_one_that_was_ordered_and_its_values_are_written_nowhere() {
    let fixture = Fixture::new();
    let mut order = fixture.order(&["/usr/bin/env"]);
    order.env = vec![
        ("SECRET".into(), "s3cret-value".into()),
        ("GADUGI_ATTEMPT".into(), "another's".into()),
        ("LINES".into(), "a b".into()),
    ];
    let (lines, _) = fixture.run(&order).await;
    let mut lines: Vec<_> = lines.into_iter().map(common::text).collect();
    lines.sort();
    assert_eq!(
        lines,
        [format!("GADUGI_ATTEMPT={}", order.attempt), "LINES=a b".into(), "SECRET=s3cret-value".into()]
    );
    for entry in fs::read_dir(&order.dir).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("stdout.jsonl") {
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!content.contains("s3cret-value"), "{}", path.display());
        }
    }
    assert!(fs::read_to_string(order.dir.join("spec.json")).unwrap().contains("\"SECRET\""));
}

#[tokio::test]
async fn arguments_of_any_bytes_arrive() {
    use std::os::unix::ffi::OsStringExt;
    let fixture = Fixture::new();
    let mut order = fixture.order(&["/usr/bin/printf", "%s|", "a b", "\"'\n", ""]);
    order.argv.push(std::ffi::OsString::from_vec(b"\xff\xfe".to_vec()));
    fixture.run(&order).await;
    assert_eq!(fs::read(order.dir.join("stdout.jsonl")).unwrap(), b"a b|\"'\n||\xff\xfe|");
}

#[tokio::test]
async fn standard_input_is_the_file_or_nothing() {
    let fixture = Fixture::new();
    let mut order = fixture.order(&["/bin/cat"]);
    let (lines, ended) = fixture.run(&order).await;
    assert_eq!((lines.len(), ended.exit), (0, code(0)));
    order = fixture.order(&["/bin/cat"]);
    fs::write(fixture.path("prompt"), "do it\n").unwrap();
    order.stdin = Some(fixture.path("prompt"));
    let (lines, _) = fixture.run(&order).await;
    assert_eq!(lines[0].bytes, b"do it");
}

#[tokio::test]
async fn the_step_starts_with_a_clean_slate() {
    let fixture = Fixture::new();
    let mut order = fixture.order(&["/bin/cat", "/proc/self/status", "/proc/self/limits", "/proc/self/stat"]);
    order.limits.open_files = Some(77);
    order.limits.cpu_seconds = Some(33);
    let (lines, _) = fixture.run(&order).await;
    let lines: Vec<_> = lines.into_iter().map(common::text).collect();
    let field = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    for signals in ["SigBlk:", "SigIgn:", "SigCgt:"] {
        assert_eq!(field(signals).trim_start_matches('0'), "", "{signals}");
    }
    assert_eq!(field("Max open files"), "77");
    assert_eq!(field("Max cpu time"), "33");
    assert_eq!(field("Max core file size"), "0");
    // Group and session are the process itself.
    let stat = lines.last().unwrap();
    let ids: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().skip(2).take(2).collect();
    let pid = stat.split_whitespace().next().unwrap();
    assert_eq!(ids, [pid, pid]);
}

#[tokio::test]
async fn a_step_inherits_no_descriptor_of_ours() {
    let fixture = Fixture::new();
    let (lines, _) = fixture.run_script("ls /proc/self/fd").await;
    // The fourth is the listing itself.
    assert_eq!(lines, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let fixture = Fixture::new();
    let file = |name: &str, content: &str, mode: u32| {
        let path = fixture.path("work").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let plain = file("plain", "x", 0o644);
    let orphan = file("orphan", "#!/no/such/interpreter\n", 0o755);
    for (program, words) in [
        ("/no/such/program", "/no/such/program: No such file"),
        ("no-such-program", "no-such-program: No such file"),
        (&plain, "Permission denied"),
        (&orphan, "its interpreter is missing"),
    ] {
        let order = fixture.order(&[program]);
        let (lines, ended) = fixture.run(&order).await;
        let StepExit::NotStarted(said) = &ended.exit else { panic!("{program}: {ended:?}") };
        assert!(said.contains(words), "{program}: {said}");
        assert_eq!((lines.len(), ended.stopped), (0, false));
        assert_nothing_left(&order);
    }
}

#[tokio::test]
async fn what_cannot_be_started_says_so_without_control_characters() {
    let fixture = Fixture::new();
    let name = format!("/no/such/{}", "\u{1}\n".repeat(1000));
    let order = fixture.order(&[&name]);
    let (_, ended) = fixture.run(&order).await;
    let StepExit::NotStarted(said) = &ended.exit else { panic!("{ended:?}") };
    assert!(said.starts_with("/no/such/????") && said.len() <= 1500, "{said}");
    assert!(fs::metadata(order.dir.join("exit.json")).is_ok_and(|data| data.len() < 4096));
}

#[tokio::test]
async fn a_missing_folder_or_input_is_not_mistaken_for_a_missing_program() {
    let fixture = Fixture::new();
    let mut orders = vec![];
    for cwd in ["gone", "file"] {
        let mut order = fixture.script("true");
        order.cwd = fixture.path(cwd);
        orders.push((order, "working directory"));
    }
    fs::write(fixture.path("file"), "").unwrap();
    let mut order = fixture.script("true");
    order.stdin = Some(fixture.path("no-prompt"));
    orders.push((order, "standard input"));
    orders.push((fixture.order(&[]), "no program"));
    for (order, words) in orders {
        let mut follower = fixture.executor.launch(&order).await.unwrap();
        assert!(follower.process().pid > 0);
        let (_, ended) = to_end(&mut follower).await;
        let StepExit::NotStarted(said) = &ended.exit else { panic!("{ended:?}") };
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_finished_step_leaves_no_daemons() {
    let fixture = Fixture::new();
    // A double fork into a session of its own with an empty environment, one that ignores TERM, and a plain one.
    let order = fixture.script(
        "(setsid env -i sh -c 'echo $$; exec /bin/sleep 1000' &) ; \
         (setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' &) ; \
         sh -c 'echo $$; exec sleep 1000' & \
         while [ \"$(wc -l < ../pids 2>/dev/null)\" != 3 ]; do :; done; exit 5",
    );
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let begun = Instant::now();
    let pids =
        [next_line(&mut follower).await, next_line(&mut follower).await, next_line(&mut follower).await];
    assert!(pids.iter().all(|pid| exists(pid)));
    fs::write(fixture.path("pids"), "1\n2\n3\n").unwrap();
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped, ended.left_over), (code(5), false, 0));
    assert!(!pids.iter().any(|pid| exists(pid)), "{pids:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "they get a short grace, not the step's");
    assert_nothing_left(&order);
}

#[tokio::test]
async fn the_folder_is_private() {
    let fixture = Fixture::new();
    let order = fixture.script("echo x; echo y >&2");
    fixture.run(&order).await;
    assert_eq!(mode(&order.dir), 0o700);
    let mut names = vec![];
    for entry in fs::read_dir(&order.dir).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let whole = ["exit.json", "lease", "lock", "spec.json", "started.json", "stderr.log", "stdout.jsonl"];
    assert_eq!(names, whole);
    assert_eq!(tail(&order.dir, 100), "y");
}

#[tokio::test]
async fn the_shim_is_light() {
    let fixture = Fixture::new();
    let order = fixture.script("yes | head -c 3000000; echo; echo over; read x < ../fifo");
    assert!(std::process::Command::new("mkfifo").arg(fixture.path("fifo")).status().unwrap().success());
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    while next_line(&mut follower).await != "over" {}
    let status = fs::read_to_string(format!("/proc/{}/status", follower.process().pid)).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 2048, "{kib} KiB");
    fs::write(fixture.path("fifo"), "\n").unwrap();
    assert_eq!(to_end(&mut follower).await.1.exit, code(0));
}

#[tokio::test]
async fn a_shim_that_is_killed_as_it_begins_is_started_again() {
    let fixture = Fixture::new();
    let (shim, real, flag) = (fixture.shim(), fixture.path("real-shim"), fixture.path("flag"));
    fs::rename(&shim, &real).expect("the shim is there");
    let script = format!(
        "#!/bin/sh\n[ -e {flag} ] || {{ touch {flag}; kill -KILL $$; }}\nexec {real} \"$@\"\n",
        flag = flag.display(),
        real = real.display()
    );
    fs::write(&shim, script).expect("it can be written");
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let (lines, ended) = fixture.run_script("echo once").await;
    assert_eq!((lines, ended.exit), (vec!["once".to_owned()], code(0)));
    assert!(flag.exists(), "it was killed");
}
