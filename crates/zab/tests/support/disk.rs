//! A server's disk: an append queue whose sync completes later, epoch files, and a snapshot.
//!
//! The log and the other files are two lanes that complete independently of each other, as on a machine where two threads
//! write: who needs an order must wait for the answer. A crash keeps some of what was under way, always a prefix per lane.

use std::collections::VecDeque;

use bytes::Bytes;
use wire::Zxid;
use zab::{Epochs, Proposal};

use super::reconfig;
use super::rng::Rng;

/// Entries at least this large come from one shared buffer: a few of them push a history over its bound of bytes.
pub const BIG: u64 = 9 << 20;

/// A transaction as the state machine keeps it: the tag stands for the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub zxid: Zxid,
    pub tag: u64,
}

impl Entry {
    pub fn of(proposal: &Proposal) -> Entry {
        if let Ok(Some(membership)) = zab::reconfiguration(proposal) {
            return Entry { zxid: proposal.zxid, tag: reconfig::tag(&membership) };
        }
        let tag = match <[u8; 8]>::try_from(&proposal.bytes[..]) {
            Ok(word) => u64::from_be_bytes(word),
            Err(_) => proposal.bytes.len() as u64,
        };
        Entry { zxid: proposal.zxid, tag }
    }

    pub fn proposal(self) -> Proposal {
        if let Some(membership) = reconfig::membership(self) {
            return reconfig::proposal(&membership);
        }
        static ZEROS: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
        let bytes = if (BIG..2 * BIG).contains(&self.tag) {
            let zeros = ZEROS.get_or_init(|| Bytes::from(vec![0; 2 * BIG as usize]));
            zeros.slice(..usize::try_from(self.tag).unwrap())
        } else {
            Bytes::copy_from_slice(&self.tag.to_be_bytes())
        };
        Proposal { zxid: self.zxid, bytes }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.zxid, name(self.tag))
    }
}

/// A tag made of up to seven characters, and back.
pub fn tag(name: &str) -> u64 {
    if let Some(number) = name.strip_prefix("big") {
        return BIG + number.parse::<u64>().unwrap();
    }
    let mut word = [0; 8];
    word[1..=name.len()].copy_from_slice(name.as_bytes());
    u64::from_be_bytes(word)
}

pub fn name(tag: u64) -> String {
    if let Some(name) = reconfig::name(tag) {
        return name;
    }
    if (BIG..2 * BIG).contains(&tag) {
        return format!("big{}", tag - BIG);
    }
    let word = tag.to_be_bytes();
    let text: String = word.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
    if word[1] != 0 && text.chars().all(|c| c.is_ascii_alphanumeric()) { text } else { format!("#{tag}") }
}

#[derive(Clone, Debug)]
pub enum Work {
    Append(Entry),
    Truncate(Zxid),
    SaveEpochs(Epochs),
    SaveSnapshot(Zxid, Vec<Entry>),
}

/// What the peer is told.
pub enum Done {
    Synced(Zxid),
    Truncated(Zxid),
    EpochsSaved(Epochs),
    SnapshotSaved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Log,
    Files,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    /// How many of the first items are being written; they complete together.
    busy: usize,
}

pub struct Disk {
    /// Every durable transaction in order, those of the snapshot included.
    pub list: Vec<Entry>,
    /// Where the list ends; the start of an epoch where a snapshot said so.
    pub last: Zxid,
    /// Where the snapshot ends: behind it the list is a log that a history can be read from.
    pub base: Zxid,
    pub epochs: Epochs,
    /// How long a write takes, ms.
    pub latency_ms: (i64, i64),
    /// Lanes that start nothing new.
    pub stalled: Vec<Lane>,
    log: Queue,
    files: Queue,
}

impl Disk {
    pub fn new(latency_ms: (i64, i64)) -> Disk {
        Disk {
            list: Vec::new(),
            last: Zxid::ZERO,
            base: Zxid::ZERO,
            epochs: Epochs::default(),
            latency_ms,
            stalled: Vec::new(),
            log: Queue::default(),
            files: Queue::default(),
        }
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Log => &mut self.log,
            Lane::Files => &mut self.files,
        }
    }

    pub fn submit(&mut self, work: Work) -> Lane {
        let lane = match work {
            Work::Append(_) | Work::Truncate(_) => Lane::Log,
            Work::SaveEpochs(_) | Work::SaveSnapshot(..) => Lane::Files,
        };
        self.queue(lane).work.push_back(work);
        lane
    }

    /// Begins the next write, if the lane is free and has one: all appends that wait go in one.
    pub fn begin(&mut self, lane: Lane) -> bool {
        let stalled = self.stalled.contains(&lane);
        let queue = self.queue(lane);
        if stalled || queue.busy > 0 || queue.work.is_empty() {
            return false;
        }
        queue.busy = queue.work.iter().take_while(|work| matches!(work, Work::Append(_))).count().max(1);
        true
    }

    /// The write that was begun is durable.
    pub fn finish(&mut self, lane: Lane, keep_truncated: bool) -> Done {
        let queue = self.queue(lane);
        let batch: Vec<Work> = queue.work.drain(..queue.busy).collect();
        queue.busy = 0;
        let mut done = None;
        for work in batch {
            done = Some(self.apply(work, keep_truncated));
        }
        done.expect("a write that was begun has items")
    }

    fn apply(&mut self, work: Work, keep_truncated: bool) -> Done {
        match work {
            Work::Append(entry) => {
                self.list.push(entry);
                self.last = entry.zxid;
                Done::Synced(entry.zxid)
            }
            Work::Truncate(to) => {
                if !keep_truncated {
                    self.list.retain(|entry| entry.zxid <= to);
                    self.last = self.list.last().map_or(Zxid::ZERO, |entry| entry.zxid);
                    self.base = self.base.min(self.last);
                }
                Done::Truncated(to)
            }
            Work::SaveEpochs(epochs) => {
                self.epochs = epochs;
                Done::EpochsSaved(epochs)
            }
            Work::SaveSnapshot(zxid, list) => {
                (self.list, self.last, self.base) = (list, zxid, zxid);
                Done::SnapshotSaved
            }
        }
    }

    /// The process dies: of what was under way some may have reached the disk, in order.
    pub fn crash(&mut self, rng: &mut Rng, survives_percent: usize) {
        for lane in [Lane::Log, Lane::Files] {
            let queue = std::mem::take(self.queue(lane));
            for work in queue.work {
                if !rng.chance(survives_percent) {
                    break;
                }
                self.apply(work, false);
            }
        }
    }

    pub fn is_idle(&self) -> bool {
        self.log.work.is_empty() && self.files.work.is_empty()
    }

    /// The log behind the snapshot, or behind `from` where that is later.
    pub fn history(&self, from: Zxid) -> Vec<Proposal> {
        let from = from.max(self.base);
        self.list.iter().filter(|entry| entry.zxid > from).map(|entry| entry.proposal()).collect()
    }

    pub fn holds(&self, entry: Entry) -> bool {
        self.list.binary_search_by_key(&entry.zxid, |held| held.zxid).is_ok_and(|at| self.list[at] == entry)
    }
}
