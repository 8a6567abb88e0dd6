//! `zookube-node health`: whether the server on the configured client port serves, for a container's HEALTHCHECK.
//!
//! It asks over the client port and nothing else: the same question whichever engine runs, without a shell, a file or a
//! right of any kind. Exit code 0 means yes, 1 means no; a container engine knows no other.

use crate::commands::ConfigArgs;
use crate::exit::one_line;
use crate::probe::{self, Finding, Target};
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What is said of a server that only answers.
const NOT_SERVING: &str = "runs, but does not serve clients: it has no leader";
/// What is said of a server that can only be read.
const ONLY_READ: &str = "serves read-only clients and no others: it has no leader";

/// Arguments of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Be content with a server that answers: it may still look for a leader.
    #[arg(long)]
    live: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
    /// How long to wait for the answer.
    #[arg(long, value_name = "MS", default_value_t = 2500, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout_ms: u64,
}

/// Asks, prints one line, answers 0 or 1.
///
/// # Errors
/// Never: whatever prevents an answer is one.
pub fn run(arguments: &HealthArgs) -> Result<ExitCode> {
    let begun = Instant::now();
    let within = Duration::from_millis(arguments.timeout_ms);
    let (asked, leader_serves, finding) = match arguments.config.read() {
        Ok((config, _)) => {
            let target = Target::of(&config);
            let finding = probe::ask(&target, within);
            (Some(target), config.settings.leader_serves, finding)
        }
        Err(error) => {
            (None, true, Finding::Silent { reason: format!("the configuration is not valid: {}", one_line(&error)) })
        }
    };
    let ms = begun.elapsed().as_millis();
    let report = Report { target: asked, finding, leader_serves, live_is_enough: arguments.live, ms };
    print(&if arguments.json { report.json() } else { report.text() });
    Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the answer is what was asked for on standard output")]
fn print(line: &str) {
    println!("{line}");
}

/// What is to be said.
struct Report {
    /// Whom was asked; `None` where the configuration did not say.
    target: Option<Target>,
    finding: Finding,
    /// `leaderServes`.
    leader_serves: bool,
    live_is_enough: bool,
    ms: u128,
}

impl Report {
    fn is_healthy(&self) -> bool {
        match self.finding {
            Finding::Serving { .. } => self.live_is_enough || !self.finding.is_read_only(),
            Finding::NotServing => self.live_is_enough,
            Finding::Silent { .. } => false,
        }
    }

    /// Whether it leads and, as configured, takes no clients for that reason.
    fn leads_without_clients(&self) -> bool {
        !self.leader_serves && matches!(&self.finding, Finding::Serving { mode: Some(mode) } if mode == "leader")
    }

    fn target(&self) -> String {
        self.target.as_ref().map_or_else(|| "the server".to_owned(), Target::to_string)
    }

    fn text(&self) -> String {
        let verdict = if self.is_healthy() { "healthy" } else { "unhealthy" };
        let what = match &self.finding {
            Finding::Serving { .. } if self.finding.is_read_only() => format!("{} {ONLY_READ}", self.target()),
            Finding::Serving { .. } if self.leads_without_clients() => {
                format!("{} leads, and so serves no clients (leaderServes=no)", self.target())
            }
            Finding::Serving { mode: Some(mode) } => format!("{} serves clients as {mode}", self.target()),
            Finding::Serving { mode: None } => format!("{} serves clients", self.target()),
            Finding::NotServing => format!("{} {NOT_SERVING}", self.target()),
            Finding::Silent { reason } => reason.clone(),
        };
        format!("{verdict}: {what}")
    }

    fn json(&self) -> String {
        let (live, serving, mode, reason) = match &self.finding {
            Finding::Serving { mode } => {
                let reason = self.finding.is_read_only().then_some(ONLY_READ);
                (true, !self.leads_without_clients(), mode.as_deref(), reason)
            }
            Finding::NotServing => (true, false, None, Some(NOT_SERVING)),
            Finding::Silent { reason } => (false, false, None, Some(reason.as_str())),
        };
        serde_json::json!({
            "healthy": self.is_healthy(),
            "live": live,
            "serving": serving,
            "mode": mode,
            "address": self.target.as_ref().map(Target::to_string),
            "reason": reason,
            "ms": u64::try_from(self.ms).unwrap_or(u64::MAX),
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(finding: Finding, live_is_enough: bool) -> Report {
        Report { target: Some(Target { host: None, port: 2181 }), finding, leader_serves: true, live_is_enough, ms: 3 }
    }

    fn serving(mode: &str) -> Finding {
        Finding::Serving { mode: Some(mode.to_owned()) }
    }

    #[test]
    fn a_server_that_can_only_be_read_is_live_and_not_healthy() {
        assert_eq!(
            report(serving("read-only"), false).text(),
            "unhealthy: localhost:2181 serves read-only clients and no others: it has no leader"
        );
        assert!(report(serving("read-only"), true).is_healthy());
        let value: serde_json::Value = serde_json::from_str(&report(serving("read-only"), false).json()).unwrap();
        assert_eq!((&value["healthy"], &value["serving"]), (&false.into(), &true.into()));
        assert_eq!(value["reason"], ONLY_READ);
    }

    #[test]
    fn a_leader_that_serves_no_clients_is_healthy() {
        let report = |mode| Report { leader_serves: false, ..report(serving(mode), false) };
        assert_eq!(
            report("leader").text(),
            "healthy: localhost:2181 leads, and so serves no clients (leaderServes=no)"
        );
        let value: serde_json::Value = serde_json::from_str(&report("leader").json()).unwrap();
        assert_eq!((&value["healthy"], &value["serving"]), (&true.into(), &false.into()));
        assert_eq!(report("follower").text(), "healthy: localhost:2181 serves clients as follower");
    }

    #[test]
    fn a_server_without_a_leader_is_live_and_not_healthy() {
        assert_eq!(
            report(Finding::NotServing, false).text(),
            "unhealthy: localhost:2181 runs, but does not serve clients: it has no leader"
        );
        assert!(report(Finding::NotServing, true).is_healthy());
        let silent = Finding::Silent { reason: "localhost:2181: Connection refused".to_owned() };
        assert_eq!(report(silent, true).text(), "unhealthy: localhost:2181: Connection refused");
    }

    #[test]
    fn the_same_in_json() {
        let serving = Finding::Serving { mode: Some("leader".to_owned()) };
        let text = report(serving, false).json();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["healthy"], true);
        assert_eq!(value["mode"], "leader");
        assert_eq!(value["address"], "localhost:2181");
        assert_eq!(value["reason"], serde_json::Value::Null);
        let text = report(Finding::NotServing, false).json();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["healthy"], &value["live"]), (&false.into(), &true.into()));
    }
}
