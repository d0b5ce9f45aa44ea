//! The agent image's own files, which are part of the program.

use std::path::Path;

use super::context::Builder;
use super::{Context, ImageError};

/// What `images/agent` holds: path and contents.
const FILES: [(&str, &str); 2] = [
    ("Dockerfile", include_str!("../../../../images/agent/Dockerfile")),
    ("certificates/README.md", include_str!("../../../../images/agent/certificates/README.md")),
];

/// What the agent image is built from: gadugi's own files, and over them those of a folder, its `.dockerignore` left out.
///
/// # Errors
/// Where the folder cannot be read.
pub fn agent_context(overrides: Option<&Path>) -> Result<Context, ImageError> {
    let mut files = Builder::default();
    for (path, text) in FILES {
        files.file(path, 0o644, text.as_bytes().into());
    }
    if let Some(folder) = overrides {
        files.folder(folder)?;
    }
    files.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dockerfile(overrides: &Path) -> String {
        agent_context(Some(overrides)).unwrap().text("Dockerfile").unwrap()
    }

    #[test]
    fn a_folder_of_overrides_takes_precedence_and_adds() {
        let folder = tempfile::tempdir().unwrap();
        let own = FILES[0].1;
        assert_eq!(dockerfile(folder.path()), own);
        let plain = agent_context(None).unwrap().fingerprint().to_owned();
        assert_eq!(agent_context(Some(folder.path())).unwrap().fingerprint(), plain);
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        assert_eq!(dockerfile(folder.path()), "FROM scratch\n");
        std::fs::create_dir(folder.path().join("certificates")).unwrap();
        std::fs::write(folder.path().join("certificates/site.crt"), "PEM").unwrap();
        let context = agent_context(Some(folder.path())).unwrap();
        assert_eq!(context.text("certificates/site.crt").unwrap(), "PEM");
        assert!(context.text("certificates/README.md").is_some());
        assert_ne!(context.fingerprint(), plain);
        let missing = agent_context(Some(&folder.path().join("none")));
        assert!(matches!(missing, Err(ImageError::File { .. })));
    }

    #[test]
    fn the_embedded_file_has_what_callers_count_on() {
        let text = FILES[0].1;
        for line in
            ["ARG BASE=", "FROM ${BASE}\n", "ARG CLAUDE_CODE_VERSION=", "ARG GADUGI_VERSION=", "USER agent\n"]
        {
            assert!(text.contains(line), "{line}");
        }
    }
}
