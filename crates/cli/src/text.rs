//! The sanitizer: everything that an agent, a prompt or a file name says goes through here before it reaches a
//! terminal.
//!
//! A terminal obeys what it is sent: escape sequences move the cursor, set the title, answer questions; bidirectional
//! marks show one thing for another. None of that gets through, whoever wrote the text.

use std::iter::Peekable;
use std::str::Chars;

/// The text as one line: escape sequences, controls and invisible marks gone, white space collapsed to single blanks.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text) {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The text with its lines and tabs, and without anything else that a terminal would obey.
pub(crate) fn block(text: &str) -> String {
    visible(text).collect()
}

/// JSON with what a terminal would obey written as escapes, which mean the same: it stands in strings alone.
pub(crate) fn json(text: String) -> String {
    let is_plain = |c: char| c == '\n' || !(c.is_control() || is_invisible(c));
    if text.chars().all(is_plain) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if is_plain(c) {
            out.push(c);
        } else {
            let escapes =
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            out.push_str(&escapes);
        }
    }
    out
}

/// [`line()`], cut to so many columns of a terminal, with an ellipsis where something is missing.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    cut(&line(text), columns)
}

/// Cuts text that is clean already.
pub(crate) fn cut(clean: &str, columns: usize) -> String {
    if columns == 0 {
        return String::new();
    }
    console::truncate_str(clean, columns, "…").into_owned()
}

/// Columns that clean text takes on a terminal.
pub(crate) fn width(clean: &str) -> usize {
    console::measure_text_width(clean)
}

/// Rows that lines so wide take on a terminal of so many columns: one that became narrower has wrapped them anew.
pub(crate) fn rows(widths: &[usize], columns: usize) -> usize {
    widths.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum()
}

/// A word for people to type: on one line, and quoted where it has to be.
pub(crate) fn shell_word(word: &str) -> String {
    gadugi_agents::shell_word(&line(word))
}

fn visible(text: &str) -> impl Iterator<Item = char> + '_ {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        loop {
            match chars.next()? {
                '\u{1b}' => skip_escape(&mut chars),
                '\u{9b}' => skip_csi(&mut chars),
                '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
                '\r' if chars.peek() == Some(&'\n') => {}
                '\r' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => return Some('\n'),
                c @ ('\n' | '\t') => return Some(c),
                c if c.is_control() || is_invisible(c) => {}
                c => return Some(c),
            }
        }
    })
}

/// Marks that reorder, join or hide text. The joiner of emoji (U+200D) hides nothing and stays.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Behind an ESC.
fn skip_escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        // `ESC ( B` and its like: intermediates, then one final character.
        Some(' '..='/') => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'));
        }
        Some('0'..='~') => {
            chars.next();
        }
        _ => {}
    }
}

/// Behind a CSI: parameters, intermediates, one final character.
fn skip_csi(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

/// Behind an OSC, DCS, SOS, PM or APC: all up to BEL or ST. An opening that nothing closes ends with its line, so that
/// it cannot hide what others say behind it.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\u{07}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_gone() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a\u{1b}[31mred\u{1b}[0m b", "ared b"),
            ("\u{1b}]0;title\u{07}x", "x"),
            ("\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9b}2Jx", "x"),
            ("\u{9d}0;t\u{9c}x", "x"),
            ("\u{1b}P1$r\u{1b}\\x", "x"),
            ("\u{1b}(Bx", "x"),
            ("\u{1b}cx", "x"),
            ("x\u{1b}", "x"),
            ("x\u{1b}[", "x"),
            ("x\u{1b}[31", "x"),
            ("a\u{8}\u{8}\u{7f}b\0", "ab"),
            ("user\u{202e}txt.exe\u{2066}", "usertxt.exe"),
            ("a\r\nb\rc\td\n\n\ne", "a b c d e"),
            ("  a  \u{2028} b ", "a b"),
            ("zero\u{200b}width\u{feff}", "zerowidth"),
            ("tag\u{e0041}s", "tags"),
            ("\u{1b}]0;never closed\nnext", "next"),
            ("👩\u{200d}👧 日本", "👩\u{200d}👧 日本"),
        ] {
            assert_eq!(line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_control_is_left_whatever_comes() {
        let mut text = String::new();
        for n in 0..0x400 {
            text.extend(char::from_u32(n));
            text.push('\u{1b}');
            text.extend(char::from_u32(0x400 - n));
        }
        assert!(line(&text).chars().all(|c| !c.is_control() && !is_invisible(c)));
        assert!(
            block(&text).chars().all(|c| c == '\n' || c == '\t' || (!c.is_control() && !is_invisible(c)))
        );
    }

    #[test]
    fn json_says_the_same_without_what_a_terminal_would_obey() {
        let words = "a\u{9b}31m \u{61c}\u{202e}\u{7f}\u{e0041} \u{1b}[31m\n日本 👩\u{200d}👧 \"";
        for pretty in [false, true] {
            let value = serde_json::json!({ words: [words] });
            let made =
                if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let clean = json(made.unwrap());
            assert_eq!(block(&clean), clean);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&clean).unwrap(), value);
        }
        assert_eq!(json("{\"a\": 1}\n".into()), "{\"a\": 1}\n");
    }

    #[test]
    fn a_block_keeps_its_lines() {
        assert_eq!(block("a\n\tb\r\nc\u{1b}[1m"), "a\n\tb\nc");
    }

    #[test]
    fn text_is_cut_by_columns_not_by_characters() {
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("abcd", 0), "");
    }

    #[test]
    fn a_narrower_terminal_wraps_lines_into_more_rows() {
        assert_eq!(rows(&[100, 99, 0, 20], 100), 4);
        assert_eq!(rows(&[100, 99, 0, 20], 50), 6);
        assert_eq!((rows(&[], 50), rows(&[3], 0)), (0, 3));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(shell_word("gadugi/run-1"), "gadugi/run-1");
        assert_eq!(shell_word("it's a\nb"), "'it'\\''s a b'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("$(x)"), "'$(x)'");
    }
}
