//! From keys to a configuration: each key on its own, then the keys with each other, the server list and `myid`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use wire::ServerId;
use zab::quorum::{ClientAddress, MemberRole, Membership, PeerAddress};

use super::keys::{Disposition, Key, Lookup, look_up};
use super::kind::{Kind, Value};
use super::members::{self, Addresses, Members};
use super::problem::{Place, Report};
use super::source::{self, Located};
use super::{Config, Mode, Overrides, Settings, myid, session_timeout_bounds_ms};

/// The file's keys, each on its own right or wrong, before they are compared with each other.
pub(super) struct Draft {
    file: PathBuf,
    place: Place,
    settings: Settings,
    /// Where each honoured key was set.
    places: BTreeMap<&'static str, Place>,
    /// Keys that were set to something wrong, which has been reported.
    broken: BTreeSet<&'static str>,
    /// Keys of the server list in the static file.
    list: Vec<Located>,
}

impl Draft {
    pub(super) fn read(file: &Path, entries: Vec<Located>, report: &mut Report) -> Draft {
        let mut draft = Draft {
            file: file.to_owned(),
            place: Place::file(&file.display().to_string()),
            settings: Settings::default(),
            places: BTreeMap::new(),
            broken: BTreeSet::new(),
            list: Vec::new(),
        };
        for entry in entries {
            match look_up(&entry.key) {
                Lookup::Known(_) if members::is_list_key(&entry.key) => draft.list.push(entry),
                Lookup::Known(key) => draft.apply(key, &entry, report),
                Lookup::NearMiss(known) => {
                    report.problem(&entry.place, format_args!("unknown key `{}`: did you mean `{known}`?", entry.key))
                }
                Lookup::Unknown => warn_unknown(&entry, report),
            }
        }
        draft
    }

    fn apply(&mut self, key: &'static Key, entry: &Located, report: &mut Report) {
        let value = match key.kind.read(&entry.value) {
            Ok(value) => value,
            Err(expected) => {
                report
                    .problem(&entry.place, format_args!("{}: found `{}`, expected {expected}", entry.key, entry.value));
                self.broken.insert(key.name);
                return;
            }
        };
        let is_among = |values: &[&str]| values.iter().any(|value| value.eq_ignore_ascii_case(&entry.value));
        match key.disposition {
            Disposition::Honoured => {
                let value = raise_to_floor(key, value, entry, report);
                self.settings.store(key.name, value);
                self.places.insert(key.name, entry.place.clone());
            }
            Disposition::NoEffect { quiet, reason } => {
                if !is_among(quiet) {
                    report.no_effect(&entry.key, &entry.place, reason);
                }
            }
            Disposition::Refused { unless, reason } => {
                if !is_among(unless) {
                    let remedy = match unless {
                        [value] => format!(" or set it to {value}"),
                        _ => String::new(),
                    };
                    report.problem(
                        &entry.place,
                        format_args!("key `{}` is refused: {reason}; remove it{remedy}", entry.key),
                    );
                }
            }
        }
    }

    /// Compares the keys with each other, then reads the dynamic file and `myid`. `None` only if there are problems.
    pub(super) fn complete(mut self, overrides: &Overrides, report: &mut Report) -> Option<Config> {
        self.check_keys(report);
        let (mut members, list_place) = self.read_members(report);
        let mode = self.mode(&members, &list_place, report);
        if mode == Mode::Ensemble {
            self.require("initLimit", self.settings.init_limit_ticks.is_some(), "initLimit=10", report);
            self.require("syncLimit", self.settings.sync_limit_ticks.is_some(), "syncLimit=5", report);
        }
        self.require("dataDir", self.settings.data_dir.is_some(), "dataDir=/var/lib/zookeeper", report);
        let data_dir = self.settings.data_dir.clone();
        let expected = myid::Expectations {
            listed: &members.places,
            list: &list_place,
            ensemble: mode == Mode::Ensemble,
            extended_types: self.settings.extended_types_enabled,
        };
        let myid = data_dir.as_deref().and_then(|dir| myid::read(dir, overrides.myid.as_deref(), &expected, report));
        self.compare_peer_type(myid, &members.membership, report);
        let client = self.client_address(mode, myid, &mut members, report)?;
        Some(Config {
            settings: self.settings,
            file: self.file,
            mode,
            myid,
            membership: members.membership,
            client,
            data_dir: data_dir?,
        })
    }

    /// The place of a key if it was set, else the file.
    fn place_of(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&self.place)
    }

    /// Reports a key that must be set.
    fn require(&self, key: &str, is_set: bool, example: &str, report: &mut Report) {
        if !is_set && !self.broken.contains(key) {
            report.problem(&self.place, format_args!("{key} is missing: add a line such as {example}"));
        }
    }

    /// Rules between keys of the static file.
    fn check_keys(&mut self, report: &mut Report) {
        let (min, max) = session_timeout_bounds_ms(&self.settings);
        if min > max {
            let key = ["minSessionTimeout", "maxSessionTimeout"].into_iter().find(|key| self.places.contains_key(key));
            let place = self.place_of(key.unwrap_or("tickTime")).clone();
            report.problem(
                &place,
                format_args!(
                    "minSessionTimeout ({min} ms) is larger than maxSessionTimeout ({max} ms); exchange or correct them"
                ),
            );
        }
        let (first, longest) = (self.settings.notification_interval_ms_min, self.settings.notification_interval_ms_max);
        if first > longest {
            let place = self.place_of("fastleader.minNotificationInterval").clone();
            report.problem(
                &place,
                format_args!(
                    "fastleader.minNotificationInterval ({first} ms) is larger than \
                     fastleader.maxNotificationInterval ({longest} ms); exchange or correct them"
                ),
            );
        }
        if self.settings.client_port_address.is_some() {
            let place = self.place_of("clientPortAddress").clone();
            if self.settings.client_port.is_none() && !self.broken.contains("clientPort") {
                self.broken.insert("clientPort");
                report.problem(
                    &place,
                    "clientPortAddress is set but clientPort is not: add a line such as clientPort=2181",
                );
            }
        }
        // The value is a secret's hash: it is not repeated in the message.
        let digest = self.settings.super_digest.as_deref();
        if digest.is_some_and(|digest| !digest.contains(':')) {
            let key = "DigestAuthenticationProvider.superDigest";
            report.problem(self.place_of(key), format_args!("{key}: expected `user:hash`, found a text without `:`"));
        }
        for (key, path) in [("dataDir", &self.settings.data_dir), ("dataLogDir", &self.settings.data_log_dir)] {
            if let Some(path) = path.as_deref().filter(|path| path.is_relative() && !path.starts_with(".")) {
                report.warning(format_args!(
                    "key {key} ({}) is the relative path {}: it depends on where the server is started; \
                     write ./ in front of it if that is meant",
                    self.place_of(key),
                    path.display()
                ));
            }
        }
    }

    /// The server list, from the dynamic file if there is one, and the place of its file.
    fn read_members(&self, report: &mut Report) -> (Members, Place) {
        let addresses = if self.settings.multi_address_enabled { Addresses::Several } else { Addresses::One };
        let Some(path) = &self.settings.dynamic_config_file else {
            return (members::read(&self.list, &self.place, addresses, report), self.place.clone());
        };
        for entry in &self.list {
            report.problem(
                &entry.place,
                format_args!(
                    "{} must stand in {} because dynamicConfigFile is set: move the line there",
                    entry.key,
                    path.display()
                ),
            );
        }
        let place = Place::file(&path.display().to_string());
        let entries = source::without_duplicates(
            source::read_file(
                path,
                &format!("; it is named by dynamicConfigFile ({})", self.place_of("dynamicConfigFile")),
                report,
            ),
            report,
        );
        let version = members::check_dynamic_file(path, &entries, report);
        let list: Vec<Located> = entries.into_iter().filter(|entry| members::is_list_key(&entry.key)).collect();
        let mut members = members::read(&list, &place, addresses, report);
        members.membership.version = version;
        (members, place)
    }

    /// `QuorumPeerConfig.parseDynamicConfig` and `isDistributed`.
    fn mode(&self, members: &Members, list: &Place, report: &mut Report) -> Mode {
        if !members.complete {
            // Errors in the list have been reported. What it was meant to be is enough to check the rest.
            let alone = members.places.len() <= 1 && self.settings.standalone_enabled;
            return if alone { Mode::Standalone } else { Mode::Ensemble };
        }
        let voters = members.membership.voters().count();
        let observers = members.membership.observers().count();
        match (voters, self.settings.standalone_enabled) {
            (0, false) => report.problem(
                self.place_of("standaloneEnabled"),
                "standaloneEnabled=false needs a participant: add a line such as server.1=localhost:2888:3888",
            ),
            (0, true) if observers > 0 => {
                report.problem(list, "there are observers but no participants: add participants for them to follow");
            }
            (1, true) if observers > 0 => report.problem(
                list,
                "there are observers but only one participant: add participants, or set standaloneEnabled=false",
            ),
            (1, true) => report.warning(format_args!(
                "{list} lists only one server; it runs standalone (standaloneEnabled=false makes it an ensemble of one)"
            )),
            (1 | 2, _) => report.warning(format_args!(
                "an ensemble with {voters} {} stops when one fails; three are needed to go on",
                if voters == 1 { "participant" } else { "participants" }
            )),
            (even, _) if even > 2 && even % 2 == 0 => report.warning(format_args!(
                "an ensemble of {even} participants survives no more failures than one of {}; choose an odd number",
                even - 1
            )),
            _ => {}
        }
        if voters > 1 || !self.settings.standalone_enabled { Mode::Ensemble } else { Mode::Standalone }
    }

    /// `QuorumPeerConfig.setupPeerType`: the server list decides.
    fn compare_peer_type(&self, myid: Option<ServerId>, membership: &Membership, report: &mut Report) {
        let listed = myid.and_then(|sid| membership.role(sid)).unwrap_or(MemberRole::Participant);
        let told = self.settings.peer_type;
        if self.places.contains_key("peerType") && told != listed {
            report.warning(format_args!(
                "key peerType ({}) is {told}, but the server list makes this server a {listed}; the list decides",
                self.place_of("peerType")
            ));
        }
    }

    /// `QuorumPeerConfig.setupClientPort`: this server's line and the static keys must agree; either is enough.
    fn client_address(
        &self,
        mode: Mode,
        myid: Option<ServerId>,
        members: &mut Members,
        report: &mut Report,
    ) -> Option<ClientAddress> {
        let host = self.settings.client_port_address.clone().unwrap_or_else(|| "0.0.0.0".to_owned());
        let from_keys = self.settings.client_port.map(|port| ClientAddress { host, port, from_static: true });
        // A standalone server may have one line and no myid: the line can only mean itself.
        let servers = &mut members.membership.servers;
        let only = (mode == Mode::Standalone).then(|| servers.keys().next().copied()).flatten();
        let own = myid.filter(|sid| servers.contains_key(sid)).or(only);
        let Some((sid, spec)) = own.and_then(|sid| Some((sid, servers.get_mut(&sid)?))) else {
            let could_be_in_the_list = !members.places.is_empty();
            if !could_be_in_the_list {
                self.require("clientPort", from_keys.is_some(), "clientPort=2181", report);
            }
            return from_keys;
        };
        let place = members.places.get(&sid).unwrap_or(&self.place);
        match (&spec.client, from_keys) {
            (None, None) => {
                let example = format!("clientPort=2181, or write ;2181 at the end of server.{sid} ({place})");
                self.require("clientPort", false, &example, report);
                None
            }
            (None, Some(client)) => {
                let in_use =
                    |address: &PeerAddress| address.quorum_port == client.port || address.election_port == client.port;
                if mode == Mode::Ensemble && spec.addresses.iter().any(in_use) {
                    report.problem(
                        self.place_of("clientPort"),
                        format_args!(
                            "clientPort {} is also a port of server.{sid} ({place}); choose another",
                            client.port
                        ),
                    );
                }
                spec.client = Some(client.clone());
                Some(client)
            }
            (Some(line), None) => Some(line.clone()),
            (Some(line), Some(keys)) => {
                if line.port != keys.port || are_different_addresses(&line.host, &keys.host) {
                    report.problem(
                        self.place_of("clientPort"),
                        format_args!(
                            "the client address {keys} differs from {line} in server.{sid} ({place}): \
                             remove clientPort or correct it"
                        ),
                    );
                }
                Some(line.clone())
            }
        }
    }
}

/// Apache takes the smallest useful number for a smaller one.
fn raise_to_floor(key: &Key, value: Value, entry: &Located, report: &mut Report) -> Value {
    match (key.kind, value) {
        (Kind::AtLeast { floor }, Value::Int(n)) if n < floor => {
            report.warning(format_args!(
                "key {} ({}) is {n}, which is too small; {floor} is used",
                entry.key, entry.place
            ));
            Value::Int(floor)
        }
        (_, value) => value,
    }
}

/// Whether both are literal addresses, not the same, and the static one not every interface. Names would have to be
/// resolved to be compared; there the server's line counts.
fn are_different_addresses(line: &str, key: &str) -> bool {
    let (line, key) = (line.parse::<std::net::IpAddr>(), key.parse::<std::net::IpAddr>());
    matches!((line, key), (Ok(line), Ok(key)) if line != key && !key.is_unspecified())
}

/// Apache turns an unknown key K into the Java property `zookeeper.K`, which nothing reads.
fn warn_unknown(entry: &Located, report: &mut Report) {
    let stripped = entry.key.strip_prefix("zookeeper.").map(look_up);
    match stripped {
        Some(Lookup::Known(_)) => report.no_effect(
            &entry.key,
            &entry.place,
            format_args!("in this file keys are written without the prefix, `{}`", &entry.key["zookeeper.".len()..]),
        ),
        _ => report.no_effect(&entry.key, &entry.place, "ZooKeeper 3.9 knows no such key"),
    }
}
