//! Reading a snapshot file: the plain bytes of any packing, with the checksum kept over what was consumed
//! (`FileSnap.deserialize`, `SnapStream`).

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use planted::Bug;
use simd_adler32::Adler32;
use wire::{Reader, Zxid};

use crate::error::{Error, Result, at};
use crate::names::{Compression, SnapshotFile};
use crate::snappy::{self, SnappyReader};
use crate::snapshot::{FILE_HEADER, SnapshotTrailer, ZxidDigest};
use crate::vfs::{Open, Vfs, VfsFile, read_full_at};

const MAGIC_BYTES: usize = 4;
/// How much plain data is held at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// Seals and sections behind the body are at most 67 bytes; a digest before version 2 is a short string.
const TRAILER_BYTES_MAX: u64 = 4096;
/// A seal: i64 checksum and the string `/`.
const SEAL_BYTES: usize = 13;
/// What every plain snapshot ends with: the string `/`.
const LAST_BYTES: [u8; 5] = [0, 0, 0, 1, b'/'];
/// Shorter than this no file is taken for a snapshot (`SnapStream.isValidCheckedStream`).
const SNAPSHOT_BYTES_MIN: u64 = 10;

/// A snapshot being read. Read exactly the body through [`BufRead`], then call [`SnapshotReader::finish`].
pub struct SnapshotReader {
    path: PathBuf,
    /// What to do where it is damaged.
    hint: &'static str,
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// The unread part is `buffer[position..filled]`.
    position: usize,
    filled: usize,
    /// `buffer[..hashed]` is in the checksum; never past `position`.
    hashed: usize,
    adler: Adler32,
    /// Plain bytes before `buffer[0]`.
    before: u64,
}

impl SnapshotReader {
    /// Opens a snapshot and checks its header.
    pub fn open(vfs: &dyn Vfs, snapshot: &SnapshotFile) -> Result<SnapshotReader> {
        let path = snapshot.path.clone();
        let file = vfs.open(&path, Open::Read).map_err(at("open", &path))?;
        let file = BufReader::with_capacity(BUFFER_BYTES, FileSource { file, position: 0 });
        let source: Box<dyn Read + Send> = match snapshot.compression {
            Compression::None => Box::new(file),
            Compression::Gz => Box::new(MultiGzDecoder::new(file)),
            Compression::Snappy => Box::new(SnappyReader::new(file)),
        };
        SnapshotReader::of_plain(source, path, HINT)
    }

    /// Takes a snapshot from wherever it comes, packed or not, and checks its header. Messages call it `name`.
    ///
    /// # Errors
    /// When it ends before its header does, or begins as nothing that a snapshot begins with.
    pub fn of_stream(mut source: Box<dyn Read + Send>, name: &str) -> Result<SnapshotReader> {
        let path = PathBuf::from(name);
        let mut head = [0; MAGIC_BYTES];
        source.read_exact(&mut head).map_err(|error| Error::Damaged {
            path: path.clone(),
            offset: 0,
            expected: "a snapshot".to_owned(),
            found: error.to_string(),
            hint: STREAM_HINT.to_owned(),
        })?;
        let whole = BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(head).chain(source));
        let plain: Box<dyn Read + Send> = if head[..GZ_MAGIC.len()] == GZ_MAGIC {
            Box::new(MultiGzDecoder::new(whole))
        } else if head == snappy::MAGIC[..MAGIC_BYTES] {
            Box::new(SnappyReader::new(whole))
        } else {
            Box::new(whole)
        };
        SnapshotReader::of_plain(plain, path, STREAM_HINT)
    }

    fn of_plain(source: Box<dyn Read + Send>, path: PathBuf, hint: &'static str) -> Result<SnapshotReader> {
        let mut reader = SnapshotReader {
            path,
            hint,
            source,
            buffer: vec![0; BUFFER_BYTES],
            position: 0,
            filled: 0,
            hashed: 0,
            adler: Adler32::new(),
            before: 0,
        };
        let mut header = [0; FILE_HEADER.len()];
        reader.read_exact(&mut header).map_err(|error| reader.unreadable(&error))?;
        if header[..MAGIC_BYTES] != FILE_HEADER[..MAGIC_BYTES] {
            let found = header[..MAGIC_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(reader.damaged(0, "the magic 5a4b534e (ZKSN)".to_owned(), found));
        }
        Ok(reader)
    }

    /// The offset in the plain bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.before + self.position as u64
    }

    /// The checksum of everything consumed.
    fn checksum(&mut self) -> u32 {
        self.adler.write(&self.buffer[self.hashed..self.position]);
        self.hashed = self.position;
        self.adler.finish()
    }

    /// Checks the seals and reads what lies between them.
    pub fn finish(mut self) -> Result<SnapshotTrailer> {
        self.expect_seal()?;
        let offset = self.offset();
        let checksum_so_far = self.adler.clone();
        let mut rest = Vec::new();
        let read = (&mut self).take(TRAILER_BYTES_MAX).read_to_end(&mut rest);
        read.map_err(|error| self.unreadable(&error))?;
        let mut trailer = SnapshotTrailer::default();
        let mut input = Reader::new(&rest);
        let damaged = |at: usize, expected: &str, found: String| Error::Damaged {
            path: self.path.clone(),
            offset: offset + at as u64,
            expected: expected.to_owned(),
            found,
            hint: self.hint.to_owned(),
        };
        // Each section ends with a seal over all before it. The digest may be missing while the zxid is there: only the
        // length tells.
        if rest.len() != ZXID_SECTION_BYTES && !rest.is_empty() {
            let digest = read_digest(&mut input);
            let digest = digest.map_err(|error| damaged(0, "a digest section", error.to_string()))?;
            trailer.digest = Some(digest);
            check_seal(&rest, &mut input, &checksum_so_far).map_err(|found| damaged(0, "a seal", found))?;
        }
        if !input.is_empty() {
            let at = input.position();
            let zxid = input.i64().map_err(|error| damaged(at, "the last processed zxid", error.to_string()))?;
            trailer.last_processed = Some(Zxid(zxid));
            check_seal(&rest, &mut input, &checksum_so_far).map_err(|found| damaged(at, "a seal", found))?;
        }
        if !input.is_empty() {
            return Err(damaged(input.position(), "the end of the file", format!("{} bytes more", input.rest().len())));
        }
        Ok(trailer)
    }

    fn expect_seal(&mut self) -> Result<()> {
        let offset = self.offset();
        let computed = self.checksum();
        let mut seal = [0; SEAL_BYTES];
        self.read_exact(&mut seal).map_err(|error| self.unreadable(&error))?;
        // The following seals count this one in.
        self.checksum();
        let mut input = Reader::new(&seal);
        let stored = input.i64().unwrap_or_default();
        let is_sealed = stored == i64::from(computed) && input.rest() == LAST_BYTES;
        if !is_sealed && !planted::is(Bug::SnapshotNotChecked) {
            return Err(self.damaged(offset, format!("checksum {computed:x} and \"/\""), format!("{stored:x}")));
        }
        Ok(())
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        self.damaged(self.offset(), "more of the snapshot".to_owned(), error.to_string())
    }

    fn damaged(&self, offset: u64, expected: String, found: String) -> Error {
        Error::Damaged { path: self.path.clone(), offset, expected, found, hint: self.hint.to_owned() }
    }
}

const HINT: &str = "an older snapshot is used if there is one; else restore this file from a copy";
const STREAM_HINT: &str = "send a file that the command snapshot has sent, or snapshot.* from a data directory";
/// What a gzip file begins with.
const GZ_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZXID_SECTION_BYTES: usize = 8 + SEAL_BYTES;

fn read_digest(input: &mut Reader<'_>) -> wire::jute::Result<ZxidDigest> {
    let zxid = Zxid(input.i64()?);
    let version = input.i32()?;
    let digest = if version < 2 {
        // A hexadecimal string, in snapshots of development versions before 3.6.
        let text = input.string()?.unwrap_or("0");
        u64::from_str_radix(text, 16).unwrap_or(0)
    } else {
        input.i64()?.cast_unsigned()
    };
    Ok(ZxidDigest { zxid, version, digest })
}

/// Checks the seal at `input`, over what came before `rest` and the part of `rest` read so far.
fn check_seal(rest: &[u8], input: &mut Reader<'_>, before: &Adler32) -> Result<(), String> {
    let mut adler = before.clone();
    adler.write(&rest[..input.position()]);
    let computed = adler.finish();
    let stored = input.i64().map_err(|error| error.to_string())?;
    let last = input.take(LAST_BYTES.len()).map_err(|error| error.to_string())?;
    let is_sealed = stored == i64::from(computed) && last == LAST_BYTES;
    if !is_sealed && !planted::is(Bug::SnapshotNotChecked) {
        return Err(format!("checksum {stored:x} where {computed:x} was computed"));
    }
    Ok(())
}

impl Read for SnapshotReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(into.len());
        into[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl BufRead for SnapshotReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.filled {
            self.checksum();
            let read = loop {
                match self.source.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    outcome => break outcome?,
                }
            };
            self.before += self.filled as u64;
            (self.position, self.hashed, self.filled) = (0, 0, read);
        }
        Ok(&self.buffer[self.position..self.filled])
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.filled.min(self.position + amount);
    }
}

impl fmt::Debug for SnapshotReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader").field("path", &self.path).field("offset", &self.offset()).finish()
    }
}

/// Reads a file of the trait from its beginning.
struct FileSource {
    file: Box<dyn VfsFile>,
    position: u64,
}

impl Read for FileSource {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.position, into)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// Apache's quick look (`SnapStream.isValidSnapshot`): whether a file is likely to be a whole snapshot. It decides what
/// is tried at start and what retention counts; only reading it to the end proves it.
pub fn looks_valid(vfs: &dyn Vfs, snapshot: &SnapshotFile) -> Result<bool> {
    let path: &Path = &snapshot.path;
    let file = vfs.open(path, Open::Read).map_err(at("open", path))?;
    let length = file.size().map_err(at("look at", path))?;
    let mut bytes = [0; snappy::MAGIC.len()];
    let offset = match snapshot.compression {
        Compression::None if length < SNAPSHOT_BYTES_MIN => return Ok(false),
        Compression::None => length - LAST_BYTES.len() as u64,
        Compression::Gz | Compression::Snappy => 0,
    };
    let read = read_full_at(&*file, offset, &mut bytes).map_err(at("read", path))?;
    let found = &bytes[..read];
    Ok(match snapshot.compression {
        Compression::None => found == LAST_BYTES,
        Compression::Gz => found.starts_with(&[0x1f, 0x8b]),
        Compression::Snappy => found == snappy::MAGIC,
    })
}
