//! Why a server does not serve: from what it says of itself, from who else can vote, and from who has its data open.
//!
//! Asking and judging are apart: [`of`] asks, [`Seen::sentence`] judges. No sentence has the word `Mode` in it: scripts look for
//! that.

use crate::admin;
use crate::commands::doctor::data::{self, Holder};
use crate::commands::doctor::quorum::{self, Presence};
use crate::config::{Config, is_wildcard};
use crate::exit::one_line;
use crate::probe::{self, Finding, Target};
use crate::settings;
use serde_json::Value;
use std::time::Duration;

/// How long the server's admin port is waited for, and each of the other servers.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest reason that is passed on from an answer, characters.
const REASON_CHARS_MAX: usize = 300;

/// Asks whoever may know, and says it in one line.
#[must_use]
pub fn of(config: &Config, target: &Target, finding: &Finding) -> String {
    let own = own_words(config);
    let is_up = own.is_some() || !matches!(finding, Finding::Silent { .. });
    Seen {
        target,
        finding,
        presence: if is_up { quorum::ask(config, PATIENCE).ok().flatten() } else { None },
        holder: if is_up { None } else { data::holder(&settings::dirs(config).0) },
        own,
    }
    .sentence()
}

/// What a server says of itself (`GET /v1/status`).
#[derive(Debug, Clone, PartialEq, Eq)]
struct OwnWords {
    /// What it does: `loading`, `looking`, `retired` …
    state: String,
    /// Why it is not ready.
    reason: Option<String>,
}

/// `None` where there is no admin port, or another server has it.
fn own_words(config: &Config) -> Option<OwnWords> {
    let (host, port) = admin::address(config).filter(|(_, port)| *port != 0)?;
    let target = Target { host: (!is_wildcard(host)).then(|| host.to_owned()), port };
    let request = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned();
    OwnWords::read(&probe::exchange(&target, request, PATIENCE).ok()?, settings::own_sid(config).0)
}

impl OwnWords {
    fn read(answer: &str, sid: i64) -> Option<OwnWords> {
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let status: Value = serde_json::from_str(body.trim()).ok()?;
        // Several servers on one machine may have the same port in their files; one of them has got it.
        if status["sid"].as_i64() != Some(sid) {
            return None;
        }
        let reason = status["reason"].as_str().map(|reason| one_line(&reason).chars().take(REASON_CHARS_MAX).collect());
        Some(OwnWords { state: status["state"].as_str()?.to_owned(), reason })
    }

    /// Whether others could not help it.
    fn is_its_own_affair(&self) -> bool {
        ["loading", "retired"].contains(&self.state.as_str())
    }
}

/// All that was seen.
#[derive(Debug)]
struct Seen<'a> {
    target: &'a Target,
    finding: &'a Finding,
    own: Option<OwnWords>,
    presence: Option<Presence>,
    holder: Option<Holder>,
}

impl Seen<'_> {
    fn sentence(&self) -> String {
        let target = self.target;
        match self.finding {
            Finding::Serving { mode: None } => {
                format!("{target} serves clients, but 4lw.commands.whitelist lacks srvr, which would tell as what")
            }
            Finding::Silent { reason } if self.own.is_none() => self.silent(&one_line(reason)),
            _ => self.without_clients(),
        }
    }

    fn silent(&self, reason: &str) -> String {
        let data = match &self.holder {
            None => return format!("not running: {reason}"),
            Some(Holder { pid: Some(pid) }) => format!("process {pid} has the data directory open"),
            Some(Holder { pid: None }) => "a process has the data directory open".to_owned(),
        };
        format!("{data}, but does not answer clients (yet): {reason}")
    }

    fn without_clients(&self) -> String {
        let own = self.own.as_ref();
        let own_reason = own.and_then(|own| own.reason.clone());
        let told = own.filter(|own| own.is_its_own_affair()).and(own_reason.clone());
        if let (Some(told), Some(own)) = (told, own) {
            return format!("{}: {told}", own.state);
        }
        match &self.presence {
            Some(presence) if !presence.is_quorum => {
                let (have, of) = (presence.present.len(), presence.voters());
                format!("no quorum: have {have} of {of}, missing {}", presence.missing_list())
            }
            presence => {
                let reason = own_reason.unwrap_or_else(|| format!("{} runs, but does not serve clients", self.target));
                let voters = presence.as_ref().map(|seen| {
                    format!(" ({} of {} voters can vote, which is a quorum)", seen.present.len(), seen.voters())
                });
                reason + &voters.unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ServerId;
    use zab::quorum::Membership;

    fn presence(running: &[i64]) -> Option<Presence> {
        let membership = Membership::parse("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2").expect("a membership");
        Some(Presence::of(&membership, running.iter().copied().map(ServerId)))
    }

    fn own(state: &str, reason: Option<&str>) -> Option<OwnWords> {
        Some(OwnWords { state: state.to_owned(), reason: reason.map(str::to_owned) })
    }

    fn check(
        finding: Finding,
        own: Option<OwnWords>,
        presence: Option<Presence>,
        holder: Option<Holder>,
        expected: &str,
    ) {
        let target = Target { host: None, port: 2181 };
        let sentence = Seen { target: &target, finding: &finding, own, presence, holder }.sentence();
        assert_eq!(sentence, expected);
        assert!(!sentence.contains("Mode"), "{sentence}");
    }

    #[test]
    fn a_server_without_its_quorum_says_who_is_missing() {
        let no_leader = own("looking", Some("no clients are served: there is no leader"));
        check(Finding::NotServing, None, presence(&[1]), None, "no quorum: have 1 of 3, missing 2, 3");
        check(Finding::NotServing, no_leader.clone(), presence(&[1]), None, "no quorum: have 1 of 3, missing 2, 3");
        let read_only = Finding::Serving { mode: Some("read-only".to_owned()) };
        check(read_only, None, presence(&[1]), None, "no quorum: have 1 of 3, missing 2, 3");
        check(
            Finding::NotServing,
            no_leader,
            presence(&[1, 3]),
            None,
            "no clients are served: there is no leader (2 of 3 voters can vote, which is a quorum)",
        );
        check(Finding::NotServing, None, None, None, "localhost:2181 runs, but does not serve clients");
    }

    #[test]
    fn a_server_that_loads_or_has_left_says_so() {
        let silent = || Finding::Silent { reason: "localhost:2181: Connection refused".to_owned() };
        let loading = own("loading", Some("the data directory is being read"));
        check(silent(), loading, presence(&[1]), None, "loading: the data directory is being read");
        let retired = own("retired", Some("this server has left the ensemble for good, by configuration 0x1"));
        check(
            silent(),
            retired,
            presence(&[1]),
            None,
            "retired: this server has left the ensemble for good, by configuration 0x1",
        );
        check(silent(), None, None, None, "not running: localhost:2181: Connection refused");
        check(
            silent(),
            None,
            None,
            Some(Holder { pid: Some(7) }),
            "process 7 has the data directory open, but does not answer clients (yet): localhost:2181: Connection refused",
        );
    }

    #[test]
    fn only_this_servers_own_words_count() {
        let answer = "HTTP/1.1 200 OK\r\n\r\n{\"sid\":2,\"state\":\"looking\",\"reason\":\"a\\nb\"}\n";
        assert_eq!(OwnWords::read(answer, 2), own("looking", Some("a b")));
        assert_eq!(OwnWords::read(answer, 1), None, "another server has the port");
        for other in ["", "HTTP/1.1 404 Not Found\r\n\r\n<html>", "HTTP/1.1 200 OK\r\n\r\n{\"sid\":1}"] {
            assert_eq!(OwnWords::read(other, 1), None, "{other}");
        }
    }
}
