//! Workspaces that nobody would leave by accident: what takes their work out comes to an end, and takes what is work.

use serde_json::json;

use crate::arena::Arena;

#[test]
fn odd_workspaces_come_to_an_end_and_their_work_arrives() {
    let mut arena = Arena::new("", &json!({}));
    arena.attackers(&["fifo", "names", "deep", "many_refs", "modes", "room"]);
    let ran = arena.battle(&[]);
    arena.nothing_happened();
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    for name in ["fifo", "names", "many-refs", "modes"] {
        assert_eq!(ran.task(name)["outcome"], "succeeded", "{name}: {}", arena.task(name));
        let file = name.replace('-', "_");
        assert_eq!(arena.blob(&branch, &format!("work/{file}.txt")), format!("work of {file}"));
    }
    assert_eq!(arena.blob(&branch, "sub/kept.txt"), "kept");
    // A path that no checkout here could make; a repository whose name is what a full disk says.
    for (name, word) in [("deep", "d/d/d"), ("room", "git repositories lie inside")] {
        let detail = arena.task(name)["detail"].as_str().unwrap().to_owned();
        assert_eq!(ran.task(name)["outcome"], "failed", "{name}: {detail}");
        assert!(detail.contains(word), "{name}: {detail}");
    }
    let modes = arena.git(&["ls-tree", "-r", &branch, "work", "second.txt"]);
    assert!(modes.lines().all(|line| line.starts_with("100644 ") || line.starts_with("100755 ")), "{modes}");
    assert_eq!(arena.found(&ran, "modes"), "none");
    let landed = arena.gadugi(&["land"]);
    landed.ends_with(0);
    arena.nothing_outside();
}

/// Things by which a home and `/tmp` speak to whoever works there next.
const PLANTED: &str = "run printf '[alias]\\n\\tverified = !true\\n' > ~/.gitconfig; mkdir -p ~/.claude ~/.local/bin; echo planted > ~/.bashrc; \
    echo '{}' > ~/.claude/settings.json; ln -s /workspace /tmp/planted; cp /bin/true ~/.local/bin/make";

#[test]
fn what_an_agent_plants_in_its_home_does_not_speak_to_what_judges_its_work() {
    let mut arena = Arena::new("", &json!({}));
    arena.prompt(
        "planter",
        "",
        &format!("{PLANTED}\nwrite work/planter.txt x\nrun ls -A ~ /tmp > work/seen.txt"),
    );
    arena.begin();
    let verify = "ls -A ~ /tmp && test -z \"$(ls -A ~)\" && test -z \"$(ls -A /tmp)\" && ! git verified";
    let ran = arena.run(&["--verify", verify]);
    arena.nothing_happened();
    assert_eq!(ran.task("planter")["verdict"], "verified", "{}", arena.task("planter"));
    let seen = arena.blob(ran.report()["branch"].as_str().unwrap(), "work/seen.txt");
    assert!(seen.contains(".gitconfig") && seen.contains("planted"), "it was planted: {seen}");
    ran.ends_with(0);
}
