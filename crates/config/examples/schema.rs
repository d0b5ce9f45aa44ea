//! Writes the JSON Schema of `gadugi.toml` to standard output, to be checked in as `gadugi.schema.json`.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    io::stdout().write_all(gadugi_config::json_schema().as_bytes())
}
