//! Requests as a client writes them and replies as it reads them: what is written reads back, and bytes from outside are
//! an answer or an error, never a panic.

use bytes::BytesMut;
use proptest::prelude::*;
use wire::client::{ConnectResponse, CreateRequest, MultiOp, OpCode, PathVersion, SetDataRequest, SetWatches};
use wire::reply::{self, CreateReply, MultiResult, ReplyFront, WatcherEvent};
use wire::{Acl, Id, Perms, Reader, Stat, Version, Writer, Zxid};

fn any_data() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..20))
}

fn any_acl() -> impl Strategy<Value = Acl> {
    (any::<i32>(), "[a-z]{0,5}", "[a-z:é]{0,9}")
        .prop_map(|(perms, scheme, id)| Acl { perms: Perms(perms), id: Id::new(&scheme, &id) })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let input = || Reader::new(&bytes);
        let _ = ConnectResponse::decode(&bytes);
        let _ = ReplyFront::decode(&mut input());
        let _ = WatcherEvent::decode(&mut input());
        let _ = CreateReply::decode(&mut input());
        let _ = MultiResult::decode_all(&mut input());
        let _ = reply::data_and_stat(&mut input());
        let _ = reply::acl_and_stat(&mut input());
        let _ = reply::client_infos(&mut input());
        // Every text takes four bytes at least, so that no count can ask for more memory than the frame has bytes.
        prop_assert!(reply::texts(&mut input()).map_or(0, |texts| texts.len()) <= bytes.len() / 4);
    }

    #[test]
    fn creates_read_back(
        path in "/[a-zé]{0,9}",
        data in any_data(),
        acl in prop::option::of(prop::collection::vec(any_acl(), 0..4)),
        flags in any::<i32>(),
        ttl in prop::option::of(any::<i64>()),
    ) {
        let opcode = if ttl.is_some() { OpCode::CreateTtl } else { OpCode::Create2 };
        let request = CreateRequest { path: Some(&path), data: data.as_deref(), acl, flags, ttl };
        let mut out = BytesMut::new();
        request.encode(&mut out);
        let mut input = Reader::new(&out);
        prop_assert_eq!(CreateRequest::decode(opcode, &mut input), Ok(request));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn multis_read_back(paths in prop::collection::vec("/[a-z]{0,9}", 0..6), data in any_data(), version in any::<i32>()) {
        let version = Version(version);
        let ops: Vec<MultiOp<'_>> = paths.iter().enumerate().map(|(at, path)| match at % 3 {
            0 => MultiOp::Delete(PathVersion { path: Some(path), version }),
            1 => MultiOp::SetData(SetDataRequest { path: Some(path), data: data.as_deref(), version }),
            _ => MultiOp::Check(PathVersion { path: None, version }),
        }).collect();
        let mut out = BytesMut::new();
        MultiOp::encode_all(&ops, &mut out);
        let mut input = Reader::new(&out);
        prop_assert_eq!(MultiOp::decode_all(&mut input, false), Ok(ops));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn watches_read_back(lists in prop::collection::vec(prop::collection::vec("/[a-z]{0,9}", 0..4), 5), zxid in any::<i64>()) {
        let list = |at: usize| lists[at].iter().map(String::as_str).collect();
        let request = SetWatches {
            relative_zxid: Zxid(zxid),
            data: list(0),
            exist: list(1),
            child: list(2),
            persistent: list(3),
            persistent_recursive: list(4),
        };
        let mut out = BytesMut::new();
        request.encode(&mut out);
        let mut input = Reader::new(&out);
        prop_assert_eq!(SetWatches::decode(request.opcode(), &mut input), Ok(request));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn data_reads_back(data in any_data(), version in any::<i32>()) {
        let stat = Stat { version, ..Stat::default() };
        let mut out = BytesMut::new();
        out.buffer(data.as_deref());
        stat.encode(&mut out);
        prop_assert_eq!(reply::data_and_stat(&mut Reader::new(&out)), Ok((data, stat)));
    }
}
