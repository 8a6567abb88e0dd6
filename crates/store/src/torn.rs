//! Whether a crash can have left a bad entry: the line between a torn write, which is cut off, and damage, which is refused.
//!
//! What a crash kept from being written reads as zeros, because a log is only ever written into fresh files and behind its
//! end. A process that died left a write up to some byte. A disk that lost power left any set of sectors. So a torn entry
//! lacks its end, or holds a sector of zeros. An entry that lacks neither was written to its last byte, perhaps synced and
//! acknowledged, and changed later: cutting it off would lose a transaction without a word.
//!
//! One case cannot be told apart: an entry that holds a whole sector of zeros by nature, and is damaged elsewhere, counts as
//! torn.

use crate::entry::{END_MARK, FlawKind, HEAD_BYTES, LogFile, plausible, split_head};
use crate::error::Result;

/// What a disk writes as a whole; a multiple of it on every disk there is.
const SECTOR_BYTES: u64 = 512;
/// The upper half of the checksum is zero in every entry: whether it was written does not show.
const ALWAYS_ZERO_BYTES: u64 = 4;

impl LogFile {
    /// Whether a crash can have left the bad entry at `offset`, behind which nothing whole lies and only zeros from
    /// `data_end` on.
    pub(crate) fn may_be_torn(&mut self, offset: u64, kind: FlawKind, data_end: u64) -> Result<bool> {
        if self.whole_under_another_length(offset)? {
            return Ok(false);
        }
        let head_end = offset + HEAD_BYTES as u64;
        let most = self.entry_bytes_max();
        let head = <[u8; HEAD_BYTES]>::try_from(self.bytes(offset, HEAD_BYTES)?);
        if head.is_ok_and(|head| head == [0; HEAD_BYTES]) {
            // What lies behind such a head is no whole entry, and no single fault makes a head of zeros.
            return Ok(true);
        }
        let end = match head.ok().and_then(|head| plausible(split_head(head).1, most)) {
            Some(body_bytes) => head_end + body_bytes as u64 + 1,
            // The length itself was not written, or not to its end.
            None => head_end.max(data_end),
        };
        if data_end < end || data_end <= head_end {
            return Ok(true);
        }
        // Where only the end mark is wrong, the sectors of zeros belong there.
        Ok(kind != FlawKind::EndMark && self.has_zero_sector(offset + ALWAYS_ZERO_BYTES, end)?)
    }

    /// Whether the part of `from..to` that lies in some sector is all zeros.
    fn has_zero_sector(&mut self, from: u64, to: u64) -> Result<bool> {
        let mut at = from;
        while at < to {
            let end = to.min(at - at % SECTOR_BYTES + SECTOR_BYTES);
            if self.bytes(at, (end - at) as usize)?.iter().all(|&byte| byte == 0) {
                return Ok(true);
            }
            at = end;
        }
        Ok(false)
    }

    /// Whether the body at `offset` is whole under another length: then the length was damaged.
    fn whole_under_another_length(&mut self, offset: u64) -> Result<bool> {
        let Ok(head) = <[u8; HEAD_BYTES]>::try_from(self.bytes(offset, HEAD_BYTES)?) else { return Ok(false) };
        let (stored, _) = split_head(head);
        let most = self.entry_bytes_max();
        let bytes = self.bytes(offset + HEAD_BYTES as u64, most + 1)?;
        let (mut low, mut high) = (1_u32, 0_u32);
        for pair in bytes.windows(2) {
            low = (low + u32::from(pair[0])) % 65521;
            high = (high + low) % 65521;
            if pair[1] == END_MARK && stored == i64::from((high << 16) | low) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
