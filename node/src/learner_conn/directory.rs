//! Which servers there are, where they are dialled, and where this one listens for them.

use crate::config::Listen;
use wire::ServerId;
use zab::quorum::Membership;

/// Who is where, for as long as the ensemble does not change.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The ensemble; while it changes, the servers of both configurations.
    pub membership: Membership,
    /// Where to listen.
    pub listen: Vec<Listen>,
}

impl Directory {
    /// Host and quorum port of a server, all of them.
    pub(super) fn quorum_ports(&self, sid: ServerId) -> Vec<(String, u16)> {
        let spec = self.membership.servers.get(&sid).into_iter();
        spec.flat_map(|spec| &spec.addresses).map(|address| (address.host.clone(), address.quorum_port)).collect()
    }
}

/// Where learners are accepted and dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The quorum port of a leader.
    Quorum,
    /// The port for observers of a follower (`observerMasterPort`).
    Observers,
}

impl Port {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Port::Quorum => "quorum port",
            Port::Observers => "observer master port",
        }
    }

    pub(super) const fn server(self) -> &'static str {
        match self {
            Port::Quorum => "leader",
            Port::Observers => "observer master",
        }
    }
}
