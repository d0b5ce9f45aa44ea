//! The engine's hidden face: what it does stands in the engine crate.

use std::sync::Arc;

use clap::Args;
use gadugi_config::Flags;
use gadugi_core::Millis;
use gadugi_engine::layout::Layout;
use gadugi_engine::{DaemonOptions, serve};

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
    let monitoring = gadugi_config::resolve(root, &flags).map(|resolved| resolved.monitoring);
    let (monitoring_dir, interval) = match monitoring {
        Ok(monitoring) => (monitoring.dir, monitoring.interval),
        Err(_) => (root.join(".gadugi/monitoring"), Millis::seconds(30)),
    };
    let server = gadugi_server::Server::new().map_err(|error| Problem::internal(&error))?;
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
