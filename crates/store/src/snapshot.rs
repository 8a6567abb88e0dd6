//! Writing a snapshot file (`FileSnap.serialize`, `SnapStream`).
//!
//! ```text
//! FileHeader "ZKSN" | version 2 | dbid -1
//! body: sessions, ACL map, nodes, "/"      opaque here, the same bytes as on the wire after SNAP
//! seal                                     i64 Adler-32 of all plain bytes so far | string "/"
//! zxid, i32 version, digest | seal         where the digest is enabled
//! last processed zxid | seal               since 3.9
//! ```
//! Apache writes periodic snapshots straight to their final name and syncs only those received from a leader. Here every
//! snapshot is written to `<name>.tmp`, synced and renamed: a file with a snapshot's name is a whole snapshot, and the
//! logs it replaces may be deleted.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::write::GzEncoder;
use planted::Bug;
use simd_adler32::Adler32;
use wire::{Writer, Zxid};

use crate::error::{Result, at, sync_failed};
use crate::names::{Compression, snapshot_name};
use crate::snappy::SnappyWriter;
use crate::vfs::{Open, Vfs, VfsFile, temporary, write_all_at};

/// `"ZKSN"`, version 2, dbid -1.
pub(crate) const FILE_HEADER: [u8; 16] =
    [0x5a, 0x4b, 0x53, 0x4e, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/// How much is collected before a write.
const BUFFER_BYTES: usize = 256 * 1024;

/// The digest of the tree in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZxidDigest {
    /// The transaction after which the tree had this digest; 0 where there was none yet.
    pub zxid: Zxid,
    /// The digest's version; 2 since 3.6.
    pub version: i32,
    /// The digest.
    pub digest: u64,
}

/// The sections behind a snapshot's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotTrailer {
    /// Where the digest is enabled (3.6 and later).
    pub digest: Option<ZxidDigest>,
    /// 3.9 and later; the zxid in the file name is the one that counts.
    pub last_processed: Option<Zxid>,
}

/// A snapshot being written. Dropped without [`SnapshotWriter::finish`] it leaves nothing behind.
pub struct SnapshotWriter {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    path: PathBuf,
    temporary: PathBuf,
    /// `None` once finished.
    sink: Option<Sink>,
    adler: Adler32,
    plain_bytes: u64,
}

enum Sink {
    Plain(BufWriter<FileSink>),
    Gz(GzEncoder<BufWriter<FileSink>>),
    Snappy(Box<SnappyWriter<BufWriter<FileSink>>>),
}

impl SnapshotWriter {
    /// Begins the snapshot of the state after `zxid` and writes its header.
    pub fn create(vfs: &Arc<dyn Vfs>, dir: &Path, zxid: Zxid, compression: Compression) -> Result<SnapshotWriter> {
        let path = dir.join(snapshot_name(zxid, compression));
        let temporary = temporary(&path);
        let file = vfs.open(&temporary, Open::CreateEmpty).map_err(at("create", &temporary))?;
        let out = BufWriter::with_capacity(BUFFER_BYTES, FileSink { file, position: 0 });
        let sink = match compression {
            Compression::None => Sink::Plain(out),
            Compression::Gz => Sink::Gz(GzEncoder::new(out, flate2::Compression::default())),
            Compression::Snappy => Sink::Snappy(Box::new(SnappyWriter::new(out).map_err(at("write", &temporary))?)),
        };
        let vfs = Arc::clone(vfs);
        let adler = Adler32::new();
        let mut writer =
            SnapshotWriter { vfs, dir: dir.to_owned(), path, temporary, sink: Some(sink), adler, plain_bytes: 0 };
        writer.append(&FILE_HEADER)?;
        Ok(writer)
    }

    /// Where the snapshot will be once it is finished.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the next bytes of the body.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.put(bytes).map_err(at("write", &self.temporary))
    }

    /// Seals the body, writes the trailer, makes the file durable and gives it its name; returns its size on disk.
    pub fn finish(mut self, trailer: SnapshotTrailer) -> Result<u64> {
        self.seal()?;
        if let Some(digest) = trailer.digest {
            let mut section = Vec::with_capacity(20);
            section.i64(digest.zxid.0);
            section.i32(digest.version);
            section.i64(digest.digest.cast_signed());
            self.append(&section)?;
            self.seal()?;
        }
        if let Some(zxid) = trailer.last_processed {
            self.append(&zxid.0.to_be_bytes())?;
            self.seal()?;
        }
        let sink = self.sink.as_mut().expect("the sink is there until the file has its name");
        let bytes = sink.close().map_err(at("write", &self.temporary))?;
        if !planted::is(Bug::SnapshotNotSynced) {
            sink.file().file.sync_data().map_err(sync_failed(&self.temporary))?;
        }
        self.vfs.rename(&self.temporary, &self.path).map_err(at("rename", &self.temporary))?;
        self.sink = None;
        self.vfs.sync_dir(&self.dir).map_err(sync_failed(&self.dir))?;
        Ok(bytes)
    }

    fn seal(&mut self) -> Result<()> {
        // The checksum is taken before the seal's own bytes are counted in.
        let mut seal = Vec::with_capacity(13);
        seal.i64(i64::from(self.adler.finish()));
        seal.string("/");
        self.append(&seal)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.adler.write(bytes);
        self.plain_bytes += bytes.len() as u64;
        match self.sink.as_mut() {
            Some(Sink::Plain(out)) => out.write_all(bytes),
            Some(Sink::Gz(out)) => out.write_all(bytes),
            Some(Sink::Snappy(out)) => out.write_all(bytes),
            None => Ok(()),
        }
    }
}

impl Write for SnapshotWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if self.sink.take().is_some() {
            // Best effort: what cannot be removed now is removed by the next recovery, and is never read.
            if let Err(error) = self.vfs.remove(&self.temporary) {
                tracing::warn!(path = %self.temporary.display(), %error, "remove unfinished snapshot");
            }
        }
    }
}

impl fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter").field("path", &self.path).field("plain_bytes", &self.plain_bytes).finish()
    }
}

impl Sink {
    /// Hands everything to the file; returns its length.
    fn close(&mut self) -> io::Result<u64> {
        match self {
            Sink::Plain(out) => out.flush()?,
            Sink::Gz(out) => {
                out.try_finish()?;
                out.get_mut().flush()?;
            }
            Sink::Snappy(out) => out.close()?,
        }
        Ok(self.file().position)
    }

    fn file(&mut self) -> &mut FileSink {
        match self {
            Sink::Plain(out) => out.get_mut(),
            Sink::Gz(out) => out.get_mut().get_mut(),
            Sink::Snappy(out) => out.get_mut().get_mut(),
        }
    }
}

/// Appends to a file of the trait.
struct FileSink {
    file: Box<dyn VfsFile>,
    position: u64,
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all_at(&mut *self.file, self.position, bytes)?;
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
