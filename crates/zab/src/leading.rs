//! The leader: discovery, synchronization and broadcast (`Leader`, `LearnerHandler`).
//!
//! ```text
//!            quorum of FOLLOWERINFO          epoch saved           quorum of ACKEPOCH
//! Discovery ------------------> SavingAccepted ---------> EpochAcks ------------------> SavingCurrent
//!                                                                                            | epoch saved
//!                     Broadcast <--------------------------------------------- Synchronization
//!                                quorum of NEWLEADER acks
//! ```
//!
//! A leader whose epoch has no zxid left goes the same way again, on the links it has: see `roll_over`.
//!
//! Every arrow but the last is also bounded by `initLimit`; a phase that takes longer, and a broadcast whose learners are no
//! longer a quorum, ends the leadership. Each link goes through the stages of [`Stage`] on its own.

mod hand_over;
mod reconfig;
mod roll_over;

use hand_over::HandOver;
pub use hand_over::HandOverEnd;
pub(crate) use reconfig::announcements;

use crate::action::{Action, EstablishedRole};
use crate::config::{Config, reconfiguration};
use crate::history::History;
use crate::learner::{self, Learner, Stage};
use crate::quorum::Membership;
use crate::reconfig::difference;
use crate::sync::{self, SyncCounts, SyncLimits, SyncPlan};
use crate::types::{Epochs, LinkId, Proposal, Timing};
use bytes::Bytes;
use planted::Bug;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::quorum::{PacketType, QuorumPacket, ROLL_OVER_VERSION, decode_ack_epoch, leader_info};
use wire::{Epoch, Millis, ServerId, Zxid};

/// What the leader is busy with; see the module's diagram.
#[derive(Debug)]
enum Phase {
    /// Collects accepted epochs to find one that is larger than all.
    Discovery { epoch: Epoch, connecting: BTreeSet<ServerId> },
    /// Waits until the accepted epoch is on disk: only then it may be proposed (I3).
    SavingAccepted { epoch: Epoch },
    /// Collects promises to follow nobody of an earlier epoch.
    EpochAcks { epoch: Epoch, promised: BTreeSet<ServerId> },
    /// Waits until the current epoch is on disk.
    SavingCurrent { epoch: Epoch },
    /// Brings learners to its history and collects their acknowledgements of it.
    Synchronization { epoch: Epoch, acks: BTreeSet<ServerId> },
    /// Proposes.
    Broadcast { epoch: Epoch },
}

/// A server that was elected, from discovery to the end of its leadership.
#[derive(Debug)]
pub struct Leading {
    me: ServerId,
    config: Config,
    reconfig_enabled: bool,
    timing: Timing,
    counter_max: u32,
    sync_limits: SyncLimits,
    /// Epoch files and last zxid when the leadership began: what learners are compared with.
    own_epochs: Epochs,
    own_last_zxid: Zxid,
    phase: Phase,
    phase_deadline: Millis,
    links: BTreeMap<LinkId, Learner>,
    /// Proposed and not committed, in order.
    outstanding: VecDeque<Proposal>,
    last_proposed: Zxid,
    last_committed: Zxid,
    /// What this server's own log holds durably: its own acknowledgement.
    own_synced: Zxid,
    /// Syncs that wait for the commit of what was proposed before them.
    pending_syncs: VecDeque<(Zxid, LinkId)>,
    /// A member has accepted a later epoch than ours, from a leader that came to nothing.
    outbid: Option<(ServerId, Epoch)>,
    /// Why this server leads no longer: a reconfiguration or a hand-over gives the ensemble to another.
    retired: Option<String>,
    hand_over: Option<HandOver>,
    /// So long the epoch waits for the learners that it takes along from the one before.
    roll_over_until: Option<Millis>,
    next_half_tick: Millis,
    half_ticks: u64,
    /// Synchronizations sent.
    pub sync_counts: SyncCounts,
}

/// Who the elected server is, and among whom.
#[derive(Debug, Clone)]
pub struct LeaderStart {
    /// Its id.
    pub me: ServerId,
    /// The configurations.
    pub config: Config,
    /// `reconfigEnabled`.
    pub reconfig_enabled: bool,
    /// How many observers may synchronize at the same time.
    pub sync_limits: SyncLimits,
}

/// Where the elected server stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Its epoch files.
    pub epochs: Epochs,
    /// The last zxid of its durable log.
    pub last_zxid: Zxid,
    /// An epoch that outbid its leadership before ([`Leading::outbid`]): the new one is to be later.
    pub outbid: Option<Epoch>,
}

impl Leading {
    /// Begins discovery.
    pub fn new(
        now: Millis,
        start: LeaderStart,
        timing: Timing,
        counter_max: u32,
        standing: Standing,
        out: &mut Vec<Action>,
    ) -> Leading {
        out.push(Action::Listen);
        let promised = standing.outbid.map_or(standing.epochs.accepted, |outbid| outbid.max(standing.epochs.accepted));
        let LeaderStart { me, config, reconfig_enabled, sync_limits } = start;
        let mut leading = Leading {
            me,
            config,
            reconfig_enabled,
            timing,
            counter_max,
            sync_limits,
            own_epochs: standing.epochs,
            own_last_zxid: standing.last_zxid,
            phase: Phase::Discovery { epoch: Epoch(promised.0 + 1), connecting: BTreeSet::from([me]) },
            phase_deadline: now.plus(timing.init_ms()),
            links: BTreeMap::new(),
            outstanding: VecDeque::new(),
            last_proposed: standing.last_zxid,
            last_committed: standing.last_zxid,
            own_synced: standing.last_zxid,
            pending_syncs: VecDeque::new(),
            outbid: None,
            retired: None,
            hand_over: None,
            roll_over_until: None,
            next_half_tick: now.plus(timing.tick_ms / 2),
            half_ticks: 0,
            sync_counts: SyncCounts::default(),
        };
        leading.check_discovery(out);
        leading
    }

    // --- getters -------------------------------------------------------------------------------------------------

    /// The name of the phase, as Apache's `zk_peer_state` has it.
    #[must_use]
    pub fn phase_name(&self) -> &'static str {
        match self.phase {
            Phase::Discovery { .. } | Phase::SavingAccepted { .. } => "leading - discovery",
            Phase::EpochAcks { .. } | Phase::SavingCurrent { .. } | Phase::Synchronization { .. } => {
                "leading - synchronization"
            }
            Phase::Broadcast { .. } => "leading - broadcast",
        }
    }

    /// Whether transactions may be proposed.
    #[must_use]
    pub fn is_broadcasting(&self) -> bool {
        matches!(self.phase, Phase::Broadcast { .. })
    }

    /// The epoch, once it was decided.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        match self.phase {
            Phase::Discovery { .. } | Phase::SavingAccepted { .. } => None,
            Phase::EpochAcks { epoch, .. }
            | Phase::SavingCurrent { epoch }
            | Phase::Synchronization { epoch, .. }
            | Phase::Broadcast { epoch } => Some(epoch),
        }
    }

    /// The last proposed zxid.
    #[must_use]
    pub fn last_proposed(&self) -> Zxid {
        self.last_proposed
    }

    /// Proposals that are not committed.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Proposals that are not committed, oldest first: what must still be applied when the leadership ends.
    pub fn take_outstanding(&mut self) -> VecDeque<Proposal> {
        std::mem::take(&mut self.outstanding)
    }

    /// Syncs that wait for a commit.
    #[must_use]
    pub fn pending_syncs(&self) -> usize {
        self.pending_syncs.len()
    }

    /// Learners that follow: sid and whether it votes.
    pub fn active_learners(&self) -> impl Iterator<Item = (ServerId, bool)> + '_ {
        self.links.values().filter(|learner| learner.stage == Stage::Active).filter_map(|learner| {
            let sid = learner.sid()?;
            Some((sid, self.config.committed().is_voter(sid)))
        })
    }

    /// Of each learner that follows: its sid, and how many transactions, of how many bytes, it was sent and has not
    /// acknowledged. The bytes are those of the transactions that are still in memory.
    pub fn lags<'a>(&'a self, history: &'a History) -> impl Iterator<Item = (ServerId, u64, u64)> + 'a {
        let active = self.links.values().filter(|learner| learner.stage == Stage::Active && !learner.observes);
        active.filter_map(move |learner| {
            let is_missing = |proposal: &&Proposal| proposal.zxid > learner.acked;
            let outstanding = self.outstanding.iter().rev().take_while(is_missing);
            let committed = history.iter().rev().take_while(is_missing);
            let bytes = outstanding.chain(committed).map(|proposal| proposal.bytes.len() as u64);
            let (count, bytes) = bytes.fold((0, 0), |(count, total), bytes| (count + 1, total + bytes));
            Some((learner.sid()?, count, bytes))
        })
    }

    /// The epoch, later than this leadership's, that a member has accepted; it ends the leadership.
    #[must_use]
    pub fn outbid(&self) -> Option<Epoch> {
        self.outbid.map(|(_, epoch)| epoch)
    }

    /// Links, in whatever stage.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.keys().copied()
    }

    /// The learner behind a link.
    #[must_use]
    pub fn learner_sid(&self, link: LinkId) -> Option<ServerId> {
        self.links.get(&link)?.sid()
    }

    /// When `on_deadline` is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Millis {
        let hand_over_until = self.hand_over.as_ref().map(|under_way| under_way.until);
        let phase_deadline = Some(self.phase_deadline).filter(|_| !self.is_broadcasting());
        let others = [hand_over_until, self.roll_over_until, phase_deadline];
        others.into_iter().flatten().fold(self.next_half_tick, Millis::min)
    }

    // --- events --------------------------------------------------------------------------------------------------

    /// A learner has dialled.
    pub fn on_link_up(&mut self, now: Millis, link: LinkId) {
        let patience_ms = self.timing.init_ms() + self.timing.sync_ms();
        self.links.insert(link, Learner::new(now.plus(patience_ms)));
    }

    /// A snapshot is being sent to a learner and it takes the bytes. While they flow nobody gives up, whatever `initLimit`
    /// says: the quorum may hang on that learner, and the next leader would have to send it the same. (Apache's leader ends
    /// after `initLimit`, again and again, until an operator raises it.)
    pub fn on_progress(&mut self, now: Millis, link: LinkId) {
        let patience_ms = self.timing.init_ms() + self.timing.sync_ms();
        if let Some(learner) = self.links.get_mut(&link)
            && learner.stage == Stage::Synchronizing
        {
            learner.alive_until = now.plus(patience_ms);
            if matches!(self.phase, Phase::Synchronization { .. }) {
                self.phase_deadline = self.phase_deadline.max(now.plus(self.timing.init_ms()));
            }
        }
    }

    /// A learner is gone.
    pub fn on_link_gone(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.pending_syncs.retain(|(_, waiting)| *waiting != link);
    }

    /// A packet from a learner. What is not the protocol's own business is delivered.
    pub fn on_packet(
        &mut self,
        now: Millis,
        link: LinkId,
        packet: QuorumPacket,
        history: &History,
        out: &mut Vec<Action>,
    ) {
        let sync_ms = self.timing.sync_ms();
        let Some(learner) = self.links.get_mut(&link) else { return };
        // Before UPTODATE Apache's learners do not answer pings: the patience given with NEWLEADER must last.
        if learner.stage == Stage::Active {
            learner.alive_until = now.plus(sync_ms);
        }
        let (stage, is_rolling_over) = (learner.stage, learner.is_rolling_over());
        let outcome = match (packet.kind, stage) {
            (PacketType::FollowerInfo | PacketType::ObserverInfo, Stage::Connected) => self.on_info(link, &packet, out),
            (PacketType::AckEpoch, Stage::EpochSent) => self.on_ack_epoch(now, link, &packet, history, out),
            (PacketType::Ack, _) if self.is_offer(link, packet.zxid) => {
                self.on_offer_acknowledged();
                Ok(())
            }
            // Counting it would commit a later proposal that nobody has logged.
            (PacketType::Ack, _) if packet.zxid > self.last_proposed => {
                Err(format!("ACK of {}, but the last proposal is {}", packet.zxid, self.last_proposed))
            }
            (PacketType::Ack, stage) if stage >= Stage::Synchronizing => {
                self.on_ack(now, link, packet.zxid, out);
                Ok(())
            }
            // Of the epoch that is used up: all of it is committed.
            (PacketType::Ack, _) if is_rolling_over => Ok(()),
            (PacketType::Request | PacketType::Revalidate | PacketType::Ping, stage)
                if stage >= Stage::Synced || is_rolling_over =>
            {
                out.push(Action::Deliver(link, packet));
                Ok(())
            }
            // Old learners answer pings while they still synchronize.
            (PacketType::Ping, Stage::Synchronizing) => Ok(()),
            (kind, stage) => Err(format!("packet {kind:?} in stage {stage:?}")),
        };
        if let Err(reason) = outcome {
            self.drop_link(link, reason, out);
        }
    }

    /// Everything up to `upto` is in this server's own log.
    pub fn on_log_synced(&mut self, upto: Zxid, history: &mut History, out: &mut Vec<Action>) {
        self.own_synced = self.own_synced.max(upto);
        self.commit_acknowledged(history, out);
    }

    /// The epoch files are on disk.
    pub fn on_epochs_saved(&mut self, now: Millis, history: &History, out: &mut Vec<Action>) {
        match self.phase {
            Phase::SavingAccepted { epoch } => {
                tracing::info!(%epoch, "epoch accepted by a quorum");
                self.phase = Phase::EpochAcks { epoch, promised: BTreeSet::from([self.me]) };
                self.phase_deadline = now.plus(self.timing.init_ms());
                let waiting: Vec<LinkId> = self.links_in(Stage::WaitingEpoch);
                for link in waiting {
                    self.send_leader_info(link, epoch, out);
                }
                self.check_promises(out);
            }
            Phase::SavingCurrent { epoch } => {
                self.last_proposed = epoch.start();
                self.give_first_version(epoch, out);
                self.phase = Phase::Synchronization { epoch, acks: BTreeSet::from([self.me]) };
                self.phase_deadline = now.plus(self.timing.init_ms());
                self.begin_to_await_companions(now);
                for link in self.links_in(Stage::Promised) {
                    self.synchronize(now, link, epoch, history, out);
                }
                self.check_established(now, out);
            }
            _ => {}
        }
    }

    /// The time of `next_deadline` has come. Answers why the leadership must end, if it must.
    pub fn on_deadline(&mut self, now: Millis, out: &mut Vec<Action>) -> Result<(), String> {
        if !self.is_broadcasting() && now >= self.phase_deadline {
            return Err(format!("no quorum within initLimit in phase {}", self.phase_name()));
        }
        if now < self.next_half_tick {
            return Ok(());
        }
        // That member must refuse us and could never join (in Apache it waits until an operator restarts the leader). To accept
        // an epoch takes a quorum, so this is rare; the next leadership begins with a larger one.
        if let Some((sid, epoch)) = self.outbid {
            return Err(format!("server {sid} has accepted epoch {epoch}, later than ours: a new one is needed"));
        }
        self.next_half_tick = now.plus(self.timing.tick_ms / 2);
        self.half_ticks += 1;
        self.drop_silent_links(now, out);
        if self.is_broadcasting() && self.half_ticks.is_multiple_of(2) {
            // An observer acknowledges nothing, though the next configuration may wait for it as a voter. (Apache's leader counts
            // it and waits for ever; the next one is content that it has acknowledged NEWLEADER.)
            let acknowledging = self.links.values().filter(|learner| !learner.observes);
            let alive: BTreeSet<ServerId> = acknowledging.filter_map(Learner::sid).chain([self.me]).collect();
            if !self.config.is_quorum(&alive) && !planted::is(Bug::LeadsWithoutQuorum) {
                return Err(format!("only servers {alive:?} are in sync: no quorum"));
            }
        }
        let ping = QuorumPacket::bare(PacketType::Ping, self.last_proposed);
        for (&link, learner) in &self.links {
            if learner.stage >= Stage::Synchronizing || learner.is_rolling_over() {
                out.push(Action::Send(link, ping.clone()));
            }
        }
        Ok(())
    }

    // --- commands ------------------------------------------------------------------------------------------------

    /// Proposes a transaction whose zxid is [`Self::next_zxid`]: to the own log and to every follower at once, so that the
    /// disks work side by side.
    ///
    /// # Panics
    /// If the zxid is not the next one: our leader leaves no gap in an epoch (I1).
    pub fn propose(&mut self, now: Millis, proposal: Proposal, out: &mut Vec<Action>) {
        assert_eq!(Some(proposal.zxid), self.last_proposed.next(), "I1: a proposal continues {}", self.last_proposed);
        assert!(self.hand_over.is_none(), "I1: the zxid {} is offered to the next leader", proposal.zxid);
        self.last_proposed = proposal.zxid;
        let packet = QuorumPacket::with_data(PacketType::Proposal, proposal.zxid, proposal.bytes.clone());
        for (&link, learner) in &mut self.links {
            if learner.stage >= Stage::Synchronizing && !learner.observes {
                learner.sent(now, proposal.zxid);
                out.push(Action::Send(link, packet.clone()));
            }
        }
        out.push(Action::Append(proposal.clone()));
        if self.reconfig_enabled
            && let Some(next) = reconfiguration(&proposal).expect("this server has made it")
        {
            assert!(self.config.proposed().is_none(), "one reconfiguration at a time: {:x} is under way", next.version);
            tracing::info!(
                version = format_args!("{:x}", next.version),
                changes = difference(self.config.committed(), &next),
                "proposing a configuration"
            );
            self.config.see(next.clone());
            out.push(Action::ConfigSeen(next));
        }
        self.outstanding.push_back(proposal);
    }

    /// A learner asks to be told when everything proposed so far was sent to it.
    pub fn sync(&mut self, link: LinkId, out: &mut Vec<Action>) {
        if self.outstanding.is_empty() {
            out.push(Action::Send(link, QuorumPacket::bare(PacketType::Sync, Zxid::ZERO)));
        } else {
            self.pending_syncs.push_back((self.last_proposed, link));
        }
    }

    // --- discovery -----------------------------------------------------------------------------------------------

    fn on_info(&mut self, link: LinkId, packet: &QuorumPacket, out: &mut Vec<Action>) -> Result<(), String> {
        let info = learner::introduction(packet, self.config.committed())?;
        // An epoch above all others must be left, and a later one would not fit a zxid.
        if packet.zxid.epoch() >= Epoch::MAX {
            return Err(format!("accepted epoch {}: there is no later one", packet.zxid.epoch()));
        }
        let observes = packet.kind == PacketType::ObserverInfo;
        // A learner that dials again has lost its earlier link, whether or not we have noticed.
        let earlier: Vec<LinkId> =
            self.links.iter().filter(|(_, other)| other.sid() == Some(info.sid)).map(|(&link, _)| link).collect();
        for earlier in earlier {
            self.drop_link(earlier, format!("server {} has connected again", info.sid), out);
        }
        let Some(learner) = self.links.get_mut(&link) else { return Ok(()) };
        learner.introduce(info.sid, observes, info.protocol_version >= ROLL_OVER_VERSION);
        tracing::info!(peer = %info.sid, accepted_epoch = %packet.zxid.epoch(), observes, "learner connected");
        match &mut self.phase {
            Phase::Discovery { epoch, connecting } => {
                if packet.zxid.epoch() >= *epoch {
                    *epoch = Epoch(packet.zxid.epoch().0 + 1);
                }
                if self.config.is_voter(info.sid) {
                    connecting.insert(info.sid);
                }
                self.check_discovery(out);
            }
            Phase::SavingAccepted { .. } => {}
            Phase::EpochAcks { epoch, .. }
            | Phase::SavingCurrent { epoch }
            | Phase::Synchronization { epoch, .. }
            | Phase::Broadcast { epoch } => {
                let epoch = *epoch;
                if packet.zxid.epoch() > epoch && self.config.is_member(info.sid) {
                    self.outbid = Some((info.sid, packet.zxid.epoch()));
                }
                self.send_leader_info(link, epoch, out);
            }
        }
        Ok(())
    }

    fn check_discovery(&mut self, out: &mut Vec<Action>) {
        if let Phase::Discovery { epoch, connecting } = &self.phase
            && self.config.is_quorum(connecting)
            && *epoch <= Epoch::MAX
        {
            let epoch = *epoch;
            out.push(Action::SaveEpochs(Epochs { accepted: epoch, current: self.own_epochs.current }));
            self.phase = Phase::SavingAccepted { epoch };
        }
    }

    fn send_leader_info(&mut self, link: LinkId, epoch: Epoch, out: &mut Vec<Action>) {
        if let Some(learner) = self.links.get_mut(&link) {
            learner.stage = Stage::EpochSent;
            let packet = QuorumPacket::with_data(PacketType::LeaderInfo, epoch.start(), leader_info());
            out.push(Action::Send(link, packet));
        }
    }

    fn on_ack_epoch(
        &mut self,
        now: Millis,
        link: LinkId,
        packet: &QuorumPacket,
        history: &History,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let current =
            decode_ack_epoch(packet.data.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
        let last_zxid = packet.zxid;
        let Some(learner) = self.links.get_mut(&link) else { return Ok(()) };
        learner.last_zxid = last_zxid;
        learner.stage = Stage::Promised;
        let sid = learner.sid();
        // `None` says that the learner had accepted this epoch before: it does not count as a promise.
        if let (Some(current), Phase::EpochAcks { promised, .. }) = (current, &mut self.phase) {
            let own = (self.own_epochs.current, self.own_last_zxid);
            // Only of those who vote by the configuration in force: what was committed, a quorum of them holds. A server that only
            // the next one lets vote may hold more than any of these, of what came to nothing, and is cut back. (Apache's leader
            // refuses it; where the next configuration needs it, that ensemble is stuck.)
            let votes = sid.is_none_or(|sid| self.config.proposed().is_none() || self.config.committed().is_voter(sid));
            if (current, last_zxid) > own && votes && !planted::is(Bug::ElectsWithoutHistory) {
                return Err(format!(
                    "follower is ahead of the leader: epoch {current} zxid {last_zxid}, ours {} {}",
                    own.0, own.1
                ));
            }
            if let Some(sid) = sid
                && (last_zxid != Zxid::NONE || planted::is(Bug::EmptyServerVotes))
                && self.config.is_voter(sid)
            {
                promised.insert(sid);
            }
            self.check_promises(out);
        } else if let Phase::Synchronization { epoch, .. } | Phase::Broadcast { epoch } = self.phase {
            self.synchronize(now, link, epoch, history, out);
        }
        Ok(())
    }

    fn check_promises(&mut self, out: &mut Vec<Action>) {
        if let Phase::EpochAcks { epoch, promised } = &self.phase
            && self.config.is_quorum(promised)
        {
            let epoch = *epoch;
            out.push(Action::SaveEpochs(Epochs { accepted: epoch, current: epoch }));
            self.phase = Phase::SavingCurrent { epoch };
        }
    }

    // --- synchronization -----------------------------------------------------------------------------------------

    /// Sends a learner what it lacks, then NEWLEADER. From here on it receives live traffic; commits are held back until it
    /// has got UPTODATE (ZOOKEEPER-4394: learners before 3.9.3 lose their in-flight list at NEWLEADER).
    fn synchronize(&mut self, now: Millis, link: LinkId, epoch: Epoch, history: &History, out: &mut Vec<Action>) {
        let config = Bytes::from(self.new_leader_config().to_text());
        let last_processed = if self.is_broadcasting() { self.last_committed } else { self.own_last_zxid };
        let Some(learner) = self.links.get_mut(&link) else { return };
        // Nothing lies between the last zxid before this epoch and the epoch's start, so a learner that stands there needs
        // no snapshot even where the history no longer reaches back so far.
        let at_start = self.last_committed != self.own_last_zxid && learner.last_zxid == self.own_last_zxid;
        let stands_at =
            if at_start && !history.contains(learner.last_zxid) { epoch.start() } else { learner.last_zxid };
        let plan = sync::choose(stands_at, last_processed, history);
        // It was sent all there is. With clients that look at its tree it cannot be given another.
        if learner.is_rolling_over() && !matches!(plan, SyncPlan::Diff { .. }) {
            let reason = format!("it ends at {}, and not at {last_processed}", learner.last_zxid);
            self.drop_link(link, reason, out);
            return;
        }
        tracing::info!(peer = learner.sid().map(|sid| sid.0), peer_last = %learner.last_zxid, ?plan, "synchronizing a learner");
        // To take one along costs nothing.
        if learner.observes
            && !learner.is_rolling_over()
            && let Some(reason) = self.sync_limits.refusal(plan.kind(), self.links.values().filter_map(Learner::sync))
        {
            self.drop_link(link, reason, out);
            return;
        }
        self.sync_counts.count(plan);
        sync::send(plan, link, last_processed, history, out);
        let Some(learner) = self.links.get_mut(&link) else { return };
        if !learner.observes {
            for proposal in &self.outstanding {
                learner.sent(now, proposal.zxid);
                let packet = QuorumPacket::with_data(PacketType::Proposal, proposal.zxid, proposal.bytes.clone());
                out.push(Action::Send(link, packet));
            }
        }
        out.push(Action::Send(link, QuorumPacket::with_data(PacketType::NewLeader, epoch.start(), config)));
        learner.begin_sync(plan.kind());
        learner.alive_until = now.plus(self.timing.init_ms() + self.timing.sync_ms());
    }

    fn on_ack(&mut self, now: Millis, link: LinkId, zxid: Zxid, out: &mut Vec<Action>) {
        let epoch_start = self.epoch().map(Epoch::start);
        let Some(learner) = self.links.get_mut(&link) else { return };
        if learner.stage == Stage::Synchronizing {
            // Learners before 3.8.5 and 3.9.2 may acknowledge in-flight proposals first (ZOOKEEPER-4685): those count, but
            // only the acknowledgement of NEWLEADER ends the stage.
            if epoch_start == Some(zxid) {
                learner.stage = Stage::Synced;
                self.on_new_leader_ack(now, link, out);
            } else {
                learner.acknowledge(zxid);
            }
            return;
        }
        if !zxid.is_epoch_start() {
            learner.acknowledge(zxid);
        }
    }

    fn on_new_leader_ack(&mut self, now: Millis, link: LinkId, out: &mut Vec<Action>) {
        let Some(sid) = self.links.get(&link).and_then(Learner::sid) else { return };
        let is_voter = self.config.is_voter(sid);
        match &mut self.phase {
            Phase::Synchronization { acks, .. } => {
                if is_voter {
                    acks.insert(sid);
                }
                self.check_established(now, out);
            }
            Phase::Broadcast { .. } => self.activate(now, link, out),
            _ => {}
        }
    }

    fn check_established(&mut self, now: Millis, out: &mut Vec<Action>) {
        let Phase::Synchronization { epoch, acks } = &self.phase else { return };
        if !self.config.is_quorum(acks) && !planted::is(Bug::ServesBeforeQuorumSynced) {
            return;
        }
        let epoch = *epoch;
        if self.awaits_companions() {
            return;
        }
        self.end_roll_over(out);
        self.phase = Phase::Broadcast { epoch };
        self.last_committed = epoch.start();
        self.complete_reconfiguration(out);
        out.push(Action::Established(EstablishedRole::Leader, epoch));
        for link in self.links_in(Stage::Synced) {
            self.activate(now, link, out);
        }
    }

    /// The learner may serve: UPTODATE, then the commits that were held back.
    fn activate(&mut self, now: Millis, link: LinkId, out: &mut Vec<Action>) {
        let Some(learner) = self.links.get_mut(&link) else { return };
        learner.activate();
        learner.alive_until = now.plus(self.timing.sync_ms());
        out.push(Action::Send(link, QuorumPacket::bare(PacketType::UpToDate, Zxid::NONE)));
        for packet in learner.held.drain(..) {
            out.push(Action::Send(link, packet));
        }
        tracing::info!(peer = learner.sid().map(|sid| sid.0), "learner is up to date");
    }

    // --- broadcast -----------------------------------------------------------------------------------------------

    /// Commits what a quorum has logged, in order. Called after every input that may have moved an acknowledgement.
    pub fn commit_acknowledged(&mut self, history: &mut History, out: &mut Vec<Action>) {
        if !self.is_broadcasting() {
            return;
        }
        if self.retired.is_some() {
            return;
        }
        let upto = self.acknowledged_by_quorum();
        while let Some(proposal) = self.outstanding.pop_front_if(|proposal| proposal.zxid <= upto) {
            assert!(
                proposal.zxid > self.last_committed,
                "I1: commits in order, {} after {}",
                proposal.zxid,
                self.last_committed
            );
            self.last_committed = proposal.zxid;
            let next = self.config.proposed().filter(|next| next.version == proposal.zxid.0).cloned();
            let leader = next.as_ref().map(|next| self.designated_leader(next));
            self.announce(&proposal, leader, out);
            history.push(proposal.clone());
            out.push(Action::Commit(proposal));
            if let Some((next, leader)) = next.zip(leader) {
                self.put_in_force(next, leader, out);
            }
            // At once, before the next commit: a learner answers the sync in its place among its session's writes.
            while let Some((_, link)) = self.pending_syncs.pop_front_if(|(zxid, _)| *zxid <= self.last_committed) {
                out.push(Action::Send(link, QuorumPacket::bare(PacketType::Sync, Zxid::ZERO)));
            }
        }
    }

    /// Tells every learner that a proposal is committed; of a reconfiguration also who is to lead then.
    fn announce(&mut self, proposal: &Proposal, leader: Option<ServerId>, out: &mut Vec<Action>) {
        let (inform, commit) = announcements(proposal, leader);
        for (&link, learner) in &mut self.links {
            if learner.stage < Stage::Synchronizing {
                continue;
            }
            let packet = if learner.observes { inform.clone() } else { commit.clone() };
            // An observer gets transaction and commit in one, which no version of Apache's loses.
            if learner.stage == Stage::Active || learner.observes {
                out.push(Action::Send(link, packet));
            } else {
                learner.held.push_back(packet);
            }
        }
    }

    /// The highest zxid that a quorum of voters holds durably, and of what was proposed since a reconfiguration, it included,
    /// a quorum of the next configuration as well.
    fn acknowledged_by_quorum(&self) -> Zxid {
        let acknowledged = self.acknowledged_by(self.config.committed());
        match self.config.proposed() {
            Some(_) if planted::is(Bug::NewQuorumNotAsked) => acknowledged,
            Some(next) if planted::is(Bug::OldQuorumNotAsked) => self.acknowledged_by(next),
            Some(next) if acknowledged.0 >= next.version => {
                acknowledged.min(self.acknowledged_by(next)).max(Zxid(next.version - 1)).max(self.last_committed)
            }
            _ => acknowledged,
        }
    }

    fn acknowledged_by(&self, membership: &Membership) -> Zxid {
        let mut acks: Vec<(Zxid, ServerId)> = Vec::with_capacity(self.links.len() + 1);
        if membership.is_voter(self.me) {
            let held = if planted::is(Bug::LeaderCountsUnsynced) { self.last_proposed } else { self.own_synced };
            acks.push((held, self.me));
        }
        for learner in self.links.values() {
            if let Some(sid) = learner.sid()
                && learner.acked > self.last_committed
                && membership.is_voter(sid)
            {
                acks.push((learner.acked, sid));
            } else if let Some(sid) = learner.sid()
                && !self.config.committed().is_voter(sid)
                && planted::is(Bug::JoinerCountsAtOnce)
            {
                acks.push((self.last_proposed, sid));
            }
        }
        acks.sort_unstable_by(|a, b| b.cmp(a));
        let mut holders = BTreeSet::new();
        for (zxid, sid) in acks {
            if zxid <= self.last_committed {
                break;
            }
            holders.insert(sid);
            if membership.is_quorum(&holders) || planted::is(Bug::CommitWithoutQuorum) {
                return zxid;
            }
        }
        self.last_committed
    }

    // --- links ---------------------------------------------------------------------------------------------------

    fn links_in(&self, stage: Stage) -> Vec<LinkId> {
        self.links.iter().filter(|(_, learner)| learner.stage == stage).map(|(&link, _)| link).collect()
    }

    fn drop_silent_links(&mut self, now: Millis, out: &mut Vec<Action>) {
        let sync_ms = self.timing.sync_ms();
        let silent: Vec<(LinkId, String)> =
            self.links.iter().filter_map(|(&link, learner)| Some((link, learner.silence(now, sync_ms)?))).collect();
        for (link, reason) in silent {
            self.drop_link(link, reason, out);
        }
    }

    fn drop_link(&mut self, link: LinkId, reason: String, out: &mut Vec<Action>) {
        let peer = self.learner_sid(link).map(|sid| sid.0);
        tracing::info!(peer, reason, "closing the link of a learner");
        self.on_link_gone(link);
        out.push(Action::Close(link, reason));
    }
}
