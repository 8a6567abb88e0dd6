//! `acceptedEpoch` and `currentEpoch`: decimal numbers, each in a file of its own, replaced atomically
//! (`QuorumPeer.writeLongToFile`, `QuorumPeer.loadDataBase`).
//!
//! Current epoch <= accepted epoch (I3). The caller keeps the order of the writes: accepted epoch before ACKEPOCH, history
//! before current epoch, current epoch before the ACK of NEWLEADER.

use std::path::{Path, PathBuf};

use planted::Bug;
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

/// Reads both epochs of a quorum server, given its last transaction. Where both files are missing they are written; one
/// without the other is refused, because what a server promised must not be guessed.
///
/// A `currentEpoch.tmp` is used only where the log is ahead of `currentEpoch`: then the rename was lost. What is found is durable
/// when this returns: the process that wrote it may have ended before it was, and a server must not go back behind what it
/// begins with.
pub fn load(vfs: &dyn Vfs, snap_dir: &Path, last: Zxid) -> Result<Epochs> {
    let of_log = last.epoch();
    let (current_path, accepted_path) = (snap_dir.join(CURRENT), snap_dir.join(ACCEPTED));
    check_both_or_none(vfs, &current_path, &accepted_path)?;
    // Their bytes were durable before their names: only those can be lost.
    vfs.sync_dir(snap_dir).map_err(sync_failed(snap_dir))?;
    let mut current = read_or_create(vfs, &current_path, of_log)?;
    if of_log > current {
        let left_over = temporary(&current_path);
        let found = match read(vfs, &left_over) {
            // The crash came before its content was on the disk: then it says nothing.
            Err(Error::Damaged { .. }) => None,
            found => found?,
        };
        let found = found.filter(|found| *found >= of_log);
        let behind = Error::EpochBehindLog { path: current_path, last, expected: of_log, found: current };
        current = found.ok_or(behind)?;
        write_current(vfs, snap_dir, current)?;
    }
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

/// The first start writes the current epoch, then the accepted one. A crash between the two leaves a current epoch of 0;
/// no crash leaves the accepted one alone.
fn check_both_or_none(vfs: &dyn Vfs, current_path: &Path, accepted_path: &Path) -> Result<()> {
    let (current, accepted) = (read(vfs, current_path)?, read(vfs, accepted_path)?);
    let (missing, there) = match (current, accepted) {
        (None, Some(_)) => (current_path, accepted_path),
        (Some(epoch), None) if epoch > Epoch(0) => (accepted_path, current_path),
        _ => return Ok(()),
    };
    Err(Error::Damaged {
        path: missing.to_owned(),
        offset: 0,
        expected: format!("an epoch, as {} has one", there.display()),
        found: "no file".to_owned(),
        hint: "an epoch must not be guessed: restore the whole data directory from one copy, or, if the other servers of \
               the ensemble are a quorum without this one, move version-2 aside and let the leader send everything again"
            .to_owned(),
    })
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
    if !planted::is(Bug::EpochNotSynced) {
        file.sync_data().map_err(sync_failed(&temporary))?;
    }
    drop(file);
    vfs.rename(&temporary, path).map_err(at("rename", &temporary))?;
    let dir = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    vfs.sync_dir(&dir).map_err(sync_failed(&dir))
}
