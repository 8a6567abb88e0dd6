//! Builds a tree from a body, record by record, whatever the pieces are that the bytes come in.

use crate::acl_table::{OPEN, OPEN_ID};
use crate::node::{Node, NodeId, StoredStat};
use crate::quota::{LIMITS, QUOTA_PATH};
use crate::{Tree, TreeSettings, path};
use planted::Bug;
use std::collections::BTreeMap;
use wire::{Acl, DecodeError, Id, Perms, Reader, SessionId};

/// What a loader must know beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderSettings {
    /// The new tree's settings.
    pub tree: TreeSettings,
    /// The longest record (a node with its path, an ACL) that is accepted, and so the most a loader buffers.
    pub record_bytes_max: usize,
}

/// How far a push came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken: all of them, unless the body ended before.
    pub consumed: usize,
    /// Whether the body is complete.
    pub done: bool,
}

/// Why bytes are not a body.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImageError {
    /// A record cannot be read.
    #[error("snapshot record {record}: {source}")]
    Record {
        /// How many records came before.
        record: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A record is longer than allowed.
    #[error("snapshot record {record} needs {needed} bytes, at most {max} expected. hint: raise jute.maxbuffer")]
    TooLong {
        /// How many records came before.
        record: u64,
        /// Bytes it needs.
        needed: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A count is negative.
    #[error("snapshot record {record}: negative count {count}")]
    Count {
        /// How many records came before.
        record: u64,
        /// The count.
        count: i32,
    },
    /// A path is not one, or comes twice.
    #[error("snapshot record {record}: node path {path:?} {problem}")]
    Path {
        /// How many records came before.
        record: u64,
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The body ends before its terminator.
    #[error("snapshot ends early, after {records} records")]
    Incomplete {
        /// Records read.
        records: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SessionCount,
    Sessions {
        left: i32,
    },
    AclCount,
    Acl {
        left: i32,
    },
    /// The entries of one ACL.
    AclEntries {
        left: i32,
        id: i64,
        entries_left: i32,
    },
    Nodes,
    Done,
}

/// Takes a body in pieces and yields a tree.
pub struct Loader {
    settings: LoaderSettings,
    tree: Tree,
    state: State,
    /// The front of a record whose rest has not come yet.
    partial: Vec<u8>,
    /// Bytes that `partial` must have before another attempt.
    needed: usize,
    records: u64,
    has_root: bool,
    /// Slots by id in the body. The loader holds one use of each until the end.
    acls: BTreeMap<i64, u32>,
    /// The ACL whose entries are coming in, and how long it is so far.
    acl: Vec<Acl>,
    acl_bytes: usize,
}

impl Loader {
    /// Expects the first byte of a body.
    #[must_use]
    pub fn new(settings: LoaderSettings) -> Loader {
        Loader {
            settings,
            tree: Tree::bare(settings.tree),
            state: State::SessionCount,
            partial: Vec::new(),
            needed: 0,
            records: 0,
            has_root: false,
            acls: BTreeMap::new(),
            acl: Vec::new(),
            acl_bytes: 0,
        }
    }

    /// Takes the next bytes. What follows the body is left alone.
    pub fn push(&mut self, input: &[u8]) -> Result<Progress, ImageError> {
        let mut at = 0;
        while self.state != State::Done && at < input.len() {
            if self.partial.is_empty() {
                match self.record(&input[at..])? {
                    Some(used) => at += used,
                    None => {
                        self.partial.extend_from_slice(&input[at..]);
                        at = input.len();
                    }
                }
                continue;
            }
            // Only what the record is known to need: so nothing behind the body is swallowed.
            let more = self.needed.saturating_sub(self.partial.len()).min(input.len() - at);
            self.partial.extend_from_slice(&input[at..at + more]);
            at += more;
            if self.partial.len() < self.needed {
                continue;
            }
            let partial = std::mem::take(&mut self.partial);
            match self.record(&partial)? {
                Some(used) => assert_eq!(used, partial.len(), "a record is buffered up to its last byte"),
                None => self.partial = partial,
            }
        }
        Ok(Progress { consumed: at, done: self.state == State::Done })
    }

    /// The finished tree. Its last zxid is the caller's to set: it stands in the file's name.
    pub fn finish(mut self) -> Result<Tree, ImageError> {
        if self.state != State::Done {
            return Err(ImageError::Incomplete { records: self.records });
        }
        if !self.has_root {
            return Err(self.path_error("", "is missing"));
        }
        for &slot in self.acls.values() {
            self.tree.acls.release(slot);
        }
        self.tree.activate_quotas();
        Ok(self.tree)
    }

    /// Reads one record from the front of `bytes`; `None` where more are needed, `self.needed` in all.
    fn record(&mut self, bytes: &[u8]) -> Result<Option<usize>, ImageError> {
        let mut input = Reader::new(bytes);
        match self.read(&mut input) {
            Ok(()) => {
                self.records += 1;
                Ok(Some(input.position()))
            }
            Err(Problem::Decode(DecodeError::Short { at, needed, .. })) => {
                let max = self.settings.record_bytes_max;
                self.needed = at.saturating_add(needed);
                if self.needed > max {
                    return Err(ImageError::TooLong { record: self.records, needed: self.needed, max });
                }
                Ok(None)
            }
            Err(Problem::Decode(source)) => Err(ImageError::Record { record: self.records, source }),
            Err(Problem::Image(error)) => Err(error),
        }
    }

    fn read(&mut self, input: &mut Reader<'_>) -> Result<(), Problem> {
        match self.state {
            State::SessionCount => {
                let left = self.count(input)?;
                self.state = if left == 0 { State::AclCount } else { State::Sessions { left } };
            }
            State::Sessions { left } => {
                let (session, timeout) = (SessionId(input.i64()?), input.i32()?);
                self.tree.sessions.insert(session, timeout);
                self.state = if left == 1 { State::AclCount } else { State::Sessions { left: left - 1 } };
            }
            State::AclCount => {
                let left = self.count(input)?;
                self.state = if left == 0 { State::Nodes } else { State::Acl { left } };
            }
            State::Acl { left } => {
                let id = input.i64()?;
                let entries_left = self.count(input)?;
                self.acl.clear();
                self.acl_bytes = 0;
                self.next_acl_entry(left, id, entries_left);
            }
            State::AclEntries { left, id, entries_left } => {
                let entry = Acl::decode(input)?;
                self.acl_bytes += input.position();
                if self.acl_bytes > self.settings.record_bytes_max {
                    let (needed, max) = (self.acl_bytes, self.settings.record_bytes_max);
                    return Err(ImageError::TooLong { record: self.records, needed, max }.into());
                }
                self.acl.push(entry);
                self.next_acl_entry(left, id, entries_left - 1);
            }
            State::Nodes => self.read_node(input)?,
            State::Done => {}
        }
        Ok(())
    }

    fn count(&self, input: &mut Reader<'_>) -> Result<i32, Problem> {
        let count = input.i32()?;
        if count < 0 { Err(ImageError::Count { record: self.records, count }.into()) } else { Ok(count) }
    }

    /// Entries are records of their own: an ACL that comes in small pieces is not read again from its start each time.
    fn next_acl_entry(&mut self, left: i32, id: i64, entries_left: i32) {
        if entries_left > 0 {
            self.state = State::AclEntries { left, id, entries_left };
            return;
        }
        let slot = self.tree.acls.load(&self.acl, id);
        if let Some(replaced) = self.acls.insert(id, slot) {
            self.tree.acls.release(replaced);
        }
        self.state = if left == 1 { State::Nodes } else { State::Acl { left: left - 1 } };
    }

    fn read_node(&mut self, input: &mut Reader<'_>) -> Result<(), Problem> {
        let path = input.str("node path")?;
        if path == super::TERMINATOR {
            self.state = State::Done;
            return Ok(());
        }
        let data = input.buffer()?;
        let acl_id = input.i64()?;
        let stat = StoredStat::decode(input)?;
        if path.is_empty() {
            return self.set_root(data, acl_id, stat);
        }
        let (parent_path, name) = path::split(path).ok_or_else(|| self.path_error(path, "has no slash"))?;
        if name.is_empty() || parent_path == "/" || !self.has_root {
            return Err(self.path_error(path, "has an empty name or comes before the root").into());
        }
        let parent = self.tree.store.lookup(parent_path);
        let parent = parent.ok_or_else(|| self.path_error(path, "has no parent in the snapshot"))?;
        if self.tree.store.lookup(path).is_some() {
            return Err(self.path_error(path, "comes twice").into());
        }
        let acl = self.acl_slot(acl_id);
        self.tree.insert(parent, path, Node::new(name, data, acl, stat));
        if planted::is(Bug::ContainersForgottenOnLoad) {
            self.tree.containers.clear();
        }
        Ok(())
    }

    fn set_root(&mut self, data: Option<&[u8]>, acl_id: i64, stat: StoredStat) -> Result<(), Problem> {
        if self.has_root {
            return Err(self.path_error("", "comes twice").into());
        }
        self.has_root = true;
        let acl = self.acl_slot(acl_id);
        let root = self.tree.store.get_mut(NodeId::ROOT);
        root.data = data.map(Box::from);
        root.acl = acl;
        let (cversion, version) = (stat.cversion, stat.version);
        root.stat = stat;
        self.tree.note_versions(cversion, version);
        self.tree.data_size += data.map_or(0, <[u8]>::len) as i64;
        self.tree.refresh_digest(NodeId::ROOT, "");
        Ok(())
    }

    /// The slot of an ACL id, used once more. Apache's fuzzy snapshots may name ids that are in no map; replay repairs the
    /// nodes. Until then they are closed to everybody but the super user, which errs on the safe side.
    fn acl_slot(&mut self, id: i64) -> u32 {
        if id == OPEN_ID {
            return OPEN;
        }
        match self.acls.get(&id) {
            Some(&slot) => {
                self.tree.acls.share(slot);
                slot
            }
            None => {
                tracing::warn!(id, "a node's ACL is not in the snapshot; the log must repair it");
                self.tree.acls.intern(&[Acl { perms: Perms(0), id: Id::new("world", "anyone") }])
            }
        }
    }

    fn path_error(&self, path: &str, problem: &'static str) -> ImageError {
        ImageError::Path { record: self.records, path: path.chars().take(200).collect(), problem }
    }
}

/// An incomplete record is no error yet.
enum Problem {
    Decode(DecodeError),
    Image(ImageError),
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Problem {
        Problem::Decode(error)
    }
}

impl From<ImageError> for Problem {
    fn from(error: ImageError) -> Problem {
        Problem::Image(error)
    }
}

impl Tree {
    /// Quotas are not stored as such: they follow from the limit nodes, and all statistics are counted anew
    /// (`DataTree.setupQuota`).
    fn activate_quotas(&mut self) {
        let Some(top) = self.store.lookup(QUOTA_PATH) else { return };
        let end = format!("/{LIMITS}");
        let mut limited = Vec::new();
        for id in self.store.subtree(top) {
            let node = self.store.get(id);
            if node.num_children > 0 || node.name != LIMITS {
                continue;
            }
            let path = self.store.path_of(id);
            if let Some(at) = path.find(&end) {
                limited.push(path[QUOTA_PATH.len()..at].to_owned());
            }
        }
        for path in limited {
            self.recount_quota(&path);
            self.quotas.add(&path);
        }
    }
}
