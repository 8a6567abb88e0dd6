//! The numbers of sequential znodes below one parent are unique and increase in the order of their transactions.

use super::Invariant;
use crate::model::{Model, effective};
use crate::observe::{Answer, Body, Observation, Op};
use std::collections::{BTreeMap, HashMap};
use wire::Zxid;
use wire::txn::Txn;

/// Digits of a sequence number in a name (`%010d`).
const DIGITS: usize = 10;

/// When a number was given: the transaction, and the part of it.
type Given = (Zxid, usize);

/// Looks at the paths that clients were answered. A parent that was deleted and created anew counts from the start again, so
/// deletes are looked up in the committed history.
#[derive(Default)]
pub struct SequenceNumbers {
    /// By path: when it was deleted.
    deleted: HashMap<String, Vec<Zxid>>,
    /// By parent and by how often that had been deleted before.
    parents: HashMap<(String, usize), BTreeMap<u32, Given>>,
    cursor: usize,
    examined: u64,
}

impl SequenceNumbers {
    fn follow(&mut self, model: &Model) {
        for &no in model.newly_committed(&mut self.cursor) {
            let entry = model.entry(no);
            for part in effective(&entry.txn) {
                if let Txn::Delete { path } | Txn::DeleteContainer { path } = part {
                    self.deleted.entry(path.clone()).or_default().push(entry.zxid());
                }
            }
        }
    }

    fn given(&mut self, op: &Op, body: &Body, at: Given) -> Result<(), String> {
        let (Op::Create { path: asked, sequential: true, .. }, Body::Created(path, _)) = (op, body) else {
            return Ok(());
        };
        let Some((parent, number)) = numbered(path, asked) else {
            return Err(format!("a sequential create of {asked} was answered with {path} ({})", at.0));
        };
        let deletes = self.deleted.get(parent).map_or(0, |deleted| deleted.partition_point(|&zxid| zxid < at.0));
        let numbers = self.parents.entry((parent.to_owned(), deletes)).or_default();
        let lower = numbers.range(..number).next_back();
        let higher = numbers.range(number..).next();
        self.examined += u64::from(lower.is_some() || higher.is_some());
        if let Some((other, &(zxid, _))) = lower.filter(|(_, given)| **given >= at) {
            return Err(format!("below {parent} number {number} was given in {}, the lower {other} in {zxid}", at.0));
        }
        if let Some((other, &(zxid, _))) = higher.filter(|(other, given)| **other == number || **given <= at) {
            return Err(format!("below {parent} number {number} was given in {}, and {other} in {zxid}", at.0));
        }
        numbers.insert(number, at);
        Ok(())
    }

    fn answered(&mut self, op: &Op, answer: &Answer) -> Result<(), String> {
        match (op, &answer.body) {
            (Op::Multi(ops), Body::Multi(Ok(bodies))) => {
                let mut parts = ops.iter().zip(bodies).enumerate();
                parts.try_for_each(|(part, (op, body))| self.given(op, body, (answer.zxid, part)))
            }
            (op, body) => self.given(op, body, (answer.zxid, 0)),
        }
    }
}

/// The parent and the number of a sequential znode's path, if it is one that was asked for.
fn numbered<'a>(path: &'a str, asked: &str) -> Option<(&'a str, u32)> {
    let digits = path.strip_prefix(asked).filter(|digits| digits.len() == DIGITS)?;
    Some((&path[..path.rfind('/')?], digits.parse().ok()?))
}

impl Invariant for SequenceNumbers {
    fn name(&self) -> &'static str {
        "sequence_numbers"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match seen {
            Observation::Applied { .. } | Observation::Serving { .. } => self.follow(model),
            Observation::Answered { call, answer } => return self.answered(&call.op, answer),
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
