//! What tasks came to: kept with the event that ends them, kept on when their run is forgotten, and read beside a writer.

use std::time::Instant;

use gadugi_core::*;
use tempfile::TempDir;

use super::sample::*;
use crate::{PAST_TASKS_KEPT, PAST_TEXT_BYTES, Store, StoreError};

fn fresh() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("gadugi.db")).unwrap();
    (folder, store)
}

pub(super) fn past(run: &RunId, number: usize) -> PastTask {
    PastTask {
        run: run.clone(),
        task: TaskId::new(format!("task-{number}")),
        work: PastWork {
            finished_at: Timestamp(1000 + i64::try_from(number).unwrap()),
            kind: Kind::BugFix,
            complexity: Complexity::High,
            agent: "claude".into(),
            model: (number.is_multiple_of(2)).then(|| "opus".into()),
            prompt_bytes: 1234,
            targets: 2,
            outcome: if number.is_multiple_of(7) { Outcome::TimedOut } else { Outcome::Succeeded },
            seconds: 0.1 + 0.2 * number as f64,
            memory_mb: (number.is_multiple_of(3)).then_some(700),
            cpu: Some(0.25),
            disk_mb: None,
        },
        title: "Titel mit Ünicode \u{202e} und \"Zeichen\"".into(),
        text: "Fix it.\n".repeat(40),
        predicted: vec![
            PastClaim {
                path: "src/**".into(),
                stated: Confidence(90),
                source: ClaimSource::Declared,
                written: Some(true),
            },
            PastClaim {
                path: "docs/a.md".into(),
                stated: Confidence(40),
                source: ClaimSource::CoChange,
                written: None,
            },
        ],
        writes: (!number.is_multiple_of(7)).then(|| vec!["src/a b\"c.rs".into(), "Makefile".into()]),
    }
}

fn keep(store: &mut Store, past: &[PastTask]) {
    store.append_with(Timestamp(1), &[reached(&run("aaaa"), 1)], past).unwrap();
}

#[test]
fn what_was_kept_comes_back_the_latest_first() {
    let (_folder, mut store) = fresh();
    let run = run("aaaa");
    let all: Vec<PastTask> = (1..=20).map(|number| past(&run, number)).collect();
    keep(&mut store, &all);
    let mut back = store.past_tasks(100).unwrap();
    assert_eq!(store.past_tasks(3).unwrap(), back[..3]);
    back.reverse();
    assert_eq!(back, all);
}

#[test]
fn a_task_that_ends_again_has_its_last_end() {
    let (_folder, mut store) = fresh();
    let first = PastTask { writes: None, ..past(&run("aaaa"), 1) };
    keep(&mut store, std::slice::from_ref(&first));
    let again = past(&run("aaaa"), 1);
    keep(&mut store, &[again.clone(), past(&run("bbbb"), 1)]);
    let back = store.past_tasks(9).unwrap();
    assert_eq!(back.len(), 2);
    assert!(back.contains(&again) && !back.contains(&first));
}

#[test]
fn what_was_learnt_outlives_the_records_of_its_run() {
    let (_folder, mut store) = fresh();
    let run = run("aaaa");
    store.append_with(Timestamp(1), &[started(&run, 1), finished(&run)], &[past(&run, 1)]).unwrap();
    assert!(store.delete_run(&run).unwrap());
    assert_eq!(store.runs().unwrap(), []);
    assert_eq!(store.past_tasks(9).unwrap(), [past(&run, 1)]);
}

#[test]
fn only_the_latest_are_kept() {
    let (_folder, mut store) = fresh();
    let all: Vec<PastTask> = (1..=PAST_TASKS_KEPT + 250).map(|number| past(&run("aaaa"), number)).collect();
    keep(&mut store, &all);
    let begun = Instant::now();
    let back = store.past_tasks(usize::MAX).unwrap();
    println!("{} in {:?}", back.len(), begun.elapsed());
    assert!((PAST_TASKS_KEPT..PAST_TASKS_KEPT + 100).contains(&back.len()), "{}", back.len());
    assert_eq!(back.first(), all.last());
}

#[test]
fn of_a_long_prompt_the_beginning_is_kept() {
    let (_folder, mut store) = fresh();
    let long = PastTask { text: format!("x{}", "ü".repeat(PAST_TEXT_BYTES)), ..past(&run("aaaa"), 1) };
    keep(&mut store, &[long]);
    let text = &store.past_tasks(1).unwrap()[0].text;
    assert_eq!(text.len(), PAST_TEXT_BYTES - 1);
    assert!(text.starts_with("xüü"));
}

#[test]
fn it_is_there_with_the_end_of_its_task_or_not_at_all() {
    let (_folder, mut store) = fresh();
    let run = run("aaaa");
    let pages: i64 = store.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let many: Vec<PastTask> = (1..100).map(|number| past(&run, number)).collect();
    let failed = store.append_with(Timestamp(1), &[started(&run, 1)], &many);
    assert!(matches!(failed, Err(StoreError::Full)), "{failed:?}");
    assert_eq!((store.last_seq().unwrap(), store.past_tasks(9).unwrap()), (0, vec![]));
}

#[test]
fn a_row_that_nobody_understands_hides_no_other() {
    let (_folder, mut store) = fresh();
    let all: Vec<PastTask> = (1..=4).map(|number| past(&run("aaaa"), number)).collect();
    keep(&mut store, &all);
    for (column, task) in [("work", 1), ("predicted", 2), ("writes", 3)] {
        let sql = format!("UPDATE past_tasks SET {column} = '{{\"x\"' WHERE task = 'task-{task}'");
        store.connection().execute(&sql, []).unwrap();
    }
    assert_eq!(store.past_tasks(9).unwrap(), all[3..]);
}

#[test]
fn who_plans_reads_beside_an_engine_that_writes() {
    let (folder, mut store) = fresh();
    let path = folder.path().join("gadugi.db");
    keep(&mut store, &[past(&run("aaaa"), 1)]);
    let reader = Store::open_to_read(&path).unwrap();
    store.connection().execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(reader.past_tasks(9).unwrap().len(), 1);
    store.connection().execute_batch("ROLLBACK").unwrap();
    keep(&mut store, &[past(&run("aaaa"), 2)]);
    assert_eq!(reader.past_tasks(9).unwrap().len(), 2);
    drop((store, reader));
    assert_eq!(Store::open_to_read(&path).unwrap().past_tasks(9).unwrap().len(), 2, "and when it is gone");
}
