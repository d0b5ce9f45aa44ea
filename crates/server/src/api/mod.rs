//! The REST API. Each handler carries its line of the OpenAPI document, and the router is made of the same handlers: a route that is
//! not in the document, or the other way round, cannot be written.

mod actions;
mod machine;
mod runs;
mod tasks;

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::wire;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gadugi",
        description = "What an engine shows to browsers and other tools. Every request needs the token of the link that `gadugi \
                       dashboard` prints, as `Authorization: Bearer` or as the cookie `gadugi_token`, but for `/health`. Errors are \
                       objects of a stable `code`, a `message` and, where something mends it, a `hint`.",
        license(name = "MIT OR Apache-2.0"),
    ),
    components(schemas(wire::Message, wire::Say)),
    modifiers(&Tokens),
    security(("token" = []), ("cookie" = [])),
)]
struct Document;

/// How the token is shown.
struct Tokens;

impl utoipa::Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new("gadugi_token"));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
}

/// The routes of the API, with their document.
pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health))
        .routes(routes!(runs::list))
        .routes(routes!(runs::one))
        .routes(routes!(runs::figures))
        .routes(routes!(tasks::one))
        .routes(routes!(tasks::diff))
        .routes(routes!(machine::machine))
        .routes(routes!(actions::cancel_task))
        .routes(routes!(actions::retry_task))
        .routes(routes!(actions::pause_task))
        .routes(routes!(actions::resume_task))
        .routes(routes!(actions::cancel_run))
        .routes(routes!(actions::pause_run))
        .routes(routes!(actions::resume_run))
        .routes(routes!(actions::land_run))
        .routes(routes!(crate::events::events))
}

/// The document as it is served and checked in.
pub(crate) fn document(mut document: utoipa::openapi::OpenApi) -> String {
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Serves the document.
pub(crate) fn serve_document(text: String) -> axum::routing::MethodRouter<App> {
    let text = axum::body::Bytes::from(text);
    axum::routing::get(move || async move {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
    })
}

/// Whether the server is there. Needs no token.
#[utoipa::path(get, path = "/health", tag = "server", security(()), responses((status = 200, body = wire::Health)))]
async fn health() -> Json<wire::Health> {
    Json(wire::Health { status: "ok".into() })
}
