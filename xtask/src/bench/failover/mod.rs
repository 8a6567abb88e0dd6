//! `cargo xtask bench failover`: for how long nobody can write when a leader ends, ours beside Apache's.
//!
//! Three servers on 127.0.0.1 with default settings and writers with one write outstanding each. The leader is killed
//! (SIGKILL; or it is stopped by SIGTERM, or hands over to another), the writers go on at the next server, a server that is
//! down is started again, and when all three serve and the load runs the next round follows. Every writer's gap counts, from
//! its last acknowledged write before the kill to its first after it. At the end every acknowledged write must be there, on
//! every server.

mod options;
mod report;
mod writer;

pub use options::USAGE;

use crate::bench::proc::Machine;
use crate::bench::report::Versions;
use crate::bench::server::{Contender, Ensemble, Launch, Workshop};
use crate::bench::{build, commit, progress};
use anyhow::{Context, Result, ensure};
use options::{By, Options};
use report::{Engine, Report};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::{http, words};
use writer::{Control, Gap, Writer};

/// The first word of the command line.
pub const WORD: &str = "failover";
/// Servers of the ensemble.
const SERVERS: usize = 3;
/// Acknowledged writes of each writer between two kills, at least: the load runs and its connections have settled.
const ACKNOWLEDGED_MIN: u64 = 20;
/// The longest wait for anything that must happen: writers going on, a server coming back.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Runs it with the words behind `failover`.
///
/// # Errors
/// When an option is wrong, something is missing, a server fails, or an acknowledged write is lost.
pub fn run(args: &[String], root: &Path, results: &Path) -> Result<()> {
    let options = Options::parse(args)?;
    let node = match &options.node {
        Some(path) => path.canonicalize().with_context(|| format!("find {}", path.display()))?,
        None => build(root)?,
    };
    let dir = tempfile::Builder::new().prefix("failover-").tempdir_in(results)?;
    let workshop = Workshop { node, dir };
    let mut report = Report {
        commit: commit(root)?,
        command: format!("cargo xtask bench failover {}", args.join(" ")).trim_end().to_owned(),
        machine: Machine::look(results)?,
        versions: Versions::ask(&workshop.node),
        writers: options.writers,
        by: options.by.name(),
        engines: Vec::new(),
    };
    for contender in &options.servers {
        let kills = if *contender == Contender::Apache { options.apache_kills } else { options.kills };
        report.engines.push(measure(&workshop, *contender, kills, &options)?);
    }
    let path = results.join(format!("failover-{}.json", report.commit));
    std::fs::write(&path, serde_json::to_string_pretty(&report)?)
        .with_context(|| format!("write {}", path.display()))?;
    print!("{}", report.text());
    progress(&format!("raw figures in {}", path.display()));
    Ok(())
}

/// All kills of one engine.
fn measure(workshop: &Workshop, contender: Contender, kills: usize, options: &Options) -> Result<Engine> {
    progress(&format!("start {SERVERS} of {}", contender.name()));
    let mut run = Run::start(workshop, contender, options.writers)?;
    let mut engine = Engine { contender, kills: Vec::with_capacity(kills), acknowledged: 0 };
    for kill in 1..=kills {
        let gaps = run.end_leader(workshop, options.by).with_context(|| format!("{} kill {kill}", contender.name()))?;
        let longest = gaps.iter().max().copied().unwrap_or_default();
        progress(&format!("{} kill {kill} of {kills}: {:.1} ms", contender.name(), longest.as_secs_f64() * 1e3));
        engine.kills.push(gaps.iter().map(|gap| gap.as_secs_f64() * 1e3).collect());
    }
    engine.acknowledged = run.finish()?;
    Ok(engine)
}

/// An ensemble under load.
struct Run {
    ensemble: Ensemble,
    controls: Vec<Arc<Control>>,
    writers: Vec<JoinHandle<Result<Writer>>>,
    gaps: Receiver<Gap>,
}

impl Run {
    fn start(workshop: &Workshop, contender: Contender, writers: usize) -> Result<Run> {
        let ensemble = workshop.start(contender, SERVERS, "failover")?;
        let (sender, gaps) = mpsc::channel();
        let (mut controls, mut threads) = (Vec::new(), Vec::new());
        for number in 0..writers {
            let control = Arc::new(Control::default());
            let writer = Writer::open(number, ensemble.addrs(), sender.clone(), control.clone())?;
            controls.push(control);
            threads.push(std::thread::spawn(move || writer.run()));
        }
        Ok(Run { ensemble, controls, writers: threads, gaps })
    }

    /// One end of a leader, once all is well, and what it cost each writer.
    fn end_leader(&mut self, workshop: &Workshop, by: By) -> Result<Vec<Duration>> {
        let leader = self.wait_until_all_serve()?;
        self.wait_for_load()?;
        // What came before is not this kill's.
        while self.gaps.try_recv().is_ok() {}
        let killed = Instant::now();
        match by {
            By::Kill => self.ensemble.servers[leader].kill(),
            By::Term => self.ensemble.servers[leader].terminate()?,
            By::HandOver => self.hand_over(leader)?,
        }
        let gaps = self.collect(killed);
        if by != By::HandOver {
            self.ensemble.servers[leader].start(&workshop.node, Launch::Tied)?;
        }
        gaps
    }

    /// To the next server of ours: one of Apache's could not go on from there.
    fn hand_over(&self, leader: usize) -> Result<()> {
        let servers = &self.ensemble.servers;
        let is_ours = |index: &usize| servers[*index].contender() == Contender::Ours;
        ensure!(is_ours(&leader), "server {} leads, which is Apache's and cannot hand over", leader + 1);
        let others = (1..servers.len()).map(|next| (leader + next) % servers.len());
        let target = others.into_iter().find(is_ours).context("no other server is ours")?;
        let path = format!("/commands/hand_over?to={}", target + 1);
        let answer = http::request(servers[leader].http(), "POST", &path, "");
        let (status, body) = answer.with_context(|| format!("server {} takes no commands", leader + 1))?;
        ensure!(status == 200, "server {}: {status} {body}", leader + 1);
        Ok(())
    }

    /// The gaps that end after the kill, one of each writer: the longest, where its next connection does not last either.
    fn collect(&mut self, killed: Instant) -> Result<Vec<Duration>> {
        let mut longest: Vec<Option<Duration>> = vec![None; self.controls.len()];
        let mut note = |gap: Gap| {
            if gap.ended > killed {
                let known = &mut longest[gap.writer];
                *known = (*known).max(Some(gap.length));
            }
            longest.iter().all(Option::is_some)
        };
        let deadline = killed + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.gaps.recv_timeout(left) {
                Ok(gap) if note(gap) => break,
                Ok(_) => {}
                Err(_) => return Err(self.failure("not every writer went on after the kill")),
            }
        }
        Ok(longest.into_iter().flatten().collect())
    }

    /// Answers which server leads.
    fn wait_until_all_serve(&mut self) -> Result<usize> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let modes: Vec<Option<String>> =
                self.ensemble.addrs().into_iter().map(|addr| words::srvr_field(addr, "Mode")).collect();
            let leader = modes.iter().position(|mode| mode.as_deref() == Some("leader"));
            let following = modes.iter().filter(|mode| mode.as_deref() == Some("follower")).count();
            if let (Some(leader), true) = (leader, following + 1 == SERVERS) {
                return Ok(leader);
            }
            if Instant::now() > deadline {
                return Err(self.failure(&format!("the servers are {modes:?}, expected a leader and its followers")));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn wait_for_load(&mut self) -> Result<()> {
        let count = |control: &Arc<Control>| control.acknowledged.load(Relaxed);
        let before: Vec<u64> = self.controls.iter().map(count).collect();
        let deadline = Instant::now() + PATIENCE;
        while self.controls.iter().zip(&before).any(|(control, before)| count(control) < before + ACKNOWLEDGED_MIN) {
            if Instant::now() > deadline {
                return Err(self.failure("not every writer writes"));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// The reason of a writer that has given up, if one has, otherwise what was found.
    fn failure(&mut self, found: &str) -> anyhow::Error {
        let ended = self.writers.iter().position(JoinHandle::is_finished);
        let reason = ended.map(|index| self.writers.swap_remove(index).join());
        match reason {
            Some(Ok(Err(error))) => error,
            _ => anyhow::anyhow!("{found} within {} s", PATIENCE.as_secs()),
        }
    }

    /// Stops the load, compares every server with what was acknowledged, and answers how much that was.
    fn finish(mut self) -> Result<u64> {
        self.wait_until_all_serve()?;
        self.controls.iter().for_each(|control| control.stop.store(true, Relaxed));
        let addrs: Vec<SocketAddr> = self.ensemble.addrs();
        for writer in self.writers {
            let writer = writer.join().map_err(|_| anyhow::anyhow!("a writer has panicked"))??;
            for addr in &addrs {
                writer.check(*addr)?;
            }
        }
        let acknowledged = self.controls.iter().map(|control| control.acknowledged.load(Relaxed)).sum();
        ensure!(acknowledged > 0, "no write was acknowledged");
        Ok(acknowledged)
    }
}
