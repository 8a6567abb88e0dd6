//! `zookube-node hand-over`: asks the leader on this machine to let another server lead, before it is taken down.

use crate::commands::ConfigArgs;
use crate::config::Config;
use crate::config::is_wildcard;
use crate::probe::{self, Target};
use crate::{admin, metrics};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// The command's path below the one that is configured for commands.
const HAND_OVER: &str = "/hand_over";
/// The path of all commands where nothing else is configured, and always on the metrics port.
const COMMANDS: &str = "/commands";

/// Arguments of `hand-over`.
#[derive(Debug, Args)]
pub struct HandOverArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Who is to lead. Without it: the voter that has acknowledged most.
    #[arg(long, value_name = "SID")]
    to: Option<i64>,
    /// The leader's admin or metrics port, as host:port. Without it: the configured one, on this machine.
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
    let places = match &arguments.address {
        Some(text) => vec![Place { target: parse(text)?, commands: COMMANDS.to_owned() }],
        None => configured(&arguments.config.read()?.0)?,
    };
    let query = arguments.to.map(|sid| format!("?to={sid}")).unwrap_or_default();
    let within = Duration::from_millis(arguments.timeout_ms);
    let answer = first_answer(&places, |place| ask(place, &query, within))?;
    print(&if arguments.json { answer.to_string() } else { text(&answer) });
    Ok(if answer["outcome"] == "handed over" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where commands are taken.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    target: Target,
    /// The path above them.
    commands: String,
}

/// The answer of the first place that has one. Another program may have taken the port of the first.
fn first_answer(places: &[Place], mut ask: impl FnMut(&Place) -> Result<Value>) -> Result<Value> {
    let mut first_error = None;
    for place in places {
        match ask(place) {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.context("there is nobody to ask")?)
}

fn ask(place: &Place, query: &str, within: Duration) -> Result<Value> {
    let Place { target, commands } = place;
    let request = format!(
        "POST {commands}{HAND_OVER}{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let answer = probe::exchange(target, request, within).map_err(anyhow::Error::msg)?;
    body(&answer).with_context(|| {
        let said = refusal(&answer).unwrap_or_else(|| format!("{target} does not know {commands}{HAND_OVER}"));
        format!("{said}. hint: --address names the admin or metrics port of a zookube server, on its machine")
    })
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

/// Where the server of this configuration takes commands, seen from its own machine: on its admin port, else on the metrics port.
fn configured(config: &Config) -> Result<Vec<Place>> {
    let place = |(host, port): (&str, u16), commands: &str| {
        let host = (!is_wildcard(host)).then(|| host.to_owned());
        Place { target: Target { host, port }, commands: commands.to_owned() }
    };
    let admin = admin::address(config).filter(|(_, port)| *port != 0);
    let places: Vec<Place> = admin
        .map(|address| place(address, &config.settings.admin_command_url))
        .into_iter()
        .chain(metrics::address(config).map(|address| place(address, COMMANDS)))
        .collect();
    if places.is_empty() {
        bail!("the configuration opens no port on which commands are taken. hint: admin.enableServer=true");
    }
    Ok(places)
}

/// The JSON of an HTTP answer, if it is one to this command.
fn body(answer: &str) -> Option<Value> {
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let value: Value = serde_json::from_str(body.trim()).ok()?;
    value["outcome"].is_string().then_some(value)
}

/// What the server says of why it refuses to listen.
fn refusal(answer: &str) -> Option<String> {
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let value: Value = serde_json::from_str(body.trim()).ok()?;
    Some(value["error"].as_str()?.to_owned())
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
    fn another_place_is_asked_where_the_first_does_not_answer() {
        let place = |port| Place { target: Target { host: None, port }, commands: COMMANDS.to_owned() };
        let places = [place(1), place(2)];
        let answers = |wanted: u16| {
            first_answer(&places, |place| match place.target.port {
                port if port == wanted => Ok(Value::from(port)),
                port => bail!("{port} is silent"),
            })
        };
        assert_eq!(answers(1).unwrap(), 1);
        assert_eq!(answers(2).unwrap(), 2);
        assert_eq!(answers(3).unwrap_err().to_string(), "1 is silent");
        assert_eq!(refusal("HTTP/1.1 403 x\r\n\r\n{\"error\" : \"no\"}"), Some("no".to_owned()));
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
