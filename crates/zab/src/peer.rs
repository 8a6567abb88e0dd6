//! One member of an ensemble: election, then leading or learning, and back.
//!
//! ```text
//!            elected                    leader lost, quorum lost, timeout
//! Looking ------------> Leading/Learning ------------------------------> Settling
//!    ^                                                                      |
//!    +------------------- everything asked of the disk is done -------------+
//! ```
//!
//! Settling makes the vote true: it names the last zxid in the log, so no vote is cast while an append, an epoch file, a
//! snapshot or a truncation is still under way (ZOOKEEPER-4712). What is logged but was not committed is applied here, so
//! that tree and log agree whatever comes next (ZOOKEEPER-2355, -2845).

mod figures;

use crate::action::{Action, EstablishedRole};
use crate::config::Config;
use crate::election::{Elected, Election, ElectionAction, ElectionSettings, InitialVote, Reach};
use crate::history::History;
use crate::leading::{LeaderStart, Leading, Standing};
use crate::learning::{LearnerStart, Learning};
use crate::observer_master::ObserverMaster;
use crate::observing::{ObserverSettings, Rounds, Upstream};
use crate::phase::PhaseSpan;
use crate::quorum::Membership;
use crate::sync::SyncCounts;
use crate::types::{Epochs, LinkId, Proposal, Timing};
use planted::Bug;
use wire::election::{Notification, ServerState};
use wire::quorum::QuorumPacket;
use wire::{Epoch, Millis, ServerId, Zxid};

/// Links that this side dials are numbered from here, accepted ones by the runtime from 0.
pub const DIALLED_LINKS_FROM: u64 = 1 << 63;

/// What a member is told at its start.
#[derive(Debug, Clone)]
pub struct PeerSettings {
    /// Its id.
    pub me: ServerId,
    /// The ensemble.
    pub membership: Membership,
    /// `reconfigEnabled`: whether the ensemble may change.
    pub reconfig_enabled: bool,
    /// `tickTime`, `initLimit`, `syncLimit`.
    pub timing: Timing,
    /// The waits of an election.
    pub election: ElectionSettings,
    /// `commitLogCount`.
    pub commit_log_count: usize,
    /// An epoch's zxids have counters below this one; the last of them is kept for a hand-over: [`Zxid::COUNTER_MAX`], less where
    /// the roll-over is tried out, but 3 at least.
    pub counter_max: u32,
    /// What concerns observers.
    pub observers: ObserverSettings,
}

/// What it found on its disk.
#[derive(Debug, Clone, Default)]
pub struct PeerStart {
    /// The last logged zxid.
    pub last_zxid: Zxid,
    /// The epoch files.
    pub epochs: Epochs,
    /// The most recent logged transactions, oldest first.
    pub history: Vec<Proposal>,
    /// A configuration that is known to have been in force, whatever the settings say.
    pub config_before: Option<Membership>,
    /// The last configuration in the tree, which may be newer than the one in force.
    pub last_seen: Option<Membership>,
    /// Somebody has said that an empty disk is right, because the ensemble is new (the file `initialize`).
    pub is_new_ensemble: bool,
}

#[derive(Debug)]
enum Role {
    Settling,
    Looking,
    Leading(Box<Leading>),
    Learning(Box<Learning>),
    Stopped,
}

/// A member of an ensemble.
///
/// Events are the methods `on_*`, commands are [`propose`](Self::propose), [`sync`](Self::sync),
/// [`hand_over`](Self::hand_over) and [`shutdown`](Self::shutdown), the rest are getters. Events and commands append to `out` what must be done, in order.
#[derive(Debug)]
pub struct Peer {
    settings: PeerSettings,
    config: Config,
    /// Until the start.
    config_before: Option<Membership>,
    election: Election,
    role: Role,
    history: History,
    epochs: Epochs,
    /// Last transaction in (or on its way to) the own log.
    last_logged: Zxid,
    /// Last transaction that is durable.
    last_synced: Zxid,
    /// Epoch files, snapshots and truncations asked for and not answered.
    disk_requests: usize,
    /// What the snapshot asked for last will hold.
    snapshot_upto: Zxid,
    /// The tree was let go of for a snapshot that is not there yet: it has to be read from disk again if that does not come.
    tree_is_gone: bool,
    /// See `LearnerStart::wants_snapshot`.
    wants_snapshot: bool,
    is_new_ensemble: bool,
    votes_delivered: bool,
    next_link: u64,
    election_count: u64,
    past_syncs: SyncCounts,
    /// Where this server, an observer, goes for the history.
    rounds: Rounds,
    /// Before this it does not look for a leader.
    look_from: Millis,
    /// An epoch that outbid a leadership of this server.
    outbid: Option<Epoch>,
    phase: PhaseSpan,
}

impl Peer {
    /// A member that has read its disk and not started yet.
    #[must_use]
    pub fn new(settings: PeerSettings, start: PeerStart) -> Peer {
        assert!(
            start.epochs.current <= start.epochs.accepted,
            "I3: current epoch {} above accepted epoch {}",
            start.epochs.current,
            start.epochs.accepted
        );
        let mut history = History::new(settings.commit_log_count);
        start.history.into_iter().for_each(|proposal| history.push(proposal));
        let last_seen = start.last_seen.filter(|_| settings.reconfig_enabled && !planted::is(Bug::NextConfigForgotten));
        let config = Config::new(settings.membership.clone(), last_seen);
        let config_before =
            start.config_before.filter(|_| settings.reconfig_enabled && !planted::is(Bug::StaleListCounts));
        Peer {
            election: new_election(&settings, &config),
            config,
            config_before,
            rounds: Rounds::new(settings.me, settings.observers),
            look_from: Millis(i64::MIN),
            settings,
            role: Role::Settling,
            history,
            epochs: start.epochs,
            last_logged: start.last_zxid,
            last_synced: start.last_zxid,
            disk_requests: 0,
            snapshot_upto: Zxid::ZERO,
            tree_is_gone: false,
            wants_snapshot: false,
            is_new_ensemble: start.is_new_ensemble,
            votes_delivered: false,
            next_link: DIALLED_LINKS_FROM,
            election_count: 0,
            past_syncs: SyncCounts::default(),
            outbid: None,
            phase: PhaseSpan::none(),
        }
    }

    /// Bounds the memory for committed transactions that learners may have missed; less of it means more snapshots.
    pub fn set_history_bytes_max(&mut self, bytes_max: usize) {
        self.history.set_bytes_max(bytes_max);
    }

    // --- getters -------------------------------------------------------------------------------------------------

    /// The leader, where this server leads or learns.
    #[must_use]
    pub fn leader(&self) -> Option<ServerId> {
        match &self.role {
            Role::Leading(_) => Some(self.settings.me),
            Role::Learning(learning) => Some(learning.leader()),
            _ => None,
        }
    }

    /// The leadership, where this server leads.
    #[must_use]
    pub fn leading(&self) -> Option<&Leading> {
        if let Role::Leading(leading) = &self.role { Some(leading) } else { None }
    }

    /// The link to the leader, where this server learns.
    #[must_use]
    pub fn leader_link(&self) -> Option<LinkId> {
        if let Role::Learning(learning) = &self.role { Some(learning.link()) } else { None }
    }

    /// Through whom this server learns: the leader itself, or a master of observers.
    #[must_use]
    pub fn upstream(&self) -> Option<ServerId> {
        if let Role::Learning(learning) = &self.role { Some(learning.upstream()) } else { None }
    }

    /// Who is at the other end of a link, once it has said so.
    #[must_use]
    pub fn sid_of(&self, link: LinkId) -> Option<ServerId> {
        match &self.role {
            Role::Leading(leading) => leading.learner_sid(link),
            Role::Learning(learning) if learning.link() == link => Some(learning.upstream()),
            Role::Learning(learning) => learning.master()?.learner_sid(link),
            Role::Settling | Role::Looking | Role::Stopped => None,
        }
    }

    /// The observers that hang on this server, where it is an established follower with a port for them.
    #[must_use]
    pub fn observer_master(&self) -> Option<&ObserverMaster> {
        if let Role::Learning(learning) = &self.role { learning.master() } else { None }
    }

    /// The configuration that this server goes by.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        self.config.committed()
    }

    /// The epoch this server is in.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match &self.role {
            Role::Leading(leading) => leading.epoch().unwrap_or(self.epochs.current),
            Role::Learning(learning) => learning.epoch().unwrap_or(self.epochs.current),
            _ => self.epochs.current,
        }
    }

    fn current_syncs(&self) -> SyncCounts {
        match &self.role {
            Role::Leading(leading) => leading.sync_counts,
            Role::Learning(learning) => learning.sync_counts(),
            _ => SyncCounts::default(),
        }
    }

    /// Last transaction in (or on its way to) the own log.
    #[must_use]
    pub fn last_logged(&self) -> Zxid {
        self.last_logged
    }

    /// When [`on_deadline`](Self::on_deadline) is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        match &self.role {
            Role::Settling if self.is_settled() => Some(self.look_from),
            Role::Settling | Role::Stopped => None,
            Role::Looking => self.election.next_deadline(),
            Role::Leading(leading) => Some(leading.next_deadline()),
            Role::Learning(learning) => Some(learning.next_deadline()),
        }
    }

    // --- events --------------------------------------------------------------------------------------------------

    /// Begins.
    pub fn on_start(&mut self, now: Millis, out: &mut Vec<Action>) {
        if let Some(before) = self.config_before.take()
            && self.config.activate(before.clone())
        {
            tracing::info!(
                version = format_args!("{:x}", before.version),
                "the configured server list is older than what the log says was in force"
            );
            self.election = new_election(&self.settings, &self.config);
            out.push(Action::ConfigActivated(before));
        }
        self.look_when_settled(now, out);
    }

    /// A vote has arrived.
    pub fn on_vote(&mut self, now: Millis, from: ServerId, notification: Notification, out: &mut Vec<Action>) {
        if matches!(self.role, Role::Settling | Role::Stopped) {
            return; // Our own vote is not known yet; who looks repeats its own.
        }
        let mut actions = Vec::new();
        self.election.on_notification(now, from, notification, &mut actions);
        self.perform_election(now, actions, out);
    }

    /// Whether a peer can be heard on the election port has become known.
    pub fn on_reach(&mut self, now: Millis, sid: ServerId, reach: Reach, out: &mut Vec<Action>) {
        let mut actions = Vec::new();
        self.election.on_reach(now, sid, reach, &mut actions);
        self.perform_election(now, actions, out);
    }

    /// Whether any peer has taken all votes sent to it.
    pub fn on_votes_delivered(&mut self, delivered: bool) {
        self.votes_delivered = delivered;
    }

    /// A link stands.
    pub fn on_link_up(&mut self, now: Millis, link: LinkId, out: &mut Vec<Action>) {
        self.event(now, out, |peer, out| {
            match &mut peer.role {
                Role::Leading(leading) if link.0 < DIALLED_LINKS_FROM => leading.on_link_up(now, link),
                Role::Learning(learning) if learning.link() == link => learning.on_link_up(now, out),
                Role::Learning(learning) if link.0 < DIALLED_LINKS_FROM && learning.master().is_some() => {
                    learning.on_observer_up(now, link);
                }
                _ => out.push(Action::Close(link, "this server does not lead".to_owned())),
            }
            Ok(())
        });
    }

    /// A packet has arrived.
    pub fn on_packet(&mut self, now: Millis, link: LinkId, packet: QuorumPacket, out: &mut Vec<Action>) {
        self.event(now, out, |peer, out| match &mut peer.role {
            Role::Leading(leading) => {
                leading.on_packet(now, link, packet, &peer.history, out);
                leading.commit_acknowledged(&mut peer.history, out);
                Ok(())
            }
            Role::Learning(learning) if learning.link() == link => {
                learning.on_packet(now, packet, &mut peer.history, out)
            }
            Role::Learning(learning) => {
                learning.on_observer_packet(now, link, packet, &peer.history, out);
                Ok(())
            }
            _ => Ok(()), // Of a link that was closed meanwhile.
        });
    }

    /// Bytes of a snapshot move on a link.
    pub fn on_progress(&mut self, now: Millis, link: LinkId) {
        match &mut self.role {
            Role::Leading(leading) => leading.on_progress(now, link),
            Role::Learning(learning) if learning.link() == link => learning.on_progress(now),
            Role::Learning(learning) => learning.on_observer_progress(now, link),
            _ => {}
        }
    }

    /// A SNAP packet has arrived, its stream follows. Answers whether the tree is to be let go of: there may be no memory for
    /// two.
    pub fn on_snapshot_begins(&mut self, link: LinkId) -> bool {
        let is_awaited = match &self.role {
            Role::Learning(learning) => learning.link() == link && learning.awaits_sync(),
            _ => false,
        };
        // An empty tree takes no memory.
        self.tree_is_gone |= is_awaited && self.last_logged > Zxid::ZERO;
        self.tree_is_gone
    }

    /// A SNAP packet and its stream have arrived. Answers whether the snapshot is wanted.
    pub fn on_snapshot_received(&mut self, now: Millis, link: LinkId, zxid: Zxid, out: &mut Vec<Action>) -> bool {
        let mut wanted = false;
        self.event(now, out, |peer, _| match &mut peer.role {
            Role::Learning(learning) if learning.link() == link => {
                let outcome = learning.on_snapshot_received(now, zxid);
                wanted = outcome.is_ok();
                outcome
            }
            _ => Ok(()),
        });
        wanted
    }

    /// A link is gone.
    pub fn on_link_gone(&mut self, now: Millis, link: LinkId, reason: String, out: &mut Vec<Action>) {
        self.event(now, out, |peer, out| match &mut peer.role {
            Role::Leading(leading) => {
                leading.on_link_gone(link);
                Ok(())
            }
            Role::Learning(learning) if learning.link() == link => {
                if peer.dial_next(now, out) {
                    Ok(())
                } else {
                    Err(reason)
                }
            }
            Role::Learning(learning) => {
                learning.on_observer_gone(link);
                Ok(())
            }
            _ => Ok(()),
        });
    }

    /// Everything appended up to `upto` is durable.
    pub fn on_log_synced(&mut self, now: Millis, upto: Zxid, out: &mut Vec<Action>) {
        self.last_synced = self.last_synced.max(upto);
        self.event(now, out, |peer, out| {
            match &mut peer.role {
                Role::Leading(leading) => leading.on_log_synced(upto, &mut peer.history, out),
                Role::Learning(learning) => learning.on_log_synced(upto, &mut peer.history, out),
                _ => {}
            }
            Ok(())
        });
    }

    /// The epoch files are durable.
    pub fn on_epochs_saved(&mut self, now: Millis, epochs: Epochs, out: &mut Vec<Action>) {
        self.disk_answered();
        self.epochs = epochs;
        self.event(now, out, |peer, out| match &mut peer.role {
            Role::Leading(leading) => {
                leading.on_epochs_saved(now, &peer.history, out);
                Ok(())
            }
            Role::Learning(learning) => learning.on_epochs_saved(epochs, &mut peer.history, out),
            _ => Ok(()),
        });
    }

    /// The snapshot asked for is durable.
    pub fn on_snapshot_saved(&mut self, now: Millis, out: &mut Vec<Action>) {
        self.disk_answered();
        self.last_synced = self.last_synced.max(self.snapshot_upto);
        self.event(now, out, |peer, out| {
            if let Role::Learning(learning) = &mut peer.role {
                learning.on_snapshot_saved(out);
            }
            Ok(())
        });
    }

    /// The log was cut and read again: it ends at `last_zxid` and ends with `history`.
    pub fn on_truncated(&mut self, now: Millis, last_zxid: Zxid, history: Vec<Proposal>, out: &mut Vec<Action>) {
        self.disk_answered();
        self.tree_is_gone = false;
        self.wants_snapshot |= matches!(&self.role, Role::Learning(learning) if learning.is_uncut(last_zxid));
        self.last_logged = last_zxid;
        self.last_synced = last_zxid;
        self.history.clear();
        history.into_iter().for_each(|proposal| self.history.push(proposal));
        self.event(now, out, |peer, out| match &mut peer.role {
            Role::Learning(learning) => learning.on_truncated(last_zxid, &mut peer.history, out),
            _ => Ok(()),
        });
    }

    /// The time of [`next_deadline`](Self::next_deadline) has come.
    pub fn on_deadline(&mut self, now: Millis, out: &mut Vec<Action>) {
        if matches!(self.role, Role::Looking) {
            let mut actions = Vec::new();
            self.election.on_deadline(now, self.votes_delivered, &mut actions);
            self.perform_election(now, actions, out);
            return;
        }
        self.event(now, out, |peer, out| match &mut peer.role {
            Role::Leading(leading) => leading.on_deadline(now, out),
            Role::Learning(learning) => learning.on_deadline(now, out),
            _ => Ok(()),
        });
    }

    // --- commands ------------------------------------------------------------------------------------------------

    /// The zxid of the next proposal, where this server leads and broadcasts. `None` in an established leadership means that the
    /// epoch's counter is used up: the ensemble moves to the next epoch as soon as nothing is outstanding, unless the leadership
    /// [has to be handed over](Leading::has_to_hand_over).
    #[must_use]
    pub fn next_zxid(&self) -> Option<Zxid> {
        self.leading().and_then(Leading::next_zxid)
    }

    /// The zxid of the proposal by which this server may [hand over](Self::hand_over).
    #[must_use]
    pub fn offer_zxid(&self) -> Option<Zxid> {
        self.leading().and_then(Leading::offer_zxid)
    }

    /// Proposes a transaction with [`next_zxid`](Self::next_zxid).
    ///
    /// # Panics
    /// If this server does not lead.
    pub fn propose(&mut self, now: Millis, proposal: Proposal, out: &mut Vec<Action>) {
        let start = out.len();
        match &mut self.role {
            Role::Leading(leading) => leading.propose(now, proposal, out),
            other => panic!("only a leader proposes, not {other:?}"),
        }
        self.note(&out[start..]);
    }

    /// A learner asks to be told when everything proposed so far was sent to it.
    pub fn sync(&mut self, link: LinkId, out: &mut Vec<Action>) {
        if let Role::Leading(leading) = &mut self.role {
            leading.sync(link, out);
        }
    }

    /// Ends the leadership and looks again.
    pub fn step_down(&mut self, now: Millis, reason: String, out: &mut Vec<Action>) {
        self.event(now, out, |_, _| Err(reason));
    }

    /// Begins to hand the leadership to the voter that [`Leading::hand_over_target`] has named; [`Action::HandOverEnded`] tells
    /// what became of it, `until` at the latest. Until then nothing may be proposed. `offer` is a transaction without effect with
    /// [`offer_zxid`](Self::offer_zxid).
    ///
    /// # Panics
    /// If this server does not lead, or the target is not in sync.
    pub fn hand_over(&mut self, now: Millis, to: ServerId, offer: Proposal, until: Millis, out: &mut Vec<Action>) {
        self.event(now, out, |peer, _| {
            match &mut peer.role {
                Role::Leading(leading) => leading.begin_hand_over(to, offer, until),
                other => panic!("only a leader hands over, not {other:?}"),
            }
            Ok(())
        });
    }

    /// As [`shutdown`](Self::shutdown), once the hand-over that is under way has ended, `until` at the latest. Answers whether
    /// there is one; without one nothing is done.
    pub fn shutdown_after_hand_over(&mut self, until: Millis) -> bool {
        if let Role::Leading(leading) = &mut self.role { leading.stop_after_hand_over(until) } else { false }
    }

    /// Whether this server has left the ensemble for good.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        matches!(self.role, Role::Stopped)
    }

    /// Leaves the ensemble for good: every link is closed, so that the others elect at once.
    pub fn shutdown(&mut self, out: &mut Vec<Action>) {
        // Whoever starts again reads it anyway.
        self.tree_is_gone = false;
        self.leave("shutting down".to_owned(), out);
        self.role = Role::Stopped;
    }

    // --- transitions ---------------------------------------------------------------------------------------------

    /// Runs an event: its actions are noted, a failure sends this server back to looking, and who waits for the disk looks
    /// as soon as the disk has answered.
    fn event(
        &mut self,
        now: Millis,
        out: &mut Vec<Action>,
        run: impl FnOnce(&mut Peer, &mut Vec<Action>) -> Result<(), String>,
    ) {
        let start = out.len();
        let mut outcome = run(self, out);
        if let Role::Leading(leading) = &mut self.role {
            leading.pursue_hand_over(now, out);
            leading.pursue_roll_over(now, out);
        }
        self.note(&out[start..]);
        if let Some(reason) = self.leading().and_then(Leading::retired) {
            outcome = outcome.and(Err(reason.to_owned()));
        }
        if let Err(reason) = outcome {
            self.look_from = now.plus(self.pause_ms());
            self.leave(reason, out);
        }
        self.look_when_settled(now, out);
    }

    /// Keeps the log's end and the number of open disk requests in step with new actions.
    fn note(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Append(proposal) => self.last_logged = self.last_logged.max(proposal.zxid),
                Action::Established(EstablishedRole::Follower, _) if planted::is(Bug::FollowerVoteKeepsEpoch) => {}
                Action::Established(_, epoch) => {
                    self.election.established(*epoch);
                    self.phase.established(*epoch);
                }
                Action::SaveEpochs(_) | Action::Truncate(_) => self.disk_requests += 1,
                Action::InstallSnapshot => (self.tree_is_gone, self.wants_snapshot) = (false, false),
                Action::ConfigSeen(membership) => {
                    self.config.see(membership.clone());
                    self.tell_election();
                }
                Action::ConfigActivated(membership) => {
                    self.config.activate(membership.clone());
                    self.tell_election();
                }
                Action::SaveSnapshot => {
                    self.disk_requests += 1;
                    if let Role::Learning(learning) = &self.role {
                        self.last_logged = learning.last_logged();
                        self.snapshot_upto = learning.last_logged();
                    }
                }
                _ => {}
            }
        }
    }

    fn tell_election(&mut self) {
        self.election.set_memberships(self.config.committed().clone(), self.config.proposed().cloned());
    }

    /// Somebody has a later configuration than the one this server looks for a leader in: it is adopted, and the election begins
    /// again among its servers.
    fn adopt(&mut self, now: Millis, membership: Membership, out: &mut Vec<Action>) {
        let is_other = !membership.agrees_with(self.config.committed());
        if planted::is(Bug::StaleListCounts) || !self.config.activate(membership.clone()) {
            return;
        }
        tracing::info!(version = format_args!("{:x}", membership.version), "a later configuration was heard of");
        out.push(Action::ConfigActivated(membership));
        if is_other {
            self.election = new_election(&self.settings, &self.config);
            self.look(now, out);
        } else {
            self.tell_election();
        }
    }

    fn disk_answered(&mut self) {
        assert!(self.disk_requests > 0, "an answer of the disk to a question that was not asked");
        self.disk_requests -= 1;
    }

    fn is_settled(&self) -> bool {
        self.disk_requests == 0 && self.last_synced >= self.last_logged
    }

    /// How long this server pauses, ms, if it lets go of its part now: an observer spares those it hung on, which may have others
    /// to take back.
    fn pause_ms(&mut self) -> i64 {
        match &self.role {
            Role::Learning(learning) if learning.observes() => {
                self.rounds.pause_ms(learning.is_active(), learning.candidates())
            }
            _ => 0,
        }
    }

    fn look_when_settled(&mut self, now: Millis, out: &mut Vec<Action>) {
        if !matches!(self.role, Role::Settling) || !self.is_settled() || now < self.look_from {
            return;
        }
        self.role = Role::Looking;
        self.look(now, out);
    }

    fn look(&mut self, now: Millis, out: &mut Vec<Action>) {
        self.election_count += 1;
        let zxid = if self.is_unfinished() { Zxid::NONE } else { self.last_logged };
        let initial = InitialVote { zxid, peer_epoch: self.epochs.current, is_blank: self.is_blank() };
        tracing::info!(zxid = %initial.zxid, epoch = %initial.peer_epoch, "LOOKING for a leader");
        self.phase = PhaseSpan::election(self.settings.me, initial.zxid, initial.peer_epoch);
        out.push(Action::Looking);
        let mut actions = Vec::new();
        self.election.start(now, initial, &mut actions);
        self.perform_election(now, actions, out);
    }

    fn perform_election(&mut self, now: Millis, actions: Vec<ElectionAction>, out: &mut Vec<Action>) {
        for action in actions {
            match action {
                ElectionAction::Elected(elected) => self.on_elected(now, &elected, out),
                ElectionAction::NewerMembership { membership, .. } if self.settings.reconfig_enabled => {
                    self.adopt(now, membership, out);
                }
                // A version that nobody here goes by.
                ElectionAction::NewerMembership { membership, .. }
                    if membership.agrees_with(self.config.committed()) => {}
                other => out.push(Action::Election(other)),
            }
        }
    }

    /// Whether this server has nothing and has promised nothing, and nobody has said that this is right.
    fn is_blank(&self) -> bool {
        let has_nothing = self.last_logged <= Zxid::ZERO && self.epochs == Epochs::default();
        (has_nothing || self.is_unfinished()) && !self.is_new_ensemble
    }

    /// Whether this server was in the middle of getting its first history: it has a part of an epoch's, and has neither taken part
    /// in that epoch nor promised anything.
    fn is_unfinished(&self) -> bool {
        self.last_logged.epoch() > Epoch(0) && self.epochs == Epochs::default()
    }

    fn on_elected(&mut self, now: Millis, elected: &Elected, out: &mut Vec<Action>) {
        tracing::info!(leader = %elected.vote.leader, zxid = %elected.vote.zxid, round = elected.vote.round, role = ?elected.role, "elected");
        self.phase.elected(self.settings.me, elected);
        let start = out.len();
        out.push(Action::Elected);
        match elected.role {
            ServerState::Leading => {
                let standing = Standing { epochs: self.epochs, last_zxid: self.last_logged, outbid: self.outbid };
                let PeerSettings { me, reconfig_enabled, timing, counter_max, observers, .. } = self.settings;
                let sync_limits = observers.sync_limits;
                let start = LeaderStart { me, config: self.config.clone(), reconfig_enabled, sync_limits };
                let leading = Leading::new(now, start, timing, counter_max, standing, out);
                self.role = Role::Leading(Box::new(leading));
            }
            role => {
                let leader = elected.vote.leader;
                let observes = role == ServerState::Observing;
                let learner = LearnerStart {
                    me: self.settings.me,
                    leader,
                    route: match observes {
                        true => self.rounds.route(self.config.committed(), leader),
                        false => [Upstream::Leader(leader)].into(),
                    },
                    observers: self.settings.observers,
                    observes,
                    epochs: self.epochs,
                    last_zxid: self.last_logged,
                    config: self.config.clone(),
                    reconfig_enabled: self.settings.reconfig_enabled,
                    wants_snapshot: self.wants_snapshot,
                    is_stranger: self.is_blank() && elected.was_settled && self.config.is_voter(self.settings.me),
                };
                let learning = Learning::new(now, learner, self.settings.timing);
                self.role = Role::Learning(Box::new(learning));
                self.dial_next(now, out);
            }
        }
        self.note(&out[start..]);
    }

    /// Dials the leader, or the next of those whom an observer may hang on. Answers whether there was one left.
    fn dial_next(&mut self, now: Millis, out: &mut Vec<Action>) -> bool {
        let Role::Learning(learning) = &mut self.role else { return false };
        let Some(dialled) = learning.dial_next(now, LinkId(self.next_link), out) else { return false };
        self.next_link += 1;
        self.rounds.dialled(dialled);
        true
    }

    fn leave(&mut self, reason: String, out: &mut Vec<Action>) {
        self.past_syncs.add(self.current_syncs());
        self.phase.given_up(&reason);
        let stops = self.leading().is_some_and(Leading::stops_after_hand_over);
        let next = if stops { Role::Stopped } else { Role::Settling };
        let logged = match std::mem::replace(&mut self.role, next) {
            Role::Leading(mut leading) => {
                self.outbid = self.outbid.max(leading.outbid());
                tracing::info!(reason, "no longer LEADING");
                if let Some((to, end)) = leading.hand_over_end(&reason) {
                    out.push(Action::HandOverEnded { to, end });
                }
                out.push(Action::Left(reason.clone()));
                out.push(Action::StopListening);
                for link in leading.links() {
                    out.push(Action::Close(link, reason.clone()));
                }
                leading.take_outstanding()
            }
            Role::Learning(mut learning) => {
                let part = if learning.observes() { "OBSERVING" } else { "FOLLOWING" };
                tracing::info!(reason, leader = %learning.leader(), "no longer {part}");
                out.push(Action::Left(reason.clone()));
                if let Some(master) = learning.master() {
                    out.push(Action::StopListening);
                    out.extend(master.links().map(|link| Action::Close(link, reason.clone())));
                }
                out.push(Action::Close(learning.link(), reason));
                learning.take_logged()
            }
            other => {
                self.role = other;
                return;
            }
        };
        if planted::is(Bug::LeavesLoggedUnapplied) {
            return;
        }
        for proposal in logged {
            assert!(!self.tree_is_gone, "{} was logged while there was no tree to apply it to", proposal.zxid);
            self.history.push(proposal.clone());
            out.push(Action::Commit(proposal));
        }
        if self.tree_is_gone && !planted::is(Bug::TreeNotReadAgain) {
            // Nothing is behind it: this reads the tree again, and nothing else.
            out.push(Action::Truncate(self.last_logged));
            self.disk_requests += 1;
        }
    }
}

fn new_election(settings: &PeerSettings, config: &Config) -> Election {
    let mut election = Election::new(settings.me, settings.election, config.committed().clone());
    election.set_memberships(config.committed().clone(), config.proposed().cloned());
    election
}
