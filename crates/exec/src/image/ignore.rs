//! `.dockerignore`: which files stay out of what an image is built from.
//!
//! As Docker reads it: one pattern a line, relative to the top; `!` takes files in again; the last line that fits decides; a pattern
//! that fits a folder fits all that is in it.

use globset::{GlobBuilder, GlobMatcher};

/// The lines of a `.dockerignore`.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: GlobMatcher,
    /// What is below a folder that the pattern fits.
    below: GlobMatcher,
    takes_in: bool,
}

impl Ignore {
    /// Reads it. A line that is no pattern fits nothing, as with Docker's classic builder.
    pub(super) fn read(text: &str) -> Self {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let rules = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).filter_map(Rule::read);
        Self { rules: rules.collect() }
    }

    /// Whether a file stays out.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let last = self.rules.iter().rev().find(|rule| rule.fits(path));
        last.is_some_and(|rule| !rule.takes_in)
    }
}

impl Rule {
    fn read(line: &str) -> Option<Self> {
        let (takes_in, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let pattern = if parts.is_empty() { "**".to_owned() } else { parts.join("/") };
        let glob = |pattern: &str| {
            let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
            Some(glob.ok()?.compile_matcher())
        };
        Some(Self { pattern: glob(&pattern)?, below: glob(&format!("{pattern}/**"))?, takes_in })
    }

    fn fits(&self, path: &str) -> bool {
        self.pattern.is_match(path) || self.below.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_docker_reads_them() {
        let text =
            "# comment\n\n target \n/build/\n*.log\n**/*.tmp\n./docs/*\n!docs/keep.md\nsecret?\n[broken\n";
        let ignore = Ignore::read(text);
        for (path, out) in [
            ("target", true),
            ("target/debug/x", true),
            ("sub/target", false),
            ("build/x", true),
            ("a.log", true),
            ("sub/a.log", false),
            ("a.tmp", true),
            ("sub/deep/a.tmp", true),
            ("docs/a.md", true),
            ("docs/keep.md", false),
            ("docs/sub/a.md", true),
            ("secret1", true),
            ("secret", false),
            ("README.md", false),
        ] {
            assert_eq!(ignore.leaves_out(path), out, "{path}");
        }
        assert!(!Ignore::default().leaves_out("x"));
    }

    #[test]
    fn everything_may_be_left_out_but_some() {
        let ignore = Ignore::read("**\n!src\n!Cargo.toml\nsrc/generated\n");
        for (path, out) in [
            ("a", true),
            ("src/main.rs", false),
            ("Cargo.toml", false),
            ("src/generated/x.rs", true),
            ("b/src", true),
        ] {
            assert_eq!(ignore.leaves_out(path), out, "{path}");
        }
    }
}
