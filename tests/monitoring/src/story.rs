//! The story that a real Prometheus watches: three servers under load; their leader is killed and comes back; the disk of one
//! becomes slow and is mended; a client floods one and stops. In between everything is well.
//!
//! Each chapter waits until Prometheus shows what it must and the alerts for it fire, then ends the fault and waits until no
//! alert fires. The test judges the whole afterwards, the figure draws it.

use std::time::Duration;

use ensemble::load::Load;

use crate::cluster::{self, CONNECTIONS_MAX, Cluster};
use crate::faults::Flood;
use crate::files;
use crate::prometheus::{Prometheus, Series, now};
use crate::speed;

/// What fires, without what is only told.
pub const FIRING: &str = "ALERTS{alertstate=\"firing\", severity!=\"info\"}";

/// Alerts that a test machine may deserve, whatever its ensemble does.
const OF_THE_MACHINE: &[&str] = &["ZookubeDiskNearlyFull", "ZookubeTickLate"];

/// Clients that write all the time, each at another server first.
const WRITERS: usize = 3;
/// Acknowledgements to each of them while nothing is wrong: long enough for rates over five seconds.
const WRITES: u64 = 1_500;
/// So many writes per second the slow disk can do; a sync is two of them.
const SLOW_WRITES_PER_SECOND: u32 = 5;
/// How long writers may take for their share.
const LIMIT: Duration = Duration::from_secs(120);

/// A span of time in which something was wrong, with what must and what may fire from its beginning until all is well again.
#[derive(Debug)]
pub struct Chapter {
    /// What was done.
    pub title: &'static str,
    /// When the fault began and when it ended, in seconds since 1970.
    pub fault: (f64, f64),
    /// When nothing fired any more.
    pub well: f64,
    /// What fired: alert, and the server or nothing.
    pub expected: Vec<(&'static str, String)>,
    /// What may fire besides.
    pub permitted: &'static [&'static str],
}

/// What happened.
#[derive(Debug)]
pub struct Story {
    /// It goes on watching as long as this is kept.
    pub prometheus: Prometheus,
    /// When everything had begun.
    pub begun: f64,
    /// In their order.
    pub chapters: Vec<Chapter>,
    /// When everything was over.
    pub ended: f64,
}

impl Story {
    /// Plays it.
    ///
    /// # Panics
    /// When something that must come does not.
    pub fn play() -> Self {
        let mut cluster = Cluster::start();
        let leader = cluster.leader();
        let mut load = Load::start(&cluster.addrs(), WRITERS);
        let rules = files::rules().map(|path| speed::up(&files::read(&path)));
        let prometheus = Prometheus::start(&rules, &cluster.targets());
        is_well(&prometheus, leader);
        let begun = now();
        load.progress(WRITES, LIMIT);
        let mut stage = Stage { cluster, prometheus, load };
        let (killed, leader) = stage.leader_is_killed(leader);
        let chapters = vec![killed, stage.disk_is_slow(leader), stage.client_floods(leader)];
        stage.load.finish();
        Self { prometheus: stage.prometheus, begun, chapters, ended: now() }
    }

    /// Everything that fired without leave, with the second of the story and the reason why it had none.
    ///
    /// # Panics
    /// When Prometheus does not tell.
    pub fn false_alarms(&self) -> Vec<String> {
        let fired = self.prometheus.range(FIRING, self.begun, self.ended, 0.25).expect("the history of alerts");
        let mut complaints = Vec::new();
        for series in fired {
            let (alert, instance) = (series.label("alertname"), series.label("instance"));
            let wrong = series.points.iter().find(|(at, _)| !self.may_fire(alert, instance, *at));
            if let Some((at, _)) = wrong {
                complaints.push(format!("{alert} {instance} after {:.1} s", at - self.begun));
            }
        }
        complaints
    }

    fn may_fire(&self, alert: &str, instance: &str, at: f64) -> bool {
        let within = |chapter: &&Chapter| chapter.fault.0 <= at && at <= chapter.well;
        let allows = |chapter: &Chapter| {
            let expected = chapter.expected.iter().any(|(name, who)| *name == alert && who == instance);
            expected || chapter.permitted.contains(&alert)
        };
        OF_THE_MACHINE.contains(&alert) || self.chapters.iter().filter(within).any(allows)
    }
}

struct Stage {
    cluster: Cluster,
    prometheus: Prometheus,
    load: Load,
}

impl Stage {
    /// The leader is killed, another one leads, and the ensemble has no margin until it is back.
    fn leader_is_killed(&mut self, leader: usize) -> (Chapter, usize) {
        let from = now();
        let next = self.cluster.kill(leader);
        self.expect("the new leader's margin", "min(zookube_quorum_margin)", 0.0);
        self.expect("the new leader", "max(zookube_leader_sid)", (next + 1) as f64);
        self.expect("one leader", "ensemble:zookube_leaders:sum", 1.0);
        self.expect("voters in step", "sum(zookube_synced_voters)", 2.0);
        self.load.progress(WRITES, LIMIT);
        let expected =
            vec![("ZookubeServerDown", cluster::name(leader)), ("ZookubeQuorumMarginZero", cluster::name(next))];
        self.fires(&expected);
        self.cluster.restart(leader);
        let until = now();
        is_well(&self.prometheus, next);
        // Of the survivors; the killed one has begun to count anew.
        let killed = cluster::name(leader);
        let elections = format!("min(increase(zookube_elections_total{{instance!=\"{killed}\"}}[5m]))");
        self.prometheus.wait("an election that was counted", &elections, |found| first(found) >= 1.0);
        // Either may show for a moment on a slow machine: an election of a second, a server that synchronizes.
        let permitted = &["ZookubeNoLeader", "ZookubeServerNotServing"];
        let chapter = Chapter { title: "leader killed", fault: (from, until), well: self.end(), expected, permitted };
        (chapter, next)
    }

    /// The disk of a follower is slow. The others are a quorum, and no client notices, not even its own: what is committed is
    /// applied and answered wherever it has been heard of.
    fn disk_is_slow(&mut self, leader: usize) -> Chapter {
        let from = now();
        let follower = (0..3).find(|index| *index != leader).expect("a follower");
        self.cluster.slow_disk(follower, SLOW_WRITES_PER_SECOND);
        let slow = cluster::name(follower);
        let of = |comparison: &str| format!("instance:zookube_fsync_seconds:p99{{instance{comparison}\"{slow}\"}}");
        self.prometheus.wait("slow syncs", &of("="), |found| first(found) > 0.1);
        let others = format!("max({})", of("!="));
        self.prometheus.wait("quick syncs of the others", &others, |found| first(found) < 0.1);
        let expected = vec![("ZookubeFsyncSlow", slow)];
        self.fires(&expected);
        self.cluster.heal_disk(follower);
        let until = now();
        self.load.progress(WRITES, LIMIT);
        is_well(&self.prometheus, leader);
        Chapter { title: "one disk slow", fault: (from, until), well: self.end(), expected, permitted: &[] }
    }

    /// A client wants more connections than one address may have.
    fn client_floods(&mut self, leader: usize) -> Chapter {
        let flooded = (0..3).find(|index| *index != leader).expect("a follower");
        let instance = cluster::name(flooded);
        let from = now();
        let flood = Flood::start(self.cluster.addrs()[flooded]);
        let connections = format!("num_alive_connections{{instance=\"{instance}\"}}");
        self.expect("as many connections as may be", &connections, CONNECTIONS_MAX as f64);
        let expected = vec![("ZookubeConnectionsRejected", instance)];
        self.fires(&expected);
        let sessions = flood.stop();
        let until = now();
        assert!(sessions > 0 && sessions <= CONNECTIONS_MAX, "the flood had {sessions} sessions");
        self.load.progress(WRITES, LIMIT);
        is_well(&self.prometheus, leader);
        let expired = self.prometheus.query("sum(zookube_sessions_expired_total)").expect("an expression");
        assert_eq!(first(&expired), 0.0, "sessions have expired that were closed: {expired:?}");
        Chapter { title: "client floods", fault: (from, until), well: self.end(), expected, permitted: &[] }
    }

    /// Waits until nothing fires; yields when that was.
    fn end(&self) -> f64 {
        let may = |series: &Series| OF_THE_MACHINE.contains(&series.label("alertname"));
        self.prometheus.wait("all alerts to end", FIRING, |found| found.iter().all(may));
        now()
    }

    fn fires(&self, expected: &[(&'static str, String)]) {
        for (alert, instance) in expected {
            let expression = format!("ALERTS{{alertstate=\"firing\", alertname=\"{alert}\", instance=\"{instance}\"}}");
            self.prometheus.wait("the alert for this fault", &expression, |found| !found.is_empty());
        }
    }

    fn expect(&self, what: &str, expression: &str, value: f64) {
        self.prometheus.wait(what, expression, |found| found.len() == 1 && first(found) == value);
    }
}

/// Waits until Prometheus shows three servers that serve behind one leader, and writes.
fn is_well(prometheus: &Prometheus, leader: usize) {
    let expect = |what: &str, expression: &str, value: f64| {
        prometheus.wait(what, expression, |found| found.len() == 1 && first(found) == value);
    };
    expect("three servers that serve", "sum(zookube_serving)", 3.0);
    expect("whom the first follows", "max(zookube_leader_sid)", (leader + 1) as f64);
    expect("whom the last follows", "min(zookube_leader_sid)", (leader + 1) as f64);
    expect("a server to spare", "min(zookube_quorum_margin)", 1.0);
    expect("one epoch", "max(zookube_epoch) - min(zookube_epoch)", 0.0);
    prometheus.wait("writes", "ensemble:zookube_writes:rate5m", |found| first(found) > 0.0);
}

/// The last value of the first series; no number where there is none.
fn first(found: &[Series]) -> f64 {
    found.first().and_then(|series| series.points.last()).map_or(f64::NAN, |(_, value)| *value)
}
