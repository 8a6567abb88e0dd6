//! The published dashboards: what every panel must say, and that each of their queries can be answered.

use std::collections::BTreeSet;

use monitoring::files;
use monitoring::names;
use monitoring::prometheus::Prometheus;
use serde_json::Value;
use support::prerequisites;

/// What the operator will expose when it makes backups and certificates; its dashboard is written before it is.
const OF_THE_OPERATOR_TO_COME: &[&str] = &["zkop_backup_last_success_timestamp", "zkop_cert_expiry_seconds"];
/// Where metrics are documented: those of servers, and those of the operator.
const PAGES: &[&str] = &["docs/metrics.md", "docs/operator-metrics.md"];
/// What Prometheus itself makes.
const OF_PROMETHEUS: &[&str] = &["ALERTS", "up"];

/// A dashboard and the name of its file.
struct Dashboard {
    name: String,
    document: Value,
}

fn dashboards() -> Vec<Dashboard> {
    let paths = files::in_directory(&files::deploy().join("dashboards"), "json");
    let dashboards = paths.iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let document = serde_json::from_str(&files::read(path)).unwrap_or_else(|e| panic!("{name}: {e}"));
        Dashboard { name, document }
    });
    dashboards.collect()
}

impl Dashboard {
    fn panels(&self) -> impl Iterator<Item = &Value> {
        let panels = self.document["panels"].as_array().map(Vec::as_slice).unwrap_or_default();
        panels.iter().filter(|panel| panel["type"] != "row")
    }

    /// Every query: of panels, of notes, of variables; with where it stands.
    fn queries(&self) -> Vec<(String, String)> {
        let mut queries = Vec::new();
        for panel in self.panels() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                queries.push((format!("{}/{}", self.name, panel["title"]), string(&target["expr"])));
            }
        }
        for note in self.document["annotations"]["list"].as_array().into_iter().flatten() {
            queries.push((format!("{}/{}", self.name, note["name"]), string(&note["expr"])));
        }
        for variable in self.document["templating"]["list"].as_array().into_iter().flatten() {
            // `label_values(series, label)`
            let query = string(&variable["query"]["query"]);
            if let Some((series, _)) = query.strip_prefix("label_values(").and_then(|q| q.rsplit_once(',')) {
                queries.push((format!("{}/${}", self.name, variable["name"]), series.to_owned()));
            }
        }
        queries
    }
}

#[test]
fn there_are_four() {
    let names: Vec<String> = dashboards().into_iter().map(|dashboard| dashboard.name).collect();
    assert_eq!(names, ["clients", "ensemble", "node", "operator"]);
}

/// Title, description, unit, source and at least one query; the description is advice, not the title again.
#[test]
fn every_panel_explains_itself() {
    for dashboard in dashboards() {
        assert!(dashboard.panels().count() > 0, "{} has no panels", dashboard.name);
        for panel in dashboard.panels() {
            let place = format!("{}/{}", dashboard.name, panel["title"]);
            assert!(!string(&panel["title"]).is_empty(), "{place}: no title");
            assert!(string(&panel["description"]).split(' ').count() >= 6, "{place}: no description");
            assert!(!string(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "{place}: no unit");
            let targets = panel["targets"].as_array().expect("targets");
            assert!(!targets.is_empty(), "{place}: no query");
            for source in std::iter::once(panel).chain(targets) {
                assert_eq!(source["datasource"]["uid"], "${datasource}", "{place}: a source of its own");
            }
            for target in targets {
                assert!(!string(&target["legendFormat"]).is_empty(), "{place}: a query without a legend");
            }
        }
    }
}

/// Identities are unique and panels do not lie on each other.
#[test]
fn the_grid_is_in_order() {
    let uids: BTreeSet<String> = dashboards().iter().map(|dashboard| string(&dashboard.document["uid"])).collect();
    assert_eq!(uids.len(), dashboards().len(), "dashboards share a uid");
    for dashboard in dashboards() {
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard.document["panels"].as_array().expect("panels") {
            let place = format!("{}/{}", dashboard.name, panel["title"]);
            assert!(ids.insert(panel["id"].as_u64()), "{place}: its id is taken");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_else(|| panic!("{place}: no {key}"));
            assert!(at("x") + at("w") <= 24, "{place} leaves the grid");
            for cell in (at("y")..at("y") + at("h")).flat_map(|y| (at("x")..at("x") + at("w")).map(move |x| (x, y))) {
                assert!(cells.insert(cell), "{place} lies on another panel at {cell:?}");
            }
        }
    }
}

/// A query that Prometheus cannot read is an empty panel in the night that it is needed.
#[test]
fn every_query_can_be_read() {
    let prometheus = Prometheus::start(&[], &[]);
    for (place, query) in dashboards().iter().flat_map(Dashboard::queries) {
        let plain = query.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$ensemble", ".*");
        let plain = plain.replace("$instance", ".*");
        assert!(!plain.contains('$'), "{place}: an unknown variable in {plain}");
        prometheus.query(&plain).unwrap_or_else(|e| panic!("{place}: {plain}: {e}"));
    }
}

#[test]
fn every_query_uses_names_that_exist() {
    let pages = PAGES.iter().map(|page| names::of_page(&files::read(&prerequisites::workspace().join(page))));
    let mut known: BTreeSet<String> = pages.flatten().collect();
    for name in OF_THE_OPERATOR_TO_COME {
        assert!(known.insert((*name).to_owned()), "{name} has come");
    }
    known.extend(OF_PROMETHEUS.iter().map(|name| (*name).to_owned()));
    for (place, query) in dashboards().iter().flat_map(Dashboard::queries) {
        let plain = query.replace("$__rate_interval", "1m");
        for name in names::of(&plain) {
            assert!(names::documented(&name, &known), "{place}: {name} is in none of {PAGES:?}");
        }
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
