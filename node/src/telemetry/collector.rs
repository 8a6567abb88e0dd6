//! The way to an OpenTelemetry collector: one POST over HTTP/1.1 on a connection of its own, without TLS.
//!
//! It runs on the exporter's threads, on a runtime of its own: a collector that is slow or gone costs the server nothing.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONNECTION, HOST, HeaderValue};
use axum::http::{StatusCode, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// The longest answer of a collector that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The port where an endpoint names none.
const HTTP_PORT: u16 = 80;

/// What became of the requests to the collector.
#[derive(Debug, Default)]
pub struct Deliveries {
    /// Requests that the collector took.
    pub taken: AtomicU64,
    /// Requests that it did not take. A few are sent again; what is in the others is lost.
    pub failed: AtomicU64,
    is_failing: AtomicBool,
}

impl Deliveries {
    /// One line when it begins to fail and one when it works again.
    fn note(&self, uri: &Uri, outcome: Result<StatusCode, String>) {
        let reason = match outcome {
            Ok(status) if status.is_success() => {
                self.taken.fetch_add(1, Relaxed);
                if self.is_failing.swap(false, Relaxed) {
                    tracing::info!(%uri, failed = self.failed.load(Relaxed), "the OpenTelemetry collector takes what it is sent again");
                }
                return;
            }
            Ok(status) => format!("it answered {status}"),
            Err(reason) => reason,
        };
        self.failed.fetch_add(1, Relaxed);
        if !self.is_failing.swap(true, Relaxed) {
            tracing::warn!(%uri, reason, "the OpenTelemetry collector does not take what it is sent; the server goes on without it");
        }
    }
}

/// Sends requests to the collector.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Runtime,
    patience: Duration,
    deliveries: Arc<Deliveries>,
}

impl Collector {
    /// A client whose requests take no longer than `patience`.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub(super) fn new(patience: Duration, deliveries: Arc<Deliveries>) -> io::Result<Collector> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Collector { runtime, patience, deliveries })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let uri = request.uri().clone();
        let sent = self.runtime.block_on(async {
            tokio::time::timeout(self.patience, post(request)).await.unwrap_or_else(|_| {
                let reason = format!("no answer within {} ms", self.patience.as_millis());
                Err(io::Error::new(io::ErrorKind::TimedOut, reason).into())
            })
        });
        self.deliveries.note(&uri, sent.as_ref().map(Response::status).map_err(ToString::to_string));
        sent
    }
}

impl HttpClient for Collector {
    // What an `async fn` of a trait stands for; the work is done at once, on the thread that polls.
    fn send_bytes<'client, 'answer>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'client: 'answer,
        Self: 'answer,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}

async fn post(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or("the endpoint names no host")?.clone();
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(HTTP_PORT))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end is told to whoever reads the answer.
    let driving = tokio::spawn(async move { drop(connection.await) });
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse()?;
    parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let answer = sender.send_request(Request::from_parts(parts, Body::from(body))).await?;
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(Body::new(body), ANSWER_BYTES_MAX).await?;
    driving.abort();
    Ok(Response::from_parts(parts, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn request(port: u16) -> Request<Bytes> {
        Request::post(format!("http://127.0.0.1:{port}/v1/traces")).body(Bytes::from_static(b"spans")).unwrap()
    }

    /// A collector of one request, and what it was sent.
    fn collector(answer: &'static str) -> (u16, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut sent = Vec::new();
            while !sent.ends_with(b"spans") {
                let mut bytes = [0; 512];
                let count = stream.read(&mut bytes).unwrap();
                assert!(count > 0, "the request ends early: {}", String::from_utf8_lossy(&sent));
                sent.extend_from_slice(&bytes[..count]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(sent).unwrap()
        });
        (port, served)
    }

    #[test]
    fn a_request_is_a_plain_post_and_its_answer_is_counted() {
        let deliveries = Arc::new(Deliveries::default());
        let client = Collector::new(Duration::from_secs(20), deliveries.clone()).unwrap();
        let counts = || (deliveries.taken.load(Relaxed), deliveries.failed.load(Relaxed));
        let (port, served) = collector("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        assert_eq!(client.send(request(port)).unwrap().body(), "ok");
        let sent = served.join().unwrap().to_ascii_lowercase();
        assert!(sent.starts_with("post /v1/traces http/1.1\r\n"), "{sent}");
        assert!(
            sent.contains(&format!("host: 127.0.0.1:{port}\r\n")) && sent.contains("content-length: 5\r\n"),
            "{sent}"
        );
        assert_eq!(counts(), (1, 0));

        let (port, served) = collector("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.send(request(port)).unwrap().status(), 503);
        served.join().unwrap();
        assert_eq!(counts(), (1, 1));

        let (port, served) = collector("no HTTP\r\n\r\n");
        client.send(request(port)).unwrap_err();
        served.join().unwrap();
        assert_eq!(counts(), (1, 2));
    }

    #[test]
    fn who_does_not_answer_is_waited_for_no_longer_than_the_patience() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let deliveries = Arc::new(Deliveries::default());
        let client = Collector::new(Duration::from_millis(20), deliveries.clone()).unwrap();
        let error = client.send(request(silent.local_addr().unwrap().port())).unwrap_err().to_string();
        assert!(error.contains("no answer within 20 ms"), "{error}");
        assert_eq!((deliveries.taken.load(Relaxed), deliveries.failed.load(Relaxed)), (0, 1));
    }

    #[test]
    fn an_answer_without_end_is_not_read() {
        let long =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {0}\r\n\r\n{1}", 10 << 20, "x".repeat(2 * ANSWER_BYTES_MAX));
        let (port, served) = collector(long.leak());
        let client = Collector::new(Duration::from_secs(20), Arc::default()).unwrap();
        client.send(request(port)).unwrap_err();
        // It may find its connection closed before it has written everything.
        drop(served.join());
    }
}
