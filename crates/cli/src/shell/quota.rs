//! Quotas: the nodes that hold them and the text in those (`Quotas`, `StatsTrack`).

use std::collections::BTreeMap;
use std::fmt;

/// Where quotas are kept.
pub const QUOTA_ROOT: &str = "/zookeeper/quota";
/// The node with the limits of a path, below its place there.
pub const LIMITS: &str = "zookeeper_limits";
/// The node with what is used.
const STATS: &str = "zookeeper_stats";

/// The four numbers of a quota, or of what is used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Number {
    /// Znodes, soft limit.
    Count,
    /// Bytes of data, soft limit.
    Bytes,
    /// Znodes, hard limit.
    CountHardLimit,
    /// Bytes of data, hard limit.
    ByteHardLimit,
}

impl Number {
    /// By the letter of the option.
    #[must_use]
    pub fn of_option(option: &str) -> Option<Number> {
        match option {
            "n" => Some(Number::Count),
            "b" => Some(Number::Bytes),
            "N" => Some(Number::CountHardLimit),
            "B" => Some(Number::ByteHardLimit),
            _ => None,
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Number::Count => "count",
            Number::Bytes => "bytes",
            Number::CountHardLimit => "countHardLimit",
            Number::ByteHardLimit => "byteHardLimit",
        }
    }
}

/// The text of a node of quotas, `count=4,bytes=5=;byteHardLimit=10;countHardLimit=3`; a number that is not there reads as -1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Track(BTreeMap<String, i64>);

impl Track {
    /// Limits of which none is set.
    #[must_use]
    pub fn unlimited() -> Track {
        let keys = [Number::Count, Number::Bytes, Number::CountHardLimit, Number::ByteHardLimit];
        Track(keys.into_iter().map(|number| (number.key().to_owned(), -1)).collect())
    }

    /// Nothing used.
    #[must_use]
    pub fn unused() -> Track {
        Track([(Number::Count.key().to_owned(), 0), (Number::Bytes.key().to_owned(), 0)].into())
    }

    /// Reads the text.
    ///
    /// # Errors
    /// The part that is not `name=number`.
    pub fn read(text: &str) -> Result<Track, String> {
        let parts = text.split([',', ';']).filter(|part| !part.is_empty());
        let pair = |part: &str| {
            let mut fields = part.split('=');
            let (key, number) = fields.next().zip(fields.next()).ok_or_else(|| part.to_owned())?;
            let number = if number.is_empty() { -1 } else { number.parse().map_err(|_| part.to_owned())? };
            Ok((key.to_owned(), number))
        };
        parts.map(pair).collect::<Result<_, String>>().map(Track)
    }

    /// A number; -1 if there is none.
    #[must_use]
    pub fn get(&self, number: Number) -> i64 {
        self.0.get(number.key()).copied().unwrap_or(-1)
    }

    /// Sets a number.
    pub fn set(&mut self, number: Number, value: i64) {
        self.0.insert(number.key().to_owned(), value);
    }

    /// Whether what is used is more than a soft or a hard limit: of znodes, of bytes.
    #[must_use]
    pub fn exceeded_by(&self, used: &Track) -> (bool, bool) {
        let is_over = |limit: Number, of: Number| self.get(limit) > -1 && self.get(limit) < used.get(of);
        (
            is_over(Number::Count, Number::Count) || is_over(Number::CountHardLimit, Number::Count),
            is_over(Number::Bytes, Number::Bytes) || is_over(Number::ByteHardLimit, Number::Bytes),
        )
    }
}

/// `StatsTrack.toString`, with the sign that keeps parsers of 3.4 from reading what they do not know.
impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "count={},bytes={}", self.get(Number::Count), self.get(Number::Bytes))?;
        let others = self.0.iter().filter(|(key, _)| !["count", "bytes"].contains(&key.as_str()));
        others.enumerate().try_for_each(|(at, (key, value))| {
            let sign = if at == 0 { "=" } else { "" };
            write!(f, "{sign};{key}={value}")
        })
    }
}

/// The node with the limits of a path (`Quotas.limitPath`).
#[must_use]
pub fn limit_path(path: &str) -> String {
    format!("{QUOTA_ROOT}{path}/{LIMITS}")
}

/// The node with what is used of it (`Quotas.statPath`).
#[must_use]
pub fn stat_path(path: &str) -> String {
    format!("{QUOTA_ROOT}{path}/{STATS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_read_and_written() {
        for text in ["count=4,bytes=5", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3"] {
            assert_eq!(Track::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Track::unlimited().to_string(), "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=-1");
        assert_eq!(Track::unused().to_string(), "count=0,bytes=0");
        assert_eq!(Track::read("count=,bytes=1").unwrap().to_string(), "count=-1,bytes=1");
        assert_eq!(Track::read("count=x"), Err("count=x".to_owned()));
        assert_eq!(Track::read("count"), Err("count".to_owned()));
    }

    #[test]
    fn limits_are_exceeded() {
        let mut limits = Track::unlimited();
        let used = Track::read("count=5,bytes=7").unwrap();
        assert_eq!(limits.exceeded_by(&used), (false, false));
        limits.set(Number::Count, 5);
        limits.set(Number::ByteHardLimit, 6);
        assert_eq!(limits.exceeded_by(&used), (false, true));
    }
}
