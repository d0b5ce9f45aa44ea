use super::*;

fn id(name: &str) -> CommitId {
    CommitId::new(name)
}

/// `path`, or `from -> path`.
fn changed(text: &str) -> Changed<'_> {
    match text.split_once(" -> ") {
        Some((from, path)) => Changed { path, from: Some(from) },
        None => Changed { path: text, from: None },
    }
}

/// Commits from the newest to the oldest, each with its changes; one whose name begins with `bulk` went through everything.
fn cache(commits: &[(&str, &[&str])]) -> (HistoryCache, Vec<CommitId>) {
    let mut cache = HistoryCache::default();
    for (at, (name, changes)) in commits.iter().enumerate() {
        let seconds = 1_000 - i64::try_from(at).unwrap();
        let changes = changes.iter().map(|text| changed(text));
        cache.learn(id(name), seconds, &format!("about {name}"), name.starts_with("bulk"), changes);
    }
    (cache, commits.iter().map(|(name, _)| id(name)).collect())
}

fn told(history: &History) -> Vec<(String, Vec<&str>)> {
    let files = |commit: &PastCommit| {
        let mut files: Vec<&str> = commit.files.iter().map(|file| history.path(*file)).collect();
        files.sort_unstable();
        files
    };
    history.commits().iter().map(|commit| (commit.id.to_string(), files(commit))).collect()
}

#[test]
fn files_have_the_names_of_the_base() {
    let (cache, order) = cache(&[
        ("7", &["c.rs", "other.rs"]),
        ("6", &["b.rs -> c.rs"]),
        ("5", &["b.rs", "c.rs"]),
        ("4", &["a.rs -> b.rs", "other.rs"]),
        ("3", &["a.rs"]),
    ]);
    let history = cache.history(&order);
    let expected = [
        ("7", vec!["c.rs", "other.rs"]),
        ("6", vec!["c.rs"]),
        // Before the rename there was another file of that name.
        ("5", vec!["c.rs"]),
        ("4", vec!["c.rs", "other.rs"]),
        ("3", vec!["c.rs"]),
    ];
    assert_eq!(told(&history), expected.map(|(id, files)| (id.to_owned(), files)));
    assert_eq!(history.commits()[2].files.len(), 1);
    assert_eq!(history.file("a.rs"), None);
    assert_eq!(history.file("c.rs").map(|file| history.path(file)), Some("c.rs"));
    assert_eq!(&*history.commits()[0].message, "about 7");
    // Seen from before the renames, nothing is known of them.
    let history = cache.history(&order[2..]);
    assert_eq!(told(&history)[0], ("5".to_owned(), vec!["b.rs", "c.rs"]));
    assert_eq!(told(&history)[2], ("3".to_owned(), vec!["b.rs"]));
}

#[test]
fn files_that_change_names_with_each_other_stay_two() {
    let (cache, order) = cache(&[("2", &["a -> b", "b -> a"]), ("1", &["a"]), ("0", &["b"])]);
    assert_eq!(
        told(&cache.history(&order)),
        [("2", vec!["a", "b"]), ("1", vec!["b"]), ("0", vec!["a"])].map(|(id, files)| (id.to_owned(), files))
    );
}

#[test]
fn what_goes_through_everything_is_no_commit_but_renames() {
    let (cache, order) =
        cache(&[("2", &["new/a"]), ("bulk", &["old/a -> new/a"]), ("1", &["old/a"]), ("0", &[])]);
    let expected = [("2", vec!["new/a"]), ("1", vec!["new/a"])].map(|(id, files)| (id.to_owned(), files));
    assert_eq!(told(&cache.history(&order)), expected);
    assert_eq!(cache.files(&id("bulk")), None);
    assert_eq!(cache.files(&id("0")), Some(vec![]));
}

#[test]
fn only_what_is_unknown_is_asked_for() {
    let (cache, _) = cache(&[("2", &["a"]), ("1", &["b -> a"])]);
    assert_eq!(cache.unknown(&[id("3"), id("2"), id("0"), id("1")]), [id("3"), id("0")]);
    assert_eq!(told(&cache.history(&[id("3"), id("2")])).len(), 1);
    assert_eq!(cache.files(&id("1")), Some(vec!["a", "b"]));
    assert_eq!(cache.files(&id("3")), None);
}

#[test]
fn bytes_give_the_same_again() {
    let (cache, order) =
        cache(&[("3", &["ünï", "b -> c"]), ("bulk", &["x -> y"]), ("1", &["b", "x"]), ("0", &[])]);
    let again = HistoryCache::from_bytes(&cache.to_bytes(&order));
    assert_eq!(again.len(), 4);
    assert_eq!(told(&again.history(&order)), told(&cache.history(&order)));
    assert_eq!(again.history(&order).commits(), cache.history(&order).commits());
    assert_eq!(again.to_bytes(&order), cache.to_bytes(&order));
    let none = HistoryCache::from_bytes(&HistoryCache::default().to_bytes(&[]));
    assert!(none.is_empty());
}

#[test]
fn of_the_commits_of_other_bases_the_newest_stay() {
    let mut cache = HistoryCache::default();
    for number in 0..5_000 {
        let path = format!("file{number}");
        cache.learn(id(&number.to_string()), number, "", false, [changed(&path)]);
    }
    let again = HistoryCache::from_bytes(&cache.to_bytes(&[id("7")]));
    assert_eq!(again.len(), 4_001);
    assert_eq!(again.unknown(&[id("7"), id("8"), id("999"), id("1000"), id("4999")]), [id("8"), id("999")]);
    // And of the others no path is left.
    assert_eq!(again.paths().len(), 4_001);
}

#[test]
fn bytes_that_are_anything_else_are_no_cache() {
    let (cache, order) = cache(&[("3", &["a", "b -> c"]), ("1", &["b"])]);
    let bytes = cache.to_bytes(&order);
    for end in 0..bytes.len() {
        assert!(HistoryCache::from_bytes(&bytes[..end]).is_empty(), "cut off at {end}");
        let mut damaged = bytes.clone();
        damaged[end] ^= 0x10;
        assert!(HistoryCache::from_bytes(&damaged).is_empty(), "damaged at {end}");
    }
    assert!(HistoryCache::from_bytes(&[bytes.clone(), vec![0]].concat()).is_empty());
    assert_eq!(HistoryCache::from_bytes(&bytes).len(), 2);
}

#[test]
fn a_checksum_that_fits_makes_no_sense_of_nonsense() {
    // A path that is not there, counts without end, text that is none.
    let bodies: [&[u8]; 4] = [
        &[
            0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, b'x', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9,
            0, 0, 0, 0, 0, 0, 0,
        ],
        &[255, 255, 255, 255],
        &[0, 0, 0, 0, 255, 255, 255, 255],
        &[1, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0],
    ];
    for body in bodies {
        assert!(HistoryCache::from_bytes(&cache::sealed(body)).is_empty(), "{body:?}");
    }
    assert_eq!(HistoryCache::from_bytes(&cache::sealed(&[0; 8])).len(), 0);
}
