//! The pages of the metrics port.

use super::exposition::Format;
use super::{Probes, Source};
use crate::http::{self, HttpPort};
use crate::limits::{HTTP_HEAD_PATIENCE, METRICS_CONNECTION_LIFE};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// Binds the port, however long that takes, and serves it for ever.
pub(super) async fn publish(host: String, port: u16, source: Arc<dyn Source>, others: Router) {
    let pages = Router::new().route("/metrics", get(metrics)).with_state(source).merge(others);
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

/// `/livez` and `/readyz` in one line of text.
pub fn probes(probed: Arc<dyn Probes>) -> Router {
    Router::new()
        .route("/livez", get(|State(probed): State<Arc<dyn Probes>>| probe(probed, |probed| probed.live())))
        .route("/readyz", get(|State(probed): State<Arc<dyn Probes>>| probe(probed, |probed| probed.ready())))
        .with_state(probed)
}

async fn metrics(State(source): State<Arc<dyn Source>>, headers: HeaderMap) -> Response {
    let format = Format::wanted(headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()));
    match ask(move || format.write(&source.metrics()?)).await {
        Ok(page) => ([(header::CONTENT_TYPE, format.content_type())], page).into_response(),
        Err(reason) => unavailable(&reason),
    }
}

async fn probe(probed: Arc<dyn Probes>, question: fn(&dyn Probes) -> Result<(), String>) -> Response {
    match ask(move || question(&*probed)).await {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => unavailable(&reason),
    }
}

fn unavailable(reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}

/// Off the runtime's workers: the answers come from files and locks, Apache's from another process.
async fn ask<T: Send + 'static>(question: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    match tokio::task::spawn_blocking(question).await {
        Ok(answer) => answer,
        Err(error) => Err(error.to_string()),
    }
}
