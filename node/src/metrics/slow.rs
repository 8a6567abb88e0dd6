//! Operations that took long, and where: the last of them, and a line in the log for each, as long as there are few.

use super::txn_times::Times;
use crate::notation::Remote;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wire::client::OpCode;
use wire::{Millis, Reader, SessionId, Xid, Zxid};

/// How many are kept.
const KEPT: usize = 256;
/// A longer path is cut.
const PATH_CHARS_MAX: usize = 256;
/// Lines per second; what comes beyond is counted and kept, not logged.
const LINES_PER_SECOND_MAX: u64 = 10;

/// Where the time of an operation went, ms. A phase that did not take place on this server, or of which nothing is known any
/// more, is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Phases {
    /// From the arrival of its bytes until the driver took it.
    pub queue_ms: Option<f64>,
    /// From there until it was a transaction: checked and proposed, on a learner forwarded and received back.
    pub propose_ms: Option<f64>,
    /// Until its transaction was handed to the kernel.
    pub append_ms: Option<f64>,
    /// Until that was durable here.
    pub fsync_ms: Option<f64>,
    /// Until a quorum had it, too.
    pub quorum_ms: Option<f64>,
    /// Until it was in the tree.
    pub apply_ms: Option<f64>,
    /// Until its reply was given to the socket.
    pub reply_ms: Option<f64>,
}

/// One slow operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlowOperation {
    /// When its reply was given to the socket, ms since 1970.
    pub at_ms: i64,
    /// What was asked for.
    pub operation: &'static str,
    /// Of which znode; absent where the request names none, or several.
    pub path: Option<String>,
    /// How many requests of the client were taken and answered together with it; it is the last of them.
    pub requests: u64,
    /// The session, as Apache writes it.
    pub session: String,
    /// The client's address, as Apache writes it.
    pub remote: String,
    /// The client's number of the request.
    pub xid: i32,
    /// The transaction that came of it, if one did.
    pub zxid: Option<String>,
    /// From the arrival of its bytes until its reply was given to the socket, ms.
    pub total_ms: f64,
    /// Where that time went.
    pub phases: Phases,
}

/// What a connection knows of a request that took long.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    /// When it arrived, monotonic µs.
    pub arrived_us: u64,
    /// When the driver took it, monotonic µs; 0 where the connection answered it by itself.
    pub taken_us: u64,
    /// When its reply was given to the socket, monotonic µs.
    pub replied_us: u64,
    /// The same, wall clock.
    pub at: Millis,
    /// The operation's number.
    pub opcode: i32,
    /// What follows the header.
    pub body: &'a [u8],
    /// Requests that were answered together.
    pub requests: u64,
    /// The session.
    pub session: SessionId,
    /// The client.
    pub client: SocketAddr,
    /// The request's number.
    pub xid: Xid,
    /// The transaction, if there is one, and its times.
    pub txn: Option<(Zxid, Times)>,
}

/// The last slow operations.
#[derive(Debug, Default)]
pub struct SlowOperations {
    last: Mutex<VecDeque<SlowOperation>>,
    count: AtomicU64,
    /// The second in which lines were written, and how many.
    second: AtomicU64,
    lines: AtomicU64,
}

impl SlowOperations {
    /// Keeps one, and tells of it.
    pub fn note(&self, seen: &Sighting<'_>) {
        self.count.fetch_add(1, Relaxed);
        let slow = describe(seen);
        if self.may_log(seen.replied_us / 1_000_000) {
            let Phases { queue_ms, propose_ms, append_ms, fsync_ms, quorum_ms, apply_ms, reply_ms } = slow.phases;
            tracing::warn!(
                ms = slow.total_ms,
                session = slow.session,
                remote = slow.remote,
                path = slow.path,
                zxid = slow.zxid,
                requests = slow.requests,
                queue_ms,
                propose_ms,
                append_ms,
                fsync_ms,
                quorum_ms,
                apply_ms,
                reply_ms,
                "slow {}",
                slow.operation
            );
        }
        let mut last = self.last.lock();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(slow);
    }

    fn may_log(&self, second: u64) -> bool {
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        self.lines.fetch_add(1, Relaxed) < LINES_PER_SECOND_MAX
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Those that are kept, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<SlowOperation> {
        self.last.lock().iter().rev().cloned().collect()
    }
}

fn describe(seen: &Sighting<'_>) -> SlowOperation {
    let opcode = OpCode::from_i32(seen.opcode);
    SlowOperation {
        at_ms: seen.at.0,
        operation: super::instruments::operation_name(opcode),
        path: opcode.and_then(|opcode| path_of(opcode, seen.body)),
        requests: seen.requests,
        session: format!("{:#x}", seen.session.0),
        remote: Remote(seen.client).to_string(),
        xid: seen.xid.0,
        zxid: seen.txn.map(|(zxid, _)| zxid.to_string()),
        total_ms: ms(seen.replied_us.saturating_sub(seen.arrived_us)),
        phases: phases(seen),
    }
}

fn phases(seen: &Sighting<'_>) -> Phases {
    let between = |from: u64, to: u64| (from > 0 && to > 0).then(|| ms(to.saturating_sub(from)));
    let queue_ms = between(seen.arrived_us, seen.taken_us);
    let Some((_, times)) = seen.txn else { return Phases { queue_ms, ..Phases::default() } };
    Phases {
        queue_ms,
        propose_ms: between(seen.taken_us, times.proposed_us),
        append_ms: between(times.proposed_us, times.written_us),
        fsync_ms: between(times.written_us, times.synced_us),
        quorum_ms: between(times.synced_us, times.committed_us),
        apply_ms: between(times.committed_us, times.applied_us),
        reply_ms: between(times.applied_us, seen.replied_us),
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// The path with which the requests for one znode begin.
fn path_of(opcode: OpCode, body: &[u8]) -> Option<String> {
    use OpCode::{Auth, CloseSession, CreateSession, Multi, MultiRead, Ping, Reconfig, Sasl, SetWatches, SetWatches2};
    if matches!(
        opcode,
        Auth | CloseSession | CreateSession | Multi | MultiRead | Ping | Reconfig | Sasl | SetWatches | SetWatches2
    ) {
        return None;
    }
    let path = Reader::new(body).string().ok()??;
    let mut text: String = path.chars().take(PATH_CHARS_MAX).collect();
    if text.len() < path.len() {
        text.push('…');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(path: &str) -> Vec<u8> {
        [&(path.len() as i32).to_be_bytes()[..], path.as_bytes(), &[0; 8]].concat()
    }

    fn seen(opcode: OpCode, body: &[u8]) -> Sighting<'_> {
        let times =
            Times { proposed_us: 2_000, written_us: 3_000, synced_us: 9_000, committed_us: 8_000, applied_us: 9_500 };
        Sighting {
            arrived_us: 500,
            taken_us: 1_500,
            replied_us: 10_500,
            at: Millis(77),
            opcode: opcode as i32,
            body,
            requests: 1,
            session: SessionId(0x1000),
            client: "10.0.0.1:5".parse().unwrap(),
            xid: Xid(4),
            txn: Some((Zxid(0x1_0000_0002), times)),
        }
    }

    #[test]
    fn the_phases_of_a_write_are_told_apart() {
        let slow = SlowOperations::default();
        slow.note(&seen(OpCode::SetData, &body("/a")));
        let list = slow.list();
        let phases = Phases {
            queue_ms: Some(1.0),
            propose_ms: Some(0.5),
            append_ms: Some(1.0),
            fsync_ms: Some(6.0),
            quorum_ms: Some(0.0),
            apply_ms: Some(1.5),
            reply_ms: Some(1.0),
        };
        assert_eq!(
            (list[0].total_ms, list[0].phases),
            (10.0, phases),
            "a quorum may have it before this server's disk"
        );
        assert_eq!(
            (list[0].path.as_deref(), list[0].session.as_str(), list[0].operation),
            (Some("/a"), "0x1000", "set_data")
        );
        assert_eq!(list[0].zxid.as_deref(), Some("0x100000002"));
    }

    #[test]
    fn what_a_connection_answers_by_itself_has_no_phases() {
        let slow = SlowOperations::default();
        slow.note(&Sighting { taken_us: 0, txn: None, ..seen(OpCode::GetChildren2, &body("/big")) });
        assert_eq!(slow.list()[0].phases, Phases::default());
    }

    #[test]
    fn paths_are_only_read_where_there_is_one_and_never_trusted() {
        assert_eq!(path_of(OpCode::Multi, &body("/a")), None);
        assert_eq!(path_of(OpCode::Create, &body("/a")[..5]), None, "cut off");
        let long = path_of(OpCode::Create, &body(&"ä".repeat(300))).unwrap();
        assert_eq!(long.chars().count(), PATH_CHARS_MAX + 1);
    }

    #[test]
    fn a_bounded_number_is_kept_and_all_are_counted() {
        let slow = SlowOperations::default();
        for xid in 0..300 {
            slow.note(&Sighting { xid: Xid(xid), ..seen(OpCode::Sync, &body("/")) });
        }
        assert_eq!((slow.list().len(), slow.list()[0].xid, slow.count()), (KEPT, 299, 300));
    }
}
