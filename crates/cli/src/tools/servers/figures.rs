//! What a server says of itself, in figures by their names: `mntr`, `srvr`, `conf`, pages of the admin port, `/metrics`.
//!
//! Pure. The bytes come from anywhere: what cannot be read is absent, never an error and never a panic.

use serde_json::Value;
use std::collections::BTreeMap;

/// Figures by name, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures(BTreeMap<String, String>);

impl Figures {
    /// `mntr`: `zk_NAME<tab>VALUE`; the prefix is left out.
    #[must_use]
    pub fn of_mntr(text: &str) -> Figures {
        let pair = |line: &str| {
            let (name, value) = line.strip_prefix("zk_")?.split_once('\t')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        Figures(text.lines().filter_map(pair).collect())
    }

    /// `srvr`: `Name: value`.
    #[must_use]
    pub fn of_srvr(text: &str) -> Figures {
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Figures(text.lines().filter_map(pair).collect())
    }

    /// `conf`: `name=value`.
    #[must_use]
    pub fn of_conf(text: &str) -> Figures {
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Figures(text.lines().filter_map(pair).collect())
    }

    /// The numbers, texts and truth values of a JSON object; what is nested is left out.
    #[must_use]
    pub fn of_json(page: &Value) -> Figures {
        let pair = |(name, value): (&String, &Value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => return None,
            };
            Some((name.clone(), text))
        };
        Figures(page.as_object().into_iter().flatten().filter_map(pair).collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A figure as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A figure as a finite number.
    #[must_use]
    pub fn real(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A figure as a whole number of at least 0. `mntr` of 3.5 writes some with a fraction.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        text.parse().ok().or_else(|| self.real(name).filter(|number| *number >= 0.0).map(|number| number as u64))
    }

    /// How many observations a summary has seen: under the name of Apache's provider without a port, or of its Prometheus one.
    #[must_use]
    pub fn observations(&self, summary: &str) -> Option<u64> {
        self.count(&format!("cnt_{summary}")).or_else(|| self.count(&format!("{summary}_count")))
    }

    /// A quantile of a summary, ms: 0.5 is `p50_NAME`, or `NAME{quantile="0.5"}`.
    #[must_use]
    pub fn quantile(&self, summary: &str, quantile: f64) -> Option<f64> {
        let of_default = || self.real(&format!("p{:.0}_{summary}", quantile * 100.0));
        of_default().or_else(|| self.real(&format!("{summary}{{quantile=\"{quantile}\"}}")))
    }
}

/// A line of Prometheus' text format.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// The name.
    pub name: &'a str,
    /// What stands in the braces.
    labels: &'a str,
    /// The value.
    pub value: f64,
}

impl Line<'_> {
    /// A label's value; ours have no quotes inside.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut pairs = self.labels.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim_matches('"'))
    }
}

/// The lines of a page of metrics whose name begins so.
pub fn metrics<'a>(page: &'a str, prefix: &'a str) -> impl Iterator<Item = Line<'a>> {
    page.lines().filter(move |line| line.starts_with(prefix)).filter_map(|line| {
        let (left, value) = line.rsplit_once(' ')?;
        let (name, labels) = left.split_once('{').map_or((left, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
        let value = value.parse().ok().filter(|value: &f64| value.is_finite())?;
        Some(Line { name, labels, value })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mntr_of_both_servers_is_read() {
        let figures =
            Figures::of_mntr("zk_version\t3.9.5-hash, built on a day\nzk_znode_count\t5\nzk_avg_latency\t0.5\nx\n");
        assert_eq!((figures.count("znode_count"), figures.real("avg_latency")), (Some(5), Some(0.5)));
        assert_eq!(figures.text("version"), Some("3.9.5-hash, built on a day"));
        assert_eq!(figures.count("x"), None);
        let prometheus = Figures::of_mntr("zk_readlatency{quantile=\"0.5\"}\t2.0\nzk_readlatency_count\t9.0\n");
        assert_eq!(
            (prometheus.quantile("readlatency", 0.5), prometheus.observations("readlatency")),
            (Some(2.0), Some(9))
        );
        let default = Figures::of_mntr("zk_p99_readlatency\t7\nzk_cnt_readlatency\t3\n");
        assert_eq!((default.quantile("readlatency", 0.99), default.observations("readlatency")), (Some(7.0), Some(3)));
    }

    #[test]
    fn nested_json_is_left_out() {
        let page = serde_json::json!({"a": 1, "b": {"c": 2}, "d": null, "e": true, "f": -3});
        let figures = Figures::of_json(&page);
        assert_eq!((figures.count("a"), figures.text("b"), figures.text("e")), (Some(1), None, Some("true")));
        assert_eq!(figures.count("f"), None, "less than nothing");
        assert!(Figures::of_json(&serde_json::json!([1])).is_empty());
    }

    #[test]
    fn a_page_of_metrics_is_read() {
        let page = "# HELP x y\nx_sum{phase=\"fsync\",role=\"leader\"} 0.25\nx_count 3\nx_bad{ 1\nx_nan NaN\n";
        let lines: Vec<_> = metrics(page, "x_").collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            (lines[0].name, lines[0].label("phase"), lines[0].label("role"), lines[0].value),
            ("x_sum", Some("fsync"), Some("leader"), 0.25)
        );
        assert_eq!((lines[1].name, lines[1].label("phase")), ("x_count", None));
    }

    proptest! {
        #[test]
        fn foreign_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let text = String::from_utf8_lossy(&bytes);
            for figures in [Figures::of_mntr(&text), Figures::of_srvr(&text), Figures::of_conf(&text)] {
                for name in figures.0.keys() {
                    let _ = (figures.count(name), figures.real(name), figures.quantile(name, 0.5));
                }
            }
            for line in metrics(&text, "") {
                prop_assert!(line.value.is_finite());
            }
        }
    }
}
