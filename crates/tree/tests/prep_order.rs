//! The order of checks is observable: the first failing one decides (`PrepRequestProcessor`).

mod support;

use bytes::Bytes;
use support::{World, acl, body, create, create_ttl, multi, path_number, set_acl, set_data};
use tree::acl::AuthSettings;
use tree::{PrepSettings, TreeSettings, TxnResult};
use wire::client::OpCode;
use wire::txn::Txn;
use wire::{Acl, ErrorCode, Id, Writer};

/// `/open` anybody, `/read` read only, `/eph` ephemeral, `/open/kid`.
fn world() -> World {
    let mut world = World::new();
    world.create("/open");
    world.create("/open/kid");
    world.ok(OpCode::Create, &create("/read", b"", &[acl(1, "world", "anyone")], 0));
    world.ok(OpCode::Create, &create("/eph", b"", &Acl::open(), 1));
    world
}

fn check(opcode: OpCode, body: &Bytes, expected: ErrorCode) {
    check_in(&mut world(), opcode, body, expected);
}

#[track_caller]
fn check_in(world: &mut World, opcode: OpCode, body: &Bytes, expected: ErrorCode) {
    let before = support::dump(&world.tree).nodes;
    let outstanding = world.prep.outstanding();
    let entry = world.submit(opcode, body);
    if expected != ErrorCode::Ok {
        assert_eq!(entry.txn, Txn::error(expected));
        assert_eq!(entry.digest, None);
        assert_eq!(world.prep.outstanding(), outstanding);
    }
    let result = world.apply_next();
    assert_eq!(result.error_code(), expected.code(), "{result:?}");
    if expected != ErrorCode::Ok {
        assert_eq!(support::dump(&world.tree).nodes, before);
    }
}

const BAD_ACL: [(i32, &str, &str); 1] = [(31, "nobody", "x")];

fn bad_acl() -> Vec<Acl> {
    BAD_ACL.iter().map(|&(perms, scheme, id)| acl(perms, scheme, id)).collect()
}

#[test]
fn create_checks_in_order() {
    let open = Acl::open();
    check(OpCode::Create, &create("no slash", b"", &[], 99), ErrorCode::BadArguments);
    check(OpCode::CreateTtl, &create_ttl("/x", 5, 0), ErrorCode::BadArguments);
    check(OpCode::CreateTtl, &create_ttl("/x", 5, 0x100_0000_0000), ErrorCode::BadArguments);
    check(OpCode::CreateTtl, &create_ttl("/x", 0, 5), ErrorCode::BadArguments);
    check(OpCode::CreateTtl, &create_ttl("/x", 0, -1), ErrorCode::BadArguments);
    check(OpCode::Create, &create("/x", b"", &open, 5), ErrorCode::BadArguments);
    check(OpCode::Create, &create("noslash", b"", &[], 0), ErrorCode::BadArguments);
    check(OpCode::Create, &create("/no\0/x", b"", &[], 0), ErrorCode::BadArguments);
    check(OpCode::Create, &create("/missing/x", b"", &bad_acl(), 0), ErrorCode::InvalidAcl);
    check(OpCode::Create, &create("/missing/x", b"", &[], 0), ErrorCode::InvalidAcl);
    check(OpCode::Create, &create("/missing/x", b"", &open, 0), ErrorCode::NoNode);
    check(OpCode::Create, &create("/missing/", b"", &open, 0), ErrorCode::NoNode);
    check(OpCode::Create, &create("/read/./x", b"", &open, 0), ErrorCode::NoNode);
    check(OpCode::Create, &create("/read/.", b"", &open, 0), ErrorCode::NoAuth);
    check(OpCode::Create, &create("/open/.", b"", &open, 0), ErrorCode::BadArguments);
    check(OpCode::Create, &create("/open/", b"", &open, 0), ErrorCode::BadArguments);
    check(OpCode::Create, &create("/open/\u{1}", b"", &open, 0), ErrorCode::BadArguments);
    check(OpCode::Create, &create("//x", b"", &open, 0), ErrorCode::BadArguments);
    check(OpCode::Create, &create("/", b"", &open, 0), ErrorCode::NodeExists);
    check(OpCode::Create, &create("/open", b"", &open, 0), ErrorCode::NodeExists);
    check(OpCode::Create, &create("/eph/x", b"", &open, 0), ErrorCode::NoChildrenForEphemerals);
    check(OpCode::Create, &create("/open/", b"", &open, 2), ErrorCode::Ok);
    check(OpCode::Create2, &create("/new", b"", &open, 0), ErrorCode::Ok);
    check(OpCode::CreateTtl, &create_ttl("/new", 6, 1), ErrorCode::Ok);
}

#[test]
fn sessions_come_after_flags_and_before_paths() {
    let mut world = world();
    world.session_error = Some(ErrorCode::SessionMoved);
    let open = Acl::open();
    check_in(&mut world, OpCode::Create, &create("x", b"", &open, 99), ErrorCode::BadArguments);
    check_in(&mut world, OpCode::Create, &create("x", b"", &open, 0), ErrorCode::SessionMoved);
    check_in(&mut world, OpCode::Delete, &path_number("x", 0), ErrorCode::SessionMoved);
    check_in(&mut world, OpCode::SetData, &set_data("x", b"", 0), ErrorCode::SessionMoved);
    check_in(&mut world, OpCode::SetAcl, &set_acl("x", &open, 0), ErrorCode::SessionMoved);
    world.ephemeral_error = Some(ErrorCode::EphemeralOnLocalSession);
    check_in(&mut world, OpCode::Create, &create("/x", b"", &open, 1), ErrorCode::EphemeralOnLocalSession);
    world.session_error = None;
    check_in(&mut world, OpCode::Create, &create("/x", b"", &open, 3), ErrorCode::EphemeralOnLocalSession);
    check_in(&mut world, OpCode::Create, &create("/x", b"", &open, 0), ErrorCode::Ok);
    world.session_error = Some(ErrorCode::SessionMoved);
    let result = world.write(OpCode::Multi, &multi(&[(OpCode::Delete, path_number("/x", -1))]));
    assert!(result.is_session_moved());
    assert_eq!(world.write(OpCode::CloseSession, &Bytes::new()), TxnResult::SessionClosed);
}

#[test]
fn ttl_needs_extended_types() {
    let mut world = World::with(TreeSettings { extended_types: false, ..support::settings() }, PrepSettings::default());
    world.session_error = Some(ErrorCode::SessionMoved);
    check_in(&mut world, OpCode::CreateTtl, &create_ttl("x", 5, 0), ErrorCode::Unimplemented);
}

#[test]
fn delete_checks_in_order() {
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "x", "/a\0b"] {
        check(OpCode::Delete, &path_number(path, 5), ErrorCode::BadArguments);
    }
    check(OpCode::Delete, &path_number("/missing/x", 5), ErrorCode::NoNode);
    check(OpCode::Delete, &path_number("/read/x", 5), ErrorCode::NoAuth);
    check(OpCode::Delete, &path_number("/open/x", 5), ErrorCode::NoNode);
    check(OpCode::Delete, &path_number("/open", 5), ErrorCode::BadVersion);
    check(OpCode::Delete, &path_number("/open", 0), ErrorCode::NotEmpty);
    check(OpCode::Delete, &path_number("/read", -1), ErrorCode::Ok);
}

#[test]
fn set_data_and_set_acl_check_in_order() {
    check(OpCode::SetData, &set_data("x", b"", 5), ErrorCode::BadArguments);
    check(OpCode::SetData, &set_data("/x/", b"", 5), ErrorCode::BadArguments);
    check(OpCode::SetData, &set_data("/x", b"", 5), ErrorCode::NoNode);
    check(OpCode::SetData, &set_data("/read", b"", 5), ErrorCode::NoAuth);
    check(OpCode::SetData, &set_data("/open", b"", 5), ErrorCode::BadVersion);
    check(OpCode::SetData, &set_data("/open", b"", 0), ErrorCode::Ok);
    check(OpCode::SetAcl, &set_acl("x", &[], 5), ErrorCode::BadArguments);
    check(OpCode::SetAcl, &set_acl("/x", &bad_acl(), 5), ErrorCode::InvalidAcl);
    check(OpCode::SetAcl, &set_acl("/x", &Acl::open(), 5), ErrorCode::NoNode);
    check(OpCode::SetAcl, &set_acl("/read", &Acl::open(), 5), ErrorCode::NoAuth);
    check(OpCode::SetAcl, &set_acl("/open", &Acl::open(), 5), ErrorCode::BadVersion);
    check(OpCode::SetAcl, &set_acl("/open", &Acl::open(), 0), ErrorCode::Ok);
}

#[test]
fn nulls() {
    let null_path = body(|out| {
        out.i32(-1);
        out.i32(0);
    });
    check(OpCode::Delete, &null_path, ErrorCode::MarshallingError);
    let null_set = body(|out| {
        out.i32(-1);
        out.i32(-1);
        out.i32(0);
    });
    check(OpCode::SetData, &null_set, ErrorCode::BadArguments);
    check(OpCode::SetAcl, &null_set, ErrorCode::BadArguments);
    let null_create = |path: Option<&str>, flags: i32| {
        body(|out| {
            out.buffer(path.map(str::as_bytes));
            out.i32(-1);
            out.i32(-1);
            out.i32(flags);
        })
    };
    check(OpCode::Create, &null_create(None, 99), ErrorCode::BadArguments);
    check(OpCode::Create, &null_create(None, 0), ErrorCode::MarshallingError);
    check(OpCode::Create, &null_create(Some("/x"), 0), ErrorCode::InvalidAcl);
    check(OpCode::Multi, &multi(&[(OpCode::Create, null_create(Some("/x"), 0))]), ErrorCode::MarshallingError);
    check(OpCode::Multi, &multi(&[(OpCode::SetData, null_set.clone())]), ErrorCode::MarshallingError);
    check(OpCode::Create, &Bytes::new(), ErrorCode::MarshallingError);
}

#[test]
fn what_is_not_for_clients() {
    check(OpCode::Check, &path_number("/open", 0), ErrorCode::Unimplemented);
    check(OpCode::GetData, &Bytes::new(), ErrorCode::Unimplemented);
    check(OpCode::Reconfig, &Bytes::new(), ErrorCode::MarshallingError);
    // Three null strings and any version: it can be read, and is switched off.
    let reconfig = [&[0xff; 12][..], &(-1_i64).to_be_bytes()].concat();
    check(OpCode::Reconfig, &Bytes::from(reconfig), ErrorCode::ReconfigDisabled);
}

#[test]
fn multis_succeed_together_or_not_at_all() {
    let mut world = world();
    let open = Acl::open();
    let parts = [
        (OpCode::Create, create("/m", b"1", &open, 0)),
        (OpCode::Create2, create("/m/a", b"", &open, 0)),
        (OpCode::CreateTtl, create_ttl("/m/ttl", 5, 1000)),
        (OpCode::CreateContainer, create("/m/box", b"", &open, 4)),
        (OpCode::Check, path_number("/m", 0)),
        (OpCode::SetData, set_data("/m", b"2", 0)),
        (OpCode::Delete, path_number("/m/a", 0)),
    ];
    let TxnResult::Multi(results) = world.ok(OpCode::Multi, &multi(&parts)) else { panic!() };
    assert!(matches!(&results[0], TxnResult::Created { path } if path == "/m"));
    assert!(matches!(&results[1], TxnResult::Created2 { path, .. } if path == "/m/a"));
    assert!(matches!(&results[2], TxnResult::Created2 { .. }));
    assert!(matches!(&results[3], TxnResult::Created2 { .. }));
    assert_eq!(results[4], TxnResult::Checked);
    assert!(matches!(&results[5], TxnResult::DataSet(stat) if stat.version == 1 && stat.num_children == 3));
    assert_eq!(results[6], TxnResult::Deleted);
    let stat = world.tree.stat("/m").unwrap();
    assert_eq!((stat.mzxid, stat.pzxid, stat.czxid), (world.zxid, world.zxid, world.zxid));
    let before = support::dump(&world.tree).nodes;
    let failing = [
        (OpCode::Create, create("/n", b"", &open, 0)),
        (OpCode::SetData, set_data("/m", b"3", 7)),
        (OpCode::Delete, path_number("/m/box", -1)),
    ];
    let result = world.write(OpCode::Multi, &multi(&failing));
    assert_eq!(result, TxnResult::Multi(vec![TxnResult::Error(0), TxnResult::Error(-103), TxnResult::Error(-2)]));
    assert_eq!(support::dump(&world.tree).nodes, before);
    let Txn::Multi(logged) = &world.log.last().unwrap().txn else { panic!() };
    assert!(matches!(logged[0], Txn::Create(_)), "the parts before the failure stay as they were");
    assert_eq!(world.log.last().unwrap().digest.unwrap().digest, world.tree.digest());
    assert_eq!(world.write(OpCode::Multi, &multi(&[])), TxnResult::Multi(vec![]));
}

#[test]
fn failed_multis_do_not_shift_sequence_numbers() {
    // ZOOKEEPER-1624: the parent's record must be restored too, with earlier requests still in flight.
    let mut world = World::new();
    let open = Acl::open();
    let sequential = create("/s-", b"", &open, 2);
    let failing = multi(&[(OpCode::Create, sequential.clone()), (OpCode::Check, path_number("/missing", 0))]);
    world.submit(OpCode::Create, &sequential);
    world.submit(OpCode::Multi, &failing);
    let entry = world.submit(OpCode::Create, &sequential);
    let Txn::Create(create) = entry.txn else { panic!() };
    assert_eq!(create.path, "/s-0000000001");
    while !world.in_flight.is_empty() {
        world.apply_next();
    }
    assert_eq!(world.prep.outstanding(), 0);
    assert_eq!(world.tree.children("/").unwrap(), ["s-0000000000", "s-0000000001", "zookeeper"]);
}

#[test]
fn requests_in_flight_are_seen() {
    let mut world = World::new();
    let open = Acl::open();
    world.submit(OpCode::Create, &create("/a", b"", &open, 0));
    world.submit(OpCode::Create, &create("/a/b", b"", &open, 0));
    let refused = world.submit(OpCode::Delete, &path_number("/a", -1));
    assert_eq!(refused.txn, Txn::error(ErrorCode::NotEmpty));
    world.submit(OpCode::Delete, &path_number("/a/b", -1));
    world.submit(OpCode::SetData, &set_data("/a", b"x", 0));
    world.submit(OpCode::SetAcl, &set_acl("/a", &[acl(1, "world", "anyone")], 0));
    let refused = world.submit(OpCode::SetData, &set_data("/a", b"x", 1));
    assert_eq!(refused.txn, Txn::error(ErrorCode::NoAuth));
    world.submit(OpCode::SetData, &set_data("/", b"root", 0));
    world.submit(OpCode::Create, &create("/c", b"", &open, 0));
    world.submit(OpCode::Delete, &path_number("/a", 1));
    while !world.in_flight.is_empty() {
        world.apply_next();
    }
    assert_eq!(world.tree.paths(), ["/", "/c", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]);
    assert_eq!(world.prep.outstanding(), 0);
}

#[test]
fn close_session_lists_what_will_be_there() {
    let mut world = World::new();
    let open = Acl::open();
    world.create("/p");
    world.ok(OpCode::Create, &create("/p/old", b"", &open, 1));
    world.ok(OpCode::Create, &create("/p/deleted", b"", &open, 1));
    world.submit(OpCode::Create, &create("/p/new", b"", &open, 1));
    world.submit(OpCode::Delete, &path_number("/p/deleted", -1));
    let refused = [(OpCode::Create, create("/p/never", b"", &open, 1)), (OpCode::Check, path_number("/x", 0))];
    world.submit(OpCode::Multi, &multi(&refused));
    let close = world.submit(OpCode::CloseSession, &Bytes::new());
    assert_eq!(close.txn, Txn::CloseSession { paths: Some(vec!["/p/new".into(), "/p/old".into()]) });
    // The parent is empty from here on.
    world.submit(OpCode::Delete, &path_number("/p", -1));
    let results: Vec<i32> = (0..world.in_flight.len()).map(|_| world.apply_next().error_code()).collect();
    assert_eq!(results, [0, 0, -101, 0, 0]);
    assert_eq!(world.tree.ephemerals_count(), 0);
    assert_eq!(world.tree.ephemerals(), []);
}

#[test]
fn containers_and_ttl_nodes_are_reaped() {
    let mut world = World::new();
    let open = Acl::open();
    let reap = |world: &mut World, path: &str| {
        let result = world.write(OpCode::DeleteContainer, &support::only_path(path));
        result.error_code()
    };
    world.ok(OpCode::CreateContainer, &create("/box", b"", &open, 4));
    world.ok(OpCode::CreateTtl, &create_ttl("/ttl", 5, 1000));
    world.create("/plain");
    let now = |world: &World| wire::Millis(world.now);
    assert_eq!(world.tree.reapable(now(&world), 0), [""; 0]);
    assert_eq!(world.tree.reapable(wire::Millis(world.now + 600_000), 60_000), ["/box", "/ttl"]);
    world.create("/box/x");
    assert_eq!(reap(&mut world, "/box"), ErrorCode::NotEmpty.code());
    world.ok(OpCode::Delete, &path_number("/box/x", -1));
    assert_eq!(world.tree.reapable(now(&world), 0), ["/box"]);
    assert_eq!(reap(&mut world, "/box"), 0);
    assert_eq!(reap(&mut world, "/box"), ErrorCode::NoNode.code());
    world.ok(OpCode::CreateContainer, &create("/box", b"", &open, 4));
    assert_eq!(reap(&mut world, "/box"), ErrorCode::BadVersion.code(), "another one, which never had children");
    world.ok(OpCode::Delete, &path_number("/box", -1));
    assert_eq!(reap(&mut world, "/plain"), ErrorCode::BadVersion.code());
    assert_eq!(reap(&mut world, "/ttl"), ErrorCode::BadVersion.code(), "not yet");
    world.now += 2000;
    assert_eq!(world.tree.reapable(now(&world), 0), ["/ttl"]);
    world.ok(OpCode::SetData, &set_data("/ttl", b"", -1));
    assert_eq!(reap(&mut world, "/ttl"), ErrorCode::BadVersion.code(), "renewed");
    world.now += 2000;
    assert_eq!(reap(&mut world, "/ttl"), 0);
    assert_eq!(world.tree.reapable(wire::Millis(i64::MAX), 1), [""; 0]);
    let stat = world.tree.stat("/plain").unwrap();
    assert_eq!(stat.ephemeral_owner, 0);
}

#[test]
fn containers_without_children_are_reaped_when_they_are_old_enough() {
    let settings = PrepSettings { container_never_used_ms_max: 60_000, ..PrepSettings::default() };
    let mut world = World::with(support::settings(), settings);
    world.ok(OpCode::CreateContainer, &create("/box", b"", &Acl::open(), 4));
    world.now += 30_000;
    let young = world.write(OpCode::DeleteContainer, &support::only_path("/box"));
    assert_eq!(young.error_code(), ErrorCode::BadVersion.code());
    world.now += 60_000;
    assert_eq!(world.write(OpCode::DeleteContainer, &support::only_path("/box")).error_code(), 0);
}

#[test]
fn hard_quotas_refuse_against_what_is_applied() {
    let settings = PrepSettings { enforce_quota: true, ..PrepSettings::default() };
    let mut world = World::with(support::settings(), settings);
    let open = Acl::open();
    world.create("/q");
    world.create("/zookeeper/quota/q");
    let limits = b"count=-1,bytes=-1=;byteHardLimit=4;countHardLimit=2";
    world.ok(OpCode::Create, &create("/zookeeper/quota/q/zookeeper_limits", limits, &open, 0));
    world.ok(OpCode::Create, &create("/zookeeper/quota/q/zookeeper_stats", b"count=0,bytes=0", &open, 0));
    let stats = |world: &World| {
        String::from_utf8(world.tree.get_data("/zookeeper/quota/q/zookeeper_stats").unwrap().unwrap().to_vec()).unwrap()
    };
    assert_eq!(stats(&world), "count=1,bytes=0");
    check_in(&mut world, OpCode::Create, &create("/q/a", b"12345", &open, 0), ErrorCode::QuotaExceeded);
    // Both pass, because the first is not applied when the second is checked.
    world.submit(OpCode::Create, &create("/q/a", b"1", &open, 0));
    world.submit(OpCode::Create, &create("/q/b", b"2", &open, 0));
    assert_eq!((world.apply_next().error_code(), world.apply_next().error_code()), (0, 0));
    assert_eq!(stats(&world), "count=3,bytes=2");
    check_in(&mut world, OpCode::Create, &create("/q/c", b"", &open, 0), ErrorCode::QuotaExceeded);
    check_in(&mut world, OpCode::SetData, &set_data("/q/a", b"1234", 9), ErrorCode::QuotaExceeded);
    check_in(&mut world, OpCode::SetData, &set_data("/q/a", b"9", 9), ErrorCode::BadVersion);
    check_in(&mut world, OpCode::SetData, &set_data("/q/a", b"123", 0), ErrorCode::Ok);
    world.ok(OpCode::Delete, &path_number("/q/b", -1));
    assert_eq!(stats(&world), "count=2,bytes=3");
    let usage = world.tree.quota_usage();
    assert_eq!((usage[0].path.as_str(), usage[0].used.count(), usage[0].limits.count_hard_limit()), ("/q", 2, 2));
    let stat = world.tree.stat("/zookeeper/quota/q/zookeeper_stats").unwrap();
    assert_eq!((stat.version, stat.mzxid), (0, stat.czxid), "statistics change without a trace");
    world.ok(OpCode::SetData, &set_data("/zookeeper/quota/q/zookeeper_limits", b"count=x", -1));
    check_in(&mut world, OpCode::Create, &create("/q/c", b"", &open, 0), ErrorCode::MarshallingError);
    world.ok(OpCode::Delete, &path_number("/zookeeper/quota/q/zookeeper_limits", -1));
    check_in(&mut world, OpCode::Create, &create("/q/c", b"123456", &open, 0), ErrorCode::Ok);
}

#[test]
fn sequence_numbers_count_all_creates() {
    let mut world = World::new();
    let open = Acl::open();
    world.create("/p");
    world.create("/p/x");
    world.ok(OpCode::Delete, &path_number("/p/x", -1));
    let result = world.ok(OpCode::Create, &create("/p/y", b"", &open, 2));
    assert_eq!(result, TxnResult::Created { path: "/p/y0000000001".into() });
    let stat = world.tree.stat("/p").unwrap();
    assert_eq!((stat.cversion, stat.num_children), (3, 1));
}

#[test]
fn identities_decide() {
    let mut world = world();
    world.identities.push(Id::new("digest", "u:hash"));
    world.ok(OpCode::Create, &create("/mine", b"", &[acl(31, "auth", "")], 0));
    assert_eq!(world.tree.acl("/mine").unwrap().unwrap(), [acl(31, "digest", "u:hash")]);
    world.identities.pop();
    check_in(&mut world, OpCode::SetData, &set_data("/mine", b"", -1), ErrorCode::NoAuth);
    check_in(&mut world, OpCode::SetAcl, &set_acl("/open", &[acl(31, "auth", "")], -1), ErrorCode::InvalidAcl);
    world.identities.push(Id::new("super", ""));
    check_in(&mut world, OpCode::SetData, &set_data("/mine", b"", -1), ErrorCode::Ok);
    let settings = PrepSettings { skip_acl: true, auth: AuthSettings::default(), ..PrepSettings::default() };
    let mut world = World::with(support::settings(), settings);
    world.ok(OpCode::Create, &create("/read", b"", &[acl(1, "world", "anyone")], 0));
    check_in(&mut world, OpCode::SetData, &set_data("/read", b"", -1), ErrorCode::Ok);
}
