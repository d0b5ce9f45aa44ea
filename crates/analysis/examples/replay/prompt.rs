//! A commit's message as the prompt that could have asked for the commit.
//!
//! What was added when the work was done goes: trailers, numbers of issues and pull requests, links. What is left has to
//! be something that a person could have asked for: some words of what is to be done. Machines that raise versions,
//! merges by hand, releases and unfinished work ask for nothing; every such commit is left out by name of the reason. The
//! rules are generous: a poor message with three words is a prompt.

use std::sync::LazyLock;

use regex::Regex;

/// A task in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// The subject.
    pub(crate) title: String,
    /// The rest; may be empty.
    pub(crate) body: String,
}

/// Why a message is no prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NoPrompt {
    Merge,
    Release,
    VersionsRaised,
    Unfinished,
    Machine,
    TooFewWords,
}

impl NoPrompt {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Merge => "merges by hand",
            Self::Release => "releases",
            Self::VersionsRaised => "versions of dependencies raised",
            Self::Unfinished => "unfinished work",
            Self::Machine => "by machines",
            Self::TooFewWords => "fewer than three words",
        }
    }
}

/// Words that a prompt has at the least.
const LEAST_WORDS: usize = 3;

/// A rule as it is written; all are tried by tests.
fn rule(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "fixed text, compiled by every test")]
    Regex::new(text).expect("a rule")
}

/// `Signed-off-by: …` and its like: a word or several joined by dashes, of which the known ones are names of people's parts in
/// the work, or marks of tools.
static TRAILER: LazyLock<Regex> = LazyLock::new(|| {
    rule(
        r"(?i)^\s*((co-)?authored|signed-off|reviewed|acked|tested|reported|suggested|helped|approved|committed|merged|requested|pair(ed)?|landed|noticed|spotted|found|assisted|contributed|based-on-patch|generated)[- ]?(by|on|with|at)\s*:.*$|^\s*(change-id|pr-url|pull-request|differential revision|git-svn-id|piperorigin-revid|cc|refs?|fixes|closes|resolves|see|see-also|see also|bug|issue|gh|link|ref|backport[a-z-]*|cherry[- ]picked from|release-notes?|changelog|skip-checks|updated-dependencies|revert-id)\s*:.*$|^\(cherry picked from .*\)$|^\[skip ci\]$",
    )
});

/// `(#12)`, `(gh-12)`, `Fixes #12`, `closes https://…/12`, a lone `#12`, `[JIRA-12]`, links.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    rule(
        r"(?ix)
        \(\s*(?:(?:pr|gh|issue|bug)?\s*[\#-]?\s*\d{1,7}|\#\d+(?:\s*,\s*\#\d+)*)\s*\)
        | \b(?:fix(?:es|ed)?|close[sd]?|resolve[sd]?|see|refs?|related\s+to|updates?|addresses)\s*:?\s*(?:issue\s*)?(?:[\w.-]+/[\w.-]+)?\#\d+(?:\s*(?:,|and|&)\s*(?:[\w.-]+/[\w.-]+)?\#\d+)*
        | \b(?:fix(?:es|ed)?|close[sd]?|resolve[sd]?|see|refs?)\s*:?\s*https?://\S+
        | (?:[\w.-]+/[\w.-]+)?\#\d+\b
        | \[[A-Z][A-Z0-9]+-\d+\]
        | https?://\S+",
    )
});

static MERGE: LazyLock<Regex> = LazyLock::new(|| {
    rule(r"(?i)^\s*merged? (branch|pull request|remote|tag|commit|master|main|upstream|with|from|pr\b|#)")
});
static UNFINISHED: LazyLock<Regex> =
    LazyLock::new(|| rule(r"(?i)^\s*\W*(?:(?:wip|work in progress|tmp|temp)\b|(?:fixup|squash|amend)!)"));
static RELEASE: LazyLock<Regex> = LazyLock::new(|| {
    rule(
        r"(?ix)^\s*\W*(?:[\w()./-]+:\s*)?
        (?:v?\d+\.\d+[\w.+-]*\s*$
        | (?:bump|bumps|bumping|update|set|increment|raise)\s+(?:the\s+)?(?:\w+\s+)?versions?\b
        | (?:cut|tag|publish|prepare|prepare\s+for|start|begin)\s+(?:the\s+)?(?:next\s+)?(?:release|version|development|snapshot)
        | (?:release|releasing|version)\s*(?:[\w@/-]+[@\s])?\s*v?\d
        | release\s*:
        | \[maven-release-plugin\])
        |^\s*(?:chore\(release\)|release(?:\([^)]*\))?|releaser|publish)\s*[:!]",
    )
});
static VERSIONS: LazyLock<Regex> = LazyLock::new(|| {
    rule(
        r"(?ix)^\s*\W*(?:[\w()./-]+:\s*)?
        (?:(?:bump|bumps|upgrade|update|updates|raise)\s+\S+(?:\s+\S+){0,6}?\s+(?:from\s+\S+\s+)?to\s+v?\d\S*
        | (?:bump|upgrade|update)\s+(?:all\s+|the\s+)?(?:non-major\s+|dev\s+|npm\s+|cargo\s+)*(?:requirements|dependenc(?:y|ies)|deps|lock\s?files?)\s*$
        | bump\s+the\s+[\w-]+\s+group\b)
        |^\s*(?:\w+)?\((?:deps|deps-dev|dependencies)\)!?:\s*(?:bump|update|upgrade|lock)",
    )
});
/// A machine says so itself, in the subject or by its signature. That one took part in somebody's work says nothing.
static MACHINE: LazyLock<Regex> = LazyLock::new(|| {
    rule(r"(?im)\A\s*\[(?:pre-commit\.ci|bot)\]|\A\s*pre-commit autoupdate\b|^\s*signed-off-by:.*\[bot\]")
});
static WORD: LazyLock<Regex> = LazyLock::new(|| rule(r"\p{Alphabetic}[\p{Alphabetic}\p{N}_'-]+"));

/// The prompt that a message is.
pub(crate) fn prompt(message: &str) -> Result<Prompt, NoPrompt> {
    let subject = message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    for (rule, reason, on) in [
        (&MERGE, NoPrompt::Merge, subject),
        (&UNFINISHED, NoPrompt::Unfinished, subject),
        (&MACHINE, NoPrompt::Machine, message),
        (&RELEASE, NoPrompt::Release, subject),
        (&VERSIONS, NoPrompt::VersionsRaised, subject),
    ] {
        if rule.is_match(on) {
            return Err(reason);
        }
    }
    let kept: Vec<&str> = message.lines().filter(|line| !TRAILER.is_match(line)).collect();
    let text = REFERENCE.replace_all(kept.join("\n").trim(), "").into_owned();
    if WORD.find_iter(&text).take(LEAST_WORDS).count() < LEAST_WORDS {
        return Err(NoPrompt::TooFewWords);
    }
    let (title, body) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
    Ok(Prompt { title: title.trim().to_owned(), body: body.trim().to_owned() })
}

impl Prompt {
    /// All of it.
    pub(crate) fn text(&self) -> String {
        format!("{}\n\n{}", self.title, self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_when_the_work_was_done_goes() {
        let message = "server: keep the order of routes (#1234)\n\nThey were sorted; see #12 and docs/routes.md.\n\nFixes #77, #78\nCo-authored-by: Ada <a@example.com>\nSigned-off-by: Bob <b@example.com>\nReviewed-on: https://example.com/1\n(cherry picked from commit 0123456789)\n";
        let found = prompt(message).unwrap();
        assert_eq!(found.title, "server: keep the order of routes");
        assert_eq!(found.body, "They were sorted;  and docs/routes.md.");
        assert_eq!(prompt("Fix the lexer (GH-12)").unwrap().title, "Fix the lexer");
        assert_eq!(prompt("Fix the lexer, closes owner/name#12").unwrap().title, "Fix the lexer,");
        // Code stays as it is.
        let code = "Let `#[derive]` see `a#b`, and std::fmt too";
        assert_eq!(prompt(code).unwrap().title, code);
        assert_eq!(prompt("\n\n  three small words  \n").unwrap().title, "three small words");
    }

    #[test]
    fn what_asks_for_nothing_is_left_out_by_its_reason() {
        for (message, reason) in [
            ("Merge branch 'main' into side", NoPrompt::Merge),
            ("merge with upstream changes of today", NoPrompt::Merge),
            ("release: plugin@8.0.0-beta.3", NoPrompt::Release),
            ("releaser: Bump versions for release of 0.161.1", NoPrompt::Release),
            ("v1.2.3", NoPrompt::Release),
            ("chore: prepare for next development iteration", NoPrompt::Release),
            ("[maven-release-plugin] prepare release x-1.2", NoPrompt::Release),
            ("bump version to 3.0.0", NoPrompt::Release),
            ("Release 2.11.0 of the library", NoPrompt::Release),
            ("Bump actions/checkout from 2 to 3", NoPrompt::VersionsRaised),
            ("build(deps): bump github.com/x/y from 1.7.8 to 1.7.9", NoPrompt::VersionsRaised),
            ("chore(deps): update all non-major dependencies", NoPrompt::VersionsRaised),
            ("update requirements", NoPrompt::VersionsRaised),
            ("WIP: something of great use", NoPrompt::Unfinished),
            ("fixup! the thing from before it", NoPrompt::Unfinished),
            ("[pre-commit.ci] pre-commit autoupdate of hooks", NoPrompt::Machine),
            ("Some change of files\n\nSigned-off-by: dependabot[bot] <x@example.com>", NoPrompt::Machine),
            ("fixed typos", NoPrompt::TooFewWords),
            ("Fixes #12\n\nSigned-off-by: A Long Name <a@example.com>", NoPrompt::TooFewWords),
            ("", NoPrompt::TooFewWords),
        ] {
            assert_eq!(prompt(message), Err(reason), "{message}");
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for message in [
            "Merge two maps without copying",
            "Fix release builds on old systems",
            "Update the tests to the new parser",
            "Add a temporary folder for uploads",
            "Bump the stack size of workers",
            "refactor: versions are compared as numbers",
            "Show version 2 of the report",
            "fix: bump of counters is atomic",
            "itty bitty typo",
            "Some change of files\n\nCo-authored-by: pre-commit-ci[bot] <x@example.com>",
        ] {
            assert!(prompt(message).is_ok(), "{message}");
        }
    }
}
