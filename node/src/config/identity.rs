//! Which server this is: the `myid` file in the data directory, what the start says, and the name of the host.
//!
//! Whatever says something must say the same: a volume mounted into the wrong container, or a number copied from another
//! server, would otherwise make two servers of one id.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use wire::ServerId;
use zab::quorum::Membership;

use super::environment::Environment;
use super::host_name;
use super::peers::Template;
use super::problem::{Place, Report};
use super::source::{Bounded, read_bounded};
use crate::durable;

/// The variable.
const VARIABLE: &str = "ZOO_MY_ID";
/// More than any number with its newline.
const MYID_BYTES_MAX: u64 = 64;
/// The id is the top byte of a session id.
const MYID_MAX: i64 = 255;
/// With extended types the value 255 in that byte marks a time to live (`EphemeralType.validateServerId`).
const MYID_MAX_WITH_EXTENDED_TYPES: i64 = 254;

/// This server's id and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id.
    pub sid: ServerId,
    /// What said so first.
    pub place: Place,
    /// The `myid` file.
    pub file: PathBuf,
    /// Whether that file is there.
    pub is_stored: bool,
}

impl Identity {
    /// Writes the `myid` file if there is none: all of it or nothing, and durable when this returns. The directory must
    /// be there, and nobody else may write to it at the same time. Says whether it wrote.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store(&self) -> io::Result<bool> {
        if self.is_stored {
            return Ok(false);
        }
        durable::replace(&self.file, format!("{}\n", self.sid).as_bytes())?;
        Ok(true)
    }
}

/// What the number is looked for in and checked against.
pub(super) struct Question<'a> {
    /// Where the `myid` file is.
    pub(super) data_dir: &'a Path,
    /// The number on the command line.
    pub(super) given: Option<&'a str>,
    /// The variables and the host's name.
    pub(super) environment: &'a Environment,
    /// How the servers are called, if they have one name with ordinals.
    pub(super) template: Option<&'a Template>,
    /// The server list; empty if it has errors.
    pub(super) membership: &'a Membership,
    /// The servers that have a line, even a wrong one; none for a standalone server.
    pub(super) listed: &'a BTreeMap<ServerId, Place>,
    /// The place of that list, for messages.
    pub(super) list: &'a Place,
    /// Whether the environment takes the place of a file.
    pub(super) from_environment: bool,
    /// Whether a server may be none of the list (`reconfigEnabled`).
    pub(super) may_join: bool,
    /// Whether the server runs in an ensemble.
    pub(super) ensemble: bool,
    /// `extendedTypesEnabled`.
    pub(super) extended_types: bool,
}

/// Somebody says which server this is.
pub(super) struct Claim {
    pub(super) place: Place,
    pub(super) text: String,
    /// How the number follows, if that is not plain.
    pub(super) because: String,
}

impl Claim {
    fn plain(place: Place, text: &str) -> Claim {
        Claim { place, text: text.trim().to_owned(), because: String::new() }
    }
}

/// Finds the id. In order: the `myid` file, the command line, `ZOO_MY_ID`, the host's name. A standalone server needs
/// none of them. `None` with a problem unless it is one.
pub(super) fn find(question: &Question<'_>, report: &mut Report) -> Option<Identity> {
    let file = question.data_dir.join("myid");
    let claims = claims(question, &file, report).ok()?;
    let Some(first) = claims.first() else {
        if question.ensemble {
            report_missing(question, &file, report);
        }
        return None;
    };
    let is_stored = matches!(first.place, Place::File { .. });
    let sid = check(first, question, report)?;
    for other in claims.iter().skip(1).filter(|other| other.text.parse() != Ok(sid.0)) {
        let (a, b) = (first.because.as_str(), other.because.as_str());
        let text = format!("says {sid}{a}, but the {} says {}{b}", other.place, other.text);
        // A machine may have a name of its own history; a container has the one that its server was given.
        if matches!(other.place, Place::HostName(_)) && !question.from_environment {
            report.warning(format_args!("{}: {text}; {sid} counts", first.place));
        } else {
            report.problem(&first.place, format_args!("{text}. hint: {}", remedy(first, other, question)));
            return None;
        }
    }
    Some(Identity { sid, place: first.place.clone(), file, is_stored })
}

/// Everybody who says something, the one who counts first.
fn claims(question: &Question<'_>, file: &Path, report: &mut Report) -> Result<Vec<Claim>, ()> {
    let mut claims = Vec::new();
    let in_file = Place::file(&file.display().to_string());
    match read_first_line(file) {
        Ok(text) => claims.push(Claim::plain(in_file, &text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            report.problem(&in_file, format_args!("cannot be read: {error}"));
            return Err(());
        }
    }
    claims.extend(question.given.map(|text| Claim::plain(Place::CommandLine, text)));
    claims.extend(question.environment.get(VARIABLE).map(|text| Claim::plain(Place::variable(VARIABLE), text)));
    if question.ensemble {
        claims.extend(host_name::claim(question, report)?);
        // The official image gives a server that is alone the id of its line.
        if let (true, true, [sid]) =
            (claims.is_empty(), question.from_environment, question.listed.keys().collect::<Vec<_>>().as_slice())
        {
            claims.push(Claim::plain(question.list.clone(), &sid.to_string()));
        }
    }
    Ok(claims)
}

fn read_first_line(path: &Path) -> io::Result<String> {
    match read_bounded(path, MYID_BYTES_MAX)? {
        Bounded::Whole(bytes) => {
            Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_owned())
        }
        Bounded::TooLong => Ok("(a long text)".to_owned()),
    }
}

fn check(claim: &Claim, question: &Question<'_>, report: &mut Report) -> Option<ServerId> {
    let Claim { place, text, because } = claim;
    let max = if question.extended_types { MYID_MAX_WITH_EXTENDED_TYPES } else { MYID_MAX };
    let Ok(number) = text.parse::<i64>() else {
        report
            .problem(place, format_args!("`{text}` is not a number: expected one line with a number from 1 to {max}"));
        return None;
    };
    let was_meant = question.ensemble || matches!(place, Place::Variable(_));
    if was_meant && !(1..=max).contains(&number) {
        let why = if question.extended_types { " because extendedTypesEnabled=true" } else { "" };
        report
            .problem(place, format_args!("{number}{because} is out of range: expected a number from 1 to {max}{why}"));
        return None;
    }
    let sid = ServerId(number);
    let is_listed = question.listed.contains_key(&sid) || question.listed.is_empty();
    if question.ensemble && !question.may_join && !is_listed {
        report.problem(
            place,
            format_args!(
                "{sid}{because} is not in the server list of {} ({}): correct the number or add a line server.{sid}=…",
                question.list,
                ids(question.listed)
            ),
        );
        return None;
    }
    Some(sid)
}

fn remedy(first: &Claim, other: &Claim, question: &Question<'_>) -> String {
    match (&first.place, &other.place) {
        (Place::File { .. }, Place::HostName(_)) => format!(
            "{} belongs to server {}: give this server its own data directory, or correct its host name or {}",
            question.data_dir.display(),
            first.text,
            super::peers::OFFSET
        ),
        (Place::File { .. }, place) => format!(
            "correct {} if {} is this server's, else give it its own data directory",
            what(place),
            question.data_dir.display()
        ),
        (place, Place::HostName(_)) => {
            format!("correct or remove {}, or correct the host name or {}", what(place), super::peers::OFFSET)
        }
        (place, other) => format!("correct {} or {}", what(place), what(other)),
    }
}

fn what(place: &Place) -> String {
    match place {
        Place::CommandLine => "--myid".to_owned(),
        Place::Variable(name) => name.to_string(),
        other => other.to_string(),
    }
}

fn report_missing(question: &Question<'_>, file: &Path, report: &mut Report) {
    let ids = ids(question.listed);
    if !question.from_environment {
        report.problem(
            &Place::file(&file.display().to_string()),
            format_args!(
                "file is missing: it holds the number of this server, here one of {ids}; \
                 write it with: echo <number> > {}",
                file.display()
            ),
        );
        return;
    }
    let host = match host_name::of(question.environment) {
        Some((_, name)) => format!("the host name {name} is none of the servers'"),
        None => "the host has no name".to_owned(),
    };
    report.problem(
        &Place::variable(VARIABLE),
        format_args!(
            "is not set, {} is not there, and {host}, so nothing says which one this is of those in {}. \
             hint: set {VARIABLE} to one of {ids}, or give the container its server's name (--hostname)",
            file.display(),
            question.list
        ),
    );
}

fn ids(listed: &BTreeMap<ServerId, Place>) -> String {
    let ids: Vec<String> = listed.keys().map(ServerId::to_string).collect();
    if ids.is_empty() { "1 to 255".to_owned() } else { ids.join(", ") }
}
