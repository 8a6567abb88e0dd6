//! What every znode was at every zxid, replayed from the committed history.
//!
//! It is a second, small reading of the transactions, without the crate `tree`: a mistake there must not be able to hide
//! behind the same mistake here. It knows what the workload uses and refuses the rest.

use std::collections::BTreeMap;

use wire::txn::{Txn, TxnEntry};

/// A znode, as far as data and their Stat are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The data.
    pub data: Vec<u8>,
    /// The data's version.
    pub version: i32,
    /// The zxid of its creation.
    pub czxid: i64,
    /// The zxid of its last change.
    pub mzxid: i64,
}

/// The znodes beneath one root through time.
#[derive(Debug)]
pub struct Timeline {
    /// By path: its states from the zxid given on, in order.
    states: BTreeMap<String, Vec<(i64, Option<State>)>>,
    /// The last zxid of the history.
    last: i64,
}

impl Timeline {
    /// Replays `history`; znodes that are not beneath `root` are left out.
    ///
    /// # Errors
    /// A transaction beneath `root` that cannot be: nothing in the log is conditional, so each must fit what is there.
    pub fn replay(history: &[TxnEntry], root: &str) -> Result<Self, String> {
        let mut timeline = Self { states: BTreeMap::new(), last: 0 };
        let beneath = format!("{root}/");
        for entry in history {
            let zxid = entry.zxid().0;
            if zxid <= timeline.last {
                return Err(format!("{zxid:#x} follows {:#x}", timeline.last));
            }
            timeline.last = zxid;
            let Some(path) = path_of(&entry.txn) else { continue };
            if path.starts_with(&beneath) {
                let before = timeline.at(path, zxid).cloned();
                let after = apply(before, entry).map_err(|why| format!("{zxid:#x} on {path}: {why}"))?;
                timeline.states.entry(path.to_owned()).or_default().push((zxid, after));
            }
        }
        Ok(timeline)
    }

    /// The last zxid of the history.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// The znode right after the transaction `zxid`; `None` where there was none.
    pub fn at(&self, path: &str, zxid: i64) -> Option<&State> {
        let states = self.states.get(path)?;
        let after = states.partition_point(|(from, _)| *from <= zxid);
        states[..after].last()?.1.as_ref()
    }

    /// The znode right before the transaction `zxid`.
    pub fn before(&self, path: &str, zxid: i64) -> Option<&State> {
        self.at(path, zxid - 1)
    }

    /// Every path that ever was.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(String::as_str)
    }
}

fn path_of(txn: &Txn) -> Option<&str> {
    match txn {
        Txn::Create(create) => Some(&create.path),
        Txn::Delete { path } | Txn::SetData { path, .. } => Some(path),
        _ => None,
    }
}

fn apply(before: Option<State>, entry: &TxnEntry) -> Result<Option<State>, String> {
    let zxid = entry.zxid().0;
    let bytes = |data: &Option<bytes::Bytes>| data.as_deref().unwrap_or_default().to_vec();
    match (&entry.txn, before) {
        (Txn::Create(create), None) => {
            Ok(Some(State { data: bytes(&create.data), version: 0, czxid: zxid, mzxid: zxid }))
        }
        (Txn::SetData { data, version, .. }, Some(before)) => {
            if *version != before.version + 1 {
                return Err(format!("version {version} follows {}", before.version));
            }
            Ok(Some(State { data: bytes(data), version: *version, czxid: before.czxid, mzxid: zxid }))
        }
        (Txn::Delete { .. }, Some(_)) => Ok(None),
        (txn, before) => Err(format!("{txn:?} where there was {before:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example;

    #[test]
    fn every_zxid_has_its_state() {
        let timeline = Timeline::replay(&example::log(), "/r").unwrap();
        let version = |zxid| timeline.at("/r/a", zxid).map(|state| state.version);
        let versions: Vec<_> = (0..=6).map(version).collect();
        assert_eq!(versions, [None, Some(0), Some(1), Some(1), Some(2), None, None]);
        assert_eq!(timeline.last(), 6);
        assert_eq!(timeline.paths().collect::<Vec<_>>(), ["/r/a"]);
    }

    #[test]
    fn a_transaction_that_does_not_fit_is_refused() {
        let mut log = example::log();
        log.remove(1);
        assert!(Timeline::replay(&log, "/r").unwrap_err().contains("version 2 follows 0"));
        let mut log = example::log();
        log.swap(1, 2);
        assert!(Timeline::replay(&log, "/r").unwrap_err().contains("0x2 follows 0x3"));
        let mut log = example::log();
        log.remove(0);
        assert!(Timeline::replay(&log, "/r").is_err());
    }
}
