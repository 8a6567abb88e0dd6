//! The lab's monitoring profile: Prometheus beside the servers, with the project's rules. (Its image is made from Debian's
//! package; Grafana is in no package, what it is given is checked in `tests/monitoring`.)

use std::net::{Ipv4Addr, SocketAddr};

use containers::compose::{Lab, Program};
use containers::container::PATIENCE;
use containers::engine::engine;
use containers::images::{Flavour, prometheus_image};
use serde_json::Value;
use support::{http, ports, wait};

/// What an answer of Prometheus says.
fn asked(addr: SocketAddr, path: &str) -> Option<Value> {
    let answer = http::send(addr, "GET", path, "", b"")?;
    (answer.status == 200).then(|| answer.json()["data"].clone())
}

/// Whether all of them that are there are up.
fn targets(addr: SocketAddr) -> Option<Vec<(String, bool)>> {
    let data = asked(addr, "/api/v1/targets?state=active")?;
    let one = |target: &Value| Some((target["labels"]["instance"].as_str()?.to_owned(), target["health"] == "up"));
    data["activeTargets"].as_array()?.iter().map(one).collect()
}

#[test]
fn prometheus_scrapes_the_lab_with_the_projects_rules() {
    engine();
    for program in Program::all() {
        let lab = Lab::new(program, Flavour::Zookube);
        lab.up();
        lab.wait_settled();
        let port = ports::free_port().to_string();
        let variables = [("PROMETHEUS_IMAGE", prometheus_image()), ("PROMETHEUS_PORT", port.as_str())];
        let up = ["--profile", "monitoring", "up", "--detach", "--no-build", "prometheus"];
        lab.compose_with(&up, &variables).expect_success("compose up prometheus");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
        let all_up = || targets(addr).filter(|found| found.len() == 3 && found.iter().all(|(_, is_up)| *is_up));
        let mut names: Vec<String> =
            wait::until("three targets", PATIENCE, all_up).into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, ["zk1:7000", "zk2:7000", "zk3:7000"], "the observer was not started, and is not down");
        let rules = wait::until("the rules to be evaluated", PATIENCE, || {
            let groups = asked(addr, "/api/v1/rules")?["groups"].as_array()?.clone();
            let rules: Vec<Value> =
                groups.iter().flat_map(|group| group["rules"].as_array().cloned()).flatten().collect();
            rules.iter().all(|rule| rule["health"] == "ok").then_some(rules)
        });
        assert!(
            rules.iter().any(|rule| rule["type"] == "alerting") && rules.iter().any(|rule| rule["type"] == "recording")
        );
        let firing: Vec<&Value> = rules.iter().filter(|rule| rule["state"] == "firing").collect();
        assert!(firing.is_empty(), "{firing:?}");
        let leaders = wait::until("a leader", PATIENCE, || {
            let answer = asked(addr, "/api/v1/query?query=sum(zookube_server_state%7Bstate=%22leader%22%7D)")?;
            Some(answer["result"][0]["value"][1].as_str()?.to_owned())
        });
        assert_eq!(leaders, "1");
    }
}
