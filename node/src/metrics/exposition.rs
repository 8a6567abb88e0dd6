//! Families as text: in Prometheus' own format, or as OpenMetrics.

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use std::fmt::Write as _;

use crate::four_letter::text::put;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What a client wants that sends this header `Accept`: the first of the two that it names, and text where it names none.
    #[must_use]
    pub fn wanted(accept: Option<&str>) -> Format {
        let mut types =
            accept.unwrap_or_default().split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        match types.find(|kind| matches!(*kind, "application/openmetrics-text" | "text/plain")) {
            Some("application/openmetrics-text") => Format::OpenMetrics,
            _ => Format::Text,
        }
    }

    /// What the answer is called.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes families.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn write(self, families: &[MetricFamily]) -> Result<String, String> {
        match self {
            Format::Text => {
                let mut bytes = Vec::new();
                TextEncoder::new().encode(families, &mut bytes).map_err(|error| error.to_string())?;
                String::from_utf8(bytes).map_err(|error| error.to_string())
            }
            Format::OpenMetrics => Ok(open_metrics(families)),
        }
    }
}

/// The `prometheus` crate has no such encoder.
fn open_metrics(families: &[MetricFamily]) -> String {
    let mut text = String::new();
    for family in families {
        let kind = family.get_field_type();
        // Here the samples of a counter end in _total, and its family does not. Apache's end otherwise, and keep their names: rules
        // that were made for them go by those.
        let total = family.name().strip_suffix("_total").filter(|_| kind == MetricType::COUNTER);
        let name = total.unwrap_or(family.name());
        let word = match kind {
            MetricType::COUNTER if total.is_none() => "unknown",
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::SUMMARY => "summary",
            MetricType::HISTOGRAM => "histogram",
            MetricType::UNTYPED => "unknown",
        };
        put!(text, "# TYPE {name} {word}\n# HELP {name} {}\n", escaped(family.help()));
        for metric in family.get_metric() {
            put_samples(&mut text, name, if total.is_some() { "_total" } else { "" }, kind, metric);
        }
    }
    text.push_str("# EOF\n");
    text
}

fn put_samples(text: &mut String, name: &str, total: &str, kind: MetricType, metric: &Metric) {
    let labels = metric.get_label();
    match kind {
        MetricType::COUNTER => put_sample(text, name, total, labels, None, metric.get_counter().get_value()),
        MetricType::GAUGE | MetricType::UNTYPED => {
            put_sample(text, name, "", labels, None, metric.get_gauge().get_value());
        }
        MetricType::SUMMARY => {
            let summary = metric.get_summary();
            for quantile in summary.get_quantile() {
                put_sample(text, name, "", labels, Some(("quantile", quantile.quantile())), quantile.value());
            }
            put_sample(text, name, "_count", labels, None, summary.sample_count() as f64);
            put_sample(text, name, "_sum", labels, None, summary.sample_sum());
        }
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            for bucket in histogram.get_bucket() {
                let bound = Some(("le", bucket.upper_bound()));
                put_sample(text, name, "_bucket", labels, bound, bucket.cumulative_count() as f64);
            }
            let count = histogram.get_sample_count() as f64;
            put_sample(text, name, "_bucket", labels, Some(("le", f64::INFINITY)), count);
            put_sample(text, name, "_count", labels, None, count);
            put_sample(text, name, "_sum", labels, None, histogram.get_sample_sum());
        }
    }
}

fn put_sample(
    text: &mut String,
    name: &str,
    suffix: &str,
    labels: &[LabelPair],
    more: Option<(&str, f64)>,
    value: f64,
) {
    put!(text, "{name}{suffix}");
    let mut before = '{';
    for label in labels {
        put!(text, "{before}{}=\"{}\"", label.name(), escaped(label.value()));
        before = ',';
    }
    if let Some((name, value)) = more {
        put!(text, "{before}{name}=\"{}\"", number(value));
        before = ',';
    }
    if before == ',' {
        text.push('}');
    }
    put!(text, " {}\n", number(value));
}

/// As OpenMetrics writes what is no number.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::proto;

    fn counter(name: &str) -> MetricFamily {
        let mut value = proto::Counter::default();
        value.set_value(3.0);
        let mut metric = Metric::from_label(vec![]);
        metric.set_counter(value);
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help("of \"what\"\nis".to_owned());
        family.set_field_type(MetricType::COUNTER);
        family.set_metric(vec![metric]);
        family
    }

    fn histogram() -> MetricFamily {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(0.5);
        bucket.set_cumulative_count(1);
        let mut value = proto::Histogram::default();
        value.set_bucket(vec![bucket]);
        value.set_sample_count(2);
        value.set_sample_sum(1.25);
        let mut label = LabelPair::default();
        label.set_name("role".to_owned());
        label.set_value("leader".to_owned());
        let mut metric = Metric::from_label(vec![label]);
        metric.set_histogram(value);
        let mut family = MetricFamily::default();
        family.set_name("x_seconds".to_owned());
        family.set_help("x".to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        family
    }

    #[test]
    fn open_metrics_keeps_apaches_names_too_and_ends_in_eof() {
        assert_eq!(
            Format::OpenMetrics.write(&[counter("commit_count"), counter("x_total"), histogram()]).unwrap(),
            "# TYPE commit_count unknown\n# HELP commit_count of \\\"what\\\"\\nis\ncommit_count 3\n\
             # TYPE x counter\n# HELP x of \\\"what\\\"\\nis\nx_total 3\n\
             # TYPE x_seconds histogram\n# HELP x_seconds x\n\
             x_seconds_bucket{role=\"leader\",le=\"0.5\"} 1\nx_seconds_bucket{role=\"leader\",le=\"+Inf\"} 2\n\
             x_seconds_count{role=\"leader\"} 2\nx_seconds_sum{role=\"leader\"} 1.25\n# EOF\n"
        );
    }

    #[test]
    fn text_keeps_apaches_names() {
        let text = Format::Text.write(&[counter("commit_count")]).unwrap();
        assert!(text.ends_with("# TYPE commit_count counter\ncommit_count 3\n"), "{text}");
    }

    #[test]
    fn whoever_accepts_open_metrics_first_gets_it() {
        let check = |accept: &str, format: Format| assert_eq!(Format::wanted(Some(accept)), format, "{accept}");
        check(
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        );
        check("text/plain;version=0.0.4, application/openmetrics-text", Format::Text);
        check("*/*", Format::Text);
        assert_eq!(Format::wanted(None), Format::Text);
    }
}
