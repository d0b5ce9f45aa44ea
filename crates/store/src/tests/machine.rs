//! Readings of the machine: kept, made fewer with age, found again, gone after a month.

use gadugi_core::{Millis, Timestamp};
use tempfile::TempDir;

use crate::machine::KEPT_FOR;
use crate::{MachineLook, MachinePoint, Store};

const START: i64 = 1_700_000_100_000;

fn fresh() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("gadugi.db")).unwrap();
    (folder, store)
}

/// What is read the `number`th time: now and then less can be seen.
fn reading(number: u64) -> MachineLook {
    let seen = !number.is_multiple_of(5);
    MachineLook {
        cpus: 3.5,
        cpu_percent: seen.then_some((number % 10) as f64 * 10.0),
        load: seen.then_some(0.25),
        memory_total_mib: Some(16_000),
        memory_available_mib: seen.then_some(8000 + number % 15),
        agents_mib: 100 + number % 15,
        disk_free_mib: Some(50_000 - number % 15),
        steps: (number % 15) as u32,
    }
}

fn go_on(store: &mut Store, readings: std::ops::Range<u64>) {
    for number in readings {
        let at = Timestamp(START + number as i64 * 2000);
        store.add_figures(at, &[], Some(&reading(number))).unwrap();
    }
}

fn all(store: &Store, resolution: u64) -> Vec<MachinePoint> {
    store.machine(Timestamp(0), Timestamp(i64::MAX), Millis(resolution)).unwrap()
}

fn looks(points: &[MachinePoint]) -> u64 {
    points.iter().map(|point| point.looks).sum()
}

#[test]
fn readings_are_found_as_they_were_and_in_spans() {
    let (_folder, mut store) = fresh();
    go_on(&mut store, 0..6);
    let points = store.machine(Timestamp(START + 2000), Timestamp(START + 10_000), Millis(1)).unwrap();
    assert_eq!(points.len(), 4, "the beginning is in it, the end is not");
    let point = &points[1];
    assert_eq!((point.at, point.span, point.looks), (Timestamp(START + 4000), Millis(0), 1));
    assert_eq!((point.cpus, point.cpu_percent.unwrap().mean, point.load), (3.5, 20.0, Some(0.25)));
    assert_eq!((point.memory_total_mib, point.memory_available_mib.unwrap().most), (Some(16_000), 8002.0));
    assert_eq!((point.agents_mib.mean, point.disk_free_mib, point.steps), (102.0, Some(49_998), 2));
    let first = &all(&store, 1)[0];
    assert_eq!((first.cpu_percent, first.load, first.memory_available_mib), (None, None, None), "not 0");
    // All of them in one span.
    let points = all(&store, 1_000_000_000_000);
    assert_eq!((points.len(), points[0].looks, points[0].span), (1, 6, Millis(10_000)));
    assert_eq!((points[0].cpu_percent.unwrap().most, points[0].agents_mib.least), (40.0, 100.0));
    assert_eq!((points[0].disk_free_mib, points[0].steps), (Some(49_995), 5));
}

#[test]
fn with_age_they_become_fewer_and_after_a_month_they_go() {
    let (_folder, mut store) = fresh();
    // An hour.
    go_on(&mut store, 0..1800);
    let points = all(&store, 1);
    assert_eq!(looks(&points), 1800);
    let halves: Vec<_> = points.iter().filter(|point| point.span == Millis(30_000)).collect();
    assert!((90..=101).contains(&halves.len()), "{}", halves.len());
    let whole = halves[3];
    assert_eq!((whole.looks, whole.agents_mib.least, whole.agents_mib.most), (15, 100.0, 114.0));
    // What could be read 12 times of 15 has the mean of those.
    assert_eq!((whole.load, whole.cpu_percent.unwrap().least), (Some(0.25), 10.0));
    assert_eq!(whole.cpu_percent.unwrap().mean, 58.3);
    assert_eq!((whole.disk_free_mib, whole.steps), (Some(49_986), 14));
    // A day later five minutes are one row.
    let day = 24 * 60 * 30;
    go_on(&mut store, 1800 + day..1800 + day + 200);
    let points = all(&store, 1);
    assert_eq!(looks(&points), 2000);
    assert!(points[0].span == Millis(300_000) && points[1].span == Millis(300_000), "{:?}", points[1]);
    assert!(points.windows(2).all(|two| two[0].at < two[1].at));
    // And after a month they are gone.
    let month = KEPT_FOR.0 / 2000 + 1800;
    go_on(&mut store, month..month + 400);
    let left = all(&store, 1);
    assert!(left[0].at.0 >= START + 1_000_000, "{:?}", left[0]);
    assert!((600..=620).contains(&looks(&left)), "{}", looks(&left));
}

#[test]
fn a_clock_that_is_set_back_breaks_nothing() {
    let (_folder, mut store) = fresh();
    go_on(&mut store, 0..600);
    go_on(&mut store, 0..900);
    let points = all(&store, 1);
    assert!((900..=1500).contains(&looks(&points)), "{}", looks(&points));
    assert!(points.iter().all(|point| point.agents_mib.mean >= 100.0 && point.agents_mib.mean <= 114.0));
}
