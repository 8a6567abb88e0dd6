//! What must hold, whatever happens: one file each, named as in Apache's TLA+ specification of ZAB where it has a name
//! there.

mod acknowledged_survive;
mod agreement;
mod answers_match_history;
mod changed_members;
mod containers;
mod durability;
mod ephemerals;
mod epochs;
mod global_primary_order;
mod history;
mod integrity;
mod leadership;
mod linearizable_writes;
mod local_primary_order;
mod moved_sessions;
mod multi_atomicity;
mod one_shot_once;
mod persistent_watches;
mod prefix_consistency;
mod primary_integrity;
mod queue_bounds;
mod quota_accounts;
mod read_at_zxid;
mod same_acls;
mod same_digest;
mod sequence_numbers;
mod session_expiry;
mod session_monotonic;
mod session_order;
#[cfg(test)]
mod session_test;
mod sync_is_recent;
mod total_order;
mod valid_history;
mod watch_before_reply;
mod watching;
#[cfg(test)]
mod zab_test;

use crate::model::Model;
use crate::observe::Observation;

pub use acknowledged_survive::AcknowledgedSurvive;
pub use agreement::Agreement;
pub use answers_match_history::AnswersMatchHistory;
pub use changed_members::ChangedMembers;
pub use containers::Containers;
pub use durability::Durability;
pub use ephemerals::Ephemerals;
pub use epochs::Epochs;
pub use global_primary_order::GlobalPrimaryOrder;
pub use integrity::Integrity;
pub use leadership::Leadership;
pub use linearizable_writes::LinearizableWrites;
pub use local_primary_order::LocalPrimaryOrder;
pub use moved_sessions::MovedSessions;
pub use multi_atomicity::MultiAtomicity;
pub use one_shot_once::OneShotOnce;
pub use persistent_watches::PersistentWatches;
pub use prefix_consistency::PrefixConsistency;
pub use primary_integrity::PrimaryIntegrity;
pub use queue_bounds::QueueBounds;
pub use quota_accounts::QuotaAccounts;
pub use read_at_zxid::ReadAtZxid;
pub use same_acls::SameAcls;
pub use same_digest::SameDigest;
pub use sequence_numbers::SequenceNumbers;
pub use session_expiry::SessionExpiry;
pub use session_monotonic::SessionMonotonic;
pub use session_order::SessionOrder;
pub use sync_is_recent::SyncIsRecent;
pub use total_order::TotalOrder;
pub use valid_history::ValidHistory;
pub use watch_before_reply::WatchBeforeReply;

/// Something that must hold.
pub trait Invariant: Send {
    /// Its name, which is also its file's.
    fn name(&self) -> &'static str;

    /// Looks at one observation. The model already knows of it.
    ///
    /// # Errors
    /// When the invariant does not hold: both sides' values, in words.
    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String>;

    /// Looks back from the end of the run.
    ///
    /// # Errors
    /// As [`Invariant::observe`].
    fn finish(&mut self, _model: &Model) -> Result<(), String> {
        Ok(())
    }

    /// How often something was compared that could have been wrong. An invariant that never looked at anything has proved
    /// nothing.
    fn examined(&self) -> u64;
}

/// The invariants of the servers: of the broadcast, and of the trees that it keeps.
#[must_use]
pub fn zab() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(Leadership::default()),
        Box::new(PrefixConsistency::default()),
        Box::new(Integrity::default()),
        Box::new(Agreement::default()),
        Box::new(TotalOrder::default()),
        Box::new(LocalPrimaryOrder::default()),
        Box::new(GlobalPrimaryOrder::default()),
        Box::new(PrimaryIntegrity::default()),
        Box::new(Durability::default()),
        Box::new(Epochs::default()),
        Box::new(ChangedMembers::default()),
        Box::new(SameDigest::default()),
        Box::new(SameAcls::default()),
        Box::new(MultiAtomicity::default()),
        Box::new(QuotaAccounts::default()),
        Box::new(Containers::default()),
        Box::new(QueueBounds::default()),
        Box::new(SequenceNumbers::default()),
        Box::new(Ephemerals::default()),
        Box::new(SessionExpiry::default()),
        // Last: what breaks it has a better name above.
        Box::new(ValidHistory::default()),
    ]
}

/// Everything that must hold for what clients were told.
#[must_use]
pub fn sessions() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(AcknowledgedSurvive::default()),
        Box::new(LinearizableWrites::default()),
        Box::new(SessionOrder::default()),
        Box::new(SessionMonotonic::default()),
        Box::new(ReadAtZxid::default()),
        Box::new(AnswersMatchHistory::default()),
        // Before the checkers of all watches, which would name its failures less well.
        Box::new(PersistentWatches::default()),
        Box::new(WatchBeforeReply::default()),
        Box::new(OneShotOnce::default()),
        Box::new(SyncIsRecent::default()),
        Box::new(MovedSessions::default()),
    ]
}
