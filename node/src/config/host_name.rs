//! What the name of the host says about which server this is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use wire::ServerId;

use super::environment::Environment;
use super::identity::{Claim, Question};
use super::peers::{self, Fit, is_same_or_shorter};
use super::problem::{Place, Report};

/// In place of the system's.
const VARIABLE: &str = "ZOOKUBE_HOST_NAME";
/// Length of the host names that Docker makes up.
const CONTAINER_ID_CHARS: usize = 12;

/// The host's name and where it is said.
pub(super) fn of(environment: &Environment) -> Option<(Place, &str)> {
    match environment.get(VARIABLE) {
        Some(name) => Some((Place::variable(VARIABLE), name)),
        None => environment.host_name.as_deref().map(|name| (Place::HostName(name.into()), name)),
    }
}

/// The server that the host's name names: the one of its ordinal where the servers share a name, else the one whose line
/// has this name, else, if `ZOOKUBE_ORDINAL_OFFSET` is set, the one of the ordinal. Names that Docker makes up and
/// names that only happen to end in digits say nothing. An error has been reported.
pub(super) fn claim(question: &Question<'_>, report: &mut Report) -> Result<Option<Claim>, ()> {
    let Some((_, name)) = of(question.environment) else { return Ok(None) };
    let place = Place::HostName(name.into());
    let claim = |sid: ServerId, because: String| Claim { place: place.clone(), text: sid.to_string(), because };
    if let Some(template) = question.template {
        return match template.fit(name) {
            Fit::No => Ok(None),
            Fit::Member(sid) => Ok(Some(claim(sid, format!(" (its ordinal plus {})", template.offset())))),
            Fit::Beyond(ordinal) if question.may_join && ordinal + template.offset() > 0 => {
                let sid = ServerId(i64::from(ordinal + template.offset()));
                Ok(Some(claim(sid, format!(" (its ordinal plus {})", template.offset()))))
            }
            Fit::Beyond(ordinal) => {
                report.problem(
                    &place,
                    format_args!(
                        "the ordinal {ordinal} is none of the declared servers, which are {}. hint: raise \
                         ZOOKUBE_REPLICAS or ZOOKUBE_OBSERVERS on every server, or start fewer",
                        template.described()
                    ),
                );
                Err(())
            }
        };
    }
    let named = server_of_this_name(question, name);
    let counted = match peers::offset(question.environment, report)? {
        Some(offset) => ordinal(name).map(|ordinal| (ServerId(i64::from(ordinal) + i64::from(offset)), offset)),
        None => None,
    };
    match (named, counted) {
        (Some(named), Some((counted, offset))) if named != counted => {
            report.problem(
                &place,
                format_args!(
                    "is the name in the line of server.{named} ({}), but with ZOOKUBE_ORDINAL_OFFSET={offset} its ordinal makes \
                     {counted}. hint: correct or remove ZOOKUBE_ORDINAL_OFFSET",
                    question.list
                ),
            );
            Err(())
        }
        (Some(named), _) => Ok(Some(claim(named, format!(" (the name in server.{named})")))),
        (None, Some((counted, offset))) => Ok(Some(claim(counted, format!(" (its ordinal plus {offset})")))),
        (None, None) => Ok(None),
    }
}

/// The one server whose line has this name; with or without domains if none has exactly this.
fn server_of_this_name(question: &Question<'_>, name: &str) -> Option<ServerId> {
    let name = name.to_lowercase();
    let with = |is_it: &dyn Fn(&str) -> bool| -> BTreeSet<ServerId> {
        let servers = question.membership.servers.iter();
        let is_named = |host: &str| host.parse::<IpAddr>().is_err() && is_it(&host.to_lowercase());
        servers
            .filter(|(_, spec)| spec.addresses.iter().any(|address| is_named(&address.host)))
            .map(|(sid, _)| *sid)
            .collect()
    };
    let exact = with(&|host| host == name);
    let found = if exact.is_empty() { with(&|host| is_same_or_shorter(host, &name)) } else { exact };
    if found.len() == 1 { found.first().copied() } else { None }
}

/// The number at the end of a name such as `zk-2` or `zk3.domain`.
fn ordinal(name: &str) -> Option<u32> {
    let label = name.split('.').next().unwrap_or(name);
    if label.len() == CONTAINER_ID_CHARS && label.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let stem = label.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = label.get(stem.len()..)?;
    if stem.is_empty() { None } else { digits.parse().ok().filter(|ordinal| *ordinal <= 0xffff) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals() {
        for (name, expected) in [
            ("zk-2", Some(2)),
            ("zk3", Some(3)),
            ("zk-12.zk-headless.ns", Some(12)),
            ("zk", None),
            ("7", None),
            ("zk-", None),
            ("zk-99999999999", None),
            ("3f2a9c01b2d4", None),
            ("", None),
        ] {
            assert_eq!(ordinal(name), expected, "{name}");
        }
    }
}
