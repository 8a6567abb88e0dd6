//! `zookube-node hand-over`: asks the leader on this machine to let another server lead, before it is taken down.

use crate::commands::ConfigArgs;
use crate::config::is_wildcard;
use crate::metrics;
use crate::metrics::commands::HAND_OVER;
use crate::probe::{self, Target};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `hand-over`.
#[derive(Debug, Args)]
pub struct HandOverArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Who is to lead. Without it: the voter that has acknowledged most.
    #[arg(long, value_name = "SID")]
    to: Option<i64>,
    /// The leader's metrics port, as host:port. Without it: the configured one, on this machine.
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// Print the answer in JSON.
    #[arg(long)]
    json: bool,
    /// How long to wait for it.
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout_ms: u64,
}

/// Asks, prints one line, answers 0 if the leadership is handed over and 1 if not.
///
/// # Errors
/// When nobody answers, or it is not known whom to ask.
pub fn run(arguments: &HandOverArgs) -> Result<ExitCode> {
    let target = match &arguments.address {
        Some(text) => parse(text)?,
        None => configured(&arguments.config)?,
    };
    let query = arguments.to.map(|sid| format!("?to={sid}")).unwrap_or_default();
    let request =
        format!("POST {HAND_OVER}{query} HTTP/1.1\r\nHost: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let within = Duration::from_millis(arguments.timeout_ms);
    let answer = probe::exchange(&target, request, within).map_err(anyhow::Error::msg)?;
    let answer = body(&answer).with_context(|| {
        format!("{target} does not know {HAND_OVER}. hint: --address names the metrics port of a zookube server")
    })?;
    print(&if arguments.json { answer.to_string() } else { text(&answer) });
    Ok(if answer["outcome"] == "handed over" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the answer is what was asked for on standard output")]
fn print(line: &str) {
    println!("{line}");
}

fn parse(text: &str) -> Result<Target> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = parsed else {
        bail!("--address {text}: expected host:port");
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok(Target { host: Some(host.to_owned()), port })
}

/// Where the server of this configuration publishes its metrics, seen from its own machine.
fn configured(config: &ConfigArgs) -> Result<Target> {
    let (config, _) = config.read()?;
    let Some((host, port)) = metrics::address(&config) else {
        bail!(
            "the configuration opens no metrics port, on which commands are taken. hint: metricsProvider.className={}",
            metrics::PROMETHEUS
        );
    };
    Ok(Target { host: (!is_wildcard(host)).then(|| host.to_owned()), port })
}

/// The JSON of an HTTP answer, if it is one to this command.
fn body(answer: &str) -> Option<Value> {
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let value: Value = serde_json::from_str(body.trim()).ok()?;
    value["outcome"].is_string().then_some(value)
}

fn text(answer: &Value) -> String {
    let from = &answer["from"];
    let word = answer["outcome"].as_str().unwrap_or_default();
    let mut line = match (word, &answer["to"]) {
        ("handed over", to) => format!("server {from} has handed over to server {to}"),
        (_, Value::Null) => format!("server {from}: {word}"),
        (_, to) => format!("server {from}: hand-over to server {to} {word}"),
    };
    for (key, before) in [("reason", ": "), ("hint", ". hint: ")] {
        if let Some(more) = answer[key].as_str() {
            line += before;
            line += more;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let check = |text: &str, host: &str, port| {
            assert_eq!(parse(text).unwrap(), Target { host: Some(host.to_owned()), port });
        };
        check("zk1:7000", "zk1", 7000);
        check("[::1]:7000", "::1", 7000);
        for wrong in ["zk1", "zk1:", "7000", "zk1:70000"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_told_in_one_line() {
        let answer = |json: &str| body(&format!("HTTP/1.1 200 OK\r\ncontent-type: x\r\n\r\n{json}\n")).unwrap();
        assert_eq!(
            text(&answer(r#"{"from":3,"to":1,"outcome":"handed over","reason":null,"hint":null}"#)),
            "server 3 has handed over to server 1"
        );
        assert_eq!(
            text(&answer(r#"{"from":3,"to":null,"outcome":"refused","reason":"it does not lead","hint":"ask 2"}"#)),
            "server 3: refused: it does not lead. hint: ask 2"
        );
        assert_eq!(body("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }
}
