//! The file of all repositories: appended to by many, never in the way, no larger than it may be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use gadugi_core::PastWork;
use tempfile::TempDir;

use super::past::past;
use super::sample::run;
use crate::Elsewhere;

fn fresh() -> (TempDir, Elsewhere) {
    let folder = TempDir::new().unwrap();
    let elsewhere = Elsewhere::at(folder.path().join("state/gadugi/tasks.jsonl"));
    (folder, elsewhere)
}

fn work(number: usize) -> PastWork {
    past(&run("aaaa"), number).work
}

#[test]
fn what_others_took_is_read_and_ones_own_is_not() {
    let (_folder, elsewhere) = fresh();
    assert_eq!(elsewhere.read("here").unwrap(), []);
    for number in 1..=7 {
        elsewhere.add(if number % 2 == 1 { "there" } else { "here" }, &work(number)).unwrap();
    }
    assert_eq!(elsewhere.read("here").unwrap(), [work(1), work(3), work(5), work(7)]);
    assert_eq!(elsewhere.read("nowhere").unwrap().len(), 7);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(elsewhere.path()), 0o600);
    assert_eq!(mode(elsewhere.path().parent().unwrap()), 0o700);
}

#[test]
fn no_word_and_no_path_leaves_the_repository() {
    let (_folder, elsewhere) = fresh();
    let task = past(&run("aaaa"), 1);
    elsewhere.add("0123456789abcdef", &task.work).unwrap();
    let line = fs::read_to_string(elsewhere.path()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let known = [
        "repository",
        "finished_at",
        "kind",
        "complexity",
        "agent",
        "prompt_bytes",
        "targets",
        "outcome",
        "seconds",
        "cpu",
    ];
    assert_eq!(keys, known);
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn a_line_that_nobody_understands_hides_no_other() {
    let (_folder, elsewhere) = fresh();
    elsewhere.add("there", &work(1)).unwrap();
    let mut text = fs::read(elsewhere.path()).unwrap();
    text.extend_from_slice(b"{\"v\": 9}\n\xff\xfe\n\n{\"repository\":\"there\",\"kind\":\"bug-f");
    fs::write(elsewhere.path(), text).unwrap();
    elsewhere.add("there", &work(2)).unwrap();
    assert_eq!(elsewhere.read("here").unwrap(), [work(1), work(2)]);
}

#[test]
fn it_does_not_grow_for_ever() {
    let (_folder, elsewhere) = fresh();
    elsewhere.add("there", &work(1)).unwrap();
    let line = fs::read_to_string(elsewhere.path()).unwrap();
    fs::write(elsewhere.path(), line.repeat((1 << 20) / line.len())).unwrap();
    for number in [2, 3] {
        elsewhere.add("there", &work(number)).unwrap();
        assert!(fs::metadata(elsewhere.path()).unwrap().len() <= 1 << 20);
    }
    let left = elsewhere.read("here").unwrap();
    assert_eq!(left[left.len() - 2..], [work(2), work(3)]);
    assert!((1500..3000).contains(&left.len()), "{}", left.len());
}

#[test]
fn engines_that_append_at_once_tear_no_line() {
    let (_folder, elsewhere) = fresh();
    std::thread::scope(|scope| {
        for engine in 0..8 {
            let elsewhere = &elsewhere;
            scope.spawn(move || {
                (0..200).for_each(|number| elsewhere.add(&format!("{engine}"), &work(1 + number)).unwrap());
            });
        }
    });
    for engine in 0..8 {
        assert_eq!(elsewhere.read(&format!("{engine}")).unwrap().len(), 7 * 200);
    }
}

#[test]
fn where_it_cannot_be_it_says_so() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("state"), "a file").unwrap();
    let elsewhere = Elsewhere::at(folder.path().join("state/gadugi/tasks.jsonl"));
    assert!(elsewhere.add("there", &work(1)).is_err());
    assert!(elsewhere.read("here").is_err());
}
