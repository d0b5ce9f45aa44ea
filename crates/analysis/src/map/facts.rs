//! What is known of one file, whatever its language: what it defines and what it imports. An adapter fills [`Facts`],
//! and `record.rs` makes bytes of them for the cache.

use std::borrow::Cow;

/// What sort of thing a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SymbolKind {
    /// A function that belongs to nothing.
    Function = 0,
    /// A function of a class, a trait, an interface or a type.
    Method = 1,
    /// A class, a struct, a record, a union.
    Class = 2,
    /// An enumeration.
    Enum = 3,
    /// A trait or an interface.
    Interface = 4,
    /// An alias of a type.
    Type = 5,
    /// A constant or a variable of the module.
    Constant = 6,
    /// A macro.
    Macro = 7,
    /// A module or a namespace written inside of a file.
    Module = 8,
}

impl SymbolKind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Function,
        Self::Method,
        Self::Class,
        Self::Enum,
        Self::Interface,
        Self::Type,
        Self::Constant,
        Self::Macro,
        Self::Module,
    ];
}

/// How a file refers to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ImportKind {
    /// It uses what the other one defines.
    Uses = 0,
    /// It uses it and hands it on under its own name (`pub use`, `export … from`).
    HandsOn = 1,
    /// It makes the other one part of the program, and says no more (`mod name;`).
    Declares = 2,
}

impl ImportKind {
    pub(crate) const ALL: [Self; 3] = [Self::Uses, Self::HandsOn, Self::Declares];
}

/// Why nothing but its path is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Skipped {
    /// Over [`crate::map::MOST_BYTES`].
    Large = 1,
    /// No text.
    Binary = 2,
    /// Lines longer than anybody writes.
    Generated = 3,
    /// Its parse took more steps than a file of its length may.
    Tangled = 4,
}

impl Skipped {
    pub(crate) const ALL: [Self; 4] = [Self::Large, Self::Binary, Self::Generated, Self::Tangled];
}

/// Text of the file itself, or made from it.
pub(crate) type Text<'t> = Cow<'t, str>;

/// Names that are imported, and what they are called where they are used, if that is something else.
pub(crate) type Names<'t> = Vec<(Text<'t>, Option<Text<'t>>)>;

/// One thing that a file defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol<'t> {
    pub(crate) name: Text<'t>,
    pub(crate) kind: SymbolKind,
    /// From 1.
    pub(crate) line: u32,
    /// Whether other files can see it, by the language's rules.
    pub(crate) exported: bool,
    /// The class, trait, … that it belongs to.
    pub(crate) owner: Option<Text<'t>>,
}

/// One import as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawImport<'t> {
    /// The module: what the language's resolver understands.
    pub(crate) module: Text<'t>,
    /// What is taken from it, and what it is called here. `*` is everything. None: the module itself.
    pub(crate) names: Names<'t>,
    pub(crate) kind: ImportKind,
    /// From 1.
    pub(crate) line: u32,
}

/// All that is known of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts<'t> {
    /// What its module calls itself, where files say so (Go, Java).
    pub(crate) package: Option<Text<'t>>,
    pub(crate) symbols: Vec<Symbol<'t>>,
    pub(crate) imports: Vec<RawImport<'t>>,
    /// What a manifest says that matters to resolving modules; keys are the adapter's own.
    pub(crate) settings: Vec<(Text<'t>, Text<'t>)>,
}
