//! Which words of a shell line are commands. Enough of the shell's grammar for `check.rs`: quotes, lists, groups,
//! substitutions, redirections, `case`, and the programs whose business is to start another one.

mod lexer;

use lexer::simple_commands;

/// Substitutions and `sh -c` inside one another that are looked into. Nobody writes more by hand.
const DEPTH: usize = 16;

/// Words behind which another command begins.
const PREFIXES: [&str; 12] =
    ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "builtin", "coproc"];

const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "busybox"];

/// Programs that start the program that follows: those of their short options that take a value.
const WRAPPERS: [(&str, &str); 22] = [
    ("command", ""),
    ("exec", "a"),
    ("env", "uCS"),
    ("nohup", ""),
    ("nice", "n"),
    ("ionice", "cnp"),
    ("timeout", "ks"),
    ("xargs", "aEeIiLlnPsd"),
    ("parallel", "jaINnL"),
    ("setsid", ""),
    ("stdbuf", "ioe"),
    ("sudo", "ugpCrtTUDh"),
    ("doas", "uC"),
    ("unshare", "SGR"),
    ("chrt", "pTPD"),
    ("script", "EIOBT"),
    ("flock", "wE"),
    ("watch", "n"),
    ("npx", "pc"),
    ("bunx", "p"),
    ("uvx", "pw"),
    ("pipx", ""),
];

/// Package runners behind whose subcommand a program follows.
const RUNNERS: [(&str, &[&str]); 6] = [
    ("uv", &["run", "tool"]),
    ("npm", &["exec", "x"]),
    ("pnpm", &["exec", "dlx"]),
    ("yarn", &["exec", "dlx"]),
    ("bun", &["x", "run"]),
    ("pipx", &["run"]),
];

/// The words in command position, quotes taken off, in the order in which they are found.
pub(crate) fn commands(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    scan(line, DEPTH, &mut found);
    found
}

fn scan(line: &str, depth: usize, found: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    let parsed = simple_commands(line);
    for words in &parsed.commands {
        command(words, depth, found);
    }
    for nested in &parsed.substitutions {
        scan(nested, depth - 1, found);
    }
}

/// Finds the words in command position of one simple command.
fn command(words: &[String], depth: usize, found: &mut Vec<String>) {
    let mut rest = words;
    while let Some((word, behind)) = rest.split_first() {
        if PREFIXES.contains(&word.as_str()) || is_assignment(word) {
            rest = behind;
            continue;
        }
        found.push(word.clone());
        let name = word.rsplit('/').next().unwrap_or(word);
        if name == "eval" {
            return scan(&behind.join(" "), depth - 1, found);
        }
        if SHELLS.contains(&name) {
            return shell_script(behind, depth, found);
        }
        match wrapped(name, behind) {
            Some(inner) => rest = inner,
            None => return,
        }
    }
}

/// `sh -c SCRIPT`: the script is shell too.
fn shell_script(words: &[String], depth: usize, found: &mut Vec<String>) {
    let is_c = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
    let Some(at) = words.iter().position(is_c) else { return };
    if let Some(script) = words[at + 1..].iter().find(|word| !word.starts_with('-')) {
        scan(script, depth - 1, found);
    }
}

/// The command that a program of the two tables starts; none where it starts none.
fn wrapped<'a>(name: &str, words: &'a [String]) -> Option<&'a [String]> {
    let mut words = words;
    let mut valued = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name).map(|(_, options)| *options);
    if let Some((_, subcommands)) = RUNNERS.iter().find(|(runner, _)| *runner == name) {
        let at = words.iter().position(|word| !word.starts_with('-'))?;
        if !subcommands.contains(&words[at].as_str()) {
            return None;
        }
        words = &words[at + 1..];
        // `uv tool run`.
        if words.first().is_some_and(|word| word == "run") && name == "uv" {
            words = &words[1..];
        }
        valued = Some("pw");
    }
    let valued = valued?;
    let mut skip = false;
    for (at, word) in words.iter().enumerate() {
        let option = word.strip_prefix('-');
        if std::mem::take(&mut skip) || is_assignment(word) || (name == "timeout" && is_length(word)) {
            continue;
        }
        match option {
            Some(letters) => skip = letters.len() == 1 && valued.contains(letters),
            None => return Some(&words[at..]),
        }
    }
    None
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let mut chars = name.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// `10`, `1.5h`: what `timeout` takes.
fn is_length(word: &str) -> bool {
    let number = word.trim_end_matches(['s', 'm', 'h', 'd']);
    !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// A word as a shell takes it back: quoted where it has to be. It says exactly what it said: whoever shows it to people sees to it
/// that it holds nothing that steers a terminal.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_command_position_are_found() {
        for (line, expected) in [
            ("", &[][..]),
            ("a b c", &["a"]),
            ("a;b&&c||d|e&f\ng", &["a", "b", "c", "d", "e", "f", "g"]),
            ("A=1 B=2 a", &["a"]),
            ("a # b; c\nd", &["a", "d"]),
            ("a 'b; c' \"d; e\" f\\;g", &["a"]),
            ("a >b 2>c <d; >e f", &["a", "f"]),
            ("cat <<EOF\nb c\nEOF\nd", &["cat", "d"]),
            ("a <(b) >(c)", &["a", "b", "c"]),
            ("a $(b c) `d e` \"x $(f `g`)\"", &["a", "b", "d", "f", "g"]),
            ("if a; then b; else c; fi", &["a", "b", "c", "fi"]),
            ("case $x in p|q) a;; (r) b ;; esac; c", &["a", "b", "c"]),
            ("for p in q r; do a; done", &["for", "a", "done"]),
            ("f() { a; }", &["f", "a", "}"]),
            ("exec -a n b c", &["exec", "b"]),
            ("timeout -k 5 10 nice -n 3 a b", &["timeout", "nice", "a"]),
            ("sh -ec 'a; b' c", &["sh", "a", "b"]),
            ("uv run --frozen a b; uv sync c; npm ci; npm exec -- d", &["uv", "a", "uv", "npm", "npm", "d"]),
        ] {
            assert_eq!(commands(line), expected, "{line}");
        }
    }

    #[test]
    fn unfinished_and_deep_lines_end() {
        for line in
            ["'", "\"", "`", "$(", "${", "\\", "case", "case x in", "<<", "<<EOF", "((((", "a $(b $(c"]
        {
            commands(line);
        }
        commands(&"$(".repeat(100_000));
        commands(&"sh -c ".repeat(10_000));
    }
}
