//! Volumes that come to pods of ours in an unusual way: from Apache's servers, as the bitnami chart and the Pravega operator leave them
//! (`docs/operating/migrating-bitnami.md`, `docs/operating/migrating-pravega.md`), and what is left of a lost majority
//! (`docs/operating/lost-quorum.md`).

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use contract::{objects, variables};
use support::ServerKind::Apache39;
use support::ensemble::{Ensemble, Plan, Role};
use support::server::{PATIENCE, Ports};
use support::session::{Mode, Reconfig, Session};
use support::{Server, ports, prerequisites, process, wait, words};

const SESSION_MS: i32 = 10_000;
const ZNODES: usize = 20;

/// A server's line, with its addresses here instead of names of pods.
fn line(id: usize, ports: Ports) -> String {
    format!("server.{id}=127.0.0.1:{}:{}:participant;127.0.0.1:{}", ports.quorum, ports.election, ports.client)
}

fn lines(ports: &[Ports]) -> Vec<String> {
    ports.iter().enumerate().map(|(index, ports)| line(index + 1, *ports)).collect()
}

fn ports_of(ensemble: &Ensemble) -> Vec<Ports> {
    ensemble.servers.iter().map(Server::ports).collect()
}

/// Three of Apache's servers with data.
fn apaches(plan: Plan) -> Ensemble {
    let mut ensemble = plan.prepare();
    let lines = lines(&ports_of(&ensemble));
    for server in &mut ensemble.servers {
        for line in &lines {
            let (key, value) = line.split_once('=').expect("a line");
            server.reconfigure(key, value);
        }
        server.start();
    }
    ensemble.wait_settled();
    let mut session = Session::open_any(&ensemble.addrs(), SESSION_MS, PATIENCE);
    for number in 0..ZNODES {
        session.create(&format!("/n{number}"), number.to_string().as_bytes(), Mode::Persistent).expect("a znode");
    }
    session.close().expect("it ends");
    ensemble
}

/// The servers of three pods, on the data directories of servers that are down.
struct Pods {
    before: Ensemble,
    ports: Vec<Ports>,
    record: PathBuf,
    running: Vec<process::Guard>,
    _dir: tempfile::TempDir,
}

impl Pods {
    fn on_volumes_of(mut before: Ensemble, ports: Vec<Ports>) -> Pods {
        for server in &mut before.servers {
            server.terminate();
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let record = dir.path().join("ensemble.json");
        Pods { before, ports, record, running: Vec::new(), _dir: dir }
    }

    /// The uid that the resource of the sample has.
    fn uid() -> String {
        variables(&objects("small"), "main", "main-0")["ZOOKUBE_CLUSTER_ID"].clone()
    }

    /// Starts all three. The record is that of a resource that was just applied, or of one whose ensemble was founded.
    fn start(&mut self, bootstrapped: bool) {
        let record = format!("{{\"clusterUid\":\"{}\",\"bootstrapped\":{bootstrapped}}}", Pods::uid());
        std::fs::write(&self.record, record).expect("the record");
        self.running = (0..3).map(|ordinal| self.spawn(ordinal)).collect();
    }

    fn spawn(&self, ordinal: usize) -> process::Guard {
        let (pod, server) = (format!("main-{ordinal}"), &self.before.servers[ordinal]);
        let data = server.data_dir().display().to_string();
        let all = lines(&self.ports);
        let (_, own) = all[ordinal].split_once('=').expect("a line");
        let variables = variables(&objects("small"), "main", &pod);
        let extra = variables["ZOO_CFG_EXTRA"].replace("metricsProvider.httpPort=7000", "admin.enableServer=false");
        let extra = format!("{extra} metricsProvider.httpPort={}", ports::free_port());
        let mut command = process::command(prerequisites::zookube_node());
        command.arg("run").env("ZOOKUBE_CONTAINER", "1").envs(variables).env("ZOOKUBE_HOST_NAME", &pod);
        command.envs([("ZOO_DATA_DIR", &data), ("ZOO_DATA_LOG_DIR", &data), ("ZOO_SERVERS", &all.join(" "))]);
        command.env("ZOOKUBE_JOIN_AS", own).env("ZOO_CFG_EXTRA", extra).env("ZOOKUBE_RECORD", &self.record);
        let log = File::options().append(true).open(server.log_file()).expect("its log");
        let errors = log.try_clone().expect("a second handle");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        process::spawn(command).expect("it starts")
    }

    fn addrs(&self) -> Vec<SocketAddr> {
        self.ports.iter().map(|ports| SocketAddr::from((Ipv4Addr::LOCALHOST, ports.client))).collect()
    }

    fn modes(&mut self) -> Vec<String> {
        assert!(self.running.iter_mut().all(process::Guard::is_alive), "one has ended");
        self.addrs().iter().filter_map(|addr| words::srvr_field(*addr, "Mode")).collect()
    }

    fn wait_settled(&mut self) {
        wait::until("a leader and two followers", PATIENCE, || {
            let modes = self.modes();
            (modes.len() == 3 && modes.iter().filter(|mode| *mode == "leader").count() == 1).then_some(())
        });
    }

    fn stop(&mut self) {
        self.running.clear();
    }

    /// Empties a volume but for what says whose it is.
    fn lose_data(&self, ordinal: usize) {
        let data = self.before.servers[ordinal].data_dir();
        std::fs::remove_dir_all(data.join("version-2")).expect("the data are lost");
    }

    /// All three have everything, and go by the same members under their present addresses.
    fn have_everything(&self) {
        for addr in self.addrs() {
            let mut session = Session::open(addr, SESSION_MS).expect("a session");
            session.sync().expect("in step");
            for number in 0..ZNODES {
                let (data, _) = session.get(&format!("/n{number}")).expect("it is there");
                assert_eq!(data, number.to_string().as_bytes());
            }
            let (config, _) = session.get("/zookeeper/config").expect("the configuration");
            let config = String::from_utf8(config).expect("text");
            for member in lines(&self.ports) {
                let (address, _) = member.split_once(';').expect("a client's port");
                assert!(config.contains(address), "{address} is no member of\n{config}");
            }
        }
    }

    /// What the ensemble is after its volumes have changed hands.
    fn go_on(&mut self) {
        self.start(false);
        self.wait_settled();
        self.have_everything();
        for server in &self.before.servers {
            let stamp = std::fs::read_to_string(server.data_dir().join("zookube.volume")).expect("a stamp");
            assert!(stamp.contains(&format!("clusterId={}\nsid={}\n", Pods::uid(), server.id())), "{stamp}");
        }
        let mut session = Session::open_any(&self.addrs(), SESSION_MS, PATIENCE);
        session.create("/behind", b"", Mode::Persistent).expect("it takes writes");
    }
}

/// The list of servers was never changed while they ran, so the pods' list counts, under whatever names.
#[test]
fn volumes_of_the_bitnami_chart() {
    let ensemble = apaches(Plan::voters(&[Apache39; 3]));
    Pods::on_volumes_of(ensemble, (0..3).map(|_| Ports::free()).collect()).go_on();
}

/// Members were let in while it ran, so the data say who is one; the names are those that the pods have again.
#[test]
fn volumes_of_the_pravega_operator() {
    let plan = Plan::voters(&[Apache39; 3]);
    let plan = plan.set("reconfigEnabled", true).set("skipACL", "yes").set("standaloneEnabled", false);
    let mut ensemble = apaches(plan);
    // One that does not lead, so that the session stays where it is.
    let leader = ensemble.wait_settled();
    let other = (leader + 1) % 3;
    let mut session = Session::open(ensemble.addrs()[leader], SESSION_MS).expect("a session");
    let id = (other + 1).to_string();
    let request = Reconfig { joining: None, leaving: Some(&id), members: None, version: -1 };
    session.reconfig(&request).expect("one leaves");
    let own = line(other + 1, ensemble.servers[other].ports());
    let request = Reconfig { joining: Some(&own), leaving: None, members: None, version: -1 };
    let config = wait::until("it to be let in again", PATIENCE, || session.reconfig(&request).ok());
    assert!(config.contains(&format!("server.{id}=")), "{config}");
    wait::until("two followers", PATIENCE, || {
        let roles: Vec<Role> = (0..3).map(|index| ensemble.role(index)).collect();
        (roles.iter().filter(|role| **role == Role::Follower).count() == 2).then_some(())
    });
    let ports = ports_of(&ensemble);
    Pods::on_volumes_of(ensemble, ports).go_on();
}

/// One volume was lost on the way: it is filled by the others.
#[test]
fn an_empty_volume_among_them_is_filled() {
    let ensemble = apaches(Plan::voters(&[Apache39; 3]));
    let ports = ports_of(&ensemble);
    let mut pods = Pods::on_volumes_of(ensemble, ports);
    pods.lose_data(2);
    pods.go_on();
}

/// Two of three have lost their data: nobody leads until one of them is told that it may vote, and then the one that has data does.
#[test]
fn what_is_left_of_a_lost_majority_is_gone_on_with() {
    let ensemble = apaches(Plan::voters(&[Apache39; 3]));
    let ports = ports_of(&ensemble);
    let mut pods = Pods::on_volumes_of(ensemble, ports);
    pods.go_on();
    pods.stop();
    pods.lose_data(1);
    pods.lose_data(2);
    pods.start(true);
    for ordinal in [1, 2] {
        wait::until("an empty server to say so", PATIENCE, || {
            let log = std::fs::read_to_string(pods.before.servers[ordinal].log_file()).ok()?;
            log.contains("there are no data").then_some(())
        });
    }
    assert!(pods.modes().is_empty(), "somebody serves without a majority of data: {:?}", pods.modes());
    pods.stop();
    std::fs::write(pods.before.servers[2].data_dir().join("initialize"), "").expect("somebody decides");
    pods.start(true);
    pods.wait_settled();
    let leader = words::srvr_field(pods.addrs()[0], "Mode");
    assert_eq!(leader.as_deref(), Some("leader"), "the one with data leads");
    pods.have_everything();
}
