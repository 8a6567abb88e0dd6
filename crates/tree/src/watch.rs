//! The watch tables (`WatchManager`, `WatchStats`): which connection watches which path, and how.
//!
//! Apache has a data table and a child table; here both are bits of one entry per connection and path. An entry is four
//! bytes in the path's list (the watcher's number and the bits) and about six in the watcher's set of paths. A connection
//! that goes away is removed in time proportional to its own watches.

use crate::ConnId;
use crate::hash::{self, Seeded};
use hashbrown::{HashMap, HashTable};
use planted::Bug;
use std::sync::Arc;
use wire::Id;

/// Most connections with watches at a time: a watcher's number shares 32 bits with the modes.
const WATCHERS_MAX: usize = 1 << (32 - MODE_BITS);
/// Most watches altogether; a request for one more is refused.
pub(crate) const WATCHES_MAX: usize = 200_000_000;

const MODE_BITS: u32 = 5;

/// Kinds of watches, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Modes(pub(crate) u32);

impl Modes {
    /// One-shot, data table (getData, exists).
    pub(crate) const DATA: Modes = Modes(1);
    /// Persistent recursive; in the data table only.
    pub(crate) const RECURSIVE: Modes = Modes(4);
    /// One-shot, child table (getChildren).
    pub(crate) const CHILD: Modes = Modes(8);
    /// Persistent: a bit in the data table and one in the child table, always set and cleared together.
    pub(crate) const PERSISTENT: Modes = Modes(2 | 16);
    /// All of them.
    pub(crate) const ALL: Modes = Modes((1 << MODE_BITS) - 1);

    const DATA_TABLE: Modes = Modes(1 | 2 | 4);
    const CHILD_TABLE: Modes = Modes(8 | 16);
    const ONE_SHOT: Modes = Modes(1 | 8);

    fn and(self, other: Modes) -> Modes {
        Modes(self.0 & other.0)
    }

    fn without(self, other: Modes) -> Modes {
        Modes(self.0 & !other.0)
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Which of Apache's tables a change looks into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Watches on the node itself.
    Data,
    /// Watches on its list of children.
    Child,
}

impl Table {
    fn modes(self) -> Modes {
        match self {
            Table::Data => Modes::DATA_TABLE,
            Table::Child => Modes::CHILD_TABLE,
        }
    }
}

/// A watcher and its modes on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watch(u32);

impl Watch {
    fn new(watcher: u32, modes: Modes) -> Watch {
        Watch(watcher << MODE_BITS | modes.0)
    }

    pub(crate) fn watcher(self) -> u32 {
        self.0 >> MODE_BITS
    }

    fn modes(self) -> Modes {
        Modes(self.0).and(Modes::ALL)
    }

    /// Whether the data table has it.
    pub(crate) fn is_data(self) -> bool {
        !self.modes().and(Modes::DATA_TABLE).is_empty()
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) conn: ConnId,
    pub(crate) identities: Arc<[Id]>,
    pub(crate) paths: HashTable<u32>,
    /// Whether Apache's data table still knows the connection: a fired one-shot leaves its (empty) entry behind, an
    /// explicit removal does not. Visible in `wchs`.
    pub(crate) listed: bool,
    data_watches: u32,
}

/// One watched path.
#[derive(Debug)]
pub(crate) struct WatchedPath {
    pub(crate) path: Box<str>,
    hash: u32,
    /// Sorted by watcher, so that events leave in the same order on every run.
    pub(crate) watches: Vec<Watch>,
}

/// The tables.
#[derive(Debug)]
pub(crate) struct WatchTables {
    seed: u64,
    connections: HashMap<ConnId, u32, Seeded>,
    pub(crate) watchers: Vec<Option<Watcher>>,
    vacant_watchers: Vec<u32>,
    pub(crate) paths: Vec<WatchedPath>,
    vacant_paths: Vec<u32>,
    by_path: HashTable<u32>,
    recursive: usize,
    data_watches: usize,
    child_watches: usize,
}

/// No more watches fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TablesFull;

impl WatchTables {
    pub(crate) fn new(seed: u64) -> WatchTables {
        WatchTables {
            seed,
            connections: HashMap::with_hasher(Seeded(seed)),
            watchers: Vec::new(),
            vacant_watchers: Vec::new(),
            paths: Vec::new(),
            vacant_paths: Vec::new(),
            by_path: HashTable::new(),
            recursive: 0,
            data_watches: 0,
            child_watches: 0,
        }
    }

    /// Whether nobody watches anything, so that a change need not look further.
    pub(crate) fn is_idle(&self) -> bool {
        self.by_path.is_empty()
    }

    /// Watches in both tables (`watch_count`).
    pub(crate) fn count(&self) -> usize {
        self.data_watches + self.child_watches
    }

    /// Watches in the data table.
    pub(crate) fn data_count(&self) -> usize {
        self.data_watches
    }

    pub(crate) fn add_watcher(&mut self, conn: ConnId, identities: Arc<[Id]>) {
        if self.connections.contains_key(&conn) {
            self.update_watcher(conn, identities);
            return;
        }
        let watcher = Watcher { conn, identities, paths: HashTable::new(), listed: false, data_watches: 0 };
        let number = match self.vacant_watchers.pop() {
            Some(number) => {
                self.watchers[number as usize] = Some(watcher);
                number
            }
            None => {
                assert!(self.watchers.len() < WATCHERS_MAX, "at most {WATCHERS_MAX} connections can watch");
                self.watchers.push(Some(watcher));
                (self.watchers.len() - 1) as u32
            }
        };
        self.connections.insert(conn, number);
    }

    pub(crate) fn update_watcher(&mut self, conn: ConnId, identities: Arc<[Id]>) {
        if let Some(&number) = self.connections.get(&conn) {
            self.watcher_mut(number).identities = identities;
        }
    }

    pub(crate) fn identities_of(&self, conn: ConnId) -> Option<Arc<[Id]>> {
        let watcher = self.watchers[*self.connections.get(&conn)? as usize].as_ref()?;
        Some(watcher.identities.clone())
    }

    /// Forgets a connection and its watches.
    pub(crate) fn remove_watcher(&mut self, conn: ConnId) {
        let Some(number) = self.connections.remove(&conn) else { return };
        let Some(watcher) = self.watchers[number as usize].take() else { return };
        // The order of this walk is seen nowhere: it only decides which vacant slot is used next.
        for path in watcher.paths {
            if let Some(at) = self.position(path, number) {
                let watch = self.paths[path as usize].watches.remove(at);
                self.uncount(watch.modes(), Modes(0));
                self.drop_path_if_unwatched(path);
            }
        }
        self.vacant_watchers.push(number);
    }

    pub(crate) fn watcher(&self, number: u32) -> &Watcher {
        self.watchers[number as usize].as_ref().expect("a watch belongs to a connection that is there")
    }

    fn watcher_mut(&mut self, number: u32) -> &mut Watcher {
        self.watchers[number as usize].as_mut().expect("a watch belongs to a connection that is there")
    }

    fn find_path(&self, path: &str) -> Option<u32> {
        let hash = hash::hash_path(self.seed, path);
        self.by_path.find(hash::spread(hash), |&id| *self.paths[id as usize].path == *path).copied()
    }

    fn position(&self, path: u32, watcher: u32) -> Option<usize> {
        self.paths[path as usize].watches.binary_search_by_key(&watcher, |watch| watch.watcher()).ok()
    }

    /// Adds modes to what a connection watches on a path. A connection that is not there is being closed: its request is
    /// answered into the void and must leave nothing behind.
    pub(crate) fn add(&mut self, conn: ConnId, path: &str, modes: Modes) -> Result<(), TablesFull> {
        let Some(&number) = self.connections.get(&conn) else { return Ok(()) };
        if self.count() >= WATCHES_MAX {
            return Err(TablesFull);
        }
        let id = self.find_path(path).unwrap_or_else(|| self.add_path(path));
        let watches = &mut self.paths[id as usize].watches;
        let before = match watches.binary_search_by_key(&number, |watch| watch.watcher()) {
            Ok(at) => {
                let before = watches[at].modes();
                watches[at] = Watch::new(number, Modes(before.0 | modes.0));
                before
            }
            Err(at) => {
                watches.insert(at, Watch::new(number, modes));
                let watcher =
                    self.watchers[number as usize].as_mut().expect("connections name watchers that are there");
                watcher.paths.insert_unique(hash::spread(id), id, |&id| hash::spread(id));
                Modes(0)
            }
        };
        self.count_in(number, before, Modes(before.0 | modes.0));
        Ok(())
    }

    fn add_path(&mut self, path: &str) -> u32 {
        let hash = hash::hash_path(self.seed, path);
        let entry = WatchedPath { path: Box::from(path), hash, watches: Vec::new() };
        let id = match self.vacant_paths.pop() {
            Some(id) => {
                self.paths[id as usize] = entry;
                id
            }
            None => {
                self.paths.push(entry);
                (self.paths.len() - 1) as u32
            }
        };
        let WatchTables { by_path, paths, .. } = self;
        by_path.insert_unique(hash::spread(hash), id, |&id| hash::spread(paths[id as usize].hash));
        id
    }

    fn count_in(&mut self, number: u32, before: Modes, after: Modes) {
        let newly = |modes: Modes| before.and(modes).is_empty() && !after.and(modes).is_empty();
        let (data, child) = (newly(Modes::DATA_TABLE), newly(Modes::CHILD_TABLE));
        self.recursive += usize::from(newly(Modes::RECURSIVE));
        self.data_watches += usize::from(data);
        self.child_watches += usize::from(child);
        if data {
            let watcher = self.watcher_mut(number);
            watcher.data_watches += 1;
            watcher.listed = true;
        }
    }

    fn uncount(&mut self, before: Modes, after: Modes) {
        let gone = |modes: Modes| !before.and(modes).is_empty() && after.and(modes).is_empty();
        self.recursive -= usize::from(gone(Modes::RECURSIVE));
        self.data_watches -= usize::from(gone(Modes::DATA_TABLE));
        self.child_watches -= usize::from(gone(Modes::CHILD_TABLE));
    }

    /// Whether a connection has any of these modes on a path.
    pub(crate) fn contains(&self, conn: ConnId, path: &str, modes: Modes) -> bool {
        let Some(&number) = self.connections.get(&conn) else { return false };
        let Some(id) = self.find_path(path) else { return false };
        self.position(id, number).is_some_and(|at| !self.paths[id as usize].watches[at].modes().and(modes).is_empty())
    }

    /// Takes modes away; returns whether the connection had any of them.
    pub(crate) fn remove(&mut self, conn: ConnId, path: &str, modes: Modes) -> bool {
        let Some(&number) = self.connections.get(&conn) else { return false };
        let Some(id) = self.find_path(path) else { return false };
        let Some(at) = self.position(id, number) else { return false };
        let before = self.paths[id as usize].watches[at].modes();
        let after = before.without(modes);
        if after == before {
            return false;
        }
        self.set_modes(id, at, number, before, after);
        let had_data = !before.and(Modes::DATA_TABLE).is_empty();
        let watcher = self.watcher_mut(number);
        if had_data && watcher.data_watches == 0 {
            watcher.listed = false;
        }
        self.drop_path_if_unwatched(id);
        true
    }

    /// Replaces a watch's modes, dropping it where none are left.
    fn set_modes(&mut self, id: u32, at: usize, number: u32, before: Modes, after: Modes) {
        let watches = &mut self.paths[id as usize].watches;
        if after.is_empty() {
            watches.remove(at);
        } else {
            watches[at] = Watch::new(number, after);
        }
        self.left(id, number, before, after);
    }

    /// Keeps the watcher's side and the counts in step with a watch that lost modes.
    fn left(&mut self, id: u32, number: u32, before: Modes, after: Modes) {
        self.uncount(before, after);
        let watcher = self.watcher_mut(number);
        if !before.and(Modes::DATA_TABLE).is_empty() && after.and(Modes::DATA_TABLE).is_empty() {
            watcher.data_watches -= 1;
        }
        if after.is_empty()
            && let Ok(entry) = watcher.paths.find_entry(hash::spread(id), |&path| path == id)
        {
            entry.remove();
        }
    }

    fn drop_path_if_unwatched(&mut self, id: u32) {
        if !self.paths[id as usize].watches.is_empty() {
            return;
        }
        let hash = self.paths[id as usize].hash;
        if let Ok(entry) = self.by_path.find_entry(hash::spread(hash), |&path| path == id) {
            entry.remove();
        }
        self.paths[id as usize] = WatchedPath { path: Box::from(""), hash: 0, watches: Vec::new() };
        self.vacant_paths.push(id);
    }

    /// Collects the watchers that a change of `path` concerns, each once and in ascending order, and uses up their one-shot
    /// watches (`WatchManager.triggerWatch`).
    pub(crate) fn trigger(&mut self, table: Table, path: &str, fired: &mut Vec<u32>) {
        fired.clear();
        if let Some(id) = self.find_path(path) {
            self.trigger_exact(table, id, fired);
        }
        if table == Table::Data && self.recursive > 0 {
            let direct = fired.len();
            let mut above = path;
            while let Some(parent) = parent_of(above) {
                if let Some(id) = self.find_path(parent) {
                    let watches = self.paths[id as usize].watches.iter();
                    let recursive = watches.filter(|watch| !watch.modes().and(Modes::RECURSIVE).is_empty());
                    fired.extend(recursive.map(|watch| watch.watcher()));
                }
                above = parent;
                if planted::is(Bug::RecursiveMissesDeeper) {
                    break;
                }
            }
            if fired.len() > direct {
                fired.sort_unstable();
                fired.dedup();
            }
        }
    }

    fn trigger_exact(&mut self, table: Table, id: u32, fired: &mut Vec<u32>) {
        let mut watches = std::mem::take(&mut self.paths[id as usize].watches);
        watches.retain_mut(|watch| {
            let (number, before) = (watch.watcher(), watch.modes());
            let is_told = planted::is(Bug::RecursiveToldOfChildren) && !before.and(Modes::RECURSIVE).is_empty();
            if before.and(table.modes()).is_empty() && !is_told {
                return true;
            }
            fired.push(number);
            let used_up = match table.modes().and(Modes::ONE_SHOT) {
                _ if planted::is(Bug::OneShotStays) => Modes(0),
                Modes(one_shot) if planted::is(Bug::PersistentFiresOnce) => Modes(one_shot | Modes::PERSISTENT.0),
                one_shot => one_shot,
            };
            let after = before.without(used_up);
            if after != before {
                self.left(id, number, before, after);
                *watch = Watch::new(number, after);
            }
            !after.is_empty()
        });
        self.paths[id as usize].watches = watches;
        self.drop_path_if_unwatched(id);
    }
}

/// The path above, up to and including `/`.
fn parent_of(path: &str) -> Option<&str> {
    if path == "/" {
        return None;
    }
    path.rfind('/').map(|slash| if slash == 0 { "/" } else { &path[..slash] })
}
