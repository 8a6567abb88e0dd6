//! Which servers there are, and which one is next: `ConnectStringParser` and the round of `StaticHostProvider`.
//!
//! Pure: names are not resolved here, and the shuffled order is the caller's.

use crate::path;
use std::fmt;

/// The port of a server that names none.
const PORT_DEFAULT: u16 = 2181;

/// A server of a connect string, not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name or address, an IPv6 one without its brackets.
    pub host: String,
    /// The client port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Where a client connects to: `host:port,host:port/chroot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectString {
    /// The servers, in the order of the text; never empty when parsed.
    pub servers: Vec<HostPort>,
    /// The path that stands in front of every path of this client; `None` where it is the root.
    pub chroot: Option<String>,
}

impl ConnectString {
    /// Reads a connect string (`ConnectStringParser`): servers are separated by commas, the port is 2181 where none is
    /// given, an IPv6 address stands in brackets, and what follows the first slash is the chroot.
    ///
    /// # Errors
    /// The text of Java's exception: of a chroot that is no path, an address without its closing bracket, a port that is
    /// no number or out of range, or no server at all (which Java says a step later, in `StaticHostProvider`).
    pub fn parse(text: &str) -> Result<ConnectString, String> {
        let (hosts, chroot) = match text.find('/') {
            None => (text, None),
            Some(at) if at + 1 == text.len() => (&text[..at], None),
            Some(at) => {
                path::validate(&text[at..])?;
                (&text[..at], Some(text[at..].to_owned()))
            }
        };
        let servers: Result<Vec<_>, _> =
            hosts.split(',').map(java_trim).filter(|host| !host.is_empty()).map(server).collect();
        let servers = servers?;
        if servers.is_empty() {
            return Err("A HostProvider may not be empty!".to_owned());
        }
        Ok(ConnectString { servers, chroot })
    }
}

/// `String.trim`: everything up to a space goes, control characters too.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

fn server(text: &str) -> Result<HostPort, String> {
    if let Some(inner) = text.strip_prefix('[') {
        return bracketed(text, inner);
    }
    let (host, port) = match text.rsplit_once(':') {
        None => (text, PORT_DEFAULT),
        // A colon at the end is ignored.
        Some((host, "")) => (host, PORT_DEFAULT),
        Some((host, digits)) => (host, port(digits)?),
    };
    Ok(HostPort { host: host.to_owned(), port })
}

/// `NetUtils.getIPV6HostAndPort`: `inner` is `text` behind its opening bracket.
fn bracketed(text: &str, inner: &str) -> Result<HostPort, String> {
    let Some((host, rest)) = inner.rsplit_once(']') else {
        return Err(format!("{text} starts with '[' but has no matching ']'"));
    };
    if host.is_empty() {
        return Err(" is empty.".to_owned());
    }
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => PORT_DEFAULT,
        None => return Err(format!("{text} does not have : after ]")),
        Some("") => return Err(format!("{text} doesn't have a port after colon.")),
        Some(digits) => port(digits)?,
    };
    Ok(HostPort { host: host.to_owned(), port })
}

/// `Integer.parseInt` and the range that `InetSocketAddress` checks.
fn port(digits: &str) -> Result<u16, String> {
    let number: i32 = digits.parse().map_err(|_| format!("For input string: \"{digits}\""))?;
    u16::try_from(number).map_err(|_| format!("port out of range:{number}"))
}

/// Whose turn it is (`StaticHostProvider`).
#[derive(Debug)]
pub(crate) struct Hosts {
    order: Vec<HostPort>,
    /// The server last handed out.
    current: Option<usize>,
    /// The server at which a round ends: the one last connected to, or the first.
    last: Option<usize>,
}

impl Hosts {
    /// The servers in the order in which they are tried.
    pub(crate) fn new(order: Vec<HostPort>) -> Hosts {
        Hosts { order, current: None, last: None }
    }

    /// How many there are, at least 1: timeouts are divided by it.
    pub(crate) fn count(&self) -> usize {
        self.order.len().max(1)
    }

    /// The next server, and whether all of them were tried since the last success, so that it is time for a pause.
    /// `None` if there is no server at all.
    pub(crate) fn next(&mut self) -> Option<(HostPort, bool)> {
        let next = self.current.map_or(0, |current| current + 1);
        let next = if next >= self.order.len() { 0 } else { next };
        let host = self.order.get(next)?.clone();
        let round_ends = self.last == Some(next);
        self.current = Some(next);
        // The very first attempt never waits.
        self.last.get_or_insert(0);
        Some((host, round_ends))
    }

    /// A session was established with the server last handed out.
    pub(crate) fn on_connected(&mut self) {
        self.last = self.current;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<String>) {
        let connect = ConnectString::parse(text).unwrap();
        let servers: Vec<String> = connect.servers.iter().map(ToString::to_string).collect();
        (servers.join(" "), connect.chroot)
    }

    #[test]
    fn connect_strings() {
        let cases = [
            ("a", "a:2181", None),
            ("a:1,b", "a:1 b:2181", None),
            (" a:1 , ,b:2,", "a:1 b:2", None),
            ("a:", "a:2181", None),
            ("a:+7", "a:7", None),
            ("[::1]:5,[fe80::1]", "[::1]:5 [fe80::1]:2181", None),
            ("a:1/", "a:1", None),
            ("a:1,b/c/d", "a:1 b:2181", Some("/c/d")),
        ];
        for (text, servers, chroot) in cases {
            assert_eq!(parsed(text), (servers.to_owned(), chroot.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn connect_strings_that_java_refuses() {
        let cases = [
            ("", "A HostProvider may not be empty!"),
            ("a:x", "For input string: \"x\""),
            ("a:99999999999", "For input string: \"99999999999\""),
            ("a:70000", "port out of range:70000"),
            ("a:-1", "port out of range:-1"),
            ("[::1", "[::1 starts with '[' but has no matching ']'"),
            ("[]:1", " is empty."),
            ("[::1]x", "[::1]x does not have : after ]"),
            ("[::1]:", "[::1]: doesn't have a port after colon."),
            ("a/b/", "Path must not end with / character"),
            ("a/b//c", "Invalid path string \"/b//c\" caused by empty node name specified @3"),
        ];
        for (text, expected) in cases {
            assert_eq!(ConnectString::parse(text), Err(expected.to_owned()), "{text}");
        }
    }

    fn round(hosts: &mut Hosts) -> String {
        let (host, pause) = hosts.next().unwrap();
        if pause { format!("pause {}", host.host) } else { host.host }
    }

    #[test]
    fn a_pause_comes_only_after_all_were_tried() {
        let host = |name: &str| HostPort { host: name.into(), port: 1 };
        let mut hosts = Hosts::new(vec![host("a"), host("b"), host("c")]);
        let first: Vec<String> = (0..5).map(|_| round(&mut hosts)).collect();
        assert_eq!(first, ["a", "b", "c", "pause a", "b"]);
        hosts.on_connected();
        let second: Vec<String> = (0..4).map(|_| round(&mut hosts)).collect();
        assert_eq!(second, ["c", "a", "pause b", "c"]);
        let mut alone = Hosts::new(vec![host("a")]);
        let rounds: Vec<String> = (0..3).map(|_| round(&mut alone)).collect();
        assert_eq!(rounds, ["a", "pause a", "pause a"]);
        assert!(Hosts::new(Vec::new()).next().is_none());
    }
}
