//! Its links to other servers.

use super::{Effect, PROGRESS_EVERY_US, STREAM_PAUSE_US, Server, ServerEvent};
use crate::links::{Incoming, Link};
use crate::network::PipeId;
use bytes::Bytes;
use replica::Input;
use wire::ServerId;
use zab::LinkId;

impl Server {
    pub(super) fn on_bytes(&mut self, pipe: PipeId, bytes: &Bytes) {
        if let Some(&conn) = self.conn_of.get(&pipe) {
            if let Some(task) = self.conns.get_mut(&conn) {
                task.receive(bytes);
                self.run_task(conn);
            }
            return;
        }
        let Some(&id) = self.link_of.get(&pipe) else { return };
        let Some(link) = self.links.get_mut(&id) else { return };
        let peer = link.peer;
        match link.receive(bytes, self.recovery.loader_settings()) {
            Ok(found) => {
                for incoming in found {
                    self.on_incoming(id, peer, incoming);
                }
                self.report_progress(id);
            }
            Err(reason) => {
                self.checks
                    .lock()
                    .fail("protocol", format!("server {} got bytes that are no packets: {reason}", self.sid));
            }
        }
    }

    pub(super) fn on_incoming(&mut self, id: LinkId, peer: Option<ServerId>, incoming: Incoming) {
        if !self.links.contains_key(&id) {
            return; // A link that the core has closed is silent from then on.
        }
        match incoming {
            Incoming::Packet(packet) => self.step(Input::Packet { link: id, packet }),
            Incoming::SnapshotBegins => self.step(Input::SnapshotBegins(id)),
            Incoming::Snapshot(zxid, mut tree) => {
                tree.set_last_zxid(zxid);
                if let Some(config) = &self.recovery.config_node {
                    config.put_into(&mut tree, self.now().wall);
                }
                self.snapshot_from = Some(id);
                *self.source.lock() = peer.map(|peer| (peer, zxid));
                self.step(Input::SnapshotReceived { link: id, zxid, tree });
            }
        }
    }

    /// While a snapshot is under way.
    pub(super) fn report_progress(&mut self, id: LinkId) {
        if self.now_us - self.progress_us >= PROGRESS_EVERY_US && self.links.contains_key(&id) {
            self.progress_us = self.now_us;
            self.step(Input::LinkProgress(id));
        }
    }

    pub(super) fn on_end(&mut self, pipe: PipeId) {
        if let Some(conn) = self.conn_of.get(&pipe).copied() {
            self.drop_conn(conn);
        }
        if let Some(link) = self.link_of.get(&pipe).copied()
            && self.remove_link(link).is_some()
        {
            self.step(Input::LinkGone { link, reason: "closed by the peer".to_owned() });
        }
    }

    pub(super) fn on_accepted(&mut self, pipe: PipeId) {
        if self.listening.is_none() {
            self.effects.push(Effect::Close(pipe));
            return;
        }
        let id = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(id, Link::new(Some(pipe), None));
        self.link_of.insert(pipe, id);
        self.step(Input::LinkUp { link: id, dialled: None });
    }

    pub(super) fn on_dialled(&mut self, id: LinkId, pipe: Option<PipeId>) {
        let link = self.links.get_mut(&id).filter(|link| link.pipe.is_none());
        match (link, pipe) {
            (Some(link), Some(pipe)) => {
                link.pipe = Some(pipe);
                let dialled = link.peer;
                self.link_of.insert(pipe, id);
                self.step(Input::LinkUp { link: id, dialled });
            }
            (Some(_), None) => {
                self.remove_link(id);
                self.step(Input::LinkGone { link: id, reason: "refused".to_owned() });
            }
            (None, Some(pipe)) => self.effects.push(Effect::Close(pipe)),
            (None, None) => {}
        }
    }

    pub(super) fn remove_link(&mut self, id: LinkId) -> Option<Link> {
        self.snapshot_from.take_if(|from| *from == id);
        let link = self.links.remove(&id)?;
        if link.is_receiving_snapshot() {
            self.checks.lock().coverage.count("snapshots cut off");
        }
        if let Some(pipe) = link.pipe {
            self.link_of.remove(&pipe);
        }
        Some(link)
    }

    /// Sends what waits on a link.
    pub(super) fn pump(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(pipe) = link.pipe else { return };
        let sent = link.pump(&self.tree);
        if !sent.bytes.is_empty() {
            self.effects.push(Effect::Send(pipe, sent.bytes.freeze()));
        }
        if sent.broken {
            self.remove_link(id);
            self.effects.push(Effect::Close(pipe));
            self.step(Input::LinkGone { link: id, reason: "the snapshot was replaced".to_owned() });
        } else if sent.more {
            self.effects.push(Effect::After(STREAM_PAUSE_US, ServerEvent::Pump(id)));
            self.report_progress(id);
        } else if self.links.get(&id).is_some_and(|link| link.closing) {
            self.remove_link(id);
            self.effects.push(Effect::Close(pipe));
        }
    }

    /// Sends at once unless a snapshot is in the way; then it goes behind that.
    pub(super) fn pump_soon(&mut self, id: LinkId) {
        if self.links.get(&id).is_some_and(|link| !link.is_streaming()) {
            self.pump(id);
        }
    }
}
