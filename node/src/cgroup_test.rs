//! Directories that look like the systems in use.

use super::*;
use std::fs;

/// A file system with these files.
fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "31 30 0:27 / /sys/fs/cgroup/memory rw shared:5 - cgroup cgroup rw,memory\n\
                  32 30 0:28 / /sys/fs/cgroup/cpu rw shared:6 - cgroup cgroup rw,cpu,cpuacct\n\
                  33 30 0:29 / /sys/fs/cgroup/unified rw shared:7 - cgroup2 cgroup2 rw\n";
const NO_LIMIT_V1: &str = "9223372036854771712\n";

#[test]
fn a_service_of_version_2_is_bound_by_the_slice_above_it() {
    let system = system(&[
        ("proc/self/cgroup", "0::/system.slice/zk.service\n"),
        ("proc/self/mountinfo", V2),
        ("sys/fs/cgroup/system.slice/memory.max", "1000000\n"),
        ("sys/fs/cgroup/system.slice/memory.current", "950000\n"),
        ("sys/fs/cgroup/system.slice/memory.stat", "anon 1\ninactive_file 10000\nactive_file 5000\nfile 15000\n"),
        ("sys/fs/cgroup/system.slice/cpu.max", "max 100000\n"),
        ("sys/fs/cgroup/system.slice/zk.service/memory.max", "500000\n"),
        ("sys/fs/cgroup/system.slice/zk.service/memory.high", "max\n"),
        ("sys/fs/cgroup/system.slice/zk.service/memory.current", "300000\n"),
        ("sys/fs/cgroup/system.slice/zk.service/cpu.max", "150000 100000\n"),
    ]);
    let groups = Cgroups::beneath(system.path());
    assert_eq!(groups.memory_limit_bytes(), Some(500_000));
    // Its neighbours leave less of the slice than it has of its own limit.
    let tight = groups.memory_use().unwrap();
    assert_eq!((tight.limit_bytes, tight.used_bytes, tight.left_bytes()), (1_000_000, 935_000, 65_000));
    assert!(tight.group.ends_with("system.slice"));
    assert_eq!(groups.cpus(), Some(1.5));
}

#[test]
fn a_container_of_version_2_sees_its_own_group_as_the_root() {
    let system = system(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", V2),
        ("sys/fs/cgroup/memory.max", "67108864\n"),
        ("sys/fs/cgroup/memory.high", "60000000\n"),
        ("sys/fs/cgroup/memory.current", "1000\n"),
    ]);
    let groups = Cgroups::beneath(system.path());
    assert_eq!(groups.memory_limit_bytes(), Some(60_000_000));
    assert_eq!(groups.memory_use().unwrap().used_bytes, 1000);
    assert_eq!(groups.cpus(), None);
}

#[test]
fn a_container_of_version_1_is_found_beneath_a_mount_of_its_own_group() {
    let mounts = "31 30 0:27 /docker/1f0a /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                  32 30 0:28 /docker/1f0a /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n";
    let system = system(&[
        ("proc/self/cgroup", "4:memory:/docker/1f0a\n3:cpu,cpuacct:/docker/1f0a\n1:name=systemd:/docker/1f0a\n"),
        ("proc/self/mountinfo", mounts),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "50000000\n"),
        (
            "sys/fs/cgroup/memory/memory.stat",
            "inactive_file 1\ntotal_inactive_file 20000000\ntotal_active_file 5000000\n",
        ),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ]);
    let groups = Cgroups::beneath(system.path());
    let used = groups.memory_use().unwrap();
    assert_eq!((used.limit_bytes, used.used_bytes), (67_108_864, 25_000_000));
    assert_eq!(groups.cpus(), Some(0.5));
}

#[test]
fn a_mixed_system_has_its_limits_in_version_1() {
    let system = system(&[
        ("proc/self/cgroup", "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/user.slice\n"),
        ("proc/self/mountinfo", V1),
        ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", NO_LIMIT_V1),
        ("sys/fs/cgroup/memory/a/b/memory.stat", "hierarchical_memory_limit 4096000\n"),
        ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "5000000\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", NO_LIMIT_V1),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/unified/user.slice/memory.max", "1\n"),
    ]);
    let groups = Cgroups::beneath(system.path());
    assert_eq!(groups.memory_limit_bytes(), Some(4_096_000));
    assert_eq!(groups.cpus(), None);
}

#[test]
fn a_path_out_of_the_name_space_stands_for_what_is_mounted() {
    for path in ["/../../other", "/elsewhere/x"] {
        let mounts = "30 23 0:26 /mine /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let system = system(&[
            ("proc/self/cgroup", &format!("0::{path}\n")),
            ("proc/self/mountinfo", mounts),
            ("sys/fs/cgroup/memory.max", "1000\n"),
        ]);
        assert_eq!(Cgroups::beneath(system.path()).memory_limit_bytes(), Some(1000), "{path}");
    }
}

#[test]
fn no_groups_no_limits() {
    let bare = tempfile::tempdir().unwrap();
    let groups = Cgroups::beneath(bare.path());
    assert_eq!((groups.memory_limit_bytes(), groups.memory_use(), groups.cpus()), (None, None, None));
}
