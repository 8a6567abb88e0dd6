//! An ensemble of nobody: a model, one invariant, and observations made up for them.

use super::super::Invariant;
use crate::model::Model;
use crate::observe::{Access, Answer, Body, Call, ClientId, Lifetime, Observation, Op};
use bytes::Bytes;
use replica::ServingRole;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tree::{ConnId, Events, Tree, TreeSettings};
use wire::txn::{CreateKind, CreateTxn, Txn, TxnEntry, TxnHeader};
use wire::{Acl, Epoch, ErrorCode, Id, Millis, Perms, ServerId, SessionId, Stat, Xid, Zxid};
use zab::quorum::Membership;
use zab::{Epochs as EpochFiles, Proposal};

const S: SessionId = SessionId(0x0100_0000_0000_0001);

/// Three voters and an observer, watched by one invariant. Each method is one or a few observations; what comes after the
/// first refusal is not looked at.
pub(super) struct Bench {
    pub(super) model: Model,
    pub(super) invariant: Box<dyn Invariant>,
    trees: BTreeMap<i64, Rc<Tree>>,
    now_us: i64,
    pub(super) outcome: Result<(), String>,
}

impl Bench {
    pub(super) fn new(invariant: impl Invariant + 'static) -> Bench {
        Bench::of(Box::new(invariant))
    }

    pub(super) fn of(invariant: Box<dyn Invariant>) -> Bench {
        let model = Model::new((1..=3).map(ServerId).collect(), BTreeSet::from([ServerId(4)]));
        let trees = (1..=4).map(|sid| (sid, Rc::new(Tree::new(TreeSettings::default())))).collect();
        Bench { model, invariant, trees, now_us: 0, outcome: Ok(()) }
    }

    /// The usual beginning: all are up, and 1 leads the others in epoch 1.
    pub(super) fn established(invariant: impl Invariant + 'static) -> Bench {
        Bench::of(Box::new(invariant)).begin()
    }

    pub(super) fn begin(self) -> Bench {
        let up = (1..=4).fold(self, |bench, sid| bench.recover(sid, 0, (0, 0)).epochs(sid, 1, 1));
        up.serve(1, ServingRole::Leader, 1).serve(2, ServingRole::Follower, 1).serve(3, ServingRole::Follower, 1).serve(
            4,
            ServingRole::Observer,
            1,
        )
    }

    pub(super) fn see(mut self, seen: &Observation<'_>) -> Bench {
        if self.outcome.is_ok() {
            let (model, invariant) = (&mut self.model, &mut self.invariant);
            self.outcome = model.observe(self.now_us, seen).and_then(|()| invariant.observe(seen, model));
        }
        self
    }

    pub(super) fn tree(&self, sid: i64) -> Rc<Tree> {
        self.trees[&sid].clone()
    }

    pub(super) fn recover(self, sid: i64, last: i64, (accepted, current): (i64, i64)) -> Bench {
        let epochs = EpochFiles { accepted: Epoch(accepted), current: Epoch(current) };
        let tree = &self.tree(sid);
        self.see(&Observation::Recovered { server: ServerId(sid), last: Zxid(last), epochs, tree })
    }

    pub(super) fn crash(self, sid: i64) -> Bench {
        self.see(&Observation::Died { server: ServerId(sid) })
    }

    pub(super) fn wipe(self, sid: i64) -> Bench {
        self.see(&Observation::Wiped { server: ServerId(sid) })
    }

    pub(super) fn epochs(self, sid: i64, accepted: i64, current: i64) -> Bench {
        let epochs = EpochFiles { accepted: Epoch(accepted), current: Epoch(current) };
        self.see(&Observation::EpochsSaved { server: ServerId(sid), epochs })
    }

    pub(super) fn serve(self, sid: i64, role: ServingRole, epoch: i64) -> Bench {
        let tree = &self.tree(sid);
        self.see(&Observation::Serving { server: ServerId(sid), role, epoch: Epoch(epoch), tree })
    }

    pub(super) fn stop(self, sid: i64) -> Bench {
        self.see(&Observation::Stopped { server: ServerId(sid) })
    }

    pub(super) fn pause(self, sid: i64, is_paused: bool) -> Bench {
        self.see(&Observation::Paused { server: ServerId(sid), is_paused })
    }

    pub(super) fn append(self, sid: i64, entry: &TxnEntry, own: bool) -> Bench {
        let proposal = Proposal { zxid: entry.zxid(), bytes: entry.bytes.clone() };
        self.see(&Observation::Appended { server: ServerId(sid), proposal: &proposal, own })
    }

    pub(super) fn sync(self, sid: i64, upto: i64) -> Bench {
        self.see(&Observation::Synced { server: ServerId(sid), upto: Zxid(upto) })
    }

    pub(super) fn apply(self, sid: i64, entry: &TxnEntry) -> Bench {
        self.apply_as(sid, entry, entry)
    }

    /// As `apply`, but the tree does something else.
    pub(super) fn apply_as(mut self, sid: i64, entry: &TxnEntry, done: &TxnEntry) -> Bench {
        Rc::get_mut(self.trees.get_mut(&sid).unwrap()).unwrap().apply(done, &mut Events::new());
        let tree = &self.tree(sid);
        self.see(&Observation::Applied { server: ServerId(sid), entry, tree })
    }

    /// The leader 1 proposes, everyone logs it, the quorum syncs, everyone applies it.
    pub(super) fn commit(self, entry: &TxnEntry) -> Bench {
        let logged = (1..=4).fold(self, |bench, sid| bench.append(sid, entry, sid == 1).sync(sid, entry.zxid().0));
        (1..=4).fold(logged, |bench, sid| bench.apply(sid, entry))
    }

    pub(super) fn truncate(self, sid: i64, after: i64) -> Bench {
        let tree = &self.tree(sid);
        self.see(&Observation::Truncated { server: ServerId(sid), after: Zxid(after), tree })
    }

    /// A snapshot of another server's tree, in place and on disk.
    pub(super) fn install(self, sid: i64, from: i64, zxid: i64, history: &[&TxnEntry]) -> Bench {
        let saved = Observation::SnapshotSaved { server: ServerId(sid), zxid: Zxid(zxid) };
        self.receive(sid, from, zxid, history).see(&saved)
    }

    /// A snapshot of another server's tree, in memory; a copy of it is made by applying everything again.
    pub(super) fn receive(mut self, sid: i64, from: i64, zxid: i64, history: &[&TxnEntry]) -> Bench {
        let mut tree = Tree::new(TreeSettings::default());
        for entry in history {
            tree.apply(entry, &mut Events::new());
        }
        self.trees.insert(sid, Rc::new(tree));
        let (server, from, zxid) = (ServerId(sid), ServerId(from), Zxid(zxid));
        self.see(&Observation::Installed { server, from, zxid })
    }

    pub(super) fn configured(self, sid: i64, text: &str, is_news: bool) -> Bench {
        let membership = Membership::parse(text).unwrap();
        self.see(&Observation::Configured { server: ServerId(sid), membership: &membership, is_news })
    }

    pub(super) fn rest(self, sid: i64) -> Bench {
        let tree = &self.tree(sid);
        self.see(&Observation::AtRest { server: ServerId(sid), tree })
    }

    pub(super) fn after_ms(mut self, passed_ms: i64) -> Bench {
        self.now_us += passed_ms * 1000;
        self
    }

    pub(super) fn queues(self, found: usize) -> Bench {
        self.see(&Observation::Queues { server: ServerId(2), queues: &[("inputs", 3, 9), ("disk", 7, 7)] })
            .see(&Observation::Queues { server: ServerId(3), queues: &[("inputs", 1, 9)] })
            .queue(found)
    }

    pub(super) fn queue(self, found: usize) -> Bench {
        let queues = [("replies", found, 5)];
        self.see(&Observation::Queues { server: ServerId(1), queues: &queues })
    }

    pub(super) fn call(self, server: i64, op: Op) -> Bench {
        let call = self.call_of(server, op);
        self.see(&Observation::Called(&call))
    }

    pub(super) fn call_of(&self, server: i64, op: Op) -> Call {
        let (client, conn) = (ClientId(1), ConnId(1));
        Call { client, session: S, server: ServerId(server), conn, xid: 1, sent_at_us: self.now_us, op }
    }

    pub(super) fn answer(self, server: i64, zxid: i64, op: Op, body: Body) -> Bench {
        let call = self.call_of(server, op);
        let answer = Answer { zxid: Zxid(zxid), error: ErrorCode::Ok, body };
        self.see(&Observation::Answered { call: &call, answer: &answer })
    }

    /// A sequential create below `/q` was answered with this number.
    pub(super) fn numbered(self, zxid: i64, number: u32) -> Bench {
        let (path, data, lifetime) = ("/q/n-".to_owned(), Bytes::new(), Lifetime::Persistent);
        let op = Op::Create { path, data, lifetime, sequential: true, access: Access::Open };
        self.answer(2, zxid, op, Body::Created(format!("/q/n-{number:010}"), Stat::default()))
    }

    #[track_caller]
    pub(super) fn passes(mut self) {
        self.outcome = self.outcome.and_then(|()| self.invariant.finish(&self.model));
        assert_eq!(self.outcome, Ok(()), "{}", self.invariant.name());
        assert!(self.invariant.examined() > 0, "{} has looked at nothing", self.invariant.name());
    }

    #[track_caller]
    pub(super) fn fails(self, words: &[&str]) {
        let name = self.invariant.name();
        let message = self.outcome.expect_err(name);
        assert!(words.iter().all(|word| message.contains(word)), "{name}: {message}\nshould have {words:?}");
    }
}

pub(super) const fn z(epoch: i64, counter: i64) -> i64 {
    (epoch << 32) + counter
}

pub(super) fn txn(zxid: i64, txn: Txn) -> TxnEntry {
    let header = TxnHeader { session: S, cxid: Xid(0), zxid: Zxid(zxid), time: Millis(1) };
    TxnEntry::new(header, txn, None)
}

/// A transaction that changes nothing; others with the same zxid have another content.
/// The text of a configuration.
pub(super) fn ensemble(version: i64, voters: &[i64], observers: &[i64]) -> String {
    let line = |sid: &i64, role: &str| format!("server.{sid}=s{sid}:2888:3888:{role}\n");
    let voters: String = voters.iter().map(|sid| line(sid, "participant")).collect();
    let observers: String = observers.iter().map(|sid| line(sid, "observer")).collect();
    let membership = Membership::parse(&format!("{voters}{observers}version={version:x}")).unwrap();
    membership.to_text()
}

pub(super) fn reconfig(zxid: i64, voters: &[i64], observers: &[i64]) -> TxnEntry {
    let data = Some(Bytes::from(ensemble(zxid, voters, observers)));
    txn(zxid, Txn::Reconfig { path: tree::CONFIG_PATH.to_owned(), data, version: -1 })
}

pub(super) fn noted(zxid: i64, code: i32) -> TxnEntry {
    txn(zxid, Txn::Error { code })
}

pub(super) fn creation(path: &str, ephemeral: bool, parent_cversion: i32) -> Txn {
    let acl = vec![Acl { perms: Perms::ALL, id: Id::new("world", "anyone") }];
    let kind = CreateKind::Create2 { ephemeral };
    Txn::Create(CreateTxn { path: path.to_owned(), data: Some(Bytes::from_static(b"12")), acl, kind, parent_cversion })
}

pub(super) fn create(zxid: i64, path: &str, parent_cversion: i32) -> TxnEntry {
    txn(zxid, creation(path, false, parent_cversion))
}

pub(super) fn ephemeral(zxid: i64, path: &str, parent_cversion: i32) -> TxnEntry {
    txn(zxid, creation(path, true, parent_cversion))
}

pub(super) fn delete(zxid: i64, path: &str) -> TxnEntry {
    txn(zxid, Txn::Delete { path: path.to_owned() })
}

pub(super) fn set(path: &str, version: i32) -> Txn {
    Txn::SetData { path: path.to_owned(), data: Some(Bytes::from_static(b"new")), version }
}

pub(super) fn open(zxid: i64) -> TxnEntry {
    txn(zxid, Txn::CreateSession { timeout: 1000 })
}

pub(super) fn close(zxid: i64, paths: &[&str]) -> TxnEntry {
    txn(zxid, Txn::CloseSession { paths: Some(paths.iter().map(|&path| path.to_owned()).collect()) })
}
