//! A multi is all or nothing.

use super::Invariant;
use crate::model::{Model, has_failed};
use crate::observe::Observation;
use bytes::Bytes;
use std::collections::BTreeMap;
use tree::Tree;
use tree::quota::{QUOTA_PATH, STATS};
use wire::Zxid;
use wire::txn::Txn;

/// Looks at the tree right behind a multi: what all its parts together say of each path is there, or nothing of it.
#[derive(Default)]
pub struct MultiAtomicity {
    examined: u64,
}

/// What a multi says of one path.
struct Claim<'a> {
    /// Whether the first part that concerns it creates it: then it was not there before.
    begins_with_create: bool,
    /// What there is of it in the end.
    end: End<'a>,
}

enum End<'a> {
    Gone,
    /// Created by the multi itself.
    Created(Option<&'a Bytes>),
    /// There before, and written: with this version.
    Set(Option<&'a Bytes>, i32),
}

fn claims(parts: &[Txn]) -> BTreeMap<&str, Claim<'_>> {
    let mut claims: BTreeMap<&str, Claim<'_>> = BTreeMap::new();
    for part in parts {
        let (path, end) = match part {
            Txn::Create(create) => (&create.path, End::Created(create.data.as_ref())),
            Txn::Delete { path } | Txn::DeleteContainer { path } => (path, End::Gone),
            Txn::SetData { path, data, version } => (path, End::Set(data.as_ref(), *version)),
            _ => continue,
        };
        let begins_with_create = matches!(end, End::Created(_));
        match claims.get_mut(path.as_str()) {
            None => {
                claims.insert(path, Claim { begins_with_create, end });
            }
            Some(claim) => {
                claim.end = match (&claim.end, end) {
                    (End::Created(_), End::Set(data, _)) => End::Created(data),
                    (_, end) => end,
                }
            }
        }
    }
    claims
}

/// What is wrong with a path behind a multi that was carried out.
fn missing(tree: &Tree, zxid: Zxid, path: &str, claim: &Claim<'_>) -> Option<String> {
    let stat = tree.stat(path);
    let data = tree.get_data(path).flatten();
    // What servers count there is theirs.
    let counts = path.starts_with(QUOTA_PATH) && path.ends_with(STATS);
    let same = |expected: Option<&Bytes>| counts || data == expected.map(|bytes| &bytes[..]);
    match (&claim.end, stat) {
        (End::Gone, None) => None,
        (End::Gone, Some(stat)) => Some(format!("{path} is to be deleted, but is there since {:#x}", stat.czxid)),
        (_, None) => Some(format!("{path} is to be there, but is not")),
        (End::Created(expected), Some(stat)) if stat.czxid == zxid.0 && same(*expected) => None,
        (End::Set(expected, version), Some(stat))
            if stat.mzxid == zxid.0 && stat.version == *version && same(*expected) =>
        {
            None
        }
        (_, Some(stat)) => {
            Some(format!("{path} has czxid {:#x} mzxid {:#x} version {}", stat.czxid, stat.mzxid, stat.version))
        }
    }
}

/// What is wrong with a path behind a multi that was refused.
fn leftover(tree: &Tree, zxid: Zxid, path: &str, claim: &Claim<'_>) -> Option<String> {
    match (tree.stat(path), claim.begins_with_create) {
        (Some(_), true) => Some(format!("{path} was not there when it was decided to create it, but is now")),
        (None, false) => Some(format!("{path} was there when it was decided to change it, but is gone")),
        (Some(stat), false) if stat.mzxid == zxid.0 || stat.czxid == zxid.0 => Some(format!("{path} was written")),
        _ => None,
    }
}

impl Invariant for MultiAtomicity {
    fn name(&self) -> &'static str {
        "multi_atomicity"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let Observation::Applied { server, entry, tree } = *seen else { return Ok(()) };
        let Txn::Multi(parts) = &entry.txn else { return Ok(()) };
        if !model.tree_is_sure(server) {
            return Ok(());
        }
        let zxid = entry.zxid();
        let failed = has_failed(parts);
        let wrong = if failed { leftover } else { missing };
        for (path, claim) in claims(parts) {
            self.examined += 1;
            if let Some(found) = wrong(tree, zxid, path, &claim) {
                let outcome = if failed { "refused" } else { "carried out" };
                return Err(format!("multi {zxid} was {outcome}, but on server {server} {found}"));
            }
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
