//! One znode: its stat as stored, its place among its siblings, and how much memory that may take.

use compact_str::CompactString;
use planted::Bug;
use wire::client::CreateMode;
use wire::{SessionId, Stat, Writer};

/// A node's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

impl NodeId {
    /// The root's slot.
    pub(crate) const ROOT: NodeId = NodeId(0);
    /// No node.
    pub(crate) const NONE: NodeId = NodeId(u32::MAX);

    /// `None` for [`NodeId::NONE`].
    pub(crate) fn some(self) -> Option<NodeId> {
        if self == NodeId::NONE { None } else { Some(self) }
    }
}

/// Who or what keeps a node alive, read from the stored `ephemeralOwner` (`EphemeralType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Nobody: a persistent node.
    Nobody,
    /// A session: an ephemeral node.
    Session(SessionId),
    /// Its children: a container.
    Container,
    /// Its last change, for this many ms.
    Ttl(i64),
}

impl Owner {
    /// The stored owner of a container.
    pub(crate) const CONTAINER: i64 = i64::MIN;
    const EXTENDED: i64 = 0xff00_0000_0000_0000_u64 as i64;

    /// Reads a stored owner. Without `zookeeper.extendedTypesEnabled` a TTL looks like a session, as in Apache.
    #[must_use]
    pub fn of(stored: i64, extended: bool) -> Owner {
        if extended && stored & Self::EXTENDED == Self::EXTENDED && (stored >> 40) & 0xffff == 0 {
            return Owner::Ttl(stored & CreateMode::TTL_MS_MAX);
        }
        match stored {
            Self::CONTAINER => Owner::Container,
            0 => Owner::Nobody,
            session => Owner::Session(SessionId(session)),
        }
    }

    /// The stored owner of a node that lives for `ttl` ms.
    pub(crate) fn stored_ttl(ttl: i64) -> i64 {
        Self::EXTENDED | (ttl & CreateMode::TTL_MS_MAX)
    }
}

/// A node's metadata as snapshots and digests have it (`StatPersisted`): `cversion` counts creates only.
///
/// Packed to multiples of 4, which saves every znode 8 bytes of padding. Fields are copied out, never borrowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C, packed(4))]
pub(crate) struct StoredStat {
    pub(crate) czxid: i64,
    pub(crate) mzxid: i64,
    pub(crate) pzxid: i64,
    pub(crate) ctime: i64,
    pub(crate) mtime: i64,
    pub(crate) ephemeral_owner: i64,
    pub(crate) version: i32,
    pub(crate) cversion: i32,
    pub(crate) aversion: i32,
}

impl StoredStat {
    /// Encoded size in a snapshot and in a digest.
    pub(crate) const BYTES: usize = 60;

    /// The stat of a node created now (`DataTree.createStat`).
    pub(crate) fn created(zxid: i64, time: i64, ephemeral_owner: i64) -> StoredStat {
        StoredStat {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time,
            mtime: time,
            ephemeral_owner,
            ..StoredStat::default()
        }
    }

    /// Counts a created child. A replayed create must not count twice, so the number only ever grows.
    pub(crate) fn child_created(&mut self, parent_cversion: i32, zxid: i64) {
        let counts_up = parent_cversion == -1 || planted::is(Bug::ReplayCountsChildTwice);
        let cversion = if counts_up { self.cversion.wrapping_add(1) } else { parent_cversion };
        if cversion > self.cversion {
            self.cversion = cversion;
            self.pzxid = zxid;
        }
    }

    /// Notes a deleted child.
    pub(crate) fn child_deleted(&mut self, zxid: i64) {
        self.pzxid = self.pzxid.max(zxid);
    }

    /// Appends the fields in a snapshot's order.
    pub(crate) fn encode(&self, out: &mut impl Writer) {
        out.i64(self.czxid);
        out.i64(self.mzxid);
        out.i64(self.ctime);
        out.i64(self.mtime);
        out.i32(self.version);
        out.i32(self.cversion);
        out.i32(self.aversion);
        out.i64(self.ephemeral_owner);
        out.i64(self.pzxid);
    }

    /// Reads the fields in a snapshot's order.
    pub(crate) fn decode(input: &mut wire::Reader<'_>) -> wire::jute::Result<StoredStat> {
        Ok(StoredStat {
            czxid: input.i64()?,
            mzxid: input.i64()?,
            ctime: input.i64()?,
            mtime: input.i64()?,
            version: input.i32()?,
            cversion: input.i32()?,
            aversion: input.i32()?,
            ephemeral_owner: input.i64()?,
            pzxid: input.i64()?,
        })
    }
}

/// A znode. Its path is its parent's path, `/` and `name`; only the last segment is kept.
///
/// What a lookup compares stands first and together: on a large tree a lookup costs what its cache misses cost.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Node {
    pub(crate) path_hash: u32,
    pub(crate) parent: NodeId,
    pub(crate) name: CompactString,
    /// Null and empty differ.
    pub(crate) data: Option<Box<[u8]>>,
    /// A slot of the ACL table.
    pub(crate) acl: u32,
    pub(crate) num_children: u32,
    pub(crate) first_child: NodeId,
    /// The next sibling; in a vacant slot the next vacant one.
    pub(crate) next: NodeId,
    pub(crate) stat: StoredStat,
    pub(crate) previous: NodeId,
    /// Nodes below this one, at any depth.
    pub(crate) descendants: u32,
    /// The node's share of the tree's digest; 0 where it has none.
    pub(crate) digest: u32,
}

/// With a hash table entry (at most 12 bytes) a znode stays below 160 bytes plus name and data.
const _: () = assert!(size_of::<Node>() <= 136);

impl Node {
    /// A node outside of any tree.
    pub(crate) fn new(name: &str, data: Option<&[u8]>, acl: u32, stat: StoredStat) -> Node {
        Node {
            stat,
            name: CompactString::new(name),
            data: data.map(Box::from),
            acl,
            parent: NodeId::NONE,
            first_child: NodeId::NONE,
            previous: NodeId::NONE,
            next: NodeId::NONE,
            num_children: 0,
            descendants: 0,
            digest: 0,
            path_hash: 0,
        }
    }

    /// A slot without a node.
    pub(crate) fn vacant() -> Node {
        Node::new("", None, 0, StoredStat::default())
    }

    /// Bytes of data.
    pub(crate) fn data_len(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.len())
    }

    /// The stat as clients see it (`DataNode.copyStat`).
    pub(crate) fn client_stat(&self, extended: bool) -> Stat {
        let stat = &self.stat;
        let ephemeral_owner = match Owner::of(stat.ephemeral_owner, extended) {
            Owner::Session(session) => session.0,
            Owner::Nobody | Owner::Container | Owner::Ttl(_) => 0,
        };
        Stat {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion.wrapping_mul(2).wrapping_sub(self.num_children as i32),
            aversion: stat.aversion,
            ephemeral_owner,
            data_length: self.data_len() as i32,
            num_children: self.num_children as i32,
            pzxid: stat.pzxid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners() {
        let check = |stored: u64, extended: bool, expected: Owner| {
            assert_eq!(Owner::of(stored as i64, extended), expected, "{stored:#x}");
        };
        check(0, true, Owner::Nobody);
        check(0x8000_0000_0000_0000, false, Owner::Container);
        check(0xff00_0000_0000_03e8, true, Owner::Ttl(1000));
        check(0xff00_0000_0000_03e8, false, Owner::Session(SessionId(0xff00_0000_0000_03e8_u64 as i64)));
        check(0x0100_0000_0000_0001, true, Owner::Session(SessionId(0x0100_0000_0000_0001)));
        assert_eq!(Owner::stored_ttl(1000) as u64, 0xff00_0000_0000_03e8);
    }
}
