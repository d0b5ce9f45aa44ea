use gadugi_agents::AgentKind;
use gadugi_agents::transcript::Language;
use proptest::prelude::*;

use super::super::file::Folder;
use super::super::lines::{Bounds, page};
use super::*;

#[tokio::test]
async fn a_stream_is_told_as_entries() {
    let stage = Stage::over(words("hello") + "no json\n" + &words("GADUGI-PHASE: 5\nworld"));
    let told = stage.json("greeting/entries").await;
    let entries = told["entries"].as_array().unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "raw", "phase", "text"]);
    assert_eq!(texts(entries), ["hello", "no json", "", "world"]);
    assert_eq!(entries[2]["title"], "phase 5 Implementation");
    assert_eq!((&entries[3]["index"], &entries[3]["offset"]), (&json!(1), &entries[2]["offset"]));
    assert_eq!((&told["ended"], &told["next"]), (&json!(true), &told["size"]));
}

#[tokio::test]
async fn edits_know_their_lines_and_items_of_lists_their_names() {
    let result = |id: &str, gave: Value| {
        let block = json!({"type": "tool_result", "tool_use_id": id, "content": "done"});
        json!({"type": "user", "message": {"content": [block]}, "tool_use_result": gave}).to_string() + "\n"
    };
    let places = json!([{"newStart": 41, "lines": [" a", "-b", "+c"]}, {"lines": ["+d"]}]);
    let edited = result("e", json!({"filePath": "/w/a.rs", "structuredPatch": places}));
    let made = result("m", json!({"task": {"id": "7", "subject": "Write the notes"}}));
    let told = Stage::over(edited + &made).json("greeting/entries").await;
    let hunks = json!([{"old": "a\nb\n", "new": "a\nc\n", "line": 41}, {"old": "", "new": "d\n"}]);
    assert_eq!(told["entries"][0]["edit"]["hunks"], hunks);
    assert_eq!(told["entries"][1]["named"], json!({"name": "#7", "text": "Write the notes"}));
    assert_eq!(told["entries"][0].get("named"), None);
}

#[tokio::test]
async fn checks_are_lines_and_so_is_standard_error() {
    let stage = Stage::over("{\"type\":\"result\"}\n\nok");
    stage.is_check();
    fs::write(stage.step().join("stderr.log"), "{}\nwarning").unwrap();
    let told = stage.json("greeting/entries?attempt=1&step=1").await;
    assert_eq!(texts(told["entries"].as_array().unwrap()), ["{\"type\":\"result\"}", "", "ok"]);
    let told = stage.json("greeting/entries?stream=stderr").await;
    assert_eq!(texts(told["entries"].as_array().unwrap()), ["{}", "warning"]);
}

#[tokio::test]
async fn a_line_without_an_end_is_none_before_the_step_is_over() {
    let stage = Stage::new();
    let line = words("hello");
    stage.append(format!("{line}{}", &line[..20]));
    let told = stage.json("greeting/entries").await;
    assert_eq!((told["entries"].as_array().unwrap().len(), &told["ended"]), (1, &json!(false)));
    assert_eq!(
        (told["next"].as_u64(), told["size"].as_u64()),
        (Some(line.len() as u64), Some(line.len() as u64 + 20))
    );
    // From within the line that has no end yet nothing can be said.
    let within = line.len() + 5;
    let told = stage.json(&format!("greeting/entries?offset={within}")).await;
    assert_eq!((&told["entries"], told["next"].as_u64()), (&json!([]), Some(within as u64)));
    stage.end();
    let told = stage.json("greeting/entries").await;
    assert_eq!((told["entries"].as_array().unwrap().len(), &told["next"]), (2, &told["size"]));
}

#[tokio::test]
async fn offsets_that_are_none_are_refused() {
    let stage = Stage::over(words("hello"));
    for query in [
        "entries?offset=-1",
        "entries?offset=1e3",
        "entries?offset=99999999999999999999999",
        "entries?offset=x",
        "entries?offset=1000",
        "entries?limit=0",
        "entries?limit=2001",
        "entries?attempt=-1",
        "entries?step=x",
        "entries?stream=../stdout",
        "output?offset=1000",
        "output?offset=0x10",
        "entry?offset=1000",
        "entry?index=-1",
        "search",
        "search?q=",
        "search?q=x&from=1000",
        "search?q=x&kinds=nonsense",
    ] {
        assert_eq!(stage.refused(&format!("greeting/{query}")).await, (400, "bad-request".into()), "{query}");
    }
}

#[tokio::test]
async fn a_hundred_thousand_entries_page_by_page() {
    let lines: Vec<String> = (0..100_000).map(|number| words(&format!("line {number}"))).collect();
    let stage = Stage::over(lines.concat());
    let (mut at, mut seen) = (0, 0);
    loop {
        let told = stage.json(&format!("greeting/entries?offset={at}&limit=2000")).await;
        for text in texts(told["entries"].as_array().unwrap()) {
            assert_eq!(text, format!("line {seen}"));
            seen += 1;
        }
        at = told["next"].as_u64().unwrap();
        if at == told["size"].as_u64().unwrap() {
            break;
        }
    }
    assert_eq!(seen, 100_000);
}

#[tokio::test]
async fn long_texts_are_cut_in_lists_and_whole_alone() {
    let long = "ä".repeat(20_000);
    let stage = Stage::over(words("first") + &words(&long));
    let told = stage.json("greeting/entries").await;
    let entry = &told["entries"][1];
    assert_eq!((entry["text"].as_str().unwrap(), &entry["cut"]), (&*"ä".repeat(2048), &json!(true)));
    assert!(told["entries"][0].get("cut").is_none());
    let whole = stage.json(&format!("greeting/entry?offset={}", entry["offset"])).await;
    assert_eq!((whole["text"].as_str().unwrap(), whole.get("cut")), (&*long, None));
    assert_eq!(stage.refused("greeting/entry?offset=0&index=1").await, (404, "unknown-entry".into()));
    let end = told["size"].as_u64().unwrap();
    assert_eq!(stage.refused(&format!("greeting/entry?offset={end}")).await, (404, "unknown-entry".into()));
}

#[tokio::test]
async fn a_line_beyond_all_bounds_is_cut_and_passed() {
    let stage = Stage::over([&vec![b'x'; 20 << 20][..], b"\n", words("after").as_bytes()].concat());
    let told = stage.json("greeting/entries").await;
    assert_eq!(
        (&told["entries"][0]["cut"], told["entries"][0]["end"].as_u64()),
        (&json!(true), Some((20 << 20) + 1))
    );
    assert_eq!(told["entries"][1]["text"], "after");
    let (_, whole) = stage.get("greeting/entry?offset=0").await;
    assert!((8 << 20..9 << 20).contains(&whole.len()), "{}", whole.len());
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["cut"], json!(true));
}

#[tokio::test]
async fn one_line_cannot_fill_an_answer() {
    let hunk = json!({"old_string": "x".repeat(3_000), "new_string": "y".repeat(3_000)});
    let call = json!({"type": "tool_use", "id": "t".repeat(10_000), "name": "MultiEdit",
        "input": {"file_path": "a", "edits": vec![hunk; 900]}});
    let line = json!({"type": "assistant", "message": {"content": [call]}}).to_string();
    let stage = Stage::over(line + "\n");
    let (_, body) = stage.get("greeting/entries").await;
    assert!(body.len() < 300 << 10, "{}", body.len());
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told["entries"][0]["kind"], &told["entries"][0]["cut"]), (&json!("edit"), &json!(true)));
}

#[tokio::test]
async fn words_are_searched_for_in_every_text() {
    let tool = json!({"type": "assistant", "message": {"content": [
        {"type": "tool_use", "id": "t1", "name": "Edit", "input":
            {"file_path": "/w/Needle.rs", "old_string": "a", "new_string": "b"}}]}});
    let result = json!({"type": "user", "message": {"content": [
        {"type": "tool_result", "tool_use_id": "t1", "content": "a NEEDLE in hay", "is_error": true}]}});
    let stage = Stage::over(words("hay") + &format!("{tool}\n{result}\n") + &words("needle"));
    let hits = stage.json("greeting/search?q=needle").await;
    let kinds: Vec<_> =
        hits["hits"].as_array().unwrap().iter().map(|hit| hit["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds, hits.get("next")), (vec!["edit", "result", "text"], None));
    assert_eq!(hits["hits"][1]["excerpt"], "a NEEDLE in hay");
    let hits = stage.json("greeting/search?q=needle&kinds=result,raw").await;
    let found = hits["hits"].as_array().unwrap();
    assert_eq!(found.len(), 1);
    // A hit leads to its entry.
    let entry = stage
        .json(&format!("greeting/entry?offset={}&index={}", found[0]["offset"], found[0]["index"]))
        .await;
    assert_eq!((&entry["is_error"], &entry["id"]), (&json!(true), &json!("t1")));
    assert_eq!(stage.json("greeting/search?q=nowhere").await, json!({"hits": []}));
}

#[tokio::test]
async fn many_hits_come_in_pages() {
    let stage = Stage::over(words("needle").repeat(1_203));
    let (mut from, mut seen) = (0, 0);
    loop {
        let hits = stage.json(&format!("greeting/search?q=needle&from={from}")).await;
        let found = hits["hits"].as_array().unwrap().len();
        assert!(found <= 500);
        seen += found;
        match hits.get("next") {
            Some(next) => from = next.as_u64().unwrap(),
            None => break,
        }
    }
    assert_eq!(seen, 1_203);
}

#[tokio::test]
async fn bytes_are_given_as_they_are() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|number| (number * 7 % 256) as u8).collect();
    let stage = Stage::over(&bytes);
    for offset in [0, 1, 65_536, 299_999, 300_000] {
        let request =
            Request::get(format!("/api/tasks/greeting/output?offset={offset}")).body(Body::empty()).unwrap();
        let response = stage.router.clone().call(request).await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let headers = ["x-gadugi-offset", "x-gadugi-size", "x-gadugi-ended", "content-type"].map(header);
        assert_eq!(headers, [&offset.to_string(), "300000", "true", "application/octet-stream"]);
        assert_eq!(to_bytes(response.into_body(), usize::MAX).await.unwrap(), bytes[offset..]);
    }
}

/// Lines of all sorts: words, several entries, nothing at all, no JSON, blank, not UTF-8.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[a-z ]{0,40}".prop_map(|text| words(&text).into_bytes()),
        "[a-z]{0,9}".prop_map(|text| words(&format!("{text}\nGADUGI-PHASE: 4\n{text}")).into_bytes()),
        Just(b"{\"type\":\"stream_event\"}\n".to_vec()),
        Just(b"\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..50).prop_map(|mut bytes| {
            bytes.push(b'\n');
            bytes
        }),
    ];
    (prop::collection::vec(line, 0..12), prop::collection::vec(any::<u8>(), 0..30))
        .prop_map(|(lines, rest)| [lines.concat(), rest].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever begins anywhere, and goes on in pages of any size, gets what whoever read it all got from there on.
    #[test]
    fn from_any_offset_the_same_entries(stream in any_stream(), limit in 1_usize..5, ended: bool, plain: bool) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s"), &stream).unwrap();
        let file = Folder::open(dir.path(), &[]).unwrap().file("s").unwrap();
        let language = if plain { Language::Plain } else { Language::Agent(AgentKind::Claude) };
        let size = stream.len() as u64;
        let all = page(&file, language, 0, &Bounds { size, ended, entries: usize::MAX, bytes: usize::MAX }).unwrap();
        for from in 0..=size {
            let (mut at, mut got) = (from, Vec::new());
            loop {
                let batch = page(&file, language, at, &Bounds { size, ended, entries: limit, bytes: usize::MAX }).unwrap();
                got.extend(batch.entries);
                prop_assert!(batch.next >= at && batch.next <= size);
                at = batch.next;
                if !batch.full {
                    break;
                }
            }
            let expected: Vec<_> = all.entries.iter().filter(|entry| entry.offset >= from).cloned().collect();
            prop_assert_eq!(got, expected);
        }
    }
}
