//! Work that is not taken: objects that no git would make, packs that are more than they seem, files that are too large.

use serde_json::json;

use crate::arena::Arena;

/// Each with a word of the refusal that people read.
const REFUSED: [(&str, &str); 13] = [
    ("fsck", "hasDotgit"),
    ("fsck_twice", "duplicateEntries"),
    ("dotdot", "hasDotdot"),
    ("slash", "fullPathname"),
    ("case", "hasDotgit"),
    ("hfs", "hasDotgit"),
    ("ntfs", "hasDotgit"),
    ("modules", "gitmodules"),
    ("modules_link", "gitmodules"),
    ("bomb", "inflates to more than"),
    ("everywhere", "checked out, the work takes more than"),
    ("five_gigabytes_in_one", "is larger than"),
    ("five_gigabytes", "too large"),
];

#[test]
fn what_no_repository_may_hold_does_not_arrive() {
    let mut arena = Arena::new("", &json!({}));
    arena.attackers(&REFUSED.map(|(name, _)| name));
    let ran = arena.battle(&[]);
    ran.ends_with(1);
    arena.nothing_happened();
    for (attack, word) in REFUSED {
        let name = attack.replace('_', "-");
        let (task, detail) = (ran.task(&name), arena.task(&name)["detail"].as_str().unwrap().to_owned());
        assert_eq!(task["outcome"], "failed", "{name}: {detail}");
        assert!(detail.contains(word), "{name}: {detail}");
        assert!(!arena.has_text(&format!("evil {attack}\n")), "{name}: its objects arrived");
    }
    // Some kilobytes that inflate to ten gigabytes, and a file of five: nothing of that size was written anywhere.
    let took = arena.git(&["count-objects", "-v"]);
    let size: u64 = took.lines().find_map(|line| line.strip_prefix("size-pack: ")?.parse().ok()).unwrap();
    assert!(size < 1024, "{took}");
}
