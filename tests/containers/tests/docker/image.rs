//! The image as it is: what is in it, what it can be told to do, what it needs.

use containers::container::{Run, Volume};
use containers::engine::engine;
use containers::images::Flavour;
use containers::network::Network;
use containers::trio::zoo_servers;
use serde_json::Value;
use support::session::{Mode, Session};
use support::wait;

use containers::container::PATIENCE;

/// 12 MB unpacked.
/// What the image may take on a disk: the server, and everything that people type.
const IMAGE_BYTES_MAX: u64 = 18_000_000;
/// What it may take on its way from a registry.
const COMPRESSED_BYTES_MAX: u64 = 10_000_000;

fn image() -> &'static str {
    engine();
    Flavour::Zookube.image()
}

fn described() -> Value {
    let text = engine().docker(&["image", "inspect", image()]);
    let list: Value = serde_json::from_str(&text).expect("docker image inspect speaks JSON");
    list[0].clone()
}

#[test]
fn the_image_is_one_binary_and_little_else() {
    let size = described()["Size"].as_u64().expect("a size");
    println!("the image has {size} bytes");
    assert!(size <= IMAGE_BYTES_MAX, "{size} bytes, {IMAGE_BYTES_MAX} are enough");
    let mut sh = engine().command("sh");
    sh.arg("-c").arg(format!("docker save {} | gzip | wc -c", image()));
    let said = support::external::run(sh, "", PATIENCE).expect_success("docker save");
    let compressed: u64 = said.trim().parse().expect("a number");
    println!("compressed {compressed}");
    assert!(compressed <= COMPRESSED_BYTES_MAX, "{compressed} bytes, {COMPRESSED_BYTES_MAX} are enough");

    let shell = Run::new(image()).option("--entrypoint=/bin/sh").words(&["-c", "true"]).to_end();
    assert!(!shell.success, "there is a shell");
    // A directory listing without a program in the image that could make one.
    let container = Run::new(image()).option("--network=none").words(&["version"]).start();
    container.wait_exit();
    let files = tempfile::NamedTempFile::new().expect("a temporary file");
    container_files(container.name(), files.path());
    let list = std::fs::read_to_string(files.path()).expect("the list of files");
    let regular: Vec<&str> = list.lines().filter(|line| line.starts_with('-') && !line.contains(" etc/")).collect();
    println!("{}", regular.join("\n"));
    assert!(regular.len() < 20, "{} files", regular.len());
    for (path, mode) in [("data/", "drwxrwxrwt"), ("datalog/", "drwxrwxrwt"), ("logs/", "drwxrwxrwt")] {
        let entry = list.lines().find(|line| line.ends_with(&format!(" {path}")));
        assert!(entry.is_some_and(|line| line.starts_with(mode)), "{path} is not open to everybody: {entry:?}");
    }
    for name in ["zk", "zkServer.sh", "zkCli.sh"] {
        assert!(list.contains(&format!("usr/bin/{name} -> zookube-node")), "{name} is no link to the binary");
    }
}

/// What is in the binary can be looked up by those who hear of a bad version of something.
#[test]
fn the_list_of_parts_is_in_the_image() {
    let container = Run::new(image()).option("--network=none").create();
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let to = file.path().display().to_string();
    engine().docker(&["cp", &format!("{}:/usr/share/sbom/zookube.cdx.json", container.name()), &to]);
    let text = std::fs::read_to_string(file.path()).expect("the list");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(list["bomFormat"], "CycloneDX");
    let names: Vec<&str> =
        list["components"].as_array().into_iter().flatten().filter_map(|part| part["name"].as_str()).collect();
    println!("{} parts", names.len());
    for name in ["tokio", "mimalloc", "zookube-replica"] {
        assert!(names.contains(&name), "{name} is not in the list: {names:?}");
    }
}

fn container_files(name: &str, into: &std::path::Path) {
    let mut sh = engine().command("sh");
    sh.arg("-c").arg(format!("docker export {name} | tar --list --verbose > {}", into.display()));
    support::external::run(sh, "", PATIENCE).expect_success("docker export");
}

#[test]
fn the_image_says_what_it_is() {
    let config = described()["Config"].clone();
    for label in ["title", "description", "source", "documentation", "licenses", "version", "revision"] {
        let value = config["Labels"][format!("org.opencontainers.image.{label}")].as_str();
        assert!(value.is_some_and(|value| !value.is_empty()), "no label {label}: {config:#}");
    }
    for port in ["2181/tcp", "2888/tcp", "3888/tcp", "8080/tcp", "7000/tcp"] {
        assert!(config["ExposedPorts"][port].is_object(), "{port} is not exposed: {config:#}");
    }
    for volume in ["/data", "/datalog", "/logs"] {
        assert!(config["Volumes"][volume].is_object(), "{volume} is no volume: {config:#}");
    }
    assert_eq!(config["User"], "1000:1000");
    assert_eq!(config["StopSignal"], "SIGTERM");
    let check: Vec<&str> =
        config["Healthcheck"]["Test"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(check, ["CMD", "/usr/bin/zookube-node", "health"]);
}

/// The ways in which images of ZooKeeper are started.
#[test]
fn words_behind_the_image_are_commands() {
    let said = |words: &[&str]| {
        let run = Run::new(image()).option("--network=none").words(words);
        run.to_end().expect_success(&words.join(" "))
    };
    assert!(said(&["version"]).starts_with("zookube-node "));
    assert!(said(&["zkServer.sh", "version"]).starts_with("Apache ZooKeeper, version 3.9."));
    let server = Run::new(image()).option("--network=none").words(&["zkServer.sh", "start-foreground"]).start();
    server.wait_health("healthy");
    let status = server.exec(&["zkServer.sh", "status"]).expect_success("zkServer.sh status");
    assert!(status.contains("Client port found: 2181. Client address: localhost. Client SSL: false."), "{status}");
    assert!(status.contains("Mode: standalone"), "{status}");
}

/// Nothing is written outside the volumes, no right is needed, and the user can be anybody.
#[test]
fn any_user_on_a_read_only_root() {
    let network = Network::create();
    let addr = network.next_address();
    let volumes = [Volume::create(), Volume::create()];
    let run = || {
        let run = Run::new(image()).at(&network, addr).option("--read-only").option("--user=51234:51234");
        let run = run.option("--cap-drop=ALL").option("--security-opt=no-new-privileges");
        run.volume(&volumes[0], "/data").volume(&volumes[1], "/datalog").start()
    };
    let server = run();
    let client = (addr, 2181).into();
    let mut session = Session::open_any(&[client], 10_000, PATIENCE);
    session.create("/kept", b"by nobody in particular", Mode::Persistent).expect("create");
    session.close().expect("close");
    let changes = engine().docker(&["diff", server.name()]);
    assert_eq!(changes, "", "something was written outside the volumes");
    drop(server);

    let _server = run();
    let mut session = Session::open_any(&[client], 10_000, PATIENCE);
    assert_eq!(session.get("/kept").expect("get").0, b"by nobody in particular");
}

/// The engine kills what has not ended after the time it is told, and the exit code shows that.
#[test]
fn stop_is_quick_and_clean() {
    let network = Network::create();
    let server = Run::new(image()).at(&network, network.next_address()).start();
    server.wait_health("healthy");
    server.tell(&["stop", "--time=2"]);
    assert_eq!(server.wait_exit(), 0, "{}", server.logs());
    assert_eq!(server.inspect()["State"]["OOMKilled"], false);
}

/// One of three has no quorum: it lives, and it is not healthy.
#[test]
fn health_is_about_serving() {
    let network = Network::create();
    let run = Run::new(image()).at(&network, network.next_address()).host_name("zk1").env("ZOO_MY_ID", 1);
    let run = run.env("ZOO_SERVERS", zoo_servers(&["zk1", "zk2", "zk3"]));
    let server =
        run.option("--health-interval=1s").option("--health-start-period=1ms").option("--health-retries=2").start();
    server.wait_health("unhealthy");
    assert!(server.is_running());
    let check = server.exec(&["/usr/bin/zookube-node", "health"]);
    assert!(!check.success && check.text.starts_with("unhealthy: "), "{}", check.text);
    // The process is alive, which is all that a restart could repair.
    wait::until("health --live to be content", PATIENCE, || {
        server.exec(&["/usr/bin/zookube-node", "health", "--live"]).success.then_some(())
    });
}
