//! Reconfigurations as the cluster proposes them: a tag says who votes and who observes, a bit for each server.

use wire::txn::{Txn, TxnEntry, TxnHeader};
use wire::{Millis, ServerId, SessionId, Xid};
use zab::Proposal;
use zab::quorum::Membership;

use super::disk::Entry;

/// Tells these tags from all others.
const MARK: u64 = 1 << 63;
/// Servers have the ids 1 to 8.
const SERVERS_MAX: i64 = 8;

/// The tag of a reconfiguration to these voters and observers.
pub fn of(voters: &[ServerId], observers: &[ServerId]) -> u64 {
    let bits = |sids: &[ServerId]| sids.iter().fold(0, |bits, sid| bits | 1 << sid.0);
    MARK | bits(voters) | bits(observers) << 16
}

pub fn tag(membership: &Membership) -> u64 {
    of(&membership.voters().collect::<Vec<_>>(), &membership.observers().collect::<Vec<_>>())
}

fn roles(tag: u64) -> impl Iterator<Item = (i64, &'static str)> {
    (1..=SERVERS_MAX).filter_map(move |sid| match (tag >> sid & 1, tag >> (sid + 16) & 1) {
        (1, _) => Some((sid, "participant")),
        (_, 1) => Some((sid, "observer")),
        _ => None,
    })
}

/// The configuration that an entry proposes; its version is the zxid.
pub fn membership(entry: Entry) -> Option<Membership> {
    if entry.tag & MARK == 0 {
        return None;
    }
    let lines = roles(entry.tag).map(|(sid, role)| format!("server.{sid}=zk{sid}:2888:3888:{role}\n"));
    let text = lines.collect::<String>() + &format!("version={:x}", entry.zxid.0);
    Some(Membership::parse(&text).expect("a good text"))
}

pub fn proposal(membership: &Membership) -> Proposal {
    let zxid = wire::Zxid(membership.version);
    let header = TxnHeader { session: SessionId(1), cxid: Xid(1), zxid, time: Millis(1) };
    let data = Some(membership.to_text().into_bytes().into());
    let txn = Txn::Reconfig { path: "/zookeeper/config".to_owned(), data, version: -1 };
    Proposal { zxid, bytes: TxnEntry::new(header, txn, None).bytes }
}

pub fn name(tag: u64) -> Option<String> {
    let letter = |role: &str| if role == "observer" { "o" } else { "" };
    let servers = || roles(tag).map(|(sid, role)| format!("{sid}{}", letter(role))).collect::<Vec<_>>().join(",");
    (tag & MARK != 0).then(|| format!("reconfig({})", servers()))
}
