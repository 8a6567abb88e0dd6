//! The state after each transaction of a directory, from the first one on.
//!
//! It is rebuilt from the transactions alone, without a snapshot, and checked against what the clients were told.

use std::collections::BTreeMap;
use std::path::Path;

use store::testing::MemFs;
use store::{DataDirs, ENTRY_BYTES_MAX_DEFAULT, LogReader};
use tree::{Events, Tree};
use wire::txn::TxnEntry;
use wire::{Acl, SessionId, Stat, Zxid};

use crate::recovery::TREE;
use crate::workload::Acknowledged;

/// Each server writes this znode for itself, at a time of its own.
const CONFIG_NODE: &str = "/zookeeper/config";

/// Everything a server holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The last transaction.
    pub zxid: Zxid,
    /// All znodes.
    pub znodes: BTreeMap<String, Znode>,
    /// All sessions with their timeouts in milliseconds.
    pub sessions: BTreeMap<SessionId, i32>,
    /// The ephemerals of each session that has any.
    pub ephemerals: Vec<(SessionId, Vec<String>)>,
    /// The digest of the znodes.
    pub digest: u64,
}

/// One znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Znode {
    /// Its data.
    pub data: Option<Vec<u8>>,
    /// Its Stat.
    pub stat: Stat,
    /// Its ACL.
    pub acl: Option<Vec<Acl>>,
}

impl State {
    /// The state of a tree.
    #[must_use]
    pub fn of(tree: &Tree) -> State {
        let paths = tree.paths().into_iter().filter(|path| path != CONFIG_NODE);
        let znode = |path: &str| {
            Some(Znode {
                data: tree.get_data(path)?.map(<[u8]>::to_vec),
                stat: tree.stat(path)?,
                acl: tree.acl(path)?.map(<[Acl]>::to_vec),
            })
        };
        State {
            zxid: tree.last_zxid(),
            znodes: paths.filter_map(|path| Some((path.clone(), znode(&path)?))).collect(),
            sessions: tree.sessions().collect(),
            ephemerals: tree.ephemerals().into_iter().filter(|(_, paths)| !paths.is_empty()).collect(),
            digest: tree.digest(),
        }
    }

    /// The first thing in which two states differ, for a message.
    #[must_use]
    pub fn difference(&self, other: &State) -> Option<String> {
        if self == other {
            return None;
        }
        if self.zxid != other.zxid {
            return Some(format!("it ends with {} instead of {}", other.zxid, self.zxid));
        }
        let paths = self.znodes.keys().chain(other.znodes.keys());
        let differing = paths.into_iter().find(|path| self.znodes.get(*path) != other.znodes.get(*path));
        Some(match differing {
            Some(path) => {
                format!("{path} is {:?} instead of {:?}", other.znodes.get(path), self.znodes.get(path))
            }
            None => format!(
                "sessions {:?}, ephemerals {:?}, digest {:x} instead of {:?}, {:?}, {:x}",
                other.sessions, other.ephemerals, other.digest, self.sessions, self.ephemerals, self.digest
            ),
        })
    }
}

/// The state after each transaction.
#[derive(Debug)]
pub struct History {
    states: BTreeMap<Zxid, State>,
}

impl History {
    /// Applies all transactions of an undamaged directory to an empty tree.
    ///
    /// # Panics
    /// When the directory's logs do not begin with the first transaction.
    #[must_use]
    pub fn of(fs: &MemFs, data_dir: &Path) -> History {
        let mut tree = Tree::new(TREE);
        let mut events = Events::new();
        let mut states = BTreeMap::from([(Zxid::ZERO, State::of(&tree))]);
        let log_dir = DataDirs::single(data_dir).log_dir();
        let logs = LogReader::open(&fs.vfs(), &log_dir, Zxid(1), Zxid(i64::MAX), ENTRY_BYTES_MAX_DEFAULT);
        for entry in logs.expect("the directory can be listed") {
            let entry = TxnEntry::decode(entry.expect("an undamaged log").bytes).expect("a transaction");
            if states.len() == 1 {
                assert_eq!(entry.zxid().counter(), 1, "the logs begin with the first transaction");
            }
            tree.apply(&entry, &mut events);
            events.clear();
            states.insert(entry.zxid(), State::of(&tree));
        }
        assert_eq!(tree.digest_mismatches(), 0, "the digests in the log are those of the tree");
        History { states }
    }

    /// The last state.
    #[must_use]
    pub fn last(&self) -> &State {
        self.states.values().next_back().expect("the empty state is always there")
    }

    /// The state after `zxid`.
    #[must_use]
    pub fn at(&self, zxid: Zxid) -> Option<&State> {
        self.states.get(&zxid)
    }

    /// The states after the transactions from `first` to `last`.
    #[must_use]
    pub fn between(&self, first: Zxid, last: Zxid) -> Vec<&State> {
        self.states.range(first..=last).map(|(_, state)| state).collect()
    }

    /// How many transactions there are.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.states.len() - 1
    }

    /// Checks that every write shows in the state of the zxid with which it was acknowledged.
    ///
    /// # Panics
    /// At the first one that does not: then the server has lost it already.
    pub fn assert_holds(&self, acknowledged: &[Acknowledged]) {
        assert!(!acknowledged.is_empty(), "a workload without writes proves nothing");
        for Acknowledged { zxid, path, data } in acknowledged {
            let state =
                self.at(Zxid(*zxid)).unwrap_or_else(|| panic!("{path} was acknowledged at {zxid:#x}, not logged"));
            let found = state.znodes.get(path).map(|znode| znode.data.clone().unwrap_or_default());
            assert_eq!(&found, data, "{path} as it was acknowledged at {zxid:#x}");
        }
    }
}
