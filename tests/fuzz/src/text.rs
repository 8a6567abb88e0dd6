//! Texts: memberships and the syntax of properties files.

use std::collections::BTreeSet;
use wire::ServerId;
use zab::properties as syntax;
use zab::quorum::Membership;

/// The tail of a notification, the data of NEWLEADER and of `/zookeeper/config`: what was read reads the same again.
pub fn membership(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(membership) = Membership::parse(text) else { return };
    assert!(membership.servers.len() <= text.len());
    let again = membership.to_text();
    assert_eq!(Membership::parse(&again).as_ref(), Ok(&membership), "{again:?}");
    assert!(membership.agrees_with(&membership));
    let voters: BTreeSet<ServerId> = membership.voters().collect();
    let all: BTreeSet<ServerId> = membership.servers.keys().copied().collect();
    assert_eq!(membership.is_quorum(&voters), membership.is_quorum(&all), "only voters count");
    assert!(!membership.is_quorum(&BTreeSet::new()), "nobody is no quorum");
}

/// `zoo.cfg` and everything else in the syntax of `java.util.Properties`.
pub fn properties(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(entries) = syntax::parse(&text) else { return };
    let held: usize = entries.iter().map(|entry| entry.key.len() + entry.value.len()).sum();
    assert!(held <= text.len(), "{held} bytes of entries in {} bytes of text", text.len());
    assert!(entries.is_sorted_by_key(|entry| entry.line), "entries come in the order of the file");
}
