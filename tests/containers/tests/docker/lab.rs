//! The lab as a new user meets it: one command, and the buttons to play with.

use std::time::{Duration, Instant};

use containers::compose::{Lab, Program};
use containers::container::{Container, PATIENCE, Run};
use containers::engine::{engine, unique_name};
use containers::images::{Flavour, client_image};
use containers::trio::role_at;
use support::external::{self, Said};
use support::session::{Mode, Session};
use support::{Role, prerequisites, wait};

/// From nothing to elected, with every Compose that is there, and back to nothing with the data kept.
#[test]
fn from_nothing_to_elected() {
    engine();
    for program in Program::all() {
        let lab = Lab::new(program, Flavour::Zookube);
        let begun = Instant::now();
        lab.up();
        let up = begun.elapsed();
        lab.wait_settled();
        println!(
            "{program:?}: up after {:.1} s, elected after {:.1} s",
            up.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        );
        (1..=3).for_each(|id| lab.server(id).wait_health("healthy"));

        let mut session = Session::open_any(&lab.published(), 10_000, PATIENCE);
        session.create("/kept", b"in named volumes", Mode::Persistent).expect("create");
        session.close().expect("close");
        lab.down();
        assert!((1..=3).all(|id| role_at(lab.addrs()[id - 1]) == Role::None), "down leaves a server");
        lab.up();
        lab.wait_settled();
        let mut session = Session::open_any(&lab.published(), 10_000, PATIENCE);
        assert_eq!(session.get("/kept").expect("get").0, b"in named volumes");
        session.close().expect("close");
    }
}

/// Python, as the field uses it, from a container of its own, through a change of the leader.
#[test]
fn kazoo_from_a_client_container() {
    engine();
    let lab = Lab::new(Program::all()[0], Flavour::Zookube);
    lab.up();
    let leader = lab.wait_settled();
    let script = prerequisites::workspace().join("tests/containers/kazoo/round.py");
    let run = Run::new(client_image()).option(format!("--network={}", lab.network()));
    let run = run.option(format!("--volume={}:/round.py:ro", script.display()));
    let client = run.words(&["python3", "/round.py", "zk1:2181,zk2:2181,zk3:2181"]).start();
    let says = |text: &str| {
        let said = wait::poll(PATIENCE, || client.logs().lines().any(|line| line == text).then_some(()));
        assert!(said.is_some(), "the client does not say {text:?} but:\n{}", client.logs());
    };
    says("working");
    let lost = lab.server(leader + 1);
    lost.tell(&["kill"]);
    wait::until("another leader", PATIENCE, || {
        (0..3).find(|&index| index != leader && role_at(lab.addrs()[index]) == Role::Leader)
    });
    // An address that nobody answers for holds kazoo up for as long as its session lives, whoever serves.
    lost.tell(&["start"]);
    says("done");
    assert_eq!(client.wait_exit(), 0, "{}", client.logs());
}

#[test]
fn an_observer_is_switched_on() {
    engine();
    let lab = Lab::new(*Program::all().last().expect("a Compose"), Flavour::Zookube);
    lab.up();
    lab.wait_settled();
    lab.compose(&["--profile", "observer", "up", "--detach", "--no-build"])
        .expect_success("compose up with an observer");
    let mut observer = lab.addrs()[0];
    observer.set_ip([172, 28, 0, 14].into());
    wait::until("the observer to observe", PATIENCE, || (role_at(observer) == Role::Observer).then_some(()));
    let mut session = Session::open_any(&[observer], 10_000, PATIENCE);
    session.create("/by-way-of-the-observer", b"", Mode::Persistent).expect("create");
    session.close().expect("close");
}

/// A second zk1 would have the first one's identity, address and data.
#[test]
fn scaling_a_server_is_refused() {
    engine();
    for program in Program::all() {
        let lab = Lab::new(program, Flavour::Zookube);
        let said = lab.compose(&["up", "--detach", "--no-build", "--scale", "zk1=2"]);
        println!("{program:?}: {}", said.text.trim());
        assert!(!said.success, "{program:?} has started two of zk1");
        assert!(
            said.text.contains("container name") || said.text.contains("container_name"),
            "no reason: {}",
            said.text
        );
    }
}

/// What can be asked in the lab: a server about itself and its peers, and the ensemble with the shell that people's fingers know.
#[test]
fn the_lab_answers_questions() {
    engine();
    let lab = Lab::new(Program::all()[0], Flavour::Zookube);
    lab.up();
    lab.wait_settled();
    for (id, name) in (1..).zip(["zk1", "zk2", "zk3"]) {
        let said = lab.server(id).exec(&["zookube-node", "health"]);
        assert!(said.success && said.text.contains("healthy: "), "{name}: {}", said.text);
    }
    for (words, answer) in
        [(&["create", "/by-hand", "1"][..], "Created /by-hand"), (&["ls", "/"], "[by-hand, zookeeper]")]
    {
        let said = lab.compose(&[&["run", "--rm", "-T", "client"], words].concat());
        assert!(said.success && said.text.contains(answer), "{words:?}: {}", said.text);
    }
    let said = lab.server(2).exec(&["zkCli.sh", "get", "/by-hand"]);
    assert!(said.success && said.text.contains("\n1\n"), "zkCli.sh get: {}", said.text);
    // What it says of its configuration goes to standard error, and stands anywhere among the rest.
    let said = lab.server(2).exec(&["zkServer.sh", "status"]);
    for line in ["Client port found: 2181. Client address: localhost. Client SSL: false.\n", "Mode: "] {
        assert!(said.success && said.text.contains(line), "zkServer.sh status without `{line}`: {}", said.text);
    }
    let doctor = lab.server(1).exec(&["zookube-node", "doctor"]);
    println!("{}", doctor.text);
    assert!(doctor.success, "something is wrong with a new lab: {}", doctor.text);
    for name in ["zk2", "zk3"] {
        assert!(doctor.text.contains(name), "the doctor does not look at {name}: {}", doctor.text);
    }
}

fn script(name: &str, arguments: &[&str]) -> Said {
    let mut command = engine().command("sh");
    command.arg(prerequisites::workspace().join("docker/lab.sh")).args(arguments);
    command.env("ZOOKUBE_LAB", name).env("ZOOKUBE_IMAGE", Flavour::Zookube.image());
    external::run(command, "", PATIENCE)
}

/// Takes the script's lab down, whatever happens.
struct ScriptLab(String);

impl Drop for ScriptLab {
    fn drop(&mut self) {
        let down = script(&self.0, &["down", "--volumes"]);
        if !down.success {
            eprintln!("lab.sh down: {}", down.text);
        }
    }
}

/// The same without Compose, in another subnet.
#[test]
fn the_script_does_it_without_compose() {
    engine();
    let lab = ScriptLab(unique_name("script"));
    let name = lab.0.as_str();
    let at = ["--subnet", "172.28.255.0/24", "--ip", "172.28.255.21"];
    let said = script(name, &[&["up"], &at[..]].concat()).expect_success("lab.sh up");
    assert!(said.contains("zk3 is at 172.28.255.23:2181"), "{said}");
    let addrs = [21, 22, 23].map(|host| ([172, 28, 255, host], 2181).into());
    let leader = containers::trio::wait_settled(&addrs, PATIENCE);
    let word = format!("zk{}", leader + 1);
    let status = script(name, &["status"]).expect_success("lab.sh status");
    assert!(status.contains(&format!("{word}: Mode: leader")), "{status}");

    script(name, &["cut", &word]).expect_success("lab.sh cut");
    wait::until("another leader", PATIENCE, || {
        (0..3).find(|&index| index != leader && role_at(addrs[index]) == Role::Leader)
    });
    script(name, &["heal", &word]).expect_success("lab.sh heal");
    wait::until("the lost leader to follow", PATIENCE, || (role_at(addrs[leader]) == Role::Follower).then_some(()));
    let container = Container::borrowed(&format!("{name}-{word}"));
    assert!(container.is_running());
}

/// What the field's documents got wrong about addresses is said before Docker gets to see it.
#[test]
fn the_script_knows_good_addresses() {
    let check = |arguments: &[&str]| {
        let mut command = std::process::Command::new("sh");
        command.arg(prerequisites::workspace().join("docker/lab.sh")).arg("check").args(arguments);
        external::run(command, "", Duration::from_secs(10))
    };
    let said = check(&["--subnet", "172.168.0.0/16"]);
    assert!(said.success && said.text.contains("warning: 172.168.0.0/16 is public"), "{}", said.text);
    let said = check(&[]);
    assert_eq!(
        (said.success, said.text.as_str()),
        (true, "zk1 172.28.0.11, zk2 172.28.0.12, zk3 172.28.0.13 in 172.28.0.0/24\n")
    );
    for (arguments, reason) in [
        (
            &["--ip", "172.18.0.250"][..],
            "172.18.0.250 to 172.18.0.252 are not addresses for containers in 172.28.0.0/24",
        ),
        (&["--ip", "172.28.0.253"], "172.28.0.253 to 172.28.0.255 are not addresses"),
        (&["--ip", "172.28.0.1"], "172.28.0.1 to 172.28.0.3 are not addresses"),
        (&["--ip", "172.28.0"], "172.28.0 is no IPv4 address"),
        (&["--ip", "172.28.0.256"], "256 is above 255"),
        (&["--subnet", "172.28.0.0"], "172.28.0.0 is no subnet"),
        (&["--subnet", "172.28.0.1/24"], "it begins at 172.28.0.0/24"),
        (&["--subnet", "172.28.0.0/30"], "a lab needs six addresses"),
    ] {
        let said = check(arguments);
        assert!(!said.success && said.text.contains(reason), "{arguments:?}: {}", said.text);
    }
}
