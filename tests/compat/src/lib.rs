//! The two shapes every client is tried on, for the tests in `tests/`.
//!
//! Each client comes from somebody else and is run as it is. `ZOOKUBE_TEST_SERVER` chooses the servers, so that a
//! failure can be tried on Apache's before ours is blamed.

use std::time::Duration;

use support::server::ServerSpec;
use support::{Ensemble, Server, ServerKind};

/// How long a whole client suite may take.
pub const SUITE_LIMIT: Duration = Duration::from_secs(300);

/// One server or three, with a connection string.
#[derive(Debug)]
pub enum Topology {
    /// Standalone.
    One(Box<Server>),
    /// An ensemble of three.
    Three(Ensemble),
}

impl Topology {
    /// A standalone server of the kind under test.
    pub fn one() -> Self {
        Self::One(Box::new(Server::standalone(ServerSpec::new(ServerKind::under_test()))))
    }

    /// Three servers of the kind under test.
    pub fn three() -> Self {
        Self::Three(Ensemble::of_three(ServerKind::under_test()))
    }

    /// What clients are given.
    pub fn connect_string(&self) -> String {
        match self {
            Self::One(server) => server.addr().to_string(),
            Self::Three(ensemble) => ensemble.connect_string(),
        }
    }
}
