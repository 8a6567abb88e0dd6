//! Whether a volume holds what an ensemble has given it.
//!
//! Whoever runs an ensemble must tell a server that has lost its disk from one that has not: where a majority has lost theirs,
//! nobody knows any more what was acknowledged. So a server never says that it holds data before it does: what counts is that it
//! has had all that a leader had (`currentEpoch`, which is written behind that), or has a history of its own. A part of a first
//! history is nothing, as in the core (`zab::Peer`).

use crate::config::Mode;
use replica::Status;
use std::io;
use std::path::Path;
use store::{DataDirs, RealFs};
use wire::{Epoch, Zxid};
use zab::Epochs;

/// Whether a server has data whose log ends with `last`, and whose epoch files say `epochs`; a standalone server has none of
/// those.
#[must_use]
pub fn are_data(mode: Mode, last: Zxid, epochs: Epochs) -> bool {
    let has_history = last > Zxid::ZERO;
    // Without an epoch a log that begins in one is the part of a history that came before a crash.
    let is_part = mode == Mode::Ensemble && epochs == Epochs::default() && last.epoch() > Epoch(0);
    (has_history && !is_part) || epochs.current > Epoch(0)
}

/// Whether a server that says this of itself has been given all that its leader had, or that its quorum had.
#[must_use]
pub fn is_given_data(status: &Status) -> bool {
    // Who takes no part shows the epoch on its disk, others the one that is being agreed on.
    let is_between = status.peer_state == "looking - election";
    status.peer_state.ends_with("- broadcast")
        || (is_between && status.epoch > 0)
        || (status.mode == "standalone" && status.last_zxid > Zxid::ZERO)
}

/// The same of a volume that is about to be read, to judge by the names of its files. It is data that cannot be looked at, too:
/// such a volume is not an empty one.
#[must_use]
pub fn are_on_volume(mode: Mode, dirs: &DataDirs) -> bool {
    let look = || -> io::Result<bool> {
        let last = last_by_name(dirs)?;
        let snap_dir = dirs.snap_dir();
        let (accepted, current) = (number(&snap_dir.join("acceptedEpoch"))?, number(&snap_dir.join("currentEpoch"))?);
        let epochs = match (accepted, current) {
            // They are made from the log.
            (None, None) => Epochs { accepted: last.epoch(), current: last.epoch() },
            (accepted, current) => {
                Epochs { accepted: accepted.unwrap_or_default(), current: current.unwrap_or_default() }
            }
        };
        Ok(are_data(mode, last, epochs))
    };
    look().unwrap_or(true)
}

/// The highest zxid in the name of a snapshot or log, which is not the last one in the files.
fn last_by_name(dirs: &DataDirs) -> io::Result<Zxid> {
    let snapshots = store::list_snapshots(&RealFs, &dirs.snap_dir()).map_err(io::Error::other)?;
    let logs = store::list_logs(&RealFs, &dirs.log_dir()).map_err(io::Error::other)?;
    let zxids = snapshots.iter().map(|file| file.zxid).chain(logs.iter().map(|(zxid, _)| *zxid));
    Ok(zxids.max().unwrap_or(Zxid::ZERO))
}

fn number(path: &Path) -> io::Result<Option<Epoch>> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map(|number| Some(Epoch(number))).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH_2: Zxid = Zxid(0x2_0000_0005);

    #[test]
    fn what_was_given_whole_counts() {
        let check = |mode, last, (accepted, current), expected| {
            let epochs = Epochs { accepted: Epoch(accepted), current: Epoch(current) };
            assert_eq!(are_data(mode, last, epochs), expected, "{last} {epochs:?}");
        };
        check(Mode::Ensemble, Zxid::NONE, (0, 0), false);
        check(Mode::Ensemble, Zxid::ZERO, (0, 0), false);
        check(Mode::Ensemble, Zxid::ZERO, (3, 0), false);
        check(Mode::Ensemble, Zxid::ZERO, (1, 1), true);
        check(Mode::Ensemble, EPOCH_2, (2, 2), true);
        check(Mode::Ensemble, EPOCH_2, (0, 0), false);
        // A standalone server's history, which becomes an ensemble's.
        check(Mode::Ensemble, Zxid(5), (0, 0), true);
        check(Mode::Standalone, EPOCH_2, (0, 0), true);
        check(Mode::Standalone, Zxid::ZERO, (0, 0), false);
    }

    #[test]
    fn a_server_is_given_data_by_the_end_of_its_synchronization() {
        let check = |peer_state: &str, epoch, expected| {
            let status = Status { peer_state: peer_state.to_owned(), epoch, ..Status::default() };
            assert_eq!(is_given_data(&status), expected, "{peer_state} {epoch}");
        };
        check("looking - election", 0, false);
        check("looking - election", 2, true);
        for part in ["following", "observing", "leading"] {
            check(&format!("{part} - discovery"), 2, false);
            check(&format!("{part} - synchronization"), 2, false);
            check(&format!("{part} - broadcast"), 2, true);
        }
        check("", 0, false);
    }

    #[test]
    fn a_volume_is_judged_before_it_is_read() {
        let check = |files: &[(&str, &str)], expected| {
            let dir = tempfile::tempdir().unwrap();
            let dirs = DataDirs::single(dir.path().join("data"));
            std::fs::create_dir_all(dirs.snap_dir()).unwrap();
            for (name, text) in files {
                std::fs::write(dirs.snap_dir().join(name), text).unwrap();
            }
            assert_eq!(are_on_volume(Mode::Ensemble, &dirs), expected, "{files:?}");
        };
        let epochs = |accepted, current| [("acceptedEpoch", accepted), ("currentEpoch", current)];
        check(&[], false);
        check(&[("snapshot.0", "")], false);
        check(&epochs("1", "0"), false);
        check(&epochs("1", "1"), true);
        check(&[epochs("0", "0")[0], epochs("0", "0")[1], ("log.200000001", "")], false);
        check(&[epochs("2", "2")[0], epochs("2", "2")[1], ("log.200000001", "")], true);
        // Of a backup, or from before the ensemble.
        check(&[("snapshot.200000005", "")], true);
        check(&[("log.1", "")], true);
        check(&[("currentEpoch", "x")], true);
    }
}
