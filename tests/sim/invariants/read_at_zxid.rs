//! A read shows the tree at the zxid that its answer carries: neither a part of a later transaction nor an older state,
//! and nothing that was never committed. When all is at rest, the whole tree of every server is read once more.

use bytes::Bytes;
use tree::Tree;
use wire::{ErrorCode, Perms, Stat, Zxid};

use super::Invariant;
use super::history::name;
use crate::client::brief;
use crate::model::Model;
use crate::observe::{Answer, Body, Call, Observation, Op, User, grants, shown};
use crate::znodes::{NodeAt, is_quota_statistics};

/// See the module.
#[derive(Debug, Default)]
pub struct ReadAtZxid {
    examined: u64,
}

/// What a caller's read of this node must have been answered with.
fn expected(op: &Op, node: &NodeAt<'_>, caller: Option<User>) -> Result<Body, ErrorCode> {
    let wanted = match op {
        // Also whoever may change the ACL may see it.
        Op::GetAcl { .. } => Perms::READ.union(Perms::ADMIN),
        _ => Perms::READ,
    };
    if !grants(node.acl(), wanted, caller) {
        return Err(ErrorCode::NoAuth);
    }
    Ok(match op {
        Op::Get { .. } => Body::Data(node.data().cloned(), node.stat()),
        Op::Children { .. } => Body::Children(node.children().into_iter().map(str::to_owned).collect(), node.stat()),
        Op::GetAcl { .. } => Body::Acl(shown(node.acl(), caller), node.stat()),
        _ => Body::Stat(node.stat()),
    })
}

fn compare(path: &str, call: &Call, answer: &Answer, model: &Model) -> Result<(), String> {
    let znodes = model.znodes();
    // The start of an epoch is no transaction, but a server may stand there: behind all that came before.
    if answer.zxid > znodes.last_zxid() && !answer.zxid.is_epoch_start() {
        return Err(format!("it shows {}, but the committed history ends at {}", answer.zxid, znodes.last_zxid()));
    }
    let node = znodes.at(path, answer.zxid);
    let expected = node.map(|node| expected(&call.op, &node, model.user(call.client)));
    match (answer.error, expected) {
        (ErrorCode::Ok, Some(Ok(expected))) if answer.body == expected => Ok(()),
        (ErrorCode::Ok, Some(Ok(expected))) => {
            Err(format!("it shows {:?} at {}, the history has {expected:?}", answer.body, answer.zxid))
        }
        (ErrorCode::NoNode, None) => Ok(()),
        (ErrorCode::Ok, None) => {
            Err(format!("it shows {:?} at {}, the history has no node there", answer.body, answer.zxid))
        }
        (error, Some(Err(expected))) if error == expected => Ok(()),
        (error, _) => Err(format!(
            "it is answered {error} at {}, the history has {:?} with {:?}",
            answer.zxid,
            node.map(|node| -> Stat { node.stat() }),
            node.map(|node| node.acl().clone())
        )),
    }
}

/// Compares a whole tree with the history.
fn compare_tree(tree: &Tree, model: &Model) -> Result<(), String> {
    let znodes = model.znodes();
    let (zxid, paths) = (tree.last_zxid(), tree.paths());
    for path in &paths {
        // The ensemble writes its configuration there without a transaction.
        if is_quota_statistics(path) || path == tree::CONFIG_PATH {
            continue;
        }
        let data = tree.get_data(path).flatten().map(Bytes::copy_from_slice);
        let found = (tree.stat(path), data, tree.children(path).unwrap_or_default());
        let expected = znodes.at(path, zxid).map(|node| {
            let children = node.children().into_iter().map(str::to_owned).collect::<Vec<_>>();
            (Some(node.stat()), node.data().cloned(), children)
        });
        if expected.as_ref() != Some(&found) {
            return Err(format!("at {zxid} {path} is {found:?}, the history has {expected:?}"));
        }
    }
    if zxid >= znodes.last_zxid() && paths.len() != znodes.count() {
        return Err(format!("at {zxid} there are {} znodes, the history has {}", paths.len(), znodes.count()));
    }
    Ok(())
}

impl Invariant for ReadAtZxid {
    fn name(&self) -> &'static str {
        "read_at_zxid"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        if let Observation::AtRest { server, tree } = seen {
            // Not counted: a run without a read has not shown anything about reads.
            compare_tree(tree, model).map_err(|why| format!("server {server} at rest: {}", brief(&why)))?;
        }
        let Observation::Answered { call, answer } = seen else { return Ok(()) };
        let (Op::Get { path, .. } | Op::Exists { path, .. } | Op::Children { path, .. } | Op::GetAcl { path }) =
            &call.op
        else {
            return Ok(());
        };
        // What the ensemble began with, or learnt without a transaction, the history does not know.
        let shown_by = |path| model.znodes().at(path, answer.zxid).map(|node| Zxid(node.stat().mzxid));
        let is_unknown = path == tree::CONFIG_PATH
            && model.ensembles().iter().any(|m| Some(Zxid(m.version)) > shown_by(path) && m.version <= answer.zxid.0);
        if is_quota_statistics(path) || is_unknown || answer.zxid < Zxid::ZERO {
            return Ok(());
        }
        self.examined += 1;
        compare(path, call, answer, model).map_err(|why| format!("{}: {}", name(call), brief(&why)))
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
