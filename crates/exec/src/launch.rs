//! Starting a shim.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gadugi_shim::{LEASE, SPEC, STATUS_TAKEN};
use gadugi_sys::files;
use rustix::io::Errno;
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;

use crate::StepOrder;
use crate::error::{ExecError, at};
use crate::identity::{ShimHandle, reap};
use crate::records;

/// Bytes of the shim's last words that are kept.
const WORDS: u64 = 4096;

/// What became of a start.
#[derive(Debug)]
pub(crate) enum Launched {
    /// The shim has recorded something: it began, or could not start the step.
    Recorded(Arc<ShimHandle>),
    /// Another shim is at work in the folder.
    Taken,
    /// Somebody killed the shim before it had recorded anything: nothing of the step began.
    Killed,
}

/// A shim begins within milliseconds; one that has not by then may have been frozen by its own step.
const WAKE_AFTER: Duration = Duration::from_secs(1);

/// Writes the order down and starts the shim. Returns when it has recorded something, or has ended.
pub(crate) async fn launch(shim: &Path, order: &StepOrder) -> Result<Launched, ExecError> {
    let spec_path = order.dir.join(SPEC);
    let spec = serde_json::to_vec(&order.spec()).map_err(|error| at(&spec_path)(error.into()))?;
    files::write_atomic(&spec_path, &spec).map_err(at(&spec_path))?;
    let lease = order.dir.join(LEASE);
    files::create_private(&lease).map_err(at(&lease))?;

    let (program, order_copy) = (shim.to_owned(), order.clone());
    let started = tokio::task::spawn_blocking(move || start(&program, &order_copy)).await;
    let started = started.map_err(|_| ExecError::ShutDown)?;
    let mut child = started.map_err(|source| ExecError::Spawn { shim: shim.to_owned(), source })?;
    let stderr = child.stderr.take().map(ChildStderr::from_std).transpose().map_err(ExecError::Handle)?;
    let handle = match ShimHandle::of_child(child.id()) {
        // It has done its work already, and another executor of this very process, which found it, has waited for it.
        Err(error)
            if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) && records::any(&order.dir) =>
        {
            return Ok(Launched::Taken);
        }
        other => Arc::new(other.map_err(ExecError::Handle)?),
    };
    let end = reap(handle.clone());

    let mut words = String::new();
    if let Some(stderr) = stderr {
        // End of file says that the shim has begun or ended; what is there by then is what counts.
        let mut stderr = stderr.take(WORDS);
        let mut read = pin!(stderr.read_to_string(&mut words));
        // A step that freezes its shim before that has written anything down would keep us waiting for ever. A shim that
        // runs takes no notice of being woken.
        while tokio::time::timeout(WAKE_AFTER, &mut read).await.is_err() {
            handle.signal(Signal::CONT);
        }
    }
    // Two may launch one step at once: what is recorded there need not be this shim's.
    if records::origin(&order.dir)?.0.pid == child.id() {
        return Ok(Launched::Recorded(handle));
    }
    let status = end.await.map_err(|_| ExecError::ShutDown)?;
    if status == Some(i32::from(STATUS_TAKEN)) || records::any(&order.dir) {
        return Ok(Launched::Taken);
    }
    match status {
        _ if !words.is_empty() => Err(ExecError::Shim(words.trim().into())),
        Some(code) => Err(ExecError::Shim(format!("it ended with exit code {code}"))),
        None => Ok(Launched::Killed),
    }
}

fn start(shim: &Path, order: &StepOrder) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        let mut command = Command::new(shim);
        command.arg(&order.dir).current_dir("/").env_clear().envs(order.environment());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        match command.spawn() {
            // A process that another thread was just forking still has the fresh shim open for writing. It closes
            // it with its exec, and no event tells when.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < 100 => {
                tries += 1;
                gadugi_sys::clock::pause(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}
