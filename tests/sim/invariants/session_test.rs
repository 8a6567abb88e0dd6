//! The checkers of what clients see: each looks at nothing in an empty run, accepts what is right, and catches what is
//! wrong with both sides in its words. First by hand, one observation after the other; then with real clients against
//! servers that are told to do wrong.

mod watches;

use std::collections::BTreeSet;

use bytes::Bytes;
use replica::ServingRole;
use tree::{ConnId, Tree, TreeSettings};
use wire::client::EventType;
use wire::txn::{CreateKind, CreateTxn, Txn, TxnEntry, TxnHeader};
use wire::{Epoch, ErrorCode, Millis, ServerId, SessionId, Xid, Zxid};
use zab::Epochs;

use super::{Invariant, sessions};
use crate::client::bottle::{Bottle, Wrong};
use crate::model::Model;
use crate::observe::{Access, Answer, Body, Call, ClientId, Lifetime, Observation, Op, User, WatchType};

const SESSION: SessionId = SessionId(0x100_0000_0000_0001);
const OTHER: SessionId = SessionId(0x100_0000_0000_0002);
const SERVER: ServerId = ServerId(1);

/// One checker, the model, a server alone, and what they were shown.
struct Bench {
    model: Model,
    tree: Tree,
    checker: Box<dyn Invariant>,
    calls: Vec<Call>,
    last: Zxid,
    /// Whom the client proves to be.
    user: Option<User>,
    wrong: Option<String>,
}

impl Bench {
    fn new(checker: &str) -> Bench {
        let all = sessions();
        let names: Vec<&str> = all.iter().map(|checker| checker.name()).collect();
        let found = all.into_iter().find(|found| found.name() == checker);
        let mut bench = Bench {
            model: Model::new(BTreeSet::from([SERVER]), BTreeSet::new()),
            tree: Tree::new(TreeSettings::default()),
            checker: found.unwrap_or_else(|| panic!("{checker} is none of {names:?}")),
            calls: Vec::new(),
            last: Zxid::new(Epoch(1), 0),
            user: None,
            wrong: None,
        };
        let tree = Tree::new(TreeSettings::default());
        let (server, role, epoch) = (SERVER, ServingRole::Standalone, Epoch(1));
        bench.see(&Observation::Recovered { server, last: Zxid::ZERO, epochs: Epochs::default(), tree: &tree });
        bench.see(&Observation::Serving { server, role, epoch, tree: &tree });
        bench
    }

    fn see(&mut self, seen: &Observation<'_>) {
        self.model.observe(0, seen).unwrap();
        if self.wrong.is_none() {
            self.wrong = self.checker.observe(seen, &self.model).err();
        }
    }

    fn commit(&mut self, session: SessionId, cxid: i32, txn: Txn) -> Zxid {
        self.last = self.last.next().unwrap();
        let header = TxnHeader { session, cxid: Xid(cxid), zxid: self.last, time: Millis(7) };
        let entry = TxnEntry::new(header, txn, None);
        self.tree.apply(&entry, &mut tree::Events::new());
        let tree = std::mem::replace(&mut self.tree, Tree::new(TreeSettings::default()));
        self.see(&Observation::Applied { server: SERVER, entry: &entry, tree: &tree });
        self.tree = tree;
        self.last
    }

    /// Commits a create of a znode.
    fn create(&mut self, session: SessionId, cxid: i32, path: &str) -> Zxid {
        self.create_for(session, cxid, path, Access::Open)
    }

    /// Commits a create of a znode with an ACL.
    fn create_for(&mut self, session: SessionId, cxid: i32, path: &str, access: Access) -> Zxid {
        let parent = if path.rfind('/') == Some(0) { "/" } else { &path[..path.rfind('/').unwrap()] };
        let parent_cversion = self.model.znodes().at(parent, self.last).unwrap().cversion_stored() + 1;
        let kind = CreateKind::Create2 { ephemeral: false };
        let data = Some(Bytes::from_static(b"x"));
        let create = CreateTxn { path: path.to_owned(), data, acl: access.asked(), kind, parent_cversion };
        self.commit(session, cxid, Txn::Create(create))
    }

    fn attach(&mut self, fresh: bool, server: i64) {
        let (client, session, conn, timeout_ms) = (ClientId(1), SESSION, ConnId(1), 4000);
        let (server, user) = (ServerId(server), self.user);
        self.see(&Observation::Attached { client, session, fresh, server, conn, timeout_ms, user });
    }

    fn detach(&mut self) {
        self.see(&Observation::Detached { client: ClientId(1), session: SESSION });
    }

    fn call(&mut self, xid: i32, op: Op) {
        let client = ClientId(1);
        let call = Call { client, session: SESSION, server: SERVER, conn: ConnId(1), xid, sent_at_us: 0, op };
        self.see(&Observation::Called(&call));
        self.calls.push(call);
    }

    fn answer(&mut self, xid: i32, zxid: Zxid, error: ErrorCode, body: Body) {
        let call = self.calls.iter().rfind(|call| call.xid == xid).unwrap().clone();
        self.see(&Observation::Answered { call: &call, answer: &Answer { zxid, error, body } });
    }

    fn event(&mut self, kind: EventType, path: &str, zxid: Zxid) {
        self.see(&Observation::Event { client: ClientId(1), session: SESSION, kind, path, zxid });
    }

    fn stat(&self, path: &str) -> wire::Stat {
        self.model.znodes().at(path, self.last).unwrap().stat()
    }

    /// A right create: asked, committed, answered.
    fn created(&mut self, xid: i32, path: &str) -> Zxid {
        self.call(xid, creating(path));
        let zxid = self.create(SESSION, xid, path);
        self.answer(xid, zxid, ErrorCode::Ok, Body::Created(path.to_owned(), self.stat(path)));
        zxid
    }

    /// A right getData with a watch.
    fn watched(&mut self, xid: i32, path: &str) {
        self.call(xid, Op::Get { path: path.to_owned(), watch: true });
        let body = Body::Data(Some(Bytes::from_static(b"x")), self.stat(path));
        self.answer(xid, self.last, ErrorCode::Ok, body);
    }

    /// Somebody else sets data.
    fn set_by_other(&mut self, path: &str) -> Zxid {
        let version = self.stat(path).version + 1;
        self.commit(OTHER, 1, Txn::SetData { path: path.to_owned(), data: None, version })
    }

    fn ping(&mut self, zxid: Zxid) {
        self.call(Xid::PING.0, Op::Ping);
        self.answer(Xid::PING.0, zxid, ErrorCode::Ok, Body::Empty);
    }

    /// setWatches with data watches of these paths.
    fn set_watches(&mut self, relative: Zxid, data: &[&str]) {
        let data = data.iter().map(|&path| path.to_owned()).collect();
        let (exist, child, persistent, recursive) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        self.call(Xid::SET_WATCHES.0, Op::SetWatches { relative, data, exist, child, persistent, recursive });
    }

    /// A right addWatch.
    fn added(&mut self, xid: i32, path: &str, recursive: bool) {
        self.call(xid, Op::AddWatch { path: path.to_owned(), recursive });
        self.answer(xid, self.last, ErrorCode::Ok, Body::Empty);
    }

    /// removeWatches with an answer.
    fn removed(&mut self, xid: i32, path: &str, kind: WatchType, error: ErrorCode) {
        self.call(xid, Op::RemoveWatches { path: path.to_owned(), kind });
        self.answer(xid, self.last, error, Body::Empty);
    }
}

fn creating(path: &str) -> Op {
    creating_for(path, Access::Open)
}

fn creating_for(path: &str, access: Access) -> Op {
    let (path, data, lifetime) = (path.to_owned(), Bytes::from_static(b"x"), Lifetime::Persistent);
    Op::Create { path, data, lifetime, sequential: false, access }
}

fn zxid(counter: u32) -> Zxid {
    Zxid::new(Epoch(1), counter)
}

/// Runs a script that is right: the checker must look and find nothing.
fn right(checker: &str, script: impl FnOnce(&mut Bench)) {
    let mut bench = Bench::new(checker);
    script(&mut bench);
    assert_eq!(bench.wrong, None, "{checker}");
    assert_eq!(bench.checker.finish(&bench.model), Ok(()), "{checker}");
    assert!(bench.checker.examined() > 0, "{checker} has not looked at anything");
}

/// Runs a script that ends wrong: the checker must say so with these words.
fn wrong(checker: &str, words: &[&str], script: impl FnOnce(&mut Bench)) {
    let mut bench = Bench::new(checker);
    script(&mut bench);
    let found = bench.wrong.unwrap_or_else(|| panic!("{checker} finds nothing"));
    for word in words {
        assert!(found.contains(word), "{checker} does not name {word}: {found}");
    }
}

/// There is no leader in the bottle that could be asked.
const ASK_A_LEADER: [&str; 2] = ["sync_is_recent", "moved_sessions"];

#[test]
fn an_empty_run_proves_nothing() {
    for checker in sessions() {
        let mut bench = Bench::new(checker.name());
        bench.attach(true, 1);
        assert_eq!((bench.checker.finish(&bench.model), bench.checker.examined()), (Ok(()), 0), "{}", checker.name());
    }
}

#[test]
fn acknowledged_survive() {
    right("acknowledged_survive", |bench| {
        bench.created(1, "/a");
    });
    wrong("acknowledged_survive", &["0x100000005", "ends at 0x100000001"], |bench| {
        bench.created(1, "/a");
        bench.call(2, Op::Delete { path: "/a".to_owned(), version: -1 });
        bench.answer(2, zxid(5), ErrorCode::Ok, Body::Empty);
    });
    wrong("acknowledged_survive", &["request 1", "request 9"], |bench| {
        bench.call(1, creating("/a"));
        let zxid = bench.create(SESSION, 9, "/a");
        bench.answer(1, zxid, ErrorCode::Ok, Body::Empty);
    });
    wrong("acknowledged_survive", &["is at 0x0", "0x100000001 was acknowledged"], |bench| {
        bench.created(1, "/a");
        let empty = Tree::new(TreeSettings::default());
        bench.see(&Observation::AtRest { server: SERVER, tree: &empty });
    });
}

#[test]
fn linearizable_writes() {
    right("linearizable_writes", |bench| {
        bench.created(1, "/a");
        bench.created(2, "/b");
    });
    wrong("linearizable_writes", &["answered as 0x100000001", "0x100000002 had been"], |bench| {
        let early = bench.create(OTHER, 1, "/b");
        bench.created(1, "/a");
        bench.call(2, creating("/b"));
        bench.answer(2, early, ErrorCode::Ok, Body::Empty);
    });
}

#[test]
fn session_order() {
    right("session_order", |bench| {
        bench.created(1, "/a");
        bench.watched(2, "/a");
        bench.ping(zxid(1));
    });
    wrong("session_order", &["xid 2", "Some(1) was due"], |bench| {
        bench.call(1, Op::Sync { path: "/".to_owned() });
        bench.call(2, Op::Sync { path: "/".to_owned() });
        bench.answer(2, zxid(0), ErrorCode::Ok, Body::Path("/".to_owned()));
    });
    wrong("session_order", &["is of 0x100000001", "0x100000002 was seen"], |bench| {
        bench.created(1, "/a");
        bench.created(2, "/b");
        bench.ping(zxid(1));
    });
    wrong("session_order", &["before the session's own write 0x100000002"], |bench| {
        bench.created(1, "/a");
        bench.created(2, "/b");
        bench.detach();
        bench.attach(false, 2);
        bench.call(3, Op::Sync { path: "/".to_owned() });
        bench.answer(3, zxid(1), ErrorCode::Ok, Body::Path("/".to_owned()));
    });
}

#[test]
fn session_monotonic() {
    let moved = |bench: &mut Bench, fresh: bool| {
        bench.attach(true, 1);
        bench.create(OTHER, 1, "/a");
        bench.create(OTHER, 2, "/b");
        bench.watched(1, "/b");
        bench.detach();
        bench.attach(fresh, 2);
    };
    right("session_monotonic", |bench| {
        moved(bench, false);
        bench.ping(zxid(2));
        bench.attach(true, 2);
        bench.ping(zxid(1));
    });
    wrong("session_monotonic", &["has seen 0x100000002", "server 2", "at 0x100000001"], |bench| {
        moved(bench, false);
        bench.ping(zxid(1));
    });
}

#[test]
fn read_at_zxid() {
    right("read_at_zxid", |bench| {
        bench.create(OTHER, 1, "/a");
        bench.watched(1, "/a");
        bench.call(2, Op::Exists { path: "/b".to_owned(), watch: false });
        bench.create(OTHER, 2, "/b");
        bench.answer(2, zxid(1), ErrorCode::NoNode, Body::Empty);
        bench.call(3, Op::Children { path: "/".to_owned(), watch: false });
        let names = ["a", "b", "zookeeper"].map(str::to_owned).to_vec();
        bench.answer(3, zxid(2), ErrorCode::Ok, Body::Children(names, bench.stat("/")));
    });
    wrong("read_at_zxid", &["0x100000002", "no node there"], |bench| {
        bench.create(OTHER, 1, "/a");
        let stat = bench.stat("/a");
        bench.commit(OTHER, 2, Txn::Delete { path: "/a".to_owned() });
        bench.call(1, Op::Exists { path: "/a".to_owned(), watch: false });
        bench.answer(1, zxid(2), ErrorCode::Ok, Body::Stat(stat));
    });
    wrong("read_at_zxid", &["shows 0x100000009", "ends at 0x100000001"], |bench| {
        bench.create(OTHER, 1, "/a");
        bench.call(1, Op::Exists { path: "/b".to_owned(), watch: false });
        bench.answer(1, zxid(9), ErrorCode::NoNode, Body::Empty);
    });
    wrong("read_at_zxid", &["[\"a\"]", "[\"a\", \"zookeeper\"]"], |bench| {
        bench.create(OTHER, 1, "/a");
        bench.call(1, Op::Children { path: "/".to_owned(), watch: false });
        let stat = bench.stat("/");
        bench.answer(1, zxid(1), ErrorCode::Ok, Body::Children(vec!["a".to_owned()], stat));
    });
}

#[test]
fn answers_match_history() {
    let check = Op::Check { path: "/a".to_owned(), version: 0 };
    let multi = |bench: &mut Bench, codes: [ErrorCode; 2]| {
        bench.created(1, "/a");
        bench.call(2, Op::Multi(vec![check.clone(), creating("/a")]));
        let parts = vec![Txn::Check { path: "/a".to_owned(), version: 1 }, Txn::error(ErrorCode::NodeExists)];
        let zxid = bench.commit(SESSION, 2, Txn::Multi(parts));
        bench.answer(2, zxid, ErrorCode::Ok, Body::Multi(Err(codes.to_vec())));
    };
    right("answers_match_history", |bench| multi(bench, [ErrorCode::Ok, ErrorCode::NodeExists]));
    wrong("answers_match_history", &["NoNode", "AllRefused([Ok, NodeExists])"], |bench| {
        multi(bench, [ErrorCode::Ok, ErrorCode::NoNode]);
    });
    wrong("answers_match_history", &["NodeExists", "demands Done(Some(\"/a\"))"], |bench| {
        bench.call(1, creating("/a"));
        let zxid = bench.commit(SESSION, 1, Txn::error(ErrorCode::NodeExists));
        bench.answer(1, zxid, ErrorCode::NodeExists, Body::Empty);
    });
    wrong("answers_match_history", &["version: 3", "version: 0"], |bench| {
        bench.call(1, creating("/a"));
        let zxid = bench.create(SESSION, 1, "/a");
        let stat = wire::Stat { version: 3, ..bench.stat("/a") };
        bench.answer(1, zxid, ErrorCode::Ok, Body::Created("/a".to_owned(), stat));
    });
    wrong("answers_match_history", &["xid 1", "request 1 of session 0x100000000000002"], |bench| {
        bench.call(1, creating("/a"));
        let zxid = bench.create(OTHER, 1, "/a");
        bench.answer(1, zxid, ErrorCode::Ok, Body::Created("/a".to_owned(), bench.stat("/a")));
    });
    wrong("answers_match_history", &["SessionExpired", "the session is there"], |bench| {
        bench.commit(SESSION, 0, Txn::CreateSession { timeout: 4000 });
        bench.call(1, creating("/a"));
        let zxid = bench.commit(SESSION, 1, Txn::error(ErrorCode::SessionExpired));
        bench.answer(1, zxid, ErrorCode::SessionExpired, Body::Empty);
    });
}

#[test]
fn permissions_are_those_of_the_history() {
    let refused = |bench: &mut Bench, user, error| {
        bench.user = user;
        bench.attach(true, 1);
        bench.create_for(OTHER, 1, "/a", Access::Private(User::Ann));
        bench.call(1, Op::Get { path: "/a".to_owned(), watch: false });
        bench.answer(1, zxid(1), error, Body::Empty);
    };
    right("read_at_zxid", |bench| refused(bench, None, ErrorCode::NoAuth));
    right("read_at_zxid", |bench| refused(bench, Some(User::Bob), ErrorCode::NoAuth));
    wrong("read_at_zxid", &["is answered NoAuth", "ann:"], |bench| refused(bench, Some(User::Ann), ErrorCode::NoAuth));
    let masked = |bench: &mut Bench, acl: Vec<wire::Acl>| {
        bench.attach(true, 1);
        bench.create_for(OTHER, 1, "/a", Access::Shown(User::Ann));
        bench.call(1, Op::GetAcl { path: "/a".to_owned() });
        let stat = bench.stat("/a");
        bench.answer(1, zxid(1), ErrorCode::Ok, Body::Acl(acl, stat));
    };
    let mut acl = Access::Shown(User::Ann).asked();
    wrong("read_at_zxid", &["ann:pQaQ", "ann:x"], |bench| masked(bench, acl.clone()));
    acl[1].id = User::Ann.masked_id();
    right("read_at_zxid", |bench| masked(bench, acl.clone()));
}

#[test]
fn writes_need_permission_and_store_the_acl_that_was_asked_for() {
    let written = |bench: &mut Bench, txn: Txn, error, body: fn(&Bench) -> Body| {
        bench.create_for(OTHER, 1, "/a", Access::ReadOnly);
        bench.call(1, Op::Set { path: "/a".to_owned(), data: Bytes::new(), version: -1 });
        let zxid = bench.commit(SESSION, 1, txn);
        let body = body(bench);
        bench.answer(1, zxid, error, body);
    };
    let set = || Txn::SetData { path: "/a".to_owned(), data: Some(Bytes::new()), version: 1 };
    right("answers_match_history", |bench| {
        written(bench, Txn::error(ErrorCode::NoAuth), ErrorCode::NoAuth, |_| Body::Empty);
    });
    wrong("answers_match_history", &["demands Refused(NoAuth)"], |bench| {
        written(bench, set(), ErrorCode::Ok, |bench| Body::Stat(bench.stat("/a")));
    });
    let created = |bench: &mut Bench, stored| {
        bench.call(1, creating_for("/a", Access::ReadOnly));
        let zxid = bench.create_for(SESSION, 1, "/a", stored);
        bench.answer(1, zxid, ErrorCode::Ok, Body::Created("/a".to_owned(), bench.stat("/a")));
    };
    right("answers_match_history", |bench| created(bench, Access::ReadOnly));
    wrong("answers_match_history", &["Perms(31)"], |bench| created(bench, Access::Open));
}

#[test]
fn sync_is_recent() {
    let sync = || Op::Sync { path: "/a".to_owned() };
    let answered = |bench: &mut Bench, xid, at| {
        bench.call(xid, sync());
        bench.answer(xid, at, ErrorCode::Ok, Body::Path("/a".to_owned()));
    };
    right("sync_is_recent", |bench| {
        bench.created(1, "/a");
        answered(bench, 2, zxid(1));
    });
    wrong("sync_is_recent", &["0x100000002 was acknowledged", "answered at 0x100000001"], |bench| {
        bench.created(1, "/a");
        bench.created(2, "/b");
        answered(bench, 3, zxid(1));
    });
}

#[test]
fn moved_sessions() {
    let proposed = |bench: &mut Bench, txn: Txn| {
        let header = TxnHeader { session: SESSION, cxid: Xid(1), zxid: bench.last.next().unwrap(), time: Millis(7) };
        let bytes = TxnEntry::new(header, txn, None).bytes;
        let proposal = zab::Proposal { zxid: header.zxid, bytes };
        bench.see(&Observation::Appended { server: SERVER, proposal: &proposal, own: true });
    };
    let moved = |bench: &mut Bench, to| {
        let tree = Tree::new(TreeSettings::default());
        let (server, role, epoch) = (ServerId(2), ServingRole::Follower, Epoch(1));
        let served = Observation::Serving { server, role, epoch, tree: &tree };
        bench.wrong = bench.checker.observe(&served, &bench.model).err();
        bench.attach(true, 1);
        bench.call(1, creating("/a"));
        bench.detach();
        bench.attach(false, to);
    };
    let set = || Txn::SetData { path: "/a".to_owned(), data: None, version: 1 };
    right("moved_sessions", |bench| {
        moved(bench, 2);
        proposed(bench, Txn::error(ErrorCode::SessionMoved));
    });
    wrong("moved_sessions", &["request 1", "through server 1", "moved to server 2"], |bench| {
        moved(bench, 2);
        proposed(bench, set());
    });
    let mut bench = Bench::new("moved_sessions");
    moved(&mut bench, 1);
    proposed(&mut bench, set());
    assert_eq!((bench.wrong, bench.checker.examined()), (None, 0), "back on the same server nothing has moved");
}

// --- real clients ------------------------------------------------------------------------------------------------

#[test]
fn right_servers_are_found_right_and_every_checker_looks() {
    let mut persistent_examined = 0;
    for seed in 0..6 {
        let mut bottle = Bottle::new(seed, Wrong::Nothing);
        bottle.run(600);
        let came_to_rest = bottle.settle(20_000);
        assert_eq!(bottle.violation(), None, "seed {seed}");
        assert!(came_to_rest, "seed {seed}: {:?}", bottle.clients());
        for (name, examined) in bottle.examined().into_iter().filter(|(name, _)| !ASK_A_LEADER.contains(name)) {
            // Not every client has persistent watches.
            assert!(examined > 0 || name == "persistent_watches", "seed {seed}: {name} has not looked at anything");
            persistent_examined += if name == "persistent_watches" { examined } else { 0 };
        }
        for client in bottle.clients() {
            let progress = client.progress();
            assert_eq!(progress.visited.len(), 3, "seed {seed}: {progress:?}");
            assert!(progress.acknowledged_writes >= 3, "seed {seed}: {progress:?}");
        }
    }
    assert!(persistent_examined > 0, "no client was told anything by a persistent watch");
}

#[test]
fn what_servers_do_wrong_is_caught() {
    let table: [(Wrong, &[&str]); 13] = [
        (Wrong::WriteAnsweredEarly, &["acknowledged_survive", "session_order"]),
        (Wrong::OldZxid, &["acknowledged_survive", "answers_match_history", "linearizable_writes"]),
        (Wrong::AnswersSwapped, &["session_order"]),
        (Wrong::BehindClient, &["session_monotonic", "session_order"]),
        // It also sets its watch on the wrong server.
        (Wrong::StaleRead, &["read_at_zxid", "watch_before_reply"]),
        (Wrong::EventLost, &["watch_before_reply", "persistent_watches"]),
        (Wrong::EventTwice, &["one_shot_once"]),
        (Wrong::NotCaughtUp, &["watch_before_reply"]),
        (Wrong::PersistentForgotten, &["persistent_watches"]),
        (Wrong::RemovalIgnored, &["one_shot_once"]),
        (Wrong::ReadUnchecked, &["read_at_zxid"]),
        (Wrong::ErrorHidden, &["answers_match_history", "acknowledged_survive", "protocol"]),
        (Wrong::LongFrame, &["protocol"]),
    ];
    for (wrong, expected) in table {
        let caught = (0..20).find_map(|seed| {
            let mut bottle = Bottle::new(seed, wrong);
            bottle.run(800);
            bottle.violation().cloned()
        });
        let (name, why) = caught.unwrap_or_else(|| panic!("{wrong:?} is not caught in 20 runs"));
        assert!(expected.contains(&name), "{wrong:?} is caught by {name}, not by one of {expected:?}: {why}");
    }
}
