//! Whether the ensemble was founded, as whoever founds it has written down outside of all servers: the file that `volume.record`
//! names.
//!
//! A server with an empty disk cannot tell whether it is one of the first or has lost everything. As long as others have data it
//! asks them (`zab::election::looking`); where a majority has lost its disks there is nobody to ask, and the empty ones would
//! found the ensemble anew. The record settles it: once it says that the ensemble was founded, an empty disk never votes, as with
//! `db.autocreate=false`, whatever the others have.
//!
//! The file is JSON, `{"clusterUid": "...", "bootstrapped": true}`; fields that are not known are somebody else's.

use crate::config::Config;
use crate::exit::{self, Fatal};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The file may be so large.
const RECORD_BYTES_MAX: u64 = 64 << 10;

/// What is read of the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    cluster_uid: String,
    bootstrapped: bool,
}

/// Goes by the record, if there is to be one.
///
/// # Errors
/// When it cannot be read, or is another ensemble's: to go on would be a guess about whether data was lost.
pub fn apply(config: &mut Config) -> Result<(), Fatal> {
    let Some(path) = config.settings.volume_record.clone() else { return Ok(()) };
    let refused = |problem: String, hint: &str| {
        Err(Fatal::new(exit::DATA_DIR, format!("volume.record {path}: {problem}. hint: {hint}")))
    };
    let record = match read(Path::new(&path)) {
        Ok(record) => record,
        Err(error) => return refused(error.to_string(), "the operator writes it, as ensemble.json in a ConfigMap"),
    };
    if let Some(own) = config.settings.volume_cluster_id.as_ref().filter(|own| **own != record.cluster_uid) {
        let problem = format!("it is of ensemble {}, and volume.clusterId is {own}", record.cluster_uid);
        return refused(problem, "give this server the record of its own ensemble");
    }
    tracing::info!(
        path,
        founded = record.bootstrapped,
        "{}",
        if record.bootstrapped { "an empty disk does not vote" } else { "the ensemble is being founded" }
    );
    if record.bootstrapped {
        config.settings.db_autocreate = false;
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Record> {
    let mut text = Vec::new();
    File::open(path)?.take(RECORD_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > RECORD_BYTES_MAX {
        return Err(io::Error::other(format!("longer than {RECORD_BYTES_MAX} bytes")));
    }
    serde_json::from_slice(&text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment, LoadOptions};

    fn config(lines: &str) -> Config {
        let variables = [("ZOO_DATA_DIR", "/nowhere"), ("ZOO_CFG_EXTRA", lines)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let environment = Environment { variables, host_name: None };
        let options = LoadOptions { environment, ..LoadOptions::default() };
        config::load(&options).map_err(|error| error.to_string()).unwrap().0
    }

    /// Whether an empty disk may vote.
    fn with_record(text: &str, more: &str) -> Result<bool, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ensemble.json");
        std::fs::write(&path, text).unwrap();
        let mut config = config(&format!("volume.record={} {more}", path.display()));
        apply(&mut config).map_err(|fatal| fatal.to_string())?;
        Ok(config.settings.db_autocreate)
    }

    #[test]
    fn once_founded_an_empty_disk_does_not_vote() {
        assert_eq!(with_record(r#"{"clusterUid":"a","bootstrapped":false,"initialMembers":[1]}"#, ""), Ok(true));
        assert_eq!(with_record(r#"{"clusterUid":"a","bootstrapped":true}"#, "volume.clusterId=a"), Ok(false));
        let forbidden = with_record(r#"{"clusterUid":"a","bootstrapped":false}"#, "db.autocreate=false");
        assert_eq!(forbidden, Ok(false), "the record allows nothing that the configuration forbids");
        let mut without = config("tickTime=2000");
        apply(&mut without).map_err(|fatal| fatal.to_string()).unwrap();
        assert!(without.settings.db_autocreate);
    }

    #[test]
    fn a_record_that_is_none_or_another_ensembles_is_refused() {
        for (text, more, said) in [
            ("", "", "EOF while parsing"),
            ("{}", "", "missing field `clusterUid`"),
            (r#"{"clusterUid":"a"}"#, "", "missing field `bootstrapped`"),
            (r#"{"clusterUid":"a","bootstrapped":"true"}"#, "", "invalid type"),
            (&"[".repeat(70_000), "", "longer than 65536 bytes"),
            (
                r#"{"clusterUid":"a","bootstrapped":true}"#,
                "volume.clusterId=b",
                "of ensemble a, and volume.clusterId is b",
            ),
        ] {
            let refusal = with_record(text, more).unwrap_err();
            assert!(refusal.contains(said) && refusal.contains("hint: "), "{refusal}");
        }
        let mut missing = config("volume.record=/nowhere/ensemble.json");
        assert!(apply(&mut missing).unwrap_err().to_string().contains("/nowhere/ensemble.json: No such file"));
    }
}
