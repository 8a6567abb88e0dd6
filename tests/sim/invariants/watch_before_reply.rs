//! A client sees the watch event before any reply that shows the change (I9), whoever made the change.

use std::collections::BTreeMap;

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
    /// Up to where each client's watches were compared with the history.
    compared: BTreeMap<ClientId, Zxid>,
    examined: u64,
}

impl WatchBeforeReply {
    /// Looks for a watch that a transaction up to `upto` must have fired.
    fn check(&mut self, client: ClientId, upto: Zxid, model: &Model) -> Result<(), String> {
        if self.compared.get(&client).is_some_and(|compared| upto <= *compared) {
            return Ok(());
        }
        self.compared.insert(client, upto);
        let Some(watches) = self.watching.of(client) else { return Ok(()) };
        for (path, watched, set_at) in watches.iter().filter(|(_, _, set_at)| *set_at < upto) {
            self.examined += 1;
            if let Some(change) = model.znodes().first_change_after(path, set_at, watched)
                && change.zxid <= upto
            {
                return Err(format!(
                    "its watch of {path} ({watched:?}), set at {set_at}, was to be told {:?} by {} and was not",
                    change.kind, change.zxid
                ));
            }
        }
        Ok(())
    }

    fn on_answer(&mut self, call: &Call, answer: &Answer, model: &Model) -> Result<(), String> {
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
            Observation::Attached { client, .. } => {
                self.compared.remove(client);
            }
            Observation::Answered { call, answer } => return self.on_answer(call, answer, model),
            Observation::Event { client, kind, path, zxid, .. } if *zxid == Zxid::NONE => {
                self.watching.catch_up(*client, *kind, path);
            }
            Observation::Event { client, session, kind, path, zxid } => {
                // Events of the same transaction may come in any order.
                self.check(*client, Zxid(zxid.0 - 1), model).map_err(|why| {
                    format!("client {} (session {session}) is told {kind:?} of {path} by {zxid}, but {why}", client.0)
                })?;
                self.watching.fire(*client, *kind, path);
            }
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
