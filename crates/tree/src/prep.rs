//! Requests become transactions (`PrepRequestProcessor`): the only place that may refuse.
//!
//! Only the leader prepares. It looks at the tree *and* at what it has already prepared but not applied (the outstanding
//! changes), because every transaction must be right in the state that all earlier ones leave behind. Every request yields
//! exactly one entry, refused ones an error: learners wait for it, and each takes one zxid.

mod ceiling;
mod create;
mod multi;
mod ops;
mod outstanding;
mod room;

use crate::Tree;
use crate::acl::{self, AuthSettings};
use crate::digest;
use crate::node::{Owner, StoredStat};
use crate::path::canonical;
use crate::quota::{self, StatsTrack};
use bytes::Bytes;
use ceiling::Ceiling;
use outstanding::{Outstanding, Record};
use planted::Bug;
use room::Room;
pub use room::{GrowthRoom, ZNODE_BYTES};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use wire::client::OpCode;
use wire::txn::{Txn, TxnDigest, TxnEntry, TxnHeader};
use wire::{Acl, DecodeError, ErrorCode, Id, Perms, Version, Zxid};

/// What a closeSession takes besides its paths, bytes: header, count, digest.
const CLOSE_SESSION_BYTES: usize = 64;
/// By how many names the refusals of quotas are told apart at most.
const QUOTA_NAMESPACES_MAX: usize = 100;

/// What decisions depend on besides the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepSettings {
    /// The authentication schemes.
    pub auth: AuthSettings,
    /// `skipACL=yes`.
    pub skip_acl: bool,
    /// `enforceQuota=true`: hard limits refuse.
    pub enforce_quota: bool,
    /// `reconfigEnabled=true`.
    pub reconfig_enabled: bool,
    /// The longest transaction that a log or a peer gives back, bytes. A request can be made of which a longer one would
    /// follow (a multi of creates for `auth`, by somebody with many identities): it is refused. Apache proposes it, and no
    /// server can read it (ZOOKEEPER-3496).
    pub txn_bytes_max: usize,
    /// `znode.container.maxNeverUsedIntervalMs`: how old a container without any child so far must be before the server may
    /// delete it, ms; 0 = never.
    pub container_never_used_ms_max: i64,
}

impl Default for PrepSettings {
    fn default() -> PrepSettings {
        PrepSettings {
            auth: AuthSettings::default(),
            skip_acl: false,
            enforce_quota: false,
            reconfig_enabled: false,
            txn_bytes_max: usize::MAX,
            container_never_used_ms_max: 0,
        }
    }
}

/// One request, as the leader has it in hand.
#[derive(Debug, Clone, Copy)]
pub struct WriteRequest<'a> {
    /// The header its transaction will have.
    pub header: TxnHeader,
    /// The operation.
    pub opcode: OpCode,
    /// The request's record, without its header. createSession: the timeout; deleteContainer: the path; closeSession: none.
    pub body: &'a Bytes,
    /// The caller's identities.
    pub identities: &'a [Id],
    /// What the session tracker says against the session (`SessionTracker.checkSession`). It is not simply the answer: some
    /// checks come before it, and closing a session needs none.
    pub session_error: Option<ErrorCode>,
    /// What it says against an ephemeral of that session (`checkGlobalSession`); `session_error` counts as well.
    pub ephemeral_error: Option<ErrorCode>,
    /// reconfig: the text of the next configuration, or what is to be said against it
    /// ([`MarshallingError`](ErrorCode::MarshallingError): the request is broken). Who belongs to the ensemble is not the
    /// tree's business. `None` where there is no ensemble.
    pub next_config: Option<Result<&'a Bytes, ErrorCode>>,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// An answer; in a multi it concerns one part.
    Code(ErrorCode),
    /// The request itself is broken, and a multi as a whole.
    Broken,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal::Code(code)
    }
}

impl From<DecodeError> for Refusal {
    fn from(_: DecodeError) -> Refusal {
        Refusal::Broken
    }
}

type Decision<T = Txn> = Result<T, Refusal>;

/// Turns requests into transactions, on the leader. One follows the other: call [`Prep::applied`] after each
/// [`Tree::apply`], before the next [`Prep::prepare`], and [`Prep::clear`] when leadership begins or ends.
#[derive(Debug)]
pub struct Prep {
    settings: PrepSettings,
    outstanding: Outstanding,
    room: Room,
    /// The tree's digest after everything outstanding.
    digest: u64,
    /// Ephemerals of the session closed last that its transaction had no room to list.
    unlisted: VecDeque<String>,
    ceiling: Ceiling,
    quota_refusals: Arc<BTreeMap<String, u64>>,
}

/// One request on its way through the checks.
#[derive(Clone, Copy)]
struct Task<'a> {
    tree: &'a Tree,
    request: &'a WriteRequest<'a>,
}

impl Task<'_> {
    fn zxid(&self) -> Zxid {
        self.request.header.zxid
    }

    fn check_session(&self) -> Result<(), ErrorCode> {
        self.request.session_error.map_or(Ok(()), Err)
    }

    fn owner(&self, stat: &StoredStat) -> Owner {
        Owner::of(stat.ephemeral_owner, self.tree.settings.extended_types)
    }

    /// Bytes of a frame, sharing its memory where they are part of the request's body.
    fn share(&self, data: Option<&[u8]>) -> Option<Bytes> {
        data.map(|data| self.request.body.slice_ref(data))
    }
}

impl Prep {
    /// Nothing outstanding.
    #[must_use]
    pub fn new(settings: PrepSettings) -> Prep {
        Prep {
            settings,
            outstanding: Outstanding::default(),
            room: Room::default(),
            digest: 0,
            unlisted: VecDeque::new(),
            ceiling: Ceiling::default(),
            quota_refusals: Arc::default(),
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &PrepSettings {
        &self.settings
    }

    /// Decides a request. The entry's zxid must be the next one.
    pub fn prepare(&mut self, tree: &Tree, request: &WriteRequest<'_>) -> TxnEntry {
        if self.outstanding.is_empty() {
            self.digest = tree.digest();
        }
        let task = Task { tree, request };
        let mark = self.outstanding.mark();
        let digest_before = self.digest;
        let decided = self.decide(task).and_then(|txn| self.entry(task, txn));
        match decided {
            Ok(entry) => {
                self.outstanding.commit(&mark);
                entry
            }
            Err(refusal) => {
                self.outstanding.roll_back(mark);
                self.digest = digest_before;
                let code = match refusal {
                    Refusal::Code(code) => code,
                    Refusal::Broken => ErrorCode::MarshallingError,
                };
                TxnEntry::new(request.header, Txn::error(code), None)
            }
        }
    }

    /// The transaction as it is logged, if it is not too long for that.
    fn entry(&self, task: Task<'_>, txn: Txn) -> Decision<TxnEntry> {
        let entry = self.with_digest(task.tree, task.request.header, txn);
        if entry.bytes.len() > self.settings.txn_bytes_max {
            tracing::warn!(
                session = %task.request.header.session, opcode = ?task.request.opcode, bytes = entry.bytes.len(),
                bytes_max = self.settings.txn_bytes_max, "refused a request: its transaction would be too long to be read back"
            );
            return Err(Refusal::Broken);
        }
        Ok(entry)
    }

    /// Whether the session closed last had more ephemerals than its transaction could list: [`Prep::prepare_rest`] lists more.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        !self.unlisted.is_empty()
    }

    /// A further closeSession behind one that could not list all ephemerals. The first one ends them all, listed or not
    /// (`DataTree.killSession`). Listing the others too sets the pzxid of their parents anew, also where the transaction is
    /// repeated on a fuzzy snapshot that does not hold them any more (ZOOKEEPER-3145).
    pub fn prepare_rest(&mut self, tree: &Tree, header: TxnHeader) -> TxnEntry {
        let body = Bytes::new();
        let request = WriteRequest {
            header,
            opcode: OpCode::CloseSession,
            body: &body,
            identities: &[],
            session_error: None,
            ephemeral_error: None,
            next_config: None,
        };
        let task = Task { tree, request: &request };
        let mark = self.outstanding.mark();
        let txn = self.list_rest(task);
        self.outstanding.commit(&mark);
        self.with_digest(tree, header, txn)
    }

    fn with_digest(&self, tree: &Tree, header: TxnHeader, txn: Txn) -> TxnEntry {
        let digest = TxnDigest { version: TxnDigest::VERSION, digest: self.digest };
        TxnEntry::new(header, txn, tree.settings.digest_enabled.then_some(digest))
    }

    fn decide(&mut self, task: Task<'_>) -> Decision {
        match task.request.opcode {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => self.decide_create(task),
            OpCode::Delete => self.decide_delete(task),
            OpCode::DeleteContainer => self.decide_delete_container(task),
            OpCode::SetData => self.decide_set_data(task),
            OpCode::SetAcl => self.decide_set_acl(task),
            OpCode::Multi => self.decide_multi(task),
            OpCode::CreateSession => ops::create_session(task),
            OpCode::CloseSession => Ok(self.close_session(task)),
            OpCode::Reconfig => self.decide_reconfig(task),
            _ => Err(ErrorCode::Unimplemented.into()),
        }
    }

    /// A transaction was applied: changes up to it are in the tree.
    pub fn applied(&mut self, zxid: Zxid) {
        self.outstanding.applied(zxid);
    }

    /// Memory was measured; `None` = it has no limit. Where little is left, what makes the tree grow is refused with
    /// QUOTAEXCEEDED, the code that clients know as "there is no more room for you" and do not retry at once.
    pub fn measured(&mut self, room: Option<GrowthRoom>) {
        self.room.measured(room);
    }

    /// Whether growth is being refused for want of memory.
    #[must_use]
    pub fn is_short_of_memory(&self) -> bool {
        self.room.is_short()
    }

    /// Requests that were refused for want of memory.
    #[must_use]
    pub fn refused_for_memory(&self) -> u64 {
        self.room.refused()
    }

    /// Writes that were refused by a hard limit of a quota, by the first name in the path of the quota.
    #[must_use]
    pub fn quota_refusals(&self) -> &Arc<BTreeMap<String, u64>> {
        &self.quota_refusals
    }

    fn note_quota_refusal(&mut self, limited: &str) {
        let namespace = limited.split('/').nth(1).unwrap_or_default();
        let refusals = Arc::make_mut(&mut self.quota_refusals);
        // Quotas are made by those who run the ensemble, but nothing bounds their number.
        if let Some(count) = refusals.get_mut(namespace) {
            *count += 1;
        } else if refusals.len() < QUOTA_NAMESPACES_MAX {
            refusals.insert(namespace.to_owned(), 1);
        }
    }

    /// Forgets everything outstanding.
    pub fn clear(&mut self) {
        self.outstanding.clear();
        self.unlisted.clear();
    }

    /// Changes prepared and not applied. Bounded by whoever bounds the requests in flight.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// A node as all transactions so far will leave it.
    fn record(&self, task: Task<'_>, path: &str) -> Result<Record, ErrorCode> {
        let path = canonical(path);
        let found = match self.outstanding.get(path) {
            Some(record) if !planted::is(Bug::PrepIgnoresOutstanding) => record.clone(),
            _ => task.tree.store.lookup(path).map(|id| {
                let node = task.tree.store.get(id);
                Record {
                    stat: node.stat,
                    child_count: node.num_children,
                    acl: task.tree.acls.get(node.acl).map(Arc::clone),
                    data_len: node.data_len(),
                    content_crc: None,
                    digest: node.digest,
                }
            }),
        };
        found.ok_or(ErrorCode::NoNode)
    }

    /// Records a node's new state, and moves the predicted digest on. The record's digest is still the old one.
    fn put(&mut self, task: Task<'_>, path: &str, mut record: Record) {
        let path = canonical(path);
        let before = record.digest;
        if task.tree.settings.digest_enabled && !digest::is_excluded(path) {
            let content = record.content_crc.unwrap_or_else(|| {
                // Untouched so far, so the tree still has it.
                let data = task.tree.get_data(path).flatten();
                digest::content_crc(path, data)
            });
            record.content_crc = Some(content);
            record.digest = digest::finish(content, &record.stat);
        }
        self.digest = self.digest.wrapping_sub(u64::from(before)).wrapping_add(u64::from(record.digest));
        let owner = match task.owner(&record.stat) {
            Owner::Session(session) => Some(session),
            _ => None,
        };
        self.outstanding.put(task.zxid(), path, Some(record), owner);
    }

    /// Records that a node will be gone.
    fn put_deleted(&mut self, task: Task<'_>, path: &str, record: &Record) {
        self.digest = self.digest.wrapping_sub(u64::from(record.digest));
        self.outstanding.put(task.zxid(), canonical(path), None, None);
    }

    fn check_acl(&self, task: Task<'_>, record: &Record, wanted: Perms) -> Result<(), ErrorCode> {
        let allowed = self.settings.skip_acl || acl::is_allowed(record.acl.as_deref(), wanted, task.request.identities);
        if allowed { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    fn fix_up(&self, task: Task<'_>, requested: Option<&[Acl]>) -> Result<Vec<Acl>, ErrorCode> {
        acl::fix_up(requested, task.request.identities, &self.settings.auth)
    }

    /// Refuses what would go over a hard limit (`ZooKeeperServer.checkQuota`). The statistics are those of the tree: what is
    /// outstanding is not counted. Texts that cannot be parsed make Apache fail the request as a whole.
    fn check_quota(&mut self, task: Task<'_>, path: &str, count: i64, bytes: i64) -> Decision<()> {
        if !self.settings.enforce_quota {
            return Ok(());
        }
        let Some(limited) = task.tree.quotas.longest_prefix(path) else { return Ok(()) };
        let read = |path: &str| -> Decision<Option<StatsTrack>> {
            let Some(data) = task.tree.get_data(path) else { return Ok(None) };
            data.and_then(|data| StatsTrack::parse(data).ok()).map(Some).ok_or(Refusal::Broken)
        };
        let Some(limits) = read(&quota::limits_path(limited))? else { return Ok(()) };
        let checks_count = count != 0 && (limits.count() > -1 || limits.count_hard_limit() > -1);
        let checks_bytes = bytes != 0 && (limits.bytes() > -1 || limits.byte_hard_limit() > -1);
        if !checks_count && !checks_bytes {
            return Ok(());
        }
        let Some(used) = read(&quota::stats_path(limited))? else { return Ok(()) };
        let over = |checked: bool, new: i64, hard: i64| checked && hard > -1 && new > hard;
        let over_count = over(checks_count, used.count().saturating_add(count), limits.count_hard_limit());
        let over_bytes = over(checks_bytes, used.bytes().saturating_add(bytes), limits.byte_hard_limit());
        if over_count || over_bytes {
            self.note_quota_refusal(limited);
            return Err(ErrorCode::QuotaExceeded.into());
        }
        Ok(())
    }
}

/// Checks an expected version and yields the next one; it wraps as in Java.
fn next_version(current: i32, expected: Version) -> Result<i32, ErrorCode> {
    if expected.accepts(current) { Ok(current.wrapping_add(1)) } else { Err(ErrorCode::BadVersion) }
}
