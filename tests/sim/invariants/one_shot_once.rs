//! A one-shot watch fires once and no other watch more often than something changes: no event without a watch that owes
//! it, none by a watch that was used up or removed, and each tells of the change that fired it.

use wire::{ErrorCode, Zxid};

use super::Invariant;
use super::history::name;
use super::watching::{Watching, due, first_beyond};
use crate::model::Model;
use crate::observe::{Answer, Call, Observation, Op};

/// See the module.
#[derive(Debug, Default)]
pub struct OneShotOnce {
    watching: Watching,
    examined: u64,
}

impl OneShotOnce {
    fn on_event(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let Observation::Event { client, session, kind, path, zxid } = *seen else { return Ok(()) };
        let who = || format!("client {} (session {session}) is told {kind:?} of {path} by {zxid}", client.0);
        self.examined += 1;
        if zxid == Zxid::NONE {
            let is_due = self.watching.catch_up(client, kind, path);
            return if is_due { Ok(()) } else { Err(format!("{}, but has sent no setWatches", who())) };
        }
        let owed = self.watching.owed(client, zxid, model);
        match owed.iter().position(|owed| owed.is(zxid, kind, path)) {
            Some(at) => owed.remove(at),
            None => return Err(format!("{}, but has no watch there, or was told before; due is {owed:?}", who())),
        };
        Ok(())
    }

    fn on_answer(&mut self, call: &Call, answer: &Answer, model: &Model) -> Result<(), String> {
        if matches!(call.op, Op::SetWatches { .. }) && answer.error == ErrorCode::Ok {
            let (told, due) = (self.watching.told(call.client), due(&call.op, model.znodes(), answer.zxid));
            if let Some((kind, path)) = first_beyond(&told, &due) {
                return Err(format!(
                    "{}: it is answered at {}, and {kind:?} of {path} was told without reason; due was {due:?}",
                    name(call),
                    answer.zxid
                ));
            }
        }
        // What is missing is for `watch_before_reply` to say.
        self.watching.owed(call.client, answer.zxid, model).clear();
        self.watching.answered(call, answer, model.znodes());
        Ok(())
    }
}

impl Invariant for OneShotOnce {
    fn name(&self) -> &'static str {
        "one_shot_once"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        self.watching.observe(seen);
        match seen {
            Observation::Event { .. } => self.on_event(seen, model),
            Observation::Answered { call, answer } => self.on_answer(call, answer, model),
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
