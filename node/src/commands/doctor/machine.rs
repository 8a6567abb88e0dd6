//! Limits and habits of the machine or container that hurt a server. The texts of `/proc` are judged by pure functions.

use super::data::Holder;
use super::finding::Finding;
use crate::cgroup::{Cgroups, MemoryUse};
use std::fs;

const MIB: u64 = 1 << 20;
/// Files beyond which a server has room for ordinary numbers of clients.
const OPEN_FILES_MIN: u64 = 4096;
/// Files a server needs for itself: logs, snapshots, links.
const OPEN_FILES_OWN: u64 = 128;
/// A server with a small tree wants this much.
const MEMORY_LEFT_MIN_BYTES: u64 = 32 * MIB;
/// Less processor time than this makes ticks late whenever clients are busy.
const CPUS_MIN: f64 = 0.5;

/// All of them.
#[must_use]
pub fn all(running: Option<&Holder>) -> Vec<Finding> {
    let cgroups = Cgroups::of_process();
    let read = |path: &str| fs::read_to_string(path).ok();
    let swappiness = read("/proc/sys/vm/swappiness");
    vec![
        open_files(open_files_limit(running), running.is_some()),
        swap(read("/proc/meminfo").as_deref(), swappiness.as_deref()),
        huge_pages(read("/sys/kernel/mm/transparent_hugepage/enabled").as_deref()),
        memory(cgroups.memory_use().as_ref(), read("/proc/meminfo").as_deref()),
        cpus(cgroups.cpus(), std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
    ]
}

/// The soft limit of the running server, else of this process; `None` is no limit.
fn open_files_limit(running: Option<&Holder>) -> Option<u64> {
    let of_server = running.and_then(|holder| holder.pid).and_then(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        // A process id of another name space may be some other process here.
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
        name.trim().starts_with("zookube").then(|| soft_limit(&limits)).flatten()
    });
    of_server.or_else(|| rustix::process::getrlimit(rustix::process::Resource::Nofile).current)
}

/// `Max open files            1024                 524288               files`
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let word = line.split_whitespace().next()?;
    if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() }
}

fn open_files(limit: Option<u64>, of_server: bool) -> Finding {
    let id = "machine.open_files";
    let whose = if of_server { "the server" } else { "this process" };
    let remedy = "raise it: LimitNOFILE= of the systemd unit, `ulimits:` of compose, `ulimit -n` of a shell";
    match limit {
        None | Some(u64::MAX) => Finding::ok(id, "", format!("{whose} may open any number of files")),
        Some(limit) if limit < OPEN_FILES_OWN * 2 => {
            Finding::problem(id, "", format!("{whose} may open {limit} files, hardly enough for itself"), remedy)
        }
        Some(limit) if limit < OPEN_FILES_MIN => Finding::warning(
            id,
            "",
            format!("{whose} may open {limit} files: enough for about {} clients", limit - OPEN_FILES_OWN),
            remedy,
        ),
        Some(limit) => Finding::ok(id, "", format!("{whose} may open {limit} files")),
    }
}

/// A server whose memory is on disk answers too late for its peers.
fn swap(meminfo: Option<&str>, swappiness: Option<&str>) -> Finding {
    let id = "machine.swap";
    let Some((total, free)) =
        meminfo.and_then(|text| Some((field_kib(text, "SwapTotal")?, field_kib(text, "SwapFree")?)))
    else {
        return Finding::unknown(id, "", "/proc/meminfo does not tell");
    };
    if total == 0 {
        return Finding::ok(id, "", "off");
    }
    let swappiness = swappiness.map_or(String::new(), |text| format!(", vm.swappiness={}", text.trim()));
    let found = format!("{} MiB, {} MiB of it used{swappiness}", total / 1024, (total - free.min(total)) / 1024);
    let remedy =
        "swapoff -a, vm.swappiness=1, or MemorySwapMax=0 in the unit: a server that waits for swap misses ticks";
    Finding::note(id, "", found).with_remedy(remedy)
}

/// `always [madvise] never`
fn huge_pages(setting: Option<&str>) -> Finding {
    let id = "machine.huge_pages";
    let chosen = setting.and_then(|text| text.split_once('[')?.1.split_once(']')).map(|(chosen, _)| chosen);
    match chosen {
        None => Finding::ok(id, "", "the kernel has no transparent huge pages"),
        Some("always") => Finding::note(id, "", "transparent huge pages: always").with_remedy(
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled: small trees take less memory, and latency is even",
        ),
        Some(chosen) => Finding::ok(id, "", format!("transparent huge pages: {chosen}")),
    }
}

fn memory(limited: Option<&MemoryUse>, meminfo: Option<&str>) -> Finding {
    let id = "machine.memory";
    if let Some(limited) = limited {
        let left = limited.left_bytes();
        let found = format!("limit {} MiB, {} MiB left", limited.limit_bytes / MIB, left / MIB);
        if left < MEMORY_LEFT_MIN_BYTES {
            let about = limited.group.display().to_string();
            return Finding::warning(id, about, found, "raise the memory limit: the tree is held in memory");
        }
        return Finding::ok(id, "", found);
    }
    let available = meminfo.and_then(|text| field_kib(text, "MemAvailable"));
    match available {
        None => Finding::unknown(id, "", "/proc/meminfo does not tell"),
        Some(kib) if kib * 1024 < MEMORY_LEFT_MIN_BYTES => Finding::warning(
            id,
            "",
            format!("no limit, but only {} MiB available", kib / 1024),
            "free memory: the tree is held in memory",
        ),
        Some(kib) => Finding::ok(id, "", format!("no limit, {} MiB available", kib / 1024)),
    }
}

fn cpus(limit: Option<f64>, visible: usize) -> Finding {
    let id = "machine.cpus";
    let plural = if visible == 1 { "" } else { "s" };
    match limit {
        None => Finding::ok(id, "", format!("{visible} processor{plural}, no limit")),
        Some(limit) if limit < CPUS_MIN => Finding::warning(
            id,
            "",
            format!("limited to {limit:.2} processors: when it is used up, the server stands still for a while"),
            "raise the processor limit; a server that stands still for syncLimit is given up by its leader",
        ),
        Some(limit) => Finding::ok(id, "", format!("limited to {limit:.2} processors of {visible}")),
    }
}

/// `SwapTotal:       2097148 kB`
fn field_kib(meminfo: &str, name: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;

    const MEMINFO: &str =
        "MemTotal:  8000000 kB\nMemAvailable:  4000000 kB\nSwapTotal: 2097152 kB\nSwapFree: 1048576 kB\n";

    #[test]
    fn few_open_files_are_few_clients() {
        let check = |limit, status| assert_eq!(open_files(limit, false).status, status, "{limit:?}");
        check(None, Status::Ok);
        check(Some(u64::MAX), Status::Ok);
        check(Some(65_536), Status::Ok);
        check(Some(1024), Status::Warning);
        check(Some(64), Status::Problem);
        assert!(open_files(Some(1024), true).found.contains("about 896 clients"));
    }

    #[test]
    fn limits_of_another_process_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(text), Some(1024));
        assert_eq!(
            soft_limit("Max open files            unlimited            unlimited            files"),
            Some(u64::MAX)
        );
        assert_eq!(soft_limit("Max processes 1 1 processes"), None);
    }

    #[test]
    fn swap_is_worth_a_note() {
        let on = swap(Some(MEMINFO), Some("60\n"));
        assert_eq!((on.status, on.found.as_str()), (Status::Note, "2048 MiB, 1024 MiB of it used, vm.swappiness=60"));
        assert_eq!(swap(Some("SwapTotal: 0 kB\nSwapFree: 0 kB\n"), None).status, Status::Ok);
        assert_eq!(swap(None, None).status, Status::Unknown);
    }

    #[test]
    fn huge_pages_are_fine_on_request() {
        assert_eq!(huge_pages(Some("always [madvise] never\n")).status, Status::Ok);
        assert_eq!(huge_pages(Some("[always] madvise never\n")).status, Status::Note);
        assert_eq!(huge_pages(None).status, Status::Ok);
    }

    #[test]
    fn little_memory_is_warned_about() {
        let limited = |used_bytes| MemoryUse { group: "/group".into(), limit_bytes: 64 * MIB, used_bytes };
        assert_eq!(memory(Some(&limited(10 * MIB)), None).status, Status::Ok);
        assert_eq!(memory(Some(&limited(60 * MIB)), None).status, Status::Warning);
        assert_eq!(memory(None, Some(MEMINFO)).found, "no limit, 3906 MiB available");
        assert_eq!(memory(None, Some("MemAvailable: 1000 kB\n")).status, Status::Warning);
    }

    #[test]
    fn a_tenth_of_a_processor_is_too_little() {
        assert_eq!(cpus(Some(0.1), 8).status, Status::Warning);
        assert_eq!(cpus(Some(1.5), 8).found, "limited to 1.50 processors of 8");
        assert_eq!(cpus(None, 1).found, "1 processor, no limit");
    }
}
