//! The epoch files at start.

use std::path::Path;
use store::{Error, Open, Result, Vfs};
use wire::{Epoch, Zxid};
use zab::Epochs;

/// The longest text of an epoch file that is looked at.
const TEXT_BYTES_MAX: usize = 64;

/// Reads both epochs of a member of an ensemble whose data ends with `last`.
///
/// A crash during synchronization can fall between the sync of the log and the new `currentEpoch`: then the log's last
/// epoch lies above `currentEpoch` but not above `acceptedEpoch`. Apache refuses to start there. It is safe to raise
/// `currentEpoch`: the log then is a prefix of the history that the leader of that epoch sent, and this server promised to
/// follow no older one (I3).
///
/// A server that begins without data promises nothing and keeps no epoch until it has got all of its first history
/// (decision 0015). After a crash in the middle both epochs are still 0, and the core takes the part for nothing.
///
/// # Errors
/// When the files contradict each other or the log in any other way.
pub fn load(vfs: &dyn Vfs, snap_dir: &Path, last: Zxid) -> Result<Epochs> {
    let last = last.max(Zxid::ZERO);
    let loaded = match store::epochs::load(vfs, snap_dir, last) {
        Err(Error::EpochBehindLog { .. }) if accepted(vfs, snap_dir).is_some_and(|epoch| epoch >= last.epoch().0) => {
            tracing::warn!(epoch = %last.epoch(), "raise currentEpoch to the log's last epoch: a crash came between the two");
            store::epochs::write_current(vfs, snap_dir, last.epoch())?;
            store::epochs::load(vfs, snap_dir, last)
        }
        Err(Error::EpochBehindLog { found: Epoch(0), .. }) if accepted(vfs, snap_dir) == Some(0) => {
            tracing::warn!(%last, "the first synchronization was cut short: what there is of it counts for nothing until it is complete");
            return Ok(Epochs::default());
        }
        loaded => loaded,
    }?;
    Ok(Epochs { accepted: loaded.accepted, current: loaded.current })
}

/// The number in `acceptedEpoch`, if there is one; what is wrong with the file is for [`store::epochs::load`] to say.
fn accepted(vfs: &dyn Vfs, snap_dir: &Path) -> Option<i64> {
    let file = vfs.open(&snap_dir.join("acceptedEpoch"), Open::Read).ok()?;
    let mut bytes = [0; TEXT_BYTES_MAX];
    let length = file.read_at(0, &mut bytes).ok()?;
    std::str::from_utf8(&bytes[..length]).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::RealFs;

    fn check(accepted: i64, current: i64, last: Zxid, expected: Option<Epochs>) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("acceptedEpoch"), accepted.to_string()).expect("write");
        std::fs::write(dir.path().join("currentEpoch"), current.to_string()).expect("write");
        let loaded = load(&RealFs, dir.path(), last).ok();
        assert_eq!(loaded, expected, "accepted {accepted}, current {current}, last {last}");
    }

    #[test]
    fn a_log_between_the_epochs_raises_the_current_one() {
        let epochs = |accepted, current| Some(Epochs { accepted: Epoch(accepted), current: Epoch(current) });
        check(3, 2, Zxid(0x2_0000_0005), epochs(3, 2));
        check(3, 2, Zxid(0x3_0000_0005), epochs(3, 3));
        check(4, 2, Zxid(0x3_0000_0005), epochs(4, 3));
        check(2, 2, Zxid(0x3_0000_0005), None);
        check(1, 2, Zxid(0x2_0000_0005), None);
        check(0, 0, Zxid(0x2_0000_0005), epochs(0, 0));
        check(0, 0, Zxid(5), epochs(0, 0));
    }
}
