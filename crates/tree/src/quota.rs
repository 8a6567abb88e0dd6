//! Quotas: the text in limit and statistics nodes, and which paths have one (`StatsTrack`, `Quotas`, `PathTrie`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Where quota nodes live.
pub const QUOTA_PATH: &str = "/zookeeper/quota";
/// The name of a node that sets limits.
pub const LIMITS: &str = "zookeeper_limits";
/// The name of a node that counts what is there.
pub const STATS: &str = "zookeeper_stats";

/// The node with a path's limits.
#[must_use]
pub fn limits_path(path: &str) -> String {
    format!("{QUOTA_PATH}{path}/{LIMITS}")
}

/// The node with a path's statistics.
#[must_use]
pub fn stats_path(path: &str) -> String {
    format!("{QUOTA_PATH}{path}/{STATS}")
}

/// The numbers that limit nodes hold; statistics nodes have the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Znodes: the soft limit, or how many there are.
    Count,
    /// Bytes of data: the soft limit, or how many there are.
    Bytes,
    /// The hard limit of znodes.
    CountHardLimit,
    /// The hard limit of bytes.
    ByteHardLimit,
}

impl Number {
    const ALL: [Number; 4] = [Number::Count, Number::Bytes, Number::CountHardLimit, Number::ByteHardLimit];

    const fn key(self) -> &'static str {
        match self {
            Number::Count => "count",
            Number::Bytes => "bytes",
            Number::CountHardLimit => "countHardLimit",
            Number::ByteHardLimit => "byteHardLimit",
        }
    }
}

/// Numbers by name, as limit and statistics nodes hold them. What is not set reads as -1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsTrack {
    values: BTreeMap<String, i64>,
}

impl StatsTrack {
    /// Reads a node's data: pairs between runs of `,` and `;`.
    ///
    /// # Errors
    /// The part that is not `name=number`, where Apache's parser would throw; it is empty where the text begins with a separator.
    pub fn parse(data: &[u8]) -> Result<StatsTrack, String> {
        let text = String::from_utf8_lossy(data);
        let text = text.trim_end_matches([',', ';']);
        if text.starts_with([',', ';']) {
            return Err(String::new());
        }
        let mut track = StatsTrack::default();
        for part in text.split([',', ';']).filter(|part| !part.is_empty()) {
            let (key, value) = pair(part).ok_or_else(|| part.to_owned())?;
            track.values.insert(key.to_owned(), value);
        }
        Ok(track)
    }

    /// What [`crate::Tree`] writes into a statistics node.
    #[must_use]
    pub fn of(count: i64, bytes: i64) -> StatsTrack {
        let mut track = StatsTrack::default();
        track.set(Number::Count, count);
        track.set(Number::Bytes, bytes);
        track
    }

    /// Limits of which none is set.
    #[must_use]
    pub fn unlimited() -> StatsTrack {
        StatsTrack { values: Number::ALL.map(|number| (number.key().to_owned(), -1)).into() }
    }

    /// A number; -1 if it is not set.
    #[must_use]
    pub fn get(&self, number: Number) -> i64 {
        self.values.get(number.key()).copied().unwrap_or(-1)
    }

    /// Sets a number.
    pub fn set(&mut self, number: Number, value: i64) {
        self.values.insert(number.key().to_owned(), value);
    }

    /// Znodes: the soft limit, or how many there are.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.get(Number::Count)
    }

    /// Bytes of data: the soft limit, or how many there are.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        self.get(Number::Bytes)
    }

    /// The hard limit of znodes.
    #[must_use]
    pub fn count_hard_limit(&self) -> i64 {
        self.get(Number::CountHardLimit)
    }

    /// The hard limit of bytes.
    #[must_use]
    pub fn byte_hard_limit(&self) -> i64 {
        self.get(Number::ByteHardLimit)
    }

    /// Adds to count and bytes.
    pub fn add(&mut self, count: i64, bytes: i64) {
        self.set(Number::Count, self.count().wrapping_add(count));
        self.set(Number::Bytes, self.bytes().wrapping_add(bytes));
    }
}

/// One `name=number`.
fn pair(part: &str) -> Option<(&str, i64)> {
    let mut fields = part.split('=');
    let key = fields.next()?;
    // Java's split drops empty fields at the end: `bytes=` has one field and makes it throw, `bytes==1` has an empty second one,
    // which means -1.
    let rest: Vec<&str> = fields.collect();
    match *rest.first().filter(|_| rest.iter().any(|field| !field.is_empty()))? {
        "" => Some((key, -1)),
        digits => Some((key, digits.parse().ok()?)),
    }
}

/// The text of a node, with the `=` that Apache puts between the two kinds of limits (`StatsTrack.toString`).
impl fmt::Display for StatsTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "count={},bytes={}", self.count(), self.bytes())?;
        let others = self.values.iter().filter(|(key, _)| !matches!(key.as_str(), "count" | "bytes"));
        others.enumerate().try_for_each(|(at, (key, value))| {
            let sign = if at == 0 { "=" } else { "" };
            write!(f, "{sign};{key}={value}")
        })
    }
}

/// The paths that have limits.
#[derive(Debug, Default)]
pub(crate) struct QuotaPaths {
    paths: BTreeSet<String>,
}

impl QuotaPaths {
    pub(crate) fn add(&mut self, path: &str) {
        if let Some(path) = tidy(path) {
            self.paths.insert(path);
        }
    }

    pub(crate) fn remove(&mut self, path: &str) {
        if let Some(path) = tidy(path) {
            self.paths.remove(&path);
        }
    }

    /// The longest path with limits that `path` is or lies below (`DataTree.getMaxPrefixWithQuota`). One on the root does
    /// not count.
    pub(crate) fn longest_prefix(&self, path: &str) -> Option<&str> {
        if self.paths.is_empty() {
            return None;
        }
        let tidied = tidy(path)?;
        let mut prefix = tidied.as_str();
        while !prefix.is_empty() {
            if let Some(found) = self.paths.get(prefix) {
                return Some(found);
            }
            prefix = &prefix[..prefix.rfind('/')?];
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }
}

/// A path without its blank segments, which `PathTrie.split` skips. `None` for the root.
fn tidy(path: &str) -> Option<String> {
    let mut tidied = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.trim_matches(|c| c <= ' ').is_empty()) {
        tidied.push('/');
        tidied.push_str(segment);
    }
    if tidied.is_empty() { None } else { Some(tidied) }
}

/// How much of a quota is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUsage {
    /// The path.
    pub path: String,
    /// Its limits.
    pub limits: StatsTrack,
    /// What is there.
    pub used: StatsTrack,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(
                StatsTrack::parse(text.as_bytes()).ok().map(|track| track.to_string()).as_deref(),
                expected,
                "{text:?}"
            );
        };
        check("", Some("count=-1,bytes=-1"));
        check("count=4,bytes=5", Some("count=4,bytes=5"));
        let hard = "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2";
        check(hard, Some(hard));
        check("count=1;bytes==7", Some("count=1,bytes=-1"));
        check("count=1,,;bytes=2;", Some("count=1,bytes=2"));
        check("count=", None);
        check("count", None);
        check(",count=1", None);
        check("count=x", None);
        check(",", Some("count=-1,bytes=-1"));
        let hard = StatsTrack::parse(hard.as_bytes()).unwrap();
        assert_eq!((hard.count_hard_limit(), hard.byte_hard_limit(), hard.count()), (2, -1, -1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(StatsTrack::parse(b"count=1,bytes=many"), Err("bytes=many".to_owned()));
        assert_eq!(StatsTrack::parse(b";count=1"), Err(String::new()));
        assert_eq!(StatsTrack::unlimited().to_string(), "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=-1");
        assert_eq!(StatsTrack::of(0, 0).to_string(), "count=0,bytes=0");
    }

    #[test]
    fn prefixes() {
        let mut paths = QuotaPaths::default();
        assert_eq!(paths.longest_prefix("/a"), None);
        paths.add("/a");
        paths.add("/a/b/c");
        paths.add("");
        let check = |path: &str, expected: Option<&str>| assert_eq!(paths.longest_prefix(path), expected, "{path}");
        check("/a", Some("/a"));
        check("/a/b", Some("/a"));
        check("/a/b/c", Some("/a/b/c"));
        check("/a/b/c/d", Some("/a/b/c"));
        check("/ab", None);
        check("/", None);
    }
}
