//! Opening the client port, at once or when its name is known.

use crate::client_listener::{self, Place};
use crate::config::{Config, Listen};
use crate::exit::{self, Fatal};
use crate::inbox::Internal;
use crate::limits::CLIENT_NAME_PAUSE;
use crate::resolve::Resolver;
use crate::resolve::bind::{ClientPortError, client_port};
use crate::settings;
use crate::shared::Shared;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// The port that clients connect to.
pub struct ClientPort {
    listen: Listen,
    backlog: i32,
    resolver: Resolver,
    /// `None` while nobody knows the address of the configured name.
    listener: Option<TcpListener>,
}

impl ClientPort {
    /// Binds the port, unless the name in `clientPortAddress` is not known yet: a server takes part in its ensemble also while
    /// DNS is down.
    ///
    /// # Errors
    /// When the port is taken, or the configured address is not this machine's.
    pub async fn open(config: &Config, resolver: Resolver) -> Result<ClientPort, Fatal> {
        let backlog = settings::clients(config).backlog;
        let mut port = ClientPort { listen: config.client_listen(), backlog, resolver, listener: None };
        match port.bind().await {
            Ok(listener) => port.listener = Some(listener),
            Err(ClientPortError::Unresolved(error)) => {
                let pause = CLIENT_NAME_PAUSE.as_millis();
                tracing::warn!("client port {port} waits for its host name ({error}), looked up every {pause}ms");
            }
            Err(error) => return Err(Fatal::new(exit::UNEXPECTED, port.failure(&error))),
        }
        Ok(port)
    }

    /// Accepts clients until the process ends. When a new configuration moves the port, connections stay.
    pub async fn serve(
        mut self,
        shared: Arc<Shared>,
        internal: mpsc::Sender<Internal>,
        mut places: watch::Receiver<Listen>,
    ) {
        let Some(mut listener) = self.first(&internal).await else { return };
        loop {
            let moved = async {
                if places.changed().await.is_err() {
                    // Nobody is left who could move it: a standalone server's stays for ever.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = client_listener::accept(shared.clone(), listener) => return,
                () = moved => {}
            }
            self.listen = places.borrow_and_update().clone();
            listener = self.again(&mut places).await;
        }
    }

    /// The port at its new place. Until that is free nobody is served at the old one either: clients are told the new one.
    async fn again(&mut self, places: &mut watch::Receiver<Listen>) -> TcpListener {
        loop {
            match self.bind().await {
                Ok(listener) => return listener,
                Err(error) => tracing::error!("{}; tried again", self.failure(&error)),
            }
            tokio::time::sleep(CLIENT_NAME_PAUSE).await;
            self.listen = places.borrow_and_update().clone();
        }
    }

    async fn first(&mut self, internal: &mpsc::Sender<Internal>) -> Option<TcpListener> {
        loop {
            if let Some(listener) = self.listener.take() {
                return Some(listener);
            }
            tokio::time::sleep(CLIENT_NAME_PAUSE).await;
            match self.bind().await {
                Ok(listener) => return Some(listener),
                Err(ClientPortError::Unresolved(_)) => {}
                Err(error) => {
                    let halt = Internal::Halt { code: exit::UNEXPECTED, message: self.failure(&error) };
                    if internal.send(halt).await.is_err() {
                        tracing::debug!("the driver has stopped already");
                    }
                    return None;
                }
            }
        }
    }

    async fn bind(&self) -> Result<TcpListener, ClientPortError> {
        let port = self.listen.port;
        let open = |place| client_listener::bind(place, self.backlog);
        let listener = match &self.listen.host {
            None => open(Place::Everywhere(port))?,
            Some(host) => {
                let opened = client_port(&self.resolver, host, port, open).await?;
                if let Some(reason) = opened.widened {
                    tracing::warn!("client address {self} {reason}: listening on all addresses instead");
                }
                opened.socket
            }
        };
        tracing::info!(address = self.listen.host.as_deref().unwrap_or("*"), port, "listen for clients");
        Ok(listener)
    }

    fn failure(&self, error: &ClientPortError) -> String {
        format!(
            "bind client port {self}: {error}. hint: another process uses it, or clientPortAddress is not this machine's"
        )
    }
}

impl std::fmt::Display for ClientPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.listen.host.as_deref().unwrap_or("*"), self.listen.port)
    }
}
