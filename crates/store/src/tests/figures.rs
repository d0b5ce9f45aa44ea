//! Figures of steps: kept, made fewer with age, found again, and never in the way of events.

use std::time::{Duration, Instant};

use gadugi_core::{Millis, StepId, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use super::sample::*;
use crate::{Bytes, FigurePoint, FiguresOf, Look, Spent, Store, StoreError};

const START: i64 = 1_700_000_100_000;
const ALWAYS: (Timestamp, Timestamp) = (Timestamp(0), Timestamp(i64::MAX));

fn fresh() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("gadugi.db")).unwrap();
    (folder, store)
}

/// What a step that counts its looks uses at one of them.
fn look(number: u64) -> Look {
    Look {
        cpu_percent: (number % 10) as f64 * 10.0,
        cpu_ms: number * 100,
        memory_kib: 1000 + number % 15,
        pids: 3,
        bytes: Bytes { disk_written: Some(number * 4096), ..Bytes::default() },
        // The cost becomes known later.
        spent: Spent {
            tokens: Some(number * 1000),
            cost_microusd: (number % 15 > 3).then_some(number * 25_000),
        },
    }
}

/// Looks at those steps every two seconds.
fn go_on(store: &mut Store, steps: &[StepId], looks: std::ops::Range<u64>) -> Duration {
    let mut longest = Duration::ZERO;
    for number in looks {
        let all: Vec<_> = steps.iter().map(|step| (step.clone(), look(number))).collect();
        let begun = Instant::now();
        store.add_figures(Timestamp(START + number as i64 * 2000), &all, None).unwrap();
        longest = longest.max(begun.elapsed());
    }
    longest
}

fn of_step(store: &Store, step: &StepId, resolution: u64) -> Vec<FigurePoint> {
    let mut figures = store.figures(FiguresOf::Step(step), ALWAYS.0, ALWAYS.1, Millis(resolution)).unwrap();
    assert_eq!(figures.len(), 1);
    assert_eq!(figures[0].step, *step);
    figures.remove(0).points
}

fn rows(store: &Store) -> i64 {
    store.connection().query_row("SELECT count(*) FROM figures", [], |row| row.get(0)).unwrap()
}

#[test]
fn what_was_seen_is_found_by_run_task_step_and_time() {
    let (_folder, mut store) = fresh();
    let (one, other) = (run("aaaa"), run("bbbb"));
    let mut elsewhere = step(&one, 1);
    elsewhere.attempt.task = gadugi_core::TaskId::new("another");
    let steps = [step(&one, 1), step(&one, 2), elsewhere.clone(), step(&other, 1)];
    go_on(&mut store, &steps, 0..5);
    let found = |of: FiguresOf<'_>, from: i64, to: i64, resolution| {
        store.figures(of, Timestamp(START + from), Timestamp(START + to), Millis(resolution)).unwrap()
    };
    let names = |of| found(of, 0, 10_000, 1).into_iter().map(|figures| figures.step).collect::<Vec<_>>();
    assert_eq!(names(FiguresOf::Run(&one)), steps[..3]);
    assert_eq!(names(FiguresOf::Task(&one, &steps[0].attempt.task)), steps[..2]);
    assert_eq!(names(FiguresOf::Step(&elsewhere)), [elsewhere.clone()]);
    assert_eq!(names(FiguresOf::Run(&run("cccc"))), []);

    let points = &found(FiguresOf::Step(&steps[1]), 2000, 6000, 1)[0].points;
    assert_eq!(points.len(), 2, "the beginning is in it, the end is not");
    let point = &points[1];
    assert_eq!((point.at, point.span, point.looks), (Timestamp(START + 4000), Millis(0), 1));
    assert_eq!((point.cpu_percent.least, point.cpu_percent.mean, point.cpu_percent.most), (20.0, 20.0, 20.0));
    assert_eq!((point.cpu_ms, point.pids, point.bytes), (200, 3, look(2).bytes));
    assert_eq!((point.bytes.net_in, point.memory_kib.most), (None, 1002.0));
    assert_eq!(point.spent, Spent { tokens: Some(2000), cost_microusd: None });

    // All of them in one span, wherever that begins.
    let points = &found(FiguresOf::Step(&steps[1]), 0, 10_000, 1_000_000_000_000)[0].points;
    assert_eq!((points.len(), points[0].looks, points[0].span), (1, 5, Millis(8000)));
    assert_eq!((points[0].cpu_percent.least, points[0].cpu_percent.mean, points[0].cpu_ms), (0.0, 20.0, 400));
    assert_eq!(points[0].spent, Spent { tokens: Some(4000), cost_microusd: Some(100_000) });
}

#[test]
fn with_age_rows_become_fewer_and_nothing_is_left_out() {
    let (_folder, mut store) = fresh();
    let steps = [step(&run("aaaa"), 1), step(&run("aaaa"), 2)];
    // An hour and ten minutes.
    go_on(&mut store, &steps, 0..2100);
    let points = of_step(&store, &steps[0], 1);
    assert_eq!(points.iter().map(|point| point.looks).sum::<u64>(), 2100);
    let halves = points.iter().filter(|point| point.span == Millis(30_000)).count() as u64;
    let single = points.iter().filter(|point| point.span == Millis(0)).count() as u64;
    assert_eq!(halves + single, points.len() as u64);
    // The last ten minutes as they were, and the half minutes that are not all older than that.
    assert!((300..=330).contains(&single), "{single}");
    assert_eq!(halves * 15 + single, 2100);
    let whole = &points[10];
    assert_eq!((whole.looks, whole.memory_kib.least, whole.memory_kib.most), (15, 1000.0, 1014.0));
    assert_eq!((whole.memory_kib.mean, whole.pids), (1007.0, 3));
    let last = (START + 10 * 30_000) / 30_000 * 30_000;
    assert!((whole.at.0 - last).abs() <= 30_000 && whole.at.0 % 30_000 == 0);
    assert_eq!(whole.cpu_ms, whole.bytes.disk_written.unwrap() / 4096 * 100, "the last of what counts up");
    assert_eq!(whole.spent.tokens, Some(whole.cpu_ms * 10));
    assert!(points.windows(2).all(|two| two[0].spent.tokens < two[1].spent.tokens), "tokens count up");
    assert!(whole.spent.cost_microusd.is_some(), "what is not known at one look is known at another");
    // After a day five minutes are one row.
    let day = 24 * 60 * 30;
    go_on(&mut store, &steps, 2100 + day..2100 + day + 400);
    let points = of_step(&store, &steps[0], 1);
    assert_eq!(points.iter().map(|point| point.looks).sum::<u64>(), 2500);
    assert!(points[0].span == Millis(300_000) && points[5].span == Millis(300_000), "{:?}", points[5]);
    assert!(points.len() < 15 + 330, "{}", points.len());
    assert!(points.windows(2).all(|two| two[0].at < two[1].at));
    // Asked for in hours, they come in hours.
    assert_eq!(of_step(&store, &steps[1], 3_600_000).iter().map(|point| point.looks).sum::<u64>(), 2500);
    assert!(of_step(&store, &steps[1], 3_600_000).len() <= 5);
}

#[test]
fn how_much_there_is_of_a_step_that_never_ends_is_bounded() {
    let (folder, mut store) = fresh();
    let steps: Vec<StepId> = (0..20).map(|number| step(&run("aaaa"), number)).collect();
    // Six hours.
    go_on(&mut store, &steps, 0..6 * 1800);
    let each = rows(&store) / 20;
    assert!((300 + 700..300 + 760).contains(&each), "{each}");
    store.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let bytes = std::fs::metadata(folder.path().join("gadugi.db")).unwrap().len() as i64;
    assert!(bytes / rows(&store) < 100, "{} bytes for each row", bytes / rows(&store));
}

#[test]
fn figures_go_with_their_run() {
    let (_folder, mut store) = fresh();
    let (one, other) = (run("aaaa"), run("bbbb"));
    store.append(Timestamp(START), &[started(&one, 1), started(&other, 1)]).unwrap();
    go_on(&mut store, &[step(&one, 1), step(&other, 1)], 0..3);
    assert!(store.delete_run(&one).unwrap());
    assert_eq!(store.figures(FiguresOf::Run(&one), ALWAYS.0, ALWAYS.1, Millis(1)).unwrap(), []);
    assert_eq!(of_step(&store, &step(&other, 1), 1).len(), 3);
    assert_eq!(rows(&store), 3);
    // Its numbers are not taken for another's.
    go_on(&mut store, &[step(&one, 1)], 3..4);
    assert_eq!(of_step(&store, &step(&one, 1), 1).len(), 1);
}

#[test]
fn a_clock_that_is_set_back_loses_nothing() {
    let (_folder, mut store) = fresh();
    let steps = [step(&run("aaaa"), 1)];
    go_on(&mut store, &steps, 0..600);
    // Half an hour again: the older ones of these were put together already, and are once more.
    go_on(&mut store, &steps, 0..900);
    let points = of_step(&store, &steps[0], 1);
    let looks: u64 = points.iter().map(|point| point.looks).sum();
    // Those that were still there as they were are one with those of the same moment.
    assert!((900 + 270..=1500).contains(&looks), "{looks}");
    assert!(points.iter().all(|point| point.memory_kib.mean >= 1000.0 && point.memory_kib.mean <= 1014.0));
}

#[test]
fn who_holds_the_database_is_not_waited_for_and_events_stay_safe() {
    let (folder, mut store) = fresh();
    let steps = [step(&run("aaaa"), 1)];
    go_on(&mut store, &steps, 0..1);
    let holder = Connection::open(folder.path().join("gadugi.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let refused = store.add_figures(Timestamp(START + 2000), &[(steps[0].clone(), look(1))], None);
    assert!(matches!(refused, Err(StoreError::Locked)), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    go_on(&mut store, &steps, 2..3);
    assert_eq!(of_step(&store, &steps[0], 1).len(), 2);
    let synchronous: i64 =
        store.connection().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2, "events are forced to disk as before");
    let patience: i64 =
        store.connection().pragma_query_value(None, "busy_timeout", |row| row.get(0)).unwrap();
    assert_eq!(patience, 2000);
    store.append(Timestamp(START), &[started(&run("aaaa"), 1)]).unwrap();
}

#[test]
fn what_did_not_come_into_the_database_is_numbered_anew() {
    let (_folder, mut store) = fresh();
    let steps: Vec<StepId> = (0..200).map(|number| step(&run("aaaa"), number)).collect();
    let room: i64 = store.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection().pragma_update_and_check(None, "max_page_count", room, |_| Ok(())).unwrap();
    let all: Vec<_> = steps.iter().map(|step| (step.clone(), look(1))).collect();
    let refused = store.add_figures(Timestamp(START), &all, None);
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    store.connection().pragma_update_and_check(None, "max_page_count", 1 << 30, |_| Ok(())).unwrap();
    go_on(&mut store, &steps, 1..2);
    for step in &steps {
        assert_eq!(of_step(&store, step, 1).len(), 1);
    }
}

#[test]
fn two_hundred_steps_cost_the_loop_next_to_nothing() {
    let (_folder, mut store) = fresh();
    let steps: Vec<StepId> = (0..200).map(|number| step(&run("aaaa"), number)).collect();
    // Past the first ten minutes, so that rows are put together in it.
    go_on(&mut store, &steps, 0..310);
    let begun = Instant::now();
    let longest = go_on(&mut store, &steps, 310..460);
    let each = begun.elapsed() / 150;
    println!("{each:?} for each look, {longest:?} the longest");
    let mut events: Vec<Duration> = (0..50)
        .map(|number| {
            let begun = Instant::now();
            store.append(Timestamp(START), &[reached(&run("aaaa"), number)]).unwrap();
            begun.elapsed()
        })
        .collect();
    events.sort();
    println!("{:?} for an event, {:?} at most", events[25], events[49]);
    // A look is taken every two seconds: less than a hundredth of that, also where nothing is optimized.
    assert!(each < Duration::from_millis(20), "{each:?}");
}
