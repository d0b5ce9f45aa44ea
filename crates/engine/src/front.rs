//! What shows an engine to people and programs beyond its socket: the page and its server, metrics, notifications. It lives in
//! the engine's process and is handed over by whoever starts the engine, which knows nothing of it but this.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::pin::Pin;

use crate::handle::Handle;
use crate::protocol::Failure;

/// A page that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where it listens.
    pub address: SocketAddr,
    /// What a person opens: `http://ADDRESS/?token=…`.
    pub link: String,
}

/// A page on its way.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Opened, Failure>> + Send + 'a>>;

/// What is shown of an engine. None of this may take long but [`Front::open`] and [`Front::linger`].
pub trait Front: Debug + Send + Sync {
    /// The engine lives: called once. What is asked through the handle is answered as soon as the loop has taken up what was
    /// left. What happens in this engine's life has numbers above `begun_after` in the log.
    fn begin(&self, handle: Handle, begun_after: u64);

    /// Opens the page, or says where it is open. Without an address: where it is open already, else where it was last. At an
    /// address where it is not open yet (port 0: any port of that host) it opens too, and stays open where it was: whoever has
    /// a link goes on. Fails where somebody else listens there.
    fn open(&self, handle: Handle, listen: Option<SocketAddr>) -> Opening<'_>;

    /// The engine leaves, and answers nothing any more. When this returns nothing listens: the next engine may want the same
    /// address. Within a second.
    fn close(&self);

    /// The last thing in the life of the process, when another engine may live already: what is on its way out (notifications)
    /// may be waited for, for some seconds.
    fn linger(&self) {}
}
