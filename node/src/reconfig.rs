//! What a change of the ensemble changes in a running process: where others are dialled, where this server listens, what is
//! shown, and what is kept for the next start.

use crate::actions::PeerPorts;
use crate::config::{Config, Listen};
use crate::membership_files::MembershipFiles;
use crate::settings;
use crate::shared::{Configurations, Shared};
use std::sync::Arc;
use tokio::sync::watch;
use wire::ServerId;
use zab::quorum::Membership;
use zab::reconfig::difference;

/// The configurations that the core has told of.
#[derive(Debug)]
pub struct Reconfig {
    me: ServerId,
    config: Arc<Config>,
    files: MembershipFiles,
    committed: Arc<Membership>,
    proposed: Option<Membership>,
    /// The last configuration that the core has seen, if it is later than `committed`. At the start it is one that the log holds,
    /// of which nobody was told as `proposed`.
    last_seen: Option<Arc<Membership>>,
    /// Where clients connect to this server.
    client: watch::Sender<Listen>,
}

impl Reconfig {
    /// Begins with the configuration that was read and the last one in the log, as the core does, and tells `client` when clients
    /// are to connect elsewhere.
    #[must_use]
    pub fn new(config: Arc<Config>, last_seen: Option<Membership>, client: watch::Sender<Listen>) -> Reconfig {
        let may_change = config.settings.reconfig_enabled;
        Reconfig {
            me: settings::own_sid(&config),
            files: MembershipFiles::of(&config),
            last_seen: last_seen.filter(|seen| may_change && seen.version > config.membership.version).map(Arc::new),
            committed: Arc::new(config.membership.clone()),
            proposed: None,
            config,
            client,
        }
    }

    /// A configuration was proposed: its new servers are dialled already, because their votes are wanted.
    pub fn seen(&mut self, membership: Membership, ports: &mut PeerPorts) {
        // The leader may know better than to go on with what was proposed before.
        let proposed = Some(membership).filter(|next| next.version > self.committed.version);
        self.last_seen = proposed.clone().map(Arc::new);
        if proposed == self.proposed {
            return;
        }
        let kept = match &proposed {
            Some(next) => self.files.keep_next(next),
            None => self.files.forget_next(),
        };
        if let Err(error) = kept {
            // What counts is in the log.
            tracing::warn!("keep the proposed server list: {error}");
        }
        self.proposed = proposed;
        self.tell(ports);
    }

    /// A configuration is in force.
    pub fn activated(&mut self, membership: Membership, ports: &mut PeerPorts, shared: &Shared) {
        tracing::info!(
            version = format_args!("{:x}", membership.version),
            changes = difference(&self.committed, &membership),
            "the ensemble has a new configuration"
        );
        let client = membership.servers.get(&self.me).and_then(|own| own.client.clone());
        // What the own line has from `clientPort` is not written with it: then that key stays where it is.
        let client_port_is_in_it = client.as_ref().is_some_and(|client| !client.from_static);
        if let Err(error) = self.files.keep_committed(&membership, client_port_is_in_it) {
            tracing::error!(
                "keep the server list: {error}. hint: until it can be kept, a restart of this server begins with the old list and asks the others for the new one"
            );
        }
        self.proposed.take_if(|proposed| proposed.version <= membership.version);
        self.last_seen.take_if(|seen| seen.version <= membership.version);
        self.committed = Arc::new(membership);
        self.tell(ports);
        shared.set_membership(self.committed.clone());
        if let Some(client) = client {
            let listen = Listen::at(&client);
            self.client.send_if_modified(|current| std::mem::replace(current, listen.clone()) != listen);
        }
    }

    /// What this server goes by, for those who only look.
    #[must_use]
    pub fn configurations(&self) -> Configurations {
        Configurations { committed: self.committed.clone(), pending: self.last_seen.clone() }
    }

    fn tell(&self, ports: &mut PeerPorts) {
        ports.election.set_memberships(&self.committed, self.proposed.as_ref());
        let mut membership = Membership::clone(&self.committed);
        for (&sid, spec) in self.proposed.iter().flat_map(|proposed| &proposed.servers) {
            membership.servers.entry(sid).or_insert_with(|| spec.clone());
        }
        let listen = membership.servers.get(&self.me).map(|own| self.config.quorum_listen_at(own));
        // A server that is let go of stays where it was.
        ports.links.set_directory(membership, listen);
    }
}
