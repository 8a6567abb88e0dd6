//! The observers that hang on this follower.

use super::Learning;
use crate::action::Action;
use crate::history::History;
use crate::observer_master::Holdings;
use crate::types::LinkId;
use wire::Millis;
use wire::quorum::QuorumPacket;

impl Learning {
    /// An observer has dialled.
    pub fn on_observer_up(&mut self, now: Millis, link: LinkId) {
        if let Some(master) = &mut self.master {
            master.on_link_up(now, link);
        }
    }

    /// A packet from an observer.
    pub fn on_observer_packet(
        &mut self,
        now: Millis,
        link: LinkId,
        packet: QuorumPacket,
        history: &History,
        out: &mut Vec<Action>,
    ) {
        if let Some(master) = &mut self.master {
            master.on_packet(now, link, packet, Holdings { history, config: self.config.committed() }, out);
        }
    }

    /// An observer takes the bytes of its snapshot.
    pub fn on_observer_progress(&mut self, now: Millis, link: LinkId) {
        if let Some(master) = &mut self.master {
            master.on_progress(now, link);
        }
    }

    /// An observer is gone.
    pub fn on_observer_gone(&mut self, link: LinkId) {
        if let Some(master) = &mut self.master {
            master.on_link_gone(link);
        }
    }
}
