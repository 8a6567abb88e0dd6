//! Read-only mode (`readonlymode.enabled`): a server that cannot find a leader serves clients that only read
//! (`ReadOnlyZooKeeperServer`, `ReadOnlyRequestProcessor`).
//!
//! ```text
//!                 Looking             has looked long enough
//! Off ────────────────────> Patience ───────────────────────> Serving
//!  ^                           │                                 │
//!  └───────────────────────────┴──────────── Elected ────────────┘
//! ```
//!
//! What is served is what the log of this server holds: it may be old, and its end may never have been committed, in which
//! case the next synchronization takes it back. Nothing changes the tree meanwhile, so no watch fires but those that are
//! overdue when they are set again. Every connection ends before the tree can change.
//!
//! Sessions that begin here are local ([`crate::local`]), whatever `localSessionsEnabled` says. Apache can begin none at all
//! without that key, because it would have to log them.

use crate::conns::reply;
use crate::io::{Action, Now, ServingRole};
use crate::pipeline::answer_read;
use crate::replica::Replica;
use tree::ConnId;
use wire::client::{OpCode, ReplyHeader, RequestHeader};
use wire::{ErrorCode, Id, Millis, SessionId};

/// Where a server stands between losing a leader and finding one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOnly {
    /// There is a leader, or nothing is served without one.
    Off,
    /// It looks for a leader, and serves from `until` on if there is none by then.
    Patience {
        /// Monotonic.
        until: Millis,
    },
    /// It serves.
    Serving,
}

impl ReadOnly {
    /// When serving begins, monotonic.
    pub(crate) fn next_deadline(self) -> Option<Millis> {
        if let ReadOnly::Patience { until } = self { Some(until) } else { None }
    }
}

impl Replica {
    /// There is no leader. A short search should not show, so nobody is served at once. A search that begins again, because of a
    /// later configuration, goes on as far as this is concerned, and whoever is served already stays.
    pub(crate) fn on_looking(&mut self, now: Now) {
        if let (Some(after_ms), ReadOnly::Off) = (self.settings.read_only_after_ms, self.read_only) {
            self.read_only = ReadOnly::Patience { until: now.mono.plus(after_ms) };
        }
    }

    /// Whether this server serves clients that only read, and no others.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only == ReadOnly::Serving
    }

    /// A leader is elected: whoever was served goes, before the tree changes under the reads.
    pub(crate) fn end_read_only(&mut self, out: &mut Vec<Action>) {
        if std::mem::replace(&mut self.read_only, ReadOnly::Off) == ReadOnly::Serving {
            self.sink.left();
            self.stop_serving(out);
        }
    }

    pub(crate) fn on_read_only_deadline(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.read_only.next_deadline().is_some_and(|until| until <= now.mono) {
            self.read_only = ReadOnly::Serving;
            self.begin_serving(now, ServingRole::ReadOnly, out);
        }
    }

    /// Answers a request at once: none waits for another here.
    pub(crate) fn answer_read_only(
        &mut self,
        (conn, session): (ConnId, SessionId),
        header: RequestHeader,
        opcode: OpCode,
        body: &[u8],
        identities: &[Id],
        out: &mut Vec<Action>,
    ) {
        let tree = self.tree.read();
        if opcode.is_write() || opcode == OpCode::Sync {
            // A sync would have to ask the leader.
            let refused = ReplyHeader { xid: header.xid, zxid: tree.last_zxid(), error: ErrorCode::NotReadOnly };
            reply(out, conn, 1, |frame| refused.encode_frame(frame));
        } else {
            answer_read(&tree, self.settings.skip_acl, (conn, session), header, opcode, body, identities, out);
        }
    }
}
