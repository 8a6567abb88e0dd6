//! Wrong environments: the container ends at once with Apache's exit code for a wrong invocation, and the log says which
//! variable, what was found, and what to do. No shell is needed to find out.

use containers::container::Run;
use containers::engine::engine;
use containers::images::Flavour;

const THREE: &str = "server.1=zk1:2888:3888;2181 server.2=zk2:2888:3888;2181 server.3=zk3:2888:3888;2181";
const PEERS: &str = "zk-{ordinal}:2888:3888;2181";

/// Apache's exit code for arguments and configurations that cannot be.
const INVALID_INVOCATION: i64 = 2;

/// A wrong environment: the host's name, the variables, and what the log must say.
struct Wrong {
    host: &'static str,
    variables: Vec<(&'static str, String)>,
    says: &'static str,
}

fn wrong(host: &'static str, variables: &[(&'static str, &str)], says: &'static str) -> Wrong {
    let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Wrong { host, variables, says }
}

fn lists() -> Vec<Wrong> {
    let servers = |list: &str, says| wrong("zk1", &[("ZOO_SERVERS", list), ("ZOO_MY_ID", "1")], says);
    vec![
        servers(&THREE.replace(' ', ","), "server.1: `zk1:2888:3888;2181,server.2="),
        servers(&THREE.replace("server.3", "server.2"), "server.2 is given twice"),
        servers("server.1=zk1:2888:3888;2181 zk2:2888:3888", "`zk2:2888:3888` has no `server.N=` in front"),
        servers("server.1=zk1:2888:3888;2181 tickTime=5", "`tickTime=5` is no server"),
        servers(&THREE.replace("zk2:2888:3888", "zk2:2888"), "server.2: `zk2:2888` does not have the form"),
        servers(
            &THREE.replace("zk2:2888:3888", "zk2:2888:2888"),
            "quorum port and election port 2888: they must differ",
        ),
        servers(&THREE.replace("zk2:2888", "zk2:28888888"), "`28888888` in `zk2:28888888:3888` is not a port"),
        servers(&THREE.replace("zk3", "0.0.0.0"), "server.3 has the address 0.0.0.0"),
        wrong(
            "zk-0",
            &[("ZOO_SERVERS", THREE), ("ZOOKUBE_PEERS", PEERS), ("ZOOKUBE_REPLICAS", "3")],
            "ZOOKUBE_PEERS: names the servers, and so does ZOO_SERVERS",
        ),
    ]
}

fn templates() -> Vec<Wrong> {
    let peers =
        |host, more: &[(&'static str, &str)], says| wrong(host, &[&[("ZOOKUBE_PEERS", PEERS)], more].concat(), says);
    vec![
        peers("zk-0", &[], "says what the servers are called but not how many there are"),
        peers("zk-0", &[("ZOOKUBE_REPLICAS", "three")], "ZOOKUBE_REPLICAS: found `three`"),
        peers("zk-7", &[("ZOOKUBE_REPLICAS", "3")], "the ordinal 7 is none of the declared servers, which are 0 to 2"),
        peers(
            "zk-0",
            &[("ZOOKUBE_REPLICAS", "3"), ("ZOOKUBE_ORDINAL_OFFSET", "-1")],
            "ZOOKUBE_ORDINAL_OFFSET: found `-1`",
        ),
        wrong("zk-0", &[("ZOOKUBE_REPLICAS", "3")], "ZOOKUBE_REPLICAS: counts servers that nothing names"),
        wrong("zk-0", &[("ZOOKUBE_PEERS", "zk"), ("ZOOKUBE_REPLICAS", "3")], "gives 3 servers the same name"),
    ]
}

fn identities() -> Vec<Wrong> {
    let id = |id: &str, says| wrong("zk1", &[("ZOO_SERVERS", THREE), ("ZOO_MY_ID", id)], says);
    vec![
        id("0", "ZOO_MY_ID: 0 is out of range: expected a number from 1 to 255"),
        id("x", "ZOO_MY_ID: `x` is not a number"),
        id("4", "4 is not in the server list of environment variable ZOO_SERVERS (1, 2, 3)"),
        wrong("3f2a9c01b2d4", &[("ZOO_SERVERS", THREE)], "so nothing says which one this is"),
        wrong(
            "zk-1",
            &[("ZOOKUBE_PEERS", PEERS), ("ZOOKUBE_REPLICAS", "3"), ("ZOO_MY_ID", "1")],
            "says 1, but the host name zk-1 says 2 (its ordinal plus 1)",
        ),
        wrong(
            "zk1",
            &[("ZOO_MY_ID", "255"), ("ZOO_CFG_EXTRA", "extendedTypesEnabled=true")],
            "expected a number from 1 to 254 because extendedTypesEnabled=true",
        ),
    ]
}

fn values() -> Vec<Wrong> {
    let value = |name, value: &str, says| wrong("zk1", &[(name, value)], says);
    vec![
        value("ZOO_TICK_TIME", "abc", "ZOO_TICK_TIME: tickTime: found `abc`, expected a whole number from 1"),
        value("ZOO_STANDALONE_ENABLED", "yes", "standaloneEnabled: found `yes`, expected true or false"),
        value("ZOO_MAX_CLIENT_CNXNS", "many", "maxClientCnxns: found `many`"),
        value("ZOO_CFG_EXTRA", "tickTime = 500", "`tickTime` does not have the form key=value"),
        value("ZOO_CFG_EXTRA", "datadir=/x", "unknown key `datadir`: did you mean `dataDir`?"),
        value("ZOO_CONF_DIR", "/nowhere", "ZOO_CONF_DIR: the directory /nowhere does not exist"),
        value("ZOOKUBE_ENGINE", "etcd", "ZOOKUBE_ENGINE"),
    ]
}

fn check(image: &str, wrong: &Wrong) -> Result<(), String> {
    let run = Run::new(image).option("--network=none").option(format!("--hostname={}", wrong.host));
    let run = wrong.variables.iter().fold(run, |run, (name, value)| run.env(name, value));
    let container = run.start();
    let code = container.wait_exit();
    let log = container.logs();
    let what = format!("{} {:?}", wrong.host, wrong.variables);
    if code != INVALID_INVOCATION {
        return Err(format!("{what} ended with {code}, expected {INVALID_INVOCATION}:\n{log}"));
    }
    if !log.contains(wrong.says) {
        return Err(format!("{what} is not told `{}` but:\n{log}", wrong.says));
    }
    Ok(())
}

#[test]
fn every_wrong_environment_has_its_message() {
    engine();
    let image = Flavour::Zookube.image();
    let all: Vec<Wrong> = [lists(), templates(), identities(), values()].into_iter().flatten().collect();
    assert!(all.len() >= 20, "{} kinds of wrong environments", all.len());
    let failures: Vec<String> = all.iter().filter_map(|wrong| check(image, wrong).err()).collect();
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), all.len(), failures.join("\n"));
}
