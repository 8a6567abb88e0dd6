//! The lab, as a user starts it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use support::external::{self, Said};
use support::{ports, prerequisites};

use crate::container::Container;
use crate::engine::{engine, unique_name};
use crate::images::{Flavour, REPOSITORY};
use crate::trio::{self, CLIENT_PORT};

/// How long Compose may take for one command.
const CALL: Duration = Duration::from_secs(120);

/// There is one subnet for labs.
static ONE_LAB: Mutex<()> = Mutex::new(());

/// A Compose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `docker compose`, the plug-in.
    V2,
    /// `docker-compose` 1.29, as Debian has it.
    V1,
}

impl Program {
    fn command(self) -> Command {
        match self {
            Self::V2 => {
                let mut command = engine().command("docker");
                command.arg("compose");
                command
            }
            Self::V1 => engine().command("docker-compose"),
        }
    }

    /// Runs it with `arguments`.
    pub fn run(self, arguments: &[&str]) -> Said {
        let mut command = self.command();
        command.args(arguments);
        external::run(command, "", CALL)
    }

    /// Those that this machine has.
    ///
    /// # Panics
    /// When it has none.
    pub fn all() -> Vec<Self> {
        let is_there = |program: &Self| program.run(&["version"]).success;
        let found: Vec<Self> = [Self::V2, Self::V1].into_iter().filter(is_there).collect();
        assert!(!found.is_empty(), "neither `docker compose` nor `docker-compose` is there: run `cargo xtask setup`");
        found
    }
}

/// `docker/compose.yaml` under names of its own, taken down with its volumes on drop.
#[derive(Debug)]
pub struct Lab {
    program: Program,
    flavour: Flavour,
    name: String,
    ports: [u16; 3],
    _one: MutexGuard<'static, ()>,
}

impl Lab {
    /// A lab that is not up yet. There is one at a time.
    pub fn new(program: Program, flavour: Flavour) -> Self {
        flavour.image();
        let one = ONE_LAB.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let ports = [ports::free_port(), ports::free_port(), ports::free_port()];
        Self { program, flavour, name: unique_name("lab"), ports, _one: one }
    }

    /// Changes the one word; takes effect with the next [`Lab::up`].
    pub fn switch_to(&mut self, flavour: Flavour) {
        flavour.image();
        self.flavour = flavour;
    }

    /// The compose file.
    pub fn file() -> PathBuf {
        prerequisites::workspace().join("docker/compose.yaml")
    }

    /// Runs Compose with `arguments`.
    pub fn compose(&self, arguments: &[&str]) -> Said {
        self.compose_with(arguments, &[])
    }

    /// Runs Compose with `arguments` and more variables for the compose file.
    pub fn compose_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = self.program.command();
        command.arg("--project-name").arg(&self.name).arg("--file").arg(Self::file()).args(arguments);
        command.env("ZOOKUBE_LAB", &self.name).env("ZOOKUBE_IMAGE", REPOSITORY);
        command.env("ZOOKUBE_ENGINE", self.flavour.word());
        command.envs(variables.iter().copied());
        for (id, port) in (1..).zip(self.ports) {
            command.env(format!("ZK{id}_PORT"), port.to_string());
        }
        external::run(command, "", CALL)
    }

    /// `up`, with the images that are there.
    ///
    /// # Panics
    /// When Compose fails.
    pub fn up(&self) {
        self.compose(&["up", "--detach", "--no-build"]).expect_success("compose up");
    }

    /// `down`; the volumes stay.
    ///
    /// # Panics
    /// When Compose fails.
    pub fn down(&self) {
        self.compose(&["down"]).expect_success("compose down");
    }

    /// A server's container, `id` from 1.
    pub fn server(&self, id: usize) -> std::mem::ManuallyDrop<Container> {
        Container::borrowed(&format!("{}-zk{id}", self.name))
    }

    /// The network's name.
    pub fn network(&self) -> String {
        format!("{}_lab", self.name)
    }

    /// The three servers' addresses on the bridge.
    pub fn addrs(&self) -> [SocketAddr; 3] {
        [11, 12, 13].map(|host| SocketAddr::from((Ipv4Addr::new(172, 28, 0, host), CLIENT_PORT)))
    }

    /// The three servers' published ports.
    pub fn published(&self) -> [SocketAddr; 3] {
        self.ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Waits until one of the three leads and the others follow; returns its index.
    pub fn wait_settled(&self) -> usize {
        trio::wait_settled(&self.addrs(), crate::container::PATIENCE)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the lab's logs end:\n{}", self.compose(&["logs", "--tail=30"]).text);
        }
        let profiles = ["--profile", "observer", "--profile", "client", "--profile", "monitoring"];
        let down = self.compose(&[&profiles[..], &["down", "--volumes", "--remove-orphans"]].concat());
        if !down.success {
            eprintln!("compose down: {}", down.text);
        }
    }
}
