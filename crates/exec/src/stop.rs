//! Stopping a step.

use gadugi_core::StopForce;
use rustix::process::Signal;

use crate::identity::Root;

/// Stops one step, and none that has its pid later.
#[derive(Clone, Debug)]
pub struct Stopper {
    root: Option<Root>,
}

impl Stopper {
    pub(crate) fn new(root: Option<Root>) -> Self {
        Self { root }
    }

    /// Asks the shim to stop the step's whole descent. Asking again with the same force changes nothing (an effect may
    /// be repeated after a crash); `Now` after `Grace` kills at once. `false` where the shim is gone.
    pub fn stop(&self, force: StopForce) -> bool {
        let signal = match force {
            StopForce::Grace => Signal::USR1,
            StopForce::Now => Signal::QUIT,
        };
        // Whatever was stopped by SIGSTOP (an agent may do that to its shim) is woken to hear of it.
        let shim = match &self.root {
            Some(Root::Process(shim)) => shim,
            Some(Root::Container(container)) => return container.stop(force),
            None => return false,
        };
        let told = shim.signal(signal);
        // By now it may have ended: it was told all the same.
        shim.signal(Signal::CONT);
        told
    }
}
