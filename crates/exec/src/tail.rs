//! The end of what a step wrote, for people.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use gadugi_shim::{STDERR, STDOUT};

use crate::records::open_regular;

/// The end of the step's standard error or, where that is empty, of its standard output: at most `max_bytes`, whole
/// lines where there are any, without control characters. Empty where nothing was written or can be read.
pub fn tail(dir: &Path, max_bytes: usize) -> String {
    [STDERR, STDOUT]
        .iter()
        .map(|name| read_end(&dir.join(name), max_bytes).unwrap_or_default())
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn read_end(path: &Path, max_bytes: usize) -> io::Result<String> {
    let mut file = open_regular(path)?;
    let length = file.metadata()?.len();
    // One byte more tells whether the cut is between two lines.
    let begin = length.saturating_sub(max_bytes as u64 + 1);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
    let mut bytes = &bytes[..];
    if begin > 0 {
        let newline = bytes.iter().position(|byte| *byte == b'\n').filter(|at| at + 1 < bytes.len());
        bytes = &bytes[newline.map_or(1, |at| at + 1)..];
    }
    let mut text = plain(&String::from_utf8_lossy(bytes)).trim().to_owned();
    if text.len() > max_bytes {
        // What was not UTF-8 has grown.
        let mut cut = text.len() - max_bytes;
        while !text.is_char_boundary(cut) {
            cut += 1;
        }
        text.drain(..cut);
    }
    Ok(text)
}

/// Without terminal sequences: a step must not paint on the terminal of whoever reads of its end.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' if rest.next_if_eq(&'[').is_some() => {
                while rest.next().is_some_and(|next| !('@'..='~').contains(&next)) {}
            }
            '\n' | '\t' => plain.push(character),
            _ if character.is_control() => {}
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::tail;

    #[test]
    fn standard_error_comes_first_and_only_its_end() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(tail(dir.path(), 10), "");
        fs::write(dir.path().join("stdout.jsonl"), "out\n").unwrap();
        fs::write(dir.path().join("stderr.log"), "").unwrap();
        assert_eq!(tail(dir.path(), 10), "out");
        fs::write(dir.path().join("stderr.log"), "first\nsecond\nthird\n").unwrap();
        assert_eq!(tail(dir.path(), 100), "first\nsecond\nthird");
        assert_eq!(tail(dir.path(), 13), "second\nthird");
        assert_eq!(tail(dir.path(), 12), "third");
        fs::write(dir.path().join("stderr.log"), "x".repeat(50)).unwrap();
        assert_eq!(tail(dir.path(), 10), "x".repeat(10));
    }

    #[test]
    fn what_is_no_text_stays_within_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("stderr.log"), [0xff; 64]).unwrap();
        assert!(tail(dir.path(), 10).len() <= 10);
        fs::write(dir.path().join("stderr.log"), "a\u{1b}[31mred\u{1b}[0m\u{7}\u{8}\r\n").unwrap();
        assert_eq!(tail(dir.path(), 100), "ared");
    }
}
