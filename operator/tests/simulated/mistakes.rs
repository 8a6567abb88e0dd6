//! Mistakes that somebody could make in the operator, made between it and the API server. A harness that catches none of them proves
//! nothing.

use crate::api::Call;
use crate::kubernetes::text;
use crate::store::{CLAIMS, CLUSTERS, PODS, SETS};
use crate::world::{NAME, World};
use serde_json::{Value, json};

/// A planted mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The StatefulSet gets the wished size at once.
    ShrinkBeforeReconfig,
    /// Whatever bears the name is removed.
    RemoveWithoutPreconditions,
    /// Pods are replaced although others are away: two voters instead of one.
    EvictAnother,
    /// A member's claim is deleted instead of that of one that has left.
    DeleteAnotherClaim,
    /// The record is made anew in each pass.
    FoundAgain,
    /// The status says something new each time.
    TellAlways,
}

impl Mistake {
    pub const ALL: [Self; 6] = [
        Self::ShrinkBeforeReconfig,
        Self::RemoveWithoutPreconditions,
        Self::EvictAnother,
        Self::DeleteAnotherClaim,
        Self::FoundAgain,
        Self::TellAlways,
    ];

    /// Which invariant it breaks.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::ShrinkBeforeReconfig => "members_have_pods",
            Self::RemoveWithoutPreconditions => "only_what_was_seen_is_removed",
            Self::EvictAnother => "leader_is_last",
            Self::DeleteAnotherClaim => "members_keep_their_volumes",
            Self::FoundAgain => "founding_happens_once",
            Self::TellAlways => "left_alone_at_rest",
        }
    }

    /// Makes the mistake.
    pub fn alter(self, world: &World, call: &mut Call) {
        let is = |resource: &'static crate::store::Resource| std::ptr::eq(call.resource, resource);
        match self {
            Self::ShrinkBeforeReconfig if is(&SETS) && call.verb == "patch" && call.name == NAME => {
                let wished = world.object(&CLUSTERS, NAME).map(|cluster| cluster["spec"]["replicas"].clone());
                call.body["spec"]["replicas"] = wished.unwrap_or_default();
            }
            Self::RemoveWithoutPreconditions if call.verb == "delete" => {
                call.body["preconditions"] = Value::Null;
            }
            Self::RemoveWithoutPreconditions if call.subresource.as_deref() == Some("eviction") => {
                call.body["deleteOptions"] = Value::Null;
            }
            // Past the budget, the leader first: as if all of them were deleted one right after the other.
            Self::EvictAnother if is(&PODS) && call.subresource.is_some() => {
                let synced = world.synced_voters();
                let slot = world.leader().map(|(leader, _)| leader);
                if let Some(slot) = slot.filter(|_| synced.len() > 1) {
                    call.name = operator::observe::pod_name(NAME, slot);
                    let uid = world.object(&PODS, &call.name).map(|pod| text(pod, "/metadata/uid").to_owned());
                    (call.verb, call.subresource) = ("delete", None);
                    call.body = json!({ "preconditions": { "uid": uid } });
                }
            }
            Self::DeleteAnotherClaim if is(&CLAIMS) && call.verb == "delete" => {
                call.name = format!("data-{NAME}-0");
                let uid = world.object(&CLAIMS, &call.name).map(|claim| text(claim, "/metadata/uid").to_owned());
                call.body["preconditions"]["uid"] = json!(uid);
            }
            Self::FoundAgain if call.verb == "patch" && call.name == format!("{NAME}-config") => {
                let key = World::key(&crate::store::CONFIG_MAPS, format!("{NAME}-ensemble"));
                let record = world.store.get(&key).map(|record| text(record, "/data/ensemble.json"));
                if let Some(said) = record.filter(|said| said.contains("true")) {
                    let said = said.replace("true", "false");
                    call.name = key.name;
                    call.body = json!({ "metadata": { "name": call.name }, "data": { "ensemble.json": said } });
                }
            }
            Self::TellAlways if is(&CLUSTERS) && call.verb == "patch" => {
                call.body["status"]["currentVersion"] = json!(world.calls.to_string());
            }
            _ => {}
        }
    }
}
