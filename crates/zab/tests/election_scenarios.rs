//! Scripted elections: each file of `tests/data/election-*.txt` is a conversation of commands and the exact output expected
//! beneath each block. `ZOOKUBE_REWRITE=1` writes the output that was found; a human reads the diff.
//!
//! | command | meaning |
//! | --- | --- |
//! | `ensemble 1 2 3 observer=4 group.1=1:2 weight.1=0` | the members; comes first |
//! | `start 1 zxid=0x100000003 epoch=1` | a process begins, and looks |
//! | `look 1 2` | running servers begin to look again |
//! | `kill 3` | a process ends |
//! | `established 1 2 epoch=1` | servers learn the epoch of their leader |
//! | `cut 1 from 2 3`, `heal` | the network |
//! | `evidence` | from now on servers learn who is gone; without it they are met with silence, as after a loss of power |
//! | `lose 1->2`, `repeat 1->2` | the next message is lost, or arrives twice |
//! | `hold 1->2`, `release 1->2`, `release 1->2 reversed` | messages wait, then arrive |
//! | `say 3->1 FOLLOWING leader=2 zxid=0 round=4 epoch=1 version=0 config=…` | a message from outside |
//! | `run 500` | time passes |
//! | `status` | what every server believes |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

#[path = "election/world.rs"]
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use wire::election::{Notification, ServerState};
use wire::{Epoch, ServerId, Zxid};
use world::World;
use zab::election::InitialVote;
use zab::quorum::Membership;

type Link = (ServerId, ServerId);

/// Scripted faults of single messages: how many copies arrive.
type Faults = Rc<RefCell<BTreeMap<Link, Vec<usize>>>>;

struct Script {
    world: Option<World>,
    faults: Faults,
}

#[test]
fn scenarios() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut paths: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("election-") && path.extension().is_some_and(|extension| extension == "txt")
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scenarios in {}", directory.display());
    let rewrite = std::env::var_os("ZOOKUBE_REWRITE").is_some();
    let mut failures = String::new();
    for path in paths {
        let expected = std::fs::read_to_string(&path).unwrap();
        let found = play(&expected);
        if expected == found {
            continue;
        }
        if rewrite {
            #[allow(clippy::disallowed_methods, reason = "a test that updates its data")]
            std::fs::write(&path, &found).unwrap();
        } else {
            failures.push_str(&first_difference(&path, &expected, &found));
        }
    }
    assert!(failures.is_empty(), "{failures}hint: ZOOKUBE_REWRITE=1 writes what was found");
}

fn first_difference(path: &Path, expected: &str, found: &str) -> String {
    let (mut expected, mut found) = (expected.lines(), found.lines());
    let mut line = 0;
    loop {
        line += 1;
        let (want, have) = (expected.next(), found.next());
        if want != have {
            return format!("{}:{line}: expected {want:?}, found {have:?}\n", path.display());
        }
    }
}

/// Runs the commands of a file and answers the file with the output they gave.
fn play(text: &str) -> String {
    let mut script = Script { world: None, faults: Rc::default() };
    let mut result = String::new();
    let mut in_output = false;
    for line in text.lines() {
        if line.is_empty() {
            in_output = false;
            result.push('\n');
        } else if line == "----" {
            in_output = true;
            result.push_str("----\n");
            result.push_str(&std::mem::take(&mut script.world().trace));
        } else if !in_output {
            result.push_str(line);
            result.push('\n');
            if !line.starts_with('#') {
                script.command(line);
            }
        }
    }
    assert!(script.world().trace.is_empty(), "the last commands have no output block");
    result
}

fn sid(word: &str) -> ServerId {
    ServerId(word.parse().unwrap_or_else(|_| panic!("`{word}` is not a server id")))
}

fn link(word: &str) -> Link {
    let (from, to) = word.split_once("->").unwrap_or_else(|| panic!("`{word}` is not a link"));
    (sid(from), sid(to))
}

fn number(word: &str) -> i64 {
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => word.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("`{word}` is not a number"))
}

fn option(words: &[&str], key: &str) -> Option<i64> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')).map(number)
}

fn sids(words: &[&str]) -> Vec<ServerId> {
    words.iter().filter(|word| !word.contains('=')).map(|word| sid(word)).collect()
}

fn state(word: &str) -> ServerState {
    let states = [ServerState::Looking, ServerState::Following, ServerState::Leading, ServerState::Observing];
    let named = |state: &ServerState| format!("{state:?}").to_uppercase() == word;
    states.into_iter().find(named).unwrap_or_else(|| panic!("`{word}` is not a state"))
}

impl Script {
    fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("the first command is `ensemble`")
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (verb, rest) = words.split_first().unwrap();
        match *verb {
            "ensemble" => self.ensemble(rest),
            "start" => {
                let zxid = Zxid(option(rest, "zxid").unwrap_or(0));
                let peer_epoch = Epoch(option(rest, "epoch").unwrap_or(0));
                for sid in sids(rest) {
                    self.world().start(sid, InitialVote { zxid, peer_epoch, is_blank: false });
                }
            }
            "look" => sids(rest).into_iter().for_each(|sid| self.world().look(sid)),
            "kill" => sids(rest).into_iter().for_each(|sid| self.world().kill(sid)),
            "established" => {
                let epoch = Epoch(option(rest, "epoch").expect("`established` needs an epoch"));
                sids(rest).into_iter().for_each(|sid| self.world().established(sid, epoch));
            }
            "cut" => {
                assert_eq!(rest[1], "from", "cut A from B C");
                sids(&rest[2..]).into_iter().for_each(|other| self.world().cut(sid(rest[0]), other));
            }
            "evidence" => self.world().evidence = true,
            "heal" => self.world().heal(),
            "lose" => self.faults.borrow_mut().entry(link(rest[0])).or_default().push(0),
            "repeat" => self.faults.borrow_mut().entry(link(rest[0])).or_default().push(2),
            "hold" => rest.iter().for_each(|word| self.world().hold(link(word).0, link(word).1)),
            "release" => {
                let (from, to) = link(rest[0]);
                self.world().release(from, to, rest.get(1) == Some(&"reversed"));
            }
            "say" => self.say(rest),
            "run" => {
                let end = self.world().now.plus(number(rest[0]));
                self.world().run_until(end);
            }
            "status" => self.status(),
            other => panic!("`{other}` is not a command"),
        }
    }

    fn ensemble(&mut self, words: &[&str]) {
        let mut text = String::new();
        for word in words {
            let (id, role) = match word.strip_prefix("observer=") {
                Some(id) => (id, "observer"),
                None => (*word, "participant"),
            };
            if word.starts_with("group") || word.starts_with("weight") {
                text.push_str(word);
            } else {
                text.push_str(&format!("server.{id}=zk{id}:2888:3888:{role}"));
            }
            text.push('\n');
        }
        let faults = Rc::clone(&self.faults);
        let fate = move |from, to| {
            let mut faults = faults.borrow_mut();
            let queue = faults.entry((from, to)).or_default();
            let copies = if queue.is_empty() { 1 } else { queue.remove(0) };
            vec![1; copies]
        };
        let mut world = World::new(Membership::parse(&text).unwrap(), Box::new(fate));
        world.evidence = false;
        self.world = Some(world);
    }

    fn say(&mut self, words: &[&str]) {
        let (from, to) = link(words[0]);
        let version = option(words, "version").unwrap_or(i64::from(Notification::VERSION));
        let config = match option(words, "config") {
            Some(version) => Membership { version, ..Membership::parse("server.9=zk9:2888:3888").unwrap() },
            None => self.world().membership.clone(),
        };
        let message = Notification {
            state: state(words[1]),
            leader: ServerId(option(words, "leader").unwrap()),
            zxid: Zxid(option(words, "zxid").unwrap_or(0)),
            round: option(words, "round").unwrap(),
            peer_epoch: Epoch(option(words, "epoch").unwrap_or(0)),
            version: i32::try_from(version).unwrap(),
            config: Some(config.to_text()),
        };
        self.world().deliver(from, to, message);
    }

    fn status(&mut self) {
        let world = self.world();
        let mut lines = Vec::new();
        for (sid, server) in &world.servers {
            let state = format!("{:?}", server.election.state()).to_uppercase();
            let (vote, clock) = (server.election.current_vote(), server.election.round());
            lines.push(format!("{sid} {state}, clock {clock}, current vote {vote}"));
        }
        for line in lines {
            world.say(&line);
        }
    }
}
