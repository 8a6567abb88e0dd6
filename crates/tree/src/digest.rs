//! The digest of the whole tree (AdHash, version 2): the sum of one CRC-32 per node, kept up to date change by change
//! (`DigestCalculator`, `NodeHashMapImpl`).

use crate::node::StoredStat;
use std::collections::VecDeque;
use wire::Zxid;

/// Zxids divisible by this are remembered.
const LOG_INTERVAL: i64 = 128;
/// As many digests are remembered.
const LOG_ENTRIES_MAX: usize = 1024;

/// Whether a path takes no part in the digest: what lies below `/zookeeper` differs between servers (quota statistics).
pub(crate) fn is_excluded(path: &str) -> bool {
    path.starts_with("/zookeeper/")
}

/// The CRC over a node's path and data, from which [`finish`] goes on.
pub(crate) fn content_crc(path: &str, data: Option<&[u8]>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(path.as_bytes());
    if let Some(data) = data {
        crc.update(data);
    }
    crc.finalize()
}

/// A node's digest, from the CRC of path and data and the stat.
pub(crate) fn finish(content: u32, stat: &StoredStat) -> u32 {
    let mut bytes = [0; StoredStat::BYTES];
    for (at, value) in [stat.czxid, stat.mzxid, stat.pzxid, stat.ctime, stat.mtime].into_iter().enumerate() {
        bytes[at * 8..at * 8 + 8].copy_from_slice(&value.to_be_bytes());
    }
    for (at, value) in [stat.version, stat.cversion, stat.aversion].into_iter().enumerate() {
        bytes[40 + at * 4..44 + at * 4].copy_from_slice(&value.to_be_bytes());
    }
    bytes[52..].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    let mut crc = crc32fast::Hasher::new_with_initial(content);
    crc.update(&bytes);
    crc.finalize()
}

/// A node's digest; 0 where it takes no part.
pub(crate) fn of(path: &str, data: Option<&[u8]>, stat: &StoredStat) -> u32 {
    if is_excluded(path) { 0 } else { finish(content_crc(path, data), stat) }
}

/// One line of the `hash` command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestLogEntry {
    /// After this transaction
    pub zxid: Zxid,
    /// the tree had this digest.
    pub digest: u64,
}

/// What a loaded snapshot says the digest will be once replay reaches a transaction. Until then the tree is a mixture of
/// moments and no digest is compared (`DataTree.digestFromLoadedSnapshot`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedDigest {
    /// The transaction.
    pub zxid: Zxid,
    /// The algorithm's version.
    pub version: i32,
    /// The digest after it.
    pub digest: u64,
}

/// The digests of every 128th transaction.
#[derive(Debug, Default)]
pub(crate) struct DigestLog {
    entries: VecDeque<DigestLogEntry>,
}

impl DigestLog {
    pub(crate) fn note(&mut self, zxid: Zxid, digest: u64) {
        if zxid.0 % LOG_INTERVAL != 0 {
            return;
        }
        if self.entries.len() == LOG_ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(DigestLogEntry { zxid, digest });
    }

    pub(crate) fn entries(&self) -> Vec<DigestLogEntry> {
        self.entries.iter().copied().collect()
    }
}
