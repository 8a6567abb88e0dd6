//! Each invariant of the servers: it says nothing about nothing, lets a right history pass, and catches wrong ones.

mod bench;

use super::*;
use crate::observe::{Access, Body, Op};
use bench::*;
use replica::ServingRole;
use std::collections::BTreeSet;
use wire::txn::{CreateKind, Txn, TxnEntry};
use wire::{ErrorCode, ServerId};

#[test]
fn nothing_proves_nothing() {
    let mut names = BTreeSet::new();
    for invariant in zab() {
        let mut bench = Bench::of(invariant);
        assert_eq!(bench.invariant.finish(&bench.model), Ok(()));
        assert_eq!(bench.invariant.examined(), 0, "{}", bench.invariant.name());
        assert!(names.insert(bench.invariant.name()), "{} twice", bench.invariant.name());
    }
    assert_eq!(names.len(), 21);
}

/// Sessions, quotas, multis, a container, an ACL, a change of leaders with an uncommitted rest that is cut, and a server that comes back by a
/// snapshot.
fn right_history(bench: Bench) -> Bench {
    let multi = |zxid, parts| txn(zxid, Txn::Multi(parts));
    let quota = |name: &str, cversion| creation(&format!("/zookeeper/quota/a{name}"), false, cversion);
    let done =
        vec![creation("/a/b", false, 1), set("/a", 1), creation("/t", false, 2), Txn::Delete { path: "/t".into() }];
    let refused = vec![creation("/a/c", false, 2), Txn::Delete { path: "/a/b".into() }, Txn::error(ErrorCode::NoNode)];
    let history = [
        open(z(1, 1)),
        create(z(1, 2), "/a", 1),
        multi(z(1, 3), vec![quota("", 1), quota("/zookeeper_limits", 1), quota("/zookeeper_stats", 2)]),
        multi(z(1, 4), done),
        multi(z(1, 5), refused),
        create(z(1, 6), "/q", 3),
        ephemeral(z(1, 7), "/e", 4),
        ephemeral(z(1, 8), "/f", 5),
        delete(z(1, 9), "/f"),
        multi(z(1, 10), vec![container("/c", 6), creation("/c/x", false, 1), Txn::Delete { path: "/c/x".into() }]),
        txn(z(1, 11), Txn::DeleteContainer { path: "/c".into() }),
        txn(z(1, 12), Txn::SetAcl { path: "/a".into(), acl: Access::ReadOnly.asked(), version: 1 }),
        reconfig(z(1, 13), &[1, 2, 3], &[4]),
    ];
    let bench = history.iter().fold(bench.begin(), Bench::commit);
    let (lost, last) = (noted(z(1, 14), 1), close(z(2, 1), &["/e"]));
    let all: Vec<&TxnEntry> = history.iter().chain([&last]).collect();
    let bench = bench
        .numbered(z(1, 7), 0)
        .numbered(z(1, 8), 1)
        .queues(5)
        // 1 logs one more transaction that nobody else sees, and applies it as it stops.
        .append(1, &lost, true)
        .sync(1, z(1, 14))
        .stop(1)
        .apply(1, &lost)
        .stop(2)
        .stop(3)
        .epochs(2, 2, 1)
        .epochs(3, 2, 1)
        .epochs(2, 2, 2)
        .epochs(3, 2, 2)
        .serve(2, ServingRole::Leader, 2)
        .serve(3, ServingRole::Follower, 2)
        .after_ms(10_000)
        .append(2, &last, true)
        .append(3, &last, false)
        .sync(2, z(2, 1))
        .sync(3, z(2, 1))
        .apply(2, &last)
        .apply(3, &last);
    bench
        .install(1, 2, z(2, 1), &all)
        .epochs(1, 2, 2)
        .serve(1, ServingRole::Follower, 2)
        .crash(3)
        .recover(3, z(2, 1), (2, 2))
        .rest(1)
        .rest(2)
}

#[test]
fn a_right_history_passes_and_is_looked_at() {
    for invariant in zab() {
        right_history(Bench::of(invariant)).passes();
    }
}

#[test]
fn leaders() {
    let by = |role| Bench::established(Leadership::default()).serve(2, role, 1);
    by(ServingRole::Follower).passes();
    by(ServingRole::Leader).fails(&["epoch 1", "server 1", "server 2 serves"]);
    Bench::established(Leadership::default())
        .append(3, &noted(z(1, 1), 1), true)
        .fails(&["server 1 led", "server 3 proposes 0x100000001"]);
}

#[test]
fn orders() {
    let (a, b, other) = (noted(z(1, 1), 1), noted(z(1, 2), 2), noted(z(1, 1), 3));
    let wrong = &["server 2", "0x100000001 (error 3)", "0x100000001 (error 1)"];
    Bench::established(PrefixConsistency::default()).apply(1, &a).apply(2, &other).fails(wrong);
    Bench::established(Agreement::default()).apply(1, &a).apply(2, &other).fails(wrong);
    Bench::established(Agreement::default()).apply(1, &a).apply(1, &b).apply(2, &b).apply(2, &a).passes();
    Bench::established(TotalOrder::default()).apply(1, &a).apply(1, &b).apply(2, &b).fails(&[
        "server 2",
        "error 2) as number 1 behind nothing",
        "server 1 as number 2 behind 0x100000001",
    ]);
    Bench::established(GlobalPrimaryOrder::default())
        .apply(1, &noted(z(2, 1), 1))
        .apply(1, &a)
        .fails(&["server 1 delivered 0x100000001", "0x200000001"]);
    let proposed = || Bench::established(LocalPrimaryOrder::default()).append(1, &a, true).append(1, &b, true);
    proposed().apply(3, &b).fails(&["server 3", "0x100000002", "without 0x100000001"]);
    proposed().apply(3, &a).apply(3, &b).passes();
    Bench::established(Integrity::default()).append(1, &a, true).apply(2, &a).passes();
    Bench::established(Integrity::default()).append(1, &a, true).apply(2, &other).fails(&["server 2", "error 3"]);
}

#[test]
fn what_a_follower_applies_before_it_serves_commits_nothing() {
    let (a, b) = (noted(z(1, 1), 1), noted(z(1, 1), 2));
    let bench = Bench::established(PrefixConsistency::default()).stop(2).apply(2, &b).apply(1, &a);
    assert_eq!(bench.model.committed().len(), 1);
    bench.serve(2, ServingRole::Follower, 1).fails(&["server 2", "error 2", "server 1", "error 1"]);
}

#[test]
fn disks_hold_what_was_written_even_if_nobody_was_told() {
    let (a, b) = (noted(z(1, 1), 1), noted(z(1, 2), 2));
    let held = |bench: Bench, sid| {
        assert_eq!(bench.outcome, Ok(()));
        let log = bench.model.server(ServerId(sid)).log();
        log.iter().map(|&no| bench.model.zxid(no).0).collect::<Vec<_>>()
    };
    let new = || {
        Bench::established(PrefixConsistency::default()).commit(&a).append(1, &b, true).sync(1, z(1, 2)).apply(1, &b)
    };
    // The snapshot was in place when the server died, or it was not.
    let received = || new().stop(3).wipe(3).recover(3, 0, (1, 1)).receive(3, 1, z(1, 2), &[&a, &b]).crash(3);
    assert_eq!(held(received().recover(3, z(1, 2), (1, 1)), 3), [z(1, 1), z(1, 2)]);
    assert_eq!(held(received().recover(3, 0, (1, 1)), 3), Vec::<i64>::new());
    received().recover(3, z(1, 3), (1, 1)).fails(&["server 3", "0x100000003", "never held"]);
    // The sender has cut its log meanwhile.
    let cut = || Bench::established(PrefixConsistency::default()).commit(&a).append(1, &b, true).stop(1).apply(1, &b);
    let cut = cut().truncate(1, z(1, 1)).stop(3).install(3, 1, z(1, 2), &[&a, &b]);
    assert_eq!(held(cut, 3), [z(1, 1), z(1, 2)]);
}

#[test]
fn histories_make_sense() {
    let (a, again) = (create(z(1, 1), "/a", 1), create(z(1, 2), "/a", 2));
    Bench::established(ValidHistory::default()).commit(&a).passes();
    Bench::established(ValidHistory::default()).commit(&a).commit(&again).fails(&["0x100000002", "/a"]);
}

#[test]
fn primaries_deliver_before_they_propose() {
    let (a, c) = (noted(z(1, 1), 1), noted(z(2, 1), 2));
    let led = |bench: Bench| bench.stop(3).serve(3, ServingRole::Leader, 2).append(3, &c, true);
    led(Bench::established(PrimaryIntegrity::default()).commit(&a)).passes();
    led(Bench::established(PrimaryIntegrity::default()).apply(1, &a)).fails(&["server 3", "epoch 2", "0x100000001"]);
    led(Bench::established(PrimaryIntegrity::default())).apply(1, &a).fails(&["server 3", "epoch 2", "0x100000001"]);
}

#[test]
fn what_is_committed_stays() {
    let (a, b) = (noted(z(1, 1), 1), noted(z(1, 2), 2));
    let new = || Bench::established(Durability::default());
    let logged = || new().append(1, &a, true).sync(1, z(1, 1)).append(2, &a, false);
    logged().apply(1, &a).fails(&["0x100000001", "only [1]"]);
    logged().sync(2, z(1, 1)).apply(1, &a).passes();
    // The observer's disk does not count.
    logged().append(4, &a, false).sync(4, z(1, 1)).apply(1, &a).fails(&["only [1]"]);
    let both = || new().commit(&a).commit(&b);
    both().crash(3).recover(3, z(1, 1), (1, 1)).fails(&["server 3", "0x100000002", "only up to 0x100000001"]);
    both().crash(3).recover(3, z(1, 2), (1, 1)).passes();
    both().crash(3).wipe(3).recover(3, 0, (0, 0)).passes();
    // What is not committed may have been cut before a crash, but only by a server that synchronizes.
    let rest = |bench: Bench| bench.append(3, &b, false).sync(3, z(1, 2));
    rest(new().commit(&a)).crash(3).recover(3, z(1, 1), (1, 1)).fails(&["server 3", "0x100000002"]);
    rest(new().commit(&a)).stop(3).crash(3).recover(3, z(1, 1), (1, 1)).passes();
    both().stop(3).crash(3).recover(3, z(1, 1), (1, 1)).fails(&["server 3", "0x100000002"]);
    // A cut may come late: what it takes was committed meanwhile, by a quorum that does not need it.
    both().truncate(3, z(1, 1)).passes();
    both().truncate(3, z(1, 1)).truncate(2, z(1, 1)).fails(&["server 2 gave up 0x100000002", "only [1]"]);
    both().wipe(3).recover(3, 0, (0, 0)).serve(3, ServingRole::Leader, 2).fails(&[
        "server 3 leads epoch 2",
        "committed 0x100000001",
        "nothing",
    ]);
    // One of an earlier epoch, which stood still meanwhile, will never commit anything.
    both().wipe(3).recover(3, 0, (0, 0)).serve(3, ServingRole::Leader, 0).passes();
    // What was not synced may be lost, and logged again.
    let torn = new().append(2, &a, false).crash(2).recover(2, 0, (1, 1)).append(2, &a, false).sync(2, z(1, 1));
    torn.append(3, &a, false).sync(3, z(1, 1)).apply(3, &a).passes();
}

#[test]
fn epoch_files() {
    let new = || Bench::established(Epochs::default());
    new().epochs(2, 2, 1).crash(2).recover(2, 0, (2, 1)).passes();
    new().epochs(2, 1, 2).fails(&["server 2", "current epoch 2 above accepted epoch 1"]);
    new().epochs(2, 2, 1).crash(2).recover(2, 0, (1, 1)).fails(&["server 2", "accepted 2 to 1"]);
    new().wipe(2).recover(2, 0, (0, 0)).passes();
    let leading = |bench: Bench| bench.epochs(3, 2, 2).serve(3, ServingRole::Leader, 2);
    leading(new()).fails(&["server 3 leads epoch 2", "only {3}"]);
    leading(new().epochs(1, 2, 2)).passes();
    leading(new().epochs(4, 2, 2)).fails(&["only {3}"]);
    new().append(2, &noted(z(1, 1), 1), false).epochs(2, 2, 2).fails(&["server 2", "durable to number 0 of 1"]);
}

#[test]
fn trees() {
    let (a, b) = (create(z(1, 1), "/a", 1), create(z(1, 1), "/b", 1));
    let new = || Bench::established(SameDigest::default());
    new().apply(1, &a).apply(2, &a).passes();
    new().apply(1, &a).apply_as(2, &a, &b).fails(&["0x100000001 (create /a)", "server 2", "server 1"]);
    // A snapshot that is ahead of its zxid is not compared until its server serves; by then it has caught up.
    let c = create(z(1, 2), "/c", 2);
    let ahead = |upto: &[&TxnEntry]| new().commit(&a).stop(3).apply(1, &c).install(3, 1, z(1, 1), upto);
    let follow = |bench: Bench| bench.apply(3, &c).serve(3, ServingRole::Follower, 1);
    follow(ahead(&[&a, &c])).passes();
    follow(ahead(&[&a, &c, &create(z(1, 3), "/d", 3)])).fails(&["0x100000002", "server 3", "server 1"]);
    ahead(&[&a, &c]).serve(3, ServingRole::Follower, 1).fails(&["0x100000001", "server 3", "server 1"]);
}

#[test]
fn multis() {
    let (a, b) = (create(z(1, 1), "/a", 1), create(z(1, 2), "/b", 2));
    let parts = |last| txn(z(1, 2), Txn::Multi(vec![creation("/b", false, 2), set("/a", 1), last]));
    let done = parts(Txn::Check { path: "/a".into(), version: 1 });
    let refused = parts(Txn::error(ErrorCode::NoNode));
    let new = || Bench::established(MultiAtomicity::default()).apply(1, &a);
    new().apply(1, &done).passes();
    new().apply(1, &refused).passes();
    new().apply_as(1, &done, &b).fails(&["0x100000002 was carried out", "server 1 /a"]);
    new().apply_as(1, &done, &refused).fails(&["0x100000002 was carried out", "server 1"]);
    new().apply_as(1, &refused, &b).fails(&["0x100000002 was refused", "/b was not there"]);
    new().apply_as(1, &refused, &txn(z(1, 2), set("/a", 1))).fails(&["0x100000002 was refused", "/a was written"]);
}

#[test]
fn acls() {
    let guarded = |access: Access| {
        let Txn::Create(mut txn) = creation("/a", false, 1) else { unreachable!("a creation is a create") };
        txn.acl = access.asked();
        Txn::Create(txn)
    };
    let change = |zxid, access: Access| txn(zxid, Txn::SetAcl { path: "/a".into(), acl: access.asked(), version: 1 });
    let created = txn(z(1, 1), guarded(Access::ReadOnly));
    let new = || Bench::established(SameAcls::default()).commit(&created);
    new().rest(2).passes();
    new().commit(&change(z(1, 2), Access::NoAdmin)).rest(2).rest(3).passes();
    // The digest of the tree is the same: it does not cover ACLs.
    let (other, late) = (change(z(1, 2), Access::Marked(7)), change(z(1, 2), Access::Marked(8)));
    let lost = || new().apply(1, &other).apply_as(2, &other, &late);
    lost().rest(1).passes();
    lost().rest(2).fails(&["server 2", "/a", "192.0.0.8", "192.0.0.7"]);
    lost().stop(2).serve(2, ServingRole::Follower, 1).fails(&["server 2", "/a", "192.0.0.8", "192.0.0.7"]);
}

fn container(path: &str, parent_cversion: i32) -> Txn {
    let Txn::Create(mut txn) = creation(path, false, parent_cversion) else { unreachable!("a creation is a create") };
    txn.kind = CreateKind::Container;
    Txn::Create(txn)
}

#[test]
fn emptied_containers() {
    let emptied = || {
        let born = Bench::established(Containers::default()).commit(&txn(z(1, 1), container("/c", 1)));
        born.commit(&create(z(1, 2), "/c/x", 1)).commit(&delete(z(1, 3), "/c/x"))
    };
    let reaped = txn(z(1, 4), Txn::DeleteContainer { path: "/c".into() });
    emptied().commit(&reaped).after_ms(9_000).rest(1).passes();
    emptied().after_ms(9_000).rest(1).fails(&["0x100000003", "/c", "nothing was deleted for 9000 ms"]);
    // It is still busy with others.
    let other = [txn(z(1, 4), container("/d", 2)), txn(z(1, 5), Txn::DeleteContainer { path: "/d".into() })];
    let busy = other.iter().fold(emptied().after_ms(9_000), Bench::commit);
    busy.after_ms(2_000).rest(1).passes();
    // The leader's check comes round in time, and a leader that has just begun has all of that time.
    emptied().after_ms(2_000).rest(1).commit(&reaped).passes();
    emptied().after_ms(9_000).stop(1).serve(1, ServingRole::Leader, 2).after_ms(2_000).rest(1).commit(&reaped).passes();
}

#[test]
fn quotas() {
    let quota = |name: &str| creation(&format!("/zookeeper/quota/a{name}"), false, 1);
    let (limits, stats) = ("/zookeeper_limits", "/zookeeper_stats");
    let counted = |first: &str, second: &str| {
        let parts = vec![quota(""), quota(first), creation("/a/b", false, 1), quota(second)];
        let (a, multi) = (create(z(1, 1), "/a", 1), txn(z(1, 2), Txn::Multi(parts)));
        Bench::established(QuotaAccounts::default()).apply(1, &a).apply(1, &multi).rest(1)
    };
    counted(limits, stats).passes();
    // Made in this order the accounts were counted before the znode and are kept only behind it.
    counted(stats, limits).fails(&["server 1", "accounts 1 znodes and 2 bytes", "there are 2 and 4"]);
}

#[test]
fn queues() {
    Bench::new(QueueBounds::default()).queues(5).passes();
    Bench::new(QueueBounds::default()).queues(6).fails(&["replies of server 1", "holds 6", "bound is 5"]);
}

#[test]
fn changed_ensembles() {
    let (fewer, text) = (reconfig(z(1, 1), &[2, 3], &[1]), ensemble(z(1, 1), &[2, 3], &[1]));
    let new = || Bench::established(ChangedMembers::default());
    let changed = || new().commit(&fewer);
    changed().configured(2, &text, true).rest(2).passes();
    changed().configured(2, &text, true).configured(2, &text, true).fails(&["server 2", "100000001 after 100000001"]);
    changed().append(2, &noted(z(1, 2), 1), false).passes();
    changed()
        .append(1, &noted(z(1, 2), 1), true)
        .fails(&["server 1 proposes 0x100000002", "100000001 has taken its vote"]);
    changed().stop(1).append(1, &noted(z(1, 2), 1), true).passes();
    let other = ensemble(z(1, 1), &[1, 2], &[3]);
    changed().configured(3, &other, true).fails(&["server 3", "100000001", "others have"]);
    let shown = new().apply_as(1, &fewer, &noted(z(1, 1), 1));
    shown.fails(&["server 1 applied 0x100000001 and shows \"\""]);
    // 3 goes by the old configuration in the end.
    let old = ensemble(0, &[1, 2, 3], &[4]);
    let behind = new().configured(3, &old, false).apply(1, &fewer);
    behind.rest(3).fails(&["server 3 goes by", "shows \"\""]);
    let no_quorum = Bench::established(Durability::default()).sync(1, z(1, 1)).append(1, &fewer, true).sync(1, z(1, 1));
    no_quorum.append(2, &fewer, false).sync(2, z(1, 1)).apply(1, &fewer).fails(&["voters {2, 3}", "only [2]"]);
}

#[test]
fn numbers() {
    let new = || Bench::established(SequenceNumbers::default()).numbered(z(1, 3), 1).numbered(z(1, 7), 3);
    new().numbered(z(1, 5), 2).passes();
    new().numbered(z(1, 8), 3).fails(&["number 3", "0x100000008", "0x100000007"]);
    new().numbered(z(1, 8), 2).fails(&["number 2", "0x100000008", "3 in 0x100000007"]);
    new().numbered(z(1, 2), 4).fails(&["number 4", "0x100000002", "3 in 0x100000007"]);
    // A parent that was deleted counts anew.
    let (gone, again) = (delete(z(1, 2), "/q"), create(z(1, 3), "/q", 2));
    let anew = Bench::established(SequenceNumbers::default()).commit(&create(z(1, 1), "/q", 1));
    anew.numbered(z(1, 1), 1).commit(&gone).commit(&again).numbered(z(1, 4), 0).numbered(z(1, 5), 1).passes();
}

#[test]
fn owners() {
    let new = || Bench::established(Ephemerals::default());
    let (s, e) = (open(z(1, 1)), ephemeral(z(1, 2), "/e", 1));
    let owned = || new().commit(&s).commit(&e);
    new().commit(&ephemeral(z(1, 1), "/e", 1)).fails(&["0x100000001", "/e", "not open"]);
    owned().rest(2).commit(&close(z(1, 3), &["/e"])).rest(2).passes();
    owned().commit(&close(z(1, 3), &[])).fails(&["0x100000003", "owns /e", "[]"]);
    owned().commit(&create(z(1, 3), "/p", 2)).commit(&close(z(1, 4), &["/e", "/p"])).fails(&["/p", "None"]);
    // The tree of 2 has lost an ephemeral, and keeps one too long.
    let lost = owned().commit(&noted(z(1, 3), 1)).apply_as(2, &noted(z(1, 4), 1), &delete(z(1, 4), "/e"));
    lost.rest(2).fails(&["server 2", "{}", "/e"]);
    let closed = close(z(1, 3), &["/e"]);
    owned().apply(1, &closed).apply_as(2, &closed, &noted(z(1, 3), 1)).fails(&["0x100000003 closed", "server 2", "/e"]);
}

/// A session that was heard through server 2, and 700 ms later.
fn reported(mut bench: Bench, report_ms: i64) -> Bench {
    bench.model = bench.model.with_report_us(report_ms * 1000);
    bench.answer(2, 0, Op::Ping, Body::Empty).after_ms(700)
}

#[test]
fn expiry() {
    let end = close(z(1, 2), &[]);
    let new = || Bench::established(SessionExpiry::default()).append(1, &open(z(1, 1)), true).after_ms(700);
    new().append(1, &end, true).fails(&["server 1 expires", "700000 µs after it was created", "1000 ms"]);
    new().after_ms(300).append(1, &end, true).passes();
    let pinged = |server| new().answer(server, 0, Op::Ping, Body::Empty).after_ms(700).append(1, &end, true);
    pinged(1).fails(&["server 1 expires", "was last heard"]);
    // What was said to another server may never have reached the leader.
    pinged(2).passes();
    // Unless the server followed so long that its reports must have come through.
    let mute = |report_ms, bench: fn(Bench) -> Bench| bench(reported(new(), report_ms)).append(1, &end, true);
    mute(600, |bench| bench).fails(&["server 1 expires", "was last heard through server 2"]);
    mute(800, |bench| bench).passes();
    mute(600, |bench| bench.stop(2)).passes();
    mute(600, |bench| bench.pause(2, true)).passes();
    mute(600, |bench| bench.pause(2, true).pause(2, false)).passes();
    let (later, asked) = (new().after_ms(700), new().call(2, Op::CloseSession).append(1, &end, true));
    later.append(2, &end, true).fails(&["server 2 expires", "serves as Some(Follower)"]);
    assert_eq!((asked.outcome, asked.invariant.examined()), (Ok(()), 0), "a close that was asked for is no expiry");
    let moved = new().after_ms(700).stop(1).serve(2, ServingRole::Leader, 2);
    moved.append(2, &close(z(2, 1), &[]), true).fails(&["server 2 expires", "found a new leader"]);
}
