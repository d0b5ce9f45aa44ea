//! The page itself, embedded when the binary was built; or, where none was built, one page that says how to get it.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

use crate::error::ApiError;
use crate::guard;

#[derive(Embed)]
#[folder = "../../dashboard/dist"]
#[allow_missing = true]
struct Built;

/// Files with a hash of their contents in their names: they never change.
const HASHED: &str = "assets/";

/// What is answered where no page was built in. Nothing in it comes from anywhere else.
const WITHOUT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>Gadugi: built without the page</title>
<h1>This gadugi was built without its page</h1>
<p>The API behind it works: <a href=\"/api/openapi.json\">what it can</a>, <a href=\"/api/runs\">runs</a>,
<a href=\"/metrics\">metrics</a>.</p>
<p>To get the page, install Node.js 20.19 or later and build gadugi again from its source:</p>
<pre>cargo xtask dist</pre>
<p>or build the page alone, and then gadugi as ever:</p>
<pre>cd dashboard &amp;&amp; npm ci &amp;&amp; npm run build &amp;&amp; cd .. &amp;&amp; cargo install --path crates/cli</pre>
<p>In the terminal everything is there without it: <code>gadugi status --watch</code>.</p>
</html>
";

/// Everything that is no route of the API.
pub(crate) async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        let message = "there is nothing under this path";
        return ApiError::new(StatusCode::NOT_FOUND, "unknown-path", message)
            .hint("see /api/openapi.json")
            .into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed().await.into_response();
    }
    let path = path.trim_start_matches('/');
    // Names of embedded files are looked up as they are: there is nothing to climb out of.
    if !path.is_empty()
        && !path.starts_with('.')
        && let Some(file) = Built::get(path)
    {
        return answer(path, file, request.headers());
    }
    if path.starts_with(HASHED) {
        return ApiError::new(StatusCode::NOT_FOUND, "unknown-path", "there is no such file").into_response();
    }
    // Whatever else it is, the page itself knows: `/runs/…`.
    match Built::get("index.html") {
        Some(file) => answer("index.html", file, request.headers()),
        None => guard::html(StatusCode::OK, WITHOUT.to_owned()),
    }
}

/// A route that is there, asked in another way.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this path is not asked that way")
}

/// Whether a page was built in.
pub(crate) fn is_built() -> bool {
    Built::get("index.html").is_some()
}

fn answer(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let lives = if path.starts_with(HASHED) { "private, max-age=31536000, immutable" } else { "no-cache" };
    let answered = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind(path))),
        (header::CACHE_CONTROL, HeaderValue::from_static(lives)),
        (header::ETAG, HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)) {
        return (StatusCode::NOT_MODIFIED, answered).into_response();
    }
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    (answered, bytes).into_response()
}

/// What a page is made of; anything else is bytes, and a browser is told not to guess.
fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
