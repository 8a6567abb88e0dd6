//! What a write must be answered, given the state that it found.
//!
//! A leader decides every request on the state that all transactions before it leave behind, the uncommitted ones
//! included; since they stand before it in the log, that is the state at the zxid before the request's own.

use std::collections::BTreeMap;

use wire::{ErrorCode, Zxid};

use super::{Znodes, split};
use crate::observe::Op;

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
#[derive(Debug, Clone, Copy)]
struct Sketch {
    version: i32,
    cversion_stored: i32,
    num_children: i32,
    is_ephemeral: bool,
}

/// The state before a write, and what the earlier parts of a multi have made of it.
struct Draft<'a> {
    znodes: &'a Znodes,
    before: Zxid,
    changed: BTreeMap<String, Option<Sketch>>,
}

/// Decides `op` on the state behind `before`. Permissions and sessions are not looked at: everything is open.
#[must_use]
pub fn judge(znodes: &Znodes, op: &Op, before: Zxid) -> Verdict {
    let mut draft = Draft { znodes, before, changed: BTreeMap::new() };
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
            Some(changed) => *changed,
            None => self.znodes.at(path, self.before).map(|node| {
                let stat = node.stat();
                Sketch {
                    version: stat.version,
                    cversion_stored: node.cversion_stored(),
                    num_children: stat.num_children,
                    is_ephemeral: stat.ephemeral_owner != 0,
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
            Op::Create { path, ephemeral, sequential, .. } => self.create(path, *ephemeral, *sequential).map(Some),
            Op::Delete { path, version } => self.delete(path, *version).map(|()| None),
            Op::Set { path, version, .. } => {
                let node = self.expect(path, *version)?;
                self.put(path, Some(Sketch { version: node.version.wrapping_add(1), ..node }));
                Ok(None)
            }
            Op::Check { path, version } => self.expect(path, *version).map(|_| None),
            Op::CloseSession => Ok(None),
            Op::Multi(_)
            | Op::Get { .. }
            | Op::Exists { .. }
            | Op::Children { .. }
            | Op::Sync { .. }
            | Op::SetWatches { .. }
            | Op::Ping => Err(ErrorCode::Unimplemented),
        }
    }

    /// The node, if it is there in the version expected.
    fn expect(&self, path: &str, version: i32) -> Result<Sketch, ErrorCode> {
        let node = self.get(path)?;
        if version == -1 || version == node.version { Ok(node) } else { Err(ErrorCode::BadVersion) }
    }

    fn create(&mut self, asked: &str, ephemeral: bool, sequential: bool) -> Result<String, ErrorCode> {
        let (parent_path, _) = split(asked).ok_or(ErrorCode::NodeExists)?;
        let parent = self.get(parent_path)?;
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
        self.put(&path, Some(Sketch { version: 0, cversion_stored: 0, num_children: 0, is_ephemeral: ephemeral }));
        Ok(path)
    }

    fn delete(&mut self, path: &str, version: i32) -> Result<(), ErrorCode> {
        let (parent_path, _) = split(path).ok_or(ErrorCode::BadArguments)?;
        let parent = self.get(parent_path)?;
        let node = self.expect(path, version)?;
        if node.num_children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.put(parent_path, Some(Sketch { num_children: parent.num_children - 1, ..parent }));
        self.put(path, None);
        Ok(())
    }
}
