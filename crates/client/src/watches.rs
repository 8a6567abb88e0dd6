//! The watches of a session: `ZKWatchManager` with one watcher, to which every event goes once.
//!
//! Pure. Paths are the client's, without the chroot. What is registered follows the code of the reply, not of the
//! request: a watch is only there once the server has said so.

use crate::event::EventType;
use crate::op::{AddWatchMode, WatcherType};
use std::collections::BTreeSet;
use wire::ErrorCode;
use wire::Zxid;
use wire::client::SetWatches;

/// How many UTF-16 units of paths one setWatches holds, so that it stays far below the frame limit of a server
/// (`ClientCnxn.SET_WATCHES_MAX_LENGTH`, ZOOKEEPER-706).
const SET_WATCHES_UNITS_MAX: usize = 128 * 1024;

/// Which watch a request asks for, once its reply is there (`ZooKeeper.WatchRegistration` and those that extend it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// Of getData.
    Data,
    /// Of exists: a data watch if the node is there, an exist watch if not.
    Exists,
    /// Of getChildren.
    Child,
    /// Of addWatch.
    Add(AddWatchMode),
}

/// What removing watches came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// These events are due, each for the path; the request has succeeded whatever its code was.
    Events(Vec<EventType>),
    /// The request fails with this code.
    Failed(i32),
}

/// Sets of watched paths, by kind.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    persistent_recursive: BTreeSet<String>,
}

impl Watches {
    /// Registers what a reply with `code` makes true (`WatchRegistration.register`).
    pub(crate) fn register(&mut self, registration: Registration, path: &str, code: i32) {
        let missing = code == ErrorCode::NoNode.code();
        let set = match registration {
            Registration::Exists if missing => &mut self.exist,
            Registration::Add(AddWatchMode::Persistent) if missing => &mut self.persistent,
            Registration::Add(AddWatchMode::PersistentRecursive) if missing => &mut self.persistent_recursive,
            _ if code != 0 => return,
            Registration::Data | Registration::Exists => &mut self.data,
            Registration::Child => &mut self.child,
            Registration::Add(AddWatchMode::Persistent) => &mut self.persistent,
            Registration::Add(AddWatchMode::PersistentRecursive) => &mut self.persistent_recursive,
        };
        set.insert(path.to_owned());
    }

    /// Takes the one-shot watches that a node's event ends, and says whether any watch wanted it
    /// (`ZKWatchManager.materialize`). The child events of a recursive watch's descendants are wanted by nobody: they
    /// come only because of other watches.
    pub(crate) fn materialize(&mut self, kind: EventType, path: &str) -> bool {
        let one_shot = match kind {
            EventType::NodeDataChanged | EventType::NodeCreated => self.data.remove(path) | self.exist.remove(path),
            EventType::NodeChildrenChanged => self.child.remove(path),
            EventType::NodeDeleted => self.data.remove(path) | self.exist.remove(path) | self.child.remove(path),
            _ => return false,
        };
        let recursive = kind != EventType::NodeChildrenChanged
            && !self.persistent_recursive.is_empty()
            && ancestors(path).any(|path| self.persistent_recursive.contains(path));
        one_shot | self.persistent.contains(path) | recursive
    }

    /// Removes the watches of a kind on a path after the server's reply, or in spite of it where `local`
    /// (`ZKWatchManager.removeWatcher` without a watcher, as removeAllWatches calls it).
    pub(crate) fn remove(&mut self, path: &str, kind: WatcherType, local: bool, code: i32) -> Removed {
        let any = kind == WatcherType::Any;
        let child = (any || kind == WatcherType::Children) && self.child.contains(path);
        let data = (any || kind == WatcherType::Data) && (self.data.contains(path) || self.exist.contains(path));
        let persistent = (any || kind == WatcherType::Persistent) && self.persistent.contains(path);
        let recursive = (any || kind == WatcherType::PersistentRecursive) && self.persistent_recursive.contains(path);
        if !(child || data || persistent || recursive) {
            return Removed::Failed(ErrorCode::NoWatcher.code());
        }
        if !local && code != 0 {
            return Removed::Failed(code);
        }
        let mut events = Vec::new();
        if child {
            self.child.remove(path);
            events.push(EventType::ChildWatchRemoved);
        }
        if data {
            self.data.remove(path);
            self.exist.remove(path);
            events.push(EventType::DataWatchRemoved);
        }
        if persistent {
            self.persistent.remove(path);
        }
        if recursive {
            self.persistent_recursive.remove(path);
        }
        if persistent || recursive {
            events.push(EventType::PersistentWatchRemoved);
        }
        Removed::Events(events)
    }

    /// Every watch by kind, with the paths that the server knows.
    fn listed(&self, chroot: Option<&str>) -> Vec<(Kind, String)> {
        let sets = [
            (Kind::Data, &self.data),
            (Kind::Exist, &self.exist),
            (Kind::Child, &self.child),
            (Kind::Persistent, &self.persistent),
            (Kind::PersistentRecursive, &self.persistent_recursive),
        ];
        let prepend = |path: &String| crate::proto::prepend_chroot(chroot, path);
        sets.into_iter().flat_map(|(kind, set)| set.iter().map(move |path| (kind, prepend(path)))).collect()
    }

    /// Calls `each` with requests that set all watches again, none of them much longer than
    /// [`SET_WATCHES_UNITS_MAX`]; with none at all if nothing is watched (`SendThread.primeConnection`).
    pub(crate) fn for_each_set_watches(
        &self,
        chroot: Option<&str>,
        relative_zxid: Zxid,
        mut each: impl FnMut(&SetWatches<'_>),
    ) {
        let listed = self.listed(chroot);
        let mut rest = listed.iter().peekable();
        while rest.peek().is_some() {
            let mut request = SetWatches { relative_zxid, ..SetWatches::default() };
            let mut units = 0;
            while units < SET_WATCHES_UNITS_MAX {
                let Some((kind, path)) = rest.next() else { break };
                let list = match kind {
                    Kind::Data => &mut request.data,
                    Kind::Exist => &mut request.exist,
                    Kind::Child => &mut request.child,
                    Kind::Persistent => &mut request.persistent,
                    Kind::PersistentRecursive => &mut request.persistent_recursive,
                };
                list.push(path);
                units += path.encode_utf16().count();
            }
            each(&request);
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Data,
    Exist,
    Child,
    Persistent,
    PersistentRecursive,
}

/// A path, its parent and so on up to the root (`PathParentIterator.forAll`).
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rfind('/') {
        _ if path.len() <= 1 => None,
        Some(0) => Some("/"),
        Some(at) => Some(&path[..at]),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: i32 = 0;
    const NO_NODE: i32 = -101;

    fn with(registrations: &[(Registration, &str, i32)]) -> Watches {
        let mut watches = Watches::default();
        for &(registration, path, code) in registrations {
            watches.register(registration, path, code);
        }
        watches
    }

    #[test]
    fn registration_follows_the_reply() {
        let add = Registration::Add(AddWatchMode::Persistent);
        let sets = |registration, code| {
            let watches = with(&[(registration, "/a", code)]);
            [&watches.data, &watches.exist, &watches.child, &watches.persistent].map(|set| set.len())
        };
        assert_eq!(sets(Registration::Data, OK), [1, 0, 0, 0]);
        assert_eq!(sets(Registration::Data, NO_NODE), [0, 0, 0, 0]);
        assert_eq!(sets(Registration::Exists, OK), [1, 0, 0, 0]);
        assert_eq!(sets(Registration::Exists, NO_NODE), [0, 1, 0, 0]);
        assert_eq!(sets(Registration::Exists, -4), [0, 0, 0, 0]);
        assert_eq!(sets(Registration::Child, OK), [0, 0, 1, 0]);
        assert_eq!(sets(Registration::Child, NO_NODE), [0, 0, 0, 0]);
        assert_eq!(sets(add, OK), [0, 0, 0, 1]);
        assert_eq!(sets(add, NO_NODE), [0, 0, 0, 1]);
        assert_eq!(sets(add, -102), [0, 0, 0, 0]);
    }

    #[test]
    fn one_shot_watches_end_with_their_event() {
        use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
        let cases = [
            (
                Registration::Data,
                OK,
                [NodeDataChanged, NodeDeleted, NodeCreated].as_slice(),
                &[NodeChildrenChanged][..],
            ),
            (Registration::Exists, NO_NODE, &[NodeCreated, NodeDataChanged, NodeDeleted], &[NodeChildrenChanged]),
            (Registration::Child, OK, &[NodeChildrenChanged, NodeDeleted], &[NodeCreated, NodeDataChanged]),
        ];
        for (registration, code, wanted, unwanted) in cases {
            for &kind in wanted {
                let mut watches = with(&[(registration, "/a", code)]);
                assert!(!watches.materialize(kind, "/b"), "{registration:?} {kind:?} of another path");
                assert!(watches.materialize(kind, "/a"), "{registration:?} {kind:?}");
                assert!(!watches.materialize(kind, "/a"), "{registration:?} {kind:?} a second time");
            }
            for &kind in unwanted {
                let mut watches = with(&[(registration, "/a", code)]);
                assert!(!watches.materialize(kind, "/a"), "{registration:?} {kind:?}");
            }
        }
    }

    #[test]
    fn persistent_watches_stay() {
        let mut watches = with(&[(Registration::Add(AddWatchMode::Persistent), "/a", OK)]);
        for kind in [EventType::NodeDeleted, EventType::NodeChildrenChanged, EventType::NodeCreated] {
            assert!(watches.materialize(kind, "/a"), "{kind:?}");
            assert!(!watches.materialize(kind, "/a/b"), "{kind:?}");
        }
        let mut watches = with(&[(Registration::Add(AddWatchMode::PersistentRecursive), "/a", OK)]);
        for path in ["/a", "/a/b", "/a/b/c"] {
            assert!(watches.materialize(EventType::NodeDataChanged, path), "{path}");
            assert!(!watches.materialize(EventType::NodeChildrenChanged, path), "{path}");
        }
        assert!(!watches.materialize(EventType::NodeDataChanged, "/ab"));
        let mut root = with(&[(Registration::Add(AddWatchMode::PersistentRecursive), "/", OK)]);
        assert!(root.materialize(EventType::NodeCreated, "/a/b"));
        assert!(root.materialize(EventType::NodeDataChanged, "/"));
    }

    #[test]
    fn removal() {
        let all = || {
            with(&[
                (Registration::Data, "/a", OK),
                (Registration::Exists, "/a", NO_NODE),
                (Registration::Child, "/a", OK),
                (Registration::Add(AddWatchMode::Persistent), "/a", OK),
                (Registration::Add(AddWatchMode::PersistentRecursive), "/a", OK),
            ])
        };
        let (child, data) = (EventType::ChildWatchRemoved, EventType::DataWatchRemoved);
        let persistent = EventType::PersistentWatchRemoved;
        let cases = [
            (WatcherType::Children, vec![child]),
            (WatcherType::Data, vec![data]),
            (WatcherType::Persistent, vec![persistent]),
            (WatcherType::PersistentRecursive, vec![persistent]),
            (WatcherType::Any, vec![child, data, persistent]),
        ];
        for (kind, expected) in cases {
            let mut watches = all();
            assert_eq!(watches.remove("/b", kind, true, OK), Removed::Failed(-121), "{kind:?}");
            assert_eq!(watches.remove("/a", kind, false, -4), Removed::Failed(-4), "{kind:?}");
            assert_eq!(watches.remove("/a", kind, true, -4), Removed::Events(expected.clone()), "{kind:?}");
            assert_eq!(watches.remove("/a", kind, false, OK), Removed::Failed(-121), "{kind:?} again");
            assert_eq!(all().remove("/a", kind, false, OK), Removed::Events(expected), "{kind:?}");
        }
    }

    #[test]
    fn watches_are_set_again_in_pieces() {
        let mut watches = with(&[(Registration::Data, "/", OK), (Registration::Child, "/c", OK)]);
        let mut seen = Vec::new();
        watches.for_each_set_watches(Some("/rooted"), Zxid(9), |request| {
            assert_eq!(request.relative_zxid, Zxid(9));
            seen.push(format!("{:?} {:?} {:?}", request.opcode(), request.data, request.child));
        });
        assert_eq!(seen, [r#"SetWatches ["/rooted"] ["/rooted/c"]"#]);
        let long = "x".repeat(1000);
        for number in 0..300 {
            watches.register(Registration::Add(AddWatchMode::PersistentRecursive), &format!("/{number}{long}"), OK);
        }
        let (mut pieces, mut paths) = (0, 0);
        watches.for_each_set_watches(None, Zxid(9), |request| {
            let units: usize = request.persistent_recursive.iter().map(|path| path.len()).sum();
            assert!(units < SET_WATCHES_UNITS_MAX + 2000, "{units}");
            pieces += 1;
            paths += request.data.len() + request.child.len() + request.persistent_recursive.len();
        });
        assert_eq!((pieces, paths), (3, 302));
        Watches::default().for_each_set_watches(None, Zxid(9), |_| panic!("nothing is watched"));
    }
}
