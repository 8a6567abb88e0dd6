//! What the directories lie on: space, inodes, kind of file system, and whether log and snapshots share a device.

use super::finding::Finding;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// Less free space than this is worth a warning wherever the database is small.
const FREE_BYTES_MIN: u64 = 1024 * MIB;
/// A snapshot is written beside its predecessor while the log grows: so many times the newest snapshot should fit.
const SNAPSHOTS_ROOM: u64 = 3;
/// Fewer free inodes than this is worth a warning; a server makes a few files an hour.
const INODES_MIN: u64 = 1000;

/// What the kernel says about the file system that a directory lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The directory asked about, or the nearest one above it that exists.
    pub dir: PathBuf,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Free inodes; `None` where the file system makes them as needed.
    pub free_inodes: Option<u64>,
    /// Identifies the device.
    pub device: u64,
    /// Where it is mounted and what it is, if the kernel's table could be read.
    pub mount: Option<Mount>,
}

/// A line of the kernel's table of mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// `ext4`, `overlay`, ...
    pub kind: String,
    /// Options of the mount and of the file system, separated by commas.
    pub options: String,
}

impl Volume {
    /// Looks at the volume of a directory, which need not exist yet.
    ///
    /// # Errors
    /// When no directory above it can be looked at.
    pub fn of(dir: &Path) -> io::Result<Volume> {
        let dir = nearest(dir)?;
        let space = rustix::fs::statvfs(&dir)?;
        let table = std::fs::read_to_string("/proc/self/mountinfo").ok();
        Ok(Volume {
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            free_inodes: (space.f_files > 0).then_some(space.f_favail),
            device: std::fs::metadata(&dir)?.dev(),
            mount: table.and_then(|table| find_mount(&table, &dir)),
            dir,
        })
    }

    /// Space for logs and snapshots. `prealloc_bytes`: how far a log is extended at a time; `snapshot_bytes`: size of the
    /// newest snapshot.
    #[must_use]
    pub fn space(&self, prealloc_bytes: u64, snapshot_bytes: u64) -> Finding {
        let id = "disk.space";
        let about = self.dir.display().to_string();
        let needed = prealloc_bytes.saturating_mul(2).saturating_add(snapshot_bytes);
        let wanted = snapshot_bytes.saturating_mul(SNAPSHOTS_ROOM).saturating_add(needed).max(FREE_BYTES_MIN);
        let found = format!("{} free", bytes(self.free_bytes));
        let remedy =
            "make room, or lower autopurge.snapRetainCount and autopurge.purgeInterval; a full disk stops all writes";
        if self.free_bytes < needed {
            let found = format!("{found}; the next log and snapshot take {}", bytes(needed));
            return Finding::problem(id, about, found, remedy);
        }
        if self.free_bytes < wanted {
            return Finding::warning(id, about, format!("{found}; {} would be comfortable", bytes(wanted)), remedy);
        }
        Finding::ok(id, about, found)
    }

    /// Inodes for new files.
    #[must_use]
    pub fn inodes(&self) -> Finding {
        let id = "disk.inodes";
        let about = self.dir.display().to_string();
        match self.free_inodes {
            None => Finding::ok(id, about, "the file system makes inodes as needed"),
            Some(0) => Finding::problem(id, about, "no free inode: no file can be made", "delete files on this volume"),
            Some(few) if few < INODES_MIN => {
                Finding::warning(id, about, format!("{few} free inodes"), "delete files on this volume")
            }
            Some(many) => Finding::ok(id, about, format!("{many} free inodes")),
        }
    }

    /// Whether what is synced here stays.
    #[must_use]
    pub fn file_system(&self) -> Finding {
        let id = "disk.file_system";
        let about = self.dir.display().to_string();
        let Some(mount) = &self.mount else {
            return Finding::unknown(id, about, "/proc/self/mountinfo does not tell what this directory is on");
        };
        let found = format!("{} mounted on {}", mount.kind, mount.point.display());
        let has = |option: &str| mount.options.split(',').any(|one| one == option);
        if has("ro") {
            return Finding::problem(id, about, format!("{found} read-only"), "mount a volume that can be written");
        }
        if has("nobarrier") || has("barrier=0") {
            let found = format!("{found} without write barriers: a synced write may be lost with the power");
            return Finding::warning(id, about, found, "mount it with barriers, the default");
        }
        match concern(&mount.kind) {
            None => Finding::ok(id, about, found),
            Some((why, remedy)) => Finding::warning(id, about, format!("{found}: {why}"), remedy),
        }
    }
}

/// What speaks against a kind of file system, and the remedy.
fn concern(kind: &str) -> Option<(&'static str, &'static str)> {
    let network = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "lustre", "9p"];
    match kind {
        "tmpfs" | "ramfs" => Some((
            "memory; a voter that forgets what it acknowledged can lose other servers' data too",
            "use a directory on a disk",
        )),
        "overlay" | "aufs" | "overlayfs" => {
            Some(("a container's own layer, gone with the container", "mount a volume on dataDir and dataLogDir"))
        }
        "vfat" | "exfat" | "msdos" => Some(("it has no journal", "use ext4 or xfs")),
        kind if network.contains(&kind) || kind.starts_with("fuse.") => Some((
            "a network or user-space file system: syncs are slow, and locks and durability are those of its server",
            "use a local disk",
        )),
        _ => None,
    }
}

/// Whether log and snapshots share a device.
#[must_use]
pub fn separate(data: &Volume, log: &Volume) -> Finding {
    let id = "disk.separate";
    if data.device == log.device {
        Finding::note(
            id,
            "",
            "snapshots and the transaction log are on one device: writing a snapshot slows every write",
        )
        .with_remedy("where write latency matters, set dataLogDir to a directory on a device of its own")
    } else {
        Finding::ok(id, "", "snapshots and the transaction log are on different devices")
    }
}

/// The directory itself or the nearest one above it that exists.
///
/// # Errors
/// When not even `/` can be looked at, or a file is where a directory should be.
pub fn nearest(dir: &Path) -> io::Result<PathBuf> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    let absolute = std::path::absolute(dir)?;
    for candidate in absolute.ancestors() {
        match candidate.canonicalize() {
            Ok(found) if found.is_dir() => return Ok(found),
            Ok(found) => return Err(io::Error::other(format!("{} is not a directory", found.display()))),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The mount with the longest point above `dir`; of several on one point the last, which hides the others.
fn find_mount(table: &str, dir: &Path) -> Option<Mount> {
    let mounts = table.lines().filter_map(read_mount).filter(|mount| dir.starts_with(&mount.point));
    mounts.max_by_key(|mount| mount.point.as_os_str().len())
}

/// `36 35 98:0 /top /mnt rw,noatime shared:1 - ext4 /dev/sda rw,errors=continue`: the fields behind the dash are the
/// file system's, and there may be any number of fields before it.
fn read_mount(line: &str) -> Option<Mount> {
    let (of_mount, of_file_system) = line.split_once(" - ")?;
    let of_mount: Vec<&str> = of_mount.split(' ').collect();
    let of_file_system: Vec<&str> = of_file_system.split(' ').collect();
    let options = format!("{},{}", of_mount.get(5)?, of_file_system.get(2)?);
    Some(Mount { point: unescape(of_mount.get(4)?).into(), kind: (*of_file_system.first()?).to_owned(), options })
}

/// The kernel writes blanks, tabs, line ends and backslashes of a path as three octal digits.
fn unescape(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (escaped, plain)| path.replace(escaped, plain))
}

fn bytes(count: u64) -> String {
    match count / MIB {
        mib if mib >= 10 * 1024 => format!("{} GiB", mib / 1024),
        mib => format!("{mib} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;

    const TABLE: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
24 22 0:22 / /dev/shm rw,nosuid shared:3 - tmpfs tmpfs rw,size=1024k
25 22 0:40 / /var/lib rw shared:9 master:2 - xfs /dev/vdb rw
26 25 0:41 / /var/lib/my\\040data ro - nfs4 server:/x rw,vers=4.2
27 22 0:50 / /var/lib rw - overlay overlay rw,lowerdir=/a";

    fn check_mount(dir: &str, point: &str, kind: &str) {
        let mount = find_mount(TABLE, Path::new(dir)).expect("a mount");
        assert_eq!((mount.point.as_path(), mount.kind.as_str()), (Path::new(point), kind), "{dir}");
    }

    #[test]
    fn the_nearest_mount_is_found() {
        check_mount("/srv/x", "/", "ext4");
        check_mount("/dev/shm", "/dev/shm", "tmpfs");
        check_mount("/var/library", "/", "ext4");
        // Two mounts on one point: the later one hides the earlier.
        check_mount("/var/lib/zk", "/var/lib", "overlay");
        check_mount("/var/lib/my data/zk", "/var/lib/my data", "nfs4");
    }

    fn volume(kind: &str, options: &str) -> Volume {
        let mount = Mount { point: "/data".into(), kind: kind.to_owned(), options: options.to_owned() };
        Volume {
            dir: "/data".into(),
            free_bytes: 100_000 * MIB,
            free_inodes: Some(1_000_000),
            device: 1,
            mount: Some(mount),
        }
    }

    #[test]
    fn file_systems_that_forget_or_crawl_are_warned_about() {
        let check = |kind: &str, options: &str, status: Status| {
            let finding = volume(kind, options).file_system();
            assert_eq!(finding.status, status, "{finding:?}");
        };
        check("ext4", "rw,relatime,rw", Status::Ok);
        check("xfs", "rw,rw", Status::Ok);
        check("tmpfs", "rw,rw", Status::Warning);
        check("overlay", "rw,rw", Status::Warning);
        check("nfs4", "rw,rw", Status::Warning);
        check("fuse.sshfs", "rw,rw", Status::Warning);
        check("ext4", "rw,rw,nobarrier", Status::Warning);
        check("ext4", "ro,relatime,rw", Status::Problem);
        assert_eq!(Volume { mount: None, ..volume("ext4", "rw") }.file_system().status, Status::Unknown);
    }

    #[test]
    fn room_is_measured_in_snapshots() {
        let check = |free_mib: u64, snapshot_mib: u64, status: Status| {
            let volume = Volume { free_bytes: free_mib * MIB, ..volume("ext4", "rw") };
            let finding = volume.space(64 * MIB, snapshot_mib * MIB);
            assert_eq!(finding.status, status, "{finding:?}");
        };
        check(100, 0, Status::Problem);
        check(500, 0, Status::Warning);
        check(2000, 0, Status::Ok);
        check(2000, 500, Status::Warning);
        check(2000, 1900, Status::Problem);
        check(9000, 1900, Status::Ok);
    }

    #[test]
    fn inodes_run_out_too() {
        let with = |free_inodes| Volume { free_inodes, ..volume("ext4", "rw") }.inodes().status;
        assert_eq!(
            [with(None), with(Some(5000)), with(Some(5)), with(Some(0))],
            [Status::Ok, Status::Ok, Status::Warning, Status::Problem]
        );
    }

    #[test]
    fn one_device_is_a_hint() {
        let other = Volume { device: 2, ..volume("ext4", "rw") };
        assert_eq!(separate(&volume("ext4", "rw"), &volume("ext4", "rw")).status, Status::Note);
        assert_eq!(separate(&volume("ext4", "rw"), &other).status, Status::Ok);
    }

    #[test]
    fn a_directory_that_does_not_exist_is_judged_by_its_parent() {
        let dir = tempfile::tempdir().expect("a directory");
        let parent = dir.path().canonicalize().expect("a path");
        assert_eq!(Volume::of(&dir.path().join("a/b/c")).expect("a volume").dir, parent);
        std::fs::write(dir.path().join("file"), "").expect("a file");
        let error = Volume::of(&dir.path().join("file/data")).expect_err("a file is in the way");
        assert!(error.to_string().contains("is not a directory") || error.raw_os_error().is_some(), "{error}");
    }
}
