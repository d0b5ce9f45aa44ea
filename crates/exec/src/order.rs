//! What the executor is asked to run.

use std::ffi::OsString;
use std::path::PathBuf;

use gadugi_core::Millis;
use gadugi_shim::{Limits, Relay, Spec, Text};

use crate::docker::ContainerOrder;

/// One step to be run.
#[derive(Clone, Debug)]
pub struct StepOrder {
    /// The step's own folder, absolute; made (0700) where it is not there.
    pub dir: PathBuf,
    /// Program and arguments. A program without a slash is looked for on `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The complete environment. `GADUGI_ATTEMPT` is set from `attempt`, whatever it is here.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory, absolute.
    pub cwd: PathBuf,
    /// File for standard input; none: `/dev/null`.
    pub stdin: Option<PathBuf>,
    /// Value of `GADUGI_ATTEMPT`: `run/task/n`. By it the step's processes are recognized should the shim be killed.
    pub attempt: String,
    /// Between TERM and KILL.
    pub grace: Millis,
    /// How long the step goes on when nobody calls [`crate::LocalExecutor::renew_lease`]; 0: for ever.
    pub lease: Millis,
    /// Limits of its processes.
    pub limits: Limits,
    /// The way to the gateway; none: there is no gateway.
    pub relay: Option<Relay>,
    /// The container to run in; none: it runs as a process of this machine. Then `argv`, `cwd` and `relay` are meant as they
    /// are inside, `stdin` is a file of `dir`, and `PATH` is the image's where `env` has none.
    pub container: Option<ContainerOrder>,
}

impl StepOrder {
    /// The environment that the shim is given.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (OsString, OsString)> + '_ {
        let attempt = (gadugi_sys::env::ATTEMPT.into(), OsString::from(&self.attempt));
        self.env.iter().filter(|(name, _)| name != gadugi_sys::env::ATTEMPT).cloned().chain([attempt])
    }

    /// What is written down of the order.
    pub(crate) fn spec(&self) -> Spec {
        Spec {
            argv: self.argv.iter().cloned().map(Text).collect(),
            env_names: self.environment().map(|(name, _)| Text(name)).collect(),
            cwd: Text(self.cwd.clone().into()),
            stdin: self.stdin.clone().map(|path| Text(path.into())),
            attempt: self.attempt.clone(),
            grace_ms: self.grace.0,
            lease_ms: self.lease.0,
            limits: self.limits,
            relay: self.relay.clone(),
        }
    }
}
