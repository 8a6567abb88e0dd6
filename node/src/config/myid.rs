//! Which server this is: the `myid` file in the data directory.

use std::collections::BTreeMap;
use std::path::Path;

use wire::ServerId;

use super::problem::{Place, Report};
use super::source::{Bounded, read_bounded};

/// More than any number with its newline.
const MYID_BYTES_MAX: u64 = 64;
/// The id is the top byte of a session id.
const MYID_MAX: i64 = 255;
/// With extended types the value 255 in that byte marks a time to live (`EphemeralType.validateServerId`).
const MYID_MAX_WITH_EXTENDED_TYPES: i64 = 254;

/// What the number is checked against.
#[derive(Debug)]
pub(super) struct Expectations<'a> {
    /// The servers of the list; empty for a standalone server.
    pub(super) listed: &'a BTreeMap<ServerId, Place>,
    /// The file of that list, for messages.
    pub(super) list: &'a Place,
    /// Whether the server runs in an ensemble.
    pub(super) ensemble: bool,
    /// `extendedTypesEnabled`.
    pub(super) extended_types: bool,
}

/// Reads `myid`, or takes `given` (from the environment or the command line) where there is no file. A standalone
/// server needs neither.
pub(super) fn read(
    data_dir: &Path,
    given: Option<&str>,
    expected: &Expectations<'_>,
    report: &mut Report,
) -> Option<ServerId> {
    let path = data_dir.join("myid");
    let in_file = Place::file(&path.display().to_string());
    let (place, text) = match (read_first_line(&path), given) {
        (Ok(text), _) => (in_file, text),
        (Err(error), Some(given)) if error.kind() == std::io::ErrorKind::NotFound => {
            (Place::file("server id of the command line"), given.trim().to_owned())
        }
        (Err(error), None) if error.kind() == std::io::ErrorKind::NotFound => {
            if expected.ensemble {
                let ids = ids(expected.listed);
                report.problem(
                    &in_file,
                    format_args!(
                        "file is missing: it holds the number of this server, here one of {ids}; \
                         write it with: echo <number> > {}",
                        path.display()
                    ),
                );
            }
            return None;
        }
        (Err(error), _) => {
            report.problem(&in_file, format_args!("cannot be read: {error}"));
            return None;
        }
    };
    let sid = check(&place, &text, expected, report)?;
    if let Some(given) = given.map(str::trim)
        && given.parse() != Ok(sid.0)
    {
        report.problem(&place, format_args!("says {sid}, but the command line says {given}; correct one of them"));
        return None;
    }
    Some(sid)
}

fn read_first_line(path: &Path) -> std::io::Result<String> {
    match read_bounded(path, MYID_BYTES_MAX)? {
        Bounded::Whole(bytes) => {
            Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_owned())
        }
        Bounded::TooLong => Ok("(a long text)".to_owned()),
    }
}

fn check(place: &Place, text: &str, expected: &Expectations<'_>, report: &mut Report) -> Option<ServerId> {
    let max = if expected.extended_types { MYID_MAX_WITH_EXTENDED_TYPES } else { MYID_MAX };
    let Ok(number) = text.parse::<i64>() else {
        report
            .problem(place, format_args!("`{text}` is not a number: expected one line with a number from 1 to {max}"));
        return None;
    };
    if expected.ensemble && !(1..=max).contains(&number) {
        let why = if expected.extended_types { " because extendedTypesEnabled=true" } else { "" };
        report.problem(place, format_args!("{number} is out of range: expected a number from 1 to {max}{why}"));
        return None;
    }
    let sid = ServerId(number);
    if expected.ensemble && !expected.listed.contains_key(&sid) && !expected.listed.is_empty() {
        let ids = ids(expected.listed);
        report.problem(
            place,
            format_args!(
                "{sid} is not in the server list of {} ({ids}): correct the number or add a line server.{sid}=…",
                expected.list
            ),
        );
        return None;
    }
    Some(sid)
}

fn ids(listed: &BTreeMap<ServerId, Place>) -> String {
    let ids: Vec<String> = listed.keys().map(ServerId::to_string).collect();
    if ids.is_empty() { "1 to 255".to_owned() } else { ids.join(", ") }
}
