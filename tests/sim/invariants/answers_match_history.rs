//! The answer to a write is what its transaction did: the committed transaction of the answer's zxid is the one of this
//! request, the state before it decided it so and not otherwise, and path, stat and results are those it left behind.

use wire::txn::{CreateKind, Txn, TxnEntry};
use wire::{ErrorCode, Stat, Zxid};

use super::Invariant;
use super::changed_members;
use super::history::{committed, name};
use crate::client::brief;
use crate::model::Model;
use crate::observe::{Answer, Body, Call, Lifetime, Observation, Op, User};
use crate::znodes::verdict::{Verdict, judge};
use crate::znodes::{Znodes, is_quota_statistics};

/// See the module.
#[derive(Debug, Default)]
pub struct AnswersMatchHistory {
    examined: u64,
}

impl Invariant for AnswersMatchHistory {
    fn name(&self) -> &'static str {
        "answers_match_history"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let Observation::Answered { call, answer } = seen else { return Ok(()) };
        if !call.op.is_write() {
            return Ok(());
        }
        self.examined += 1;
        compare(call, answer, model)
            .map_err(|why| brief(&format!("{}: it is answered {} {:?}: {why}", name(call), answer.error, answer.body)))
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}

fn compare(call: &Call, answer: &Answer, model: &Model) -> Result<(), String> {
    let Some(entry) = committed(model, answer.zxid) else {
        return Err(format!("there is no committed transaction {}", answer.zxid));
    };
    if (entry.header.session, entry.header.cxid.0) != (call.session, call.xid) {
        return Err(format!(
            "transaction {} is request {} of session {}",
            answer.zxid, entry.header.cxid, entry.header.session
        ));
    }
    let (znodes, caller) = (model.znodes(), model.user(call.client));
    if answer.error == ErrorCode::SessionMoved {
        return Err("a client whose session has moved is not answered, its connection is closed".to_owned());
    }
    if is_of_session(&entry.txn, ErrorCode::SessionExpired) {
        let code = ErrorCode::SessionExpired;
        if znodes.is_session_open(call.session, answer.zxid) {
            return Err(format!("the session is there at {}, but the transaction is {code}", answer.zxid));
        }
    } else if matches!(call.op, Op::Reconfig { .. }) {
        changed_members::check_answer(&call.op, answer, entry, model)?;
    } else {
        let verdict = judge(znodes, &call.op, caller, Zxid(answer.zxid.0 - 1));
        check_verdict(&verdict, answer)?;
    }
    let ground = Ground { znodes, caller, zxid: answer.zxid };
    ground.check_answer(&call.op, answer, entry)
}

/// Whether a transaction is a refusal with this code; in a multi, of its first part.
fn is_of_session(txn: &Txn, code: ErrorCode) -> bool {
    match txn {
        Txn::Error { code: found } => *found == code.code(),
        Txn::Multi(parts) => parts.first().is_some_and(|part| *part == Txn::error(code)),
        _ => false,
    }
}

/// Compares an answer with what the state before it demands.
fn check_verdict(verdict: &Verdict, answer: &Answer) -> Result<(), String> {
    let is_right = match (verdict, &answer.body) {
        (Verdict::Refused(code), _) => answer.error == *code,
        (Verdict::AllRefused(codes), Body::Multi(Err(found))) => codes == found,
        (Verdict::Done(path), Body::Created(found, _)) => path.as_ref() == Some(found),
        (Verdict::Done(None), _) => answer.error == ErrorCode::Ok,
        (Verdict::AllDone(paths), Body::Multi(Ok(bodies))) => {
            let created = bodies.iter().map(|body| match body {
                Body::Created(path, _) => Some(path),
                _ => None,
            });
            created.eq(paths.iter().map(Option::as_ref))
        }
        _ => false,
    };
    if is_right {
        return Ok(());
    }
    Err(format!("the state before {} demands {verdict:?}", answer.zxid))
}

/// What the answer to a write is compared with.
#[derive(Clone, Copy)]
struct Ground<'a> {
    znodes: &'a Znodes,
    caller: Option<User>,
    zxid: Zxid,
}

impl Ground<'_> {
    /// Compares an answer with the transaction.
    fn check_answer(self, op: &Op, answer: &Answer, entry: &TxnEntry) -> Result<(), String> {
        let differs = || format!("transaction {} is {:?}", answer.zxid, entry.txn);
        match (op, &entry.txn) {
            (_, Txn::Error { code }) if answer.error.code() == *code && answer.error != ErrorCode::Ok => Ok(()),
            (Op::Multi(ops), Txn::Multi(parts)) if answer.error == ErrorCode::Ok && ops.len() == parts.len() => {
                self.check_multi(ops, parts, answer)
            }
            (Op::Reconfig { .. }, Txn::Reconfig { path, .. }) => match &answer.body {
                Body::Data(_, stat) => self.check_stat(path, 0, stat),
                _ => Err(differs()),
            },
            (Op::CloseSession, Txn::CloseSession { .. }) if answer.error == ErrorCode::Ok => Ok(()),
            (Op::Multi(_), _) => Err(differs()),
            (op, txn) if answer.error == ErrorCode::Ok => self.check_part(op, txn, &answer.body, 0),
            _ => Err(differs()),
        }
    }

    fn check_multi(self, ops: &[Op], parts: &[Txn], answer: &Answer) -> Result<(), String> {
        match &answer.body {
            Body::Multi(Ok(bodies)) if bodies.len() == parts.len() => {
                for (index, ((op, part), body)) in ops.iter().zip(parts).zip(bodies).enumerate() {
                    self.check_part(op, part, body, index).map_err(|why| format!("part {index}: {why}"))?;
                }
                Ok(())
            }
            Body::Multi(Err(codes)) => {
                let failed = parts.iter().position(|part| matches!(part, Txn::Error { .. }));
                let expected: Vec<i32> = parts
                    .iter()
                    .enumerate()
                    .map(|(index, part)| match part {
                        Txn::Error { code } => *code,
                        _ if failed.is_some_and(|failed| index < failed) => ErrorCode::Ok.code(),
                        _ => ErrorCode::RuntimeInconsistency.code(),
                    })
                    .collect();
                if failed.is_some() && codes.iter().map(|code| code.code()).eq(expected.iter().copied()) {
                    return Ok(());
                }
                Err(format!("transaction {} has the results {expected:?}", self.zxid))
            }
            _ => Err(format!("transaction {} has {} parts", self.zxid, parts.len())),
        }
    }

    /// Compares one result with the part of the transaction behind it and with the node that it left.
    fn check_part(self, op: &Op, txn: &Txn, body: &Body, part: usize) -> Result<(), String> {
        match (op, txn, body) {
            (
                Op::Create { path: asked, data, lifetime, access, .. },
                Txn::Create(create),
                Body::Created(path, stat),
            ) if path.starts_with(asked.as_str())
                && *path == create.path
                && create.data.as_ref() == Some(data)
                && create.kind == kind(*lifetime)
                && access.stored(self.caller).as_ref() == Some(&create.acl) =>
            {
                self.check_stat(path, part, stat)
            }
            (Op::Set { path, data, .. }, Txn::SetData { path: set, data: put, .. }, Body::Stat(stat))
                if path == set && put.as_ref() == Some(data) =>
            {
                self.check_stat(path, part, stat)
            }
            (Op::SetAcl { path, access, .. }, Txn::SetAcl { path: set, acl, .. }, Body::Stat(stat))
                if path == set && access.stored(self.caller).as_ref() == Some(acl) =>
            {
                self.check_stat(path, part, stat)
            }
            (Op::Delete { path, .. }, Txn::Delete { path: deleted }, Body::Empty) if path == deleted => Ok(()),
            (Op::Check { path, .. }, Txn::Check { path: checked, .. }, Body::Empty) if path == checked => Ok(()),
            _ => Err(format!("transaction {} is {txn:?}", self.zxid)),
        }
    }

    fn check_stat(self, path: &str, part: usize, found: &Stat) -> Result<(), String> {
        match self.znodes.at_part(path, self.zxid, part).map(|node| node.stat()) {
            // Each server counts for itself here: not even the length is known.
            _ if is_quota_statistics(path) => Ok(()),
            Some(stat) if stat == *found => Ok(()),
            other => Err(format!("transaction {} leaves {path} with {other:?}", self.zxid)),
        }
    }
}

/// How a transaction says what becomes of a znode.
fn kind(lifetime: Lifetime) -> CreateKind {
    match lifetime {
        Lifetime::Persistent => CreateKind::Create2 { ephemeral: false },
        Lifetime::Ephemeral => CreateKind::Create2 { ephemeral: true },
        Lifetime::Container => CreateKind::Container,
        Lifetime::Ttl(ttl_ms) => CreateKind::Ttl(ttl_ms),
    }
}
