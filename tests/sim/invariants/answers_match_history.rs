//! The answer to a write is what its transaction did: the committed transaction of the answer's zxid is the one of this
//! request, the state before it decided it so and not otherwise, and path, stat and results are those it left behind.

use wire::txn::{Txn, TxnEntry};
use wire::{ErrorCode, Stat, Zxid};

use super::Invariant;
use super::history::{committed, name};
use crate::client::brief;
use crate::model::Model;
use crate::observe::{Answer, Body, Call, Observation, Op};
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
    let znodes = model.znodes();
    if answer.error == ErrorCode::SessionMoved {
        return Err("a client whose session has moved is not answered, its connection is closed".to_owned());
    }
    if is_of_session(&entry.txn, ErrorCode::SessionExpired) {
        let code = ErrorCode::SessionExpired;
        if znodes.is_session_open(call.session, answer.zxid) {
            return Err(format!("the session is there at {}, but the transaction is {code}", answer.zxid));
        }
    } else {
        let verdict = judge(znodes, &call.op, Zxid(answer.zxid.0 - 1));
        check_verdict(&verdict, answer)?;
    }
    check_answer(&call.op, answer, entry, znodes)
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

/// Compares an answer with the transaction.
fn check_answer(op: &Op, answer: &Answer, entry: &TxnEntry, znodes: &Znodes) -> Result<(), String> {
    let differs = || format!("transaction {} is {:?}", answer.zxid, entry.txn);
    match (op, &entry.txn) {
        (_, Txn::Error { code }) if answer.error.code() == *code && answer.error != ErrorCode::Ok => Ok(()),
        (Op::Multi(ops), Txn::Multi(parts)) if answer.error == ErrorCode::Ok && ops.len() == parts.len() => {
            check_multi(ops, parts, answer, znodes)
        }
        (Op::CloseSession, Txn::CloseSession { .. }) if answer.error == ErrorCode::Ok => Ok(()),
        (Op::Multi(_), _) => Err(differs()),
        (op, txn) if answer.error == ErrorCode::Ok => check_part(op, txn, &answer.body, (answer.zxid, 0), znodes),
        _ => Err(differs()),
    }
}

fn check_multi(ops: &[Op], parts: &[Txn], answer: &Answer, znodes: &Znodes) -> Result<(), String> {
    match &answer.body {
        Body::Multi(Ok(bodies)) if bodies.len() == parts.len() => {
            for (index, ((op, part), body)) in ops.iter().zip(parts).zip(bodies).enumerate() {
                check_part(op, part, body, (answer.zxid, index), znodes)
                    .map_err(|why| format!("part {index}: {why}"))?;
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
            Err(format!("transaction {} has the results {expected:?}", answer.zxid))
        }
        _ => Err(format!("transaction {} has {} parts", answer.zxid, parts.len())),
    }
}

/// Compares one result with the part of the transaction behind it and with the node that it left.
fn check_part(op: &Op, txn: &Txn, body: &Body, (zxid, part): (Zxid, usize), znodes: &Znodes) -> Result<(), String> {
    let stat_at = |path: &str| znodes.at_part(path, zxid, part).map(|node| node.stat());
    let check_stat = |path: &str, found: &Stat| match stat_at(path) {
        // Each server counts for itself here: not even the length is known.
        _ if is_quota_statistics(path) => Ok(()),
        Some(stat) if stat == *found => Ok(()),
        other => Err(format!("transaction {zxid} leaves {path} with {other:?}")),
    };
    match (op, txn, body) {
        (Op::Create { path: asked, data, .. }, Txn::Create(create), Body::Created(path, stat))
            if path.starts_with(asked.as_str()) && *path == create.path && create.data.as_ref() == Some(data) =>
        {
            check_stat(path, stat)
        }
        (Op::Set { path, data, .. }, Txn::SetData { path: set, data: put, .. }, Body::Stat(stat))
            if path == set && put.as_ref() == Some(data) =>
        {
            check_stat(path, stat)
        }
        (Op::Delete { path, .. }, Txn::Delete { path: deleted }, Body::Empty) if path == deleted => Ok(()),
        (Op::Check { path, .. }, Txn::Check { path: checked, .. }, Body::Empty) if path == checked => Ok(()),
        _ => Err(format!("transaction {zxid} is {txn:?}")),
    }
}
