//! The same requests to Apache's AdminServer and to ours: keys, their order, types, and values that do not differ from run to run.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use differential::document::Document;
use differential::request::digest_id;
use support::ServerKind::{Apache39, Zookube};
use support::ensemble::Plan;
use support::session::{Mode, Session};
use support::{Ensemble, Role, Server, ServerKind, ServerSpec, http, ports, wait};

const LIMIT: Duration = Duration::from_secs(60);

/// Every command of Apache's that needs no proof of identity, under all its names.
const COMMANDS: &[&str] = &[
    "configuration",
    "conf",
    "config",
    "connections",
    "cons",
    "dirs",
    "dump",
    "environment",
    "env",
    "envi",
    "get_trace_mask",
    "gtmk",
    "hash",
    "is_read_only",
    "isro",
    "last_snapshot",
    "lsnp",
    "leader",
    "lead",
    "observers",
    "obsr",
    "ruok",
    "server_stats",
    "srvr",
    "stats",
    "stat",
    "voting_view",
    "watch_summary",
    "wchs",
    "watches",
    "wchc",
    "watches_by_path",
    "wchp",
    "zabstate",
    "set_trace_mask?traceMask=306",
    "stmk",
    "stmk?traceMask=zz",
    "stmk?traceMask=%2B7",
    "stmk?traceMask=306&traceMask=1",
    "stat_reset",
    "srst",
    "connection_stat_reset",
    "crst",
    "observer_connection_stat_reset",
    "orst",
    "nosuch",
    "RUOK",
    "ruok/",
    "/ruok",
    "a%22b%3Cc%3E%C3%A4/x",
    "%72uok",
    "ruok;x=1",
    "ruok?x=1",
];

/// Values that differ from run to run, whichever server answers.
const DIFFERS: &[&str] = &[
    "client_port",
    "data_dir",
    "data_log_dir",
    "remote_socket_address",
    "session_id",
    "established",
    "last_response_time",
    "last_latency",
    "min_latency",
    "avg_latency",
    "max_latency",
    "datadir_size",
    "logdir_size",
    "data_dir_size",
    "log_dir_size",
    "timestamp",
    "version",
    "uptime",
    "expiry_time_to_session_ids",
    "packets_sent",
    "packets_received",
    "num_alive_client_connections",
    "outstanding_requests",
    "last_buffer_size",
    "min_buffer_size",
    "max_buffer_size",
    "session_id_to_watched_paths",
    "path_to_session_ids",
    "queued_packets",
    "queued_packets_size",
    "requests",
    "last_cxid",
    "last_operation",
    // The digest covers times and sessions.
    "digest",
    // Of a connection, ours has the last published one, which may be some milliseconds old.
    "last_zxid",
];
/// Those that depend on which server leads and on its epoch, too.
const DIFFERS_IN_ENSEMBLE: &[&str] = &[
    "last_processed_zxid",
    "zab_epoch",
    "zab_counter",
    "digests",
    "zxid",
    "myid",
    "leader_id",
    "server_id",
    "current_config",
    "quorum_address",
    "election_address",
    "client_address",
];

struct Admin {
    server: Server,
    port: u16,
}

fn with_admin(spec: ServerSpec, port: u16) -> ServerSpec {
    spec.set("admin.enableServer", "true").set("admin.serverAddress", "127.0.0.1").set("admin.serverPort", port)
}

fn spec(kind: ServerKind, port: u16) -> ServerSpec {
    with_admin(ServerSpec::new(kind), port)
        .set("DigestAuthenticationProvider.superDigest", digest_id("super", "secret"))
}

fn ask(port: u16, method: &str, path: &str) -> (u16, String) {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait::until("the admin server", LIMIT, || http::request(addr, method, path, ""))
}

impl Admin {
    fn standalone(kind: ServerKind) -> Admin {
        let port = ports::free_port();
        Admin { server: Server::standalone(spec(kind, port)), port }
    }

    /// Nodes, watches, ephemerals and a digest, the same on every server.
    fn load(&self) -> Session {
        let mut session = Session::open_any(&[self.server.addr()], 30_000, LIMIT);
        load(&mut session);
        session
    }
}

fn load(session: &mut Session) {
    session.create("/app", b"x", Mode::Persistent).expect("create");
    session.create("/app/e\u{e4}\"q", b"", Mode::Ephemeral).expect("create");
    session.create("/app/e2", b"", Mode::Ephemeral).expect("create");
    for _ in 0..130 {
        session.set("/app", b"y").expect("set");
    }
    session.sync().expect("sync");
}

fn compare(command: &str, apache: &(u16, String), ours: &(u16, String), differs: &dyn Fn(&str) -> bool) {
    assert_eq!(ours.0, apache.0, "{command}: the status");
    let unordered = |key: &str| key == "server_stats";
    let shape = |text: &str| Document::read(text).masked(differs, &unordered);
    let (found, expected) = (shape(&ours.1), shape(&apache.1));
    assert_eq!(found, expected, "{command}: ours\n{}\nApache's\n{}", ours.1, apache.1);
    // Blanks and line ends are the same as well.
    if Document::read(&ours.1) == Document::read(&apache.1) {
        assert_eq!(ours.1, apache.1, "{command}");
    }
    let layout = |text: &str| text.starts_with("{\n  \"") && text.ends_with("\n}");
    assert!(layout(&ours.1) && layout(&apache.1), "{command}: {}", ours.1);
}

#[test]
fn a_standalone_server_answers_as_apaches() {
    let (apache, ours) = (Admin::standalone(Apache39), Admin::standalone(Zookube));
    let _sessions = [apache.load(), ours.load()];
    for command in COMMANDS {
        let path = format!("/commands/{command}");
        let differs = |key: &str| DIFFERS.contains(&key) || is_environment(command);
        compare(command, &ask(apache.port, "GET", &path), &ask(ours.port, "GET", &path), &differs);
        let heads = [apache.port, ours.port].map(|port| ask(port, "HEAD", &path));
        assert_eq!(heads[0], heads[1], "HEAD {command}");
    }
}

/// Keys and their order are compared, values are of another process.
fn is_environment(command: &str) -> bool {
    command.starts_with("env")
}

/// Ours has more commands; those of Apache's that it has are linked in the same form and order.
#[test]
fn the_index_has_apaches_links() {
    let (apache, ours) = (Admin::standalone(Apache39), Admin::standalone(Zookube));
    for path in ["/commands", "/commands/", "/commands/?x=1"] {
        let (expected, found) = (ask(apache.port, "GET", path), ask(ours.port, "GET", path));
        assert_eq!((expected.0, found.0), (200, 200));
        let links = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (expected, found) = (links(&expected.1), links(&found.1));
        let missing: Vec<&String> = expected.iter().filter(|line| !found.contains(line)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let common: Vec<&String> = found.iter().filter(|line| expected.contains(line) && *line != "<br/>").collect();
        let order: Vec<&String> = expected.iter().filter(|line| common.contains(line)).collect();
        assert_eq!(common, order);
    }
    for path in ["/", "/nothing", "/commandsx"] {
        assert_eq!([apache.port, ours.port].map(|port| ask(port, "GET", path).0), [404, 404], "{path}");
    }
    for method in ["PUT", "DELETE"] {
        assert_eq!([apache.port, ours.port].map(|port| ask(port, method, "/commands/ruok").0), [405, 405]);
    }
}

/// Every figure of ours that Apache's server has, too, has the same type there.
#[test]
fn figures_have_apaches_types() {
    let (apache, ours) = (Admin::standalone(Apache39), Admin::standalone(Zookube));
    let _sessions = [apache.load(), ours.load()];
    let [expected, found] =
        [apache.port, ours.port].map(|port| Document::read(&ask(port, "GET", "/commands/monitor").1));
    assert_eq!(found.keys()[..2], expected.keys()[..2], "version and state come first");
    assert_eq!(found.keys()[found.keys().len() - 2..], ["command", "error"]);
    let mut compared = 0;
    for key in found.keys() {
        let types = [&found, &expected].map(|document| document.get(key).map(Document::kind));
        if let [Some(ours), Some(apaches)] = types {
            assert_eq!(ours, apaches, "{key}");
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} figures are on both");
    let texts = [apache.port, ours.port].map(|port| Document::read(&ask(port, "GET", "/commands/sysp").1));
    for document in texts {
        let kinds: Vec<&str> = document.keys().iter().filter_map(|key| Some(document.get(key)?.kind())).collect();
        assert!(kinds[..kinds.len() - 1].iter().all(|kind| *kind == "text"), "{kinds:?}");
    }
}

fn ensemble(kind: ServerKind) -> (Ensemble, Vec<u16>) {
    let mut plan = Plan::voters(&[kind; 3]).observer(kind);
    let admin: Vec<u16> = plan.specs.iter().map(|_| ports::free_port()).collect();
    for (spec, port) in plan.specs.iter_mut().zip(&admin) {
        *spec = with_admin(spec.clone(), *port);
    }
    let mut ensemble = plan.start();
    ensemble.wait_settled();
    (ensemble, admin)
}

#[test]
fn members_answer_as_apaches() {
    let (apache, apache_ports) = ensemble(Apache39);
    let (ours, our_ports) = ensemble(Zookube);
    for role in [Role::Leader, Role::Follower, Role::Observer] {
        let find = |ensemble: &Ensemble| {
            wait::until("a server in its role", LIMIT, || (0..4).find(|&index| ensemble.role(index) == role))
        };
        let (theirs, mine) = (find(&apache), find(&ours));
        let mut sessions = [(&apache, theirs), (&ours, mine)]
            .map(|(ensemble, index)| Session::open_any(&[ensemble.servers[index].addr()], 30_000, LIMIT));
        for session in &mut sessions {
            load(session);
        }
        let (theirs, mine) = (apache_ports[theirs], our_ports[mine]);
        for command in COMMANDS {
            let path = format!("/commands/{command}");
            let differs =
                |key: &str| DIFFERS.contains(&key) || DIFFERS_IN_ENSEMBLE.contains(&key) || is_environment(command);
            compare(&format!("{role:?} {command}"), &ask(theirs, "GET", &path), &ask(mine, "GET", &path), &differs);
        }
        compare_shapes(theirs, mine);
        for session in &mut sessions {
            session.delete("/app/e\u{e4}\"q").and_then(|()| session.delete("/app/e2")).expect("delete");
            session.delete("/app").expect("delete");
        }
    }
}

/// Of what holds ports and ids, the keys and types.
fn compare_shapes(theirs: u16, mine: u16) {
    for (command, path) in
        [("voting_view", "current_config"), ("zabstate", "quorum_address"), ("zabstate", "election_address")]
    {
        let shapes = [theirs, mine].map(|port| {
            let document = Document::read(&ask(port, "GET", &format!("/commands/{command}")).1);
            let part = document.get(path).unwrap_or_else(|| panic!("{command} has no {path}")).clone();
            let anything = |key: &str| key.parse::<i64>().is_err();
            let Document::Object(mut fields) = part.masked(&anything, &|_| false) else {
                panic!("an object is expected")
            };
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            fields
        });
        assert_eq!(shapes[1], shapes[0], "{command} {path}");
    }
}

#[test]
fn a_member_without_a_quorum_says_that_it_does_not_serve() {
    let start = |kind: ServerKind| {
        let mut plan = Plan::voters(&[kind; 3]);
        let port = ports::free_port();
        plan.specs[0] = with_admin(plan.specs[0].clone(), port);
        let mut ensemble = plan.prepare();
        ensemble.servers[0].start();
        (ensemble, port)
    };
    let ((_apache, theirs), (_ours, mine)) = (start(Apache39), start(Zookube));
    for command in COMMANDS {
        let path = format!("/commands/{command}");
        let differs = |_: &str| is_environment(command);
        compare(command, &ask(theirs, "GET", &path), &ask(mine, "GET", &path), &differs);
    }
}
