//! A large prompt becomes tasks: asked of the scripted agent, checked, repaired or refused, written as prompt files, run.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stage::{Ran, Stage};

/// A part whose agent writes one file.
fn part(id: &str, needs: &[&str]) -> Value {
    let wanted = format!("Write it.\n\n```script\nwrite {id}.txt {id}\n```\n");
    json!({"id": id, "title": format!("The part {id}"), "wanted": wanted, "done": [format!("{id}.txt is there")],
        "depends_on": needs, "touches": [format!("{id}.txt")], "kind": "feature"})
}

fn tasks(parts: &[Value]) -> String {
    json!({ "tasks": parts }).to_string()
}

fn good() -> String {
    tasks(&[part("lexer", &[]), part("parser", &["lexer"]), part("docs", &[])])
}

fn stage() -> Stage {
    let stage = Stage::new();
    stage.write("gadugi.toml", "[run]\nagent = \"scripted\"\nexecutor = \"local\"\ngrace = \"2s\"\n");
    stage
}

/// A prompt whose agent plays that script when it is asked.
fn large(stage: &Stage, path: &str, front: &str, script: &str) {
    let front = if front.is_empty() { String::new() } else { format!("---\n{front}\n---\n") };
    stage.write(path, &format!("{front}# Everything\n\nBuild it all.\n\n````script\n{script}\n````\n"));
    stage.commit("a large prompt");
}

fn plan(stage: &Stage, more: &[&str]) -> Ran {
    stage.gadugi(&[&["plan", "--decompose"], more].concat())
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.ends_with(0).stdout).unwrap()
}

/// What is the user's is as it was but for the folder of parts, which is new.
fn untouched_but_for_parts(stage: &Stage, before: &BTreeMap<String, Vec<u8>>) {
    let (parts, aside) = (stage.root.join("prompts/big"), stage.home.join("parts"));
    std::fs::rename(&parts, &aside).unwrap();
    stage::untouched(stage, before);
    std::fs::create_dir_all(parts.parent().unwrap()).unwrap();
    std::fs::rename(&aside, &parts).unwrap();
}

/// Nothing of it is left: neither processes nor worktrees nor branches.
fn nothing_left(stage: &Stage) {
    assert_eq!(stage.left_over(), Vec::<String>::new());
    assert_eq!(stage.git(&["branch", "--format=%(refname:short)"]), "main");
    assert_eq!(stage.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_large_prompt_becomes_prompt_files_and_their_plan() {
    let stage = stage();
    large(&stage, "prompts/big.md", "priority: 3\ntimeout: 20m", &format!("say {}", good()));
    let before = stage::users_own(&stage);
    let ran = plan(&stage, &["--json", "prompts/big.md"]);
    let json = json_of(&ran);
    let ids: Vec<&str> =
        json["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["lexer", "parser", "docs"]);
    assert_eq!(json["edges"][0]["from"], "lexer");
    assert_eq!(
        (json["edges"].as_array().unwrap().len(), &json["edges"][0]["reason"]),
        (1, &json!("declared"))
    );
    let split = &json["decomposed"][0];
    assert_eq!(
        (split["prompt"].as_str(), split["folder"].as_str()),
        (Some("prompts/big.md"), Some("prompts/big"))
    );
    assert_eq!(split["parts"][1]["file"], "prompts/big/02-parser.md");
    assert_eq!(split["parts"][1]["depends_on"], json!(["lexer"]));
    let text = stage.read("prompts/big/02-parser.md");
    for line in [
        "id: parser",
        "depends_on: [lexer]",
        "touches: [parser.txt]",
        "timeout: 20m",
        "# The part parser",
        "- parser.txt is there",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    untouched_but_for_parts(&stage, &before);
    // What the question was is on record, and nothing else of it.
    let task = stage.task("big");
    assert_eq!((task["state"].as_str(), task["verdict"].as_str()), (Some("succeeded"), Some("no-change")));
    assert_eq!(task["detail"], "split into 3 tasks");
    for phase in task["phases"].as_array().unwrap() {
        let proved = ["initial-setup", "settings-update"].contains(&phase["phase"].as_str().unwrap());
        assert_eq!(phase["status"], if proved { "proved" } else { "left-out" }, "{phase}");
    }
    nothing_left(&stage);
    // The files are the user's now: changed, planned and run like any others.
    stage.gadugi(&["plan", "prompts/big"]).ends_with(0);
}

#[test]
fn the_parts_can_be_run_at_once() {
    let stage = stage();
    large(&stage, "big.md", "", &format!("say {}", good()));
    let ran = stage.gadugi(&["run", "--decompose", "--no-review", "--json", "--verify", "", "big.md"]);
    ran.ends_with(0);
    let events = ran.events();
    assert_eq!(events[0]["type"], "decomposed", "{}", ran.stdout);
    assert_eq!(events[0]["decomposed"][0]["parts"].as_array().unwrap().len(), 3);
    let report = ran.report();
    assert_eq!((report["succeeded"].as_u64(), report["failed"].as_u64()), (Some(3), Some(0)));
    let branch = report["branch"].as_str().unwrap();
    for part in ["lexer", "parser", "docs"] {
        assert_eq!(stage.blob(branch, &format!("{part}.txt")), part);
    }
}

#[test]
fn a_bad_answer_is_mended_in_the_same_conversation() {
    let circle = tasks(&[part("a", &["b"]), part("b", &["a"])]);
    for bad in ["I would split it in two.".to_owned(), circle, tasks(&[]), good()[..200].to_owned()] {
        let stage = stage();
        large(&stage, "big.md", "", &format!("fresh say {bad}\nresumed say {}", good()));
        json_of(&plan(&stage, &["--json", "big.md"]));
        let task = stage.task("big");
        assert_eq!((task["attempts"].as_u64(), task["steps"].as_u64()), (Some(1), Some(2)), "{task}");
        let folder = std::path::PathBuf::from(task["attempt_dir"].as_str().unwrap());
        let asked = std::fs::read_to_string(folder.join("2/stdin.md")).unwrap();
        assert!(asked.contains("## Your answer will not do"), "{asked}");
        nothing_left(&stage);
    }
}

#[test]
fn an_answer_that_is_bad_twice_is_refused_with_the_reason() {
    let circle = tasks(&[part("a", &["b"]), part("b", &["a"])]);
    let many: Vec<Value> = (0..13).map(|n| part(&format!("t{n}"), &[])).collect();
    let mut out = part("out", &[]);
    out["touches"] = json!(["../elsewhere"]);
    for (bad, reason) in [
        ("It is hard to say.".to_owned(), "it has no JSON object, and begins \"It is hard to say.\""),
        (circle, "depends_on closes a circle: a waits for b waits for a"),
        (tasks(&many), "it has 13 tasks; at most 12 are allowed: join some"),
        (tasks(&[part("a", &[]), out]), "touches has \"../elsewhere\", which leaves the repository"),
        (tasks(&[part("a", &["z"]), part("b", &[])]), "a depends on \"z\", which is no task"),
    ] {
        let stage = stage();
        large(&stage, "big.md", "", &format!("say {bad}"));
        let ran = plan(&stage, &["big.md"]);
        ran.ends_with(1);
        let error: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(error.len(), 1, "{}", ran.stderr);
        assert!(
            error[0].starts_with("error: big.md was not split: its answer will not do: "),
            "{}",
            error[0]
        );
        assert!(error[0].contains(reason), "{}", error[0]);
        assert!(error[0].contains("hint: gadugi logs big --run "), "{}", error[0]);
        assert!(ran.stdout.is_empty() && !stage.root.join("prompts").exists());
        nothing_left(&stage);
    }
}

#[test]
fn nothing_to_split_is_an_honest_answer() {
    for answer in [json!({"whole": "it is one function"}).to_string(), tasks(&[part("only", &[])])] {
        let stage = stage();
        large(&stage, "big.md", "", &format!("say {answer}"));
        let ran = plan(&stage, &["--json", "big.md"]);
        let json = json_of(&ran);
        assert_eq!(json["tasks"][0]["id"], "big");
        assert_eq!(json["decomposed"][0]["parts"], json!([]));
        assert!(json["decomposed"][0]["whole"].as_str().unwrap().starts_with("it is one "));
        assert!(!stage.root.join("prompts").exists());
    }
}

#[test]
fn two_tasks_that_write_one_file_are_asked_about_once_and_then_put_in_order() {
    let stage = stage();
    let mut other = part("other", &[]);
    other["touches"] = json!(["lexer.txt"]);
    large(&stage, "big.md", "", &format!("say {}", tasks(&[part("lexer", &[]), other])));
    let json = json_of(&plan(&stage, &["--json", "big.md"]));
    assert_eq!(stage.task("big")["steps"], 2, "it was asked to mend that");
    assert_eq!(json["edges"][0]["reason"], "same-file");
}

#[test]
fn nothing_that_is_there_is_overwritten_and_nobody_is_asked_for_it() {
    let stage = stage();
    large(&stage, "big.md", "", &format!("say {}", good()));
    stage.write("prompts/big/mine.md", "# Mine\n");
    let ran = plan(&stage, &["big.md"]);
    ran.ends_with(2);
    assert!(
        ran.stderr.contains("prompts/big is there already, and nothing in it is overwritten"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert_eq!(stage.read("prompts/big/mine.md"), "# Mine\n");
    assert!(!stage.root.join(".gadugi/gadugi.db").exists(), "nothing was begun");
}

#[test]
fn of_a_folder_only_large_prompts_are_split() {
    let stage = stage();
    stage.write("prompts/small.md", "# Small\n\nFix a typo in `README.md`.\n");
    let words: String = (0..60).map(|n| format!("- Implement the module `src/m{n}.rs` and its tests, migrate its API, refactor the architecture.\n")).collect();
    stage.write(
        "prompts/huge.md",
        &format!("# A rewrite of the whole architecture\n\n{words}\n````script\nsay {}\n````\n", good()),
    );
    stage.write("prompts/needed.md", &format!("# Another large rewrite\n\n{words}\n"));
    stage
        .write("prompts/waits.md", "---\ndepends_on: [needed]\n---\n# Waits\n\nFix a typo in `README.md`.\n");
    stage.commit("prompts");
    let ran = plan(&stage, &["prompts"]);
    ran.ends_with(0);
    assert!(
        ran.stderr.contains("prompts/needed.md is left whole: other prompts depend on it"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("left whole, as no large ones: prompts/small.md (low)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("prompts/huge.md: 3 tasks, in prompts/huge"), "{}", ran.stderr);
    for id in ["lexer", "parser", "docs", "small", "needed", "waits"] {
        assert!(ran.stdout.contains(id), "{id}: {}", ran.stdout);
    }
}

#[test]
fn a_text_on_standard_input_is_split_and_a_text_file_too() {
    let text = format!("Build a whole parser.\n\n````script\nsay {}\n````\n", good());
    let stage = stage();
    stage.commit("nothing");
    let ran = stage.gadugi_with_stdin(&["plan", "--decompose", "--stdin", "--json"], &text);
    let json = json_of(&ran);
    assert_eq!(json["decomposed"][0]["folder"], "prompts/build-a-whole-parser");
    assert_eq!(stage.git(&["status", "--porcelain"]), "?? prompts/");
    stage.write("notes.txt", &text);
    let ran = plan(&stage, &["--json", "notes.txt"]);
    assert_eq!(json_of(&ran)["decomposed"][0]["folder"], "prompts/notes");
    let ran = stage.gadugi_with_stdin(&["plan", "--decompose", "--stdin"], " \n");
    ran.ends_with(2);
    assert!(ran.stderr.contains("there is nothing on standard input"), "{}", ran.stderr);
    // A request that names prompts is one.
    large(&stage, "named.md", "", &format!("say {}", json!({"whole": "small"})));
    let ran =
        stage.gadugi_with_stdin(&["plan", "--decompose", "--stdin"], "Execute these prompts:\n- named.md\n");
    ran.ends_with(0);
    assert!(ran.stderr.contains("named.md: nothing to split (small)"), "{}", ran.stderr);
}

#[test]
fn what_its_agent_changes_is_never_taken() {
    let stage = stage();
    large(&stage, "big.md", "", &format!("write src/evil.txt x\ncommit evil\nsay {}", good()));
    let before = stage::users_own(&stage);
    plan(&stage, &["big.md"]).ends_with(0);
    untouched_but_for_parts(&stage, &before);
    let status = stage.status();
    assert_eq!(status["tip"], status["base"], "nothing is merged");
    assert!(!stage.root.join("src/evil.txt").exists());
    // It is kept where it is, as all that nobody took, and named.
    assert_eq!(status["kept"].as_array().unwrap().len(), 1, "{status}");
}

#[test]
fn an_interrupted_question_is_taken_up_by_the_same_call() {
    let stage = stage();
    let wait = "fresh run echo begun > \"$HOME/begun\"\nfresh hang";
    large(&stage, "big.md", "", &format!("{wait}\nresumed say {}", good()));
    let child = stage.spawn(&["plan", "--decompose", "--json", "big.md"]);
    stage::until("its agent works", || stage.home.join("begun").exists());
    stage::signal(i32::try_from(child.id()).unwrap(), "INT");
    let ran = stage.finish(child);
    ran.ends_with(130);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    stage::until("no process of it is left", || stage.attempt_processes().is_empty());
    assert!(!stage.root.join("prompts").exists());
    let first = stage.status()["run"].clone();
    let ran = plan(&stage, &["--json", "big.md"]);
    assert_eq!(json_of(&ran)["decomposed"][0]["run"], first, "what it had cost is not spent again");
    nothing_left(&stage);
}

#[test]
fn an_engine_that_is_killed_costs_no_answer() {
    let stage = stage();
    let wait = "run echo begun >> \"$HOME/begun\"\nrun while ! test -e \"$HOME/go\"; do sleep 0.05; done";
    large(&stage, "big.md", "", &format!("{wait}\nsay {}", good()));
    let child = stage.spawn(&["plan", "--decompose", "--json", "big.md"]);
    stage::until("its agent works", || stage.home.join("begun").exists());
    stage.kill_engine();
    std::fs::write(stage.home.join("go"), "").unwrap();
    let ran = stage.finish(child);
    assert_eq!(json_of(&ran)["tasks"].as_array().unwrap().len(), 3);
    assert_eq!(
        std::fs::read_to_string(stage.home.join("begun")).unwrap(),
        "begun\n",
        "its agent was adopted"
    );
    nothing_left(&stage);
}

#[test]
fn who_resumes_a_question_gets_its_parts() {
    let stage = stage();
    let wait = "run echo begun >> \"$HOME/begun\"\nrun while ! test -e \"$HOME/go\"; do sleep 0.05; done";
    large(&stage, "big.md", "", &format!("{wait}\nsay {}", good()));
    let mut child = stage.spawn(&["plan", "--decompose", "big.md"]);
    stage::until("its agent works", || stage.home.join("begun").exists());
    // Whoever asked is gone, and so is the engine.
    child.kill().unwrap();
    child.wait().unwrap();
    stage.kill_engine();
    std::fs::write(stage.home.join("go"), "").unwrap();
    let ran = stage.gadugi(&["resume"]);
    ran.ends_with(0);
    assert!(ran.stderr.contains("gadugi plan prompts/big"), "{}", ran.stderr);
    assert!(stage.read("prompts/big/01-lexer.md").contains("# The part lexer"));
    nothing_left(&stage);
}

#[test]
fn what_is_wrong_with_the_words_is_told() {
    let stage = stage();
    large(&stage, "big.md", "", "say x");
    for (words, message) in [
        (&["plan", "--max-tasks", "5", "big.md"][..], "--decompose"),
        (&["plan", "--agent", "scripted", "big.md"], "--decompose"),
        (&["plan", "--decompose", "--max-tasks", "1", "big.md"], "from 2 to 100"),
        (&["plan", "--decompose", "absent.md"], "no such prompt"),
    ] {
        let ran = stage.gadugi(words);
        ran.ends_with(2);
        assert!(ran.stderr.contains(message) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    }
    let mut command = stage.command(&["plan", "--decompose", "big.md"]);
    command.env("GADUGI_ATTEMPT", "r/t/1");
    let ran = stage.finish(command.spawn().unwrap());
    ran.ends_with(2);
    assert!(ran.stderr.contains("agents start no runs"), "{}", ran.stderr);
}
