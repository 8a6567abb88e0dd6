//! A log line as one flat JSON object: when, how bad, what, by whom, then the fields of the spans around it and its own.

use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use std::fmt;
use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use wire::ServerId;

/// The names that every line gives a fixed meaning. A field of such a name gets an underscore behind it.
const FIXED: [(&str, &str); 7] = [
    ("timestamp", "timestamp_"),
    ("level", "level_"),
    ("message", "message_"),
    ("target", "target_"),
    ("thread", "thread_"),
    ("sid", "sid_"),
    ("span", "span_"),
];
/// The field that tracing keeps the text of an event in.
const MESSAGE: &str = "message";
/// How long a time is up to its milliseconds: `2026-01-02T03:04:05.678`.
const TO_MS_BYTES: usize = 23;

/// Fields with their values, each name once.
#[derive(Debug, Default)]
pub(super) struct Fields {
    message: Option<String>,
    values: Vec<(&'static str, Value)>,
}

impl Fields {
    fn put(&mut self, name: &'static str, value: Value) {
        let name = FIXED.iter().find(|(fixed, _)| *fixed == name).map_or(name, |(_, beside)| *beside);
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.values.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        let number = serde_json::Number::from_f64(value);
        self.put(field.name(), number.map_or_else(|| value.to_string().into(), Value::Number));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field.name(), u64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field.name(), i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => self.message = Some(value.to_owned()),
            name => self.put(name, value.into()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A line that is being put together.
pub(super) struct Line {
    sid: Option<ServerId>,
    spans: String,
    fields: Fields,
}

impl Line {
    /// Begins a line of this server.
    pub(super) fn of(sid: Option<ServerId>) -> Line {
        Line { sid, spans: String::new(), fields: Fields::default() }
    }

    /// The event happened within this span; the outermost is told first.
    pub(super) fn within(&mut self, name: &str, fields: Option<&Fields>) {
        if !self.spans.is_empty() {
            self.spans.push(':');
        }
        self.spans.push_str(name);
        for (name, value) in fields.into_iter().flat_map(|fields| &fields.values) {
            self.fields.put(name, value.clone());
        }
    }

    /// The object, without an end of line.
    pub(super) fn finish(mut self, event: &Event<'_>) -> Result<String, fmt::Error> {
        event.record(&mut self.fields);
        let mut bytes = Vec::with_capacity(256);
        self.write(event, &mut bytes).map_err(|_| fmt::Error)?;
        String::from_utf8(bytes).map_err(|_| fmt::Error)
    }

    fn write(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let metadata = event.metadata();
        let mut serializer = serde_json::Serializer::new(out);
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("timestamp", &timestamp())?;
        object.serialize_entry("level", metadata.level().as_str())?;
        object.serialize_entry(MESSAGE, self.fields.message.as_deref().unwrap_or_default())?;
        object.serialize_entry("target", metadata.target())?;
        if let Some(name) = std::thread::current().name() {
            object.serialize_entry("thread", name)?;
        }
        if let Some(sid) = self.sid {
            object.serialize_entry("sid", &sid.0)?;
        }
        if !self.spans.is_empty() {
            object.serialize_entry("span", &self.spans)?;
        }
        for (name, value) in &self.fields.values {
            object.serialize_entry(name, value)?;
        }
        object.end()
    }
}

/// RFC 3339, UTC, to the millisecond.
fn timestamp() -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text.truncate(TO_MS_BYTES);
    text.push('Z');
    text
}
