//! What sealed workspaces cost: `cargo run --release -p gadugi-workspace --example sealed -- REPOSITORY [IMAGE]` makes a
//! store and a workspace, changes a hundred files, exports and imports, each step with its time. With the name of an
//! image the export runs in a container (`docker run --network none`), else here. Branches `feature/cost-*` stay.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for whoever measures")]

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use gadugi_core::{AttemptId, RunId, TaskId};
use gadugi_workspace::{ExportKind, ExportRequest, Import, ImportLimits, Repository, SealedRequest};

fn main() {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().unwrap());
    let image = args.next();
    let repository = Repository::discover(&root).unwrap();
    let base = repository.head().unwrap().commit;
    let name = format!("cost-{}", std::process::id());
    let folder = repository.state_dir().join("runs").join(&name);
    let store = folder.join("store.git");
    timed("store", || repository.seal_store(&store, std::slice::from_ref(&base)).unwrap());
    timed("store, again", || repository.seal_store(&store, std::slice::from_ref(&base)).unwrap());
    let (store_inside, workspace_inside) = match &image {
        Some(_) => (PathBuf::from("/gadugi/store.git"), PathBuf::from("/workspace")),
        None => (store.clone(), root.join(".worktrees/r").join(&name)),
    };
    let request = SealedRequest {
        path: root.join(".worktrees/r").join(&name),
        branch: format!("feature/{name}"),
        base: base.clone(),
        store: store.clone(),
        store_inside: store_inside.clone(),
        include: Vec::new(),
        owner: image.as_ref().map(|_| (10_001, 10_001)),
    };
    let made = timed("workspace", || repository.add_sealed(&request).unwrap());
    let scratch = folder.join("tmp");
    fs::create_dir_all(&scratch).unwrap();
    fs::set_permissions(&scratch, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let exported = folder.join("exported");
    let export = |kind| {
        let inside = if image.is_some() { PathBuf::from("/tmp") } else { scratch.clone() };
        let workspace = workspace_inside.clone();
        let request = ExportRequest {
            kind,
            base: base.clone(),
            branch: request.branch.clone(),
            workspace,
            store: store_inside.clone(),
            scratch: inside,
        };
        let words = repository.export_command(&request).unwrap();
        run(&words, image.as_deref(), &made.path, &store, &scratch, &exported);
    };
    let attempt = AttemptId { run: RunId::new(&name), task: TaskId::new("cost"), attempt: 1 };
    let quarantine = folder.join("quarantine.git");
    let import = Import {
        exported: &exported,
        workspace: &made.path,
        attempt: &attempt,
        base: &base,
        branch: &request.branch,
        store: &store,
        quarantine: &quarantine,
        limits: ImportLimits::default(),
        message: "cost",
    };
    timed("export, nothing done", || export(ExportKind::Look));
    timed("import, nothing done", || repository.import(&import).unwrap());
    for file in repository.tree_files(&base).unwrap().iter().take(100) {
        fs::write(made.path.join(file), format!("changed by {name}\n")).unwrap();
    }
    timed("export, a hundred files", || export(ExportKind::Collect { message: "cost".into() }));
    let imported = timed("import, a hundred files", || repository.import(&import).unwrap());
    assert_eq!(imported.collection.work.changed.len(), 100);
    timed("remove", || {
        repository
            .remove_sealed(&made.path, &request.branch, &imported.collection.work.commit, false)
            .unwrap()
    });
    fs::remove_dir_all(&folder).unwrap();
}

fn run(words: &[OsString], image: Option<&str>, workspace: &Path, store: &Path, scratch: &Path, to: &Path) {
    let mut command = match image {
        None => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        }
        Some(image) => {
            let mut command = Command::new("docker");
            command.args([
                "run",
                "--rm",
                "--network=none",
                "--read-only",
                "--cap-drop=ALL",
                "--user=10001:10001",
            ]);
            for (from, inside) in
                [(workspace, "/workspace"), (store, "/gadugi/store.git:ro"), (scratch, "/tmp")]
            {
                command.arg("-v").arg(format!("{}:{inside}", from.display()));
            }
            command.arg(image).args(words);
            command
        }
    };
    assert!(command.stdout(File::create(to).unwrap()).status().unwrap().success());
}

fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let start = gadugi_sys::clock::now();
    let done = act();
    println!("{what}: {} ms", gadugi_sys::clock::now().0 - start.0);
    done
}
