use std::os::unix::fs::symlink;

use super::*;

fn names(context: &Context) -> Vec<String> {
    let mut archive = Archive::new(context.rewound().unwrap());
    let entries = archive.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

fn of_folder(folder: &Path) -> Context {
    let mut files = Builder::default();
    files.folder(folder).unwrap();
    files.finish().unwrap()
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn the_same_files_have_the_same_fingerprint_wherever_they_come_from() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (folder, order) in [(&one, ["b/c", "a"]), (&two, ["a", "b/c"])] {
        order.iter().for_each(|path| write(folder.path(), path, path));
        symlink("a", folder.path().join("link")).unwrap();
    }
    let context = of_folder(one.path());
    assert_eq!(names(&context), ["a", "b/c", "link"]);
    assert_eq!(context.fingerprint().len(), 64);
    assert_eq!(context.fingerprint(), of_folder(two.path()).fingerprint());
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    archive.append_dir_all(".", two.path()).unwrap();
    let archived = Context::from_tar(archive.into_inner().unwrap().as_slice(), None).unwrap();
    assert_eq!(names(&archived), names(&context));
    assert_eq!(archived.fingerprint(), context.fingerprint());
    fs::set_permissions(two.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(context.fingerprint(), of_folder(two.path()).fingerprint(), "executable now");
}

#[test]
fn what_dockerignore_names_stays_out_and_the_dockerfile_never() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["Dockerfile", "keep", "target/x", "sub/Dockerfile"] {
        write(folder.path(), path, path);
    }
    write(folder.path(), ".dockerignore", "target\n**/Dockerfile\n");
    assert_eq!(names(&of_folder(folder.path())), ["Dockerfile", "keep"]);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", folder.path()).unwrap();
    let archive = archive.into_inner().unwrap();
    let context = Context::from_tar(archive.as_slice(), Some("FROM scratch")).unwrap();
    assert_eq!(names(&context), [Context::DOCKERFILE, "Dockerfile", "keep"]);
    assert_eq!(context.text(Context::DOCKERFILE).unwrap(), "FROM scratch");
}

#[test]
fn what_is_no_archive_or_no_file_is_refused() {
    let garbage = Context::from_tar([7_u8; 2000].as_slice(), None);
    assert!(matches!(garbage, Err(ImageError::Context(_))), "{garbage:?}");
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Fifo);
    header.set_size(0);
    archive.append_data(&mut header, "pipe", io::empty()).unwrap();
    let fifo = Context::from_tar(archive.into_inner().unwrap().as_slice(), None).unwrap_err();
    assert!(fifo.to_string().contains("pipe"), "{fifo}");
    let folder = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let error = Builder::default().folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("socket"), "{error}");
}

#[test]
fn long_names_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(150));
    write(folder.path(), &long, "x");
    assert_eq!(of_folder(folder.path()).text(&long).unwrap(), "x");
}
