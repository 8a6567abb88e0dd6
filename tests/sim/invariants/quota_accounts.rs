//! Quota accounts equal a recount.

use super::Invariant;
use crate::model::Model;
use crate::observe::Observation;
use std::collections::BTreeMap;
use tree::Tree;
use tree::quota::{limits_path, stats_path};
use wire::ServerId;

/// After so many transactions a server's accounts are counted again.
const TXNS_BETWEEN_COUNTS: u32 = 500;

/// Looks at the statistics of paths with a quota. As in Apache these are not kept for what lies below a second quota further
/// down, nor where a client wrote the statistics itself or made them before the limits: such paths are passed over.
#[derive(Default)]
pub struct QuotaAccounts {
    since_count: BTreeMap<ServerId, u32>,
    examined: u64,
}

impl QuotaAccounts {
    fn recount(&mut self, server: ServerId, tree: &Tree) -> Result<(), String> {
        let quotas = tree.quota_usage();
        let kept: Vec<_> = (quotas.iter())
            .filter(|quota| !quotas.iter().any(|other| other.path != quota.path && is_below(&other.path, &quota.path)))
            .filter(|quota| keeps_account(tree, &quota.path))
            .collect();
        if kept.is_empty() {
            return Ok(());
        }
        let paths = tree.paths();
        for quota in kept {
            self.examined += 1;
            let (mut count, mut bytes) = (0, 0);
            for path in paths.iter().filter(|path| is_below(path, &quota.path)) {
                count += 1;
                bytes += tree.get_data(path).flatten().map_or(0, <[u8]>::len) as i64;
            }
            let used = (quota.used.count(), quota.used.bytes());
            if used != (count, bytes) {
                return Err(format!(
                    "server {server} at {} accounts {} znodes and {} bytes to the quota of {}, but there are {count} and {bytes}",
                    tree.last_zxid(),
                    used.0,
                    used.1,
                    quota.path
                ));
            }
        }
        Ok(())
    }
}

/// Whether a path is or lies below another.
fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn keeps_account(tree: &Tree, path: &str) -> bool {
    match (tree.stat(&limits_path(path)), tree.stat(&stats_path(path))) {
        (Some(limits), Some(stats)) => limits.czxid <= stats.czxid && stats.mzxid == stats.czxid,
        _ => false,
    }
}

impl Invariant for QuotaAccounts {
    fn name(&self) -> &'static str {
        "quota_accounts"
    }

    fn observe(&mut self, seen: &Observation<'_>, _model: &Model) -> Result<(), String> {
        match *seen {
            Observation::Applied { server, tree, .. } => {
                let count = self.since_count.entry(server).or_default();
                *count += 1;
                if *count < TXNS_BETWEEN_COUNTS {
                    return Ok(());
                }
                *count = 0;
                self.recount(server, tree)
            }
            Observation::AtRest { server, tree } => self.recount(server, tree),
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
