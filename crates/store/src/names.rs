//! Names of the files in `version-2` (`Util.makeLogName`, `Util.getZxidFromName`, `SnapStream.getStreamMode`).

use std::path::{Path, PathBuf};

use wire::Zxid;

use crate::error::{Result, at};
use crate::vfs::Vfs;

/// How a snapshot's bytes are packed (`snapshot.compression.method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Plain.
    #[default]
    None,
    /// gzip, extension `.gz`.
    Gz,
    /// snappy-java's stream, extension `.snappy`.
    Snappy,
}

impl Compression {
    /// Reads the configuration value, ignoring case; anything unknown means none, as in `StreamMode.fromString`.
    #[must_use]
    pub fn from_setting(value: &str) -> Compression {
        if value.eq_ignore_ascii_case("gz") {
            Compression::Gz
        } else if value.eq_ignore_ascii_case("snappy") {
            Compression::Snappy
        } else {
            Compression::None
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gz => ".gz",
            Compression::Snappy => ".snappy",
        }
    }
}

/// A snapshot on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The zxid in its name.
    pub zxid: Zxid,
    /// Packing, decided by the extension alone.
    pub compression: Compression,
    /// The file.
    pub path: PathBuf,
}

/// `log.<hex>`.
#[must_use]
pub fn log_name(zxid: Zxid) -> String {
    format!("log.{:x}", zxid.0)
}

/// `snapshot.<hex>[.gz|.snappy]`.
#[must_use]
pub fn snapshot_name(zxid: Zxid, compression: Compression) -> String {
    format!("snapshot.{:x}{}", zxid.0, compression.extension())
}

/// The zxid of a log's file name.
pub(crate) fn parse_log(name: &str) -> Option<Zxid> {
    parse(name, "log")
}

/// Zxid and packing of a snapshot's file name; temporary files are not snapshots.
pub(crate) fn parse_snapshot(name: &str) -> Option<(Zxid, Compression)> {
    if is_temporary_snapshot(name) {
        return None;
    }
    let zxid = parse(name, "snapshot")?;
    let extension = name.rsplit('.').next().unwrap_or_default();
    Some((zxid, Compression::from_setting(extension)))
}

/// Whether this is a snapshot that was never finished: ours, or one of Apache's `syncSnap`.
pub(crate) fn is_temporary_snapshot(name: &str) -> bool {
    name.starts_with("snapshot.") && name.ends_with(".tmp")
}

fn parse(name: &str, prefix: &str) -> Option<Zxid> {
    let mut parts = name.split('.');
    if parts.next() != Some(prefix) {
        return None;
    }
    let zxid = i64::from_str_radix(parts.next()?, 16).ok()?;
    (zxid >= 0).then_some(Zxid(zxid))
}

/// The log files of a directory, oldest first.
pub fn list_logs(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<(Zxid, PathBuf)>> {
    let names = vfs.list(dir).map_err(at("list", dir))?;
    let mut logs: Vec<_> = names.iter().filter_map(|name| Some((parse_log(name)?, dir.join(name)))).collect();
    logs.sort();
    Ok(logs)
}

/// The snapshots of a directory, newest first, whether they are valid or not.
pub fn list_snapshots(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<SnapshotFile>> {
    let names = vfs.list(dir).map_err(at("list", dir))?;
    let mut snapshots: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let (zxid, compression) = parse_snapshot(name)?;
            Some(SnapshotFile { zxid, compression, path: dir.join(name) })
        })
        .collect();
    snapshots.sort_by(|a, b| b.zxid.cmp(&a.zxid).then_with(|| a.path.cmp(&b.path)));
    Ok(snapshots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_as_in_apache() {
        assert_eq!(log_name(Zxid(0x1_0000_0001)), "log.100000001");
        assert_eq!(snapshot_name(Zxid(0), Compression::None), "snapshot.0");
        assert_eq!(snapshot_name(Zxid(10), Compression::Snappy), "snapshot.a.snappy");
        assert_eq!(parse_log("log.1f"), Some(Zxid(31)));
        assert_eq!(parse_log("log.1f.bak"), Some(Zxid(31)));
        for name in ["log", "log.", "log.xyz", "logs.1", "snapshot.1", "log.-1", "log.fffffffffffffffff"] {
            assert_eq!(parse_log(name), None, "{name}");
        }
        assert_eq!(parse_snapshot("snapshot.a.GZ"), Some((Zxid(10), Compression::Gz)));
        assert_eq!(parse_snapshot("snapshot.a"), Some((Zxid(10), Compression::None)));
        assert_eq!(parse_snapshot("snapshot.a.snappy"), Some((Zxid(10), Compression::Snappy)));
        assert_eq!(parse_snapshot("snapshot.a.tmp"), None);
    }
}
