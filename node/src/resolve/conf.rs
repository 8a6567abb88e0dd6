//! `/etc/resolv.conf`: which name servers there are and how a short name becomes a full one.

use hickory_resolver::proto::rr::Name;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Name servers that are asked; more are ignored, as by the C library.
const SERVERS_MAX: usize = 3;
/// Search domains that are tried; as many as Kubernetes writes.
const SEARCH_MAX: usize = 32;
/// The C library's bound of `ndots`.
const NDOTS_MAX: usize = 15;
const DNS_PORT: u16 = 53;
/// The longest wait for one name server, whatever the file says: dials are repeated, and a server that was only slow will
/// have its answer by then.
const PATIENCE_MAX: Duration = Duration::from_secs(2);

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conf {
    /// In the order of the file; the name server of this machine where there is none.
    pub servers: Vec<SocketAddr>,
    /// Tried behind a short name.
    pub search: Vec<Name>,
    /// A name with fewer dots is short.
    pub ndots: usize,
    /// How long to wait for one name server.
    pub patience: Duration,
}

impl Conf {
    /// Reads the file's text. As in the C library, what cannot be understood is passed over: a new option must not keep a
    /// server from its peers. A name server may stand there with a port (`127.0.0.1:5353`, `[::1]:5353`), which the C library
    /// does not know; tests and special setups use it.
    pub fn parse(text: &str) -> Conf {
        let mut conf = Conf { servers: Vec::new(), search: Vec::new(), ndots: 1, patience: PATIENCE_MAX };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace().take_while(|word| !word.starts_with(['#', ';']));
            match words.next() {
                Some("nameserver") => conf.servers.extend(words.next().and_then(name_server)),
                // Of several lines the last one counts.
                Some("search" | "domain") => conf.search = words.filter_map(full_name).take(SEARCH_MAX).collect(),
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        conf.servers.truncate(SERVERS_MAX);
        if conf.servers.is_empty() {
            conf.servers.push(SocketAddr::from(([127, 0, 0, 1], DNS_PORT)));
        }
        conf
    }

    fn option(&mut self, word: &str) {
        let Some((key, value)) = word.split_once(':') else { return };
        let Ok(value) = value.parse::<u32>() else { return };
        match key {
            "ndots" => self.ndots = usize::try_from(value).unwrap_or(NDOTS_MAX).min(NDOTS_MAX),
            "timeout" if value > 0 => self.patience = Duration::from_secs(value.into()).min(PATIENCE_MAX),
            _ => {}
        }
    }

    /// The full names that a configured name may mean, in the order in which they are asked for.
    pub fn candidates(&self, host: &str) -> Vec<Name> {
        let Some(full) = full_name(host).filter(|name| !name.is_root()) else { return Vec::new() };
        if host.ends_with('.') {
            return vec![full];
        }
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        let mut relative = full.clone();
        relative.set_fqdn(false);
        let searched = self.search.iter().filter_map(|domain| relative.clone().append_domain(domain).ok());
        // `search .` means what stands for itself anyway.
        let mut names: Vec<Name> = searched.filter(|name| *name != full).collect();
        let place = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(place, full);
        names
    }
}

fn name_server(word: &str) -> Option<SocketAddr> {
    match word.parse::<IpAddr>() {
        Ok(address) => Some(SocketAddr::new(address, DNS_PORT)),
        Err(_) => word.parse().ok(),
    }
}

fn full_name(text: &str) -> Option<Name> {
    let mut name = Name::from_str_relaxed(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(conf: &Conf, host: &str) -> Vec<String> {
        conf.candidates(host).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_file_of_a_kubernetes_pod() {
        let conf = Conf::parse(
            "search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
        );
        assert_eq!(conf.servers, ["10.96.0.10:53".parse().unwrap()]);
        assert_eq!(
            names(&conf, "zk-0.zk-headless"),
            [
                "zk-0.zk-headless.ns.svc.cluster.local.",
                "zk-0.zk-headless.svc.cluster.local.",
                "zk-0.zk-headless.cluster.local.",
                "zk-0.zk-headless."
            ]
        );
        assert_eq!(names(&conf, "zk-0.zk-headless."), ["zk-0.zk-headless."]);
    }

    #[test]
    fn odd_lines() {
        let conf = Conf::parse(
            "# nameserver 1.1.1.1\n;x\nnameserver 127.0.0.1:5353 # a port\nnameserver [::1]:5354\nnameserver nonsense\n\
             nameserver 10.0.0.1\nnameserver 10.0.0.2\ndomain old.test\nsearch a.test b.test\n\
             options ndots:99 timeout:1 attempts:7 rotate edns0 ndots:x\nsortlist 130.155.160.0\n",
        );
        let expected: Vec<SocketAddr> =
            ["127.0.0.1:5353", "[::1]:5354", "10.0.0.1:53"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(conf.servers, expected);
        assert_eq!((conf.ndots, conf.patience), (NDOTS_MAX, Duration::from_secs(1)));
        assert_eq!(names(&conf, "zk1"), ["zk1.a.test.", "zk1.b.test.", "zk1."]);
    }

    #[test]
    fn nothing_there() {
        let conf = Conf::parse("");
        assert_eq!(conf.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(names(&conf, "zk1"), ["zk1."]);
        assert_eq!(names(&conf, "zk_1.lab.example"), ["zk_1.lab.example."]);
        assert_eq!(names(&conf, ""), Vec::<String>::new().as_slice());
        assert_eq!(names(&conf, "."), Vec::<String>::new().as_slice());
        assert_eq!(names(&conf, "two..dots"), Vec::<String>::new().as_slice());
        assert_eq!(names(&Conf::parse("search .\n"), "zk1"), ["zk1."]);
        let searching = Conf::parse("search a.test\n");
        assert_eq!(names(&searching, "zk1.b.test"), ["zk1.b.test.", "zk1.b.test.a.test."]);
    }
}
