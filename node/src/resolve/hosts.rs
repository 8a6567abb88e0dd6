//! `/etc/hosts`: names that need no server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// By the name in lower case.
    addresses: BTreeMap<String, Vec<IpAddr>>,
}

impl Hosts {
    /// Reads the file's text. A name on several lines has the addresses of all.
    pub fn parse(text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for line in text.lines() {
            let content = line.split('#').next().unwrap_or_default();
            let mut words = content.split_ascii_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
            for name in words {
                let known = hosts.addresses.entry(key(name)).or_default();
                if !known.contains(&address) {
                    known.push(address);
                }
            }
        }
        hosts
    }

    /// The addresses of a name; empty if a server must be asked. `localhost` is known also where the file is missing.
    pub fn look_up(&self, host: &str) -> Vec<IpAddr> {
        let key = key(host);
        match self.addresses.get(&key) {
            Some(addresses) => addresses.clone(),
            None if key == "localhost" || key.ends_with(".localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            None => Vec::new(),
        }
    }
}

fn key(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_container() {
        let hosts = Hosts::parse(
            "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # both\n\n#10.0.0.1 zk9\n172.28.0.11\tZK1.lab zk1\n\
             fd00::11 zk1\nfe80::1%eth0 zk1\n172.28.0.11 zk1\nnonsense zk1\n10.0.0.7\n",
        );
        let check = |host: &str, expected: &[&str]| {
            let expected: Vec<IpAddr> = expected.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(hosts.look_up(host), expected, "{host}");
        };
        check("zk1", &["172.28.0.11", "fd00::11"]);
        check("Zk1.LAB.", &["172.28.0.11"]);
        check("zk9", &[]);
        check("localhost", &["127.0.0.1", "::1"]);
        assert_eq!(Hosts::default().look_up("localhost").len(), 2);
    }
}
