//! What stands before every request and every upgrade: its `Host`, its `Origin`, its token; and behind every answer: the headers
//! that keep browsers from doing more with it than was meant.
//!
//! The order matters. A foreign `Host` or `Origin` is refused before the token is looked at, so that a page of somebody else's
//! learns nothing by asking; `/health` alone needs no token.

pub(crate) mod hosts;
pub(crate) mod secret;

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::serve::Visitor;

use hosts::Hosts;
use secret::Token;

/// What every answer carries. Scripts, styles and images come from the page itself alone; nobody may frame it, none of its
/// addresses are told to others.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types svelte-trusted-html",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Who may come in.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Token,
    hosts: RwLock<Hosts>,
}

impl Guard {
    /// For whoever shows this token, under no name yet.
    pub(crate) fn new(token: Token) -> Self {
        Self { token, hosts: RwLock::default() }
    }

    /// Also under these names.
    pub(crate) fn listens(&self, change: impl FnOnce(&mut Hosts)) {
        change(&mut self.hosts.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The token, for the link.
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// The request's host, where it is one of ours.
    fn host<'a>(&self, request: &'a Request) -> Result<&'a str, ApiError> {
        let foreign = || {
            let message = "this address is not served under that name";
            ApiError::new(StatusCode::FORBIDDEN, "foreign-host", message)
                .hint("use the link that gadugi printed")
        };
        let mut said = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (said.next(), said.next()) else { return Err(foreign()) };
        let host = host.to_str().map_err(|_| foreign())?;
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        // A request line may name a host, too.
        let also = request.uri().authority().is_none_or(|authority| hosts.is_ours(authority.as_str()));
        if hosts.is_ours(host) && also { Ok(host) } else { Err(foreign()) }
    }

    fn look(&self, request: &Request) -> Result<Seen, ApiError> {
        let host = self.host(request)?;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        check_origin(request.headers(), host, reads)?;
        if request.uri().path() == "/health" {
            return Ok(Seen::Anybody);
        }
        let by_link = link_token(request);
        if let Some(presented) = &by_link
            && self.token.is(presented.as_bytes())
        {
            return Ok(Seen::ByLink);
        }
        let known = match bearer(request.headers()) {
            Some(presented) => self.token.is(presented),
            None => self.token.is_among(port_of(host), cookies(request.headers())),
        };
        match known && by_link.is_none() {
            true => Ok(Seen::Known),
            false => Err(ApiError::new(StatusCode::UNAUTHORIZED, "no-token", "a token is missing or wrong")
                .hint("open the link that `gadugi dashboard` prints")),
        }
    }
}

/// Who asks.
enum Seen {
    /// It does not matter.
    Anybody,
    /// Somebody with the token.
    Known,
    /// Somebody with the token in the address: they get it as a cookie, and an address without it.
    ByLink,
}

/// The page whose script asks must be this one. Browsers say so with every upgrade and every request that could change something
/// (`Origin`), and today's with every other (`Sec-Fetch-Site`).
fn check_origin(headers: &HeaderMap, host: &str, reads: bool) -> Result<(), ApiError> {
    let foreign = || {
        ApiError::new(StatusCode::FORBIDDEN, "foreign-origin", "a page of somebody else's may not ask this")
    };
    for origin in headers.get_all(header::ORIGIN) {
        let ours = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if !ours.is_some_and(|ours| ours.eq_ignore_ascii_case(host)) {
            return Err(foreign());
        }
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    match site {
        None | Some(b"same-origin" | b"none") => Ok(()),
        // Somebody followed the link from a mail: no script sees what is answered, and it changes nothing.
        Some(_) if navigates && reads => Ok(()),
        Some(_) => Err(foreign()),
    }
}

/// The token that `Authorization` shows, where there is one: nothing where it shows something else.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    Some(match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        _ => b"",
    })
}

/// What the request's cookies of ours hold.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).filter_map(|cookie| {
        let cookie = cookie.trim_ascii();
        let at = cookie.iter().position(|byte| *byte == b'=')?;
        is_ours(&cookie[..at]).then_some(&cookie[at + 1..])
    })
}

/// The port of a host that is one of ours.
fn port_of(host: &str) -> &str {
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) { port } else { "80" }
}

/// Every page on this host sets `gadugi_token`; the one with the port is ours alone.
fn is_ours(cookie: &[u8]) -> bool {
    let rest = cookie.strip_prefix(b"gadugi_token");
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix(b"_").is_some_and(|port| port.iter().all(u8::is_ascii_digit))
    })
}

/// The token of the link, `/?token=…`.
fn link_token(request: &Request) -> Option<String> {
    if request.uri().path() != "/" || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let query = request.uri().query()?;
    let found = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    Some(found.to_owned())
}

/// Looks at a request before anything else does, and at every answer after everything else.
pub(crate) async fn stand(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let wants_page = request.headers().get(header::ACCEPT).is_some_and(|accept| {
        accept.to_str().is_ok_and(|accept| accept.split(',').any(|kind| kind.trim().starts_with("text/html")))
    });
    let visitor = request.extensions().get::<Arc<Visitor>>().cloned();
    let mut response = match guard.look(&request) {
        Ok(seen) => {
            if let (Some(visitor), Seen::Known | Seen::ByLink) = (&visitor, &seen) {
                visitor.is_known();
            }
            match seen {
                Seen::Anybody | Seen::Known => {
                    let response = next.run(request).await;
                    if let (StatusCode::SWITCHING_PROTOCOLS, Some(visitor)) = (response.status(), &visitor) {
                        visitor.is_socket();
                    }
                    response
                }
                Seen::ByLink => welcome(&guard, request.headers()),
            }
        }
        Err(error) if wants_page => refusal_page(&error),
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Sets the cookies and goes on to `/`. Not by a redirect: a browser that came from elsewhere would leave a `Strict` cookie out of
/// the request that follows.
fn welcome(guard: &Guard, headers: &HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = port_of(host);
    let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0; url=/\">\
                <title>Gadugi</title><p><a href=\"/\">Go on to the page</a></p></html>\n";
    let mut response = html(StatusCode::OK, page.to_owned());
    for name in ["gadugi_token".to_owned(), format!("gadugi_token_{port}")] {
        let cookie = format!("{name}={}; HttpOnly; SameSite=Strict; Path=/", guard.token.cookie(port));
        if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
            cookie.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// A refusal for a person. Nothing of the request is in it.
fn refusal_page(error: &ApiError) -> Response {
    let hint = error.hint.as_deref().unwrap_or_default().replace('`', "");
    let message = &error.message;
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Gadugi: not let in</title>\
         <h1>Not let in</h1><p>{message}.</p><p>What to do: {hint}.</p></html>\n"
    );
    html(error.status, page)
}

/// A page of a few words.
pub(crate) fn html(status: StatusCode, page: String) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    (status, [kind], page).into_response()
}

#[cfg(test)]
mod tests;
