//! `cargo xtask dashboards`: writes Grafana's dashboards into `deploy/monitoring/dashboards`.
//!
//! Four dashboards have some ninety panels, of which Grafana wants forty lines each and we have five things to say: title,
//! what to do about it, unit, query, limits. Those stand here, one file for each dashboard; [`model`] makes the rest.

mod clients;
mod ensemble;
mod layout;
mod model;
mod node;
mod operator;

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::workspace::root;
use model::Dashboard;

/// Where they are kept, as files that anybody can import.
const DIRECTORY: &str = "deploy/monitoring/dashboards";

/// The command.
pub fn run(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "`dashboards` takes no arguments");
    for dashboard in all() {
        let path = root().join(DIRECTORY).join(dashboard.file());
        fs::write(&path, layout::text(&dashboard.json())).with_context(|| format!("write {}", path.display()))?;
        println!("{DIRECTORY}/{}", dashboard.file());
    }
    Ok(())
}

fn all() -> [Dashboard; 4] {
    [ensemble::dashboard(), node::dashboard(), clients::dashboard(), operator::dashboard()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_what_is_generated() {
        for dashboard in all() {
            let path = root().join(DIRECTORY).join(dashboard.file());
            let kept = fs::read_to_string(&path).unwrap_or_default();
            let hint = "is not what this code makes: run `cargo xtask dashboards`";
            assert!(kept == layout::text(&dashboard.json()), "{} {hint}", path.display());
        }
    }
}
