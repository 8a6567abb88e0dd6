//! A follower as the master of observers (`ObserverMaster`): they get the ensemble's history from it in place of the leader,
//! which then has a few followers to serve however many observers there are.
//!
//! ```text
//! Connected -> EpochSent -> [Promised] -> Synchronizing -> (ACK of NEWLEADER) -> Active
//! ```
//!
//! The epoch is established and what is passed on is committed, so nobody is counted and nothing waits for a quorum. An observer
//! that comes from another master may have seen more of this epoch than was committed here so far: it waits (`Promised`) until
//! that is no longer so, because what its clients have seen must not be cut away. (Apache's master sends it TRUNC.)

use crate::action::Action;
use crate::history::History;
use crate::leading::announcements;
use crate::learner::{self, Learner, Stage};
use crate::quorum::Membership;
use crate::sync::{self, SyncCounts, SyncLimits};
use crate::types::{LinkId, Proposal, Timing};
use bytes::Bytes;
use std::collections::BTreeMap;
use wire::quorum::{PacketType, QuorumPacket, decode_ack_epoch, leader_info};
use wire::{Epoch, Millis, ServerId, Zxid};

/// What a follower has to give to observers.
#[derive(Clone, Copy)]
pub(crate) struct Holdings<'a> {
    /// Its committed transactions.
    pub history: &'a History,
    /// The configuration in force.
    pub config: &'a Membership,
}

/// The observers of a follower, from the establishment of its epoch to its end.
#[derive(Debug)]
pub struct ObserverMaster {
    epoch: Epoch,
    timing: Timing,
    sync_limits: SyncLimits,
    /// The last transaction before this epoch; nothing lies between it and the epoch's start.
    base: Zxid,
    last_committed: Zxid,
    links: BTreeMap<LinkId, Learner>,
    next_half_tick: Millis,
    sync_counts: SyncCounts,
}

/// Where a follower stands when it becomes a master.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MasterStart {
    pub epoch: Epoch,
    pub timing: Timing,
    pub sync_limits: SyncLimits,
    /// The end of the history it was synchronized to.
    pub base: Zxid,
    pub last_committed: Zxid,
}

impl ObserverMaster {
    /// Opens the port.
    pub(crate) fn new(now: Millis, start: MasterStart, out: &mut Vec<Action>) -> ObserverMaster {
        out.push(Action::ListenForObservers);
        let MasterStart { epoch, timing, sync_limits, base, last_committed } = start;
        ObserverMaster {
            epoch,
            timing,
            sync_limits,
            base,
            last_committed: last_committed.max(epoch.start()),
            links: BTreeMap::new(),
            next_half_tick: now.plus(timing.tick_ms / 2),
            sync_counts: SyncCounts::default(),
        }
    }

    // --- getters -------------------------------------------------------------------------------------------------

    /// The observers that are in sync.
    pub fn active(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.links.values().filter(|observer| observer.stage == Stage::Active).filter_map(Learner::sid)
    }

    /// Links, in whatever stage.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.keys().copied()
    }

    /// The observer behind a link, once it has said who it is.
    #[must_use]
    pub fn learner_sid(&self, link: LinkId) -> Option<ServerId> {
        self.links.get(&link)?.sid()
    }

    /// Synchronizations sent.
    #[must_use]
    pub fn sync_counts(&self) -> SyncCounts {
        self.sync_counts
    }

    /// When `on_deadline` is wanted.
    #[must_use]
    pub(crate) fn next_deadline(&self) -> Millis {
        self.next_half_tick
    }

    // --- events --------------------------------------------------------------------------------------------------

    /// Somebody has dialled.
    pub(crate) fn on_link_up(&mut self, now: Millis, link: LinkId) {
        self.links.insert(link, Learner::new(self.patient_until(now)));
    }

    /// An observer takes the bytes of its snapshot.
    pub(crate) fn on_progress(&mut self, now: Millis, link: LinkId) {
        let until = self.patient_until(now);
        if let Some(observer) = self.links.get_mut(&link).filter(|observer| observer.stage == Stage::Synchronizing) {
            observer.alive_until = until;
        }
    }

    /// An observer is gone.
    pub(crate) fn on_link_gone(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// A packet from an observer. What is for the leader, or for this server's sessions, is delivered.
    pub(crate) fn on_packet(
        &mut self,
        now: Millis,
        link: LinkId,
        packet: QuorumPacket,
        holdings: Holdings<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(observer) = self.links.get_mut(&link) else { return };
        if observer.stage == Stage::Active {
            observer.alive_until = now.plus(self.timing.sync_ms());
        }
        let outcome = match (packet.kind, observer.stage) {
            (PacketType::ObserverInfo, Stage::Connected) => self.on_info(link, &packet, holdings.config, out),
            (PacketType::FollowerInfo, Stage::Connected) => {
                Err("only observers are served here, not followers".to_owned())
            }
            (PacketType::AckEpoch, Stage::EpochSent) => self.on_ack_epoch(now, link, &packet, holdings, out),
            (PacketType::Ack, Stage::Synchronizing) if packet.zxid == self.epoch.start() => {
                self.activate(now, link, out);
                Ok(())
            }
            // The second acknowledgement of NEWLEADER, behind UPTODATE.
            (PacketType::Ack, Stage::Active) if packet.zxid.is_epoch_start() => Ok(()),
            (PacketType::Request | PacketType::Revalidate | PacketType::Ping, Stage::Active) => {
                out.push(Action::Deliver(link, packet));
                Ok(())
            }
            // Old learners answer pings while they still synchronize.
            (PacketType::Ping, Stage::Synchronizing) => Ok(()),
            (kind, stage) => Err(format!("packet {kind:?} {} in stage {stage:?}", packet.zxid)),
        };
        if let Err(reason) = outcome {
            self.drop_link(link, reason, out);
        }
    }

    /// This server has committed a transaction: so may its observers. `leader` is given with a reconfiguration.
    pub(crate) fn on_committed(
        &mut self,
        now: Millis,
        proposal: &Proposal,
        leader: Option<ServerId>,
        holdings: Holdings<'_>,
        out: &mut Vec<Action>,
    ) {
        self.last_committed = self.last_committed.max(proposal.zxid);
        if self.links.is_empty() {
            return;
        }
        let (inform, _) = announcements(proposal, leader);
        let mut waiting = Vec::new();
        for (&link, observer) in &self.links {
            if observer.stage >= Stage::Synchronizing {
                out.push(Action::Send(link, inform.clone()));
            } else if observer.stage == Stage::Promised && observer.last_zxid <= self.last_committed {
                waiting.push(link);
            }
        }
        for link in waiting {
            self.synchronize(now, link, holdings, out);
        }
    }

    /// The time of `next_deadline` may have come.
    pub(crate) fn on_deadline(&mut self, now: Millis, out: &mut Vec<Action>) {
        if now < self.next_half_tick {
            return;
        }
        self.next_half_tick = now.plus(self.timing.tick_ms / 2);
        let sync_ms = self.timing.sync_ms();
        let silent = self.links.iter().filter_map(|(&link, observer)| Some((link, observer.silence(now, sync_ms)?)));
        for (link, reason) in silent.collect::<Vec<_>>() {
            self.drop_link(link, reason, out);
        }
        let ping = QuorumPacket::bare(PacketType::Ping, self.last_committed);
        for (&link, observer) in &self.links {
            if observer.stage >= Stage::Synchronizing {
                out.push(Action::Send(link, ping.clone()));
            }
        }
    }

    // --- registration and synchronization ------------------------------------------------------------------------

    fn on_info(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        config: &Membership,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let info = learner::introduction(packet, config)?;
        // An observer that dials again has lost its earlier link, whether or not we have noticed.
        let is_it = |other: &Learner| other.sid() == Some(info.sid);
        let earlier: Vec<LinkId> = self.links.iter().filter(|(_, other)| is_it(other)).map(|(&link, _)| link).collect();
        for earlier in earlier {
            self.drop_link(earlier, format!("observer {} has connected again", info.sid), out);
        }
        let Some(observer) = self.links.get_mut(&link) else { return Ok(()) };
        // Its link ends with this server's epoch.
        observer.introduce(info.sid, true, false);
        observer.stage = Stage::EpochSent;
        tracing::info!(peer = %info.sid, accepted_epoch = %packet.zxid.epoch(), "observer connected");
        let packet = QuorumPacket::with_data(PacketType::LeaderInfo, self.epoch.start(), leader_info());
        out.push(Action::Send(link, packet));
        Ok(())
    }

    fn on_ack_epoch(
        &mut self,
        now: Millis,
        link: LinkId,
        packet: &QuorumPacket,
        holdings: Holdings<'_>,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        decode_ack_epoch(packet.data.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
        let Some(observer) = self.links.get_mut(&link) else { return Ok(()) };
        observer.last_zxid = packet.zxid;
        observer.stage = Stage::Promised;
        let is_ahead = packet.zxid > self.last_committed && packet.zxid.epoch() == self.epoch;
        if is_ahead {
            tracing::info!(peer = observer.sid().map(|sid| sid.0), peer_last = %packet.zxid, last = %self.last_committed, "an observer waits until this server has committed as much as it has");
        } else {
            self.synchronize(now, link, holdings, out);
        }
        Ok(())
    }

    fn synchronize(&mut self, now: Millis, link: LinkId, holdings: Holdings<'_>, out: &mut Vec<Action>) {
        let Holdings { history, config } = holdings;
        let Some(observer) = self.links.get(&link) else { return };
        // Nothing lies between the last zxid before this epoch and its start: see `Leading::synchronize`.
        let at_start = observer.last_zxid == self.base && !history.contains(self.base);
        let stands_at = if at_start { self.base.max(self.epoch.start()) } else { observer.last_zxid };
        let plan = sync::choose(stands_at, self.last_committed, history);
        tracing::info!(peer = observer.sid().map(|sid| sid.0), peer_last = %observer.last_zxid, ?plan, "synchronizing an observer");
        let under_way = self.links.values().filter_map(Learner::sync);
        if let Some(reason) = self.sync_limits.refusal(plan.kind(), under_way) {
            self.drop_link(link, reason, out);
            return;
        }
        self.sync_counts.count(plan);
        sync::send(plan, link, self.last_committed, history, out);
        let config = Bytes::from(config.to_text());
        out.push(Action::Send(link, QuorumPacket::with_data(PacketType::NewLeader, self.epoch.start(), config)));
        let until = self.patient_until(now);
        if let Some(observer) = self.links.get_mut(&link) {
            observer.begin_sync(plan.kind());
            observer.alive_until = until;
        }
    }

    fn activate(&mut self, now: Millis, link: LinkId, out: &mut Vec<Action>) {
        let Some(observer) = self.links.get_mut(&link) else { return };
        observer.activate();
        observer.alive_until = now.plus(self.timing.sync_ms());
        out.push(Action::Send(link, QuorumPacket::bare(PacketType::UpToDate, Zxid::NONE)));
        tracing::info!(peer = observer.sid().map(|sid| sid.0), "observer is up to date");
    }

    // --- links ---------------------------------------------------------------------------------------------------

    fn patient_until(&self, now: Millis) -> Millis {
        now.plus(self.timing.init_ms() + self.timing.sync_ms())
    }

    fn drop_link(&mut self, link: LinkId, reason: String, out: &mut Vec<Action>) {
        let observer = self.links.remove(&link);
        let peer = observer.and_then(|observer| observer.sid()).map(|sid| sid.0);
        tracing::info!(peer, reason, "closing the link of an observer");
        out.push(Action::Close(link, reason));
    }
}
