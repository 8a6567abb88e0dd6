//! Watch events on their way out: each encoded once, with the connections that get it.

use crate::ConnId;
use bytes::{Bytes, BytesMut};
use wire::Zxid;
use wire::client::{EventType, encode_event_frame};

/// One event for some connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventType,
    /// The whole frame, shared by all receivers.
    pub frame: &'a Bytes,
    /// Who gets it, each once.
    pub receivers: &'a [ConnId],
}

#[derive(Debug)]
struct Pending {
    kind: EventType,
    frame: Bytes,
    end: usize,
}

/// The events of one or more transactions, in the order in which every connection must see them. Clear it and use it again:
/// its memory is kept.
#[derive(Debug, Default)]
pub struct Events {
    pending: Vec<Pending>,
    receivers: Vec<ConnId>,
    triggered: Vec<(EventType, u32)>,
    buffer: BytesMut,
}

impl Events {
    /// No events.
    #[must_use]
    pub fn new() -> Events {
        Events::default()
    }

    /// Whether nobody has to be told anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Drops all events.
    pub fn clear(&mut self) {
        self.pending.clear();
        self.receivers.clear();
        self.triggered.clear();
    }

    /// The events, in order.
    pub fn iter(&self) -> impl Iterator<Item = Event<'_>> {
        let mut start = 0;
        self.pending.iter().map(move |pending| {
            let receivers = &self.receivers[start..pending.end];
            start = pending.end;
            Event { kind: pending.kind, frame: &pending.frame, receivers }
        })
    }

    /// How many watchers each change had, before ACLs hid some of them (the `node_*_watch_count` metrics).
    #[must_use]
    pub fn triggered(&self) -> &[(EventType, u32)] {
        &self.triggered
    }

    pub(crate) fn note_triggered(&mut self, kind: EventType, watchers: usize) {
        self.triggered.push((kind, watchers as u32));
    }

    /// Adds an event for the connections that `receivers` yields, unless there are none.
    pub(crate) fn push(&mut self, zxid: Zxid, kind: EventType, path: &str, receivers: impl Iterator<Item = ConnId>) {
        let before = self.receivers.len();
        self.receivers.extend(receivers);
        if self.receivers.len() == before {
            return;
        }
        encode_event_frame(&mut self.buffer, zxid, kind, path);
        let frame = self.buffer.split().freeze();
        self.pending.push(Pending { kind, frame, end: self.receivers.len() });
    }
}
