//! Servers over HTTP: their admin port.

use super::answer::Answer;
use super::superuser::Superuser;
use crate::causes::causes;
use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use plan::{ConfigVersion, ServerId};
use std::net::IpAddr;
use std::time::Duration;

/// A server that does not answer in this time is silent.
const PATIENCE: Duration = Duration::from_secs(2);
/// A hand-over drains what is under way first.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(20);
/// How long a server keeps a question about changes open.
const POLL: Duration = Duration::from_secs(25);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// Why a server could not be asked or did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No answer, or none in time.
    #[error("{0}")]
    Silent(String),
    /// An answer that is none.
    #[error("its answer makes no sense: {0}")]
    Senseless(String),
    /// It refused.
    #[error("it refused ({status}): {body}")]
    Refused {
        /// Of the answer.
        status: StatusCode,
        /// What it said.
        body: String,
    },
}

/// A client that keeps its connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Empty<Bytes>>,
    port: u16,
}

impl Http {
    /// One that asks servers at this port.
    #[must_use]
    pub fn new(port: u16) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(POLL + PATIENCE).pool_max_idle_per_host(1);
        Self { client: builder.build(connector), port }
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// When it says nothing of use in time.
    pub async fn status(&self, server: IpAddr) -> Result<Answer, HttpError> {
        let body = self.send(Method::GET, server, "/v1/status", None, PATIENCE).await?;
        Answer::parse(&body).map_err(HttpError::Senseless)
    }

    /// The same, as soon as it is something else than what was said with `generation`, or after a while.
    ///
    /// # Errors
    /// When it says nothing of use in time.
    pub async fn status_after(&self, server: IpAddr, generation: u64) -> Result<Answer, HttpError> {
        let path = format!("/v1/status?after={generation}&waitMs={}", POLL.as_millis());
        let body = self.send(Method::GET, server, &path, None, POLL + PATIENCE).await?;
        Answer::parse(&body).map_err(HttpError::Senseless)
    }

    /// Lets another server lead; asked of the leader.
    ///
    /// # Errors
    /// When it refuses, or nobody knows what became of it.
    pub async fn hand_over(&self, leader: IpAddr, to: ServerId, user: &Superuser) -> Result<(), HttpError> {
        let path = format!("/commands/hand_over?to={to}");
        self.send(Method::POST, leader, &path, Some(user), HAND_OVER_PATIENCE).await.map(drop)
    }

    /// Tells a server that it has left.
    ///
    /// # Errors
    /// When it refuses, or nobody knows what became of it.
    pub async fn retire(&self, server: IpAddr, version: ConfigVersion, user: &Superuser) -> Result<(), HttpError> {
        let path = format!("/v1/retire?configVersion={version}");
        self.send(Method::POST, server, &path, Some(user), HAND_OVER_PATIENCE).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        server: IpAddr,
        path: &str,
        user: Option<&Superuser>,
        patience: Duration,
    ) -> Result<Bytes, HttpError> {
        let host = std::net::SocketAddr::new(server, self.port);
        let mut request = Request::builder().method(method).uri(format!("http://{host}{path}"));
        if let Some(user) = user {
            request = request.header(header::AUTHORIZATION, format!("digest {}", user.credentials()));
        }
        let request = request.body(Empty::new()).map_err(|error| HttpError::Senseless(error.to_string()))?;
        let silent = |error: String| HttpError::Silent(format!("{host} does not answer: {error}"));
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| silent(causes(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| silent(error.to_string()))?.to_bytes();
            match status {
                StatusCode::OK => Ok(body),
                status => {
                    let body = String::from_utf8_lossy(&body).split_whitespace().collect::<Vec<_>>().join(" ");
                    Err(HttpError::Refused { status, body })
                }
            }
        };
        let late = |_| silent(format!("nothing within {} s", patience.as_secs()));
        tokio::time::timeout(patience, exchange).await.map_err(late)?
    }
}
