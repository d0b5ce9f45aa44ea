//! How signals are weighed: two small logistic models, one behind the other.
//!
//! The first says of each file by itself how likely it is written; the second sees that too, and how the files go together.
//!
//! The weights were fitted, not thought out: on commits of public repositories in seven languages (18 of them, for each its
//! last thousand commits, those by machines left out), every commit a prompt at its parent's tree, every candidate a case,
//! each repository counting alike. `xtask bench analysis` measures what they are worth, on any repository.

use super::signals::{SIGNALS, probability};
use super::together::FURTHER;

/// What a signal adds to the odds in natural logarithms, in the first model and in the second.
struct Row {
    name: &'static str,
    first: f64,
    second: f64,
}

const fn row(name: &'static str, first: f64, second: f64) -> Row {
    Row { name, first, second }
}

/// In the order in which `signals` works them out.
// TABLE BEGINS
#[rustfmt::skip]
const TABLE: [Row; SIGNALS] = [
    row("votes",             0.5498,   0.0226),
    row("best",              5.0111,   1.4377),
    row("best-root",        -4.7295,  -1.4151),
    row("folder-votes",      0.0339,   0.1044),
    row("latest-votes",      0.4977,   0.3150),
    row("nearest",          -1.8702,   0.4356),
    row("votes-nearest",     0.0125,   0.1404),
    row("word-most",         0.2125,   0.0595),
    row("word-second",      -0.0471,  -0.0333),
    row("words-more",        0.0616,   0.0506),
    row("folder-more",       0.0478,  -0.0178),
    row("group-more",        0.1947,   0.0888),
    row("alike",            -0.2661,  -0.1088),
    row("alike-share",       1.8401,   0.6105),
    row("symbols-alike",     0.1108,   0.0438),
    row("name",             -0.5634,  -0.1931),
    row("name-in-all",       0.7430,   0.2699),
    row("title",             1.6250,   0.6564),
    row("folders",           0.2812,   0.1828),
    row("path",              2.5027,   1.2610),
    row("stem",              0.5670,   0.2040),
    row("symbol",            2.0335,   0.9675),
    row("plain",             0.3608,   0.1465),
    row("lately",            0.1560,   0.0580),
    row("usual",            -0.0996,  -0.1243),
    row("age",              -0.1460,  -0.0551),
    row("never",             0.6972,   0.2664),
    row("words",             0.0293,   0.3335),
    row("test",             -0.0647,  -0.0179),
    row("text",              0.1601,   0.0364),
];

/// The same of the signals that only show when all candidates are known.
#[rustfmt::skip]
const FURTHER_TABLE: [(&str, f64); FURTHER] = [
    ("first",         0.5303),
    ("with",          0.1800),
    ("with-most",     0.0499),
    ("companion",     0.1745),
    ("in-folder",    -0.5067),
    ("all",          -0.3103),
    ("rank",         -0.2188),
    ("likeliest",    -1.2233),
];

/// What there is without any signal, for the first model and the second.
const NOTHING: (f64, f64) = (0.6933, 0.0955);
// TABLE ENDS
/// How likely a file is written, by itself.
pub(crate) fn first(signals: &[f64; SIGNALS]) -> f64 {
    let sum: f64 = TABLE.iter().zip(signals).map(|(row, signal)| row.first * signal).sum();
    probability(NOTHING.0 + sum)
}

/// How likely it is, given the others.
pub(crate) fn second(signals: &[f64; SIGNALS], further: &[f64; FURTHER]) -> f64 {
    let sum: f64 = TABLE.iter().zip(signals).map(|(row, signal)| row.second * signal).sum();
    let more: f64 = FURTHER_TABLE.iter().zip(further).map(|((_, weight), signal)| weight * signal).sum();
    probability(NOTHING.1 + sum + more)
}

/// What all signals are called, in their order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.name).chain(FURTHER_TABLE.iter().map(|(name, _)| *name))
}
