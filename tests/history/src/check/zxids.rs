//! The linear zxid check: every reply carries a zxid, and the servers' logs say what the world was at each zxid.
//!
//! - A write that was answered is the transaction of its session and request number, with the reply's zxid; its condition
//!   held right before it, or what it was refused for did.
//! - A read shows the state at its reply's zxid, which is one of the history: neither from the past nor from the future.
//! - Within a session zxids never go back, whatever server answers.
//! - Writes that do not overlap have zxids in the order of real time.
//! - Every transaction beneath the test's root was asked for, and no request became two.

use std::collections::{BTreeMap, BTreeSet};

use support::jute::Stat;
use wire::txn::{Txn, TxnEntry};

use super::codes;
use crate::record::{Answer, Operation, Outcome, Request};
use crate::timeline::{State, Timeline};

/// What the check has looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Writes found in the log.
    pub writes: usize,
    /// Reads compared with the state at their zxid.
    pub reads: usize,
    /// Operations of unknown outcome that the log shows to have been carried out.
    pub unknown_done: usize,
    /// Reads behind a `sync` that did not show a write acknowledged before the `sync` began. ZooKeeper does not promise
    /// otherwise (a deposed leader may not know it yet); printed, not judged.
    pub stale_synced: usize,
}

/// Checks all operations against the committed history.
///
/// # Errors
/// Everything that is wrong, and a history without an answered write or read.
pub fn check(operations: &[Operation], log: &[TxnEntry], timeline: &Timeline) -> Result<Checked, Vec<String>> {
    let mut check = Check { timeline, logged: BTreeMap::new(), checked: Checked::default(), findings: Vec::new() };
    check.index(operations, log);
    for operation in operations {
        check.operation(operation);
    }
    check.sessions(operations);
    check.real_time(operations);
    check.checked.stale_synced = stale_synced(operations);
    if check.checked.writes == 0 || check.checked.reads == 0 {
        check.findings.push("no write or no read was answered: there is nothing to check".to_owned());
    }
    if check.findings.is_empty() { Ok(check.checked) } else { Err(check.findings) }
}

struct Check<'a> {
    timeline: &'a Timeline,
    /// The transactions by session and request number.
    logged: BTreeMap<(i64, i32), &'a TxnEntry>,
    checked: Checked,
    findings: Vec<String>,
}

impl<'a> Check<'a> {
    /// Finds the transaction of each request, and transactions that nobody asked for.
    fn index(&mut self, operations: &[Operation], log: &'a [TxnEntry]) {
        let asked: BTreeSet<(i64, i32)> = operations.iter().map(|o| (o.session, o.cxid)).collect();
        let watched: BTreeSet<&str> = self.timeline.paths().collect();
        for entry in log {
            let key = (entry.header.session.0, entry.header.cxid.0);
            let path = match &entry.txn {
                Txn::Create(create) => Some(create.path.as_str()),
                Txn::Delete { path } | Txn::SetData { path, .. } => Some(path.as_str()),
                _ => None,
            };
            if path.is_some_and(|path| watched.contains(path)) && !asked.contains(&key) {
                self.findings.push(format!("nobody asked for {entry:?}"));
            }
            if asked.contains(&key)
                && let Some(earlier) = self.logged.insert(key, entry)
            {
                self.findings.push(format!("one request became two transactions: {earlier:?} and {entry:?}"));
            }
        }
    }

    fn operation(&mut self, operation: &Operation) {
        let problem = match (&operation.request, &operation.outcome) {
            (_, Outcome::Unknown) => {
                let entry = self.logged.get(&(operation.session, operation.cxid));
                let done = entry.is_some_and(|entry| !matches!(entry.txn, Txn::Error { .. }));
                self.checked.unknown_done += usize::from(done);
                None
            }
            (Request::Sync, Outcome::Ok { .. }) => None,
            (Request::Get { path, .. }, Outcome::Ok { zxid, answer: Answer::Read { data, stat } }) => {
                self.checked.reads += 1;
                self.read(path, *zxid, Some((data, stat)))
            }
            (Request::Get { path, .. }, Outcome::Refused { zxid, code: codes::NO_NODE }) => {
                self.checked.reads += 1;
                self.read(path, *zxid, None)
            }
            (_, Outcome::Refused { code, .. }) if codes::of_session(*code) => self.without_effect(operation),
            (request, Outcome::Refused { zxid, code }) if request.is_write() && codes::of_znode(*code) => {
                self.checked.writes += 1;
                self.refusal(operation, *zxid, *code)
            }
            (request, Outcome::Ok { zxid, answer }) if request.is_write() => {
                self.checked.writes += 1;
                self.write(operation, *zxid, answer)
            }
            _ => Some("an answer that no right server gives".to_owned()),
        };
        if let Some(problem) = problem {
            self.findings.push(format!("{problem}: {operation:?}"));
        }
    }

    fn read(&self, path: &str, zxid: i64, shown: Option<(&Vec<u8>, &Stat)>) -> Option<String> {
        if zxid > self.timeline.last() {
            return Some(format!("a read from the future: the history ends at {:#x}", self.timeline.last()));
        }
        let state = self.timeline.at(path, zxid);
        let shown = shown.map(|(data, stat)| state_of(data, stat));
        (state != shown.as_ref()).then(|| format!("at {zxid:#x} there was {state:?}"))
    }

    /// The transaction of an answered write, which must have the reply's zxid.
    fn transaction(&self, operation: &Operation, zxid: i64) -> Result<&'a TxnEntry, String> {
        match self.logged.get(&(operation.session, operation.cxid)) {
            None => Err("an answered write is in no log".to_owned()),
            Some(entry) if entry.zxid().0 != zxid => Err(format!("its transaction is {}", entry.zxid())),
            Some(entry) => Ok(entry),
        }
    }

    fn write(&self, operation: &Operation, zxid: i64, answer: &Answer) -> Option<String> {
        let entry = match self.transaction(operation, zxid) {
            Ok(entry) => entry,
            Err(problem) => return Some(problem),
        };
        let same = match (&operation.request, &entry.txn) {
            (Request::Create { path, data }, Txn::Create(create)) => {
                *path == create.path && create.data.as_deref() == Some(data)
            }
            (Request::Set { path, data, .. }, Txn::SetData { path: logged, data: bytes, .. }) => {
                path == logged && bytes.as_deref() == Some(data)
            }
            (Request::Delete { path, .. }, Txn::Delete { path: logged }) => path == logged,
            _ => false,
        };
        if !same {
            return Some(format!("its transaction is another: {:?}", entry.txn));
        }
        let path = operation.request.path().unwrap_or_default();
        let before = self.timeline.before(path, zxid);
        if let Request::Set { version, .. } | Request::Delete { version, .. } = operation.request
            && version >= 0
            && before.map(|state| state.version) != Some(version)
        {
            return Some(format!("its condition did not hold: before it there was {before:?}"));
        }
        let after = self.timeline.at(path, zxid);
        match answer {
            Answer::Written(stat) => {
                let told = after.map(|state| (state.version, state.czxid, state.mzxid));
                (told != Some((stat.version, stat.czxid, stat.mzxid)))
                    .then(|| format!("its Stat is not that of {after:?}"))
            }
            Answer::Done => None,
            Answer::Read { .. } => Some("a write was answered as a read".to_owned()),
        }
    }

    fn refusal(&self, operation: &Operation, zxid: i64, code: i32) -> Option<String> {
        let entry = match self.transaction(operation, zxid) {
            Ok(entry) => entry,
            Err(problem) => return Some(problem),
        };
        if entry.txn != (Txn::Error { code }) {
            return Some(format!("its transaction is another: {:?}", entry.txn));
        }
        let before = self.timeline.before(operation.request.path().unwrap_or_default(), zxid);
        let expected = match &operation.request {
            Request::Set { version, .. } | Request::Delete { version, .. } => *version,
            _ => -1,
        };
        let justified = match code {
            codes::NO_NODE => before.is_none() && !matches!(operation.request, Request::Create { .. }),
            codes::NODE_EXISTS => before.is_some() && matches!(operation.request, Request::Create { .. }),
            _ => before.is_some_and(|state| expected >= 0 && state.version != expected),
        };
        (!justified).then(|| format!("it was refused although there was {before:?}"))
    }

    fn without_effect(&self, operation: &Operation) -> Option<String> {
        let entry = self.logged.get(&(operation.session, operation.cxid))?;
        (!matches!(entry.txn, Txn::Error { .. })).then(|| format!("refused, yet carried out as {:?}", entry.txn))
    }

    fn sessions(&mut self, operations: &[Operation]) {
        let mut by_session: BTreeMap<i64, Vec<&Operation>> = BTreeMap::new();
        for operation in operations {
            by_session.entry(operation.session).or_default().push(operation);
        }
        for (session, mut operations) in by_session {
            operations.sort_by_key(|operation| operation.cxid);
            let mut highest = 0;
            for operation in operations {
                let Some(zxid) = operation.zxid() else { continue };
                if zxid < highest {
                    self.findings.push(format!("session {session:#x} went back from {highest:#x}: {operation:?}"));
                }
                highest = highest.max(zxid);
            }
        }
    }

    fn real_time(&mut self, operations: &[Operation]) {
        let mut by_end = answered_writes(operations);
        let mut by_begin = by_end.clone();
        by_end.sort_by_key(|(operation, _)| operation.ended);
        by_begin.sort_by_key(|(operation, _)| operation.invoked);
        let (mut over, mut highest) = (by_end.into_iter().peekable(), 0);
        for (operation, zxid) in by_begin {
            while let Some((_, ended)) = over.next_if(|(earlier, _)| earlier.ended < operation.invoked) {
                highest = highest.max(ended);
            }
            if zxid <= highest {
                self.findings.push(format!("{highest:#x} had been answered before this began: {operation:?}"));
            }
        }
    }
}

fn answered_writes(operations: &[Operation]) -> Vec<(&Operation, i64)> {
    let about_session = |o: &&Operation| matches!(o.outcome, Outcome::Refused { code, .. } if codes::of_session(code));
    let writes = operations.iter().filter(|o| o.request.is_write() && !about_session(o));
    writes.filter_map(|operation| Some((operation, operation.zxid()?))).collect()
}

fn state_of(data: &[u8], stat: &Stat) -> State {
    State { data: data.to_vec(), version: stat.version, czxid: stat.czxid, mzxid: stat.mzxid }
}

fn stale_synced(operations: &[Operation]) -> usize {
    let mut writes = answered_writes(operations);
    writes.sort_by_key(|(operation, _)| operation.ended);
    let mut highest = 0;
    let ended: Vec<(u64, i64)> = writes
        .iter()
        .map(|(operation, zxid)| {
            highest = highest.max(*zxid);
            (operation.ended, highest)
        })
        .collect();
    let invoked: BTreeMap<(i64, i32), u64> = operations.iter().map(|o| ((o.session, o.cxid), o.invoked)).collect();
    let is_stale = |operation: &&Operation| {
        let (Request::Get { synced: true, .. }, Some(zxid)) = (&operation.request, operation.zxid()) else {
            return false;
        };
        let Some(sync) = invoked.get(&(operation.session, operation.cxid - 1)) else { return false };
        let before = ended.partition_point(|(ended, _)| ended < sync);
        before > 0 && ended[before - 1].1 > zxid
    };
    operations.iter().filter(is_stale).count()
}

#[cfg(test)]
#[path = "zxids_test.rs"]
mod tests;
