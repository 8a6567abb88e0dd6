//! Export to an OpenTelemetry collector, off unless somebody names one: spans of elections, synchronizations and snapshots, and
//! log lines from WARN on. Queues are bounded; what does not fit, or what the collector does not take, is lost and counted.

use super::collector::{Collector, Deliveries};
use crate::config::Config;
use crate::limits::{COLLECTOR_PATIENCE, EXPORT_FLUSH_PATIENCE};
use crate::settings;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{ExporterBuildError, LogExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;

/// What names the collector where no key does.
const ENDPOINT_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const SERVICE_VARIABLE: &str = "OTEL_SERVICE_NAME";
const DISABLED_VARIABLE: &str = "OTEL_SDK_DISABLED";
const SERVICE: &str = "zookube-node";
const SCHEME: &str = "http://";

/// What became of spans.
#[derive(Debug, Default)]
pub struct Figures {
    /// Spans that ended. What is neither in `sent` nor waits in the queue is lost.
    pub spans_ended: AtomicU64,
    /// Spans that the collector took.
    pub spans_sent: AtomicU64,
    /// Requests, with spans or log lines in them.
    pub requests: Arc<Deliveries>,
}

type Layers<S> = Vec<Box<dyn Layer<S> + Send + Sync>>;

/// The place in the subscriber where the export comes in, once the configuration asks for it.
pub(super) struct Slot {
    put: Box<dyn Fn(SdkTracerProvider, SdkLoggerProvider) -> Result<(), String> + Send + Sync>,
    running: Mutex<Option<Running>>,
}

struct Running {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
    figures: Arc<Figures>,
}

impl Slot {
    /// An empty slot, and the layer with it.
    pub(super) fn new<S>() -> (Slot, impl Layer<S> + Send + Sync)
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let (layers, handle) = reload::Layer::new(Layers::<S>::new());
        let wanted = Wanted(Arc::new(AtomicBool::new(false)));
        let is_on = wanted.0.clone();
        let put = move |traces: SdkTracerProvider, logs: SdkLoggerProvider| {
            let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer(SERVICE)).with_location(false);
            let lines = OpenTelemetryTracingBridge::new(&logs);
            is_on.store(true, Relaxed);
            // This has every place in the code ask the filter anew.
            handle.reload(vec![spans.boxed(), lines.boxed()] as Layers<S>).map_err(|error| error.to_string())
        };
        (Slot { put: Box::new(put), running: Mutex::new(None) }, layers.with_filter(wanted))
    }

    /// Begins to export, if somebody has named a collector. What is wrong with it is a warning: the server does without.
    pub(super) fn open(&self, config: &Config) {
        let mut running = self.running.lock();
        let Some(endpoint) = endpoint(config).filter(|_| running.is_none()) else { return };
        match Running::start(&endpoint, config) {
            Ok(started) => match (self.put)(started.traces.clone(), started.logs.clone()) {
                Ok(()) => {
                    tracing::info!(endpoint, "export traces and warnings to the OpenTelemetry collector");
                    *running = Some(started);
                }
                Err(error) => tracing::warn!(endpoint, "export to OpenTelemetry: {error}"),
            },
            Err(error) => tracing::warn!(endpoint, "export to OpenTelemetry: {error}"),
        }
    }

    /// What became of what was exported; `None` while nothing is.
    pub(super) fn figures(&self) -> Option<Arc<Figures>> {
        self.running.lock().as_ref().map(|running| running.figures.clone())
    }

    /// Sends what waits, for a bounded time, and ends.
    pub(super) fn close(&self) {
        let Some(running) = self.running.lock().take() else { return };
        let figures = running.figures.clone();
        // The collector may be gone; its queue is lost then.
        let ended = running.traces.shutdown_with_timeout(EXPORT_FLUSH_PATIENCE);
        let ended = ended.and(running.logs.shutdown_with_timeout(EXPORT_FLUSH_PATIENCE));
        let (spans, sent) = (figures.spans_ended.load(Relaxed), figures.spans_sent.load(Relaxed));
        let failed_requests = figures.requests.failed.load(Relaxed);
        tracing::debug!(spans, sent, failed_requests, ?ended, "the export to OpenTelemetry has ended");
    }
}

/// A variable of the environment; an empty one counts as not set.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The key, else the standard variable; none where the standard switch is off.
fn endpoint(config: &Config) -> Option<String> {
    if variable(DISABLED_VARIABLE).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    let endpoint = config.settings.otel_endpoint.clone().filter(|text| !text.is_empty());
    let endpoint = endpoint.or_else(|| variable(ENDPOINT_VARIABLE))?;
    Some(endpoint.trim_end_matches('/').to_owned())
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("expected http://host:port, found {0:?}. hint: TLS is left to a collector beside the server")]
    Scheme(String),
    #[error("{0}")]
    Build(#[from] ExporterBuildError),
    #[error("start a runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

impl Running {
    fn start(endpoint: &str, config: &Config) -> Result<Running, ExportError> {
        if !endpoint.starts_with(SCHEME) {
            return Err(ExportError::Scheme(endpoint.to_owned()));
        }
        let figures = Arc::new(Figures::default());
        let client: Arc<Collector> = Arc::new(Collector::new(COLLECTOR_PATIENCE, figures.requests.clone())?);
        let spans = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_shared_http_client(client.clone())
            .build()?;
        let lines = LogExporter::builder()
            .with_http()
            .with_endpoint(format!("{endpoint}/v1/logs"))
            .with_shared_http_client(client)
            .build()?;
        let resource = resource(config);
        let traces = SdkTracerProvider::builder()
            .with_span_processor(Ended(figures.clone()))
            .with_batch_exporter(Counted { exporter: spans, figures: figures.clone() })
            .with_resource(resource.clone())
            .build();
        let logs = SdkLoggerProvider::builder().with_batch_exporter(lines).with_resource(resource).build();
        Ok(Running { traces, logs, figures })
    }
}

/// Who exports.
fn resource(config: &Config) -> Resource {
    let sid = settings::own_sid(config).to_string();
    let mut resource = Resource::builder().with_attribute(KeyValue::new("service.instance.id", sid));
    if variable(SERVICE_VARIABLE).is_none() {
        resource = resource.with_service_name(SERVICE);
    }
    if let Some(host) = variable("HOSTNAME") {
        let is_pod = variable("KUBERNETES_SERVICE_HOST").is_some();
        resource = resource.with_attribute(KeyValue::new(if is_pod { "k8s.pod.name" } else { "host.name" }, host));
    }
    resource.build()
}

/// Counts the spans that end, before the queue.
#[derive(Debug)]
struct Ended(Arc<Figures>);

impl opentelemetry_sdk::trace::SpanProcessor for Ended {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &opentelemetry::Context) {}

    fn on_end(&self, _: SpanData) {
        self.0.spans_ended.fetch_add(1, Relaxed);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Counts the spans that are taken, behind the queue.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    figures: Arc<Figures>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let outcome = self.exporter.export(batch).await;
        if outcome.is_ok() {
            self.figures.spans_sent.fetch_add(spans, Relaxed);
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// What is exported, whatever the level of the log is: spans of state changes, and lines that say that something went wrong.
struct Wanted(Arc<AtomicBool>);

impl Wanted {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let least = if metadata.is_span() { Level::INFO } else { Level::WARN };
        self.0.load(Relaxed) && *metadata.level() <= least
    }
}

impl<S> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.0.load(Relaxed) { LevelFilter::INFO } else { LevelFilter::OFF })
    }
}
