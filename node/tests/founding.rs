//! The record that an ensemble was founded, and servers with empty disks.

mod support;

use std::path::Path;
use support::{Client, ENSEMBLE_OF_ONE, Server, create, get};

fn write(path: &Path, founded: bool) {
    std::fs::write(path, format!("{{\"clusterUid\":\"a\",\"bootstrapped\":{founded}}}")).expect("the record");
}

#[test]
fn an_ensemble_is_not_founded_again_by_an_empty_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let record = dir.path().join("ensemble.json");
    write(&record, false);
    let mut server =
        Server::start(&format!("volume.record={}\nvolume.clusterId=a\n{ENSEMBLE_OF_ONE}", record.display()));
    assert_eq!(server.client().call(create(1, "/kept", b"x")).error, 0);
    assert_eq!(server.stop().0, Some(0));
    write(&record, true);
    server.restart();
    assert_eq!(server.client().call(get(1, "/kept", false)).error, 0, "with its data it goes on");

    server.kill();
    let data = server.dir.path().join("data");
    std::fs::remove_dir_all(data.join("version-2")).expect("the data are lost");
    server.begin_again();
    server.wait_for_line(&["there are no data", "hint: if all servers have lost their data"]);
    server.wait_for_line(&["LOOKING for a leader", "zxid=0xffffffffffffffff"]);
    assert!(Client::connect(server.client_port).is_none(), "nobody is served by a server that knows nothing");
    let log = server.log();
    let (_, since) = log.rsplit_once("there are no data").expect("the line");
    assert!(!since.contains("elected"), "{log}");

    server.kill();
    std::fs::write(data.join("initialize"), "").expect("somebody decides to begin anew");
    server.restart();
    assert_eq!(server.client().call(get(1, "/kept", false)).error, -101);
}

/// The first configuration takes the server list out of `zoo.cfg`, but not `clientPort`, unless the own line has the port, too.
#[test]
fn a_server_that_may_change_starts_again_with_the_client_port_of_its_file() {
    let mut server = Server::start(&format!("reconfigEnabled=true\n{ENSEMBLE_OF_ONE}"));
    assert_eq!(server.stop().0, Some(0));
    let kept = std::fs::read_to_string(server.dir.path().join("zoo.cfg")).expect("zoo.cfg");
    assert!(kept.contains("dynamicConfigFile=") && !kept.contains("server.1="), "{kept}");
    server.restart();
}
