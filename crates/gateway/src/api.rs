//! A request to the model API and back: who asks, what may be asked, what it may cost, when it may leave, what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap,
};
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::answer::{Answer, Retry, SHOULD_RETRY, error, full, unauthorized, without_hops};
use crate::ledger::{Ask, Verdict};
use crate::limits::{self, Refusal};
use crate::meter::{Form, Meter};
use crate::notice::{Notice, SlowReason};
use crate::pace::{Kept, Limited, Turn};
use crate::step::Step;
use crate::traffic::{Exchange, Passing};
use crate::upstream::{Line, one_line};

mod asked;
use asked::Asked;

/// The API's own limit.
const LARGEST_REQUEST: usize = 32 << 20;

/// A request has to be whole by then.
const REQUEST: Duration = Duration::from_secs(120);

/// How often a refused request is sent again by the gateway itself.
const TRIES: u32 = 8;

/// The longest pause that a step is told of: Claude Code ends at once where it is to wait for 61 seconds or more.
const LONGEST_TOLD: u64 = 60;

/// Refusals are read whole, up to this, so that nothing in them can be the credential.
const LARGEST_REFUSAL: usize = 256 << 10;

/// What is passed, and as what it is logged. Everything else of the API's (files, batches, administration) is no business
/// of an agent's, or could spend without being metered.
fn kind(method: &Method, path: &str) -> Option<&'static str> {
    match (method.as_str(), path) {
        ("POST", "/v1/messages") => Some("messages"),
        ("POST", "/v1/messages/count_tokens") => Some("count-tokens"),
        ("GET", "/v1/models") => Some("models"),
        ("GET", path) => {
            let id = path.strip_prefix("/v1/models/")?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@".contains(&byte);
            (!id.is_empty() && !id.starts_with('.') && id.bytes().all(plain)).then_some("models")
        }
        _ => None,
    }
}

/// Answers a request to the model API.
pub(crate) async fn answer(step: &Arc<Step>, request: Request<Incoming>) -> Answer {
    let kind = kind(request.method(), request.uri().path());
    let mut exchange = Exchange::new(step, kind.unwrap_or("none"));
    let answer = if !authorized(step, request.headers()) {
        Err(unauthorized())
    } else if kind.is_none() && is_greeting(&request) {
        // Claude Code looks whether somebody is there before it says anything.
        Err(full(StatusCode::OK, Bytes::new()))
    } else if kind.is_none() {
        let words = "the gateway passes requests for messages and models, and nothing else";
        Err(error(StatusCode::NOT_FOUND, "not_found_error", words, Retry::No))
    } else {
        carry(&mut exchange, request).await
    };
    match answer {
        Ok(response) => pass(exchange, response),
        Err(answer) => {
            exchange.status = answer.status().as_u16();
            exchange.whole = true;
            answer
        }
    }
}

fn is_greeting(request: &Request<Incoming>) -> bool {
    request.uri().path() == "/" && matches!(*request.method(), Method::GET | Method::HEAD)
}

fn authorized(step: &Step, headers: &HeaderMap) -> bool {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    let key = headers.get("x-api-key").map(HeaderValue::as_bytes);
    [key, bearer].into_iter().flatten().any(|presented| step.token.is(presented.trim_ascii()))
}

/// Takes a request to the vendor. `Err` is an answer of the gateway's own, or a refusal.
async fn carry(exchange: &mut Exchange, request: Request<Incoming>) -> Result<reqwest::Response, Answer> {
    let step = Arc::clone(&exchange.step);
    let (head, body) = request.into_parts();
    let (mut body, room) = read(&step, body).await?;
    exchange.bytes_out = body.len() as u64;
    if head.method == Method::POST {
        let asked = Asked::read(&body)
            .map_err(|words| error(StatusCode::BAD_REQUEST, "invalid_request_error", &words, Retry::No))?;
        exchange.model = Some(asked.model().to_owned());
        exchange.fast = asked.fast();
        if exchange.kind == "messages" {
            body = afford(exchange, &asked, body).await?;
        }
    }
    let latest = Instant::now() + step.shared.patience;
    let Some(line) = step.line(latest).await else {
        let words = "the gateway has no credential: it was restarted, and whoever follows the run brings one";
        return Err(error(StatusCode::SERVICE_UNAVAILABLE, "api_error", words, Retry::Yes));
    };
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let headers = passed_on(head.headers);
    let response = send(exchange, &line, (head.method, path, headers, body), latest).await;
    drop(room);
    response
}

/// What of a request's head goes on to the vendor.
fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    without_hops(&mut headers);
    for name in
        ["host", "x-api-key", "authorization", "cookie", "content-length", "expect", "accept-encoding"]
    {
        headers.remove(name);
    }
    // What is metered is best read as it is.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// Reads a request's body, which takes room that is bounded for the step and for all together.
async fn read(step: &Step, mut body: Incoming) -> Result<(Bytes, [OwnedSemaphorePermit; 2]), Answer> {
    let too_large = || {
        error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_too_large",
            "Request exceeds the maximum size",
            Retry::No,
        )
    };
    let amiss = |words: &str| error(StatusCode::BAD_REQUEST, "invalid_request_error", words, Retry::No);
    let most = body.size_hint().upper().unwrap_or(LARGEST_REQUEST as u64);
    let most = usize::try_from(most).ok().filter(|most| *most <= LARGEST_REQUEST).ok_or_else(too_large)?;
    let kib = u32::try_from(most.div_ceil(1024)).unwrap_or(u32::MAX);
    let room = async |semaphore: &Arc<tokio::sync::Semaphore>| {
        Arc::clone(semaphore).acquire_many_owned(kib).await.map_err(|_| amiss("the gateway is closing"))
    };
    let room = [room(&step.bodies).await?, room(&step.shared.bodies).await?];
    let whole = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| amiss("the request broke off"))?;
            if let Some(bytes) = frame.data_ref() {
                if whole.len() + bytes.len() > LARGEST_REQUEST {
                    return Err(too_large());
                }
                whole.extend_from_slice(bytes);
            }
        }
        Ok(whole.freeze())
    };
    match timeout(REQUEST, whole).await {
        Ok(whole) => Ok((whole?, room)),
        Err(_) => Err(error(
            StatusCode::REQUEST_TIMEOUT,
            "timeout_error",
            "the request did not come whole",
            Retry::No,
        )),
    }
}

/// Sets aside what the request may cost. Where the budget bears less than was asked for, it asks for less.
async fn afford(exchange: &mut Exchange, asked: &Asked, body: Bytes) -> Result<Bytes, Answer> {
    let step = Arc::clone(&exchange.step);
    let (price, _) = step.shared.prices.of(asked.model(), asked.fast());
    let ask: Ask = asked.ask(price, &body);
    match step.ledger.reserve(&ask).await {
        Verdict::Granted(reservation) => {
            exchange.reservation = Some(reservation);
            Ok(body)
        }
        Verdict::Shortened(reservation, max_tokens) => {
            exchange.reservation = Some(reservation);
            // Deeper than a hundred levels it is not read.
            let read = serde_json::from_slice::<serde_json::Map<String, Value>>(&body);
            let mut shorter = read.map_err(|amiss| {
                error(StatusCode::BAD_REQUEST, "invalid_request_error", &amiss.to_string(), Retry::No)
            })?;
            shorter.insert("max_tokens".to_owned(), max_tokens.into());
            Ok(Value::Object(shorter).to_string().into())
        }
        Verdict::Refused { spent_microusd, budget_microusd } => {
            exchange.over_budget = true;
            if step.told.first("budget".to_owned()) {
                let step = step.id.clone();
                step_notice(exchange, Notice::BudgetRefused { step, spent_microusd, budget_microusd });
            }
            let dollars = |microusd: u64| microusd as f64 / 1e6;
            let words = format!(
                "gadugi: the budget of this step is used up: ${:.4} of ${:.4} are spent, and the next request could cost more than is left",
                dollars(spent_microusd),
                dollars(budget_microusd)
            );
            // At a 403 Claude Code speaks of failed authentication, a 429 is waited for.
            Err(error(StatusCode::BAD_REQUEST, "billing_error", &words, Retry::No))
        }
    }
}

fn step_notice(exchange: &Exchange, notice: Notice) {
    exchange.step.shared.notices.tell(notice);
}

/// Sends a request when its turn comes; sends it again, while there is time, where it was only refused for the moment.
async fn send(
    exchange: &mut Exchange,
    line: &Arc<Line>,
    (method, path, headers, body): (Method, &str, HeaderMap, Bytes),
    latest: Instant,
) -> Result<reqwest::Response, Answer> {
    loop {
        let asked = Instant::now();
        let turn = line.lane.turn(&exchange.step.id, latest).await;
        exchange.waited_ms += u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        let turn = turn.map_err(|kept| not_now(exchange, line, kept))?;
        exchange.sent += 1;
        let sent = line.send(method.clone(), path, headers.clone(), body.clone()).await;
        let response = sent.map_err(|gone| unreachable(exchange, line, &gone.reason, gone.lasting))?;
        let status = response.status().as_u16();
        if !matches!(status, 429 | 529) {
            turn.accepted(limits::exhausted(response.headers(), gadugi_sys::clock::now()));
            return if response.status().is_success() {
                exchange.turn = Some(turn);
                Ok(response)
            } else {
                Err(refused(exchange, line, response).await)
            };
        }
        let again = again(exchange, line, turn, response, latest).await;
        if let Some(answer) = again {
            return Err(answer);
        }
    }
}

/// What is to be done about a 429 or 529: an answer for the step, or none where it is worth another try.
async fn again(
    exchange: &Exchange,
    line: &Arc<Line>,
    turn: Turn,
    response: reqwest::Response,
    latest: Instant,
) -> Option<Answer> {
    let status = response.status();
    let now = gadugi_sys::clock::now();
    match limits::refusal(status.as_u16(), response.headers(), now) {
        Refusal::Limit(until) => {
            let (headers, body) = whole(line, response).await;
            let limited = Limited { until, reason: words(&body), status, headers, body };
            turn.limited(&limited, now);
            Some(usage_limited(exchange, line, &limited))
        }
        Refusal::Pause(asked) => {
            let reason =
                if status.as_u16() == 429 { SlowReason::RateLimited } else { SlowReason::Overloaded };
            let pause = turn.refused(reason, asked);
            drop(turn);
            if exchange.sent < TRIES && Instant::now() + pause < latest {
                return None;
            }
            let (headers, body) = whole(line, response).await;
            let mut answer = said(status, headers, body);
            let seconds = pause.as_secs().clamp(1, LONGEST_TOLD);
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            Some(answer)
        }
    }
}

/// There was no turn.
fn not_now(exchange: &Exchange, line: &Line, kept: Kept) -> Answer {
    match kept {
        Kept::Limited(limited) => usage_limited(exchange, line, &limited),
        Kept::TooLong => {
            let words = "gadugi: the model API is busy with requests of other tasks";
            let status = StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut answer = error(status, "overloaded_error", words, Retry::Yes);
            answer.headers_mut().insert(RETRY_AFTER, 5.into());
            answer
        }
    }
}

fn usage_limited(exchange: &Exchange, line: &Line, limited: &Limited) -> Answer {
    if exchange.step.told.first(format!("limit {:?}", limited.until)) {
        let (step, account) = (exchange.step.id.clone(), line.label.clone());
        let (until, reason) = (limited.until, limited.reason.clone());
        step_notice(exchange, Notice::UsageLimited { step, account, until, reason });
    }
    let mut answer = said(limited.status, limited.headers.clone(), limited.body.clone());
    // Under a key (and that is what the token is to it) Claude Code would ask ten times more in three minutes.
    answer.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    if let (Some(until), false) = (limited.until, answer.headers().contains_key(RETRY_AFTER)) {
        let left = until.0.saturating_sub(gadugi_sys::clock::now().0).max(0) / 1000;
        answer.headers_mut().insert(RETRY_AFTER, left.into());
    }
    answer
}

fn unreachable(exchange: &Exchange, line: &Line, reason: &str, lasting: bool) -> Answer {
    if exchange.step.told.first(format!("unreachable {reason}")) {
        let (step, account) = (exchange.step.id.clone(), line.label.clone());
        step_notice(exchange, Notice::Unreachable { step, account, reason: reason.to_owned(), lasting });
    }
    let retry = if lasting { Retry::No } else { Retry::Yes };
    error(StatusCode::BAD_GATEWAY, "api_error", &format!("gadugi: {reason}"), retry)
}

/// An error of the vendor's, as it is.
async fn refused(exchange: &Exchange, line: &Line, response: reqwest::Response) -> Answer {
    let status = response.status();
    let (mut headers, body) = whole(line, response).await;
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        let reason = words(&body);
        if exchange.step.told.first(format!("auth {status}")) {
            let (step, status) = (exchange.step.id.clone(), status.as_u16());
            step_notice(exchange, Notice::AuthRefused { step, status, reason });
        }
        // The same credential is refused again: Claude Code would ask ten times in three minutes.
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    said(status, headers, body)
}

/// An answer that is no success, whole and without the credential.
async fn whole(line: &Line, response: reqwest::Response) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers() {
        let text = value.to_str().map(|text| line.scrub(text));
        if let Some(value) = text.ok().and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
            headers.append(name.clone(), value);
        }
    }
    passed_back(&mut headers);
    headers.remove(CONTENT_LENGTH);
    let encoded = headers.contains_key(CONTENT_ENCODING);
    let mut body = response;
    let mut whole = BytesMut::new();
    while let Ok(Ok(Some(bytes))) = timeout(REQUEST, body.chunk()).await {
        let room = LARGEST_REFUSAL - whole.len();
        whole.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if whole.len() == LARGEST_REFUSAL {
            break;
        }
    }
    if encoded {
        // It cannot be looked through, and was not asked for.
        headers.remove(CONTENT_ENCODING);
        return (headers, Bytes::from_static(b"{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"the model API refused\"}}"));
    }
    (headers, line.scrub(&String::from_utf8_lossy(&whole)).into())
}

/// What of an answer's head goes on to the step.
fn passed_back(headers: &mut HeaderMap) {
    without_hops(headers);
    for name in ["set-cookie", "alt-svc", "strict-transport-security"] {
        headers.remove(name);
    }
}

fn said(status: StatusCode, headers: HeaderMap, body: Bytes) -> Answer {
    let mut answer = full(status, body);
    *answer.headers_mut() = headers;
    answer
}

/// The message of an error, in one line.
fn words(body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = parsed["error"]["message"].as_str().or_else(|| parsed["message"].as_str());
    one_line(message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned).as_str())
}

/// Passes a success on as it comes.
fn pass(mut exchange: Exchange, response: reqwest::Response) -> Answer {
    let (mut head, body) = Response::<reqwest::Body>::from(response).into_parts();
    passed_back(&mut head.headers);
    exchange.status = head.status.as_u16();
    if exchange.kind == "messages" {
        let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let events = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/event-stream"));
        let form = if events { Form::Events } else { Form::Object };
        exchange.meter = Some(Meter::new(form, text(CONTENT_ENCODING)));
    }
    Response::from_parts(head, Passing::new(body, exchange).boxed_unsync())
}
