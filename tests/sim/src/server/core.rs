//! Its core: inputs in, actions out (`node::driver`, `node::actions`).

use super::{Effect, SWEEP_US, Server, ServerEvent, TASK_DELAY_US_MAX};
use crate::conns::ConnTask;
use crate::disk::Job;
use crate::links::Link;
use crate::observe::Observation;
use node::disk_work::History;
use node::learner_conn::Port;
use node::outbox::Attached;
use replica::{Action, CloseReason, HandOverOutcome, Input, ServingRole};
use std::sync::atomic::Ordering::Relaxed;
use wire::ServerId;
use wire::quorum::PacketType;
use zab::quorum::Membership;
use zab::{LinkId, Proposal};

impl Server {
    pub(super) fn step(&mut self, input: Input) {
        let now = self.now();
        self.replica.step(now, input, &mut self.actions);
        self.perform();
    }

    pub(super) fn perform(&mut self) {
        let mut actions = std::mem::take(&mut self.actions);
        // A proposal goes out before it goes into the own log, in the same step.
        for action in &actions {
            if let Action::Append(proposal) = action {
                self.last_appended = self.last_appended.max(proposal.zxid);
            }
        }
        for action in actions.drain(..) {
            self.perform_one(action);
        }
        self.actions = actions;
    }

    fn dial(&mut self, link: LinkId, peer: ServerId, port: Port) {
        self.links.insert(link, Link::new(None, Some(peer)));
        self.effects.push(Effect::Dial(link, peer, port));
    }

    /// `Hands::perform`.
    pub(super) fn perform_one(&mut self, action: Action) {
        match action {
            Action::Reply { conn, frames, answered } => {
                self.clients.lock().with(conn, |conn| conn.outbox.replies(frames, answered));
            }
            Action::Connected { conn, session, timeout_ms, frame } => {
                self.clients.lock().connected(conn, Attached { session, timeout_ms }, &frame);
            }
            Action::CloseConn { conn, reason } => {
                self.clients.lock().with(conn, |conn| conn.outbox.close(reason));
            }
            Action::StartServing(role) => self.start_serving(role),
            Action::StopServing => {
                self.role = None;
                self.shared.serving.store(false, Relaxed);
                self.clients.lock().close_all(CloseReason::NotServing);
            }
            Action::Append(proposal) => {
                let own = matches!(self.role, Some(ServingRole::Leader | ServingRole::Standalone));
                let mut checks = self.checks.lock();
                checks.see(&Observation::Appended { server: self.sid, proposal: &proposal, own });
                // The one behind it is kept for a hand-over.
                if self.role == Some(ServingRole::Leader) && proposal.zxid.counter() + 2 == self.counter_max {
                    checks.coverage.count("epochs used up");
                }
                drop(checks);
                self.appends.push(proposal);
            }
            Action::SaveEpochs(epochs) => self.disk_job(Job::SaveEpochs(epochs)),
            Action::Truncate { after } => self.disk_job(Job::Truncate(after)),
            Action::SaveSnapshot => {
                let history = if self.snapshot_from.take().is_some() { History::Replaced } else { History::Continued };
                self.disk_job(Job::SaveSnapshot(history));
            }
            Action::BackgroundSnapshot => self.disk_job(Job::BackgroundSnapshot),
            Action::SendVote { to, notification } => self.effects.push(Effect::Vote(to, notification)),
            Action::ConnectElection => self.effects.push(Effect::ConnectAll),
            Action::ConfigSeen(membership) => self.see_members(membership),
            Action::ConfigActivated(membership) => self.go_by_members(membership),
            Action::HandOverAnswer { outcome, .. } => self.checks.lock().coverage.count(match outcome {
                HandOverOutcome::HandedOver { .. } => "leaderships handed over",
                HandOverOutcome::GivenUp { .. } => "hand-overs given up",
                HandOverOutcome::SteppedDown { .. } => "hand-overs undecided",
                HandOverOutcome::Refused { .. } => "hand-overs refused",
            }),
            Action::Stopped => self.effects.push(Effect::Stopped),
            Action::Listen => self.listening = Some(Port::Quorum),
            Action::ListenForObservers => self.listening = Some(Port::Observers),
            Action::StopListening => self.listening = None,
            Action::Dial { link, leader } => self.dial(link, leader, Port::Quorum),
            Action::DialMaster { link, master } => self.dial(link, master, Port::Observers),
            Action::Send { link, packet } => self.send(link, packet),
            Action::SendSnapshot { link, zxid } => {
                self.checks.lock().coverage.count("SNAP");
                if let Some(state) = self.links.get_mut(&link) {
                    state.push_snapshot(zxid);
                    self.effects.extend(state.pipe.map(Effect::SnapshotBegins));
                    self.effects.push(Effect::After(1, ServerEvent::Pump(link)));
                }
            }
            Action::CloseLink(link) => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.closing = true;
                    self.effects.push(Effect::After(1, ServerEvent::Pump(link)));
                }
            }
            Action::Halt { code, message } => self.effects.push(Effect::Dead(format!("exit {code}: {message}"))),
        }
    }

    /// `Reconfig::seen`.
    fn see_members(&mut self, membership: Membership) {
        if let Some(lists) = self.setup.lists.lock().get_mut(&self.sid) {
            lists.keep_next(&membership);
        }
        if self.role == Some(ServingRole::Leader) {
            self.effects.push(Effect::ChangeBegins);
        }
    }

    /// `Reconfig::activated`.
    fn go_by_members(&mut self, membership: Membership) {
        if let Some(lists) = self.setup.lists.lock().get_mut(&self.sid) {
            lists.keep_in_force(&membership);
        }
        let (server, membership) = (self.sid, &membership);
        self.checks.lock().see(&Observation::Configured { server, membership, is_news: true });
    }

    pub(super) fn send(&mut self, link: LinkId, packet: wire::quorum::QuorumPacket) {
        if packet.kind == PacketType::Diff {
            self.checks.lock().coverage.count("DIFF");
        }
        if packet.kind == PacketType::Proposal
            && self.role == Some(ServingRole::Leader)
            && packet.zxid > self.last_appended
            && let Some(bytes) = packet.data.clone()
        {
            let proposal = Proposal { zxid: packet.zxid, bytes };
            self.checks.lock().see(&Observation::Offered { server: self.sid, proposal: &proposal });
        }
        if let Some(state) = self.links.get_mut(&link).filter(|state| !state.closing) {
            state.push(packet);
        }
    }

    pub(super) fn start_serving(&mut self, role: ServingRole) {
        self.shared.serving.store(true, Relaxed);
        if !role.is_in_quorum() {
            // No client of these runs agrees to less than the ensemble's history, so none may be let in: a client that is
            // finds it in the answer to its handshake.
            self.checks.lock().coverage.count("servers without a leader that could be read");
            return;
        }
        self.role = Some(role);
        let epoch = self.replica.status().epoch;
        let mut checks = self.checks.lock();
        if role == ServingRole::Leader {
            checks.coverage.count("elections");
        }
        let (server, tree) = (self.sid, self.tree.read());
        checks.see(&Observation::Serving { server, role, epoch: wire::Epoch(epoch), tree: &tree });
    }

    /// Starts everything that was held back, and plans when to wake.
    pub(super) fn end_batch(&mut self) {
        self.flush_appends();
        let busy: Vec<LinkId> = self.links.iter().filter(|(_, link)| link.waiting() > 0).map(|(id, _)| *id).collect();
        for link in busy {
            self.pump_soon(link);
        }
        self.clients.lock().wake_all();
        let mut woken = std::mem::take(&mut *self.woken.lock());
        woken.sort_unstable();
        woken.dedup();
        for conn in woken {
            let delay_us = self.rng.range(1, TASK_DELAY_US_MAX);
            self.effects.push(Effect::After(delay_us, ServerEvent::Task(conn)));
        }
        let sweep = self.swept_us + SWEEP_US;
        let deadline = self.replica.next_deadline().map_or(sweep, |mono| self.clock.world_us(mono));
        let at = deadline.min(sweep).max(self.now_us + 1);
        if at < self.wake.1 {
            self.wake = (self.wake.0 + 1, at);
            self.effects.push(Effect::After(at - self.now_us, ServerEvent::Wake(self.wake.0)));
        }
    }

    /// Shows the checkers how full the queues are.
    pub fn show_queues(&self) {
        let outstanding = self.conns.values().map(ConnTask::outstanding).max().unwrap_or(0);
        let queues = [
            ("requests of one connection", outstanding as usize, replica::limits::REQUESTS_PER_CONNECTION_MAX),
            ("inputs of clients", self.client_inputs.len(), replica::limits::CLIENT_INPUTS_MAX),
            ("jobs of the disk", self.disk.queued(), replica::limits::INTERNAL_INPUTS_MAX),
        ];
        self.checks.lock().see(&Observation::Queues { server: self.sid, queues: &queues });
    }
}
