//! The metrics port (`metricsProvider.httpPort`): `/metrics` for Prometheus, `/livez` and `/readyz` for whoever restarts
//! processes and routes clients.
//!
//! ```text
//! threads ── instruments ──┐
//! core ───── status ───────┼──> families ──> exposition ──> http
//! kernel ─── process ──────┘       └── catalog: names, kinds, meanings
//! ```
//! [`Source`] is what differs between our engine and Apache's. The probes of our own are those of the admin server
//! ([`crate::admin::health`]).

pub mod catalog;
pub mod elections;
pub mod exposition;
pub mod families;
pub mod histogram;
pub mod http;
pub mod instruments;
pub mod mntr;
pub mod process;
pub mod slow;
pub mod txn_times;

use crate::config::Config;
use axum::Router;
use prometheus::proto::MetricFamily;
use std::sync::Arc;

/// Apache's class that opens the port.
pub const PROMETHEUS: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
/// Apache's classes that do not.
const WITHOUT_PORT: [&str; 2] = [
    "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
    "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
];

/// Why a server is not ready that serves nobody.
pub const NO_LEADER: &str = "no clients are served: there is no leader";
/// Why a server is not ready that can only be read.
pub const ONLY_READ: &str = "only read-only clients are served: there is no leader";

/// What the port shows.
pub trait Source: Send + Sync + 'static {
    /// The metrics.
    ///
    /// # Errors
    /// Why there are none.
    fn metrics(&self) -> Result<Vec<MetricFamily>, String>;
}

/// What the probes of another engine's server are answered from.
pub trait Probes: Send + Sync + 'static {
    /// Whether the process works; one that does not should be restarted.
    ///
    /// # Errors
    /// What it fails to do.
    fn live(&self) -> Result<(), String>;

    /// Whether this server does what it is there for: serves clients without conditions, or leads where leaders serve none. A
    /// server that can only be read is not ready: it turns away whoever has not asked for that.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), String>;
}

/// Where the metrics are published, `None` = nowhere. Apache does so where its class is named; where the environment is the
/// configuration, as in a container, they always are.
#[must_use]
pub fn address(config: &Config) -> Option<(&str, u16)> {
    let settings = &config.settings;
    let published = match settings.metrics_provider.as_deref() {
        None => config.file.is_none(),
        Some(PROMETHEUS) => true,
        Some(class) => {
            if !WITHOUT_PORT.contains(&class) {
                tracing::warn!(
                    class,
                    "metricsProvider.className names a class that is not built in here: no metrics are published. hint: {PROMETHEUS} is"
                );
            }
            false
        }
    };
    published.then_some((settings.metrics_host.as_str(), settings.metrics_port))
}

/// Opens the port in the background, where one is configured. A server that cannot publish its metrics serves all the same. `others`
/// are the pages beside the metrics.
pub fn start(config: &Config, source: Arc<dyn Source>, others: Router) {
    if let Some((host, port)) = address(config) {
        tokio::spawn(http::publish(host.to_owned(), port, source, others));
    }
}
