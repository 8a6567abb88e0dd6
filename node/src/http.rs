//! HTTP ports: bound however long that takes, with a bounded number of connections and a bounded life for each.
//!
//! A server that cannot open one serves its clients all the same, and says so.

use crate::client_listener::{self, Place};
use crate::limits::{ACCEPT_PAUSE, HTTP_BIND_PAUSE, HTTP_CONNECTIONS_MAX, HTTP_HEAD_BYTES_MAX, LISTEN_BACKLOG};
use crate::resolve::Resolver;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Who has sent a request; every page finds it among its extensions.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub SocketAddr);

/// A port and what its connections may take.
#[derive(Debug, Clone)]
pub struct HttpPort {
    /// What it is called in the log: `metrics`, `admin`.
    pub name: &'static str,
    /// The host name or address it is bound to.
    pub host: String,
    /// Its number; 0 = one that is free.
    pub port: u16,
    /// The key with which another one is configured.
    pub key: &'static str,
    /// How long a connection may last, requests and pauses together.
    pub life: Duration,
    /// How long a client may take for the head of its next request; `None` = as long as the connection lasts.
    pub idle: Option<Duration>,
}

/// Binds the port, however long that takes, and serves it for ever.
pub async fn publish(port: HttpPort, pages: Router) {
    let HttpPort { name, host, port: number, key, .. } = &port;
    let mut warned = false;
    let listener = loop {
        match bind(host, *number).await {
            Ok(listener) => break listener,
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(
                        "bind {name} port {host}:{number}: {error}; this server goes on without it and tries again every {} s. hint: {key} names another",
                        HTTP_BIND_PAUSE.as_secs()
                    );
                }
            }
        }
        tokio::time::sleep(HTTP_BIND_PAUSE).await;
    };
    let bound = listener.local_addr().map_or(*number, |address| address.port());
    tracing::info!(address = %host, port = bound, "open the {name} port");
    serve(listener, &port, pages).await;
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

async fn serve(listener: TcpListener, port: &HttpPort, pages: Router) {
    let places = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    while let Ok(place) = places.clone().acquire_owned().await {
        let (stream, caller) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "accept on the {} port", port.name);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let pages = pages.clone().layer(Extension(Caller(caller)));
        let (name, life, idle) = (port.name, port.life, port.idle.unwrap_or(port.life));
        tokio::spawn(async move {
            if let Ok(Err(error)) = tokio::time::timeout(life, connection(stream, pages, idle)).await {
                tracing::debug!(%caller, %error, "a connection to the {name} port ends");
            }
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, pages: Router, idle: Duration) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages))
        .await
}
