//! Transactions change the tree (`DataTree.processTxn`): never refused, safe to repeat (I6).
//!
//! There is one path for live transactions and for replay. What cannot be done (NONODE, NODEEXISTS) happens only when a log
//! is replayed over a fuzzy snapshot that already holds later effects; the result says so and the tree goes on.

use crate::acl;
use crate::acl_table::AclTable;
use crate::events::Events;
use crate::node::{Node, NodeId, Owner, StoredStat};
use crate::path::{self, canonical, shown};
use crate::quota::{self, QUOTA_PATH, StatsTrack};
use crate::reply::TxnResult;
use crate::watch::{Table, WatchTables};
use crate::{Tree, digest::ExpectedDigest};
use bytes::Bytes;
use planted::Bug;
use wire::client::EventType;
use wire::txn::{CreateKind, CreateTxn, Txn, TxnDigest, TxnEntry, TxnHeader};
use wire::{Acl, ErrorCode, Perms, Zxid};

impl Tree {
    /// Applies a committed transaction. Its watch events are added to `events`, in the order in which they must be seen and
    /// before any reply that reflects the change (I9).
    pub fn apply(&mut self, entry: &TxnEntry, events: &mut Events) -> TxnResult {
        let result = self.apply_body(&entry.header, &entry.txn, events);
        // Only now, and once for a whole multi: a reader that sees this zxid sees all of it.
        self.last_zxid = self.last_zxid.max(entry.header.zxid);
        self.check_digest(entry.header.zxid, entry.digest);
        result
    }

    fn apply_body(&mut self, header: &TxnHeader, txn: &Txn, events: &mut Events) -> TxnResult {
        match txn {
            Txn::CreateSession { timeout } => {
                self.sessions.insert(header.session, *timeout);
                TxnResult::SessionCreated
            }
            Txn::CloseSession { paths } => {
                self.close_session(header, paths.as_deref().unwrap_or_default(), events);
                TxnResult::SessionClosed
            }
            Txn::Error { code } => TxnResult::Error(*code),
            Txn::Create(create) => self.create(header, create, events),
            Txn::Delete { path } | Txn::DeleteContainer { path } => match self.delete(path, header.zxid, events) {
                Ok(()) => TxnResult::Deleted,
                Err(code) => TxnResult::error(code),
            },
            Txn::SetData { path, data, version } => {
                match self.set_data(header, path, data.as_ref(), *version, events) {
                    Some(id) => TxnResult::DataSet(self.store.get(id).client_stat(self.settings.extended_types)),
                    None => TxnResult::error(ErrorCode::NoNode),
                }
            }
            Txn::Reconfig { path, data, version } => match self.set_data(header, path, data.as_ref(), *version, events)
            {
                Some(id) => {
                    let stat = self.store.get(id).client_stat(self.settings.extended_types);
                    TxnResult::Reconfigured { data: data.clone(), stat }
                }
                None => TxnResult::error(ErrorCode::NoNode),
            },
            Txn::SetAcl { path, acl, version } => self.set_acl(path, acl, *version),
            Txn::Check { .. } => TxnResult::Checked,
            Txn::Multi(parts) => self.multi(header, parts, events),
        }
    }

    fn multi(&mut self, header: &TxnHeader, parts: &[Txn], events: &mut Events) -> TxnResult {
        let all_decided = !parts.iter().any(|part| matches!(part, Txn::Error { .. }));
        if all_decided || planted::is(Bug::MultiAppliedInPart) {
            return TxnResult::Multi(parts.iter().map(|part| self.apply_body(header, part, events)).collect());
        }
        let mut failed = false;
        let result = |part: &Txn| match part {
            Txn::Error { code } => {
                failed = true;
                TxnResult::Error(*code)
            }
            _ if failed => TxnResult::error(ErrorCode::RuntimeInconsistency),
            _ => TxnResult::error(ErrorCode::Ok),
        };
        TxnResult::Multi(parts.iter().map(result).collect())
    }

    fn create(&mut self, header: &TxnHeader, create: &CreateTxn, events: &mut Events) -> TxnResult {
        let path = create.path.as_str();
        let Some((parent_path, name)) = path::split(path) else { return TxnResult::error(ErrorCode::BadArguments) };
        let Some(parent) = self.store.lookup(parent_path) else { return TxnResult::error(ErrorCode::NoNode) };
        if let Some(existing) = self.store.lookup(path) {
            self.recreate(header.zxid, existing, parent, create);
            return TxnResult::error(ErrorCode::NodeExists);
        }
        // No leader logs such paths. `//a` would be found neither under this name nor under `/a`.
        if name.is_empty() || parent_path == "/" {
            return TxnResult::error(ErrorCode::BadArguments);
        }
        let owner = match create.kind {
            CreateKind::Create { ephemeral: true } | CreateKind::Create2 { ephemeral: true } => header.session.0,
            CreateKind::Create { .. } | CreateKind::Create2 { .. } => 0,
            CreateKind::Container => Owner::CONTAINER,
            CreateKind::Ttl(ttl) => Owner::stored_ttl(ttl),
        };
        let above = self.store.get_mut(parent);
        above.stat.child_created(create.parent_cversion, header.zxid.0);
        let (parent_acl, parent_cversion) = (above.acl, above.stat.cversion);
        self.note_versions(parent_cversion, 0);
        self.refresh_digest(parent, parent_path);
        let stat = StoredStat::created(header.zxid.0, header.time.0, owner);
        let acl = self.acls.intern(&create.acl);
        let id = self.insert(parent, path, Node::new(name, create.data.as_deref(), acl, stat));
        let stat = self.store.get(id).client_stat(self.settings.extended_types);
        self.count_created(parent_path, name, path, create.data.as_ref().map_or(0, Bytes::len));
        let mut bell = self.bell(header.zxid, events);
        bell.ring(Table::Data, EventType::NodeCreated, path, acl);
        bell.ring(Table::Child, EventType::NodeChildrenChanged, shown(parent_path), parent_acl);
        match create.kind {
            CreateKind::Create { .. } => TxnResult::Created { path: path.to_owned() },
            _ => TxnResult::Created2 { path: path.to_owned(), stat },
        }
    }

    /// A create whose node is there already, which only replay meets: the snapshot was written after it. The ACL may be
    /// missing in such a snapshot (ZOOKEEPER-4846), and the parent may have been written before it (opcode 1 only).
    fn recreate(&mut self, zxid: Zxid, existing: NodeId, parent: NodeId, create: &CreateTxn) {
        let acl = self.acls.intern(&create.acl);
        let node = self.store.get_mut(existing);
        let replaced = std::mem::replace(&mut node.acl, acl);
        self.acls.release(replaced);
        if matches!(create.kind, CreateKind::Create { .. }) {
            let above = &mut self.store.get_mut(parent).stat;
            above.child_created(create.parent_cversion, zxid.0);
            let parent_cversion = above.cversion;
            self.note_versions(parent_cversion, 0);
            let parent_path = path::split(&create.path).map_or("", |(parent, _)| parent);
            self.refresh_digest(parent, parent_path);
        }
    }

    fn delete(&mut self, path: &str, zxid: Zxid, events: &mut Events) -> Result<(), ErrorCode> {
        let (parent_path, name) = path::split(path).ok_or(ErrorCode::BadArguments)?;
        let parent = self.store.lookup(parent_path).ok_or(ErrorCode::NoNode)?;
        if planted::is(Bug::DeleteOfGoneNodeKeepsPzxid) && self.store.lookup(path).is_none() {
            return Err(ErrorCode::NoNode);
        }
        let above = self.store.get_mut(parent);
        above.stat.child_deleted(zxid.0);
        let parent_acl = above.acl;
        self.refresh_digest(parent, parent_path);
        let id = self.store.lookup(path).filter(|&id| id != NodeId::ROOT).ok_or(ErrorCode::NoNode)?;
        self.drop_descendants(id);
        let node = self.detach(id, path);
        if parent_path.starts_with(QUOTA_PATH) && name == quota::LIMITS {
            self.quotas.remove(&parent_path[QUOTA_PATH.len()..]);
        }
        if !planted::is(Bug::QuotaNotCountedOnDelete) {
            self.add_to_quota(path, -1, -(node.data_len() as i64));
        }
        let mut bell = self.bell(zxid, events);
        bell.ring(Table::Data, EventType::NodeDeleted, path, node.acl);
        bell.ring_again(Table::Child, EventType::NodeDeleted, path, node.acl);
        if !planted::is(Bug::DeleteMissesChildWatch) {
            bell.ring(Table::Child, EventType::NodeChildrenChanged, shown(parent_path), parent_acl);
        }
        self.acls.release(node.acl);
        Ok(())
    }

    /// What is still below a node that gets deleted was written to the snapshot after the node had been deleted and created
    /// anew: when the delete was made there was nothing. The rest of the log creates it again.
    fn drop_descendants(&mut self, top: NodeId) {
        while self.store.get(top).num_children > 0 {
            let mut leaf = top;
            while let Some(child) = self.store.get(leaf).first_child.some() {
                leaf = child;
            }
            let path = self.store.path_of(leaf);
            let node = self.detach(leaf, &path);
            self.acls.release(node.acl);
        }
    }

    fn set_data(
        &mut self,
        header: &TxnHeader,
        path: &str,
        data: Option<&Bytes>,
        version: i32,
        events: &mut Events,
    ) -> Option<NodeId> {
        let id = self.store.lookup(path)?;
        let node = self.store.get_mut(id);
        let before = node.data_len() as i64;
        node.data = data.map(|data| Box::from(&data[..]));
        node.stat.mtime = header.time.0;
        node.stat.mzxid = header.zxid.0;
        let counts_up = planted::is(Bug::ReplayBumpsVersion);
        node.stat.version = if counts_up { node.stat.version.wrapping_add(1) } else { version };
        let (acl, version) = (node.acl, node.stat.version);
        self.note_versions(0, version);
        if !planted::is(Bug::DigestNotRefreshed) {
            self.refresh_digest(id, path);
        }
        let more = data.map_or(0, Bytes::len) as i64 - before;
        self.data_size += more;
        self.add_to_quota(path, 0, more);
        self.bell(header.zxid, events).ring(Table::Data, EventType::NodeDataChanged, path, acl);
        Some(id)
    }

    fn set_acl(&mut self, path: &str, acl: &[Acl], version: i32) -> TxnResult {
        let Some(id) = self.store.lookup(path) else { return TxnResult::error(ErrorCode::NoNode) };
        if planted::is(Bug::RepeatedSetAclSkipped) && self.store.get(id).stat.aversion == version {
            return TxnResult::AclSet(self.store.get(id).client_stat(self.settings.extended_types));
        }
        let acl = self.acls.intern(acl);
        let node = self.store.get_mut(id);
        node.stat.aversion = version;
        let replaced = std::mem::replace(&mut node.acl, acl);
        let stat = node.client_stat(self.settings.extended_types);
        self.acls.release(replaced);
        self.refresh_digest(id, path);
        TxnResult::AclSet(stat)
    }

    /// Deletes what the transaction lists, then what the session still owns: the second must be nothing, except for leaders
    /// older than 3.6 that list nothing (`DataTree.killSession`).
    fn close_session(&mut self, header: &TxnHeader, listed: &[String], events: &mut Events) {
        self.sessions.remove(&header.session);
        for path in listed {
            self.delete_ephemeral(path, header, events);
        }
        let rest = self.ephemerals_of(header.session);
        if !listed.is_empty() && !rest.is_empty() {
            tracing::info!(
                session = %header.session, zxid = %header.zxid, listed = listed.len(), others = rest.len(),
                "closeSession does not list every ephemeral"
            );
        }
        for path in rest {
            if !planted::is(Bug::CloseMissesNewEphemerals) {
                self.delete_ephemeral(&path, header, events);
            }
        }
        self.ephemerals.remove(&header.session);
    }

    fn delete_ephemeral(&mut self, path: &str, header: &TxnHeader, events: &mut Events) {
        if let Err(code) = self.delete(path, header.zxid, events) {
            tracing::debug!(session = %header.session, %path, %code, "ephemeral of a closed session is gone already");
        }
    }

    /// Quota nodes take effect when they are created; every other node counts.
    fn count_created(&mut self, parent_path: &str, name: &str, path: &str, bytes: usize) {
        if let Some(limited) = parent_path.strip_prefix(QUOTA_PATH) {
            if name == quota::LIMITS {
                self.quotas.add(limited);
            }
            if name == quota::STATS {
                self.recount_quota(limited);
            }
        }
        self.add_to_quota(path, 1, bytes as i64);
    }

    /// Changes the statistics node of the longest quota above `path`, in place: no version, no zxid, no watch, and no part
    /// in the digest, because every server does this by itself (`DataTree.updateQuotaStat`).
    fn add_to_quota(&mut self, path: &str, count: i64, bytes: i64) {
        let Some(limited) = self.quotas.longest_prefix(path) else { return };
        let Some(id) = self.store.lookup(&quota::stats_path(limited)) else { return };
        let node = self.store.get_mut(id);
        // A client may have overwritten the statistics with nonsense; Apache's parser would bring the server down here.
        let Some(Ok(mut track)) = node.data.as_deref().map(StatsTrack::parse) else { return };
        track.add(count, bytes);
        node.data = Some(track.to_string().into_bytes().into_boxed_slice());
    }

    /// Counts what lies below a path and writes it into its statistics node (`DataTree.updateQuotaForPath`).
    pub(crate) fn recount_quota(&mut self, path: &str) {
        let Some(stats) = self.store.lookup(&quota::stats_path(path)) else { return };
        let (mut count, mut bytes) = (0, 0);
        if let Some(top) = self.store.lookup(path) {
            for id in self.store.subtree(top) {
                count += 1;
                bytes += self.store.get(id).data_len() as i64;
            }
        }
        self.store.get_mut(stats).data = Some(StatsTrack::of(count, bytes).to_string().into_bytes().into_boxed_slice());
    }

    fn bell<'a>(&'a mut self, zxid: Zxid, events: &'a mut Events) -> Bell<'a> {
        Bell { zxid, watches: self.watches.get_mut(), acls: &self.acls, events, fired: Vec::new(), served: Vec::new() }
    }

    fn check_digest(&mut self, zxid: Zxid, sent: Option<TxnDigest>) {
        if !self.settings.digest_enabled {
            return;
        }
        if let Some(expected) = self.expected_digest {
            if zxid < expected.zxid {
                return;
            }
            self.expected_digest = None;
            self.check_snapshot_digest(zxid, expected);
        }
        let sent = sent.filter(|sent| sent.version == TxnDigest::VERSION);
        if self.distrusted_txns > 0 {
            let Some(sent) = sent else { return };
            if sent.digest != self.digest {
                self.distrusted_txns -= 1;
                return;
            }
            self.distrusted_txns = 0;
        }
        self.digest_log.note(zxid, self.digest);
        if let Some(sent) = sent.filter(|sent| sent.digest != self.digest) {
            self.report_mismatch(zxid, sent.digest);
        }
    }

    fn check_snapshot_digest(&mut self, zxid: Zxid, expected: ExpectedDigest) {
        if zxid > expected.zxid {
            tracing::warn!(zxid = %expected.zxid, "the transaction of the snapshot's digest is not in the log");
        } else if expected.version == TxnDigest::VERSION && expected.digest != self.digest {
            self.report_mismatch(zxid, expected.digest);
        }
    }

    fn report_mismatch(&mut self, zxid: Zxid, expected: u64) {
        self.digest_mismatches += 1;
        if self.digest_mismatches == 1 {
            let found = self.digest;
            tracing::error!(%zxid, expected, found, "first digest mismatch: this server's tree differs from the leader's");
        }
    }
}

/// Triggers watches for one change.
struct Bell<'a> {
    zxid: Zxid,
    watches: &'a mut WatchTables,
    acls: &'a AclTable,
    events: &'a mut Events,
    fired: Vec<u32>,
    served: Vec<u32>,
}

impl Bell<'_> {
    fn ring(&mut self, table: Table, kind: EventType, path: &str, acl_slot: u32) {
        self.served.clear();
        self.ring_again(table, kind, path, acl_slot);
    }

    /// As `ring`, but leaves out those that the ring before has served: a deleted node is told of once, to watchers of its
    /// data or of its children.
    fn ring_again(&mut self, table: Table, kind: EventType, path: &str, acl_slot: u32) {
        if self.watches.is_idle() {
            return;
        }
        let path = shown(canonical(path));
        self.watches.trigger(table, path, &mut self.fired);
        if self.fired.is_empty() {
            return;
        }
        self.events.note_triggered(kind, self.fired.len());
        let open = self.acls.world(acl_slot).intersects(Perms::READ) || planted::is(Bug::EventTellsUnreadable);
        let acl = self.acls.get(acl_slot).map(|acl| &acl[..]);
        let (watches, served) = (&*self.watches, &self.served);
        let fired = self.fired.iter().filter(|&number| served.binary_search(number).is_err());
        let watchers = fired.map(|&number| watches.watcher(number));
        let allowed = watchers.filter(|watcher| open || acl::is_allowed(acl, Perms::READ, &watcher.identities));
        self.events.push(self.zxid, kind, path, allowed.map(|watcher| watcher.conn));
        std::mem::swap(&mut self.fired, &mut self.served);
    }
}
