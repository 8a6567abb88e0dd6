//! One entry of a transaction log, and the search for what lies behind a bad one (`FileTxnLog`, `Util.readTxnBytes`).
//!
//! ```text
//! FileHeader   magic "ZKLG" | version 2 | dbid 0            16 bytes
//! entry        adler-32 of the body as i64 | i32 length | body | 'B'
//! padding      zeros up to the preallocated size
//! ```
//! An entry of zeros is the end of the data. Apache takes every unfinished entry for the end as well and never looks
//! behind it. We do look: whole transactions behind a bad one prove that it is not a torn tail.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use planted::Bug;
use simd_adler32::Adler32;
use wire::txn::{TxnEntry, TxnHeader};
use wire::{Writer, Zxid};

use crate::error::{Error, Result, at};
use crate::vfs::{Open, Vfs, VfsFile, read_full_at};

/// The longest body a reader accepts by default: `jute.maxbuffer` plus as much again
/// (`BinaryInputArchive.extraMaxBuffer`).
pub const ENTRY_BYTES_MAX_DEFAULT: usize = 2 * wire::jute::FRAME_BYTES_MAX_DEFAULT;

/// `"ZKLG"`, version 2, dbid 0.
pub(crate) const FILE_HEADER: [u8; 16] = [0x5a, 0x4b, 0x4c, 0x47, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
/// Length of the file header.
pub(crate) const FILE_HEADER_BYTES: u64 = FILE_HEADER.len() as u64;
const MAGIC_BYTES: usize = 4;
/// Checksum and length before the body.
pub(crate) const HEAD_BYTES: usize = 12;
/// The byte behind every body.
pub(crate) const END_MARK: u8 = b'B';
/// How much of a file is read at once.
const WINDOW_BYTES: usize = 256 * 1024;
/// How many bytes are looked at in one go for being zero.
const ZERO_BLOCK_BYTES: usize = 1024;
/// How many bytes a search for entries may hash before it gives up and the file counts as damaged. Ordinary data never
/// comes near: a candidate needs a zero half-word, a plausible length and the end mark in the right place.
const SEARCH_HASHED_BYTES_MAX: u64 = 1 << 30;

const _: () = assert!(TxnHeader::BYTES + HEAD_BYTES < WINDOW_BYTES);

/// Appends the entry of one body.
pub(crate) fn encode(body: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEAD_BYTES + body.len() + 1);
    out.i64(i64::from(checksum(body)));
    out.buffer(Some(body));
    out.u8(END_MARK);
}

/// Adler-32.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut adler = Adler32::new();
    adler.write(bytes);
    adler.finish()
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which check failed.
    pub kind: FlawKind,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// Which check of an entry failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    /// The length cannot be one.
    Length,
    /// The file ends inside the entry, or the entry's end was never written: what a crash during a write leaves.
    Unfinished,
    /// The end mark is there, the body is another one.
    Checksum,
    /// The body is whole, the end mark is another byte.
    EndMark,
    /// Zeros where an entry was expected, but something behind them.
    Hole,
    /// The file header is not one.
    FileHeader,
}

/// What is at an offset.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole entry.
    Entry { zxid: Zxid, body: Bytes, next: u64 },
    /// The end of the file, or a head of zeros.
    Blank,
    /// Something else.
    Bad(Flaw),
}

/// The state of a file's first 16 bytes.
#[derive(Debug)]
pub(crate) enum Header {
    /// A log.
    Good,
    /// Zero bytes long.
    Empty,
    /// Shorter than a header, or zeros: it was created and never synced.
    Unwritten,
    /// Another magic.
    Bad(Flaw),
}

/// What lies behind an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind {
    /// The first whole entry that begins there or later.
    pub(crate) entry: Option<(u64, Zxid)>,
    /// The end of the last byte that is not zero; the offset itself where there is none.
    pub(crate) data_end: u64,
    /// The search was given up: nothing may be concluded.
    pub(crate) gave_up: bool,
}

/// A log file being read.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: Box<dyn VfsFile>,
    len: u64,
    entry_bytes_max: usize,
    window: Vec<u8>,
    window_start: u64,
}

impl LogFile {
    pub(crate) fn open(vfs: &dyn Vfs, path: &Path, entry_bytes_max: usize) -> Result<LogFile> {
        let file = vfs.open(path, Open::Read).map_err(at("open", path))?;
        let len = file.size().map_err(at("look at", path))?;
        Ok(LogFile { path: path.to_owned(), file, len, entry_bytes_max, window: Vec::new(), window_start: 0 })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The longest body accepted.
    pub(crate) fn entry_bytes_max(&self) -> usize {
        self.entry_bytes_max
    }

    /// Up to `count` bytes at `offset`; fewer only at the end of the file.
    pub(crate) fn bytes(&mut self, offset: u64, count: usize) -> Result<&[u8]> {
        let inside = offset >= self.window_start && {
            let skip = offset - self.window_start;
            skip + count as u64 <= self.window.len() as u64
        };
        if !inside {
            let left = self.len.saturating_sub(offset);
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(count.max(WINDOW_BYTES));
            self.window.resize(want, 0);
            self.window_start = offset;
            let filled = read_full_at(&*self.file, offset, &mut self.window).map_err(at("read", &self.path))?;
            self.window.truncate(filled);
        }
        let start = (offset - self.window_start) as usize;
        let end = self.window.len().min(start + count);
        Ok(&self.window[start.min(end)..end])
    }

    /// Looks at the file header.
    pub(crate) fn header(&mut self) -> Result<Header> {
        if self.len == 0 {
            return Ok(Header::Empty);
        }
        let found = self.bytes(0, FILE_HEADER.len())?;
        if found.len() >= MAGIC_BYTES && found[..MAGIC_BYTES] == FILE_HEADER[..MAGIC_BYTES] {
            // Apache looks no further than the magic; a file cut inside its header holds nothing.
            return Ok(if found.len() < FILE_HEADER.len() { Header::Unwritten } else { Header::Good });
        }
        // The beginning of a header, then zeros or the end: a crash while it was written.
        let good = found.iter().zip(&FILE_HEADER).take_while(|(found, expected)| found == expected).count();
        if found[good..].iter().all(|&byte| byte == 0) {
            return Ok(Header::Unwritten);
        }
        let found = found.iter().take(MAGIC_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Ok(Header::Bad(Flaw { kind: FlawKind::FileHeader, expected: "the magic 5a4b4c47 (ZKLG)".to_owned(), found }))
    }

    /// Reads what is at `offset`.
    pub(crate) fn step(&mut self, offset: u64) -> Result<Step> {
        let bytes_max = self.entry_bytes_max;
        let head = self.bytes(offset, HEAD_BYTES)?;
        if head.iter().all(|&byte| byte == 0) {
            return Ok(Step::Blank);
        }
        let Ok(head) = <[u8; HEAD_BYTES]>::try_from(head) else {
            let found = format!("{} bytes", head.len());
            return Ok(bad(FlawKind::Unfinished, "12 bytes of checksum and length", found));
        };
        let (stored, length) = split_head(head);
        let Some(body_bytes) = plausible(length, bytes_max) else {
            let expected = format!("an entry of {} to {bytes_max} bytes", TxnHeader::BYTES);
            return Ok(bad(FlawKind::Length, expected, format!("length {length}")));
        };
        let rest = self.bytes(offset + HEAD_BYTES as u64, body_bytes + 1)?;
        if rest.len() <= body_bytes {
            let found = format!("{} before the file ends", rest.len());
            return Ok(bad(FlawKind::Unfinished, format!("{} bytes of body and end mark", body_bytes + 1), found));
        }
        let (body, mark) = (&rest[..body_bytes], rest[body_bytes]);
        let computed = checksum(body);
        let whole = stored == i64::from(computed) || planted::is(Bug::LogNotChecked);
        match (whole, mark) {
            (true, END_MARK) => {
                let zxid = TxnEntry::peek_zxid(body).unwrap_or(Zxid::NONE);
                let next = offset + (HEAD_BYTES + body_bytes + 1) as u64;
                Ok(Step::Entry { zxid, body: Bytes::copy_from_slice(body), next })
            }
            (true, _) => Ok(bad(FlawKind::EndMark, "end mark 42", format!("{mark:02x}"))),
            (false, 0) => Ok(bad(FlawKind::Unfinished, "a body and its end mark 42", "zeros at its end".to_owned())),
            (false, _) => Ok(bad(
                FlawKind::Checksum,
                format!("checksum {stored:x}"),
                format!("checksum {computed:x} of the body"),
            )),
        }
    }

    /// The zxid that the entry at `offset` claims, damaged as it is.
    pub(crate) fn claimed_zxid(&mut self, offset: u64) -> Result<Option<Zxid>> {
        let body = self.bytes(offset + HEAD_BYTES as u64, TxnHeader::BYTES)?;
        Ok(TxnEntry::peek_zxid(body).ok())
    }

    /// Searches from `offset` (included) to the end of the file for a whole entry later than `last`.
    ///
    /// Every offset is tried, since a damaged length says nothing about where the next entry begins.
    pub(crate) fn behind(&mut self, offset: u64, last: Zxid) -> Result<Behind> {
        let mut behind = Behind { entry: None, data_end: offset, gave_up: false };
        let mut hashed = 0;
        let mut position = offset;
        let (len, bytes_max) = (self.len, self.entry_bytes_max);
        while position < len {
            let Some(data) = self.file.next_data(position).map_err(at("look at", &self.path))? else { break };
            // A head may begin with the zeros of the hole.
            position = position.max(data.saturating_sub(HEAD_BYTES as u64));
            let chunk = self.bytes(position, WINDOW_BYTES)?;
            let chunk_bytes = chunk.len() as u64;
            if chunk.is_empty() {
                break;
            }
            // The heads that overlap the next chunk are tried there: step back, unless this was the last one.
            let at_end = position + chunk_bytes >= len;
            let step = if at_end { chunk_bytes } else { chunk_bytes - HEAD_BYTES as u64 };
            let Some(last_set) = last_set(chunk) else {
                position += step;
                continue;
            };
            behind.data_end = position + last_set as u64 + 1;
            let candidates = candidates(chunk, bytes_max);
            for candidate in candidates {
                let found = self.try_candidate(position + candidate, last, &mut hashed)?;
                if hashed > SEARCH_HASHED_BYTES_MAX {
                    behind.gave_up = true;
                    return Ok(behind);
                }
                if found.is_some() && behind.entry.is_none() {
                    behind.entry = found;
                }
            }
            if behind.entry.is_some() {
                return Ok(behind);
            }
            position += step;
        }
        Ok(behind)
    }

    fn try_candidate(&mut self, offset: u64, last: Zxid, hashed: &mut u64) -> Result<Option<(u64, Zxid)>> {
        let head = self.bytes(offset, HEAD_BYTES)?;
        let Ok(head) = <[u8; HEAD_BYTES]>::try_from(head) else { return Ok(None) };
        let (stored, length) = split_head(head);
        let Some(body_bytes) = plausible(length, self.entry_bytes_max) else { return Ok(None) };
        let mark_at = offset + (HEAD_BYTES + body_bytes) as u64;
        if mark_at >= self.len {
            return Ok(None);
        }
        let mut mark = [0];
        let read = read_full_at(&*self.file, mark_at, &mut mark).map_err(at("read", &self.path))?;
        if read == 0 || mark[0] != END_MARK {
            return Ok(None);
        }
        *hashed += body_bytes as u64;
        let body = self.bytes(offset + HEAD_BYTES as u64, body_bytes)?;
        let zxid = TxnEntry::peek_zxid(body).unwrap_or(Zxid::NONE);
        let whole = body.len() == body_bytes && stored == i64::from(checksum(body));
        Ok((whole && zxid > last).then_some((offset, zxid)))
    }

    /// The error for a bad entry that must not be cut off.
    pub(crate) fn damaged(&self, offset: u64, flaw: &Flaw, why: &str) -> Error {
        self.refused(offset, flaw, why, String::new())
    }

    /// The same where the disk may have written the last batch out of order before the power went.
    pub(crate) fn damaged_or_reordered(&self, offset: u64, flaw: &Flaw, why: &str) -> Error {
        let why = format!(
            "{why}; this is damage, or a power cut kept a later part of the last batch, which was never acknowledged, and \
             nothing on this disk tells the two apart"
        );
        let way_out = format!(
            "; where a power cut stopped all servers at once and no quorum starts, copy this file and cut it to {offset} bytes"
        );
        self.refused(offset, flaw, &why, way_out)
    }

    fn refused(&self, offset: u64, flaw: &Flaw, why: &str, way_out: String) -> Error {
        let hint = "transactions are missing, so nothing was changed; restore this file from a copy, or, if the other \
                    servers of the ensemble are a quorum without this one, move version-2 aside and let the leader send \
                    everything again";
        Error::Damaged {
            path: self.path.clone(),
            offset,
            expected: flaw.expected.clone(),
            found: format!("{}; {why}", flaw.found),
            hint: hint.to_owned() + &way_out,
        }
    }
}

fn bad(kind: FlawKind, expected: impl Into<String>, found: String) -> Step {
    Step::Bad(Flaw { kind, expected: expected.into(), found })
}

pub(crate) fn split_head(head: [u8; HEAD_BYTES]) -> (i64, i32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = head;
    (i64::from_be_bytes([a, b, c, d, e, f, g, h]), i32::from_be_bytes([i, j, k, l]))
}

pub(crate) fn plausible(length: i32, bytes_max: usize) -> Option<usize> {
    usize::try_from(length).ok().filter(|&length| length >= TxnHeader::BYTES && length <= bytes_max)
}

/// The offset of the last byte that is not zero. Padding is long, and a start waits for this: whole blocks are or-ed, which
/// the compiler turns into vector code.
fn last_set(chunk: &[u8]) -> Option<usize> {
    let mut end = chunk.len();
    for block in chunk.rchunks(ZERO_BLOCK_BYTES) {
        if block.iter().fold(0, |set, byte| set | byte) != 0 {
            return chunk[..end].iter().rposition(|&byte| byte != 0);
        }
        end -= block.len();
    }
    None
}

/// The offsets in `chunk` where the head of an entry may begin.
fn candidates(chunk: &[u8], bytes_max: usize) -> Vec<u64> {
    let heads = chunk.windows(HEAD_BYTES).enumerate();
    heads
        .filter(|(_, head)| {
            // The upper half of the checksum is always zero, and an Adler-32 is never zero.
            let length = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
            head[..4] == [0; 4] && head[4..8] != [0; 4] && plausible(length, bytes_max).is_some()
        })
        .map(|(offset, _)| offset as u64)
        .collect()
}
