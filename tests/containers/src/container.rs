//! One container, from `docker run` to `docker rm`.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;
use support::external::Said;
use support::wait;

use crate::engine::{engine, label, unique_name};
use crate::network::Network;

/// How long a container may take to reach the state that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of a container's log that a failed test shows.
const LOG_LINES: &str = "--tail=40";

/// What is to be run, and how.
#[derive(Debug, Clone)]
pub struct Run {
    image: String,
    options: Vec<String>,
    words: Vec<String>,
}

impl Run {
    /// A container of `image` as it is.
    pub fn new(image: &str) -> Self {
        Self { image: image.to_owned(), options: vec![label()], words: Vec::new() }
    }

    /// An option of `docker run`, in one word: `--read-only`, `--memory=64m`.
    pub fn option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// A variable of the environment.
    pub fn env(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.option(format!("--env={name}={value}"))
    }

    /// The network, with a fixed address.
    pub fn at(self, network: &Network, addr: Ipv4Addr) -> Self {
        self.option(format!("--network={}", network.name())).option(format!("--ip={addr}"))
    }

    /// Its own name, on the network too.
    pub fn host_name(self, name: &str) -> Self {
        // A qualified name is not one of the network's aliases by itself.
        self.option(format!("--hostname={name}")).option(format!("--network-alias={name}"))
    }

    /// A volume, made if it is not there.
    pub fn volume(self, volume: &Volume, path: &str) -> Self {
        self.option(format!("--volume={}:{path}", volume.name))
    }

    /// Words behind the image's name.
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    fn arguments(&self, first: &[&str]) -> Vec<String> {
        let first = first.iter().map(|word| (*word).to_owned());
        let image = std::iter::once(self.image.clone());
        first.chain(self.options.iter().cloned()).chain(image).chain(self.words.iter().cloned()).collect()
    }

    /// Starts it in the background.
    ///
    /// # Panics
    /// When the engine refuses.
    pub fn start(self) -> Container {
        let name = unique_name("c");
        let name_option = format!("--name={name}");
        engine().docker(&self.arguments(&["run", "--detach", &name_option]));
        Container { name }
    }

    /// Makes it without starting it.
    ///
    /// # Panics
    /// When the engine refuses.
    pub fn create(self) -> Container {
        let name = unique_name("c");
        let name_option = format!("--name={name}");
        engine().docker(&self.arguments(&["create", &name_option]));
        Container { name }
    }

    /// Runs it to its end and returns what it said.
    pub fn to_end(self) -> Said {
        engine().ask(&self.arguments(&["run", "--rm"]))
    }
}

/// A named volume, removed on drop.
#[derive(Debug)]
pub struct Volume {
    name: String,
}

impl Volume {
    /// An empty one.
    pub fn create() -> Self {
        let name = unique_name("volume");
        engine().docker(&["volume", "create", &label(), &name]);
        Self { name }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Fails while a container has it, whose own removal has then failed and said so.
        engine().ask(&["volume", "rm", &self.name]);
    }
}

/// A container, removed on drop.
#[derive(Debug)]
pub struct Container {
    name: String,
}

impl Container {
    /// A container that somebody else has started and removes, Compose for one. Dropping the handle does nothing.
    pub fn borrowed(name: &str) -> std::mem::ManuallyDrop<Self> {
        std::mem::ManuallyDrop::new(Self { name: name.to_owned() })
    }

    /// Its name, as `docker` wants it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `docker <verb> <this>`.
    ///
    /// # Panics
    /// When the engine refuses.
    pub fn tell(&self, verb: &[&str]) -> String {
        engine().docker(&[verb, &[&self.name]].concat())
    }

    /// Runs a program in it.
    pub fn exec(&self, words: &[&str]) -> Said {
        engine().ask(&[&["exec", &self.name], words].concat())
    }

    /// What it has said so far.
    pub fn logs(&self) -> String {
        engine().docker(&["logs", &self.name])
    }

    /// What the engine knows about it.
    pub fn inspect(&self) -> Value {
        let text = engine().docker(&["inspect", &self.name]);
        let mut list: Vec<Value> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("docker inspect: {e}: {text}"));
        list.pop().expect("docker inspect describes the container")
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.inspect()["State"]["Running"] == true
    }

    /// Waits until its process has ended, and returns the exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait_exit(&self) -> i64 {
        let ended = wait::poll(PATIENCE, || {
            let state = self.inspect()["State"].clone();
            (state["Running"] == false).then(|| state["ExitCode"].as_i64()).flatten()
        });
        ended.unwrap_or_else(|| panic!("{} did not end; it said:\n{}", self.name, self.logs()))
    }

    /// What its health check says: `starting`, `healthy`, `unhealthy`.
    pub fn health(&self) -> String {
        self.inspect()["State"]["Health"]["Status"].as_str().unwrap_or("none").to_owned()
    }

    /// Waits for a verdict of the health check.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_health(&self, wanted: &str) {
        if wait::poll(PATIENCE, || (self.health() == wanted).then_some(())).is_none() {
            panic!("{} is not {wanted}: {:#}", self.name, self.inspect()["State"]);
        }
    }

    /// Resident memory of its first process in bytes, as the kernel counts it.
    pub fn resident_bytes(&self) -> Option<u64> {
        let pid = self.inspect()["State"]["Pid"].as_u64()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = engine().ask(&["logs", LOG_LINES, &self.name]);
            eprintln!("---- log of {} ends:\n{}", self.name, log.text);
        }
        // A container that the test has removed itself is no failure.
        engine().ask(&["rm", "--force", "--volumes", &self.name]);
    }
}
