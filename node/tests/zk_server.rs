//! `zkServer.sh`: every verb, its output to the letter, and what it does to processes. Beside Apache's script itself it is held
//! in `tests/compat`.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::{Client, Session, create_ephemeral, free_port, get, program, text, wait_for};

const ERROR: &str = "Error contacting service. It is probably not running.\n";

/// Where a server is installed as from the tarball: `bin`, `conf`, `logs`, and a data directory.
struct Installed {
    dir: tempfile::TempDir,
    port: u16,
}

impl Installed {
    /// A standalone server.
    fn standalone() -> Installed {
        Installed::with("", "")
    }

    /// A server with these lines in its `zoo.cfg`; `myid` is empty for one without an id.
    fn with(more: &str, myid: &str) -> Installed {
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let installed = Installed { dir, port };
        for name in ["bin", "conf", "data"] {
            fs::create_dir(installed.path(name)).expect("a directory");
        }
        symlink(program(), installed.path("bin/zkServer.sh")).expect("a link");
        if !myid.is_empty() {
            fs::write(installed.path("data/myid"), myid).expect("myid");
        }
        let admin = if more.contains("admin.") { "" } else { "admin.enableServer=false\n" };
        installed.configure(&format!("clientPort={port}\n{admin}{more}"));
        installed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, lines: &str) {
        let text = format!("tickTime=500\ndataDir={}\n{lines}", self.path("data").display());
        fs::write(self.cfg(), text).expect("zoo.cfg");
    }

    fn cfg(&self) -> PathBuf {
        self.path("conf/zoo.cfg")
    }

    /// The script as one calls it after unpacking: it finds everything beside itself.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("bin/zkServer.sh"));
        command.args(arguments).stdin(Stdio::null());
        for variable in ["ZOOCFGDIR", "ZOO_CONF_DIR", "ZOOCFG", "ZOO_LOG_DIR", "ZOO_LOG_FILE", "ZOOPIDFILE"] {
            command.env_remove(variable);
        }
        command.env("USER", "me").env("HOSTNAME", "here");
        command
    }

    fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("run the script")
    }

    /// Its exit code and what it said on standard output.
    fn says(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.call(arguments);
        (output.status.code(), text(&output.stdout))
    }

    /// The same, and stops whatever it is that does not fit.
    fn check(&self, arguments: &[&str], code: i32, stdout: &str) {
        let output = self.call(arguments);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(code), stdout.to_owned()), "{output:?}");
    }

    fn pid_file(&self) -> PathBuf {
        self.path("data/zookeeper_server.pid")
    }

    fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.pid_file()).ok()?.parse().ok()
    }

    fn output(&self) -> String {
        fs::read_to_string(self.path("logs/zookeeper-me-server-here.out")).unwrap_or_default()
    }

    fn port_line(&self) -> String {
        format!("Client port found: {}. Client address: localhost. Client SSL: false.\n", self.port)
    }

    fn wait_for_status(&self, second_line: &str) {
        let expected = self.port_line() + second_line;
        wait_for(second_line, || (self.says(&["status"]).1 == expected).then_some(()));
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.output());
        }
        // Nothing a test has started outlives it: the server is killed if it is one.
        let pid = self.pid().filter(|pid| is_of(*pid, self.dir.path()));
        if let Some(pid) = pid {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

/// Whether a process was called with something of this directory.
fn is_of(pid: u32, dir: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&dir.display().to_string())
}

fn is_there(pid: u32) -> bool {
    // One that has ended and was not asked for by its parent has no command line any more.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// The number of a process that has ended.
fn ended() -> u32 {
    let mut child = Command::new("true").spawn().expect("true");
    child.wait().expect("wait");
    child.id()
}

#[test]
fn a_server_is_started_watched_and_stopped() {
    let zk = Installed::standalone();
    let pid_file = zk.pid_file().display().to_string();
    let nothing = format!("Stopping zookeeper ... no zookeeper to stop (could not find file {pid_file})\n");
    zk.check(&["stop"], 0, &nothing);
    let down =
        zk.port_line() + ERROR + &format!("not running: localhost:{}: Connection refused (os error 111)\n", zk.port);
    zk.check(&["status"], 1, &down);

    zk.check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    let pid = zk.pid().expect("a number and nothing else");
    assert!(is_of(pid, zk.dir.path()));
    zk.wait_for_status("Mode: standalone\n");
    zk.check(&["status"], 0, &(zk.port_line() + "Mode: standalone\n"));
    zk.check(&["start"], 1, &format!("Starting zookeeper ... already running as process {pid}.\n"));
    assert_eq!(zk.pid(), Some(pid));

    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
    assert!(!is_there(pid), "the word comes when it has ended");
    assert!(!zk.pid_file().exists());
    let log = zk.output();
    assert!(log.lines().last().is_some_and(|line| line.contains("INFO stopped ")), "{log}");
    zk.check(&["stop"], 0, &nothing);
}

#[test]
fn of_two_starts_at_the_same_time_one_finds_the_others_server() {
    let zk = Installed::standalone();
    let start = || zk.command(&["start"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("start");
    let both = [start(), start()].map(|start| start.wait_with_output().expect("wait"));
    let mut said = both.map(|output| (output.status.code(), text(&output.stdout)));
    said.sort();
    let pid = zk.pid().expect("a pid file");
    let expected = [
        (Some(0), "Starting zookeeper ... STARTED\n".to_owned()),
        (Some(1), format!("Starting zookeeper ... already running as process {pid}.\n")),
    ];
    assert_eq!(said, expected);
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn the_server_belongs_to_no_terminal() {
    let zk = Installed::standalone();
    zk.check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    let pid = zk.pid().expect("a pid file");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let (group, session, terminal) = (fields[2], fields[3], fields[4]);
    assert_eq!((group, session, terminal), (pid.to_string().as_str(), pid.to_string().as_str(), "0"), "{stat}");
    let of = |number: u32| fs::read_link(format!("/proc/{pid}/fd/{number}")).expect("a descriptor");
    assert_eq!(of(0), Path::new("/dev/null"));
    assert_eq!((of(1), of(2)), (zk.path("logs/zookeeper-me-server-here.out"), of(1)));
    assert!(!zk.output().contains("ZOO_LOG_DIR"));
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn files_are_where_the_variables_say() {
    let zk = Installed::standalone();
    let (pid_file, logs) = (zk.path("run/zk/server.pid"), zk.path("var/log"));
    let call = |verb: &str| {
        let mut command = zk.command(&[verb]);
        command.env("ZOOPIDFILE", &pid_file).env("ZOO_LOG_DIR", &logs).env("ZOO_LOG_FILE", "zk.log");
        text(&command.output().expect("run").stdout)
    };
    assert_eq!(call("start"), "Starting zookeeper ... STARTED\n");
    let pid = fs::read_to_string(&pid_file).expect("the pid file");
    assert!(!zk.pid_file().exists());
    // For the end of the test, whatever happens.
    fs::write(zk.pid_file(), &pid).expect("a copy");
    assert_eq!(call("stop"), "Stopping zookeeper ... STOPPED\n");
    let log = fs::read_to_string(logs.join("zk.log")).expect("the output");
    assert!(!log.contains("has no effect"), "{log}");
    assert!(call("print-cmd").contains(&format!(">> \"{}\" 2>&1 < /dev/null", logs.join("zk.log").display())));
}

#[test]
fn a_stale_pid_file_is_in_nobodys_way() {
    let zk = Installed::standalone();
    for stale in [ended().to_string(), "nonsense".to_owned(), "-1".to_owned()] {
        fs::write(zk.pid_file(), &stale).expect("a pid file");
        let stop = zk.call(&["stop"]);
        assert_eq!((stop.status.code(), text(&stop.stdout)), (Some(0), "Stopping zookeeper ... STOPPED\n".to_owned()));
        assert!(text(&stop.stderr).contains("was stale"), "{stop:?}");
        assert!(!zk.pid_file().exists());
    }
    fs::write(zk.pid_file(), ended().to_string()).expect("a pid file");
    zk.check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn nobody_elses_process_is_stopped() {
    let zk = Installed::standalone();
    let mut other = Command::new("sleep").arg("600").spawn().expect("sleep");
    fs::write(zk.pid_file(), other.id().to_string()).expect("a pid file");
    let stop = zk.call(&["stop"]);
    let front = format!("Stopping zookeeper ... no zookeeper to stop (process {} of file ", other.id());
    assert_eq!(stop.status.code(), Some(1), "{stop:?}");
    assert!(text(&stop.stdout).starts_with(&front) && text(&stop.stdout).contains(".pid is /"), "{stop:?}");
    assert!(zk.pid_file().exists() && other.try_wait().expect("wait").is_none());

    zk.check(&["restart"], 0, &(text(&stop.stdout) + "Starting zookeeper ... STARTED\n"));
    assert_ne!(zk.pid(), Some(other.id()));
    assert!(other.try_wait().expect("wait").is_none());
    other.kill().expect("kill");
    other.wait().expect("wait");

    // Neither is a server of this program with another configuration.
    let neighbour = Installed::standalone();
    fs::copy(zk.pid_file(), neighbour.pid_file()).expect("copy");
    let stop = neighbour.call(&["stop"]);
    assert!(text(&stop.stdout).contains("is the server of another configuration: "), "{stop:?}");
    assert!(is_there(zk.pid().expect("a pid file")));
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn a_start_that_fails_says_so_and_leaves_no_pid_file() {
    let zk = Installed::standalone();
    let said = |output: &Output, stdout: &str, stderr: &str| {
        assert_eq!(
            (output.status.code(), text(&output.stdout)),
            (Some(1), format!("Starting zookeeper ... {stdout}\n"))
        );
        assert!(text(&output.stderr).contains(stderr), "{output:?}");
        assert!(!zk.pid_file().exists());
    };
    zk.configure("clientPort=many\n");
    said(&zk.call(&["start"]), "FAILED TO START", "clientPort");
    // Somebody else's port: the server finds out.
    let taken = std::net::TcpListener::bind(("0.0.0.0", zk.port)).expect("bind");
    zk.configure(&format!("clientPort={}\nadmin.enableServer=false\n", zk.port));
    said(&zk.call(&["start"]), "FAILED TO START", "the server ended (exit status: 1): ");
    drop(taken);
    // A file in the place of a directory.
    let file = zk.path("file");
    fs::write(&file, "").expect("a file");
    let with = |name: &str, value: PathBuf| zk.command(&["start"]).env(name, value).output().expect("run");
    said(&with("ZOOPIDFILE", file.join("zk.pid")), "FAILED TO WRITE PID", "ZOOPIDFILE");
    said(&with("ZOO_LOG_DIR", file.join("logs")), "SERVER DID NOT START", "ZOO_LOG_DIR");
}

#[test]
fn missing_directories_are_not_made_where_that_is_forbidden() {
    let zk = Installed::standalone();
    let call = |verb: &str| {
        let output = zk.command(&[verb]).env("ZOO_DATADIR_AUTOCREATE_DISABLE", "1").output().expect("run");
        (output.status.code(), text(&output.stdout))
    };
    let data = zk.path("data").display().to_string();
    let missing = format!("ZooKeeper data directory is missing at {data} fix the path or run initialize\n");
    assert_eq!(call("start"), (Some(1), missing.clone()));
    assert_eq!(call("status"), (Some(1), missing));
    fs::create_dir(zk.path("data/version-2")).expect("a directory");
    zk.configure(&format!("clientPort={}\ndataLogDir=/nowhere\n", zk.port));
    let missing = "ZooKeeper txnlog directory is missing at /nowhere fix the path or run initialize\n";
    assert_eq!(call("start"), (Some(1), missing.to_owned()));
}

#[test]
fn a_server_that_somebody_else_started_is_seen() {
    let zk = Installed::standalone();
    let mut server = zk.command(&["start-foreground"]).stdout(Stdio::null()).spawn().expect("start");
    zk.wait_for_status("Mode: standalone\n");
    zk.check(&["start"], 1, &format!("Starting zookeeper ... already running as process {}.\n", server.id()));
    let stop = zk.call(&["stop"]);
    assert!(text(&stop.stdout).contains("no zookeeper to stop (could not find file "), "{stop:?}");
    assert!(text(&stop.stderr).contains(&format!("process {} serves ", server.id())), "{stop:?}");
    assert!(server.try_wait().expect("wait").is_none());
    // Its number in the file makes it one that can be stopped, as whoever writes pid files by himself expects.
    fs::write(zk.pid_file(), server.id().to_string()).expect("a pid file");
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
    assert_eq!(server.wait().expect("wait").code(), Some(0));
}

#[test]
fn a_session_survives_a_restart() {
    let zk = Installed::standalone();
    zk.check(&["restart"], 0, &{
        let file = zk.pid_file().display().to_string();
        format!(
            "Stopping zookeeper ... no zookeeper to stop (could not find file {file})\nStarting zookeeper ... STARTED\n"
        )
    });
    let (mut client, session) = wait_for("a session", || Client::connect_as(zk.port, &Session::default()));
    assert_eq!(client.call(create_ephemeral(1, "/mine")).error, 0);
    let before = zk.pid();
    zk.check(&["restart"], 0, "Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n");
    assert!(zk.pid().is_some() && zk.pid() != before);
    let (mut client, again) = wait_for("the session again", || Client::connect_as(zk.port, &session));
    assert_eq!(again.id, session.id);
    assert_eq!(client.call(get(2, "/mine", false)).error, 0, "the ephemeral is still there");
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn in_a_container_it_starts_in_the_foreground() {
    let zk = Installed::standalone();
    let in_container = |verb: &str| {
        let mut command = zk.command(&[verb]);
        command.env("ZOOKUBE_CONTAINER", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut server = in_container("start").spawn().expect("start");
    zk.wait_for_status("Mode: standalone\n");
    let second = in_container("start").output().expect("run");
    let expected = format!("Starting zookeeper ... already running as process {}.\n", server.id());
    assert_eq!((second.status.code(), text(&second.stdout)), (Some(1), expected));
    assert!(text(&second.stderr).contains("docker restart"), "{second:?}");
    let stop = in_container("stop").output().expect("run");
    assert!(text(&stop.stderr).contains("docker stop"), "{stop:?}");
    assert!(server.try_wait().expect("wait").is_none() && !zk.pid_file().exists());
    assert!(Command::new("kill").arg(server.id().to_string()).status().expect("kill").success());
    let output = server.wait_with_output().expect("wait");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("the server runs in the foreground"), "{output:?}");
    assert!(!text(&output.stdout).contains("Starting zookeeper"), "standard output is the server's log");
}

#[test]
fn the_script_answers_by_whatever_way_it_is_called() {
    let zk = Installed::standalone();
    let (dir, cfg) = (zk.path("conf").display().to_string(), zk.cfg().display().to_string());
    zk.check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    zk.wait_for_status("Mode: standalone\n");
    symlink(program(), zk.path("zk")).expect("a link");
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).env("ZOOCFGDIR", &dir).output().expect("run");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), zk.port_line() + "Mode: standalone\n"));
        assert_eq!(text(&output.stderr), format!("Using config: {cfg}\n"));
    };
    let script = zk.path("bin/zkServer.sh");
    run(&script, &["status"]);
    run(&script, &["status", &cfg]);
    run(&script, &["--config", &dir, "status", "zoo.cfg"]);
    run(&program(), &["zkServer.sh", "status"]);
    run(&program(), &["zk", "server", "status"]);
    run(&zk.path("zk"), &["server", "--config", &dir, "status"]);
    run(&zk.path("zk"), &["zookeeper-3.4.6/bin/zkServer.sh", "status"]);
    let beside = zk.call(&["status"]);
    assert_eq!(text(&beside.stderr), format!("Using config: {}\n", zk.path("bin/../conf/zoo.cfg").display()));
    let stop = Command::new(zk.path("zk")).args(["server", "stop", &cfg]).output().expect("run");
    assert_eq!(text(&stop.stdout), "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn version_usage_and_command_line() {
    let zk = Installed::standalone();
    let (code, version) = zk.says(&["version"]);
    assert!(code == Some(0) && version.starts_with("Apache ZooKeeper, version 3.9.5-zookube."), "{version}");
    let script = zk.path("bin/zkServer.sh").display().to_string();
    for arguments in [&["dance"][..], &[], &["--config"]] {
        let other = zk.call(arguments);
        let usage = format!(
            "Usage: {script} [--config <conf-dir>] {{start|start-foreground|stop|version|restart|status|print-cmd}}\n"
        );
        assert_eq!((other.status.code(), text(&other.stderr)), (Some(0), usage), "as the script");
        assert!(other.stdout.is_empty());
    }
    let (code, line) = zk.says(&["print-cmd"]);
    assert_eq!(code, Some(0));
    assert!(
        line.contains(&format!("\" run --config \"{}\" >> \"", zk.path("bin/../conf/zoo.cfg").display())),
        "{line}"
    );
    fs::write(zk.path("conf/java.env"), "export JVMFLAGS=-Xmx1g").expect("java.env");
    let said = text(&zk.call(&["print-cmd"]).stderr);
    assert!(said.contains("java.env is not read. hint: "), "{said}");
}

/// Servers of one ensemble, all with a vote but those behind `voters`.
fn ensemble(voters: usize, all: usize) -> Vec<Installed> {
    let mut lines = "initLimit=20\nsyncLimit=10\n".to_owned();
    for sid in 1..=all {
        let role = if sid > voters { ":observer" } else { "" };
        lines += &format!("server.{sid}=127.0.0.1:{}:{}{role}\n", free_port(), free_port());
    }
    let own = |sid: usize| if sid > voters { "peerType=observer\n" } else { "" };
    (1..=all).map(|sid| Installed::with(&(lines.clone() + own(sid)), &sid.to_string())).collect()
}

/// What `zkServer.sh status | grep Mode` finds.
fn grep_mode(zk: &Installed) -> Vec<String> {
    zk.says(&["status"]).1.lines().filter(|line| line.contains("Mode")).map(str::to_owned).collect()
}

#[test]
fn status_tells_every_role_and_who_is_missing() {
    let servers = ensemble(3, 4);
    let not_serving = |zk: &Installed, reason: &str| zk.wait_for_status(&format!("{ERROR}{reason}\n"));
    servers[0].check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    not_serving(&servers[0], "no quorum: have 1 of 3, missing 2, 3");
    assert_eq!(servers[0].says(&["status"]).0, Some(1));
    assert_eq!(grep_mode(&servers[0]), [""; 0]);
    for zk in &servers[1..] {
        zk.check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    }
    let roles = wait_for("every server to have its role", || {
        let roles: Vec<String> = servers.iter().flat_map(grep_mode).collect();
        (roles.len() == servers.len()).then_some(roles)
    });
    assert_eq!(roles[3], "Mode: observer");
    assert_eq!(roles.iter().filter(|role| *role == "Mode: leader").count(), 1, "{roles:?}");
    assert_eq!(roles.iter().filter(|role| *role == "Mode: follower").count(), 2, "{roles:?}");
    for zk in &servers {
        assert_eq!(zk.says(&["status"]).0, Some(0));
    }
    for zk in &servers[1..3] {
        zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
    }
    not_serving(&servers[0], "no quorum: have 1 of 3, missing 2, 3");
    not_serving(&servers[3], "no quorum: have 1 of 3, missing 2, 3");
    let down = servers[1].says(&["status"]).1;
    assert!(down.contains(&format!("{ERROR}not running: ")), "{down}");
    for zk in [&servers[0], &servers[3]] {
        zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
    }
}

#[test]
fn status_goes_by_what_the_server_says_of_itself() {
    let admin = free_port();
    let others: String =
        (2..=3).map(|sid| format!("server.{sid}=127.0.0.1:{}:{}\n", free_port(), free_port())).collect();
    let own = format!("server.1=127.0.0.1:{}:{};0.0.0.0:", free_port(), free_port());
    let zk = Installed::with("", "1");
    zk.configure(&format!(
        "initLimit=10\nsyncLimit=5\nadmin.serverPort={admin}\n4lw.commands.whitelist=stat\n{own}{}\n{others}",
        zk.port
    ));
    zk.check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    let expected = format!(
        "Client port found: {}. Client address: 0.0.0.0. Client SSL: false.\n{ERROR}no quorum: have 1 of 3, missing 2, 3\n",
        zk.port
    );
    // The port is not in a key of its own, so myid decides whose line has it.
    wait_for("the reason", || (zk.says(&["status"]).1 == expected).then_some(()));
    fs::remove_file(zk.path("data/myid")).expect("remove");
    let (code, said) = zk.says(&["status"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "myid could not be determined, will not able to locate clientPort in the server configs.\n\
         Client port not found. Looking for secureClientPort in the static config.\n\
         Unable to find either secure or unsecure client port in any configs. Terminating.\n"
    );
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn a_server_that_stands_still_is_not_called_gone() {
    let zk = Installed::standalone();
    zk.check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    zk.wait_for_status("Mode: standalone\n");
    let pid = zk.pid().expect("a pid file").to_string();
    assert!(Command::new("kill").args(["-STOP", &pid]).status().expect("kill").success());
    let said = zk.says(&["status"]).1;
    assert!(Command::new("kill").args(["-CONT", &pid]).status().expect("kill").success());
    let expected = format!("{ERROR}process {pid} has the data directory open, but does not answer clients (yet): ");
    assert!(said.contains(&expected), "{said}");
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn a_spoilt_file_does_not_hide_the_server() {
    let zk = Installed::standalone();
    zk.check(&["start"], 0, "Starting zookeeper ... STARTED\n");
    zk.wait_for_status("Mode: standalone\n");
    zk.configure(&format!("clientPort={}\nsecureClientPort=2281\ntickTime=never\n", zk.port));
    zk.check(&["status"], 0, &(zk.port_line() + "Mode: standalone\n"));
    zk.check(&["stop"], 0, "Stopping zookeeper ... STOPPED\n");
    let (code, said) = zk.says(&["status"]);
    assert!(code == Some(1) && said.contains("the configuration is not valid"), "{said}");
    fs::remove_file(zk.cfg()).expect("remove");
    let gone = zk.call(&["status", zk.cfg().to_str().expect("a path")]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        text(&gone.stdout)
            .ends_with("Unable to find either secure or unsecure client port in any configs. Terminating.\n")
    );
    assert!(text(&gone.stderr).contains("zoo.cfg: No such file or directory"), "{gone:?}");
}
