//! Leadership1 and Leadership2: two servers never lead in the same epoch, at once or one after the other. (I4)

use super::Invariant;
use crate::model::Model;
use crate::observe::Observation;
use std::collections::BTreeMap;
use wire::{Epoch, ServerId};

/// Looks at who serves as the leader of which epoch, and at who makes the proposals of which epoch.
#[derive(Default)]
pub struct Leadership {
    leaders: BTreeMap<Epoch, ServerId>,
    examined: u64,
}

impl Leadership {
    fn claim(&mut self, epoch: Epoch, server: ServerId, how: &str) -> Result<(), String> {
        self.examined += 1;
        let leader = *self.leaders.entry(epoch).or_insert(server);
        if leader == server {
            return Ok(());
        }
        Err(format!("epoch {epoch} has two leaders: server {leader} led it before, and server {server} {how}"))
    }
}

impl Invariant for Leadership {
    fn name(&self) -> &'static str {
        "leadership"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match *seen {
            Observation::Serving { server, epoch, .. } => {
                let decides = model.server(server).service().is_some_and(|service| service.decides());
                if decides { self.claim(epoch, server, "serves as its leader") } else { Ok(()) }
            }
            Observation::Appended { server, proposal, own: true } => {
                self.claim(proposal.zxid.epoch(), server, &format!("proposes {} in it", proposal.zxid))
            }
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
