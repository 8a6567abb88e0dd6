//! Which watches a client has and what it must be told, as its requests and answers and the history say: the common ground
//! of the checkers of watches.
//!
//! A connection sees its answers and events in one order, and an answer of a zxid stands behind the events of all
//! transactions up to there. So the watches of each client are carried along the history, change by change: what a change
//! owes a client, by which watch, and which of its watches that uses up. Watches die with their connection.

use std::collections::{BTreeMap, VecDeque};

use wire::client::EventType;
use wire::{ErrorCode, Zxid};

use crate::model::Model;
use crate::observe::{Answer, Call, ClientId, Observation, Op, User, WatchType};
use crate::znodes::{Change, Znodes};

/// The watches of one client on one path: at which zxid each was set.
#[derive(Debug, Default)]
struct Spot {
    data: Option<Zxid>,
    child: Option<Zxid>,
    persistent: Option<Zxid>,
    recursive: Option<Zxid>,
}

/// An event that a client must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owed {
    pub zxid: Zxid,
    pub kind: EventType,
    pub path: String,
    /// By which watch: a persistent one where there are several.
    pub by: WatchType,
    /// When that was set.
    pub set_at: Zxid,
}

impl Owed {
    /// Whether the watch is still there afterwards.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self.by, WatchType::Persistent | WatchType::PersistentRecursive)
    }

    pub(super) fn is(&self, zxid: Zxid, kind: EventType, path: &str) -> bool {
        (self.zxid, self.kind, self.path.as_str()) == (zxid, kind, path)
    }
}

/// One client on its present connection.
#[derive(Debug, Default)]
pub(super) struct Watches {
    user: Option<User>,
    spots: BTreeMap<String, Spot>,
    /// How many of the spots have a recursive watch.
    recursive: usize,
    /// How many of the history's changes have been looked at.
    seen: usize,
    /// Owed and not told yet, in the order of the history.
    pub owed: VecDeque<Owed>,
    /// What the client was told of since it sent setWatches, until that is answered.
    caught_up: Option<Vec<(EventType, String)>>,
}

/// All clients' watches.
#[derive(Debug, Default)]
pub(super) struct Watching {
    clients: BTreeMap<ClientId, Watches>,
}

impl Spot {
    fn slot(&mut self, kind: WatchType) -> Option<&mut Option<Zxid>> {
        match kind {
            WatchType::Children => Some(&mut self.child),
            WatchType::Data => Some(&mut self.data),
            WatchType::Persistent => Some(&mut self.persistent),
            WatchType::PersistentRecursive => Some(&mut self.recursive),
            WatchType::Any => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.data.or(self.child).or(self.persistent).or(self.recursive).is_none()
    }

    fn has(&self, kind: WatchType) -> bool {
        match kind {
            WatchType::Children => self.child.is_some(),
            WatchType::Data => self.data.is_some(),
            WatchType::Persistent => self.persistent.is_some(),
            WatchType::PersistentRecursive => self.recursive.is_some(),
            WatchType::Any => !self.is_empty(),
        }
    }

    /// Fires what a change of this very path fires, and answers by which watch; one-shot watches are used up.
    fn fire(&mut self, change: &Change) -> Option<(WatchType, Zxid)> {
        let data = if change.is_of_node() { self.data.take() } else { None };
        let child = if change.is_of_children() { self.child.take() } else { None };
        let recursive = if change.is_of_node() { self.recursive } else { None };
        let lasting = self.persistent.map(|set_at| (WatchType::Persistent, set_at));
        lasting
            .or(recursive.map(|set_at| (WatchType::PersistentRecursive, set_at)))
            .or(data.map(|set_at| (WatchType::Data, set_at)))
            .or(child.map(|set_at| (WatchType::Children, set_at)))
    }
}

impl Watches {
    fn set(&mut self, path: &str, kind: WatchType, zxid: Zxid, znodes: &Znodes) {
        if self.spots.is_empty() {
            // Nothing was owed so far: what came before need not be looked at.
            self.seen = znodes.changes().partition_point(|change| change.zxid <= zxid);
        }
        let spot = self.spots.entry(path.to_owned()).or_default();
        let had_recursive = spot.recursive.is_some();
        if let Some(slot) = spot.slot(kind) {
            // Set twice it is still one watch.
            slot.get_or_insert(zxid);
        }
        self.recursive += usize::from(!had_recursive && spot.recursive.is_some());
    }

    /// Takes watches away. Answers whether there were any.
    fn remove(&mut self, path: &str, kind: WatchType) -> bool {
        let Some(spot) = self.spots.get_mut(path) else { return false };
        let (had, had_recursive) = (spot.has(kind), spot.recursive.is_some());
        match spot.slot(kind) {
            Some(slot) => *slot = None,
            None => *spot = Spot::default(),
        }
        self.recursive -= usize::from(had_recursive && spot.recursive.is_none());
        if spot.is_empty() {
            self.spots.remove(path);
        }
        had
    }

    /// Carries the watches along the history up to a zxid.
    fn advance(&mut self, upto: Zxid, znodes: &Znodes) {
        if self.spots.is_empty() {
            return;
        }
        let changes = znodes.changes();
        while let Some(change) = changes.get(self.seen).filter(|change| change.zxid <= upto) {
            self.seen += 1;
            if let Some((by, set_at)) = self.fire(change)
                && change.may_be_told(self.user)
            {
                let (zxid, kind, path) = (change.zxid, change.kind, change.path.as_ref().to_owned());
                self.owed.push_back(Owed { zxid, kind, path, by, set_at });
            }
        }
    }

    fn fire(&mut self, change: &Change) -> Option<(WatchType, Zxid)> {
        let mut fired = None;
        if let Some(spot) = self.spots.get_mut(&*change.path) {
            fired = spot.fire(change);
            if spot.is_empty() {
                self.spots.remove(&*change.path);
            }
        }
        if self.recursive == 0 || !change.is_of_node() || fired.is_some_and(|(by, _)| by == WatchType::Persistent) {
            return fired;
        }
        let above = ancestors(&change.path).find_map(|path| self.spots.get(path)?.recursive);
        above.map(|set_at| (WatchType::PersistentRecursive, set_at)).or(fired)
    }
}

/// The paths above a path, the root last.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rfind('/') {
        _ if path.len() <= 1 => None,
        Some(0) => Some(&path[..1]),
        Some(slash) => Some(&path[..slash]),
        None => None,
    })
    .skip(1)
}

impl Watching {
    /// Follows connections and requests. Answers are taken in by [`Watching::answered`], behind the checks.
    pub(super) fn observe(&mut self, seen: &Observation<'_>) {
        match seen {
            Observation::Attached { client, user, .. } => {
                self.clients.insert(*client, Watches { user: *user, ..Watches::default() });
            }
            Observation::Detached { client, .. } => {
                self.clients.remove(client);
            }
            Observation::Called(call) if matches!(call.op, Op::SetWatches { .. }) => {
                self.clients.entry(call.client).or_default().caught_up = Some(Vec::new());
            }
            _ => {}
        }
    }

    /// What a client is owed when it sees something of a zxid.
    pub(super) fn owed(&mut self, client: ClientId, upto: Zxid, model: &Model) -> &mut VecDeque<Owed> {
        let watches = self.clients.entry(client).or_default();
        watches.advance(upto, model.znodes());
        &mut watches.owed
    }

    /// Whether a client watches anything.
    pub(super) fn is_watching(&self, client: ClientId) -> bool {
        self.clients.get(&client).is_some_and(|watches| !watches.spots.is_empty())
    }

    /// Whether a client has such a watch.
    pub(super) fn has(&self, client: ClientId, path: &str, kind: WatchType) -> bool {
        self.clients.get(&client).and_then(|watches| watches.spots.get(path)).is_some_and(|spot| spot.has(kind))
    }

    /// Notes an event without a zxid. False where the client did not ask to catch up.
    pub(super) fn catch_up(&mut self, client: ClientId, kind: EventType, path: &str) -> bool {
        let caught_up = self.clients.get_mut(&client).and_then(|watches| watches.caught_up.as_mut());
        match caught_up {
            Some(told) => told.push((kind, path.to_owned())),
            None => return false,
        }
        true
    }

    /// What the client was told of before its setWatches was answered, in order of kind and path.
    pub(super) fn told(&self, client: ClientId) -> Vec<(EventType, String)> {
        let told = self.clients.get(&client).and_then(|watches| watches.caught_up.clone());
        sorted(told.unwrap_or_default())
    }

    /// Sets or removes the watches that an answered request asked for. What was owed before must have been looked at.
    pub(super) fn answered(&mut self, call: &Call, answer: &Answer, znodes: &Znodes) {
        let watches = self.clients.entry(call.client).or_default();
        let mut set = |path: &str, kind| watches.set(path, kind, answer.zxid, znodes);
        match (&call.op, answer.error) {
            (Op::Get { path, watch: true } | Op::Exists { path, watch: true }, ErrorCode::Ok)
            | (Op::Exists { path, watch: true }, ErrorCode::NoNode) => set(path, WatchType::Data),
            (Op::Children { path, watch: true }, ErrorCode::Ok) => set(path, WatchType::Children),
            (Op::AddWatch { path, recursive: false }, ErrorCode::Ok) => set(path, WatchType::Persistent),
            (Op::AddWatch { path, recursive: true }, ErrorCode::Ok) => set(path, WatchType::PersistentRecursive),
            (Op::RemoveWatches { path, kind }, ErrorCode::Ok) => {
                watches.remove(path, *kind);
            }
            (Op::SetWatches { persistent, recursive, .. }, ErrorCode::Ok) => {
                for (path, kind, event) in missed(&call.op, znodes, answer.zxid) {
                    if event.is_none() {
                        set(path, kind);
                    }
                }
                persistent.iter().for_each(|path| set(path, WatchType::Persistent));
                recursive.iter().for_each(|path| set(path, WatchType::PersistentRecursive));
                watches.caught_up = None;
            }
            _ => {}
        }
    }
}

/// What setWatches must tell of each of its one-shot watches when it is carried out at `zxid`; nothing where it is set
/// again.
fn missed<'a>(op: &'a Op, znodes: &Znodes, zxid: Zxid) -> Vec<(&'a str, WatchType, Option<EventType>)> {
    let Op::SetWatches { relative, data, exist, child, .. } = op else { return Vec::new() };
    let stat = |path: &str| znodes.at(path, zxid).map(|node| node.stat());
    let mut all = Vec::with_capacity(data.len() + exist.len() + child.len());
    for path in data {
        let event = match stat(path) {
            None => Some(EventType::NodeDeleted),
            Some(stat) => (stat.mzxid > relative.0).then_some(EventType::NodeDataChanged),
        };
        all.push((path.as_str(), WatchType::Data, event));
    }
    for path in exist {
        all.push((path.as_str(), WatchType::Data, stat(path).map(|_| EventType::NodeCreated)));
    }
    for path in child {
        let event = match stat(path) {
            None => Some(EventType::NodeDeleted),
            Some(stat) => (stat.pzxid > relative.0).then_some(EventType::NodeChildrenChanged),
        };
        all.push((path.as_str(), WatchType::Children, event));
    }
    all
}

/// The events that must stand in front of the answer to a setWatches that is carried out at `zxid`, in order of kind and
/// path.
pub(super) fn due(op: &Op, znodes: &Znodes, zxid: Zxid) -> Vec<(EventType, String)> {
    let events = missed(op, znodes, zxid).into_iter();
    sorted(events.filter_map(|(path, _, event)| Some((event?, path.to_owned()))).collect())
}

fn sorted(mut events: Vec<(EventType, String)>) -> Vec<(EventType, String)> {
    events.sort_by(|(kind, path), (other_kind, other_path)| {
        (*kind as i32, path.as_str()).cmp(&(*other_kind as i32, other_path.as_str()))
    });
    events
}

/// The first of `some` that `others` lack, each counted as often as it is there. Both are in order of kind and path.
pub(super) fn first_beyond<'a>(
    some: &'a [(EventType, String)],
    others: &[(EventType, String)],
) -> Option<&'a (EventType, String)> {
    let mut rest = others.to_vec();
    some.iter().find(|event| match rest.iter().position(|other| other == *event) {
        Some(at) => {
            rest.remove(at);
            false
        }
        None => true,
    })
}
