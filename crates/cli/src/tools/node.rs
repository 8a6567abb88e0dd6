//! A znode as it is copied, and what differs between two. Pure.

use super::kind::Kind;
use super::out;
use wire::{Acl, Perms, Stat};

/// A znode with everything that a copy must have. Its path is relative to the root of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The path below the root, empty for the root.
    pub path: String,
    /// The data; null is not the same as nothing.
    pub data: Option<Vec<u8>>,
    /// Access control.
    pub acl: Vec<Acl>,
    /// Persistent, a container, or with a time to live; `None` = not ephemeral, and nothing more is known.
    pub kind: Option<Kind>,
    /// Where it comes from an ensemble: how it was then.
    pub stat: Option<Stat>,
}

/// What a tree has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A znode that can be copied.
    Node(Node),
    /// An ephemeral: it belongs to a session and cannot be copied.
    Ephemeral {
        /// Its relative path.
        path: String,
        /// Its session.
        owner: i64,
    },
    /// A znode that cannot be read, and so neither what is below it.
    Closed {
        /// Its relative path.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Item {
    /// The path below the root.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Item::Node(Node { path, .. }) | Item::Ephemeral { path, .. } | Item::Closed { path, .. } => path,
        }
    }
}

/// What differs between two znodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The types.
    Kind(Kind, Kind),
    /// The data, by their lengths; `None` = null.
    Data(Option<usize>, Option<usize>),
    /// The access control.
    Acl,
}

impl What {
    /// A word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            What::Kind(..) => "type",
            What::Data(..) => "data",
            What::Acl => "acl",
        }
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = |size: &Option<usize>| match size {
            None => "null".to_owned(),
            Some(size) => out::bytes(*size as u64),
        };
        match self {
            What::Kind(a, b) => write!(f, "type ({a}, {b})"),
            What::Data(a, b) => write!(f, "data ({}, {})", size(a), size(b)),
            What::Acl => f.write_str("acl"),
        }
    }
}

/// What differs between two znodes. The order of an ACL's entries has no meaning; null data are not the same as none.
#[must_use]
pub fn differences(a: &Node, b: &Node) -> Vec<What> {
    let mut found = Vec::new();
    if let (Some(a), Some(b)) = (a.kind, b.kind)
        && a != b
    {
        found.push(What::Kind(a, b));
    }
    if a.data != b.data {
        found.push(What::Data(a.data.as_ref().map(Vec::len), b.data.as_ref().map(Vec::len)));
    }
    if sorted(&a.acl) != sorted(&b.acl) {
        found.push(What::Acl);
    }
    found
}

fn sorted(acl: &[Acl]) -> Vec<&Acl> {
    let mut sorted: Vec<&Acl> = acl.iter().collect();
    sorted.sort_unstable();
    sorted
}

/// Whether a server has hidden parts of this ACL, as it does for whoever may not administer the znode: the hash of a digest is
/// then an `x` (`FinalRequestProcessor`, getACL). A copy of it would let nobody in.
#[must_use]
pub fn is_hidden(acl: &[Acl]) -> bool {
    acl.iter().any(|entry| entry.id.scheme == "digest" && entry.id.id.ends_with(":x"))
}

/// Reads letters as [`crate::shell::text::perms`] writes them; `None` where a letter is none.
#[must_use]
pub fn read_perms(letters: &str) -> Option<Perms> {
    letters.chars().try_fold(Perms(0), |perms, letter| Some(perms.union(Perms::of_letter(letter)?)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wire::Id;

    /// A znode that anybody may use.
    pub(crate) fn node(path: &str, data: Option<&str>) -> Node {
        let data = data.map(|data| data.as_bytes().to_vec());
        Node { path: path.to_owned(), data, acl: Acl::open(), kind: Some(Kind::Persistent), stat: None }
    }

    fn words(a: &Node, b: &Node) -> String {
        differences(a, b).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn differences_are_told() {
        let a = node("a", Some("x"));
        assert_eq!(differences(&a, &Node { stat: Some(Stat::default()), ..a.clone() }), []);
        assert_eq!(words(&a, &node("a", Some("yy"))), "data (1 B, 2 B)");
        assert_eq!(words(&node("a", None), &node("a", Some(""))), "data (null, 0 B)");
        assert_eq!(words(&a, &Node { kind: Some(Kind::Ttl(5)), ..a.clone() }), "type (persistent, ttl 5 ms)");
        assert_eq!(words(&a, &Node { kind: None, ..a.clone() }), "");
        assert_eq!(words(&a, &Node { acl: Vec::new(), data: None, ..a.clone() }), "data (1 B, null) acl");
    }

    #[test]
    fn the_order_of_acl_entries_has_no_meaning() {
        let entry = |id: &str| Acl { perms: Perms::ALL, id: Id::new("digest", id) };
        let with = |acl: Vec<Acl>| Node { acl, ..node("a", None) };
        assert_eq!(differences(&with(vec![entry("a:1"), entry("b:2")]), &with(vec![entry("b:2"), entry("a:1")])), []);
        assert!(is_hidden(&[entry("a:1"), entry("b:x")]));
        assert!(!is_hidden(&[entry("a:1")]));
    }

    #[test]
    fn letters_are_permissions() {
        assert_eq!(read_perms("cdrwa"), Some(Perms::ALL));
        assert_eq!(read_perms(""), Some(Perms(0)));
        assert_eq!(read_perms("rx"), None);
    }
}
