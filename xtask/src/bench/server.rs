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
    /// The TCP echo.
    Echo,
}

impl Contender {
    /// A name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Ours => "ours",
            Contender::Apache => "apache",
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

/// One server, running or down.
#[derive(Debug)]
pub struct Server {
    contender: Contender,
    addr: SocketAddr,
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
        let mut servers = self.prepare(contender, count, name)?;
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
        let members: Vec<[u16; 3]> = (0..count).map(|_| std::array::from_fn(|_| ports::free_port())).collect();
        let mut lines = String::new();
        if count > 1 {
            for (index, [_, quorum, election]) in members.iter().enumerate() {
                lines.push_str(&format!("server.{}=127.0.0.1:{quorum}:{election}\n", index + 1));
            }
        }
        let mut servers = Vec::with_capacity(count);
        for (index, [client, ..]) in members.iter().enumerate() {
            let dir = self.dir.path().join(format!("{name}-{}-{}", contender.name(), index + 1));
            let data = dir.join("data");
            fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
            fs::write(data.join("myid"), format!("{}\n", index + 1))?;
            fs::write(dir.join("zoo.cfg"), zoo_cfg(&data, *client, &lines))?;
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, *client));
            servers.push(Server { contender, addr, dir, process: None });
        }
        Ok(servers)
    }
}

/// The same for both. snapCount, preAllocSize and forceSync (yes) are left at Apache's defaults.
fn zoo_cfg(data: &Path, client_port: u16, members: &str) -> String {
    format!(
        "tickTime=2000\ninitLimit=10\nsyncLimit=5\nmaxClientCnxns=0\ndataDir={}\nclientPort={client_port}\n\
         clientPortAddress=127.0.0.1\nadmin.enableServer=false\n4lw.commands.whitelist=*\n{members}",
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
            Contender::Echo => {
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
            Contender::Ours | Contender::Apache => words::srvr_field(addr, "Mode").is_some(),
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
