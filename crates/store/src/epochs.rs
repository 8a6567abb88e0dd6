//! `acceptedEpoch` and `currentEpoch`: decimal numbers, each in a file of its own, replaced atomically
//! (`QuorumPeer.writeLongToFile`, `QuorumPeer.loadDataBase`).
//!
//! Current epoch <= accepted epoch (I3). The caller keeps the order of the writes: accepted epoch before ACKEPOCH, history
//! before current epoch, current epoch before the ACK of NEWLEADER.

use std::path::{Path, PathBuf};

use wire::{Epoch, Zxid};

use crate::error::{Error, Result, at, sync_failed};
use crate::vfs::{Open, Vfs, exists, read_full_at, temporary, write_all_at};

const CURRENT: &str = "currentEpoch";
const ACCEPTED: &str = "acceptedEpoch";
/// A decimal i64 with sign is at most 20 bytes; a line end and some slack are allowed.
const FILE_BYTES_MAX: usize = 64;

/// Both epochs of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    /// The newest epoch this server promised to follow.
    pub accepted: Epoch,
    /// The epoch whose leader's history this server has.
    pub current: Epoch,
}

/// Reads both epochs of a quorum server, given its last transaction; files that are missing are written.
///
/// A `currentEpoch.tmp` is used only where the log is ahead of `currentEpoch`: then the rename was lost.
pub fn load(vfs: &dyn Vfs, snap_dir: &Path, last: Zxid) -> Result<Epochs> {
    let of_log = last.epoch();
    let current_path = snap_dir.join(CURRENT);
    let mut current = read_or_create(vfs, &current_path, of_log)?;
    if of_log > current {
        let left_over = temporary(&current_path);
        let found = read(vfs, &left_over)?;
        let found = found.filter(|found| *found >= of_log);
        let behind = Error::EpochBehindLog { path: current_path, last, expected: of_log, found: current };
        current = found.ok_or(behind)?;
        write_current(vfs, snap_dir, current)?;
    }
    let accepted_path = snap_dir.join(ACCEPTED);
    let accepted = read_or_create(vfs, &accepted_path, of_log)?;
    if accepted < current {
        return Err(Error::AcceptedBehindCurrent { path: accepted_path, accepted, current });
    }
    Ok(Epochs { accepted, current })
}

/// Makes the accepted epoch durable.
pub fn write_accepted(vfs: &dyn Vfs, snap_dir: &Path, epoch: Epoch) -> Result<()> {
    write(vfs, &snap_dir.join(ACCEPTED), epoch)
}

/// Makes the current epoch durable.
pub fn write_current(vfs: &dyn Vfs, snap_dir: &Path, epoch: Epoch) -> Result<()> {
    write(vfs, &snap_dir.join(CURRENT), epoch)
}

fn read_or_create(vfs: &dyn Vfs, path: &Path, default: Epoch) -> Result<Epoch> {
    match read(vfs, path)? {
        Some(epoch) => Ok(epoch),
        None => {
            write(vfs, path, default)?;
            Ok(default)
        }
    }
}

fn read(vfs: &dyn Vfs, path: &Path) -> Result<Option<Epoch>> {
    if !exists(vfs, path).map_err(at("look at", path))? {
        return Ok(None);
    }
    let file = vfs.open(path, Open::Read).map_err(at("open", path))?;
    let mut bytes = [0; FILE_BYTES_MAX];
    let length = read_full_at(&*file, 0, &mut bytes).map_err(at("read", path))?;
    let text = String::from_utf8_lossy(&bytes[..length]);
    let line = text.split(['\n', '\r']).next().unwrap_or_default();
    match line.parse() {
        Ok(epoch) if epoch <= Epoch::MAX.0 => Ok(Some(Epoch(epoch))),
        _ => Err(Error::Damaged {
            path: path.to_owned(),
            offset: 0,
            expected: format!("a decimal number up to {}", Epoch::MAX),
            found: format!("{line:?}"),
            hint: "an epoch must not be guessed: restore the whole data directory from one copy".to_owned(),
        }),
    }
}

fn write(vfs: &dyn Vfs, path: &Path, epoch: Epoch) -> Result<()> {
    let temporary = temporary(path);
    let mut file = vfs.open(&temporary, Open::CreateEmpty).map_err(at("create", &temporary))?;
    write_all_at(&mut *file, 0, epoch.to_string().as_bytes()).map_err(at("write", &temporary))?;
    file.sync_data().map_err(sync_failed(&temporary))?;
    drop(file);
    vfs.rename(&temporary, path).map_err(at("rename", &temporary))?;
    let dir = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    vfs.sync_dir(&dir).map_err(sync_failed(&dir))
}
