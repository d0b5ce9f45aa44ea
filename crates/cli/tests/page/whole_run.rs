//! A run from its first task to its last, on one page that is never loaded again.

use serde_json::{Value, json};

use crate::browser::Scenario;
use crate::scene::{Dashboard, Scene, bash, says, write};

#[test]
fn a_run_is_seen_as_it_happens() {
    let scene = Scene::new();
    scene.stage.write("src/words.txt", "one\ntwo\nthree\n");
    let edit = json!({"tool": "Edit", "input": {
        "file_path": "$CWD/src/words.txt", "old_string": "two\n", "new_string": "two\nand a half\n"}});
    let todo = json!({"tool": "TodoWrite", "input": {"todos": [
        {"content": "Say hello", "status": "completed", "activeForm": "Saying hello"},
        {"content": "Wait at the gate", "status": "in_progress", "activeForm": "Waiting at the gate"}]}});
    let greet = [
        json!([{"text": "GADUGI-PHASE: 4\nI write the greeting."}, write("src/greet.txt", "hello\n")]),
        todo,
        json!({"tool": "Read", "input": {"file_path": "$CWD/src/words.txt"}}),
        edit,
        scene.waits_at("greet"),
        says("GADUGI-PHASE: 5\nThe greeting is written, behind the gate."),
    ];
    scene.prompt("greet", "Write a greeting", "", &greet);
    let reply =
        [bash("sed s/hello/hi/ src/greet.txt > src/reply.txt"), scene.waits_at("reply"), says("Replied.")];
    scene.prompt("reply", "Answer the greeting", "depends_on: [greet]", &reply);
    let slow = [scene.waits_at("slow"), bash("echo slow > src/slow.txt"), says("Slow, and done.")];
    scene.prompt("slow", "Take your time", "", &slow);
    let broken = [bash("echo broken > broken.txt"), says("Done, says the agent.")];
    scene.prompt("broken", "Break the build", "", &broken);
    scene.stage.commit("prompts");

    let run = scene.stage.spawn(
        &"run --no-review --dashboard --json --max-parallel 4 --verify"
            .split(' ')
            .chain(["test ! -e broken.txt"])
            .collect::<Vec<_>>(),
    );
    let dashboard = Dashboard::of(run);
    // Without it the engine would leave with its last run, and take the page along.
    let held = Dashboard::open(&scene.stage);
    assert_eq!(held.link, dashboard.link, "one engine has one page");
    let scenario = Scenario::start("whole_run", &scene.stage.home, &dashboard.link, &json!({}));
    let seen = scenario.play(|what, asked| match what {
        "open gate" => {
            scene.open_gate(asked["name"].as_str().unwrap());
            Value::Null
        }
        "status" => scene.stage.status(),
        "events" => json!(scene.events()),
        other => panic!("nobody does {other}"),
    });
    assert_eq!(seen["tasks"], json!(["broken", "greet", "reply", "slow"]), "{seen}");
    let status = scene.stage.status();
    assert_eq!(scene.stage.blob(status["branch"].as_str().unwrap(), "src/reply.txt"), "hi");
    assert_eq!(scene.stage.task("slow")["attempts"], 2, "it was cancelled and retried by the page's buttons");
}
