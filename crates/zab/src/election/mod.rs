//! Fast leader election (`FastLeaderElection`) as a pure state machine.
//!
//! A server that seeks a leader is *looking*: it proposes the best candidate it knows to all voters, starting with itself,
//! adopts every better proposal it hears of, and settles when a quorum proposes the same and nothing better arrives for a
//! while, or at once where everybody who can be heard has said it (`docs/decisions/0012-faster-election.md`). A server that has
//! settled answers those that still look with its vote, so that they find the leader at once.
//!
//! The messages travel over links that may lose, repeat and reorder them; nothing here depends on their arrival, only the
//! time an election takes does. Safety does not rest on this module alone: two servers may both believe to have won, and it
//! is discovery that lets only one of them have a quorum of followers.
//!
//! The module knows no clock and no socket. Its owner calls [`Election::start`] when the server begins to look, hands over
//! every notification that arrives in whatever state the server is, wakes it at [`Election::next_deadline`], and performs the
//! actions in order. Notifications to the server itself are looped back inside and never appear as actions.

mod looking;
mod reach;
mod views;
mod vote;

use std::collections::BTreeSet;

use tracing::debug;
use wire::election::{Notification, ServerState};
use wire::{Epoch, Millis, ServerId, Zxid};

use crate::quorum::Membership;

use looking::{Looking, Settlement, Surroundings};
use reach::Gone;
pub use reach::Reach;
use views::Views;
pub use vote::Vote;

/// What a server that is not a voter puts into its proposal where a voter names itself; any vote beats it.
const NO_VOTE: i64 = i64::MIN;

/// The waits of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// How long to wait for a notification before the first repetition; doubles with each
    /// (`zookeeper.fastleader.minNotificationInterval`).
    pub min_notification_interval_ms: i64,
    /// The longest such wait (`zookeeper.fastleader.maxNotificationInterval`).
    pub max_notification_interval_ms: i64,
    /// How long a quorum must stay unchallenged before the election ends (`FastLeaderElection.finalizeWait`).
    pub finalize_wait_ms: i64,
}

impl Default for ElectionSettings {
    fn default() -> Self {
        ElectionSettings {
            min_notification_interval_ms: 200,
            max_notification_interval_ms: 60_000,
            finalize_wait_ms: 200,
        }
    }
}

/// What a server has to offer as a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialVote {
    /// The last zxid in its log, or [`Zxid::NONE`] where the database may not be trusted.
    pub zxid: Zxid,
    /// Its current epoch (the `currentEpoch` file).
    pub peer_epoch: Epoch,
    /// It has nothing, and nobody has said that this is right: it may be new, or it may have lost its disk. Its vote counts as
    /// long as nobody else has anything either.
    pub is_blank: bool,
}

/// What the owner must do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElectionAction {
    /// Send the notification; an unsent one to the same server may be replaced by it.
    Send(ServerId, Notification),
    /// Open the missing connections to servers for which a notification waits.
    ConnectAll,
    /// The election has ended; the server now leads, follows or observes.
    Elected(Elected),
    /// Another server uses this server's id. Its notification was ignored.
    DuplicateSid(Notification),
    /// A looking server heard of a newer membership. Where reconfiguration is enabled the owner adopts it. If it is also a
    /// different one, the notification was otherwise ignored, and the owner makes a new [`Election`]; where reconfiguration is
    /// not enabled it can only report it.
    NewerMembership {
        /// The server that has it.
        from: ServerId,
        /// What it has.
        membership: Membership,
    },
}

/// How an election ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elected {
    /// The vote that won.
    pub vote: Vote,
    /// Leading, Following or Observing.
    pub role: ServerState,
    /// The servers whose votes made the quorum; a leader that waits for its followers expects these.
    pub supporters: BTreeSet<ServerId>,
    /// Whether the leader was there already, elected by others.
    pub was_settled: bool,
}

/// One server's part in leader election.
///
/// - Events: [`start`](Self::start), [`on_notification`](Self::on_notification), [`on_reach`](Self::on_reach),
///   [`on_deadline`](Self::on_deadline), [`established`](Self::established),
///   [`set_memberships`](Self::set_memberships). Those with an `out` append actions.
/// - Getters: [`next_deadline`](Self::next_deadline) and the rest; none of them changes anything.
#[derive(Debug)]
pub struct Election {
    me: ServerId,
    settings: ElectionSettings,
    views: Views,
    /// The logical clock: 0 in a new object, one more with each election, and raised to that of others.
    round: i64,
    current_vote: Vote,
    gone: Gone,
    state: State,
}

/// ```text
///            start                     settled votes of a quorum and of its leader
///   Idle ───────────> Looking ────────────────────────────────────────────────────> Settled
///                     │  ^  ^                                                        ^   │
///      looking votes  │  │  └──────────────────────── start ─────────────────────────│───┘
///      of a quorum    │  │                                                           │
///      agree          v  │ a better vote arrives                                     │
///                 (finalizing) ──────────────────────────────────────────────────────┘
///                        finalize wait passed in silence, or nobody is left to wait for
/// ```
/// Finalizing is a phase inside [`Looking`]. In every state notifications of looking servers are answered.
#[derive(Debug)]
enum State {
    /// Made, but not yet started: notifications are dropped, their senders repeat them.
    Idle,
    /// Seeks a leader.
    Looking(Box<Looking>),
    /// Leads, follows or observes.
    Settled(ServerState),
}

impl Election {
    /// An election that has not started, in a new process or after the membership has changed.
    ///
    /// # Panics
    /// If the settings contradict each other.
    #[must_use]
    pub fn new(me: ServerId, settings: ElectionSettings, membership: Membership) -> Election {
        let ElectionSettings { min_notification_interval_ms: min, max_notification_interval_ms: max, .. } = settings;
        assert!(0 < min, "the notification interval must be positive, not {min} ms");
        assert!(min <= max, "the shortest notification interval, {min} ms, is above the longest, {max} ms");
        assert!(settings.finalize_wait_ms >= 0, "finalize wait is {} ms", settings.finalize_wait_ms);
        let current_vote = Vote {
            leader: me,
            zxid: Zxid::ZERO,
            round: -1,
            peer_epoch: Epoch(0),
            state: ServerState::Looking,
            version: 0,
        };
        Election {
            me,
            settings,
            views: Views::new(membership, None),
            round: 0,
            current_vote,
            gone: Gone::default(),
            state: State::Idle,
        }
    }

    /// Begins to look for a leader, in a new round (`lookForLeader`).
    pub fn start(&mut self, now: Millis, initial: InitialVote, out: &mut Vec<ElectionAction>) {
        if matches!(self.state, State::Idle) {
            self.current_vote.zxid = initial.zxid;
            self.current_vote.peer_epoch = initial.peer_epoch;
        }
        // A peer may have claimed the highest round there is; Java's counter wraps as well.
        self.round = self.round.wrapping_add(1);
        // A connection that broke while the leader was lost is news of now; what is older says nothing.
        self.gone.forget_before(now.plus(-self.settings.finalize_wait_ms));
        debug!(me = %self.me, round = self.round, zxid = %initial.zxid, epoch = %initial.peer_epoch, "new election");
        let looking = Looking::new(self.me, &self.settings, &self.views, now, initial);
        self.state = State::Looking(Box::new(looking));
        self.with_looking(now, out, |looking, around| {
            looking.broadcast(around);
            None
        });
    }

    /// A notification has arrived (`Messenger.WorkerReceiver`).
    pub fn on_notification(
        &mut self,
        now: Millis,
        from: ServerId,
        notification: Notification,
        out: &mut Vec<ElectionAction>,
    ) {
        if from == self.me {
            out.push(ElectionAction::DuplicateSid(notification));
            return;
        }
        self.gone.remove(from);
        if let Some(membership) = self.newer_membership(from, &notification) {
            let is_other = !membership.agrees_with(self.views.committed());
            out.push(ElectionAction::NewerMembership { from, membership });
            if is_other {
                return;
            }
        }
        let is_voter = self.views.is_voter(from);
        match &self.state {
            State::Idle => debug!(me = %self.me, %from, "notification before the first election"),
            // An observer, or a server that wants to join. Apache answers it in whatever state it is, and an observer that has
            // settled answers a looking voter: together they would not stop before the voter settles. A server that does not
            // vote needs an answer only while it looks, and nobody needs that of an observer.
            _ if !is_voter => {
                if notification.state == ServerState::Looking {
                    // The logical clock here, not the vote's round, as in Apache.
                    let answer = self.current_vote_in_round(self.round);
                    out.push(ElectionAction::Send(from, answer));
                }
            }
            State::Settled(ServerState::Observing) => {}
            State::Settled(_) => {
                if notification.state == ServerState::Looking {
                    let answer = self.current_vote_in_round(self.current_vote.round);
                    out.push(ElectionAction::Send(from, answer));
                }
            }
            State::Looking(_) => self.with_looking(now, out, |looking, around| {
                looking.answer_laggard(around, from, &notification);
                looking.on_vote(around, from, &notification)
            }),
        }
    }

    /// The owner has learnt whether a peer can be heard. [`Reach::Gone`] needs evidence; a peer of which nothing is known is
    /// waited for.
    pub fn on_reach(&mut self, now: Millis, sid: ServerId, reach: Reach, out: &mut Vec<ElectionAction>) {
        match reach {
            Reach::Alive => self.gone.remove(sid),
            // Only voters are waited for, which bounds the table.
            Reach::Gone if self.views.is_voter(sid) && sid != self.me => {
                self.gone.insert(sid, now);
                self.with_looking(now, out, |looking, around| looking.on_gone(around));
            }
            Reach::Gone => {}
        }
    }

    /// The time of [`next_deadline`](Self::next_deadline) has come; earlier calls do nothing. `delivered` says whether any
    /// peer has taken all that was sent to it (`QuorumCnxManager.haveDelivered`).
    pub fn on_deadline(&mut self, now: Millis, delivered: bool, out: &mut Vec<ElectionAction>) {
        self.with_looking(now, out, |looking, around| looking.on_deadline(around, delivered));
    }

    /// The leadership this server takes part in is established under `new_epoch` (`updateElectionVote`). Without the new epoch
    /// in its vote a server that restarts could not tell that a quorum agrees (ZOOKEEPER-1732).
    pub fn established(&mut self, new_epoch: Epoch) {
        self.current_vote.peer_epoch = new_epoch;
        self.current_vote.version = 0;
    }

    /// Replaces the memberships; `last_seen` is one that is proposed but not committed. They count from now on, but do not
    /// restart an election under way: for that, make a new [`Election`].
    pub fn set_memberships(&mut self, committed: Membership, last_seen: Option<Membership>) {
        self.views = Views::new(committed, last_seen);
    }

    /// When [`on_deadline`](Self::on_deadline) is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        match &self.state {
            State::Looking(looking) => Some(looking.deadline()),
            State::Idle | State::Settled(_) => None,
        }
    }

    /// The vote this server answers with: that of its last finished election (`getCurrentVote`).
    #[must_use]
    pub fn current_vote(&self) -> &Vote {
        &self.current_vote
    }

    /// The logical clock.
    #[must_use]
    pub fn round(&self) -> i64 {
        self.round
    }

    /// Whether an election is under way.
    #[must_use]
    pub fn is_looking(&self) -> bool {
        matches!(self.state, State::Looking(_))
    }

    /// The state that answers carry.
    #[must_use]
    pub fn state(&self) -> ServerState {
        match self.state {
            State::Idle | State::Looking(_) => ServerState::Looking,
            State::Settled(role) => role,
        }
    }

    /// Runs `step` if this server is looking, then whatever it sent to itself, and settles if that ended the election.
    fn with_looking(
        &mut self,
        now: Millis,
        out: &mut Vec<ElectionAction>,
        step: impl FnOnce(&mut Looking, &mut Surroundings<'_>) -> Option<Settlement>,
    ) {
        let State::Looking(looking) = &mut self.state else { return };
        let mut around = Surroundings {
            me: self.me,
            settings: &self.settings,
            views: &self.views,
            gone: &self.gone,
            round: &mut self.round,
            now,
            out,
            loopback: None,
        };
        let mut settlement = step(looking, &mut around);
        while settlement.is_none()
            && let Some(own) = around.loopback.take()
        {
            settlement = looking.on_vote(&mut around, self.me, &own);
        }
        if let Some(settlement) = settlement {
            self.settle(settlement, out);
        }
    }

    fn settle(&mut self, settlement: Settlement, out: &mut Vec<ElectionAction>) {
        let Settlement { vote, supporters, was_settled } = settlement;
        assert!(self.views.is_led_by(&supporters), "{supporters:?} elected {vote} but are no quorum");
        let role = if vote.leader == self.me {
            ServerState::Leading
        } else if self.views.is_participant(self.me) {
            ServerState::Following
        } else {
            ServerState::Observing
        };
        debug!(me = %self.me, %vote, ?role, ?supporters, "election ended");
        self.state = State::Settled(role);
        self.current_vote = vote.clone();
        out.push(ElectionAction::Elected(Elected { vote, role, supporters, was_settled }));
    }

    /// The sender's membership, if a looking server must care about it before anything else.
    fn newer_membership(&self, from: ServerId, notification: &Notification) -> Option<Membership> {
        let text = notification.config.as_deref()?;
        if !self.is_looking() || text == self.views.text() {
            return None;
        }
        match Membership::parse(text) {
            Ok(theirs) => {
                let ours = self.views.committed();
                (theirs.version > ours.version).then_some(theirs)
            }
            Err(error) => {
                // Apache logs it and uses the vote all the same.
                debug!(me = %self.me, %from, %error, "unreadable membership in a notification");
                None
            }
        }
    }

    fn current_vote_in_round(&self, round: i64) -> Notification {
        Notification {
            state: self.state(),
            leader: self.current_vote.leader,
            zxid: self.current_vote.zxid,
            round,
            peer_epoch: self.current_vote.peer_epoch,
            version: Notification::VERSION,
            config: Some(self.views.text().to_owned()),
        }
    }
}
