//! The engine's hidden face: what it does stands in the engine crate.

use std::sync::Arc;

use clap::Args;
use gadugi_config::{Flags, NotifyKind, NotifySettings};
use gadugi_core::Millis;
use gadugi_engine::layout::Layout;
use gadugi_engine::{DaemonOptions, serve};
use gadugi_server::notify::{Kind, Settings};
use gadugi_sys::memory;

use crate::args::Global;
use crate::error::{Done, Exit, Problem};
use crate::programs;

/// Nothing: the repository comes by `--project-root`.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {}

pub(crate) fn run(global: &Global, _: &EngineArgs) -> Done {
    let Some(root) = &global.project_root else {
        return Err(Problem::request("missing-argument", "gadugi engine needs --project-root", None).into());
    };
    let flags = Flags { config_file: global.config_file().map(Into::into), ..Flags::default() };
    // A file that is wrong is told to whoever asks for a run; the engine lives with the defaults until then.
    let configured = gadugi_config::resolve(root, &flags);
    let (monitoring_dir, interval, notify) = match configured {
        Ok(resolved) => (resolved.monitoring.dir, resolved.monitoring.interval, told(resolved.notify)),
        Err(_) => (root.join(".gadugi/monitoring"), Millis::seconds(30), Settings::default()),
    };
    // Before the first thread: what the allocator is told then counts for all of them.
    memory::keep_little();
    let server = gadugi_server::Server::new(notify).map_err(|error| Problem::internal(&error))?;
    let options = DaemonOptions {
        layout: Layout::new(root),
        program: programs::own()?,
        monitoring_dir,
        monitoring_interval: interval,
        front: Some(Arc::new(server)),
    };
    serve(&options).map_err(|error| Problem::environment("engine", error, None))?;
    Ok(Exit::Success)
}

/// Who is told of what, as the server has it.
fn told(settings: NotifySettings) -> Settings {
    let kind = |kind: NotifyKind| match kind {
        NotifyKind::Done => Kind::Done,
        NotifyKind::Failed => Kind::Failed,
        NotifyKind::NeedsPerson => Kind::NeedsPerson,
        NotifyKind::Limit => Kind::Limit,
    };
    Settings {
        on: settings.on.into_iter().map(kind).collect(),
        command: settings.command,
        webhook: settings.webhook,
        secret_env: settings.webhook_secret_env,
    }
}
