//! `ZOOKUBE_PEERS`: one name for all servers, with a place for the ordinal, and how many servers there are.

use std::ops::Range;

use wire::ServerId;
use zab::quorum;

use super::environment::Environment;
use super::problem::{Place, Report};
use super::source::Located;

const PEERS: &str = "ZOOKUBE_PEERS";
const REPLICAS: &str = "ZOOKUBE_REPLICAS";
const OBSERVERS: &str = "ZOOKUBE_OBSERVERS";
pub(super) const OFFSET: &str = "ZOOKUBE_ORDINAL_OFFSET";
/// Stands for the ordinal.
const ORDINAL: &str = "{ordinal}";
const EXAMPLE: &str = "zk-{ordinal}.zk-headless:2888:3888;2181";
/// What is put behind a name that has no ports.
const PORTS: &str = ":2888:3888";
const CLIENT_PORT: &str = ";2181";
/// The largest id a server can have.
const SID_MAX: u32 = 255;

/// The name of all servers, and which ordinals there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// What stands before `;`, ports included.
    address: String,
    /// The client address, `;` included.
    client: String,
    /// The ordinals of the voters.
    voters: Range<u32>,
    /// The ordinals of the observers.
    observers: Range<u32>,
    /// What is added to an ordinal.
    offset: u32,
}

/// What a host's name says about its ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The name is not made from the template.
    No,
    /// It is one of the declared servers.
    Member(ServerId),
    /// It would be, if there were more of them.
    Beyond(u32),
}

/// Reads the variables. `None` without `ZOOKUBE_PEERS`, or if something is wrong with it, which is reported.
pub(super) fn read(environment: &Environment, report: &mut Report) -> Option<Template> {
    let place = Place::variable(PEERS);
    let Some(text) = environment.get(PEERS) else {
        for name in [REPLICAS, OBSERVERS].into_iter().filter(|name| environment.get(name).is_some()) {
            report.problem(
                &Place::variable(name),
                format_args!(
                    "counts servers that nothing names. hint: set {PEERS}={EXAMPLE}, or name all in ZOO_SERVERS"
                ),
            );
        }
        return None;
    };
    if environment.get("ZOO_SERVERS").is_some() {
        report.problem(&place, "names the servers, and so does ZOO_SERVERS. hint: remove one of the two");
        return None;
    }
    if environment.get(REPLICAS).is_none() {
        report.problem(
            &place,
            format_args!("says what the servers are called but not how many there are. hint: set {REPLICAS}=3"),
        );
    }
    let replicas = count(environment, REPLICAS, 1, report);
    let observers = if environment.get(OBSERVERS).is_some() { count(environment, OBSERVERS, 0, report)? } else { 0 };
    let offset = offset(environment, report);
    let template = Template::new(text, replicas?, observers, offset.ok()?, report)?;
    template.is_sound(text, report).then_some(template)
}

/// `ZOOKUBE_ORDINAL_OFFSET`, if it is set.
pub(super) fn offset(environment: &Environment, report: &mut Report) -> Result<Option<u32>, ()> {
    match environment.get(OFFSET) {
        None => Ok(None),
        Some(_) => count(environment, OFFSET, 0, report).map(Some).ok_or(()),
    }
}

/// What is added to an ordinal unless something else was said: StatefulSets count from 0 and put a dash before the
/// number, people count from 1 and do not.
pub(super) fn usual_offset(before_the_ordinal: &str) -> u32 {
    u32::from(before_the_ordinal.ends_with('-'))
}

fn count(environment: &Environment, name: &str, min: u32, report: &mut Report) -> Option<u32> {
    let text = environment.get(name)?;
    let number = text.parse().ok().filter(|number| (min..=SID_MAX).contains(number));
    if number.is_none() {
        report.problem(
            &Place::variable(name),
            format_args!("found `{text}`, expected a whole number from {min} to {SID_MAX}"),
        );
    }
    number
}

impl Template {
    fn new(text: &str, replicas: u32, observers: u32, offset: Option<u32>, report: &mut Report) -> Option<Template> {
        let place = Place::variable(PEERS);
        let (address, client) = text.split_at(text.find(';').unwrap_or(text.len()));
        let colons = address.rsplit(']').next().unwrap_or(address).matches(':').count();
        if !matches!(colons, 0 | 2) {
            report.problem(
                &place,
                format_args!("`{text}` does not have the form <host>[:<quorum port>:<election port>][;<client port>], as in {EXAMPLE}"),
            );
            return None;
        }
        let before = address.split(ORDINAL).next().unwrap_or_default();
        let offset = offset.unwrap_or_else(|| usual_offset(before));
        // Ids begin at 1, so without an offset the ordinals must.
        let first = u32::from(offset == 0);
        let end = first + replicas;
        if end - 1 + observers + offset > SID_MAX {
            report.problem(
                &place,
                format_args!(
                    "{} servers and an offset of {offset} make ids beyond {SID_MAX}. hint: lower {REPLICAS}, {OBSERVERS} or {OFFSET}",
                    replicas + observers
                ),
            );
            return None;
        }
        Some(Template {
            address: if colons == 0 { format!("{address}{PORTS}") } else { address.to_owned() },
            client: if client.is_empty() { CLIENT_PORT.to_owned() } else { client.to_owned() },
            voters: first..end,
            observers: end..end + observers,
            offset,
        })
    }

    /// Whether it makes different server lines. One message stands for all lines.
    fn is_sound(&self, text: &str, report: &mut Report) -> bool {
        let place = Place::variable(PEERS);
        if self.ordinals().len() > 1 && !self.address.contains(ORDINAL) {
            report.problem(
                &place,
                format_args!(
                    "`{text}` gives {} servers the same name. hint: put {ORDINAL} where their names differ, as in {EXAMPLE}",
                    self.ordinals().len()
                ),
            );
            return false;
        }
        if let Err(error) = quorum::parse_server_line(&self.line(self.voters.start)) {
            report.problem(&place, error);
            return false;
        }
        true
    }

    fn ordinals(&self) -> Range<u32> {
        self.voters.start..self.observers.end
    }

    fn sid(&self, ordinal: u32) -> ServerId {
        ServerId(i64::from(ordinal + self.offset))
    }

    fn line(&self, ordinal: u32) -> String {
        let role = if self.observers.contains(&ordinal) { ":observer" } else { "" };
        format!("{}{role}{}", self.address, self.client).replace(ORDINAL, &ordinal.to_string())
    }

    /// The line of a server that may or may not be declared; `None` below the first ordinal.
    pub(super) fn line_of(&self, sid: ServerId) -> Option<String> {
        let ordinal = u32::try_from(sid.0).ok()?.checked_sub(self.offset)?;
        Some(self.line(ordinal))
    }

    /// The server lines.
    pub(super) fn entries(&self) -> Vec<Located> {
        let entry = |ordinal: u32| Located {
            place: Place::variable(PEERS),
            key: format!("server.{}", self.sid(ordinal)),
            value: self.line(ordinal),
        };
        self.ordinals().map(entry).collect()
    }

    /// What is added to an ordinal.
    pub(super) fn offset(&self) -> u32 {
        self.offset
    }

    /// What the ordinals are, for messages.
    pub(super) fn described(&self) -> String {
        let ordinals = self.ordinals();
        format!("{} to {}", ordinals.start, ordinals.end - 1)
    }

    /// Which of the servers has this host name, in full or without the names behind the first dots.
    pub(super) fn fit(&self, host_name: &str) -> Fit {
        let host = self.address.split(':').next().unwrap_or(&self.address).to_lowercase();
        let Some((before, behind)) = host.split_once(ORDINAL) else { return Fit::No };
        let name = host_name.to_lowercase();
        let Some(rest) = name.strip_prefix(before) else { return Fit::No };
        let (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let written_as_we_would = digits == "0" || !digits.starts_with('0');
        match digits.parse::<u32>() {
            Ok(ordinal) if written_as_we_would && is_same_or_shorter(rest, behind) => {
                if self.ordinals().contains(&ordinal) { Fit::Member(self.sid(ordinal)) } else { Fit::Beyond(ordinal) }
            }
            _ => Fit::No,
        }
    }
}

/// Whether two names are the same, or one of them lacks domains at the end: `zk-2` and `zk-2.zk-headless`.
pub(super) fn is_same_or_shorter(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str, replicas: u32, observers: u32, offset: Option<u32>) -> Template {
        Template::new(text, replicas, observers, offset, &mut Report::default()).unwrap()
    }

    fn check_lines(template: &Template, expected: &[&str]) {
        let lines: Vec<String> =
            template.entries().iter().map(|entry| format!("{}={}", entry.key, entry.value)).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn servers_are_made_from_the_name() {
        check_lines(
            &template("zk-{ordinal}.hl:2888:3888", 2, 1, None),
            &[
                "server.1=zk-0.hl:2888:3888;2181",
                "server.2=zk-1.hl:2888:3888;2181",
                "server.3=zk-2.hl:2888:3888:observer;2181",
            ],
        );
        check_lines(
            &template("zk{ordinal};10.0.0.{ordinal}:2191", 2, 0, None),
            &["server.1=zk1:2888:3888;10.0.0.1:2191", "server.2=zk2:2888:3888;10.0.0.2:2191"],
        );
        check_lines(&template("zk-{ordinal}", 1, 0, Some(0)), &["server.1=zk-1:2888:3888;2181"]);
        check_lines(&template("zk{ordinal}", 1, 0, Some(101)), &["server.101=zk0:2888:3888;2181"]);
        check_lines(
            &template("127.0.0.1:288{ordinal}:388{ordinal}", 1, 0, Some(1)),
            &["server.1=127.0.0.1:2880:3880;2181"],
        );
    }

    #[test]
    fn host_names_fit_in_full_or_without_their_domain() {
        let pods = template("zk-{ordinal}.zk-headless:2888:3888", 3, 1, None);
        for (name, expected) in [
            ("zk-0", Fit::Member(ServerId(1))),
            ("ZK-3", Fit::Member(ServerId(4))),
            ("zk-2.zk-headless", Fit::Member(ServerId(3))),
            ("zk-2.zk-headless.ns.svc.cluster.local", Fit::Member(ServerId(3))),
            ("zk-4", Fit::Beyond(4)),
            ("zk-2.other", Fit::No),
            ("zk-2-zk-headless", Fit::No),
            ("zk-02", Fit::No),
            ("zk-", Fit::No),
            ("zk-99999999999", Fit::No),
            ("zk", Fit::No),
            ("3f2a9c01b2d4", Fit::No),
            ("", Fit::No),
        ] {
            assert_eq!(pods.fit(name), expected, "{name}");
        }
        assert_eq!(template("zk{ordinal}", 3, 0, None).fit("zk0"), Fit::Beyond(0));
        assert_eq!(template("zk", 1, 0, None).fit("zk"), Fit::No);
    }
}
