//! The kinds of values a key may have: how each is read from text, described in a message, and stored in a typed field.

use std::fmt;
use std::path::PathBuf;

use zab::quorum::MemberRole;

use super::growth_limit::GrowthLimit;
use crate::telemetry::directive;

/// What a key's value must look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number, decimal or `0x` hexadecimal, in this range.
    Int {
        /// Smallest value accepted.
        min: i64,
        /// Largest value accepted.
        max: i64,
    },
    /// A whole number; a smaller one than `floor` is replaced by `floor`, as in Apache, with a warning.
    AtLeast {
        /// Smallest value that has an effect.
        floor: i64,
    },
    /// `true` or `false`, in any case.
    Boolean,
    /// `yes` or `no`, in any case.
    YesNo,
    /// One of these words, in any case.
    OneOf(&'static [&'static str]),
    /// The path of a file or directory; not empty.
    Path,
    /// An amount of memory ([`GrowthLimit`]).
    Memory,
    /// A level of the log, for all or by part of the program ([`directive`]).
    LogLevel,
    /// Where a collector is: an HTTP address without TLS.
    Collector,
    /// The path of a URL, which begins with a slash and does not end in one; empty for none.
    UrlPath,
    /// Anything.
    Text,
}

/// A value that its kind accepted.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Int`] and [`Kind::AtLeast`].
    Int(i64),
    /// Of [`Kind::Boolean`] and [`Kind::YesNo`].
    Bool(bool),
    /// Of the other kinds; words of [`Kind::OneOf`] in the case of the table.
    Text(String),
}

/// A port a socket can be bound to.
pub(super) const PORT: Kind = Kind::Int { min: 1, max: 65535 };
/// Largest value of what Apache keeps in a Java `int`.
pub(super) const INT_MAX: i64 = i32::MAX as i64;
/// Zero or more.
pub(super) const COUNT: Kind = Kind::Int { min: 0, max: INT_MAX };
/// One or more.
pub(super) const POSITIVE: Kind = Kind::Int { min: 1, max: INT_MAX };
/// Zero or more, or -1 for "not set".
pub(super) const COUNT_OR_UNSET: Kind = Kind::Int { min: -1, max: INT_MAX };
/// Any Java `long`; a negative number switches the feature off.
pub(super) const LONG: Kind = Kind::Int { min: i64::MIN, max: i64::MAX };

impl Kind {
    /// Reads a trimmed value.
    ///
    /// # Errors
    /// The kind itself, to be displayed behind "expected".
    pub fn read(self, text: &str) -> Result<Value, Kind> {
        let value = match self {
            Kind::Int { min, max } => integer(text).filter(|n| (min..=max).contains(n)).map(Value::Int),
            Kind::AtLeast { .. } => integer(text).map(Value::Int),
            Kind::Boolean => word(text, &["true", "false"]).map(|word| Value::Bool(word == "true")),
            Kind::YesNo => word(text, &["yes", "no"]).map(|word| Value::Bool(word == "yes")),
            Kind::OneOf(words) => word(text, words).map(|word| Value::Text(word.to_owned())),
            Kind::Path => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Kind::Memory => GrowthLimit::parse(text).is_ok().then(|| Value::Text(text.to_owned())),
            Kind::LogLevel => directive::parse(text).is_ok().then(|| Value::Text(text.to_owned())),
            Kind::Collector => is_http(text).then(|| Value::Text(text.to_owned())),
            Kind::UrlPath => is_url_path(text).then(|| Value::Text(text.to_owned())),
            Kind::Text => Some(Value::Text(text.to_owned())),
        };
        value.ok_or(self)
    }
}

/// `Integer.decode` without its octal numbers: a leading zero means nothing here, as in `Integer.parseInt`.
fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => i64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}

fn is_url_path(text: &str) -> bool {
    let named = |rest: &str| rest.split('/').all(|name| !matches!(name, "" | "." | ".."));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    text.bytes().all(plain) && (text.is_empty() || text.strip_prefix('/').is_some_and(named))
}

fn word(text: &str, words: &'static [&'static str]) -> Option<&'static str> {
    words.iter().copied().find(|word| word.eq_ignore_ascii_case(text))
}

/// `http://` and a host.
fn is_http(text: &str) -> bool {
    text.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':', '?']))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Kind::Int { min: i64::MIN, max: i64::MAX } => f.write_str("a whole number"),
            Kind::Int { min, max } if min == max => write!(f, "{min}"),
            Kind::Int { min, max: INT_MAX | i64::MAX } => write!(f, "a whole number from {min}"),
            Kind::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Kind::AtLeast { floor } => write!(f, "a whole number, at least {floor}"),
            Kind::Boolean => f.write_str("true or false"),
            Kind::YesNo => f.write_str("yes or no"),
            Kind::OneOf(words) => {
                for (index, word) in words.iter().enumerate() {
                    let separator = match index {
                        0 => "",
                        _ if index + 1 == words.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{separator}{}", if word.is_empty() { "empty" } else { word })?;
                }
                Ok(())
            }
            Kind::Path => f.write_str("a path"),
            Kind::Memory => f.write_str("off, a share such as 80%, or a size such as 48m"),
            Kind::LogLevel => f.write_str("a level such as debug, or info,zab=debug"),
            Kind::Collector => f.write_str("an address such as http://collector:4318"),
            Kind::UrlPath => f.write_str("a path such as /commands, without a slash at its end"),
            Kind::Text => f.write_str("text"),
        }
    }
}

/// The type of a field in [`super::Settings`].
pub(super) trait Field: Sized {
    /// Stores a value of the key's kind; `None` where the table and the field disagree, which a test rules out.
    fn from_value(value: Value) -> Option<Self>;
    /// The field while the key is not set and has no default.
    fn unset() -> Option<Self> {
        None
    }
}

impl Field for i64 {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Int(n) = value { Some(n) } else { None }
    }
}

impl Field for u16 {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Int(n) = value { n.try_into().ok() } else { None }
    }
}

impl Field for bool {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Bool(b) = value { Some(b) } else { None }
    }
}

impl Field for String {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }
}

impl Field for PathBuf {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.into()) } else { None }
    }
}

impl Field for MemberRole {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) if text == "observer" => Some(MemberRole::Observer),
            Value::Text(text) if text == "participant" => Some(MemberRole::Participant),
            _ => None,
        }
    }
}

/// What is done with a data directory that this server should not go on with (`volume.foreign`, `volume.retired`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumePolicy {
    /// The server does not start.
    Refuse,
    /// Its content is moved aside, and the server starts without data.
    SetAside,
}

impl VolumePolicy {
    /// The words of the two.
    pub(super) const WORDS: &'static [&'static str] = &["refuse", "setAside"];
}

impl Field for VolumePolicy {
    fn from_value(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        match text.as_str() {
            "refuse" => Some(VolumePolicy::Refuse),
            "setAside" => Some(VolumePolicy::SetAside),
            _ => None,
        }
    }
}

/// How snapshot files are compressed (`snapshot.compression.method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotCompression {
    /// Not at all.
    None,
    /// `gz`.
    Gzip,
    /// `snappy`.
    Snappy,
}

impl Field for SnapshotCompression {
    fn from_value(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        match text.as_str() {
            "" => Some(SnapshotCompression::None),
            "gz" => Some(SnapshotCompression::Gzip),
            "snappy" => Some(SnapshotCompression::Snappy),
            _ => None,
        }
    }
}

/// The hash behind the digest scheme (`DigestAuthenticationProvider.digestAlg`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// The default, understood by every client that computes digests itself.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Field for DigestAlgorithm {
    fn from_value(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        match text.as_str() {
            "SHA1" | "SHA-1" => Some(DigestAlgorithm::Sha1),
            "SHA-256" => Some(DigestAlgorithm::Sha256),
            "SHA-512" => Some(DigestAlgorithm::Sha512),
            _ => None,
        }
    }
}

/// From where commands that change something are taken without a password (`admin.commandsFrom`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandsFrom {
    /// From this machine, through its loopback interface.
    Loopback,
    /// From wherever the port can be reached.
    Any,
    /// From nowhere.
    None,
}

impl Field for CommandsFrom {
    fn from_value(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        match text.as_str() {
            "loopback" => Some(CommandsFrom::Loopback),
            "any" => Some(CommandsFrom::Any),
            "none" => Some(CommandsFrom::None),
            _ => None,
        }
    }
}

/// What a log line looks like (`log.format`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object, for programs.
    Json,
}

impl Field for LogFormat {
    fn from_value(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        match text.as_str() {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        }
    }
}

impl Field for GrowthLimit {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { GrowthLimit::parse(&text).ok() } else { None }
    }
}

impl<T: Field> Field for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        T::from_value(value).map(Some)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_or_described() {
        let bounded = Kind::Int { min: 1, max: 65535 };
        for (kind, text, expected) in [
            (bounded, "2181", Ok(Value::Int(2181))),
            (bounded, "0x10", Ok(Value::Int(16))),
            (bounded, "007", Ok(Value::Int(7))),
            (bounded, "0", Err("a whole number from 1 to 65535")),
            (bounded, "0x", Err("a whole number from 1 to 65535")),
            (bounded, "0x-5", Err("a whole number from 1 to 65535")),
            (bounded, "", Err("a whole number from 1 to 65535")),
            (bounded, "21 81", Err("a whole number from 1 to 65535")),
            (COUNT, "-1", Err("a whole number from 0")),
            (LONG, "-9223372036854775808", Ok(Value::Int(i64::MIN))),
            (LONG, "9223372036854775808", Err("a whole number")),
            (Kind::Int { min: 3, max: 3 }, "2", Err("3")),
            (Kind::AtLeast { floor: 3 }, "1", Ok(Value::Int(1))),
            (Kind::Boolean, "True", Ok(Value::Bool(true))),
            (Kind::Boolean, "yes", Err("true or false")),
            (Kind::YesNo, "NO", Ok(Value::Bool(false))),
            (Kind::YesNo, "false", Err("yes or no")),
            (Kind::OneOf(&["gz", "snappy"]), "GZ", Ok(Value::Text("gz".to_owned()))),
            (Kind::OneOf(&["gz", "snappy"]), "zip", Err("gz or snappy")),
            (Kind::Path, "", Err("a path")),
            (Kind::Memory, "80%", Ok(Value::Text("80%".to_owned()))),
            (Kind::Memory, "much", Err("off, a share such as 80%, or a size such as 48m")),
            (Kind::LogLevel, "warn,zab=debug", Ok(Value::Text("warn,zab=debug".to_owned()))),
            (Kind::LogLevel, "loud", Err("a level such as debug, or info,zab=debug")),
            (Kind::Collector, "http://[::1]:4318", Ok(Value::Text("http://[::1]:4318".to_owned()))),
            (Kind::Collector, "https://collector:4318", Err("an address such as http://collector:4318")),
            (Kind::Collector, "http://:4318", Err("an address such as http://collector:4318")),
            (Kind::Text, "", Ok(Value::Text(String::new()))),
            (Kind::UrlPath, "", Ok(Value::Text(String::new()))),
            (Kind::UrlPath, "/zk/v1", Ok(Value::Text("/zk/v1".to_owned()))),
            (Kind::UrlPath, "zk", Err("a path such as /commands, without a slash at its end")),
            (Kind::UrlPath, "/zk/", Err("a path such as /commands, without a slash at its end")),
            (Kind::UrlPath, "/a b", Err("a path such as /commands, without a slash at its end")),
        ] {
            let found = kind.read(text).map_err(|kind| kind.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{kind:?} {text:?}");
        }
    }
}
