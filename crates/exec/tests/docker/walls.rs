//! What a container keeps a step from.

use std::fs;
use std::time::{Duration, Instant};

use gadugi_core::StopForce;
use gadugi_exec::Mount;

use crate::common::{code, next_line, patiently, to_end};
use crate::stage::Stage;

#[tokio::test]
async fn the_environment_is_the_orders_and_nothing_else() {
    let stage = Stage::new().await;
    let order = stage.order(&["/usr/bin/env"]);
    let (mut lines, ended) = stage.run(&order).await;
    lines.sort();
    let attempt = format!("GADUGI_ATTEMPT={}", order.attempt);
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lines, [&*attempt, "GREETING=good day = 1", "HOME=/gadugi/home", path]);
    assert_eq!(ended.exit, code(0));
    let mut order = stage.order(&["/usr/bin/env"]);
    order.env.push(("PATH".into(), "/own".into()));
    assert!(stage.run(&order).await.0.contains(&"PATH=/own".to_owned()));
}

/// An image whose every setting is in the way.
#[tokio::test]
async fn what_an_image_sets_does_not_count() {
    let stage = Stage::new().await;
    let image = format!("gadugi-test/odd-{}", stage.instance);
    let odd = [
        "ENV ODD=1 HOME=/odd",
        "ENTRYPOINT [\"/bin/false\"]",
        "CMD [\"odd\"]",
        "VOLUME /odd /workspace",
        "WORKDIR /odd",
        "STOPSIGNAL SIGKILL",
        "HEALTHCHECK --interval=1s CMD exit 1",
        "USER nobody",
    ];
    let from = format!("FROM {}\n", gadugi_testkit::docker::BASE_IMAGE);
    fs::write(stage.folder("odd").join("Dockerfile"), from + &odd.join("\n")).unwrap();
    stage.docker(&["build", "-q", "-t", &image, stage.path("odd").to_str().unwrap()]);
    fs::write(stage.path("work/mine"), "").unwrap();
    let mut order = stage.script(
        "env; id -u; pwd; touch /odd/there && echo written; ls /workspace; echo on; \
         while [ ! -e go ]; do sleep 0.05; done",
    );
    let wanted = order.container.as_mut().unwrap();
    wanted.image = image.clone();
    let name = wanted.name.clone();
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "on") {
        lines.push(next_line(&mut follower).await);
    }
    let set = "{{range .Mounts}}{{.Type}} {{end}}{{.Config.StopSignal}} {{.Config.Healthcheck.Test}}";
    let told = stage.docker(&["inspect", "--format", set, &name]);
    fs::write(stage.path("work/go"), "").unwrap();
    let (_, ended) = to_end(&mut follower).await;
    stage.until_removed().await;
    stage.docker(&["rmi", "-f", &image]);
    assert_eq!(told, "bind bind bind bind bind SIGTERM [NONE]", "no volume is left behind");
    let user = stage.user.inside.0.to_string();
    assert!(!lines.iter().any(|line| line.starts_with("ODD=") || line == "HOME=/odd"), "{lines:?}");
    assert_eq!(lines[lines.len() - 5..], [&*user, "/workspace", "written", "mine", "on"]);
    assert_eq!(ended.exit, code(0));
}

#[tokio::test]
async fn only_its_own_folders_can_be_written() {
    let stage = Stage::new().await;
    fs::write(stage.path("fixed"), "as it was\n").unwrap();
    let mut order = stage.script(
        "for f in /x /etc/x /gadugi/x /gadugi/gate/x /gadugi/shim /run/x /fixed /proc/sys/kernel/x; do \
         (echo > $f) 2>/dev/null && echo written $f; done; \
         for d in /workspace /gadugi/home /tmp /dev/shm; do echo > $d/f || echo no $d; done; cat /fixed; \
         ls -A /gadugi/gate",
    );
    let source = stage.path("fixed");
    let mounts = &mut order.container.as_mut().unwrap().mounts;
    mounts.push(Mount { source, target: "/fixed".into(), read_only: true });
    let (lines, _) = stage.run(&order).await;
    assert_eq!(lines, ["as it was"], "and the launch socket is gone from the gate");
}

#[tokio::test]
async fn there_is_no_network_no_capability_and_no_way_to_more() {
    let stage = Stage::new().await;
    let script = "ls /sys/class/net; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; hostname; id; ulimit -c; \
                  ls -A /dev/mapper /dev/kvm /dev/sda 2>&1 | wc -l; echo init $(cat /proc/1/comm)";
    let (lines, _) = stage.run_script(script).await;
    let all = lines.join("\n").replace('\t', " ");
    assert_eq!(lines[0], "lo", "{all}");
    assert_ne!(lines[1].trim(), "eth0", "{all}");
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(all.contains(&format!("{name}: 0000000000000000")), "{all}");
    }
    let (user, group) = stage.user.inside;
    for told in ["NoNewPrivs: 1", "Seccomp: 2", "\ngadugi\n", "\n0\n", "init shim"] {
        assert!(all.contains(told), "{told}: {all}");
    }
    assert!(all.contains(&format!("uid={user} gid={group} groups={group}")), "{all}");
}

#[tokio::test]
async fn a_step_cannot_reach_its_own_records() {
    let stage = Stage::new().await;
    let script = "cd /proc/1; for f in cwd fd mem root environ; do cat $f >/dev/null 2>&1 && echo open $f; ls $f/ 2>/dev/null; \
                  done; kill -KILL 1; kill -STOP 1; kill -TERM 1; kill -USR1 1; sleep 0.3; echo still";
    let (lines, ended) = stage.run_script(script).await;
    assert_eq!((lines, ended.exit, ended.stopped), (vec!["still".to_owned()], code(0), false));
}

#[tokio::test]
async fn processes_are_bounded() {
    let stage = Stage::new().await;
    let count = "for (1..500) { my $p = fork; if (!defined $p) { print \"refused after $n\\n\"; exit 7 } \
                 if (!$p) { sleep 1000 } $n++ } print \"$n\\n\"";
    let mut order = stage.order(&["/usr/bin/perl", "-e", count]);
    order.grace = gadugi_core::Millis(300);
    order.container.as_mut().unwrap().pids = Some(60);
    let (lines, ended) = stage.run(&order).await;
    let after = lines[0].strip_prefix("refused after ").and_then(|count| count.parse::<u32>().ok());
    assert!(after.is_some_and(|count| (50..60).contains(&count)), "{lines:?}");
    assert_eq!(ended.exit, code(7));

    let mut order = stage.script("echo on; bomb() { bomb | bomb & }; bomb; sleep 1000");
    order.container.as_mut().unwrap().pids = Some(60);
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "on");
    assert!(follower.stopper().stop(StopForce::Now));
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.stopped, ended.by_engine, ended.left_over), (true, false, 0));
    stage.until_removed().await;
}

#[tokio::test]
async fn a_burner_gets_its_share_of_the_processor() {
    let stage = Stage::new().await;
    let burn =
        "use Time::HiRes; fork; fork; my $t = Time::HiRes::time; while (Time::HiRes::time - $t < 3) {}";
    let mut order = stage.order(&["/usr/bin/perl", "-e", burn]);
    order.container.as_mut().unwrap().cpus_permille = Some(500);
    let begun = Instant::now();
    let (_, ended) = stage.run(&order).await;
    let (wall, cpu) = (begun.elapsed(), Duration::from_millis(ended.cpu.0));
    assert_eq!(ended.exit, code(0));
    assert!(cpu < wall.mul_f64(0.6) && cpu > Duration::from_millis(300), "{cpu:?} in {wall:?}");
}
