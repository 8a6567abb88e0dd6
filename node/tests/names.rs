//! Three servers and their names: a name server that is down at first, a server that moves, own names that mean nothing.

#[expect(dead_code, reason = "the unit tests of the resolver use the rest")]
#[path = "support/dns.rs"]
mod dns;
mod support;

use ::support::wait;
use dns::{Behaviour, Dns};
use hickory_resolver::proto::op::ResponseCode;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines about peers that a server may write in half a minute.
const LINES_MAX: usize = 20;

fn wait_for<T>(what: &str, met: impl FnMut() -> Option<T>) -> T {
    wait::until(what, PATIENCE, met)
}

/// An address that belongs to this test: server `sid`, at its first or a later place.
fn address(sid: usize, place: u8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 90 + 10 * place + u8::try_from(sid).expect("a small id"), high, low.clamp(1, 254))
}

fn free_port(address: Ipv4Addr) -> u16 {
    TcpListener::bind((address, 0)).expect("bind").local_addr().expect("an address").port()
}

/// One server of three.
struct Server {
    sid: usize,
    dir: PathBuf,
    client_port: u16,
    process: Option<Child>,
}

/// Quorum and election port of each server.
type Ports = Vec<(u16, u16)>;

impl Server {
    fn three(dir: &Path) -> Vec<Server> {
        let one = |sid: usize| {
            let own = dir.join(sid.to_string());
            std::fs::create_dir_all(own.join("data")).expect("a directory");
            std::fs::write(own.join("data/myid"), sid.to_string()).expect("myid");
            Server { sid, dir: own, client_port: support::free_port(), process: None }
        };
        (1..=3).map(one).collect()
    }

    /// Starts it with this host in its own line; the others' lines have names.
    fn start(&mut self, own_host: &str, ports: &Ports, files: &[(&str, &Path)]) {
        let mut text = format!(
            "tickTime=500\ninitLimit=10\nsyncLimit=5\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n\
             4lw.commands.whitelist=*\n",
            self.dir.join("data").display(),
            self.client_port
        );
        for (sid, (quorum, election)) in (1..).zip(ports) {
            let host = if sid == self.sid { own_host.to_owned() } else { format!("zk{sid}.lab") };
            text += &format!("server.{sid}={host}:{quorum}:{election}\n");
        }
        std::fs::write(self.dir.join("zoo.cfg"), text).expect("zoo.cfg");
        let out = File::options().create(true).append(true).open(self.dir.join("out")).expect("a log");
        let process = Command::new(env!("CARGO_BIN_EXE_zookube-node"))
            .args(["run", "--config"])
            .arg(self.dir.join("zoo.cfg"))
            .env("ZOOKUBE_HOST_NAME", format!("zk{}.lab", self.sid))
            .env("ZOOKUBE_RESOLV_CONF", self.dir.join("no-resolv.conf"))
            .env("ZOOKUBE_HOSTS", self.dir.join("no-hosts"))
            .envs(files.iter().copied())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a handle"))
            .stderr(out)
            .spawn()
            .expect("start the server");
        self.process = Some(process);
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kill");
            process.wait().expect("wait");
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("out")).unwrap_or_default()
    }

    fn ask(&self, word: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.client_port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(word.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// `leader` or `follower`; nothing while it does not serve.
    fn mode(&self) -> Option<String> {
        self.ask("srvr")?.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }

    fn wait_for_mode(&self, modes: &[&str]) {
        wait_for(&format!("server {} to be one of {modes:?}", self.sid), || {
            self.mode().filter(|mode| modes.contains(&mode.as_str()))
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("server {}:\n{}", self.sid, self.log());
        }
        self.stop();
    }
}

#[test]
fn an_ensemble_outlives_its_name_server_and_follows_a_server_that_moves() {
    let dns = Dns::start();
    let dir = tempfile::tempdir().unwrap();
    let resolv_conf = dir.path().join("resolv.conf");
    std::fs::write(&resolv_conf, dns.line() + "search lab\noptions timeout:1\n").unwrap();
    let files = [("ZOOKUBE_RESOLV_CONF", resolv_conf.as_path())];
    let mut servers = Server::three(dir.path());
    // Their own lines have numbers: the ports are open at these addresses only.
    let ports: Ports = (1..=3).map(|sid| (free_port(address(sid, 0)), free_port(address(sid, 0)))).collect();

    // The name server is down while all three start: they say so, a line per peer, and go on.
    dns.behave(Behaviour::Silent);
    for server in &mut servers {
        server.start(&address(server.sid, 0).to_string(), &ports, &files);
    }
    for server in &servers {
        for peer in (1..=3).filter(|peer| *peer != server.sid) {
            let address = format!(" peer={peer} address=zk{peer}.lab:{} ", ports[peer - 1].1);
            let is_said =
                |line: &str| line.contains("peer unreachable (host name not resolved") && line.contains(&address);
            wait_for(&address, || server.log().lines().any(is_said).then_some(()));
        }
    }
    dns.behave(Behaviour::Says(ResponseCode::ServFail));
    let asked = dns.asked().len();
    wait_for("more attempts", || (dns.asked().len() > asked + 20).then_some(()));
    for server in &servers {
        assert_eq!(server.mode(), None, "nobody is elected without names");
        let about_peers: Vec<String> =
            server.log().lines().filter(|line| line.contains("unreachable")).map(str::to_owned).collect();
        assert!(about_peers.len() <= LINES_MAX, "{about_peers:#?}");
        assert!(about_peers.iter().all(|line| line.contains("retry_ms=")), "{about_peers:#?}");
    }
    for sid in 1..=3 {
        dns.set(&format!("zk{sid}.lab."), &[&address(sid, 0).to_string()]);
    }
    dns.behave(Behaviour::Answers);
    for server in &servers {
        server.wait_for_mode(&["leader", "follower"]);
    }

    // Server 3 comes back at another address. What it knows of the others is enough to join; what they know of it shows when
    // it leads.
    servers[2].stop();
    dns.set("zk3.lab.", &[&address(3, 1).to_string()]);
    servers[2].start(&address(3, 1).to_string(), &ports, &files);
    for server in &servers {
        server.wait_for_mode(&["leader", "follower"]);
    }
    servers[1].stop();
    servers[2].wait_for_mode(&["leader"]);
    // Server 1 has dialled it by its name.
    servers[0].wait_for_mode(&["follower"]);
}

/// Three servers that reach each other by names, each of which says of itself what `own_host` says.
fn check_own_name(own_host: impl Fn(usize) -> String, own_address: Option<&str>) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut servers = Server::three(dir.path());
    let free = || free_port(Ipv4Addr::LOCALHOST);
    let ports: Ports = (1..=3).map(|_| (free(), free())).collect();
    for server in &mut servers {
        let peers = (1..=3).filter(|peer| *peer != server.sid);
        let mut lines: String = peers.map(|peer| format!("127.0.0.1 zk{peer}.lab\n")).collect();
        if let Some(address) = own_address {
            lines += &format!("{address} zk{}.lab\n", server.sid);
        }
        let hosts = server.dir.join("hosts");
        std::fs::write(&hosts, lines).expect("hosts");
        server.start(&own_host(server.sid), &ports, &[("ZOOKUBE_HOSTS", &hosts)]);
    }
    for server in &servers {
        server.wait_for_mode(&["leader", "follower"]);
        let published = server.ask("conf").expect("an answer");
        for (sid, (quorum, election)) in (1..).zip(&ports) {
            let line = format!("server.{sid}=zk{sid}.lab:{quorum}:{election}:participant");
            assert!(published.contains(&line), "{line} is not in {published}");
        }
    }
}

#[test]
fn servers_whose_own_names_are_loopback_addresses_find_each_other() {
    check_own_name(|sid| format!("zk{sid}.lab"), Some("127.0.1.1"));
}

#[test]
fn servers_whose_own_names_nobody_knows_find_each_other() {
    check_own_name(|sid| format!("zk{sid}.lab"), None);
}

#[test]
fn a_wildcard_in_the_own_line_is_listened_on_and_not_published() {
    check_own_name(|_| "0.0.0.0".to_owned(), None);
}
