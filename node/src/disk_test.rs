//! The disk thread over a file system that fills up.

use super::*;
use crate::snapshots::SnapshotSettings;
use bytes::Bytes;
use parking_lot::RwLock;
use std::path::PathBuf;
use store::testing::MemFs;
use store::{Compression, DataDirs, LogSettings, RecoverSettings};
use tree::{Tree, TreeSettings};
use wire::txn::{Txn, TxnEntry, TxnHeader};
use wire::{Epoch, ErrorCode, Millis, SessionId, Xid};

/// How long a test waits for the thread before it is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    fs: MemFs,
    queue: DiskQueue,
    results: tokio::sync::mpsc::Receiver<Internal>,
    recovery: Recovery,
}

fn world() -> World {
    let fs = MemFs::new();
    let snapshot_settings = SnapshotSettings { compression: Compression::None, last_processed: true, digest: true };
    let recovery = Recovery {
        vfs: fs.vfs(),
        dirs: DataDirs::single(PathBuf::from("/data")),
        settings: RecoverSettings::default(),
        tree: TreeSettings::default(),
        snapshots: snapshot_settings,
        history_max: 3,
        history_bytes_max: usize::MAX,
        config_node: None,
    };
    let _lock = store::open_dirs(&*recovery.vfs, &recovery.dirs, store::Autocreate::Yes).expect("an empty directory");
    let recovered = recovery.run(Millis(0)).expect("a new database");
    let tree = Arc::new(RwLock::new(recovered.tree));
    let stats: Arc<DiskStats> = Arc::default();
    let (vfs, dirs) = (recovery.vfs.clone(), recovery.dirs.clone());
    let snapshots = Arc::new(Snapshots::new(vfs.clone(), dirs.clone(), tree, snapshot_settings, None, stats.clone()));
    let settings = LogSettings { prealloc_bytes: 0, ..LogSettings::default() };
    let log = TxnLog::open(vfs, dirs.log_dir(), settings, Zxid::ZERO);
    let (sender, results) = tokio::sync::mpsc::channel(64);
    let disk = Disk::new(log, recovery.clone(), snapshots, sender, stats, Epochs::default(), Duration::from_secs(60));
    World { fs, queue: disk.spawn().expect("a thread"), results, recovery }
}

fn proposal(zxid: i64, text: &str) -> Proposal {
    let header = TxnHeader { session: SessionId(1), cxid: Xid(1), zxid: Zxid(zxid), time: Millis(1) };
    let data = Some(Bytes::copy_from_slice(text.as_bytes()));
    let txn = if text.is_empty() {
        Txn::error(ErrorCode::NoNode)
    } else {
        Txn::SetData { path: "/zookeeper".to_owned(), data, version: 1 }
    };
    Proposal { zxid: Zxid(zxid), bytes: TxnEntry::new(header, txn, None).bytes }
}

impl World {
    fn next(&mut self) -> Input {
        match self.results.blocking_recv() {
            Some(Internal::Input(input)) => input,
            other => panic!("{other:?}"),
        }
    }

    fn synced(&mut self) -> Zxid {
        match self.next() {
            Input::LogSynced { upto } => upto,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn jobs_are_done_and_answered_in_order() {
    let mut world = world();
    world.queue.send(Job::Append(vec![proposal(1, ""), proposal(2, "")]));
    world.queue.send(Job::SaveEpochs(Epochs { accepted: Epoch(3), current: Epoch(2) }));
    world.queue.send(Job::Append(vec![proposal(3, ""), proposal(4, ""), proposal(5, "new")]));
    assert_eq!(world.synced(), Zxid(2));
    assert!(matches!(world.next(), Input::EpochsSaved(Epochs { accepted: Epoch(3), current: Epoch(2) })));
    assert_eq!(world.synced(), Zxid(5));
    assert_eq!(world.queue.stats.queued_bytes.load(Relaxed), 0);
    world.queue.send(Job::Truncate { after: Zxid(4) });
    match world.next() {
        Input::Truncated { tree, history } => {
            assert_eq!(tree.last_zxid(), Zxid(4));
            assert_eq!(history.iter().map(|proposal| proposal.zxid.0).collect::<Vec<_>>(), [2, 3, 4]);
            assert_eq!(tree.get_data("/zookeeper"), Some(Some(&b""[..])));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    let mut world = world();
    world.queue.send(Job::Append(vec![proposal(1, "first")]));
    assert_eq!(world.synced(), Zxid(1));
    world.fs.set_capacity(Some(world.fs.used_bytes()));
    let calls = world.fs.calls();
    world.queue.send(Job::Append(vec![proposal(2, &"x".repeat(100_000))]));
    world.queue.send(Job::SaveEpochs(Epochs { accepted: Epoch(1), current: Epoch(1) }));
    let started = Instant::now();
    while world.fs.calls() == calls {
        assert!(started.elapsed() < PATIENCE, "the disk thread should have tried to write");
        std::thread::yield_now();
    }
    let early = world.results.try_recv();
    assert!(early.is_err(), "nothing is acknowledged while the disk is full: {early:?}");
    world.fs.set_capacity(None);
    assert_eq!(world.synced(), Zxid(2));
    assert!(matches!(world.next(), Input::EpochsSaved(_)));
    let (done, stopped) = mpsc::channel();
    world.queue.send(Job::Stop(done));
    stopped.recv_timeout(PATIENCE).expect("a clean stop");
    let again = world.recovery.run(Millis(0)).expect("a good directory");
    assert_eq!(again.tree.last_zxid(), Zxid(2));
    assert_eq!(again.tree.get_data("/zookeeper").flatten().map(<[u8]>::len), Some(100_000));
}

#[test]
fn a_snapshot_of_a_new_history_ends_the_old_one() {
    let mut world = world();
    world.queue.send(Job::Append(vec![proposal(1, ""), proposal(2, "given up")]));
    assert_eq!(world.synced(), Zxid(2));
    // The tree here stands at 0, as one that a leader sent might stand below our log.
    world.queue.send(Job::SaveSnapshot(History::Replaced));
    assert!(matches!(world.next(), Input::SnapshotSaved));
    let again = world.recovery.run(Millis(0)).expect("a good directory");
    assert_eq!((again.tree.last_zxid(), again.history.len()), (Zxid(0), 0));
    world.queue.send(Job::Append(vec![proposal(1, "other")]));
    assert_eq!(world.synced(), Zxid(1));
    let tree: Tree = world.recovery.run(Millis(0)).expect("a good directory").tree;
    assert_eq!(tree.get_data("/zookeeper"), Some(Some(&b"other"[..])));
}

/// A log of many times the memory must not be held in it.
#[test]
fn the_history_read_again_is_bounded_in_bytes() {
    let mut world = world();
    let transactions: Vec<Proposal> = (1..=3).map(|zxid| proposal(zxid, &"x".repeat(1000))).collect();
    let one = transactions[0].bytes.len();
    world.queue.send(Job::Append(transactions));
    assert_eq!(world.synced(), Zxid(3));
    let kept = |history_bytes_max| {
        let recovery = Recovery { history_bytes_max, ..world.recovery.clone() };
        let recovered = recovery.run(Millis(0)).expect("a good directory");
        recovered.history.iter().map(|proposal| proposal.zxid.0).collect::<Vec<_>>()
    };
    assert_eq!(kept(2 * one), [2, 3]);
    assert_eq!(kept(0), [3]);
}

#[test]
fn the_configuration_before_the_last_reconfiguration_is_known_to_have_been_in_force() {
    let mut world = world();
    let reconfigured = |zxid: i64, voters: i64| {
        let header = TxnHeader { session: SessionId(1), cxid: Xid(1), zxid: Zxid(zxid), time: Millis(1) };
        let lines: String = (1..=voters).map(|sid| format!("server.{sid}=h{sid}:1:2:participant\n")).collect();
        let data = Some(Bytes::from(format!("{lines}version={zxid:x}")));
        let txn = Txn::Reconfig { path: tree::CONFIG_PATH.to_owned(), data, version: -1 };
        Proposal { zxid: Zxid(zxid), bytes: TxnEntry::new(header, txn, None).bytes }
    };
    let before = |world: &World| {
        let recovered = world.recovery.run(Millis(0)).expect("a log");
        let shown = replica::config_in(&recovered.tree).map(|shown| shown.version);
        (recovered.config_before.map(|before| before.version), shown)
    };
    world.queue.send(Job::Append(vec![proposal(1, ""), reconfigured(2, 1)]));
    assert_eq!(world.synced(), Zxid(2));
    assert_eq!(before(&world), (None, Some(2)));
    world.queue.send(Job::Append(vec![reconfigured(3, 3), proposal(4, "")]));
    assert_eq!(world.synced(), Zxid(4));
    assert_eq!(before(&world), (Some(2), Some(3)));
    // An epoch that has begun has a quorum that holds what was before it.
    world.queue.send(Job::Append(vec![proposal(0x1_0000_0001, "")]));
    assert_eq!(world.synced(), Zxid(0x1_0000_0001));
    assert_eq!(before(&world), (Some(3), Some(3)));
}
