//! The HTTP side: a few pages, a bounded number of connections, a bounded life for each.

use super::Source;
use super::commands::{self, Commands};
use super::exposition::Format;
use crate::client_listener::{self, Place};
use crate::limits::{
    ACCEPT_PAUSE, LISTEN_BACKLOG, METRICS_BIND_PAUSE, METRICS_CONNECTION_LIFE, METRICS_CONNECTIONS_MAX,
};
use crate::resolve::Resolver;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Who has sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub SocketAddr);

/// Binds the port, however long that takes, and serves it for ever.
pub(super) async fn publish(host: String, port: u16, source: Arc<dyn Source>, commands: Option<Arc<Commands>>) {
    let mut warned = false;
    let listener = loop {
        match bind(&host, port).await {
            Ok(listener) => break listener,
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(
                        "bind metrics port {host}:{port}: {error}; no metrics until that works. hint: metricsProvider.httpPort names another"
                    );
                }
            }
        }
        tokio::time::sleep(METRICS_BIND_PAUSE).await;
    };
    tracing::info!(address = %host, port, "publish metrics");
    let pages = pages(source).merge(commands.map(commands::pages).unwrap_or_default());
    serve(listener, pages).await;
}

async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in Resolver::of_process().resolve(host, port).await? {
        match client_listener::bind(Place::of(address), LISTEN_BACKLOG) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn pages(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
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

async fn serve(listener: TcpListener, pages: Router) {
    let places = Arc::new(Semaphore::new(METRICS_CONNECTIONS_MAX));
    while let Ok(place) = places.clone().acquire_owned().await {
        let (stream, caller) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "accept on the metrics port");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(pages.clone().layer(Extension(Caller(caller))));
        tokio::spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(METRICS_CONNECTION_LIFE, connection).await {
                tracing::debug!(%error, "a connection to the metrics port ends");
            }
            drop(place);
        });
    }
}
