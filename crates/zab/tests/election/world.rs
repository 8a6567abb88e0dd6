//! A handful of elections, a virtual clock and a network that behaves like `QuorumCnxManager`: one connection per pair, room
//! for one unsent message per peer, and the last message sent again on a new connection.
//!
//! Who connects, or loses a connection to a process that ends, or is refused one because there is no process, learns so as the
//! process of a real server does: sometimes late or never, in the order in which it became so. A cut tells nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use wire::election::{Notification, ServerState};
use wire::{Epoch, Millis, ServerId};
use zab::election::{Elected, Election, ElectionAction, ElectionSettings, InitialVote, Reach};
use zab::quorum::Membership;

/// Decides what becomes of a message from one server to another: the delay of each copy that arrives.
pub type Fate = Box<dyn FnMut(ServerId, ServerId) -> Vec<i64>>;

/// Far more messages than any election needs at a time.
const IN_FLIGHT_MAX: usize = 2_000;

pub struct Server {
    pub election: Election,
    pub initial: InitialVote,
    /// How this server's present state came about.
    pub elected: Option<Elected>,
    /// When it last began to look or settled.
    pub since: Millis,
}

/// What a server gets to know of another.
enum Arrival {
    Vote(Notification),
    Reach(Reach),
}

#[derive(Default)]
struct Outbox {
    unsent: Option<Notification>,
    last: Option<Notification>,
}

pub struct World {
    pub now: Millis,
    pub membership: Membership,
    /// The running servers.
    pub servers: BTreeMap<ServerId, Server>,
    pub trace: String,
    fate: Fate,
    outboxes: BTreeMap<(ServerId, ServerId), Outbox>,
    /// Messages kept back by a script, per link.
    held: BTreeMap<(ServerId, ServerId), Vec<Notification>>,
    connected: BTreeSet<(ServerId, ServerId)>,
    cut: BTreeSet<(ServerId, ServerId)>,
    /// By arrival and order of sending.
    in_flight: BTreeMap<(Millis, u64), (ServerId, ServerId, Arrival)>,
    sent: u64,
    /// Whether servers learn who is gone.
    pub evidence: bool,
}

fn pair(a: ServerId, b: ServerId) -> (ServerId, ServerId) {
    (a.min(b), a.max(b))
}

impl World {
    pub fn new(membership: Membership, fate: Fate) -> World {
        World {
            now: Millis(0),
            membership,
            servers: BTreeMap::new(),
            trace: String::new(),
            fate,
            outboxes: BTreeMap::new(),
            held: BTreeMap::new(),
            connected: BTreeSet::new(),
            cut: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            evidence: true,
        }
    }

    pub fn say(&mut self, text: &str) {
        writeln!(self.trace, "{:>6}  {text}", self.now.0).unwrap();
    }

    /// Starts a process; a running one of the same id is killed first.
    pub fn start(&mut self, sid: ServerId, initial: InitialVote) {
        self.kill(sid);
        let election = Election::new(sid, ElectionSettings::default(), self.membership.clone());
        self.servers.insert(sid, Server { election, initial, elected: None, since: self.now });
        self.look(sid);
    }

    /// Makes a running server look for a leader again.
    pub fn look(&mut self, sid: ServerId) {
        let now = self.now;
        let mut out = Vec::new();
        let server = self.servers.get_mut(&sid).expect("a server that looks is running");
        server.elected = None;
        server.since = now;
        server.election.start(now, server.initial, &mut out);
        self.perform(sid, out);
    }

    pub fn kill(&mut self, sid: ServerId) {
        self.servers.remove(&sid);
        self.outboxes.retain(|(from, _), _| *from != sid);
        let peers: Vec<ServerId> = self.servers.keys().copied().collect();
        let peers: Vec<ServerId> =
            peers.into_iter().filter(|peer| self.connected.contains(&pair(*peer, sid))).collect();
        self.disconnect(|low, high| low == sid || high == sid);
        peers.into_iter().for_each(|peer| self.tell_gone(sid, peer));
    }

    pub fn cut(&mut self, a: ServerId, b: ServerId) {
        self.cut.insert(pair(a, b));
        self.disconnect(|low, high| (low, high) == pair(a, b));
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    pub fn reachable(&self, a: ServerId, b: ServerId) -> bool {
        a == b || (self.servers.contains_key(&a) && self.servers.contains_key(&b) && !self.cut.contains(&pair(a, b)))
    }

    fn disconnect(&mut self, lost: impl Fn(ServerId, ServerId) -> bool) {
        self.connected.retain(|(low, high)| !lost(*low, *high));
        self.in_flight.retain(|_, (from, to, arrival)| {
            let (low, high) = pair(*from, *to);
            matches!(arrival, Arrival::Reach(_)) || !lost(low, high)
        });
    }

    /// `to` finds out that nobody is there under this id, unless that is lost too.
    fn tell_gone(&mut self, sid: ServerId, to: ServerId) {
        let delay = if self.evidence { (self.fate)(sid, to).first().copied() } else { None };
        if let Some(delay) = delay {
            self.arrive_after(delay, sid, to, Arrival::Reach(Reach::Gone));
        }
    }

    fn arrive_after(&mut self, delay: i64, from: ServerId, to: ServerId, arrival: Arrival) {
        self.sent += 1;
        assert!(self.in_flight.len() < IN_FLIGHT_MAX, "the servers talk without end\n{}", self.trace);
        self.in_flight.insert((self.now.plus(delay), self.sent), (from, to, arrival));
    }

    pub fn established(&mut self, sid: ServerId, epoch: Epoch) {
        let server = self.servers.get_mut(&sid).expect("an established server is running");
        server.election.established(epoch);
        server.initial.peer_epoch = epoch;
    }

    /// Keeps messages back until [`World::release`].
    #[allow(dead_code, reason = "only scripts hold messages back")]
    pub fn hold(&mut self, from: ServerId, to: ServerId) {
        self.held.insert((from, to), Vec::new());
    }

    #[allow(dead_code, reason = "only scripts hold messages back")]
    pub fn release(&mut self, from: ServerId, to: ServerId, reversed: bool) {
        let mut held = self.held.remove(&(from, to)).unwrap_or_default();
        if reversed {
            held.reverse();
        }
        for message in held {
            self.post(from, to, &message, &[1]);
        }
    }

    /// Hands a message to a server as if it came from another.
    pub fn deliver(&mut self, from: ServerId, to: ServerId, message: Notification) {
        let now = self.now;
        let mut out = Vec::new();
        let Some(server) = self.servers.get_mut(&to) else { return };
        server.election.on_notification(now, from, message, &mut out);
        self.perform(to, out);
    }

    /// What a server learns about another; nothing, if it is out of date.
    fn learn(&mut self, to: ServerId, sid: ServerId, reach: Reach) {
        let is_connected = self.connected.contains(&pair(sid, to));
        if !self.servers.contains_key(&to) || is_connected != (reach == Reach::Alive) {
            return;
        }
        if reach == Reach::Gone {
            self.say(&format!("{to} finds nobody at {sid}"));
        }
        let (now, mut out) = (self.now, Vec::new());
        let server = self.servers.get_mut(&to).expect("looked up above");
        server.election.on_reach(now, sid, reach, &mut out);
        if let Some(ElectionAction::Elected(elected)) = out.first() {
            self.check_votes_won(to, elected);
        }
        self.perform(to, out);
    }

    /// Runs until the given time; everything that happens on the way is in the trace.
    pub fn run_until(&mut self, end: Millis) {
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            assert!(at >= self.now, "an event at {at} is in the past of {}", self.now);
            self.now = at;
            if let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= at) {
                match entry.remove() {
                    (from, to, Arrival::Vote(message)) => {
                        self.say(&format!("{from} -> {to}  {}", render(&message)));
                        self.deliver(from, to, message);
                    }
                    (sid, to, Arrival::Reach(reach)) => self.learn(to, sid, reach),
                }
            } else {
                self.fire_deadline();
            }
        }
        self.now = end;
    }

    pub fn next_event(&self) -> Option<Millis> {
        let deadlines = self.servers.values().filter_map(|server| server.election.next_deadline());
        deadlines.chain(self.in_flight.keys().map(|(at, _)| *at)).min()
    }

    fn fire_deadline(&mut self) {
        let now = self.now;
        let due = |server: &Server| server.election.next_deadline().is_some_and(|at| at <= now);
        let sid = *self.servers.iter().find(|(_, server)| due(server)).expect("a deadline is due").0;
        let mut queues = self.outboxes.iter().filter(|((from, _), _)| *from == sid);
        let delivered = queues.any(|(_, outbox)| outbox.unsent.is_none());
        let mut out = Vec::new();
        let server = self.servers.get_mut(&sid).expect("found above");
        server.election.on_deadline(now, delivered, &mut out);
        assert!(server.election.next_deadline().is_none_or(|at| at > now), "server {sid} does not progress at {now}");
        match out
            .iter()
            .find_map(|action| if let ElectionAction::Elected(elected) = action { Some(elected) } else { None })
        {
            Some(elected) => self.check_votes_won(sid, elected),
            None => self.say(&format!("{sid} waited in vain")),
        }
        self.perform(sid, out);
    }

    /// An election that ends by silence was decided by votes: nobody then follows a candidate worse than itself.
    fn check_votes_won(&self, sid: ServerId, elected: &Elected) {
        let InitialVote { zxid, peer_epoch, .. } = self.servers[&sid].initial;
        if !self.membership.is_voter(sid) || self.membership.weight(sid) == 0 {
            return;
        }
        let (vote, own) = (&elected.vote, (peer_epoch, zxid, sid));
        assert!(
            (vote.peer_epoch, vote.zxid, vote.leader) >= own,
            "{sid} has {own:?} but elected {vote}\n{}",
            self.trace
        );
    }

    fn perform(&mut self, sid: ServerId, actions: Vec<ElectionAction>) {
        for action in actions {
            match action {
                ElectionAction::Send(to, message) => {
                    assert_ne!(to, sid, "a server sends to itself");
                    self.outboxes.entry((sid, to)).or_default().unsent = Some(message);
                    self.connect(sid, to);
                    self.flush(sid, to);
                }
                ElectionAction::ConnectAll => {
                    let keys: Vec<_> = self.outboxes.keys().copied().filter(|(from, _)| *from == sid).collect();
                    for (_, to) in keys {
                        self.connect(sid, to);
                    }
                }
                ElectionAction::Elected(elected) => self.settle(sid, elected),
                ElectionAction::DuplicateSid(_) => self.say(&format!("{sid} notices another server {sid}")),
                ElectionAction::NewerMembership { from, membership } => {
                    self.say(&format!("{sid} hears of membership {:x} from {from}", membership.version));
                }
            }
        }
    }

    fn settle(&mut self, sid: ServerId, elected: Elected) {
        let role = format!("{:?}", elected.role).to_uppercase();
        let supporters: Vec<String> = elected.supporters.iter().map(ServerId::to_string).collect();
        self.say(&format!("{sid} is {role} of {}, elected by {}", elected.vote, supporters.join(" ")));
        let server = self.servers.get_mut(&sid).expect("an elected server is running");
        assert_eq!(elected.role == ServerState::Leading, elected.vote.leader == sid);
        server.elected = Some(elected);
        server.since = self.now;
    }

    fn connect(&mut self, a: ServerId, b: ServerId) {
        if !self.servers.contains_key(&b) && !self.cut.contains(&pair(a, b)) {
            self.tell_gone(b, a);
        }
        if !self.reachable(a, b) || !self.connected.insert(pair(a, b)) {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            self.arrive_after(1, from, to, Arrival::Reach(Reach::Alive));
            let outbox = self.outboxes.entry((from, to)).or_default();
            if outbox.unsent.is_none() {
                outbox.unsent = outbox.last.clone();
            }
            self.flush(from, to);
        }
    }

    fn flush(&mut self, from: ServerId, to: ServerId) {
        if !self.connected.contains(&pair(from, to)) {
            return;
        }
        let outbox = self.outboxes.entry((from, to)).or_default();
        let Some(message) = outbox.unsent.take() else { return };
        outbox.last = Some(message.clone());
        if let Some(held) = self.held.get_mut(&(from, to)) {
            held.push(message);
            return;
        }
        let delays = (self.fate)(from, to);
        if delays.is_empty() {
            self.say(&format!("{from} -> {to}  lost: {}", render(&message)));
        }
        self.post(from, to, &message, &delays);
    }

    fn post(&mut self, from: ServerId, to: ServerId, message: &Notification, delays: &[i64]) {
        for delay in delays {
            self.arrive_after(*delay, from, to, Arrival::Vote(message.clone()));
        }
    }
}

/// One line per message, without the membership.
pub fn render(message: &Notification) -> String {
    let Notification { leader, zxid, round, peer_epoch, .. } = message;
    let name = if leader.0 == i64::MIN { "nobody".to_owned() } else { format!("{leader} at {zxid}") };
    let epoch = if peer_epoch.0 == i64::MIN { String::new() } else { format!(" epoch {peer_epoch}") };
    let version = if message.version == Notification::VERSION { "" } else { " (old version)" };
    format!("{} {name}{epoch} round {round}{version}", format!("{:?}", message.state).to_uppercase())
}
