//! Writes the JSON Schemas of the questions to programs of the user's own and of their answers, to be checked in, into the
//! folder that is named: `cargo run -p gadugi-analysis --example schemas -- crates/analysis/schemas`.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    for (name, schema) in gadugi_analysis::external::json_schemas() {
        fs::write(folder.join(format!("{name}.schema.json")), schema)?;
    }
    Ok(())
}
