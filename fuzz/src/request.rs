//! Requests on standard input, in the words of whoever delegates.

use std::sync::OnceLock;

use gadugi_analysis::request as requests;

/// A request: its names never escape the repository, and what it comes to is something or said.
pub fn request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for item in requests::parse(text) {
        assert!(!item.names.is_empty() && item.names.iter().all(|name| !name.is_empty()), "{item:?}");
    }
    let root = repository();
    match requests::resolve(root, root, text) {
        Ok(found) => {
            assert!(!found.files.is_empty());
            for file in found.files {
                let real = file.path.canonicalize().expect("it is there");
                assert!(real.starts_with(root), "{} leaves the repository", file.path.display());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A small repository, made once and never written to again; beside it lies what nobody is to reach.
fn repository() -> &'static std::path::Path {
    static FOLDER: OnceLock<(tempfile::TempDir, std::path::PathBuf)> = OnceLock::new();
    let (_, root) = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("it is there").join("repo");
        for path in [
            "prompts/a.md",
            "prompts/b.md",
            "prompts/with space.md",
            "prompts/deep/c.md",
            "d.md",
            "../secret.md",
        ] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, "# Words\n\nwords\n").expect("a file");
        }
        std::os::unix::fs::symlink("../../secret.md", root.join("prompts/link.md")).expect("a link");
        (folder, root)
    });
    root
}
