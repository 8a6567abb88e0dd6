//! A log that was removed between two epochs, where zxids show no gap.

use std::path::{Path, PathBuf};

use damage::power::{DATA_DIR, Step, dirs, run, zxids_of};
use damage::recovery::{Mode, recover};
use store::Compression;
use store::testing::MemFs;

/// Three logs of epoch 1, each behind a snapshot, and one of epoch 2.
const WORKLOAD: &[Step] = {
    use Step::*;
    &[
        Accept(1),
        Follow(1),
        Begin(1),
        Append(10),
        Append(10),
        Snapshot(Compression::None),
        Append(10),
        Snapshot(Compression::None),
        Append(10),
        Append(10),
        Snapshot(Compression::None),
        Accept(2),
        Follow(2),
        Begin(2),
        Append(10),
        Append(10),
        Sync,
    ]
};

fn file(name: &str) -> PathBuf {
    dirs().snap_dir().join(name)
}

#[test]
fn removed_log_at_the_end_of_an_epoch_is_noticed_by_the_next_digest() {
    let fs = MemFs::new();
    let truth = run(&fs, WORKLOAD, None);
    assert_eq!(truth.least, 7, "all is acknowledged");
    for snapshot in ["snapshot.100000003", "snapshot.100000005"] {
        fs.vfs().remove(&file(snapshot)).expect("it is there");
    }
    let start = |fs: &MemFs| recover(fs, Path::new(DATA_DIR), Mode::Ensemble);
    let found = start(&fs).expect("the logs have everything");
    assert_eq!(zxids_of(&found.state), truth.zxids);

    fs.vfs().remove(&file("log.100000004")).expect("it is there");
    let error = start(&fs).expect_err("two transactions are missing").to_string();
    for part in ["log.200000001", "0x100000003", "a log of epoch 1 was removed", "hint: ", "move version-2 aside"] {
        assert!(error.contains(part), "{part:?} is missing in: {error}");
    }
}
