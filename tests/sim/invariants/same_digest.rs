//! The same history makes the same tree: trees of two servers that have applied the same transactions have the same digest,
//! and each is the one that its leader announced. (I12)

use super::Invariant;
use crate::model::Model;
use crate::observe::Observation;
use tree::Tree;
use wire::ServerId;

/// Looks at a tree whenever it may be told what it should be: not while it may hold effects of transactions that it has not
/// applied yet.
#[derive(Default)]
pub struct SameDigest {
    /// By transaction applied last: the digest, and who had it first.
    digests: Vec<Option<(u64, ServerId)>>,
    examined: u64,
}

impl SameDigest {
    fn compare(&mut self, server: ServerId, tree: &Tree, model: &Model) -> Result<(), String> {
        let Some(&no) = model.server(server).applied().last() else { return Ok(()) };
        if !tree.settings().digest_enabled || !model.tree_is_sure(server) {
            return Ok(());
        }
        if self.digests.len() <= no.index() {
            self.digests.resize(no.index() + 1, None);
        }
        let slot = &mut self.digests[no.index()];
        let Some((expected, first)) = *slot else {
            *slot = Some((tree.digest(), server));
            return Ok(());
        };
        self.examined += 1;
        if tree.digest() != expected {
            return Err(format!(
                "behind {} the tree of server {server} has digest {:#x}, that of server {first} had {expected:#x}",
                model.describe(no),
                tree.digest()
            ));
        }
        Ok(())
    }
}

impl Invariant for SameDigest {
    fn name(&self) -> &'static str {
        "same_digest"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let (server, tree) = match *seen {
            Observation::Recovered { server, tree, .. }
            | Observation::Truncated { server, tree, .. }
            | Observation::Serving { server, tree, .. }
            | Observation::Applied { server, tree, .. }
            | Observation::AtRest { server, tree } => (server, tree),
            _ => return Ok(()),
        };
        if tree.digest_mismatches() > 0 {
            return Err(format!(
                "the tree of server {server} at {} differs from what the leader announced, {} times so far",
                tree.last_zxid(),
                tree.digest_mismatches()
            ));
        }
        if let Observation::AtRest { .. } = seen {
            self.examined += 1;
            let recomputed = tree.recomputed_digest();
            if recomputed != tree.digest() {
                return Err(format!(
                    "the tree of server {server} keeps digest {:#x}, but its znodes make {recomputed:#x}",
                    tree.digest()
                ));
            }
        }
        self.compare(server, tree, model)
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
