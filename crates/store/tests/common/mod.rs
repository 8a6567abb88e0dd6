//! Shared by the tests of this crate: transactions, a state machine that remembers what it was given, a directory.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use store::testing::MemFs;
use store::*;
use wire::txn::{Txn, TxnDigest, TxnEntry, TxnHeader};
use wire::{Millis, SessionId, Xid, Zxid};

/// Padding that keeps files small and still grows within a test.
pub const PREALLOC: u64 = 8 * 1024;

pub fn dirs() -> DataDirs {
    DataDirs::single("/data")
}

pub fn log_dir() -> PathBuf {
    dirs().log_dir()
}

pub fn small() -> LogSettings {
    LogSettings { prealloc_bytes: PREALLOC, ..LogSettings::default() }
}

/// A setData of `size` bytes.
pub fn txn(zxid: i64, size: usize) -> Bytes {
    let data: Vec<u8> = (0..size).map(|at| (at as i64 * 31 + zxid) as u8).collect();
    let header =
        TxnHeader { session: SessionId(1 << 56), cxid: Xid(1), zxid: Zxid(zxid), time: Millis(1_700_000_000_000) };
    let txn = Txn::SetData { path: format!("/n{zxid}"), data: Some(Bytes::from(data)), version: 1 };
    TxnEntry::new(header, txn, Some(TxnDigest { version: 2, digest: zxid as u64 })).bytes
}

/// Remembers every zxid it holds; its snapshot body is their list.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Model {
    pub zxids: Vec<i64>,
    pub trailer: SnapshotTrailer,
    pub loads: usize,
}

impl RecoverTarget for Model {
    fn begin_snapshot(&mut self) {
        self.zxids.clear();
        self.loads += 1;
    }

    fn load(&mut self, body: &mut dyn BufRead) -> Result<(), Rejected> {
        let rejected = |error: io::Error| Rejected(error.to_string());
        let mut word = [0; 8];
        body.read_exact(&mut word).map_err(rejected)?;
        for _ in 0..i64::from_be_bytes(word) {
            body.read_exact(&mut word).map_err(rejected)?;
            self.zxids.push(i64::from_be_bytes(word));
        }
        let mut end = [0; 5];
        body.read_exact(&mut end).map_err(rejected)?;
        if end == [0, 0, 0, 1, b'/'] { Ok(()) } else { Err(Rejected("no / at the end".to_owned())) }
    }

    fn loaded(&mut self, _zxid: Zxid, trailer: &SnapshotTrailer) {
        self.trailer = *trailer;
    }

    fn empty(&mut self) {
        *self = Model::default();
    }

    fn replay(&mut self, entry: Bytes) -> Result<(), Rejected> {
        let entry = TxnEntry::decode(entry).map_err(|error| Rejected(error.to_string()))?;
        self.zxids.push(entry.zxid().0);
        Ok(())
    }

    fn write_body(&mut self, out: &mut dyn Write) -> io::Result<SnapshotTrailer> {
        out.write_all(&self.body())?;
        Ok(trailer(0))
    }
}

impl Model {
    pub fn body(&self) -> Vec<u8> {
        let mut body = (self.zxids.len() as i64).to_be_bytes().to_vec();
        for zxid in &self.zxids {
            body.extend_from_slice(&zxid.to_be_bytes());
        }
        body.extend_from_slice(&[0, 0, 0, 1, b'/']);
        body
    }

    pub fn upto(zxids: impl IntoIterator<Item = i64>) -> Model {
        Model { zxids: zxids.into_iter().collect(), ..Model::default() }
    }
}

pub fn trailer(zxid: i64) -> SnapshotTrailer {
    let digest = ZxidDigest { zxid: Zxid(zxid), version: 2, digest: 0xfeed_0000 + zxid as u64 };
    SnapshotTrailer { digest: Some(digest), last_processed: Some(Zxid(zxid)) }
}

pub fn save(vfs: &Arc<dyn Vfs>, model: &Model, zxid: i64, compression: Compression) -> PathBuf {
    let mut out = SnapshotWriter::create(vfs, &dirs().snap_dir(), Zxid(zxid), compression).unwrap();
    out.append(&model.body()).unwrap();
    let path = out.path().to_owned();
    out.finish(trailer(zxid)).unwrap();
    path
}

pub fn recovered(fs: &MemFs) -> Result<(Recovered, Model), Error> {
    let mut model = Model::default();
    let recovered = recover(&fs.vfs(), &dirs(), &RecoverSettings::default(), &mut model)?;
    Ok((recovered, model))
}

/// A new database, with `snapshot.0` written.
pub fn fresh() -> MemFs {
    let fs = MemFs::new();
    drop(open_dirs(&fs, &dirs(), Autocreate::Yes).unwrap());
    recovered(&fs).unwrap();
    fs
}

/// A database whose log holds one file per group of zxids, one sync per zxid.
pub fn with_log(groups: &[&[i64]], size: usize) -> MemFs {
    let fs = fresh();
    let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid::ZERO);
    for group in groups {
        log.roll();
        for &zxid in *group {
            log.append(Zxid(zxid), &txn(zxid, size)).unwrap();
            log.sync().unwrap();
        }
    }
    fs
}

pub fn read_all(vfs: &Arc<dyn Vfs>, from: i64, upto: i64) -> Vec<i64> {
    let reader = LogReader::open(vfs, &log_dir(), Zxid(from), Zxid(upto), ENTRY_BYTES_MAX_DEFAULT).unwrap();
    reader.map(|entry| entry.unwrap().zxid.0).collect()
}

/// Where the data of a log file ends and its padding begins.
pub fn data_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1)
}

pub fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let mut bytes = Vec::new();
    std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}
