//! The world of one run: servers, clients, network and time, and the loop that lets one event happen after the other.
//!
//! Phase 1 lets faults happen and checks safety. Phase 2 mends a majority, then everything, and demands progress of what is
//! mended: every client gets a write and a read through every such server, and in the end all servers hold the same.

mod calm;
mod changes;
mod clients;
mod reach;
mod servers;

use crate::agenda::Agenda;
use crate::checks::{Checks, SharedChecks};
use crate::client::{Client, ClientAction, ClientInput, Workload};
use crate::model::Model;
use crate::nemesis::{Nemesis, Undo};
use crate::network::{Flow, Network, PipeId};
use crate::observe::{ClientId, Observation, Op};
use crate::plan::{Less, Plan};
use crate::rng::Rng;
use crate::server::{Clock, Server, ServerEvent};
use crate::setup::Setup;
use crate::trace::Trace;
use bytes::Bytes;
use changes::Changes;
use node::learner_conn::Port;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use store::testing::Keep;
use wire::ServerId;
use wire::election::Notification;
use zab::LinkId;

/// How often a dial is tried.
const DIAL_TRIES: u32 = 6;
/// Between two tries, µs.
const DIAL_PAUSE_US: (i64, i64) = (20_000, 200_000);
/// How long everything may take to go well again, µs.
const CALM_US_MAX: i64 = 60_000_000;
/// Between two looks at whether it does, µs.
const CALM_LOOK_US: i64 = 200_000;

/// What can happen.
#[derive(Debug)]
pub enum Event {
    /// To a server's process, if it is still that one.
    Server(ServerId, u32, ServerEvent),
    /// Something comes out of a pipe.
    Arrival(PipeId, usize, Flow),
    /// A server tries to reach a leader's quorum port, or a follower's port for observers.
    Dial {
        /// Who dials.
        from: ServerId,
        /// Its process.
        incarnation: u32,
        /// Its number for the link.
        link: LinkId,
        /// Whom it dials.
        to: ServerId,
        /// Where.
        port: Port,
        /// Tries left.
        tries: u32,
    },
    /// A server finds that nobody answers at the election port of another.
    NobodyThere {
        /// Who finds it.
        by: ServerId,
        /// Its process.
        incarnation: u32,
        /// Who is gone.
        gone: ServerId,
    },
    /// A client's deadline.
    Timer(ClientId, u64),
    /// A client's connection stands, or was refused.
    ClientDial(ClientId, u64, ServerId),
    /// The next fault.
    Fault,
    /// A pipe is cut.
    Cut(PipeId),
    /// Something goes wrong while the members change: a server is gone, or all are split.
    Interruption(ServerId, u32),
    /// The end of a fault.
    Undo(Undo),
    /// A server is started again.
    Restart(ServerId),
    /// Somebody starts or stops servers where the members change.
    Operator,
    /// From here on nobody asks for changes of the members.
    ChangesEnd,
    /// The end of phase 1.
    Calm,
    /// Does everything go well again?
    Look,
}

/// A server: running or not.
pub struct Host {
    /// Its process.
    pub process: Option<Server>,
    /// How often it was started.
    pub incarnation: u32,
    /// Its clocks.
    pub clock: Clock,
    /// It stands still; what happens meanwhile waits.
    pub held: Option<VecDeque<ServerEvent>>,
    /// The power goes with the next failing disk call.
    pub power_fails: Option<Keep>,
    /// A disk call was told to fail.
    pub fault_pending: bool,
    /// Its disk was damaged while it was down: it may refuse to start.
    pub damaged: bool,
    /// Its machine is off: nothing answers there, not even with a refusal.
    pub is_silent: bool,
}

struct ClientHost {
    client: Client,
    pipe: Option<PipeId>,
    dial: u64,
    timer: (u64, i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Phase 1.
    Faults,
    /// Phase 2: at first perhaps with a minority that stays broken.
    Calm {
        since_us: i64,
    },
    /// The clients are gone.
    Rest {
        since_us: i64,
    },
    Over,
}

/// One run.
pub struct World {
    pub(crate) now_us: i64,
    pub(crate) step: u64,
    pub(crate) agenda: Agenda<Event>,
    pub(crate) hosts: BTreeMap<ServerId, Host>,
    pub(crate) net: Network,
    pub(crate) checks: SharedChecks,
    pub(crate) setup: Arc<Setup>,
    pub(crate) rng: Rng,
    pub(crate) nemesis: Nemesis,
    clients: BTreeMap<ClientId, ClientHost>,
    /// Where the members may change: who sees to that.
    pub(crate) changes: Option<Changes>,
    phase: Phase,
    phase_us: i64,
    /// Servers that phase 2 has not mended yet.
    left_broken: BTreeSet<ServerId>,
    trace: Trace,
    actions: Vec<ClientAction>,
    /// Votes that wait for a connection, by sender and receiver.
    waiting_votes: BTreeMap<(ServerId, ServerId), Notification>,
    /// Who was told of whom that it is gone, and not since then that it lives.
    found_gone: BTreeSet<(ServerId, ServerId)>,
}

impl World {
    /// The world of a seed, with less than the seed would do.
    #[must_use]
    pub fn new(seed: u64, less: &Less) -> World {
        let plan = Plan::draw(seed, less);
        let mut rng = Rng::new(seed ^ 0x5eed);
        let model = Model::new(plan.voters.clone(), plan.observers.clone())
            .with_report_us(plan.setup.report_us())
            .with_spares(plan.spares.iter().copied());
        let servers: Vec<ServerId> = plan.servers().collect();
        let nemesis = Nemesis::new(&plan, rng.fork("nemesis"));
        let mut clocks = rng.fork("clocks");
        let mut hosts = BTreeMap::new();
        for sid in &servers {
            let drift_ppm = clocks.range(-plan.drift_ppm_max, plan.drift_ppm_max);
            hosts.insert(*sid, Host::new(Clock { drift_ppm, wall_offset_ms: 0 }));
        }
        let mut clients = BTreeMap::new();
        for number in 0..plan.clients {
            let id = ClientId(number);
            let client = Client::new(id, servers.clone(), plan.workload.clone(), rng.fork("client").bits());
            clients.insert(id, ClientHost { client, pipe: None, dial: 0, timer: (0, i64::MAX) });
        }
        let changes = plan.setup.changes.then(|| {
            let (mut rng, admin) = (rng.fork("changes"), ClientId(plan.clients));
            let workload = Workload::of_admin(servers.clone(), &mut rng);
            let client = Client::new(admin, servers.clone(), workload, rng.bits());
            clients.insert(admin, ClientHost { client, pipe: None, dial: 0, timer: (0, i64::MAX) });
            Changes::new(rng, admin, plan.spares.clone())
        });
        World {
            now_us: 0,
            step: 0,
            agenda: Agenda::default(),
            hosts,
            net: Network::new(plan.latency, rng.fork("network")),
            checks: Arc::new(Mutex::new(Checks::new(model))),
            setup: Arc::new(plan.setup),
            nemesis,
            clients,
            changes,
            phase: Phase::Faults,
            phase_us: plan.phase_us,
            left_broken: BTreeSet::new(),
            trace: Trace::default(),
            actions: Vec::new(),
            waiting_votes: BTreeMap::new(),
            found_gone: BTreeSet::new(),
            rng,
        }
    }

    /// Runs to the end, to a violation, or up to a step; answers how many steps it took.
    pub fn run(&mut self, until: Option<u64>) -> u64 {
        for sid in self.hosts.keys().copied().collect::<Vec<_>>() {
            if self.is_stopped(sid) {
                continue;
            }
            let at_us = self.rng.range(0, 50_000);
            self.agenda.plan(at_us, Event::Restart(sid));
        }
        for id in self.clients.keys().copied().collect::<Vec<_>>() {
            self.drive(id, ClientInput::Timer);
        }
        let first_us = self.nemesis.pause_us();
        self.agenda.plan(first_us, Event::Fault);
        self.agenda.plan(self.phase_us, Event::Calm);
        self.plan_changes();
        while self.phase != Phase::Over && until.is_none_or(|until| self.step < until) {
            let Some((at_us, event)) = self.agenda.pop() else { break };
            self.now_us = at_us.max(self.now_us);
            self.step += 1;
            self.checks.lock().at(self.now_us, self.step);
            self.trace.note(self.now_us, &event);
            self.happen(event);
            if self.follow_changes() {
                self.demand_progress_again();
            }
            if self.checks.lock().violation().is_some() {
                break;
            }
        }
        self.step
    }

    /// The checkers.
    #[must_use]
    pub fn checks(&self) -> &SharedChecks {
        &self.checks
    }

    /// Simulated time so far, µs.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.now_us
    }

    /// A number that two runs share only if they did the same in the same order.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace.digest()
    }

    /// Requests that clients sent.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.clients.values().map(|host| host.client.progress().calls).sum()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Server(sid, incarnation, event) => {
                if self.hosts.get(&sid).is_some_and(|host| host.incarnation == incarnation) {
                    self.tell(sid, event);
                }
            }
            Event::Arrival(pipe, end, flow) => self.on_arrival(pipe, end, flow),
            Event::Dial { from, incarnation, link, to, port, tries } => {
                self.on_dial(from, incarnation, link, (to, port), tries);
            }
            Event::NobodyThere { by, incarnation, gone } => self.on_nobody_there(by, incarnation, gone),
            Event::Timer(id, number) => {
                if self.clients.get(&id).is_some_and(|host| host.timer.0 == number) && !self.holds_back(id) {
                    self.drive(id, ClientInput::Timer);
                }
            }
            Event::ClientDial(id, dial, server) => self.on_client_dial(id, dial, server),
            Event::Fault => {
                if self.phase == Phase::Faults {
                    self.fault();
                    let pause_us = self.nemesis.pause_us();
                    self.agenda.plan(self.now_us + pause_us, Event::Fault);
                }
            }
            Event::Cut(pipe) if self.phase == Phase::Faults => self.cut_pipe(pipe),
            Event::Cut(_) => {}
            Event::Interruption(sid, incarnation) => {
                if self.phase == Phase::Faults
                    && self.hosts.get(&sid).is_some_and(|host| host.incarnation == incarnation)
                {
                    self.interrupt_change(sid);
                }
            }
            // Phase 2 has ended every fault by itself; some it has begun anew.
            Event::Undo(undo) if self.phase == Phase::Faults => self.undo(undo),
            Event::Undo(_) => {}
            Event::Restart(sid) if self.left_broken.contains(&sid) || self.is_stopped(sid) => {}
            Event::Restart(sid) => self.start(sid),
            Event::Operator => self.operate(),
            Event::ChangesEnd => self.end_changes(),
            Event::Calm => self.calm(),
            Event::Look => self.look(),
        }
    }
}

impl Host {
    fn new(clock: Clock) -> Host {
        Host {
            process: None,
            incarnation: 0,
            clock,
            held: None,
            power_fails: None,
            fault_pending: false,
            damaged: false,
            is_silent: false,
        }
    }
}

fn count(checks: &mut Checks, seen: &Observation<'_>) {
    let kind = match seen {
        Observation::Attached { fresh: false, .. } => "sessions moved",
        Observation::SessionLost { .. } => "sessions expired",
        Observation::Event { .. } => "watch events",
        Observation::Called(call) if matches!(call.op, Op::Multi(_)) => "multis",
        _ => return,
    };
    checks.coverage.count(kind);
}

/// Bytes of an event that belong into the trace.
pub(crate) fn payload(event: &Event) -> Option<&Bytes> {
    match event {
        Event::Arrival(_, _, Flow::Bytes(bytes)) => Some(bytes),
        _ => None,
    }
}
