use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

#[tokio::test]
async fn the_latest_is_meant_where_none_is_named() {
    let stage = Stage::over(words("first"));
    let task = stage.folder.path().join("runs").join(RUN).join("greeting");
    for (step, text) in [("1/2", "second"), ("2/1", "third")] {
        fs::create_dir_all(task.join(step)).unwrap();
        fs::write(task.join(step).join("stdout.jsonl"), words(text)).unwrap();
    }
    fs::create_dir(task.join("1/home")).unwrap();
    stage.known.found.lock().unwrap().now.attempts = 2;
    for (query, text) in
        [("", "third"), ("?attempt=1", "second"), ("?attempt=1&step=1", "first"), ("?step=1", "third")]
    {
        let told = stage.json(&format!("greeting/entries{query}")).await;
        assert_eq!(told["entries"][0]["text"], text, "{query}");
    }
    let refusals = [
        ("?attempt=3", "unknown-attempt"),
        ("?attempt=0", "unknown-attempt"),
        ("?step=2", "unknown-step"),
        ("?attempt=1&step=0", "not-begun"),
        ("?attempt=1&step=9", "unknown-step"),
        ("?stream=stderr", "unknown-step"),
    ];
    for (query, code) in refusals {
        assert_eq!(stage.refused(&format!("greeting/entries{query}")).await, (404, code.into()), "{query}");
    }
    stage.known.found.lock().unwrap().now.attempts = 0;
    assert_eq!(stage.refused("greeting/entries").await, (404, "not-begun".into()));
}

#[tokio::test]
async fn a_step_that_is_being_started_is_no_unknown_one() {
    let stage = Stage::new();
    fs::remove_file(stage.stdout()).unwrap();
    assert_eq!(stage.refused("greeting/entries").await, (404, "not-begun".into()));
    fs::remove_dir(stage.step()).unwrap();
    assert_eq!(stage.refused("greeting/output").await, (404, "not-begun".into()));
    stage.end();
    assert_eq!(stage.refused("greeting/entries").await, (404, "unknown-step".into()));
}

#[tokio::test]
async fn names_of_the_client_never_become_paths() {
    let stage = Stage::over(words("hello"));
    fs::write(stage.folder.path().join("secret"), "secret").unwrap();
    for task in [
        "..%2f..%2fsecret",
        "%2fetc%2fpasswd",
        "greeting%2f1",
        "gree",
        "%00",
        "greeting%0a",
        &"x".repeat(5_000),
    ] {
        let (status, _) = stage.refused(&format!("{task}/entries")).await;
        assert!(matches!(status, 400 | 404), "{task}: {status}");
        let (status, _) = stage.refused(&format!("{task}/output")).await;
        assert!(matches!(status, 400 | 404), "{task}: {status}");
    }
}

#[tokio::test]
async fn what_is_no_plain_file_is_none() {
    let stage = Stage::over("");
    let secret = stage.folder.path().join("secret");
    fs::write(&secret, "secret\n").unwrap();
    let stdout = stage.stdout();
    type Trick<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let tricks: [Trick<'_>; 4] = [
        ("a link", Box::new(|| symlink(&secret, &stdout).unwrap())),
        ("a link to nowhere", Box::new(|| symlink("nowhere", &stdout).unwrap())),
        ("a folder", Box::new(|| fs::create_dir(&stdout).unwrap())),
        ("a pipe", Box::new(|| assert!(Command::new("mkfifo").arg(&stdout).status().unwrap().success()))),
    ];
    for (what, make) in &tricks {
        if fs::remove_file(&stdout).is_err() {
            fs::remove_dir(&stdout).unwrap();
        }
        make();
        for form in ["entries", "output", "entry", "search?q=secret"] {
            let asked = stage.refused_within(&format!("greeting/{form}")).await;
            assert_eq!(asked, (404, "unreadable".into()), "{what}: {form}");
        }
    }
}

#[tokio::test]
async fn folders_behind_links_are_none() {
    let stage = Stage::over(words("hello"));
    let elsewhere = stage.folder.path().join("elsewhere");
    let task = stage.folder.path().join("runs").join(RUN).join("greeting");
    for at in [task.join("1/1"), task.join("1"), task.clone()] {
        fs::rename(&at, &elsewhere).unwrap();
        symlink(&elsewhere, &at).unwrap();
        assert_eq!(
            stage.refused("greeting/entries?step=1").await,
            (404, "unreadable".into()),
            "{}",
            at.display()
        );
        fs::remove_file(&at).unwrap();
        fs::rename(&elsewhere, &at).unwrap();
    }
    assert_eq!(texts(stage.json("greeting/entries").await["entries"].as_array().unwrap()), ["hello"]);
}

impl Stage {
    /// As [`Stage::refused`], and soon.
    async fn refused_within(&self, path: &str) -> (u16, String) {
        tokio::time::timeout(PATIENCE, self.refused(path)).await.expect("an answer in time")
    }
}

/// Whoever asks must have an answer, and the seats of the readers back, whatever a step makes of its files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_terabytes_without_a_newline_keeps_nobody_waiting() {
    const HUGE: u64 = 4 << 40;
    let first = words("before");
    let stage = Stage::over(&first);
    let file = fs::OpenOptions::new().write(true).open(stage.stdout()).unwrap();
    file.set_len(HUGE).unwrap();
    let begin = first.len() as u64;
    let (status, page) = stage.get("greeting/entries").await;
    assert_eq!(status, 200);
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(texts(page["entries"].as_array().unwrap()), ["before"]);
    assert_eq!(page["next"], begin, "the long line is the next page's");
    let (_, page) = stage.get(&format!("greeting/entries?offset={begin}")).await;
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(page["entries"][0]["cut"], true);
    let next = page["next"].as_u64().unwrap();
    assert!(next > begin && next < HUGE, "{next}");
    // The hole behind it is one step.
    let (_, page) = stage.get(&format!("greeting/entries?offset={next}")).await;
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!((page["entries"].as_array().unwrap().len(), page["next"].as_u64()), (0, Some(HUGE)));
    let (_, hits) = stage.get("greeting/search?q=before").await;
    let hits: Value = serde_json::from_slice(&hits).unwrap();
    assert_eq!((hits["hits"].as_array().unwrap().len(), hits["next"].as_u64()), (1, Some(begin)));
    assert_eq!(stage.get(&format!("greeting/entry?offset={begin}")).await.0, 200);
    let url = stage.listen().await;
    let told = Reader::connect(&format!("{url}/greeting/entries")).await.all().await;
    assert_eq!((told.end, told.close), (Some(HUGE), Some(1000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_behind_a_line_that_is_longer_than_is_read_at_a_time_is_found() {
    let (before, after) = (words("before"), words("after"));
    let stage = Stage::over(&before);
    let file = fs::OpenOptions::new().write(true).open(stage.stdout()).unwrap();
    file.set_len(200 << 20).unwrap();
    // Bytes in the hole, and a line behind it.
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", 150 << 20).unwrap();
    stage.append(format!("\n{after}"));
    let url = stage.listen().await;
    let told = Reader::connect(&format!("{url}/greeting/entries")).await.all().await;
    let said = texts(&told.entries);
    assert_eq!((said.len(), said[0], said[2]), (3, "before", "after"));
    let mut from = 0;
    let hit = loop {
        let (_, hits) = stage.get(&format!("greeting/search?q=after&from={from}")).await;
        let hits: Value = serde_json::from_slice(&hits).unwrap();
        match hits["hits"].as_array().unwrap().first() {
            Some(hit) => break hit.clone(),
            None => from = hits["next"].as_u64().unwrap(),
        }
    };
    assert_eq!(hit["offset"].as_u64(), Some((200 << 20) + 1));
}

/// The step's folder is its own to write: the engine's word counts, not what lies there.
#[tokio::test]
async fn no_order_says_what_a_stream_is_written_in() {
    let stage = Stage::over(words("hello"));
    let order = json!({"argv": ["/bin/sh", "-c", "make test"], "env_names": [], "cwd": "/"});
    fs::write(stage.step().join("spec.json"), order.to_string()).unwrap();
    assert_eq!(stage.json("greeting/entries").await["entries"][0]["kind"], "text", "an agent's line");
    stage.is_check();
    fs::write(stage.step().join("spec.json"), r#"{"argv":["claude"]}"#).unwrap();
    assert_eq!(stage.json("greeting/entries").await["entries"][0]["kind"], "raw", "a check's line");
}
