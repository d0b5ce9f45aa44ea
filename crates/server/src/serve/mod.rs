//! Connections: let in, counted, bounded, ended.
//!
//! `axum::serve` has no limits of its own, so this is hyper's server with them: how long a head may take and how large it may be,
//! how many connections there are. Whoever showed the token is never put out for somebody who did not.

mod slots;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_service::Service;

pub(crate) use slots::{Seat, Slots, Visitor};

/// Connections at most. A browser opens six for each page and one for each WebSocket.
pub(crate) const CONNECTIONS: usize = 256;

/// How long a head may take, from the first moment that one is waited for: idle connections are closed after it.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// The largest head, its first line included. What is larger is answered with 431 (or 414). Cookies of other programs on this
/// host are in it.
const HEAD_MAX: usize = 32 << 10;
const HEADERS_MAX: usize = 100;

/// How long answers under way may take once the server is to end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Lets connections in until `leaving` turns true.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    slots: Arc<Slots>,
    mut leaving: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = leaving.wait_for(|leaving| *leaving) => return,
        };
        match accepted {
            Ok((stream, from)) => admit(stream, from, &router, &slots, &leaving),
            Err(error) => {
                // Out of descriptors, most likely: connections wait in the kernel's queue meanwhile.
                tracing::warn!(%error, "a connection could not be let in");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(
    stream: TcpStream,
    from: SocketAddr,
    router: &Router,
    slots: &Arc<Slots>,
    leaving: &watch::Receiver<bool>,
) {
    let Some(seat) = slots.take() else {
        let full =
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n\
                     Retry-After: 1\r\nContent-Length: 66\r\n\r\n\
                     {\"code\":\"too-many\",\"message\":\"too many connections are open here\"}";
        // There is room in a new connection's buffer; who has gone already needs no answer.
        let _ = stream.try_write(full);
        return;
    };
    // Small messages must not wait for each other.
    let _ = stream.set_nodelay(true);
    tokio::spawn(converse(stream, from, seat, router.clone(), leaving.clone()));
}

/// One connection to its end.
async fn converse(
    stream: TcpStream,
    from: SocketAddr,
    seat: Seat,
    router: Router,
    mut leaving: watch::Receiver<bool>,
) {
    let visitor = Arc::clone(seat.visitor());
    let for_requests = Arc::clone(&visitor);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&for_requests));
        let mut router = router.clone();
        async move { answer(&mut router, request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(seat.of(stream)), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = visitor.put_out() => return,
        _ = leaving.wait_for(|leaving| *leaving) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            // Whatever is not over by then is cut off.
            tokio::time::timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection broke off");
    }
}

async fn answer(router: &mut Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    std::future::poll_fn(|context| Service::<Request<Body>>::poll_ready(router, context)).await?;
    router.call(request.map(Body::new)).await
}
