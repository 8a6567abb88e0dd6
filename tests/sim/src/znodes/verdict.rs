//! What a write must be answered, given the state that it found.
//!
//! A leader decides every request on the state that all transactions before it leave behind, the uncommitted ones
//! included; since they stand before it in the log, that is the state at the zxid before the request's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::{Acl, ErrorCode, Perms, Zxid};

use super::{Znodes, split};
use crate::observe::{Access, Lifetime, Op, User, grants};

/// What a write should lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out; a create at this path.
    Done(Option<String>),
    /// It is refused.
    Refused(ErrorCode),
    /// A multi that is carried out: the paths of its creates.
    AllDone(Vec<Option<String>>),
    /// A multi that is refused: the error of each part.
    AllRefused(Vec<ErrorCode>),
}

/// What a decision depends on.
#[derive(Debug, Clone)]
struct Sketch {
    version: i32,
    aversion: i32,
    cversion_stored: i32,
    num_children: i32,
    is_ephemeral: bool,
    acl: Arc<[Acl]>,
}

/// The state before a write, and what the earlier parts of a multi have made of it.
struct Draft<'a> {
    znodes: &'a Znodes,
    before: Zxid,
    caller: Option<User>,
    changed: BTreeMap<String, Option<Sketch>>,
}

/// Decides `op` of a caller on the state behind `before`. Sessions are not looked at.
#[must_use]
pub fn judge(znodes: &Znodes, op: &Op, caller: Option<User>, before: Zxid) -> Verdict {
    let mut draft = Draft { znodes, before, caller, changed: BTreeMap::new() };
    let Op::Multi(parts) = op else {
        return draft.decide(op).map_or_else(Verdict::Refused, Verdict::Done);
    };
    let mut paths = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        match draft.decide(part) {
            Ok(path) => paths.push(path),
            Err(code) => {
                let mut codes = vec![ErrorCode::Ok; index];
                codes.push(code);
                codes.resize(parts.len(), ErrorCode::RuntimeInconsistency);
                return Verdict::AllRefused(codes);
            }
        }
    }
    Verdict::AllDone(paths)
}

impl Draft<'_> {
    fn get(&self, path: &str) -> Result<Sketch, ErrorCode> {
        let found = match self.changed.get(path) {
            Some(changed) => changed.clone(),
            None => self.znodes.at(path, self.before).map(|node| {
                let stat = node.stat();
                Sketch {
                    version: stat.version,
                    aversion: stat.aversion,
                    cversion_stored: node.cversion_stored(),
                    num_children: stat.num_children,
                    is_ephemeral: stat.ephemeral_owner != 0,
                    acl: node.acl().clone(),
                }
            }),
        };
        found.ok_or(ErrorCode::NoNode)
    }

    fn put(&mut self, path: &str, sketch: Option<Sketch>) {
        self.changed.insert(path.to_owned(), sketch);
    }

    fn decide(&mut self, op: &Op) -> Result<Option<String>, ErrorCode> {
        match op {
            Op::Create { path, lifetime, sequential, access, .. } => {
                self.create(path, *lifetime, *sequential, *access).map(Some)
            }
            Op::Delete { path, version } => self.delete(path, *version).map(|()| None),
            Op::Set { path, version, .. } => {
                let node = self.expect(path, Perms::WRITE, *version)?;
                self.put(path, Some(Sketch { version: node.version.wrapping_add(1), ..node }));
                Ok(None)
            }
            Op::SetAcl { path, access, version } => {
                access.stored(self.caller).ok_or(ErrorCode::InvalidAcl)?;
                let node = self.get(path)?;
                self.permit(&node, Perms::ADMIN)?;
                accept(*version, node.aversion).map(|()| None)
            }
            Op::Check { path, version } => self.expect(path, Perms::READ, *version).map(|_| None),
            Op::CloseSession => Ok(None),
            // What the ensemble looks like decides that, not the tree: see the checker of answers.
            Op::Reconfig { .. } => Ok(None),
            Op::Multi(_)
            | Op::Get { .. }
            | Op::Exists { .. }
            | Op::Children { .. }
            | Op::GetAcl { .. }
            | Op::Sync { .. }
            | Op::AddWatch { .. }
            | Op::RemoveWatches { .. }
            | Op::CheckWatches { .. }
            | Op::SetWatches { .. }
            | Op::Ping => Err(ErrorCode::Unimplemented),
        }
    }

    fn permit(&self, node: &Sketch, wanted: Perms) -> Result<(), ErrorCode> {
        if grants(&node.acl, wanted, self.caller) { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    /// The node, if the caller may do this to it and it is there in the version expected.
    fn expect(&self, path: &str, wanted: Perms, version: i32) -> Result<Sketch, ErrorCode> {
        let node = self.get(path)?;
        self.permit(&node, wanted)?;
        accept(version, node.version).map(|()| node)
    }

    fn create(
        &mut self,
        asked: &str,
        lifetime: Lifetime,
        sequential: bool,
        access: Access,
    ) -> Result<String, ErrorCode> {
        let (parent_path, _) = split(asked).ok_or(ErrorCode::NodeExists)?;
        let acl = access.stored(self.caller).ok_or(ErrorCode::InvalidAcl)?;
        let parent = self.get(parent_path)?;
        self.permit(&parent, Perms::CREATE)?;
        let path = if sequential { format!("{asked}{:010}", parent.cversion_stored) } else { asked.to_owned() };
        if self.get(&path).is_ok() {
            return Err(ErrorCode::NodeExists);
        }
        if parent.is_ephemeral {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let above = Sketch {
            cversion_stored: parent.cversion_stored.wrapping_add(1),
            num_children: parent.num_children + 1,
            ..parent
        };
        self.put(parent_path, Some(above));
        let (is_ephemeral, acl) = (lifetime == Lifetime::Ephemeral, Arc::from(acl));
        let created = Sketch { version: 0, aversion: 0, cversion_stored: 0, num_children: 0, is_ephemeral, acl };
        self.put(&path, Some(created));
        Ok(path)
    }

    fn delete(&mut self, path: &str, version: i32) -> Result<(), ErrorCode> {
        let (parent_path, _) = split(path).ok_or(ErrorCode::BadArguments)?;
        let parent = self.get(parent_path)?;
        self.permit(&parent, Perms::DELETE)?;
        let node = self.get(path)?;
        accept(version, node.version)?;
        if node.num_children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.put(parent_path, Some(Sketch { num_children: parent.num_children - 1, ..parent }));
        self.put(path, None);
        Ok(())
    }
}

fn accept(expected: i32, found: i32) -> Result<(), ErrorCode> {
    if expected == -1 || expected == found { Ok(()) } else { Err(ErrorCode::BadVersion) }
}
