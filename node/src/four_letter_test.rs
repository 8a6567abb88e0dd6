use super::*;
use crate::config::{Config, Overrides};
use crate::shared::Configurations;
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::mpsc;
use tree::{Tree, TreeSettings};

/// A standalone server that serves nobody yet, with this whitelist.
fn shared(whitelist: &str) -> (tempfile::TempDir, Shared) {
    shared_with(whitelist, "")
}

/// The same with more lines in its configuration.
fn shared_with(whitelist: &str, more: &str) -> (tempfile::TempDir, Shared) {
    let dir = tempfile::TempDir::new().expect("a directory");
    let path = dir.path().join("zoo.cfg");
    let text = format!("dataDir={}\nclientPort=2181\n4lw.commands.whitelist={whitelist}\n{more}", dir.path().display());
    std::fs::write(&path, text).expect("written");
    let (config, _) = Config::load(&path, &Overrides::default()).expect("a good configuration");
    let tree = Arc::new(RwLock::new(Tree::new(TreeSettings::default())));
    let (clients, _) = mpsc::channel(1);
    (dir, Shared::new(Arc::new(config), tree, clients))
}

fn serving(whitelist: &str) -> (tempfile::TempDir, Shared) {
    let (dir, shared) = shared(whitelist);
    shared.publish(
        replica::Status { mode: "standalone", serving: true, ..replica::Status::default() },
        Configurations::default(),
    );
    shared.serving.store(true, Relaxed);
    (dir, shared)
}

#[test]
fn only_listed_words_are_answered() {
    let (_dir, shared) = serving("ruok");
    assert_eq!(answer(*b"ruok", &[], &shared), "imok");
    assert!(answer(*b"srvr", &[], &shared).starts_with("Zookeeper version: 3.9.5-"));
    assert_eq!(answer(*b"mntr", &[], &shared), "mntr is not executed because it is not in the whitelist.\n");
    assert_eq!(
        answer([0xff, 0xf4, 0xff, 0xfd], &[], &shared),
        "telnet close is not executed because it is not in the whitelist.\n"
    );
    assert_eq!(answer(*b"SRVR", &[], &shared), "");
    assert!(is_word(*b"mntr") && !is_word([0, 0, 0, 44]));
    // A refused word waits for nothing.
    assert_eq!(argument_bytes(*b"stmk", &shared), 0);
}

#[test]
fn before_it_serves_a_server_says_so() {
    let (_dir, shared) = shared("*");
    assert_eq!(answer(*b"ruok", &[], &shared), "imok");
    assert_eq!(answer(*b"isro", &[], &shared), "null");
    assert_eq!(answer(*b"hash", &[], &shared), NOT_SERVING);
    for word in
        [b"srvr", b"stat", b"cons", b"conf", b"dirs", b"dump", b"wchs", b"wchc", b"wchp", b"mntr", b"crst", b"srst"]
    {
        assert_eq!(answer(*word, &[], &shared), format!("{NOT_SERVING}\n"), "{word:?}");
    }
    assert!(answer(*b"envi", &[], &shared).starts_with("Environment:\nzookeeper.version=3.9.5-"));
}

#[test]
fn a_server_that_serves_answers_every_word() {
    let (_dir, shared) = serving("*");
    for word in word::Word::ALL.iter().filter(|word| **word != Word::TelnetClose) {
        let bytes: WordBytes = word.name().as_bytes().try_into().expect("four letters");
        let text = answer(bytes, &306_i64.to_be_bytes(), &shared);
        assert!(!text.contains(NOT_SERVING), "{}", word.name());
        assert_eq!(text.is_empty(), *word == Word::Hash, "{}", word.name());
    }
    assert!(answer(*b"srvr", &[], &shared).contains("\nMode: standalone\nNode count: 5\n"));
    assert_eq!(answer(*b"isro", &[], &shared), "rw");
    assert_eq!(answer(*b"wchs", &[], &shared), "0 connections watching 0 paths\nTotal watches:0\n");
}

fn is_in_mode(shared: &Shared, mode: &'static str) {
    shared.publish(replica::Status { mode, serving: true, ..replica::Status::default() }, Configurations::default());
}

#[test]
fn a_server_that_can_only_be_read_says_so() {
    let (_dir, shared) = shared_with("srvr,stat", "readonlymode.enabled=true\n");
    assert_eq!(answer(*b"isro", &[], &shared), "null", "the setting allows the word, whatever the list says");
    shared.serving.store(true, Relaxed);
    is_in_mode(&shared, "looking");
    assert_eq!(answer(*b"isro", &[], &shared), "null", "it has begun to serve and not said how");
    is_in_mode(&shared, "read-only");
    assert_eq!(answer(*b"isro", &[], &shared), "ro");
    for word in [b"srvr", b"stat"] {
        let text = answer(*word, &[], &shared);
        let second = text.lines().nth(1);
        assert_eq!(second, Some("READ-ONLY mode; serving only read-only clients"), "{text}");
        assert!(text.contains("\nMode: read-only\n"), "{text}");
    }
    is_in_mode(&shared, "follower");
    assert_eq!(answer(*b"isro", &[], &shared), "rw");
    assert!(!answer(*b"srvr", &[], &shared).contains("READ-ONLY"));
}

#[test]
fn a_leader_that_takes_no_clients_answers_words_all_the_same() {
    let (_dir, shared) = shared_with("*", "leaderServes=no\n");
    is_in_mode(&shared, "follower");
    assert_eq!(answer(*b"srvr", &[], &shared), format!("{NOT_SERVING}\n"), "a follower that does not serve is none");
    is_in_mode(&shared, "leader");
    assert!(answer(*b"srvr", &[], &shared).contains("\nMode: leader\n"));
    assert!(answer(*b"mntr", &[], &shared).contains("\nzk_server_state\tleader\n"));
    assert_eq!(answer(*b"isro", &[], &shared), "null");
}

#[test]
fn the_trace_mask_is_what_was_set() {
    let (_dir, shared) = serving("*");
    assert_eq!(argument_bytes(*b"stmk", &shared), 8);
    assert_eq!(answer(*b"stmk", &306_i64.to_be_bytes(), &shared), "306");
    assert_eq!(answer(*b"gtmk", &[], &shared), "306");
}

#[test]
fn mntr_begins_as_in_apache_and_names_nothing_twice() {
    let (_dir, shared) = serving("*");
    let text = answer(*b"mntr", &[], &shared);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("zk_version\t3.9.5-") && lines[1] == "zk_server_state\tstandalone", "{text}");
    let mut keys: Vec<&str> = lines.iter().map(|line| line.split_once('\t').expect("a tab").0).collect();
    keys.sort_unstable();
    let before = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), before);
    assert!(keys.binary_search(&"zk_znode_count").is_ok());
}
