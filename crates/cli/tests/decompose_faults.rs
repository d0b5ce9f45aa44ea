//! An engine that dies while an answer is looked at: whoever asked gets the same parts, asked for once and mended once.

mod stage;

use serde_json::{Value, json};
use stage::Stage;

#[test]
fn wherever_the_engine_dies_the_answer_is_the_same() {
    let points = ["effect:take-answer", "event:answer-appraised"];
    let moments = points.iter().flat_map(|point| ["before", "after"].map(|when| format!("{point}:{when}")));
    for fault in moments.flat_map(|moment| [1, 2].map(|number| format!("{moment}:{number}"))) {
        let mut stage = Stage::new();
        stage.write("gadugi.toml", "[run]\nagent = \"scripted\"\nexecutor = \"local\"\n");
        let part = |id: &str| json!({"id": id, "title": id, "wanted": "w", "done": ["d"], "touches": [format!("{id}.txt")]});
        let good = json!({"tasks": [part("one"), part("two")]});
        let script = format!("run echo asked >> \"$HOME/asked\"\nfresh say Hm.\nresumed say {good}");
        stage.write("big.md", &format!("# Big\n\n````script\n{script}\n````\n"));
        stage.commit("a large prompt");
        let log = stage.home.join("faults");
        stage.variables.push(("GADUGI_FAULT".into(), fault.clone()));
        stage.variables.push(("GADUGI_FAULT_LOG".into(), log.to_string_lossy().into_owned()));
        let ran = stage.gadugi(&["plan", "--decompose", "--json", "big.md"]);
        ran.ends_with(0);
        let fired = std::fs::read_to_string(&log).unwrap().lines().any(|line| line.starts_with("fired "));
        assert!(fired, "{fault} never came about");
        let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(plan["decomposed"][0]["parts"].as_array().unwrap().len(), 2, "{fault}: {plan}");
        assert_eq!(std::fs::read_to_string(stage.home.join("asked")).unwrap().lines().count(), 2, "{fault}");
        assert_eq!(stage.left_over(), Vec::<String>::new(), "{fault}");
    }
}
