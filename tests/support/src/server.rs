//! One server as a child process: ours or Apache's, same `zoo.cfg`, same questions.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{ports, prerequisites, process, sockets, wait, words};

/// How long a server may take to do what a test waits for. Generous: two cores, several virtual machines.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// `zookube-node` of this workspace.
    Zookube,
    /// Apache ZooKeeper 3.9.5 from Maven Central, the reference.
    Apache39,
    /// Apache ZooKeeper 3.8 from Debian's package.
    Apache38,
}

impl ServerKind {
    /// The kind that the environment variable `ZOOKUBE_TEST_SERVER` asks for: `zookube` (default), `apache-3.9`,
    /// `apache-3.8`.
    ///
    /// # Panics
    /// On any other value: a typing error must not test the wrong server.
    pub fn under_test() -> Self {
        match std::env::var("ZOOKUBE_TEST_SERVER").as_deref() {
            Err(_) | Ok("" | "zookube") => Self::Zookube,
            Ok("apache-3.9") => Self::Apache39,
            Ok("apache-3.8") => Self::Apache38,
            Ok(other) => panic!("ZOOKUBE_TEST_SERVER={other}: expected zookube, apache-3.9 or apache-3.8"),
        }
    }

    /// A name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zookube => "zookube",
            Self::Apache39 => "apache-3.9",
            Self::Apache38 => "apache-3.8",
        }
    }
}

/// What a server is to be: kind, identity, and whatever differs from the tests' usual `zoo.cfg`.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// Which program.
    pub kind: ServerKind,
    /// The content of `myid`; unused by a standalone server.
    pub id: u8,
    settings: Vec<(String, String)>,
    unprefixed: Vec<(String, String)>,
    java_options: Vec<String>,
}

impl ServerSpec {
    /// A server with the tests' usual settings.
    pub fn new(kind: ServerKind) -> Self {
        let settings = [
            ("tickTime", "2000"),
            ("admin.enableServer", "false"),
            ("4lw.commands.whitelist", "*"),
            ("maxClientCnxns", "0"),
            ("maxSessionTimeout", "600000"),
            ("extendedTypesEnabled", "true"),
            ("enforceQuota", "true"),
        ];
        // Quick to start and small: these are tests, not measurements (the benchmark sets its own).
        let java = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-Dzookeeper.jmx.log4j.disable=true"];
        Self {
            kind,
            id: 1,
            settings: settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            unprefixed: Vec::new(),
            java_options: java.iter().map(|s| (*s).to_owned()).collect(),
        }
    }

    /// Sets a key of `zoo.cfg`, replacing an earlier value: a key never appears twice.
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.retain(|(k, _)| k != key);
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// Sets one of the few settings that Apache reads as a system property without the prefix `zookeeper.`, so that
    /// `zoo.cfg` cannot carry them (`jute.maxbuffer`, `znode.container.*`); ours takes them from `zoo.cfg`.
    pub fn set_unprefixed(mut self, key: &str, value: impl ToString) -> Self {
        self.unprefixed.retain(|(k, _)| k != key);
        self.unprefixed.push((key.to_owned(), value.to_string()));
        self
    }

    /// Replaces the options for the Java virtual machine.
    pub fn java_options(mut self, options: &[&str]) -> Self {
        self.java_options = options.iter().map(|s| (*s).to_owned()).collect();
        self
    }
}

/// The ports of one server.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Where clients come in.
    pub client: u16,
    /// Where the leader takes learners.
    pub quorum: u16,
    /// Where votes travel.
    pub election: u16,
}

impl Ports {
    /// Three free ports.
    pub fn free() -> Self {
        Self { client: ports::free_port(), quorum: ports::free_port(), election: ports::free_port() }
    }
}

/// A server, running or down, with its directory.
#[derive(Debug)]
pub struct Server {
    spec: ServerSpec,
    ports: Ports,
    dir: tempfile::TempDir,
    process: Option<process::Guard>,
    started: Instant,
}

impl Server {
    /// A standalone server, started and ready.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn standalone(spec: ServerSpec) -> Self {
        let mut server = Self::prepare(spec, Ports::free());
        server.start();
        server.wait_serving();
        server
    }

    /// A server that is configured but not started.
    pub fn prepare(spec: ServerSpec, ports: Ports) -> Self {
        let dir = tempfile::Builder::new().prefix("zookube-test-").tempdir().expect("a temporary directory");
        let server = Self { spec, ports, dir, process: None, started: Instant::now() };
        std::fs::create_dir(server.data_dir()).expect("a data directory");
        std::fs::write(server.data_dir().join("myid"), format!("{}\n", server.spec.id)).expect("a myid file");
        server.write_config();
        server
    }

    fn write_config(&self) {
        let mut text = format!(
            "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n",
            self.data_dir().display(),
            self.ports.client
        );
        let ours = self.spec.kind == ServerKind::Zookube;
        let unprefixed = self.spec.unprefixed.iter().filter(|_| ours);
        for (key, value) in self.spec.settings.iter().chain(unprefixed) {
            text.push_str(&format!("{key}={value}\n"));
        }
        std::fs::write(self.config_file(), text).expect("a zoo.cfg");
    }

    /// Changes a key of `zoo.cfg`; a running server reads it at its next start.
    pub fn reconfigure(&mut self, key: &str, value: impl ToString) {
        self.spec = self.spec.clone().set(key, value);
        self.write_config();
    }

    /// Starts the process; does not wait for anything.
    ///
    /// # Panics
    /// When it runs already, or the program cannot be started.
    pub fn start(&mut self) {
        assert!(!self.is_running(), "server {} runs already", self.spec.id);
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let errors = log.try_clone().expect("a second handle on the log");
        let mut command = self.command();
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(log).stderr(errors);
        self.started = Instant::now();
        self.process = Some(process::spawn(command).expect("the server's program can be started"));
    }

    fn command(&self) -> Command {
        let java = |class_path: String| {
            let mut command = process::command("java");
            command.args(&self.spec.java_options);
            command.args(self.spec.unprefixed.iter().map(|(key, value)| format!("-D{key}={value}")));
            command.arg("-cp").arg(class_path);
            command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(self.config_file());
            command
        };
        match self.spec.kind {
            ServerKind::Apache39 => java(prerequisites::apache_39_class_path()),
            ServerKind::Apache38 => java(prerequisites::apache_38_class_path()),
            ServerKind::Zookube => {
                let mut command = process::command(prerequisites::zookube_node());
                command.arg("run").arg("--config").arg(self.config_file());
                command
            }
        }
    }

    /// Which program this is.
    pub fn kind(&self) -> ServerKind {
        self.spec.kind
    }

    /// The server's id.
    pub fn id(&self) -> u8 {
        self.spec.id
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.client))
    }

    /// All its ports.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// When [`Server::start`] was last called.
    pub fn started_at(&self) -> Instant {
        self.started
    }

    /// `zoo.cfg`.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("zoo.cfg")
    }

    /// `dataDir`.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What it has written to standard output and error.
    pub fn log_file(&self) -> PathBuf {
        self.dir.path().join("log.txt")
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(process::Guard::is_alive)
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it is down.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running server").pid()
    }

    /// What `srvr` says its mode is; `None` while it does not serve.
    pub fn mode(&self) -> Option<String> {
        self.process.as_ref()?;
        words::srvr_field(self.addr(), "Mode")
    }

    /// Waits until the server serves clients.
    ///
    /// # Panics
    /// When it ends or does not serve in time; the message has the end of its log.
    pub fn wait_serving(&mut self) {
        let served = wait::poll(PATIENCE, || if self.is_running() { self.mode().map(Ok) } else { Some(Err(())) });
        if !matches!(served, Some(Ok(_))) {
            panic!("{} server {} does not serve; its log ends:\n{}", self.kind().name(), self.id(), self.log_tail());
        }
    }

    /// Waits until the server listens for the votes of others, which it does before it has a quorum.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn wait_electing(&self) {
        wait::until("a server to listen for votes", PATIENCE, || {
            let sockets = sockets::of_process(self.pid());
            sockets.iter().any(|s| s.listening && s.local_port == self.ports.election).then_some(())
        });
    }

    /// SIGKILL.
    pub fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_9();
        }
    }

    /// SIGKILL without waiting for the end, to hit several servers at once; [`Server::kill_9`] waits.
    pub fn signal_kill(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::KILL);
        }
    }

    /// SIGTERM, and wait for the end; returns how long that took.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn terminate(&mut self) -> Duration {
        let Some(mut process) = self.process.take() else { return Duration::ZERO };
        let begun = Instant::now();
        process.signal(Signal::TERM);
        wait::until("the server to end after SIGTERM", PATIENCE, || (!process.is_alive()).then_some(()));
        begun.elapsed()
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::STOP);
        }
    }

    /// SIGCONT.
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::CONT);
        }
    }

    /// Resident memory in bytes, as the kernel counts it.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(self.log_file()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_9();
        if std::thread::panicking() {
            eprintln!("---- log of {} server {} ends:\n{}", self.kind().name(), self.id(), self.log_tail());
        }
        if std::env::var_os("ZOOKUBE_TEST_KEEP").is_some() {
            // A later look at the data directory is worth more than a tidy temporary directory.
            self.dir.disable_cleanup(true);
            eprintln!("kept {}", display(self.dir.path()));
        }
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
