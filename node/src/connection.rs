//! What a client's connection shows to the rest of the process: its outbox, its activity, its figures.

use crate::clock;
use crate::metrics::histogram::Totals;
use crate::outbox::Outbox;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering::Relaxed};
use tree::ConnId;
use wire::{Millis, SessionId, Xid, Zxid};

/// A connection, shared by its task, the driver and the four-letter words.
#[derive(Debug)]
pub struct Conn {
    /// Its number, never used twice in one process.
    pub id: ConnId,
    /// The client's address, IPv4 where it is IPv4 mapped into IPv6.
    pub peer: SocketAddr,
    /// When it was accepted, wall clock.
    pub established: Millis,
    /// What the driver has for it.
    pub outbox: Outbox,
    /// Its figures.
    pub stats: ConnStats,
    session: AtomicI64,
    timeout_ms: AtomicI32,
    touched: AtomicBool,
}

impl Conn {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new(id: ConnId, peer: SocketAddr) -> Conn {
        Conn {
            id,
            peer,
            established: clock::wall(),
            outbox: Outbox::default(),
            stats: ConnStats::default(),
            session: AtomicI64::new(0),
            timeout_ms: AtomicI32::new(0),
            touched: AtomicBool::new(false),
        }
    }

    /// The session, or [`SessionId::NONE`] during the handshake.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId(self.session.load(Relaxed))
    }

    /// The session's timeout in ms.
    #[must_use]
    pub fn timeout_ms(&self) -> i32 {
        self.timeout_ms.load(Relaxed)
    }

    /// Notes the session.
    pub fn attach(&self, session: SessionId, timeout_ms: i32) {
        self.session.store(session.0, Relaxed);
        self.timeout_ms.store(timeout_ms, Relaxed);
    }

    /// Notes that the client sent something that its task answered. A flag, not a message: the driver sweeps it.
    pub fn touch(&self) {
        if !self.touched.load(Relaxed) {
            self.touched.store(true, Relaxed);
        }
    }

    /// Whether the client sent something since the last sweep.
    pub fn take_touched(&self) -> bool {
        self.touched.load(Relaxed) && self.touched.swap(false, Relaxed)
    }
}

/// A connection's figures as `cons` and `stat` show them. Written by the connection's task, a batch at a time.
#[derive(Debug)]
pub struct ConnStats {
    /// Packets received.
    pub received: AtomicU64,
    /// Packets sent.
    pub sent: AtomicU64,
    /// Requests in the driver.
    pub outstanding: AtomicU64,
    /// When the driver took requests last, monotonic µs.
    pub taken_us: AtomicU64,
    /// The opcode answered last; 0 where there was none.
    pub last_opcode: AtomicI32,
    /// The request number answered last; -1 where there was none. Pings and their like do not count.
    pub last_cxid: AtomicI64,
    /// The zxid of the last reply; -1 where there was none.
    pub last_zxid: AtomicI64,
    /// When the last reply was made, monotonic ms.
    pub last_response: AtomicI64,
    /// Latencies.
    pub latency: Latency,
}

impl Default for ConnStats {
    fn default() -> ConnStats {
        ConnStats {
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            outstanding: AtomicU64::new(0),
            taken_us: AtomicU64::new(0),
            last_opcode: AtomicI32::new(0),
            last_cxid: AtomicI64::new(-1),
            last_zxid: AtomicI64::new(-1),
            last_response: AtomicI64::new(0),
            latency: Latency::default(),
        }
    }
}

impl ConnStats {
    /// Notes the last reply of a batch.
    pub fn answered(&self, opcode: i32, xid: Xid, zxid: Zxid, at: Millis) {
        self.last_opcode.store(opcode, Relaxed);
        if xid.0 >= 0 {
            self.last_cxid.store(i64::from(xid.0), Relaxed);
        }
        self.last_zxid.store(zxid.0, Relaxed);
        self.last_response.store(at.0, Relaxed);
    }

    /// Starts over (`crst`).
    pub fn reset(&self) {
        self.received.store(0, Relaxed);
        self.sent.store(0, Relaxed);
        self.last_opcode.store(0, Relaxed);
        self.last_cxid.store(-1, Relaxed);
        self.last_zxid.store(-1, Relaxed);
        self.last_response.store(0, Relaxed);
        self.latency.reset();
    }
}

/// Latencies in ms: last, smallest, largest, and what the mean needs.
#[derive(Debug, Default)]
pub struct Latency {
    last: AtomicU64,
    totals: Totals,
}

impl Latency {
    /// Notes that `count` requests took this long each.
    pub fn add(&self, ms: i64, count: u64) {
        let ms = u64::try_from(ms).unwrap_or(0);
        self.last.store(ms, Relaxed);
        self.totals.add_many(ms, count);
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last.load(Relaxed)
    }

    /// Of all.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Starts over.
    pub fn reset(&self) {
        self.last.store(0, Relaxed);
        self.totals.reset();
    }
}

/// Why a new connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `maxClientCnxns`.
    #[error("{count} connections from this address already, maxClientCnxns={max}")]
    PerAddress {
        /// Open connections from the address.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// `maxCnxns`.
    #[error("{count} connections already, maxCnxns={max}")]
    Total {
        /// Open connections.
        count: usize,
        /// The limit.
        max: usize,
    },
}

/// All open connections; looked at when one comes or goes and by four-letter words, never by a request.
#[derive(Debug, Default)]
pub struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    conns: HashMap<ConnId, Arc<Conn>>,
    per_address: HashMap<IpAddr, usize>,
    last_id: u64,
}

impl Registry {
    /// Takes a connection in; a limit of 0 is no limit.
    ///
    /// # Errors
    /// When a limit is reached.
    pub fn admit(&self, peer: SocketAddr, per_address_max: usize, total_max: usize) -> Result<Arc<Conn>, Refused> {
        let mut inner = self.inner.lock();
        let total = inner.conns.len();
        if total_max > 0 && total >= total_max {
            return Err(Refused::Total { count: total, max: total_max });
        }
        let count = inner.per_address.get(&peer.ip()).copied().unwrap_or(0);
        if per_address_max > 0 && count >= per_address_max {
            return Err(Refused::PerAddress { count, max: per_address_max });
        }
        inner.last_id += 1;
        let conn = Arc::new(Conn::new(ConnId(inner.last_id), peer));
        inner.per_address.insert(peer.ip(), count + 1);
        inner.conns.insert(conn.id, conn.clone());
        Ok(conn)
    }

    /// Forgets a connection.
    pub fn remove(&self, conn: &Conn) {
        let mut inner = self.inner.lock();
        if inner.conns.remove(&conn.id).is_none() {
            return;
        }
        if let Some(count) = inner.per_address.get_mut(&conn.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                inner.per_address.remove(&conn.peer.ip());
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.lock().conns.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Conn>> {
        let mut list: Vec<_> = self.inner.lock().conns.values().cloned().collect();
        list.sort_unstable_by_key(|conn| conn.id);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_open_connections() {
        let registry = Registry::default();
        let (one, two) = ("10.0.0.1:1".parse().expect("peer"), "10.0.0.2:1".parse().expect("peer"));
        let first = registry.admit(one, 1, 2).expect("first");
        assert_eq!(registry.admit(one, 1, 2).err(), Some(Refused::PerAddress { count: 1, max: 1 }));
        registry.admit(two, 1, 2).expect("other address");
        assert_eq!(registry.admit(two, 0, 2).err(), Some(Refused::Total { count: 2, max: 2 }));
        registry.remove(&first);
        registry.remove(&first);
        assert_eq!(registry.len(), 1);
        let again = registry.admit(one, 1, 2).expect("room again");
        assert!(again.id > first.id);
    }

    #[test]
    fn a_touch_is_swept_once() {
        let conn = Conn::new(ConnId(1), "10.0.0.1:1".parse().expect("peer"));
        assert!(!conn.take_touched());
        conn.touch();
        conn.touch();
        assert!(conn.take_touched());
        assert!(!conn.take_touched());
    }

    #[test]
    fn latencies_add_up() {
        let latency = Latency::default();
        assert_eq!((latency.totals().min(), latency.totals().max(), latency.totals().mean()), (0, 0, 0.0));
        latency.add(4, 1);
        latency.add(1, 2);
        assert_eq!(
            (latency.totals().min(), latency.totals().max(), latency.totals().mean(), latency.last()),
            (1, 4, 2.0, 1)
        );
        latency.reset();
        assert_eq!((latency.totals().min(), latency.totals().mean()), (0, 0.0));
    }
}
