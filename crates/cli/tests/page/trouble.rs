//! What happens to a page between its events: reloads, a second tab, an engine that dies, a network that goes away. At the end
//! each tab has shown every event of the log, and none twice.

use serde_json::{Value, json};

use crate::browser::Scenario;
use crate::network::{Network, State};
use crate::scene::{Dashboard, Scene, bash, says, write};

/// Gates of each task: between any two of them something goes wrong.
const GATES: [&str; 5] = ["reload", "killed", "cut", "still", "end"];

#[test]
fn nothing_is_missing_and_nothing_is_double() {
    let scene = Scene::new();
    for task in ["left", "right"] {
        let mut turns = vec![json!([{"text": format!("GADUGI-PHASE: 4\nI begin the {task} one.")},
            write(&format!("src/{task}.txt"), task)])];
        for gate in GATES {
            turns.extend([scene.waits_at(gate), bash(&format!("echo passed {gate}"))]);
        }
        turns.push(says("GADUGI-PHASE: 5\ndone"));
        scene.prompt(task, &format!("The {task} one"), "", &turns);
    }
    scene.prompt(
        "after",
        "What comes after",
        "depends_on: [left, right]",
        &[bash("ls src > src/all.txt"), says("done")],
    );
    scene.stage.commit("prompts");

    let run = scene.stage.spawn(&["run", "--no-review", "--json", "--max-parallel", "2", "--detach"]);
    scene.stage.finish(run).ends_with(0);
    let dashboard = Dashboard::open(&scene.stage);
    let network = Network::to(dashboard.address());
    // The browser's addresses stay as they are: only the way there is another.
    let map = format!("--host-resolver-rules=MAP {} {}", dashboard.address(), network.address);
    let scenario = Scenario::start("trouble", &scene.stage.home, &dashboard.link, &json!({"flags": [map]}));
    scenario.play(|what, asked| {
        match what {
            "open gate" => scene.open_gate(asked["name"].as_str().unwrap()),
            "kill engine" => scene.stage.kill_engine(),
            "network" => network.set(match asked["state"].as_str().unwrap() {
                "up" => State::Up,
                "still" => State::Still,
                "cut" => State::Cut,
                other => panic!("a network is not {other}"),
            }),
            "status" => return scene.stage.status(),
            "events" => return json!(scene.events()),
            other => panic!("nobody does {other}"),
        }
        Value::Null
    });
    assert_eq!(scene.stage.status()["status"], "finished");
}
