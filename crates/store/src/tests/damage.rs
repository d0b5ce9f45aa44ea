use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use gadugi_core::{Millis, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use super::past::past;
use super::sample::*;
use crate::{FigurePoint, FiguresOf, KNOWN_VERSION, Look, MachineLook, Spent, Store, StoreError};

fn at(folder: &TempDir) -> PathBuf {
    folder.path().join("gadugi.db")
}

fn filled(path: &Path) -> Store {
    let mut store = Store::open(path).unwrap();
    store.append(Timestamp(1), &every_event(&run("aaaa"))).unwrap();
    store
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    drop(filled(&at(&folder)));
    Connection::open(at(&folder)).unwrap().pragma_update(None, "user_version", KNOWN_VERSION + 1).unwrap();
    let before = fs::read(at(&folder)).unwrap();
    let error = Store::open(&at(&folder)).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found, known } if (found, known) == (KNOWN_VERSION + 1, KNOWN_VERSION)),
        "{error:?}"
    );
    assert_eq!(fs::read(at(&folder)).unwrap(), before);
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    Connection::open(at(&folder))
        .unwrap()
        .execute_batch("CREATE TABLE events (x); INSERT INTO events VALUES (1)")
        .unwrap();
    let before = fs::read(at(&folder)).unwrap();
    assert!(matches!(Store::open(&at(&folder)), Err(StoreError::Foreign)));
    assert_eq!(fs::read(at(&folder)).unwrap(), before);
}

#[test]
fn garbage_is_refused_and_left_as_it_is() {
    for garbage in [b"x".to_vec(), b"SQLite format 3\0".to_vec(), vec![7; 99], vec![7; 5000], vec![0; 8192]] {
        let folder = TempDir::new().unwrap();
        fs::write(at(&folder), &garbage).unwrap();
        let opened = Store::open(&at(&folder));
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{} bytes: {opened:?}", garbage.len());
        assert_eq!(fs::read(at(&folder)).unwrap(), garbage);
    }
}

#[test]
fn an_emptied_database_keeps_the_journal_that_still_holds_its_contents() {
    let folder = TempDir::new().unwrap();
    let path = at(&folder);
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    // A crash leaves the journal: a copy of both files while the database is open is what is left then.
    let living = TempDir::new().unwrap();
    let store = filled(&at(&living));
    let journal = fs::read(format!("{}-wal", at(&living).display())).unwrap();
    drop(store);
    assert!(!journal.is_empty());
    for file in [Some(Vec::new()), None] {
        let _ = fs::remove_file(&path);
        if let Some(bytes) = &file {
            fs::write(&path, bytes).unwrap();
        }
        fs::write(&wal, &journal).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Damaged { .. })));
        assert_eq!(fs::read(&wal).unwrap(), journal);
    }
}

#[test]
fn a_journal_that_is_removed_under_a_living_store_costs_nothing() {
    let folder = TempDir::new().unwrap();
    let path = at(&folder);
    let mut store = filled(&path);
    let stored = store.last_seq().unwrap();
    for end in ["-wal", "-shm"] {
        fs::remove_file(format!("{}{end}", path.display())).unwrap();
        let _ = store.append(Timestamp(2), &[started(&run(&format!("b{end}")), 1)]).unwrap();
        store.reopen().unwrap();
    }
    drop(store);
    let store = Store::open(&path).unwrap();
    store.check().unwrap();
    assert_eq!(store.last_seq().unwrap(), stored + 2);
    assert_eq!(store.events_after(None, 0, 1000).unwrap().len() as u64, stored + 2);
    assert_eq!(store.runs().unwrap().len(), 3);
}

#[test]
fn what_was_committed_survives_a_kill() {
    let living = TempDir::new().unwrap();
    let store = filled(&at(&living));
    let folder = TempDir::new().unwrap();
    for end in ["", "-wal"] {
        fs::copy(format!("{}{end}", at(&living).display()), format!("{}{end}", at(&folder).display()))
            .unwrap();
    }
    drop(store);
    let store = Store::open(&at(&folder)).unwrap();
    assert_eq!(store.events_after(None, 0, 1000).unwrap().len(), every_event(&run("aaaa")).len());
}

#[test]
fn a_truncated_database_says_so() {
    let folder = TempDir::new().unwrap();
    let mut store = filled(&at(&folder));
    store.append(Timestamp(1), &[started(&run("bbbb"), 500)]).unwrap();
    drop(store);
    let whole = fs::read(at(&folder)).unwrap();
    for length in [whole.len() / 2, 4096, 5000] {
        fs::write(at(&folder), &whole[..length]).unwrap();
        let read = Store::open(&at(&folder)).and_then(|store| store.check());
        assert!(matches!(read, Err(StoreError::Damaged { .. })), "{length} bytes: {read:?}");
        assert_eq!(fs::metadata(at(&folder)).unwrap().len(), length as u64);
    }
}

#[test]
fn a_damaged_page_is_found_by_the_check() {
    let folder = TempDir::new().unwrap();
    let mut store = filled(&at(&folder));
    store.append(Timestamp(1), &[started(&run("bbbb"), 500)]).unwrap();
    store.check().unwrap();
    drop(store);
    let mut bytes = fs::read(at(&folder)).unwrap();
    bytes[4096 * 2..4096 * 6].fill(0xa5);
    fs::write(at(&folder), &bytes).unwrap();
    let checked = Store::open(&at(&folder)).and_then(|store| store.check());
    assert!(matches!(checked, Err(StoreError::Damaged { .. })), "{checked:?}");
}

#[test]
fn a_database_that_is_only_read_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = at(&folder);
    assert!(matches!(Store::open_to_read(&path), Err(StoreError::Damaged { .. })));
    assert!(!path.exists(), "nothing is made");
    let mut living = filled(&path);
    let mut reader = Store::open_to_read(&path).unwrap();
    reader.check().unwrap();
    assert_eq!(reader.runs().unwrap(), living.runs().unwrap());
    assert!(matches!(
        reader.append(Timestamp(1), &[finished(&run("aaaa"))]),
        Err(StoreError::Unwritable { .. })
    ));
    living.append(Timestamp(2), &[started(&run("bbbb"), 1)]).unwrap();
    assert_eq!(reader.runs().unwrap().len(), 2, "it sees what is stored meanwhile");
    drop(living);
    drop(reader);
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open_to_read(&path).unwrap());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    let path = folder.path().join("garbage");
    for length in [5000, 10] {
        fs::write(&path, vec![7; length]).unwrap();
        let opened = Store::open_to_read(&path);
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{opened:?}");
    }
}

#[test]
fn a_locked_database_says_so() {
    let folder = TempDir::new().unwrap();
    let mut store = filled(&at(&folder));
    let other = Connection::open(at(&folder)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed = store.append(Timestamp(2), &[finished(&run("aaaa"))]);
    assert!(matches!(failed, Err(StoreError::Locked)), "{failed:?}");
    other.execute_batch("ROLLBACK").unwrap();
    store.append(Timestamp(2), &[finished(&run("aaaa"))]).unwrap();
}

#[test]
fn a_folder_that_is_missing_or_in_the_way() {
    let folder = TempDir::new().unwrap();
    let missing = Store::open(&folder.path().join("none/gadugi.db"));
    assert!(matches!(missing, Err(StoreError::Unwritable { .. })), "{missing:?}");
    let in_the_way = Store::open(folder.path());
    assert!(matches!(in_the_way, Err(StoreError::Unwritable { .. })), "{in_the_way:?}");
}

/// A database that has reached its page limit answers as on a full disk: nothing of the batch is there, what was
/// before stays, and with room again it goes on.
#[test]
fn no_room_for_a_batch_means_nothing_of_it() {
    let folder = TempDir::new().unwrap();
    let mut store = filled(&at(&folder));
    let before = store.last_seq().unwrap();
    let pages: i64 = store.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let (second, third) = (run("bbbb"), run("cccc"));
    let failed = store.append(Timestamp(2), &[started(&second, 1), started(&third, 2000)]);
    assert!(matches!(failed, Err(StoreError::Full)), "{failed:?}");
    assert_eq!(store.last_seq().unwrap(), before);
    assert_eq!(store.runs().unwrap().len(), 1);
    store.connection().pragma_update_and_check(None, "max_page_count", 1 << 30, |_| Ok(())).unwrap();
    store.append(Timestamp(2), &[started(&second, 1), started(&third, 2000)]).unwrap();
    assert_eq!(store.runs().unwrap().len(), 3);
}

/// Names the folder of a small file system to the process that is to fill it.
const SMALL_FILE_SYSTEM: &str = "SMALL_FILE_SYSTEM";

/// The same on a file system that is really full: this test once more, in a mount namespace of its own.
#[test]
fn a_full_file_system() {
    if let Some(folder) = gadugi_sys::env::get(SMALL_FILE_SYSTEM) {
        return fill(Path::new(&folder));
    }
    let folder = TempDir::new().unwrap();
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "--", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=1m tmpfs \"$0\"; exec \"$@\"")
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "tests::damage::a_full_file_system", "--nocapture"])
        .env(SMALL_FILE_SYSTEM, folder.path())
        .output()
        .expect("unshare (util-linux) is needed");
    let said = String::from_utf8_lossy(&output.stdout);
    let erred = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "user and mount namespaces are needed: {said}{erred}");
    assert!(said.contains("1 passed"), "{said}{erred}");
}

fn fill(folder: &Path) {
    let path = folder.join("gadugi.db");
    let run = run("aaaa");
    let mut store = Store::open(&path).unwrap();
    store.append(Timestamp(0), &[started(&run, 1)]).unwrap();
    let ballast = folder.join("ballast");
    let mut stored = 1;
    let error = loop {
        let batch: Vec<_> = (0..50).map(|number| reached(&run, number)).collect();
        match store.append(Timestamp(1), &batch) {
            Ok(numbers) => stored += numbers.len(),
            Err(error) => break error,
        }
        let grown = fs::metadata(&ballast).map_or(0, |file| file.len()) as usize + 20_000;
        // Fails itself when the room is gone; what fits stays.
        let _ = fs::write(&ballast, vec![1; grown]);
    };
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert_eq!(store.events(&run).unwrap().len(), stored);
    drop(store);
    let reopened = Store::open(&path);
    assert!(matches!(reopened, Ok(_) | Err(StoreError::Full)), "{reopened:?}");
    drop(reopened);
    fs::remove_file(&ballast).unwrap();
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.events(&run).unwrap().len(), stored);
    store.append(Timestamp(2), &[finished(&run)]).unwrap();
    store.check().unwrap();
}

/// A database of the latest version as this program writes it. A change of the events that breaks this test breaks the
/// databases of users. Until that version is out, `WRITE_FIXTURE=1 cargo test -p gadugi-store` makes it anew.
#[test]
fn a_database_of_version_4_opens() {
    let (run, at) = (run("0001"), Timestamp(1_700_000_000_000));
    let spent = Spent { tokens: Some(123_456), cost_microusd: Some(789_000) };
    let look = Look { cpu_percent: 12.5, cpu_ms: 3, memory_kib: 1 << 20, pids: 4, spent, ..Look::default() };
    let machine = MachineLook { cpus: 3.5, cpu_percent: Some(37.5), agents_mib: 900, steps: 1, ..unread() };
    if gadugi_sys::env::get("WRITE_FIXTURE").is_some() {
        let _ = fs::remove_file(fixture("v4.db"));
        let mut store = Store::open(&fixture("v4.db")).unwrap();
        store.append_with(at, &every_event(&run), &[past(&run, 1), past(&run, 7)]).unwrap();
        store.add_figures(at, &[(step(&run, 1), look)], Some(&machine)).unwrap();
    }
    assert_eq!(events_of("v4.db"), every_event(&run));
    let (_folder, store) = copy_of("v4.db");
    let point = only_point(&store);
    assert_eq!((point.pids, point.at, point.spent), (4, at, spent));
    let readings = store.machine(Timestamp(0), Timestamp(i64::MAX), Millis(1)).unwrap();
    assert_eq!(readings.len(), 1);
    assert_eq!((readings[0].cpus, readings[0].steps, readings[0].load), (3.5, 1, None));
    assert_eq!(readings[0].cpu_percent.unwrap().mean, 37.5);
    assert_eq!(store.past_tasks(9).unwrap(), [past(&run, 7), past(&run, 1)]);
}

/// Version 3 knew neither what steps spend nor what the machine had left; brought up to date it has a place for both.
#[test]
fn a_database_of_version_3_opens() {
    let run = run("0001");
    let known = every_event(&run);
    let strange: Vec<_> = events_of("v3.db").into_iter().filter(|event| !known.contains(event)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    let (_folder, mut store) = copy_of("v3.db");
    assert_eq!((only_point(&store).pids, only_point(&store).spent), (4, Spent::default()));
    assert_eq!(store.past_tasks(9).unwrap(), [past(&run, 7), past(&run, 1)]);
    let always = |store: &Store| store.machine(Timestamp(0), Timestamp(i64::MAX), Millis(1)).unwrap();
    assert_eq!(always(&store), []);
    let spent = Spent { tokens: Some(7), cost_microusd: None };
    let looks = [(step(&run, 1), Look { spent, ..Look::default() })];
    store.add_figures(Timestamp(1_700_000_000_000), &looks, Some(&unread())).unwrap();
    assert_eq!((only_point(&store).spent, always(&store).len()), (spent, 1));
    // Only read, it stays as it is.
    let (folder, _) = copy_of("v4.db");
    fs::copy(fixture("v3.db"), folder.path().join("old.db")).unwrap();
    let old = Store::open_to_read(&folder.path().join("old.db")).unwrap();
    assert_eq!((only_point(&old).pids, only_point(&old).spent), (4, Spent::default()));
    assert_eq!(always(&old), []);
}

/// A machine of which nothing can be read.
fn unread() -> MachineLook {
    MachineLook { cpus: 1.0, ..MachineLook::default() }
}

fn only_point(store: &Store) -> FigurePoint {
    let run = run("0001");
    let figures = store.figures(FiguresOf::Run(&run), Timestamp(0), Timestamp(i64::MAX), Millis(1)).unwrap();
    assert_eq!((figures.len(), figures[0].points.len()), (1, 1));
    figures[0].points[0]
}

/// Version 2 knew figures and kept nothing for later plans; brought up to date it has a place for that.
#[test]
fn a_database_of_version_2_opens() {
    let events = events_of("v2.db");
    let now: Vec<_> = every_event(&run("0001"));
    assert_eq!(events.len(), 28);
    let strange: Vec<_> = events.iter().filter(|event| !now.contains(event)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    let (_folder, mut store) = copy_of("v2.db");
    let run = run("0001");
    let figures = store.figures(FiguresOf::Run(&run), Timestamp(0), Timestamp(i64::MAX), Millis(1)).unwrap();
    assert_eq!((figures.len(), figures[0].points[0].pids), (1, 4));
    assert_eq!(store.past_tasks(9).unwrap(), []);
    store.append_with(Timestamp(1), &[finished(&run)], &[past(&run, 1)]).unwrap();
    assert_eq!(store.past_tasks(9).unwrap(), [past(&run, 1)]);
    // Only read, it stays as it is.
    let (folder, _) = copy_of("v3.db");
    fs::copy(fixture("v2.db"), folder.path().join("old.db")).unwrap();
    let old = Store::open_to_read(&folder.path().join("old.db")).unwrap();
    assert_eq!(old.past_tasks(9).unwrap(), []);
}

/// Version 1 knew no figures; brought up to date it has a place for them.
#[test]
fn a_database_of_version_1_opens() {
    let words: Vec<_> = events_of("v1.db").iter().map(gadugi_core::Event::word).collect();
    assert_eq!(words.len(), 28);
    let (_folder, mut store) = copy_of("v1.db");
    let (run, at) = (run("0001"), Timestamp(5));
    let all =
        |store: &Store| store.figures(FiguresOf::Run(&run), Timestamp(0), Timestamp(9), Millis(1)).unwrap();
    assert_eq!(all(&store), []);
    store.add_figures(at, &[(step(&run, 1), Look::default())], None).unwrap();
    assert_eq!(all(&store).len(), 1);
    // Only read, it stays as it is.
    let (folder, _) = copy_of("v2.db");
    fs::copy(fixture("v1.db"), folder.path().join("old.db")).unwrap();
    let old = Store::open_to_read(&folder.path().join("old.db")).unwrap();
    assert_eq!(all(&old), []);
}

/// The same as the first program of that version wrote it, which knew neither retries nor hangs: what it did not say is
/// what it did not do.
#[test]
fn a_database_of_the_first_version_1_opens() {
    let words: Vec<_> = events_of("v1-first.db").iter().map(gadugi_core::Event::word).collect();
    assert_eq!(words.len(), 28);
    let now: Vec<_> = every_event(&run("0001")).iter().map(gadugi_core::Event::word).collect();
    let mut left = words.iter();
    assert!(left.all(|word| now.contains(word)), "{words:?}");
}

fn events_of(name: &str) -> Vec<gadugi_core::Event> {
    let (_folder, store) = copy_of(name);
    assert_eq!(store.latest_run().unwrap(), Some(run("0001")));
    store.events_after(None, 0, 1000).unwrap().into_iter().map(|row| row.event).collect()
}

fn copy_of(name: &str) -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    fs::copy(fixture(name), at(&folder)).unwrap();
    fs::set_permissions(at(&folder), fs::Permissions::from_mode(0o600)).unwrap();
    let store = Store::open(&at(&folder)).unwrap();
    store.check().unwrap();
    (folder, store)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}
