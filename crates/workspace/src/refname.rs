//! Which names git takes for refs.

/// Whether `git check-ref-format` takes the name: a ref's full one, such as `refs/heads/main`.
pub(crate) fn well_formed(name: &str) -> bool {
    let forbidden = |c: char| c <= ' ' || c == '\x7f' || "~^:?*[\\".contains(c);
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none();
    name.contains('/')
        && !name.contains(forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Git itself is asked of each.
    #[test]
    fn says_what_git_says() {
        let pieces = [
            "a", ".", "/", "-", "@", "{", "}", ".lock", "lock", " ", "~", "^", ":", "?", "*", "[", "]", "\\",
            "\n", "\t", "\x7f", "\x01", "ü", "\u{a0}", "\"", "'", "$", "HEAD", "%",
        ];
        let mut names = vec!["refs".to_owned(), "refs/heads/".to_owned(), String::new(), "@".to_owned()];
        for one in pieces {
            names.push(format!("refs/heads/x{one}y"));
            names.extend(pieces.iter().map(|other| format!("refs/heads/{one}{other}")));
        }
        let place = crate::door::Place { cwd: "/".into(), git_dir: None, work_tree: None };
        let git = crate::door::Git::find(gadugi_sys::env::all()).unwrap();
        for name in names {
            let taken = git.call(&place, ["check-ref-format", &name]).yes().unwrap();
            assert_eq!(well_formed(&name), taken, "{name:?}");
        }
    }
}
