//! The lab's servers together: what each looks like, what changed, and what a command does.
//!
//! Both user interfaces hold one of these, feed it reports of the probes and the passing of time, and print the news it
//! returns. It knows nothing about terminals.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wire::Zxid;

use super::layout::Layout;
use super::log_tail;
use super::news::News;
use super::probe::{Answer, Mode, Pace, Report};
use super::prompt::{Command, HELP, Target};
use super::servers::{STOP_GRACE, Server};
use super::table::{Row, State};

/// How often an ending process is looked at.
const REAP_PAUSE: Duration = Duration::from_millis(10);

/// The servers and what is known about them.
#[derive(Debug)]
pub struct Ensemble {
    program: PathBuf,
    watched: Vec<Watched>,
    pace: Pace,
    started_at: Instant,
    ready_told: bool,
    // Held for the lock of the directory.
    _layout: Layout,
}

#[derive(Debug)]
struct Watched {
    server: Server,
    /// The last report about the process that runs now.
    answer: Option<Answer>,
    /// Whether that process has served; then silence is news.
    has_served: bool,
    /// The state that was last told.
    told: State,
}

/// What a command answers, beside the news.
#[derive(Debug, PartialEq)]
pub enum Reply {
    /// These lines.
    Lines(Vec<String>),
    /// These events.
    News(Vec<News>),
    /// The table, which is drawn by whoever asked.
    Table,
    /// Nothing more is read until the ensemble has settled.
    Wait,
    /// The lab ends.
    Quit,
}

impl Ensemble {
    /// An ensemble of servers that are still down.
    pub fn new(layout: Layout, program: PathBuf, pace: Pace) -> Ensemble {
        let watch = |member: &super::layout::Member| {
            let server = Server::new(member.clone(), layout.home(member.id));
            let told = State::Down(String::new());
            Watched { server, answer: None, has_served: false, told }
        };
        let watched = layout.members.iter().map(watch).collect();
        Ensemble { program, watched, pace, started_at: Instant::now(), ready_told: false, _layout: layout }
    }

    /// For every ZooKeeper client: all client addresses.
    pub fn connection(&self) -> String {
        let addresses: Vec<_> = self.watched.iter().map(|watched| watched.server.address()).collect();
        addresses.join(",")
    }

    /// Starts every server that is down.
    pub fn start_all(&mut self) -> Vec<News> {
        self.started_at = Instant::now();
        (0..self.watched.len()).flat_map(|place| self.start(place)).collect()
    }

    /// Time has passed: looks for processes that have ended.
    pub fn tick(&mut self, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        for place in 0..self.watched.len() {
            let watched = &mut self.watched[place];
            let Some(ended) = watched.server.reap(now) else { continue };
            watched.told = State::Down(ended.why.clone());
            news.push(News::Down { id: watched.server.member.id, why: ended.why });
            self.pace.set_calm(false);
            if ended.again {
                news.extend(self.start(place));
            }
        }
        news
    }

    /// A probe has reported.
    pub fn heard(&mut self, report: Report) -> Vec<News> {
        let watched = &mut self.watched[report.place];
        let Some((_, since)) = watched.server.running() else { return Vec::new() };
        if report.asked_at < since {
            return Vec::new();
        }
        watched.answer = Some(report.answer);
        watched.has_served |= matches!(report.answer, Answer::Serving(_));
        let mut news = watched.change();
        if !self.ready_told && self.watched.iter().any(|watched| watched.state().leads()) {
            self.ready_told = true;
            news.push(News::Ready { connection: self.connection(), after: self.started_at.elapsed() });
        }
        self.pace.set_calm(self.settled());
        news
    }

    /// Whether every running server serves and one of them leads.
    pub fn settled(&self) -> bool {
        let mut running = self.watched.iter().filter(|watched| watched.server.running().is_some()).peekable();
        running.peek().is_some()
            && running.all(|watched| watched.state().serves())
            && self.watched.iter().any(|watched| watched.state().leads())
    }

    /// Whether any process runs.
    pub fn any_running(&self) -> bool {
        self.watched.iter().any(|watched| watched.server.running().is_some())
    }

    /// All that is known now, by id.
    pub fn rows(&self) -> Vec<Row> {
        self.watched.iter().map(Watched::row).collect()
    }

    /// Carries out a command.
    pub fn execute(&mut self, command: Command) -> Reply {
        let line = |line: String| Reply::Lines(vec![line]);
        match command {
            Command::Help => Reply::Lines(HELP.lines().map(str::to_owned).collect()),
            Command::Quit => Reply::Quit,
            Command::Wait => Reply::Wait,
            Command::Status => Reply::Table,
            Command::Leader => line(self.leader_line()),
            Command::Log(target, lines) => self.each(target, |watched| watched.log(lines)),
            Command::Kill(target) => self.each(target, |watched| watched.end("killing", Server::kill)),
            Command::Stop(target) => self.each(target, |watched| watched.end("stopping", Server::stop)),
            Command::Start(target) => self.start_targets(target, false),
            Command::Restart(target) => self.start_targets(target, true),
        }
    }

    /// Ends every process: in order, then by force when the time is up or `hurry` says so.
    pub fn stop_all(&mut self, mut hurry: impl FnMut() -> bool) {
        self.watched.iter_mut().for_each(|watched| watched.server.stop());
        let force_at = Instant::now() + STOP_GRACE;
        let mut forced = false;
        loop {
            for watched in &mut self.watched {
                watched.server.reap(Instant::now());
            }
            if !self.any_running() {
                return;
            }
            if !forced && (Instant::now() >= force_at || hurry()) {
                forced = true;
                self.watched.iter_mut().for_each(|watched| watched.server.kill());
            }
            std::thread::sleep(REAP_PAUSE);
        }
    }

    fn places(&self, target: Target) -> Result<Vec<usize>, String> {
        match target {
            Target::All => Ok((0..self.watched.len()).collect()),
            Target::Leader => {
                let leader = self.watched.iter().position(|watched| watched.state().leads());
                leader.map(|place| vec![place]).ok_or("no server leads now".to_owned())
            }
            Target::Id(id) => {
                let place = self.watched.iter().position(|watched| watched.server.member.id == id);
                let last = self.watched.len();
                place.map(|place| vec![place]).ok_or(format!("there is no server {id}; they are 1 to {last}"))
            }
        }
    }

    fn each(&mut self, target: Target, mut act: impl FnMut(&mut Watched) -> Vec<String>) -> Reply {
        match self.places(target) {
            Ok(places) => Reply::Lines(places.into_iter().flat_map(|place| act(&mut self.watched[place])).collect()),
            Err(refusal) => Reply::Lines(vec![refusal]),
        }
    }

    fn start_targets(&mut self, target: Target, restart: bool) -> Reply {
        let places = match self.places(target) {
            Ok(places) => places,
            Err(refusal) => return Reply::Lines(vec![refusal]),
        };
        let mut news = Vec::new();
        for place in places {
            let server = &mut self.watched[place].server;
            let id = server.member.id;
            match server.running() {
                None => news.extend(self.start(place)),
                Some(_) if restart => {
                    server.restart(Instant::now());
                    news.push(News::Note(format!("server {id}: restarting")));
                }
                Some((pid, _)) => news.push(News::Note(format!("server {id}: already running, pid {pid}"))),
            }
        }
        Reply::News(news)
    }

    fn start(&mut self, place: usize) -> Vec<News> {
        self.pace.set_calm(false);
        let watched = &mut self.watched[place];
        let id = watched.server.member.id;
        (watched.answer, watched.has_served) = (None, false);
        match watched.server.start(&self.program) {
            Ok(pid) => {
                watched.told = State::Starting;
                vec![News::Started { id, pid, address: watched.server.address() }]
            }
            Err(error) => {
                watched.server.not_started(&error);
                vec![News::Down { id, why: watched.server.down().unwrap_or_default().to_owned() }]
            }
        }
    }

    fn leader_line(&self) -> String {
        match self.watched.iter().map(Watched::row).find(|row| row.state.leads()) {
            Some(row) => {
                let dash = || "-".to_owned();
                let epoch = row.epoch.map_or_else(dash, |epoch| epoch.to_string());
                let zxid = row.zxid.map_or_else(dash, |zxid| zxid.to_string());
                format!("server {} ({}), epoch {epoch}, zxid {zxid}, {}", row.id, row.state.name(), row.address)
            }
            None => "no server leads now".to_owned(),
        }
    }
}

impl Watched {
    fn state(&self) -> State {
        if let Some(why) = self.server.down() {
            return State::Down(why.to_owned());
        }
        if self.server.is_ending() {
            return State::Stopping;
        }
        match self.answer {
            Some(Answer::Serving(serving)) => match serving.mode {
                Mode::Leader => State::Leader,
                Mode::Follower => State::Follower,
                Mode::Observer => State::Observer,
                Mode::Standalone => State::Standalone,
                Mode::ReadOnly => State::ReadOnly,
            },
            Some(Answer::NotServing) => State::Looking,
            Some(Answer::Closed | Answer::Silent) if self.has_served => State::Silent,
            _ => State::Starting,
        }
    }

    /// The news in the difference between the state that was told and the one that is.
    fn change(&mut self) -> Vec<News> {
        let state = self.state();
        // Stopping was announced by the command, and a start is no change before it serves.
        if state == self.told || state == State::Stopping || (self.told == State::Starting && !state.serves()) {
            return Vec::new();
        }
        let id = self.server.member.id;
        let was = std::mem::replace(&mut self.told, state.clone());
        if state.leads() {
            let row = self.row();
            return vec![News::Leads { id, state, epoch: row.epoch, zxid: row.zxid }];
        }
        vec![News::Changed { id, was, state }]
    }

    fn row(&self) -> Row {
        let running = self.server.running();
        let serving = match self.answer {
            Some(Answer::Serving(serving)) if running.is_some() => Some(serving),
            _ => None,
        };
        let zxid = serving.and_then(|serving| serving.zxid);
        Row {
            id: self.server.member.id,
            state: self.state(),
            // A follower's zxid stays in the old epoch until the first write of the new one; the file does not.
            epoch: serving.and_then(|_| self.server.current_epoch()).or(zxid.map(Zxid::epoch)),
            zxid,
            sessions: serving.and_then(|serving| serving.sessions),
            connections: serving.and_then(|serving| serving.connections),
            rss_kib: running.and_then(|(pid, _)| rss_kib(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)),
            pid: running.map(|(pid, _)| pid),
            address: self.server.address(),
            up: running.map(|(_, since)| since.elapsed()),
        }
    }

    fn end(&mut self, doing: &str, act: impl Fn(&mut Server)) -> Vec<String> {
        let id = self.server.member.id;
        let Some((pid, _)) = self.server.running() else {
            return vec![format!("server {id}: already down")];
        };
        act(&mut self.server);
        vec![format!("server {id}: {doing} pid {pid}")]
    }

    fn log(&self, lines: usize) -> Vec<String> {
        let path = self.server.log();
        match log_tail::tail(&path, lines) {
            Ok(lines) if lines.is_empty() => vec![format!("{} is empty", path.display())],
            Ok(lines) => lines,
            Err(error) => vec![format!("read {}: {error}", path.display())],
        }
    }
}

/// Resident memory from the text of `/proc/<pid>/status`.
fn rss_kib(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}
