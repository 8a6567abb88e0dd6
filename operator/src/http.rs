//! The operator's own port: figures for Prometheus, and probes.

use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;

/// What the port tells of.
#[derive(Debug)]
pub struct Health {
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Whether the API server has been reached: works, or waits for its turn.
    pub is_ready: AtomicBool,
}

/// Answers until the process ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, health: Arc<Health>) -> io::Result<()> {
    let metrics = async |State(health): State<Arc<Health>>| {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics.text())
    };
    // An answer is all that there is to say: the same thread does the work.
    let live = async || "ok\n";
    let ready = async |State(health): State<Arc<Health>>| {
        if health.is_ready.load(Ordering::Relaxed) {
            (StatusCode::OK, "ok\n").into_response()
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "the API server has not been reached yet\n").into_response()
        }
    };
    let pages = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(health);
    axum::serve(listener, pages).await
}
