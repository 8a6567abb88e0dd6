//! A client sees the watch event before any reply that shows the change (I9), whoever made the change: no event that a
//! one-shot, persistent or recursive watch owes it is left out.

use wire::{ErrorCode, Zxid};

use super::Invariant;
use super::history::name;
use super::watching::{Watching, due, first_beyond};
use crate::model::Model;
use crate::observe::{Answer, Call, ClientId, Observation, Op};

/// See the module.
#[derive(Debug, Default)]
pub struct WatchBeforeReply {
    watching: Watching,
    examined: u64,
}

impl WatchBeforeReply {
    /// Looks for an event of a transaction up to `upto` that was not told.
    fn check(&mut self, client: ClientId, upto: Zxid, model: &Model) -> Result<(), String> {
        let owed = self.watching.owed(client, upto, model);
        match owed.front().filter(|owed| owed.zxid <= upto) {
            None => Ok(()),
            Some(owed) => Err(format!(
                "its watch of type {:?}, set at {}, was to tell {:?} of {} by {} and did not",
                owed.by, owed.set_at, owed.kind, owed.path, owed.zxid
            )),
        }
    }

    fn on_answer(&mut self, call: &Call, answer: &Answer, model: &Model) -> Result<(), String> {
        self.examined += u64::from(self.watching.is_watching(call.client));
        self.check(call.client, answer.zxid, model)
            .map_err(|why| format!("{}: the answer is of {}, but {why}", name(call), answer.zxid))?;
        if matches!(call.op, Op::SetWatches { .. }) && answer.error == ErrorCode::Ok {
            let (told, due) = (self.watching.told(call.client), due(&call.op, model.znodes(), answer.zxid));
            self.examined += due.len() as u64;
            if let Some((kind, path)) = first_beyond(&due, &told) {
                return Err(format!(
                    "{}: it is answered at {}, but {kind:?} of {path} was missed and not told; told was {told:?}",
                    name(call),
                    answer.zxid
                ));
            }
        }
        self.watching.answered(call, answer, model.znodes());
        Ok(())
    }
}

impl Invariant for WatchBeforeReply {
    fn name(&self) -> &'static str {
        "watch_before_reply"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        self.watching.observe(seen);
        match seen {
            Observation::Answered { call, answer } => return self.on_answer(call, answer, model),
            Observation::Event { client, kind, path, zxid, .. } if *zxid == Zxid::NONE => {
                self.watching.catch_up(*client, *kind, path);
            }
            Observation::Event { client, session, kind, path, zxid } => {
                // Events of the same transaction may come in any order.
                self.check(*client, Zxid(zxid.0 - 1), model).map_err(|why| {
                    format!("client {} (session {session}) is told {kind:?} of {path} by {zxid}, but {why}", client.0)
                })?;
                let owed = self.watching.owed(*client, *zxid, model);
                if let Some(at) = owed.iter().position(|owed| owed.is(*zxid, *kind, path)) {
                    self.examined += 1;
                    owed.remove(at);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
