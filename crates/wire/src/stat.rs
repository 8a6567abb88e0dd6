//! The `Stat` record that replies carry.

use crate::jute::{Reader, Result, Writer};

/// A znode's metadata as clients see it (`org.apache.zookeeper.data.Stat`), 68 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    /// Zxid of the create.
    pub czxid: i64,
    /// Zxid of the last setData; the create counts.
    pub mzxid: i64,
    /// Wall clock of the create, ms since 1970.
    pub ctime: i64,
    /// Wall clock of the last setData, ms since 1970.
    pub mtime: i64,
    /// Data version.
    pub version: i32,
    /// Child version: creates plus deletes of children.
    pub cversion: i32,
    /// ACL version.
    pub aversion: i32,
    /// Session id of an ephemeral's owner, else 0.
    pub ephemeral_owner: i64,
    /// Bytes of data; 0 for null.
    pub data_length: i32,
    /// Number of children.
    pub num_children: i32,
    /// Zxid of the last create or delete of a child.
    pub pzxid: i64,
}

impl Stat {
    /// Encoded size in bytes.
    pub const BYTES: usize = 68;

    /// Appends the record.
    pub fn encode(&self, out: &mut impl Writer) {
        out.i64(self.czxid);
        out.i64(self.mzxid);
        out.i64(self.ctime);
        out.i64(self.mtime);
        out.i32(self.version);
        out.i32(self.cversion);
        out.i32(self.aversion);
        out.i64(self.ephemeral_owner);
        out.i32(self.data_length);
        out.i32(self.num_children);
        out.i64(self.pzxid);
    }

    /// Reads the record.
    pub fn decode(input: &mut Reader<'_>) -> Result<Stat> {
        Ok(Stat {
            czxid: input.i64()?,
            mzxid: input.i64()?,
            ctime: input.i64()?,
            mtime: input.i64()?,
            version: input.i32()?,
            cversion: input.i32()?,
            aversion: input.i32()?,
            ephemeral_owner: input.i64()?,
            data_length: input.i32()?,
            num_children: input.i32()?,
            pzxid: input.i64()?,
        })
    }
}
