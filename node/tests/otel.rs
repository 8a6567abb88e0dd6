//! Export to an OpenTelemetry collector: it gets what it should, and a server does not care whether there is one.

mod support;

use ::support::http;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use support::{ENSEMBLE_OF_ONE, Server, create, free_port, loopback, wait_for};

/// Requests are no longer than this.
const BODY_BYTES_MAX: usize = 4 << 20;
const PROMETHEUS: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";

/// The path and the body.
type Request = (String, Vec<u8>);

/// A collector that takes everything.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Request>>>);

impl Received {
    /// Whether a request for `path` has all these texts in it. Protocol buffers leave texts as they are.
    fn has(&self, path: &str, texts: &[&str]) -> bool {
        let holds = |body: &[u8], text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
        let requests = self.0.lock().expect("no test panics while it holds the list");
        let bodies: Vec<u8> =
            requests.iter().filter(|(to, _)| to == path).flat_map(|(_, body)| body.iter().copied()).collect();
        texts.iter().all(|text| holds(&bodies, text))
    }
}

fn collector() -> (u16, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let received = Received::default();
    let all = received.clone();
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            if let Some(request) = stream.ok().and_then(take) {
                all.0.lock().expect("no test panics while it holds the list").push(request);
            }
        }
    });
    (port, received)
}

/// One request, answered with 200.
fn take(stream: TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    assert!(length <= BODY_BYTES_MAX, "{length} bytes");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    Some((path, body))
}

/// Something that a server warns of.
fn disturb(server: &Server) {
    TcpStream::connect(("127.0.0.1", server.client_port)).expect("connect").write_all(&[0x7f; 64]).expect("send");
    server.wait_for_line(&["WARN", "close client connection"]);
}

#[test]
fn a_collector_gets_elections_synchronizations_and_warnings() {
    let (port, received) = collector();
    let mut server =
        Server::start(&format!("otel.endpoint=http://127.0.0.1:{port}/\nlog.level=error,node=info\n{ENSEMBLE_OF_ONE}"));
    disturb(&server);
    let who = ["service.name", "zookube-node", "service.instance.id"];
    let spans = ["election", "synchronization", "outcome", "established", "Leading"];
    wait_for("the spans", || (received.has("/v1/traces", &who) && received.has("/v1/traces", &spans)).then_some(()));
    wait_for("the warning", || received.has("/v1/logs", &["close client connection", "/127.0.0.1:"]).then_some(()));
    assert!(!received.has("/v1/logs", &["LOOKING"]), "only warnings and worse");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn what_waits_is_sent_before_the_end() {
    let (port, received) = collector();
    let mut server = Server::start(&format!("otel.endpoint=http://127.0.0.1:{port}\n{ENSEMBLE_OF_ONE}"));
    assert_eq!(server.stop().0, Some(0));
    // No waiting: what is not there when the process has ended never comes. The answer was awaited before.
    assert!(received.has("/v1/traces", &["synchronization"]), "{}", server.log());
}

#[test]
fn a_server_does_without_its_collector() {
    // Nobody listens, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [free_port(), silent.local_addr().unwrap().port()] {
        let metrics_port = free_port();
        let metrics = format!("metricsProvider.className={PROMETHEUS}\nmetricsProvider.httpPort={metrics_port}\n");
        let mut server = Server::start(&format!("otel.endpoint=http://127.0.0.1:{port}\n{metrics}{ENSEMBLE_OF_ONE}"));
        let mut client = server.client();
        for xid in 1..100 {
            assert_eq!(client.call(create(xid, &format!("/n{xid}"), b"")).error, 0);
        }
        disturb(&server);
        server.wait_for_line(&["WARN", "OpenTelemetry collector does not take"]);
        assert_eq!(client.call(create(1000, "/last", b"")).error, 0);
        let (status, page) = wait_for("metrics", || http::request(loopback(metrics_port), "GET", "/metrics", ""));
        let failed =
            page.lines().find_map(|line| line.strip_prefix("zookube_otel_requests_total{outcome=\"failed\"} "));
        assert!(status == 200 && failed.is_some_and(|count| count != "0"), "{page}");
        assert_eq!(server.stop().0, Some(0), "{}", server.log());
        let said = server.log().matches("OpenTelemetry collector does not take").count();
        assert_eq!(said, 1, "one line, not one a request: {}", server.log());
    }
}
