//! Facts as bytes: numbers of seven bits a byte, names by their place in the vocabulary. A record is checked once, when
//! it is made or loaded; after that it is read where it lies, without being unpacked.
//!
//! ```text
//! skipped                                  0: no; else why, and that is all
//! package + 1
//! n, n × (name, kind | exported << 7, line, owner + 1)
//! n, n × (module, kind, line, n × (name, alias + 1))
//! n, n × (key, value)
//! ```

use super::facts::{Facts, ImportKind, Skipped, SymbolKind};
use super::vocabulary::{Vocabulary, WordId};

/// A symbol of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SymbolAt {
    pub(crate) name: WordId,
    pub(crate) kind: SymbolKind,
    pub(crate) exported: bool,
    pub(crate) line: u32,
    pub(crate) owner: Option<WordId>,
}

/// An import of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImportAt<'b> {
    pub(crate) module: WordId,
    pub(crate) kind: ImportKind,
    pub(crate) line: u32,
    names: Reader<'b>,
    count: u32,
}

impl<'b> ImportAt<'b> {
    /// What is imported, and what it is called here.
    pub(crate) fn names(&self) -> impl Iterator<Item = (WordId, Option<WordId>)> + use<'b> {
        let mut reader = self.names;
        (0..self.count).map_while(move |_| Some((reader.number()?, reader.optional()?)))
    }

    /// How many names there are.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }
}

/// Reads numbers one after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The next number; none where there is none that fits.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<u32> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        if *first < 0x80 {
            return Some(u32::from(*first));
        }
        let mut value = u32::from(first & 0x7f);
        for shift in [7, 14, 21, 28] {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            let part = u32::from(byte & 0x7f);
            // Of the fifth byte, only four bits fit.
            if shift == 28 && part > 0xf {
                return None;
            }
            value |= part << shift;
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number that may be missing, which is written as 0.
    pub(crate) fn optional(&mut self) -> Option<Option<u32>> {
        Some(self.number()?.checked_sub(1))
    }

    /// So many bytes as they are.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'b [u8] {
        self.bytes
    }

    fn symbol(&mut self) -> Option<SymbolAt> {
        let (name, how) = (self.number()?, self.number()?);
        let kind = *SymbolKind::ALL.get((how & 0x7f) as usize)?;
        let exported = match how >> 7 {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(SymbolAt { name, kind, exported, line: self.number()?, owner: self.optional()? })
    }

    fn import(&mut self) -> Option<ImportAt<'b>> {
        let (module, kind) = (self.number()?, *ImportKind::ALL.get(self.number()? as usize)?);
        let (line, count) = (self.number()?, self.number()?);
        let names = *self;
        for _ in 0..count {
            self.number()?;
            self.optional()?;
        }
        Some(ImportAt { module, kind, line, names, count })
    }
}

/// Appends a number.
pub(crate) fn put(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_optional(bytes: &mut Vec<u8>, number: Option<u32>) {
    put(bytes, number.map_or(0, |number| number.saturating_add(1)));
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    put(bytes, u32::try_from(count).unwrap_or(u32::MAX));
}

/// Appends the record of a file that was looked into.
pub(crate) fn encode(facts: &Facts<'_>, words: &mut Vocabulary, bytes: &mut Vec<u8>) {
    put(bytes, 0);
    put_optional(bytes, facts.package.as_deref().map(|package| words.intern(package)));
    put_count(bytes, facts.symbols.len());
    for symbol in &facts.symbols {
        put(bytes, words.intern(&symbol.name));
        put(bytes, symbol.kind as u32 | u32::from(symbol.exported) << 7);
        put(bytes, symbol.line);
        put_optional(bytes, symbol.owner.as_deref().map(|owner| words.intern(owner)));
    }
    put_count(bytes, facts.imports.len());
    for import in &facts.imports {
        put(bytes, words.intern(&import.module));
        put(bytes, import.kind as u32);
        put(bytes, import.line);
        put_count(bytes, import.names.len());
        for (name, alias) in &import.names {
            put(bytes, words.intern(name));
            put_optional(bytes, alias.as_deref().map(|alias| words.intern(alias)));
        }
    }
    put_count(bytes, facts.settings.len());
    for (key, value) in &facts.settings {
        put(bytes, words.intern(key));
        put(bytes, words.intern(value));
    }
}

/// Appends the record of a file that was not looked into.
pub(crate) fn encode_skipped(why: Skipped, bytes: &mut Vec<u8>) {
    put(bytes, why as u32);
}

/// A record that was found sound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'b>(&'b [u8]);

impl<'b> Record<'b> {
    /// The record in these bytes, where they are one and nothing else, and every name in it is below `words`.
    pub(crate) fn check(bytes: &'b [u8], words: usize) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let known = |id: WordId| ((id as usize) < words).then_some(());
        let skipped = reader.number()?;
        if skipped > 0 {
            Skipped::ALL.get(skipped as usize - 1)?;
            return reader.rest().is_empty().then_some(Self(bytes));
        }
        known(reader.optional()?.unwrap_or_default())?;
        for _ in 0..reader.number()? {
            let symbol = reader.symbol()?;
            known(symbol.name)?;
            known(symbol.owner.unwrap_or_default())?;
        }
        for _ in 0..reader.number()? {
            let import = reader.import()?;
            known(import.module)?;
            import.names().try_for_each(|(name, alias)| {
                known(name)?;
                known(alias.unwrap_or_default())
            })?;
        }
        for _ in 0..reader.number()? {
            known(reader.number()?)?;
            known(reader.number()?)?;
        }
        reader.rest().is_empty().then_some(Self(bytes))
    }

    /// The record in bytes that were checked before.
    pub(crate) fn trusted(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Why nothing is known.
    pub(crate) fn skipped(&self) -> Option<Skipped> {
        let why = Reader::new(self.0).number()?.checked_sub(1)?;
        Skipped::ALL.get(why as usize).copied()
    }

    /// What the file's module calls itself.
    pub(crate) fn package(&self) -> Option<WordId> {
        let mut reader = Reader::new(self.0);
        if reader.number()? > 0 {
            return None;
        }
        reader.optional()?
    }

    fn at_symbols(&self) -> Option<Reader<'b>> {
        let mut reader = Reader::new(self.0);
        if reader.number()? > 0 {
            return None;
        }
        reader.number()?;
        Some(reader)
    }

    fn at_imports(&self) -> Option<Reader<'b>> {
        let mut reader = self.at_symbols()?;
        for _ in 0..reader.number()? {
            reader.symbol()?;
        }
        Some(reader)
    }

    /// What the file defines, each with the place of its bytes in the record.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = (u32, SymbolAt)> + use<'b> {
        let mut reader = self.at_symbols().unwrap_or(Reader::new(&[]));
        let count = reader.number().unwrap_or_default();
        let whole = self.0.len();
        (0..count).map_while(move |_| {
            let at = (whole - reader.rest().len()) as u32;
            Some((at, reader.symbol()?))
        })
    }

    /// The symbol whose bytes lie there.
    pub(crate) fn symbol_at(&self, at: u32) -> Option<SymbolAt> {
        Reader::new(self.0.get(at as usize..)?).symbol()
    }

    /// What the file imports.
    pub(crate) fn imports(&self) -> impl Iterator<Item = ImportAt<'b>> + use<'b> {
        let mut reader = self.at_imports().unwrap_or(Reader::new(&[]));
        let count = reader.number().unwrap_or_default();
        (0..count).map_while(move |_| reader.import())
    }

    /// What the manifest says.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (WordId, WordId)> + use<'b> {
        let mut reader = self.at_imports().unwrap_or(Reader::new(&[]));
        for _ in 0..reader.number().unwrap_or_default() {
            let _ = reader.import();
        }
        let count = reader.number().unwrap_or_default();
        (0..count).map_while(move |_| Some((reader.number()?, reader.number()?)))
    }

    /// The same record with other numbers for its names.
    pub(crate) fn renumbered(&self, number: &mut dyn FnMut(WordId) -> WordId, bytes: &mut Vec<u8>) {
        if let Some(why) = self.skipped() {
            return encode_skipped(why, bytes);
        }
        put(bytes, 0);
        put_optional(bytes, self.package().map(&mut *number));
        put_count(bytes, self.symbols().count());
        for (_, symbol) in self.symbols() {
            put(bytes, number(symbol.name));
            put(bytes, symbol.kind as u32 | u32::from(symbol.exported) << 7);
            put(bytes, symbol.line);
            put_optional(bytes, symbol.owner.map(&mut *number));
        }
        put_count(bytes, self.imports().count());
        for import in self.imports() {
            put(bytes, number(import.module));
            put(bytes, import.kind as u32);
            put(bytes, import.line);
            put(bytes, import.count);
            for (name, alias) in import.names() {
                put(bytes, number(name));
                put_optional(bytes, alias.map(&mut *number));
            }
        }
        put_count(bytes, self.settings().count());
        for (key, value) in self.settings() {
            put(bytes, number(key));
            put(bytes, number(value));
        }
    }
}
