//! The epoch files: current is never above accepted, neither goes back on one disk, synchronized history is durable before
//! current names its epoch, and a leader serves in an epoch only when a quorum has made it current. (I3)

use super::Invariant;
use crate::model::{Members, Model};
use crate::observe::Observation;
use std::collections::{BTreeMap, BTreeSet};
use wire::{Epoch, ServerId};
use zab::Epochs as EpochFiles;

/// Looks at what the epoch files hold after every write and after every start.
#[derive(Default)]
pub struct Epochs {
    found: BTreeMap<ServerId, EpochFiles>,
    /// Who has ever made an epoch current. One that went on to a later epoch still took part in this one.
    members: BTreeMap<Epoch, BTreeSet<ServerId>>,
    examined: u64,
}

impl Epochs {
    fn on_files(&mut self, server: ServerId, files: EpochFiles) -> Result<EpochFiles, String> {
        self.examined += u64::from(files != EpochFiles::default());
        let before = self.found.insert(server, files).unwrap_or_default();
        let EpochFiles { accepted, current } = files;
        if current > accepted {
            return Err(format!("server {server} has current epoch {current} above accepted epoch {accepted}"));
        }
        if accepted < before.accepted || current < before.current {
            return Err(format!(
                "the epochs of server {server} went back: accepted {} to {accepted}, current {} to {current}",
                before.accepted, before.current
            ));
        }
        self.members.entry(current).or_default().insert(server);
        Ok(before)
    }

    /// A quorum of the configuration that the leader goes by, and of the one before where that came into force just now.
    fn on_leader(&mut self, server: ServerId, epoch: Epoch, model: &Model) -> Result<(), String> {
        self.examined += 1;
        let own = model.server(server).members().unwrap_or_else(|| model.members());
        let is_new = |members: &Members| members.version == own.version && members.since_us == model.now_us();
        let ensembles = model.ensembles();
        let before = ensembles.iter().position(is_new).and_then(|at| ensembles.get(at.checked_sub(1)?));
        let joined = self.members.get(&epoch);
        for members in std::iter::once(own).chain(before) {
            let joined: BTreeSet<ServerId> = joined.into_iter().flatten().copied().collect();
            let joined: BTreeSet<&ServerId> = joined.intersection(&members.voters).collect();
            if joined.len() < members.quorum() {
                return Err(format!(
                    "server {server} leads epoch {epoch}, but of the voters {:?} only {joined:?} have made it current",
                    members.voters
                ));
            }
        }
        Ok(())
    }
}

impl Invariant for Epochs {
    fn name(&self) -> &'static str {
        "epochs"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match *seen {
            Observation::Recovered { server, epochs, .. } => self.on_files(server, epochs).map(|_| ()),
            Observation::EpochsSaved { server, epochs } => {
                let before = self.on_files(server, epochs)?;
                let view = model.server(server);
                if epochs.current > before.current && view.durable().len() < view.log().len() {
                    return Err(format!(
                        "server {server} made epoch {} current with its log durable to number {} of {}",
                        epochs.current,
                        view.durable().len(),
                        view.log().len()
                    ));
                }
                Ok(())
            }
            Observation::Wiped { server } => {
                self.found.remove(&server);
                Ok(())
            }
            Observation::Serving { server, role: replica::ServingRole::Leader, epoch, .. } => {
                self.on_leader(server, epoch, model)
            }
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
