//! What the `wchs`, `wchc` and `wchp` commands show. As in Apache, only the data table is reported.

use crate::watch::WatchTables;
use crate::{ConnId, Tree};

/// The numbers of `wchs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSummary {
    /// Connections in the data table.
    pub connections: usize,
    /// Paths in the data table.
    pub paths: usize,
    /// Pairs of both.
    pub watches: usize,
}

impl Tree {
    /// Totals of the data table.
    #[must_use]
    pub fn watch_summary(&self) -> WatchSummary {
        let tables = self.watches.lock();
        let paths = tables.paths.iter().filter(|path| path.watches.iter().any(|watch| watch.is_data()));
        WatchSummary {
            connections: tables.watchers.iter().flatten().filter(|watcher| watcher.listed).count(),
            paths: paths.count(),
            watches: tables.data_count(),
        }
    }

    /// Watched paths by connection, both in order.
    #[must_use]
    pub fn watches_by_conn(&self) -> Vec<(ConnId, Vec<String>)> {
        let tables = self.watches.lock();
        let listed = tables.watchers.iter().enumerate().filter_map(|(number, watcher)| {
            let watcher = watcher.as_ref().filter(|watcher| watcher.listed)?;
            let mut paths: Vec<String> =
                watcher.paths.iter().filter_map(|&path| data_path(&tables, path, number)).collect();
            paths.sort_unstable();
            Some((watcher.conn, paths))
        });
        let mut report: Vec<_> = listed.collect();
        report.sort_unstable_by_key(|(conn, _)| *conn);
        report
    }

    /// Watching connections by path, both in order.
    #[must_use]
    pub fn watches_by_path(&self) -> Vec<(String, Vec<ConnId>)> {
        let tables = self.watches.lock();
        let watched = tables.paths.iter().filter_map(|path| {
            let watching = path.watches.iter().filter(|watch| watch.is_data());
            let mut conns: Vec<ConnId> = watching.map(|watch| tables.watcher(watch.watcher()).conn).collect();
            conns.sort_unstable();
            if conns.is_empty() { None } else { Some((path.path.to_string(), conns)) }
        });
        let mut report: Vec<_> = watched.collect();
        report.sort_unstable();
        report
    }
}

fn data_path(tables: &WatchTables, path: u32, number: usize) -> Option<String> {
    let path = &tables.paths[path as usize];
    let watched = path.watches.iter().any(|watch| watch.watcher() as usize == number && watch.is_data());
    watched.then(|| path.path.to_string())
}
