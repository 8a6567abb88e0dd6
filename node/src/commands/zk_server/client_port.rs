//! Where `status` asks: the search for the client port, with the lines that the script says on its way (`zkServer.sh`,
//! `status`).

use super::zoo_cfg::ZooCfg;

/// Asked where no address is configured.
const LOCALHOST: &str = "localhost";

/// A client port, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Not necessarily a number: the script takes what is written.
    pub port: String,
    /// The address beside it, else `localhost`.
    pub address: String,
    /// Whether it is the port for TLS.
    pub is_secure: bool,
}

impl Found {
    /// The script's line about it.
    #[must_use]
    pub fn line(&self) -> String {
        let Found { port, address, is_secure } = self;
        format!("Client port found: {port}. Client address: {address}. Client SSL: {is_secure}.")
    }
}

/// What the search has said and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The lines on standard output, but for the one about what was found.
    pub said: Vec<&'static str>,
    /// `None` where no port is configured.
    pub found: Option<Found>,
}

/// Looks for the port in the static file, in this server's line there, in its line in the dynamic file, and for the secure port
/// in the static file. `dynamic` reads a file by its name.
pub fn search(cfg: &ZooCfg, myid: Option<&str>, dynamic: impl FnOnce(&str) -> Option<ZooCfg>) -> Search {
    let mut said = Vec::new();
    let plain = match cfg.value("clientPort") {
        Some(port) if is_number(port) => Some(port.to_owned()),
        other => {
            if let Some(found) = in_server_lines(cfg, myid, dynamic, &mut said) {
                return Search { said, found: Some(found) };
            }
            other.map(str::to_owned)
        }
    };
    if let Some(port) = plain {
        let found = Found { port, address: address(cfg, "clientPortAddress"), is_secure: false };
        return Search { said, found: Some(found) };
    }
    said.push("Client port not found. Looking for secureClientPort in the static config.");
    let found = cfg.value("secureClientPort").map(|port| Found {
        port: port.to_owned(),
        address: address(cfg, "secureClientPortAddress"),
        is_secure: true,
    });
    if found.is_none() {
        said.push("Unable to find either secure or unsecure client port in any configs. Terminating.");
    }
    Search { said, found }
}

fn in_server_lines(
    cfg: &ZooCfg,
    myid: Option<&str>,
    dynamic: impl FnOnce(&str) -> Option<ZooCfg>,
    said: &mut Vec<&'static str>,
) -> Option<Found> {
    let Some(myid) = myid.filter(|myid| is_number(myid)) else {
        said.push("myid could not be determined, will not able to locate clientPort in the server configs.");
        return None;
    };
    let client = cfg.client_part(myid).map(str::to_owned).or_else(|| {
        said.push("Client port not found in static config file. Looking in dynamic config file.");
        dynamic(cfg.value("dynamicConfigFile")?)?.client_part(myid).map(str::to_owned)
    });
    let Some(client) = client else {
        said.push("Client port not found in the server configs");
        return None;
    };
    let (host, port) = client.rsplit_once(':').unwrap_or(("", &client));
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = if host.is_empty() { address(cfg, "clientPortAddress") } else { host.to_owned() };
    Some(Found { port: port.to_owned(), address, is_secure: false })
}

fn address(cfg: &ZooCfg, key: &str) -> String {
    cfg.value(key).unwrap_or(LOCALHOST).to_owned()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MYID: &str = "myid could not be determined, will not able to locate clientPort in the server configs.";
    const DYNAMIC: &str = "Client port not found in static config file. Looking in dynamic config file.";
    const NOWHERE: &str = "Client port not found in the server configs";
    const SECURE: &str = "Client port not found. Looking for secureClientPort in the static config.";
    const NEITHER: &str = "Unable to find either secure or unsecure client port in any configs. Terminating.";

    /// The lines of a search; the dynamic file `d` has a line of server 2.
    fn lines(cfg: &str, myid: Option<&str>) -> Vec<String> {
        let dynamic = |name: &str| (name == "d").then(|| ZooCfg::from("server.2=b:2888:3888;[::1]:2182"));
        let Search { said, found } = search(&ZooCfg::from(cfg), myid, dynamic);
        said.into_iter().map(str::to_owned).chain(found.map(|found| found.line())).collect()
    }

    #[test]
    fn the_port_is_looked_for_where_the_script_looks() {
        let found = |port: &str, address: &str, ssl: bool| {
            format!("Client port found: {port}. Client address: {address}. Client SSL: {ssl}.")
        };
        let check = |cfg: &str, myid: Option<&str>, expected: &[&str]| {
            assert_eq!(lines(cfg, myid), expected, "{cfg:?} {myid:?}");
        };
        check("clientPort=2181", None, &[&found("2181", "localhost", false)]);
        check("clientPort=2181\nclientPortAddress=10.0.0.1", None, &[&found("2181", "10.0.0.1", false)]);
        check("server.1=a:1:2;2181", Some("1"), &[&found("2181", "localhost", false)]);
        check("server.1=a:1:2;0.0.0.0:2181", Some("1"), &[&found("2181", "0.0.0.0", false)]);
        check("dynamicConfigFile=d", Some("2"), &[DYNAMIC, &found("2182", "::1", false)]);
        check("dynamicConfigFile=d", Some("3"), &[DYNAMIC, NOWHERE, SECURE, NEITHER]);
        check("dynamicConfigFile=none", Some("2"), &[DYNAMIC, NOWHERE, SECURE, NEITHER]);
        check("dataDir=/data", None, &[MYID, SECURE, NEITHER]);
        check("secureClientPort=2281", Some("x"), &[MYID, SECURE, &found("2281", "localhost", true)]);
        check("secureClientPort=2281\nsecureClientPortAddress=::1", None, &[MYID, SECURE, &found("2281", "::1", true)]);
        check("clientPort=many", None, &[MYID, &found("many", "localhost", false)]);
    }
}
