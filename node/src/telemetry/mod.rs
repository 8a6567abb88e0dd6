//! Log lines on standard output, and as an option spans and warnings for an OpenTelemetry collector.
//!
//! Logging begins before the configuration is read, so that what is wrong with it can be said: [`start`] goes by the
//! environment alone, [`configure`] by what was read. The level can be changed at run time ([`level()`]).

mod collector;
pub mod directive;
pub mod export;
mod json;
pub mod level;
mod line;

use crate::config::{Config, LogFormat};
use crate::settings;
use level::LogLevel;
use line::{Line, SpanFields, Style};
use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// The level until the configuration says another.
pub const LEVEL_DEFAULT: &str = "info";
/// It takes the place of `log.level`.
const LEVEL_VARIABLE: &str = "RUST_LOG";
/// Read before the configuration: what is wrong with that is told in this format too.
const FORMAT_VARIABLE: &str = "ZOOKUBE_LOG_FORMAT";

/// The logging of this process.
struct Logging {
    style: Arc<Style>,
    level: LogLevel,
    export: export::Slot,
}

static LOGGING: OnceLock<Logging> = OnceLock::new();

/// Starts logging. A second call in one process changes nothing.
pub fn start() {
    let style = Arc::new(Style::default());
    if std::env::var(FORMAT_VARIABLE).is_ok_and(|word| word.eq_ignore_ascii_case("json")) {
        style.set_format(LogFormat::Json);
    }
    let (filter, directive) = from_environment();
    let (filter, reload) = reload::Layer::new(filter);
    // A reader of the log that goes away must not end the server: failures to write a line are not reported anywhere.
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stdout().is_terminal())
        .log_internal_errors(false)
        .event_format(Line::new(style.clone()));
    // One filter for both: what no line shows costs nothing.
    let lines = Layer::<Registry>::and_then(SpanFields, lines).with_filter(filter);
    let subscriber = tracing_subscriber::registry().with(lines);
    let (slot, layer) = export::Slot::new();
    let subscriber = subscriber.with(layer);
    if subscriber.try_init().is_err() {
        tracing::debug!("logging was already started");
        return;
    }
    let level = LogLevel::new(directive, move |filter| reload.reload(filter).map_err(|error| error.to_string()));
    let logging = Logging { style, level, export: slot };
    assert!(LOGGING.set(logging).is_ok(), "logging is started once");
}

/// The filter until the configuration is read.
fn from_environment() -> (EnvFilter, String) {
    let given = std::env::var(LEVEL_VARIABLE).ok().filter(|text| !text.is_empty());
    given
        .and_then(|text| EnvFilter::try_new(&text).ok().map(|filter| (filter, text)))
        .unwrap_or_else(|| (EnvFilter::new(LEVEL_DEFAULT), LEVEL_DEFAULT.to_owned()))
}

/// Goes by the configuration from now on: format, level, this server's id.
pub fn configure(config: &Config) {
    let Some(logging) = LOGGING.get() else { return };
    logging.style.set_format(config.settings.log_format);
    logging.style.set_sid(settings::own_sid(config));
    if std::env::var_os(LEVEL_VARIABLE).is_none_or(|text| text.is_empty())
        && let Err(error) = logging.level.set(&config.settings.log_level, None)
    {
        tracing::warn!("log.level: {error}");
    }
}

/// Begins to export, if the configuration or the environment names a collector. What a server does; other commands only log.
pub fn export(config: &Config) {
    if let Some(logging) = LOGGING.get() {
        logging.export.open(config);
    }
}

/// What changes the level of this process's log; `None` before [`start`].
#[must_use]
pub fn level() -> Option<&'static LogLevel> {
    LOGGING.get().map(|logging| &logging.level)
}

/// What became of spans and log lines for a collector; `None` where there is none.
#[must_use]
pub fn export_figures() -> Option<Arc<export::Figures>> {
    LOGGING.get()?.export.figures()
}

/// Sends the collector what waits for it, for a bounded time. Log lines are never waiting.
pub fn stop() {
    if let Some(logging) = LOGGING.get() {
        logging.export.close();
    }
}
