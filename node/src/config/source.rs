//! From files to located keys: reading, decoding, replacing, and keys that are given twice.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use zab::properties;

use super::problem::{Place, Report};

/// A configuration file longer than this is some other file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A key with its value, both trimmed, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) value: String,
}

/// Reads a file in properties syntax. What cannot be read is reported, with `hint`, and yields nothing.
pub(super) fn read_file(path: &Path, hint: &str, report: &mut Report) -> Vec<Located> {
    let place = Place::file(&path.display().to_string());
    let bytes = match read_bounded(path, FILE_BYTES_MAX) {
        Ok(Bounded::Whole(bytes)) => bytes,
        Ok(Bounded::TooLong) => {
            report
                .problem(&place, format_args!("is longer than {FILE_BYTES_MAX} bytes: is this a configuration file?"));
            return Vec::new();
        }
        Err(error) => {
            report.problem(&place, format_args!("cannot be read: {error}{hint}"));
            return Vec::new();
        }
    };
    parse(&place, &bytes, report)
}

/// Splits the bytes of a file.
pub(super) fn parse(place: &Place, bytes: &[u8], report: &mut Report) -> Vec<Located> {
    if !bytes.is_ascii() {
        report.warning(format_args!(
            "{place} has characters beyond ASCII; they are read as ISO 8859-1, as Apache does \
             (write \\uXXXX for others)"
        ));
    }
    let text: String = bytes.iter().copied().map(char::from).collect();
    match properties::parse(&text) {
        Ok(entries) => entries
            .into_iter()
            .map(|entry| Located {
                place: place.line(entry.line),
                key: entry.key.trim().to_owned(),
                value: entry.value.trim().to_owned(),
            })
            .collect(),
        Err(error) => {
            report.problem(
                &place.line(error.line),
                "`\\u` must be followed by four hexadecimal digits; write `\\\\` for a backslash",
            );
            Vec::new()
        }
    }
}

/// A file that was read up to a limit.
pub(super) enum Bounded {
    /// All of it.
    Whole(Vec<u8>),
    /// More than the limit.
    TooLong,
}

/// Reads no more than `bytes_max` bytes of a file.
pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> std::io::Result<Bounded> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    let whole = u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max);
    Ok(if whole { Bounded::Whole(bytes) } else { Bounded::TooLong })
}

/// Puts keys of the command line in the place of the file's. They may carry the prefix of Java properties.
pub(super) fn apply_overrides(entries: &mut Vec<Located>, overrides: &[(String, String)]) {
    let place = Place::CommandLine;
    for (key, value) in overrides {
        let key = key.trim();
        let key = key.strip_prefix("zookeeper.").unwrap_or(key);
        entries.retain(|entry| entry.key != key);
        entries.push(Located { place: place.clone(), key: key.to_owned(), value: value.trim().to_owned() });
    }
}

/// Of a key that stands twice the last one counts, as in Java; a server that stands twice is an error, because one of
/// the two lines would be lost without a word.
pub(super) fn without_duplicates(entries: Vec<Located>, report: &mut Report) -> Vec<Located> {
    let mut last: BTreeMap<String, Place> = BTreeMap::new();
    let mut kept: Vec<Located> = Vec::new();
    for entry in entries {
        if let Some(before) = last.insert(entry.key.clone(), entry.place.clone()) {
            if entry.key.starts_with("server.") {
                // A variable has no lines to tell apart.
                let before = if before == entry.place { String::new() } else { format!(", before at {before}") };
                report.problem(
                    &entry.place,
                    format_args!("{} is given twice{before}; number the servers apart", entry.key),
                );
                continue;
            }
            report.warning(format_args!(
                "key {} is given twice, at {before} and {}; the last one counts",
                entry.key, entry.place
            ));
            kept.retain(|other| other.key != entry.key);
        }
        kept.push(entry);
    }
    kept
}
