//! `status`: the script's lines, and behind them why the server does not do what it is there for.

use super::client_port::{self, Found};
use super::reason;
use super::zoo_cfg::ZooCfg;
use super::{Setup, print};
use crate::config::{Config, is_wildcard};
use crate::exit::one_line;
use crate::probe::{self, Finding, Target};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long the server's answer is waited for, as by `FourLetterWordMain`.
const PATIENCE: Duration = Duration::from_secs(5);
/// The script's last line about a server that did not tell its mode.
const ERROR: &str = "Error contacting service. It is probably not running.";
/// What the script says of a port for TLS that gave no answer; `{}` is the port.
const SECURE_NOTE: &str = " 
Note: We used secureClientPort ({}) to establish connection, but we failed. The 'status'
  command establishes a client connection to the server to execute diagnostic commands. Please make sure you
  provided all the Client SSL connection related parameters in the CLIENT_JVMFLAGS environment variable! E.g.:
  CLIENT_JVMFLAGS=\"-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty
  -Dzookeeper.ssl.trustStore.location=/tmp/clienttrust.jks -Dzookeeper.ssl.trustStore.password=password
  -Dzookeeper.ssl.keyStore.location=/tmp/client.jks -Dzookeeper.ssl.keyStore.password=password
  -Dzookeeper.client.secure=true\" ./zkServer.sh status
 ";

/// Says what the server does: exit code 0 if it told its mode, else 1.
pub fn status(setup: &Setup) -> ExitCode {
    let config = setup.config.read().map(|(config, _)| config).map_err(|error| one_line(&error));
    let Some(found) = find(setup, config.as_ref().ok()) else { return ExitCode::FAILURE };
    print(&found.line());
    if found.is_secure {
        print(&SECURE_NOTE.replace("{}", &found.port));
        print(ERROR);
        print("this program cannot ask a port for TLS. hint: configure a clientPort for this machine alone");
        return ExitCode::FAILURE;
    }
    let Some(target) = target(&found) else {
        print(ERROR);
        print(&format!("clientPort is {}: expected a number up to 65535", found.port));
        return ExitCode::FAILURE;
    };
    let finding = probe::ask(&target, PATIENCE);
    let reason = || match &config {
        Ok(config) => reason::of(config, &target, &finding),
        Err(error) => match &finding {
            Finding::Silent { reason } => {
                format!("{reason}; the configuration is not valid, so nobody else was asked: {error}")
            }
            _ => format!(
                "{target} does not serve clients; the configuration is not valid, so nobody else was asked: {error}"
            ),
        },
    };
    let (lines, code) = lines(&finding, reason);
    for line in lines {
        print(&line);
    }
    code
}

/// Finds the client port and says what the script says on the way; `None` where there is none.
fn find(setup: &Setup, config: Option<&Config>) -> Option<Found> {
    if setup.config.config.is_none() {
        let Some(config) = config else {
            // The environment is the configuration, and not a valid one.
            if let Err(error) = setup.config.read() {
                eprintln!("{error}");
            }
            return None;
        };
        let Target { host, port } = Target::of(config);
        let address = host.unwrap_or_else(|| "localhost".to_owned());
        return Some(Found { port: port.to_string(), address, is_secure: false });
    }
    let of_file = setup.cfg.value("dataDir").and_then(|dir| std::fs::read_to_string(Path::new(dir).join("myid")).ok());
    // A server's id may come from the environment, which the script does not know.
    let myid = of_file.or_else(|| Some(config?.myid?.to_string()));
    let dynamic = |path: &str| ZooCfg::read(Path::new(path)).ok();
    let search = client_port::search(&setup.cfg, myid.as_deref().map(str::trim), dynamic);
    for line in search.said {
        print(line);
    }
    search.found
}

/// Whom to ask; `None` where the port is no port. What is bound everywhere is asked on this machine.
fn target(found: &Found) -> Option<Target> {
    let host = Some(&found.address).filter(|host| *host != "localhost" && !is_wildcard(host));
    Some(Target { host: host.cloned(), port: found.port.parse().ok()? })
}

/// The line of the script, and behind it the reason where there is something to explain.
fn lines(finding: &Finding, reason: impl FnOnce() -> String) -> (Vec<String>, ExitCode) {
    match finding {
        Finding::Serving { mode: Some(mode) } => {
            let mut lines = vec![format!("Mode: {mode}")];
            if finding.is_read_only() {
                lines.push(reason());
            }
            (lines, ExitCode::SUCCESS)
        }
        _ => (vec![ERROR.to_owned(), reason()], ExitCode::FAILURE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serves_needs_no_reason() {
        let of = |finding: &Finding| lines(finding, || "no quorum: have 1 of 3, missing 2, 3".to_owned()).0;
        let serving = |mode: &str| Finding::Serving { mode: Some(mode.to_owned()) };
        for mode in ["leader", "follower", "observer", "standalone"] {
            assert_eq!(of(&serving(mode)), [format!("Mode: {mode}")]);
        }
        assert_eq!(of(&serving("read-only")), ["Mode: read-only", "no quorum: have 1 of 3, missing 2, 3"]);
        for finding in
            [Finding::NotServing, Finding::Serving { mode: None }, Finding::Silent { reason: "x".to_owned() }]
        {
            assert_eq!(of(&finding), [ERROR, "no quorum: have 1 of 3, missing 2, 3"]);
        }
    }

    #[test]
    fn the_address_of_the_line_is_asked() {
        let target = |address: &str, port: &str| {
            target(&Found { port: port.to_owned(), address: address.to_owned(), is_secure: false })
        };
        assert_eq!(target("localhost", "2181"), Some(Target { host: None, port: 2181 }));
        assert_eq!(target("0.0.0.0", "2181"), Some(Target { host: None, port: 2181 }));
        assert_eq!(target("10.0.0.1", "2181"), Some(Target { host: Some("10.0.0.1".to_owned()), port: 2181 }));
        assert_eq!((target("localhost", "many"), target("localhost", "65536")), (None, None));
    }
}
