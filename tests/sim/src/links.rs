//! A server's links to other servers: packets to bytes and back, with the real codecs, and snapshots that are streamed
//! while the tree goes on changing.

use crate::network::PipeId;
use bytes::{Bytes, BytesMut};
use node::snapshot_stream::SnapshotStream;
use replica::SharedTree;
use std::collections::VecDeque;
use tree::Tree;
use tree::image::{self, LoaderSettings};
use wire::quorum::{PacketType, QuorumPacket};
use wire::{ServerId, Zxid};

/// The longest data of a packet.
const DATA_BYTES_MAX: usize = 1 << 20;
/// Bytes of a piece of a streamed snapshot.
const PIECE_BYTES: usize = 512;

/// What a link is to send.
enum Item {
    Packet(QuorumPacket),
    Snapshot(Zxid),
}

/// One link.
pub struct Link {
    /// Its pipe; none while it is being dialled.
    pub pipe: Option<PipeId>,
    /// Who is at the other end, where that is known.
    pub peer: Option<ServerId>,
    input: BytesMut,
    incoming: Option<(Zxid, SnapshotStream)>,
    outgoing: VecDeque<Item>,
    body: Option<image::Writer>,
    /// To be closed behind what is still to be sent.
    pub closing: bool,
}

/// What came in on a link.
pub enum Incoming {
    /// A packet.
    Packet(QuorumPacket),
    /// A SNAP, whose stream follows.
    SnapshotBegins,
    /// A SNAP with its stream.
    Snapshot(Zxid, Box<Tree>),
}

/// What a link has sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// The bytes.
    pub bytes: BytesMut,
    /// Whether there is more to send, after a while.
    pub more: bool,
    /// The snapshot cannot go on: another tree took its place.
    pub broken: bool,
}

impl Link {
    /// A link that is being dialled (`pipe` is none) or stands.
    #[must_use]
    pub fn new(pipe: Option<PipeId>, peer: Option<ServerId>) -> Link {
        Link {
            pipe,
            peer,
            input: BytesMut::new(),
            incoming: None,
            outgoing: VecDeque::new(),
            body: None,
            closing: false,
        }
    }

    /// Queues a packet.
    pub fn push(&mut self, packet: QuorumPacket) {
        self.outgoing.push_back(Item::Packet(packet));
    }

    /// Queues a SNAP packet and its stream.
    pub fn push_snapshot(&mut self, zxid: Zxid) {
        self.outgoing.push_back(Item::Snapshot(zxid));
    }

    /// Packets and snapshots that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// Whether a snapshot is on its way in.
    pub fn is_receiving_snapshot(&self) -> bool {
        self.incoming.is_some()
    }

    /// Whether a snapshot is on its way out.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        self.body.is_some()
    }

    /// Encodes what can be sent now: packets up to the next snapshot, or one piece of it.
    pub fn pump(&mut self, tree: &SharedTree) -> Sent {
        let mut sent = Sent::default();
        if self.body.is_some() {
            self.pump_snapshot(tree, &mut sent);
            return sent;
        }
        while let Some(item) = self.outgoing.pop_front() {
            match item {
                Item::Packet(packet) => packet.encode(&mut sent.bytes),
                Item::Snapshot(zxid) => {
                    QuorumPacket::bare(PacketType::Snap, zxid).encode(&mut sent.bytes);
                    self.body = Some(image::Writer::new(&tree.read()));
                    sent.more = true;
                    break;
                }
            }
        }
        sent
    }

    fn pump_snapshot(&mut self, tree: &SharedTree, sent: &mut Sent) {
        let Some(body) = &mut self.body else { return };
        match body.next_chunk(&tree.read(), &mut sent.bytes, PIECE_BYTES) {
            Ok(true) => sent.more = true,
            Ok(false) => {
                SnapshotStream::sign(&mut sent.bytes);
                self.body = None;
                sent.more = !self.outgoing.is_empty();
            }
            Err(_) => sent.broken = true,
        }
    }

    /// Takes bytes in; everything that is complete comes out in order.
    ///
    /// # Errors
    /// When the bytes are no packets.
    pub fn receive(&mut self, bytes: &Bytes, settings: LoaderSettings) -> Result<Vec<Incoming>, String> {
        self.input.extend_from_slice(bytes);
        let mut found = Vec::new();
        loop {
            if let Some((zxid, stream)) = &mut self.incoming {
                let zxid = *zxid;
                let Some(tree) = stream.push(&mut self.input).map_err(|error| error.to_string())? else { break };
                self.incoming = None;
                found.push(Incoming::Snapshot(zxid, Box::new(tree)));
            }
            match QuorumPacket::parse(&mut self.input, DATA_BYTES_MAX).map_err(|error| error.to_string())? {
                Some(packet) if packet.kind == PacketType::Snap => {
                    self.incoming = Some((packet.zxid, SnapshotStream::new(settings)));
                    found.push(Incoming::SnapshotBegins);
                }
                Some(packet) => found.push(Incoming::Packet(packet)),
                None => break,
            }
        }
        Ok(found)
    }
}
