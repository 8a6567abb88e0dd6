//! What a client asks for, and how often: drawn once per client, so that each seed leans another way.

use crate::rng::Rng;
use wire::ServerId;

/// Kinds of requests, in the order of [`Workload::weights`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// create of one of the keys.
    Create,
    /// create with a number appended.
    CreateSequential,
    /// delete of one of the keys, or of what was created with a number.
    Delete,
    /// setData.
    Set,
    /// multi.
    Multi,
    /// getData.
    Get,
    /// exists.
    Exists,
    /// getChildren.
    Children,
    /// sync.
    Sync,
    /// closeSession, and another session.
    Close,
    /// Another session, without a word about the old one.
    Abandon,
    /// addWatch.
    AddWatch,
    /// removeWatches.
    RemoveWatches,
    /// checkWatches.
    CheckWatches,
    /// setACL.
    SetAcl,
    /// getACL.
    GetAcl,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 16] = [
        Kind::Create,
        Kind::CreateSequential,
        Kind::Delete,
        Kind::Set,
        Kind::Multi,
        Kind::Get,
        Kind::Exists,
        Kind::Children,
        Kind::Sync,
        Kind::Close,
        Kind::Abandon,
        Kind::AddWatch,
        Kind::RemoveWatches,
        Kind::CheckWatches,
        Kind::SetAcl,
        Kind::GetAcl,
    ];
}

/// How a client behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// How often each of [`Kind::ALL`] is asked for.
    pub weights: [u32; Kind::ALL.len()],
    /// How many znodes the clients share; few, so that they meet.
    pub keys: usize,
    /// Most requests without an answer.
    pub pipeline_max: usize,
    /// How many creates in a hundred are ephemeral.
    pub ephemeral_percent: u64,
    /// How many reads in a hundred set a watch.
    pub watch_percent: u64,
    /// How many conditional writes in a hundred name the version that the client knows.
    pub versioned_percent: u64,
    /// Most parts of a multi.
    pub multi_parts_max: usize,
    /// Pause between bursts of requests, µs, from and to.
    pub think_us: (i64, i64),
    /// Pause before another connection is tried, µs, from and to.
    pub redial_us: (i64, i64),
    /// Size of the data, bytes, from and to. A tag that names the writer always fits in.
    pub data_bytes: (usize, usize),
    /// The session timeout asked for, ms.
    pub session_timeout_ms: i32,
    /// Whether the client sets quotas on some of the keys.
    pub quota: bool,
    /// How many creates in a hundred have another ACL than the open one.
    pub acl_percent: u64,
    /// Whether some of the clients prove to be somebody.
    pub users: bool,
    /// How many creates in a hundred that are not ephemeral make a container, where that is possible.
    pub container_percent: u64,
    /// How many of the others have a time to live.
    pub ttl_percent: u64,
    /// The times to live, ms, from and to.
    pub ttl_ms: (i64, i64),
    /// How many bursts in a thousand the client does not wait out: it goes on at another server at once, while its requests
    /// are still on their way.
    pub hop_permille: u64,
    /// Servers among which the client changes the members, and then it does nothing else; none for other clients.
    pub changes: Vec<ServerId>,
}

impl Workload {
    /// A workload of its own. Clients with different numbers of keys meet at the ones that all of them have.
    pub fn draw(rng: &mut Rng) -> Workload {
        let mut some = |percent: u64, low: i64, high: i64| -> u32 {
            if rng.chance(percent) { rng.range(low, high) as u32 } else { 0 }
        };
        let plain = [
            some(95, 5, 30),
            some(60, 2, 20),
            some(85, 3, 20),
            some(95, 5, 40),
            some(60, 2, 15),
            // Never without reads: a checker of reads needs some.
            some(100, 5, 60),
            some(70, 2, 20),
            some(80, 2, 20),
            some(40, 1, 5),
            some(30, 1, 1),
            some(20, 1, 1),
        ];
        let think_max_us = *rng.pick(&[500, 5_000, 50_000, 400_000]).unwrap_or(&5_000);
        let data_max_bytes = *rng.pick(&[24, 64, 512, 4096]).unwrap_or(&64);
        let basic = Workload {
            weights: [0; Kind::ALL.len()],
            keys: rng.range(2, 12) as usize,
            pipeline_max: *rng.pick(&[1, 1, 2, 4, 16, 64]).unwrap_or(&1),
            ephemeral_percent: *rng.pick(&[0, 10, 30, 70]).unwrap_or(&10),
            watch_percent: *rng.pick(&[0, 20, 50, 90]).unwrap_or(&20),
            versioned_percent: *rng.pick(&[0, 30, 60]).unwrap_or(&30),
            multi_parts_max: rng.range(2, 6) as usize,
            think_us: (0, think_max_us),
            redial_us: (1_000, *rng.pick(&[10_000, 200_000, 1_000_000]).unwrap_or(&200_000)),
            data_bytes: (0, data_max_bytes),
            session_timeout_ms: *rng.pick(&[4_000, 6_000, 10_000, 30_000]).unwrap_or(&6_000),
            quota: rng.chance(25),
            acl_percent: 0,
            users: false,
            container_percent: 0,
            ttl_percent: 0,
            ttl_ms: (20, *rng.pick(&[100, 500, 2_000]).unwrap_or(&500)),
            hop_permille: 0,
            changes: Vec::new(),
        };
        basic.with_features(plain, rng)
    }

    /// That of a client that changes which of these servers are members.
    pub fn of_admin(changes: Vec<ServerId>, rng: &mut Rng) -> Workload {
        let think_max_us = *rng.pick(&[100_000, 400_000, 1_000_000]).unwrap_or(&400_000);
        Workload {
            pipeline_max: *rng.pick(&[1, 1, 3]).unwrap_or(&1),
            think_us: (10_000, think_max_us),
            redial_us: (1_000, 200_000),
            session_timeout_ms: 10_000,
            changes,
            ..Workload::draw(rng)
        }
    }

    /// What a client may leave alone altogether: about half of the runs have each.
    fn with_features(mut self, plain: [u32; 11], rng: &mut Rng) -> Workload {
        let (watches, acls) = (rng.chance(50), rng.chance(50));
        let (containers, ttls) = (rng.chance(50), rng.chance(50));
        let mut weight = |is_on: bool, high: i64| -> u32 {
            let drawn = rng.range(1, high) as u32;
            if is_on { drawn } else { 0 }
        };
        let features = [weight(watches, 5), weight(watches, 4), weight(watches, 2), weight(acls, 20), weight(acls, 8)];
        for (weight, drawn) in self.weights.iter_mut().zip(plain.into_iter().chain(features)) {
            *weight = drawn;
        }
        if acls {
            self.acl_percent = rng.range(5, 50) as u64;
            self.users = rng.chance(70);
        }
        if containers {
            self.container_percent = rng.range(10, 60) as u64;
        }
        if ttls {
            self.ttl_percent = rng.range(5, 40) as u64;
        }
        if rng.chance(50) {
            self.hop_permille = rng.range(5, 60) as u64;
        }
        self
    }
}
