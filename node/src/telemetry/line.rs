//! A log line: text for people, or a JSON object for a collector of lines. Which of the two can change at any time.

use super::json;
use crate::config::LogFormat;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use wire::ServerId;

/// No server has this id.
const NO_SID: i64 = i64::MIN;

/// What lines look like now.
#[derive(Debug)]
pub(super) struct Style {
    is_json: AtomicBool,
    sid: AtomicI64,
}

impl Default for Style {
    fn default() -> Style {
        Style { is_json: AtomicBool::new(false), sid: AtomicI64::new(NO_SID) }
    }
}

impl Style {
    /// Lines have this format from now on.
    pub(super) fn set_format(&self, format: LogFormat) {
        self.is_json.store(format == LogFormat::Json, Relaxed);
    }

    /// JSON lines say from now on that this server writes them.
    pub(super) fn set_sid(&self, sid: ServerId) {
        self.sid.store(sid.0, Relaxed);
    }

    fn sid(&self) -> Option<ServerId> {
        Some(self.sid.load(Relaxed)).filter(|sid| *sid != NO_SID).map(ServerId)
    }
}

/// Writes events as lines.
pub(super) struct Line {
    style: Arc<Style>,
    text: Format<Compact>,
}

impl Line {
    pub(super) fn new(style: Arc<Style>) -> Line {
        Line { style, text: tracing_subscriber::fmt::format().compact().with_target(false) }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if !self.style.is_json.load(Relaxed) {
            return self.text.format_event(context, out, event);
        }
        let mut line = json::Line::of(self.style.sid());
        for span in context.event_scope().into_iter().flat_map(|spans| spans.from_root()) {
            let extensions = span.extensions();
            line.within(span.name(), extensions.get::<json::Fields>());
        }
        writeln!(out, "{}", line.finish(event)?)
    }
}

/// Keeps the fields of spans as JSON lines will want them.
pub(super) struct SpanFields;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanFields {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = json::Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<json::Fields>() {
            values.record(fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::io::Write;
    use std::sync::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What `work` logs in this style.
    fn logged(style: &Arc<Style>, work: impl FnOnce()) -> String {
        let output = Output::default();
        let writer = output.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .event_format(Line::new(style.clone()));
        let subscriber = tracing_subscriber::registry().with(SpanFields).with(lines);
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(output.0.lock().unwrap().clone()).unwrap()
    }

    fn json_style(sid: i64) -> Arc<Style> {
        let style = Arc::new(Style::default());
        style.set_format(LogFormat::Json);
        style.set_sid(ServerId(sid));
        style
    }

    fn one(text: &str) -> Value {
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_json_line_has_everything_in_one_flat_object() {
        let text = logged(&json_style(3), || {
            let span = tracing::info_span!("client", session = "0x1", epoch = tracing::field::Empty);
            span.record("epoch", 7);
            let _entered = span.enter();
            tracing::warn!(zxid = %wire::Zxid(16), bytes = 12_u64, ok = true, share = 0.5, "a \"word\"\nmore");
        });
        let line = one(&text);
        let expected = [
            ("level", "WARN".into()),
            ("message", "a \"word\"\nmore".into()),
            ("sid", 3.into()),
            ("span", "client".into()),
            ("session", "0x1".into()),
            ("epoch", 7.into()),
            ("zxid", "0x10".into()),
            ("bytes", 12.into()),
            ("ok", true.into()),
            ("share", 0.5.into()),
        ];
        for (name, value) in expected {
            let value: Value = value;
            assert_eq!(line[name], value, "{name} in {text}");
        }
        assert!(line["target"].as_str().unwrap().ends_with("telemetry::line::tests"), "{text}");
        assert_eq!(line["thread"].as_str(), std::thread::current().name());
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(timestamp.len() == "2026-01-02T03:04:05.678Z".len() && timestamp.ends_with('Z'), "{timestamp}");
    }

    #[test]
    fn a_field_with_the_name_of_a_fixed_one_keeps_its_value_beside_it() {
        let text = logged(&json_style(3), || {
            let span = tracing::info_span!("outer", peer = 1, sid = 8);
            let _entered = span.enter();
            let inner = tracing::info_span!("inner", peer = 2);
            let _within = inner.enter();
            tracing::info!(level = "high", "m");
        });
        let line = one(&text);
        assert_eq!((&line["sid"], &line["sid_"]), (&3.into(), &8.into()), "{text}");
        assert_eq!((&line["level"], &line["level_"]), (&"INFO".into(), &"high".into()), "{text}");
        assert_eq!(line["peer"], 2, "the innermost counts: {text}");
        assert_eq!(text.matches("\"peer\"").count(), 1, "{text}");
        assert_eq!(line["span"], "outer:inner");
    }

    #[test]
    fn numbers_that_json_has_no_room_for_become_text() {
        let text = logged(&json_style(1), || {
            tracing::info!(nan = f64::NAN, small = 5_u128, large = u128::MAX, negative = i64::MIN, "m");
        });
        let line = one(&text);
        assert_eq!((&line["nan"], &line["small"]), (&"NaN".into(), &5.into()), "{text}");
        assert_eq!((&line["large"], &line["negative"]), (&u128::MAX.to_string().into(), &i64::MIN.into()), "{text}");
    }

    #[test]
    fn the_format_can_change_between_two_lines() {
        let style = Arc::new(Style::default());
        let text = logged(&style, || {
            tracing::info!(zxid = 1, "before");
            style.set_format(LogFormat::Json);
            tracing::info!(zxid = 2, "after");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("INFO before zxid=1"), "{text}");
        let after: Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!((&after["message"], &after["zxid"]), (&"after".into(), &2.into()));
        assert!(after.get("sid").is_none(), "nobody has said yet whose line it is: {text}");
    }
}
