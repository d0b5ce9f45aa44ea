//! Where a command works: the repository, its settings, and the engine that looks after it.

use std::path::{Path, PathBuf};

use gadugi_config::{Flags, Resolved};
use gadugi_engine::client::Client;
use gadugi_engine::layout::Layout;
use gadugi_sys::files;
use gadugi_workspace::Repository;
use rustix::fs::{Access, access};

use crate::args::Global;
use crate::commands::no_runs;
use crate::error::{Problem, Stop};
use crate::output::Manner;
use crate::{programs, text};

/// A repository and what belongs to it.
#[derive(Debug)]
pub(crate) struct Place {
    /// The repository.
    pub(crate) repository: Repository,
    /// Its state.
    pub(crate) layout: Layout,
    /// Where relative paths of the command line begin.
    pub(crate) cwd: PathBuf,
    global: Global,
}

impl Place {
    /// The repository around `--project-root` or the current folder.
    pub(crate) fn find(global: &Global) -> Result<Self, Stop> {
        let here = std::env::current_dir().map_err(|error| {
            Problem::environment("no-folder", format_args!("the current folder: {error}"), None)
        })?;
        let cwd = global.project_root.as_ref().map_or_else(|| here.clone(), |root| here.join(root));
        if !cwd.is_dir() {
            let message = format!("--project-root: there is no folder {}", cwd.display());
            return Err(Problem::request("no-such-folder", message, None).into());
        }
        let repository = Repository::discover(&cwd)?;
        let layout = Layout::new(repository.root());
        Ok(Self { repository, layout, cwd, global: global.clone() })
    }

    /// The settings, and warnings about them said.
    pub(crate) fn settings(&self, flags: Flags, manner: Manner) -> Result<Resolved, Stop> {
        let config_file = self.global.config_file().map(|file| self.cwd.join(file));
        let resolved = gadugi_config::resolve(self.repository.root(), &Flags { config_file, ..flags })?;
        resolved.warnings.iter().for_each(|warning| manner.warn(&warning.to_string()));
        Ok(resolved)
    }

    /// The engine that lives, or a new one.
    pub(crate) async fn engine(&self) -> Result<Client, Stop> {
        check_writable(&self.layout.state_dir())?;
        Ok(Client::connect_or_start(&self.layout, &programs::own()?).await?)
    }

    /// The engine, where there is anything on record that it could know; else none, and none is started.
    pub(crate) async fn engine_with_records(&self) -> Result<Option<Client>, Stop> {
        if let Some(client) = Client::connect(&self.layout).await? {
            return Ok(Some(client));
        }
        if self.layout.database().exists() { self.engine().await.map(Some) } else { Ok(None) }
    }

    /// The engine for a command about a run: that there never was one is an error.
    pub(crate) async fn engine_for_run(&self) -> Result<Client, Stop> {
        self.engine_with_records().await?.ok_or_else(no_runs)
    }
}

/// Makes the state folder where it is missing, and sees whether it can be written to.
pub(crate) fn check_writable(dir: &Path) -> Result<(), Problem> {
    let refuse = |why: &str| {
        let shown = text::shell_word(&dir.to_string_lossy());
        let message = format!("the state folder {} cannot be written to: {why}", dir.display());
        let hint = match dir.exists() && !dir.is_dir() {
            true => format!("mv {shown} elsewhere"),
            false => format!("ls -ld {shown}; chmod u+rwx {shown}"),
        };
        Problem::environment("state-unwritable", message, Some(&hint))
    };
    match files::create_ignored_dir(dir) {
        Err(error) if files::is_disk_full(&error) => return Err(Problem::io("make", dir, &error)),
        Err(error) => return Err(refuse(&error.to_string())),
        Ok(()) => {}
    }
    access(dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| refuse(&error.to_string()))
}

/// Runs what talks to the engine.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Problem::internal(&error))?.block_on(work)
}
