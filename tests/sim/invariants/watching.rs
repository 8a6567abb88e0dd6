//! Which watches a client has, as its requests and answers tell: the common ground of the two checkers of watches.

use std::collections::BTreeMap;

use wire::client::EventType;
use wire::{ErrorCode, Zxid};

use crate::observe::{Answer, Call, ClientId, Observation, Op};
use crate::znodes::{Watched, Znodes};

/// A watch: where, on what, and the zxid at which it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watch {
    pub path: String,
    pub watched: Watched,
    pub set_at: Zxid,
}

/// One client's watches on its present connection.
#[derive(Debug, Default)]
pub(super) struct Watches {
    set: BTreeMap<(String, Watched), Zxid>,
    /// What the client was told of since it sent setWatches, until that is answered.
    caught_up: Option<Vec<(EventType, String)>>,
}

/// All clients' watches. They die with their connection.
#[derive(Debug, Default)]
pub(super) struct Watching {
    clients: BTreeMap<ClientId, Watches>,
}

impl Watches {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Watched, Zxid)> {
        self.set.iter().map(|((path, watched), set_at)| (path.as_str(), *watched, *set_at))
    }

    fn set(&mut self, path: &str, watched: Watched, zxid: Zxid) {
        // Set twice it is still one watch, and what happened since it was first set would have fired it.
        self.set.entry((path.to_owned(), watched)).or_insert(zxid);
    }
}

impl Watching {
    pub(super) fn of(&self, client: ClientId) -> Option<&Watches> {
        self.clients.get(&client)
    }

    /// Follows connections and requests. Answers and events are taken in by [`Watching::answered`] and [`Watching::fire`],
    /// behind the checks.
    pub(super) fn observe(&mut self, seen: &Observation<'_>) {
        match seen {
            Observation::Attached { client, .. } | Observation::Detached { client, .. } => {
                self.clients.remove(client);
            }
            Observation::Called(call) if matches!(call.op, Op::SetWatches { .. }) => {
                self.clients.entry(call.client).or_default().caught_up = Some(Vec::new());
            }
            _ => {}
        }
    }

    /// The watches that an event uses up. A node's deletion is told once for both kinds.
    pub(super) fn fire(&mut self, client: ClientId, kind: EventType, path: &str) -> Vec<Watch> {
        let kinds: &[Watched] = match kind {
            EventType::NodeCreated | EventType::NodeDataChanged => &[Watched::Node],
            EventType::NodeChildrenChanged => &[Watched::Children],
            EventType::NodeDeleted => &[Watched::Node, Watched::Children],
        };
        let Some(watches) = self.clients.get_mut(&client) else { return Vec::new() };
        let take = |&watched: &Watched| {
            let set_at = watches.set.remove(&(path.to_owned(), watched))?;
            Some(Watch { path: path.to_owned(), watched, set_at })
        };
        kinds.iter().filter_map(take).collect()
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

    /// Sets the watches that an answered request asked for.
    pub(super) fn answered(&mut self, call: &Call, answer: &Answer, znodes: &Znodes) {
        let watches = self.clients.entry(call.client).or_default();
        match (&call.op, answer.error) {
            (Op::Get { path, watch: true } | Op::Exists { path, watch: true }, ErrorCode::Ok)
            | (Op::Exists { path, watch: true }, ErrorCode::NoNode) => {
                watches.set(path, Watched::Node, answer.zxid);
            }
            (Op::Children { path, watch: true }, ErrorCode::Ok) => watches.set(path, Watched::Children, answer.zxid),
            (Op::SetWatches { .. }, ErrorCode::Ok) => {
                watches.caught_up = None;
                for (path, watched, event) in missed(&call.op, znodes, answer.zxid) {
                    if event.is_none() {
                        watches.set(path, watched, answer.zxid);
                    }
                }
            }
            _ => {}
        }
    }
}

/// What setWatches must tell of each of its watches when it is carried out at `zxid`; nothing where it is set again.
fn missed<'a>(op: &'a Op, znodes: &Znodes, zxid: Zxid) -> Vec<(&'a str, Watched, Option<EventType>)> {
    let Op::SetWatches { relative, data, exist, child } = op else { return Vec::new() };
    let stat = |path: &str| znodes.at(path, zxid).map(|node| node.stat());
    let mut all = Vec::with_capacity(data.len() + exist.len() + child.len());
    for path in data {
        let event = match stat(path) {
            None => Some(EventType::NodeDeleted),
            Some(stat) => (stat.mzxid > relative.0).then_some(EventType::NodeDataChanged),
        };
        all.push((path.as_str(), Watched::Node, event));
    }
    for path in exist {
        all.push((path.as_str(), Watched::Node, stat(path).map(|_| EventType::NodeCreated)));
    }
    for path in child {
        let event = match stat(path) {
            None => Some(EventType::NodeDeleted),
            Some(stat) => (stat.pzxid > relative.0).then_some(EventType::NodeChildrenChanged),
        };
        all.push((path.as_str(), Watched::Children, event));
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
