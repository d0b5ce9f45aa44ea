//! Reads the words of blocks in one pass: which look like paths or names of a program, and what the sentence wants of
//! them.

use crate::markdown::{Block, BlockKind};

/// What a sentence wants of a path or a name in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Make it.
    Create,
    /// Give it another name or place.
    Rename,
    /// Remove it.
    Remove,
    /// Make something else of it: whoever uses it will notice.
    Change,
    /// Work on it, so that it stays what it is: mend it, document it.
    Write,
    /// Look at it.
    Read,
    /// Leave it alone.
    Keep,
    /// It is only named.
    #[default]
    Named,
}

impl Intent {
    /// How sure it is, in percent, that the path will be written, and that it will be read.
    pub(crate) fn confidence(self) -> (u8, u8) {
        match self {
            Self::Create => (95, 0),
            Self::Rename | Self::Remove | Self::Change | Self::Write => (90, 0),
            Self::Read => (0, 80),
            Self::Keep => (0, 70),
            Self::Named => (60, 30),
        }
    }

    /// Whether it means that something is written.
    fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Rename | Self::Remove | Self::Change | Self::Write)
    }

    /// What a verb means. Words of two meanings ("test", "document") are no verbs here.
    fn of_verb(word: &str) -> Option<Self> {
        Some(match word {
            "create" | "creates" | "creating" | "add" | "adds" | "adding" | "write" | "writes"
            | "writing" | "introduce" | "new" | "generate" | "scaffold" | "produce" => Self::Create,
            "rename" | "renames" | "renaming" | "move" | "moves" | "moving" => Self::Rename,
            "delete" | "deletes" | "remove" | "removes" | "removing" => Self::Remove,
            "modify" | "modifies" | "modifying" | "change" | "changes" | "changing" | "refactor"
            | "refactoring" | "extend" | "extends" | "extending" | "replace" | "rewrite" | "convert"
            | "migrate" | "split" | "extract" | "rework" | "merge" | "expand" | "redefine" => Self::Change,
            "update" | "updates" | "updating" | "edit" | "edits" | "editing" | "fix" | "fixes" | "fixing"
            | "implement" | "implements" | "implementing" | "append" | "bump" | "improve" | "clean"
            | "optimize" | "optimise" | "simplify" | "put" | "touch" | "patch" | "adjust" | "adapt"
            | "insert" | "correct" | "document" | "configure" | "set" | "make" | "store" | "save"
            | "register" | "export" | "define" => Self::Write,
            "see" | "refer" | "refers" | "reference" | "like" | "similar" | "follow" | "follows"
            | "consult" | "read" | "reads" | "reading" | "look" | "looks" | "compare" | "according"
            | "using" | "use" | "uses" | "import" | "imports" | "based" | "check" | "review" | "mirror"
            | "mirrors" | "analogous" | "inspired" | "study" | "understand" | "described" | "documented"
            | "defined" | "per" => Self::Read,
            _ => return None,
        })
    }

    /// What a heading says of the paths below it.
    fn of_heading(heading: &str) -> Option<Self> {
        let words = heading.to_lowercase();
        let has = |any: &[&str]| words.split(|c: char| !c.is_alphanumeric()).any(|word| any.contains(&word));
        if has(&[
            "reference",
            "references",
            "context",
            "background",
            "related",
            "reading",
            "resources",
            "inspiration",
        ]) {
            Some(Self::Read)
        } else if has(&["new", "create", "created"]) && has(&["file", "files"]) {
            Some(Self::Create)
        } else if has(&["target", "targets", "modify", "change", "changes", "edit", "touch", "scope"])
            || (has(&["files"]) && !has(&["read", "see"]))
        {
            Some(Self::Write)
        } else {
            None
        }
    }
}

/// A word that may be a path or a name of a program. Offsets are within the block.
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// In a code span.
    pub(crate) code: bool,
    pub(crate) intent: Intent,
}

/// Goes through the blocks of a prompt, one after another.
#[derive(Default)]
pub(crate) struct Reader {
    at: usize,
    /// Where the code span that is being read ends.
    code_until: Option<usize>,
    /// What the sentence wants so far.
    sentence: Option<Intent>,
    /// What the next path alone is wanted for: "tests for X".
    once: Option<Intent>,
    /// What heading and introduction of the list say.
    default: Option<Intent>,
    /// What the line that introduces a list says.
    introduction: Option<Intent>,
    /// Words since a "not".
    negated: Option<u8>,
    previous: String,
}

impl Reader {
    /// Begins a block.
    pub(crate) fn begin(&mut self, block: &Block, text: &str, heading: &str) {
        if block.kind != BlockKind::Item && block.kind != BlockKind::Fence {
            // The line before a list or an example says what is wanted of what is in it, if it ends with a colon.
            self.introduction = None;
        }
        let introduced =
            matches!(block.kind, BlockKind::Item | BlockKind::Fence).then_some(self.introduction).flatten();
        *self = Self {
            default: introduced.or_else(|| Intent::of_heading(heading)),
            introduction: self.introduction,
            ..Self::default()
        };
        if text.trim_end().ends_with(':') && block.kind == BlockKind::Paragraph {
            self.introduction = introduction(text);
        }
    }

    /// The next word that may be a path or a name.
    pub(crate) fn next_target<'a>(&mut self, text: &'a str) -> Option<Word<'a>> {
        loop {
            let (start, end, code) = self.next_word(text)?;
            let raw = &text[start..end];
            let word = if code { raw.trim_end_matches([',', ';']) } else { bare(raw) };
            let start = start + (word.as_ptr() as usize - raw.as_ptr() as usize);
            let target = (!word.is_empty() && (may_be_path(word, code) || is_program_name(word)))
                .then(|| Word { text: word, start, end: start + word.len(), code, intent: self.intent() });
            if target.is_some() {
                self.once = None;
            } else if !code {
                self.listen(word);
            }
            // Also behind a path: "… in src/a.rs. See src/b.rs."
            if !code && raw.ends_with(['.', '!', '?', ';']) {
                (self.sentence, self.once, self.negated) = (None, None, None);
            }
            if target.is_some() {
                return target;
            }
        }
    }

    fn intent(&self) -> Intent {
        self.once.or(self.sentence).or(self.default).unwrap_or_default()
    }

    /// What a word that is no path says of those behind it.
    fn listen(&mut self, word: &str) {
        // No word that means anything here is longer.
        let word = if word.len() <= 16 { word.to_lowercase() } else { String::new() };
        if let Some(intent) = Intent::of_verb(&word) {
            let changes = intent.writes();
            self.sentence = Some(match (self.negated.take(), intent) {
                (Some(_), _) if changes => Intent::Keep,
                // "add a new section to x" changes x: "new" is a verb of its own only without another.
                (_, Intent::Create) if word == "new" => self.sentence.unwrap_or(Intent::Create),
                _ => intent,
            });
            self.once = None;
        } else if matches!(word.as_str(), "not" | "never" | "without" | "don't" | "don’t" | "avoid") {
            self.negated = Some(0);
        } else if matches!(word.as_str(), "for" | "of" | "covering") && is_about(&self.previous) {
            self.once = Some(Intent::Read);
        } else if matches!(word.as_str(), "in" | "to" | "into" | "at") {
            self.once = None;
        } else {
            self.negated = self.negated.map(|words| words + 1).filter(|words| *words < 3);
        }
        if !word.is_empty() {
            self.previous = word;
        }
    }

    /// Bounds of the next word, and whether it stands in a code span.
    fn next_word(&mut self, text: &str) -> Option<(usize, usize, bool)> {
        loop {
            let code = self.code_until;
            let limit = code.unwrap_or(text.len());
            let separates = |c: char| {
                c.is_whitespace()
                    || matches!(c, '(' | ')' | '"' | '\'' | '`' | '<' | '>' | '|' | '=')
                    || (code.is_none() && matches!(c, '[' | ']' | ',' | '“' | '”'))
            };
            let rest = &text[self.at..limit];
            if code.is_none() && rest.starts_with('`') {
                self.open_code(text);
                continue;
            }
            match rest.chars().next() {
                None if code.is_some() => {
                    // Step over the backtick that ends the span.
                    self.at = limit;
                    self.code_until = None;
                    self.at += text[self.at..].bytes().take_while(|byte| *byte == b'`').count();
                }
                None => return None,
                Some(c) if separates(c) => self.at += c.len_utf8(),
                Some(_) => {
                    let length = rest.find(separates).unwrap_or(rest.len());
                    let start = self.at;
                    self.at += length;
                    return Some((start, self.at, code.is_some()));
                }
            }
        }
    }

    /// At a backtick: begins a code span where one closes it before the line ends, and soon. Looked for further, a line of
    /// megabytes would be gone through for each backtick in it.
    fn open_code(&mut self, text: &str) {
        /// Bytes. What is longer names nothing.
        const LONGEST: usize = 4096;
        let rest = &text[self.at..];
        let ticks = rest.bytes().take_while(|byte| *byte == b'`').count();
        self.at += ticks;
        let inner = &rest[ticks..];
        let inner = &inner[..inner.floor_char_boundary(LONGEST)];
        let line = inner.find('\n').unwrap_or(inner.len());
        if let Some(length) = inner[..line].find(&rest[..ticks]).filter(|length| *length > 0) {
            self.code_until = Some(self.at + length);
        }
    }
}

/// What the last verb of a line that introduces a list says: "Modify these files:".
fn introduction(text: &str) -> Option<Intent> {
    let line = text.trim_end().rsplit('\n').next().unwrap_or(text);
    let mut reader = Reader::default();
    while reader.next_target(line).is_some() {}
    // The colon is no end of a sentence, so what it wants still stands.
    reader.sentence
}

/// Whether "for" behind this word names what is looked at rather than what is written: "tests for", "docs of".
fn is_about(word: &str) -> bool {
    matches!(
        word,
        "test"
            | "tests"
            | "testing"
            | "coverage"
            | "documentation"
            | "docs"
            | "fixtures"
            | "benchmark"
            | "benchmarks"
    )
}

/// A word without the punctuation and the emphasis around it; a leading dot stays.
fn bare(raw: &str) -> &str {
    let word = raw.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    let both = |sign: char| word.len() > 2 && word.starts_with(sign) && word.ends_with(sign);
    let word = if both('*') || both('_') { word.trim_matches(['*', '_']) } else { word };
    word.trim_end_matches(['.', ',', ';', ':', '!', '?'])
}

/// Cheap, before the tree is asked.
fn may_be_path(word: &str, code: bool) -> bool {
    word.contains(['/', '.'])
        || code
        || word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.ends_with(|c: char| c.is_ascii_alphabetic())
            && is_file_word(word)
        || word == "justfile"
}

/// Whether a word of prose is written as only names in programs are: `snake_case`, `camelCase`, `CamelCase`, `a::b`.
/// `SHOUTED` words and names of one part are words of any language.
pub(crate) fn is_program_name(word: &str) -> bool {
    /// Longer is no name that anybody would write down.
    const LONGEST: usize = 128;
    let sound = word.len() <= LONGEST
        && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$'))
        && word.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if !sound {
        return false;
    }
    let inner = word.trim_matches('_');
    let snake = inner.contains('_') || (inner.len() < word.len() && inner.len() > 2);
    let humps = inner.chars().zip(inner.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    snake || humps || word.contains("::")
}

fn is_file_word(word: &str) -> bool {
    word.ends_with("file") || matches!(word, "LICENSE" | "NOTICE" | "CODEOWNERS")
}
