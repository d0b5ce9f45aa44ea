//! `cargo xtask dist`: gadugi as others get it, the release binary with the page in it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::{names, page, shell};

/// What lies beside the binary.
const BESIDE: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// Builds the page, then the binary, and puts it where it is to be taken from.
pub(crate) fn run() -> Result<()> {
    page::run()?;
    let binary = names::release_binary()?;
    holds_the_page(&binary)?;
    let folder = names::target()?.join("dist");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let placed = folder.join(names::BINARY);
    fs::copy(&binary, &placed)?;
    for name in BESIDE {
        fs::copy(names::root().join(name), folder.join(name))?;
    }
    let megabytes = fs::metadata(&placed)?.len() as f64 / 1e6;
    shell::say(&format!("{}: {megabytes:.1} MB, the page in it", placed.display()));
    Ok(())
}

/// Looks for the names of the page's scripts in the binary: names that hold a sum of what is in the script.
fn holds_the_page(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary)?;
    let assets = page::bundle().join("assets");
    let mut scripts = 0;
    for entry in fs::read_dir(&assets).with_context(|| assets.display().to_string())? {
        let name = entry?.file_name().into_string().ok().context("an asset's name is no text")?;
        if name.ends_with(".js") {
            scripts += 1;
            ensure!(contains(&bytes, name.as_bytes()), "the binary was built without the page ({name})");
        }
    }
    ensure!(scripts > 0, "the page has no script");
    Ok(())
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
