//! The pages of the metrics port.

use super::Source;
use super::exposition::Format;
use crate::http::{self, HttpPort};
use crate::limits::{HTTP_HEAD_PATIENCE, METRICS_CONNECTION_LIFE};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// Binds the port, however long that takes, and serves it for ever.
pub(super) async fn publish(host: String, port: u16, source: Arc<dyn Source>, own: Option<Router>) {
    let probes = own.unwrap_or_else(|| probes(source.clone()));
    let pages = Router::new().route("/metrics", get(metrics)).with_state(source).merge(probes);
    let port = HttpPort {
        name: "metrics",
        host,
        port,
        key: "metricsProvider.httpPort",
        life: METRICS_CONNECTION_LIFE,
        idle: Some(HTTP_HEAD_PATIENCE),
    };
    http::publish(port, pages).await;
}

fn probes(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/livez", get(|State(source): State<Arc<dyn Source>>| probe(source, |source| source.live())))
        .route("/readyz", get(|State(source): State<Arc<dyn Source>>| probe(source, |source| source.ready())))
        .with_state(source)
}

async fn metrics(State(source): State<Arc<dyn Source>>, headers: HeaderMap) -> Response {
    let format = Format::wanted(headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()));
    match ask(source, move |source| format.write(&source.metrics()?)).await {
        Ok(page) => ([(header::CONTENT_TYPE, format.content_type())], page).into_response(),
        Err(reason) => unavailable(&reason),
    }
}

async fn probe(source: Arc<dyn Source>, question: fn(&dyn Source) -> Result<(), String>) -> Response {
    match ask(source, question).await {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => unavailable(&reason),
    }
}

fn unavailable(reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}

/// Off the runtime's workers: the answers come from files and locks, Apache's from another process.
async fn ask<T: Send + 'static>(
    source: Arc<dyn Source>,
    question: impl FnOnce(&dyn Source) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(move || question(&*source)).await {
        Ok(answer) => answer,
        Err(error) => Err(error.to_string()),
    }
}
