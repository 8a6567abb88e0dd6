//! What a data directory is recovered into.

use crate::world::{RECORD_BYTES_MAX, TREE, image_of};
use bytes::Bytes;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use store::{DataDirs, RecoverTarget, Rejected, SnapshotTrailer};
use tree::image::{Loader, LoaderSettings};
use tree::{Events, Tree};
use wire::Zxid;
use wire::txn::TxnEntry;

/// The data directory.
pub(crate) fn dirs() -> DataDirs {
    DataDirs::single("/data")
}

/// Where its snapshots and logs are.
pub(crate) fn snapshot_dir() -> PathBuf {
    dirs().snap_dir()
}

/// A tree that is rebuilt from disk, as a server does it.
pub(crate) struct TreeTarget {
    pub(crate) tree: Tree,
    events: Events,
}

impl TreeTarget {
    pub(crate) fn new() -> TreeTarget {
        TreeTarget { tree: Tree::new(TREE), events: Events::new() }
    }
}

impl RecoverTarget for TreeTarget {
    fn begin_snapshot(&mut self) {
        self.empty();
    }

    fn load(&mut self, body: &mut dyn BufRead) -> Result<(), Rejected> {
        let mut loader = Loader::new(LoaderSettings { tree: TREE, record_bytes_max: RECORD_BYTES_MAX });
        loop {
            let bytes = body.fill_buf().map_err(|error| Rejected(error.to_string()))?;
            let at_end = bytes.is_empty();
            let progress = loader.push(bytes).map_err(|error| Rejected(error.to_string()))?;
            body.consume(progress.consumed);
            if progress.done || at_end {
                break;
            }
        }
        self.tree = loader.finish().map_err(|error| Rejected(error.to_string()))?;
        Ok(())
    }

    fn loaded(&mut self, zxid: Zxid, _trailer: &SnapshotTrailer) {
        self.tree.set_last_zxid(zxid);
    }

    fn empty(&mut self) {
        self.tree = Tree::new(TREE);
    }

    fn replay(&mut self, entry: Bytes) -> Result<(), Rejected> {
        let entry = TxnEntry::decode(entry).map_err(|error| Rejected(error.to_string()))?;
        self.tree.apply(&entry, &mut self.events);
        self.events.clear();
        Ok(())
    }

    fn write_body(&mut self, out: &mut dyn Write) -> io::Result<SnapshotTrailer> {
        out.write_all(&image_of(&self.tree))?;
        Ok(SnapshotTrailer::default())
    }
}
