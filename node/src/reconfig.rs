//! What a change of the ensemble changes in a running process: where others are dialled, where this server listens, what is
//! shown, and what is kept for the next start.

use crate::actions::PeerPorts;
use crate::config::{Config, Listen};
use crate::membership_files::MembershipFiles;
use crate::settings;
use crate::shared::Shared;
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
    committed: Membership,
    proposed: Option<Membership>,
    /// Where clients connect to this server.
    client: watch::Sender<Listen>,
}

impl Reconfig {
    /// Begins with the configuration that was read, and tells `client` when clients are to connect elsewhere.
    #[must_use]
    pub fn new(config: Arc<Config>, client: watch::Sender<Listen>) -> Reconfig {
        Reconfig {
            me: settings::own_sid(&config),
            files: MembershipFiles::of(&config),
            committed: config.membership.clone(),
            proposed: None,
            config,
            client,
        }
    }

    /// A configuration was proposed: its new servers are dialled already, because their votes are wanted.
    pub fn seen(&mut self, membership: Membership, ports: &mut PeerPorts) {
        // The leader may know better than to go on with what was proposed before.
        let proposed = Some(membership).filter(|next| next.version > self.committed.version);
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
        if let Err(error) = self.files.keep_committed(&membership, client.is_some()) {
            tracing::error!(
                "keep the server list: {error}. hint: until it can be kept, a restart of this server begins with the old list and asks the others for the new one"
            );
        }
        self.proposed.take_if(|proposed| proposed.version <= membership.version);
        self.committed = membership;
        self.tell(ports);
        shared.set_membership(self.committed.clone());
        if let Some(client) = client {
            let listen = Listen::at(&client);
            self.client.send_if_modified(|current| std::mem::replace(current, listen.clone()) != listen);
        }
    }

    fn tell(&self, ports: &mut PeerPorts) {
        ports.election.set_memberships(&self.committed, self.proposed.as_ref());
        let mut membership = self.committed.clone();
        for (&sid, spec) in self.proposed.iter().flat_map(|proposed| &proposed.servers) {
            membership.servers.entry(sid).or_insert_with(|| spec.clone());
        }
        let listen = membership.servers.get(&self.me).map(|own| self.config.quorum_listen_at(own));
        // A server that is let go of stays where it was.
        ports.links.set_directory(membership, listen);
    }
}
