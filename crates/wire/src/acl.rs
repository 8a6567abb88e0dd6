//! Access control entries.

use crate::jute::{DecodeError, Reader, Result, Writer};

/// An identity: a scheme and what it says of the client (`org.apache.zookeeper.data.Id`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// `world`, `auth`, `digest`, `ip`, `x509`, `sasl`, `super`.
    pub scheme: String,
    /// The scheme's own text; `anyone` for `world`.
    pub id: String,
}

impl Id {
    /// An identity of a scheme.
    #[must_use]
    pub fn new(scheme: &str, id: &str) -> Id {
        Id { scheme: scheme.to_owned(), id: id.to_owned() }
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut impl Writer) {
        out.string(&self.scheme);
        out.string(&self.id);
    }

    /// Reads the record.
    pub fn decode(input: &mut Reader<'_>) -> Result<Id> {
        Ok(Id { scheme: input.str("scheme")?.to_owned(), id: input.str("id")?.to_owned() })
    }

    /// Reads a vector of identities; null reads as empty.
    pub fn decode_vec(input: &mut Reader<'_>) -> Result<Vec<Id>> {
        let count = input.count(8)?.unwrap_or(0);
        (0..count).map(|_| Id::decode(input)).collect()
    }
}

/// Permission bits of an [`Acl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Perms(pub i32);

impl Perms {
    /// Read data and list children.
    pub const READ: Perms = Perms(1);
    /// Set data.
    pub const WRITE: Perms = Perms(2);
    /// Create children.
    pub const CREATE: Perms = Perms(4);
    /// Delete children.
    pub const DELETE: Perms = Perms(8);
    /// Set the ACL.
    pub const ADMIN: Perms = Perms(16);
    /// All five.
    pub const ALL: Perms = Perms(31);
    /// Each with its letter, in the order in which Apache's tools write them (`ZKUtil.getPermString`).
    pub const LETTERS: [(char, Perms); 5] =
        [('c', Perms::CREATE), ('d', Perms::DELETE), ('r', Perms::READ), ('w', Perms::WRITE), ('a', Perms::ADMIN)];

    /// The permission of a letter.
    #[must_use]
    pub fn of_letter(letter: char) -> Option<Perms> {
        Self::LETTERS.into_iter().find_map(|(known, perms)| (known == letter).then_some(perms))
    }

    /// Whether any bit of `wanted` is set.
    #[must_use]
    pub const fn intersects(self, wanted: Perms) -> bool {
        self.0 & wanted.0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Perms) -> Perms {
        Perms(self.0 | other.0)
    }
}

/// One entry of a node's access control list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acl {
    /// What is allowed.
    pub perms: Perms,
    /// To whom.
    pub id: Id,
}

impl Acl {
    /// Everything to everyone (`ZooDefs.Ids.OPEN_ACL_UNSAFE`).
    #[must_use]
    pub fn open() -> Vec<Acl> {
        vec![Acl { perms: Perms::ALL, id: Id::new("world", "anyone") }]
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut impl Writer) {
        out.i32(self.perms.0);
        self.id.encode(out);
    }

    /// Reads the record.
    pub fn decode(input: &mut Reader<'_>) -> Result<Acl> {
        Ok(Acl { perms: Perms(input.i32()?), id: Id::decode(input)? })
    }

    /// Appends a vector.
    pub fn encode_vec(acls: &[Acl], out: &mut impl Writer) {
        out.length(acls.len());
        for acl in acls {
            acl.encode(out);
        }
    }

    /// Reads a vector; `None` is null.
    pub fn decode_vec(input: &mut Reader<'_>) -> Result<Option<Vec<Acl>>> {
        let Some(count) = input.count(12)? else { return Ok(None) };
        let mut acls = Vec::with_capacity(count);
        for _ in 0..count {
            acls.push(Acl::decode(input)?);
        }
        Ok(Some(acls))
    }

    /// Reads a vector that a transaction must hold; null reads as empty.
    pub fn decode_required(input: &mut Reader<'_>) -> std::result::Result<Vec<Acl>, DecodeError> {
        Ok(Acl::decode_vec(input)?.unwrap_or_default())
    }
}
