//! What a stock server is given to read.

use super::*;
use crate::config::{Environment, Implementation, LoadOptions, Overrides, load};

fn installation(has_metrics: bool) -> Installation {
    Installation {
        home: "/zk".into(),
        version: "3.9.4".to_owned(),
        class_path: Vec::new(),
        has_metrics,
        java: "/java".into(),
    }
}

fn from_environment(variables: &[(&str, &str)]) -> Config {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = Environment { variables, host_name: Some("zk2".to_owned()) };
    let (overrides, server) = (Overrides::default(), Implementation::Apache);
    let options = LoadOptions { file: None, overrides, environment, server };
    load(&options).map_err(|error| error.to_string()).unwrap().0
}

fn ensemble() -> Config {
    from_environment(&[
        ("ZOO_MY_ID", "2"),
        ("ZOO_SERVERS", "server.1=zk1:2888:3888;2181 server.2=zk2:2888:3888;2181 server.3=zk3:2888:3888;2181"),
        ("ZOO_CFG_EXTRA", "jute.maxbuffer=2000000 nio.numWorkerThreads=4"),
        ("ZOO_TICK_TIME", "1500"),
    ])
}

#[test]
fn an_ensemble_from_the_environment() {
    let (text, properties) = render(&ensemble(), &installation(true));
    let has = |line: &str| assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    has("dataDir=/data");
    has("dataLogDir=/datalog");
    has("tickTime=1500");
    has("initLimit=5");
    has("nio.numWorkerThreads=4");
    has("metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider");
    has("metricsProvider.httpPort=7000");
    assert_eq!(text.lines().filter(|line| line.starts_with("server.")).count(), 3);
    assert!(!text.contains("clientPort=") && !text.contains("jute.maxbuffer"), "{text}");
    assert_eq!(properties, [("jute.maxbuffer".to_owned(), "2000000".to_owned())]);
}

#[test]
fn a_server_without_metrics_of_its_own_may_be_asked_for_them() {
    let (text, _) = render(&ensemble(), &installation(false));
    assert!(!text.contains("metricsProvider"), "{text}");
    assert!(text.contains("4lw.commands.whitelist=srvr,mntr\n"), "{text}");
}

#[test]
fn a_standalone_server_has_its_port_in_a_key() {
    let (text, _) = render(&from_environment(&[("ZOO_DATA_DIR", "/d")]), &installation(false));
    assert!(text.contains("dataDir=/d\n") && text.contains("clientPort=2181\n"), "{text}");
    assert!(!text.contains("server."), "{text}");
}

#[test]
fn the_words_are_kept() {
    for (words, expected) in [("srvr", "srvr,mntr"), ("*", "*"), ("ruok, mntr", "ruok, mntr")] {
        assert_eq!(with_mntr(words), expected);
    }
}

#[test]
fn values_survive_javas_reader() {
    let mut lines = Lines::default();
    lines.put("a", "c:\\d ü");
    assert_eq!(lines.0, "a=c:\\\\d \\u00fc\n");
}

/// What this program cannot do is refused by it alone.
#[test]
fn keys_that_only_apache_can_do_reach_it() {
    let config = from_environment(&[("ZOO_CFG_EXTRA", "sslQuorum=true ssl.quorum.keyStore.location=/keys/zk.jks")]);
    let (text, properties) = render(&config, &installation(true));
    let given = |key: &str| text.contains(&format!("{key}=")) || properties.iter().any(|(name, _)| name.ends_with(key));
    assert!(given("sslQuorum") && given("ssl.quorum.keyStore.location"), "{text}\n{properties:?}");
}
