//! Read-only mode: what is left of an ensemble when two of three servers are gone, and how it ends.

use std::time::Duration;

use differential::compare::check_all;
use differential::request::short::{
    add_watch, auth, check, container, count, create, create_ttl, create2, delete, ephemerals, exists, get, get_acl,
    ls, ls2, remove_watches, set, set_acl, sync,
};
use differential::request::{Request, open};
use differential::script::{Password, Script, Step};
use differential::target::Target;
use support::client::{ConnectRequest, ConnectResponse, RawClient, Received};
use support::ensemble::Plan;
use support::server::PATIENCE;
use support::session::{Mode, Session};
use support::{ServerKind, wait, words};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(15);

/// One server of three without the others, and the session that wrote before they went.
struct Alone {
    target: Target,
    writer: Session,
}

/// Apache cannot begin a session in read-only mode unless sessions may be local; ours can in any case. The writer's session is
/// not local in either: it owns an ephemeral.
fn alone(kind: ServerKind) -> Alone {
    let mut plan =
        Plan::voters(&[kind; 3]).set("localSessionsEnabled", true).set("localSessionsUpgradingEnabled", true);
    plan.specs = plan.specs.into_iter().map(|spec| spec.set_unprefixed("readonlymode.enabled", true)).collect();
    let mut ensemble = plan.start();
    let leader = ensemble.wait_settled();
    let stays = (0..3).find(|index| *index != leader).expect("a follower");
    let mut writer = Session::open_any(&[ensemble.servers[stays].addr()], 60_000, PATIENCE);
    writer.create("/e", b"", Mode::Ephemeral).expect("a session of the ensemble");
    writer.create("/a", b"0", Mode::Persistent).expect("a znode");
    writer.create("/a/b", b"1", Mode::Persistent).expect("another");
    for index in (0..3).filter(|index| *index != stays) {
        ensemble.servers[index].kill_9();
    }
    let addr = ensemble.servers[stays].addr();
    wait::until("a server that can only be read", PATIENCE, || {
        (words::ask(addr, "isro").as_deref() == Some("ro")).then_some(())
    });
    let target = Target::read_only(ensemble, writer.last_zxid());
    Alone { target, writer }
}

/// Both at once: each waits for its elections.
fn pair() -> (Alone, Alone) {
    std::thread::scope(|scope| {
        let reference = scope.spawn(|| alone(ServerKind::Apache39));
        let tested = alone(ServerKind::under_test());
        (reference.join().expect("the reference comes up"), tested)
    })
}

fn connect(conn: usize, read_only: Option<bool>) -> Step {
    Step::Connect { conn, server: 0, timeout_ms: 60_000, read_only }
}

fn reader(name: &str) -> Script {
    Script::new(name).step(connect(0, Some(true)))
}

fn word(word: &str) -> Step {
    Step::Word { server: 0, word: word.to_owned() }
}

/// Every operation that would change something, or has to ask the leader.
fn refused() -> Vec<Request> {
    let reconfig = Request::Reconfig { joining: None, leaving: Some("3".into()), members: None, config_id: -1 };
    vec![
        create("/n", "", 0),
        create("/n", "", 1),
        create2("/n", "", 0),
        container("/n"),
        create_ttl("/n", 5, 1_000),
        set("/a", "x", -1),
        set("/nosuch", "x", -1),
        delete("/a/b", -1),
        set_acl("/a", open(), -1),
        sync("/"),
        reconfig,
        Request::Multi(vec![check("/a", -1), set("/a", "x", -1)]),
        Request::Multi(Vec::new()),
        set("no path", "x", -1),
    ]
}

fn reads() -> Vec<Request> {
    vec![
        get("/a", false),
        get("/a", true),
        exists("/nosuch", true),
        ls("/", true),
        ls2("/a", false),
        get_acl("/a"),
        count("/"),
        ephemerals("/"),
        get("/nosuch", false),
        get("/zookeeper/config", false),
        Request::MultiRead(vec![get("/a", false), ls("/a", false), get("/nosuch", false)]),
        add_watch("/a", 1),
        remove_watches("/a", 2),
        remove_watches("/a", 1),
        Request::Ping,
        Request::WhoAmI,
        auth("u", "p"),
        Request::WhoAmI,
    ]
}

fn scripts() -> Vec<Script> {
    let resume = |conn, password, ahead| Step::Resume { conn, session_of: 0, server: 0, password, ahead };
    vec![
        Script::new("who has not agreed is turned away without an answer")
            .step(connect(0, Some(false)))
            .step(connect(1, None))
            .step(connect(2, Some(true))),
        reader("reads").each(0, reads()),
        reader("writes").each(0, refused()).each(0, [get("/a", false)]),
        // Not writes among reads in one write: Apache's refusals overtake the replies before them there, ours keep their place.
        reader("refusals in one write").pipelined(0, refused()),
        reader("its sessions come back")
            .drop_connection(0)
            .step(resume(0, Password::Right, 0))
            .each(0, [get("/a", true)]),
        reader("the second connection of a session ends the first")
            .step(resume(1, Password::Right, 0))
            .each(1, [get("/a", false)]),
        reader("wrong and missing passwords, a zxid from the future")
            .drop_connection(0)
            .step(resume(1, Password::Wrong, 0))
            .step(resume(1, Password::Missing, 0))
            .step(resume(1, Password::Right, 1_000)),
        reader("a closed session is gone")
            .each(0, [Request::CloseSession])
            .step(connect(0, Some(true)))
            .each(0, [get("/a", false)]),
        reader("an operation that does not exist").step(Step::BytesOn {
            conn: 0,
            bytes: vec![0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 3, 231],
            frames: 1,
        }),
        Script::new("four-letter words").step(word("isro")).step(word("srvr")).step(word("ruok")),
    ]
}

#[test]
fn a_server_without_a_quorum_is_read_as_apaches_is() {
    let (reference, tested) = pair();
    check_all(&reference.target, &tested.target, &scripts());
    for alone in [&reference, &tested] {
        the_ensembles_session_is_turned_away(alone);
    }
    for alone in [reference, tested] {
        everybody_goes_when_the_quorum_returns(alone);
    }
}

/// The server cannot know whether the session still lives.
fn the_ensembles_session_is_turned_away(alone: &Alone) {
    let mut raw = RawClient::connect(alone.target.addrs[0]).expect("a connection");
    let request = ConnectRequest { read_only: Some(true), ..ConnectRequest::resume(alone.writer.granted(), 0) };
    raw.send_frame(&request.encode());
    assert_eq!(raw.receive(ANSWER), Received::Closed, "{}", alone.target.name);
}

fn handshake(alone: &Alone, request: &ConnectRequest) -> (RawClient, Option<ConnectResponse>) {
    let mut raw = RawClient::connect(alone.target.addrs[0]).expect("a connection");
    raw.send_frame(&request.encode());
    let response = match raw.receive(ANSWER) {
        Received::Frame(body) => Some(ConnectResponse::decode(&body).expect("a connect response")),
        Received::Closed | Received::Nothing => None,
    };
    (raw, response)
}

/// The connection that read ends without a word, its session is unknown afterwards, and the writer's is not.
fn everybody_goes_when_the_quorum_returns(mut alone: Alone) {
    let name = alone.target.name.clone();
    let asks = ConnectRequest { read_only: Some(true), ..ConnectRequest::new_session(60_000) };
    let (mut reader, granted) = handshake(&alone, &asks);
    let granted = granted.unwrap_or_else(|| panic!("{name}: a session to read"));
    assert_eq!(granted.read_only, Some(true), "{name}");

    let ensemble = alone.target.ensemble_mut();
    let gone = (0..3).find(|&index| !ensemble.servers[index].is_running()).expect("a server that is down");
    ensemble.servers[gone].start();
    ensemble.wait_settled();
    assert_eq!(reader.receive(PATIENCE), Received::Closed, "{name}");
    assert_eq!(words::ask(alone.target.addrs[0], "isro").as_deref(), Some("rw"), "{name}");

    let (_, refused) =
        handshake(&alone, &ConnectRequest { read_only: Some(true), ..ConnectRequest::resume(&granted, 0) });
    let refused = refused.unwrap_or_else(|| panic!("{name}: a refusal"));
    assert_eq!((refused.session_id, refused.timeout_ms, refused.read_only), (0, 0, Some(false)), "{name}");
    let addr = alone.target.addrs[0];
    alone.writer.reconnect(addr).unwrap_or_else(|refused| panic!("{name}: the writer is {refused:?}"));
    assert!(alone.writer.get("/e").is_ok(), "{name}: its ephemeral is there");
    alone.writer.set("/a", b"2").unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
}
