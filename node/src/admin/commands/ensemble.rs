//! Commands about the ensemble: members, leader, observers.

use super::clients::nothing;
use super::server::hex;
use crate::admin::call::{Call, Reply};
use crate::admin::health::phase;
use crate::admin::json::{Json, list, object};
use crate::admin::state::Running;
use crate::admin::table::Answering;
use crate::config::Mode;
use crate::link::Link;
use crate::notation::{Remote, host_port};
use crate::settings;
use crate::shared::Shared;
use axum::body::Body;
use axum::http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use wire::ServerId;
use zab::quorum::{MemberRole, ServerSpec};

/// What a server says that is no member, or can only be read.
const NOT_INITIALIZED: &str = "server is not initialized";
/// A bind address for every interface.
const WILDCARD: &str = "0.0.0.0";

/// Whether Apache's server would be a `QuorumZooKeeperServer`.
fn is_in_quorum(shared: &Shared) -> bool {
    shared.config.mode == Mode::Ensemble && matches!(shared.status().mode, "leader" | "follower" | "observer")
}

/// `LeaderCommand`. The host is that of the configuration, an address or not. An observer that hangs on a follower names the leader here,
/// where Apache's names that follower.
pub fn leader(_: &Call, running: &Running) -> Reply {
    let shared = &running.shared;
    if !is_in_quorum(shared) {
        return Reply::error(NOT_INITIALIZED);
    }
    let status = shared.status();
    let membership = shared.membership();
    let addresses = status.leader.and_then(|sid| membership.servers.get(&sid)).map(|spec| &spec.addresses[..]);
    let hosts: Vec<&str> = addresses.unwrap_or_default().iter().map(|address| address.host.as_str()).collect();
    Reply::of([
        ("is_leader", (status.mode == "leader").into()),
        ("leader_id", status.leader.map_or(-1, |sid| sid.0).into()),
        ("leader_ip", hosts.join("|").into()),
    ])
}

/// `VotingViewCommand`.
pub fn voting_view(_: &Call, running: &Running) -> Reply {
    let shared = &running.shared;
    if !is_in_quorum(shared) {
        return Reply::of([("current_config", nothing())]);
    }
    let membership = shared.membership();
    let voters = membership.voters().filter_map(|sid| Some((sid.0.to_string(), voter(membership.servers.get(&sid)?))));
    Reply::of([("current_config", Json::Object(voters.collect()))])
}

fn voter(spec: &ServerSpec) -> Json {
    let role = match spec.role {
        MemberRole::Participant => "participant",
        MemberRole::Observer => "observer",
    };
    object([
        ("server_addresses", list(spec.addresses.iter().map(|at| host_port(&at.host, at.quorum_port)))),
        ("election_addresses", list(spec.addresses.iter().map(|at| host_port(&at.host, at.election_port)))),
        ("client_address", spec.client.as_ref().map(|at| host_port(&at.host, at.port)).unwrap_or_default().into()),
        ("learner_type", role.into()),
    ])
}

/// `ZabStateCommand`.
pub fn zabstate(call: &Call) -> Reply {
    let Some(running) = call.node.serving().filter(|running| is_in_quorum(&running.shared)) else {
        return Reply::of([("voting", false.into()), ("zabstate", "".into())]);
    };
    let shared = &running.shared;
    let (config, membership, status) = (&shared.config, shared.membership(), shared.status());
    let me = settings::own_sid(config);
    let own = membership.servers.get(&me).or(config.own_spec());
    let ports = |port: fn(&zab::quorum::PeerAddress) -> u16| {
        let addresses = own.map_or(&[][..], |spec| &spec.addresses);
        addresses.iter().map(|at| (at.host.clone(), port(at))).collect::<Vec<_>>()
    };
    let client = own.and_then(|spec| spec.client.as_ref()).map(|at| host_port(&at.host, at.port));
    let last_zxid = shared.last_zxid();
    Reply::of([
        ("myid", me.0.into()),
        ("is_leader", (status.mode == "leader").into()),
        ("quorum_address", addresses(&ports(|at| at.quorum_port))),
        ("election_address", addresses(&ports(|at| at.election_port))),
        ("client_address", client.into()),
        ("voting", membership.is_voter(me).into()),
        ("last_zxid", hex(last_zxid)),
        ("zab_epoch", last_zxid.epoch().0.into()),
        ("zab_counter", last_zxid.counter().into()),
        ("zabstate", phase(&status.peer_state).into()),
    ])
}

/// `MultipleAddresses` as Jackson writes it. Apache's server tries out which of several addresses can be reached; here the first one
/// is taken.
fn addresses(places: &[(String, u16)]) -> Json {
    let all = || list(places.iter().map(|(host, port)| host_port(host, *port)));
    let mut ports: Vec<u16> = places.iter().map(|(_, port)| *port).collect();
    ports.dedup();
    let first = || Json::from(places.first().map(|(host, port)| host_port(host, *port)));
    object([
        ("empty", places.is_empty().into()),
        ("all_addresses", all()),
        ("wildcard_addresses", list(ports.iter().map(|port| host_port(WILDCARD, *port)))),
        ("all_ports", list(ports.iter().copied())),
        ("all_host_strings", list(places.iter().map(|(host, _)| host.as_str()))),
        ("reachable_address", first()),
        ("all_reachable_addresses", all()),
        ("all_reachable_addresses_or_all", all()),
        ("reachable_or_one", first()),
        ("one", first()),
    ])
}

/// `SyncedObserverConsCommand`: of a leader, and of a follower on which observers hang.
pub fn observers(_: Call, running: Arc<Running>, _: Body) -> Answering {
    Box::pin(async move {
        match observer_links(&running).await {
            Ok(links) => Reply::of([
                ("synced_observers", links.len().into()),
                ("observers", list(links.iter().map(|(sid, link)| observer(*sid, link)))),
            ]),
            Err(reason) => Reply::failed(StatusCode::SERVICE_UNAVAILABLE, reason),
        }
    })
}

/// `ObserverCnxnStatResetCommand`.
pub fn observer_connection_stat_reset(_: Call, running: Arc<Running>, _: Body) -> Answering {
    Box::pin(async move {
        match observer_links(&running).await {
            Ok(links) => {
                links.iter().for_each(|(_, link)| link.stats.reset());
                Reply::default()
            }
            Err(reason) => Reply::failed(StatusCode::SERVICE_UNAVAILABLE, reason),
        }
    })
}

async fn observer_links(running: &Running) -> Result<Vec<(ServerId, Arc<Link>)>, String> {
    let membership = running.shared.membership();
    running
        .look(move |replica, hands| {
            let learners = replica.learner_links().into_iter().filter(|(_, sid)| !membership.is_voter(*sid));
            learners.filter_map(|(link, sid)| Some((sid, hands.link(link)?.clone()))).collect()
        })
        .await
}

/// `LearnerHandler.getLearnerHandlerInfo`.
fn observer(sid: ServerId, link: &Link) -> Json {
    let (packets, bytes) = link.queued();
    let peer = link.peer();
    object([
        // Unlike those of clients, with the slash of `InetSocketAddress.toString`.
        ("remote_socket_address", peer.map(|(peer, _)| Remote(peer).to_string()).into()),
        ("sid", sid.0.into()),
        ("established", peer.map(|(_, at)| at.0).into()),
        ("queued_packets", packets.into()),
        ("queued_packets_size", bytes.into()),
        ("packets_received", link.stats.received.load(Relaxed).into()),
        ("packets_sent", link.stats.sent.load(Relaxed).into()),
        ("requests", link.stats.requests.load(Relaxed).into()),
        ("last_zxid", link.stats.last_zxid.load(Relaxed).into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use zab::quorum::Membership;

    const LINES: &str =
        "server.1=zk1:2888:3888:participant;0.0.0.0:2181\nserver.2=[::1]:2889:3889:participant\nversion=0";

    #[test]
    fn a_voter_is_shown_as_in_apache() {
        let membership = Membership::parse(LINES).unwrap();
        assert_eq!(
            voter(&membership.servers[&ServerId(1)]).compact(),
            r#"{"server_addresses":["zk1:2888"],"election_addresses":["zk1:3888"],"client_address":"0.0.0.0:2181","learner_type":"participant"}"#
        );
        assert_eq!(
            voter(&membership.servers[&ServerId(2)]).compact(),
            r#"{"server_addresses":["[0:0:0:0:0:0:0:1]:2889"],"election_addresses":["[0:0:0:0:0:0:0:1]:3889"],"client_address":"","learner_type":"participant"}"#
        );
    }

    #[test]
    fn addresses_have_the_getters_of_apaches_class() {
        assert_eq!(
            addresses(&[("a".to_owned(), 1), ("b".to_owned(), 1)]).compact(),
            r#"{"empty":false,"all_addresses":["a:1","b:1"],"wildcard_addresses":["0.0.0.0:1"],"all_ports":[1],"all_host_strings":["a","b"],"reachable_address":"a:1","all_reachable_addresses":["a:1","b:1"],"all_reachable_addresses_or_all":["a:1","b:1"],"reachable_or_one":"a:1","one":"a:1"}"#
        );
    }

    #[test]
    fn an_observer_is_shown_as_in_apache() {
        let link = Link::new(zab::LinkId(1));
        link.connected("[::ffff:127.0.0.1]:42082".parse().unwrap());
        let text = observer(ServerId(4), &link).compact();
        assert!(text.starts_with(r#"{"remote_socket_address":"/127.0.0.1:42082","sid":4,"established":"#), "{text}");
        assert!(text.ends_with(r#""queued_packets":0,"queued_packets_size":0,"packets_received":0,"packets_sent":0,"requests":0,"last_zxid":-1}"#), "{text}");
    }
}
