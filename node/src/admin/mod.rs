//! The admin server (`admin.serverPort`): Apache's commands over HTTP, a few of ours, and the probes of whoever restarts processes and
//! routes clients.
//!
//! [`table`] says which commands there are, [`pages`] finds one for a URL, [`auth`] decides who may give it, [`commands`] do it and
//! [`json`] writes the answer as Apache's server would. [`health`] answers `/livez`, `/readyz` and `/startupz`. The port opens
//! before the data directory is read; [`state`] knows how far the server is. See `docs/admin.md`.

pub mod auth;
pub mod body_reader;
pub mod call;
pub mod commands;
pub mod file_body;
pub mod health;
pub mod json;
pub mod limiter;
pub mod pages;
pub mod retire;
pub mod state;
pub mod status;
pub mod table;

use crate::config::{Config, is_wildcard};
use crate::http::{self, HttpPort};
use crate::limits::ADMIN_CONNECTION_LIFE;
use state::Node;
use std::sync::Arc;
use std::time::Duration;

/// Where the admin server listens, `None` = nowhere.
#[must_use]
pub fn address(config: &Config) -> Option<(&str, u16)> {
    let settings = &config.settings;
    settings.admin_enabled.then(|| (config.admin_host(), settings.admin_port))
}

/// Opens the port in the background, where one is configured. A server whose port is taken serves all the same (a standalone
/// server of Apache's ends then, a member of an ensemble goes on without), and gets it when it is free.
pub fn start(node: &Arc<Node>) {
    let Some((host, port)) = address(&node.config) else { return };
    if is_client_port(&node.config, host, port) {
        // It would be opened first, and the server could not serve.
        tracing::error!(
            "admin.serverPort={port} is the client port, too: there is no admin server. hint: give one of them another number"
        );
        return;
    }
    let idle_ms = u64::try_from(node.config.settings.admin_idle_timeout_ms).unwrap_or(0);
    let port = HttpPort {
        name: "admin",
        host: host.to_owned(),
        port,
        key: "admin.serverPort",
        life: ADMIN_CONNECTION_LIFE,
        idle: (idle_ms > 0).then(|| Duration::from_millis(idle_ms)),
    };
    status::watch(node);
    tokio::spawn(http::publish(port, pages::pages(node.clone())));
}

fn is_client_port(config: &Config, host: &str, port: u16) -> bool {
    let client = config.client_listen();
    let meets = |other: &str| is_wildcard(host) || other == host;
    port == client.port && client.host.as_deref().is_none_or(meets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use state::testing;

    #[test]
    fn the_client_port_is_not_taken_away_from_clients() {
        let config = testing::node("admin.serverPort=2181 clientPort=2181").config.clone();
        assert!(is_client_port(&config, "127.0.0.1", 2181) && is_client_port(&config, "0.0.0.0", 2181));
        assert!(!is_client_port(&config, "127.0.0.1", 8080));
        let config = testing::node("clientPort=2181 clientPortAddress=10.0.0.1").config.clone();
        assert!(!is_client_port(&config, "127.0.0.1", 2181) && is_client_port(&config, "0.0.0.0", 2181));
    }
}
