//! Paths that stand for several files: patterns (`src/**/*.rs`), and folders.

use globset::{Glob, GlobBuilder, GlobMatcher};

/// Signs that have a meaning in a pattern.
const SIGNS: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// Whether a path is a pattern.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// Compiles a path pattern: `*` and `?` stay within one part of a path, `**` goes over all of them.
pub fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()
}

/// What a pattern plainly begins with (up to its first sign), and what it plainly ends with (behind its last).
pub fn fixed(pattern: &str) -> (&str, &str) {
    let start = pattern.find(SIGNS).unwrap_or(pattern.len());
    let end = pattern.rfind(SIGNS).map_or(0, |at| at + 1);
    (&pattern[..start], &pattern[end..])
}

/// The files that a path stands for.
#[derive(Clone, Debug)]
pub enum Cover<'a> {
    /// Itself, and what is below it.
    Path(&'a str),
    /// What the pattern fits.
    Pattern(GlobMatcher),
}

impl<'a> Cover<'a> {
    /// Of a file, a folder or a pattern. A pattern that does not compile is the path of a file that is called so.
    pub fn of(path: &'a str) -> Self {
        let glob = is_pattern(path).then(|| glob(path).ok()).flatten();
        glob.map_or(Self::Path(path.trim_end_matches('/')), |glob| Self::Pattern(glob.compile_matcher()))
    }

    /// Whether it stands for that file too.
    pub fn covers(&self, file: &str) -> bool {
        match self {
            Self::Path(path) => within(file, path),
            Self::Pattern(glob) => glob.is_match(file),
        }
    }
}

/// Whether `path` is `folder` or below it.
pub fn within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cover_what_is_below_them_and_patterns_what_they_fit() {
        for (path, file, covers) in [
            ("src/a.rs", "src/a.rs", true),
            ("src/", "src/a.rs", true),
            ("src", "src2/a.rs", false),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/b/c.rs", false),
            ("src/**", "src/b/c.rs", true),
            ("web/[id].tsx", "web/i.tsx", true),
            ("web/[id.tsx", "web/[id.tsx", true),
            (r"web/\[id\].tsx", "web/[id].tsx", true),
        ] {
            assert_eq!(Cover::of(path).covers(file), covers, "{path} {file}");
        }
    }

    #[test]
    fn what_stands_around_the_signs_is_plain() {
        assert_eq!(fixed("src/**/*.rs"), ("src/", ".rs"));
        assert_eq!(fixed("src/a.rs"), ("src/a.rs", "src/a.rs"));
    }
}
