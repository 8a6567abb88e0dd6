//! Where the entries of a log file lie, read without `store`: what a sweep expects must not come from the code it tests.

use std::ops::Range;

/// `"ZKLG"`, a version and a database id.
pub const FILE_HEADER_BYTES: usize = 16;
/// The part of the file header that readers look at.
pub const MAGIC_BYTES: usize = 4;
/// Checksum and length before a body.
const HEAD_BYTES: usize = 12;
/// The checksum comes first.
const LENGTH_AT: usize = 8;
/// A body begins with session, cxid and then the zxid.
const ZXID_AT: usize = HEAD_BYTES + 12;
/// What a disk writes as a whole.
pub const SECTOR_BYTES: usize = 512;

/// One entry of a log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its zxid.
    pub zxid: i64,
    /// Its bytes in the file, from the checksum to the end mark.
    pub range: Range<usize>,
}

impl Entry {
    /// Where its transaction lies in the file.
    #[must_use]
    pub fn body(&self) -> Range<usize> {
        self.range.start + HEAD_BYTES..self.range.end - 1
    }

    /// Whether the byte at `offset` is of the checksum or of the body, not of the length or the end mark.
    #[must_use]
    pub fn decides(&self, offset: usize) -> bool {
        let length = self.range.start + LENGTH_AT..self.range.start + HEAD_BYTES;
        self.range.contains(&offset) && !length.contains(&offset) && offset + 1 < self.range.end
    }
}

/// The entries of an undamaged log file.
///
/// # Panics
/// When the file is not one.
#[must_use]
pub fn entries(file: &[u8]) -> Vec<Entry> {
    assert_eq!(&file[..MAGIC_BYTES], b"ZKLG", "a log begins with its magic");
    let (mut entries, mut begin) = (Vec::new(), FILE_HEADER_BYTES);
    while file.len() >= begin + HEAD_BYTES && file[begin..begin + HEAD_BYTES] != [0; HEAD_BYTES] {
        let length = i32::from_be_bytes(word(file, begin + LENGTH_AT));
        let end = begin + HEAD_BYTES + usize::try_from(length).expect("a length is not negative") + 1;
        assert_eq!(file[end - 1], b'B', "an entry ends with its mark");
        let zxid = i64::from_be_bytes(word(file, begin + ZXID_AT));
        entries.push(Entry { zxid, range: begin..end });
        begin = end;
    }
    assert!(file[begin..].iter().all(|&byte| byte == 0), "behind the entries is padding");
    entries
}

fn word<const N: usize>(file: &[u8], at: usize) -> [u8; N] {
    file[at..at + N].try_into().expect("as long as asked for")
}

/// Whether a part of `range` that lies in one sector is all zeros. A power cut may have kept the disk from writing such a
/// sector, so an entry there can have been torn.
#[must_use]
pub fn has_zero_sector(file: &[u8], range: Range<usize>) -> bool {
    // The upper half of an entry's checksum is zero in every file: it proves nothing where it has a sector to itself.
    let mut at = range.start + 4;
    while at < range.end {
        let end = range.end.min(at - at % SECTOR_BYTES + SECTOR_BYTES);
        if file[at..end].iter().all(|&byte| byte == 0) {
            return true;
        }
        at = end;
    }
    false
}
