//! What an election port tells about who can be heard, and that a peer which cannot be holds up nobody else.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use wire::election::Handshake;

use super::tests::{Port, notification, open, open_with, own_address, patient, reserve, resolver_of, two_ports, until};
use super::*;
use crate::resolve::test_dns::Dns;
use crate::resolve::tests::{BlackHole, two_addresses};

/// Introduces a process that is no more than a socket.
async fn introduce(port: &Port, sid: i64) -> tokio::net::TcpStream {
    let mut stream = port.dial().await;
    let handshake = Handshake { sid: ServerId(sid), addresses: vec!["127.0.0.1:1".to_owned()] };
    stream.write_all(&handshake.to_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn the_end_of_a_process_is_told_to_both_sides_of_its_connections() {
    let (mut one, mut two) = two_ports().await;
    two.net.send(ServerId(1), &notification(1));
    assert_eq!(one.reach(2).await, Reach::Alive);
    assert_eq!(two.reach(1).await, Reach::Alive);
    two.net.shutdown().await;
    assert_eq!(one.reach(2).await, Reach::Gone);
}

#[tokio::test]
async fn whoever_is_refused_is_told_so() {
    for me in [1, 2] {
        let (mut listeners, membership) = reserve(&[1, 2]).await;
        let own = listeners.remove(usize::try_from(me).unwrap() - 1);
        drop(listeners);
        let mut port = open(me, own, &membership);
        let other = 3 - me;
        port.net.send(ServerId(other), &notification(1));
        assert_eq!(port.reach(other).await, Reach::Gone, "server {me} dials {other}");
        // As long as there is something to say it is tried, and told, again.
        assert_eq!(port.reach(other).await, Reach::Gone, "server {me} dials {other}");
    }
}

#[tokio::test]
async fn a_peer_that_comes_back_is_told() {
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    let two = listeners.pop().unwrap();
    let address = two.local_addr().unwrap();
    drop(two);
    let mut one = open(1, listeners.pop().unwrap(), &membership);
    one.net.send(ServerId(2), &notification(1));
    assert_eq!(one.reach(2).await, Reach::Gone);
    let mut two = open(2, TcpListener::bind(address).await.unwrap(), &membership);
    two.expect(1, 1).await;
    while one.reach(2).await == Reach::Gone {}
}

#[tokio::test]
async fn a_smaller_id_that_asks_to_be_connected_lives() {
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    let mut two = open(2, listeners.pop().unwrap(), &membership);
    introduce(&two, 1).await;
    assert_eq!(two.reach(1).await, Reach::Alive);
}

/// Only the end of the connection that was in use counts, and it is told after the beginning of that one.
#[tokio::test]
async fn the_end_of_a_replaced_connection_says_nothing() {
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    listeners.pop();
    let mut one = open(1, listeners.pop().unwrap(), &membership);
    let old = introduce(&one, 2).await;
    assert_eq!(one.reach(2).await, Reach::Alive);
    let new = introduce(&one, 2).await;
    assert_eq!(one.reach(2).await, Reach::Alive);
    drop(old);
    drop(new);
    assert_eq!(one.reach(2).await, Reach::Gone);
}

/// A connection that we end because of what came through it is no sign that nobody is there.
#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_not_gone() {
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    listeners.pop();
    let mut one = open(1, listeners.pop().unwrap(), &membership);
    let mut stream = introduce(&one, 2).await;
    assert_eq!(one.reach(2).await, Reach::Alive);
    stream.write_all(&(-1i32).to_be_bytes()).await.unwrap();
    until("the connection to end", || one.net.connected().is_empty()).await;
    let _again = introduce(&one, 2).await;
    assert_eq!(one.reach(2).await, Reach::Alive, "the first news after the end is that of a new connection");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_not_said_to_be_gone_and_holds_up_nobody() {
    let dns = Dns::start();
    let (_dir, resolver) = resolver_of(&dns);
    let [swallows, _] = two_addresses();
    let hole = BlackHole::open(swallows, 0);
    dns.set("zk1.test.", &[&swallows.to_string()]);
    let host = own_address();
    let listener = || async move { TcpListener::bind((host, 0)).await.unwrap() };
    let (two, three) = (listener().await, listener().await);
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let membership = Membership::parse(&format!(
        "server.1=zk1.test:1:{}\nserver.2={host}:1:{}\nserver.3={host}:1:{}\n",
        hole.port(),
        port(&two),
        port(&three)
    ))
    .unwrap();
    let mut two = open(2, two, &membership);
    // Shorter than the pause between two look-ups: the second question belongs to a second attempt.
    let settings = ElectionNetSettings { connect_timeout: Duration::from_millis(100), ..patient(3, &resolver) };
    let mut three = open_with(settings, three, &membership);
    three.net.send(ServerId(1), &notification(1));
    until("an attempt at the address that swallows", || !dns.asked().is_empty()).await;
    three.net.send(ServerId(2), &notification(2));
    two.expect(3, 2).await;
    let first = dns.asked().len();
    until("the next attempt", || dns.asked().len() > first).await;
    while let Ok(event) = three.events.try_recv() {
        let about_one = matches!(event, ElectionEvent::Reach { sid: ServerId(1), .. });
        assert!(!about_one, "{event:?} of a server that nothing is known of");
    }
}
