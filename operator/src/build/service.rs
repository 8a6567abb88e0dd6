//! Two services: one that gives each server its name, one for clients.

use super::{CLIENT, PORTS, Port, labels};
use crate::validate::ValidatedCluster;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

fn port(port: Port) -> ServicePort {
    ServicePort {
        name: Some(port.name.to_owned()),
        port: i32::from(port.number),
        target_port: Some(IntOrString::String(port.name.to_owned())),
        app_protocol: Some(port.protocol.to_owned()),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}

/// Names for servers, whether they are ready or not: without their names they would never become ready.
pub(super) fn headless(cluster: &ValidatedCluster) -> Service {
    let more = &cluster.spec.service.headless.metadata;
    Service {
        metadata: labels::meta(cluster, "-headless", None, more),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::own_pods(cluster)),
            ports: Some(PORTS.map(port).to_vec()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// The servers that serve, voters and observers.
pub(super) fn client(cluster: &ValidatedCluster) -> Service {
    let more = &cluster.spec.service.client.metadata;
    Service {
        metadata: labels::meta(cluster, "", None, more),
        spec: Some(ServiceSpec {
            selector: Some(labels::own_pods(cluster)),
            ports: Some(vec![port(CLIENT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
