//! As much of Markdown as the analysis needs: where the blocks are, and which of them are code.
//!
//! Blocks are slices of the text, so that what is found in them can be shown as it stands there.

use std::ops::Range;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// `# …` of that level.
    Heading(usize),
    /// One item of a list.
    Item,
    /// Lines of text up to an empty one.
    Paragraph,
    /// The inside of a fenced code block.
    Fence,
}

/// A block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) kind: BlockKind,
    /// Where its text is, without list marker or heading signs.
    pub(crate) range: Range<usize>,
    /// Index of the heading that it stands under.
    pub(crate) section: Option<usize>,
}

/// The blocks of a text, in order.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut scanner = Scanner::default();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        scanner.line(line, start);
        start += line.len();
    }
    scanner.finish(text.len());
    scanner.blocks
}

#[derive(Default)]
struct Scanner {
    blocks: Vec<Block>,
    /// The block that goes on with the next line.
    open: Option<(BlockKind, usize)>,
    /// The sign and the length of the fence that is open.
    fence: Option<(u8, usize)>,
    section: Option<usize>,
}

impl Scanner {
    fn line(&mut self, line: &str, start: usize) {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let content = trimmed.trim_end();
        if let Some((sign, length)) = self.fence {
            let (run, rest) = fence_run(content, sign);
            if run >= length && rest.trim().is_empty() {
                self.close(start);
                self.fence = None;
            }
            return;
        }
        for sign in [b'`', b'~'] {
            let (run, rest) = fence_run(content, sign);
            if run >= 3 && !(sign == b'`' && rest.contains('`')) {
                self.close(start);
                self.fence = Some((sign, run));
                self.open = Some((BlockKind::Fence, start + line.len()));
                return;
            }
        }
        if content.is_empty() {
            self.close(start);
        } else if let Some((level, skip)) = heading(content) {
            self.close(start);
            let from = start + indent + skip;
            self.section = Some(self.blocks.len());
            let to = from + content[skip..].trim_end_matches('#').trim_end().len();
            self.blocks.push(Block { kind: BlockKind::Heading(level), range: from..to, section: None });
        } else if let Some(skip) = list_marker(content) {
            self.close(start);
            self.open = Some((BlockKind::Item, start + indent + skip));
        } else if self.open.is_none() {
            self.open = Some((BlockKind::Paragraph, start + indent));
        }
    }

    fn close(&mut self, end: usize) {
        if let Some((kind, from)) = self.open.take()
            && from < end
        {
            self.blocks.push(Block { kind, range: from..end, section: self.section });
        }
    }

    fn finish(&mut self, end: usize) {
        self.close(end);
    }
}

fn fence_run(content: &str, sign: u8) -> (usize, &str) {
    let run = content.bytes().take_while(|byte| *byte == sign).count();
    (run, &content[run..])
}

/// Level of a heading, and how many bytes stand before its words.
fn heading(content: &str) -> Option<(usize, usize)> {
    let level = content.bytes().take_while(|byte| *byte == b'#').count();
    let rest = &content[level..];
    if level == 0 || level > 6 || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    Some((level, content.len() - rest.trim_start().len()))
}

/// How many bytes the marker of a list item takes: `- `, `* `, `+ `, `1. `, `1) `, a checkbox behind it included.
pub(crate) fn list_marker(content: &str) -> Option<usize> {
    let digits = content.bytes().take_while(u8::is_ascii_digit).count();
    let sign = if digits == 0 {
        content.starts_with(['-', '*', '+']).then_some(1)
    } else {
        (digits <= 9 && content[digits..].starts_with(['.', ')'])).then_some(digits + 1)
    }?;
    let rest = &content[sign..];
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let mut words = rest.trim_start();
    for checkbox in ["[ ] ", "[x] ", "[X] "] {
        words = words.strip_prefix(checkbox).unwrap_or(words);
    }
    Some(content.len() - words.len())
}

/// The words of the first heading of level 1.
pub(crate) fn title<'a>(text: &'a str, blocks: &[Block]) -> Option<&'a str> {
    blocks
        .iter()
        .filter(|block| block.kind == BlockKind::Heading(1))
        .map(|block| text[block.range.clone()].trim())
        .find(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Vec<(BlockKind, &str)> {
        blocks(text).into_iter().map(|block| (block.kind, text[block.range].trim_end())).collect()
    }

    #[test]
    fn blocks_are_found() {
        let text = "intro\nmore\n\n# Title #\n- one\n  goes on\n2) two\n- [ ] three\n```rust\n# no heading\n```\nend";
        assert_eq!(
            shape(text),
            [
                (BlockKind::Paragraph, "intro\nmore"),
                (BlockKind::Heading(1), "Title"),
                (BlockKind::Item, "one\n  goes on"),
                (BlockKind::Item, "two"),
                (BlockKind::Item, "three"),
                (BlockKind::Fence, "# no heading"),
                (BlockKind::Paragraph, "end"),
            ]
        );
    }

    #[test]
    fn a_title_is_no_line_of_code() {
        for (text, expected) in [
            ("```\n# no\n```\n# yes", Some("yes")),
            ("~~~~\n```\n# no\n~~~\n~~~~\n# yes", Some("yes")),
            ("#no\n## no\n# \n# yes #", Some("yes")),
            ("```\n# never closed", None),
            ("", None),
        ] {
            assert_eq!(title(text, &blocks(text)), expected, "{text:?}");
        }
    }
}
