//! Random scripts: one seed, one script, on every machine.
//!
//! The universe is small on purpose. A dozen paths, two users and four connections meet each other in every state there
//! is; a thousand paths would mostly meet NONODE.

use support::rng::Rng;

use crate::request::{Acl, CreateOp, Request, acl, digest_id, open};
use crate::script::{Conn, Password, Script, Step};

const CONNECTIONS: usize = 4;
const USERS: [(&str, &str); 2] = [("anna", "one"), ("bert", "two")];
/// Paths that only some operations accept, or none.
const ODD_PATHS: [&str; 18] = [
    "",
    "/",
    "//",
    "a",
    "/zookeeper",
    "/zookeeper/quota",
    "/zookeeper/config",
    "/zookeeper/none",
    "{}/a/",
    "{}//a",
    "{}/./a",
    "{}/a/..",
    "{}/a\u{0}b",
    "{}/a\u{1}",
    "{}/a\u{7f}",
    "{}/\u{e000}",
    "{}/\u{fff0}",
    "{}/\u{1F600}",
];

struct Generator {
    rng: Rng,
    root: String,
    servers: usize,
    /// Which connections hold a session, and whether the connection is up.
    up: [bool; CONNECTIONS],
    opened: [bool; CONNECTIONS],
    sequence: i32,
}

/// A script of about `length` steps for a target of `servers` servers.
pub fn script(seed: u64, length: usize, servers: usize) -> Script {
    let mut generator = Generator {
        rng: Rng::new(seed),
        root: format!("/s{seed}"),
        servers,
        up: [false; CONNECTIONS],
        opened: [false; CONNECTIONS],
        sequence: 0,
    };
    let mut script = Script::new(format!("seed {seed}, {length} steps"));
    script = script.connect(0);
    generator.up[0] = true;
    generator.opened[0] = true;
    script = script.each(0, generator.foundation());
    while script.steps.len() < length {
        let steps = generator.next_steps();
        script.steps.extend(steps);
    }
    script
}

impl Generator {
    /// What every script begins with: its root, a subtree under hard quota and the quota itself.
    fn foundation(&mut self) -> Vec<Request> {
        let root = self.root.clone();
        let quota = format!("/zookeeper/quota{root}");
        let plain = |path: String, data: &str| {
            let data = Some(data.as_bytes().to_vec());
            Request::Create { op: CreateOp::Create2, path: Some(path), data, acl: open(), flags: 0, ttl: -1 }
        };
        let limits = self.limits();
        vec![
            plain(root.clone(), ""),
            plain(format!("{root}/q"), "four"),
            plain(quota.clone(), ""),
            plain(format!("{quota}/q"), ""),
            plain(format!("{quota}/q/zookeeper_limits"), &limits),
            plain(format!("{quota}/q/zookeeper_stats"), "count=0,bytes=0"),
        ]
    }

    fn limits(&mut self) -> String {
        let (count, bytes) = (1 + self.rng.below(6), 5 + self.rng.below(60));
        match self.rng.below(4) {
            0 => format!("count={count},bytes={bytes}"),
            1 => format!("count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit={count}"),
            2 => format!("count=-1,bytes=-1=;byteHardLimit={bytes};countHardLimit=-1"),
            _ => format!("count=2,bytes=8=;byteHardLimit={bytes};countHardLimit={count}"),
        }
    }

    fn next_steps(&mut self) -> Vec<Step> {
        let conn = self.rng.below(CONNECTIONS);
        if !self.up[conn] {
            return vec![self.bring_up(conn)];
        }
        match self.rng.below(100) {
            0..=1 => {
                self.up[conn] = false;
                vec![Step::Drop { conn }]
            }
            2..=3 => {
                self.up[conn] = false;
                self.opened[conn] = false;
                let mut requests = self.batch(2);
                requests.push(Request::CloseSession);
                vec![send(conn, requests)]
            }
            4 => {
                // Bringing a session back while its old connection is up makes the server cut that one.
                vec![self.resume(conn, Password::Right, 0)]
            }
            5..=7 => self.authenticate(conn),
            8..=19 => vec![send(conn, vec![self.quota_request()])],
            20..=25 => {
                // Every other connection looks at the same znodes: events have somebody to go to.
                let requests = (0..3).map(|_| self.watching_request()).collect();
                vec![send(conn, requests)]
            }
            26..=28 => self.reconnected_watches(conn),
            29 => vec![self.closing_request(conn)],
            _ => {
                let size = 1 + self.rng.below(6);
                vec![send(conn, self.batch(size))]
            }
        }
    }

    fn bring_up(&mut self, conn: Conn) -> Step {
        if self.opened[conn] && self.rng.chance(4, 5) {
            let (password, ahead) = match self.rng.below(12) {
                0 => (Password::Wrong, 0),
                1 => (Password::Missing, 0),
                2 => (Password::Right, 1_000_000),
                _ => (Password::Right, 0),
            };
            return self.resume(conn, password, ahead);
        }
        self.up[conn] = true;
        self.opened[conn] = true;
        let read_only = *self.rng.pick(&[None, Some(false), Some(false), Some(true)]);
        let timeout_ms = *self.rng.pick(&[300_000, 400_000, 2_000_000_000]);
        Step::Connect { conn, server: self.rng.below(self.servers), timeout_ms, read_only }
    }

    fn resume(&mut self, conn: Conn, password: Password, ahead: i64) -> Step {
        self.up[conn] = password == Password::Right && ahead == 0;
        Step::Resume { conn, session_of: conn, server: self.rng.below(self.servers), password, ahead }
    }

    fn authenticate(&mut self, conn: Conn) -> Vec<Step> {
        let (scheme, auth) = match self.rng.below(16) {
            0 => ("nosuchscheme", b"x".to_vec()),
            1 => ("digest", b"super:secret".to_vec()),
            2 => ("digest", b"super:wrong".to_vec()),
            3 => ("world", b"anyone".to_vec()),
            4 => ("ip", b"10.0.0.1".to_vec()),
            5 => ("digest", b"nocolon".to_vec()),
            _ => {
                let (user, password) = *self.rng.pick(&USERS);
                ("digest", format!("{user}:{password}").into_bytes())
            }
        };
        if matches!(scheme, "nosuchscheme" | "world") {
            self.up[conn] = false;
        }
        // Alone in its write: auth is not part of the request pipeline, so its reply may overtake others.
        vec![send(conn, vec![Request::Auth { scheme: scheme.to_owned(), auth }])]
    }

    /// A request that ends the connection. Alone in its write: Apache answers it without the pipeline, ahead of others.
    fn closing_request(&mut self, conn: Conn) -> Step {
        self.up[conn] = false;
        let request = match self.rng.below(4) {
            0 => Request::Check { path: Some(self.path()), version: 0 },
            1 => Request::Raw { op: 99, body: vec![0; 8] },
            2 => Request::Raw { op: 0, body: Vec::new() },
            _ => Request::Raw { op: 12_345, body: Vec::new() },
        };
        send(conn, vec![request])
    }

    fn reconnected_watches(&mut self, conn: Conn) -> Vec<Step> {
        let behind = *self.rng.pick(&[0, 1, 3, 10, 50]);
        let mut list = || -> Vec<String> {
            let count = self.rng.below(3);
            (0..count).map(|_| self.path()).collect()
        };
        let (data, exist, child, persistent, recursive) = (list(), list(), list(), list(), list());
        let request = if self.rng.chance(1, 2) {
            Request::SetWatches { behind, lists: [data, exist, child] }
        } else {
            Request::SetWatches2 { behind, lists: [data, exist, child, persistent, recursive] }
        };
        vec![send(conn, vec![request])]
    }

    /// Ends early at a setACL: Apache checks the requests behind it against the new ACL or the old one, depending on
    /// whether it has been committed yet, for a queued change of an ACL is not among the changes it looks up.
    fn batch(&mut self, size: usize) -> Vec<Request> {
        let mut requests = Vec::new();
        while requests.len() < size && !matches!(requests.last(), Some(Request::SetAcl { .. })) {
            requests.push(self.request());
        }
        requests
    }

    /// A good path most of the time.
    fn path(&mut self) -> String {
        if self.rng.chance(1, 16) {
            let odd = *self.rng.pick(&ODD_PATHS);
            return odd.replace("{}", &self.root);
        }
        let mut path = self.root.clone();
        let depth = *self.rng.pick(&[0, 1, 1, 1, 1, 1, 2, 2, 2, 3]);
        for _ in 0..depth {
            let name = *self.rng.pick(&["a", "b", "c", "d"]);
            path = format!("{path}/{name}");
        }
        if self.rng.chance(1, 10) {
            let number = self.rng.below(8) as i32 + self.sequence / 3;
            path = format!("{path}/n{number:010}");
        }
        path
    }

    fn some_path(&mut self) -> Option<String> {
        if self.rng.chance(1, 150) { None } else { Some(self.path()) }
    }

    fn data(&mut self) -> Option<Vec<u8>> {
        match self.rng.below(12) {
            0 => None,
            1 => Some(Vec::new()),
            2 => Some(vec![0xFF; 3000]),
            _ => {
                let length = self.rng.below(24);
                Some((0..length).map(|i| b'a' + (i % 26) as u8).collect())
            }
        }
    }

    fn version(&mut self) -> i32 {
        *self.rng.pick(&[-1, -1, -1, -1, 0, 0, 1, 2, 3, -2, i32::MAX])
    }

    fn acl(&mut self) -> Option<Vec<Acl>> {
        let (user, password) = *self.rng.pick(&USERS);
        let id = digest_id(user, password);
        let perms = *self.rng.pick(&[1, 2, 3, 4, 8, 15, 16, 17, 30, 31, 0, 32, -1]);
        match self.rng.below(40) {
            0 => None,
            1 => Some(vec![]),
            2 => Some(vec![acl(31, "world", "somebody")]),
            3 => Some(vec![acl(31, "digest", "nocolon")]),
            4 => Some(vec![acl(31, "digest", "a:b:c")]),
            5 => Some(vec![acl(31, "nosuchscheme", "x")]),
            6 => Some(vec![acl(31, "ip", "300.1.1.1")]),
            7 => Some(vec![acl(31, "ip", "127.0.0.0/8")]),
            8 => Some(vec![acl(31, "ip", "10.0.0.0/8"), acl(1, "world", "anyone")]),
            9 => Some(vec![acl(31, "world", "anyone"), acl(31, "world", "anyone")]),
            10 => Some(vec![acl(perms, "world", "anyone")]),
            11..=13 => Some(vec![acl(31, "auth", "")]),
            14 => Some(vec![acl(perms, "auth", "whatever"), acl(1, "world", "anyone")]),
            15..=16 => Some(vec![acl(31, "digest", &id)]),
            17..=18 => Some(vec![acl(perms, "digest", &id), acl(1, "world", "anyone")]),
            19 => Some(vec![acl(31, "super", "x")]),
            20 => Some(vec![acl(31, "ip", "::1")]),
            21 => Some(vec![acl(31, "ip", "127.0.0.1/33")]),
            _ => open(),
        }
    }

    fn create(&mut self) -> Request {
        let mut path = self.some_path();
        let mut flags = *self.rng.pick(&[0, 0, 0, 0, 1, 1, 2, 3]);
        let mut ttl = -1;
        let op = match self.rng.below(20) {
            0 => CreateOp::Container,
            1..=2 => CreateOp::Ttl,
            3..=9 => CreateOp::Create2,
            _ => CreateOp::Create,
        };
        match op {
            CreateOp::Container => flags = *self.rng.pick(&[4, 4, 4, 0, 2]),
            CreateOp::Ttl => {
                // Only the modes that take a time to live: with any other mode and no time, Apache 3.9.5 logs a
                // transaction that it cannot apply, stops, and never starts again on that log.
                flags = *self.rng.pick(&[5, 6]);
                ttl = *self.rng.pick(&[1_000_000_000, 1_099_511_627_775, 0, -1, 1_099_511_627_776]);
            }
            _ if self.rng.chance(1, 25) => flags = *self.rng.pick(&[4, 5, 6, 7, -1, 100]),
            _ => {}
        }
        if matches!(flags, 2 | 3 | 6) && self.rng.chance(3, 4) {
            self.sequence += 1;
            path = path.map(|p| if p.ends_with('/') { p } else { format!("{p}/n") });
        }
        Request::Create { op, path, data: self.data(), acl: self.acl(), flags, ttl }
    }

    fn write(&mut self) -> Request {
        match self.rng.below(20) {
            0..=9 => self.create(),
            10..=13 => Request::Delete { path: self.some_path(), version: self.version() },
            14..=17 => Request::SetData { path: self.some_path(), data: self.data(), version: self.version() },
            _ => {
                let path = self.some_path();
                // Znodes that every script shares stay open to the scripts to come.
                let shared = path.as_ref().is_some_and(|p| !p.starts_with(&self.root));
                let acl = if shared { open() } else { self.acl() };
                Request::SetAcl { path, acl, version: self.version() }
            }
        }
    }

    fn watching_request(&mut self) -> Request {
        let path = self.some_path();
        match self.rng.below(6) {
            0 => Request::Exists { path, watch: true },
            1 => Request::GetData { path, watch: true },
            2 => Request::GetChildren { path, watch: true },
            3 => Request::GetChildren2 { path, watch: true },
            _ => Request::AddWatch { path, mode: *self.rng.pick(&[0, 0, 1, 1, 1, 2]) },
        }
    }

    fn read(&mut self) -> Request {
        let path = self.some_path();
        let watch = self.rng.chance(1, 3);
        match self.rng.below(24) {
            0..=3 => Request::Exists { path, watch },
            4..=8 => Request::GetData { path, watch },
            9..=11 => Request::GetChildren { path, watch },
            12..=13 => Request::GetChildren2 { path, watch },
            14..=15 => Request::GetAcl { path },
            16 => Request::Sync { path },
            17 => Request::GetEphemerals { prefix: Some(self.rng.pick(&["", "/", "/s", "/nothing"]).to_string()) },
            18 => Request::GetEphemerals { prefix: path },
            19 => Request::GetAllChildrenNumber { path },
            20 => Request::WhoAmI,
            21 => Request::CheckWatches { path, kind: *self.rng.pick(&[1, 2, 3, 4, 5, 0, 6]) },
            22 => Request::RemoveWatches { path, kind: *self.rng.pick(&[1, 2, 3, 4, 5, 0, 6]) },
            _ => Request::Ping,
        }
    }

    fn multi(&mut self) -> Request {
        let count = self.rng.below(6);
        if self.rng.chance(1, 4) {
            let read = |this: &mut Self| {
                let path = Some(this.path());
                if this.rng.chance(1, 2) {
                    Request::GetData { path, watch: this.rng.chance(1, 8) }
                } else {
                    Request::GetChildren { path, watch: false }
                }
            };
            return Request::MultiRead((0..count).map(|_| read(self)).collect());
        }
        // Mostly operations that succeed, or no multi would ever be carried out.
        let one = |this: &mut Self| match this.rng.below(12) {
            0..=1 => Request::Check { path: Some(this.path()), version: this.version() },
            2..=8 => {
                let name = this.rng.below(4);
                let path = Some(format!("{}/m{name}", this.root));
                match this.rng.below(4) {
                    0 => Request::SetData { path, data: this.data(), version: -1 },
                    1 => Request::Delete { path, version: -1 },
                    _ => {
                        let op = *this.rng.pick(&[CreateOp::Create, CreateOp::Create2]);
                        let flags = *this.rng.pick(&[0, 0, 1, 2, 3]);
                        Request::Create { op, path, data: this.data(), acl: open(), flags, ttl: -1 }
                    }
                }
            }
            _ => this.write_in_multi(),
        };
        Request::Multi((0..count).map(|_| one(self)).collect())
    }

    fn write_in_multi(&mut self) -> Request {
        loop {
            match self.write() {
                // Is no part of a multi.
                Request::SetAcl { .. } => {}
                // Makes Apache's leader give one zxid twice, upon which every follower exits, as any write does whose
                // body cannot be decoded. Ours gives each its own.
                Request::Create { acl: None, .. } => {}
                request => break request,
            }
        }
    }

    /// Requests beneath a hard quota or about quotas travel alone: the quota is checked against what is committed, so
    /// in a pipeline the answer is a matter of timing.
    fn quota_request(&mut self) -> Request {
        let name = *self.rng.pick(&["", "/x", "/y", "/z", "/x/x"]);
        let path = Some(format!("{}/q{name}", self.root));
        let quota = format!("/zookeeper/quota{}/q", self.root);
        match self.rng.below(14) {
            0..=4 => {
                let op = *self.rng.pick(&[CreateOp::Create, CreateOp::Create2]);
                let flags = *self.rng.pick(&[0, 0, 1, 2]);
                Request::Create { op, path, data: self.data(), acl: open(), flags, ttl: -1 }
            }
            5..=6 => Request::Delete { path, version: -1 },
            7..=8 => Request::SetData { path, data: self.data(), version: -1 },
            9..=10 => Request::GetData { path: Some(format!("{quota}/zookeeper_stats")), watch: false },
            11 => {
                let data = Some(self.limits().into_bytes());
                Request::SetData { path: Some(format!("{quota}/zookeeper_limits")), data, version: -1 }
            }
            12 => {
                let name = *self.rng.pick(&["zookeeper_limits", "zookeeper_stats"]);
                Request::Delete { path: Some(format!("{quota}/{name}")), version: -1 }
            }
            _ => {
                let name = *self.rng.pick(&["zookeeper_limits", "zookeeper_stats"]);
                let data = Some(self.limits().into_bytes());
                let path = Some(format!("{quota}/{name}"));
                Request::Create { op: CreateOp::Create, path, data, acl: open(), flags: 0, ttl: -1 }
            }
        }
    }

    fn request(&mut self) -> Request {
        match self.rng.below(20) {
            0..=8 => self.write(),
            9..=10 => self.multi(),
            11 => self.watching_request(),
            _ => self.read(),
        }
    }
}

fn send(conn: Conn, requests: Vec<Request>) -> Step {
    Step::Send { conn, requests }
}
