//! A run's store, sealed workspaces, and exports that run here in place of a container.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use gadugi_core::{AttemptId, CommitId};
use gadugi_workspace::{
    ExportKind, ExportRequest, Import, ImportError, ImportLimits, ImportRefusal, Imported, Repository,
    Salvaging, Sealed, SealedRequest,
};

use super::{Fixture, attempt, write};

pub(crate) const MESSAGE: &str = "gadugi: work\n\nbody\n";

/// One sealed workspace and all that belongs to it.
pub(crate) struct Cell<'a> {
    pub(crate) fixture: &'a Fixture,
    pub(crate) repository: Repository,
    pub(crate) request: SealedRequest,
    pub(crate) made: Sealed,
    pub(crate) base: CommitId,
    pub(crate) attempt: AttemptId,
    pub(crate) exported: PathBuf,
    pub(crate) limits: ImportLimits,
}

pub(crate) fn store(fixture: &Fixture) -> PathBuf {
    fixture.root.join(".gadugi/runs/r/store.git")
}

pub(crate) fn request(fixture: &Fixture, name: &str) -> SealedRequest {
    SealedRequest {
        path: fixture.root.join(".worktrees/r").join(name),
        branch: format!("feature/{name}"),
        base: fixture.head(),
        store: store(fixture),
        // In place of a container: where it really is.
        store_inside: store(fixture),
        include: Vec::new(),
        owner: None,
    }
}

impl<'a> Cell<'a> {
    pub(crate) fn new(fixture: &'a Fixture, name: &str) -> Self {
        Self::with(fixture, request(fixture, name), name)
    }

    pub(crate) fn with(fixture: &'a Fixture, request: SealedRequest, name: &str) -> Self {
        let repository = fixture.repository();
        let made = repository.add_sealed(&request).unwrap();
        let exported = fixture.temp.path().join(format!("{name}.exported"));
        let base = request.base.clone();
        let limits = ImportLimits::default();
        Self { fixture, repository, request, made, base, attempt: attempt(name, 1), exported, limits }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.made.path
    }

    pub(crate) fn branch(&self) -> &str {
        &self.request.branch
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(&self.path().join(name), text);
    }

    /// Git as the agent calls it; must succeed.
    pub(crate) fn git<const N: usize>(&self, args: [&str; N]) -> String {
        self.fixture.git_in(self.path(), args)
    }

    pub(crate) fn commit(&self, message: &str) -> CommitId {
        self.fixture.commit_all_in(self.path(), message)
    }

    pub(crate) fn export_request(&self, kind: ExportKind) -> ExportRequest {
        ExportRequest {
            kind,
            base: self.base.clone(),
            branch: self.branch().to_owned(),
            workspace: self.path().to_owned(),
            store: self.request.store_inside.clone(),
            scratch: self.fixture.temp.path().join("scratch"),
        }
    }

    fn export_kind(&self, kind: ExportKind) -> std::process::Output {
        self.export_as(&self.export_request(kind), &self.fixture.env())
    }

    pub(crate) fn export_as(
        &self,
        request: &ExportRequest,
        env: &[(OsString, OsString)],
    ) -> std::process::Output {
        let scratch = self.fixture.temp.path().join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        let command = self.repository.export_command(request).unwrap();
        let out = std::fs::File::create(&self.exported).unwrap();
        let mut process = Command::new("/bin/sh");
        process.args(&command[1..]).env_clear().envs(env.iter().cloned()).stdout(out);
        // Variables of an image's own are not to be believed either.
        process.env("GIT_DIR", "/nowhere").env("GIT_TRACE", "1");
        let output = process.output().unwrap();
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "something temporary is left");
        output
    }

    pub(crate) fn export(&self) {
        let output = self.export_kind(ExportKind::Collect { message: MESSAGE.into() });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// With so much room for temporary files, in a mount namespace of its own.
    pub(crate) fn export_within(&self, room: &str) {
        let kind = ExportKind::Collect { message: MESSAGE.into() };
        let request = self.export_request(kind);
        std::fs::create_dir_all(&request.scratch).unwrap();
        let command = self.repository.export_command(&request).unwrap();
        let out = std::fs::File::create(&self.exported).unwrap();
        let mut process = Command::new("unshare");
        process.args(["--map-root-user", "--mount", "sh", "-c"]);
        process.arg("mount -t tmpfs -o \"size=$1\" tmpfs \"$0\" && shift && exec sh \"$@\"");
        process.arg(&request.scratch).arg(room).args(&command[1..]);
        process.env_clear().envs(self.fixture.env()).stdout(out);
        let output = process.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn look(&self) {
        let output = self.export_kind(ExportKind::Look);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn import_of(&self) -> (PathBuf, PathBuf) {
        (self.fixture.temp.path().join("quarantine.git"), store(self.fixture))
    }

    pub(crate) fn on_import<T>(&self, act: impl FnOnce(&Import<'_>) -> T) -> T {
        let (quarantine, store) = self.import_of();
        let done = act(&Import {
            exported: &self.exported,
            workspace: self.path(),
            attempt: &self.attempt,
            base: &self.base,
            branch: self.branch(),
            store: &store,
            quarantine: &quarantine,
            limits: self.limits,
            message: MESSAGE,
        });
        assert!(!quarantine.exists(), "the quarantine is left");
        done
    }

    pub(crate) fn import(&self) -> Result<Imported, ImportError> {
        self.on_import(|import| self.repository.import(import))
    }

    pub(crate) fn collect(&self) -> Imported {
        self.export();
        self.import().unwrap_or_else(|error| panic!("{error}: {:?}", self.header()))
    }

    pub(crate) fn try_salvage(&self) -> Result<Salvaging, ImportError> {
        self.on_import(|import| self.repository.import_salvage(import))
    }

    pub(crate) fn salvage(&self) -> Salvaging {
        self.look();
        self.try_salvage().unwrap_or_else(|error| panic!("{error}: {:?}", self.header()))
    }

    pub(crate) fn diff(&self) -> String {
        self.look();
        let mut patch = Vec::new();
        self.on_import(|import| self.repository.diff_exported(import, &mut patch)).unwrap();
        String::from_utf8(patch).unwrap()
    }

    pub(crate) fn header(&self) -> String {
        let bytes = std::fs::read(&self.exported).unwrap();
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4_000)]).into_owned();
        text.split("\n\n").next().unwrap_or_default().to_owned()
    }

    /// Imports what lies in the export's file, which must be refused, and with nothing changed.
    pub(crate) fn refused(&self) -> ImportRefusal {
        let before = self.fixture.everything();
        let objects = self.objects();
        let refs = self.fixture.git(["for-each-ref"]);
        let refusal = match self.import() {
            Err(ImportError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        super::assert_same(&self.fixture.everything(), &before);
        assert_eq!(self.fixture.git(["for-each-ref"]), refs);
        assert_eq!(self.objects(), objects, "objects came along");
        refusal
    }

    /// All objects of the user's repository.
    pub(crate) fn objects(&self) -> Vec<String> {
        let all = self.fixture.git(["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
        all.lines().map(str::to_owned).collect()
    }
}
