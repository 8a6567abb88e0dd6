//! On which port a server answers HTTP: one for all, or one for each by its id.

use super::members::Member;
use client::HostPort;
use std::collections::BTreeMap;
use std::str::FromStr;

/// `8080`, `1=8081,2=8082`, or `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports {
    all: Option<u16>,
    by_sid: BTreeMap<i64, u16>,
}

impl Ports {
    /// Where to ask a member, on the host of its client port; `None`: do not ask.
    #[must_use]
    pub fn of(&self, member: &Member) -> Option<HostPort> {
        let own = member.sid.and_then(|sid| self.by_sid.get(&sid)).copied();
        Some(HostPort { host: member.address.host.clone(), port: own.or(self.all)? })
    }

    /// Without the port that is for all.
    #[must_use]
    pub fn only_of_one(self) -> Ports {
        Ports { all: None, ..self }
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Ports, String> {
        let mut ports = Ports::default();
        if text == "none" {
            return Ok(ports);
        }
        for part in text.split(',') {
            let wrong = || format!("{part:?}: expected a port, SID=PORT, or none");
            let port = |text: &str| text.trim().parse().ok().filter(|port: &u16| *port > 0).ok_or_else(wrong);
            match part.split_once('=') {
                Some((sid, number)) => {
                    ports.by_sid.insert(sid.trim().parse().map_err(|_| wrong())?, port(number)?);
                }
                None => ports.all = Some(port(part)?),
            }
        }
        Ok(ports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(text: &str, sid: Option<i64>) -> Option<u16> {
        let member = Member { sid, votes: None, address: HostPort { host: "a".into(), port: 1 }, is_guessed: false };
        Ports::from_str(text).unwrap().of(&member).map(|address| address.port)
    }

    #[test]
    fn ports_are_one_for_all_or_one_for_each() {
        assert_eq!(port("8080", Some(1)), Some(8080));
        assert_eq!((port("1=8081,2=8082", Some(2)), port("1=8081,2=8082", Some(3))), (Some(8082), None));
        assert_eq!((port("1=8081,8080", Some(3)), port("1=8081", None)), (Some(8080), None));
        assert_eq!(port("none", Some(1)), None);
        for wrong in ["", "0", "x", "1=", "=1", "70000", "1=2=3"] {
            assert!(Ports::from_str(wrong).unwrap_err().contains("expected a port"), "{wrong}");
        }
    }
}
