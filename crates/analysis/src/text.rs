//! Small things about text that several modules need.

/// Longest piece of evidence, in characters: one line of a terminal.
const LONGEST_EVIDENCE: usize = 100;

/// Whether a character may not reach a terminal or a table as it is: controls, and the marks that reorder, join or hide
/// text. The joiner of emoji (U+200D) hides nothing.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The words on one line, without control characters: at most `longest` characters, and an ellipsis behind them where
/// there are more.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || is_unprintable(c) {
            gap = length > 0;
            continue;
        }
        if length + usize::from(gap) >= longest {
            line.push('…');
            return line;
        }
        if gap {
            line.push(' ');
            length += 1;
            gap = false;
        }
        line.push(c);
        length += 1;
    }
    line
}

/// The words around `start..end` that show where an inference comes from: at most the line of them that fits.
pub(crate) fn evidence(text: &str, start: usize, end: usize) -> String {
    let room = LONGEST_EVIDENCE.saturating_sub(end.saturating_sub(start)) / 2;
    let from = floor(text, start.saturating_sub(room));
    let to = ceil(text, end.saturating_add(room).min(text.len()));
    let from = text[from..start].rfind('\n').map_or(from, |at| from + at + 1);
    let to = text[end..to].find('\n').map_or(to, |at| end + at);
    one_line(&text[from..to], LONGEST_EVIDENCE)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// The candidate that a mistyped word most likely means, where one is close.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long words are no slips of the hand, and comparing them costs their product.
    const LONGEST: usize = 100;
    if word.len() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Names that a complaint about an unknown one lists, at most.
pub(crate) const MOST_CANDIDATES: usize = 8;

/// What an unknown name could have meant: all names where they are few, else the one that it most likely means.
pub(crate) fn candidates<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<&str> = names.collect();
    if names.len() > MOST_CANDIDATES {
        names = closest(name, names).into_iter().collect();
    }
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_drops_what_a_terminal_would_obey() {
        assert_eq!(one_line("  a\u{1b}[31m b\n\nc\u{202e}d ", 80), "a [31m b c d");
        assert_eq!(one_line("a\u{61c}b\u{9b}1mc\u{e0041}d\u{ad}e\u{fff9}f", 80), "a b 1mc d e f");
        assert_eq!(one_line("👩\u{200d}👧", 80), "👩\u{200d}👧");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("abc", 3), "abc");
    }

    #[test]
    fn evidence_stays_on_its_line_and_in_bounds() {
        let text = "before\nchange `src/a.rs` now\nafter";
        let at = text.find("src").unwrap();
        assert_eq!(evidence(text, at, at + 8), "change `src/a.rs` now");
        let wide = format!("{}x{}", "ü".repeat(300), "ü".repeat(300));
        assert!(evidence(&wide, 600, 601).chars().count() <= LONGEST_EVIDENCE + 1);
    }

    #[test]
    fn closest_needs_likeness() {
        assert_eq!(closest("depend_on", ["depends_on", "touches"]), Some("depends_on"));
        assert_eq!(closest("colour", ["depends_on", "touches"]), None);
    }
}
