//! What is fuzzed: one function for each kind of bytes that gadugi reads and somebody else wrote.
//!
//! Each function takes any bytes, hands them to the real reader, and panics where a promise of that reader does not
//! hold. `cargo xtask fuzz` drives them with libFuzzer (the package in `libfuzzer/`); the tests of this package replay
//! the corpora, `corpus/<target>/`, where an input stays for every defect that was found.
//!
//! **Never in here:** a reader of its own (what is fuzzed is what ships), an assertion about what a reader happens to
//! do and nobody was promised, anything that the product links.

mod attempt;
mod config;
mod events;
mod export;
mod map;
mod prompts;
mod request;
mod stream;
mod transcript;
mod wire;

pub use attempt::attempt;
pub use config::config;
pub use events::events;
pub use export::export;
pub use map::map;
pub use prompts::prompts;
pub use request::request;
pub use stream::stream;
pub use transcript::transcript;
pub use wire::wire;

/// A target: its name, which is that of its corpus and of its binary in `libfuzzer/`, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("attempt", attempt),
    ("config", config),
    ("events", events),
    ("export", export),
    ("map", map),
    ("prompts", prompts),
    ("request", request),
    ("stream", stream),
    ("transcript", transcript),
    ("wire", wire),
];

/// Divides an input into several files: at lines that are nothing but `%%%`. At most `most`, the rest stays with the
/// last.
fn parts(data: &[u8], most: usize) -> Vec<&[u8]> {
    const BETWEEN: &[u8] = b"\n%%%\n";
    let mut parts = Vec::new();
    let mut rest = data;
    while parts.len() + 1 < most {
        let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) else { break };
        // The newline before the mark belongs to the part.
        parts.push(&rest[..=at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn an_input_is_divided_at_its_marks() {
        assert_eq!(parts(b"a\n%%%\nb\n%%%\nc", 9), [&b"a\n"[..], b"b\n", b"c"]);
        assert_eq!(parts(b"a\n%%%\nb\n%%%\nc", 2), [&b"a\n"[..], b"b\n%%%\nc"]);
        assert_eq!(parts(b"", 3), [b""]);
    }
}
