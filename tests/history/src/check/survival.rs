//! Acknowledged writes survive: in the end every server holds the same, and it is what was acknowledged.
//!
//! Two ways to the same answer: the final trees against the replayed log, and, without any log, against the operations
//! themselves.

use std::collections::{BTreeMap, BTreeSet};

use ensemble::tree::Znode;

use crate::record::{Operation, Outcome, Request};
use crate::timeline::{State, Timeline};

/// Everything one server holds, by path.
pub type Tree = BTreeMap<String, Znode>;

/// Checks the trees of all servers, by their ids; yields how many znodes were compared.
///
/// # Errors
/// Everything that is wrong, and trees or operations that hold nothing to compare.
pub fn check(operations: &[Operation], trees: &[(u8, Tree)], timeline: &Timeline) -> Result<usize, Vec<String>> {
    let mut findings = Vec::new();
    let Some(((first, tree), others)) = trees.split_first() else {
        return Err(vec!["no server's tree was read: there is nothing to check".to_owned()]);
    };
    for (id, other) in others {
        let paths: BTreeSet<&String> = tree.keys().chain(other.keys()).collect();
        for path in paths.into_iter().filter(|path| tree.get(*path) != other.get(*path)) {
            findings.push(format!(
                "{path} is {:?} on server {first} and {:?} on server {id}",
                tree.get(path),
                other.get(path)
            ));
        }
    }
    let paths: BTreeSet<&str> = operations.iter().filter_map(|operation| operation.request.path()).collect();
    for path in &paths {
        let held = tree.get(*path).map(state_of);
        let logged = timeline.at(path, timeline.last());
        if held.as_ref() != logged {
            findings.push(format!("{path} is {held:?} on server {first}, but the log says {logged:?}"));
        }
    }
    findings.extend(operations.iter().filter_map(|operation| lost(operation, operations, tree)));
    if !operations.iter().any(|operation| operation.request.is_write() && operation.is_acknowledged()) {
        findings.push("no write was acknowledged: there is nothing to check".to_owned());
    }
    if findings.is_empty() { Ok(paths.len()) } else { Err(findings) }
}

/// What is wrong with the end of an acknowledged write: either its znode has been changed by it or later, or there was a
/// deletion that may have come after it; and a deletion has left nothing older.
fn lost(operation: &Operation, operations: &[Operation], tree: &Tree) -> Option<String> {
    let Outcome::Ok { zxid, .. } = operation.outcome else { return None };
    let path = operation.request.path()?;
    let held = tree.get(path);
    match &operation.request {
        Request::Create { data, .. } | Request::Set { data, .. } => match held {
            Some(znode) if znode.stat.mzxid < zxid => Some(format!("lost: {znode:?} is older than {operation:?}")),
            Some(znode) if znode.stat.mzxid == zxid && znode.data != *data => {
                Some(format!("falsified: {znode:?} after {operation:?}"))
            }
            Some(_) => None,
            None => (!deleted_later(operation, operations, path)).then(|| format!("lost: {operation:?}")),
        },
        Request::Delete { .. } => held
            .filter(|znode| znode.stat.czxid < zxid)
            .map(|znode| format!("still there: {znode:?} after {operation:?}")),
        Request::Get { .. } | Request::Sync => None,
    }
}

/// Whether some deletion that was not refused may have been carried out after `write`.
fn deleted_later(write: &Operation, operations: &[Operation], path: &str) -> bool {
    operations.iter().any(|other| {
        let deletes = matches!(&other.request, Request::Delete { path: of, .. } if of == path);
        let possible = match other.outcome {
            Outcome::Ok { zxid, .. } => Some(zxid) > write.zxid(),
            Outcome::Refused { .. } => false,
            // Asked for at any time before, it may still have come later.
            Outcome::Unknown => true,
        };
        deletes && possible
    })
}

fn state_of(znode: &Znode) -> State {
    let stat = &znode.stat;
    State { data: znode.data.clone(), version: stat.version, czxid: stat.czxid, mzxid: stat.mzxid }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example::{self, PATH};
    use support::jute::Stat;

    /// The example before its deletion.
    fn operations() -> Vec<Operation> {
        example::operations().drain(..6).collect()
    }

    fn timeline() -> Timeline {
        Timeline::replay(&example::log()[..4], "/r").unwrap()
    }

    fn tree(data: &str, version: i32, mzxid: i64) -> Tree {
        let stat = Stat { czxid: 1, mzxid, version, ..Stat::default() };
        Tree::from([(PATH.to_owned(), Znode { data: data.as_bytes().to_vec(), stat, acl: vec![] })])
    }

    fn right() -> Tree {
        tree("three", 2, 4)
    }

    #[track_caller]
    fn finds(operations: &[Operation], trees: &[(u8, Tree)], timeline: &Timeline, words: &str) {
        let findings = check(operations, trees, timeline).expect_err("something is wrong");
        assert!(findings.iter().any(|finding| finding.contains(words)), "{findings:#?}");
    }

    #[test]
    fn the_right_end_passes() {
        assert_eq!(check(&operations(), &[(1, right()), (2, right())], &timeline()), Ok(1));
        let all = Timeline::replay(&example::log(), "/r").unwrap();
        assert_eq!(check(&example::operations(), &[(1, Tree::new())], &all), Ok(1), "deleted");
    }

    #[test]
    fn nothing_is_refused() {
        finds(&operations(), &[], &timeline(), "nothing to check");
        let empty = Timeline::replay(&[], "/r").unwrap();
        finds(&[], &[(1, Tree::new())], &empty, "nothing to check");
    }

    #[test]
    fn servers_that_differ_are_found() {
        finds(&operations(), &[(1, right()), (2, tree("two", 1, 2))], &timeline(), "on server 2");
        finds(&operations(), &[(1, right()), (2, Tree::new())], &timeline(), "on server 2");
    }

    #[test]
    fn a_lost_write_is_found_without_the_log() {
        let older = tree("two", 1, 2);
        // Log and servers agree on an end without the last set, which was acknowledged.
        let shorter = Timeline::replay(&example::log()[..3], "/r").unwrap();
        finds(&operations(), &[(1, older.clone()), (2, older)], &shorter, "lost: Znode");
        let nothing = Timeline::replay(&[], "/r").unwrap();
        finds(&operations(), &[(1, Tree::new())], &nothing, "lost: Operation");
    }

    #[test]
    fn falsified_data_are_found() {
        finds(&operations(), &[(1, tree("else", 2, 4))], &timeline(), "falsified");
    }

    #[test]
    fn an_end_that_the_log_does_not_explain_is_found() {
        finds(&operations(), &[(1, tree("later", 3, 9))], &timeline(), "the log says");
    }

    #[test]
    fn a_deletion_without_effect_is_found() {
        let all = Timeline::replay(&example::log(), "/r").unwrap();
        finds(&example::operations(), &[(1, right())], &all, "still there");
    }
}
