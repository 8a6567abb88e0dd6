//! How values look in log lines and answers, as Apache writes them. Session ids and zxids print themselves so (`0x…`, from the
//! first digit that is not zero on: `Long.toHexString`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A client's or another server's address as Apache prints the other end of a socket: `/127.0.0.1:5000`,
/// `/[0:0:0:0:0:0:0:1]:5000`. No name is looked up for it, so nothing stands before the slash (`InetSocketAddress.toString` since
/// Java 14; older ones leave the brackets out).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote(pub SocketAddr);

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", Plain(self.0))
    }
}

/// The same without a slash, as Jackson writes an address that has no name (`InetSocketAddressSerializer`): `127.0.0.1:5000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain(pub SocketAddr);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.0.port();
        match self.0.ip().to_canonical() {
            IpAddr::V4(address) => write!(f, "{address}:{port}"),
            IpAddr::V6(address) => {
                let groups = address.segments().map(|group| format!("{group:x}"));
                write!(f, "[{}]:{port}", groups.join(":"))
            }
        }
    }
}

/// `host:port`, an IPv6 address in brackets.
#[must_use]
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{SessionId, Zxid};

    #[test]
    fn values_look_as_in_apaches_log() {
        for (address, text) in [
            ("127.0.0.1:5000", "/127.0.0.1:5000"),
            ("[::1]:5000", "/[0:0:0:0:0:0:0:1]:5000"),
            ("[2001:db8::ff00:42]:2181", "/[2001:db8:0:0:0:0:ff00:42]:2181"),
            ("[::ffff:10.0.0.9]:2181", "/10.0.0.9:2181"),
        ] {
            assert_eq!(Remote(address.parse().unwrap()).to_string(), text);
        }
        assert_eq!(Plain("127.0.0.1:1".parse().unwrap()).to_string(), "127.0.0.1:1");
        assert_eq!(Plain("[::1]:2".parse().unwrap()).to_string(), "[0:0:0:0:0:0:0:1]:2");
        assert_eq!((host_port("zk1", 2181), host_port("::1", 2181)), ("zk1:2181".to_owned(), "[::1]:2181".to_owned()));
        assert_eq!(SessionId(0x0100_0000_0000_0042).to_string(), "0x100000000000042");
        assert_eq!(SessionId(-0x0100_0000_0000_0000).to_string(), "0xff00000000000000", "sid 255: no sign");
        assert_eq!(Zxid(0x1_0000_0005).to_string(), "0x100000005");
    }
}
