//! A server that has left is retired while it runs, and told so, by whoever runs the ensemble.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ensemble::changing::Changing;
use ensemble::tree;
use serde_json::{Value, json};
use support::ServerKind::Zookube;
use support::session::{Mode, Session};
use support::{http, ports, sockets, wait};

const LIMIT: Duration = Duration::from_secs(90);
const PARTICIPANT: &str = "participant";

/// Three voters with admin ports, one of which is to leave.
struct Three {
    servers: Changing,
    admin: BTreeMap<u8, u16>,
    leader: u8,
    leaves: u8,
}

impl Three {
    fn start() -> Three {
        let mut servers = Changing::with_places(1..=3);
        let admin: BTreeMap<u8, u16> = (1..=3).map(|id| (id, ports::free_port())).collect();
        for (&id, port) in &admin {
            servers.start_new(Zookube, id, PARTICIPANT, &[1, 2, 3]);
            let server = servers.servers.get_mut(&id).expect("a member");
            server.kill_9();
            let port = port.to_string();
            for (key, value) in [
                ("admin.enableServer", "true"),
                ("admin.serverPort", port.as_str()),
                ("volume.clusterId", "a"),
                ("volume.retired", "setAside"),
            ] {
                server.reconfigure(key, value);
            }
            server.start();
        }
        let leader = servers.wait_settled(&[1, 2, 3]);
        Three { servers, admin, leader, leaves: leader % 3 + 1 }
    }

    /// What a server's admin port answers, once it does.
    fn ask(&self, id: u8, method: &str, path: &str) -> http::Answer {
        let addr = SocketAddr::from(([127, 0, 0, 1], self.admin[&id]));
        wait::until("the admin port", LIMIT, || http::send(addr, method, path, "", b""))
    }

    /// What a server says of itself, once that is so.
    fn status_when(&self, id: u8, what: &str, met: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, LIMIT, || Some(self.ask(id, "GET", "/v1/status").json()).filter(&met))
    }

    /// Tells the one that leaves that it has left, by the configuration of this version.
    fn retire(&self, version: &Value) -> (u16, Value) {
        let version = version.as_str().expect("a version");
        let answer = self.ask(self.leaves, "POST", &format!("/v1/retire?configVersion={version}"));
        (answer.status, answer.json())
    }

    fn stamp(&self) -> PathBuf {
        self.servers.servers[&self.leaves].data_dir().join("zookube.volume")
    }

    fn log_of_who_left(&self) -> String {
        std::fs::read_to_string(self.servers.servers[&self.leaves].log_file()).expect("a log")
    }
}

/// All say the same of the ensemble. Answers what.
fn agreed(three: &Three) -> Value {
    let is_synced = |status: &Value| status["synced"] == true && status["ready"] == true;
    let leads = three.status_when(three.leader, "a leader", |status| is_synced(status) && status["state"] == "leading");
    assert_eq!(leads["config"], json!({"1": "voter", "2": "voter", "3": "voter"}));
    assert_eq!(
        (&leads["hasData"], &leads["ensemble"], &leads["leader"]),
        (&json!(true), &json!("a"), &json!(three.leader))
    );
    for id in 1..=3 {
        let status = three.status_when(id, "a member in step", is_synced);
        for key in ["leader", "epoch", "config", "configVersion", "ensemble", "hasData", "pending", "retiredAt"] {
            assert_eq!(status[key], leads[key], "{key} of server {id}");
        }
        assert_eq!(status["state"], if id == three.leader { "leading" } else { "following" });
    }
    leads
}

/// The server is out of the configuration, knows that, and follows on. Answers the version of the configuration.
fn leave(three: &mut Three) -> Value {
    let leaves = three.leaves;
    three.servers.leave(&[leaves]);
    let without = |status: &Value| status["config"].as_object().is_some_and(|config| config.len() == 2);
    let after = three.status_when(three.leader, "the leader to have let it go", without);
    let left = three.status_when(leaves, "the server to hear of it", without);
    for key in ["configVersion", "config", "pending", "leader", "epoch"] {
        assert_eq!(left[key], after[key], "{key}");
    }
    assert_eq!(
        (&left["state"], &left["synced"], &left["retiredAt"]),
        (&json!("following"), &json!(true), &Value::Null)
    );
    after["configVersion"].clone()
}

/// The server is there and takes part in nothing.
fn assert_parked(three: &Three, version: &Value) {
    let parked = three.ask(three.leaves, "GET", "/v1/status").json();
    for (key, value) in [("state", &json!("retired")), ("retiredAt", version), ("configVersion", version)] {
        assert_eq!(&parked[key], value, "{parked}");
    }
    for key in ["synced", "serving", "ready"] {
        assert_eq!(parked[key], false, "{parked}");
    }
    assert_eq!((&parked["leader"], &parked["epoch"], &parked["hasData"]), (&Value::Null, &Value::Null, &json!(true)));
    let (pid, port) = (three.servers.servers[&three.leaves].pid(), three.admin[&three.leaves]);
    wait::until("no port to be open but the admin port", LIMIT, || {
        let listening: Vec<u16> =
            sockets::of_process(pid).iter().filter(|socket| socket.listening).map(|socket| socket.local_port).collect();
        (listening == [port]).then_some(())
    });
    let page = |path| three.ask(three.leaves, "GET", path);
    assert_eq!((page("/livez").status, page("/readyz").status, page("/startupz").status), (200, 503, 200));
    assert!(page("/readyz").text().contains("has left the ensemble for good"), "{}", page("/readyz").text());
    wait::until("the log to say so", LIMIT, || {
        three.log_of_who_left().contains("retired: this server has stopped").then_some(())
    });
}

#[test]
fn who_has_left_is_retired_and_comes_back_without_its_data() {
    let mut three = Three::start();
    let mut session = Session::open_any(&three.servers.addrs(), 30_000, LIMIT);
    session.create("/kept", b"", Mode::Persistent).expect("create");
    let before = agreed(&three)["configVersion"].clone();
    let (status, refusal) = three.retire(&before);
    assert_eq!(status, 409, "{refusal}");
    assert!(refusal["error"].as_str().expect("a reason").contains("is a member of the committed configuration"));
    let after = leave(&mut three);

    // A stamp that cannot be written is none, and the server goes on.
    let unfinished = three.stamp().with_extension("volume.tmp");
    std::fs::create_dir(&unfinished).expect("something in the way");
    let (status, refusal) = three.retire(&after);
    assert_eq!(status, 500, "{refusal}");
    assert_eq!(three.ask(three.leaves, "GET", "/readyz").status, 200);
    std::fs::remove_dir(&unfinished).expect("out of the way");

    let retired = (200, json!({"sid": three.leaves, "retiredAt": after}));
    assert_eq!(three.retire(&after), retired);
    let version = after.as_str().expect("a version").trim_start_matches("0x");
    let stamp = std::fs::read_to_string(three.stamp()).expect("a stamp");
    assert!(stamp.contains(&format!("retiredAtVersion={version}\n")), "{stamp}");
    assert_parked(&three, &after);
    assert_eq!(three.retire(&after), retired, "asked again");
    assert_eq!(three.retire(&before).0, 409, "it was a member then");
    let others: Vec<SocketAddr> =
        (1..=3).filter(|id| *id != three.leaves).map(|id| three.servers.servers[&id].addr()).collect();
    let mut session = Session::open_any(&others, 30_000, LIMIT);
    session.set("/kept", b"later").expect("the others go on");

    let server = three.servers.servers.get_mut(&three.leaves).expect("it was a member");
    assert!(server.is_running());
    server.terminate();
    let said = three.log_of_who_left();
    assert!(said.contains("end on SIGTERM") && !said.contains("the stop takes too long"), "{said}");
    three.servers.servers.get_mut(&three.leaves).expect("it was a member").start();
    let again = three.status_when(three.leaves, "the server to be in step again", |status| status["synced"] == true);
    assert!(three.log_of_who_left().contains("It was moved aside, and the server begins without data"));
    assert_eq!((&again["state"], &again["retiredAt"]), (&json!("following"), &Value::Null));
    assert_eq!((&again["hasData"], &again["configVersion"]), (&json!(true), &after), "without a vote");
    assert_eq!(again["config"].as_object().map(serde_json::Map::len), Some(2));
    three.servers.join(three.leaves, PARTICIPANT);
    three.servers.wait_settled(&[1, 2, 3]);
    tree::assert_equal(&three.servers.addrs());
}
