//! A disk of a server's own that can be made slow.
//!
//! The server has no fault to inject, so the disk gets one: a file as a block device (loop) with ext4 on it, and a control
//! group that allows its members few writes per second to that device. The log of the server lies there; its syncs then take
//! as long as on a volume that has used up its credit. The file is kept in memory, so that syncs are quick otherwise,
//! whatever the disk of the test machine has to do.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use support::external;
use support::process;
use support::server::PATIENCE;

/// Room for a few logs, which are preallocated.
const SIZE_BYTES: u64 = 256 << 20;
/// The beginning of the names of mounts and groups; the process id follows.
const PREFIX: &str = "zookube-test-disk-";
/// Where the file and the disk are, within a directory.
const MEMORY: &str = "memory";
const DISK: &str = "disk";
/// Where cgroup v1 has its groups for block devices, and v2 all of them.
const V1: &str = "/sys/fs/cgroup/blkio";
const V2: &str = "/sys/fs/cgroup";

/// How the kernel is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Controller {
    V1,
    V2,
}

/// The disk. It and its group are gone when this value is.
#[derive(Debug)]
pub struct SlowDisk {
    dir: tempfile::TempDir,
    /// `major:minor`.
    device: String,
    controller: Controller,
    group: PathBuf,
}

impl SlowDisk {
    /// Mounts one, as fast as the disk beneath it.
    ///
    /// # Panics
    /// Where that is not permitted, or where the kernel has neither controller.
    pub fn mount() -> Self {
        remove_leftovers();
        let dir = tempfile::Builder::new().prefix(&prefix()).tempdir().expect("a temporary directory");
        let (memory, path) = (dir.path().join(MEMORY), dir.path().join(DISK));
        let image = memory.join("image");
        fs::create_dir(&memory).expect("a directory for the image");
        mount("tmpfs", &memory, "tmpfs", MountFlags::empty(), None)
            .unwrap_or_else(|e| panic!("mount a tmpfs on {}: {e}. hint: run as root", memory.display()));
        fs::File::create(&image).and_then(|file| file.set_len(SIZE_BYTES)).expect("a file for the disk");
        fs::create_dir(&path).expect("a directory for the disk");
        run("mkfs.ext4", &["-q", "-F", &image.display().to_string()]);
        let loop_device = run("losetup", &["--find", "--show", &image.display().to_string()]).trim().to_owned();
        let name = loop_device.rsplit('/').next().unwrap_or_default();
        let device = fs::read_to_string(format!("/sys/block/{name}/dev")).expect("the number of the loop device");
        let mounted = mount(&loop_device, &path, "ext4", MountFlags::empty(), None);
        // Detached as soon as nobody uses it: now, where the mount has failed.
        run("losetup", &["--detach", &loop_device]);
        mounted.unwrap_or_else(|e| panic!("mount {loop_device} on {}: {e}. hint: run as root", path.display()));
        let (controller, group) = make_group(dir.path());
        Self { dir, device: device.trim().to_owned(), controller, group }
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join(DISK)
    }

    /// Allows the process, and whatever it starts, so many writes per second from now on.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn slow(&self, pid: u32, writes_per_second: u32) {
        self.limit(Some(writes_per_second));
        self.tell("cgroup.procs", &pid.to_string());
    }

    /// Takes the limit away.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn heal(&self) {
        self.limit(None);
    }

    fn limit(&self, writes_per_second: Option<u32>) {
        let device = &self.device;
        match self.controller {
            // 0 is no limit.
            Controller::V1 => {
                let limit = format!("{device} {}", writes_per_second.unwrap_or_default());
                self.tell("blkio.throttle.write_iops_device", &limit);
            }
            Controller::V2 => {
                let limit = writes_per_second.map_or("max".to_owned(), |limit| limit.to_string());
                self.tell("io.max", &format!("{device} wiops={limit}"));
            }
        }
    }

    fn tell(&self, file: &str, text: &str) {
        let path = self.group.join(file);
        fs::write(&path, text).unwrap_or_else(|e| panic!("write {text:?} to {}: {e}", path.display()));
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // The server is gone; whatever cannot be removed is left to `remove_leftovers`.
        unmount_all(self.dir.path());
        let _ = fs::remove_dir(&self.group);
    }
}

fn make_group(dir: &Path) -> (Controller, PathBuf) {
    let name = dir.file_name().unwrap_or_default();
    let hint = "hint: run as root, with the blkio controller of cgroup v1 or the io controller of cgroup v2";
    let v2_has_io = fs::read_to_string(format!("{V2}/cgroup.controllers")).is_ok_and(|list| list.contains("io"));
    let (controller, group) = if Path::new(V1).join("cgroup.procs").exists() {
        (Controller::V1, Path::new(V1).join(name))
    } else {
        assert!(v2_has_io, "no control group can slow a disk on this machine. {hint}");
        fs::write(format!("{V2}/cgroup.subtree_control"), "+io")
            .unwrap_or_else(|e| panic!("use the io controller: {e}. {hint}"));
        (Controller::V2, Path::new(V2).join(name))
    };
    fs::create_dir(&group).unwrap_or_else(|e| panic!("create the control group {}: {e}. {hint}", group.display()));
    (controller, group)
}

fn prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// Runs a program to its end; yields what it has said.
fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = process::command(program);
    command.args(arguments);
    external::run(command, "", PATIENCE).expect_success(program)
}

/// Removes what test programs that were killed have left: mounts, directories, groups.
fn remove_leftovers() {
    for place in [std::env::temp_dir(), PathBuf::from(V1), PathBuf::from(V2)] {
        let Ok(entries) = fs::read_dir(&place) else { continue };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_leftover(path)) {
            unmount_all(&path);
            let _ = if place == std::env::temp_dir() { fs::remove_dir_all(&path) } else { fs::remove_dir(&path) };
        }
    }
}

/// The disk before what it lies on. Detached, each goes with its last user.
fn unmount_all(dir: &Path) {
    for name in [DISK, MEMORY] {
        let _ = unmount(dir.join(name), UnmountFlags::DETACH);
    }
}

/// Ours, of a process that is no more.
fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}
