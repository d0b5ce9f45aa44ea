//! How signals are weighed: two small logistic models, one behind the other.
//!
//! The first says of each file by itself how likely it is written; the second sees that too, and how the files go together.
//!
//! The weights were fitted, not thought out: to the last thousand commits of each of twelve public repositories in
//! seven languages (caddy, clap, date-fns, etcd, jq, libgit2, okhttp, prettier, pydantic, requests, scrapy, serde), those
//! by machines left out. Every commit was a prompt at its parent's tree, every candidate a case, and each repository
//! counted alike; regularised logistic regression. Repositories that were left out of the fit in turn did about as well
//! as in it. `cargo xtask bench analysis` measures what the weights are worth; on those twelve, what they were fitted to.

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
#[rustfmt::skip]
const TABLE: [Row; SIGNALS] = [
    row("votes",             0.5083,   0.0312),
    row("best",              4.4823,   1.4319),
    row("best-root",        -4.5567,  -1.5457),
    row("folder-votes",      0.0471,   0.0931),
    row("latest-votes",      0.4689,   0.3184),
    row("nearest",          -1.2838,   0.6349),
    row("votes-nearest",     0.1078,   0.1606),
    row("word-most",         0.1941,   0.0570),
    row("word-second",      -0.0541,  -0.0252),
    row("words-more",        0.0766,   0.0501),
    row("folder-more",       0.0155,  -0.0250),
    row("group-more",        0.2212,   0.0901),
    row("alike",            -0.2322,  -0.0804),
    row("alike-share",       1.7672,   0.5225),
    row("symbols-alike",     0.1061,   0.0430),
    row("name",             -0.3234,  -0.0784),
    row("name-in-all",       0.4751,   0.1716),
    row("title",             1.5371,   0.4568),
    row("folders",           0.2894,   0.2725),
    row("path",              2.5208,   1.3277),
    row("stem",              0.4821,   0.1407),
    row("symbol",            2.2419,   1.0282),
    row("plain",             0.2994,   0.0782),
    row("lately",            0.1406,   0.0672),
    row("usual",            -0.0963,  -0.1328),
    row("age",              -0.1719,  -0.0543),
    row("never",             0.7777,   0.3155),
    row("words",             0.1427,   0.3522),
    row("test",             -0.1277,  -0.0467),
    row("text",              0.1137,   0.0246),
];

/// The same of the signals that only show when all candidates are known.
#[rustfmt::skip]
const FURTHER_TABLE: [(&str, f64); FURTHER] = [
    ("first",         0.5468),
    ("with",          0.1808),
    ("with-most",    -0.0640),
    ("companion",     0.2432),
    ("in-folder",    -0.4737),
    ("all",          -0.3130),
    ("rank",         -0.1913),
    ("likeliest",    -1.3263),
];

/// What there is without any signal, for the first model and the second.
const NOTHING: (f64, f64) = (0.3073, 0.1211);
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
