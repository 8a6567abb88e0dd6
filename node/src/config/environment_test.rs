//! Configurations that come from the environment and are accepted.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;
use wire::ServerId;
use zab::quorum::MemberRole;

use super::*;

pub(super) const THREE: &str = "server.1=zk1:2888:3888;2181 server.2=zk2:2888:3888;2181 server.3=zk3:2888:3888;2181";
pub(super) const PEERS: &str = "zk-{ordinal}.zk-headless:2888:3888";

/// An environment with a data directory of its own, for which `@` stands in values and messages.
pub(super) struct Surroundings {
    directory: TempDir,
    options: LoadOptions,
}

/// Variables with the data directory `@`; `HOST` is the name of the host.
pub(super) fn with(variables: &[(&str, &str)]) -> Surroundings {
    let mut surroundings = bare(variables);
    let directory = surroundings.path();
    surroundings.options.environment.variables.entry("ZOO_DATA_DIR".to_owned()).or_insert(directory);
    surroundings
}

/// Nothing but these variables.
pub(super) fn bare(variables: &[(&str, &str)]) -> Surroundings {
    let directory = TempDir::new().unwrap();
    let path = directory.path().to_str().unwrap();
    let mut options = LoadOptions::default();
    for (name, value) in variables {
        match *name {
            "HOST" => options.environment.host_name = Some((*value).to_owned()),
            name => _ = options.environment.variables.insert(name.to_owned(), value.replace('@', path)),
        }
    }
    Surroundings { directory, options }
}

impl Surroundings {
    fn path(&self) -> String {
        self.directory.path().to_str().unwrap().to_owned()
    }

    fn with_file(self, name: &str, text: &str) -> Surroundings {
        fs::write(self.directory.path().join(name), text.replace('@', &self.path())).unwrap();
        self
    }

    pub(super) fn with_myid(self, myid: &str) -> Surroundings {
        self.with_file("myid", myid)
    }

    fn load(&self) -> Result<(Config, Vec<String>), Vec<String>> {
        let plain = |text: String| text.replace(&self.path(), "@");
        match load(&self.options) {
            Ok((config, warnings)) => Ok((config, warnings.iter().map(|warning| plain(warning.to_string())).collect())),
            Err(error) => Err(error.problems.iter().map(|problem| plain(problem.to_string())).collect()),
        }
    }

    #[track_caller]
    fn check_warnings(&self, expected: &[&str]) -> Config {
        let (config, warnings) = self.load().unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert_eq!(warnings, expected);
        config
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{problems:#?}")).0
    }

    #[track_caller]
    pub(super) fn check_errors(&self, expected: &[&str]) {
        match self.load() {
            Ok((config, _)) => panic!("accepted as {}, expected {expected:#?}", config.described()),
            Err(found) => assert_eq!(found, expected),
        }
    }

    #[track_caller]
    fn check_id(&self, sid: i64, from: &str) {
        let config = self.config();
        let identity = config.identity().expect("an identity");
        assert_eq!(
            (identity.sid, identity.place.to_string().replace(&self.path(), "@")),
            (ServerId(sid), from.to_owned())
        );
        assert_eq!(config.myid, Some(ServerId(sid)));
    }
}

/// What `config print` shows for a key.
#[track_caller]
fn shown(config: &Config, key: &str) -> (String, String) {
    let found = config.effective().into_iter().find(|entry| entry.key == key).expect(key);
    (found.value, found.place.to_string())
}

fn text(value: &str, place: &str) -> (String, String) {
    (value.to_owned(), place.to_owned())
}

#[test]
fn without_servers_it_is_the_official_images_standalone_server() {
    let config = with(&[]).check_warnings(&[]);
    assert_eq!((config.mode, config.myid, config.file.clone()), (Mode::Standalone, None, None));
    assert_eq!(config.client_listen(), Listen { host: None, port: 2181 });
    assert_eq!(shown(&config, "tickTime"), text("2000", "default of the official image"));
    assert_eq!(shown(&config, "initLimit"), text("5", "default of the official image"));
    assert_eq!(shown(&config, "syncLimit"), text("2", "default of the official image"));
    assert_eq!(shown(&config, "clientPort"), text("2181", "default of the official image"));
    assert_eq!(shown(&config, "maxClientCnxns"), text("60", "default"));
    assert_eq!(shown(&config, "minSessionTimeout"), text("4000", "default: 2 × tickTime"));
    // Retention is ours (decision 0003): nobody chose the image's.
    assert_eq!(shown(&config, "autopurge.purgeInterval"), text("1", "default"));
    assert_eq!(config.data_log_dir(), config.data_dir());

    for other_port in [("ZOO_PORT", "2191"), ("ZOO_CFG_EXTRA", "clientPort=2191")] {
        let config = with(&[other_port]).check_warnings(&[]);
        assert_eq!((config.mode, config.client_listen().port), (Mode::Standalone, 2191), "{other_port:?}");
    }

    let config = bare(&[("ZOO_CONF_DIR", "/conf"), ("ZOOKUBE_CONTAINER", "1")]).check_warnings(&[]);
    assert_eq!((config.data_dir(), config.data_log_dir()), (Path::new("/data"), Path::new("/datalog")));
}

#[test]
fn every_variable_of_the_official_image_is_honoured() {
    let config = with(&[
        ("ZOO_DATA_LOG_DIR", "@/log"),
        ("ZOO_TICK_TIME", "1000"),
        ("ZOO_INIT_LIMIT", "20"),
        ("ZOO_SYNC_LIMIT", "10"),
        ("ZOO_AUTOPURGE_SNAPRETAINCOUNT", "7"),
        ("ZOO_AUTOPURGE_PURGEINTERVAL", "0"),
        ("ZOO_MAX_CLIENT_CNXNS", "0"),
        ("ZOO_STANDALONE_ENABLED", "false"),
        ("ZOO_ADMINSERVER_ENABLED", "true"),
        ("ZOO_4LW_COMMANDS_WHITELIST", "srvr, mntr"),
        ("ZOO_CFG_EXTRA", "snapCount=500\n jute.maxbuffer=4194304 nio.numWorkerThreads:4"),
        ("ZOO_SERVERS", "server.7=zk7:2888:3888;2182"),
        ("ZOO_MY_ID", "7"),
        ("ZOO_LOG_DIR", "/logs"),
        ("ZOO_CONF_DIR", "/conf"),
        ("ZOOCFGDIR", "/conf"),
        ("ZOO_DATADIR_AUTOCREATE_DISABLE", "1"),
    ]);
    let config = config.check_warnings(&[
        "key nio.numWorkerThreads (environment variable ZOO_CFG_EXTRA) has no effect here: there are no such threads to \
         count",
        "an ensemble with 1 participant stops when one fails; three are needed to go on",
    ]);
    let settings = &config.settings;
    assert_eq!((settings.tick_time_ms, config.init_limit_ms(), config.sync_limit_ms()), (1000, 20_000, 10_000));
    assert_eq!((settings.snap_retain_count, settings.purge_interval_hours), (7, 0));
    assert_eq!((settings.max_client_cnxns, settings.snap_count, settings.jute_maxbuffer_bytes), (0, 500, 4 << 20));
    assert_eq!((settings.four_letter_words.as_str(), settings.datadir_autocreate), ("srvr, mntr", false));
    assert_eq!((config.mode, config.myid, config.client_listen().port), (Mode::Ensemble, Some(ServerId(7)), 2182));
    assert_eq!(config.data_log_dir(), config.data_dir().join("log"));
    assert_eq!(shown(&config, "tickTime"), text("1000", "environment variable ZOO_TICK_TIME"));
    assert_eq!(shown(&config, "snapCount"), text("500", "environment variable ZOO_CFG_EXTRA"));
    assert_eq!(
        shown(&config, "datadir.autocreate"),
        text("false", "environment variable ZOO_DATADIR_AUTOCREATE_DISABLE")
    );
    assert_eq!(
        shown(&config, "server.7"),
        text("zk7:2888:3888:participant;0.0.0.0:2182", "environment variable ZOO_SERVERS")
    );
    assert!(config.given().iter().any(|entry| entry.key == "nio.numWorkerThreads" && entry.value == "4"));
}

#[test]
fn the_official_compose_file_runs() {
    let config = with(&[("ZOO_SERVERS", THREE), ("ZOO_MY_ID", "2"), ("HOST", "zoo2")]).check_warnings(&[]);
    assert_eq!(config.described(), "server 2, a participant; the ensemble has 3 participants and 0 observers");
    // The name may have an address that is not the container's own, or none yet: everything is bound.
    assert_eq!(config.quorum_listen(), [Listen { host: None, port: 2888 }]);
    assert_eq!(config.election_listen(), [Listen { host: None, port: 3888 }]);
    assert_eq!(shown(&config, "quorumListenOnAllIPs"), text("true", "default in a container"));
    assert_eq!(config.own_spec().unwrap().addresses[0].host, "zk2");
    // What was asked for counts.
    let named = with(&[("ZOO_SERVERS", THREE), ("ZOO_MY_ID", "2"), ("ZOO_CFG_EXTRA", "quorumListenOnAllIPs=false")]);
    assert_eq!(named.config().quorum_listen(), [Listen { host: Some("zk2".to_owned()), port: 2888 }]);
    let bare_machine = with(&[("ZOO_SERVERS", THREE), ("ZOO_MY_ID", "2"), ("ZOOKUBE_CONTAINER", "0")]);
    assert_eq!(bare_machine.config().quorum_listen(), [Listen { host: Some("zk2".to_owned()), port: 2888 }]);
}

#[test]
fn a_server_line_without_a_client_port_serves_on_2181() {
    let old = THREE.replace(";2181", "");
    let config = with(&[("ZOO_SERVERS", &old), ("ZOO_MY_ID", "1")]).check_warnings(&[
        "server.1 (environment variable ZOO_SERVERS) has no client port, so clients are served on 2181; write ;2181 \
         behind it, without which today's official image serves none",
    ]);
    assert_eq!(config.client_listen(), Listen { host: None, port: 2181 });
    // It is this server's own business: the list that the others compare has no such port.
    assert!(!config.membership.to_text().contains("2181"));
    let extra = [("ZOO_SERVERS", old.as_str()), ("ZOO_MY_ID", "1"), ("ZOO_CFG_EXTRA", "clientPort=2191")];
    assert_eq!(with(&extra).check_warnings(&[]).client_listen().port, 2191);
    with(&[("ZOO_SERVERS", "server.1=a:2181:3888 server.2=b:2888:3888"), ("ZOO_MY_ID", "1")]).check_errors(&[
        "environment variable ZOO_SERVERS: clientPort 2181 is also a port of server.1 (environment variable \
         ZOO_SERVERS); choose another",
    ]);
}

#[test]
fn later_lines_win_as_in_the_file_of_the_official_image() {
    let config = with(&[("ZOO_TICK_TIME", "1000"), ("ZOO_CFG_EXTRA", "tickTime=500 initLimit=7")]).check_warnings(&[
        "key tickTime is given twice, at environment variable ZOO_TICK_TIME and environment variable ZOO_CFG_EXTRA; \
         the last one counts",
    ]);
    // A default of the image is nothing that was given.
    assert_eq!((config.settings.tick_time_ms, config.settings.init_limit_ticks), (500, Some(7)));
    let mut set = with(&[("ZOO_TICK_TIME", "1000")]);
    set.options.overrides.keys.push(("tickTime".to_owned(), "250".to_owned()));
    assert_eq!(shown(&set.check_warnings(&[]), "tickTime"), text("250", "command line"));
}

#[test]
fn an_empty_variable_is_not_set() {
    let config = with(&[("ZOO_TICK_TIME", ""), ("ZOO_SERVERS", " "), ("ZOO_MY_ID", "")]).check_warnings(&[]);
    assert_eq!((config.settings.tick_time_ms, config.mode), (2000, Mode::Standalone));
}

#[test]
fn java_properties_count_and_the_rest_of_java_is_one_warning() {
    let config = with(&[
        ("JVMFLAGS", "-Xmx1g -Dzookeeper.snapCount=700 -Dzookeeper.tickTime=5"),
        ("SERVER_JVMFLAGS", "-Dzookeeper.snapCount=600 -Djute.maxbuffer=0x200000"),
        ("ZK_SERVER_HEAP", "1000"),
        ("JMXPORT", "9999"),
    ])
    .check_warnings(&[
        "key tickTime (environment variable JVMFLAGS) has no effect here: as a Java property it has none in Apache \
         either; it belongs into zoo.cfg or ZOO_CFG_EXTRA",
        "environment variables JVMFLAGS, ZK_SERVER_HEAP, JMXPORT have no effect here: there is no Java virtual machine",
        "key snapCount is given twice, at environment variable SERVER_JVMFLAGS and environment variable JVMFLAGS; the \
         last one counts",
    ]);
    assert_eq!((config.settings.snap_count, config.settings.jute_maxbuffer_bytes), (700, 2 << 20));
    assert_eq!(config.settings.tick_time_ms, 2000);
    // A line of the file ranks higher, and flags without anything for a virtual machine are no reason for a warning.
    let file = with(&[("ZOO_CONF_DIR", "@"), ("JVMFLAGS", "-Dzookeeper.leaderServes=no")])
        .with_file("zoo.cfg", "dataDir=@\nclientPort=2181\n");
    assert!(
        !file
            .check_warnings(&["environment variable ZOO_DATA_DIR has no effect: @/zoo.cfg is there and takes the \
         place of the environment"])
            .settings
            .leader_serves
    );
}

#[test]
fn unknown_variables_are_warned_about() {
    with(&[
        ("ZOO_TICKTIME", "5"),
        ("ZOOKUBE_REPLICA", "3"),
        ("ZOO_COMPLETELY_DIFFERENT", "1"),
        ("ZOO_SERVER_ID", "1"),
        ("ZOO_LOG_DIR", "/var/log"),
        ("HOME", "/"),
        // Kubernetes sets these for Services called zoo and zookube.
        ("ZOO_PORT", "tcp://10.0.0.1:2181"),
        ("ZOOKUBE_SERVICE_HOST", "10.0.0.1"),
        ("ZOOKUBE_PORT_2181_TCP_ADDR", "10.0.0.1"),
    ])
    .check_warnings(&[
        "environment variable ZOOKUBE_REPLICA is unknown and has no effect: did you mean ZOOKUBE_REPLICAS?",
        "environment variable ZOO_COMPLETELY_DIFFERENT is unknown and has no effect",
        "environment variable ZOO_LOG_DIR has no effect here: the log goes to standard output, that of \
         `zkServer.sh start` into a file that this names",
        "environment variable ZOO_SERVER_ID has no effect here: it is another image's; this server's id is ZOO_MY_ID \
         here",
        "environment variable ZOO_TICKTIME is unknown and has no effect: did you mean ZOO_TICK_TIME?",
    ]);
}

#[test]
fn a_mounted_file_takes_the_place_of_the_environment() {
    let file = "dataDir=@\nclientPort=2191\ninitLimit=10\nsyncLimit=5\nserver.1=zk1:2888:3888\nserver.2=zk2:2888:3888\n\
                server.3=zk3:2888:3888\n";
    let variables = [
        ("ZOO_CONF_DIR", "@"),
        ("ZOO_DATA_DIR", "/data"),
        ("ZOO_TICK_TIME", "2000"),
        ("ZOO_SYNC_LIMIT", "7"),
        ("ZOO_SERVERS", "server.1=a:1:2"),
        ("ZOO_MY_ID", "3"),
        ("ZOOKUBE_CONTAINER", "1"),
    ];
    let config = with(&variables).with_file("zoo.cfg", file).check_warnings(&[
        "environment variables ZOO_SYNC_LIMIT, ZOO_SERVERS have no effect: @/zoo.cfg is there and takes the place of \
         the environment",
    ]);
    assert_eq!((config.settings.tick_time_ms, config.myid), (3000, Some(ServerId(3))));
    assert_eq!(config.quorum_listen(), [Listen { host: None, port: 2888 }]);
    assert!(shown(&config, "clientPort").1.ends_with("/zoo.cfg:2"));
    // The name of the file can be said, and ZOOCFGDIR is another name for the directory.
    let named = with(&[("ZOOCFGDIR", "@"), ("ZOOCFG", "other.cfg"), ("ZOO_MY_ID", "3"), ("ZOO_DATA_DIR", "/data")]);
    let config = named.with_file("other.cfg", file).check_warnings(&[]);
    assert_eq!(config.quorum_listen(), [Listen { host: Some("zk3".to_owned()), port: 2888 }]);
}

#[test]
fn peers_are_made_from_a_name() {
    let pod = |ordinal: u32| format!("zk-{ordinal}");
    let variables = |host: &str| {
        let replicas =
            [("ZOOKUBE_PEERS", PEERS), ("ZOOKUBE_REPLICAS", "3"), ("ZOOKUBE_OBSERVERS", "1"), ("HOST", host)];
        with(&replicas).check_warnings(&[])
    };
    let config = variables(&pod(0));
    assert_eq!(
        config.membership.to_text(),
        "server.1=zk-0.zk-headless:2888:3888:participant;0.0.0.0:2181\n\
         server.2=zk-1.zk-headless:2888:3888:participant;0.0.0.0:2181\n\
         server.3=zk-2.zk-headless:2888:3888:participant;0.0.0.0:2181\n\
         server.4=zk-3.zk-headless:2888:3888:observer;0.0.0.0:2181\nversion=0"
    );
    assert_eq!((config.myid, config.role()), (Some(ServerId(1)), MemberRole::Participant));
    let config = variables(&pod(3));
    assert_eq!((config.myid, config.role()), (Some(ServerId(4)), MemberRole::Observer));
    assert_eq!(config.peer_srv(), None);

    let srv = [("ZOOKUBE_SRV", "_election._tcp.zk-headless.ns.svc.cluster.local."), ("ZOO_MY_ID", "1")];
    let config = with(&[("ZOO_SERVERS", THREE), srv[0], srv[1]]).check_warnings(&[]);
    assert_eq!(config.peer_srv(), Some("_election._tcp.zk-headless.ns.svc.cluster.local"));
}

#[test]
fn the_id_comes_from_the_file_the_variable_or_the_host_name() {
    let servers = ("ZOO_SERVERS", THREE);
    with(&[servers, ("ZOO_MY_ID", "2")]).with_myid("2\n").check_id(2, "@/myid");
    with(&[servers, ("ZOO_MY_ID", " 2 "), ("HOST", "zk2.local")]).check_id(2, "environment variable ZOO_MY_ID");
    with(&[servers, ("HOST", "zk3")]).check_id(3, "host name zk3");
    with(&[servers, ("HOST", "ZK3.example.org")]).check_id(3, "host name ZK3.example.org");
    with(&[servers, ("HOST", "vm"), ("ZOOKUBE_HOST_NAME", "zk1")]).check_id(1, "host name zk1");
    let peers = [("ZOOKUBE_PEERS", PEERS), ("ZOOKUBE_REPLICAS", "3")];
    with(&[peers[0], peers[1], ("HOST", "zk-2")]).check_id(3, "host name zk-2");
    with(&[peers[0], peers[1], ("HOST", "zk-3"), ("ZOOKUBE_ORDINAL_OFFSET", "0")]).check_id(3, "host name zk-3");
    with(&[("ZOOKUBE_PEERS", "zk{ordinal}"), peers[1], ("HOST", "zk3")]).check_id(3, "host name zk3");
    with(&[peers[0], peers[1], ("HOST", "3f2a9c01b2d4"), ("ZOO_MY_ID", "1")])
        .check_id(1, "environment variable ZOO_MY_ID");
    // Without names in the list the ordinal counts if somebody said how.
    let addresses = ("ZOO_SERVERS", "server.1=10.0.0.1:2888:3888;2181 server.2=10.0.0.2:2888:3888;2181");
    with(&[addresses, ("HOST", "node-1"), ("ZOOKUBE_ORDINAL_OFFSET", "1")]).check_id(2, "host name node-1");
    // A server that is alone in its ensemble is the one of its line.
    with(&[("ZOO_STANDALONE_ENABLED", "false")]).check_id(1, "default of the official image");
    // A machine with a file may have any name.
    let file = "dataDir=@\nclientPort=2181\ninitLimit=10\nsyncLimit=5\nserver.1=zk1:2888:3888\nserver.2=zk2:2888:3888\n\
                server.3=zk3:2888:3888\n";
    let named = |host: &str| {
        let mut machine = bare(&[("HOST", host)]).with_file("zoo.cfg", file);
        machine.options.file = Some(machine.directory.path().join("zoo.cfg"));
        machine
    };
    named("zk2").check_id(2, "host name zk2");
    named("zk2")
        .with_myid("1")
        .check_warnings(&["@/myid: says 1, but the host name zk2 says 2 (the name in server.2); 1 counts"]);
}

#[test]
fn the_id_is_stored_once() {
    let first = with(&[("ZOO_SERVERS", THREE), ("ZOO_MY_ID", "2")]);
    let file = first.directory.path().join("myid");
    let identity = first.config().identity().unwrap().clone();
    assert!(!identity.is_stored && !file.exists(), "reading a configuration writes nothing");
    assert!(identity.store().unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), "2\n");
    assert_eq!(fs::read_dir(first.directory.path()).unwrap().count(), 1, "nothing else is left");
    let again = first.config().identity().unwrap().clone();
    assert!(again.is_stored && !again.store().unwrap());
    let gone = identity::Identity { file: first.directory.path().join("gone/myid"), ..identity };
    assert_eq!(gone.store().unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_wildcard_in_the_own_line_is_bound_and_never_published() {
    for wildcard in ["0.0.0.0", "[::]"] {
        let servers = THREE.replace("zk2", wildcard);
        let environment = [("ZOO_SERVERS", servers.as_str()), ("ZOO_MY_ID", "2"), ("HOST", "zk2.example.org")];
        let config = with(&environment).check_warnings(&[
            "server.2 (environment variable ZOO_SERVERS) listens on every interface, and the other servers are told its \
             host name zk2.example.org, because nobody can connect to 0.0.0.0; the name of this server may stand there \
             as well",
        ]);
        assert_eq!(config.own_spec().unwrap().addresses[0].host, "zk2.example.org");
        assert!(config.membership.to_text().contains("server.2=zk2.example.org:2888:3888:participant;"));
        assert_eq!(config.election_listen(), [Listen { host: None, port: 3888 }]);
        assert!(config.settings.quorum_listen_on_all_ips);
    }
    // From a file too, whatever it says about other interfaces.
    let file = "dataDir=@\nclientPort=2181\ninitLimit=10\nsyncLimit=5\nquorumListenOnAllIPs=false\n\
                server.1=0.0.0.0:2888:3888\nserver.2=zk2:2888:3888\nserver.3=0.0.0.0:2889:3889\n";
    let machine = bare(&[("ZOO_CONF_DIR", "@"), ("ZOO_MY_ID", "1"), ("HOST", "zk1")]).with_file("zoo.cfg", file);
    let config = machine.check_warnings(&[
        "@/zoo.cfg:8: server.3 has the address 0.0.0.0, under which only that server itself is; others need a name or \
         address, unless all run on one machine",
        "server.1 (@/zoo.cfg:6) listens on every interface, and the other servers are told its host name zk1, because \
         nobody can connect to 0.0.0.0; the name of this server may stand there as well",
    ]);
    assert_eq!(config.own_spec().unwrap().addresses[0].host, "zk1");
    assert_eq!(config.quorum_listen(), [Listen { host: None, port: 2888 }]);
}

#[test]
fn secrets_are_not_shown() {
    const KEY: &str = "DigestAuthenticationProvider.superDigest";
    const DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";
    for (variable, value) in
        [("ZOO_CFG_EXTRA", format!("{KEY}={DIGEST}")), ("ZOOKUBE_SUPER_DIGEST", format!("{DIGEST}\n"))]
    {
        let config = with(&[(variable, &value)]).config();
        assert_eq!(config.settings.super_digest.as_deref(), Some(DIGEST), "{variable}");
        assert_eq!(shown(&config, KEY), text("(hidden)", &format!("environment variable {variable}")));
    }
    with(&[("ZOOKUBE_SUPER_DIGEST", "super:secret")]).check_errors(&[
        "environment variable ZOOKUBE_SUPER_DIGEST: DigestAuthenticationProvider.superDigest: expected `user:` and a hash of 28 characters in base64, \
         found 6 characters behind the `:`. hint: printf user:password | openssl dgst -binary -sha1 | base64 (or the hash that \
         DigestAuthenticationProvider.digestAlg names)",
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_environment_makes_it_panic(
        index in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
        values in proptest::collection::vec("([-0-9a-z:;=,|\\[\\]/. é]|\\{ordinal\\}|server\\.1=){0,12}", 10),
        host in "([-0-9a-z.é]|zk-){0,8}",
    ) {
        // Directories stay those of the test: nothing else is read.
        let names: Vec<&str> = variables::VARIABLES
            .iter()
            .map(|variable| variable.name)
            .filter(|name| !["ZOO_DATA_DIR", "ZOO_CONF_DIR", "ZOOCFGDIR"].contains(name))
            .collect();
        let mut variables = vec![("HOST", host.as_str())];
        variables.extend(index.iter().zip(&values).map(|(index, value)| (*index.get(&names), value.as_str())));
        let _ = with(&variables).load();
    }
}

#[test]
fn one_that_is_not_declared_may_join() {
    let variables = |more: &[(&str, &str)]| {
        let peers = [("ZOOKUBE_PEERS", PEERS), ("ZOOKUBE_REPLICAS", "3"), ("ZOO_CFG_EXTRA", "reconfigEnabled=true")];
        with(&[&peers[..], more].concat()).config()
    };
    let config = variables(&[("HOST", "zk-4")]);
    assert_eq!((config.mode, config.myid, config.is_joining()), (Mode::Ensemble, Some(ServerId(5)), true));
    assert_eq!(config.membership.servers.len(), 3);
    assert_eq!(config.own_spec().unwrap().to_string(), "zk-4.zk-headless:2888:3888:participant;0.0.0.0:2181");
    let config = variables(&[("HOST", "zk-4"), ("ZOOKUBE_JOIN_AS", "other:2889:3889:observer;2191")]);
    assert_eq!(config.own_spec().unwrap().to_string(), "other:2889:3889:observer;0.0.0.0:2191");
    assert_eq!(config.client_listen().port, 2191);
    assert!(!variables(&[("HOST", "zk-1")]).is_joining());
}
