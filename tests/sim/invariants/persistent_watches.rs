//! Persistent watches stay: what they owe a client comes in the order of the history, again and again, until they are
//! removed; and addWatch, checkWatches and removeWatches are answered by what the connection watches.

use wire::{ErrorCode, Zxid};

use super::Invariant;
use super::history::name;
use super::watching::Watching;
use crate::model::Model;
use crate::observe::{Answer, Call, Observation, Op};

/// See the module.
#[derive(Debug, Default)]
pub struct PersistentWatches {
    watching: Watching,
    examined: u64,
}

impl PersistentWatches {
    fn on_event(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let Observation::Event { client, session, kind, path, zxid } = *seen else { return Ok(()) };
        let owed = self.watching.owed(client, zxid, model);
        let Some(at) = owed.iter().position(|owed| owed.is(zxid, kind, path)) else { return Ok(()) };
        if let Some(first) = owed.iter().take(at).find(|owed| owed.is_lasting()) {
            return Err(format!(
                "client {} (session {session}) is told {kind:?} of {path} by {zxid}, but {:?} of {} by {} was due before",
                client.0, first.kind, first.path, first.zxid
            ));
        }
        self.examined += u64::from(owed.remove(at).is_some_and(|owed| owed.is_lasting()));
        Ok(())
    }

    fn on_answer(&mut self, call: &Call, answer: &Answer, model: &Model) -> Result<(), String> {
        let owed = self.watching.owed(call.client, answer.zxid, model);
        if let Some(owed) = owed.iter().find(|owed| owed.is_lasting()) {
            return Err(format!(
                "{}: the answer is of {}, but {:?} of {} by {} was not told, though it is watched persistently since {}",
                name(call),
                answer.zxid,
                owed.kind,
                owed.path,
                owed.zxid,
                owed.set_at
            ));
        }
        owed.clear();
        let expected = match &call.op {
            Op::AddWatch { .. } => ErrorCode::Ok,
            Op::RemoveWatches { path, kind } | Op::CheckWatches { path, kind } => {
                if self.watching.has(call.client, path, *kind) { ErrorCode::Ok } else { ErrorCode::NoWatcher }
            }
            _ => answer.error,
        };
        if answer.error != expected {
            return Err(format!(
                "{}: it is answered {} at {}, but as the client watches it should be {expected}",
                name(call),
                answer.error,
                answer.zxid
            ));
        }
        self.watching.answered(call, answer, model.znodes());
        Ok(())
    }
}

impl Invariant for PersistentWatches {
    fn name(&self) -> &'static str {
        "persistent_watches"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        self.watching.observe(seen);
        match seen {
            Observation::Event { zxid, .. } if *zxid != Zxid::NONE => self.on_event(seen, model),
            Observation::Answered { call, answer } => self.on_answer(call, answer, model),
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
