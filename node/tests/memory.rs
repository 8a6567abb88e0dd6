//! A server with little memory: it refuses to grow, and goes on with everything else.

mod support;

use support::{Client, PATIENCE, Server, create, delete, get, set, wait_for};

const QUOTA_EXCEEDED: i32 = -125;
const DATA_BYTES: usize = 100_000;
/// Far more than the limit holds.
const ZNODES_MAX: i32 = 2000;

fn path(number: i32) -> String {
    format!("/n{number}")
}

/// Creates until it is refused; answers how many there were.
fn fill(client: &mut Client) -> i32 {
    let data = vec![7; DATA_BYTES];
    let refused = (0..ZNODES_MAX).find(|number| match client.call(create(*number, &path(*number), &data)).error {
        0 => false,
        QUOTA_EXCEEDED => true,
        other => panic!("error {other} for znode {number}"),
    });
    refused.expect("a refusal")
}

#[test]
fn growth_is_refused_and_the_rest_goes_on() {
    let server = Server::start("memory.growthLimit=40m\n");
    let mut client = server.client();
    let filled = fill(&mut client);
    assert!(filled > 50, "refused at once: {filled}");
    // Reads, deletes, data of the same size, and new sessions are nothing that grows.
    assert_eq!(client.call(get(1, &path(0), false)).error, 0);
    assert_eq!(client.call(set(2, &path(0), &[8; DATA_BYTES])).error, 0);
    assert_eq!(client.call(set(3, &path(0), &[8; 2 * DATA_BYTES])).error, QUOTA_EXCEEDED);
    let mut second = server.client();
    for number in 0..filled / 2 {
        assert_eq!(second.call(delete(number, &path(number))).error, 0);
    }
    wait_for("growth to go on", || (client.call(create(4, "/again", &[1; 100])).error == 0).then_some(()));
    server.wait_for_line(&["WARN", "memory is short", "QuotaExceeded"]);
    server.wait_for_line(&["INFO", "memory is no longer short"]);
    let figures = mntr(server.client_port);
    let figure = |name: &str| -> i64 {
        let line = figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
        line.unwrap_or_else(|| panic!("no {name} in {figures}")).parse().expect("a number")
    };
    assert_eq!(figure("zk_memory_growth_limit_bytes"), 40 << 20);
    assert!(figure("zk_refused_for_memory_count") >= 2, "{figures}");
    assert!(figure("zk_memory_used_bytes") > 0, "{figures}");
}

fn mntr(port: u16) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.write_all(b"mntr").expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
