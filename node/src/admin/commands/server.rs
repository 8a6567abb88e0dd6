//! Commands about the server as a whole.

use crate::admin::call::{Call, Reply};
use crate::admin::json::{Json, list, object};
use crate::admin::state::Running;
use crate::config::Mode;
use crate::four_letter::text::{Metric, rounded};
use crate::four_letter::{self, figures};
use crate::shared::Shared;
use crate::{clock, settings};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::UNIX_EPOCH;
use wire::Zxid;

/// Which digest the digests are (`DigestCalculator.DIGEST_VERSION`).
const DIGEST_VERSION: i64 = 2;

/// `ConfCommand` (`ZooKeeperServerConf.toMap`).
pub fn configuration(_: &Call, running: &Running) -> Reply {
    let config = &running.shared.config;
    let (dirs, _) = settings::dirs(config);
    let (timeout_min, timeout_max) = config.session_timeout_bounds_ms();
    let sid = config.myid.filter(|_| config.mode == Mode::Ensemble).map_or(0, |sid| sid.0);
    Reply::of([
        ("client_port", config.client_listen().port.into()),
        ("data_dir", figures::absolute(&dirs.snap_dir()).into()),
        ("data_log_dir", figures::absolute(&dirs.log_dir()).into()),
        ("tick_time", config.settings.tick_time_ms.into()),
        ("max_client_cnxns", config.settings.max_client_cnxns.into()),
        ("min_session_timeout", timeout_min.into()),
        ("max_session_timeout", timeout_max.into()),
        ("server_id", sid.into()),
        ("client_port_listen_backlog", config.settings.client_port_listen_backlog.into()),
    ])
}

/// `DirsCommand`.
pub fn dirs(_: &Call, running: &Running) -> Reply {
    let (data, log) = figures::dir_sizes(&running.shared);
    Reply::of([("datadir_size", data.into()), ("logdir_size", log.into())])
}

/// `DigestCommand`. Java's digests are signed.
pub fn hash(_: &Call, running: &Running) -> Reply {
    let log = running.shared.tree.read().digest_log();
    let digests = log.iter().map(|entry| {
        object([
            ("zxid", entry.zxid.0.into()),
            ("digest", entry.digest.cast_signed().into()),
            ("digest_version", DIGEST_VERSION.into()),
        ])
    });
    Reply::of([("digests", list(digests))])
}

/// `InitialConfigurationCommand`. In an ensemble Apache's server has forgotten the text and answers `null`.
pub fn initial_configuration(call: &Call, _: &Running) -> Reply {
    Reply::of([("initial_configuration", call.node.initial_configuration.as_str().into())])
}

/// `IsroCommand`.
pub fn is_read_only(_: &Call, running: &Running) -> Reply {
    Reply::of([("read_only", (running.shared.status().mode == "read-only").into())])
}

/// `LastSnapshotCommand`: the last one written, or else the one that the server began with.
pub fn last_snapshot(_: &Call, running: &Running) -> Reply {
    let disk = &running.shared.disk;
    let (zxid, seconds) = match disk.last_snapshot_at.load(Relaxed) {
        0 => {
            let (dirs, _) = settings::dirs(&running.shared.config);
            newest_snapshot(&dirs.snap_dir()).unwrap_or((-1, -1))
        }
        at_ms => (disk.last_snapshot_zxid.load(Relaxed), at_ms / 1000),
    };
    Reply::of([("zxid", format!("{zxid:x}").into()), ("timestamp", seconds.into())])
}

/// Zxid and time, s, of the newest file with the name of a snapshot.
fn newest_snapshot(dir: &Path) -> Option<(i64, i64)> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let snapshots = entries.filter_map(|entry| {
        let name = entry.file_name();
        let digits = name.to_str()?.strip_prefix("snapshot.")?.split('.').next()?;
        let zxid = u64::from_str_radix(digits, 16).ok()?.cast_signed();
        let modified = entry.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((zxid, i64::try_from(modified.as_secs()).ok()?))
    });
    snapshots.max()
}

/// `MonitorCommand`: the figures of `mntr` under the same names.
pub fn monitor(_: &Call, running: &Running) -> Reply {
    let mut reply = Reply::default();
    for (name, metric) in four_letter::metrics(&running.shared) {
        reply.put(&name, json(&metric));
    }
    reply
}

fn json(metric: &Metric) -> Json {
    match metric {
        Metric::Integer(value) => Json::Int(*value),
        Metric::Real(value) => Json::Real(*value),
        Metric::Text(value) => Json::Text(value.clone()),
    }
}

/// `RuokCommand`.
pub fn ruok(_: &Call, _: &Running) -> Reply {
    Reply::default()
}

/// `SrvrCommand`.
pub fn server_stats(_: &Call, running: &Running) -> Reply {
    let shared = &running.shared;
    let status = shared.status();
    let mut reply = Reply::of([
        ("version", four_letter::version().into()),
        ("read_only", (status.mode == "read-only").into()),
        ("server_stats", stats(shared)),
        ("client_response", client_response(shared)),
    ]);
    if status.mode == "leader" {
        reply.put("proposal_stats", buffer_stats(status.proposal_bytes.map(Json::Int)));
    }
    reply.put("node_count", shared.tree.read().node_count());
    reply
}

/// The getters of `ServerStats`, of which Java promises no order.
fn stats(shared: &Shared) -> Json {
    let status = shared.status();
    let (data, log) = figures::dir_sizes(shared);
    let counted = &shared.stats;
    object([
        ("packets_sent", counted.sent.load(Relaxed).into()),
        ("packets_received", counted.received.load(Relaxed).into()),
        ("fsync_threshold_exceed_count", shared.disk.slow_syncs.load(Relaxed).into()),
        ("client_response_stats", client_response(shared)),
        // There always is a server here that the figures come from.
        ("provider_null", false.into()),
        ("server_state", status.mode.into()),
        ("outstanding_requests", status.outstanding.into()),
        ("min_latency", counted.latency.totals().min().into()),
        ("avg_latency", rounded(counted.latency.totals().mean()).into()),
        ("max_latency", counted.latency.totals().max().into()),
        ("data_dir_size", data.into()),
        ("log_dir_size", log.into()),
        ("last_processed_zxid", shared.last_zxid().0.into()),
        ("num_alive_client_connections", shared.registry.len().into()),
        ("uptime", clock::mono().0.into()),
        ("auth_failed_count", counted.auth_failed.load(Relaxed).into()),
        // Of a server with TLS and without.
        ("non_mtlsremote_conn_count", 0.into()),
        ("non_mtlslocal_conn_count", 0.into()),
    ])
}

fn client_response(shared: &Shared) -> Json {
    buffer_stats(shared.instruments.requests.response_size.get().map(Json::Int))
}

/// `BufferStats`: last, smallest, largest.
fn buffer_stats([last, min, max]: [Json; 3]) -> Json {
    object([("last_buffer_size", last), ("min_buffer_size", min), ("max_buffer_size", max)])
}

/// A zxid as `0x` and hexadecimal digits.
pub(super) fn hex(zxid: Zxid) -> Json {
    Json::Text(format!("0x{:x}", zxid.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::instruments::Sizes;

    #[test]
    fn the_newest_snapshot_is_that_with_the_highest_zxid() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest_snapshot(dir.path()), None);
        for name in ["snapshot.0", "snapshot.9", "snapshot.1f.gz", "snapshot.", "log.ffff", "snapshot.x"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let (zxid, seconds) = newest_snapshot(dir.path()).unwrap();
        assert_eq!(zxid, 0x1f);
        assert!(seconds > 0);
    }

    #[test]
    fn figures_that_are_not_measured_have_apaches_first_value() {
        let sizes = Sizes::default();
        let text = || buffer_stats(sizes.get().map(Json::Int)).compact();
        assert_eq!(text(), r#"{"last_buffer_size":-1,"min_buffer_size":-1,"max_buffer_size":-1}"#);
        sizes.note(20, 16, 24);
        assert_eq!(text(), r#"{"last_buffer_size":20,"min_buffer_size":16,"max_buffer_size":24}"#);
        assert_eq!(json(&Metric::Real(0.5)).compact(), "0.5");
        assert_eq!(hex(Zxid(0x1_0000_00c3)).compact(), "\"0x1000000c3\"");
    }
}
