//! The pair of servers, and the shapes most scripts have.

use differential::compare::check_all;
use differential::request::{CreateOp, Request};
use differential::script::Script;
use differential::target::Target;
use support::ServerKind;

/// A fresh Apache server and a fresh server under test.
pub fn standalone_pair() -> (Target, Target) {
    (Target::standalone(ServerKind::Apache39), Target::standalone(ServerKind::under_test()))
}

/// Plays scripts to a fresh pair of standalone servers.
pub fn check_standalone(scripts: &[Script]) {
    let (reference, tested) = standalone_pair();
    check_all(&reference, &tested, scripts);
}

/// One connection, each request by itself.
pub fn one_by_one(name: &str, requests: Vec<Request>) -> Script {
    Script::new(name).connect(0).each(0, requests)
}

/// One connection, all requests in one write.
pub fn at_once(name: &str, requests: Vec<Request>) -> Script {
    Script::new(name).connect(0).pipelined(0, requests)
}

/// A create2 in which anything may be null.
pub fn raw_create(path: Option<&str>, data: Option<&[u8]>, acl: Option<Vec<differential::request::Acl>>) -> Request {
    let path = path.map(str::to_owned);
    Request::Create { op: CreateOp::Create2, path, data: data.map(<[u8]>::to_vec), acl, flags: 0, ttl: -1 }
}
