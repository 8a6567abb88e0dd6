//! What the kernel tells about processes and the machine.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Processor time in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// The processes asked for.
    pub processes: f64,
    /// The whole machine.
    pub machine: f64,
}

impl Cpu {
    /// Time used so far. A process that is gone counts nothing: the load finds out by itself.
    pub fn of(pids: &[u32]) -> Cpu {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let processes: u64 = pids.iter().filter_map(|pid| process_ticks(*pid)).sum();
        Cpu { processes: processes as f64 / ticks, machine: machine_ticks().unwrap_or(0) as f64 / ticks }
    }
}

fn process_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn machine_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq
    Some([0, 1, 2, 5, 6].iter().filter_map(|index| fields.get(*index)).sum())
}

/// Times that threads of the processes went to sleep by themselves: the wake-ups they needed.
pub fn switches(pids: &[u32]) -> u64 {
    let mut sum = 0;
    for pid in pids {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum += line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum
}

/// Resident memory in bytes.
///
/// # Errors
/// When the process is gone.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS: the process has ended")?;
    let kib: u64 = line.split_whitespace().next().unwrap_or_default().parse().context("VmRSS is a number")?;
    Ok(kib * 1024)
}

/// Resident memory once it has stopped moving: background snapshots and collectors have their say.
///
/// # Errors
/// When the process is gone.
pub fn settled_resident_bytes(pid: u32) -> Result<u64> {
    const STEADY: Duration = Duration::from_secs(2);
    const PATIENCE: Duration = Duration::from_secs(20);
    let begun = Instant::now();
    let mut last = resident_bytes(pid)?;
    let mut since = Instant::now();
    while since.elapsed() < STEADY && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
        let now = resident_bytes(pid)?;
        if now.abs_diff(last) > last / 200 {
            (last, since) = (now, Instant::now());
        }
    }
    resident_bytes(pid)
}

/// The hardware and the kernel.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many of it.
    pub cores: usize,
    /// Memory.
    pub memory_mib: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Load of the last minute when the run began: other work on the machine spoils the figures.
    pub load_average_before: String,
    /// Median and 99th percentile of appending 512 bytes to a file beside the data directories and `fdatasync`, in µs.
    pub fdatasync_us: [f64; 2],
}

impl Machine {
    /// Looks at this machine; `dir` is where the data directories will be.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub fn look(dir: &Path) -> Result<Machine> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (cpuinfo, meminfo) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let after = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
        };
        let kib = after(&meminfo, "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
        Ok(Machine {
            cpu: after(&cpuinfo, "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kib / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_average_before: read("/proc/loadavg").trim().to_owned(),
            fdatasync_us: probe_disk(dir).context("measure fdatasync")?,
        })
    }
}

fn probe_disk(dir: &Path) -> Result<[f64; 2]> {
    const SYNCS: usize = 300;
    let mut file = tempfile::tempfile_in(dir)?;
    // Preallocated, as the servers' logs are: only data is synced.
    file.write_all(&vec![0; SYNCS * 512])?;
    file.sync_all()?;
    std::io::Seek::rewind(&mut file)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[1; 512])?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok([times[SYNCS / 2], times[SYNCS * 99 / 100]])
}
