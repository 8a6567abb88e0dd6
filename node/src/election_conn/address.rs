//! The text form of election addresses.

use super::ADDRESSES_NAMED_MAX;
use crate::config::is_wildcard;
use crate::notation::host_port;

/// A host and its election port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&host_port(&self.host, self.port))
    }
}

/// Reads the addresses of a handshake, leaving out wildcards, under which nobody can be reached
/// (`InitialMessage.parse`). The error is the bad address.
pub(super) fn parse_all(texts: &[String]) -> Result<Vec<Address>, String> {
    let mut addresses = Vec::new();
    for text in texts.iter().take(ADDRESSES_NAMED_MAX) {
        let address = parse(text).ok_or_else(|| text.clone())?;
        if !is_wildcard(&address.host) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn parse(text: &str) -> Option<Address> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => text.rsplit_once(':')?,
    };
    let port = port.parse().ok()?;
    (!host.is_empty()).then(|| Address { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_handshakes() {
        let check = |texts: &[&str], expected: Result<&[(&str, u16)], &str>| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let expected = expected.map_err(str::to_owned).map(|list| {
                list.iter().map(|(host, port)| Address { host: (*host).to_owned(), port: *port }).collect::<Vec<_>>()
            });
            assert_eq!(parse_all(&texts), expected, "{texts:?}");
        };
        check(&["zk1:3888"], Ok(&[("zk1", 3888)]));
        check(&["[::1]:3888", "10.0.0.1:3889"], Ok(&[("::1", 3888), ("10.0.0.1", 3889)]));
        check(&["0.0.0.0:3888"], Ok(&[]));
        check(&["[::]:3888", "zk1:1"], Ok(&[("zk1", 1)]));
        check(&[], Ok(&[]));
        for bad in ["", "zk1", "zk1:", ":3888", "zk1:65536", "zk1:-1", "[::1]", "[::1:3888", "[]:3888"] {
            check(&[bad], Err(bad));
        }
    }
}
