//! Figures in Prometheus' text format.
//!
//! The names are those of Apache's Prometheus provider, which are those of `mntr` without their prefix, so that dashboards
//! made for Apache go on working; what only we have begins with `zookube_`.

use crate::four_letter::text::{Metric, put};
use std::fmt::Write as _;

/// What the format is called on the wire.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Figures that only grow, as Apache has them.
const COUNTERS: &[&str] = &[
    "bytes_received_count",
    "cnxn_closed_without_zk_server_running",
    "commit_count",
    "connection_rejected",
    "connection_request_count",
    "connection_revalidate_count",
    "diff_count",
    "digest_mismatches_count",
    "epoch_roll_over_count",
    "looking_count",
    "proposal_count",
    "refused_for_memory_count",
    "sessionless_connections_expired",
    "snap_count",
    "stale_sessions_expired",
];
/// Figures that Apache does not have.
const OURS: &[&str] = &[
    "epoch_roll_over_count",
    "max_cversion",
    "max_data_version",
    "memory_growth_limit_bytes",
    "memory_is_short",
    "memory_limit_bytes",
    "memory_used_bytes",
    "refused_for_memory_count",
    "zxid_counter_used_ratio",
];
/// The modes of a server, one of which it is in.
const MODES: &[&str] = &["standalone", "leader", "follower", "observer", "read-only", "looking"];

/// The figures of our own server.
#[must_use]
pub fn of_figures(figures: &[(&str, Metric)], mode: &str, version: &str) -> String {
    let numbers = figures.iter().filter_map(|(name, metric)| match metric {
        Metric::Integer(value) => Some((*name, value.to_string())),
        Metric::Real(value) => Some((*name, value.to_string())),
        Metric::Text(_) => None,
    });
    let mut text = samples(numbers.collect());
    put_state(&mut text, mode, version);
    text
}

/// The figures in the answer of another server to `mntr`.
#[must_use]
pub fn of_mntr(answer: &str) -> String {
    let lines = || answer.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'));
    let numbers = lines().filter(|(name, value)| is_name(name) && value.parse::<f64>().is_ok());
    let mut text = samples(numbers.map(|(name, value)| (name, value.to_owned())).collect());
    let find = |wanted: &str| lines().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
    put_state(&mut text, find("server_state"), find("version"));
    text
}

/// Some of Apache's have a label in their name.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn samples(figures: Vec<(&str, String)>) -> String {
    let mut text = String::new();
    for (name, value) in &figures {
        // What mntr splits into cnt_x and sum_x is one summary here; avg_x and its like are gauges of their own.
        if let Some(base) = name.strip_prefix("cnt_") {
            put!(text, "# TYPE {base} summary\n{base}_count {value}\n");
            if let Some((_, sum)) = figures.iter().find(|(other, _)| other.strip_prefix("sum_") == Some(base)) {
                put!(text, "{base}_sum {sum}\n");
            }
        } else if !name.starts_with("sum_") {
            let kind = if COUNTERS.contains(name) { "counter" } else { "gauge" };
            let prefix = if OURS.contains(name) { "zookube_" } else { "" };
            put!(text, "# TYPE {prefix}{name} {kind}\n{prefix}{name} {value}\n");
        }
    }
    text
}

fn put_state(text: &mut String, mode: &str, version: &str) {
    text.push_str("# TYPE zookube_server_state gauge\n");
    for state in MODES {
        put!(text, "zookube_server_state{{state=\"{state}\"}} {}\n", u8::from(*state == mode));
    }
    let version = version.replace(['"', '\\', '\n'], "");
    put!(text, "# TYPE zookube_build_info gauge\nzookube_build_info{{version=\"{version}\"}} 1\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_apaches_names_and_kinds() {
        let figures = [
            ("version", Metric::Text("3.9.5".to_owned())),
            ("znode_count", Metric::Integer(5)),
            ("avg_latency", Metric::Real(0.25)),
            ("commit_count", Metric::Integer(7)),
            ("cnt_fsynctime", Metric::Integer(3)),
            ("sum_fsynctime", Metric::Integer(12)),
            ("memory_used_bytes", Metric::Integer(100)),
        ];
        let text = of_figures(&figures, "leader", "3.9.5-zookube");
        assert_eq!(
            text,
            "# TYPE znode_count gauge\nznode_count 5\n\
             # TYPE avg_latency gauge\navg_latency 0.25\n\
             # TYPE commit_count counter\ncommit_count 7\n\
             # TYPE fsynctime summary\nfsynctime_count 3\nfsynctime_sum 12\n\
             # TYPE zookube_memory_used_bytes gauge\nzookube_memory_used_bytes 100\n\
             # TYPE zookube_server_state gauge\n\
             zookube_server_state{state=\"standalone\"} 0\nzookube_server_state{state=\"leader\"} 1\n\
             zookube_server_state{state=\"follower\"} 0\nzookube_server_state{state=\"observer\"} 0\n\
             zookube_server_state{state=\"read-only\"} 0\n\
             zookube_server_state{state=\"looking\"} 0\n\
             # TYPE zookube_build_info gauge\nzookube_build_info{version=\"3.9.5-zookube\"} 1\n"
        );
    }

    #[test]
    fn the_answer_of_apaches_mntr_is_read() {
        let answer = "zk_version\t3.8.0-, built on a day\nzk_server_state\tfollower\nzk_znode_count\t5\n\
                      zk_avg_latency\t0.5\nzk_cnt_{x}_y\t1\nzk_cnt_fsynctime\t2\nzk_sum_fsynctime\t9\nnonsense\n";
        let text = of_mntr(answer);
        assert!(text.contains("znode_count 5\n") && text.contains("avg_latency 0.5\n"), "{text}");
        assert!(text.contains("fsynctime_count 2\nfsynctime_sum 9\n") && !text.contains("{x}"), "{text}");
        assert!(text.contains("state=\"follower\"} 1") && text.contains("version=\"3.8.0-, built"), "{text}");
    }
}
