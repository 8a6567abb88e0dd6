//! Every transaction that was ever seen, numbered: once for each content, so that two of them are the same exactly when
//! their numbers are.

use std::collections::HashMap;
use wire::Zxid;
use wire::txn::TxnEntry;
use zab::Proposal;

/// The number of a transaction with a certain content, from 0 in the order of first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnNo(u32);

impl TxnNo {
    /// As an index of a table of transactions.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Ledger {
    entries: Vec<TxnEntry>,
    first_with: HashMap<Zxid, TxnNo>,
    /// Those whose zxid was seen with another content before: the mark of a fault, or of a server alone whose unsynced
    /// transactions were lost.
    rivals: Vec<TxnNo>,
    /// Found last: servers get to see the same transaction in quick succession.
    recent: Option<TxnNo>,
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = TxnNo> + use<> {
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(TxnNo)
    }

    pub(super) fn entry(&self, no: TxnNo) -> &TxnEntry {
        &self.entries[no.index()]
    }

    pub(super) fn zxid(&self, no: TxnNo) -> Zxid {
        self.entry(no).zxid()
    }

    /// How many of these, in the order of their zxids, are at or below a zxid.
    pub(super) fn count_upto(&self, history: &[TxnNo], zxid: Zxid) -> usize {
        history.partition_point(|&no| self.zxid(no) <= zxid)
    }

    /// The number of a proposal's transaction.
    pub(super) fn proposal(&mut self, proposal: &Proposal) -> Result<TxnNo, String> {
        if let Some(no) = self.find(proposal.zxid, &proposal.bytes) {
            return Ok(no);
        }
        let entry = TxnEntry::decode(proposal.bytes.clone());
        let entry = entry.map_err(|error| format!("proposal {} cannot be read: {error}", proposal.zxid))?;
        if entry.zxid() != proposal.zxid {
            return Err(format!("proposal {} holds transaction {}", proposal.zxid, entry.zxid()));
        }
        Ok(self.add(entry))
    }

    /// The number of an applied transaction.
    pub(super) fn applied(&mut self, entry: &TxnEntry) -> TxnNo {
        match self.find(entry.zxid(), &entry.bytes) {
            Some(no) => no,
            None => self.add(entry.clone()),
        }
    }

    fn find(&mut self, zxid: Zxid, bytes: &[u8]) -> Option<TxnNo> {
        let is = |entry: &TxnEntry| entry.zxid() == zxid && entry.bytes == bytes;
        if let Some(no) = self.recent.filter(|&no| is(self.entry(no))) {
            return Some(no);
        }
        let first = *self.first_with.get(&zxid)?;
        let found = std::iter::once(&first).chain(&self.rivals).copied().find(|&no| is(self.entry(no)));
        self.recent = found.or(self.recent);
        found
    }

    fn add(&mut self, entry: TxnEntry) -> TxnNo {
        let no = TxnNo(u32::try_from(self.entries.len()).expect("a run has fewer than 2^32 transactions"));
        if *self.first_with.entry(entry.zxid()).or_insert(no) != no {
            self.rivals.push(no);
        }
        self.entries.push(entry);
        self.recent = Some(no);
        no
    }
}
