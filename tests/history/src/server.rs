//! One of our servers as a process in a network namespace of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use support::{prerequisites, process, words};

use crate::disk::{self, SmallDisk};
use crate::namespace::{self, Namespace};

/// Every server has an address of its own, so all can use the ports of the manual.
const CLIENT_PORT: u16 = 2181;

/// A tick, ms. Short, because the test waits for what servers notice after a number of ticks.
const TICK_MS: u32 = 250;

/// Ticks without a word after which a learner and its leader part.
const SYNC_LIMIT_TICKS: u32 = 6;

/// How long a connection to another server's election port may take, ms: packets vanish without an answer here.
const ELECTION_CONNECT_MS: u32 = 1000;

/// Transactions between two snapshots: few enough for several in a run.
const SNAP_COUNT: u32 = 1000;

/// Snapshots kept, and with them the logs, but for those that a leader's snapshot replaces: the check replays the whole
/// history.
const SNAPSHOTS_KEPT: u32 = 1_000_000;

/// How far the log is extended at a time, KiB: a full disk is to be felt after a few transactions.
const PRE_ALLOC_KIB: u32 = 4;

/// The address of the server with this id.
pub fn addr_of(id: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, id)
}

/// A server, running or down, with its directory and its namespace.
#[derive(Debug)]
pub struct Server {
    id: u8,
    // In the order of their end: the process, its disk, the directory under it, the network around it.
    process: Option<process::Guard>,
    small_disk: Option<SmallDisk>,
    dir: tempfile::TempDir,
    namespace: Namespace,
}

impl Server {
    /// A server of `servers`, configured but not started. With `disk_bytes` its data lie on a disk of that size.
    ///
    /// # Panics
    /// When its directory or disk cannot be made.
    pub fn prepare(id: u8, servers: u8, namespace: Namespace, disk_bytes: Option<u64>) -> Self {
        let name = namespace::unique_name(&format!("s{id}-"));
        let dir = tempfile::Builder::new().prefix(&name).tempdir().expect("a temporary directory");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a data directory");
        let small_disk = disk_bytes.map(|bytes| SmallDisk::mount(&data, bytes));
        std::fs::write(data.join("myid"), format!("{id}\n")).expect("a myid file");
        let mut config = format!(
            "dataDir={}\nclientPort={CLIENT_PORT}\nclientPortAddress={}\ntickTime={TICK_MS}\ninitLimit=20\n\
             syncLimit={SYNC_LIMIT_TICKS}\ncnxTimeout={ELECTION_CONNECT_MS}\nsnapCount={SNAP_COUNT}\n\
             preAllocSize={PRE_ALLOC_KIB}\nautopurge.snapRetainCount={SNAPSHOTS_KEPT}\nadmin.enableServer=false\n4lw.commands.whitelist=*\nmaxClientCnxns=0\n",
            data.display(),
            addr_of(id),
        );
        for peer in 1..=servers {
            config.push_str(&format!("server.{peer}={}:2888:3888\n", addr_of(peer)));
        }
        std::fs::write(dir.path().join("zoo.cfg"), config).expect("a zoo.cfg");
        Self { id, process: None, small_disk, dir, namespace }
    }

    /// Its id, which is also its host number on the hub.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((addr_of(self.id), CLIENT_PORT))
    }

    /// Where its log and snapshots are.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Its disk, if it has one of its own.
    pub fn small_disk(&self) -> Option<&SmallDisk> {
        self.small_disk.as_ref()
    }

    /// Starts the process; does not wait for anything.
    ///
    /// # Panics
    /// When it runs already or the program cannot be started.
    pub fn start(&mut self) {
        assert!(!self.is_running(), "server {} runs already", self.id);
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let errors = log.try_clone().expect("a second handle on the log");
        // `nsenter` becomes the server: same pid, same tie to this process.
        let mut command = process::command("nsenter");
        command.arg(format!("--net={}", self.namespace.path().display())).arg("--").arg(prerequisites::zookube_node());
        command.arg("run").arg("--config").arg(self.dir.path().join("zoo.cfg"));
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(log).stderr(errors);
        self.process = Some(process::spawn(command).expect("the server's program can be started"));
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(process::Guard::is_alive)
    }

    /// SIGKILL, and wait for the end.
    pub fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_9();
        }
    }

    /// SIGKILL without waiting, to hit several servers at once; [`Server::kill_9`] waits.
    pub fn signal_kill(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::KILL);
        }
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

    /// Whether the process is stopped by a signal.
    pub fn is_paused(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap_or_default();
        namespace::process_state(&stat) == Some('T')
    }

    /// What `srvr` says its mode is; `None` while it does not serve.
    pub fn mode(&self) -> Option<String> {
        words::srvr_field(self.addr(), "Mode")
    }

    /// What `srvr` says is the last zxid it has applied; `None` while it does not serve.
    pub fn zxid(&self) -> Option<i64> {
        let text = words::srvr_field(self.addr(), "Zxid")?;
        i64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    }

    /// How many lines of what it has written contain `words`.
    pub fn count_in_log(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log.txt")
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_9();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n");
            eprintln!("---- log of server {} ends:\n{tail}", self.id);
        }
        if std::env::var_os("ZOOKUBE_TEST_KEEP").is_some() {
            // A later look at the data directory is worth more than a tidy temporary directory. A copy, because the data
            // may lie on a disk that goes; best effort, because somebody else's tests go on.
            self.dir.disable_cleanup(true);
            let _ = Command::new("cp").arg("-r").arg(self.data_dir()).arg(self.dir.path().join(disk::KEPT)).status();
            eprintln!("kept {}", self.dir.path().display());
        }
    }
}
