//! A server that looks for a leader: the loop of `FastLeaderElection.lookForLeader`, one event at a time.

use std::collections::{BTreeMap, BTreeSet};

use planted::Bug;
use tracing::debug;
use wire::election::{Notification, ServerState};
use wire::{Epoch, Millis, ServerId, Zxid};

use super::reach::Gone;
use super::views::Views;
use super::vote::{Proposal, Vote};
use super::{ElectionAction, ElectionSettings, InitialVote, NO_VOTE};

/// A server that waits for others to elect asks again after at most so many of the shortest intervals.
const WAITING_INTERVALS: i64 = 4;

/// What [`Looking`] works with but does not own.
pub(super) struct Surroundings<'a> {
    pub me: ServerId,
    pub settings: &'a ElectionSettings,
    pub views: &'a Views,
    /// Voters that nobody can hear from at present.
    pub gone: &'a Gone,
    pub round: &'a mut i64,
    pub now: Millis,
    pub out: &'a mut Vec<ElectionAction>,
    /// What this server sent to itself; the caller hands it to [`Looking::on_vote`] next.
    pub loopback: Option<Notification>,
}

/// A vote that won and the servers that made it win.
pub(super) struct Settlement {
    pub vote: Vote,
    pub supporters: BTreeSet<ServerId>,
    /// Whether these had settled before.
    pub was_settled: bool,
}

/// The data of one election; both maps hold voters only, which bounds them.
#[derive(Debug)]
pub(super) struct Looking {
    /// This server as a candidate.
    initial: Proposal,
    /// The best candidate of this round.
    proposal: Proposal,
    /// The votes of this round, by sender.
    recvset: BTreeMap<ServerId, Vote>,
    /// The votes of servers that have settled, of whatever round. They let a latecomer join an established ensemble.
    out_of_election: BTreeMap<ServerId, Vote>,
    /// The present wait before the vote is repeated. It doubles each time and is never reset within an election.
    interval_ms: i64,
    phase: Phase,
    /// See [`InitialVote::is_blank`].
    is_blank: bool,
    /// This server is blank and others are not: it elects nobody, and waits for a leader that others have elected.
    abstains: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Waits for notifications; at the deadline it repeats its own.
    Polling { deadline: Millis },
    /// A quorum agrees; unless something better comes before the deadline the election is over.
    Finalizing { deadline: Millis },
}

impl Looking {
    pub fn new(
        me: ServerId,
        settings: &ElectionSettings,
        views: &Views,
        now: Millis,
        candidate: InitialVote,
    ) -> Looking {
        // Apache takes the id from the membership and the rest from the role: a participant that is no member proposes its
        // history without a name.
        let leader = if views.committed().is_voter(me) { me } else { ServerId(NO_VOTE) };
        // One that only the next configuration lets vote is needed to elect somebody else, although it may hold more than any
        // candidate, of what came to nothing (in Apache's its proposal without a name would stand above all others).
        let only_elects = views.is_voter(me) && !views.committed().is_voter(me);
        let initial = if views.is_participant(me) && !only_elects {
            Proposal { leader, zxid: candidate.zxid, peer_epoch: candidate.peer_epoch }
        } else {
            Proposal { leader, zxid: Zxid(NO_VOTE), peer_epoch: Epoch(NO_VOTE) }
        };
        let interval_ms = settings.min_notification_interval_ms;
        Looking {
            initial,
            proposal: initial,
            recvset: BTreeMap::new(),
            out_of_election: BTreeMap::new(),
            interval_ms,
            phase: Phase::Polling { deadline: now.plus(interval_ms) },
            is_blank: candidate.is_blank,
            abstains: false,
        }
    }

    pub fn deadline(&self) -> Millis {
        match self.phase {
            Phase::Polling { deadline } | Phase::Finalizing { deadline } => deadline,
        }
    }

    /// Sends the proposal to every voter (`sendNotifications`).
    pub fn broadcast(&self, around: &mut Surroundings<'_>) {
        let message = self.message(around);
        for sid in around.views.voters() {
            if sid == around.me {
                around.loopback = Some(message.clone());
            } else {
                around.out.push(ElectionAction::Send(sid, message.clone()));
            }
        }
    }

    /// Answers a looking server that has something to learn from this one.
    ///
    /// Apache answers only the sender of an older round. We answer the sender of a worse vote of this round too: a server that
    /// starts to look while others still follow loses its first notification to them, and would be heard again only when its
    /// wait has passed. So the election after a leader's clean shutdown takes one finalize wait, not a notification interval
    /// more. The receiver sees a repeated notification, which is normal; and since it then adopts the vote or already has a
    /// better one, the exchange ends.
    ///
    /// Servers that do not vote answer nobody. Apache's do, to no effect but one: a voter answers every notification of theirs,
    /// so an observer of a later round than a looking voter exchanges messages with it as fast as the network allows.
    pub fn answer_laggard(&self, around: &mut Surroundings<'_>, from: ServerId, message: &Notification) {
        if message.state != ServerState::Looking || !around.views.is_voter(around.me) {
            return;
        }
        let theirs = Proposal::of_message(message);
        let lags = message.round < *around.round
            || (message.round == *around.round && around.views.prefers(&self.proposal, &theirs));
        if lags {
            let answer = self.message(around);
            around.out.push(ElectionAction::Send(from, answer));
        }
    }

    /// A message was taken from the queue: of a voter, possibly of this server itself.
    pub fn on_vote(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ServerId,
        message: &Notification,
    ) -> Option<Settlement> {
        if matches!(self.phase, Phase::Finalizing { .. }) {
            // Neither the state nor the round of the message matters here.
            if !around.views.prefers(&Proposal::of_message(message), &self.proposal) {
                // Only who agrees makes it wait anew. (In Apache's everybody does; a server that has no vote to give, but asks
                // often, could keep a quorum from ever ending.)
                let agrees = self.note_agreement(around, from, message);
                return if agrees { self.finalize(around) } else { self.unanimous(around) };
            }
            self.phase = Phase::Polling { deadline: around.now.plus(self.interval_ms) };
        }
        // Otherwise the wait goes on, whatever is received meanwhile. (Apache's begins again with every message, so that somebody who
        // asks often and counts for nothing can keep two voters, each of which has missed the other's vote, from repeating theirs.)
        if !around.views.is_voter(from) || !around.views.is_voter(message.leader) {
            if around.views.is_voter(from) && around.views.is_changing() && message.state == ServerState::Looking {
                self.catch_up(around, message.round);
            }
            debug!(me = %around.me, %from, leader = %message.leader, "notification from or for a server that does not vote");
            return None;
        }
        match message.state {
            ServerState::Looking => self.on_looking(around, from, message),
            ServerState::Observing => None,
            ServerState::Following | ServerState::Leading => self.on_settled(around, from, message),
        }
    }

    /// The wait is over, in either phase.
    pub fn on_deadline(&mut self, around: &mut Surroundings<'_>, delivered: bool) -> Option<Settlement> {
        if around.now < self.deadline() {
            return None;
        }
        if matches!(self.phase, Phase::Finalizing { .. }) {
            let vote = self.proposal.in_round(*around.round);
            let supporters = agreeing(&self.recvset, &vote);
            if around.views.is_quorum(&supporters) {
                return Some(Settlement { vote, supporters, was_settled: false });
            }
            debug!(me = %around.me, %vote, ?supporters, "a new membership took the quorum away");
        }
        if delivered {
            self.broadcast(around);
        } else {
            around.out.push(ElectionAction::ConnectAll);
        }
        self.interval_ms = self.interval_ms.saturating_mul(2).min(self.interval_max_ms(around));
        self.phase = Phase::Polling { deadline: around.now.plus(self.interval_ms) };
        None
    }

    /// A voter is heard by those that look as well. Whoever can only wait for others to elect a leader has to ask whether they
    /// have, and goes on asking often.
    fn interval_max_ms(&self, around: &Surroundings<'_>) -> i64 {
        let max_ms = around.settings.max_notification_interval_ms;
        let only_waits = self.abstains || !around.views.is_voter(around.me);
        if only_waits { max_ms.min(around.settings.min_notification_interval_ms * WAITING_INTERVALS) } else { max_ms }
    }

    /// A server that only the next configuration lets vote has nobody to propose until it hears of a candidate in its round; and
    /// it takes no vote of an earlier one. So whoever can be a candidate goes to its round. (Apache's ignores such a message.)
    fn catch_up(&mut self, around: &mut Surroundings<'_>, round: i64) {
        if round > *around.round {
            *around.round = round;
            self.recvset.clear();
            self.proposal = self.initial;
            self.broadcast(around);
        }
    }

    /// The vote of a server that looks as well.
    fn on_looking(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ServerId,
        message: &Notification,
    ) -> Option<Settlement> {
        let is_untrusted = self.initial.zxid == Zxid::NONE || message.zxid == Zxid::NONE;
        if is_untrusted && !planted::is(Bug::EmptyServerVotes) {
            debug!(me = %around.me, %from, "vote of a server with an untrusted database");
            return None;
        }
        let theirs = Proposal::of_message(message);
        if self.must_abstain(&theirs) {
            debug!(me = %around.me, %from, "others have a history and this server has none: it does not vote");
            return None;
        }
        if message.round > *around.round {
            *around.round = message.round;
            self.recvset.clear();
            // What was adopted in the old round is void: its supporters may be gone.
            let better = around.views.prefers(&theirs, &self.initial);
            self.proposal = if better { theirs } else { self.initial };
            self.broadcast(around);
        } else if message.round < *around.round {
            debug!(me = %around.me, %from, theirs = message.round, ours = *around.round, "vote of an older round");
            return None;
        } else if around.views.prefers(&theirs, &self.proposal) {
            self.proposal = theirs;
            self.broadcast(around);
        }
        self.recvset.insert(from, theirs.in_round(message.round));
        let supporters = agreeing(&self.recvset, &self.proposal.in_round(*around.round));
        if around.views.is_quorum(&supporters) { self.finalize(around) } else { None }
    }

    /// Whether this server has nothing to vote with, now that somebody else has a history: it may have lost what it had
    /// acknowledged, and its vote would stand for that (Apache's counts it, unless `db.autocreate` is false). As long as nobody
    /// has one the ensemble is new.
    fn must_abstain(&mut self, theirs: &Proposal) -> bool {
        let has_history = theirs.zxid > Zxid::ZERO || theirs.peer_epoch > Epoch(0);
        if self.is_blank && has_history && !self.abstains {
            tracing::warn!(
                "this server has no data, and others have: it does not vote until it has followed a leader. hint: a new server of a new ensemble may be told so with an empty file named initialize in its data directory"
            );
            self.abstains = true;
        }
        self.abstains
    }

    /// A quorum agrees. Others get time for a better vote, where there are others.
    fn finalize(&mut self, around: &Surroundings<'_>) -> Option<Settlement> {
        self.phase = Phase::Finalizing { deadline: around.now.plus(around.settings.finalize_wait_ms) };
        self.unanimous(around)
    }

    /// While finalizing: whether one more server has the vote that wins. Any other vote that is not better leaves no trace.
    fn note_agreement(&mut self, around: &Surroundings<'_>, from: ServerId, message: &Notification) -> bool {
        let cast = Vote { version: 0, ..Vote::of_message(message) };
        let agrees = around.views.is_voter(from) && self.proposal.in_round(*around.round).agrees_with(&cast);
        if agrees {
            self.recvset.insert(from, cast);
        }
        agrees
    }

    /// The end of the election, if waiting any longer could change nothing: every voter has said the same in this round or
    /// cannot be heard, and those that can be heard are a quorum with the leader among them.
    ///
    /// Apache waits in this case too. What the wait is for is a vote that is better than a quorum's, and here nobody is left who
    /// could send one: a voter that knew of a better one would not have said the same. It is no more than that: the server that
    /// waits may elect a more advanced leader, but not a safer one, since every quorum knows all that was committed.
    fn unanimous(&self, around: &Surroundings<'_>) -> Option<Settlement> {
        if !matches!(self.phase, Phase::Finalizing { .. }) {
            return None;
        }
        let vote = self.proposal.in_round(*around.round);
        let supporters = agreeing(&self.recvset, &vote);
        let heard: BTreeSet<_> = supporters.iter().copied().filter(|sid| !around.gone.contains(*sid)).collect();
        let is_open = |sid: &ServerId| !supporters.contains(sid) && !around.gone.contains(*sid);
        if around.views.voters().iter().any(is_open) || !heard.contains(&vote.leader) || !around.views.is_quorum(&heard)
        {
            return None;
        }
        debug!(me = %around.me, %vote, ?heard, "nobody is left who could know better");
        Some(Settlement { vote, supporters, was_settled: false })
    }

    /// It was learnt that a voter cannot be heard.
    pub fn on_gone(&mut self, around: &Surroundings<'_>) -> Option<Settlement> {
        self.unanimous(around)
    }

    /// The vote of a server that leads or follows (`receivedFollowingNotification`).
    fn on_settled(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ServerId,
        message: &Notification,
    ) -> Option<Settlement> {
        let vote = Vote::of_message(message);
        let ended = Vote { state: ServerState::Looking, version: 0, ..vote.clone() };
        if message.round == *around.round {
            self.recvset.insert(from, Vote { version: 0, ..vote.clone() });
            let supporters = agreeing(&self.recvset, &vote);
            if around.views.is_led_by(&supporters) && leader_is_known(around, &self.recvset, &vote) {
                return Some(Settlement { vote: ended, supporters, was_settled: true });
            }
        }
        self.out_of_election.insert(from, vote.clone());
        let supporters = agreeing(&self.out_of_election, &vote);
        if around.views.is_led_by(&supporters) && leader_is_known(around, &self.out_of_election, &vote) {
            *around.round = vote.round;
            return Some(Settlement { vote: ended, supporters, was_settled: true });
        }
        None
    }

    fn message(&self, around: &Surroundings<'_>) -> Notification {
        Notification {
            state: ServerState::Looking,
            leader: self.proposal.leader,
            zxid: self.proposal.zxid,
            round: *around.round,
            peer_epoch: self.proposal.peer_epoch,
            version: Notification::VERSION,
            config: Some(around.views.text().to_owned()),
        }
    }
}

/// The senders whose votes agree with `vote` (`getVoteTracker`).
fn agreeing(votes: &BTreeMap<ServerId, Vote>, vote: &Vote) -> BTreeSet<ServerId> {
    votes.iter().filter(|(_, cast)| vote.agrees_with(cast)).map(|(&sid, _)| sid).collect()
}

/// `checkLeader`: a quorum may go on electing a server that is gone, so the leader itself must have said that it leads; and
/// what others believe about this server counts only in its own round.
fn leader_is_known(around: &Surroundings<'_>, votes: &BTreeMap<ServerId, Vote>, vote: &Vote) -> bool {
    if vote.leader == around.me {
        *around.round == vote.round
    } else {
        votes.get(&vote.leader).is_some_and(|cast| cast.state == ServerState::Leading)
    }
}
