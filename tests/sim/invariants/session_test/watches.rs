//! The checkers of watches, by hand.

use super::*;

#[test]
fn watch_before_reply() {
    right("watch_before_reply", |bench| {
        bench.create(OTHER, 1, "/a");
        bench.watched(1, "/a");
        let zxid = bench.set_by_other("/a");
        bench.event(EventType::NodeDataChanged, "/a", zxid);
        bench.create(OTHER, 2, "/b");
        bench.watched(2, "/b");
        let zxid = bench.create(OTHER, 3, "/c");
        bench.ping(zxid);
    });
    wrong("watch_before_reply", &["set at 0x100000001", "by 0x100000002", "is of 0x100000003"], |bench| {
        bench.create(OTHER, 1, "/a");
        bench.watched(1, "/a");
        bench.set_by_other("/a");
        let zxid = bench.create(OTHER, 3, "/c");
        bench.ping(zxid);
    });
    // Who may not read a node is told nothing of it.
    right("watch_before_reply", |bench| {
        bench.attach(true, 1);
        bench.added(1, "/", true);
        let zxid = bench.create(OTHER, 1, "/a");
        bench.event(EventType::NodeCreated, "/a", zxid);
        let zxid = bench.create_for(OTHER, 2, "/b", Access::Private(User::Ann));
        bench.ping(zxid);
    });
    wrong("watch_before_reply", &["NodeDataChanged of /a was missed", "told was []"], |bench| {
        let seen = bench.create(OTHER, 1, "/a");
        let zxid = bench.set_by_other("/a");
        bench.set_watches(seen, &["/a"]);
        bench.answer(Xid::SET_WATCHES.0, zxid, ErrorCode::Ok, Body::Empty);
    });
}

#[test]
fn a_lost_connections_watches_are_void_until_they_are_set_again() {
    let lost = |bench: &mut Bench| {
        bench.attach(true, 1);
        bench.create(OTHER, 1, "/a");
        bench.watched(1, "/a");
        bench.detach();
        bench.attach(false, 2);
    };
    right("watch_before_reply", |bench| {
        lost(bench);
        let zxid = bench.set_by_other("/a");
        bench.ping(zxid);
        bench.set_watches(zxid, &["/a"]);
        bench.answer(Xid::SET_WATCHES.0, zxid, ErrorCode::Ok, Body::Empty);
        let later = bench.create(OTHER, 2, "/b");
        bench.ping(later);
    });
    wrong("watch_before_reply", &["set at 0x100000002"], |bench| {
        lost(bench);
        let zxid = bench.create(OTHER, 2, "/b");
        bench.set_watches(zxid, &["/a"]);
        bench.answer(Xid::SET_WATCHES.0, zxid, ErrorCode::Ok, Body::Empty);
        let later = bench.set_by_other("/a");
        bench.ping(later);
    });
}

#[test]
fn one_shot_once() {
    let fired = |bench: &mut Bench| -> Zxid {
        bench.create(OTHER, 1, "/a");
        bench.watched(1, "/a");
        let zxid = bench.set_by_other("/a");
        bench.event(EventType::NodeDataChanged, "/a", zxid);
        zxid
    };
    right("one_shot_once", |bench| {
        fired(bench);
    });
    right("one_shot_once", |bench| {
        let seen = bench.create(OTHER, 1, "/a");
        let zxid = bench.set_by_other("/a");
        bench.set_watches(seen, &["/a"]);
        bench.event(EventType::NodeDataChanged, "/a", Zxid::NONE);
        bench.answer(Xid::SET_WATCHES.0, zxid, ErrorCode::Ok, Body::Empty);
    });
    wrong("one_shot_once", &["NodeDataChanged of /a", "has no watch there"], |bench| {
        let zxid = fired(bench);
        bench.event(EventType::NodeDataChanged, "/a", zxid);
    });
    wrong("one_shot_once", &["by 0x100000003", "zxid: 0x100000002"], |bench| {
        bench.create(OTHER, 1, "/a");
        bench.watched(1, "/a");
        bench.set_by_other("/a");
        let zxid = bench.set_by_other("/a");
        bench.event(EventType::NodeDataChanged, "/a", zxid);
    });
    wrong("one_shot_once", &["sent no setWatches"], |bench| {
        bench.event(EventType::NodeDataChanged, "/a", Zxid::NONE);
    });
    wrong("one_shot_once", &["NodeDeleted of /a was told without reason", "due was []"], |bench| {
        let seen = bench.create(OTHER, 1, "/a");
        bench.set_watches(seen, &["/a"]);
        bench.event(EventType::NodeDeleted, "/a", Zxid::NONE);
        bench.answer(Xid::SET_WATCHES.0, seen, ErrorCode::Ok, Body::Empty);
    });
}

#[test]
fn no_event_without_a_reason() {
    let deleted = |bench: &mut Bench| bench.commit(OTHER, 3, Txn::Delete { path: "/a/b".to_owned() });
    let below = |bench: &mut Bench, recursive| {
        bench.create(OTHER, 1, "/a");
        bench.create(OTHER, 2, "/a/b");
        bench.added(1, "/a", recursive);
    };
    // What happens to the child is told by a recursive watch, that the children changed by a persistent one.
    right("one_shot_once", |bench| {
        below(bench, true);
        let zxid = deleted(bench);
        bench.event(EventType::NodeDeleted, "/a/b", zxid);
    });
    right("one_shot_once", |bench| {
        below(bench, false);
        let zxid = deleted(bench);
        bench.event(EventType::NodeChildrenChanged, "/a", zxid);
    });
    wrong("one_shot_once", &["NodeChildrenChanged of /a", "has no watch there"], |bench| {
        below(bench, true);
        let zxid = deleted(bench);
        bench.event(EventType::NodeDeleted, "/a/b", zxid);
        bench.event(EventType::NodeChildrenChanged, "/a", zxid);
    });
    wrong("one_shot_once", &["NodeDeleted of /a/b", "has no watch there"], |bench| {
        below(bench, false);
        let zxid = deleted(bench);
        bench.event(EventType::NodeDeleted, "/a/b", zxid);
    });
    wrong("one_shot_once", &["NodeDataChanged of /a", "due is []"], |bench| {
        below(bench, false);
        bench.removed(2, "/a", WatchType::Persistent, ErrorCode::Ok);
        let zxid = bench.set_by_other("/a");
        bench.event(EventType::NodeDataChanged, "/a", zxid);
    });
    wrong("one_shot_once", &["NodeCreated of /secret", "due is []"], |bench| {
        bench.attach(true, 1);
        bench.added(1, "/", true);
        let zxid = bench.create_for(OTHER, 1, "/secret", Access::Private(User::Ann));
        bench.event(EventType::NodeCreated, "/secret", zxid);
    });
    let mut bench = Bench::new("one_shot_once");
    bench.user = Some(User::Ann);
    bench.attach(true, 1);
    bench.added(1, "/", true);
    let zxid = bench.create_for(OTHER, 1, "/secret", Access::Private(User::Ann));
    bench.event(EventType::NodeCreated, "/secret", zxid);
    assert_eq!(bench.wrong, None, "its owner is told");
}

#[test]
fn persistent_watches() {
    let fired = |bench: &mut Bench, recursive| -> Zxid {
        bench.create(OTHER, 1, "/a");
        bench.added(1, "/a", recursive);
        let zxid = bench.set_by_other("/a");
        bench.event(EventType::NodeDataChanged, "/a", zxid);
        bench.set_by_other("/a")
    };
    for recursive in [false, true] {
        right("persistent_watches", |bench| {
            let zxid = fired(bench, recursive);
            bench.event(EventType::NodeDataChanged, "/a", zxid);
            bench.ping(zxid);
        });
        wrong(
            "persistent_watches",
            &["NodeDataChanged of /a by 0x100000003 was not told", "since 0x100000001"],
            |bench| {
                let zxid = fired(bench, recursive);
                bench.ping(zxid);
            },
        );
    }
    // The events of one transaction keep their order.
    let multi = |bench: &mut Bench, first: (EventType, &str)| {
        bench.create(OTHER, 1, "/a");
        bench.added(1, "/", true);
        let delete = Txn::Delete { path: "/a".to_owned() };
        let set = Txn::SetData { path: "/a".to_owned(), data: None, version: 1 };
        let zxid = bench.commit(OTHER, 2, Txn::Multi(vec![set, delete]));
        bench.event(first.0, first.1, zxid);
    };
    right("persistent_watches", |bench| multi(bench, (EventType::NodeDataChanged, "/a")));
    wrong(
        "persistent_watches",
        &["NodeDeleted of /a", "NodeDataChanged of /a by 0x100000002 was due before"],
        |bench| {
            multi(bench, (EventType::NodeDeleted, "/a"));
        },
    );
}

#[test]
fn persistent_watches_are_told_of_what_is_below_and_last_until_removed() {
    let deep = |bench: &mut Bench, recursive| {
        bench.create(OTHER, 1, "/a");
        bench.create(OTHER, 2, "/a/b");
        bench.added(1, "/a", recursive);
        bench.create(OTHER, 3, "/a/b/c")
    };
    wrong("persistent_watches", &["NodeCreated of /a/b/c by 0x100000003 was not told"], |bench| {
        let zxid = deep(bench, true);
        bench.ping(zxid);
    });
    wrong("persistent_watches", &["answered Ok", "should be NoWatcher"], |bench| {
        deep(bench, false);
        bench.removed(2, "/a", WatchType::PersistentRecursive, ErrorCode::Ok);
    });
    wrong("persistent_watches", &["answered NoWatcher", "should be Ok"], |bench| {
        deep(bench, false);
        bench.removed(2, "/a", WatchType::Any, ErrorCode::NoWatcher);
    });
    // Taken along to another connection, and removed there.
    right("persistent_watches", |bench| {
        let zxid = deep(bench, true);
        bench.event(EventType::NodeCreated, "/a/b/c", zxid);
        bench.detach();
        bench.attach(false, 2);
        let (data, exist, child, persistent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let recursive = vec!["/a".to_owned()];
        let op = Op::SetWatches { relative: zxid, data, exist, child, persistent, recursive };
        bench.call(Xid::SET_WATCHES.0, op);
        bench.answer(Xid::SET_WATCHES.0, zxid, ErrorCode::Ok, Body::Empty);
        let zxid = bench.set_by_other("/a/b");
        bench.event(EventType::NodeDataChanged, "/a/b", zxid);
        bench.removed(2, "/a", WatchType::PersistentRecursive, ErrorCode::Ok);
        let zxid = bench.set_by_other("/a/b");
        bench.ping(zxid);
    });
}
