//! A network between the browser and the page's server that can fail: a relay on loopback whose connections are cut, or whose
//! bytes stand still.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Bytes pass.
    Up,
    /// Nothing passes and nothing ends: what a lost route looks like.
    Still,
    /// Every connection is reset, and each new one at once.
    Cut,
}

/// The relay.
pub(crate) struct Network {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
    whereto: SocketAddr,
}

impl Network {
    /// Relays to that address.
    pub(crate) fn to(whereto: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Up),
            changed: Condvar::new(),
            open: Mutex::new(Vec::new()),
            whereto,
        });
        let accepting = Arc::clone(&shared);
        // It ends with the test program: a listener has no other way to be woken.
        thread::spawn(move || listener.incoming().flatten().for_each(|browser| accepting.relay(browser)));
        Self { address, shared }
    }

    pub(crate) fn set(&self, state: State) {
        *self.shared.state.lock().unwrap() = state;
        self.shared.changed.notify_all();
        if state == State::Cut {
            for stream in self.shared.open.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Shared {
    fn relay(self: &Arc<Self>, browser: TcpStream) {
        // Nobody answers: a port where nothing listens is refused.
        let Ok(server) = TcpStream::connect(self.whereto) else { return };
        let state = self.state.lock().unwrap();
        if *state == State::Cut {
            return;
        }
        let copies = [&browser, &server].map(|stream| stream.try_clone().unwrap());
        self.open.lock().unwrap().extend(copies);
        drop(state);
        let ways = [(browser.try_clone().unwrap(), server.try_clone().unwrap()), (server, browser)];
        for (from, to) in ways {
            let shared = Arc::clone(self);
            thread::spawn(move || shared.pump(from, to));
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 * 1024];
        loop {
            let read = match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let state = self.state.lock().unwrap();
            let state = self.changed.wait_while(state, |state| *state == State::Still).unwrap();
            let cut = *state == State::Cut;
            drop(state);
            if cut || to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
