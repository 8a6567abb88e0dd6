//! What a client asks for next: drawn from its workload, and informed by what it was answered before.

mod changes;
mod choices;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use wire::ErrorCode;

use super::watches::Watches;
use super::workload::{Kind, Workload};
use crate::observe::{Access, Answer, Body, ClientId, Lifetime, Op, User};
use crate::rng::Rng;

/// Below this everything happens.
const TOP: &str = "/k";
/// How the paths of the boxes begin.
const BOX: &str = "/k/b";
/// Nodes below which sequential ones are created.
const QUEUES: usize = 2;
/// Containers for a few sequential ones each, so that they are emptied now and then.
const BOXES: usize = 3;
/// Sequential nodes a client remembers, to delete them; further ones stay.
const SEQUENTIALS_MAX: usize = 64;
/// From so many on, a delete takes one of these.
const SEQUENTIALS_MANY: usize = 8;
/// Parents found missing that a client creates.
const MISSING_MAX: usize = 8;

/// What data are filled up with behind their tag.
const PADDING: u8 = b'.';

/// A message without the padding of the data in it.
#[must_use]
pub fn brief(message: &str) -> String {
    let mut brief = String::with_capacity(message.len());
    let mut run = 0;
    for character in message.chars() {
        run = if character == char::from(PADDING) { run + 1 } else { 0 };
        if run <= 3 {
            brief.push(character);
        }
    }
    brief
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask for this.
    Ask(Op),
    /// Close the session, begin another.
    Close,
    /// Leave the session alone, begin another.
    Abandon,
}

/// Plans a client's requests.
#[derive(Debug)]
pub struct Planner {
    id: ClientId,
    workload: Workload,
    rng: Rng,
    tags: u64,
    versions: BTreeMap<String, i32>,
    acl_versions: BTreeMap<String, i32>,
    sequentials: Vec<String>,
    missing: VecDeque<String>,
    quotas: VecDeque<(String, &'static str)>,
    known: changes::Known,
}

impl Planner {
    /// A plan without a step so far.
    #[must_use]
    pub fn new(id: ClientId, workload: Workload, rng: Rng) -> Planner {
        let mut quotas = VecDeque::new();
        for limited in [TOP.to_owned(), key(0)] {
            if workload.quota {
                quotas.push_back((format!("{}{limited}", tree::quota::QUOTA_PATH), ""));
                quotas.push_back((tree::quota::limits_path(&limited), "count=1000000,bytes=1000000000"));
                quotas.push_back((tree::quota::stats_path(&limited), "count=0,bytes=0"));
            }
        }
        Planner {
            id,
            workload,
            rng,
            tags: 0,
            versions: BTreeMap::new(),
            acl_versions: BTreeMap::new(),
            sequentials: Vec::new(),
            missing: VecDeque::new(),
            quotas,
            known: changes::Known::default(),
        }
    }

    /// Whom the client proves to be.
    #[must_use]
    pub fn user(&self) -> Option<User> {
        if !self.workload.changes.is_empty() {
            return Some(User::Admin);
        }
        match self.id.0 % 3 {
            1 if self.workload.users => Some(User::Ann),
            2 if self.workload.users => Some(User::Bob),
            _ => None,
        }
    }

    /// The next step of a client with these watches.
    pub fn next_step(&mut self, watches: &Watches) -> Step {
        if !self.workload.changes.is_empty() {
            return Step::Ask(self.change());
        }
        if let Some(path) = self.missing.pop_front() {
            let data = self.tag();
            let lifetime = match path.as_str() {
                TOP => Lifetime::Persistent,
                path if path.starts_with(BOX) => Lifetime::Container,
                _ => self.lifetime(0),
            };
            // Below the top and the queues everybody may do everything, or little would happen.
            return Step::Ask(Op::Create { path, data, lifetime, sequential: false, access: Access::Open });
        }
        if !self.quotas.is_empty()
            && self.rng.chance(20)
            && let Some((path, text)) = self.quotas.pop_front()
        {
            let data = Bytes::from_static(text.as_bytes());
            let (lifetime, access) = (Lifetime::Persistent, Access::Open);
            return Step::Ask(Op::Create { path, data, lifetime, sequential: false, access });
        }
        let kind = Kind::ALL[self.rng.weighted(&self.workload.weights)];
        Step::Ask(match kind {
            Kind::Create => self.create(),
            Kind::CreateSequential => self.create_sequential(),
            Kind::Delete => self.delete(),
            Kind::Set => self.set(),
            Kind::Multi => self.multi(),
            Kind::Get => Op::Get { path: self.path(), watch: self.watches() },
            Kind::Exists => Op::Exists { path: self.path(), watch: self.watches() },
            Kind::Children => Op::Children { path: self.parent(), watch: self.watches() },
            Kind::Sync => Op::Sync { path: self.path() },
            Kind::Close => return Step::Close,
            Kind::Abandon => return Step::Abandon,
            Kind::AddWatch => {
                let recursive = self.rng.chance(50);
                Op::AddWatch { path: self.watched(recursive), recursive }
            }
            Kind::RemoveWatches => {
                let (path, kind) = self.watch(watches);
                Op::RemoveWatches { path, kind }
            }
            Kind::CheckWatches => {
                let (path, kind) = self.watch(watches);
                Op::CheckWatches { path, kind }
            }
            Kind::SetAcl => self.set_acl(),
            Kind::GetAcl => Op::GetAcl { path: self.path() },
        })
    }

    /// Learns from an answer: versions, names with numbers, missing parents.
    pub fn learn(&mut self, op: &Op, answer: &Answer) {
        match (op, &answer.body) {
            (Op::Multi(parts), Body::Multi(Ok(bodies))) => {
                for (part, body) in parts.iter().zip(bodies) {
                    self.learn_done(part, body);
                }
            }
            (Op::Multi(parts), Body::Multi(Err(codes))) => {
                for (part, code) in parts.iter().zip(codes) {
                    self.learn_refused(part, *code);
                }
            }
            _ if answer.error == ErrorCode::Ok && !self.workload.changes.is_empty() => {
                self.learn_ensemble(op, &answer.body);
            }
            _ if answer.error == ErrorCode::Ok => self.learn_done(op, &answer.body),
            _ => self.learn_refused(op, answer.error),
        }
    }

    fn learn_done(&mut self, op: &Op, body: &Body) {
        match (op, body) {
            (Op::Create { sequential, .. }, Body::Created(path, stat)) => {
                if !sequential {
                    self.versions.insert(path.clone(), stat.version);
                } else if self.sequentials.len() < SEQUENTIALS_MAX {
                    self.sequentials.push(path.clone());
                }
            }
            (
                Op::Set { path, .. }
                | Op::SetAcl { path, .. }
                | Op::Exists { path, .. }
                | Op::Get { path, .. }
                | Op::GetAcl { path },
                Body::Stat(stat) | Body::Data(_, stat) | Body::Acl(_, stat),
            ) => {
                self.versions.insert(path.clone(), stat.version);
                self.acl_versions.insert(path.clone(), stat.aversion);
            }
            (Op::Delete { path, .. }, _) => {
                self.versions.remove(path);
                self.acl_versions.remove(path);
            }
            _ => {}
        }
    }

    fn learn_refused(&mut self, op: &Op, error: ErrorCode) {
        match (op, error) {
            (Op::Create { path, .. }, ErrorCode::NoNode) => {
                let parent = path.rfind('/').map_or("", |slash| &path[..slash]);
                let is_known = self.missing.iter().any(|missing| missing == parent);
                if !parent.is_empty() && !is_known && self.missing.len() < MISSING_MAX {
                    self.missing.push_back(parent.to_owned());
                }
            }
            (Op::Set { path, .. } | Op::Delete { path, .. } | Op::Check { path, .. }, ErrorCode::NoNode) => {
                self.versions.remove(path);
            }
            _ => {}
        }
    }

    /// Data that no other write has: who wrote it, and as which of its writes.
    pub fn tag(&mut self) -> Bytes {
        self.tags += 1;
        let mut tag = format!("c{}.{} ", self.id.0, self.tags).into_bytes();
        let (low, high) = self.workload.data_bytes;
        let bytes = self.rng.range(low as i64, high as i64) as usize;
        tag.resize(bytes.max(tag.len()), PADDING);
        Bytes::from(tag)
    }

    /// A pause between bursts, µs, at least 1.
    pub fn think_us(&mut self) -> i64 {
        let (low, high) = self.workload.think_us;
        self.rng.range(low, high).max(1)
    }

    /// Whether to leave the server behind this burst.
    pub fn hops(&mut self) -> bool {
        let permille = self.workload.hop_permille;
        self.rng.permille(permille)
    }

    /// A pause before the next connection, µs, at least 1.
    pub fn redial_us(&mut self) -> i64 {
        let (low, high) = self.workload.redial_us;
        self.rng.range(low, high).max(1)
    }

    /// The chance behind everything that the client itself decides.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// How the client behaves.
    #[must_use]
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    fn watches(&mut self) -> bool {
        self.rng.chance(self.workload.watch_percent)
    }

    fn path(&mut self) -> String {
        key(self.rng.index(self.workload.keys.max(1)))
    }

    /// Something that may have children.
    fn parent(&mut self) -> String {
        match self.rng.below(4) {
            0 => TOP.to_owned(),
            1 => self.path(),
            _ => self.queue(),
        }
    }

    fn queue(&mut self) -> String {
        if self.rng.chance(self.workload.container_percent) {
            return format!("{BOX}{}", self.rng.index(BOXES));
        }
        format!("{TOP}/q{}", self.rng.index(QUEUES))
    }

    /// A version to expect: mostly one that may be right.
    fn version(&mut self, path: &str) -> i32 {
        if !self.rng.chance(self.workload.versioned_percent) {
            return -1;
        }
        let known = self.versions.get(path).copied().unwrap_or(0);
        if self.rng.chance(15) { known.wrapping_add(1) } else { known }
    }

    fn create(&mut self) -> Op {
        let path = self.path();
        let lifetime = self.lifetime(self.workload.ephemeral_percent);
        self.create_as(path, lifetime, false)
    }

    fn create_sequential(&mut self) -> Op {
        let path = format!("{}/s-", self.queue());
        let lifetime = match self.lifetime(self.workload.ephemeral_percent) {
            Lifetime::Container => Lifetime::Persistent,
            other => other,
        };
        self.create_as(path, lifetime, true)
    }

    fn create_as(&mut self, path: String, lifetime: Lifetime, sequential: bool) -> Op {
        let is_open = !self.rng.chance(self.workload.acl_percent);
        let access = if is_open { Access::Open } else { self.access() };
        Op::Create { path, data: self.tag(), lifetime, sequential, access }
    }

    fn delete(&mut self) -> Op {
        let count = self.sequentials.len();
        if count >= SEQUENTIALS_MANY || (count > 0 && self.rng.chance(50)) {
            let path = self.sequentials.swap_remove(self.rng.index(count));
            return Op::Delete { path, version: -1 };
        }
        let path = self.path();
        let version = self.version(&path);
        Op::Delete { path, version }
    }

    fn set(&mut self) -> Op {
        let path = self.path();
        let version = self.version(&path);
        Op::Set { path, data: self.tag(), version }
    }

    fn multi(&mut self) -> Op {
        let count = self.rng.range(1, self.workload.multi_parts_max.max(1) as i64);
        let part = |planner: &mut Planner| match planner.rng.weighted(&[3, 2, 2, 4, 3]) {
            0 => planner.create(),
            1 => planner.create_sequential(),
            2 => planner.delete(),
            3 => planner.set(),
            _ => {
                let path = planner.path();
                let version = planner.version(&path);
                Op::Check { path, version }
            }
        };
        Op::Multi((0..count).map(|_| part(self)).collect())
    }
}

/// One of the znodes that the clients share: every third lies below the one before it.
fn key(index: usize) -> String {
    match index % 3 {
        2 => format!("{TOP}/n{}/c{index}", index - 1),
        _ => format!("{TOP}/n{index}"),
    }
}
