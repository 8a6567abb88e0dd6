//! Durable bytes: the transaction log, snapshots, epoch files, recovery and retention, in Apache ZooKeeper's format.
//!
//! The crate is synchronous and knows no tree, role, thread or clock. Transactions and snapshot bodies are opaque bytes
//! with a zxid. Every byte goes through [`Vfs`], so that the simulator runs this very code over [`testing::MemFs`].
//!
//! In the flow: `node` opens the directories ([`open_dirs`]), calls [`recover`], checks the epochs ([`epochs::load`]) and
//! then keeps one [`TxnLog`] on its disk thread: `append` for every transaction, one `sync` for all that queued up.

mod dirs;
mod entry;
pub mod epochs;
mod error;
mod log_reader;
mod names;
pub mod purge;
mod recover;
mod snappy;
mod snapshot;
mod snapshot_reader;
pub mod testing;
mod torn;
mod truncate;
mod txn_log;
mod vfs;

pub use dirs::{Autocreate, DataDirs, DirLock, open_dirs};
pub use entry::{ENTRY_BYTES_MAX_DEFAULT, Flaw, FlawKind};
pub use epochs::Epochs;
pub use error::{Error, Result};
pub use log_reader::{BadTail, Gap, LogEntry, LogReader};
pub use names::{Compression, SnapshotFile, list_logs, list_snapshots, log_name, snapshot_name};
pub use recover::{CutTail, Origin, RecoverSettings, RecoverTarget, Recovered, Rejected, recover};
pub use snapshot::{SnapshotTrailer, SnapshotWriter, ZxidDigest};
pub use snapshot_reader::{SnapshotReader, looks_valid};
pub use truncate::{Truncated, discard_all_but, truncate};
pub use txn_log::{ForceSync, LogSettings, TxnLog};
pub use vfs::{LockError, LockGuard, Metadata, Open, RealFs, Vfs, VfsFile};
