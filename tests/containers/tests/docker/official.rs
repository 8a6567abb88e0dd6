//! A compose file as people have it for the official image, with nothing changed but the image's name.

use std::net::{IpAddr, SocketAddr};

use containers::compose::Program;
use containers::container::{Container, PATIENCE};
use containers::engine::{engine, unique_name};
use containers::images::Flavour;
use containers::trio::{CLIENT_PORT, wait_settled};
use support::session::{Mode, Session};

/// The file. `IMAGE` is where the image's name goes.
const FILE: &str = "\
version: '3.1'
services:
  zoo1:
    image: IMAGE
    restart: always
    hostname: zoo1
    environment:
      ZOO_MY_ID: 1
      ZOO_SERVERS: server.1=zoo1:2888:3888;2181 server.2=zoo2:2888:3888;2181 server.3=zoo3:2888:3888;2181
  zoo2:
    image: IMAGE
    restart: always
    hostname: zoo2
    environment:
      ZOO_MY_ID: 2
      ZOO_SERVERS: server.1=zoo1:2888:3888;2181 server.2=zoo2:2888:3888;2181 server.3=zoo3:2888:3888;2181
  zoo3:
    image: IMAGE
    restart: always
    hostname: zoo3
    environment:
      ZOO_MY_ID: 3
      ZOO_SERVERS: server.1=zoo1:2888:3888;2181 server.2=zoo2:2888:3888;2181 server.3=zoo3:2888:3888;2181
";

/// Taken down whatever happens.
struct Stack {
    program: Program,
    name: String,
    dir: tempfile::TempDir,
}

impl Stack {
    fn up(program: Program) -> Stack {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("stack.yml"), FILE.replace("IMAGE", Flavour::Zookube.image()))
            .expect("the file");
        let stack = Stack { program, name: unique_name("official"), dir };
        stack.compose(&["up", "--detach"]).expect_success("compose up");
        stack
    }

    fn compose(&self, arguments: &[&str]) -> support::external::Said {
        let file = self.dir.path().join("stack.yml").display().to_string();
        self.program.run(&[&["--project-name", &self.name, "--file", &file], arguments].concat())
    }

    /// Where a service's clients connect.
    fn addr(&self, service: &str) -> SocketAddr {
        let said = self.compose(&["ps", "--quiet", service]).expect_success("compose ps");
        // Before the id v2 says what it thinks of `version`.
        let id = said.lines().last().unwrap_or_default();
        let state = Container::borrowed(id.trim()).inspect();
        let networks = state["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
        let ip = networks.values().find_map(|network| network["IPAddress"].as_str()?.parse::<IpAddr>().ok());
        SocketAddr::new(ip.unwrap_or_else(|| panic!("{service} has no address: {state:#}")), CLIENT_PORT)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the logs end:\n{}", self.compose(&["logs", "--tail=30"]).text);
        }
        let down = self.compose(&["down", "--volumes"]);
        if !down.success {
            eprintln!("compose down: {}", down.text);
        }
    }
}

#[test]
fn its_compose_file_runs_with_another_image_name() {
    engine();
    for program in Program::all() {
        let stack = Stack::up(program);
        let addrs = ["zoo1", "zoo2", "zoo3"].map(|service| stack.addr(service));
        let leader = wait_settled(&addrs, PATIENCE);
        println!("{program:?}: server {} leads", leader + 1);
        let mut session = Session::open_any(&[addrs[(leader + 1) % 3]], 10_000, PATIENCE);
        session.create("/official", b"", Mode::Persistent).expect("create");
        session.close().expect("close");
    }
}
