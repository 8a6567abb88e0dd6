//! The committed history, from the servers' own transaction logs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use store::{ENTRY_BYTES_MAX_DEFAULT, LogReader, RealFs, Vfs, list_snapshots};
use wire::Zxid;
use wire::txn::TxnEntry;

/// The log and the snapshots of one server.
#[derive(Debug, Clone, Default)]
pub struct ServerLog {
    /// Whose.
    pub id: u8,
    /// Its transactions by zxid.
    pub entries: BTreeMap<i64, TxnEntry>,
    /// The zxid of its newest snapshot; 0 without one.
    pub snapshot: i64,
}

impl ServerLog {
    /// Reads what the server `id` has left in `data_dir`.
    ///
    /// # Errors
    /// When something there cannot be read or decoded.
    pub fn read(id: u8, data_dir: &Path) -> Result<Self, String> {
        let vfs: Arc<dyn Vfs> = Arc::new(RealFs);
        // Apache's directory of the format's version.
        let dir = data_dir.join("version-2");
        let told = |e: &dyn std::fmt::Display| format!("server {id}: read {}: {e}", dir.display());
        let mut log = Self { id, ..Self::default() };
        let reader = LogReader::open(&vfs, &dir, Zxid(1), Zxid(i64::MAX), ENTRY_BYTES_MAX_DEFAULT);
        for entry in reader.map_err(|e| told(&e))? {
            let entry = entry.map_err(|e| told(&e))?;
            let zxid = entry.zxid.0;
            let decoded = TxnEntry::decode(entry.bytes).map_err(|e| told(&e))?;
            if log.entries.insert(zxid, decoded).is_some() {
                return Err(format!("server {id} has logged {zxid:#x} twice"));
            }
        }
        let snapshots = list_snapshots(&*vfs, &dir).map_err(|e| told(&e))?;
        log.snapshot = snapshots.iter().map(|snapshot| snapshot.zxid.0).max().unwrap_or(0);
        Ok(log)
    }

    /// The last zxid that a restart would find.
    pub fn last(&self) -> i64 {
        self.entries.last_key_value().map_or(0, |(zxid, _)| *zxid).max(self.snapshot)
    }
}

/// What the logs agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// All committed transactions, in order.
    pub history: Vec<TxnEntry>,
    /// Transactions that some server once logged and nobody committed. They lie before a snapshot that replaced them.
    pub superseded: usize,
}

/// The committed transactions up to `upto`: those that a majority has logged, on which all logs must agree.
///
/// `upto` is a zxid that every server had applied: behind it may lie proposals that some server never saw. A server that
/// was given a snapshot has not logged what that holds, and may keep in front of it what nobody else has.
///
/// # Errors
/// Every disagreement: one zxid with two transactions, a committed transaction that a server lacks although no snapshot
/// of its covers it, and one that nobody committed but that this server would replay.
pub fn merge(logs: &[ServerLog], upto: i64) -> Result<Committed, Vec<String>> {
    let mut holders: BTreeMap<i64, Vec<(&ServerLog, &TxnEntry)>> = BTreeMap::new();
    for log in logs {
        for (zxid, entry) in log.entries.range(..=upto) {
            holders.entry(*zxid).or_default().push((log, entry));
        }
    }
    let mut committed = Committed { history: Vec::new(), superseded: 0 };
    let mut findings = Vec::new();
    for (zxid, holders) in holders {
        let count = |entry: &TxnEntry| holders.iter().filter(|(_, other)| other.bytes == entry.bytes).count();
        let chosen = holders.iter().map(|(_, entry)| *entry).find(|entry| 2 * count(entry) > logs.len());
        for (log, entry) in holders.iter().filter(|(_, entry)| chosen.is_none_or(|chosen| chosen.bytes != entry.bytes))
        {
            committed.superseded += 1;
            if log.snapshot < zxid {
                findings.push(format!("server {} alone, or with too few, has {entry:?}", log.id));
            }
        }
        let Some(chosen) = chosen else { continue };
        committed.history.push(chosen.clone());
        for log in logs.iter().filter(|log| log.snapshot < zxid && !log.entries.contains_key(&zxid)) {
            findings.push(format!("server {} has lost {zxid:#x}, which a majority has", log.id));
        }
    }
    if committed.history.is_empty() {
        findings.push("no majority has logged a transaction: there is nothing to check".to_owned());
    }
    if findings.is_empty() { Ok(committed) } else { Err(findings) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example;

    fn log(id: u8, entries: &[TxnEntry]) -> ServerLog {
        let entries = entries.iter().map(|entry| (entry.zxid().0, entry.clone())).collect();
        ServerLog { id, entries, snapshot: 0 }
    }

    fn three(third: ServerLog) -> [ServerLog; 3] {
        [log(1, &example::log()), log(2, &example::log()), third]
    }

    #[test]
    fn logs_that_agree_are_one_history() {
        let merged = merge(&three(log(3, &example::log())), i64::MAX).unwrap();
        assert_eq!(merged, Committed { history: example::log(), superseded: 0 });
    }

    #[test]
    fn what_lies_behind_the_last_committed_transaction_does_not_count() {
        let entries = example::log();
        let (last, shorter) = entries.split_last().unwrap();
        let upto = shorter.last().unwrap().zxid().0;
        assert_eq!(merge(&three(log(3, shorter)), upto).unwrap().history, shorter);
        assert!(merge(&three(log(3, shorter)), last.zxid().0).is_err());
    }

    #[test]
    fn a_transaction_that_a_server_lacks_is_found_unless_a_snapshot_covers_it() {
        let mut third = log(3, &example::log());
        third.entries.remove(&2);
        let findings = merge(&three(third.clone()), i64::MAX).unwrap_err();
        assert!(findings[0].contains("server 3 has lost 0x2"), "{findings:?}");
        third.snapshot = 2;
        assert_eq!(merge(&three(third), i64::MAX).unwrap().history, example::log());
    }

    #[test]
    fn a_transaction_that_only_a_minority_has_is_found_unless_a_snapshot_replaced_it() {
        let mut third = log(3, &example::log());
        third.entries.insert(9, example::set(9, (9, 9), "never committed", 7));
        let findings = merge(&three(third.clone()), i64::MAX).unwrap_err();
        assert!(findings[0].contains("server 3 alone"), "{findings:?}");
        third.snapshot = 10;
        assert_eq!(merge(&three(third), i64::MAX), Ok(Committed { history: example::log(), superseded: 1 }));
    }

    #[test]
    fn one_zxid_with_two_transactions_is_found() {
        let mut third = log(3, &example::log());
        third.entries.insert(4, example::set(4, (9, 9), "other", 7));
        let findings = merge(&three(third), i64::MAX).unwrap_err();
        assert!(findings[0].contains("server 3 alone"), "{findings:?}");
    }

    #[test]
    fn empty_logs_are_refused() {
        assert!(merge(&[log(1, &[]), log(2, &[])], i64::MAX).is_err());
        assert!(merge(&[], i64::MAX).is_err());
    }
}
