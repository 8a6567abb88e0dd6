//! The session of a tool: opened, waited for, and asked again when a connection was lost meanwhile.

use super::kind::{Kind, Types, TypesFrom};
use crate::runtime;
use crate::shell::failure::Failure;
use crate::zk::Connection;
use anyhow::{Context, anyhow, bail};
use client::{Client, Error, Event};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use wire::{ErrorCode, Stat};

/// How often to look whether there is a connection again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A session, shared by whatever asks something at the same time.
#[derive(Debug, Clone)]
pub struct Session {
    /// The client.
    pub client: Client,
    hosts: String,
    types: Option<Arc<Types>>,
    /// How long to wait for a server.
    patience: Duration,
}

impl Session {
    /// Begins a session with the connection's servers, or with others as the same identities, and waits for a server. The
    /// receiver gets every event behind the first connection.
    ///
    /// # Errors
    /// When servers or identities make no sense, no server answers within the timeout, or an identity is refused.
    pub async fn open(
        connection: &Connection,
        server: Option<&str>,
    ) -> anyhow::Result<(Session, UnboundedReceiver<Event>)> {
        let hosts = server.unwrap_or(&connection.server);
        let (client, mut events) = connection.open(hosts).await?;
        let patience = Duration::from_millis(u64::try_from(connection.timeout).unwrap_or_default());
        let session = Session { client, hosts: hosts.to_owned(), types: None, patience };
        let first = tokio::time::timeout(patience, events.recv()).await;
        if first.is_err() || !session.client.state().is_connected() {
            bail!(
                "connect to {hosts}: no server gave a session within {} ms (state {}); check --server, and --timeout if it is far away",
                connection.timeout,
                session.client.state()
            );
        }
        Ok((session, events))
    }

    /// The servers, as they were named.
    #[must_use]
    pub fn hosts(&self) -> &str {
        &self.hosts
    }

    /// With types from a snapshot of this ensemble.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn with_types(self, from: &TypesFrom) -> anyhow::Result<Session> {
        Ok(Session { types: from.load()?.map(Arc::new), ..self })
    }

    /// Whether types come from a snapshot.
    #[must_use]
    pub fn has_types(&self) -> bool {
        self.types.is_some()
    }

    /// The type of a znode; `None` if it is not ephemeral and nothing more is known.
    #[must_use]
    pub fn kind(&self, path: &str, stat: &Stat) -> Option<Kind> {
        if stat.ephemeral_owner != 0 {
            return Some(Kind::Ephemeral(stat.ephemeral_owner));
        }
        self.types.as_ref()?.of(&self.client.server_path(path), stat)
    }

    /// Whether a path is the servers' own, though somebody names only `root`. Below a chroot nothing is.
    #[must_use]
    pub fn is_system(&self, root: &str, path: &str) -> bool {
        self.client.server_path(path) == path && crate::path::is_system(root, path)
    }

    /// Asks something that may be asked twice: again after each lost connection, until no server comes back in time.
    ///
    /// # Errors
    /// The last answer, if it is an error.
    pub async fn ask<T>(&self, op: impl AsyncFn(&Client) -> Result<T, Error>) -> Result<T, Error> {
        loop {
            match op(&self.client).await {
                Err(error) if error.is(ErrorCode::ConnectionLoss) && self.is_back().await => {}
                answer => return answer,
            }
        }
    }

    /// Waits until a server serves the session again. Whether one does.
    pub async fn is_back(&self) -> bool {
        let deadline = Instant::now() + self.patience;
        while !self.client.state().is_connected() {
            if !self.client.state().is_alive() || Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        true
    }

    /// An error of this session's servers, with its remedy.
    #[must_use]
    pub fn failure(&self, error: &Error) -> anyhow::Error {
        let path = error.path().unwrap_or_default();
        match error.code().and_then(ErrorCode::from_i32) {
            Some(ErrorCode::NoAuth) => anyhow!("{}", no_auth(path)),
            Some(ErrorCode::NoNode) => anyhow!("{path}: there is no such znode on {}", self.hosts),
            _ => anyhow!("{}", Failure::of(error, &self.hosts)),
        }
    }
}

/// What to say where the ACL is in the way.
#[must_use]
pub fn no_auth(path: &str) -> String {
    format!("the ACL of {path} does not let you; say who you are with --auth, such as digest:NAME:PASSWORD")
}

/// Runs a tool to its end; a reader that has gone away (`zk find | head`) is no failure.
///
/// # Errors
/// The tool's.
pub fn run(tool: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = runtime::start().context("start a runtime")?;
    let result = runtime.block_on(tool);
    runtime.shutdown_background();
    match result {
        Err(error) if is_gone(&error) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
