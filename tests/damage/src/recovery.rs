//! Recovery as the server does it before it opens a port.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use node::recovery::{Recovered, Recovery};
use node::snapshots::SnapshotSettings;
use store::testing::MemFs;
use store::{Autocreate, Compression, DataDirs, Origin, RecoverSettings, Vfs};
use tree::{Tree, TreeSettings};
use wire::{Millis, Zxid};

use crate::history::State;

/// Whether a server keeps epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It does not.
    Standalone,
    /// A member of an ensemble does.
    Ensemble,
}

/// What recovery found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The tree.
    pub state: State,
    /// Accepted and current epoch.
    pub epochs: Option<(i64, i64)>,
    /// Where the state comes from.
    pub origin: Origin,
    /// Whether the end of a log was cut off.
    pub cut: bool,
    /// Snapshots that could not be used.
    pub unusable: Vec<PathBuf>,
    /// The last transaction of which the snapshot holds parts, though no log that leads there is left.
    pub ahead: Option<Zxid>,
}

/// The tree's settings under which the servers of these tests run.
pub const TREE: TreeSettings = TreeSettings { hash_seed: 0, digest_enabled: true, extended_types: true };
const SNAPSHOTS: SnapshotSettings =
    SnapshotSettings { compression: Compression::None, last_processed: true, digest: true };
/// Transactions kept in memory for learners.
const HISTORY_MAX: usize = 500;
/// When recovery takes place; it only dates the configuration's znode, which is left out here.
const NOW: Millis = Millis(1_700_000_000_000);

/// Opens the directories, rebuilds the tree and reads the epochs.
///
/// # Errors
/// When the server would refuse to start.
pub fn recover(fs: &MemFs, data_dir: &Path, mode: Mode) -> store::Result<Found> {
    let dirs = DataDirs::single(data_dir);
    let vfs = fs.vfs();
    let _lock = store::open_dirs(&*vfs, &dirs, Autocreate::Yes)?;
    let recovered = rebuild(&vfs, data_dir)?;
    let epochs = match mode {
        Mode::Standalone => None,
        Mode::Ensemble => {
            let epochs = node::epochs::load(&*vfs, &dirs.snap_dir(), recovered.found.last)?;
            Some((epochs.accepted.0, epochs.current.0))
        }
    };
    let tree: &Tree = &recovered.tree;
    assert_eq!(tree.digest(), tree.recomputed_digest(), "the digest that was kept and the digest of the znodes");
    assert_eq!(tree.last_zxid(), recovered.found.last);
    let walked = recovered.found.trailer.digest.map(|digest| digest.zxid);
    Ok(Found {
        state: State::of(tree),
        epochs,
        origin: recovered.found.origin,
        cut: recovered.found.cut_tail.is_some(),
        unusable: recovered.found.unusable.into_iter().map(|(path, _)| path).collect(),
        ahead: walked.filter(|zxid| *zxid > recovered.found.last),
    })
}

/// Rebuilds the tree alone.
///
/// # Errors
/// When the server would refuse to start.
pub fn rebuild(vfs: &Arc<dyn Vfs>, data_dir: &Path) -> store::Result<Recovered> {
    let recovery = Recovery {
        vfs: Arc::clone(vfs),
        dirs: DataDirs::single(data_dir),
        settings: RecoverSettings::default(),
        tree: TREE,
        snapshots: SNAPSHOTS,
        history_max: HISTORY_MAX,
        history_bytes_max: usize::MAX,
        config_node: None,
    };
    recovery.run(NOW)
}

/// The zxid in a file's name; `None` for files without one.
#[must_use]
pub fn zxid_of_name(path: &Path) -> Option<Zxid> {
    let name = path.file_name()?.to_str()?;
    let mut parts = name.split('.').skip(1);
    i64::from_str_radix(parts.next()?, 16).ok().map(Zxid)
}
