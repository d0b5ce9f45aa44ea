//! The file that `gadugi init` writes.

/// A `gadugi.toml` in which every key stands, commented out, with its default or an example, and what it does.
/// Lines that begin with `#` and a letter are keys; lines with `# ` are prose.
pub const SAMPLE: &str = include_str!("sample.toml");
