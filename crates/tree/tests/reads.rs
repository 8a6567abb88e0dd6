//! Replies to reads and writes, byte by byte.

mod support;

use bytes::{Bytes, BytesMut};
use support::{CONN, World, acl, body, create, multi, only_path, path_number, path_watch, set_acl, set_data};
use tree::{TxnResult, encode_write_reply};
use wire::client::{MultiHeader, OpCode};
use wire::{Acl, ErrorCode, Id, Reader, Stat, Writer, Xid, Zxid};

fn stat_bytes(world: &World, path: &str) -> Bytes {
    body(|out| world.tree.stat(path).expect("a node of the fixture").encode(out))
}

#[track_caller]
fn check(world: &World, opcode: OpCode, request: &Bytes, expected: Result<Bytes, ErrorCode>) {
    let reply = world.read(opcode, request);
    match expected {
        Ok(expected) => assert_eq!((reply.error, &reply.body), (0, &expected)),
        Err(code) => assert_eq!((reply.error, &reply.body[..]), (code.code(), &b""[..])),
    }
}

fn world() -> World {
    let mut world = World::new();
    world.ok(OpCode::Create, &create("/a", b"data", &Acl::open(), 0));
    world.create("/a/b");
    world.ok(OpCode::Create, &create("/a/c", b"", &Acl::open(), 1));
    world.ok(OpCode::Create, &create("/hidden", b"", &[acl(30, "world", "anyone")], 0));
    let masked = [acl(1, "world", "anyone"), acl(31, "digest", "u:hash"), acl(1, "ip", "1.2.3.4")];
    world.ok(OpCode::Create, &create("/masked", b"", &masked, 0));
    world
}

#[test]
fn data_and_stats() {
    let world = world();
    let stat = stat_bytes(&world, "/a");
    let data = body(|out| {
        out.buffer(Some(b"data"));
        out.raw(&stat);
    });
    check(&world, OpCode::GetData, &path_watch("/a", false), Ok(data));
    check(&world, OpCode::Exists, &path_watch("/a", false), Ok(stat));
    for path in ["/x", "/a/", "//a", "a", "/a//b", "/a/b/c"] {
        check(&world, OpCode::GetData, &path_watch(path, true), Err(ErrorCode::NoNode));
        check(&world, OpCode::Exists, &path_watch(path, false), Err(ErrorCode::NoNode));
    }
    check(&world, OpCode::Exists, &path_watch("/\0", true), Err(ErrorCode::BadArguments));
    for opcode in [OpCode::GetData, OpCode::Exists, OpCode::GetChildren, OpCode::GetChildren2] {
        check(&world, opcode, &path_watch("/hidden", true), Err(ErrorCode::NoAuth));
        check(&world, opcode, &Bytes::new(), Err(ErrorCode::MarshallingError));
        check(&world, opcode, &Bytes::from_static(&[255, 255, 255, 255, 0]), Err(ErrorCode::MarshallingError));
    }
    assert_eq!(world.tree.watch_count(), 0);
    let root = world.read(OpCode::Exists, &path_watch("", false));
    assert_eq!(root, world.read(OpCode::Exists, &path_watch("/", false)));
}

#[test]
fn null_data_is_not_empty_data() {
    let mut world = World::new();
    let null = body(|out| {
        out.string("/null");
        out.buffer(None);
        Acl::encode_vec(&Acl::open(), out);
        out.i32(0);
    });
    world.ok(OpCode::Create, &null);
    world.create("/empty");
    let front = |path: &str| world.read(OpCode::GetData, &path_watch(path, false)).body.slice(..4);
    assert_eq!((&front("/null")[..], &front("/empty")[..]), (&[255; 4][..], &[0; 4][..]));
}

#[test]
fn children() {
    let world = world();
    let reply = world.read(OpCode::GetChildren2, &path_watch("/a", false));
    let mut input = Reader::new(&reply.body);
    let mut names = input.strings().unwrap();
    names.sort_unstable();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(input.rest(), &stat_bytes(&world, "/a")[..]);
    let count = |path: &str, expected: i32| {
        check(&world, OpCode::GetAllChildrenNumber, &only_path(path), Ok(body(|out| out.i32(expected))));
    };
    count("/", 8);
    count("", 9);
    count("/a", 2);
    count("/zookeeper", 2);
    count("/a/b", 0);
    check(&world, OpCode::GetAllChildrenNumber, &only_path("/x"), Err(ErrorCode::NoNode));
    check(&world, OpCode::GetAllChildrenNumber, &only_path("/hidden"), Err(ErrorCode::NoAuth));
}

#[test]
fn ephemerals() {
    let mut world = world();
    world.ok(OpCode::Create, &create("/ab", b"", &Acl::open(), 1));
    let answer = |paths: &[&str]| Ok(body(|out| out.strings(paths)));
    check(&world, OpCode::GetEphemerals, &only_path("/a"), answer(&["/a/c", "/ab"]));
    check(&world, OpCode::GetEphemerals, &only_path(" / "), answer(&["/a/c", "/ab"]));
    check(&world, OpCode::GetEphemerals, &Bytes::from_static(&[255; 4]), answer(&["/a/c", "/ab"]));
    check(&world, OpCode::GetEphemerals, &only_path("/a/"), answer(&["/a/c"]));
    world.session = wire::SessionId(77);
    check(&world, OpCode::GetEphemerals, &only_path("/"), answer(&[]));
}

#[test]
fn acls() {
    let mut world = world();
    let answer = |acl: &[Acl], path: &str, world: &World| {
        let stat = stat_bytes(world, path);
        Ok(body(|out| {
            Acl::encode_vec(acl, out);
            out.raw(&stat);
        }))
    };
    check(&world, OpCode::GetAcl, &only_path("/"), answer(&Acl::open(), "/", &world));
    check(&world, OpCode::GetAcl, &only_path("/x"), Err(ErrorCode::NoNode));
    let masked = [acl(1, "world", "anyone"), acl(31, "digest", "u:x"), acl(1, "ip", "1.2.3.4")];
    check(&world, OpCode::GetAcl, &only_path("/masked"), answer(&masked, "/masked", &world));
    world.identities = vec![Id::new("digest", "u:hash")];
    let whole = [acl(1, "world", "anyone"), acl(31, "digest", "u:hash"), acl(1, "ip", "1.2.3.4")];
    check(&world, OpCode::GetAcl, &only_path("/masked"), answer(&whole, "/masked", &world));
    world.ok(OpCode::SetAcl, &set_acl("/masked", &[acl(2, "world", "anyone")], 0));
    check(&world, OpCode::GetAcl, &only_path("/masked"), Err(ErrorCode::NoAuth));
}

#[test]
fn several_reads_at_once() {
    let world = world();
    let parts = [
        (OpCode::GetData, path_watch("/a", true)),
        (OpCode::GetChildren, path_watch("/x", false)),
        (OpCode::GetData, path_watch("/hidden", false)),
        (OpCode::GetChildren, path_watch("/a/b", true)),
    ];
    let stat = stat_bytes(&world, "/a");
    let expected = body(|out| {
        let header = |kind: i32, error: i32| MultiHeader { kind, done: false, error };
        header(4, 0).encode(out);
        out.buffer(Some(b"data"));
        out.raw(&stat);
        for code in [-101, -102] {
            header(-1, code).encode(out);
            out.i32(code);
        }
        header(8, 0).encode(out);
        out.i32(0);
        MultiHeader::END.encode(out);
    });
    check(&world, OpCode::MultiRead, &multi(&parts), Ok(expected));
    assert_eq!(world.tree.watch_count(), 0, "watch flags are ignored");
    let mixed = [(OpCode::GetData, path_watch("/a", false)), (OpCode::Delete, path_number("/a", -1))];
    check(&world, OpCode::MultiRead, &multi(&mixed), Err(ErrorCode::MarshallingError));
}

#[test]
fn small_ones() {
    let mut world = world();
    check(&world, OpCode::Ping, &Bytes::new(), Ok(Bytes::new()));
    check(&world, OpCode::Sync, &only_path("/x"), Ok(only_path("/x")));
    check(&world, OpCode::Sync, &Bytes::from_static(&[255; 4]), Ok(Bytes::from_static(&[255; 4])));
    check(&world, OpCode::Create, &Bytes::new(), Err(ErrorCode::Unimplemented));
    check(&world, OpCode::AddWatch, &path_number("/x", 2), Err(ErrorCode::MarshallingError));
    world.identities = vec![Id::new("ip", "1.2.3.4"), Id::new("digest", "bob:hash"), Id::new("super", "")];
    let expected = body(|out| {
        out.i32(3);
        for text in ["ip", "1.2.3.4", "digest", "bob", "super", ""] {
            out.string(text);
        }
    });
    check(&world, OpCode::WhoAmI, &Bytes::new(), Ok(expected));
}

#[test]
fn replies_follow_what_is_there_already() {
    let world = world();
    let mut out = BytesMut::from(&b"front"[..]);
    let context =
        tree::ReadContext { conn: CONN, session: world.session, identities: &world.identities, skip_acl: false };
    world.tree.read(OpCode::Exists, Xid(1), &path_watch("/x", false), &context, &mut out);
    world.tree.read(OpCode::Ping, Xid(-2), b"", &context, &mut out);
    assert_eq!(&out[..5], b"front");
    assert_eq!(support::frames(&out[5..]).len(), 2);
}

#[track_caller]
fn check_reply(result: &TxnResult, expected: impl FnOnce(&mut Vec<u8>)) {
    let mut out = BytesMut::new();
    encode_write_reply(Xid(3), Zxid(9), result, &mut out);
    let expected = body(|out| {
        out.i32(3);
        out.i64(9);
        expected(out);
    });
    assert_eq!(support::frames(&out), [expected.to_vec()]);
}

#[test]
fn write_replies() {
    let stat = Stat { czxid: 5, num_children: 2, ..Stat::default() };
    let ok = |out: &mut Vec<u8>| out.i32(0);
    check_reply(&TxnResult::Created { path: "/a".into() }, |out| {
        ok(out);
        out.string("/a");
    });
    check_reply(&TxnResult::Created2 { path: "/a".into(), stat }, |out| {
        ok(out);
        out.string("/a");
        stat.encode(out);
    });
    for result in [TxnResult::DataSet(stat), TxnResult::AclSet(stat)] {
        check_reply(&result, |out| {
            ok(out);
            stat.encode(out);
        });
    }
    check_reply(&TxnResult::Deleted, ok);
    check_reply(&TxnResult::SessionClosed, ok);
    check_reply(&TxnResult::Error(-110), |out| out.i32(-110));
    let mut out = BytesMut::new();
    encode_write_reply(Xid(3), Zxid(9), &TxnResult::SessionCreated, &mut out);
    assert!(out.is_empty());
    let parts = vec![
        TxnResult::Created { path: "/a".into() },
        TxnResult::Created2 { path: "/b".into(), stat },
        TxnResult::Deleted,
        TxnResult::DataSet(stat),
        TxnResult::Checked,
    ];
    check_reply(&TxnResult::Multi(parts), |out| {
        ok(out);
        let header = |kind: i32, out: &mut Vec<u8>| MultiHeader { kind, done: false, error: 0 }.encode(out);
        header(1, out);
        out.string("/a");
        header(15, out);
        out.string("/b");
        stat.encode(out);
        header(2, out);
        header(5, out);
        stat.encode(out);
        header(13, out);
        MultiHeader::END.encode(out);
    });
    check_reply(&TxnResult::Multi(vec![TxnResult::Error(0), TxnResult::Error(-101)]), |out| {
        ok(out);
        for code in [0, -101] {
            MultiHeader { kind: -1, done: false, error: code }.encode(out);
            out.i32(code);
        }
        MultiHeader::END.encode(out);
    });
}

#[test]
fn a_reply_shows_its_own_write() {
    let mut world = World::new();
    let result = world.ok(OpCode::Create2, &create("/a", b"xyz", &Acl::open(), 0));
    let TxnResult::Created2 { stat, .. } = result else { panic!() };
    assert_eq!((stat.czxid, stat.mzxid, stat.pzxid, stat.data_length), (world.zxid, world.zxid, world.zxid, 3));
    let TxnResult::DataSet(stat) = world.ok(OpCode::SetData, &set_data("/a", b"", 0)) else { panic!() };
    assert_eq!((stat.mzxid, stat.version, stat.mtime), (world.zxid, 1, world.now));
}
