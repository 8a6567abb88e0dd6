//! Prometheus as a child process, and its HTTP interface.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::external::{self, Said};
use support::server::PATIENCE;
use support::{http, ports, prerequisites, process, wait};

/// How often everything is scraped and evaluated: sixty times as often as every 15 seconds.
const INTERVAL: &str = "250ms";

/// Runs `promtool` with these arguments.
pub fn promtool(arguments: &[&str]) -> Said {
    let mut command = process::command(prerequisites::promtool());
    command.args(arguments);
    external::run(command, "", Duration::from_secs(180))
}

/// Something that is scraped: its address, and the name that it has in the label `instance`.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where its metrics are.
    pub addr: SocketAddr,
    /// What it is called.
    pub name: String,
}

/// A running Prometheus; it ends with this value, and its data with it.
#[derive(Debug)]
pub struct Prometheus {
    addr: SocketAddr,
    dir: tempfile::TempDir,
    process: process::Guard,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels, its name among them.
    pub labels: serde_json::Map<String, Value>,
    /// Seconds since 1970, and values.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// The value of a label, empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Prometheus {
    /// Starts one with rules (texts of rule files) that scrapes `targets` as the job `zookube`.
    ///
    /// # Panics
    /// When it does not become ready; the message has its log.
    pub fn start(rules: &[String], targets: &[Target]) -> Self {
        let dir = tempfile::Builder::new().prefix("zookube-test-prometheus-").tempdir().expect("a temporary directory");
        for (number, text) in rules.iter().enumerate() {
            std::fs::write(dir.path().join(format!("rules-{number}.yaml")), text).expect("a rule file");
        }
        let config = dir.path().join("prometheus.yaml");
        std::fs::write(&config, configuration(targets)).expect("a configuration");
        let log = std::fs::File::create(dir.path().join("log.txt")).expect("a log file");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free_port()));
        let mut command: Command = process::command(prerequisites::prometheus());
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
        command.arg(format!("--web.listen-address={addr}")).arg("--log.level=warn");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = process::spawn(command).expect("Prometheus can be started");
        let mut prometheus = Self { addr, dir, process };
        let ready = wait::poll(PATIENCE, || {
            (!prometheus.process.is_alive()
                || http::request(addr, "GET", "/-/ready", "").is_some_and(|(status, _)| status == 200))
            .then_some(())
        });
        assert!(ready.is_some() && prometheus.process.is_alive(), "Prometheus does not start:\n{}", prometheus.log());
        prometheus
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log.txt")).unwrap_or_default()
    }

    /// What `expression` is now; one point for each series.
    ///
    /// # Errors
    /// What Prometheus has against the expression.
    pub fn query(&self, expression: &str) -> Result<Vec<Series>, String> {
        let answer = self.api(&format!("/api/v1/query?query={}", escaped(expression)))?;
        Ok(series(&answer["data"]["result"], "value"))
    }

    /// What `expression` was from `from` to `to` (seconds since 1970), every `step` seconds.
    ///
    /// # Errors
    /// As [`Prometheus::query`].
    pub fn range(&self, expression: &str, from: f64, to: f64, step: f64) -> Result<Vec<Series>, String> {
        let query = escaped(expression);
        let answer = self.api(&format!("/api/v1/query_range?query={query}&start={from}&end={to}&step={step}"))?;
        Ok(series(&answer["data"]["result"], "values"))
    }

    /// The rules that it has loaded, of all groups, as its interface shows them.
    ///
    /// # Panics
    /// When it does not tell.
    pub fn rules(&self) -> Vec<Value> {
        let answer = self.api("/api/v1/rules").expect("the rules");
        let groups = answer["data"]["groups"].as_array().expect("groups of rules");
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
    }

    /// Waits until `expression` has a series that `found` accepts; returns all of them.
    ///
    /// # Panics
    /// When it does not come to that, or when the expression is wrong.
    pub fn wait(&self, what: &str, expression: &str, found: impl Fn(&[Series]) -> bool) -> Vec<Series> {
        let mut last = Vec::new();
        let came = wait::poll(PATIENCE, || {
            last = self.query(expression).unwrap_or_else(|e| panic!("{expression}: {e}"));
            found(&last).then_some(())
        });
        assert!(came.is_some(), "waited in vain for {what}: {expression} is {last:?}");
        last
    }

    fn api(&self, path: &str) -> Result<Value, String> {
        let (_, body) = http::request(self.addr, "GET", path, "").ok_or("Prometheus does not answer")?;
        let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{e} in {body}"))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer),
            _ => Err(answer["error"].to_string()),
        }
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn configuration(targets: &[Target]) -> String {
    let mut text = format!(
        "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}, evaluation_interval: {INTERVAL}}}\n\
         rule_files: [rules-*.yaml]\nscrape_configs:\n  - job_name: zookube\n    static_configs:\n"
    );
    for Target { addr, name } in targets {
        text.push_str(&format!("      - {{targets: ['{addr}'], labels: {{instance: {name}, ensemble: tested}}}}\n"));
    }
    if targets.is_empty() {
        text.push_str("      []\n");
    }
    text
}

fn series(result: &Value, points: &str) -> Vec<Series> {
    let point = |pair: &Value| -> Option<(f64, f64)> { Some((pair[0].as_f64()?, pair[1].as_str()?.parse().ok()?)) };
    let one = |entry: &Value| {
        let labels = entry["metric"].as_object().cloned().unwrap_or_default();
        let values = &entry[points];
        let single = point(values).map(|point| vec![point]);
        let many = || values.as_array().map(|all| all.iter().filter_map(point).collect()).unwrap_or_default();
        Series { labels, points: single.unwrap_or_else(many) }
    };
    // A number without a series is an answer too.
    match result.as_array() {
        Some(entries) if entries.iter().all(Value::is_object) => entries.iter().map(one).collect(),
        _ => {
            point(result).map(|point| Series { labels: Default::default(), points: vec![point] }).into_iter().collect()
        }
    }
}

/// As it may stand in a URL.
fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn vectors_matrices_and_numbers_are_read() {
        let labels = |name: &str| json!({ "__name__": name });
        let vector = json!([{ "metric": labels("a"), "value": [1.5, "2"] }]);
        let matrix = json!([{ "metric": labels("a"), "values": [[1, "2"], [2, "NaN"]] }]);
        assert_eq!(series(&vector, "value")[0].points, [(1.5, 2.0)]);
        assert_eq!(series(&vector, "value")[0].label("__name__"), "a");
        assert_eq!(series(&matrix, "values")[0].points.len(), 2);
        assert_eq!(series(&json!([1.5, "2"]), "value")[0].points, [(1.5, 2.0)]);
        assert!(series(&json!([]), "value").is_empty());
        assert_eq!(escaped("a{b=\"c d\"}"), "a%7Bb%3D%22c%20d%22%7D");
    }
}
