//! Who may connect, where that is asked for.

use super::{ADMIN, CLIENT, ELECTION, METRICS, Port, QUORUM, labels};
use crate::crd::Metadata;
use crate::validate::ValidatedCluster;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

fn ports(all: &[Port]) -> Vec<NetworkPolicyPort> {
    let one = |port: &Port| NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(port.number))),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    };
    all.iter().map(one).collect()
}

/// Operators, wherever they run: they change the configuration as clients.
fn operators() -> NetworkPolicyPeer {
    let name = [("app.kubernetes.io/name".to_owned(), "zookube-operator".to_owned())];
    NetworkPolicyPeer {
        pod_selector: Some(LabelSelector { match_labels: Some(name.into()), match_expressions: None }),
        namespace_selector: Some(LabelSelector::default()),
        ip_block: None,
    }
}

pub(super) fn build(cluster: &ValidatedCluster) -> Option<NetworkPolicy> {
    let own = || LabelSelector { match_labels: Some(labels::own_pods(cluster)), match_expressions: None };
    let policy = &cluster.spec.network_policy;
    if !policy.enabled {
        return None;
    }
    let servers = NetworkPolicyPeer { pod_selector: Some(own()), ..NetworkPolicyPeer::default() };
    // What is no peer was refused when the resource was looked at.
    let clients = policy.client_from.iter().filter_map(|peer| serde_json::from_value(peer.clone().into()).ok());
    let mut clients: Vec<NetworkPolicyPeer> = clients.collect();
    if !clients.is_empty() {
        clients.extend([servers.clone(), operators()]);
    }
    let rules = vec![
        NetworkPolicyIngressRule { from: Some(vec![servers]), ports: Some(ports(&[QUORUM, ELECTION])) },
        NetworkPolicyIngressRule { from: (!clients.is_empty()).then_some(clients), ports: Some(ports(&[CLIENT])) },
        // Probes, the operator and Prometheus; orders are only taken from who proves who it is.
        NetworkPolicyIngressRule { from: None, ports: Some(ports(&[ADMIN, METRICS])) },
    ];
    Some(NetworkPolicy {
        metadata: labels::meta(cluster, "", None, &Metadata::default()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(own()),
            ingress: Some(rules),
            policy_types: Some(vec!["Ingress".to_owned()]),
            egress: None,
        }),
    })
}
