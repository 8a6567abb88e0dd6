//! What keeps a znode alive (`EphemeralType`).
//!
//! Servers do not tell clients all of it: a container and a znode with a time to live look like persistent ones in every Stat
//! (`DataNode.getClientEphemeralOwner`). Snapshots have it. A znode's type never changes, so what a snapshot says of a znode with
//! the same czxid still holds.

use crate::snapshot;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use tree::Owner;
use wire::Stat;

/// The type of a znode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stays until it is deleted.
    Persistent,
    /// Ends with this session.
    Ephemeral(i64),
    /// Deleted by the server after its last child.
    Container,
    /// Deleted by the server when it was neither changed nor had children for so many ms.
    Ttl(i64),
}

/// Types as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KindName {
    /// Stay until they are deleted.
    Persistent,
    /// End with their session.
    Ephemeral,
    /// Deleted by the server after their last child.
    Container,
    /// Deleted by the server after a time.
    Ttl,
}

impl Kind {
    /// Reads the `ephemeralOwner` of a snapshot. A time to live is told from a session as a server with extended types does;
    /// sessions whose first 24 bits are `0xff0000` do not occur beside them.
    #[must_use]
    pub fn stored(owner: i64) -> Kind {
        match Owner::of(owner, true) {
            Owner::Nobody => Kind::Persistent,
            Owner::Session(session) => Kind::Ephemeral(session.0),
            Owner::Container => Kind::Container,
            Owner::Ttl(ms) => Kind::Ttl(ms),
        }
    }

    /// A word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Persistent => "persistent",
            Kind::Ephemeral(_) => "ephemeral",
            Kind::Container => "container",
            Kind::Ttl(_) => "ttl",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> KindName {
        match self {
            Kind::Persistent => KindName::Persistent,
            Kind::Ephemeral(_) => KindName::Ephemeral,
            Kind::Container => KindName::Container,
            Kind::Ttl(_) => KindName::Ttl,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Persistent => f.write_str("persistent"),
            Kind::Ephemeral(session) => write!(f, "ephemeral 0x{session:x}"),
            Kind::Container => f.write_str("container"),
            Kind::Ttl(ms) => write!(f, "ttl {ms} ms"),
        }
    }
}

/// The types that servers do not tell, by path, as a snapshot has them.
#[derive(Debug, Default)]
pub struct Types {
    /// By the server's path: the czxid, and the type.
    known: BTreeMap<String, (i64, Kind)>,
}

/// Where types come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TypesFrom {
    /// A snapshot of this ensemble (a file, or a server's `version-2`) that tells containers and times to live: servers do
    /// not tell clients, and without it such znodes are taken for persistent ones.
    #[arg(long = "types", value_name = "SNAPSHOT")]
    snapshot: Option<PathBuf>,
}

impl TypesFrom {
    /// Reads the snapshot, if there is one.
    ///
    /// # Errors
    /// When it is none, or damaged.
    pub fn load(&self) -> anyhow::Result<Option<Types>> {
        self.snapshot.as_deref().map(Types::load).transpose()
    }
}

impl Types {
    fn load(path: &Path) -> anyhow::Result<Types> {
        let tree = snapshot::read(path)?;
        let known = tree.paths().into_iter().filter_map(|path| {
            let (owner, stat) = tree.stored_owner(&path).zip(tree.stat(&path))?;
            Some((path, (stat.czxid, Kind::stored(owner))))
        });
        Ok(Types { known: known.collect() })
    }

    /// The type of a znode that is not ephemeral; `None` if the snapshot has another one, or none, at this path.
    #[must_use]
    pub fn of(&self, server_path: &str, stat: &Stat) -> Option<Kind> {
        self.known.get(server_path).filter(|(czxid, _)| *czxid == stat.czxid).map(|(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_as_servers_read_them() {
        assert_eq!(Kind::stored(0), Kind::Persistent);
        assert_eq!(Kind::stored(i64::MIN), Kind::Container);
        assert_eq!(Kind::stored(0xff00_0000_0000_03e8_u64.cast_signed()), Kind::Ttl(1000));
        assert_eq!(Kind::stored(0xff00_00ff_ffff_ffff_u64.cast_signed()), Kind::Ttl(0xff_ffff_ffff));
        let session = 0xff12_3400_0000_0001_u64.cast_signed();
        assert_eq!(Kind::stored(session), Kind::Ephemeral(session));
        assert_eq!(Kind::stored(0x1000_0000_0000_0001).to_string(), "ephemeral 0x1000000000000001");
    }

    #[test]
    fn a_snapshot_tells_only_of_the_same_znode() {
        let types = Types { known: BTreeMap::from([("/a".to_owned(), (7, Kind::Container))]) };
        let stat = |czxid| Stat { czxid, ..Stat::default() };
        assert_eq!(types.of("/a", &stat(7)), Some(Kind::Container));
        assert_eq!(types.of("/a", &stat(8)), None);
        assert_eq!(types.of("/b", &stat(7)), None);
    }
}
