//! The whole process, spoken to in plain bytes.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;
use support::{
    Body, Client, PATIENCE, Server, add_persistent_watch, close, create, create_ephemeral, get, program, set,
};

/// A clean stop must not take longer.
const STOP_MAX: Duration = Duration::from_secs(2);

#[test]
fn a_session_writes_reads_watches_and_closes() {
    let server = Server::standalone();
    let mut client = server.client();
    let created = client.call(create(1, "/a", b"x"));
    assert_eq!((created.xid, created.error), (1, 0));
    let read = client.call(get(2, "/a", true));
    assert_eq!((read.xid, read.error, &read.body[..5]), (2, 0, &[0, 0, 0, 1, b'x'][..]));
    // The event of the own write comes before its reply, and the read behind it after both (I7, I9).
    client.send(&[set(3, "/a", b"yy"), get(4, "/a", false)]);
    let (event, written, read) = (client.reply(), client.reply(), client.reply());
    assert_eq!((event.xid, event.zxid), (-1, written.zxid));
    assert_eq!((written.xid, written.error), (3, 0));
    assert_eq!((read.xid, &read.body[..6]), (4, &[0, 0, 0, 2, b'y', b'y'][..]));
    assert_eq!(client.call(close(5)).xid, 5);
    assert!(client.is_closed());
}

#[test]
fn a_watcher_sees_the_event_before_any_read_that_shows_the_change() {
    let server = Server::standalone();
    let (mut writer, mut reader) = (server.client(), server.client());
    writer.call(create(1, "/a", b"0"));
    for round in 0..200_i32 {
        let before = reader.call(get(round, "/a", true));
        assert_eq!(before.error, 0);
        writer.send(&[set(round, "/a", round.to_string().as_bytes())]);
        // Polls until the change is visible: the event must have come before it.
        let mut events = 0;
        loop {
            let read = reader.call(get(1_000_000, "/a", false));
            if read.xid == -1 {
                events += 1;
                continue_reading(&mut reader, &mut events, &before.body);
                break;
            }
            assert_eq!(read.body, before.body, "a change was visible before its event");
        }
        assert_eq!(events, 1);
        assert_eq!(writer.reply().error, 0);
    }
}

/// Takes the reply that was on its way when the event came: it may be of before or after.
fn continue_reading(reader: &mut Client, events: &mut i32, _before: &[u8]) {
    let next = reader.reply();
    if next.xid == -1 {
        *events += 1;
    }
}

#[test]
fn a_thousand_pipelined_reads_are_answered_in_order() {
    let server = Server::standalone();
    let mut client = server.client();
    client.call(create(1, "/a", &[7; 100]));
    let reads: Vec<Body> = (10..1010).map(|xid| get(xid, "/a", false)).collect();
    client.send(&reads);
    for xid in 10..1010 {
        let reply = client.reply();
        assert_eq!((reply.xid, reply.error, reply.body.len()), (xid, 0, 4 + 100 + 68));
    }
    // The same with a write in front, in the middle and behind: order holds across the two paths.
    let mut mixed = Vec::new();
    for xid in 2000..3000 {
        mixed.push(if xid % 100 == 0 { set(xid, "/a", &[1; 50]) } else { get(xid, "/a", false) });
    }
    client.send(&mixed);
    for xid in 2000..3000 {
        let reply = client.reply();
        assert_eq!((reply.xid, reply.error), (xid, 0));
    }
}

/// Garbage for a port, and what its line in the log says.
fn throw(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.write_all(bytes).expect("send");
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the connection is closed"),
    }
}

#[test]
fn bad_bytes_close_only_their_own_connection() {
    let server = Server::ensemble_of_one();
    let mut client = server.client();
    client.call(create(1, "/a", b"x"));
    for bytes in [&[0xff; 64][..], &[0x7f, 0xff, 0xff, 0xff], &[0, 0, 0, 2, 0, 0], b"GET / HTTP/1.1\r\n\r\n"] {
        throw(server.client_port, bytes);
        throw(server.quorum_port, &[bytes, &[0xff; 64]].concat());
        throw(server.election_port, &[bytes, &[0xff; 64]].concat());
        assert_eq!(client.call(get(2, "/a", false)).error, 0, "others are not disturbed");
    }
    server.wait_for_line(&["client connection", "127.0.0.1:", "length"]);
    server.wait_for_line(&["quorum connection", "127.0.0.1:", "packet"]);
    // Only a leader sends snapshots, and it never dials.
    let snap = [&15_i32.to_be_bytes()[..], &[0; 8], &[0xff; 8]].concat();
    throw(server.quorum_port, &snap);
    server.wait_for_line(&["quorum connection", "127.0.0.1:", "SNAP", "from a learner"]);
    assert!(!server.log().contains("panicked"));
}

#[test]
fn a_client_that_sends_an_unknown_operation_is_told_and_closed() {
    let server = Server::standalone();
    let mut client = server.client();
    let reply = client.call(Body::default().int(9).int(99));
    assert_eq!((reply.xid, reply.zxid, reply.error), (9, -1, -6));
    assert!(client.is_closed());
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_the_others_go_on() {
    let server = Server::standalone();
    let mut deaf = Client::connect_narrow(server.client_port).expect("a session");
    let mut writer = server.client();
    // A long path makes a long event: fewer of them fill the outbox.
    let path = format!("/{}", "p".repeat(4000));
    writer.call(create(1, &path, b""));
    assert_eq!(deaf.call(add_persistent_watch(1, &path)).error, 0);
    let bytes_max = replica::limits::REPLY_BYTES_PER_CONNECTION_MAX;
    let sockets_hold = 8 << 20;
    for batch in 0..i32::try_from((bytes_max + sockets_hold) / 4000 / 500 + 1).expect("few") {
        let sets: Vec<Body> = (0..500).map(|n| set(batch * 500 + n, &path, b"")).collect();
        writer.send(&sets);
        for _ in 0..500 {
            assert_eq!(writer.reply().error, 0);
        }
    }
    server.wait_for_line(&["127.0.0.1:", "does not read"]);
    assert!(deaf.is_closed());
    assert_eq!(writer.call(get(1, &path, false)).error, 0);
}

#[test]
fn what_was_acknowledged_is_there_after_a_stop_and_after_a_kill() {
    let mut server = Server::standalone();
    server.client().call(create(1, "/stopped", b"1"));
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < STOP_MAX, "{took:?}");
    server.restart();
    server.client().call(create(1, "/killed", b"2"));
    server.kill();
    server.restart();
    let mut client = server.client();
    assert_eq!(client.call(get(1, "/stopped", false)).body[..5], [0, 0, 0, 1, b'1']);
    assert_eq!(client.call(get(2, "/killed", false)).body[..5], [0, 0, 0, 1, b'2']);
}

#[test]
fn exit_codes_are_apaches() {
    let server = Server::standalone();
    let run = |file: &std::path::Path| {
        let output = Command::new(program()).args(["run", "--config"]).arg(file).output().expect("run");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = run(&server.dir.path().join("no.cfg"));
    assert_eq!(code, Some(2), "{text}");
    // The data directory is in use.
    let (code, text) = run(&server.dir.path().join("zoo.cfg"));
    assert_eq!(code, Some(3), "{text}");
    // The client port is taken.
    let other = tempfile::tempdir().expect("a directory");
    let file = other.path().join("zoo.cfg");
    let cfg = format!("dataDir={}\nclientPort={}\n", other.path().display(), server.client_port);
    std::fs::write(&file, cfg).expect("zoo.cfg");
    let (code, text) = run(&file);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("bind client port"), "{text}");
}

/// A client may own more ephemerals than fit into one transaction: its end must not be the server's (ZOOKEEPER-3496).
#[test]
fn a_session_with_megabytes_of_ephemerals_ends_and_the_log_can_be_read_again() {
    const COUNT: i32 = 24_000;
    let mut server = Server::ensemble_of_one();
    let mut client = server.client();
    client.call(create(0, "/e", b""));
    let long = "x".repeat(100);
    let mut answered = 0;
    for first in (0..COUNT).step_by(500) {
        let bodies: Vec<Body> =
            (first..first + 500).map(|number| create_ephemeral(number + 1, &format!("/e/{long}{number}"))).collect();
        client.send(&bodies);
        for _ in &bodies {
            assert_eq!(client.reply().error, 0);
            answered += 1;
        }
    }
    assert_eq!(answered, COUNT);
    assert_eq!(client.call(close(COUNT + 1)).error, 0);
    assert!(client.is_closed());
    for _ in 0..2 {
        let left = server.client().call(get(1, "/e", false));
        assert_eq!(left.error, 0);
        let children = i32::from_be_bytes(left.body[left.body.len() - 12..left.body.len() - 8].try_into().unwrap());
        assert_eq!(children, 0, "ephemerals of a session that is closed");
        server.kill();
        server.restart();
    }
}
