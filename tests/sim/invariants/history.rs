//! What the checkers of sessions share: looking a transaction up, and naming a request.

use wire::Zxid;
use wire::txn::TxnEntry;

use crate::client::brief;
use crate::model::Model;
use crate::observe::Call;

/// The committed transaction of a zxid.
pub(super) fn committed(model: &Model, zxid: Zxid) -> Option<&TxnEntry> {
    let history = model.committed();
    let at = history.partition_point(|&no| model.zxid(no) < zxid);
    history.get(at).map(|&no| model.entry(no)).filter(|entry| entry.zxid() == zxid)
}

/// A request in words: who, through whom, what.
pub(super) fn name(call: &Call) -> String {
    brief(&format!(
        "client {} (session {}, xid {}, server {}) asked {:?}",
        call.client.0, call.session, call.xid, call.server, call.op
    ))
}
