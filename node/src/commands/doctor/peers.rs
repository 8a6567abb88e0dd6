//! What the answers of the other servers mean. Pure: [`super::dial`] has asked.

use super::dial::{Attempt, Dialed, Mode, Peer, Reach, is_reached, words};
use super::finding::Finding;
use super::quorum::Presence;
use std::net::IpAddr;
use std::time::Duration;
use wire::ServerId;
use zab::quorum::{MemberRole, Membership};

/// What is known when the answers are judged.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The declared ensemble.
    pub membership: &'a Membership,
    /// This server.
    pub me: ServerId,
    /// What this server says of itself on its client port.
    pub own_mode: &'a Mode,
    /// The others.
    pub peers: &'a [Peer],
    /// How long each answer was waited for.
    pub patience: Duration,
}

impl Asked<'_> {
    /// Findings about each peer, and about all of them together.
    #[must_use]
    pub fn judge(&self) -> Vec<Finding> {
        let leader = self.leader();
        let mut findings = Vec::new();
        for peer in self.peers {
            findings.extend(self.names(peer));
            findings.extend(self.election(peer));
            findings.extend(self.quorum_port(peer, leader));
            findings.push(mode(peer, self.patience));
        }
        findings.extend(self.ensemble(leader));
        findings
    }

    /// The server that says it leads.
    fn leader(&self) -> Option<ServerId> {
        let leads = |mode: &Mode| matches!(mode, Mode::Serving(word) if word == "leader");
        if leads(self.own_mode) {
            return Some(self.me);
        }
        self.peers.iter().find(|peer| leads(&peer.mode)).map(|peer| peer.sid)
    }

    fn names(&self, peer: &Peer) -> Vec<Finding> {
        let about = about(peer);
        let hosts = peer.election.iter().filter(|dialed| dialed.host.parse::<IpAddr>().is_err());
        let findings = hosts.map(|dialed| match &dialed.attempts {
            Err(why) => Finding::problem(
                "peer.name",
                &about,
                format!("{} {why}", dialed.host),
                format!(
                    "correct the name in the line of server.{}, or make it known: DNS, /etc/hosts, or the container's \
                     network; a headless service must publish addresses that are not ready",
                    peer.sid
                ),
            ),
            Ok(attempts) => {
                let addresses: Vec<String> = attempts.iter().map(|attempt| attempt.address.ip().to_string()).collect();
                Finding::ok("peer.name", &about, format!("{} is {}", dialed.host, addresses.join(", ")))
            }
        });
        findings.collect()
    }

    /// Every voter listens for votes, whether it leads or not.
    fn election(&self, peer: &Peer) -> Vec<Finding> {
        let id = "peer.election";
        let reached = peer.election.iter().any(is_reached);
        let judge = |dialed: &Dialed| {
            let attempts = dialed.attempts.as_ref().ok()?;
            let found = self.sentence(dialed, attempts);
            if is_reached(dialed) && attempts.iter().all(|attempt| attempt.reach == Reach::Connected) {
                return Some(Finding::ok(id, about(peer), found));
            }
            let remedy = election_remedy(peer.sid, dialed, attempts);
            // Another address of the same server, or of the same name, works.
            let is_bearable = reached || peer.role == MemberRole::Observer;
            Some(if is_bearable {
                Finding::warning(id, about(peer), found, remedy)
            } else {
                Finding::problem(id, about(peer), found, remedy)
            })
        };
        peer.election.iter().filter_map(judge).collect()
    }

    /// Only the leader listens on its quorum port: a refusal by any other server is what should be.
    fn quorum_port(&self, peer: &Peer, leader: Option<ServerId>) -> Vec<Finding> {
        let id = "peer.quorum";
        let judge = |dialed: &Dialed| {
            let attempts = dialed.attempts.as_ref().ok()?;
            let found = self.sentence(dialed, attempts);
            let all = |reach: &Reach| attempts.iter().all(|attempt| attempt.reach == *reach);
            Some(if is_reached(dialed) {
                Finding::ok(id, about(peer), found)
            } else if attempts.iter().any(|attempt| matches!(attempt.reach, Reach::Failed(_))) {
                Finding::problem(id, about(peer), found, no_route(peer.sid))
            } else if !all(&Reach::Refused) {
                Finding::problem(
                    id,
                    about(peer),
                    found,
                    format!(
                        "let port {} through every packet filter between the two: without it this server cannot follow \
                         server {} when that leads",
                        dialed.port, peer.sid
                    ),
                )
            } else {
                match leader {
                    Some(leader) if leader == peer.sid => Finding::problem(
                        id,
                        about(peer),
                        format!("{found}, although it leads"),
                        format!(
                            "server {leader} listens elsewhere: compare its own line with the line here, and see that its \
                             own name does not mean a loopback address there (or set quorumListenOnAllIPs=true)"
                        ),
                    ),
                    Some(leader) => Finding::ok(
                        id,
                        about(peer),
                        format!("{found}: as it should, for server {leader} leads and only the leader listens here"),
                    ),
                    None => Finding::note(
                        id,
                        about(peer),
                        format!("{found}: normal unless it is the leader, and nobody says that it leads"),
                    ),
                }
            })
        };
        peer.quorum.iter().filter_map(judge).collect()
    }

    fn sentence(&self, dialed: &Dialed, attempts: &[Attempt]) -> String {
        let target = format!("{}:{}", dialed.host, dialed.port);
        let is_plain = dialed.host.parse::<IpAddr>().is_ok();
        match attempts {
            [attempt] if is_plain => format!("{target} {}", words(&attempt.reach, self.patience)),
            [attempt] => format!("{target} ({}) {}", attempt.address.ip(), words(&attempt.reach, self.patience)),
            attempts => {
                let each = attempts.iter().map(|a| format!("{} {}", a.address.ip(), words(&a.reach, self.patience)));
                format!("{target}: {}", each.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Whether those that can be reached are enough to elect a leader.
    fn ensemble(&self, leader: Option<ServerId>) -> Option<Finding> {
        let id = "ensemble.quorum";
        if self.membership.voters().all(|sid| sid == self.me) {
            return None;
        }
        let reached = self.peers.iter().filter(|peer| peer.election.iter().any(is_reached)).map(|peer| peer.sid);
        let presence = Presence::of(self.membership, reached.chain([self.me]));
        let missing = presence.missing_list();
        let count = format!("{} of {} voters can vote", presence.present.len(), presence.voters());
        let leads = leader.map_or(String::new(), |leader| format!("; server {leader} leads"));
        if presence.is_quorum {
            let missing = if missing.is_empty() { String::new() } else { format!(", missing {missing}") };
            return Some(Finding::ok(id, "", format!("{count}{missing}: a quorum{leads}")));
        }
        let found = format!("{count}, missing {missing}: no quorum{leads}");
        Some(Finding::problem(id, "", found, "without a quorum there is no leader and no service: see the peers above"))
    }
}

fn about(peer: &Peer) -> String {
    let role = if peer.role == MemberRole::Observer { " (observer)" } else { "" };
    format!("server {}{role}", peer.sid)
}

fn election_remedy(sid: ServerId, dialed: &Dialed, attempts: &[Attempt]) -> String {
    let has = |reach: &Reach| attempts.iter().any(|attempt| attempt.reach == *reach);
    if has(&Reach::Refused) {
        format!(
            "start server {sid}; if it runs, see there that it has this port in its own line and that its own name does not \
             mean a loopback address there (or set quorumListenOnAllIPs=true)"
        )
    } else if has(&Reach::TimedOut) {
        format!("see that the host of server {sid} is up and that no packet filter drops port {}", dialed.port)
    } else {
        no_route(sid)
    }
}

fn no_route(sid: ServerId) -> String {
    format!("see that this machine has a route to the address of server {sid}")
}

fn mode(peer: &Peer, patience: Duration) -> Finding {
    let id = "peer.mode";
    match &peer.mode {
        Mode::Serving(mode) => Finding::ok(id, about(peer), format!("says it is {mode}")),
        Mode::NotServing => Finding::note(id, about(peer), "says it is not serving: it has no quorum, or is starting"),
        Mode::Other => Finding::unknown(id, about(peer), "does not answer `srvr` on its client port"),
        Mode::Hung => Finding::warning(
            id,
            about(peer),
            format!("accepts connections on its client port and says nothing within {} ms", patience.as_millis()),
            format!("see whether server {} is stopped, starved of processor time, or waits for its disk", peer.sid),
        ),
        Mode::Silent => Finding::unknown(id, about(peer), "its client port was not reached"),
    }
}

#[cfg(test)]
#[path = "peers_test.rs"]
mod tests;
