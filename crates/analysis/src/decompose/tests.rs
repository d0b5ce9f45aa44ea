use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// Two tasks, the second of which needs the first.
fn good() -> Value {
    json!({"tasks": [
        {"id": "parser", "title": "A parser", "wanted": "Parse.", "context": "See `src/lexer.rs`.",
         "done": ["cargo test -p parser"], "depends_on": ["lexer"], "touches": ["src/parser.rs"],
         "kind": "feature", "priority": 5},
        {"id": "lexer", "title": "A lexer", "wanted": "Lex.", "done": ["it lexes"], "touches": ["./src/lexer.rs"]},
    ]})
}

fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut answer = good();
    change(&mut answer);
    answer.to_string()
}

fn parts(words: &str) -> Parts {
    match read(words, 12) {
        Reading { answer: Some(Answer::Parts(parts)), .. } => parts,
        other => panic!("{other:?}"),
    }
}

/// The one line that is told of an answer that is useless.
#[track_caller]
fn fault(words: &str) -> String {
    let reading = read(words, 3);
    assert_eq!(reading.answer, None, "{reading:?}");
    assert_eq!(reading.faults.len(), 1, "{reading:?}");
    assert!(!reading.faults[0].contains('\n'));
    reading.faults[0].clone()
}

#[test]
fn a_good_answer_is_read_whatever_stands_around_it() {
    let plain = parts(&good().to_string());
    assert_eq!(plain.iter().map(|part| part.id.as_str()).collect::<Vec<_>>(), ["lexer", "parser"]);
    assert_eq!(plain.iter().next().unwrap().touches, ["src/lexer.rs"]);
    let pretty = serde_json::to_string_pretty(&good()).unwrap();
    for words in [
        format!("```json\n{pretty}\n```"),
        format!("Here it is, in {{braces}}:\n\n```\n{pretty}\n```\nThat is all. {{"),
        format!("I looked at {{\"a\": 1}} first.\n{pretty}"),
        format!("{pretty}\n\nOnce more:\n{pretty}"),
        format!("\u{feff}{pretty}\r\n"),
    ] {
        assert_eq!(parts(&words), plain, "{words}");
    }
}

#[test]
fn what_is_no_answer_is_told_in_one_line() {
    let cut = good().to_string();
    let cut = &cut[..cut.len() - 30];
    let other = with(|answer| answer["tasks"][0]["id"] = "x".into());
    for (words, expected) in [
        (String::new(), "it is empty"),
        (" \n ".into(), "it is empty"),
        ("I would split it in two.".into(), "it has no JSON object, and begins \"I would split it in two.\""),
        ("[1, 2]".into(), "it has no JSON object, and begins \"[1, 2]\""),
        (cut.into(), "its JSON breaks off before its end"),
        (format!("```json\n{cut}"), "its JSON breaks off before its end"),
        ("{\n\"tasks\": [],\n}".into(), "its JSON is broken in line 3: trailing comma"),
        (format!("{}\n{other}", good()), "it has 2 JSON objects with tasks; one is wanted"),
        (json!({"parts": []}).to_string(), "its JSON object has neither `tasks` nor `whole`"),
        (
            json!({"tasks": []}).to_string(),
            "it has no tasks; where there is nothing to split, `whole` says why",
        ),
        (json!({"tasks": 3}).to_string(), "`tasks` is no list"),
        (json!({"whole": " "}).to_string(), "`whole` is no text that says why there is nothing to split"),
        (
            with(|answer| answer["whole"] = "no".into()),
            "it has both tasks and `whole`; one of them is wanted",
        ),
        ("x".repeat(MAX_ANSWER_BYTES + 1), "it has 524289 bytes; at most 524288 are possible"),
    ] {
        assert_eq!(fault(&words), expected);
    }
}

/// An answer whose second task has that field.
fn field(name: &str, value: Value) -> String {
    with(|answer| answer["tasks"][1][name] = value)
}

#[test]
fn every_field_is_looked_at() {
    for (name, value, expected) in [
        (
            "id",
            json!("Lexer"),
            "task 2 (Lexer): its id is not of the form [a-z0-9][a-z0-9-]*, at most 40 characters",
        ),
        (
            "id",
            json!("../x"),
            "task 2 (../x): its id is not of the form [a-z0-9][a-z0-9-]*, at most 40 characters",
        ),
        ("id", json!(7), "task 2: id is no text"),
        ("title", json!(""), "task 2 (lexer): title is empty"),
        ("title", json!("t".repeat(121)), "task 2 (lexer): its title has over 120 characters"),
        (
            "title",
            json!("COMPLETED already"),
            "task 2 (lexer): its title has the word COMPLETED, which marks prompts that are done",
        ),
        ("wanted", Value::Null, "task 2 (lexer): wanted is missing"),
        (
            "wanted",
            json!("x".repeat(40_000)),
            "task 2 (lexer): wanted has 40000 bytes; at most 32768 are possible",
        ),
        ("context", json!([]), "task 2 (lexer): context is no text"),
        ("done", json!([]), "task 2 (lexer): done is missing: nothing says how one knows that it is done"),
        ("done", json!([1]), "task 2 (lexer): an item of done is no text"),
        (
            "kind",
            json!("chore"),
            "task 2 (lexer): kind is \"chore\"; it can be test-coverage, bug-fix, feature, refactoring, documentation, configuration",
        ),
        ("priority", json!(1.5), "task 2 (lexer): priority is no whole number from -1000 to 1000"),
        ("priority", json!(5000), "task 2 (lexer): priority is no whole number from -1000 to 1000"),
    ] {
        assert_eq!(fault(&field(name, value)), expected);
    }
    assert_eq!(fault(&with(|answer| answer["tasks"][1] = json!("lexer"))), "task 2 is no object");
    let twice = with(|answer| {
        answer["tasks"][1]["id"] = "parser".into();
        answer["tasks"][0]["depends_on"] = json!([]);
    });
    assert_eq!(fault(&twice), "2 tasks have the id parser");
}

#[test]
fn what_a_task_touches_is_looked_at() {
    for (value, expected) in [
        (Value::Null, "task 2 (lexer): touches is missing: nothing says which files it will write"),
        (json!(["../a"]), "task 2 (lexer): touches has \"../a\", which leaves the repository"),
        (json!(["a/../../b"]), "task 2 (lexer): touches has \"a/../../b\", which leaves the repository"),
        (
            json!(["/etc/passwd"]),
            "task 2 (lexer): touches has \"/etc/passwd\", which is not in the repository: paths begin at its root",
        ),
        (
            json!(["~/.ssh/config"]),
            "task 2 (lexer): touches has \"~/.ssh/config\", which is not in the repository: paths begin at its root",
        ),
        (
            json!([".git/hooks/x"]),
            "task 2 (lexer): touches has \".git/hooks/x\", which is nothing that a task may write",
        ),
        (json!(["src/[a"]), "task 2 (lexer): touches has \"src/[a\", which is no pattern that can be read"),
        (json!(vec!["a"; 101]), "task 2 (lexer): touches has 101 items; at most 100 are possible"),
    ] {
        assert_eq!(fault(&field("touches", value)), expected);
    }
}

#[test]
fn what_a_task_depends_on_is_looked_at() {
    for (value, expected) in [
        (json!({"a": 1}), "task 2 (lexer): depends_on is no list of texts"),
        (json!(["lexer"]), "lexer depends on itself"),
        (json!(["parsr"]), "lexer depends on \"parsr\", which is no task; parser is meant?"),
    ] {
        assert_eq!(fault(&field("depends_on", value)), expected);
    }
    let told = fault(&field("depends_on", json!(["parser"])));
    assert!(told.starts_with("depends_on closes a circle: "), "{told}");
}

#[test]
fn as_many_tasks_as_are_allowed() {
    let many = |count: usize| {
        let task = |n: usize| json!({"id": format!("t{n}"), "title": "t", "wanted": "w", "done": "d", "touches": [format!("{n}.rs")]});
        json!({"tasks": (0..count).map(task).collect::<Vec<_>>()}).to_string()
    };
    assert_eq!(parts(&many(12)).len(), 12);
    assert_eq!(read(&many(13), 12).faults, ["it has 13 tasks; at most 12 are allowed: join some"]);
}

#[test]
fn nothing_to_split_is_an_answer() {
    let whole = |words: &str| match read(words, 12) {
        Reading { answer: Some(Answer::Whole(why)), .. } => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(whole(r#"{"whole": "it is one function"}"#), "it is one function");
    assert_eq!(whole(r#"{"tasks": [], "whole": "small"}"#), "small");
    let one = with(|answer| {
        answer["tasks"].as_array_mut().unwrap().remove(0);
    });
    assert_eq!(whole(&one), "it is one task: A lexer");
    assert_eq!(appraise(r#"{"whole": "small"}"#, 12).gist, "nothing to split: small");
    assert_eq!(appraise(&good().to_string(), 12).gist, "split into 2 tasks");
}

#[test]
fn what_could_be_better_is_a_doubt() {
    let side_by_side = with(|answer| {
        answer["tasks"][0]["depends_on"] = json!([]);
        answer["tasks"][0]["touches"] = json!(["src/**"]);
    });
    let reading = read(&side_by_side, 12);
    assert_eq!(reading.doubts, ["parser and lexer both write src/**, and neither waits for the other"]);
    assert!(reading.answer.is_some() && reading.faults.is_empty());
    let in_order = with(|answer| answer["tasks"][0]["touches"] = json!(["src/**"]));
    assert_eq!(read(&in_order, 12).doubts, Vec::<String>::new());
    let unknown = with(|answer| answer["tasks"][0]["depend_on"] = json!([]));
    let doubts = read(&unknown, 12).doubts;
    assert_eq!(doubts, ["task 1 (parser): \"depend_on\" is not in the schema; depends_on is meant?"]);
}

#[test]
fn an_order_through_another_is_an_order() {
    let task = |id: &str, needs: &[&str]| json!({"id": id, "title": id, "wanted": "w", "done": ["d"], "touches": ["src/a.rs"], "depends_on": needs});
    let chain = json!({"tasks": [task("c", &["b"]), task("a", &[]), task("b", &["a"])]}).to_string();
    assert_eq!(read(&chain, 12).doubts, Vec::<String>::new());
    let fork = json!({"tasks": [task("c", &["a"]), task("a", &[]), task("b", &["a"])]}).to_string();
    assert_eq!(read(&fork, 12).doubts.len(), 1);
}

#[test]
fn many_faults_are_told_up_to_a_number() {
    let bad: Vec<Value> = (0..50).map(|_| json!({})).collect();
    let reading = read(&json!({"tasks": bad}).to_string(), 100);
    assert_eq!(reading.faults.len(), 13);
    assert_eq!(reading.faults[12], "and 238 more of that sort");
}

#[test]
fn the_schema_says_what_is_looked_at() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let item = &schema["properties"]["tasks"]["items"];
    let known: BTreeSet<&str> = item["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let all = with(|answer| {
        let fields = answer["tasks"][1].as_object_mut().unwrap();
        for key in &known {
            fields.entry(*key).or_insert(Value::Null);
        }
    });
    assert_eq!(read(&all, 12).doubts, Vec::<String>::new(), "what the schema names is known");
    for required in item["required"].as_array().unwrap() {
        let without = with(|answer| {
            drop(answer["tasks"][1].as_object_mut().unwrap().remove(required.as_str().unwrap()));
        });
        assert_eq!(read(&without, 12).faults.len(), 1, "{required}");
    }
    let kinds: Vec<&str> =
        item["properties"]["kind"]["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(kinds, Kind::ALL.map(Kind::word));
}

#[test]
fn parts_become_prompts_that_the_analysis_reads() {
    let text = "---\nid: big\nverify: make\nnetwork:\n  - api.example.com:443\nbudget: 2\n# no\nmodel: m\n---\n# Big\n";
    let needs = ["tokens".to_owned()];
    let whole = Whole { shown: "prompts/big.md", id: "big", text: Some(text), depends_on: &needs };
    let mut taken = BTreeSet::from(["lexer".to_owned()]);
    let files = parts(&good().to_string()).files(&whole, &mut taken);
    assert_eq!(files[0].name, "01-big-lexer.md");
    assert_eq!(
        files[0].text,
        "---\nid: big-lexer\ndepends_on: [tokens]\ntouches: [src/lexer.rs]\nverify: make\nnetwork:\n  - \
         api.example.com:443\nmodel: m\n---\n# A lexer\n\nLex.\n\n## Done when\n\n- it lexes\n\n## The whole\n\nThis is \
         part 1 of 2 of `prompts/big.md`. Other tasks do the others, leave those to them:\n\n```text\n2. parser: A \
         parser\n```\n"
    );
    assert!(files[1].text.starts_with(
        "---\nid: parser\ndepends_on: [big-lexer]\ntouches: [src/parser.rs]\nkind: feature\npriority: 5\n"
    ));
    assert!(taken.contains("big-lexer") && taken.contains("parser"));
    let text = "---\ndepends_on:\n  - tokens.md\n---\n# Big\n";
    let whole = Whole { text: Some(text), depends_on: &[], ..whole };
    let files = parts(&good().to_string()).files(&whole, &mut BTreeSet::new());
    assert!(files[0].text.contains("\ndepends_on:\n  - tokens.md\n"), "{}", files[0].text);
    assert!(files[1].text.contains("\ndepends_on: [lexer]\n") && !files[1].text.contains("tokens.md"));
}

#[test]
fn whatever_an_agent_writes_the_front_matter_stays_sound() {
    let odd = json!({"tasks": [
        {"id": "true", "title": "a\nid: x", "wanted": "w", "done": ["d\n- [x](y)"],
         "touches": ["a: b", "it's \"so\"", "#x", "*.rs", "ü/é.rs"]},
        {"id": "7", "title": "---", "wanted": "---\nid: y\n---\n", "done": ["d"], "touches": ["z"], "depends_on": ["true"]},
    ]});
    let files = parts(&odd.to_string()).files(&Whole::default(), &mut BTreeSet::new());
    let dir = tempfile::tempdir().unwrap();
    let prompts: Vec<crate::PromptFile> = files
        .iter()
        .map(|file| {
            let path = dir.path().join(&file.name);
            std::fs::write(&path, &file.text).unwrap();
            crate::PromptFile { shown: file.name.clone(), path }
        })
        .collect();
    let base = gadugi_core::CommitId::new("base");
    let request = crate::AnalysisRequest {
        base: &base,
        map: &crate::map::RepositoryMap::of_texts(&[]).unwrap(),
        history: &crate::history::History::default(),
        prompts: &prompts,
        options: crate::AnalysisOptions::default(),
    };
    let plan = crate::analyse(&request).unwrap().plan;
    let ids: Vec<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["true", "7"]);
    assert_eq!(plan.tasks[1].depends_on[0].as_str(), "true");
    let writes: Vec<&str> = plan.tasks[0].writes.iter().map(|claim| claim.path.as_str()).collect();
    assert_eq!(writes, ["a: b", "it's \"so\"", "#x", "*.rs", "ü/é.rs"]);
    assert_eq!(plan.tasks[0].name, "a id: x");
    assert_eq!(plan.warnings, Vec::<String>::new());
}
