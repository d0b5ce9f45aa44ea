//! What agents, prompts and repositories say is shown as text, whatever it says.

use serde_json::{Value, json};

use crate::browser::Scenario;
use crate::scene::{Dashboard, Scene, bash, says};

/// What would leave a mark in the page if it were taken for more than text.
const MARKUP: [&str; 8] = [
    "<script>window.__ran='script'</script>",
    "<img src=x onerror=\"window.__ran='onerror'\">",
    "<svg onload=\"window.__ran='onload'\"></svg>",
    "<a href=\"javascript:window.__ran='link'\">click me</a>",
    "[click me](javascript:window.__ran='markdown')",
    "<iframe srcdoc=\"<script>parent.__ran='frame'</script>\"></iframe>",
    "</script></style></textarea><style>*{display:none}</style>",
    "{@html '<b id=owned>x</b>'} ${window.__ran='template'} {{constructor.constructor('window.__ran=1')()}}",
];

/// What would paint over what others say, or turn it round.
const MARKS: &str = "\u{1b}[2J\u{1b}[31mred\u{1b}[0m \u{1b}]8;;javascript:window.__ran='osc'\u{7}link\u{1b}]8;;\u{7} \u{202e}gnp.exe\u{202c} \u{2066}isolated\u{2069} \u{200f}\u{8}\u{8}";

#[test]
fn what_others_say_is_text() {
    let scene = Scene::new();
    let opening = format!("GADUGI-PHASE: 4\n{}\n{MARKS}", MARKUP.join("\n"));
    let mut turns = vec![json!([{"text": opening}, bash("true")])];
    for text in MARKUP {
        turns.push(json!([{"text": text}, bash(&format!("cat <<'EOF'\n{text}\n{MARKS}\nEOF"))]));
    }
    let named = "src/<img src=x onerror=window.__ran='name'>.txt";
    turns.push(json!({"tool": "Write", "input": {"file_path": format!("$CWD/{named}"), "content": MARKUP.join("\n")}}));
    turns.push(json!({"tool": "Write", "input": {
        "file_path": "$CWD/src/\u{202e}txt.exe.txt", "content": format!("{MARKS}\n")}}));
    turns.push(json!({"tool": "TodoWrite", "input": {"todos": [
        {"content": MARKUP[1], "status": "pending", "activeForm": MARKUP[0]}]}}));
    turns.push(says("<script>window.__ran='last'</script> done"));
    scene.prompt("hostile", &format!("{} {} \u{202e}title", MARKUP[1], MARKUP[0]), "", &turns);
    let failing = [bash("exit 3"), says(MARKUP[1])];
    scene.prompt(
        "failing",
        MARKUP[4],
        "verify: \"echo '<img src=x onerror=window.__ran=1>'; exit 1\"",
        &failing,
    );
    scene.stage.commit("prompts");
    scene.stage.finish(scene.stage.spawn(&["run", "--no-review", "--json"]));
    let dashboard = Dashboard::open(&scene.stage);
    let given = json!({"markup": MARKUP});
    let scenario = Scenario::start("hostile", &scene.stage.home, &dashboard.link, &given);
    scenario.play(|what, _| match what {
        "status" => scene.stage.status(),
        other => panic!("nobody does {other}"),
    });
    let task = scene.stage.task("hostile");
    assert_eq!(task["state"], "succeeded", "the file names of the attack were really written: {task}");
    let changed: Value = task["changed"].clone();
    assert!(changed.to_string().contains("onerror"), "{changed}");
}
