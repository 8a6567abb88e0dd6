//! The commands that change nothing.

use super::super::answer::{Answer, Form};
use super::super::failure::Failure;
use super::super::options::{self, Parsed};
use super::{Outcome, Run, subtree, with_stat};
use client::Error;
use std::time::Duration;
use wire::ErrorCode;

/// How long `sync` waits (`SyncCommand.SYNC_TIMEOUT`).
const SYNC_PATIENCE: Duration = Duration::from_secs(30);

impl Run<'_> {
    pub(super) async fn get(&mut self, parsed: &Parsed) -> Outcome {
        let read = self.client.get_data(&parsed.words[1], parsed.has("w")).await;
        let (data, stat) = read.map_err(|error| self.failure(&error))?;
        let form = match (parsed.has("x"), parsed.has("b")) {
            (true, _) => Form::HexDump,
            (false, true) => Form::Base64,
            (false, false) => Form::Plain,
        };
        Ok(Answer::Data { data, form, stat: with_stat(parsed, stat) })
    }

    pub(super) async fn list(&mut self, parsed: &Parsed) -> Outcome {
        if parsed.has("?") {
            let options = options::list(super::super::table::find("ls").map_or(&[], |command| command.options));
            self.notes.out.push(format!("usage: ls [options] path\n{}", options.trim_end()));
        }
        let Some(path) = parsed.words.get(1) else {
            return Err(Failure::new("ls [-s] [-w] [-R] path"));
        };
        let watch = parsed.has("w");
        if parsed.has("R") {
            let paths = subtree(self.client, path, watch).await.map_err(|error| self.failure(&error))?;
            return Ok(Answer::Paths(paths));
        }
        // As there: who wants the Stat asks with another request.
        let listed = if parsed.has("s") {
            self.client.get_children2(path, watch).await.map(|(names, stat)| (names, Some(stat)))
        } else {
            self.client.get_children(path, watch).await.map(|names| (names, None))
        };
        let (mut names, stat) = listed.map_err(|error| self.failure(&error))?;
        names.sort_unstable();
        Ok(Answer::Children { names, stat })
    }

    pub(super) async fn stat(&mut self, parsed: &Parsed) -> Outcome {
        let path = &parsed.words[1];
        let found = self.client.exists(path, parsed.has("w")).await.map_err(|error| self.failure(&error))?;
        let absent = || Error::Api { code: ErrorCode::NoNode as i32, path: Some(path.clone()) };
        found.map(Answer::Stat).ok_or_else(|| self.failure(&absent()))
    }

    pub(super) async fn get_acl(&mut self, parsed: &Parsed) -> Outcome {
        let read = self.client.get_acl(&parsed.words[1]).await;
        let (entries, stat) = read.map_err(|error| self.failure(&error))?;
        Ok(Answer::Acl { entries, stat: with_stat(parsed, stat) })
    }

    pub(super) async fn count(&mut self, parsed: &Parsed) -> Outcome {
        let counted = self.client.get_all_children_number(&parsed.words[1]).await;
        counted.map(Answer::Number).map_err(|error| self.failure(&error))
    }

    pub(super) async fn ephemerals(&mut self, parsed: &Parsed) -> Outcome {
        let prefix = parsed.words.get(1).map_or("/", String::as_str);
        let listed = self.client.get_ephemerals(prefix).await;
        listed.map(Answer::List).map_err(|error| self.failure(&error))
    }

    pub(super) async fn config(&mut self, parsed: &Parsed) -> Outcome {
        let read = self.client.get_config(parsed.has("w")).await;
        let (data, stat) = read.map_err(|error| self.failure(&error))?;
        let text = data.map_or_else(|| "null".to_owned(), |data| String::from_utf8_lossy(&data).into_owned());
        let text = if parsed.has("c") { super::reconfig::client_addresses(&text) } else { text };
        Ok(Answer::Text { text, stat: with_stat(parsed, stat) })
    }

    pub(super) async fn who_am_i(&mut self) -> Outcome {
        let users = self.client.who_am_i().await.map_err(|error| self.failure(&error))?;
        Ok(Answer::Users(users.into_iter().map(|user| (user.scheme, user.user)).collect()))
    }

    pub(super) async fn sync(&mut self, parsed: &Parsed) -> Outcome {
        let synced = tokio::time::timeout(SYNC_PATIENCE, self.client.sync(&parsed.words[1])).await;
        match synced {
            Ok(Ok(())) => Ok(Answer::Line("Sync is OK".to_owned())),
            Ok(Err(Error::Api { code, path })) => {
                self.notes.out.push(format!("Sync has failed. rc={code}"));
                let why = self.failure(&Error::Api { code, path });
                Err(Failure { text: String::new(), ..why })
            }
            Ok(Err(error)) => Err(self.failure(&error)),
            Err(_) => Err(Failure::new("java.util.concurrent.TimeoutException")
                .hint("the leader did not answer for 30 s; `zkServer.sh status` on the servers says why")),
        }
    }
}
