//! Network namespaces with names that say whose they are.
//!
//! A guard removes its namespace on drop, also while a test panics. A test program that was killed leaves its namespaces
//! behind; the next one removes those whose maker is no longer there ([`remove_leftovers`]).

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// The beginning of the name of everything that outlives a killed test: namespaces and mounts.
pub const PREFIX: &str = "zookube-history-";

/// As Ethernet has it, so that segments are cut, lost and reordered at the size they have in the field.
const MTU_BYTES: u16 = 1500;

/// The network's mask; the address says which host.
const PREFIX_BITS: u8 = 24;

/// What every message about a refused namespace ends with.
const REMEDY: &str = "this test makes network namespaces and mounts of its own: run it as root, or with CAP_SYS_ADMIN and \
                      CAP_NET_ADMIN, on a kernel with /dev/net/tun";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name for something of this process, unlike every other name of it.
pub fn unique_name(what: &str) -> String {
    format!("{PREFIX}{}-{}-{what}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Whether `name` was made by a process that has ended.
pub fn is_leftover(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let pid = rest.split('-').next().and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !is_alive(pid))
}

/// Whether a process is there and not only waits for its parent to notice its end.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    process_state(&stat).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The state in a line of `/proc/<pid>/stat`: the letter behind the program's name, which is in parentheses.
pub(crate) fn process_state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Removes the namespaces of test programs that were killed.
pub fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for name in names.filter(|name| is_leftover(name)) {
        // Another test program may be at the same work; what counts is that it is gone.
        let _ = Command::new("ip").args(["netns", "del", &name]).output();
    }
}

/// A network namespace, removed on drop.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one with nothing in it but a loopback device that is up.
    ///
    /// # Panics
    /// Where that is not permitted.
    pub fn create(what: &str) -> Self {
        let namespace = Self { name: unique_name(what) };
        ip(&["netns", "add", &namespace.name]);
        // A server's own address is reached through the loopback device.
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"]);
        namespace
    }

    /// The file that stands for the namespace.
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Moves the calling thread, and every thread it starts from now on, into the namespace.
    ///
    /// # Panics
    /// Where that is not permitted.
    pub fn enter(&self) {
        let path = self.path();
        let file = File::open(&path).unwrap_or_else(|e| panic!("open {}: {e}. {REMEDY}", path.display()));
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .unwrap_or_else(|e| panic!("enter {}: {e}. {REMEDY}", path.display()));
    }

    /// Makes the namespace's one network device: what the hosts in there send to others is read from it, what is
    /// written to it reaches them. It goes when the value is dropped.
    ///
    /// # Panics
    /// Where that is not permitted.
    pub fn attach(&self, addr: Ipv4Addr) -> SyncDevice {
        // The device belongs to the namespace of the thread that opens it, whoever uses it later.
        let open = || {
            self.enter();
            let builder = DeviceBuilder::new().name("hub0").layer(Layer::L3).mtu(MTU_BYTES);
            let device = builder.ipv4(addr, PREFIX_BITS, None).enable(true).build_sync()?;
            device.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(device)
        };
        let opened = std::thread::scope(|scope| scope.spawn(open).join());
        match opened {
            Ok(Ok(device)) => device,
            Ok(Err(e)) => panic!("make a network device in {}: {e}. {REMEDY}", self.name),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A failure leaves the name behind, which the next run removes.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

fn ip(arguments: &[&str]) {
    let what = arguments.join(" ");
    let output = Command::new("ip").args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("ip {what}: {e}. hint: install Debian's package iproute2"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {what}: {}. {REMEDY}", said.trim());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_stands_behind_whatever_name() {
        assert_eq!(process_state("12 (a ) b) T 1 12"), Some('T'));
        assert_eq!(process_state(""), None);
    }

    #[test]
    fn only_what_a_dead_process_left_is_a_leftover() {
        assert!(!is_leftover(&unique_name("s1")), "this process lives");
        assert!(!is_leftover("somebody-elses"), "not ours");
        assert!(!is_leftover(&format!("{PREFIX}x-1-s1")), "no pid, no verdict");
        // Beyond the largest pid that Linux can be configured for.
        assert!(is_leftover(&format!("{PREFIX}4194305-1-s1")));
    }
}
