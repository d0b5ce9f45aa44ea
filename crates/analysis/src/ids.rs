//! Ids of tasks: safe as one part of a path, as a part of a branch name, and on a command line; each its own.

use std::collections::{HashMap, HashSet};

/// Longest id in bytes. Branch, socket and folder names are built from ids, and some of those may have 255 bytes.
const LONGEST: usize = 60;

/// Whether a text can be an id as it is. Beyond the characters, what git allows in no branch name is ruled out.
pub(crate) fn is_safe(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST
        && !text.starts_with(['.', '-'])
        && !text.ends_with('.')
        && !text.ends_with(".lock")
        && !text.contains("..")
        && text.bytes().all(is_safe_byte)
}

fn is_safe_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The id that a name makes: what is not safe becomes a dash; where letters are lost, or the end, a hash of the whole
/// name keeps different names apart.
pub(crate) fn safe(name: &str) -> String {
    if is_safe(name) {
        return name.to_owned();
    }
    let mut id = String::with_capacity(name.len().min(LONGEST));
    let mut lost = name.len() > LONGEST;
    for c in name.chars() {
        let kept = u8::try_from(c).ok().filter(|byte| is_safe_byte(*byte));
        lost |= c.is_alphanumeric() && kept.is_none();
        let next = kept.map_or('-', char::from);
        // Neither two dots, which git refuses, nor dashes in a row, which nobody can count.
        if !(matches!(next, '.' | '-') && id.ends_with(next)) {
            id.push(next);
        }
    }
    let id = id.trim_start_matches(['.', '-']).trim_end_matches(['.', '-']);
    let id = id.strip_suffix(".lock").map_or(id.to_owned(), |id| format!("{id}-lock"));
    match (id.is_empty(), lost) {
        (true, _) => format!("task-{}", short_hash(name)),
        (false, true) => with_hash(&id, name),
        (false, false) => id,
    }
}

/// `id` shortened to leave room, and a hash of `name`.
fn with_hash(id: &str, name: &str) -> String {
    let hash = short_hash(name);
    // Only ASCII is left, so every index is a boundary.
    let room = LONGEST - hash.len() - 1;
    let head = id[..id.len().min(room)].trim_end_matches(['.', '-']);
    format!("{head}-{hash}")
}

fn short_hash(name: &str) -> String {
    format!("{:08x}", gadugi_core::fingerprint(name.as_bytes()) >> 32)
}

/// Where an id is wanted: the prompt's path, and the id that it gives itself.
pub(crate) struct Wanted<'a> {
    /// Path of the prompt as it is shown, different for each.
    pub(crate) path: &'a str,
    /// Its own id: already safe, and no other prompt's own.
    pub(crate) own: Option<&'a str>,
}

/// An id for each, all different: its own; else its stem; where stems collide, its path; where those do, a hash.
pub(crate) fn assign(wanted: &[Wanted<'_>]) -> Vec<String> {
    let mut taken: HashSet<String> = wanted.iter().filter_map(|one| one.own).map(str::to_owned).collect();
    let mut ids: Vec<Option<String>> = wanted.iter().map(|one| one.own.map(str::to_owned)).collect();
    for make in [stem_id as fn(&str) -> String, path_id] {
        let offers: Vec<Option<String>> =
            ids.iter().zip(wanted).map(|(id, one)| id.is_none().then(|| make(one.path))).collect();
        let mut count: HashMap<&str, usize> = HashMap::new();
        for offer in offers.iter().flatten() {
            *count.entry(offer).or_default() += 1;
        }
        let alone: Vec<bool> = offers
            .iter()
            .map(|offer| offer.as_deref().is_some_and(|offer| count[offer] == 1 && !taken.contains(offer)))
            .collect();
        for ((id, offer), alone) in ids.iter_mut().zip(offers).zip(alone) {
            if let Some(offer) = offer
                && alone
            {
                taken.insert(offer.clone());
                *id = Some(offer);
            }
        }
    }
    ids.into_iter().zip(wanted).map(|(id, one)| id.unwrap_or_else(|| hashed(one.path, &mut taken))).collect()
}

fn hashed(path: &str, taken: &mut HashSet<String>) -> String {
    let mut salted = path.to_owned();
    loop {
        let id = with_hash(&path_id(path), &salted);
        if taken.insert(id.clone()) {
            return id;
        }
        salted.push('\0');
    }
}

/// File name without folder and `.md`.
pub(crate) fn stem(path: &str) -> &str {
    without_extension(path.rsplit('/').next().unwrap_or(path))
}

fn without_extension(path: &str) -> &str {
    match path.len().checked_sub(3).and_then(|at| path.split_at_checked(at)) {
        Some((stem, extension)) if extension.eq_ignore_ascii_case(".md") && !stem.is_empty() => stem,
        _ => path,
    }
}

fn stem_id(path: &str) -> String {
    safe(stem(path))
}

fn path_id(path: &str) -> String {
    safe(&without_extension(path).replace('/', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_safe() {
        for (name, expected) in [
            ("parser", "parser"),
            ("my prompt", "my-prompt"),
            ("a 'b' \"c\"\nd", "a-b-c-d"),
            ("--force", "force"),
            (".hidden", "hidden"),
            ("a..b", "a.b"),
            ("a.lock", "a-lock"),
            ("a.", "a"),
            ("x/y", "x-y"),
        ] {
            assert_eq!(safe(name), expected, "{name:?}");
            assert!(is_safe(expected));
        }
        for name in ["パーサ", "naïve", "-", "...", &"x".repeat(300), "", "é.lock"] {
            let id = safe(name);
            assert!(is_safe(&id), "{name:?} became {id:?}");
            assert_eq!(id, safe(name));
        }
        assert_ne!(safe("パーサ"), safe("レクサ"));
    }

    fn ids(paths: &[(&str, Option<&str>)]) -> Vec<String> {
        assign(&paths.iter().map(|(path, own)| Wanted { path, own: *own }).collect::<Vec<_>>())
    }

    #[test]
    fn colliding_stems_take_their_path() {
        assert_eq!(ids(&[("prompts/a.md", None), ("prompts/b.md", None)]), ["a", "b"]);
        assert_eq!(ids(&[("x/a.md", None), ("y/a.md", None), ("b.md", None)]), ["x-a", "y-a", "b"]);
        assert_eq!(ids(&[("x/a.md", None), ("b.md", Some("a"))]), ["x-a", "a"]);
    }

    #[test]
    fn colliding_paths_take_a_hash() {
        let made = ids(&[("x/a.md", None), ("x a.md", None), ("x-a.md", None), ("y/a.md", None)]);
        let unique: HashSet<&String> = made.iter().collect();
        assert_eq!(unique.len(), 4, "{made:?}");
        assert!(made.iter().all(|id| is_safe(id)));
    }
}
