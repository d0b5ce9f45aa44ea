//! All routes in one place, behind the guard.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use gadugi_engine::Handle;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

use crate::api;
use crate::app::App;
use crate::assets;
use crate::entries::{self, Streams};
use crate::error::ApiError;
use crate::guard::{self, Guard};
use crate::metrics::{self, Metrics};
use crate::serve::Slots;

/// What `/metrics` needs.
#[derive(Clone)]
struct Scraped {
    handle: Handle,
    metrics: Metrics,
    slots: Arc<Slots>,
}

/// Everything that is answered. To be called in the server's runtime.
pub(crate) fn router(
    handle: Handle,
    guard: &Arc<Guard>,
    metrics: &Metrics,
    slots: &Arc<Slots>,
    leaving: watch::Receiver<bool>,
) -> io::Result<Router> {
    let app = App::new(handle.clone(), leaving);
    let streams = Streams::new(&app)?;
    let scraped = Scraped { handle, metrics: metrics.clone(), slots: Arc::clone(slots) };
    let (router, document) = documented(streams, scraped).split_for_parts();
    let router = router
        .route("/api/openapi.json", api::serve_document(api::document(document)))
        .fallback(assets::serve)
        .method_not_allowed_fallback(assets::method_not_allowed)
        .with_state(app);
    Ok(router.layer(from_fn_with_state(Arc::clone(guard), guard::stand)))
}

/// The routes that stand in the OpenAPI document: all but the document itself and the page.
fn documented(streams: Streams, scraped: Scraped) -> OpenApiRouter<App> {
    let metrics = OpenApiRouter::new().routes(utoipa_axum::routes!(scrape)).with_state(scraped);
    api::router().merge(entries::router(streams)).merge(metrics)
}

/// What Prometheus reads: text format 0.0.4.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4"))
)]
async fn scrape(State(scraped): State<Scraped>) -> Result<Response, ApiError> {
    let text = scraped.metrics.render(&scraped.handle, scraped.slots.sockets()).await?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
