//! What a server says of itself to whoever runs its ensemble.

mod support;

use serde_json::{Value, json};
use std::path::Path;
use support::{Admin, ENSEMBLE_OF_ONE, create, wait_for};

const CHANGES: &str = "reconfigEnabled=true\n";

fn write(path: &Path, founded: bool) {
    std::fs::write(path, format!("{{\"clusterUid\":\"a\",\"bootstrapped\":{founded}}}")).expect("the record");
}

impl Admin {
    fn status(&self, query: &str) -> Value {
        let answer = wait_for("the admin port", || self.send("GET", &format!("/v1/status{query}"), "", b""));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        answer.json()
    }

    /// The status, once it has these values.
    fn status_with(&self, wanted: &[(&str, Value)]) -> Value {
        wait_for(&format!("a status with {wanted:?}"), || {
            let status = self.status("");
            wanted.iter().all(|(key, value)| status[key] == *value).then_some(status)
        })
    }
}

#[test]
fn an_ensemble_of_one_from_its_beginning() {
    let dir = tempfile::tempdir().expect("a directory");
    let record = dir.path().join("ensemble.json");
    write(&record, false);
    let lines = format!("volume.record={}\nvolume.clusterId=a\n{CHANGES}{ENSEMBLE_OF_ONE}", record.display());
    let mut admin = Admin::begin(&lines);
    let mut seen = Vec::new();
    let status = wait_for("the server to lead", || {
        let status = admin.status("");
        let is_there = status["ready"] == true;
        assert_eq!(status["synced"].as_bool(), Some(is_there), "{status}");
        // Before it leads it has nothing, and its list is no configuration that anybody has agreed to.
        assert_eq!((&status["hasData"], status["config"].is_object()), (&json!(is_there), true), "{status}");
        assert_eq!(status["config"] != json!({}), is_there, "{status}");
        seen.push(status["state"].as_str().expect("a state").to_owned());
        is_there.then_some(status)
    });
    seen.dedup();
    assert!(seen.iter().all(|state| ["loading", "looking", "leading"].contains(&state.as_str())), "{seen:?}");
    assert_eq!(
        status,
        json!({
            "generation": status["generation"], "sid": 1, "state": "leading", "hasData": true, "ensemble": "a",
            "incarnation": 0, "retiredAt": null, "leader": 1, "epoch": 1, "synced": true, "serving": true, "ready": true,
            "reason": null, "lastZxid": status["lastZxid"], "configVersion": "0x100000000", "config": {"1": "voter"},
            "pending": null, "version": env!("CARGO_PKG_VERSION"), "dataBytes": status["dataBytes"],
            "diskUsedPercent": status["diskUsedPercent"], "diskFull": false,
        })
    );
    let used = wait_for("a look at the volume", || admin.status("")["diskUsedPercent"].as_i64());
    assert!((0..=100).contains(&used));
    let bytes = status["dataBytes"].as_i64().expect("a number");
    assert_eq!(admin.server.client().call(create(1, "/a", &[b'x'; 1000])).error, 0);
    wait_for("the tree to grow", || (admin.status("")["dataBytes"].as_i64()? >= bytes + 1000).then_some(()));

    // Another life of the same process is another generation, and its volume holds data from the first answer on.
    let generation = admin.status("")["generation"].as_u64().expect("a number");
    admin.server.kill();
    write(&record, true);
    admin.server.begin_again();
    let first = admin.status("");
    assert_ne!(first["generation"].as_u64(), Some(generation));
    assert_eq!(first["hasData"], true, "{first}");
    admin.status_with(&[("state", json!("leading")), ("epoch", json!(2)), ("configVersion", json!("0x100000000"))]);

    // The disk is lost: what was founded once is not founded again.
    admin.server.kill();
    std::fs::remove_dir_all(admin.server.dir.path().join("data/version-2")).expect("the data are lost");
    admin.server.begin_again();
    let status = admin.status_with(&[("state", json!("looking"))]);
    assert_eq!(
        (&status["hasData"], &status["ensemble"], &status["leader"]),
        (&json!(false), &json!("a"), &Value::Null)
    );
    assert_eq!((&status["lastZxid"], &status["ready"]), (&json!("0x0"), &json!(false)));
    assert!(status["reason"].as_str().expect("a reason").contains("no leader"), "{status}");
}

#[test]
fn a_server_is_followed_by_waiting_for_its_changes() {
    let admin = Admin::begin(&format!("{CHANGES}{ENSEMBLE_OF_ONE}"));
    let query = |after: &Value, ms: u64| format!("?after={after}&waitMs={ms}");
    let mut status = admin.status("");
    while status["ready"] != true {
        let next = admin.status(&query(&status["generation"], 20_000));
        assert_ne!(next["generation"], status["generation"], "nothing changed for too long: {next}");
        status = next;
    }
    let same = admin.status(&query(&status["generation"], 200));
    assert_eq!(same["generation"], status["generation"], "nothing has happened: {status} {same}");
    assert_eq!(admin.server.client().call(create(1, "/a", b"")).error, 0);
    let later = wait_for("the write", || {
        let later = admin.status("");
        (later["lastZxid"] != status["lastZxid"]).then_some(later)
    });
    assert_eq!(later["generation"], status["generation"], "a write alone is no change");
}

#[test]
fn what_is_no_request_is_refused() {
    let admin = Admin::begin("");
    for query in ["?after=x", "?waitMs=5", "?after=1&waitMs=30001", "?after=1&after=2", "?to=1"] {
        let answer = wait_for("the admin port", || admin.send("GET", &format!("/v1/status{query}"), "", b""));
        assert_eq!(answer.status, 400, "{query}");
        let refusal = answer.json();
        assert!(refusal["error"].is_string() && refusal["hint"].is_string(), "{query}: {refusal}");
    }
    let posted = wait_for("the admin port", || admin.send("POST", "/v1/status", "", b""));
    assert_eq!(posted.status, 405);
    // A server alone leads nobody.
    let status = admin.status_with(&[("state", json!("leading")), ("ready", json!(true))]);
    assert_eq!((&status["leader"], &status["epoch"], &status["config"]), (&Value::Null, &Value::Null, &json!({})));
}

#[test]
fn a_server_that_has_not_left_does_not_retire() {
    let admin = Admin::begin(&format!("{CHANGES}{ENSEMBLE_OF_ONE}"));
    let retire = |query: &str| {
        let answer = wait_for("the admin port", || admin.send("POST", &format!("/v1/retire{query}"), "", b""));
        (answer.status, answer.json())
    };
    for query in ["", "?configVersion=5", "?configVersion=0x", "?version=0x5", "?configVersion=0x0"] {
        let (status, refusal) = retire(query);
        assert!(status == 400 && refusal["hint"].is_string(), "{query}: {refusal}");
    }
    admin.status_with(&[("ready", json!(true))]);
    for (query, said) in [
        ("?configVersion=0x100000000", "server 1 is a member of the committed configuration 0x100000000"),
        ("?configVersion=0x100000001", "is 0x100000000, which is older than 0x100000001"),
    ] {
        let (status, refusal) = retire(query);
        assert_eq!(status, 409, "{refusal}");
        assert!(refusal["error"].as_str().expect("a reason").contains(said), "{refusal}");
        assert!(refusal["hint"].is_string());
    }
    let asked = wait_for("the admin port", || admin.send("GET", "/v1/retire?configVersion=0x100000000", "", b""));
    assert_eq!(asked.status, 405);
    let status = admin.status_with(&[("ready", json!(true))]);
    assert_eq!((&status["state"], &status["retiredAt"]), (&json!("leading"), &Value::Null));
    assert_eq!(admin.server.client().call(create(1, "/a", b"")).error, 0);
}
