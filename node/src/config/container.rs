//! What is different in a container.

use super::environment::Environment;
use super::problem::{Place, Report};

const CONTAINER: &str = "ZOOKUBE_CONTAINER";
const SRV: &str = "ZOOKUBE_SRV";

/// Why the ports between servers listen on every interface.
pub(super) const DEFAULT: Place = Place::Default("default in a container");

/// Whether the server runs in a container, or is configured as if it did.
pub(super) fn is_container(environment: &Environment, from_environment: bool, report: &mut Report) -> bool {
    match environment.get(CONTAINER) {
        None => from_environment,
        Some("1" | "true") => true,
        Some("0" | "false") => false,
        Some(other) => {
            report.problem(&Place::variable(CONTAINER), format_args!("found `{other}`, expected 1 or 0"));
            from_environment
        }
    }
}

/// `ZOOKUBE_SRV`, if it is set.
pub(super) fn peer_srv(environment: &Environment, report: &mut Report) -> Option<String> {
    let name = environment.get(SRV)?.trim_end_matches('.');
    let labels: Vec<&str> = name.split('.').collect();
    let is_service = matches!(labels.as_slice(), [service, "_tcp", _, ..] if service.starts_with('_'));
    if !is_service {
        report.problem(
            &Place::variable(SRV),
            format_args!(
                "`{name}` is not the name of SRV records: expected _<port name>._tcp.<service>, \
                 as in _election._tcp.zk-headless.ns.svc.cluster.local"
            ),
        );
        return None;
    }
    Some(name.to_owned())
}
