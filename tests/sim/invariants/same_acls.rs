//! Who may do what is the same on every server: whenever a server begins to serve, from whatever snapshot and log it came,
//! and when all is at rest, each of its znodes has the ACL that the history gives it. No digest covers ACLs.

use tree::Tree;
use wire::{Acl, ServerId};

use super::Invariant;
use crate::model::Model;
use crate::observe::{Access, Observation};

/// Looks at whole trees that hold what their server has applied and nothing else.
#[derive(Debug, Default)]
pub struct SameAcls {
    examined: u64,
}

impl SameAcls {
    fn compare(&mut self, server: ServerId, tree: &Tree, model: &Model) -> Result<(), String> {
        let (znodes, zxid, open) = (model.znodes(), tree.last_zxid(), Access::Open.asked());
        // The beginning of an epoch is no transaction.
        if zxid > znodes.last_zxid() && !zxid.is_epoch_start() {
            return Ok(());
        }
        for path in tree.paths() {
            let found = tree.acl(&path).map(|acl| acl.unwrap_or(&open));
            let expected: Option<&[Acl]> = znodes.at(&path, zxid).map(|node| &node.acl()[..]);
            // The znodes that are always there come with the server and prove nothing.
            self.examined += u64::from(expected.is_some_and(|acl| acl != open && path != tree::CONFIG_PATH));
            if found != expected {
                return Err(format!(
                    "server {server} at {zxid} has {path} with the ACL {found:?}, the history has {expected:?}"
                ));
            }
        }
        Ok(())
    }
}

impl Invariant for SameAcls {
    fn name(&self) -> &'static str {
        "same_acls"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match *seen {
            Observation::Serving { server, tree, .. } | Observation::AtRest { server, tree } => {
                self.compare(server, tree, model)
            }
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
