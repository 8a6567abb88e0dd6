//! What each wrong environment is told: one clear message, with the remedy.

use super::environment_tests::{PEERS, THREE, bare, with};

/// A wrong environment of three servers: what is different, and the only message.
fn check_wrong(changes: &[(&str, &str)], myid: Option<&str>, expected: &str) {
    let mut surroundings = with(changes);
    if let Some(myid) = myid {
        surroundings = surroundings.with_myid(myid);
    }
    surroundings.check_errors(&[expected]);
}

#[test]
fn every_wrong_list_of_servers_has_its_message() {
    let id = ("ZOO_MY_ID", "1");
    let servers = |list: &str, expected: &str| check_wrong(&[("ZOO_SERVERS", list), id], None, expected);
    servers(
        &THREE.replace(' ', ","),
        "environment variable ZOO_SERVERS: server.1: \
         `zk1:2888:3888;2181,server.2=zk2:2888:3888;2181,server.3=zk3:2888:3888;2181` has a comma. hint: separate \
         servers by blanks, as in server.1=zk1:2888:3888;2181 server.2=zk2:2888:3888;2181",
    );
    servers(
        &THREE.replace("server.3", "server.2"),
        "environment variable ZOO_SERVERS: server.2 is given twice; number the servers apart",
    );
    servers(
        "server.1=zk1:2888:3888;2181 zk2:2888:3888",
        "environment variable ZOO_SERVERS: `zk2:2888:3888` has no `server.N=` in front: expected lines such as \
         server.1=zk1:2888:3888;2181, separated by blanks",
    );
    servers(
        "server.1=zk1:2888:3888;2181 tickTime=5",
        "environment variable ZOO_SERVERS: `tickTime=5` is no server: expected lines such as \
         server.1=zk1:2888:3888;2181. hint: other keys go into ZOO_CFG_EXTRA",
    );
    servers(
        "Server1=zk1:2888:3888;2181",
        "environment variable ZOO_SERVERS: `Server1=zk1:2888:3888;2181` does not begin like a server: expected a line \
         such as server.1=zk1:2888:3888;2181",
    );
    servers(
        &THREE.replace("zk2:2888:3888", "zk2:2888:2888"),
        "environment variable ZOO_SERVERS: server.2: `zk2:2888:2888` has quorum port and election port 2888: they must \
         differ; use for example 2888 and 3888",
    );
    servers(
        &THREE.replace("zk2:2888", "zk2:28888888"),
        "environment variable ZOO_SERVERS: server.2: `28888888` in `zk2:28888888:3888` is not a port: expected a \
         number from 1 to 65535",
    );
    servers(
        &THREE.replace("zk2:2888:3888", "zk2:2888"),
        "environment variable ZOO_SERVERS: server.2: `zk2:2888` does not have the form <host>:<quorum port>:<election \
         port>[:participant|observer][;[<client host>:]<client port>]: a port is missing",
    );
    servers(
        &THREE.replace("zk3", "0.0.0.0"),
        "environment variable ZOO_SERVERS: server.3 has the address 0.0.0.0, under which only that server itself is. \
         hint: write the name by which this server reaches it",
    );
    check_wrong(
        &[("ZOO_SERVERS", THREE), id, ("ZOOKUBE_PEERS", PEERS), ("ZOOKUBE_REPLICAS", "3")],
        None,
        "environment variable ZOOKUBE_PEERS: names the servers, and so does ZOO_SERVERS. hint: remove one of the two",
    );
}

#[test]
fn every_wrong_template_has_its_message() {
    let peers = |peers: &str, replicas: &str, expected: &str| {
        let all = [("ZOOKUBE_PEERS", peers), ("ZOOKUBE_REPLICAS", replicas), ("HOST", "zk-0")];
        check_wrong(&all, None, expected);
    };
    peers(PEERS, "0", "environment variable ZOOKUBE_REPLICAS: found `0`, expected a whole number from 1 to 255");
    peers(
        PEERS,
        "three",
        "environment variable ZOOKUBE_REPLICAS: found `three`, expected a whole number from 1 to 255",
    );
    peers(
        PEERS,
        "",
        "environment variable ZOOKUBE_PEERS: says what the servers are called but not how many there are. hint: set \
         ZOOKUBE_REPLICAS=3",
    );
    peers(
        "",
        "3",
        "environment variable ZOOKUBE_REPLICAS: counts servers that nothing names. hint: set \
         ZOOKUBE_PEERS=zk-{ordinal}.zk-headless:2888:3888;2181, or name all in ZOO_SERVERS",
    );
    peers(
        "zk.zk-headless:2888:3888",
        "3",
        "environment variable ZOOKUBE_PEERS: `zk.zk-headless:2888:3888` gives 3 servers the same name. hint: put \
         {ordinal} where their names differ, as in zk-{ordinal}.zk-headless:2888:3888;2181",
    );
    peers(
        "zk-{ordinal}:2888",
        "3",
        "environment variable ZOOKUBE_PEERS: `zk-{ordinal}:2888` does not have the form <host>[:<quorum \
         port>:<election port>][;<client port>], as in zk-{ordinal}.zk-headless:2888:3888;2181",
    );
    peers(
        "zk-{ordinal}:2888:2888",
        "3",
        "environment variable ZOOKUBE_PEERS: `zk-0:2888:2888` has quorum port and election port 2888: they must differ; \
         use for example 2888 and 3888",
    );
}

#[test]
fn everything_beside_a_template_has_its_message_too() {
    let three = [("ZOOKUBE_PEERS", PEERS), ("ZOOKUBE_REPLICAS", "3")];
    let and = |more: &[(&'static str, &'static str)], expected: &str| {
        check_wrong(&[&three[..], more].concat(), None, expected);
    };
    and(
        &[("HOST", "zk-3")],
        "host name zk-3: the ordinal 3 is none of the declared servers, which are 0 to 2. hint: raise ZOOKUBE_REPLICAS \
         or ZOOKUBE_OBSERVERS on every server, or start fewer",
    );
    and(
        &[("HOST", "zk-0"), ("ZOOKUBE_OBSERVERS", "some")],
        "environment variable ZOOKUBE_OBSERVERS: found `some`, expected a whole number from 0 to 255",
    );
    and(
        &[("HOST", "zk-0"), ("ZOOKUBE_OBSERVERS", "253")],
        "environment variable ZOOKUBE_PEERS: 256 servers and an offset of 1 make ids beyond 255. hint: lower \
         ZOOKUBE_REPLICAS, ZOOKUBE_OBSERVERS or ZOOKUBE_ORDINAL_OFFSET",
    );
    and(
        &[("HOST", "zk-0"), ("ZOOKUBE_ORDINAL_OFFSET", "-1")],
        "environment variable ZOOKUBE_ORDINAL_OFFSET: found `-1`, expected a whole number from 0 to 255",
    );
    and(
        &[("HOST", "zk-0"), ("ZOOKUBE_SRV", "zk-headless.ns.svc")],
        "environment variable ZOOKUBE_SRV: `zk-headless.ns.svc` is not the name of SRV records: expected _<port \
         name>._tcp.<service>, as in _election._tcp.zk-headless.ns.svc.cluster.local",
    );
    and(
        &[("HOST", "zk-0"), ("ZOOKUBE_CONTAINER", "maybe")],
        "environment variable ZOOKUBE_CONTAINER: found `maybe`, expected 1 or 0",
    );
}

#[test]
fn every_wrong_id_has_its_message() {
    let servers = ("ZOO_SERVERS", THREE);
    let id = |id: &str, expected: &str| check_wrong(&[servers, ("ZOO_MY_ID", id)], None, expected);
    id("0", "environment variable ZOO_MY_ID: 0 is out of range: expected a number from 1 to 255");
    id("256", "environment variable ZOO_MY_ID: 256 is out of range: expected a number from 1 to 255");
    id("x", "environment variable ZOO_MY_ID: `x` is not a number: expected one line with a number from 1 to 255");
    id(
        "4",
        "environment variable ZOO_MY_ID: 4 is not in the server list of environment variable ZOO_SERVERS (1, 2, 3): \
         correct the number or add a line server.4=…",
    );
    // A standalone server could do without one, but not with a wrong one.
    check_wrong(
        &[("ZOO_MY_ID", "0")],
        None,
        "environment variable ZOO_MY_ID: 0 is out of range: expected a number from 1 to 255",
    );
    check_wrong(
        &[("ZOO_MY_ID", "255"), ("ZOO_CFG_EXTRA", "extendedTypesEnabled=true")],
        None,
        "environment variable ZOO_MY_ID: 255 is out of range: expected a number from 1 to 254 because \
         extendedTypesEnabled=true",
    );
    check_wrong(
        &[servers, ("HOST", "3f2a9c01b2d4")],
        None,
        "environment variable ZOO_MY_ID: is not set, @/myid is not there, and the host name 3f2a9c01b2d4 is none of the \
         servers', so nothing says which one this is of those in environment variable ZOO_SERVERS. hint: set ZOO_MY_ID \
         to one of 1, 2, 3, or give the container its server's name (--hostname)",
    );
    check_wrong(
        &[servers, ("ZOO_MY_ID", "2")],
        Some("3"),
        "@/myid: says 3, but the environment variable ZOO_MY_ID says 2. hint: correct ZOO_MY_ID if @ is this server's, \
         else give it its own data directory",
    );
    check_wrong(
        &[servers, ("HOST", "zk2")],
        Some("3"),
        "@/myid: says 3, but the host name zk2 says 2 (the name in server.2). hint: @ belongs to server 3: give this \
         server its own data directory, or correct its host name or ZOOKUBE_ORDINAL_OFFSET",
    );
    check_wrong(
        &[("ZOOKUBE_PEERS", PEERS), ("ZOOKUBE_REPLICAS", "3"), ("HOST", "zk-1"), ("ZOO_MY_ID", "1")],
        None,
        "environment variable ZOO_MY_ID: says 1, but the host name zk-1 says 2 (its ordinal plus 1). hint: correct or \
         remove ZOO_MY_ID, or correct the host name or ZOOKUBE_ORDINAL_OFFSET",
    );
    check_wrong(
        &[servers, ("HOST", "zk2"), ("ZOOKUBE_ORDINAL_OFFSET", "1")],
        None,
        "host name zk2: is the name in the line of server.2 (environment variable ZOO_SERVERS), but with \
         ZOOKUBE_ORDINAL_OFFSET=1 its ordinal makes 3. hint: correct or remove ZOOKUBE_ORDINAL_OFFSET",
    );
}

#[test]
fn every_wrong_value_has_its_message() {
    for (changes, expected) in [
        (
            [("ZOO_TICK_TIME", "abc")],
            "environment variable ZOO_TICK_TIME: tickTime: found `abc`, expected a whole number from 1",
        ),
        (
            [("ZOO_STANDALONE_ENABLED", "yes")],
            "environment variable ZOO_STANDALONE_ENABLED: standaloneEnabled: found `yes`, expected true or false",
        ),
        (
            [("ZOO_MAX_CLIENT_CNXNS", "many")],
            "environment variable ZOO_MAX_CLIENT_CNXNS: maxClientCnxns: found `many`, expected a whole number from -1",
        ),
        (
            [("ZOO_CFG_EXTRA", "tickTime = 500")],
            "environment variable ZOO_CFG_EXTRA: `tickTime` does not have the form key=value. hint: blanks separate the \
             keys, so there is none beside `=` or within a value",
        ),
        (
            [("ZOO_CFG_EXTRA", "datadir=/x")],
            "environment variable ZOO_CFG_EXTRA: unknown key `datadir`: did you mean `dataDir`?",
        ),
        (
            [("ZOO_CFG_EXTRA", "secureClientPort=2281")],
            "environment variable ZOO_CFG_EXTRA: key `secureClientPort` is refused: TLS comes later; remove it",
        ),
        (
            [("JVMFLAGS", "-Dzookeeper.snapCount=x")],
            "environment variable JVMFLAGS: snapCount: found `x`, expected a whole number, at least 2",
        ),
        (
            [("ZOO_CONF_DIR", "@/nowhere")],
            "environment variable ZOO_CONF_DIR: the directory @/nowhere does not exist. hint: mount it, correct the \
             path, or remove the variable",
        ),
        (
            [("ZOO_CONF_DIR", "/dev/null")],
            "environment variable ZOO_CONF_DIR: whether /dev/null/zoo.cfg is there cannot be told: Not a directory (os \
             error 20)",
        ),
    ] {
        check_wrong(&changes, None, expected);
    }
    bare(&[("PATH", "/bin"), ("JVMFLAGS", "-Xmx1g"), ("ZOOCFGDIR", "@")]).check_errors(&[
        "environment: nothing says what to run: there is no --config, no zoo.cfg in $ZOO_CONF_DIR, and no ZOO_* or \
         ZOOKUBE_* variable. hint: give --config with the path of a zoo.cfg, or set ZOO_DATA_DIR and ZOO_SERVERS",
    ]);
}

#[test]
fn several_mistakes_are_reported_together() {
    with(&[("ZOO_SERVERS", "zk1:2888:3888"), ("ZOO_TICK_TIME", "0"), ("ZOO_CFG_EXTRA", "x")]).check_errors(&[
        "environment variable ZOO_CFG_EXTRA: `x` does not have the form key=value. hint: blanks separate the keys, so \
         there is none beside `=` or within a value",
        "environment variable ZOO_SERVERS: `zk1:2888:3888` has no `server.N=` in front: expected lines such as \
         server.1=zk1:2888:3888;2181, separated by blanks",
        "environment variable ZOO_TICK_TIME: tickTime: found `0`, expected a whole number from 1",
    ]);
}
