//! No ephemeral without its session, and none lost early: it is created while its session is open, and ends by a delete or
//! together with its session. (I10)

use super::Invariant;
use crate::model::{Model, effective};
use crate::observe::Observation;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tree::Tree;
use wire::txn::{CreateKind, Txn, TxnEntry};
use wire::{ServerId, SessionId};

/// Looks at the committed transactions, at the trees right behind each closeSession, and at whole trees in the end.
#[derive(Default)]
pub struct Ephemerals {
    open: HashSet<SessionId>,
    /// Owners by path.
    owners: HashMap<String, SessionId>,
    /// Paths by owner.
    owned: HashMap<SessionId, BTreeSet<String>>,
    cursor: usize,
    examined: u64,
}

impl Ephemerals {
    fn follow(&mut self, model: &Model) -> Result<(), String> {
        for &no in model.newly_committed(&mut self.cursor) {
            let entry = model.entry(no);
            effective(&entry.txn).iter().try_for_each(|part| self.commit(entry, part))?;
        }
        Ok(())
    }

    fn commit(&mut self, entry: &TxnEntry, part: &Txn) -> Result<(), String> {
        let session = entry.header.session;
        match part {
            Txn::CreateSession { .. } => {
                self.open.insert(session);
            }
            Txn::Create(create) if is_ephemeral(create.kind) => {
                self.examined += 1;
                if !self.open.contains(&session) {
                    return Err(format!(
                        "{} creates the ephemeral {} of session {session}, which is not open",
                        entry.zxid(),
                        create.path
                    ));
                }
                self.owners.insert(create.path.clone(), session);
                self.owned.entry(session).or_default().insert(create.path.clone());
            }
            Txn::Delete { path } | Txn::DeleteContainer { path } => self.delete(path),
            Txn::CloseSession { paths } => return self.close(entry, paths.as_deref().unwrap_or_default()),
            _ => {}
        }
        Ok(())
    }

    fn delete(&mut self, path: &str) {
        if let Some(paths) = self.owners.remove(path).and_then(|owner| self.owned.get_mut(&owner)) {
            paths.remove(path);
        }
    }

    /// A closeSession lists what its session owns: nothing else may go with it.
    fn close(&mut self, entry: &TxnEntry, listed: &[String]) -> Result<(), String> {
        let (session, zxid) = (entry.header.session, entry.zxid());
        self.open.remove(&session);
        let owned = self.owned.remove(&session).unwrap_or_default();
        self.examined += (owned.len() + listed.len()) as u64;
        if let Some(path) = listed.iter().find(|path| !owned.contains(*path)) {
            let owner = self.owners.get(path);
            return Err(format!("{zxid} closes session {session} and with it {path}, whose owner is {owner:?}"));
        }
        if let Some(path) = owned.iter().find(|path| !listed.contains(path)) {
            return Err(format!(
                "{zxid} closes session {session}, which owns {path}, but does not list it: {listed:?}"
            ));
        }
        for path in &owned {
            self.owners.remove(path);
        }
        Ok(())
    }

    /// Right behind a closeSession.
    fn check_closed(&mut self, server: ServerId, entry: &TxnEntry, tree: &Tree) -> Result<(), String> {
        let session = entry.header.session;
        self.examined += 1;
        let left = tree.ephemerals_of(session);
        if left.is_empty() {
            return Ok(());
        }
        Err(format!("{} closed session {session}, but server {server} still has its ephemerals {left:?}", entry.zxid()))
    }

    fn check_tree(&mut self, server: ServerId, tree: &Tree, model: &Model) -> Result<(), String> {
        let found: BTreeMap<SessionId, Vec<String>> =
            tree.ephemerals().into_iter().filter(|(_, paths)| !paths.is_empty()).collect();
        for (owner, paths) in &found {
            self.examined += 1;
            if !tree.has_session(*owner) {
                return Err(format!("server {server} has no session {owner}, but its ephemerals {paths:?}"));
            }
        }
        if model.server(server).applied() != model.committed() {
            return Ok(());
        }
        self.examined += self.owners.len() as u64;
        let sorted = self.owned.iter().filter(|(_, paths)| !paths.is_empty());
        let expected: BTreeMap<SessionId, Vec<String>> =
            sorted.map(|(&owner, paths)| (owner, paths.iter().cloned().collect())).collect();
        if found != expected {
            return Err(format!(
                "server {server} has the ephemerals {found:?}, the committed history has {expected:?}"
            ));
        }
        Ok(())
    }
}

fn is_ephemeral(kind: CreateKind) -> bool {
    matches!(kind, CreateKind::Create { ephemeral: true } | CreateKind::Create2 { ephemeral: true })
}

impl Invariant for Ephemerals {
    fn name(&self) -> &'static str {
        "ephemerals"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match *seen {
            Observation::Serving { .. } => self.follow(model),
            Observation::Applied { server, entry, tree } => {
                self.follow(model)?;
                match entry.txn {
                    Txn::CloseSession { .. } => self.check_closed(server, entry, tree),
                    _ => Ok(()),
                }
            }
            Observation::AtRest { server, tree } => self.check_tree(server, tree, model),
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
