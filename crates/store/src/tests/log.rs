use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use gadugi_core::Timestamp;
use tempfile::TempDir;

use super::sample::*;
use crate::{RunSummary, Store, StoreError};

fn fresh() -> (TempDir, PathBuf, Store) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("gadugi.db");
    let store = Store::open(&path).unwrap();
    (folder, path, store)
}

#[test]
fn every_kind_of_event_reads_back_as_it_was() {
    let (_folder, path, mut store) = fresh();
    let run = run("aaaa");
    let events = every_event(&run);
    let words: BTreeSet<_> = events.iter().map(gadugi_core::Event::word).collect();
    assert_eq!(words.len(), 26, "the sample misses a kind of event");
    let numbers = store.append(Timestamp(1_700_000_000_123), &events).unwrap();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    drop(store);

    let store = Store::open(&path).unwrap();
    let all = store.events_after(None, 0, usize::MAX).unwrap();
    assert_eq!(all.iter().map(|stored| stored.seq).collect::<Vec<_>>(), numbers);
    assert!(all.iter().all(|stored| stored.at == Timestamp(1_700_000_000_123)));
    assert_eq!(all.iter().map(|stored| stored.event.clone()).collect::<Vec<_>>(), events);
    assert_eq!(store.events(&run).unwrap().len(), events.len() - 2, "two of them belong to no run");
    assert_eq!(all.iter().filter(|stored| stored.event.run().is_none()).count(), 2);
    assert_eq!(store.last_seq().unwrap(), events.len() as u64);
}

#[test]
fn a_new_store_is_empty_and_private() {
    let (_folder, path, mut store) = fresh();
    assert_eq!(store.last_seq().unwrap(), 0);
    assert_eq!(store.latest_run().unwrap(), None);
    assert!(store.runs().unwrap().is_empty());
    assert!(store.unfinished_runs().unwrap().is_empty());
    assert!(store.append(Timestamp(0), &[]).unwrap().is_empty());
    store.append(Timestamp(0), &[started(&run("aaaa"), 1)]).unwrap();
    for end in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{end}", path.display()));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    let text = |pragma| {
        store.connection().pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0))
    };
    assert_eq!(text("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(text("synchronous").unwrap(), 2.into(), "FULL");
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let (_folder, path, store) = fresh();
    drop(store);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let _store = Store::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_cursor_misses_nothing_and_repeats_nothing() {
    let (_folder, _, mut store) = fresh();
    let (first, second) = (run("aaaa"), run("bbbb"));
    for number in 0..50 {
        let of = if number % 2 == 0 { &first } else { &second };
        store.append(Timestamp(i64::from(number)), &[reached(of, number)]).unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let after = seen.last().copied().unwrap_or(0);
        let page = store.events_after(Some(&first), after, 7).unwrap();
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        seen.extend(page.iter().map(|stored| stored.seq));
    }
    assert_eq!(seen, (1..50).step_by(2).collect::<Vec<u64>>());
    assert_eq!(store.events_after(None, 48, 10).unwrap().len(), 2);
    assert!(store.events_after(None, u64::MAX, 10).unwrap().is_empty());
}

#[test]
fn a_run_is_finished_until_something_of_it_is_revived() {
    let (_folder, _, mut store) = fresh();
    let (first, second) = (run("bbbb"), run("aaaa"));
    let finished_at = |store: &Store| store.runs().unwrap()[0].finished_at;
    store.append(Timestamp(1), &[started(&first, 3)]).unwrap();
    assert_eq!(finished_at(&store), None);
    store.append(Timestamp(2), &[finished(&first)]).unwrap();
    assert_eq!(finished_at(&store), Some(Timestamp(2)));
    assert!(store.unfinished_runs().unwrap().is_empty());
    store.append(Timestamp(3), &[revived(&first), started(&second, 1)]).unwrap();
    assert_eq!(
        store.unfinished_runs().unwrap(),
        [first.clone(), second.clone()],
        "in the order of their starts"
    );
    assert_eq!(store.latest_run().unwrap(), Some(second.clone()));
    store.append(Timestamp(4), &[finished(&first), finished(&second)]).unwrap();
    let summary = |run, started, tasks| RunSummary {
        run,
        started_at: Timestamp(started),
        finished_at: Some(Timestamp(4)),
        tasks,
    };
    assert_eq!(store.runs().unwrap(), [summary(first.clone(), 1, 3), summary(second, 3, 1)]);
    store.append(Timestamp(5), &[started(&first, 4)]).unwrap();
    let runs = store.runs().unwrap();
    assert_eq!((runs[0].finished_at, runs[0].tasks, runs[0].started_at), (None, 4, Timestamp(1)));
}

#[test]
fn the_list_of_runs_follows_from_the_events() {
    let (_folder, _, mut store) = fresh();
    let runs: Vec<_> = ["aaaa", "bbbb", "cccc", "dddd"].map(run).into();
    // A fixed walk through starts, ends and revivals, some of them of runs that are not there.
    let mut state = 12_345_u64;
    for turn in 0..400 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let of = &runs[(state >> 33) as usize % runs.len()];
        let event = match (state >> 40) % 4 {
            0 => started(of, (state >> 50) as usize % 9),
            1 => finished(of),
            2 => revived(of),
            _ => reached(of, 1),
        };
        store.append(Timestamp(turn), &[event]).unwrap();
        if turn % 97 == 0 {
            store.delete_run(of).unwrap();
        }
    }
    let kept = store.runs().unwrap();
    assert!(!kept.is_empty());
    store.connection().execute("UPDATE runs SET tasks = 77, finished_at = 1", []).unwrap();
    assert_ne!(store.runs().unwrap(), kept);
    store.rebuild_runs().unwrap();
    assert_eq!(store.runs().unwrap(), kept);
}

#[test]
fn a_deleted_run_is_gone_its_numbers_are_not_given_again_and_the_file_shrinks() {
    let (_folder, path, mut store) = fresh();
    let (large, small) = (run("aaaa"), run("bbbb"));
    store.append(Timestamp(1), &[started(&large, 3000)]).unwrap();
    store.append(Timestamp(1), &[started(&small, 1)]).unwrap();
    let size = |store: &Store| {
        store.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        path.metadata().unwrap().len()
    };
    let before = size(&store);
    assert!(store.delete_run(&large).unwrap());
    assert!(!store.delete_run(&large).unwrap());
    assert!(size(&store) < before / 10);
    assert!(store.events(&large).unwrap().is_empty());
    assert_eq!(store.events(&small).unwrap().len(), 1);
    assert!(store.delete_run(&small).unwrap());
    assert_eq!(store.append(Timestamp(2), &[started(&small, 1)]).unwrap(), [3]);
    assert_eq!(store.last_seq().unwrap(), 3);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let (_folder, _, mut store) = fresh();
    let run = run("aaaa");
    store.append(Timestamp(1), &[started(&run, 1)]).unwrap();
    store
        .connection()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.body LIKE '%run-finished%'
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        )
        .unwrap();
    let failed = store.append(Timestamp(2), &[reached(&run, 1), revived(&run), finished(&run)]);
    assert!(matches!(failed, Err(StoreError::Unexpected { .. })), "{failed:?}");
    assert_eq!(store.events(&run).unwrap().len(), 1);
    assert_eq!(store.append(Timestamp(3), &[reached(&run, 2)]).unwrap().len(), 1);
}

#[test]
fn a_row_that_cannot_be_understood_hides_no_other() {
    let (_folder, _, mut store) = fresh();
    let run = run("aaaa");
    store.append(Timestamp(1), &[started(&run, 1), reached(&run, 1), finished(&run)]).unwrap();
    for body in ["{\"type\":\"run-dreamt\"}", "", "{\"type\":\"run-resumed\"", "null"] {
        store.connection().execute("UPDATE events SET body = ?1 WHERE seq = 2", [body]).unwrap();
        let rows = store.rows(&run).unwrap();
        assert_eq!(rows.len(), 3);
        assert!(rows[0].is_ok() && rows[2].is_ok());
        assert_eq!(rows[1].as_ref().unwrap_err().seq, 2);
        let error = store.events(&run).unwrap_err();
        assert!(matches!(&error, StoreError::BadRow(row) if row.seq == 2), "{error:?}");
        assert!(error.to_string().starts_with("event 2 cannot be read: "), "{error}");
    }
}

/// 100,000 events are read in well under a second by an optimized build; the bound here is for one that is not.
#[test]
fn a_hundred_thousand_events() {
    let (_folder, _, mut store) = fresh();
    let run = run("aaaa");
    store.append(Timestamp(0), &[started(&run, 1)]).unwrap();
    for batch in 0..100_u32 {
        let events: Vec<_> = (0..1000).map(|number| reached(&run, batch * 1000 + number)).collect();
        store.append(Timestamp(i64::from(batch)), &events).unwrap();
    }
    let begun = std::time::Instant::now();
    let events = store.events(&run).unwrap();
    let took = begun.elapsed();
    eprintln!("read {} events in {took:?}", events.len());
    assert_eq!(events.len(), 100_001);
    assert!(events.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert!(took.as_secs() < 20, "{took:?}");
}
