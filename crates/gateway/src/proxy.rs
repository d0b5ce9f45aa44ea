//! The way to other hosts, for those that are permitted: `CONNECT`, and plain HTTP with the whole address in the request.
//!
//! Names are resolved here, once, and the connection goes to an address that was looked at: a name that means something
//! else a moment later leads nowhere else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::answer::{Answer, full, plain, without_hops};
use crate::network::{Host, HostPort};
use crate::notice::Notice;
use crate::step::Step;
use crate::traffic::{Exchange, Passing};
use crate::upstream::one_line;

/// How long a name may take to be resolved, and a connection to come about.
const LOOK_UP: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(15);

/// An answer's head has to be there by then.
const HEAD: Duration = Duration::from_secs(300);

/// Buffered bytes of each direction of a tunnel.
const BUFFER: usize = 16 << 10;

/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// Opens a tunnel.
pub(crate) async fn connect(step: &Arc<Step>, request: Request<Incoming>) -> Answer {
    let mut exchange = Exchange::new(step, "connect");
    let wanted = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    match reach(&mut exchange, request.headers(), &wanted).await {
        Ok(upstream) => {
            exchange.status = 200;
            step.tunnel(tunnel(exchange, request, upstream));
            full(StatusCode::OK, "")
        }
        Err(answer) => said(exchange, answer),
    }
}

/// Passes a request of plain HTTP on.
pub(crate) async fn http(step: &Arc<Step>, request: Request<Incoming>) -> Answer {
    let mut exchange = Exchange::new(step, "http");
    let wanted = address(request.uri()).unwrap_or_default();
    let upstream = match reach(&mut exchange, request.headers(), &wanted).await {
        Ok(upstream) => upstream,
        Err(answer) => return said(exchange, answer),
    };
    match timeout(HEAD, forward(step, &mut exchange, request, upstream)).await {
        Ok(Ok(response)) => {
            let (mut head, body) = response.into_parts();
            without_hops(&mut head.headers);
            exchange.status = head.status.as_u16();
            Response::from_parts(head, Passing::new(body, exchange).boxed_unsync())
        }
        Ok(Err(answer)) => said(exchange, answer),
        Err(_) => {
            said(exchange, plain(StatusCode::GATEWAY_TIMEOUT, &format!("gadugi: {wanted} does not answer")))
        }
    }
}

fn said(mut exchange: Exchange, answer: Answer) -> Answer {
    exchange.status = answer.status().as_u16();
    exchange.whole = true;
    answer
}

/// The host and port of an absolute address of plain HTTP.
fn address(uri: &Uri) -> Option<String> {
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"))?;
    Some(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)))
}

/// A connection to a host that the step may reach.
async fn reach(exchange: &mut Exchange, headers: &HeaderMap, wanted: &str) -> Result<TcpStream, Answer> {
    let step = Arc::clone(&exchange.step);
    exchange.host = Some(one_line(wanted).chars().take(300).collect());
    if !authorized(&step, headers) {
        let mut answer = plain(StatusCode::PROXY_AUTHENTICATION_REQUIRED, "gadugi: no such token");
        answer.headers_mut().insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"gadugi\""));
        return Err(answer);
    }
    let refuse = |reason: &str| {
        let host: String = one_line(wanted).chars().take(300).collect();
        if step.told.first_host(&host) {
            let (step_id, reason) = (step.id.clone(), reason.to_owned());
            let notice = Notice::HostRefused { step: step_id, host: host.clone(), reason };
            step.shared.notices.tell(notice);
        }
        plain(StatusCode::FORBIDDEN, &format!("gadugi: {host} is not reached from here: {reason}"))
    };
    let Ok(wanted) = wanted.parse::<HostPort>() else { return Err(refuse("it is no host with its port")) };
    if !step.hosts.holds(&wanted) {
        return Err(refuse("`network` does not name it"));
    }
    let unknown = |reason: String| {
        plain(StatusCode::BAD_GATEWAY, &format!("gadugi: {wanted} cannot be reached: {}", one_line(&reason)))
    };
    let found = addresses(&wanted).await.map_err(unknown)?;
    let fine: Vec<SocketAddr> =
        found.iter().copied().filter(|address| step.hosts.may_reach(&wanted, address.ip())).collect();
    if fine.is_empty() {
        let private = found.first().map(ToString::to_string).unwrap_or_default();
        return Err(refuse(&format!("its address {private} is private, and `network` does not name it")));
    }
    let mut last = String::new();
    for address in fine.into_iter().take(ADDRESSES) {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => "it does not answer in time".clone_into(&mut last),
        }
    }
    Err(unknown(last))
}

async fn addresses(wanted: &HostPort) -> Result<Vec<SocketAddr>, String> {
    match &wanted.host {
        Host::Address(address) => Ok(vec![SocketAddr::new(*address, wanted.port)]),
        Host::Name(name) => match timeout(LOOK_UP, lookup_host((name.as_str(), wanted.port))).await {
            Ok(Ok(found)) => Ok(found.collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("its name is not resolved in time".to_owned()),
        },
    }
}

/// `Proxy-Authorization: Basic`, with the token for a password.
fn authorized(step: &Step, headers: &HeaderMap) -> bool {
    let read = || {
        let value = headers.get(PROXY_AUTHORIZATION)?.as_bytes();
        let (scheme, encoded) = value.split_at_checked(6)?;
        let decoded =
            scheme.eq_ignore_ascii_case(b"basic ").then(|| STANDARD.decode(encoded.trim_ascii()).ok())??;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(step.token.is(&decoded[colon + 1..]))
    };
    read().unwrap_or(false)
}

async fn tunnel(mut exchange: Exchange, request: Request<Incoming>, upstream: TcpStream) {
    let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
    let step = Arc::clone(&exchange.step);
    let (inside, outside) = (TokioIo::new(upgraded), upstream);
    let (mut from_step, mut to_step) = tokio::io::split(inside);
    let (mut from_host, mut to_host) = outside.into_split();
    let (sent, got) = (Counter::new(&mut exchange.bytes_out), Counter::new(&mut exchange.bytes_in));
    let mut closed = step.closed.subscribe();
    tokio::select! {
        _ = closed.wait_for(|closed| *closed) => {}
        _ = async { tokio::join!(copy(&mut from_step, &mut to_host, &sent), copy(&mut from_host, &mut to_step, &got)) } => {}
    }
    drop((sent, got));
    exchange.whole = true;
}

/// Counts into a number that somebody else owns, also where the counting is cut off.
struct Counter<'a> {
    count: AtomicU64,
    into: std::sync::Mutex<&'a mut u64>,
}

impl<'a> Counter<'a> {
    fn new(into: &'a mut u64) -> Self {
        Self { count: AtomicU64::new(0), into: std::sync::Mutex::new(into) }
    }
}

impl Drop for Counter<'_> {
    fn drop(&mut self) {
        let into = self.into.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        **into += self.count.load(Ordering::Relaxed);
    }
}

/// One direction, until its end, which is passed on.
async fn copy<R, W>(from: &mut R, to: &mut W, counter: &Counter<'_>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..length]).await.is_err() || to.flush().await.is_err() {
            break;
        }
        counter.count.fetch_add(length as u64, Ordering::Relaxed);
    }
    let _ = to.shutdown().await;
}

/// Sends a request on over a connection of its own, in the form that a server expects.
async fn forward(
    step: &Arc<Step>,
    exchange: &mut Exchange,
    request: Request<Incoming>,
    upstream: TcpStream,
) -> Result<Response<Incoming>, Answer> {
    let host = exchange.host.clone().unwrap_or_default();
    let amiss = |error: hyper::Error| {
        plain(StatusCode::BAD_GATEWAY, &format!("gadugi: {host}: {}", one_line(&error.to_string())))
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(upstream)).await.map_err(amiss)?;
    // It goes on for as long as request and answer do; both end with the step.
    step.tunnel(async move { drop(connection.await) });
    let (mut head, body) = request.into_parts();
    without_hops(&mut head.headers);
    if let Some(authority) = head.uri.authority()
        && let Ok(value) = HeaderValue::from_str(authority.as_str().rsplit('@').next().unwrap_or_default())
    {
        head.headers.insert(HOST, value);
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse().unwrap_or_default();
    head.version = Version::HTTP_11;
    exchange.sent += 1;
    let counted = body.map_frame({
        let step = Arc::clone(step);
        move |frame| {
            step.ledger.count(0, 0, frame.data_ref().map_or(0, |bytes| bytes.len() as u64));
            frame
        }
    });
    sender.send_request(Request::from_parts(head, counted)).await.map_err(amiss)
}
