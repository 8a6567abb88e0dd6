//! Watches: `addWatch`, `removewatches`. What they see is written by the shell when it comes.

use super::super::answer::Answer;
use super::super::failure::Failure;
use super::super::options::Parsed;
use super::super::table::Command;
use super::{Outcome, Run};
use client::{AddWatchMode, WatcherType};
use wire::ErrorCode;

impl Run<'_> {
    pub(super) async fn add_watch(&mut self, command: &Command, parsed: &Parsed) -> Outcome {
        let mode = parsed.value("m").map(str::to_uppercase);
        let mode = match mode.as_deref() {
            None | Some("PERSISTENT_RECURSIVE") => AddWatchMode::PersistentRecursive,
            Some("PERSISTENT") => AddWatchMode::Persistent,
            Some(_) => return Err(Failure::new(command.usage())),
        };
        let added = self.client.add_watch(&parsed.words[1], mode).await;
        added.map(|()| Answer::Nothing).map_err(|error| self.failure(&error))
    }

    pub(super) async fn remove_watches(&mut self, parsed: &Parsed) -> Outcome {
        let path = &parsed.words[1];
        // The first in this order counts, whatever else is given.
        let kinds = [
            ("c", WatcherType::Children),
            ("d", WatcherType::Data),
            ("p", WatcherType::Persistent),
            ("r", WatcherType::PersistentRecursive),
        ];
        let kind = kinds.into_iter().find(|(name, _)| parsed.has(name)).map_or(WatcherType::Any, |(_, kind)| kind);
        match self.client.remove_all_watches(path, kind, parsed.has("l")).await {
            Ok(()) => Ok(Answer::Nothing),
            Err(error) if error.is(ErrorCode::NoWatcher) => Err(self
                .failure(&error)
                .hint(format!("this session has no such watch at {path}; those of others are not its own"))),
            Err(error) => Err(self.failure(&error)),
        }
    }
}
