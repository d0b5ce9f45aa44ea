//! `gadugi.toml`, and the variables beside it.

use std::fs;

use gadugi_config::{ConfigError, Flags, resolve_with};

/// A file and, behind a mark, lines `NAME=value`: settings that can be used, or one line that says where it is wrong.
pub fn config(data: &[u8]) {
    let parts = crate::parts(data, 2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join(gadugi_config::FILE_NAME), parts[0]).expect("a file");
    let variables = String::from_utf8_lossy(parts.get(1).copied().unwrap_or_default()).into_owned();
    let variable = |asked: &str| {
        let mut lines = variables.lines().filter_map(|line| line.split_once('='));
        // Where files of the user's own lie is no setting: this process's own are not to be read.
        let is_place = ["HOME", "XDG_CONFIG_HOME", "GADUGI_CONFIG"].contains(&asked);
        lines.find(|(name, _)| *name == asked && !is_place).map(|(_, value)| value.to_owned())
    };
    match resolve_with(folder.path(), &Flags::default(), &variable) {
        Ok(resolved) => {
            assert!(resolved.settings.timeout.0 > 0 && resolved.settings.max_parallel != Some(0));
            let text = serde_json::to_string(&resolved.settings).expect("JSON");
            let read: gadugi_core::RunSettings = serde_json::from_str(&text).expect("settings");
            assert!(read == resolved.settings, "settings are not read as they were written: {text}");
            resolved.warnings.iter().for_each(|warning| one_line(&warning.to_string()));
        }
        Err(error) => {
            one_line(&error.to_string());
            if let ConfigError::File { line, column, .. } = error {
                assert!(line > 0 && column > 0);
            }
        }
    }
}

fn one_line(text: &str) {
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
}
