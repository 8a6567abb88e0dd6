//! Scripted broadcasts: each file of `tests/data/zab-*.txt` is a conversation of commands and the exact output expected beneath
//! each block. `ZOOKUBE_REWRITE=1` writes the output that was found; a human reads the diff. Pings and votes are not printed.
//! Every delay is fixed: 1 ms for a packet, 2 ms for a disk. A tick is 100 ms, `initLimit` 10 and `syncLimit` 5 ticks.
//!
//! | command | meaning |
//! | --- | --- |
//! | `ensemble 1 2 3 observer=4` | the members; comes first |
//! | `syncs diffs=1 snaps=1` | how many observers may synchronize at the same time |
//! | `pause 200` | the longest pause of an observer that has lost its link, ms |
//! | `counters 6` | how many zxids an epoch has |
//! | `apache 2` | servers that introduce themselves as Apache's |
//! | `masters` | observers hang on followers |
//! | `start 1`, `kill 1`, `stop 1` | a process begins, dies (its disk loses what was not synced), or is asked to end |
//! | `epochs 1 accepted=2 current=1` | what the files of a server say that does not run |
//! | `wipe 1` | a server that does not run loses its disk |
//! | `propose x y` | at every server that broadcasts; `big1` has more than 9 MiB |
//! | `stall 1`, `resume 1` | a disk begins nothing new, or goes on |
//! | `slow 1 300` | a disk needs that many ms for each write |
//! | `cut 1 from 2 3`, `heal` | the network |
//! | `evidence` | from now on servers learn whose process has ended; without it they are met with silence |
//! | `break 1 keeping 2` | the links of a server break; two of the packets under way to it still arrive |
//! | `freeze 3` | nothing moves on the links of a server until `heal` |
//! | `sync 2` | a learner asks its leader for a sync |
//! | `logged 3 a zxid=0x100000001` | what the disk of a scripted learner holds |
//! | `dial 3`, `say 3 ACKEPOCH zxid=0x0 current=0` | a scripted learner in place of server 3 speaks to the leader |
//! | `progress 3` | bytes of a snapshot move on the leader's link to a scripted learner |
//! | `pings` | from here on pings are printed |
//! | `run 500` | time passes |
//! | `quiet 500` | time passes; nothing since the last block is printed |
//! | `status` | what every server believes |

use std::path::Path;

use bytes::Bytes;
use wire::quorum::{LearnerInfo, PROTOCOL_VERSION, PacketType, QuorumPacket, ack_epoch};
use wire::{Epoch, ServerId, Zxid};
use zab::quorum::Membership;
use zab::{Epochs, SyncLimits};

use crate::support::disk::{Entry, Lane, tag};
use crate::support::render;
use crate::support::world::{Weather, World};

#[test]
fn scenarios() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut paths: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("zab-") && path.extension().is_some_and(|extension| extension == "txt")
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scenarios in {}", directory.display());
    let rewrite = std::env::var_os("ZOOKUBE_REWRITE").is_some();
    let mut failures = String::new();
    for path in paths {
        let expected = std::fs::read_to_string(&path).unwrap();
        let found = play(&path, &expected);
        if expected == found {
            continue;
        }
        if rewrite {
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
fn play(path: &Path, text: &str) -> String {
    let mut script = Script { world: None };
    let mut result = String::new();
    let mut in_output = false;
    for line in text.lines() {
        if line.is_empty() {
            in_output = false;
            result.push('\n');
        } else if line == "----" {
            in_output = true;
            result.push_str("----\n");
            result.push_str(&script.world().trace.replace(String::new()).unwrap());
        } else if !in_output {
            result.push_str(line);
            result.push('\n');
            if !line.starts_with('#') {
                script.command(line);
            }
        }
        if let Some(violation) = script.world.as_ref().and_then(|world| world.violation.as_ref()) {
            panic!("{} at `{line}`: {violation}", path.display());
        }
    }
    let rest = script.world().trace.take().unwrap();
    assert!(rest.is_empty(), "{}: the last commands have no output block", path.display());
    result
}

struct Script {
    world: Option<World>,
}

fn sid(word: &str) -> ServerId {
    ServerId(word.parse().unwrap_or_else(|_| panic!("`{word}` is not a server id")))
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

impl Script {
    fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("the first command is `ensemble`")
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (verb, rest) = words.split_first().unwrap();
        let sids = |words: &[&str]| words.iter().map(|word| sid(word)).collect::<Vec<_>>();
        match *verb {
            "ensemble" => self.ensemble(rest),
            "start" => sids(rest).into_iter().for_each(|sid| self.world().start(sid)),
            "kill" => sids(rest).into_iter().for_each(|sid| self.world().kill(sid)),
            "stop" => sids(rest).into_iter().for_each(|sid| self.world().stop(sid)),
            "epochs" => {
                let epoch = |key| Epoch(option(rest, key).unwrap());
                let epochs = Epochs { accepted: epoch("accepted"), current: epoch("current") };
                self.world().servers.get_mut(&sid(rest[0])).unwrap().disk.epochs = epochs;
            }
            "wipe" => self.world().wipe(sid(rest[0])),
            "propose" => self.propose(rest),
            "stall" => self.world().stall_disk(sid(rest[0]), &[Lane::Log, Lane::Files]),
            "resume" => self.world().stall_disk(sid(rest[0]), &[]),
            "slow" => {
                let ms = number(rest[1]);
                self.world().servers.get_mut(&sid(rest[0])).unwrap().disk.latency_ms = (ms, ms);
            }
            "cut" => {
                assert_eq!(rest[1], "from", "cut A from B C");
                sids(&rest[2..]).into_iter().for_each(|other| self.world().cut(sid(rest[0]), other));
            }
            "freeze" => {
                for id in self.world().links_of(sid(rest[0])) {
                    self.world().freeze(id);
                }
            }
            "break" => {
                let packets = usize::try_from(number(rest[2])).unwrap();
                self.world().break_links_of(sid(rest[0]), packets);
            }
            "evidence" => self.world().evidence = true,
            "heal" => self.world().heal(),
            "sync" => self.world().sync(sid(rest[0])),
            "dial" => {
                let leader = self.leader();
                self.world().dial(sid(rest[0]), leader);
            }
            "say" => self.say(sid(rest[0]), rest),
            "progress" => {
                let leader = self.leader();
                self.world().progress(leader, sid(rest[0]));
            }
            "logged" => {
                let entry = Entry { zxid: Zxid(option(rest, "zxid").unwrap()), tag: tag(rest[1]) };
                self.world().servers.get_mut(&sid(rest[0])).unwrap().disk.list.push(entry);
            }
            "pings" => self.world().trace_pings = true,
            "run" => self.world().run(number(rest[0])),
            "quiet" => {
                self.world().run(number(rest[0]));
                self.world().trace = Some(String::new());
            }
            "status" => self.status(),
            _ => self.set(verb, rest),
        }
    }

    fn set(&mut self, verb: &str, rest: &[&str]) {
        match verb {
            "syncs" => {
                let max = |key| usize::try_from(option(rest, key).unwrap()).unwrap();
                self.world().observers.sync_limits = SyncLimits { diffs_max: max("diffs"), snaps_max: max("snaps") };
            }
            "pause" => self.world().observers.election_delay_ms_max = number(rest[0]),
            "counters" => self.world().counter_max = u32::try_from(number(rest[0])).unwrap(),
            "apache" => self.world().apaches.extend(rest.iter().map(|word| sid(word))),
            "masters" => self.world().observers.masters = true,
            other => panic!("`{other}` is not a command"),
        }
    }

    fn propose(&mut self, words: &[&str]) {
        for word in words {
            for sid in self.world().proposers() {
                self.world().propose(sid, tag(word));
            }
        }
    }

    fn ensemble(&mut self, words: &[&str]) {
        let mut text = String::new();
        for word in words {
            let (id, role) = match word.strip_prefix("observer=") {
                Some(id) => (id, "observer"),
                None => (*word, "participant"),
            };
            text.push_str(&format!("server.{id}=zk{id}:2888:3888:{role}\n"));
        }
        let mut world = World::new(Membership::parse(&text).unwrap(), Weather::CALM, 1);
        world.evidence = false;
        world.commit_log_count = 1;
        world.trace = Some(String::new());
        self.world = Some(world);
    }

    fn leader(&mut self) -> ServerId {
        let leads = |peer: &zab::Peer| peer.leading().is_some();
        let servers = &self.world().servers;
        let found = servers.iter().find(|(_, server)| server.peer.as_ref().is_some_and(leads));
        *found.expect("somebody leads").0
    }

    fn say(&mut self, from: ServerId, words: &[&str]) {
        let zxid = Zxid(option(words, "zxid").unwrap_or(0));
        let packet = match words[1] {
            "FOLLOWERINFO" => {
                let info = LearnerInfo { sid: from, protocol_version: PROTOCOL_VERSION, config_version: 0 };
                let accepted = Epoch(option(words, "accepted").unwrap());
                QuorumPacket::with_data(PacketType::FollowerInfo, accepted.start(), info.to_bytes())
            }
            "ACKEPOCH" => {
                QuorumPacket::with_data(PacketType::AckEpoch, zxid, ack_epoch(option(words, "current").map(Epoch)))
            }
            "ACK" => QuorumPacket::bare(PacketType::Ack, zxid),
            "PING" => QuorumPacket::with_data(PacketType::Ping, zxid, Bytes::new()),
            other => panic!("`{other}` is not a packet a learner sends"),
        };
        self.world().say_packet(from, packet);
    }

    fn status(&mut self) {
        let world = self.world();
        let mut lines = Vec::new();
        for (sid, server) in &world.servers {
            let state = server.peer.as_ref().map_or("down", |peer| peer.state_name());
            let applied = server.applied.iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>().join(", ");
            lines.push(format!("{sid}: {state}, {}, applied [{applied}]", render::epochs(server.disk.epochs)));
        }
        for line in lines {
            world.say(|| line);
        }
    }
}
