//! A step's socket: takes its connections, bounded in number, and says which request is whose business.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::step::{Socket, Step};
use crate::{api, proxy};

/// The head of a request has to be there by then; a connection that is idle is kept for as long.
const HEAD: Duration = Duration::from_secs(300);

/// Buffered bytes of each connection and way, at most: heads have to fit in it, and a step that reads slowly has so much
/// waiting for it here.
const BUFFER: usize = 64 << 10;

/// After a connection could not be taken, for want of descriptors say.
const BREATH: Duration = Duration::from_millis(100);

/// Serves a step until it is closed. When this returns, every connection is gone and what they used is counted.
pub(crate) async fn listen(socket: Socket, step: Arc<Step>) {
    let mut closed = step.closed.subscribe();
    let mut connections = JoinSet::new();
    tokio::select! {
        _ = closed.wait_for(|closed| *closed) => {}
        () = accept(&socket, &step, &mut connections) => {}
    }
    drop(socket);
    connections.shutdown().await;
}

async fn accept(socket: &Socket, step: &Arc<Step>, connections: &mut JoinSet<()>) {
    loop {
        while connections.try_join_next().is_some() {}
        // A step that has all of its connections waits at its own door, and is in nobody's way.
        let Ok(own) = Arc::clone(&step.connections).acquire_owned().await else { return };
        let stream = match socket.listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Ok(all) = Arc::clone(&step.shared.connections).acquire_owned().await else { return };
        let step = Arc::clone(step);
        connections.spawn(async move {
            serve(stream, step).await;
            drop((own, all));
        });
    }
}

async fn serve(stream: UnixStream, step: Arc<Step>) {
    let service = service_fn(move |request| {
        let step = Arc::clone(&step);
        async move { Ok::<_, std::convert::Infallible>(answer(&step, request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER).max_headers(100);
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    // However it ends: the client is gone, or said what is no HTTP.
    let _ = connection.await;
}

async fn answer(step: &Arc<Step>, request: Request<Incoming>) -> Answer {
    if request.method() == Method::CONNECT {
        proxy::connect(step, request).await
    } else if request.uri().scheme().is_some() {
        proxy::http(step, request).await
    } else {
        api::answer(step, request).await
    }
}
