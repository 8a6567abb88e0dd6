//! Servers of a few lines that answer as ours and Apache's do, or not at all.

use super::*;
use std::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(10);

/// Answers each connection in turn with the next text, then ends.
fn server(answers: Vec<&'static [u8]>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4];
            stream.read_exact(&mut asked).unwrap();
            if asked != *b"srvr" {
                let mut rest = vec![0; usize::try_from(u32::from_be_bytes(asked)).unwrap()];
                stream.read_exact(&mut rest).unwrap();
            }
            stream.write_all(answer).unwrap();
        }
    });
    Target { host: Some("127.0.0.1".to_owned()), port }
}

const REFUSED: &[u8] = b"srvr is not executed because it is not in the whitelist.\n";

#[test]
fn answers_are_understood() {
    let serving = |mode: Option<&str>| Finding::Serving { mode: mode.map(str::to_owned) };
    for (answers, expected) in [
        (vec![&b"Zookeeper version: 3.9.5\nZxid: 0x0\nMode: follower\nNode count: 5\n"[..]], serving(Some("follower"))),
        (vec![&b"This ZooKeeper instance is not currently serving requests\n"[..]], Finding::NotServing),
        (vec![REFUSED, &[0, 0, 0, 37]], serving(None)),
        (vec![REFUSED, &[]], Finding::NotServing),
    ] {
        assert_eq!(ask(&server(answers.clone()), PATIENCE), expected, "{answers:?}");
    }
}

#[test]
fn what_is_no_zookeeper_is_silent_with_a_reason() {
    for (answer, words) in [(&b"HTTP/1.1 400 Bad Request\r\n"[..], "400"), (b"", "nothing")] {
        let Finding::Silent { reason } = ask(&server(vec![answer]), PATIENCE) else { panic!("{answer:?}") };
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target { host: None, port: listener.local_addr().unwrap().port() };
    let finding = ask(&target, Duration::from_millis(50));
    assert!(matches!(finding, Finding::Silent { .. }), "{finding:?}");
}

#[test]
fn nobody_there_is_silent() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let finding = ask(&Target { host: None, port }, PATIENCE);
    assert!(matches!(&finding, Finding::Silent { reason } if reason.contains("refused")), "{finding:?}");
}
