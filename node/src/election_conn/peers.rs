//! The table of peers: a slot for the next message, the last message sent, and the connection, if any.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use wire::ServerId;

use super::PEERS_MAX;
use super::address::Address;

/// The members, and the strangers that have connected or to which something was sent.
pub(super) struct Peers {
    table: BTreeMap<ServerId, Peer>,
    connections: u64,
}

#[derive(Default)]
struct Peer {
    /// Members always have a place; strangers share what is left.
    member: bool,
    /// Whether the slot is in use: something was sent, or the peer has been connected (Apache makes the queue then).
    has_slot: bool,
    /// The next message; a newer one replaces it (`SEND_CAPACITY` is 1).
    unsent: Option<Bytes>,
    /// The message before it, repeated on a new connection in case the old one swallowed it.
    last: Option<Bytes>,
    connection: Option<Connection>,
    /// Where the peer said it can be reached, since it asked to be connected.
    named: Vec<Address>,
    /// It has asked, and no attempt has begun since.
    asked: bool,
    /// While a task tries to reach this peer: how to hurry it.
    dialer: Option<Arc<Notify>>,
}

struct Connection {
    number: u64,
    /// Tells the connection's task that there is something to send.
    wake: Arc<Notify>,
    /// Tells it to end.
    close: Arc<Notify>,
}

/// What the task of a new connection needs to know.
pub(super) struct Ticket {
    pub number: u64,
    pub wake: Arc<Notify>,
    pub close: Arc<Notify>,
}

impl Peers {
    pub fn new(members: impl Iterator<Item = ServerId>) -> Peers {
        let table = members.map(|sid| (sid, Peer { member: true, ..Peer::default() })).collect();
        Peers { table, connections: 0 }
    }

    /// Others are members from here on. Who is none any more keeps its connection, and its place like any stranger.
    pub fn set_members(&mut self, members: impl Iterator<Item = ServerId>) {
        self.table.values_mut().for_each(|peer| peer.member = false);
        for sid in members {
            self.table.entry(sid).or_default().member = true;
        }
    }

    /// Puts a message into the slot of a peer; answers whether the peer must be connected first.
    pub fn put(&mut self, sid: ServerId, message: Bytes) -> bool {
        let Some(peer) = self.entry(sid) else { return false };
        peer.unsent = Some(message);
        peer.has_slot = true;
        match &peer.connection {
            Some(connection) => {
                connection.wake.notify_one();
                false
            }
            None => true,
        }
    }

    /// Empties the slot, as long as the connection that asks is still the peer's.
    pub fn take(&mut self, sid: ServerId, number: u64) -> Option<Bytes> {
        let peer = self.table.get_mut(&sid)?;
        if peer.connection.as_ref()?.number != number {
            return None;
        }
        let message = peer.unsent.take()?;
        peer.last = Some(message.clone());
        Some(message)
    }

    /// Registers a new connection in place of an older one. `None` when there are too many peers.
    pub fn connect(&mut self, sid: ServerId) -> Option<Ticket> {
        self.connections += 1;
        let number = self.connections;
        let peer = self.entry(sid)?;
        if let Some(old) = peer.connection.take() {
            old.close.notify_one();
        }
        peer.named = Vec::new();
        peer.asked = false;
        peer.has_slot = true;
        if peer.unsent.is_none() {
            peer.unsent.clone_from(&peer.last);
        }
        if let Some(dialer) = &peer.dialer {
            dialer.notify_one();
        }
        let ticket = Ticket { number, wake: Arc::default(), close: Arc::default() };
        peer.connection = Some(Connection { number, wake: Arc::clone(&ticket.wake), close: Arc::clone(&ticket.close) });
        Some(ticket)
    }

    /// A connection has ended; a newer one stays. Answers whether the peer was left without one by this.
    pub fn disconnected(&mut self, sid: ServerId, number: u64) -> bool {
        let Some(peer) = self.table.get_mut(&sid) else { return false };
        let ended = peer.connection.take_if(|connection| connection.number == number);
        ended.is_some()
    }

    /// Whether a connection stands.
    pub fn is_connected(&self, sid: ServerId) -> bool {
        self.table.get(&sid).is_some_and(|peer| peer.connection.is_some())
    }

    /// A peer of a smaller id asks to be connected: ends its present connection, if any, and notes where it can be reached.
    /// `false` when there are too many peers.
    pub fn asked(&mut self, sid: ServerId, named: Vec<Address>) -> bool {
        let Some(peer) = self.entry(sid) else { return false };
        if let Some(old) = peer.connection.take() {
            old.close.notify_one();
        }
        peer.named = named;
        peer.asked = true;
        true
    }

    /// An attempt to reach a peer begins: where it said it can be reached.
    pub fn named(&mut self, sid: ServerId) -> Vec<Address> {
        let Some(peer) = self.table.get_mut(&sid) else { return Vec::new() };
        peer.asked = false;
        peer.named.clone()
    }

    /// Asks to be the one who reaches a peer. `Some` makes the caller it; otherwise there is no need, or whoever is it
    /// already has been hurried.
    pub fn begin_dial(&mut self, sid: ServerId) -> Option<Arc<Notify>> {
        let peer = self.entry(sid)?;
        if peer.connection.is_some() {
            return None;
        }
        match &peer.dialer {
            Some(dialer) => {
                dialer.notify_one();
                None
            }
            None => Some(Arc::clone(peer.dialer.insert(Arc::default()))),
        }
    }

    /// Whether the task that tries to reach a peer must go on; if not, it has ended by this call.
    pub fn goes_on(&mut self, sid: ServerId) -> bool {
        let Some(peer) = self.table.get_mut(&sid) else { return false };
        let needed = peer.connection.is_none() && (peer.unsent.is_some() || peer.asked);
        if !needed {
            peer.dialer = None;
        }
        needed
    }

    pub fn connected(&self) -> Vec<ServerId> {
        self.table.iter().filter(|(_, peer)| peer.connection.is_some()).map(|(sid, _)| *sid).collect()
    }

    /// The peers that a message waits for.
    pub fn waiting(&self) -> Vec<ServerId> {
        let waits = |peer: &Peer| peer.connection.is_none() && peer.unsent.is_some();
        self.table.iter().filter(|(_, peer)| waits(peer)).map(|(sid, _)| *sid).collect()
    }

    pub fn any_delivered(&self) -> bool {
        self.table.values().any(|peer| peer.has_slot && peer.unsent.is_none())
    }

    /// The place of a peer; a stranger may get that of another which is gone.
    fn entry(&mut self, sid: ServerId) -> Option<&mut Peer> {
        if self.table.len() >= PEERS_MAX && !self.table.contains_key(&sid) {
            let gone = |peer: &Peer| !peer.member && peer.connection.is_none() && peer.dialer.is_none();
            let gone = *self.table.iter().find(|(_, peer)| gone(peer))?.0;
            self.table.remove(&gone);
        }
        Some(self.table.entry(sid).or_default())
    }
}
