//! The embedded shim and its place on disk.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

static SHIM: &[u8] = include_bytes!(env!("GADUGI_SHIM_BINARY"));

/// Puts the shim into `bin` (unless it is there) under a name that tells its content, so that shims of several versions
/// of gadugi stand side by side.
pub(crate) fn install(bin: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(bin)?;
    let path = bin.join(format!("shim-{:016x}", fingerprint(SHIM)));
    let whole =
        |data: fs::Metadata| data.len() == SHIM.len() as u64 && data.permissions().mode() & 0o111 != 0;
    if fs::metadata(&path).is_ok_and(whole) {
        return Ok(path);
    }
    let temporary = bin.join(format!(".shim-{}-{:?}.tmp", std::process::id(), std::thread::current().id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(SHIM)?;
            // The umask may have taken more than this file can do without.
            file.set_permissions(fs::Permissions::from_mode(0o755))
        })
        .and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // The first error is the one that counts.
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| path)
}

/// FNV-1a, 64 bits: a name, not a defence.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::SHIM;

    /// Program headers of a 64-bit ELF file: an interpreter (`PT_INTERP`, 3) would have to be in every image.
    #[test]
    fn the_shim_is_static() {
        assert_eq!(&SHIM[..5], b"\x7fELF\x02");
        let number = |at: usize, size: usize| {
            SHIM[at..at + size].iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
        };
        let (table, entry, count) = (number(32, 8), number(54, 2), number(56, 2));
        let kinds: Vec<_> = (0..count).map(|index| number(table + index * entry, 4)).collect();
        assert!(kinds.contains(&1), "a program that is loaded: {kinds:?}");
        assert!(!kinds.contains(&3), "an interpreter is asked for: {kinds:?}");
    }

    #[test]
    fn the_shim_is_small() {
        assert!(SHIM.len() < 2 * 1024 * 1024, "{} bytes", SHIM.len());
    }
}
