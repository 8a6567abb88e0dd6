//! The admin server of a real process: commands, who may give them, health, and what strangers may send.

mod support;

use ::support::http::{self, Answer};
use serde_json::{Value, json};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use support::{
    Admin, Body, Client, ENSEMBLE_OF_ONE, Server, create, create_ephemeral, delete, free_port, get, loopback,
    outer_address, program, wait_for,
};

/// `super:secret` for the key of the super user.
const SUPER: &str = "DigestAuthenticationProvider.superDigest=super:lK75jTNcA+U9vtVEw5vB51mj/w4=\n";

fn ask(port: u16, method: &str, path: &str, head: &str, body: &str) -> Option<Answer> {
    http::send(loopback(port), method, path, head, body.as_bytes())
}

fn send(port: u16, text: &str) -> Option<Answer> {
    http::exchange(loopback(port), text.as_bytes())
}

impl Admin {
    fn ask(&self, method: &str, path: &str, head: &str, body: &str) -> Answer {
        wait_for("the admin port", || self.send(method, path, head, body.as_bytes()))
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    fn command(&self, name: &str) -> Value {
        let answer = self.get(&format!("/commands/{name}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn health(&self, page: &str) -> (u16, Value) {
        let answer = self.ask("GET", page, "Accept: */*\r\n", "");
        (answer.status, answer.json())
    }
}

#[test]
fn commands_answer_in_apaches_form() {
    let admin = Admin::start("");
    admin.server.client().call(create(1, "/a", b"x"));
    let ruok = admin.get("/commands/ruok");
    assert_eq!((ruok.status, &*ruok.text()), (200, "{\n  \"command\" : \"ruok\",\n  \"error\" : null\n}"));
    assert!(ruok.head.contains("\r\ncontent-type: application/json\r\n"), "{}", ruok.head);
    let stats = admin.command("srvr");
    assert_eq!(stats["command"], "server_stats");
    assert_eq!((&stats["server_stats"]["server_state"], &stats["node_count"]), (&json!("standalone"), &json!(6)));
    assert_eq!(admin.command("nosuch"), json!({"command": "nosuch", "error": "Unknown command: nosuch"}));
    assert_eq!(admin.command("RUOK")["error"], "Unknown command: RUOK");
    assert_eq!(admin.command("leader"), json!({"command": "leader", "error": "server is not initialized"}));
    assert_eq!(
        admin.command("zabstate"),
        json!({"command": "zabstate", "error": null, "voting": false, "zabstate": ""})
    );
    let text = std::fs::read_to_string(admin.server.dir.path().join("zoo.cfg")).expect("zoo.cfg");
    assert_eq!(admin.command("icfg")["initial_configuration"], text.as_str());
    assert_eq!(admin.command("lsnp")["zxid"], "0");
}

#[test]
fn the_index_links_every_command_and_each_link_leads_somewhere() {
    let admin = Admin::start("");
    let page = admin.get("/commands/");
    assert_eq!(page.body, admin.get("/commands").body);
    let text = page.text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(names.len() > 25 && names.is_sorted(), "{names:?}");
    for path in names {
        let answer = admin.get(path);
        assert!([200, 400, 401, 405].contains(&answer.status), "{path}: {answer:?}");
        assert!(answer.json()["command"].is_string(), "{path}: {answer:?}");
    }
}

#[test]
fn head_has_the_length_of_what_get_would_answer() {
    let admin = Admin::start("");
    for path in ["/commands/ruok", "/commands"] {
        let (get, head) = (admin.get(path), admin.ask("HEAD", path, "", ""));
        assert_eq!((head.status, &*head.text()), (200, ""));
        assert!(head.head.contains(&format!("content-length: {}", get.body.len())), "{}", head.head);
    }
    let options = admin.ask("OPTIONS", "/commands/ruok", "", "");
    assert!(options.status == 200 && options.head.contains("GET, HEAD, POST"), "{options:?}");
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(admin.ask(method, "/commands/ruok", "", "").status, 405, "{method}");
    }
    let wrong = admin.ask("POST", "/commands/ruok", "", "");
    assert!(wrong.status == 405 && wrong.json()["hint"].is_string(), "{wrong:?}");
    assert_eq!(admin.get("/commands/hand_over").status, 405);
}

#[test]
fn commands_are_below_the_configured_path() {
    let admin = Admin::start("admin.commandURL=/zk/admin\n");
    assert_eq!(admin.get("/zk/admin/ruok").status, 200);
    assert!(admin.get("/zk/admin").text().starts_with("<a href=\"/zk/admin/configuration\">"));
    for elsewhere in ["/commands/ruok", "/zk/adminx", "/"] {
        assert_eq!(admin.get(elsewhere).status, 404, "{elsewhere}");
    }
    assert_eq!(admin.get("/livez").status, 200);
}

#[test]
fn figures_begin_anew_by_order() {
    let admin = Admin::start("");
    let mut client = admin.server.client();
    client.call(create(1, "/a", b""));
    let received = || admin.command("stats")["server_stats"]["packets_received"].as_i64().expect("a number");
    wait_for("packets to be counted", || (received() > 1).then_some(()));
    assert_eq!(admin.ask("POST", "/commands/stat_reset", "", "").status, 200);
    assert!(received() < 2, "after stat_reset");
    assert_eq!(admin.command("crst"), json!({"command": "connection_stat_reset", "error": null}), "GET, as in Apache");
    let connections = admin.command("cons");
    let connection = &connections["connections"][0];
    assert_eq!((&connection["last_operation"], &connection["last_cxid"]), (&json!("NA"), &json!(-1)));
    assert_eq!(admin.command("stmk?traceMask=7")["tracemask"], 7);
    assert_eq!(admin.command("gtmk")["tracemask"], 7);
    let bad = admin.command("stmk?traceMask=zz");
    assert_eq!(bad["error"], "setTraceMask requires long traceMask argument, got zz");
}

#[test]
fn a_web_page_gives_no_orders() {
    let admin = Admin::start("");
    for head in ["Origin: http://localhost\r\n", "Referer: http://example.org/\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        for (method, command) in [("GET", "srst"), ("POST", "shed_connections?percentage=100"), ("POST", "hand_over")] {
            let answer = admin.ask(method, &format!("/commands/{command}"), head, "");
            assert_eq!(answer.status, 403, "{head} {command}: {answer:?}");
            assert_eq!(answer.json()["error"], "commands are not taken from web pages");
        }
        assert_eq!(admin.ask("GET", "/commands/ruok", head, "").status, 200, "figures are for everybody");
    }
    let rebound = "GET /commands/srst HTTP/1.1\r\nHost: rebound.example.org\r\nConnection: close\r\n\r\n";
    assert_eq!(send(admin.port, rebound).expect("an answer").status, 403);
}

#[test]
fn nobody_gives_orders_where_that_is_switched_off() {
    let admin = Admin::start(&format!("admin.commandsFrom=none\n{SUPER}"));
    for head in ["", "Authorization: digest super:secret\r\n"] {
        let answer = admin.ask("POST", "/commands/srst", head, "");
        assert_eq!((answer.status, &answer.json()["error"]), (403, &json!("commands are switched off")));
    }
}

/// An operator in another pod knows the super user's password and nothing else; `/` is as open as in a new ensemble.
#[test]
fn the_super_user_gives_orders_from_another_machine() {
    let admin = Admin::start(&format!("admin.serverAddress=0.0.0.0\n{ENSEMBLE_OF_ONE}{SUPER}"));
    let there = (outer_address(), admin.port).into();
    let ask = |method: &str, path: &str, proof: &str| {
        let head = if proof.is_empty() { String::new() } else { format!("Authorization: digest {proof}\r\n") };
        let answer = wait_for("the admin port", || http::send(there, method, path, &head, b""));
        (answer.status, answer.json())
    };
    let version = "0x100000000";
    for (method, path, status, said) in [
        // Nobody is there to lead in its place, which is another matter.
        ("POST", "/commands/hand_over?to=2".to_owned(), 409, "\"outcome\":\"refused\""),
        ("POST", "/commands/stat_reset".to_owned(), 200, "\"error\":null"),
        ("GET", "/commands/snapshot?streaming=false".to_owned(), 200, "\"command\":\"snapshot\""),
        ("POST", format!("/v1/retire?configVersion={version}"), 409, "\"error\":"),
    ] {
        assert_eq!(ask(method, &path, "").0, 401, "{path}");
        for (wrong, status) in [("super:wrong", 403), ("bob:secret", 403)] {
            assert_eq!(ask(method, &path, wrong).0, status, "{path} {wrong}");
        }
        let (found, answer) = ask(method, &path, "super:secret");
        assert!(found == status && answer.to_string().contains(said), "{path}: {found} {answer}");
    }
    let status = wait_for("the admin port", || http::send(there, "GET", "/v1/status", "", b""));
    assert_eq!((status.status, &status.json()["state"]), (200, &json!("leading")), "this is for everybody");
}

/// From this machine no proof is needed; one that is wrong is refused all the same.
#[test]
fn a_proof_of_identity_is_looked_at() {
    let admin = Admin::start(SUPER);
    let status = |proof: &str| {
        let answer = admin.ask("POST", "/commands/srst", &format!("Authorization: {proof}\r\n"), "");
        (answer.status, answer.json()["error"].as_str().map(str::to_owned))
    };
    let refused = |status: u16, error: &str| (status, Some(error.to_owned()));
    assert_eq!(status("digest super:secret"), (200, None));
    assert_eq!(status("digest super:wrong"), refused(403, "Not authorized"));
    assert_eq!(status("ip"), refused(403, "Not authorized"), "the world may do everything on /, which proves nothing");
    for none in ["digest", "Basic c3VwZXI6c2VjcmV0", "world anyone", "digest a b"] {
        assert_eq!(status(none), refused(401, "Not authenticated"), "{none}");
    }
    // setACL / to ip:127.0.0.1 and everybody.
    let acl = |id: &str, scheme: &str| Body::default().int(31).bytes(scheme.as_bytes()).bytes(id.as_bytes());
    let mut request = Body::default().int(1).int(7).bytes(b"/").int(2);
    request.0.extend_from_slice(&acl("127.0.0.1", "ip").0);
    request.0.extend_from_slice(&acl("anyone", "world").0);
    assert_eq!(admin.server.client().call(request.int(-1)).error, 0);
    assert_eq!(status("ip"), (200, None));
}

#[test]
fn a_share_of_the_clients_is_sent_elsewhere() {
    let admin = Admin::start("");
    let mut clients: Vec<Client> = (0..4).map(|_| admin.server.client()).collect();
    let shed = |query: &str, body: &str| admin.ask("POST", &format!("/commands/shed_connections{query}"), "", body);
    assert_eq!(shed("", "{\"percentage\": 0}").json()["connections_shed"], 0);
    let half = shed("", "{\"percentage\": 50}");
    assert_eq!(
        half.json(),
        json!({"connections_shed": 2, "percentage_requested": 50, "command": "shed_connections", "error": null})
    );
    wait_for("two connections to end", || {
        (admin.command("srvr")["server_stats"]["num_alive_client_connections"] == 2).then_some(())
    });
    assert_eq!(shed("?percentage=100", "").json()["connections_shed"], 2);
    assert!(clients.iter_mut().all(Client::is_closed));
    for (body, error) in [
        ("", "Request body is required"),
        ("{}", "Missing required field: percentage"),
        ("{\"percentage\": 101}", "Percentage must be between 0 and 100"),
    ] {
        let answer = shed("", body);
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(error)));
    }
    assert_eq!(shed("", &"x".repeat(100_000)).status, 400);
}

#[test]
fn the_level_of_the_log_is_changed_while_the_server_runs() {
    let admin = Admin::start("");
    let before = admin.command("log_level");
    assert_eq!((&before["level"], &before["seconds_left"]), (&json!("info"), &json!(null)));
    let set = |query: &str| admin.ask("POST", &format!("/commands/set_log_level{query}"), "", "");
    let answer = set("?level=info,node=debug&seconds=600");
    assert_eq!(answer.status, 200, "{answer:?}");
    let level = admin.command("log_level");
    assert_eq!(
        (&level["lasting_level"], level["level"].as_str().is_some_and(|level| level.contains("node=debug"))),
        (&json!("info"), true)
    );
    assert!(level["seconds_left"].as_u64().is_some_and(|left| (1..=600).contains(&left)), "{level}");
    assert_eq!(set("?level=info").json()["lasting_level"], "info");
    for wrong in ["", "?level=loud", "?level=debug&seconds=0", "?level=debug&seconds=soon"] {
        let answer = set(wrong);
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
        assert!(answer.json()["hint"].as_str().is_some_and(|hint| hint.contains("level=debug")), "{answer:?}");
    }
    assert_eq!(admin.get("/commands/set_log_level?level=debug").status, 405);
    assert_eq!(admin.command("log_level")["level"], "info");
}

#[test]
fn slow_operations_are_told_with_their_phases() {
    // Every sync of a disk takes longer than nothing; a threshold in ms cannot be smaller.
    let admin = Admin::start("slowOperation.thresholdMs=1\n");
    let mut client = admin.server.client();
    let slow = wait_for("a write slower than 1 ms", || {
        for number in 0..50 {
            client.call(create(number + 1, &format!("/slow{}-{number}", admin.port), &[b'x'; 100_000]));
            client.call(delete(number + 51, &format!("/slow{}-{number}", admin.port)));
        }
        let slow = admin.command("slow_operations");
        let creates = slow["slow_operations"].as_array()?.iter().find(|slow| slow["operation"] == "create")?.clone();
        Some(creates)
    });
    assert!(slow["path"].as_str().is_some_and(|path| path.starts_with("/slow")), "{slow}");
    assert!(slow["session_id"].as_str().is_some_and(|session| session.starts_with("0x")), "{slow}");
    assert!(slow["remote_socket_address"].as_str().is_some_and(|remote| remote.starts_with("/127.0.0.1:")), "{slow}");
    let phases = slow["phases"].as_object().expect("phases");
    assert_eq!(phases.len(), 7);
    let total: f64 = phases.values().filter_map(Value::as_f64).sum();
    let whole = slow["total_ms"].as_f64().expect("a number");
    assert!(whole >= 1.0 && total <= whole * 1.5 + 1.0, "the phases are parts of the whole: {slow}");
    let none = Admin::start("slowOperation.thresholdMs=0\n");
    none.server.client().call(create(1, "/a", b"x"));
    let told = none.command("slow_operations");
    assert_eq!((&told["count"], &told["slow_operations"]), (&json!(0), &json!([])));
}

#[test]
fn the_owner_of_an_ephemeral_is_told() {
    let admin = Admin::start("");
    let mut client = admin.server.client();
    client.call(create(1, "/locks", b""));
    client.call(create_ephemeral(2, "/locks/a b"));
    let owner = admin.command("owner?path=/locks/a%20b");
    let cons = admin.command("cons");
    let connection = &cons["connections"][0];
    let id = connection["session_id"].as_i64().expect("an id");
    assert_eq!(owner["session_id"], format!("0x{id:x}"));
    assert_eq!(
        (&owner["connected_here"], &owner["client_address"]),
        (&json!(true), &connection["remote_socket_address"])
    );
    assert_eq!((&owner["last_operation"], &owner["principals"]), (&json!("CREA"), &json!(["ip:127.0.0.1"])));
    assert_eq!(
        (&owner["session_timeout"], &owner["established"]),
        (&connection["session_timeout"], &connection["established"])
    );
    drop(client);
    wait_for("the connection to be gone", || {
        (admin.command("owner?path=/locks/a+b")["connected_here"] == false).then_some(())
    });
    assert!(admin.command("owner?path=/locks/a+b")["client_address"].is_null());
    for (query, status, part) in [
        ("?path=/locks", 404, "is no ephemeral"),
        ("?path=/none", 404, "there is no znode /none"),
        ("?path=none", 400, "begins with /"),
        ("", 400, "path is missing"),
        ("?sid=1", 400, "unknown parameter"),
        ("?path=%ff", 400, "no part of a URL"),
    ] {
        let answer = admin.get(&format!("/commands/owner{query}"));
        let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == status && error.contains(part), "{query}: {answer:?}");
    }
}

#[test]
fn health_of_a_server_that_serves() {
    let admin = Admin::start("");
    let (status, live) = admin.health("/livez");
    assert_eq!((status, &live["alive"], &live["reasons"]), (200, &json!(true), &json!([])));
    assert!(["idle", "working"].contains(&live["disk"].as_str().unwrap_or_default()), "{live}");
    let (status, ready) = admin.health("/readyz");
    assert_eq!((status, &ready["ready"], &ready["mode"]), (200, &json!(true), &json!("standalone")));
    wait_for("the start to be complete", || (admin.health("/startupz").0 == 200).then_some(()));
    assert_eq!(admin.get("/readyz").text(), "ok\n", "in text for who does not ask for JSON");
}

#[test]
fn health_of_a_member_without_a_quorum() {
    let others: String =
        (2..=3).map(|sid| format!("server.{sid}=127.0.0.1:{}:{}\n", free_port(), free_port())).collect();
    let admin = Admin::begin(&format!("initLimit=10\nsyncLimit=5\n{others}"));
    wait_for("the core to run", || (admin.health("/livez").1["disk"].is_string()).then_some(()));
    assert_eq!(admin.health("/livez").0, 200, "a restart would not help");
    let (status, ready) = admin.health("/readyz");
    assert_eq!((status, &ready["ready"]), (503, &json!(false)));
    let reason = &ready["reasons"][0];
    assert_eq!((&reason["check"], reason["hint"].is_string()), (&json!("leader"), true), "{ready}");
    wait_for("the election", || (admin.health("/startupz").1["phase"] == "election").then_some(()));
    let error = "This ZooKeeper instance is not currently serving requests";
    for name in ["lead", "mntr", "srvr", "crst", "ruok", "owner?path=/"] {
        let answer = admin.command(name);
        assert_eq!((&answer["error"], &answer["command"]), (&json!(error), &json!(name.split('?').next())), "{name}");
    }
    assert_eq!(admin.command("zabstate")["zabstate"], "");
    assert!(admin.command("envi")["error"].is_null());
    wait_for("a member that waits for others to have started", || (admin.health("/startupz").0 == 200).then_some(()));
}

#[test]
fn members_tell_of_the_ensemble() {
    let admin = Admin::start(ENSEMBLE_OF_ONE);
    let (quorum, election) = (admin.server.quorum_port, admin.server.election_port);
    assert_eq!(
        admin.command("leader"),
        json!({"is_leader": true, "leader_id": 1, "leader_ip": "127.0.0.1", "command": "leader", "error": null})
    );
    let view = admin.command("voting_view");
    let me = &view["current_config"]["1"];
    assert_eq!(me["server_addresses"], json!([format!("127.0.0.1:{quorum}")]));
    assert_eq!(me["election_addresses"], json!([format!("127.0.0.1:{election}")]));
    let state = admin.command("zabstate");
    assert_eq!((&state["zabstate"], &state["voting"]), (&json!("broadcast"), &json!(true)));
    assert_eq!(state["quorum_address"]["one"], format!("127.0.0.1:{quorum}"));
    let observers = admin.command("observers");
    assert_eq!((&observers["synced_observers"], &observers["observers"]), (&json!(0), &json!([])));
    assert!(admin.command("srvr")["proposal_stats"].is_object());
    let refused = admin.ask("POST", "/commands/hand_over?to=9", "", "");
    assert_eq!((refused.status, &refused.json()["outcome"]), (409, &json!("refused")), "{refused:?}");
    assert_eq!(admin.ask("POST", "/commands/hand_over?to=x", "", "").status, 400);
}

/// The port is there before the data directory is read: a snapshot that never ends is being read.
#[test]
fn a_server_that_is_to_stop_serves_on_while_it_is_not_ready() {
    let mut admin = Admin::start("shutdown.delayMs=60000\n");
    let mut client = admin.server.client();
    admin.server.tell_to_stop();
    let ready = wait_for("it to be not ready", || Some(admin.health("/readyz")).filter(|(status, _)| *status == 503));
    assert_eq!(ready.1["reasons"][0]["check"], json!("draining"), "{}", ready.1);
    assert_eq!(client.call(create(1, "/written-meanwhile", b"")).error, 0);
    assert_eq!(
        admin.server.client().call(get(1, "/written-meanwhile", false)).error,
        0,
        "and who still comes is served"
    );
    let (code, _) = admin.server.stop();
    assert_eq!(code, Some(128 + 15), "a second order is obeyed at once");

    let mut server = Server::start("shutdown.delayMs=100\n");
    assert_eq!(server.stop().0, Some(0));
    server.wait_for_line(&["SIGTERM: not ready from now on"]);
    server.wait_for_line(&["stopped"]);
}

#[test]
fn a_server_that_reads_its_data_directory_is_alive_and_not_ready() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, port) = (dir.path().join("data"), free_port());
    std::fs::create_dir_all(data.join("version-2")).expect("a data directory");
    let pipe = data.join("version-2/snapshot.0");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let config = dir.path().join("zoo.cfg");
    let text = format!("dataDir={}\nclientPort={}\nadmin.serverPort={port}\n", data.display(), free_port());
    std::fs::write(&config, text).expect("zoo.cfg");
    let mut process = std::process::Command::new(program())
        .args(["run", "--config"])
        .arg(&config)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("start the server");
    let health = |page: &str| {
        let answer = wait_for("the admin port", || ask(port, "GET", page, "Accept: application/json\r\n", ""));
        (answer.status, answer.json())
    };
    let seen = [health("/livez"), health("/readyz"), health("/startupz")];
    let ruok = wait_for("the admin port", || ask(port, "GET", "/commands/ruok", "", ""));
    process.kill().expect("kill");
    process.wait().expect("wait");
    assert_eq!(seen[0], (200, json!({"alive": true, "reasons": [], "phase": "loading"})));
    assert_eq!((seen[1].0, &seen[1].1["reasons"][0]["check"]), (503, &json!("loading")));
    assert_eq!((seen[2].0, &seen[2].1["phase"]), (503, &json!("loading")));
    assert!(seen[2].1["loaded"]["transactions"].is_u64(), "{}", seen[2].1);
    assert_eq!(ruok.json()["error"], "This ZooKeeper instance is not currently serving requests");
}

#[test]
fn a_taken_port_does_not_keep_the_server_from_serving() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = taken.local_addr().expect("address").port();
    let server = Server::start(&format!("admin.serverPort={port}\n"));
    server.wait_for_line(&["WARN", "bind admin port", "admin.serverPort names another"]);
    drop(taken);
    wait_for("the port once it is free", || ask(port, "GET", "/commands/ruok", "", ""));
}

#[test]
fn strangers_get_short_answers() {
    let admin = Admin::start("admin.idleTimeout=300\n");
    assert_eq!(admin.get(&format!("/commands/{}", "x".repeat(5_000))).status, 200);
    let long = admin.get(&format!("/commands/{}", "x".repeat(70_000)));
    assert!([414, 431].contains(&long.status), "{long:?}");
    let head = format!("X: {}\r\n", "y".repeat(40_000));
    assert_eq!(admin.ask("GET", "/commands/ruok", &head, "").status, 431);
    assert_eq!(admin.get("/commands/%zz").status, 400);
    assert_eq!(admin.get("/commands/../../etc/passwd").json()["error"], "Unknown command: ../../etc/passwd");
    let odd = admin.get("/commands/a%22b%3Cc%3E%C3%A4%2Fx").json();
    assert_eq!(odd["error"], "Unknown command: a\"b<c>\u{e4}/x");
    assert_eq!(send(admin.port, "nonsense\r\n\r\n").expect("an answer").status, 400);
    // Who sends nothing is let go of, however many they are; then others get their turn.
    let silent: Vec<TcpStream> = (0..64).filter_map(|_| TcpStream::connect(("127.0.0.1", admin.port)).ok()).collect();
    assert_eq!(admin.get("/commands/ruok").status, 200);
    let mut rest = Vec::new();
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout");
        assert!(stream.read_to_end(&mut rest).is_ok(), "closed by the server");
    }
}

#[test]
fn secrets_are_hidden() {
    let admin = Admin::start(SUPER);
    for name in ["sysp", "icfg"] {
        let answer = admin.get(&format!("/commands/{name}"));
        assert!(answer.text().contains("(hidden)") && !answer.text().contains("lK75jTNcA"), "{}", answer.text());
    }
    assert_eq!(admin.command("sysp")["zookeeper.tickTime"], "500");
}

/// The metrics port answers the same probes and the one command that it always had.
#[test]
fn the_metrics_port_has_health_and_hand_over() {
    let port = free_port();
    let provider = "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
    let _server = Server::start(&format!(
        "{provider}\nmetricsProvider.httpPort={port}\nadmin.enableServer=false\nstandaloneEnabled=false\ninitLimit=10\nsyncLimit=5\n"
    ));
    let get = |method: &str, path: &str, head: &str| wait_for("the metrics port", || ask(port, method, path, head, ""));
    for page in ["/livez", "/readyz"] {
        assert_eq!(get("GET", page, "Accept: */*\r\n").status, 200, "{page}");
    }
    let refused = get("POST", "/commands/hand_over?to=7", "");
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text().contains("\"outcome\":\"refused\""), "{refused:?}");
    assert_eq!(get("POST", "/commands/hand_over", "Origin: http://localhost\r\n").status, 403);
    assert_eq!(get("GET", "/commands/hand_over", "").status, 405);
    assert_eq!(get("GET", "/commands/ruok", "").status, 404, "the others are on the admin port");
}
