//! A client's requests, read back by the server's own decoders.

use super::*;

#[test]
fn requests_are_what_servers_read() {
    let body = |op: &Op| {
        let frame = codec::encode(3, op);
        assert_eq!(frame.len() - 4, u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize);
        let header = RequestHeader::decode(&frame[4..]).unwrap();
        assert_eq!(header.xid, Xid(3));
        (OpCode::from_i32(header.opcode).unwrap(), frame.slice(4 + RequestHeader::BYTES..))
    };
    let path = || "/a".to_owned();
    let data = Bytes::from_static(b"x");
    let create_as = |lifetime, sequential, access| {
        let (path, data) = (path(), data.clone());
        Op::Create { path, data, lifetime, sequential, access }
    };
    let create = create_as(Lifetime::Ephemeral, true, Access::Open);
    let (opcode, bytes) = body(&create);
    let request = CreateRequest::decode(opcode, &mut Reader::new(&bytes)).unwrap();
    assert_eq!((opcode, request.path, request.data, request.flags), (OpCode::Create2, Some("/a"), Some(&b"x"[..]), 3));

    let expiring = create_as(Lifetime::Ttl(70), false, Access::ReadOnly);
    let (opcode, bytes) = body(&expiring);
    let request = CreateRequest::decode(opcode, &mut Reader::new(&bytes)).unwrap();
    assert_eq!((opcode, request.flags, request.ttl), (OpCode::CreateTtl, 5, Some(70)));
    assert_eq!(request.acl, Some(Access::ReadOnly.asked()));
    let (opcode, bytes) = body(&create_as(Lifetime::Container, false, Access::Open));
    let request = CreateRequest::decode(opcode, &mut Reader::new(&bytes)).unwrap();
    assert_eq!((opcode, request.flags, request.ttl), (OpCode::CreateContainer, 4, None));

    let set = Op::Set { path: path(), data: data.clone(), version: 4 };
    let (opcode, bytes) = body(&set);
    let request = SetDataRequest::decode(&mut Reader::new(&bytes)).unwrap();
    assert_eq!((opcode, request.path, request.version.0), (OpCode::SetData, Some("/a"), 4));

    let delete = Op::Delete { path: path(), version: -1 };
    let (opcode, bytes) = body(&delete);
    assert_eq!((opcode, PathVersion::decode(&mut Reader::new(&bytes)).unwrap().version.0), (OpCode::Delete, -1));

    let check = Op::Check { path: path(), version: 2 };
    let (opcode, bytes) = body(&Op::Multi(vec![create, set, delete, check]));
    let parts = MultiOp::decode_all(&mut Reader::new(&bytes), false).unwrap();
    assert_eq!(opcode, OpCode::Multi);
    assert!(matches!(
        parts[..],
        [MultiOp::Create(OpCode::Create2, _), MultiOp::SetData(_), MultiOp::Delete(_), MultiOp::Check(_)]
    ));
}

#[test]
fn requests_for_changes_are_what_servers_read() {
    let body = |members: Option<&str>| {
        let (joining, leaving, members) = ("server.4=x".to_owned(), "1,2".to_owned(), members.map(str::to_owned));
        let frame = codec::encode(3, &Op::Reconfig { joining, leaving, members, version: 7 });
        let header = RequestHeader::decode(&frame[4..]).unwrap();
        (OpCode::from_i32(header.opcode), frame.slice(4 + RequestHeader::BYTES..))
    };
    let (opcode, bytes) = body(None);
    let steps = ReconfigRequest { joining: Some("server.4=x"), leaving: Some("1,2"), members: None, config_version: 7 };
    assert_eq!((opcode, ReconfigRequest::decode(&mut Reader::new(&bytes))), (Some(OpCode::Reconfig), Ok(steps)));
    let (_, bytes) = body(Some("server.1=y"));
    let whole = ReconfigRequest { joining: None, leaving: None, members: Some("server.1=y"), config_version: 7 };
    assert_eq!(ReconfigRequest::decode(&mut Reader::new(&bytes)), Ok(whole));
}

#[test]
fn requests_of_watches_and_acls_are_what_servers_read() {
    let body = |op: &Op| {
        let frame = codec::encode(3, op);
        let header = RequestHeader::decode(&frame[4..]).unwrap();
        (OpCode::from_i32(header.opcode).unwrap(), frame.slice(4 + RequestHeader::BYTES..))
    };
    let path = || "/a".to_owned();
    for (op, opcode, number) in [
        (Op::AddWatch { path: path(), recursive: false }, OpCode::AddWatch, 0),
        (Op::AddWatch { path: path(), recursive: true }, OpCode::AddWatch, 1),
        (Op::RemoveWatches { path: path(), kind: WatchType::PersistentRecursive }, OpCode::RemoveWatches, 5),
        (Op::CheckWatches { path: path(), kind: WatchType::Children }, OpCode::CheckWatches, 1),
    ] {
        let (found, bytes) = body(&op);
        let request = PathNumber::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!((found, request.path, request.number), (opcode, Some("/a"), number));
    }
    let (relative, data, persistent) = (Zxid(9), vec![path()], vec![path()]);
    let op = Op::SetWatches { relative, data, exist: vec![], child: vec![], persistent, recursive: vec![] };
    let (opcode, bytes) = body(&op);
    let request = SetWatches::decode(opcode, &mut Reader::new(&bytes)).unwrap();
    assert_eq!(opcode, OpCode::SetWatches2);
    assert_eq!((request.relative_zxid, request.data, request.persistent), (Zxid(9), vec!["/a"], vec!["/a"]));
    let (opcode, bytes) = body(&Op::SetAcl { path: path(), access: Access::NoAdmin, version: 2 });
    let request = SetAclRequest::decode(&mut Reader::new(&bytes)).unwrap();
    assert_eq!((opcode, request.version.0, request.acl), (OpCode::SetAcl, 2, Some(Access::NoAdmin.asked())));
    let frame = codec::encode_auth(User::Bob);
    let header = RequestHeader::decode(&frame[4..]).unwrap();
    let packet = AuthPacket::decode(&mut Reader::new(&frame[4 + RequestHeader::BYTES..])).unwrap();
    assert_eq!((header.xid, header.opcode), (Xid::AUTH, OpCode::Auth as i32));
    assert_eq!((packet.scheme, packet.auth), ("digest", &b"bob:pw-bob"[..]));
}
