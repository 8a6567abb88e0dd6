//! What the checkers know in common: which transactions there are, which of them are committed, and what each server's
//! disk and tree hold, as far as it can be told from the observations.
//!
//! A transaction is *committed* when a leader begins to serve with it in its history (the quorum of NEWLEADER has just
//! agreed to all of that), or when a server that serves already applies it. What a server applies while it does not serve
//! (a learner that synchronizes, a server that has left its role and makes tree and log agree) is its own affair until it
//! serves again. `Stopped` must therefore be seen before whatever a server applies because it stops, and `Recovered` first
//! of all.
//!
//! The model only refuses observations that cannot be true of any server. Whether the servers do right is for the
//! invariants to say, each by its own definition.

mod ledger;
mod members;
mod server;

use crate::observe::{ClientId, Observation, User};
use crate::znodes::Znodes;
use ledger::Ledger;
use std::collections::{BTreeMap, BTreeSet};
use wire::txn::{Txn, TxnEntry};
use wire::{ServerId, Zxid};

pub use ledger::TxnNo;
pub use members::Members;
pub use server::{ServerView, Service};

/// See the module.
pub struct Model {
    now_us: i64,
    /// The configurations that were in force, in the order of their versions; there is always one.
    ensembles: Vec<Members>,
    servers: BTreeMap<ServerId, ServerView>,
    ledger: Ledger,
    committed: Vec<TxnNo>,
    znodes: Znodes,
    users: BTreeMap<ClientId, User>,
    impossible: Option<String>,
    report_us: Option<i64>,
    // --- of the latest observation only ---
    txn: Option<TxnNo>,
    delivered: Option<(ServerId, usize)>,
    given_up: Vec<TxnNo>,
    ensembles_before: usize,
}

/// What an observation made delivered: applied, and known to be committed.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// By which server.
    pub server: ServerId,
    /// Everything that it has delivered, in order.
    pub history: &'a [TxnNo],
    /// Up to here the history is word for word the beginning of what was committed before, so that every relation within
    /// it has been looked at already.
    pub from: usize,
}

impl<'a> Delivery<'a> {
    /// The part that is news.
    #[must_use]
    pub fn news(&self) -> &'a [TxnNo] {
        &self.history[self.from..]
    }
}

impl Model {
    /// An ensemble that has not begun; a server alone is its only voter.
    #[must_use]
    pub fn new(voters: BTreeSet<ServerId>, observers: BTreeSet<ServerId>) -> Model {
        let servers = voters.iter().chain(&observers).map(|&sid| (sid, ServerView::default())).collect();
        Model {
            now_us: 0,
            ensembles: vec![Members::first(voters, observers)],
            servers,
            ledger: Ledger::default(),
            committed: Vec::new(),
            znodes: Znodes::new(),
            users: BTreeMap::new(),
            impossible: None,
            report_us: None,
            txn: None,
            delivered: None,
            given_up: Vec::new(),
            ensembles_before: 1,
        }
    }

    /// Adds servers that are no members yet.
    #[must_use]
    pub fn with_spares(mut self, spares: impl IntoIterator<Item = ServerId>) -> Model {
        self.servers.extend(spares.into_iter().map(|sid| (sid, ServerView::default())));
        self
    }

    /// Sets how long a learner can stay with a leader that its reports do not reach, simulated µs: each of the two ends the
    /// link after `syncLimit`.
    #[must_use]
    pub fn with_report_us(mut self, report_us: i64) -> Model {
        self.report_us = Some(report_us);
        self
    }

    /// See [`Model::with_report_us`]; `None` where it is not known.
    #[must_use]
    pub fn report_us(&self) -> Option<i64> {
        self.report_us
    }

    // --- getters ---------------------------------------------------------------------------------------------------

    /// The simulated time of the latest observation, µs.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.now_us
    }

    /// The servers that there are, members or not.
    pub fn servers(&self) -> impl Iterator<Item = (ServerId, &ServerView)> {
        self.servers.iter().map(|(&sid, view)| (sid, view))
    }

    /// What is known of a server.
    ///
    /// # Panics
    /// If the ensemble has no such server; [`Model::observe`] refuses observations of it.
    #[must_use]
    pub fn server(&self, server: ServerId) -> &ServerView {
        self.servers.get(&server).expect("observations of unknown servers are refused")
    }

    /// Everything committed, in order.
    #[must_use]
    pub fn committed(&self) -> &[TxnNo] {
        &self.committed
    }

    /// A transaction.
    #[must_use]
    pub fn entry(&self, no: TxnNo) -> &TxnEntry {
        self.ledger.entry(no)
    }

    /// A transaction's place in the order that it claims.
    #[must_use]
    pub fn zxid(&self, no: TxnNo) -> Zxid {
        self.ledger.entry(no).zxid()
    }

    /// A transaction in a few words, for messages.
    #[must_use]
    pub fn describe(&self, no: TxnNo) -> String {
        let entry = self.entry(no);
        let what = match &entry.txn {
            Txn::CreateSession { .. } => format!("createSession {}", entry.header.session),
            Txn::CloseSession { .. } => format!("closeSession {}", entry.header.session),
            Txn::Error { code } => format!("error {code}"),
            Txn::Create(create) => format!("create {}", create.path),
            Txn::Delete { path } | Txn::DeleteContainer { path } => format!("delete {path}"),
            Txn::SetData { path, version, .. } | Txn::Reconfig { path, version, .. } => {
                format!("setData {path} v{version}")
            }
            Txn::SetAcl { path, .. } => format!("setACL {path}"),
            Txn::Check { path, .. } => format!("check {path}"),
            Txn::Multi(parts) => format!("multi of {}", parts.len()),
        };
        format!("{} ({what})", entry.zxid())
    }

    /// How many transactions there are, committed or not; their numbers are below.
    #[must_use]
    pub fn txn_count(&self) -> usize {
        self.ledger.len()
    }

    /// The transaction that the latest observation is about (appended or applied).
    #[must_use]
    pub fn txn(&self) -> Option<TxnNo> {
        self.txn
    }

    /// What the latest observation made delivered.
    #[must_use]
    pub fn delivery(&self) -> Option<Delivery<'_>> {
        let (server, from) = self.delivered?;
        Some(Delivery { server, history: self.server(server).applied(), from })
    }

    /// What the latest observation showed to be gone from a server's log although it had been on disk, oldest first. A
    /// replaced disk does not count.
    #[must_use]
    pub fn given_up(&self) -> &[TxnNo] {
        &self.given_up
    }

    /// Whether a transaction with this zxid is committed.
    #[must_use]
    pub fn is_in_history(&self, zxid: Zxid) -> bool {
        self.committed.binary_search_by_key(&zxid, |&no| self.zxid(no)).is_ok()
    }

    /// Whether a transaction is committed.
    #[must_use]
    pub fn is_committed(&self, no: TxnNo) -> bool {
        let zxid = self.zxid(no);
        let at = self.committed.partition_point(|&other| self.zxid(other) < zxid);
        self.committed.get(at) == Some(&no)
    }

    /// Whether a server's tree holds what it has applied and nothing else. Trees that come from a snapshot may hold effects
    /// of later transactions; before their owner serves it must have applied all of those.
    #[must_use]
    pub fn tree_is_sure(&self, server: ServerId) -> bool {
        self.server(server).tree_is_sure()
    }

    /// The znodes as the committed transactions make them.
    #[must_use]
    pub fn znodes(&self) -> &Znodes {
        &self.znodes
    }

    /// Whom a client has proven to be on its present connection.
    #[must_use]
    pub fn user(&self, client: ClientId) -> Option<User> {
        self.users.get(&client).copied()
    }

    /// Why the first committed transaction that makes no sense where it stands makes none there.
    #[must_use]
    pub fn impossible(&self) -> Option<&str> {
        self.impossible.as_deref()
    }

    /// The transactions from a checker's cursor on, which moves to the end.
    pub fn newly_committed(&self, cursor: &mut usize) -> &[TxnNo] {
        let news = &self.committed[*cursor..];
        *cursor = self.committed.len();
        news
    }

    // --- events ----------------------------------------------------------------------------------------------------

    /// Takes in an observation, made at `now_us`.
    ///
    /// # Errors
    /// When it cannot be true after what was seen before.
    pub fn observe(&mut self, now_us: i64, seen: &Observation<'_>) -> Result<(), String> {
        self.now_us = now_us;
        (self.txn, self.delivered) = (None, None);
        self.ensembles_before = self.ensembles.len();
        self.given_up.clear();
        match *seen {
            Observation::Appended { proposal, .. } | Observation::Offered { proposal, .. } => {
                self.txn = Some(self.ledger.proposal(proposal)?);
            }
            Observation::Applied { server, entry, .. } => return self.applied(server, entry),
            Observation::Serving { server, role, epoch, .. } => {
                return self.serving(server, Service { role, epoch, since_us: now_us });
            }
            Observation::Configured { server, membership, is_news } => {
                return self.configured(server, membership, is_news);
            }
            Observation::Installed { server, from, zxid } => {
                let history = self.history_of(from, zxid)?;
                view(&mut self.servers, server)?.installed(zxid, history);
            }
            Observation::Attached { client, user: Some(user), .. } => {
                self.users.insert(client, user);
            }
            Observation::Attached { client, user: None, .. } => {
                self.users.remove(&client);
            }
            _ => {}
        }
        self.on_disk(seen)
    }

    /// What servers do by themselves, most of it with their disks.
    fn on_disk(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let (servers, ledger) = (&mut self.servers, &self.ledger);
        match *seen {
            Observation::Recovered { server, last, epochs, .. } => {
                self.given_up = view(servers, server)?.recovered(server, last, epochs, ledger)?;
            }
            Observation::Died { server } => view(servers, server)?.died(),
            Observation::Wiped { server } => self.given_up = view(servers, server)?.wiped(),
            Observation::Appended { server, .. } => {
                if let Some(no) = self.txn {
                    view(servers, server)?.appended(server, no, ledger)?;
                }
            }
            Observation::Synced { server, upto } => view(servers, server)?.synced(upto, ledger),
            Observation::EpochsSaved { server, epochs } => view(servers, server)?.set_epochs(epochs),
            Observation::Truncated { server, after, .. } => {
                self.given_up = view(servers, server)?.truncated(after, ledger);
            }
            Observation::SnapshotSaved { server, zxid } => {
                self.given_up = view(servers, server)?.snapshot_saved(zxid, ledger);
            }
            Observation::Stopped { server } => view(servers, server)?.stopped(),
            Observation::Paused { server, is_paused } => view(servers, server)?.paused(is_paused, self.now_us),
            _ => {}
        }
        Ok(())
    }

    fn serving(&mut self, server: ServerId, service: Service) -> Result<(), String> {
        let found = view(&mut self.servers, server)?;
        let common = common_prefix(found.applied(), &self.committed);
        self.delivered = Some((server, common));
        if service.decides() && common == self.committed.len() {
            let news = found.applied()[common..].to_vec();
            for no in news {
                self.commit(no);
            }
        }
        view(&mut self.servers, server)?.serving(service);
        Ok(())
    }

    fn applied(&mut self, server: ServerId, entry: &TxnEntry) -> Result<(), String> {
        let no = self.ledger.applied(entry);
        self.txn = Some(no);
        let found = view(&mut self.servers, server)?;
        let at = found.applied().len();
        found.apply(no);
        if found.service().is_none() {
            return Ok(());
        }
        self.delivered = Some((server, at));
        // The last transaction stands for all before it, which were compared one by one.
        let continues = at == 0 || self.committed.get(at - 1) == Some(&found.applied()[at - 1]);
        if continues && at == self.committed.len() {
            self.commit(no);
        }
        Ok(())
    }

    fn commit(&mut self, no: TxnNo) {
        self.committed.push(no);
        if let Txn::Reconfig { data: Some(text), .. } = &self.ledger.entry(no).txn {
            match Members::read(text, self.now_us) {
                Ok(members) => self.ensembles.push(members),
                Err(reason) => self.impossible = self.impossible.take().or(Some(reason)),
            }
        }
        let outcome = self.znodes.apply(self.ledger.entry(no));
        self.impossible = self.impossible.take().or(outcome.err());
    }

    /// What a server's snapshot with this zxid holds. It was written earlier, and its sender may have lost it meanwhile.
    fn history_of(&self, from: ServerId, zxid: Zxid) -> Result<Vec<TxnNo>, String> {
        let sender = self.servers.get(&from).ok_or_else(|| unknown(from))?;
        if let Some(history) = sender.history_upto(zxid, &self.ledger) {
            return Ok(history.to_vec());
        }
        // The start of an epoch (or of everything) is no transaction: all that is committed before it.
        if zxid.is_epoch_start() {
            let count = self.committed.partition_point(|&no| self.zxid(no) <= zxid);
            return Ok(self.committed[..count].to_vec());
        }
        Err(format!("server {from} sent a snapshot of {zxid}, a transaction that it never applied"))
    }
}

/// The transactions that take effect: the parts of a multi, none where one of them failed.
#[must_use]
pub fn effective(txn: &Txn) -> &[Txn] {
    match txn {
        Txn::Multi(parts) if has_failed(parts) => &[],
        Txn::Multi(parts) => parts,
        other => std::slice::from_ref(other),
    }
}

/// Whether a multi with these parts was refused.
#[must_use]
pub fn has_failed(parts: &[Txn]) -> bool {
    parts.iter().any(|part| matches!(part, Txn::Error { .. }))
}

fn view(servers: &mut BTreeMap<ServerId, ServerView>, server: ServerId) -> Result<&mut ServerView, String> {
    servers.get_mut(&server).ok_or_else(|| unknown(server))
}

fn unknown(server: ServerId) -> String {
    format!("server {server} is not of this ensemble")
}

/// How long two histories are the same.
fn common_prefix(one: &[TxnNo], other: &[TxnNo]) -> usize {
    let shorter = one.len().min(other.len());
    if one[..shorter] == other[..shorter] {
        return shorter;
    }
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}
