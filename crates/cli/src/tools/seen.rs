//! What a watcher has seen of a tree, and so what it has missed. Pure.
//!
//! A server tells nothing of what happened to a persistent watch's znodes while the connection was lost (`DataTree.setWatches` only
//! sets such watches again). Stats do: their zxids say whether a znode is the same one, with the same data and children.

use client::EventType;
use std::collections::BTreeMap;
use wire::Stat;

/// What a Stat says of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// Zxid of the create.
    pub czxid: i64,
    /// Zxid of the last change of data.
    pub mzxid: i64,
    /// Zxid of the last create or delete of a child.
    pub pzxid: i64,
}

impl From<&Stat> for Changes {
    fn from(stat: &Stat) -> Changes {
        Changes { czxid: stat.czxid, mzxid: stat.mzxid, pzxid: stat.pzxid }
    }
}

/// Something that happened to a znode and was not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The path.
    pub path: String,
    /// What happened; the last of its kind, if it happened more than once.
    pub kind: EventType,
    /// When; `None` for a deletion, which leaves no trace.
    pub zxid: Option<i64>,
}

/// A tree as a watcher knows it.
#[derive(Debug, Default)]
pub struct Seen {
    znodes: BTreeMap<String, Changes>,
    /// Whether changes of a znode's children are told of it; a recursive watch tells of the children themselves.
    tells_children: bool,
}

impl Seen {
    /// A tree of which nothing is known; `tells_children` for a watch that is not recursive.
    #[must_use]
    pub fn new(tells_children: bool) -> Seen {
        Seen { znodes: BTreeMap::new(), tells_children }
    }

    /// How many znodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.znodes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.znodes.is_empty()
    }

    /// An event came. Whether it is news: it is not, where a Stat has told of it already.
    pub fn on_event(&mut self, kind: EventType, path: &str, zxid: i64) -> bool {
        let known = self.znodes.get_mut(path);
        match (kind, known) {
            (EventType::NodeDeleted, Some(known)) if zxid < known.czxid => false,
            (EventType::NodeDeleted, known) => {
                let is_news = known.is_some();
                self.znodes.remove(path);
                is_news
            }
            (EventType::NodeCreated, Some(known)) if zxid <= known.czxid => false,
            (EventType::NodeCreated, _) => {
                self.znodes.insert(path.to_owned(), Changes { czxid: zxid, mzxid: zxid, pzxid: zxid });
                true
            }
            (EventType::NodeDataChanged, Some(known)) => raise(&mut known.mzxid, zxid),
            (EventType::NodeChildrenChanged, Some(known)) => raise(&mut known.pzxid, zxid),
            // Of a znode that is gone by now, or of which the deletion is still to come.
            (EventType::NodeDataChanged | EventType::NodeChildrenChanged, None) => true,
            _ => false,
        }
    }

    /// The tree was read again: tells what was missed, a path after the other.
    pub fn on_read(&mut self, now: BTreeMap<String, Changes>) -> Vec<Missed> {
        let mut missed = Vec::new();
        for (path, before) in &self.znodes {
            let mut miss = |kind, zxid| missed.push(Missed { path: path.clone(), kind, zxid });
            match now.get(path) {
                None => miss(EventType::NodeDeleted, None),
                Some(after) if after.czxid != before.czxid => {
                    miss(EventType::NodeDeleted, None);
                    miss(EventType::NodeCreated, Some(after.czxid));
                }
                Some(after) => {
                    if after.mzxid != before.mzxid {
                        miss(EventType::NodeDataChanged, Some(after.mzxid));
                    }
                    if self.tells_children && after.pzxid != before.pzxid {
                        miss(EventType::NodeChildrenChanged, Some(after.pzxid));
                    }
                }
            }
        }
        let new = now.iter().filter(|(path, _)| !self.znodes.contains_key(*path));
        missed.extend(new.map(|(path, after)| Missed {
            path: path.clone(),
            kind: EventType::NodeCreated,
            zxid: Some(after.czxid),
        }));
        // Stable: what happened to one path stays in its order.
        missed.sort_by(|a, b| crate::path::order(&a.path, &b.path));
        self.znodes = now;
        missed
    }
}

/// Sets a zxid to a later one. Whether it was later.
fn raise(known: &mut i64, zxid: i64) -> bool {
    let is_later = zxid > *known;
    *known = zxid.max(*known);
    is_later
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(znodes: &[(&str, i64, i64, i64)]) -> BTreeMap<String, Changes> {
        let changes =
            |&(path, czxid, mzxid, pzxid): &(&str, i64, i64, i64)| (path.to_owned(), Changes { czxid, mzxid, pzxid });
        znodes.iter().map(changes).collect()
    }

    fn told(missed: &[Missed]) -> Vec<String> {
        missed.iter().map(|missed| format!("{} {} {:?}", missed.kind, missed.path, missed.zxid)).collect()
    }

    #[test]
    fn what_was_missed_is_told() {
        let before = tree(&[
            ("/a", 1, 1, 1),
            ("/a/same", 2, 2, 2),
            ("/a/set", 3, 3, 3),
            ("/a/gone", 4, 4, 4),
            ("/a/anew", 5, 5, 5),
        ]);
        let after = tree(&[
            ("/a", 1, 1, 9),
            ("/a/same", 2, 2, 2),
            ("/a/set", 3, 7, 3),
            ("/a/anew", 8, 8, 8),
            ("/a/b", 9, 9, 9),
        ]);
        let mut seen = Seen::new(false);
        assert_eq!(seen.on_read(before.clone()).len(), 5, "at first, everything is new");
        let expected = [
            "NodeDeleted /a/anew None",
            "NodeCreated /a/anew Some(8)",
            "NodeCreated /a/b Some(9)",
            "NodeDeleted /a/gone None",
            "NodeDataChanged /a/set Some(7)",
        ];
        assert_eq!(told(&seen.on_read(after.clone())), expected);
        assert_eq!(seen.on_read(after.clone()), []);
        let mut flat = Seen::new(true);
        flat.on_read(before);
        assert!(told(&flat.on_read(after)).contains(&"NodeChildrenChanged /a Some(9)".to_owned()));
    }

    #[test]
    fn an_event_that_a_stat_has_told_is_no_news() {
        let mut seen = Seen::new(false);
        seen.on_read(tree(&[("/a", 5, 7, 5)]));
        assert!(!seen.on_event(EventType::NodeCreated, "/a", 5));
        assert!(!seen.on_event(EventType::NodeDataChanged, "/a", 7));
        assert!(seen.on_event(EventType::NodeDataChanged, "/a", 8));
        assert!(!seen.on_event(EventType::NodeDeleted, "/a", 4), "it was deleted before, and created anew");
        assert!(seen.on_event(EventType::NodeDeleted, "/a", 9));
        assert!(!seen.on_event(EventType::NodeDeleted, "/a", 9));
        assert!(seen.on_event(EventType::NodeCreated, "/a", 10));
        assert_eq!((seen.len(), seen.is_empty()), (1, false));
        assert_eq!(seen.on_read(tree(&[("/a", 10, 10, 10)])), [], "events keep what is known up to date");
    }
}
