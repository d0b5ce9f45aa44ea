//! From bytes to facts: decoding, the bounds, and the walk through the syntax tree.
//!
//! Nothing here is recursive and everything is bounded, since anything can lie in a repository: a file of nothing but
//! brackets, a picture called `logo.js`, a parser table of a gigabyte. What is not looked into says why.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

use super::facts::{Facts, ImportKind, Names, RawImport, Skipped, Symbol, SymbolKind, Text};
use super::languages::{Language, Reads};
use super::vocabulary::LONGEST_NAME;

/// The largest file that is parsed, bytes. What people write is smaller (of the 8,000 files of six known repositories in
/// these languages, two are larger, both made by a program); parsing a megabyte takes about 0.15 s.
pub const MOST_BYTES: u64 = 1 << 20;

/// A line longer than this, bytes, was not written by anybody: it is data or minified.
const LONGEST_LINE: usize = 32 << 10;

/// Where all lines together have so many bytes each and there are more than a page of them, it is minified too.
const MEAN_LINE: usize = 400;

/// Where git looks for a NUL to tell whether a file is text.
const LOOK: usize = 8000;

/// Steps of the parser, in hundreds, that it may take to a place in the text: a floor, and one for so many bytes before
/// it. Of the sources of six known repositories, none takes more than one for 40 bytes. What does is no source, and
/// some of it is dangerous: `/*/*/*…` read as Python takes a gigabyte for three thousand bytes.
const FLOOR: usize = 12;
const BYTES_PER_STEP: usize = 40;

/// Steps, in hundreds, that it may repair one mistake for. Few sources that the grammars do not understand take more, and
/// each such step takes longer than the one before it.
const MOST_REPAIR: usize = 8;

/// How long a parse may take: this, and so much for each byte. It usually takes 0.15 µs a byte. There are texts of a few
/// kilobytes whose every step is within the bounds above and whose parse takes minutes: only a clock sees that. It decides
/// about nothing else, and what it decides is kept with the facts, so that the same text is the same the next time.
const LONGEST: Duration = Duration::from_millis(500);
const LONGEST_PER_BYTE: Duration = Duration::from_micros(5);

/// The most symbols and the most imports that are taken from a file: a megabyte of nothing but one-line functions has
/// about 30,000, and a table of that many names tells nobody where to look.
const MOST_NAMES: usize = 20_000;

/// How deep items are read that stand inside of a macro's braces.
const MOST_AGAIN: usize = 3;

/// How deep the walk goes: a method of a class of a namespace of a macro is at twenty.
const DEEPEST: usize = 100;

/// What to do about a node's children.
#[derive(Clone, Debug)]
pub(crate) enum Walk<'t> {
    /// Look at them.
    Into,
    /// Leave them out.
    Over,
    /// Look at them; what they define belongs to this.
    Scope(Text<'t>),
}

/// One file being read.
#[derive(Debug)]
pub(crate) struct Extraction<'t> {
    /// Its text.
    pub(crate) text: &'t str,
    /// What was found.
    pub(crate) facts: Facts<'t>,
    /// Names that are exported by a line of their own.
    pub(crate) exported: Vec<Text<'t>>,
    /// What is being looked into, the innermost last, each with its depth.
    scopes: Vec<(usize, Text<'t>)>,
    /// Ranges of the text that are to be parsed by themselves, and how deep they are.
    again: Vec<(Range<usize>, usize)>,
    /// Lines before the range that is being parsed.
    lines_before: u32,
    /// Where the range begins.
    offset: usize,
    depth: usize,
}

impl<'t> Extraction<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            facts: Facts::default(),
            exported: Vec::new(),
            scopes: Vec::new(),
            again: Vec::new(),
            lines_before: 0,
            offset: 0,
            depth: 0,
        }
    }

    /// A node's text.
    pub(crate) fn text_of(&self, node: Node<'_>) -> &'t str {
        self.text.get(self.offset + node.start_byte()..self.offset + node.end_byte()).unwrap_or_default()
    }

    /// The text of a node's field; empty where there is none.
    pub(crate) fn field(&self, node: Node<'_>, field: &str) -> &'t str {
        node.child_by_field_name(field).map_or("", |child| self.text_of(child))
    }

    /// The line of a node, from 1.
    pub(crate) fn line(&self, node: Node<'_>) -> u32 {
        self.lines_before + u32::try_from(node.start_position().row).unwrap_or(u32::MAX - 1) + 1
    }

    /// What the node stands in.
    pub(crate) fn owner(&self) -> Option<&Text<'t>> {
        self.scopes.last().map(|(_, name)| name)
    }

    /// All that the node stands in, the outermost first.
    pub(crate) fn owners(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.scopes.iter().map(|(_, name)| &**name)
    }

    /// Takes a symbol that belongs to what the node stands in.
    pub(crate) fn define(&mut self, node: Node<'_>, name: &'t str, kind: SymbolKind, exported: bool) {
        let owner = self.owner().cloned();
        self.define_in(node, name, kind, exported, owner);
    }

    /// Takes a symbol.
    pub(crate) fn define_in(
        &mut self,
        node: Node<'_>,
        name: &'t str,
        kind: SymbolKind,
        exported: bool,
        owner: Option<Text<'t>>,
    ) {
        let name = name.trim();
        if name.is_empty() || name.len() > LONGEST_NAME || self.facts.symbols.len() >= MOST_NAMES {
            return;
        }
        let owner = owner.filter(|owner| !owner.is_empty());
        let line = self.line(node);
        self.facts.symbols.push(Symbol { name: name.into(), kind, line, exported, owner });
    }

    /// Takes an import.
    pub(crate) fn import(
        &mut self,
        node: Node<'_>,
        module: impl Into<Text<'t>>,
        names: Names<'t>,
        kind: ImportKind,
    ) {
        self.import_at(self.line(node), module, names, kind);
    }

    /// Takes an import that no node is.
    pub(crate) fn import_at(
        &mut self,
        line: u32,
        module: impl Into<Text<'t>>,
        names: Names<'t>,
        kind: ImportKind,
    ) {
        let module = module.into();
        if module.len() <= LONGEST_NAME && self.facts.imports.len() < MOST_NAMES {
            self.facts.imports.push(RawImport { module, names, kind, line });
        }
    }

    /// Has the text of a node parsed by itself, as if it stood alone.
    pub(crate) fn parse_again(&mut self, node: Node<'_>) {
        let range = self.offset + node.start_byte() + 1..(self.offset + node.end_byte()).saturating_sub(1);
        if range.start < range.end && self.depth < MOST_AGAIN {
            self.again.push((range, self.depth + 1));
        }
    }
}

/// Reads one file. It is an error where it was not looked into.
pub(crate) fn facts<'t>(
    parser: &mut Parser,
    language: &dyn Language,
    reads: Reads,
    path: &str,
    text: &'t str,
) -> Result<Facts<'t>, Skipped> {
    let mut into = Extraction::new(text);
    if reads == Reads::Manifest {
        language.manifest(path, text, &mut into.facts);
        return Ok(into.facts);
    }
    if is_generated(text) {
        return Err(Skipped::Generated);
    }
    if parser.set_language(&language.grammar(path, text)).is_err() {
        // A grammar of another age than the library: the tests of every language would fail.
        return Err(Skipped::Tangled);
    }
    let tree = parse(parser, text).ok_or(Skipped::Tangled)?;
    walk(&tree, language, &mut into);
    while let Some((range, depth)) = into.again.pop() {
        let part = &text[range.clone()];
        let Some(tree) = parse(parser, part) else { continue };
        into.lines_before = text[..range.start].matches('\n').count() as u32;
        (into.offset, into.depth) = (range.start, depth);
        walk(&tree, language, &mut into);
    }
    (into.offset, into.lines_before) = (0, 0);
    language.finish(&mut into);
    Ok(into.facts)
}

/// The tree of a text. Of one that would take too long, the tree of what comes before the trouble; none where that is
/// nothing.
fn parse(parser: &mut Parser, text: &str) -> Option<Tree> {
    let sound = match parse_all(parser, text) {
        Ok(tree) => return Some(tree),
        Err(sound) => sound,
    };
    let before = text.get(..sound)?;
    parse_all(parser, &before[..before.rfind('\n')?]).ok()
}

/// An error is how far it went without a mistake.
fn parse_all(parser: &mut Parser, text: &str) -> Result<Tree, usize> {
    let (mut steps, mut repair, mut reached, mut sound) = (0, 0, 0, 0);
    let (began, most) = (Instant::now(), LONGEST + LONGEST_PER_BYTE * text.len() as u32);
    let mut step = |state: &ParseState| {
        steps += 1;
        reached = state.current_byte_offset().max(reached);
        if state.has_error() {
            repair += 1;
        } else {
            (repair, sound) = (0, reached);
        }
        let over = repair > MOST_REPAIR || steps > FLOOR + reached / BYTES_PER_STEP || began.elapsed() > most;
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut step);
    let bytes = text.as_bytes();
    let tree =
        parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options));
    if tree.is_none() {
        // Else the next file would go on with what is left of this one.
        parser.reset();
    }
    tree.ok_or(sound)
}

fn walk<'t>(tree: &Tree, language: &dyn Language, into: &mut Extraction<'t>) {
    let mut cursor = tree.walk();
    let mut depth = 0;
    loop {
        let inside = match language.visit(cursor.node(), into) {
            Walk::Into => cursor.goto_first_child(),
            Walk::Over => false,
            Walk::Scope(name) => {
                let inside = cursor.goto_first_child();
                if inside {
                    into.scopes.push((depth, name));
                }
                inside
            }
        };
        if inside && depth < DEEPEST {
            depth += 1;
            continue;
        }
        if inside {
            cursor.goto_parent();
            into.scopes.pop_if(|(of, _)| *of == depth);
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                into.scopes.clear();
                return;
            }
            depth -= 1;
            if into.scopes.last().is_some_and(|(of, _)| *of == depth) {
                into.scopes.pop();
            }
        }
    }
}

/// The text of a file: UTF-8, UTF-16 with a mark or with NULs in every second place, else Latin-1, in which every byte
/// is a character: names are nearly always ASCII, and those are right in all of them. An error where it is no text.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Skipped> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(text) = utf16(bytes) {
        return Ok(Cow::Owned(text));
    }
    if bytes.iter().take(LOOK).any(|byte| *byte == 0) {
        return Err(Skipped::Binary);
    }
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    })
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let (little, bytes) = match bytes {
        [0xff, 0xfe, rest @ ..] => (true, rest),
        [0xfe, 0xff, rest @ ..] => (false, rest),
        _ => {
            let pairs = bytes.get(..bytes.len().min(LOOK))?.chunks_exact(2);
            let count = pairs.len();
            let (even, odd) = pairs.fold((0, 0), |(even, odd), pair| {
                (even + usize::from(pair[0] == 0), odd + usize::from(pair[1] == 0))
            });
            let mostly = |zeros: usize| count >= 8 && zeros > count * 3 / 4;
            match (mostly(even), mostly(odd)) {
                (false, true) if even == 0 => (true, bytes),
                (true, false) if odd == 0 => (false, bytes),
                _ => return None,
            }
        }
    };
    let units = bytes.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    Some(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

fn is_generated(text: &str) -> bool {
    let (mut lines, mut longest) = (0_usize, 0);
    for line in text.split('\n') {
        lines += 1;
        longest = longest.max(line.len());
    }
    longest > LONGEST_LINE || (text.len() > 25 * MEAN_LINE && text.len() / lines > MEAN_LINE)
}

#[cfg(test)]
mod tests;
