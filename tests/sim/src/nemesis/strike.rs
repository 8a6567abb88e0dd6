//! What goes wrong.

use super::{DOWN_US, Undo};
use crate::network::PipeId;
use crate::observe::Observation;
use crate::plan::Fault;
use crate::rng::Rng;
use crate::server::ServerEvent;
use crate::setup::Setup;
use crate::world::{Event, World};
use std::collections::VecDeque;
use store::testing::{self, Keep, MemFs};
use wire::{ServerId, Zxid};

/// A link that is to be cut during a hand-over is cut so long after its beginning at the latest, µs.
const HAND_OVER_CUT_US_MAX: i64 = 5_000;

/// A change of the members that is to be interrupted is so long after its beginning at the latest, µs.
const CHANGE_INTERRUPTED_US_MAX: i64 = 8_000;
/// One that nobody is to hear of.
const PROPOSAL_LOST_US_MAX: i64 = 400;
/// How long a leader that changes the members is cut off, µs.
const CUT_OFF_US: (i64, i64) = (100_000, 3_000_000);
/// A snapshot that is to be cut is cut so long after its beginning at the latest, µs.
const SNAPSHOT_CUT_US_MAX: i64 = 1_500;

impl World {
    pub(super) fn running(&self) -> Vec<ServerId> {
        self.hosts.iter().filter(|(_, host)| host.process.is_some()).map(|(sid, _)| *sid).collect()
    }

    pub(super) fn pick_running(&mut self) -> Option<ServerId> {
        let running = self.running();
        self.nemesis.rng.pick(&running).copied()
    }

    fn pick_leader(&self) -> Option<ServerId> {
        let leads = |host: &crate::world::Host| {
            host.process.as_ref().is_some_and(|server| server.role() == Some(replica::ServingRole::Leader))
        };
        self.hosts.iter().find(|(_, host)| leads(host)).map(|(sid, _)| *sid)
    }

    /// Prefers the leader: that is where it hurts.
    pub(super) fn pick_victim(&mut self) -> Option<ServerId> {
        let leader = self.pick_leader();
        if self.nemesis.rng.chance(35) && leader.is_some() { leader } else { self.pick_running() }
    }

    pub(super) fn pick_any(&mut self) -> ServerId {
        let all: Vec<ServerId> = self.hosts.keys().copied().collect();
        all[self.nemesis.rng.index(all.len())]
    }

    pub(super) fn count(&self, kind: &'static str) {
        self.checks.lock().coverage.count(kind);
    }

    pub(super) fn plan_undo(&mut self, undo: Undo) {
        let last_us = self.nemesis.last_us();
        self.agenda.plan(self.now_us + last_us, Event::Undo(undo));
    }

    pub(super) fn plan_restart(&mut self, sid: ServerId) {
        let max = if self.nemesis.rng.chance(70) { DOWN_US.1 / 8 } else { DOWN_US.1 };
        let down_us = self.nemesis.rng.range(DOWN_US.0, max);
        self.agenda.plan(self.now_us + down_us, Event::Restart(sid));
    }

    /// Whether another disk may lose something.
    pub(super) fn may_forget(&mut self) -> bool {
        self.nemesis.voters.len() >= 3 && !self.has_forgotten() && self.may_lose_a_voter()
    }

    /// Whether a disk has lost something and its server has not caught up yet.
    pub(crate) fn has_forgotten(&mut self) -> bool {
        if let Some(sid) = self.nemesis.forgetful
            && self.hosts[&sid].process.as_ref().is_some_and(|server| server.role().is_some())
        {
            self.nemesis.forgetful = None;
        }
        self.nemesis.forgetful.is_some()
    }

    /// Something goes wrong.
    pub(crate) fn fault(&mut self) {
        let Some(fault) = self.nemesis.draw() else { return };
        tracing::debug!(at_us = self.now_us, fault = fault.name(), "fault");
        match fault {
            Fault::Crash => {
                if let Some(sid) = self.pick_victim() {
                    self.crash(sid);
                }
            }
            Fault::CrashAll => self.crash_all(),
            Fault::PowerCut => self.power_cut(),
            Fault::Partition => self.partition(),
            Fault::OneWay => self.one_way(),
            Fault::Partial => self.partial(),
            Fault::Cut => self.cut(),
            Fault::VoteLoss => {
                self.net.vote_loss_percent = self.nemesis.rng.below(90);
                self.plan_undo(Undo::VoteLoss);
            }
            Fault::SlowServer => self.slow_server(),
            Fault::SlowDisk => self.slow_disk(),
            Fault::DiskError => self.disk_error(),
            Fault::ReadError => self.read_error(),
            Fault::BitFlip => self.bit_flip(),
            Fault::DiskFull => self.disk_full(),
            Fault::DiskReplaced => self.disk_replaced(),
            Fault::Pause => self.pause(),
            Fault::ClockJump => self.clock_jump(),
            Fault::HandOver => self.hand_over(),
            Fault::Stop => {
                if let Some(sid) = self.pick_victim() {
                    self.tell(sid, ServerEvent::Stop);
                }
            }
            Fault::StaleList => self.go_stale(),
        }
    }

    pub(super) fn crash(&mut self, sid: ServerId) {
        let may_forget = self.nemesis.voters.contains(&sid) && self.may_forget();
        let (keep, kind) = self.nemesis.draw_keep(may_forget);
        self.count(kind);
        self.end_with(sid, keep);
        self.plan_restart(sid);
    }

    /// Ends a process; where sectors may come back out of order its disk counts as lost until it has caught up.
    pub(super) fn end_with(&mut self, sid: ServerId, keep: Keep) {
        if matches!(keep, Keep::Random(_)) {
            self.nemesis.forgetful = Some(sid);
            if let Some(host) = self.hosts.get_mut(&sid) {
                host.damaged = true;
            }
        }
        let loudly = keep == Keep::Everything || self.nemesis.rng.chance(50);
        self.end(sid, keep, loudly);
    }

    pub(super) fn crash_all(&mut self) {
        self.count("all servers down at once");
        for sid in self.running() {
            let (keep, kind) = self.nemesis.draw_keep(false);
            self.count(kind);
            self.end_with(sid, keep);
            self.plan_restart(sid);
        }
    }

    /// The power goes at one of the next calls to the disk.
    pub(super) fn power_cut(&mut self) {
        let Some(sid) = self.pick_victim() else { return };
        let (keep, _) = self.nemesis.draw_keep(false);
        let keep = if keep == Keep::Everything { Keep::Nothing } else { keep };
        self.fail_soon(sid, 12);
        if let Some(host) = self.hosts.get_mut(&sid) {
            host.power_fails = Some(keep);
        }
    }

    pub(super) fn fail_soon(&mut self, sid: ServerId, calls_max: u64) {
        let nth = self.nemesis.rng.below(calls_max) + 1;
        self.setup.disk(sid).fail_call(nth, testing::Fault::Io);
        let Some(host) = self.hosts.get_mut(&sid) else { return };
        host.fault_pending = true;
        let incarnation = host.incarnation;
        self.plan_undo(Undo::DiskFault(sid, incarnation));
    }

    pub(super) fn disk_error(&mut self) {
        if let Some(sid) = self.pick_victim() {
            self.fail_soon(sid, 12);
        }
    }

    /// A server whose start will fail to read.
    pub(super) fn read_error(&mut self) {
        let Some(sid) = self.pick_running() else { return };
        self.count("crashes, process only");
        self.end(sid, Keep::Everything, true);
        let nth = self.nemesis.rng.below(25) + 1;
        self.setup.disk(sid).fail_call(nth, testing::Fault::Io);
        if let Some(host) = self.hosts.get_mut(&sid) {
            host.fault_pending = true;
        }
        self.plan_restart(sid);
    }

    pub(super) fn partition(&mut self) {
        self.count("partitions");
        let mut sids: Vec<ServerId> = self.hosts.keys().copied().collect();
        self.nemesis.rng.shuffle(&mut sids);
        let (left, right) = sids.split_at(self.nemesis.rng.index(sids.len()));
        for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))) {
            self.net.block(a, b);
            self.net.block(b, a);
        }
        self.plan_undo(Undo::Partitions);
    }

    pub(super) fn one_way(&mut self) {
        self.count("one-way partitions");
        let sid = self.pick_any();
        let deaf = self.nemesis.rng.chance(50);
        for other in self.hosts.keys().copied().filter(|other| *other != sid).collect::<Vec<_>>() {
            let (from, to) = if deaf { (other, sid) } else { (sid, other) };
            self.net.block(from, to);
        }
        self.plan_undo(Undo::Partitions);
    }

    pub(super) fn partial(&mut self) {
        self.count("partial partitions");
        let (a, b) = (self.pick_any(), self.pick_any());
        if a != b {
            self.net.block(a, b);
            self.net.block(b, a);
        }
        self.plan_undo(Undo::Partitions);
    }

    /// One link, one client's connection, or those of all clients.
    pub(super) fn cut(&mut self) {
        let (mut pipes, clients) = (self.net.links(), self.client_pipes());
        let of_clients = self.nemesis.rng.chance(50) || pipes.is_empty();
        if of_clients {
            pipes = clients;
        }
        if !(of_clients && self.nemesis.rng.chance(60)) {
            pipes = self.nemesis.rng.pick(&pipes).copied().into_iter().collect();
        }
        for pipe in pipes {
            self.cut_pipe(pipe);
        }
        if self.nemesis.rng.chance(50) {
            self.count("election connections broken");
            let (a, b) = (self.pick_any(), self.pick_any());
            self.break_election_connection(a, b);
        }
    }

    pub(crate) fn cut_pipe(&mut self, pipe: PipeId) {
        self.count("links cut");
        let deliveries = self.net.cut(self.now_us, pipe);
        self.deliver_all(deliveries);
    }

    /// A snapshot begins to be sent. It is under way for so short a time that hardly any fault would meet it by chance.
    pub(crate) fn perhaps_cut_snapshot(&mut self, pipe: PipeId) {
        if self.nemesis.may(Fault::Cut) && self.nemesis.rng.chance(30) {
            let delay_us = self.nemesis.rng.range(1, SNAPSHOT_CUT_US_MAX);
            self.agenda.plan(self.now_us + delay_us, Event::Cut(pipe));
        }
    }

    /// A leader has proposed other members. It takes a few milliseconds until that is committed.
    pub(crate) fn perhaps_interrupt_change(&mut self, leader: ServerId) {
        if self.nemesis.rng.chance(35) {
            // In half of the cases before most have got the proposal.
            let us_max = if self.nemesis.rng.chance(50) { PROPOSAL_LOST_US_MAX } else { CHANGE_INTERRUPTED_US_MAX };
            let delay_us = self.nemesis.rng.range(1, us_max);
            let Some(incarnation) = self.hosts.get(&leader).map(|host| host.incarnation) else { return };
            self.agenda.plan(self.now_us + delay_us, Event::Interruption(leader, incarnation));
        }
    }

    /// The leader is gone before its change is through, or cannot reach anybody.
    pub(crate) fn interrupt_change(&mut self, leader: ServerId) {
        let is_split = self.nemesis.may(Fault::Partition) && self.nemesis.rng.chance(60);
        if (is_split || self.nemesis.may(Fault::Crash)) && self.nemesis.rng.chance(70) {
            // What is on its way is lost.
            for pipe in self.net.links() {
                self.cut_pipe(pipe);
            }
        }
        if is_split {
            self.count("partitions");
            self.cut_off(leader);
            // So long that it gives up and others lead.
            let last_us = self.nemesis.rng.range(CUT_OFF_US.0, CUT_OFF_US.1);
            self.agenda.plan(self.now_us + last_us, Event::Undo(Undo::Partitions));
        } else if self.nemesis.may(Fault::Crash) {
            self.crash(leader);
        }
    }

    pub(super) fn slow_server(&mut self) {
        self.count("slow servers");
        let sid = self.pick_any();
        let extra_us = self.nemesis.rng.range(5_000, 200_000);
        self.net.slow_down(sid, extra_us);
        self.plan_undo(Undo::SlowServer(sid));
    }

    pub(super) fn slow_disk(&mut self) {
        let Some(sid) = self.pick_victim() else { return };
        self.count("slow disks");
        let us = self.nemesis.rng.range(5_000, 250_000);
        if let Some(process) = self.process(sid) {
            process.disk.set_sync_us((us, 2 * us));
        }
        self.plan_undo(Undo::SlowDisk(sid));
    }

    pub(super) fn disk_full(&mut self) {
        let Some(sid) = self.pick_victim() else { return };
        self.count("disks full");
        let disk = self.setup.disk(sid);
        disk.set_capacity(Some(disk.used_bytes() + self.nemesis.rng.below(16_384)));
        self.plan_undo(Undo::FullDisk(sid));
    }

    /// A bit of a file changes, not in what is written last: there it could not be told from a torn write.
    pub(super) fn bit_flip(&mut self) {
        if !self.may_forget() {
            return;
        }
        let Some(sid) = self.pick_running().filter(|sid| self.nemesis.voters.contains(sid)) else { return };
        self.count("crashes, process only");
        self.end(sid, Keep::Everything, true);
        let disk = self.setup.disk(sid);
        if let Some((path, offset)) = draw_bit(&disk, &mut self.nemesis.rng) {
            self.count("bits flipped at rest");
            disk.flip(&path, offset, 1 << self.nemesis.rng.below(8));
            self.nemesis.forgetful = Some(sid);
            if let Some(host) = self.hosts.get_mut(&sid) {
                host.damaged = true;
            }
        }
        self.plan_restart(sid);
    }

    pub(super) fn disk_replaced(&mut self) {
        if !self.may_forget() {
            return;
        }
        let Some(sid) = self.pick_any_voter() else { return };
        self.end(sid, Keep::Everything, true);
        self.replace_disk(sid);
        self.plan_restart(sid);
    }

    pub(super) fn pick_any_voter(&mut self) -> Option<ServerId> {
        let voters: Vec<ServerId> = self.nemesis.voters.iter().copied().collect();
        self.nemesis.rng.pick(&voters).copied()
    }

    pub(super) fn replace_disk(&mut self, sid: ServerId) {
        self.count("disks replaced");
        self.nemesis.forgetful = Some(sid);
        self.setup.disks.lock().insert(sid, MemFs::new());
        self.checks.lock().see(&Observation::Wiped { server: sid });
        if let Some(host) = self.hosts.get_mut(&sid) {
            host.damaged = false;
        }
    }

    pub(super) fn pause(&mut self) {
        let Some(sid) = self.pick_victim() else { return };
        let Some(host) = self.hosts.get_mut(&sid).filter(|host| host.held.is_none()) else { return };
        host.held = Some(VecDeque::new());
        let incarnation = host.incarnation;
        self.checks.lock().see(&Observation::Paused { server: sid, is_paused: true });
        self.count("pauses");
        self.plan_undo(Undo::Pause(sid, incarnation));
    }

    /// Mostly the leader is asked, to whoever holds most or to anybody.
    pub(super) fn hand_over(&mut self) {
        let Some(sid) = self.pick_victim() else { return };
        let sid = self.pick_leader().filter(|_| self.nemesis.rng.chance(90)).unwrap_or(sid);
        let anybody = self.pick_any();
        let to = self.nemesis.rng.chance(50).then_some(anybody);
        self.tell(sid, ServerEvent::HandOver(to));
        // It takes so short a time that hardly any fault would meet it by chance.
        if self.nemesis.may(Fault::Cut) && self.nemesis.rng.chance(60) {
            let pipes = self.net.links();
            if let Some(pipe) = self.nemesis.rng.pick(&pipes).copied() {
                let delay_us = self.nemesis.rng.range(1, HAND_OVER_CUT_US_MAX);
                self.agenda.plan(self.now_us + delay_us, Event::Cut(pipe));
            }
        }
    }

    /// A server starts again with an older list of members; what was proposed it has in its log, or has not.
    pub(super) fn go_stale(&mut self) {
        let Some(sid) = self.pick_victim() else { return };
        let (keep, kind) = self.nemesis.draw_keep(false);
        self.count(kind);
        self.end_with(sid, keep);
        let forgets_next = self.nemesis.rng.chance(50);
        let checks = self.checks.lock();
        let went_stale = self.setup.lists.lock().get_mut(&sid).is_some_and(|lists| {
            if forgets_next {
                lists.forget_next();
            }
            // What came into force without its transaction is nowhere else.
            let version = Zxid(lists.in_force().version);
            let is_in_history = version.is_epoch_start() || checks.model.is_in_history(version);
            is_in_history && lists.go_stale()
        });
        drop(checks);
        if went_stale {
            self.count("stale server lists");
        }
        self.plan_restart(sid);
    }

    pub(super) fn clock_jump(&mut self) {
        self.count("clock jumps");
        let sid = self.pick_any();
        let offset_ms = self.nemesis.rng.range(-3_600_000, 3_600_000);
        let Some(host) = self.hosts.get_mut(&sid) else { return };
        host.clock.wall_offset_ms = offset_ms;
        let clock = host.clock;
        if let Some(process) = &mut host.process {
            process.set_clock(clock);
        }
    }
}

/// A bit of a log or a snapshot; of a log in the first half of what it holds. Epoch files carry no checksum in Apache's
/// format: a digit that became another cannot be noticed.
fn draw_bit(disk: &MemFs, rng: &mut Rng) -> Option<(std::path::PathBuf, u64)> {
    let dir = Setup::dirs().log_dir();
    let name = |path: &std::path::Path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let mut files = disk.paths();
    files
        .retain(|path| path.starts_with(&dir) && ["log.", "snapshot."].iter().any(|kind| name(path).starts_with(kind)));
    let path = rng.pick(&files)?.clone();
    let bytes = disk.read(&path)?;
    let used = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    let end = if name(&path).starts_with("log.") { used / 2 } else { used };
    (end > 0).then(|| (path, rng.below(end as u64)))
}
