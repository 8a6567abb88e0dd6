//! What is committed stays: it is durable on a quorum when it becomes committed, no disk gives up what it held durably, and
//! every later leader has it. (I2, I3)

use super::Invariant;
use crate::model::{Members, Model, TxnNo};
use crate::observe::Observation;
use std::collections::BTreeMap;
use wire::ServerId;

/// Looks at the durable logs of the voters: when transactions become committed, when a server reads its disk again, when a
/// log is cut or replaced, and when a leader begins.
#[derive(Default)]
pub struct Durability {
    seen: usize,
    /// What disks held when they were replaced: an acknowledgement may have left before.
    replaced: BTreeMap<ServerId, Vec<TxnNo>>,
    examined: u64,
}

impl Durability {
    /// Whether a quorum of these voters holds this place of the committed history durably, or held it on disks that were
    /// replaced; if not, who of them does.
    fn check_quorum(&self, at: usize, no: TxnNo, members: &Members, model: &Model) -> Result<(), Vec<ServerId>> {
        let held = |sid: &ServerId| self.replaced.get(sid).is_some_and(|log| log.get(at) == Some(&no));
        let holds = |sid: &ServerId| model.server(*sid).durable().get(at) == Some(&no);
        let holders: Vec<ServerId> = members.voters.iter().copied().filter(|sid| holds(sid) || held(sid)).collect();
        if holders.len() < members.quorum() { Err(holders) } else { Ok(()) }
    }

    /// Each newly committed transaction is durable on a quorum, in its place; a reconfiguration also on a quorum of the
    /// configuration that it makes.
    fn on_commit(&mut self, model: &Model) -> Result<(), String> {
        let first = self.seen;
        for (at, &no) in model.newly_committed(&mut self.seen).iter().enumerate() {
            self.examined += 1;
            let at = first + at;
            for members in model.deciding(model.zxid(no)) {
                self.check_quorum(at, no, members, model).map_err(|holders| {
                    format!(
                        "{} is committed, but of the voters {:?} only {holders:?} hold it durably",
                        model.describe(no),
                        members.voters
                    )
                })?;
            }
        }
        Ok(())
    }

    /// A leader begins with everything that was committed in the epochs before its own. (One that stood still while a quorum
    /// acknowledged its NEWLEADER may find that out when the others have committed in a later epoch already. Nothing it
    /// proposes will ever be committed.)
    fn on_leader(&mut self, server: ServerId, model: &Model) -> Result<(), String> {
        let Some(service) = model.server(server).service().filter(|service| service.decides()) else { return Ok(()) };
        let Some(delivery) = model.delivery() else { return Ok(()) };
        if self.seen == 0 {
            return Ok(());
        }
        self.examined += 1;
        let missing = model.committed()[..self.seen].get(delivery.from);
        if missing.is_none_or(|&no| model.zxid(no).epoch() > service.epoch) {
            return Ok(());
        }
        let has = |history: &[TxnNo]| {
            history.get(delivery.from).map_or_else(|| "nothing".to_owned(), |&no| model.describe(no))
        };
        Err(format!(
            "server {server} leads epoch {} without the committed {}; in its place it has {}",
            service.epoch,
            has(model.committed()),
            has(delivery.history)
        ))
    }
}

impl Invariant for Durability {
    fn name(&self) -> &'static str {
        "durability"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let gone = model.given_up();
        match *seen {
            Observation::Recovered { server, last, .. } => {
                self.examined += u64::from(last.counter() > 0 || !gone.is_empty());
                let may_have_cut = model.server(server).may_have_cut();
                if let Some(&lost) = gone.iter().rev().find(|&&no| !may_have_cut || model.is_committed(no)) {
                    return Err(format!(
                        "server {server} had everything up to {} durable, but recovered only up to {last}",
                        model.describe(lost)
                    ));
                }
            }
            Observation::Wiped { server } => {
                self.replaced.insert(server, gone.to_vec());
            }
            // A leader lets a learner cut what was not committed when it decided so. Meanwhile others may have committed it.
            Observation::Truncated { server, .. } | Observation::SnapshotSaved { server, .. } => {
                self.examined += gone.len() as u64;
                for &no in gone.iter().filter(|&&no| model.is_committed(no)) {
                    let at = model.committed().partition_point(|&other| model.zxid(other) < model.zxid(no));
                    self.check_quorum(at, no, model.members(), model).map_err(|holders| {
                        format!(
                            "server {server} gave up {}, which is committed; of the voters {:?} only {holders:?} hold it \
                             durably now",
                            model.describe(no),
                            model.members().voters
                        )
                    })?;
                }
            }
            Observation::Serving { server, .. } => {
                self.on_leader(server, model)?;
                self.on_commit(model)?;
            }
            Observation::Applied { .. } => self.on_commit(model)?,
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
