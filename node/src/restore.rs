//! From a snapshot that somebody sends to a tree, with everything checked before anything is changed.

use std::io::{BufRead, Read};
use store::{SnapshotReader, SnapshotTrailer, ZxidDigest};
use tree::Tree;
use tree::image::{ImageError, Loader, LoaderSettings};
use wire::Zxid;
use wire::txn::TxnDigest;

/// What the snapshot is called in messages.
const NAME: &str = "the snapshot in the request";

/// Why nothing is restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is no snapshot, or not whole.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Its body cannot be read.
    #[error("{NAME}: {0}")]
    Body(#[from] ImageError),
    /// It did not come to its end.
    #[error("{NAME}: {0}")]
    Read(#[from] std::io::Error),
    /// There is no room for it.
    #[error(
        "{NAME}: expected at most {max} bytes, unpacked, found more. hint: put the file into the data directory of a server that is stopped"
    )]
    TooLong {
        /// The bound.
        max: u64,
    },
    /// Nobody knows how far it goes.
    #[error(
        "{NAME}: expected its zxid at the end, found none. hint: serializeLastProcessedZxid.enabled=true writes it; else put the file into the data directory of a server that is stopped"
    )]
    NoZxid,
    /// It is not what was written.
    #[error("{NAME}: expected the digest {expected:x} at {zxid}, found {found:x}. hint: restore another snapshot")]
    Digest {
        /// The snapshot's zxid.
        zxid: Zxid,
        /// What it says of itself.
        expected: u64,
        /// What it is.
        found: u64,
    },
}

/// A snapshot that was read.
pub struct Restorable {
    /// Its tree.
    pub tree: Box<Tree>,
    /// Its zxid.
    pub zxid: Zxid,
    /// The latest transaction of which it may hold something.
    pub latest: Zxid,
}

impl Restorable {
    /// Reads a snapshot to its end.
    ///
    /// # Errors
    /// Why it is not restored.
    pub fn read(
        source: Box<dyn Read + Send>,
        settings: LoaderSettings,
        bytes_max: u64,
    ) -> Result<Restorable, RestoreError> {
        let mut reader = SnapshotReader::of_stream(source, NAME)?;
        let mut loader = Loader::new(settings);
        loop {
            let bytes = reader.fill_buf()?;
            let at_end = bytes.is_empty();
            let progress = loader.push(bytes)?;
            reader.consume(progress.consumed);
            if reader.offset() > bytes_max {
                return Err(RestoreError::TooLong { max: bytes_max });
            }
            if progress.done || at_end {
                break;
            }
        }
        let tree = loader.finish()?;
        let trailer = reader.finish()?;
        let zxid = trailer.last_processed.filter(|zxid| *zxid >= Zxid::ZERO).ok_or(RestoreError::NoZxid)?;
        check_digest(&tree, zxid, &trailer, settings.tree.digest_enabled)?;
        let latest = trailer.digest.map_or(zxid, |digest| digest.zxid.max(zxid));
        Ok(Restorable { tree: Box::new(tree), zxid, latest })
    }
}

/// One that was written while transactions went on has the digest of a later moment, which cannot be compared without them.
fn check_digest(tree: &Tree, zxid: Zxid, trailer: &SnapshotTrailer, enabled: bool) -> Result<(), RestoreError> {
    match trailer.digest {
        Some(ZxidDigest { zxid: at, version: TxnDigest::VERSION, digest })
            if enabled && at == zxid && zxid > Zxid::ZERO && digest != tree.digest() =>
        {
            Err(RestoreError::Digest { zxid, expected: digest, found: tree.digest() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "restore_test.rs"]
mod tests;
