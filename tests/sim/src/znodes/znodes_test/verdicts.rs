//! The verdicts of the reference, against those of the leader's own code.

use super::*;

fn create_as(path: &str, lifetime: Lifetime, sequential: bool, access: Access) -> Op {
    Op::Create { path: path.to_owned(), data: Bytes::new(), lifetime, sequential, access }
}

fn creating(path: &str, sequential: bool) -> Op {
    create_as(path, Lifetime::Persistent, sequential, Access::Open)
}

fn open(path: &str, access: Access) -> Op {
    create_as(path, Lifetime::Persistent, false, access)
}

fn setting(path: &str, version: i32) -> Op {
    Op::Set { path: path.to_owned(), data: Bytes::new(), version }
}

fn deleting(path: &str, version: i32) -> Op {
    Op::Delete { path: path.to_owned(), version }
}

fn check(path: &str, version: i32) -> Op {
    Op::Check { path: path.to_owned(), version }
}

/// Compares every verdict, for each caller.
fn compare(ops: &[Op]) {
    let guarded = |path: &str, parent_cversion, access: Access| {
        let Txn::Create(mut txn) = create(path, parent_cversion) else { unreachable!("create makes a create") };
        txn.acl = access.asked();
        Txn::Create(txn)
    };
    let txns = [
        Txn::CreateSession { timeout: 1 },
        create("/a", 1),
        create("/a/b", 1),
        set("/a", 1),
        ephemeral("/e", 2),
        guarded("/r", 3, Access::ReadOnly),
        guarded("/p", 4, Access::Private(User::Ann)),
        create("/p/x", 1),
        guarded("/n", 5, Access::NoAdmin),
    ];
    let znodes = after(&txns).unwrap();
    let mut tree = Tree::new(TreeSettings { extended_types: true, ..TreeSettings::default() });
    for (index, txn) in txns.iter().enumerate() {
        tree.apply(&entry(index as u32 + 1, txn.clone()), &mut Events::new());
    }
    let cases = ops.iter().flat_map(|op| [None, Some(User::Ann), Some(User::Bob)].map(|caller| (op, caller)));
    for (op, caller) in cases {
        let frame = crate::client::encode(1, op);
        let opcode = OpCode::from_i32(i32::from_be_bytes(frame[8..12].try_into().unwrap())).unwrap();
        let header = TxnHeader { session: SESSION, cxid: Xid(1), zxid: zxid(txns.len() as u32 + 1), time: Millis(5) };
        let body = &frame.slice(12..);
        let identities: Vec<wire::Id> = caller.map(User::id).into_iter().collect();
        let request = WriteRequest {
            header,
            opcode,
            body,
            identities: &identities,
            session_error: None,
            ephemeral_error: None,
            next_config: None,
        };
        let decided = Prep::new(PrepSettings::default()).prepare(&tree, &request).txn;
        let verdict = judge(&znodes, op, caller, zxid(txns.len() as u32));
        assert_eq!(verdict, verdict_of(&decided), "{op:?} of {caller:?}");
    }
}

#[test]
fn what_is_there_and_its_version_decide() {
    compare(&[
        creating("/c", false),
        creating("/a", false),
        creating("/x/y", false),
        creating("/e/y", false),
        creating("/a/s-", true),
        setting("/a", 1),
        setting("/a", 0),
        setting("/x", -1),
        deleting("/a", -1),
        deleting("/a/b", -1),
        deleting("/a/b", 3),
        deleting("/x", -1),
        create_as("/c", Lifetime::Container, false, Access::Open),
        create_as("/t", Lifetime::Ttl(5), true, Access::Open),
        Op::Multi(vec![creating("/a/s-", true), deleting("/a/b", 0), creating("/a/s-", true), check("/a", 1)]),
        Op::Multi(vec![setting("/a", 1), check("/a", 1), creating("/q", false)]),
        Op::Multi(vec![deleting("/a/b", -1), deleting("/a", -1), creating("/a/b", false)]),
        Op::Multi(vec![deleting("/a/b", -1), deleting("/a", -1), creating("/a", false)]),
    ]);
}

#[test]
fn permissions_decide() {
    let set_acl = |path: &str, access, version| Op::SetAcl { path: path.to_owned(), access, version };
    compare(&[
        creating("/r/x", false),
        creating("/p/y", false),
        creating("/n/x", false),
        setting("/r", -1),
        setting("/p", 7),
        deleting("/p/x", -1),
        deleting("/p/none", -1),
        deleting("/r", -1),
        set_acl("/p", Access::Open, -1),
        set_acl("/n", Access::Open, -1),
        set_acl("/a", Access::Open, 0),
        set_acl("/a", Access::Open, 1),
        set_acl("/a", Access::Caller, -1),
        set_acl("/none", Access::Caller, -1),
        set_acl("/none", Access::Missing, -1),
        open("/c", Access::Caller),
        open("/none/c", Access::Missing),
        Op::Multi(vec![check("/r", -1), check("/p", -1)]),
        Op::Multi(vec![open("/q", Access::ReadOnly), setting("/q", -1)]),
        Op::Multi(vec![open("/q", Access::Private(User::Ann)), creating("/q/x", false), deleting("/q/x", -1)]),
    ]);
}

fn verdict_of(txn: &Txn) -> Verdict {
    let path = |txn: &Txn| match txn {
        Txn::Create(create) => Some(create.path.clone()),
        _ => None,
    };
    let code = |txn: &Txn| match txn {
        Txn::Error { code } => ErrorCode::from_i32(*code).unwrap(),
        _ => ErrorCode::Ok,
    };
    match txn {
        Txn::Error { .. } => Verdict::Refused(code(txn)),
        Txn::Multi(parts) if parts.iter().any(|part| code(part) != ErrorCode::Ok) => {
            Verdict::AllRefused(parts.iter().map(code).collect())
        }
        Txn::Multi(parts) => Verdict::AllDone(parts.iter().map(path).collect()),
        other => Verdict::Done(path(other)),
    }
}
