//! From keys to a configuration: each key on its own, then the keys with each other, the server list and `myid`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use wire::ServerId;
use zab::quorum::{MemberRole, Membership};

use super::effective::{Effective, Sources, text_of};
use super::environment::Environment;
use super::identity::{self, Identity};
use super::keys::{Disposition, Key, Lookup, look_up};
use super::kind::{Kind, Value};
use super::members::{self, Addresses, Members};
use super::origin::Origin;
use super::peers::Template;
use super::problem::{Place, Report};
use super::source::{self, Located};
use super::{
    Config, Implementation, LoadOptions, Mode, Settings, container, digest, host_name, joining, own_line,
    session_timeout_bounds_ms,
};

/// The file's keys, each on its own right or wrong, before they are compared with each other.
pub(super) struct Draft {
    file: Option<PathBuf>,
    place: Place,
    /// What the server list is called in messages.
    list_place: Place,
    template: Option<Template>,
    settings: Settings,
    /// To what and where each honoured key was set.
    sources: Sources,
    /// Keys that were set to something wrong, which has been reported.
    broken: BTreeSet<&'static str>,
    /// Keys of the server list in the static file.
    list: Vec<Located>,
}

impl Draft {
    pub(super) fn read(origin: Origin, report: &mut Report) -> Draft {
        let mut draft = Draft {
            file: origin.file,
            place: origin.place,
            list_place: origin.list,
            template: origin.template,
            settings: Settings::default(),
            sources: Sources::default(),
            broken: BTreeSet::new(),
            list: Vec::new(),
        };
        for entry in origin.entries {
            if !members::is_list_key(&entry.key) {
                let Located { place, key, value } = entry.clone();
                draft.sources.given.push(Effective { key, value, place });
            }
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
                self.sources.set.insert(key.name, (text_of(key.kind, &value), entry.place.clone()));
                self.settings.store(key.name, value);
            }
            Disposition::NoEffect { quiet, reason } => {
                if !is_among(quiet) {
                    report.no_effect(&entry.key, &entry.place, reason);
                }
            }
            Disposition::Refused { unless, reason } => {
                if report.server == Implementation::Apache {
                    report.no_effect(&entry.key, &entry.place, reason);
                } else if !is_among(unless) {
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
    pub(super) fn complete(mut self, options: &LoadOptions, report: &mut Report) -> Option<Config> {
        let environment = &options.environment;
        self.check_keys(report);
        let (mut members, list_place) = self.read_members(report);
        let mode = self.mode(&members, &list_place, report);
        if mode == Mode::Ensemble {
            self.require("initLimit", self.settings.init_limit_ticks.is_some(), "initLimit=10", report);
            self.require("syncLimit", self.settings.sync_limit_ticks.is_some(), "syncLimit=5", report);
        }
        self.require("dataDir", self.settings.data_dir.is_some(), "dataDir=/var/lib/zookeeper", report);
        let identity = self.identity(options, mode, &members, &list_place, report);
        let myid = identity.as_ref().map(|identity| identity.sid);
        let joins = mode == Mode::Ensemble && self.join(environment, myid, &mut members, &list_place, report);
        self.compare_peer_type(myid, &members.membership, report);
        let client = self.client_address(mode, myid, &mut members, report);
        if mode == Mode::Ensemble {
            self.settle_wildcards(environment, myid, &mut members, report);
        }
        let peer_srv = container::peer_srv(environment, report);
        let (client, client_place) = client?;
        let joining = myid.filter(|_| joins).and_then(|sid| members.membership.servers.remove(&sid));
        self.sources.servers = members.places;
        self.sources.list = Some(list_place);
        self.sources.client = Some(client_place);
        Some(Config {
            data_dir: self.settings.data_dir.clone()?,
            settings: self.settings,
            file: self.file,
            mode,
            myid,
            membership: members.membership,
            joining,
            client,
            identity,
            peer_srv,
            sources: self.sources,
        })
    }

    /// Gives a server that the list does not have a line of its own. Answers whether it has got one.
    fn join(
        &self,
        environment: &Environment,
        myid: Option<ServerId>,
        members: &mut Members,
        list: &Place,
        report: &mut Report,
    ) -> bool {
        let is_unlisted = |sid: &ServerId| members.complete && !members.membership.is_member(*sid);
        let Some(sid) = myid.filter(is_unlisted).filter(|_| self.settings.reconfig_enabled) else { return false };
        let Some(data_dir) = self.settings.data_dir.as_deref() else { return false };
        let around = joining::Around {
            sid,
            join_as: self.settings.join_as.as_deref().map(|line| (line, self.place_of("joinAs"))),
            template: self.template.as_ref(),
            file: self.file.as_deref(),
            data_dir,
            environment,
            list,
        };
        joining::add(&around, members, report)
    }

    fn identity(
        &self,
        options: &LoadOptions,
        mode: Mode,
        members: &Members,
        list: &Place,
        report: &mut Report,
    ) -> Option<Identity> {
        let question = identity::Question {
            data_dir: self.settings.data_dir.as_deref()?,
            given: options.overrides.myid.as_deref(),
            environment: &options.environment,
            template: self.template.as_ref(),
            membership: &members.membership,
            listed: &members.places,
            list,
            from_environment: self.file.is_none(),
            may_join: self.settings.reconfig_enabled,
            ensemble: mode == Mode::Ensemble,
            extended_types: self.settings.extended_types_enabled,
        };
        identity::find(&question, report)
    }

    fn client_address(
        &self,
        mode: Mode,
        myid: Option<ServerId>,
        members: &mut Members,
        report: &mut Report,
    ) -> Option<(zab::quorum::ClientAddress, Place)> {
        let around = own_line::Around {
            settings: &self.settings,
            mode,
            myid,
            client_port: self.sources.set.get("clientPort").map(|(_, place)| place),
            place: &self.place,
            client_port_is_broken: self.broken.contains("clientPort"),
            from_environment: self.file.is_none(),
        };
        own_line::client_address(&around, members, report)
    }

    /// Where quorum and election port listen on every interface: where the own line says so, and in a container, whose
    /// name may have an address that is not its own, or none yet.
    fn settle_wildcards(
        &mut self,
        environment: &Environment,
        myid: Option<ServerId>,
        members: &mut Members,
        report: &mut Report,
    ) {
        let from_environment = self.file.is_none();
        own_line::report_foreign_wildcards(myid, from_environment, members, report);
        let name = host_name::of(environment).map(|(_, name)| name);
        let told = own_line::publish_host_name(myid, name, members, report);
        let key = "quorumListenOnAllIPs";
        let in_container = container::is_container(environment, from_environment, report);
        let is_set = self.sources.set.contains_key(key);
        if let Some(place) = told.or((in_container && !is_set).then_some(container::DEFAULT)) {
            self.settings.quorum_listen_on_all_ips = true;
            self.sources.set.insert(key, (true.to_string(), place));
        }
    }

    /// The place of a key if it was set, else the file.
    fn place_of(&self, key: &str) -> &Place {
        self.sources.set.get(key).map_or(&self.place, |(_, place)| place)
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
            let key =
                ["minSessionTimeout", "maxSessionTimeout"].into_iter().find(|key| self.sources.set.contains_key(key));
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
        if let Some(digest) = self.settings.super_digest.as_deref()
            && let Err(reason) = digest::check(digest, self.settings.digest_algorithm)
        {
            let key = "DigestAuthenticationProvider.superDigest";
            report.problem(self.place_of(key), format_args!("{key}: {reason}"));
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
            return (members::read(&self.list, &self.list_place, addresses, report), self.list_place.clone());
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
            // Nobody asked for more than one.
            (1, true) if matches!(list, Place::Default(_)) => {}
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
        // Whoever wants to join somebody is not alone.
        let joins = self.settings.join_as.is_some() && self.settings.reconfig_enabled;
        if voters > 1 || !self.settings.standalone_enabled || joins { Mode::Ensemble } else { Mode::Standalone }
    }

    /// `QuorumPeerConfig.setupPeerType`: the server list decides.
    fn compare_peer_type(&self, myid: Option<ServerId>, membership: &Membership, report: &mut Report) {
        let listed = myid.and_then(|sid| membership.role(sid)).unwrap_or(MemberRole::Participant);
        let told = self.settings.peer_type;
        if self.sources.set.contains_key("peerType") && told != listed {
            report.warning(format_args!(
                "key peerType ({}) is {told}, but the server list makes this server a {listed}; the list decides",
                self.place_of("peerType")
            ));
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
