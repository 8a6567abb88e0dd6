//! What the kernel's control groups allow this process: memory and processor time, in version 1, version 2 and the mix of
//! both that some systems have.
//!
//! A group's limit holds for everything beneath it, so all groups from this process's own up to the root of what is mounted
//! count. Inside a container that root is usually the container's own group.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Version 1 writes "no limit" as the largest number of pages, which depends on the page size.
const NO_LIMIT_V1_BYTES: u64 = 1 << 60;

/// The control groups of this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cgroups {
    memory: Option<Hierarchy>,
    cpu: Option<Hierarchy>,
}

/// The groups of one controller that hold this process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    version: Version,
    /// Directories, this process's own first, each of the others above the one before it.
    levels: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// A limit on memory and what is used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryUse {
    /// The group that has the limit.
    pub group: PathBuf,
    /// The limit.
    pub limit_bytes: u64,
    /// What is used and could not be given up: without the page cache of files, which the kernel drops before it kills.
    pub used_bytes: u64,
}

impl MemoryUse {
    /// What is left until the limit.
    #[must_use]
    pub fn left_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes)
    }
}

impl Cgroups {
    /// Finds the groups of this process. A system without control groups has none.
    #[must_use]
    pub fn of_process() -> Cgroups {
        Cgroups::beneath(Path::new("/"))
    }

    /// As [`Cgroups::of_process`], with another directory in the place of `/`.
    #[must_use]
    pub fn beneath(root: &Path) -> Cgroups {
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
        let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        let find = |controller| Hierarchy::find(controller, &groups, &mounts, root);
        Cgroups { memory: find("memory"), cpu: find("cpu") }
    }

    /// The smallest limit on memory, `None` without one.
    #[must_use]
    pub fn memory_limit_bytes(&self) -> Option<u64> {
        self.memory_limits().into_iter().map(|(_, limit)| limit).min()
    }

    /// The limit that has the least room left, `None` without a limit or where it cannot be read.
    #[must_use]
    pub fn memory_use(&self) -> Option<MemoryUse> {
        let version = self.memory.as_ref()?.version;
        let uses = self.memory_limits().into_iter().filter_map(|(group, limit_bytes)| {
            let used_bytes = used_bytes(version, &group).ok()?;
            Some(MemoryUse { group, limit_bytes, used_bytes })
        });
        uses.min_by_key(MemoryUse::left_bytes)
    }

    /// Each group that has a limit on memory.
    fn memory_limits(&self) -> Vec<(PathBuf, u64)> {
        let Some(Hierarchy { version, levels }) = &self.memory else { return Vec::new() };
        levels.iter().filter_map(|dir| Some((dir.clone(), memory_limit_bytes(*version, dir)?))).collect()
    }

    /// Processors this process may keep busy all the time, `None` without a limit: 0.5 is half of one.
    #[must_use]
    pub fn cpus(&self) -> Option<f64> {
        let Hierarchy { version, levels } = self.cpu.as_ref()?;
        levels.iter().filter_map(|dir| cpus(*version, dir)).min_by(f64::total_cmp)
    }
}

impl Hierarchy {
    fn find(controller: &str, groups: &str, mounts: &str, root: &Path) -> Option<Hierarchy> {
        // A controller is in one version only: where a line of version 1 names it, that is it.
        let v1 = groups.lines().filter_map(GroupLine::parse).find(|line| line.controllers.contains(&controller));
        let (version, path) = match v1 {
            Some(line) => (Version::V1, line.path),
            None => (
                Version::V2,
                groups.lines().filter_map(GroupLine::parse).find(|line| line.controllers.is_empty())?.path,
            ),
        };
        let mount = mounts.lines().filter_map(MountLine::parse).find(|mount| match version {
            Version::V1 => mount.kind == "cgroup" && mount.options.split(',').any(|option| option == controller),
            Version::V2 => mount.kind == "cgroup2",
        })?;
        let mounted = root.join(mount.point.strip_prefix('/').unwrap_or(mount.point));
        let below = below_mount(path, mount.root);
        let own = mounted.join(below);
        let levels = own.ancestors().take_while(|dir| dir.starts_with(&mounted)).map(Path::to_owned).collect();
        Some(Hierarchy { version, levels })
    }
}

/// Where the group `path` is beneath a mount whose top is the group `mount_root`. A path that leads out of what can be seen
/// (another name space) stands for the top.
fn below_mount<'a>(path: &'a str, mount_root: &str) -> &'a Path {
    let below = Path::new(path).strip_prefix(mount_root).unwrap_or(Path::new(""));
    let below = below.strip_prefix("/").unwrap_or(below);
    if below.components().all(|part| matches!(part, Component::Normal(_))) { below } else { Path::new("") }
}

/// A line of `/proc/self/cgroup`: `4:memory:/docker/1f0a`; version 2 has no controllers there.
struct GroupLine<'a> {
    controllers: Vec<&'a str>,
    path: &'a str,
}

impl GroupLine<'_> {
    fn parse(line: &str) -> Option<GroupLine<'_>> {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        Some(GroupLine { controllers: controllers.split(',').filter(|name| !name.is_empty()).collect(), path })
    }
}

/// A line of `/proc/self/mountinfo`.
struct MountLine<'a> {
    /// The directory of the file system that is seen at the mount point.
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    /// The file system's own options, where version 1 has the controllers.
    options: &'a str,
}

impl MountLine<'_> {
    fn parse(line: &str) -> Option<MountLine<'_>> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut file_system = file_system.split(' ');
        Some(MountLine {
            root: mount.next()?,
            point: mount.next()?,
            kind: file_system.next()?,
            options: file_system.nth(1)?,
        })
    }
}

fn memory_limit_bytes(version: Version, dir: &Path) -> Option<u64> {
    let number = |name: &str| read_number(dir, name);
    let limits = match version {
        // The kernel's own minimum over all groups above, some of which may not be visible here.
        Version::V1 => {
            [number("memory.limit_in_bytes"), read_key(dir, "memory.stat", "hierarchical_memory_limit").ok()]
        }
        // Above memory.high the kernel slows a process down until nothing goes on.
        Version::V2 => [number("memory.max"), number("memory.high")],
    };
    limits.into_iter().flatten().filter(|limit| *limit < NO_LIMIT_V1_BYTES).min()
}

fn used_bytes(version: Version, dir: &Path) -> io::Result<u64> {
    let (used, droppable): (_, &[&str]) = match version {
        Version::V1 => ("memory.usage_in_bytes", &["total_inactive_file", "total_active_file"]),
        Version::V2 => ("memory.current", &["inactive_file", "active_file", "slab_reclaimable"]),
    };
    let mut left = read_number(dir, used).ok_or(io::ErrorKind::NotFound)?;
    for key in droppable {
        // Old kernels do not have all of them.
        left = left.saturating_sub(read_key(dir, "memory.stat", key).unwrap_or(0));
    }
    Ok(left)
}

fn cpus(version: Version, dir: &Path) -> Option<f64> {
    let (quota, period) = match version {
        Version::V1 => (read_number(dir, "cpu.cfs_quota_us")?, read_number(dir, "cpu.cfs_period_us")?),
        Version::V2 => {
            let text = std::fs::read_to_string(dir.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
    };
    (period > 0).then(|| quota as f64 / period as f64)
}

/// The number in a file; "max", -1 and a missing file are none.
fn read_number(dir: &Path, name: &str) -> Option<u64> {
    std::fs::read_to_string(dir.join(name)).ok()?.trim().parse().ok()
}

fn read_key(dir: &Path, name: &str, key: &str) -> io::Result<u64> {
    let text = std::fs::read_to_string(dir.join(name))?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok());
    value.ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
#[path = "cgroup_test.rs"]
mod tests;
