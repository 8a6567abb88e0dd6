//! What the operator does next with an ensemble: a pure function from what it observed to one safe step.
//!
//! [`plan`] has no clock, no I/O, no memory and no randomness. Each pass recomputes everything from observations and the
//! [`Record`], so an operator that is killed between any two calls goes on where it was, and nothing in the status is
//! ever read back. At most one disruptive action leaves a pass; the order is recover, bootstrap, finish the running scale
//! step, rollout, new scale step.
//!
//! What makes it safe:
//!
//! - Membership before pods: a StatefulSet is never made smaller than the *committed* configuration needs, and a server
//!   gets a vote only when it holds the data.
//! - Every change of the configuration is a compare-and-swap on the version it was decided on.
//! - Whatever is done to an object carries its `uid` and `resourceVersion`, so an old cache leads to refusals only.
//! - Silence is not death: nothing is taken away on the strength of a missing answer alone.
//! - After bootstrap an empty disk never votes again; a majority of empty disks stops the operator, not the data.
//!
//! Numbers of rows are those of `docs/operator-failures.md`.
//!
//! What the caller owes: answers of servers are asked for in the same pass; the record is read and written past every
//! cache; one operator works at a time, and a successor starts only after every request of its predecessor has reached the
//! ensemble or never will (the lease outlives the request timeout). See [`Plan`] for the order in
//! which to carry it out and [`Action`] for what is read afresh before.

mod action;
mod bootstrap;
mod conditions;
mod gates;
mod ids;
mod observed;
mod observers;
mod recover;
mod rollout;
mod scale_down;
mod scale_up;
#[cfg(test)]
mod scene;
mod summary;
mod view;

pub use action::{Action, EvictReason, Phase, Plan, Removal, Stage};
pub use conditions::{Condition, ConditionKind, Truth};
pub use ids::{ConfigVersion, Epoch, Kind, Millis, ResourceVersion, Revision, ServerId, Slot, Uid, Zxid};
pub use observed::{
    Cluster, Config, Member, Observed, Pod, Record, Retention, Role, Rollout, State, StatefulSet, Status, Volume, Znode,
};
pub use summary::{Summary, summary};

use conditions::Draft;
use view::View;

/// Whether later stories have a say in this pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// They have.
    Continue,
    /// Something is done or waited for that nothing may overtake.
    Stop,
}

/// The next step: at most one disruptive action, and what everybody should know.
#[must_use]
pub fn plan(observed: &Observed, now: Millis) -> Plan {
    let view = View::new(observed, now);
    let mut draft = Draft::unchanged(observed);
    decide(&view, &mut draft);
    conditions::finish(&view, draft)
}

/// The stories in the order of their priority. The first that stops has the pass.
fn decide(view: &View<'_>, draft: &mut Draft) {
    const STORIES: [fn(&View<'_>, &mut Draft) -> Flow; 15] = [
        gates::operator_may_act,
        bootstrap::record,
        gates::data_is_there,
        recover::restore_sizes,
        recover::replace_stuck,
        gates::leader_is_known,
        bootstrap::found,
        scale_down::barrier,
        scale_down::finish,
        scale_up::finish,
        observers::change,
        rollout::run,
        scale_down::begin,
        scale_up::begin,
        observers::begin,
    ];
    for story in STORIES {
        if story(view, draft) == Flow::Stop {
            return;
        }
    }
}
