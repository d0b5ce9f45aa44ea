use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_readers_get_every_entry_of_a_file_that_grows() {
    let stage = Stage::new();
    let url = stage.listen().await;
    let mut first = Reader::connect(&format!("{url}/greeting/entries")).await;
    let begin = first.text().await;
    assert_eq!(
        begin,
        json!({"type": "begin", "attempt": 1, "step": 1, "offset": 0, "size": 0, "ended": false})
    );
    let lines: Vec<String> =
        (0..5_000).map(|number| words(&format!("line {number} {}", "x".repeat(number % 97)))).collect();
    let stream = lines.concat();
    // Written in pieces that end anywhere, as a pipe's do.
    let half = stream.len() / 2;
    stage.append(&stream[..half]);
    let mut second = Reader::connect(&format!("{url}/greeting/entries?offset=0")).await;
    let told = async {
        let (a, b) = tokio::join!(first.all(), second.all());
        [a, b]
    };
    let writing = async {
        for piece in stream.as_bytes()[half..].chunks(7_777) {
            stage.append(piece);
            tokio::task::yield_now().await;
        }
        stage.end();
    };
    let (told, ()) = tokio::join!(told, writing);
    let expected: Vec<String> =
        (0..5_000).map(|number| format!("line {number} {}", "x".repeat(number % 97))).collect();
    for told in &told {
        assert_eq!(texts(&told.entries), expected);
        assert_eq!((told.end, told.close), (Some(stream.len() as u64), Some(1000)));
    }
}

#[tokio::test]
async fn a_line_is_told_once_it_is_whole_or_the_step_is_over() {
    let stage = Stage::new();
    let url = stage.listen().await;
    let mut reader = Reader::connect(&format!("{url}/greeting/entries")).await;
    reader.text().await;
    let line = words("hello");
    stage.append(&line[..10]);
    stage.append(format!("{}{}", &line[10..], &line[..15]));
    let told = reader.text().await;
    assert_eq!(
        (texts(told["entries"].as_array().unwrap()), told["next"].as_u64()),
        (vec!["hello"], Some(line.len() as u64))
    );
    stage.end();
    let told = reader.all().await;
    assert_eq!(texts(&told.entries), [&line[..15]]);
    assert_eq!(told.end, Some(line.len() as u64 + 15));
}

#[tokio::test]
async fn following_begins_at_the_next_line() {
    let stage = Stage::over(words("one") + &words("two"));
    let url = stage.listen().await;
    for (offset, expected) in [(0, vec!["one", "two"]), (3, vec!["two"]), (words("one").len(), vec!["two"])] {
        let told = Reader::connect(&format!("{url}/greeting/entries?offset={offset}")).await.all().await;
        assert_eq!((texts(&told.entries), &told.begin["ended"]), (expected, &json!(true)));
    }
    let refused = tokio_tungstenite::connect_async(format!("{url}/greeting/entries?offset=9999")).await;
    assert!(matches!(refused, Err(tungstenite::Error::Http(answer)) if answer.status() == 400));
}

#[tokio::test]
async fn a_step_of_old_is_told_and_over() {
    let stage = Stage::over("");
    let url = stage.listen().await;
    let told = Reader::connect(&format!("{url}/greeting/entries")).await.all().await;
    assert_eq!((told.entries.len(), told.end, told.close), (0, Some(0), Some(1000)));
    let told = Reader::connect(&format!("{url}/greeting/output")).await.all().await;
    assert_eq!((told.bytes.len(), told.end, told.close), (0, Some(0), Some(1000)));
}

#[tokio::test]
async fn bytes_come_in_order_from_the_offset_on() {
    let stage = Stage::new();
    let url = stage.listen().await;
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number * 31 % 251) as u8).collect();
    stage.append(&bytes[..400_000]);
    let mut reader = Reader::connect(&format!("{url}/greeting/output?offset=1000")).await;
    let writing = async {
        for piece in bytes[400_000..].chunks(100_000) {
            stage.append(piece);
            tokio::task::yield_now().await;
        }
        stage.end();
    };
    let (told, ()) = tokio::join!(reader.all(), writing);
    assert!(told.bytes == bytes[1000..]);
    assert_eq!((told.end, told.close), (Some(1_000_000), Some(1000)));
}

/// What a reader who reads nothing costs: nobody else anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_slows_nobody() {
    let stage = Stage::new();
    let url = stage.listen().await;
    let mut deaf = Vec::new();
    // More of them than files are read at a time.
    for form in ["entries", "output"].repeat(8) {
        deaf.push(Reader::connect(&format!("{url}/greeting/{form}")).await);
    }
    let mut reader = Reader::connect(&format!("{url}/greeting/entries")).await;
    // Far more than sockets hold.
    let line = words(&"x".repeat(3_000));
    let writing = async {
        for _ in 0..200 {
            stage.append(line.repeat(40));
            tokio::task::yield_now().await;
        }
        stage.end();
    };
    let (told, ()) = tokio::join!(reader.all(), writing);
    assert_eq!(told.entries.len(), 8_000);
    // Who wakes up gets all of it, too.
    let told = deaf[0].all().await;
    assert_eq!((told.entries.len(), told.end), (8_000, Some(8_000 * line.len() as u64)));
}

#[tokio::test]
async fn a_file_that_is_cut_off_or_taken_away_ends_the_stream() {
    type Harm = fn(&Stage);
    let harms: [Harm; 4] = [
        |stage| fs::write(stage.stdout(), "").unwrap(),
        |stage| fs::remove_file(stage.stdout()).unwrap(),
        |stage| {
            fs::write(stage.step().join("other"), "other\n").unwrap();
            fs::rename(stage.step().join("other"), stage.stdout()).unwrap();
        },
        |stage| fs::remove_dir_all(stage.folder.path().join("runs")).unwrap(),
    ];
    for harm in harms {
        for form in ["entries", "output"] {
            let stage = Stage::new();
            let url = stage.listen().await;
            let line = words("hello");
            stage.append(&line);
            let mut reader = Reader::connect(&format!("{url}/greeting/{form}")).await;
            reader.until(|told| !told.entries.is_empty() || told.bytes.len() == line.len()).await;
            harm(&stage);
            let told = reader.all().await;
            assert_eq!((told.end, told.close), (Some(line.len() as u64), Some(1000)));
        }
    }
}

#[tokio::test]
async fn who_follows_is_told_that_the_server_leaves() {
    let stage = Stage::new();
    let url = stage.listen().await;
    let mut reader = Reader::connect(&format!("{url}/greeting/entries")).await;
    reader.text().await;
    stage.leaving.send_replace(true);
    let told = reader.all().await;
    assert_eq!((told.end, told.close), (None, Some(1001)));
}

#[tokio::test]
async fn the_end_of_another_step_is_none_of_this() {
    let stage = Stage::new();
    let url = stage.listen().await;
    let mut reader = Reader::connect(&format!("{url}/greeting/entries")).await;
    reader.text().await;
    // Some steps ended, and this one goes on.
    (2..9).for_each(|other| stage.tell_end(other));
    stage.append(words("hello"));
    assert_eq!(reader.text().await["type"], "entries");
    stage.tell_end(1);
    assert_eq!(reader.text().await["type"], "end");
    // Once to find it, once as it may have ended before the ends were listened to.
    assert_eq!(stage.known.finds.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_end_that_nobody_could_tell_is_asked_for() {
    let stage = Stage::new();
    let url = stage.listen().await;
    let mut reader = Reader::connect(&format!("{url}/greeting/entries")).await;
    reader.text().await;
    stage.known.endings.send(Ended::Some).unwrap();
    stage.append(words("hello"));
    assert_eq!(reader.text().await["type"], "entries", "it goes on");
    // The engine has gone on to the next step.
    stage.known.found.lock().unwrap().now.steps = 2;
    stage.known.endings.send(Ended::Some).unwrap();
    assert_eq!(reader.text().await["type"], "end");
}

#[tokio::test]
async fn readers_have_nothing_to_say() {
    let stage = Stage::new();
    let url = stage.listen().await;
    let mut reader = Reader::connect(&format!("{url}/greeting/entries")).await;
    reader.text().await;
    reader.say(Message::Text("{\"type\":\"watch\"}".into())).await;
    reader.say(Message::Binary(vec![0; 1000].into())).await;
    stage.append(words("hello"));
    assert_eq!(reader.text().await["type"], "entries");
    reader.say(Message::Text("x".repeat(100 << 10).into())).await;
    stage.append(words("hello"));
    // It is shown out; what it was being told meanwhile may still come.
    loop {
        match tokio::time::timeout(PATIENCE, reader.0.next()).await.expect("an end in time") {
            None | Some(Err(_) | Ok(Message::Close(_))) => break,
            Some(Ok(_)) => {}
        }
    }
}
