//! What happened, as one number: two runs of a seed must agree in every event and every byte that arrived.

use crate::world::{Event, payload};

/// A multiplicative hash over everything that happened, eight bytes at a time.
#[derive(Debug)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Trace {
        Trace(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Notes an event.
    pub fn note(&mut self, at_us: i64, event: &Event) {
        tracing::trace!(at_us, ?event, "event");
        self.add(&at_us.to_le_bytes());
        let (kind, whom) = match event {
            Event::Server(sid, ..) => (1, sid.0),
            Event::Arrival(pipe, end, _) => (2, (pipe.0 << 1 | *end as u64).cast_signed()),
            Event::Dial { from, .. } => (3, from.0),
            Event::NobodyThere { by, gone, .. } => (12, by.0 << 32 | gone.0),
            Event::Timer(id, _) => (4, i64::from(id.0)),
            Event::ClientDial(id, ..) => (5, i64::from(id.0)),
            Event::Fault => (6, 0),
            Event::Undo(_) => (7, 0),
            Event::Restart(sid) => (8, sid.0),
            Event::Calm => (9, 0),
            Event::Look => (10, 0),
            Event::Cut(_) => (11, 0),
            Event::Interruption(sid, _) => (15, sid.0),
            Event::Operator => (13, 0),
            Event::ChangesEnd => (14, 0),
        };
        self.add(&[kind]);
        self.add(&whom.to_le_bytes());
        if let Some(bytes) = payload(event) {
            self.add(bytes);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// The number so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.0
    }
}
