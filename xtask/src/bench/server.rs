//! The servers being compared, as child processes with the same `zoo.cfg`.

use crate::bench::echo;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{ports, prerequisites, process, words};

/// How long a server may take until it serves, a large tree included.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// `bin/zkServer.sh` of Apache's release: `ZK_SERVER_HEAP` is 1000 unless told. Everything else is the JVM's choice.
pub const JAVA_OPTIONS: [&str; 1] = ["-Xmx1000m"];

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Contender {
    /// `zookube-node`.
    Ours,
    /// Apache ZooKeeper 3.9.5.
    Apache,
    /// One server of Apache's, the others ours.
    Mixed,
    /// The TCP echo.
    Echo,
}

impl Contender {
    /// A name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Ours => "ours",
            Contender::Apache => "apache",
            Contender::Mixed => "mixed",
            Contender::Echo => "echo",
        }
    }
}

/// How the child is tied to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// Through `setpriv`, so that the kernel ends it with us even if we are killed.
    Tied,
    /// Directly: nothing but the server's own start is timed. Dropping the guard ends it all the same.
    Bare,
}

/// Where servers get what they need.
#[derive(Debug)]
pub struct Workshop {
    /// The binary under test.
    pub node: PathBuf,
    /// Holds all data directories; removed at the end.
    pub dir: tempfile::TempDir,
}

/// The shape of an ensemble.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Servers that vote; one alone is standalone.
    pub voters: usize,
    /// Servers that do not.
    pub observers: usize,
    /// Whether these hang on followers, which takes an address of its own for every server: 127.0.1.N.
    pub masters: bool,
}

/// One server, running or down.
#[derive(Debug)]
pub struct Server {
    contender: Contender,
    addr: SocketAddr,
    http: SocketAddr,
    dir: PathBuf,
    process: Option<process::Guard>,
}

/// A standalone server or an ensemble.
#[derive(Debug)]
pub struct Ensemble {
    /// Who.
    pub contender: Contender,
    /// The members.
    pub servers: Vec<Server>,
}

impl Workshop {
    /// `count` servers of a contender, with empty data directories, serving.
    ///
    /// # Errors
    /// When one does not come up; the message has the end of its log.
    pub fn start(&self, contender: Contender, count: usize, name: &str) -> Result<Ensemble> {
        self.start_layout(contender, Layout { voters: count, observers: 0, masters: false }, name)
    }

    /// The same with observers, behind the voters in the list.
    ///
    /// # Errors
    /// As [`Workshop::start`].
    pub fn start_layout(&self, contender: Contender, layout: Layout, name: &str) -> Result<Ensemble> {
        let mut servers = self.prepare_layout(contender, layout, name)?;
        for server in &mut servers {
            server.start(&self.node, Launch::Tied)?;
        }
        for server in &mut servers {
            server.wait_serving()?;
        }
        Ok(Ensemble { contender, servers })
    }

    /// `count` servers that are configured but not started.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn prepare(&self, contender: Contender, count: usize, name: &str) -> Result<Vec<Server>> {
        self.prepare_layout(contender, Layout { voters: count, observers: 0, masters: false }, name)
    }

    fn prepare_layout(&self, contender: Contender, layout: Layout, name: &str) -> Result<Vec<Server>> {
        let count = layout.voters + layout.observers;
        let members: Vec<[u16; 4]> = (0..count).map(|_| std::array::from_fn(|_| ports::free_port())).collect();
        let mut lines = String::new();
        if count > 1 {
            for (index, [_, quorum, election, _]) in members.iter().enumerate() {
                let sid = index + 1;
                let host = if layout.masters { format!("127.0.1.{sid}") } else { "127.0.0.1".to_owned() };
                let role = if index < layout.voters { "" } else { ":observer" };
                lines.push_str(&format!("server.{sid}={host}:{quorum}:{election}{role}\n"));
            }
        }
        if layout.masters {
            lines.push_str(&format!("observerMasterPort={}\n", ports::free_port()));
        }
        let mut servers = Vec::with_capacity(count);
        for (index, [client, .., http]) in members.iter().enumerate() {
            let contender = if contender == Contender::Mixed { mixed(index) } else { contender };
            let dir = self.dir.path().join(format!("{name}-{}-{}", contender.name(), index + 1));
            let data = dir.join("data");
            fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
            fs::write(data.join("myid"), format!("{}\n", index + 1))?;
            fs::write(dir.join("zoo.cfg"), zoo_cfg(&data, *client, &lines, commands(contender, count, *http)))?;
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, *client));
            let http = SocketAddr::from((Ipv4Addr::LOCALHOST, *http));
            servers.push(Server { contender, addr, http, dir, process: None });
        }
        Ok(servers)
    }
}

/// Who a server of a mixed ensemble is. The first one is Apache's, so that one of ours leads when all start.
fn mixed(index: usize) -> Contender {
    if index == 0 { Contender::Apache } else { Contender::Ours }
}

/// Where ours takes commands, in an ensemble.
fn commands(contender: Contender, count: usize, port: u16) -> String {
    if contender != Contender::Ours || count == 1 {
        return String::new();
    }
    format!(
        "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n\
         metricsProvider.httpHost=127.0.0.1\nmetricsProvider.httpPort={port}\n"
    )
}

/// The same for both but for where ours takes commands. snapCount, preAllocSize and forceSync (yes) are left at Apache's defaults.
fn zoo_cfg(data: &Path, client_port: u16, members: &str, more: String) -> String {
    format!(
        "tickTime=2000\ninitLimit=10\nsyncLimit=5\nmaxClientCnxns=0\ndataDir={}\nclientPort={client_port}\n\
         clientPortAddress=127.0.0.1\nadmin.enableServer=false\n4lw.commands.whitelist=*\n{members}{more}",
        data.display()
    )
}

impl Server {
    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The process.
    ///
    /// # Errors
    /// When it is down.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("the server is down")?.pid())
    }

    /// Starts the process; does not wait for anything.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&mut self, node: &Path, launch: Launch) -> Result<()> {
        let command = |program: &std::ffi::OsStr| match launch {
            Launch::Tied => process::command(program),
            Launch::Bare => Command::new(program),
        };
        let config = self.dir.join("zoo.cfg");
        let mut command = match self.contender {
            Contender::Ours => {
                let mut command = command(node.as_os_str());
                command.arg("run").arg("--config").arg(config);
                command
            }
            Contender::Apache => {
                let mut command = command("java".as_ref());
                command.args(JAVA_OPTIONS).arg("-cp").arg(prerequisites::apache_39_class_path());
                command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(config);
                command
            }
            Contender::Echo | Contender::Mixed => {
                let mut command = command(std::env::current_exe()?.as_os_str());
                command.args(["bench", echo::WORD, &self.addr.port().to_string()]);
                command
            }
        };
        let log = File::options().create(true).append(true).open(self.log_file())?;
        command.current_dir(&self.dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.process = Some(process::spawn(command).with_context(|| format!("start {}", self.contender.name()))?);
        Ok(())
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("log.txt")
    }

    fn wait_serving(&mut self) -> Result<()> {
        self.wait_for(Duration::from_millis(20), |addr, contender| match contender {
            Contender::Echo => std::net::TcpStream::connect(addr).is_ok(),
            _ => words::srvr_field(addr, "Mode").is_some(),
        })
    }

    /// Polls until `ready`.
    ///
    /// # Errors
    /// When the process ends or patience does; the message has the end of its log.
    pub fn wait_for(&mut self, pause: Duration, mut ready: impl FnMut(SocketAddr, Contender) -> bool) -> Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        while !ready(self.addr, self.contender) {
            let alive = self.process.as_mut().is_some_and(process::Guard::is_alive);
            if !alive || Instant::now() > deadline {
                let text = fs::read_to_string(self.log_file()).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let tail = lines[lines.len().saturating_sub(20)..].join("\n");
                bail!("{} at {} does not serve; its log ends:\n{tail}", self.contender.name(), self.addr);
            }
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Whose server it is; never mixed.
    pub fn contender(&self) -> Contender {
        self.contender
    }

    /// Where a server of ours takes commands.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it is down, or does not end in time.
    pub fn terminate(&mut self) -> Result<()> {
        let process = self.process.as_mut().context("the server is down")?;
        process.signal(rustix::process::Signal::TERM);
        let deadline = Instant::now() + START_PATIENCE;
        while process.is_alive() {
            if Instant::now() > deadline {
                bail!("{} at {} does not end after SIGTERM", self.contender.name(), self.addr);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.process = None;
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        // Dropping the guard kills and waits.
        self.process = None;
    }
}

impl Ensemble {
    /// Where clients connect.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::addr).collect()
    }

    /// The processes.
    ///
    /// # Errors
    /// When one is down.
    pub fn pids(&self) -> Result<Vec<u32>> {
        self.servers.iter().map(Server::pid).collect()
    }
}
