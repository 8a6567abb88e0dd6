//! How long this server was without a leader, and what it did meanwhile.

use super::instruments::Instruments;
use crate::clock;
use replica::ServingRole;
use std::sync::atomic::Ordering::Relaxed;

/// The way from one leader to the next, as the driver sees it. Times are monotonic µs.
#[derive(Debug, Default)]
pub struct Elections {
    /// Since when this server looks for a leader, or has found one and does not serve yet.
    looking_since: Option<u64>,
    /// When it found one.
    elected: Option<u64>,
    /// Since when no clients are served.
    silent_since: Option<u64>,
}

impl Elections {
    /// Whether the server looks for a leader now, told again and again.
    pub fn looks(&mut self, looks: bool, instruments: &Instruments) {
        let now = clock::micros();
        match (looks, self.looking_since, self.elected) {
            (true, None, _) => self.looking_since = Some(now),
            // The one that was found was lost again.
            (true, Some(_), Some(_)) => self.elected = None,
            (false, Some(since), None) => {
                self.elected = Some(now);
                instruments.core.election_ms.add((now - since) / 1000);
            }
            _ => {}
        }
    }

    /// Clients are served.
    pub fn serves(&mut self, role: ServingRole, instruments: &Instruments) {
        let (now, core) = (clock::micros(), &instruments.core);
        let ms_since = |since: u64| now.saturating_sub(since) / 1000;
        instruments.set_role(Some(role));
        if let Some(since) = self.silent_since.take() {
            core.unavailable_ms.add(ms_since(since));
        }
        core.leads_since_ms.store(if role == ServingRole::Leader { clock::mono().0 } else { 0 }, Relaxed);
        if role == ServingRole::ReadOnly {
            return; // It still looks.
        }
        let elected = self.elected.take();
        let Some(since) = self.looking_since.take() else { return };
        core.election.add(now.saturating_sub(since));
        match role {
            ServingRole::Leader => core.leader_unavailable_ms.add(ms_since(since)),
            ServingRole::Follower => core.follower_sync_ms.add(ms_since(elected.unwrap_or(now))),
            ServingRole::Observer => core.observer_sync_ms.add(ms_since(elected.unwrap_or(now))),
            ServingRole::Standalone | ServingRole::ReadOnly => {}
        }
    }

    /// Clients are not served any more.
    pub fn is_silent(&mut self, instruments: &Instruments) {
        instruments.set_role(None);
        instruments.core.leads_since_ms.store(0, Relaxed);
        self.silent_since = Some(clock::micros());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_leader_is_measured_once() {
        let (mut elections, instruments) = (Elections::default(), Instruments::default());
        let core = &instruments.core;
        elections.looks(true, &instruments);
        elections.looks(true, &instruments);
        elections.looks(false, &instruments);
        elections.looks(false, &instruments);
        assert_eq!((core.election_ms.totals().count(), core.election.count()), (1, 0), "elected, not yet in sync");
        elections.looks(true, &instruments);
        elections.looks(false, &instruments);
        elections.serves(ServingRole::Follower, &instruments);
        let sums = (core.election_ms.totals().count(), core.election.count(), core.follower_sync_ms.totals().count());
        assert_eq!(sums, (2, 1, 1), "the first leader was lost again");
        elections.is_silent(&instruments);
        elections.looks(true, &instruments);
        elections.serves(ServingRole::ReadOnly, &instruments);
        assert_eq!((core.unavailable_ms.totals().count(), core.election.count()), (1, 1), "it reads, and looks still");
        elections.looks(false, &instruments);
        elections.serves(ServingRole::Leader, &instruments);
        assert_eq!((core.election.count(), core.leader_unavailable_ms.totals().count()), (2, 1));
        assert!(core.leads_since_ms.load(Relaxed) >= 0);
    }
}
