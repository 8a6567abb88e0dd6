//! The learner: a follower or an observer, from dialling its leader to following its broadcast (`Learner.syncWithLeader`,
//! `Follower.followLeader`, `Observer.observeLeader`).
//!
//! ```text
//! Dialling -> Registering -> SavingAccepted -> AwaitingSync -+-> Truncating -+-> Synchronizing -> (NEWLEADER)
//!                                                            +---------------+
//! (NEWLEADER) -> Logging -> [SavingSnapshot] -> SavingCurrent -> AwaitingUpToDate -> Active
//! ```
//!
//! An active learner whose leader moves to the next epoch goes the way from SavingAccepted on once more, on the same link, while it
//! serves its clients: see `roll_over`.
//!
//! What must be durable before what is the heart of it (I3; ZOOKEEPER-4643, -4646, -4785): the accepted epoch before
//! ACKEPOCH, the synchronized history before the current epoch, the current epoch before the acknowledgement of NEWLEADER.
//! Packets that arrive while something is being written wait in `inbox`.

mod observers;
mod reconfig;
mod roll_over;

use crate::action::{Action, EstablishedRole};
use crate::config::{Config, reconfiguration};
use crate::history::History;
use crate::observer_master::{Holdings, MasterStart, ObserverMaster};
use crate::observing::{ObserverSettings, Upstream};
use crate::quorum::Membership;
use crate::sync::SyncCounts;
use crate::types::{Epochs, LinkId, Proposal, Timing};
use planted::Bug;
use std::collections::VecDeque;
use wire::quorum::{LearnerInfo, PacketType, QuorumPacket, ROLL_OVER_VERSION, ack_epoch};
use wire::{Epoch, Millis, ServerId, Zxid};

/// How the leader brings this learner to its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SyncMode {
    /// By transactions behind our log's end, cut or not: they are appended to it.
    Log,
    /// By a snapshot, which replaces everything. Until NEWLEADER it is only held in memory beside the tree: a
    /// synchronization that breaks off leaves tree and log as they were (ZOOKEEPER-3642).
    Snapshot { zxid: Zxid },
}

/// See the module's diagram.
#[derive(Debug)]
enum Stage {
    Dialling,
    Registering,
    SavingAccepted {
        reply: QuorumPacket,
    },
    AwaitingSync,
    Truncating {
        to: Zxid,
    },
    Synchronizing,
    /// The synchronized transactions are appended; their sync up to `upto` is awaited.
    Logging {
        upto: Zxid,
    },
    SavingSnapshot,
    SavingCurrent,
    AwaitingUpToDate,
    Active,
}

/// A server that follows or observes an elected leader.
#[derive(Debug)]
pub struct Learning {
    me: ServerId,
    leader: ServerId,
    link: LinkId,
    observes: bool,
    /// Whom an observer may still dial if who was dialled does not answer.
    route: VecDeque<Upstream>,
    /// How many there were.
    candidates: usize,
    upstream: ServerId,
    observers: ObserverSettings,
    /// The observers that hang on this follower.
    master: Option<Box<ObserverMaster>>,
    timing: Timing,
    /// When the last packet of the leader came.
    heard_at: Millis,
    config: Config,
    reconfig_enabled: bool,
    is_stranger: bool,
    wants_snapshot: bool,
    /// What NEWLEADER carried: in force once the leader says UPTODATE.
    leaders_config: Option<Membership>,
    stage: Stage,
    mode: SyncMode,
    inbox: VecDeque<QuorumPacket>,
    deadline: Millis,
    epochs: Epochs,
    /// The epoch the leader proposed.
    epoch: Epoch,
    /// Last transaction in (or on its way to) the own log.
    last_logged: Zxid,
    /// Where the history ended to which this server was synchronized.
    synchronized_upto: Zxid,
    /// Proposals that are not committed, in order. Before NEWLEADER they are not logged, after it they are.
    pending: VecDeque<Proposal>,
    /// Commits that arrived before they could be carried out.
    commits: VecDeque<Zxid>,
    last_queued: Zxid,
    /// Logged and not acknowledged.
    unacked: VecDeque<Zxid>,
    /// UPTODATE came, but the tree may show more than its zxid says until this is committed.
    serve_from: Option<Zxid>,
    /// What is durable: the log's synced end, or a snapshot's.
    synced_upto: Zxid,
    /// It serves since the epoch before, and has not got this one's UPTODATE.
    is_rolling_over: bool,
    /// Synchronizations sent by masters that ended with their epoch.
    past_syncs: SyncCounts,
}

/// What a learner starts with.
#[derive(Debug, Clone)]
pub struct LearnerStart {
    /// The learner's id.
    pub me: ServerId,
    /// Whom it follows.
    pub leader: ServerId,
    /// Who is dialled, one after the other until one answers.
    pub route: VecDeque<Upstream>,
    /// Whether and how observers are served, where this server follows.
    pub observers: ObserverSettings,
    /// Whether it only observes.
    pub observes: bool,
    /// Its epoch files.
    pub epochs: Epochs,
    /// The last zxid of its durable log.
    pub last_zxid: Zxid,
    /// The configurations.
    pub config: Config,
    /// `reconfigEnabled`.
    pub reconfig_enabled: bool,
    /// It has no data, and follows a leader that others have elected: it may have forgotten what it promised.
    pub is_stranger: bool,
    /// Its log could not be cut where a leader wanted it: it holds more than that and only as a snapshot. It says that it holds
    /// nothing, so that it is sent everything.
    pub wants_snapshot: bool,
}

impl Learning {
    /// A learner that is to [`dial_next`](Self::dial_next).
    pub fn new(now: Millis, start: LearnerStart, timing: Timing) -> Learning {
        Learning {
            me: start.me,
            leader: start.leader,
            link: LinkId(u64::MAX),
            observes: start.observes,
            candidates: start.route.len(),
            route: start.route,
            upstream: start.leader,
            observers: start.observers,
            master: None,
            timing,
            heard_at: now,
            config: start.config,
            reconfig_enabled: start.reconfig_enabled,
            is_stranger: start.is_stranger,
            wants_snapshot: start.wants_snapshot,
            leaders_config: None,
            stage: Stage::Dialling,
            mode: SyncMode::Log,
            inbox: VecDeque::new(),
            deadline: now.plus(timing.init_ms()),
            epochs: start.epochs,
            epoch: Epoch(0),
            last_logged: start.last_zxid,
            synchronized_upto: start.last_zxid,
            pending: VecDeque::new(),
            commits: VecDeque::new(),
            last_queued: Zxid::ZERO,
            unacked: VecDeque::new(),
            serve_from: None,
            synced_upto: start.last_zxid,
            is_rolling_over: false,
            past_syncs: SyncCounts::default(),
        }
    }

    // --- getters -------------------------------------------------------------------------------------------------

    /// Apache's `zk_peer_state`.
    #[must_use]
    pub fn phase_name(&self) -> &'static str {
        match (&self.stage, self.observes) {
            (Stage::Dialling | Stage::Registering | Stage::SavingAccepted { .. }, false) => "following - discovery",
            (Stage::Active, false) => "following - broadcast",
            (_, false) => "following - synchronization",
            (Stage::Dialling | Stage::Registering | Stage::SavingAccepted { .. }, true) => "observing - discovery",
            (Stage::Active, true) => "observing - broadcast",
            (_, true) => "observing - synchronization",
        }
    }

    /// Whom it follows.
    #[must_use]
    pub fn leader(&self) -> ServerId {
        self.leader
    }

    /// The leader's epoch, once proposed.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        (self.epoch.0 > 0).then_some(self.epoch)
    }

    /// The link to the leader.
    #[must_use]
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// Whether clients may be served.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Active)
    }

    /// Who was dialled last: through whom it learns.
    #[must_use]
    pub fn upstream(&self) -> ServerId {
        self.upstream
    }

    /// Whether it only observes.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.observes
    }

    /// How many servers it could dial when it began.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.candidates
    }

    /// The observers that hang on this follower, once it may serve them.
    #[must_use]
    pub fn master(&self) -> Option<&ObserverMaster> {
        self.master.as_deref()
    }

    /// Last transaction in (or on its way to) the own log.
    #[must_use]
    pub fn last_logged(&self) -> Zxid {
        self.last_logged
    }

    /// What is logged but not applied when this server stops learning: everything behind NEWLEADER that is pending.
    pub fn take_logged(&mut self) -> VecDeque<Proposal> {
        let last_logged = self.last_logged;
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain(|proposal| proposal.zxid <= last_logged);
        pending
    }

    /// When `on_deadline` is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Millis {
        self.master().map_or(self.deadline, |master| master.next_deadline().min(self.deadline))
    }

    // --- events --------------------------------------------------------------------------------------------------

    /// Dials the next of those who may be dialled, through a link of this number. `None`: there is none left, or the link stood.
    pub fn dial_next(&mut self, now: Millis, link: LinkId, out: &mut Vec<Action>) -> Option<Upstream> {
        if !matches!(self.stage, Stage::Dialling) {
            return None;
        }
        let next = self.route.pop_front()?;
        self.link = link;
        self.heard(now);
        let (upstream, dial) = match next {
            Upstream::Leader(leader) => (leader, Action::Dial(link, leader)),
            Upstream::Master(master) => (master, Action::DialMaster(link, master)),
        };
        self.upstream = upstream;
        out.push(dial);
        Some(next)
    }

    /// The link stands: introduce ourselves.
    pub fn on_link_up(&mut self, now: Millis, out: &mut Vec<Action>) {
        if !matches!(self.stage, Stage::Dialling) {
            return;
        }
        let config_version = self.config.committed().version;
        let info = LearnerInfo { sid: self.me, protocol_version: ROLL_OVER_VERSION, config_version };
        let kind = if self.observes { PacketType::ObserverInfo } else { PacketType::FollowerInfo };
        if self.upstream != self.leader {
            tracing::info!(master = %self.upstream, leader = %self.leader, "observing through a follower");
        }
        let packet = QuorumPacket::with_data(kind, self.epochs.accepted.start(), info.to_bytes());
        out.push(Action::Send(self.link, packet));
        self.stage = Stage::Registering;
        self.heard(now);
    }

    /// A packet from the leader. An error ends the learning.
    pub fn on_packet(
        &mut self,
        now: Millis,
        packet: QuorumPacket,
        history: &mut History,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        self.heard(now);
        // These need no order with the transactions; a ping must be answered even while a disk is slow. But a leader of
        // Apache's takes the first packet behind its NEWLEADER for the acknowledgement and drops a learner that answers a ping
        // before it (`LearnerHandler.run`).
        if matches!(packet.kind, PacketType::Ping | PacketType::Revalidate) {
            if matches!(self.stage, Stage::AwaitingUpToDate | Stage::Active) || self.is_rolling_over {
                out.push(Action::Deliver(self.link, packet));
            }
            return Ok(());
        }
        self.inbox.push_back(packet);
        self.drain(history, out)
    }

    /// Whether the leader is to say now how it synchronizes this server.
    #[must_use]
    pub fn awaits_sync(&self) -> bool {
        matches!(self.stage, Stage::AwaitingSync) && !self.is_rolling_over
    }

    /// The snapshot behind a SNAP packet was received whole.
    pub fn on_snapshot_received(&mut self, now: Millis, zxid: Zxid) -> Result<(), String> {
        self.heard(now);
        match self.stage {
            Stage::AwaitingSync if !self.is_rolling_over => {
                tracing::info!(%zxid, leader = %self.leader, "received a snapshot");
                self.mode = SyncMode::Snapshot { zxid };
                self.last_queued = zxid;
                self.stage = Stage::Synchronizing;
                Ok(())
            }
            _ => Err(format!("SNAP in stage {:?}", self.stage)),
        }
    }

    /// Bytes of a snapshot are arriving.
    pub fn on_progress(&mut self, now: Millis) {
        self.heard(now);
    }

    /// The log was cut.
    pub fn on_truncated(
        &mut self,
        last_zxid: Zxid,
        history: &mut History,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let Stage::Truncating { to } = self.stage else { return Ok(()) };
        // The log could not be cut there (Apache's server ends over it, and again after each start): a snapshot is asked for.
        // A log that ends before the cut lacks what the leader believes to be here: synchronize again from where it ends. Only
        // the start of an epoch is no transaction, so the log ends before it.
        if last_zxid > to || (last_zxid < to && !to.is_epoch_start()) {
            return Err(format!("the log ends at {last_zxid} after a cut behind {to}"));
        }
        self.last_logged = last_zxid;
        self.last_queued = to;
        self.stage = Stage::Synchronizing;
        self.drain(history, out)
    }

    /// Whether the log was to be cut and holds this still.
    #[must_use]
    pub fn is_uncut(&self, last_zxid: Zxid) -> bool {
        matches!(self.stage, Stage::Truncating { to } if last_zxid > to)
    }

    /// What the leader is told to compare its history with.
    fn reported_zxid(&self) -> Zxid {
        if self.wants_snapshot { Zxid::ZERO } else { self.last_logged }
    }

    /// The epoch files are on disk.
    pub fn on_epochs_saved(
        &mut self,
        epochs: Epochs,
        history: &mut History,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        self.epochs = epochs;
        match std::mem::replace(&mut self.stage, Stage::AwaitingSync) {
            Stage::SavingAccepted { reply } => out.push(Action::Send(self.link, reply)),
            Stage::SavingCurrent => {
                out.push(Action::Send(self.link, self.new_leader_ack()));
                self.stage = Stage::AwaitingUpToDate;
            }
            other => self.stage = other,
        }
        self.drain(history, out)
    }

    /// The snapshot of the synchronized tree is on disk.
    pub fn on_snapshot_saved(&mut self, out: &mut Vec<Action>) {
        if matches!(self.stage, Stage::SavingSnapshot) {
            self.synced_upto = self.last_logged;
            self.save_current(out);
        }
    }

    /// Everything up to `upto` is in this server's log: acknowledge it.
    pub fn on_log_synced(&mut self, upto: Zxid, history: &mut History, out: &mut Vec<Action>) {
        self.synced_upto = self.synced_upto.max(upto);
        match self.stage {
            Stage::Logging { upto: awaited } if upto >= awaited => {
                self.apply_synchronized(history, out);
                self.save_current(out);
            }
            Stage::Active => {
                // One packet per zxid, ascending: the leader tallies per zxid (I2).
                while let Some(zxid) = self.unacked.pop_front_if(|zxid| *zxid <= upto) {
                    out.push(Action::Send(self.link, QuorumPacket::bare(PacketType::Ack, zxid)));
                }
            }
            _ => {}
        }
    }

    /// The time of `next_deadline` has come: nothing was heard for too long.
    pub fn on_deadline(&mut self, now: Millis, out: &mut Vec<Action>) -> Result<(), String> {
        if let Some(master) = &mut self.master {
            master.on_deadline(now, out);
        }
        if now < self.deadline {
            return Ok(());
        }
        Err(format!("nothing from leader {} for too long in stage {}", self.leader, self.stage_name()))
    }

    // --- packets in order ----------------------------------------------------------------------------------------

    fn drain(&mut self, history: &mut History, out: &mut Vec<Action>) -> Result<(), String> {
        while self.accepts_packets() {
            let Some(packet) = self.inbox.pop_front() else { break };
            self.handle(packet, history, out)?;
        }
        Ok(())
    }

    /// Whether the next packet may be looked at: not while something is being written that must come before it.
    fn accepts_packets(&self) -> bool {
        match self.stage {
            Stage::Registering
            | Stage::AwaitingSync
            | Stage::Synchronizing
            | Stage::AwaitingUpToDate
            | Stage::Active => true,
            Stage::Dialling
            | Stage::SavingAccepted { .. }
            | Stage::Truncating { .. }
            | Stage::Logging { .. }
            | Stage::SavingSnapshot
            | Stage::SavingCurrent => false,
        }
    }

    fn handle(&mut self, packet: QuorumPacket, history: &mut History, out: &mut Vec<Action>) -> Result<(), String> {
        use PacketType as P;
        match (packet.kind, &self.stage) {
            (P::LeaderInfo, Stage::Registering) => self.on_leader_info(&packet, out),
            (P::LeaderInfo, Stage::Active) => {
                self.begin_roll_over(packet.zxid.epoch(), out)?;
                self.on_leader_info(&packet, out)
            }
            (P::Diff | P::Trunc, Stage::AwaitingSync) if packet.kind == P::Diff || planted::is(Bug::TruncSkipped) => {
                tracing::info!(leader = %self.leader, upto = %packet.zxid, "synchronizing by DIFF");
                self.last_queued = self.last_logged;
                self.stage = Stage::Synchronizing;
                Ok(())
            }
            (P::Trunc, Stage::AwaitingSync) if !self.is_rolling_over => {
                tracing::info!(leader = %self.leader, to = %packet.zxid, from = %self.last_logged, "synchronizing by TRUNC");
                self.stage = Stage::Truncating { to: packet.zxid };
                out.push(Action::Truncate(packet.zxid));
                Ok(())
            }
            (P::Proposal, Stage::Synchronizing | Stage::AwaitingUpToDate | Stage::Active) => {
                self.on_proposal(packet, out)
            }
            (P::Commit, Stage::Synchronizing | Stage::AwaitingUpToDate) => {
                self.commits.push_back(packet.zxid);
                Ok(())
            }
            (P::Commit, Stage::Active) => self.commit(packet.zxid, None, history, out),
            (P::CommitAndActivate, Stage::Synchronizing | Stage::AwaitingUpToDate | Stage::Active) => {
                let leader = designated(packet.data.as_deref())?;
                self.commit_and_activate(packet.zxid, leader, history, out)
            }
            (P::InformAndActivate, Stage::Synchronizing | Stage::AwaitingUpToDate | Stage::Active) if self.observes => {
                let leader = designated(packet.data.as_deref())?;
                let data = packet.data.map(|data| data.slice(8..));
                self.on_proposal(QuorumPacket { kind: P::Inform, zxid: packet.zxid, data, ..packet }, out)?;
                self.commit_and_activate(packet.zxid, leader, history, out)
            }
            (P::Inform, Stage::Synchronizing | Stage::AwaitingUpToDate | Stage::Active) if self.observes => {
                let zxid = packet.zxid;
                self.on_proposal(packet, out)?;
                if self.is_active() {
                    self.commit(zxid, None, history, out)
                } else {
                    self.commits.push_back(zxid);
                    Ok(())
                }
            }
            (P::NewLeader, Stage::Synchronizing) => {
                self.see_leaders_config(packet.data.as_deref(), out)?;
                self.on_new_leader(packet.zxid, history, out)
            }
            (P::UpToDate, Stage::AwaitingUpToDate) => self.on_up_to_date(history, out),
            (P::Sync, _) => {
                out.push(Action::Deliver(self.link, packet));
                Ok(())
            }
            // Repeated or later kinds: Apache's learner only logs them.
            (P::UpToDate | P::NewLeader, Stage::Active) => Ok(()),
            (kind, _) => Err(format!("packet {kind:?} {} in stage {}", packet.zxid, self.stage_name())),
        }
    }

    fn on_leader_info(&mut self, packet: &QuorumPacket, out: &mut Vec<Action>) -> Result<(), String> {
        let epoch = packet.zxid.epoch();
        if epoch < self.epochs.accepted {
            return Err(format!("leader proposes epoch {epoch}, but {} was accepted before", self.epochs.accepted));
        }
        // The last one leaves none for the next leader.
        if epoch >= Epoch::MAX {
            return Err(format!("leader proposes epoch {epoch}, behind which there is none"));
        }
        self.epoch = epoch;
        let is_new = epoch > self.epochs.accepted;
        let current = is_new.then_some(self.epochs.current);
        let reply = QuorumPacket::with_data(PacketType::AckEpoch, self.reported_zxid(), ack_epoch(current));
        if self.is_stranger {
            // No promise, so nothing to keep: with an epoch on its disk it would no longer look blank when it starts again.
            let reply = QuorumPacket::with_data(PacketType::AckEpoch, self.reported_zxid(), ack_epoch(None));
            out.push(Action::Send(self.link, reply));
            self.stage = Stage::AwaitingSync;
        } else if is_new && !planted::is(Bug::AcceptedEpochNotSaved) {
            out.push(Action::SaveEpochs(Epochs { accepted: epoch, current: self.epochs.current }));
            self.stage = Stage::SavingAccepted { reply };
        } else {
            out.push(Action::Send(self.link, reply));
            self.stage = Stage::AwaitingSync;
        }
        Ok(())
    }

    fn on_proposal(&mut self, packet: QuorumPacket, out: &mut Vec<Action>) -> Result<(), String> {
        let zxid = packet.zxid;
        let bytes = packet.data.ok_or_else(|| format!("proposal {zxid} without a transaction"))?;
        // During synchronization a leader may repeat what we hold only by mistake; a jump inside an epoch loses a
        // transaction (ZOOKEEPER-4925). Both are answered by synchronizing again.
        let begins = self.last_queued == Zxid::ZERO || self.last_queued == Zxid::NONE;
        let continues = zxid > self.last_queued.max(Zxid::ZERO)
            && (begins || zxid.epoch() > self.last_queued.epoch() || self.last_queued.next() == Some(zxid));
        if !continues {
            return Err(format!("proposal {zxid} does not continue {}", self.last_queued));
        }
        self.last_queued = zxid;
        let proposal = Proposal { zxid, bytes };
        if self.reconfig_enabled
            && let Some(next) = reconfiguration(&proposal)?
        {
            self.config.see(next.clone());
            out.push(Action::ConfigSeen(next));
        }
        if self.is_active() {
            self.log(proposal.clone(), out);
        }
        self.pending.push_back(proposal);
        Ok(())
    }

    /// The leader's history is complete: make it durable, then take the epoch.
    fn on_new_leader(&mut self, zxid: Zxid, history: &mut History, out: &mut Vec<Action>) -> Result<(), String> {
        if zxid != self.epoch.start() {
            return Err(format!("NEWLEADER {zxid} of another epoch than {}", self.epoch));
        }
        if planted::is(Bug::SyncAppliesUncommitted) {
            self.commits = self.pending.iter().map(|proposal| proposal.zxid).collect();
        }
        self.check_commits_match()?;
        if planted::is(Bug::CurrentEpochBeforeHistory) {
            out.push(Action::SaveEpochs(Epochs { accepted: self.epoch, current: self.epoch }));
        }
        if planted::is(Bug::NewLeaderAckedEarly) {
            out.push(Action::Send(self.link, self.new_leader_ack()));
        }
        match self.mode {
            SyncMode::Snapshot { zxid } => {
                out.push(Action::InstallSnapshot);
                self.last_logged = zxid;
                if !planted::is(Bug::HistoryKeepsGap) {
                    history.clear();
                }
                self.apply_synchronized(history, out);
                out.push(Action::SaveSnapshot);
                self.stage = Stage::SavingSnapshot;
            }
            SyncMode::Log => match self.commits.back().copied() {
                Some(upto) => {
                    for index in 0..self.commits.len() {
                        let proposal = self.pending[index].clone();
                        out.push(Action::Append(proposal));
                    }
                    self.last_logged = upto;
                    self.stage = Stage::Logging { upto };
                }
                // Of what came by live traffic the end may still be on its way to the disk.
                None if self.synced_upto < self.last_logged => self.stage = Stage::Logging { upto: self.last_logged },
                None => self.save_current(out),
            },
        }
        Ok(())
    }

    /// Every commit received so far must name the pending proposals in their order.
    fn check_commits_match(&self) -> Result<(), String> {
        for (index, zxid) in self.commits.iter().enumerate() {
            match self.pending.get(index) {
                Some(proposal) if proposal.zxid == *zxid => {}
                other => {
                    return Err(format!("commit {zxid}, but proposal {:?} is next", other.map(|found| found.zxid)));
                }
            }
        }
        Ok(())
    }

    fn apply_synchronized(&mut self, history: &mut History, out: &mut Vec<Action>) {
        for zxid in std::mem::take(&mut self.commits) {
            let proposal = self.pending.pop_front().expect("commits were matched with proposals at NEWLEADER");
            assert_eq!(proposal.zxid, zxid, "I5: commits name the pending proposals in order");
            self.last_logged = self.last_logged.max(zxid);
            history.push(proposal.clone());
            out.push(Action::Commit(proposal));
        }
    }

    fn save_current(&mut self, out: &mut Vec<Action>) {
        out.push(Action::SaveEpochs(Epochs { accepted: self.epoch, current: self.epoch }));
        self.stage = Stage::SavingCurrent;
    }

    /// Whoever was synchronized by a diff may serve at once. A snapshot was streamed while transactions went on and may hold
    /// effects of every one that was proposed before UPTODATE: this server serves when it has applied them all, else its
    /// clients would read what its zxid does not account for.
    fn on_up_to_date(&mut self, history: &mut History, out: &mut Vec<Action>) -> Result<(), String> {
        if let Some(config) = self.leaders_config.take() {
            self.put_in_force(config, None, out)?;
        }
        out.push(Action::Send(self.link, self.new_leader_ack()));
        self.stage = Stage::Active;
        self.is_rolling_over = false;
        // It holds the epoch now, and what it promises is on its disk.
        self.is_stranger = false;
        self.synchronized_upto = self.last_logged;
        for proposal in self.pending.clone() {
            if !planted::is(Bug::InFlightNotLogged) {
                self.log(proposal, out);
            }
        }
        let is_ahead = matches!(self.mode, SyncMode::Snapshot { .. });
        self.serve_from = self.pending.back().map(|last| last.zxid).filter(|_| is_ahead);
        if self.serve_from.is_none() {
            self.establish(self.synchronized_upto, out);
        }
        for zxid in std::mem::take(&mut self.commits) {
            self.commit(zxid, None, history, out)?;
        }
        Ok(())
    }

    fn establish(&mut self, last_committed: Zxid, out: &mut Vec<Action>) {
        let role = if self.observes { EstablishedRole::Observer } else { EstablishedRole::Follower };
        out.push(Action::Established(role, self.epoch));
        if !self.observes && self.observers.masters {
            let start = MasterStart {
                epoch: self.epoch,
                timing: self.timing,
                sync_limits: self.observers.sync_limits,
                base: self.synchronized_upto,
                last_committed,
            };
            self.master = Some(Box::new(ObserverMaster::new(self.heard_at, start, out)));
        }
    }

    /// Synchronizations sent to observers.
    #[must_use]
    pub fn sync_counts(&self) -> SyncCounts {
        let mut counts = self.past_syncs;
        counts.add(self.master().map(ObserverMaster::sync_counts).unwrap_or_default());
        counts
    }

    fn log(&mut self, proposal: Proposal, out: &mut Vec<Action>) {
        self.last_logged = proposal.zxid;
        if !self.observes && planted::is(Bug::AckBeforeSync) {
            out.push(Action::Send(self.link, QuorumPacket::bare(PacketType::Ack, proposal.zxid)));
        } else if !self.observes {
            self.unacked.push_back(proposal.zxid);
        }
        out.push(Action::Append(proposal));
    }

    /// A proposal is committed; `leader` is whom it designates if it is a reconfiguration.
    fn commit(
        &mut self,
        zxid: Zxid,
        leader: Option<ServerId>,
        history: &mut History,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        match self.pending.front().map(|proposal| proposal.zxid) {
            Some(next) if next == zxid => {}
            None => {
                tracing::warn!(%zxid, "commit without a proposal");
                return Ok(());
            }
            Some(next) => return Err(format!("commit {zxid}, but proposal {next} is next")),
        }
        if let Some(proposal) = self.pending.pop_front() {
            history.push(proposal.clone());
            out.push(Action::Commit(proposal.clone()));
            if let Some(master) = &mut self.master {
                let holdings = Holdings { history, config: self.config.committed() };
                master.on_committed(self.heard_at, &proposal, leader, holdings, out);
            }
        }
        if self.serve_from.take_if(|last| *last <= zxid).is_some() {
            self.establish(zxid, out);
        }
        Ok(())
    }

    // --- small things --------------------------------------------------------------------------------------------

    fn new_leader_ack(&self) -> QuorumPacket {
        QuorumPacket::bare(PacketType::Ack, self.epoch.start())
    }

    fn heard(&mut self, now: Millis) {
        self.heard_at = now;
        let patience_ms = match self.stage {
            Stage::AwaitingUpToDate | Stage::Active => self.timing.sync_ms(),
            _ => self.timing.init_ms(),
        };
        self.deadline = now.plus(patience_ms);
    }

    fn stage_name(&self) -> &'static str {
        match self.stage {
            Stage::Dialling => "dialling",
            Stage::Registering => "registering",
            Stage::SavingAccepted { .. } => "saving the accepted epoch",
            Stage::AwaitingSync => "awaiting synchronization",
            Stage::Truncating { .. } => "truncating",
            Stage::Synchronizing => "synchronizing",
            Stage::Logging { .. } => "logging",
            Stage::SavingSnapshot => "saving the snapshot",
            Stage::SavingCurrent => "saving the current epoch",
            Stage::AwaitingUpToDate => "awaiting UPTODATE",
            Stage::Active => "active",
        }
    }
}

/// The leader that a packet designates.
fn designated(data: Option<&[u8]>) -> Result<ServerId, String> {
    let bytes = data.and_then(|data| data.first_chunk()).ok_or("a reconfiguration without a leader")?;
    Ok(ServerId(i64::from_be_bytes(*bytes)))
}
