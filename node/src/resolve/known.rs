//! The last good answer for each name, and what the log was told about it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Names whose answers are kept: those of an ensemble, and of the strangers that have named theirs in a handshake.
const NAMES_MAX: usize = 1024;
/// Lines about one name are at least this far apart; a name that comes and goes is no news each time.
const LINE_SPACING: Duration = Duration::from_secs(10);

/// What is known about names.
#[derive(Default)]
pub(super) struct Known {
    names: BTreeMap<String, Entry>,
}

struct Entry {
    addresses: Vec<IpAddr>,
    /// Since when it has these.
    since: Instant,
    /// When an answer last said so.
    confirmed: Instant,
    /// Whether the last answer was none.
    missing: bool,
    told: Option<Instant>,
}

impl Entry {
    fn may_tell(&mut self, now: Instant) -> bool {
        let due = self.told.is_none_or(|told| now.duration_since(told) >= LINE_SPACING);
        if due {
            self.told = Some(now);
        }
        due
    }
}

impl Known {
    /// A fresh answer.
    pub fn found(&mut self, host: &str, addresses: &[IpAddr]) {
        let now = Instant::now();
        let Some(entry) = self.names.get_mut(host) else {
            self.make_room();
            let entry = Entry { addresses: addresses.to_vec(), since: now, confirmed: now, missing: false, told: None };
            self.names.insert(host.to_owned(), entry);
            return;
        };
        let moved = !is_same_set(&entry.addresses, addresses);
        if (moved || entry.missing) && entry.may_tell(now) {
            let before = if moved { format!(" (before: {})", list(&entry.addresses)) } else { String::new() };
            tracing::info!("host {host} is at {}{before}", list(addresses));
        }
        if moved {
            entry.since = now;
            entry.addresses = addresses.to_vec();
        }
        entry.confirmed = now;
        entry.missing = false;
    }

    /// The last good answer, without the addresses that another host has got since. A restarted pod's address may be given to
    /// the next pod that starts.
    pub fn kept(&self, host: &str) -> Vec<IpAddr> {
        let Some(entry) = self.names.get(host) else { return Vec::new() };
        let taken = |address: &IpAddr| {
            let mut others = self.names.iter().filter(|(name, _)| *name != host);
            others.any(|(_, other)| other.since > entry.confirmed && other.addresses.contains(address))
        };
        entry.addresses.iter().copied().filter(|address| !taken(address)).collect()
    }

    /// No fresh answer: notes it, and gives the last good one.
    pub fn missed(&mut self, host: &str, reason: &str) -> Vec<IpAddr> {
        let kept = self.kept(host);
        if let Some(entry) = self.names.get_mut(host)
            && !entry.missing
        {
            entry.missing = true;
            if entry.may_tell(Instant::now()) {
                tracing::warn!("host {host}: {reason}; its last address is used: {}", list(&entry.addresses));
            }
        }
        kept
    }

    /// The name that was not confirmed for the longest time goes.
    fn make_room(&mut self) {
        if self.names.len() >= NAMES_MAX
            && let Some(oldest) =
                self.names.iter().min_by_key(|(_, entry)| entry.confirmed).map(|(name, _)| name.clone())
        {
            self.names.remove(&oldest);
        }
    }
}

fn is_same_set(left: &[IpAddr], right: &[IpAddr]) -> bool {
    left.len() == right.len() && left.iter().all(|address| right.contains(address))
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn an_address_that_went_to_another_host_is_not_used() {
        let mut known = Known::default();
        assert!(known.missed("zk1", "gone").is_empty());
        known.found("zk1", &[ip(1), ip(2)]);
        // Two names of one machine from the start are no reason to doubt.
        known.found("zk1-again", &[ip(2)]);
        known.found("zk1", &[ip(1), ip(2)]);
        assert_eq!(known.missed("zk1", "gone"), [ip(1), ip(2)]);
        known.found("zk2", &[ip(1)]);
        assert_eq!(known.missed("zk1", "gone"), [ip(2)]);
        known.found("zk1", &[ip(3)]);
        assert_eq!(known.missed("zk1", "gone"), [ip(3)]);
    }

    #[test]
    fn names_are_bounded() {
        let mut known = Known::default();
        for number in 0..NAMES_MAX + 10 {
            known.found(&number.to_string(), &[ip(1)]);
        }
        assert_eq!(known.names.len(), NAMES_MAX);
        assert!(known.missed("0", "gone").is_empty());
        assert_eq!(known.missed(&(NAMES_MAX + 9).to_string(), "gone"), [ip(1)]);
    }
}
