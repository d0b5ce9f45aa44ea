//! Templates of branch names: what they may hold, checked once when they are read.

use thiserror::Error;

/// What a template may hold in braces.
const PLACEHOLDERS: [&str; 4] = ["name", "id", "run", "attempt"];

/// Why a template gives no usable branch names.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BranchError {
    /// Two tasks would get the same branch.
    #[error("expected {{id}} or {{name}} in it, so that no two tasks share a branch")]
    NotUnique,
    /// Braces around a word that stands for nothing.
    #[error("expected {{name}}, {{id}}, {{run}} or {{attempt}}, found {{{0}}}")]
    UnknownPlaceholder(String),
    /// A brace without its partner.
    #[error("expected braces in pairs")]
    Unbalanced,
    /// Git takes no such name.
    #[error("expected a name that git takes for a branch: {0}")]
    NotAName(&'static str),
}

/// Checks that a template's branches differ from task to task and are names that git takes. What is filled in is
/// safe by itself (letters, digits, `.`, `_`, `-` inside).
pub fn check_branch_template(template: &str) -> Result<(), BranchError> {
    let mut sample = String::new();
    let mut unique = false;
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        let inside = from.strip_prefix('{').and_then(|from| from.split_once('}'));
        let (word, behind) = inside.ok_or(BranchError::Unbalanced)?;
        if !PLACEHOLDERS.contains(&word) {
            return Err(BranchError::UnknownPlaceholder(word.to_owned()));
        }
        unique |= word == "id" || word == "name";
        sample.push_str(before);
        sample.push('x');
        rest = behind;
    }
    sample.push_str(rest);
    check_name(&sample).map_err(BranchError::NotAName)?;
    if unique { Ok(()) } else { Err(BranchError::NotUnique) }
}

/// The rules of `git check-ref-format --branch`.
fn check_name(name: &str) -> Result<(), &'static str> {
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    if name.is_empty() {
        Err("it is empty")
    } else if name.contains(forbidden) {
        Err("no spaces, no control characters, none of ~ ^ : ? * [ \\")
    } else if name.contains("..") || name.contains("@{") {
        Err("neither .. nor @{ in it")
    } else if name.starts_with('-') {
        Err("no dash at its beginning")
    } else if name.split('/').any(str::is_empty) {
        Err("no slash at its beginning or end, and no two together")
    } else if name.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock")) {
        Err("no part begins with a dot or ends in .lock")
    } else if name.ends_with('.') || name == "@" || name == "HEAD" {
        Err("it ends in a dot, or is @ or HEAD")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn templates_that_work() {
        for good in ["feature/parallel-{name}-{id}", "{id}", "g/{run}/{id}.{attempt}", "ü/{name}"] {
            assert_eq!(check_branch_template(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn templates_that_do_not() {
        use BranchError::{NotUnique, Unbalanced, UnknownPlaceholder};
        assert_eq!(check_branch_template("feature/x"), Err(NotUnique));
        assert_eq!(check_branch_template("{run}-{attempt}"), Err(NotUnique));
        assert_eq!(check_branch_template("{id"), Err(Unbalanced));
        assert_eq!(check_branch_template("id}"), Err(Unbalanced));
        assert_eq!(check_branch_template("{task}"), Err(UnknownPlaceholder("task".into())));
        assert_eq!(check_branch_template("{{id}}"), Err(UnknownPlaceholder("{id".into())));
    }

    /// The rules here and git's own agree.
    #[test]
    fn git_agrees() {
        for template in [
            "{id}",
            "a/{id}",
            "/{id}",
            "{id}/",
            "a//{id}",
            ".{id}",
            "a/.{id}",
            "{id}.lock",
            "{id}.lock/a",
            "{id}.",
            "a..{id}",
            "a@{id}",
            "@/{id}",
            "-{id}",
            "a b{id}",
            "a~{id}",
            "a^{id}",
            "a:{id}",
            "a?{id}",
            "a*{id}",
            "a[{id}",
            "a\\{id}",
            "a\t{id}",
            "ü{id}",
            "a]{id}",
            "a/-{id}",
            "{id}@",
        ] {
            let name = template.replace("{id}", "x");
            let git = Command::new("git")
                .args(["check-ref-format", "--branch", &name])
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_SYSTEM", "/dev/null")
                .output()
                .unwrap();
            assert_eq!(check_branch_template(template).is_ok(), git.status.success(), "{template:?}");
        }
    }
}
