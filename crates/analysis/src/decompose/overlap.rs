//! Whether two paths or patterns can mean one file. Without the tree: an answer speaks of files that are not there yet.

use gadugi_core::pattern::{fixed, glob, is_pattern, within};
use globset::GlobMatcher;

/// A path, folder or pattern that a part will write.
pub(super) struct Place<'a> {
    path: &'a str,
    pattern: Option<GlobMatcher>,
}

impl<'a> Place<'a> {
    pub(super) fn new(path: &'a str) -> Self {
        let pattern = is_pattern(path).then(|| glob(path).ok()).flatten();
        Self { path: path.trim_end_matches('/'), pattern: pattern.map(|glob| glob.compile_matcher()) }
    }

    /// Whether one file can be in both. Of two patterns that is a guess: from what stands before their first sign and behind
    /// their last.
    pub(super) fn meets(&self, other: &Place<'_>) -> bool {
        match (&self.pattern, &other.pattern) {
            (None, None) => within(self.path, other.path) || within(other.path, self.path),
            (Some(pattern), None) => covers(pattern, self.path, other.path),
            (None, Some(pattern)) => covers(pattern, other.path, self.path),
            (Some(_), Some(_)) => {
                let (one, other) = (ends(self.path), ends(other.path));
                let starts = one.0.starts_with(other.0) || other.0.starts_with(one.0);
                starts && (one.1.ends_with(other.1) || other.1.ends_with(one.1))
            }
        }
    }
}

/// Whether a pattern fits a path, or what can be below it.
fn covers(pattern: &GlobMatcher, text: &str, path: &str) -> bool {
    pattern.is_match(path) || within(ends(text).0.trim_end_matches('/'), path)
}

/// What of a pattern is plain: up to the last `/` before its first sign, and behind its last.
fn ends(pattern: &str) -> (&str, &str) {
    let (start, end) = fixed(pattern);
    (&start[..start.rfind('/').map_or(0, |at| at + 1)], end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_meet_where_one_file_can_be_in_both() {
        for (one, other, meet) in [
            ("a.rs", "a.rs", true),
            ("a.rs", "b.rs", false),
            ("src", "src/a.rs", true),
            ("src/", "src/a.rs", true),
            ("src", "src2/a.rs", false),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/b/a.rs", false),
            ("src/**", "src/b/a.rs", true),
            ("src/b/**", "src", true),
            ("src/**/*.rs", "src/b/*.md", false),
            ("src/**/*.rs", "src/b/*.rs", true),
            ("docs/**", "src/**", false),
            ("**/mod.rs", "src/**", true),
            ("docs/*", "docs", true),
        ] {
            assert_eq!(Place::new(one).meets(&Place::new(other)), meet, "{one} {other}");
            assert_eq!(Place::new(other).meets(&Place::new(one)), meet, "{other} {one}");
        }
    }
}
