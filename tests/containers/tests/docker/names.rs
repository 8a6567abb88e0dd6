//! Who a container is and where its peers are: from its host name, from the official image's variables, from a mounted
//! file.

use containers::container::{PATIENCE, Run, Volume};
use containers::engine::engine;
use containers::images::Flavour;
use containers::network::Network;
use containers::trio::{Id, Trio, wait_settled, zoo_servers};
use support::session::Session;
use support::words;

fn image() -> &'static str {
    engine();
    Flavour::Zookube.image()
}

fn config_znode(addr: std::net::SocketAddr) -> String {
    let mut session = Session::open_any(&[addr], 10_000, PATIENCE);
    let (data, _) = session.get("/zookeeper/config").expect("get /zookeeper/config");
    session.close().expect("close");
    String::from_utf8(data).expect("text")
}

/// As a StatefulSet names its pods: the same options for all, ids from the ordinals, which count from 0.
#[test]
fn ordinals_of_a_stateful_set() {
    let options = [
        "--env=ZOOKUBE_PEERS=zk-{ordinal}:2888:3888;2181".to_owned(),
        "--env=ZOOKUBE_REPLICAS=3".to_owned(),
        "--env=ZOO_TICK_TIME=1000".to_owned(),
        "--env=ZOO_4LW_COMMANDS_WHITELIST=srvr,conf".to_owned(),
    ];
    let names = ["zk-0", "zk-1", "zk-2"];
    let mut trio = Trio::start_with(image(), &names, &options, Id::Found);
    for (index, addr) in trio.addrs().into_iter().enumerate() {
        let conf = words::ask(addr, "conf").expect("conf");
        assert!(conf.contains(&format!("serverId={}\n", index + 1)), "{}: {conf}", names[index]);
    }
    let published = config_znode(trio.addrs()[0]);
    for name in names {
        assert!(published.contains(&format!("={name}:2888:3888:participant")), "{published}");
    }
    assert!(!published.contains("0.0.0.0:2888"), "a wildcard is published: {published}");

    // The id is in the volume now, and a pod that gets another one's volume is not let in.
    trio.remove(0);
    let run = Run::new(image()).option("--hostname=zk-2").option("--network=none");
    let run = options.iter().fold(run, |run, option| run.option(option.as_str()));
    let stranger = run.volume(&trio.members[0].data, "/data").to_end();
    assert!(!stranger.success, "a server with two ids runs: {}", stranger.text);
    for word in ["myid", "zk-2", "hint: "] {
        assert!(stranger.text.contains(word), "`{word}` is not in: {}", stranger.text);
    }
    let addr = trio.members[0].addr;
    trio.create_again(0, addr);
    trio.wait_settled();
}

/// `0.0.0.0` in a server's own line, the folk remedy for a name that resolves to an address nobody can bind.
#[test]
fn the_wildcard_in_ones_own_line() {
    let network = Network::create();
    let names = ["zk1", "zk2", "zk3"];
    let addrs = names.map(|_| network.next_address());
    let volumes = names.map(|_| Volume::create());
    let mut containers = Vec::new();
    for index in 0..3 {
        let mut hosts = names;
        hosts[index] = "0.0.0.0";
        let run = Run::new(image()).at(&network, addrs[index]).host_name(names[index]);
        let run = run.env("ZOO_MY_ID", index + 1).env("ZOO_SERVERS", zoo_servers(&hosts)).env("ZOO_TICK_TIME", 1000);
        // What the remedy was for: one's own name is an address of this host alone.
        let run = run.option(format!("--add-host={}:127.0.1.1", names[index]));
        containers.push(run.volume(&volumes[index], "/data").start());
    }
    let clients = addrs.map(|addr| (addr, 2181).into());
    wait_settled(&clients, PATIENCE);
    for (index, client) in clients.into_iter().enumerate() {
        let published = config_znode(client);
        assert!(!published.contains("0.0.0.0:2888"), "a wildcard is published by {}: {published}", names[index]);
        assert!(published.contains(&format!("={}:2888:3888", names[index])), "{}: {published}", names[index]);
    }
}

/// A mounted `zoo.cfg` is the configuration; what the environment says besides is said to be ignored.
#[test]
fn a_mounted_file_takes_the_place_of_the_environment() {
    let network = Network::create();
    let addr = network.next_address();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("zoo.cfg");
    std::fs::write(&file, "tickTime=1234\ndataDir=/data\nclientPort=2182\n4lw.commands.whitelist=srvr,conf\n")
        .expect("write");
    let run = Run::new(image()).at(&network, addr).env("ZOO_TICK_TIME", 4321);
    let server = run.option(format!("--volume={}:/conf/zoo.cfg:ro", file.display())).start();
    server.wait_health("healthy");
    let conf = words::ask((addr, 2182).into(), "conf").expect("conf");
    assert!(conf.contains("tickTime=1234\n"), "{conf}");
    let said: Vec<String> =
        server.logs().lines().filter(|line| line.contains("ZOO_TICK_TIME")).map(str::to_owned).collect();
    assert_eq!(said.len(), 1, "the ignored variable is named once: {said:?}");
}
