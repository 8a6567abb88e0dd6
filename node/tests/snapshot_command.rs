//! The commands `snapshot` and `restore` of a real process: what the one sends is a file that another server starts from, and what
//! the other takes.

mod support;

use ::support::http::{self, Answer};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use support::{
    Admin, Body, Client, ENSEMBLE_OF_ONE, Server, create, create_ephemeral, delete, get, loopback, set, wait_for,
};

/// Anybody may on an open `/`, if they say who they are.
const IP: &str = "Authorization: ip\r\n";
/// Without a pause between two.
const UNLIMITED: &str = "admin.rateLimiterIntervalInMS=0\n";

/// Lets the writer beside a test end, also where the test fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// The state that an answer tells of.
fn zxid_of(answer: &Answer) -> i64 {
    let text = answer.header("last_zxid").expect("last_zxid");
    i64::from_str_radix(text.strip_prefix("0x").expect("0x"), 16).expect("a zxid")
}

impl Admin {
    fn ask(&self, method: &str, query: &str, head: &str) -> Answer {
        wait_for("the admin port", || self.send(method, &format!("/commands/snapshot{query}"), head, b""))
    }

    fn restore(&self, snapshot: &[u8]) -> Answer {
        wait_for("the admin port", || self.send("POST", "/commands/restore", IP, snapshot))
    }

    fn snapshot(&self) -> Answer {
        let answer = self.ask("GET", "", IP);
        assert_eq!(answer.status, 200, "{} {}", answer.head, answer.text());
        answer
    }

    fn metric(&self, name: &str) -> i64 {
        let text = self.server.word("mntr");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("zk_{name}\t"))?.parse().ok());
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
    }
}

/// A new server that finds this file in its data directory under the name it came with.
fn started_from(answer: &Answer) -> Server {
    started_with(answer, "db.autocreate=false\n")
}

fn started_with(answer: &Answer, more: &str) -> Server {
    let disposition = answer.header("content-disposition").expect("a name");
    let name = disposition.split('"').nth(1).expect("quotes").to_owned();
    let mut server = Server::begin(more);
    server.kill();
    let dir = server.dir.path().join("data/version-2");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("an empty directory");
    }
    std::fs::create_dir_all(&dir).expect("a data directory");
    std::fs::write(dir.join(name), &answer.body).expect("the snapshot");
    server.restart();
    server
}

fn data_of(client: &mut Client, path: &str) -> Option<Vec<u8>> {
    let reply = client.call(get(1, path, false));
    let length = usize::try_from(i32::from_be_bytes(reply.body.get(..4)?.try_into().ok()?)).ok()?;
    Some(reply.body[4..4 + length].to_vec())
}

#[test]
fn the_file_is_what_lies_in_the_data_directory() {
    let admin = Admin::start(UNLIMITED);
    let mut client = admin.server.client();
    let zxid = client.call(create(1, "/a", b"x")).zxid;
    let answer = admin.snapshot();
    assert_eq!((zxid_of(&answer), answer.header("content-type")), (zxid, Some("application/octet-stream")));
    let size = answer.body.len().to_string();
    assert_eq!((answer.header("snapshot_size"), answer.header("content-length")), (Some(&*size), Some(&*size)));
    assert_eq!(answer.header("snapshot_exact"), Some("true"));
    let file = admin.server.dir.path().join(format!("data/version-2/snapshot.{zxid:x}"));
    assert!(std::fs::read(&file).expect("the file") == answer.body);
    assert_eq!(answer.header("content-disposition"), Some(&*format!("attachment; filename=\"snapshot.{zxid:x}\"")));
    // Without the file, as Apache's answers.
    for query in ["?streaming=false", "?streaming=", "?streaming=1"] {
        let answer = admin.ask("GET", query, IP);
        assert_eq!(answer.text(), "{\n  \"command\" : \"snapshot\",\n  \"error\" : null\n}", "{query}");
        assert_eq!((zxid_of(&answer), answer.header("snapshot_size")), (zxid, Some(&*size)), "{query}");
    }
    let head = admin.ask("HEAD", "", IP);
    assert_eq!((head.status, head.header("snapshot_size"), head.body.len()), (200, Some(&*size), 0));
    assert!(!admin.ask("GET", "?streaming=TRUE", IP).body.is_empty());
    assert_eq!(admin.metric("snapshot_error_count"), 0);
}

/// The tree is larger than what is encoded at once, and clients go on writing and deleting.
#[test]
fn a_server_starts_from_what_was_sent_while_clients_wrote() {
    const NODES: i32 = 24;
    let admin = Admin::start(UNLIMITED);
    let mut client = admin.server.client();
    for at in 0..NODES {
        assert_eq!(client.call(create(at, &format!("/n{at}"), &vec![7; 900_000])).error, 0);
    }
    let (stop, written) = (AtomicBool::new(false), AtomicI32::new(0));
    let (answer, before) = std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        scope.spawn(|| {
            let mut client = admin.server.client();
            client.call(create(1, "/counter", b"0"));
            while !stop.load(SeqCst) {
                let next = written.load(SeqCst) + 1;
                assert_eq!(client.call(set(next, "/counter", next.to_string().as_bytes())).error, 0);
                written.store(next, SeqCst);
            }
        });
        wait_for("writes", || (written.load(SeqCst) > 10).then_some(()));
        let before = written.load(SeqCst);
        (admin.snapshot(), before)
    });
    let server = started_from(&answer);
    let mut client = server.client();
    for at in 0..NODES {
        assert_eq!(data_of(&mut client, &format!("/n{at}")).map(|data| data.len()), Some(900_000), "/n{at}");
    }
    let counter = data_of(&mut client, "/counter").expect("the counter");
    let counter: i32 = String::from_utf8(counter).expect("digits").parse().expect("a number");
    assert!((before..=written.load(SeqCst)).contains(&counter), "{counter}: at least {before} was acknowledged before");
}

/// A tree that is encoded at once is that of one zxid, whatever is written meanwhile.
#[test]
fn a_small_tree_is_sent_as_it_was_at_one_zxid() {
    let admin = Admin::start(UNLIMITED);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        scope.spawn(|| {
            let mut client = admin.server.client();
            while !stop.load(SeqCst) {
                // One or the other, never both and never none: in a transaction of both.
                assert_eq!(client.call(create(1, "/a", b"")).error, 0);
                assert_eq!(client.call(delete(2, "/a")).error, 0);
            }
        });
        let answers: Vec<Answer> = (0..20).map(|_| admin.snapshot()).collect();
        assert!(answers.iter().all(|answer| answer.header("snapshot_exact") == Some("true")));
        assert!(answers.iter().map(zxid_of).is_sorted());
    });
}

#[test]
fn a_member_starts_from_it_too() {
    let admin = Admin::start(UNLIMITED);
    admin.server.client().call(create(1, "/a", b"x"));
    let answer = admin.snapshot();
    let server = started_with(&answer, &format!("{ENSEMBLE_OF_ONE}db.autocreate=false\n"));
    let mut client = server.client();
    assert_eq!(data_of(&mut client, "/a"), Some(b"x".to_vec()));
    assert!(client.call(create(2, "/b", b"")).zxid > zxid_of(&answer));
}

#[test]
fn a_packed_snapshot_is_sent_packed() {
    for (method, end) in [("gz", ".gz\""), ("snappy", ".snappy\"")] {
        let admin = Admin::start(&format!("{UNLIMITED}snapshot.compression.method={method}\n"));
        admin.server.client().call(create(1, "/a", b"packed"));
        let answer = admin.snapshot();
        assert!(answer.header("content-disposition").is_some_and(|name| name.ends_with(end)), "{}", answer.head);
        let server = started_from(&answer);
        assert_eq!(data_of(&mut server.client(), "/a"), Some(b"packed".to_vec()));
    }
}

#[test]
fn who_asks_is_asked() {
    let admin = Admin::start(&format!(
        "{UNLIMITED}DigestAuthenticationProvider.superDigest=super:lK75jTNcA+U9vtVEw5vB51mj/w4=\n"
    ));
    let ask = |head: &str| {
        let answer = admin.ask("GET", "?streaming=false", head);
        (answer.status, answer.json()["error"].as_str().map(str::to_owned))
    };
    let refused = |status: u16, error: &str| (status, Some(error.to_owned()));
    assert_eq!(ask(""), refused(401, "Auth info is missing for the command"));
    assert_eq!(ask("Authorization: Basic x\r\n"), refused(401, "Not authenticated"));
    assert_eq!(ask(IP), (200, None), "an open / is open");
    // setACL / to what the super user alone may not read.
    let acl = Body::default().int(1).int(7).bytes(b"/").int(1).int(1).bytes(b"world").bytes(b"anyone").int(-1);
    assert_eq!(admin.server.client().call(acl).error, 0);
    assert_eq!(ask(IP), refused(403, "Not authorized"));
    assert_eq!(ask("Authorization: digest super:wrong\r\n"), refused(403, "Not authorized"));
    assert_eq!(ask("Authorization: digest super:secret\r\n"), (200, None));
    assert_eq!(admin.ask("POST", "", IP).status, 405);
}

#[test]
fn the_next_one_has_to_wait() {
    // A thousandth of it is more than a test lasts.
    let admin = Admin::start("admin.rateLimiterIntervalInMS=600000000\n");
    admin.snapshot();
    let answer = admin.ask("GET", "", IP);
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{}", answer.head);
    assert_eq!(answer.json()["command"], "snapshot");
    assert!(answer.json()["hint"].as_str().is_some_and(|hint| hint.contains("admin.rateLimiterIntervalInMS")));
    assert_eq!(admin.metric("snapshot_rate_limited_count"), 1);
}

#[test]
fn it_can_be_switched_off() {
    for (key, status) in [("admin.snapshot.enabled", 503), ("serializeLastProcessedZxid.enabled", 500)] {
        let admin = Admin::start(&format!("{key}=false\n"));
        let answer = admin.ask("GET", "", IP);
        assert_eq!(answer.status, status, "{key}");
        assert!(answer.json()["hint"].as_str().is_some_and(|hint| hint.contains(key)), "{}", answer.text());
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_is_counted_and_nothing_is_left() {
    let admin = Admin::start(UNLIMITED);
    let zxid = admin.server.client().call(create(1, "/a", b"")).zxid;
    let dir = admin.server.dir.path().join("data/version-2");
    // A directory where the file is to be: even root cannot put a file there.
    let sessions_zxid = |at: i64| dir.join(format!("snapshot.{at:x}"));
    std::fs::create_dir(sessions_zxid(zxid)).expect("a directory");
    let answer = admin.ask("GET", "", IP);
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.json()["error"].as_str().is_some_and(|error| error.contains("snapshot.")), "{}", answer.text());
    assert_eq!(admin.metric("snapshot_error_count"), 1);
    assert!(!has_temporary(&dir), "an unfinished file");
    assert_eq!(admin.server.client().call(get(1, "/a", false)).error, 0, "it serves on");
}

fn has_temporary(dir: &Path) -> bool {
    let mut entries = std::fs::read_dir(dir).expect("the directory");
    entries.any(|entry| entry.expect("an entry").file_name().to_string_lossy().ends_with(".tmp"))
}

/// Many snapshots by order do not fill the disk.
#[test]
fn old_ones_are_deleted() {
    let admin = Admin::start(UNLIMITED);
    let mut client = admin.server.client();
    for at in 0..9 {
        client.call(create(at, &format!("/n{at}"), b""));
        admin.ask("GET", "?streaming=false", IP);
    }
    let dir = admin.server.dir.path().join("data/version-2");
    let names = std::fs::read_dir(&dir).expect("the directory").map(|entry| entry.expect("an entry").file_name());
    let count = names.filter(|name| name.to_string_lossy().starts_with("snapshot.")).count();
    assert_eq!(count, 5, "the newest five are kept");
}

/// A client, and a snapshot of what it has written.
fn taken(admin: &Admin) -> (Client, Answer) {
    let mut client = admin.server.client();
    client.call(create(1, "/kept", b"old"));
    client.call(create(2, "/deleted", b"back"));
    (client, admin.snapshot())
}

/// What a server that was restored shows, and shows again after a restart.
fn assert_restored(client: &mut Client) {
    assert_eq!(data_of(client, "/kept"), Some(b"old".to_vec()));
    assert_eq!(data_of(client, "/deleted"), Some(b"back".to_vec()));
    assert_eq!(client.call(get(1, "/later", false)).error, -101, "made after the snapshot");
}

#[test]
fn a_restored_snapshot_is_what_there_is_also_after_a_restart() {
    let mut admin = Admin::start(UNLIMITED);
    let (mut client, snapshot) = taken(&admin);
    client.call(delete(3, "/deleted"));
    client.call(set(4, "/kept", b"new"));
    let seen = client.call(create(5, "/later", b"")).zxid;
    let answer = admin.restore(&snapshot.body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["last_zxid"], zxid_of(&snapshot));
    assert!(json["served_zxid"].as_i64().is_some_and(|zxid| zxid > seen), "no client is ahead: {json}");
    assert_eq!((&json["command"], &json["error"]), (&"restore".into(), &serde_json::Value::Null));
    assert!(client.is_closed(), "clients read nothing of two histories on one connection");
    let mut client = admin.server.client();
    assert_restored(&mut client);
    let next = client.call(create(6, "/next", b""));
    assert!(next.error == 0 && next.zxid > json["served_zxid"].as_i64().expect("a zxid"), "{next:?}");
    admin.server.kill();
    admin.server.restart();
    let mut client = admin.server.client();
    assert_restored(&mut client);
    assert_eq!(client.call(get(1, "/next", false)).error, 0, "what came after it is kept as well");
    assert_eq!(client.call(create(2, "/more", b"")).error, 0);
}

/// The process dies as soon as the command has answered.
#[test]
fn an_answer_says_that_it_is_durable() {
    let mut admin = Admin::start(UNLIMITED);
    let (mut client, snapshot) = taken(&admin);
    client.call(delete(3, "/deleted"));
    client.call(create(4, "/later", b""));
    assert_eq!(admin.restore(&snapshot.body).status, 200);
    admin.server.kill();
    admin.server.restart();
    assert_restored(&mut admin.server.client());
}

/// Sessions of the snapshot live on from its restoration, also the dead ones, which then expire.
#[test]
fn sessions_of_the_snapshot_expire_anew() {
    let admin = Admin::start(&format!("{UNLIMITED}minSessionTimeout=1000\nmaxSessionTimeout=1000\n"));
    let mut client = admin.server.client();
    client.call(create_ephemeral(1, "/mine"));
    let snapshot = admin.snapshot();
    drop(client);
    let mut watcher = admin.server.client();
    wait_for("the session to expire", || (watcher.call(get(1, "/mine", false)).error == -101).then_some(()));
    assert_eq!(admin.restore(&snapshot.body).status, 200);
    let mut watcher = admin.server.client();
    assert_eq!(watcher.call(get(1, "/mine", false)).error, 0, "its session has its whole timeout before it");
    wait_for("the session to expire again", || (watcher.call(get(1, "/mine", false)).error == -101).then_some(()));
}

#[test]
fn what_is_no_whole_snapshot_changes_nothing() {
    let admin = Admin::start(UNLIMITED);
    let mut client = admin.server.client();
    client.call(create(1, "/a", b"x"));
    let whole = admin.snapshot().body;
    let zxid = client.call(set(2, "/a", b"y")).zxid;
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let bodies: [&[u8]; 5] = [b"", b"nonsense", &whole[..whole.len() / 2], &whole[..whole.len() - 1], &changed];
    for body in bodies {
        let answer = admin.restore(body);
        assert_eq!((answer.status, &answer.json()["hint"]), (400, &"nothing was changed".into()), "{}", answer.text());
    }
    // Less comes than was promised.
    let cut = format!("{IP}Content-Length: {}\r\n", whole.len());
    let mut stream = TcpStream::connect(("127.0.0.1", admin.port)).expect("the admin port");
    let request = format!("POST /commands/restore HTTP/1.1\r\nHost: localhost\r\n{cut}\r\n");
    stream.write_all(&[request.as_bytes(), &whole[..100]].concat()).expect("a part");
    drop(stream);
    wait_for("it to be given up", || (admin.metric("restore_error_count") == 6).then_some(()));
    let long =
        format!("POST /commands/restore HTTP/1.1\r\nHost: localhost\r\n{IP}Content-Length: 9000000000000\r\n\r\nZKSN");
    let long = http::exchange(loopback(admin.port), long.as_bytes()).expect("an answer");
    assert_eq!(long.status, 413, "{}", long.text());
    wait_for("all of them to be counted", || (admin.metric("restore_error_count") == 7).then_some(()));
    assert_eq!(data_of(&mut client, "/a"), Some(b"y".to_vec()), "on the same connection");
    assert_eq!(client.call(set(3, "/a", b"z")).zxid, zxid + 1);
    assert_eq!(admin.restore(&whole).status, 200);
    assert_eq!(data_of(&mut admin.server.client(), "/a"), Some(b"x".to_vec()));
}

#[test]
fn who_restores_is_asked_and_has_to_wait() {
    let admin = Admin::start("");
    let snapshot = admin.snapshot().body;
    let status = |method: &str, proof: &str| {
        wait_for("the admin port", || admin.send(method, "/commands/rest", proof, &snapshot)).status
    };
    assert_eq!(status("POST", ""), 401);
    assert_eq!(status("POST", "Authorization: digest\r\n"), 401);
    assert_eq!(status("GET", IP), 405);
    assert_eq!(status("POST", IP), 200);
    assert_eq!(status("POST", IP), 429);
    assert_eq!((admin.metric("restore_rate_limited_count"), admin.metric("restore_error_count")), (1, 0));
    assert!(admin.server.word("mntr").contains("zk_cnt_restore_time\t1\n"));
    let off = Admin::start("admin.restore.enabled=false\n");
    assert_eq!(off.restore(&snapshot).status, 503);
}

#[test]
fn a_member_of_an_ensemble_restores_nothing() {
    let admin = Admin::start(&format!("{UNLIMITED}{ENSEMBLE_OF_ONE}"));
    let mut client = admin.server.client();
    let snapshot = admin.snapshot();
    client.call(create(1, "/a", b""));
    let answer = admin.restore(&snapshot.body);
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.json()["hint"].as_str().is_some_and(|hint| hint.contains("stop all servers")));
    assert_eq!(client.call(get(2, "/a", false)).error, 0);
}

/// Clients write while a snapshot is restored: each gets an answer that holds, or none.
#[test]
fn what_is_acknowledged_after_it_is_kept() {
    let mut admin = Admin::start(UNLIMITED);
    admin.server.client().call(create(1, "/n", b""));
    let snapshot = admin.snapshot().body;
    let (stop, last) = (AtomicBool::new(false), AtomicI32::new(0));
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        scope.spawn(|| {
            let mut next = 0;
            while !stop.load(SeqCst) {
                let Some(mut client) = Client::connect(admin.server.client_port) else { continue };
                loop {
                    next += 1;
                    client.send(&[set(next, "/n", next.to_string().as_bytes())]);
                    let Some(frame) = client.frame() else { break };
                    assert_eq!(frame[12..16], [0; 4], "an error");
                    last.store(next, SeqCst);
                    if stop.load(SeqCst) {
                        return;
                    }
                }
            }
        });
        for _ in 0..5 {
            let before = last.load(SeqCst);
            wait_for("writes", || (last.load(SeqCst) > before + 5).then_some(()));
            assert_eq!(admin.restore(&snapshot).status, 200);
        }
        let before = last.load(SeqCst);
        wait_for("writes", || (last.load(SeqCst) > before + 5).then_some(()));
    });
    let expected = last.load(SeqCst).to_string().into_bytes();
    assert_eq!(data_of(&mut admin.server.client(), "/n"), Some(expected.clone()));
    admin.server.kill();
    admin.server.restart();
    assert_eq!(data_of(&mut admin.server.client(), "/n"), Some(expected));
}
