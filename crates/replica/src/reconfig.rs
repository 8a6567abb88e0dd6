//! Changing the ensemble: what a reconfig request comes to on the leader, and the configuration that the tree holds.

use crate::io::Now;
use crate::replica::{Engine, Replica};
use bytes::Bytes;
use planted::Bug;
use tree::{CONFIG_PATH, Tree};
use wire::client::ReconfigRequest;
use wire::{ErrorCode, Millis, Reader, Zxid};
use zab::quorum::Membership;
use zab::reconfig::{ReconfigRefusal, difference, next_membership};

impl Replica {
    /// The text of the configuration that a request asks for, as the transaction with this zxid will have it; or the error with
    /// which it is refused, in Apache's order. `None` where there is no ensemble.
    pub(crate) fn next_config(&self, body: &Bytes, zxid: Zxid) -> Option<Result<Bytes, ErrorCode>> {
        let Engine::Ensemble(peer) = &self.engine else { return None };
        let leading = peer.leading()?;
        if leading.config().proposed().is_some() {
            return Some(Err(ErrorCode::ReconfigInProgress));
        }
        let request = match ReconfigRequest::decode(&mut Reader::new(body)) {
            Ok(request) => request,
            Err(_) => return Some(Err(ErrorCode::MarshallingError)),
        };
        let last = leading.config().committed();
        let next = match next_membership(last, &request, self.settings.standalone_enabled) {
            Ok(next) => Membership { version: zxid.0, ..next },
            Err(refusal) => {
                tracing::warn!("refused a reconfiguration: {refusal}");
                return Some(Err(code_of(&refusal)));
            }
        };
        if !leading.is_quorum_synced(&next) && !planted::is(Bug::ChangeWithoutQuorum) {
            tracing::warn!(
                changes = difference(last, &next),
                "refused a reconfiguration: no quorum of its voters follows this leader now. hint: start the servers that are to join, and wait until they follow"
            );
            return Some(Err(ErrorCode::NewConfigNoQuorum));
        }
        Some(Ok(Bytes::from(next.to_text())))
    }

    /// A configuration came into force that no transaction brought: an ensemble's first, or one that was learnt from another
    /// server. The tree holds it as if one had.
    pub(crate) fn put_config_into_tree(&self, now: Now, membership: &Membership) {
        put_config_into(&mut self.tree.write(), membership, now.wall);
    }
}

/// Puts a configuration into a tree, unless that holds it or a later one.
pub fn put_config_into(tree: &mut Tree, membership: &Membership, now: Millis) {
    if config_in(tree).is_none_or(|held| held.version < membership.version) {
        tree.set_config_node(membership.to_text().as_bytes(), Zxid(membership.version), now);
    }
}

/// The configuration that a tree holds in `/zookeeper/config`, if it is one.
#[must_use]
pub fn config_in(tree: &Tree) -> Option<Membership> {
    let text = std::str::from_utf8(tree.get_data(CONFIG_PATH)??).ok()?;
    Membership::parse(text).ok().filter(|membership| !membership.servers.is_empty())
}

fn code_of(refusal: &ReconfigRefusal) -> ErrorCode {
    match refusal {
        ReconfigRefusal::Version { .. } => ErrorCode::BadVersion,
        // What Apache does not expect it answers as unreadable.
        ReconfigRefusal::Id(_) | ReconfigRefusal::OnlyObservers { .. } => ErrorCode::MarshallingError,
        ReconfigRefusal::Groups
        | ReconfigRefusal::Joining(_)
        | ReconfigRefusal::Conflict { .. }
        | ReconfigRefusal::Members(_)
        | ReconfigRefusal::Voters { .. } => ErrorCode::BadArguments,
    }
}
