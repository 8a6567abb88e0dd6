//! What clients write into a server before its directory is taken, and what they were told.

use std::net::SocketAddr;
use std::time::Duration;

use support::jute::Encoder;
use support::session::{Mode, Session};

const SESSION_MS: i32 = 60_000;
const LIMIT: Duration = Duration::from_secs(60);
const MULTI: i32 = 14;
const CREATE: i32 = 1;
const SET: i32 = 5;
const DELETE: i32 = 2;

/// A write that a server has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The zxid of the reply.
    pub zxid: i64,
    /// The znode.
    pub path: String,
    /// Its data from then on; `None` where it was deleted.
    pub data: Option<Vec<u8>>,
}

/// A client that remembers.
struct Writer {
    session: Session,
    acknowledged: Vec<Acknowledged>,
}

impl Writer {
    fn open(addr: SocketAddr) -> Writer {
        Writer { session: Session::open_any(&[addr], SESSION_MS, LIMIT), acknowledged: Vec::new() }
    }

    fn note(&mut self, path: &str, data: Option<&[u8]>) {
        let zxid = self.session.last_zxid();
        self.acknowledged.push(Acknowledged { zxid, path: path.to_owned(), data: data.map(<[u8]>::to_vec) });
    }

    fn create(&mut self, path: &str, data: &[u8], mode: Mode) -> String {
        let path = self.session.create(path, data, mode).unwrap_or_else(|error| panic!("create {path}: {error:?}"));
        self.note(&path, Some(data));
        path
    }

    fn set(&mut self, path: &str, data: &[u8]) {
        self.session.set(path, data).unwrap_or_else(|error| panic!("set {path}: {error:?}"));
        self.note(path, Some(data));
    }

    fn delete(&mut self, path: &str) {
        self.session.delete(path).unwrap_or_else(|error| panic!("delete {path}: {error:?}"));
        self.note(path, None);
    }

    /// Creates `new`, sets `old` and deletes `gone` in one transaction.
    fn multi(&mut self, new: &str, old: &str, gone: &str, data: &[u8]) {
        let part = |kind: i32, body: Encoder| Encoder::new().int(kind).bool(false).int(-1).raw(&body.0).0;
        let create =
            Encoder::new().string(new).buffer(Some(data)).int(1).int(31).string("world").string("anyone").int(0);
        let body = [
            part(CREATE, create),
            part(SET, Encoder::new().string(old).buffer(Some(data)).int(-1)),
            part(DELETE, Encoder::new().string(gone).int(-1)),
            Encoder::new().int(-1).bool(true).int(-1).0,
        ];
        self.session.call(MULTI, &body.concat()).unwrap_or_else(|error| panic!("multi: {error:?}"));
        self.note(new, Some(data));
        self.note(old, Some(data));
        self.note(gone, None);
    }

    fn close(mut self) -> Vec<Acknowledged> {
        self.session.close().expect("a session can be closed");
        self.acknowledged
    }
}

/// The first run: everything a log can hold, over several logs and snapshots where `snapCount` is small.
#[must_use]
pub fn first_run(addr: SocketAddr) -> Vec<Acknowledged> {
    let mut writer = Writer::open(addr);
    writer.create("/a", b"1", Mode::Persistent);
    writer.create("/a/b", b"", Mode::Persistent);
    writer.create("/queue", b"", Mode::Persistent);
    let mut waiting = Vec::new();
    for number in 0..12 {
        waiting.push(writer.create("/queue/n-", format!("{number}").as_bytes(), Mode::Sequential));
        writer.set("/a", format!("value {number}").as_bytes());
    }
    let mut other = Writer::open(addr);
    other.create("/ephemeral", b"of the other", Mode::Ephemeral);
    writer.delete(&waiting[0]);
    writer.multi("/m", "/a/b", &waiting[1], b"all at once");
    for (number, path) in waiting[2..8].iter().enumerate() {
        writer.delete(path);
        writer.set("/m", format!("after {number}").as_bytes());
    }
    let mut acknowledged = other.close();
    acknowledged.extend(writer.close());
    acknowledged
}

/// More of the first run.
#[must_use]
pub fn prolonged(addr: SocketAddr, round: usize) -> Vec<Acknowledged> {
    let mut writer = Writer::open(addr);
    for number in 0..10 {
        writer.set("/a", format!("round {round}, {number}").as_bytes());
    }
    writer.close()
}

/// The last run, small enough that each bit of its log can be flipped. `last` is what the last transaction writes.
#[must_use]
pub fn last_run(addr: SocketAddr, last: &[u8]) -> Vec<Acknowledged> {
    let mut writer = Writer::open(addr);
    writer.create("/c", b"second life", Mode::Persistent);
    writer.create("/c/e", b"", Mode::Ephemeral);
    writer.multi("/c/m", "/a", "/a/b", b"again");
    let mut other = Writer::open(addr);
    other.create("/c/gone", b"", Mode::Ephemeral);
    let mut acknowledged = other.close();
    writer.delete("/c/m");
    writer.create("/c/s-", &[b'x'; 300], Mode::Sequential);
    writer.set("/c", last);
    // The session stays open: what it leaves behind must survive as well.
    writer.session.disconnect();
    acknowledged.extend(writer.acknowledged);
    acknowledged
}
