//! What another server answers to `mntr`, as families: for an engine that publishes nothing itself.

use super::families;
use prometheus::proto::MetricFamily;

/// The families of an answer.
#[must_use]
pub fn families(answer: &str) -> Vec<MetricFamily> {
    let lines = || answer.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'));
    let numbers = lines().filter(|(name, _)| is_name(name));
    let numbers = numbers.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect::<Vec<_>>();
    let find = |wanted: &str| lines().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
    families::of_mntr(&numbers, find("server_state"), find("version"))
}

/// Some of Apache's have a label in their name.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::exposition::Format;
    use super::*;

    #[test]
    fn the_answer_of_apaches_mntr_is_read() {
        let answer = "zk_version\t3.8.0-, built on a day\nzk_server_state\tfollower\nzk_znode_count\t5\n\
                      zk_avg_latency\t0.5\nzk_cnt_{x}_y\t1\nzk_cnt_fsynctime\t2\nzk_sum_fsynctime\t9\nnonsense\n";
        let text = Format::Text.write(&families(answer)).unwrap();
        assert!(text.contains("\nznode_count 5\n") && text.contains("\navg_latency 0.5\n"), "{text}");
        assert!(text.contains("fsynctime_sum 9\nfsynctime_count 2\n") && !text.contains("{x}"), "{text}");
        assert!(text.contains("state=\"follower\"} 1") && text.contains("version=\"3.8.0-, built"), "{text}");
    }
}
