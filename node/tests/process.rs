//! What surrounds the server: health, Apache's script names, signals, orphans, the metrics port.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use support::{Client, PATIENCE, Server, close, create, free_port, get, program, set, text, wait_for};

/// Runs the program to its end.
fn call(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(program()).args(arguments).envs(variables.iter().copied()).output().expect("run the program")
}

fn zoo_cfg(server: &Server) -> String {
    server.dir.path().join("zoo.cfg").display().to_string()
}

#[test]
fn health_is_yes_while_it_serves_and_no_afterwards() {
    let mut server = Server::ensemble_of_one();
    let config = zoo_cfg(&server);
    let port = server.client_port;
    let healthy = call(&["health", "--config", &config], &[]);
    assert_eq!(healthy.status.code(), Some(0));
    assert_eq!(text(&healthy.stdout), format!("healthy: localhost:{port} serves clients as leader\n"));
    let json = text(&call(&["health", "--json", "--config", &config], &[]).stdout);
    assert!(json.contains("\"healthy\":true") && json.contains("\"mode\":\"leader\""), "{json}");
    server.stop();
    let unhealthy = call(&["health", "--live", "--config", &config], &[]);
    assert_eq!(unhealthy.status.code(), Some(1));
    assert!(text(&unhealthy.stdout).starts_with(&format!("unhealthy: localhost:{port}: ")), "{unhealthy:?}");
}

#[test]
fn a_server_without_its_quorum_is_live_and_not_healthy() {
    let dir = tempfile::tempdir().expect("a directory");
    let (client, data) = (free_port(), dir.path().join("data"));
    let mut lines = format!("dataDir={}\nclientPort={client}\ninitLimit=10\nsyncLimit=5\n", data.display());
    for sid in 1..=3 {
        lines += &format!("server.{sid}=127.0.0.1:{}:{}\n", free_port(), free_port());
    }
    let config = dir.path().join("zoo.cfg");
    std::fs::write(&config, lines).expect("zoo.cfg");
    let config = config.display().to_string();
    let mut process = Command::new(program())
        .args(["run", "--myid", "1", "--config", &config])
        .stdout(Stdio::null())
        .spawn()
        .expect("start the server");
    wait_for("the server to answer", || {
        call(&["health", "--live", "--config", &config], &[]).status.success().then_some(())
    });
    let health = call(&["health", "--config", &config], &[]);
    assert_eq!(health.status.code(), Some(1));
    assert!(text(&health.stdout).contains("runs, but does not serve clients"), "{health:?}");
    process.kill().expect("kill");
    process.wait().expect("wait");
}

#[test]
fn the_last_line_says_that_it_has_left() {
    let mut server = Server::ensemble_of_one();
    let (code, _) = server.stop();
    assert_eq!(code, Some(0));
    let log = server.log();
    let last = log.lines().last().expect("a line");
    assert!(last.contains("stopped: this server has left the ensemble"), "{log}");
}

/// What a container's first process must do, in a process namespace of its own.
#[test]
fn as_the_first_process_it_heeds_signals_and_reaps_orphans() {
    let dir = tempfile::tempdir().expect("a directory");
    let (port, data) = (free_port(), dir.path().join("data"));
    let config = dir.path().join("zoo.cfg");
    std::fs::write(&config, format!("dataDir={}\nclientPort={port}\n", data.display())).expect("zoo.cfg");
    // The shell's background process loses its parent when the shell becomes the server.
    let script =
        format!("(sleep 0.2 & exec true) & exec '{}' run --config '{}'", program().display(), config.display());
    let mut namespace = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script])
        .stdout(Stdio::null())
        .spawn()
        .expect("a process namespace: util-linux's unshare, as root");
    wait_for("the server to serve", || Client::connect(port));
    let first = first_of(namespace.id());
    wait_for("every orphan to be reaped", || {
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).expect("children");
        children.trim().is_empty().then_some(())
    });
    assert!(Command::new("kill").arg(first.to_string()).status().expect("kill").success());
    let ended = namespace.wait().expect("wait");
    assert_eq!((ended.code(), ended.signal()), (Some(0), None));
}

/// The child of `unshare`.
fn first_of(unshare: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).expect("children");
    children.split_whitespace().next().expect("a child").parse().expect("a number")
}

fn http_get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn metrics_are_published_where_the_provider_is_named() {
    let port = free_port();
    let provider = "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n";
    let server = Server::start(&format!("{provider}metricsProvider.httpPort={port}\n"));
    server.client().call(create(1, "/a", b"x"));
    let page = wait_for("the metrics port", || http_get(port, "/metrics"));
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("text/plain; version=0.0.4"), "{page}");
    for line in
        ["\nznode_count 6\n", "# TYPE commit_count counter\n", "\nzookube_server_state{state=\"standalone\"} 1\n"]
    {
        assert!(page.contains(line), "no {line:?} in {page}");
    }
    for probe in ["/livez", "/readyz"] {
        let answer = http_get(port, probe).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }
    assert!(http_get(port, "/nothing").expect("an answer").starts_with("HTTP/1.1 404 "));
}

const PROVIDER: &str = "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n";

#[test]
fn a_leader_that_takes_no_clients_is_healthy_and_ready() {
    let port = free_port();
    let server = Server::begin(&format!(
        "{PROVIDER}metricsProvider.httpPort={port}\nstandaloneEnabled=false\ninitLimit=10\nsyncLimit=5\nleaderServes=no\n"
    ));
    let leads = || server.word("srvr").contains("\nMode: leader\n").then_some(());
    wait_for("the server to lead", leads);
    assert!(Client::connect(server.client_port).is_none());
    assert_eq!(server.word("isro"), "null", "a client that looks for a server to write to goes on looking");
    let health = call(&["health", "--config", &zoo_cfg(&server)], &[]);
    assert_eq!(health.status.code(), Some(0), "{health:?}");
    assert!(text(&health.stdout).ends_with(" leads, and so serves no clients (leaderServes=no)\n"), "{health:?}");
    let ready = wait_for("the metrics port", || http_get(port, "/readyz"));
    assert!(ready.starts_with("HTTP/1.1 200 OK\r\n"), "{ready}");
}

#[test]
fn a_server_without_its_quorum_can_be_read_where_that_is_allowed() {
    let port = free_port();
    let others: String =
        (2..=3).map(|sid| format!("server.{sid}=127.0.0.1:{}:{}\n", free_port(), free_port())).collect();
    let server = Server::begin(&format!(
        "{PROVIDER}metricsProvider.httpPort={port}\ninitLimit=10\nsyncLimit=5\nreadonlymode.enabled=true\n{others}"
    ));
    wait_for("read-only mode", || (server.word("isro") == "ro").then_some(()));
    assert!(Client::connect(server.client_port).is_none(), "it has not agreed to that");
    let (mut client, only) = Client::connect_read_only(server.client_port).expect("a session");
    assert!(only);
    let read_root = |xid| get(xid, "/", false);
    client.send(&[read_root(1), create(2, "/a", b""), read_root(3), set(4, "/", b""), read_root(5), close(6)]);
    let replies: Vec<(i32, i32)> = (0..6).map(|_| client.reply()).map(|reply| (reply.xid, reply.error)).collect();
    assert_eq!(replies, [(1, 0), (2, -119), (3, 0), (4, -119), (5, 0), (6, 0)], "each in its place (I7)");
    assert!(client.is_closed());

    let config = zoo_cfg(&server);
    let health = call(&["health", "--config", &config], &[]);
    assert_eq!(health.status.code(), Some(1), "{health:?}");
    assert!(text(&health.stdout).contains("serves read-only clients and no others"), "{health:?}");
    assert!(call(&["health", "--live", "--config", &config], &[]).status.success());
    let status = call(&["zkServer.sh", "status", &config], &[]);
    let expected = "\nMode: read-only\nno quorum: have 1 of 3, missing 2, 3\n";
    assert!(text(&status.stdout).ends_with(expected), "{status:?}");
    let ready = wait_for("the metrics port", || http_get(port, "/readyz"));
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("only read-only clients are served"), "{ready}");
    let page = http_get(port, "/metrics").expect("an answer");
    assert!(page.contains("\nzookube_server_state{state=\"read-only\"} 1\n"), "{page}");
    let (_reader, _) = Client::connect_read_only(server.client_port).expect("a session");
    let shows = |word, part: &str| wait_for(part, || server.word(word).contains(part).then_some(()));
    shows("dump", "Local Session Sets (1)/(1):\n");
    shows("mntr", "\nzk_local_sessions\t1\n");
}
