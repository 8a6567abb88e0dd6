//! What `zk top` knows: the last sample of each server, what it was before, and what the user looks at.
//!
//! Pure: samples, keys and the time come in; [`super::view`] shows what is here.

use crate::tools::ensemble::verdict::Row;
use crate::tools::servers::clients::Connection;
use crate::tools::servers::members::Member;
use crate::tools::servers::sample::{Phase, Sample};
use std::collections::{HashMap, VecDeque};

/// How many figures the lines of operations a second have.
pub const HISTORY_LEN: usize = 240;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    /// The servers.
    Servers,
    /// The connections of clients.
    Clients,
    /// Slow operations.
    Slow,
}

impl View {
    /// In the order of their keys.
    pub const ALL: [View; 3] = [View::Servers, View::Clients, View::Slow];

    /// By what it can be sorted; the first is how it begins.
    #[must_use]
    pub fn sorts(self) -> &'static [&'static str] {
        match self {
            View::Servers => &["id", "operations", "connections", "latency"],
            View::Clients => &["requests/s", "requests", "outstanding", "latency"],
            View::Slow => &["time", "duration"],
        }
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// To end.
    Quit,
    /// A line up.
    Up,
    /// A line down.
    Down,
    /// The view on the left.
    Left,
    /// The view on the right.
    Right,
    /// Another order.
    Sort,
    /// This view.
    View(View),
    /// That nothing changes, or that it does again.
    Pause,
    /// What the keys are.
    Help,
    /// Nothing, but to leave that page.
    Other,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It goes on.
    On,
    /// It is over.
    Quit,
}

/// What happened between two samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rates {
    /// Reads a second.
    pub reads: Option<f64>,
    /// Writes a second.
    pub writes: Option<f64>,
    /// Mean time of each phase of the writes between the two samples, ms; where there were none, since the start.
    pub phases: Vec<(String, f64)>,
    /// Requests a second of connections, by address and session.
    pub clients: HashMap<(String, i64), f64>,
}

/// A server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// The member, and what it told last.
    pub row: Row,
    /// What it did meanwhile.
    pub rates: Rates,
    /// The sample that the next one is compared with, as it was told, and when it was taken, ms on any clock that only goes forward.
    before: Option<(u64, Sample)>,
}

impl Server {
    /// A figure of what it told last.
    fn told<T>(&self, figure: impl Fn(&Sample) -> Option<T>) -> Option<T> {
        self.row.sample.as_ref().ok().and_then(figure)
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The servers, by id.
    pub servers: Vec<Server>,
    /// Whether votes have weights.
    pub is_weighted: bool,
    /// What is looked at.
    pub view: View,
    /// Which of [`View::sorts`] is in force, by view.
    sorts: [usize; 3],
    /// Lines that are scrolled away.
    pub scrolled: usize,
    /// Whether nothing changes.
    pub is_paused: bool,
    /// Whether the keys are explained.
    pub shows_help: bool,
    /// Reads and writes a second of all servers, the last one last.
    pub history: VecDeque<(f64, f64)>,
}

impl Model {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(view: View) -> Model {
        Model {
            servers: Vec::new(),
            is_weighted: false,
            view,
            sorts: [0; 3],
            scrolled: 0,
            is_paused: false,
            shows_help: false,
            history: VecDeque::new(),
        }
    }

    /// These are the members now. What is known of those that stay stays.
    pub fn take_members(&mut self, members: &[Member], is_weighted: bool) {
        let mut known = std::mem::take(&mut self.servers);
        self.is_weighted = is_weighted;
        self.servers = members
            .iter()
            .map(|member| match known.iter().position(|server| server.row.member == *member) {
                Some(at) => known.swap_remove(at),
                None => Server {
                    row: Row { member: member.clone(), sample: Err("not asked yet".to_owned()) },
                    rates: Rates::default(),
                    before: None,
                },
            })
            .collect();
    }

    /// What a member told, or why it did not, at `at_ms`.
    pub fn take(&mut self, at_ms: u64, member: &Member, told: Result<Sample, String>) {
        if self.is_paused {
            return;
        }
        let Some(server) = self.servers.iter_mut().find(|server| server.row.member == *member) else { return };
        let Ok(mut sample) = told else {
            // Whoever comes back begins anew.
            (server.rates, server.before) = (Rates::default(), None);
            server.row.sample = told;
            return;
        };
        server.rates = rates(at_ms, &sample, server.before.as_ref());
        // Without what is taken over below: that is of another moment.
        server.before = Some((at_ms, sample.clone()));
        if let Ok(last) = &mut server.row.sample {
            // What is not looked at is not asked for; what was told before is better than nothing.
            sample.clients = sample.clients.or_else(|| last.clients.take());
            sample.slow = sample.slow.or_else(|| last.slow.take());
        }
        server.row.sample = Ok(sample);
    }

    /// An interval is over: the lines of operations a second get a figure more.
    pub fn tick(&mut self) {
        if self.is_paused {
            return;
        }
        if self.history.len() == HISTORY_LEN {
            self.history.pop_front();
        }
        // The sum of nothing is -0 in Rust.
        let sum = |of: fn(&Rates) -> Option<f64>| {
            self.servers.iter().filter_map(|server| of(&server.rates)).fold(0.0, |sum, rate| sum + rate)
        };
        self.history.push_back((sum(|rates| rates.reads), sum(|rates| rates.writes)));
    }

    /// A key was pressed.
    pub fn key(&mut self, key: Key) -> Flow {
        if self.shows_help && key != Key::Quit {
            self.shows_help = false;
            return Flow::On;
        }
        let at = self.view as usize;
        match key {
            Key::Quit => return Flow::Quit,
            Key::Up => self.scrolled = self.scrolled.saturating_sub(1),
            Key::Down => self.scrolled = self.scrolled.saturating_add(1),
            Key::Left => self.look_at(View::ALL[(at + 2) % 3]),
            Key::Right => self.look_at(View::ALL[(at + 1) % 3]),
            Key::View(view) => self.look_at(view),
            Key::Sort => self.sorts[at] = (self.sorts[at] + 1) % self.view.sorts().len(),
            Key::Pause => self.is_paused = !self.is_paused,
            Key::Help => self.shows_help = true,
            Key::Other => {}
        }
        Flow::On
    }

    fn look_at(&mut self, view: View) {
        (self.view, self.scrolled) = (view, 0);
    }

    /// By what the view is sorted.
    #[must_use]
    pub fn sort(&self) -> &'static str {
        self.view.sorts()[self.sorts[self.view as usize]]
    }

    /// The servers in the order of the view.
    #[must_use]
    pub fn sorted_servers(&self) -> Vec<&Server> {
        let mut list: Vec<&Server> = self.servers.iter().collect();
        match self.sort() {
            "operations" => {
                descending(&mut list, |server| server.rates.reads.unwrap_or(0.0) + server.rates.writes.unwrap_or(0.0))
            }
            "connections" => {
                descending(&mut list, |server| server.told(|sample| sample.connections).unwrap_or(0) as f64)
            }
            "latency" => descending(&mut list, |server| server.told(|sample| sample.writes.p99_ms).unwrap_or(-1.0)),
            _ => {}
        }
        list
    }

    /// Each connection with its server and its requests a second, in the order of the view.
    #[must_use]
    pub fn sorted_clients(&self) -> Vec<(&Server, &Connection, Option<f64>)> {
        let mut list: Vec<_> = self
            .servers
            .iter()
            .filter_map(|server| Some((server, server.row.sample.as_ref().ok()?.clients.as_ref()?)))
            .flat_map(|(server, clients)| clients.iter().map(move |client| (server, client)))
            .map(|(server, client)| {
                let key = (client.peer.clone(), client.session);
                (server, client, server.rates.clients.get(&key).copied())
            })
            .collect();
        match self.sort() {
            "requests" => descending(&mut list, |(_, client, _)| client.received as f64),
            "outstanding" => descending(&mut list, |(_, client, _)| client.outstanding as f64),
            "latency" => descending(&mut list, |(_, client, _)| client.latency_max_ms.unwrap_or(0) as f64),
            _ => descending(&mut list, |(_, _, rate)| rate.unwrap_or(0.0)),
        }
        list
    }
}

/// The largest first; those that are alike stay as they are.
fn descending<T>(list: &mut [T], figure: impl Fn(&T) -> f64) {
    list.sort_by(|a, b| figure(b).total_cmp(&figure(a)));
}

fn rates(at_ms: u64, now: &Sample, before: Option<&(u64, Sample)>) -> Rates {
    let Some((then_ms, then)) = before.filter(|(then_ms, _)| *then_ms < at_ms) else {
        return Rates { phases: means(&now.phases, &[]), ..Rates::default() };
    };
    let seconds = (at_ms - then_ms) as f64 / 1000.0;
    // A counter that goes down is that of another life of the server.
    let rate = |now: Option<u64>, then: Option<u64>| Some(now?.checked_sub(then?)? as f64 / seconds);
    let known: HashMap<_, _> =
        then.clients.iter().flatten().map(|one| ((one.peer.as_str(), one.session), one.received)).collect();
    let clients = now.clients.iter().flatten().filter_map(|one| {
        let then = known.get(&(one.peer.as_str(), one.session)).copied();
        Some(((one.peer.clone(), one.session), rate(Some(one.received), then)?))
    });
    Rates {
        reads: rate(now.reads.count, then.reads.count),
        writes: rate(now.writes.count, then.writes.count),
        phases: means(&now.phases, &then.phases),
        clients: clients.collect(),
    }
}

fn means(now: &[Phase], then: &[Phase]) -> Vec<(String, f64)> {
    let mean = |phase: &Phase| {
        let then = then.iter().find(|one| one.name == phase.name).cloned().unwrap_or_default();
        let (count, sum) = match phase.count.checked_sub(then.count) {
            Some(count) if count > 0 => (count, phase.sum_ms - then.sum_ms),
            _ => (phase.count, phase.sum_ms),
        };
        (count > 0).then(|| (phase.name.clone(), (sum / count as f64).max(0.0)))
    };
    now.iter().filter_map(mean).collect()
}

#[cfg(test)]
#[path = "model_test.rs"]
mod tests;
