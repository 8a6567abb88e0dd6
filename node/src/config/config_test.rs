use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Files in a directory of their own. In their texts and in the messages `@` stands for the directory.
struct Files {
    directory: TempDir,
    overrides: Overrides,
}

impl Files {
    fn new(zoo_cfg: &str) -> Files {
        let files = Files { directory: TempDir::new().unwrap(), overrides: Overrides::default() };
        files.with("zoo.cfg", zoo_cfg)
    }

    fn path(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    fn with(self, name: &str, text: &str) -> Files {
        fs::write(self.directory.path().join(name), text.replace('@', self.path())).unwrap();
        self
    }

    fn with_override(mut self, key: &str, value: &str) -> Files {
        self.overrides.keys.push((key.to_owned(), value.to_owned()));
        self
    }

    fn with_given_myid(mut self, myid: &str) -> Files {
        self.overrides.myid = Some(myid.to_owned());
        self
    }

    fn load(&self) -> Result<(Config, Vec<Warning>), ConfigError> {
        Config::load(&self.directory.path().join("zoo.cfg"), &self.overrides)
    }

    /// Messages of the directory as `@/zoo.cfg`, and the main file as `zoo.cfg`.
    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/zoo.cfg", self.path()), "zoo.cfg").replace(self.path(), "@")
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.load().unwrap_or_else(|error| panic!("{}", self.plain(&error.to_string()))).0
    }

    #[track_caller]
    fn check_warnings(&self, expected: &[&str]) -> Config {
        let (config, warnings) = self.load().unwrap_or_else(|error| panic!("{}", self.plain(&error.to_string())));
        let warnings: Vec<String> = warnings.iter().map(|warning| self.plain(&warning.to_string())).collect();
        assert_eq!(warnings, expected);
        config
    }

    #[track_caller]
    fn check_errors(&self, expected: &[&str]) {
        match self.load() {
            Ok(_) => panic!("accepted, expected {expected:#?}"),
            Err(error) => {
                let found = self.plain(&error.to_string());
                assert_eq!(found.lines().collect::<Vec<_>>(), expected);
            }
        }
    }
}

/// A standalone server with `lines` from line 3 on.
fn standalone(lines: &str) -> Files {
    Files::new(&format!("dataDir=@\nclientPort=2181\n{lines}"))
}

const ENSEMBLE: &str = "dataDir=@\nclientPort=2181\ninitLimit=10\nsyncLimit=5\n";
const SERVERS: &str = "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\nserver.3=zk3:2888:3888\n";

/// Server 1 of three with `lines` from line 8 on.
fn ensemble(lines: &str) -> Files {
    Files::new(&format!("{ENSEMBLE}{SERVERS}{lines}")).with("myid", "1\n")
}

#[test]
fn the_sample_configuration_starts_standalone() {
    // The keys and values of Apache's conf/zoo_sample.cfg, between comments as there.
    let keys = ["tickTime=2000", "initLimit=10", "syncLimit=5", "dataDir=@", "clientPort=2181"];
    let sample: String = keys.iter().map(|key| format!("# what it is for\n{key}\n")).collect();
    let disabled = "#maxClientCnxns=60\n#\n\n## heading\n#autopurge.purgeInterval=1\n#metricsProvider.httpPort=7000\n";
    let config = Files::new(&(sample + disabled)).check_warnings(&[]);
    assert_eq!(config.mode, Mode::Standalone);
    assert_eq!(config.session_timeout_bounds_ms(), (4000, 40_000));
    assert_eq!(config.client_listen(), Listen { host: None, port: 2181 });
    assert_eq!((config.init_limit_ms(), config.sync_limit_ms()), (20_000, 10_000));
    assert_eq!(config.data_dir(), config.data_log_dir());
    assert!(config.quorum_listen().is_empty() && config.election_listen().is_empty());
    assert_eq!(config.role(), MemberRole::Participant);
    assert_eq!(config.myid, None);
}

#[test]
fn defaults_are_those_of_apache_but_for_retention() {
    let settings = Settings::default();
    assert_eq!((settings.snap_retain_count, settings.purge_interval_hours), (5, 1));
    assert_eq!((settings.tick_time_ms, settings.max_client_cnxns, settings.max_cnxns), (3000, 60, 0));
    assert_eq!((settings.snap_count, settings.pre_alloc_size_kb, settings.commit_log_count), (100_000, 65_536, 500));
    assert_eq!((settings.jute_maxbuffer_bytes, settings.sessionless_cnxn_timeout_ms), (1_048_575, 10_000));
    assert_eq!((settings.digest_enabled, settings.skip_acl, settings.leader_serves), (true, false, true));
    assert!(!settings.read_only_mode_enabled);
    assert_eq!((settings.notification_interval_ms_min, settings.notification_interval_ms_max), (200, 60_000));
    assert_eq!(settings.four_letter_words, "srvr");
    assert_eq!(settings.snapshot_compression, SnapshotCompression::None);
    assert_eq!(settings.digest_algorithm, DigestAlgorithm::Sha1);
}

#[test]
fn properties_syntax_is_javas() {
    let config = standalone(
        "tickTime : 1000\nmaxClientCnxns 7\n  snapCount\t=\t50\\\n    00   \n! comment\njute.maxbuffer=0x400000\n\
         dataLogDir=@/l\\u006fg\n",
    )
    .check_warnings(&[]);
    assert_eq!((config.settings.tick_time_ms, config.settings.max_client_cnxns), (1000, 7));
    assert_eq!((config.settings.snap_count, config.settings.jute_maxbuffer_bytes), (5000, 4 << 20));
    assert_eq!(config.data_log_dir(), config.data_dir().join("log"));
}

#[test]
fn an_ensemble_is_read() {
    let files = Files::new(&format!("{ENSEMBLE}tickTime=2000\n{SERVERS}server.4=zk4:2888:3888:observer;[::1]:2191\n"));
    let config = files.with("myid", "2\n").check_warnings(&[]);
    assert_eq!((config.mode, config.myid, config.role()), (Mode::Ensemble, Some(ServerId(2)), MemberRole::Participant));
    assert_eq!(config.membership.voters().count(), 3);
    assert_eq!(config.quorum_listen(), [Listen { host: Some("zk2".to_owned()), port: 2888 }]);
    assert_eq!(config.election_listen(), [Listen { host: Some("zk2".to_owned()), port: 3888 }]);
    assert_eq!((config.init_limit_ms(), config.sync_limit_ms()), (20_000, 10_000));
    assert_eq!(config.connect_to_learner_master_limit_ms(), 20_000);
    assert_eq!(config.quorum_cnxn_timeout_ms(), 10_000);
    // A client address from the static file is known but not printed.
    assert!(config.own_spec().unwrap().client.as_ref().is_some_and(|client| client.from_static));
    assert_eq!(
        config.membership.to_text(),
        "server.1=zk1:2888:3888:participant\nserver.2=zk2:2888:3888:participant\nserver.3=zk3:2888:3888:participant\n\
         server.4=zk4:2888:3888:observer;[0:0:0:0:0:0:0:1]:2191\nversion=0"
    );
}

#[test]
fn sockets_are_bound_as_told() {
    let config = ensemble("quorumListenOnAllIPs=true\nclientPortAddress=10.0.0.1\nclientPortListenBacklog=7").config();
    assert_eq!(config.quorum_listen(), [Listen { host: None, port: 2888 }]);
    assert_eq!(config.election_listen(), [Listen { host: None, port: 3888 }]);
    assert_eq!(config.client_listen(), Listen { host: Some("10.0.0.1".to_owned()), port: 2181 });
    assert_eq!(config.client_listen_backlog(), 7);
    assert_eq!((config.client_cnxns_per_address_max(), config.client_cnxns_max()), (Some(60), None));

    let own_wildcard =
        format!("{ENSEMBLE}server.1=0.0.0.0:2888:3888\nserver.2=zk2:2888:3888\nserver.3=zk3:2888:3888\n");
    let config = Files::new(&own_wildcard).with("myid", "1").config();
    assert_eq!(config.quorum_listen(), [Listen { host: None, port: 2888 }]);

    let several = "multiAddress.enabled=true\nserver.4=b:1:2|a:1:2";
    let config = Files::new(&format!("{ENSEMBLE}{SERVERS}{several}")).with("myid", "4").config();
    let hosts: Vec<_> = config.election_listen().into_iter().filter_map(|listen| listen.host).collect();
    assert_eq!(hosts, ["a", "b"]);
}

#[test]
fn the_client_port_may_stand_in_the_servers_line() {
    let lines = "dataDir=@\ninitLimit=5\nsyncLimit=2\nserver.1=localhost:2888:3888;2182\n";
    let config = Files::new(lines).with("myid", "1").check_warnings(&[
        "zoo.cfg lists only one server; it runs standalone (standaloneEnabled=false makes it an ensemble of one)",
    ]);
    assert_eq!((config.mode, config.client_listen().port), (Mode::Standalone, 2182));
    // A standalone server needs no myid: its only line means itself.
    assert_eq!(Files::new(lines).config().client_listen().port, 2182);

    let config = Files::new(&format!("{lines}standaloneEnabled=false"))
        .with("myid", "1")
        .check_warnings(&["an ensemble with 1 participant stops when one fails; three are needed to go on"]);
    assert_eq!(config.mode, Mode::Ensemble);

    let both = |line: &str, keys: &str| {
        let lines = lines.replace(";2182", line);
        Files::new(&format!("{lines}server.2=b:1:2\n{keys}")).with("myid", "1")
    };
    assert_eq!(both(";2182", "clientPort=2182").config().client_listen(), Listen { host: None, port: 2182 });
    assert_eq!(both(";zk:2182", "clientPort=2182").config().client_listen().host.as_deref(), Some("zk"));
    both(";2182", "clientPort=2181").check_errors(&[
        "zoo.cfg:6: the client address 0.0.0.0:2181 differs from 0.0.0.0:2182 in server.1 (zoo.cfg:4): \
         remove clientPort or correct it",
    ]);
    both(";10.0.0.1:2182", "clientPortAddress=10.0.0.2\nclientPort=2182").check_errors(&[
        "zoo.cfg:7: the client address 10.0.0.2:2182 differs from 10.0.0.1:2182 in server.1 (zoo.cfg:4): \
         remove clientPort or correct it",
    ]);
}

#[test]
fn a_dynamic_file_holds_the_server_list() {
    let main = format!("{ENSEMBLE}dynamicConfigFile=@/zoo.cfg.dynamic.100000001\n");
    let files = Files::new(&main).with("myid", "3").with("zoo.cfg.dynamic.100000001", SERVERS);
    let config = files.check_warnings(&[]);
    assert_eq!((config.membership.version, config.membership.voters().count()), (0x1_0000_0001, 3));

    let main = format!("{ENSEMBLE}dynamicConfigFile=@/dynamic\nserver.9=zk9:2888:3888\n");
    let dynamic = format!("{SERVERS}version=5\ntickTime=2000\nserer.4=zk4:2888:3888\nfoo=1\n");
    Files::new(&main).with("myid", "3").with("dynamic", &dynamic).check_errors(&[
        "zoo.cfg:6: server.9 must stand in @/dynamic because dynamicConfigFile is set: move the line there",
        "@/dynamic:4: key `version` does not belong into a dynamic configuration file, which holds server.N, group.N \
         and weight.N: the version is the end of the file's name; remove the line",
        "@/dynamic:5: key `tickTime` does not belong into a dynamic configuration file, which holds server.N, \
         group.N and weight.N: move it to the static file",
        "@/dynamic:6: key `serer.4` does not belong into a dynamic configuration file, which holds server.N, group.N \
         and weight.N: did you mean `server.N`?",
        "@/dynamic:7: key `foo` does not belong into a dynamic configuration file, which holds server.N, group.N and \
         weight.N: remove it",
    ]);

    let missing = format!("{ENSEMBLE}dynamicConfigFile=@/nothing\n");
    Files::new(&missing)
        .check_errors(&["@/nothing: cannot be read: No such file or directory (os error 2); it is named by \
             dynamicConfigFile (zoo.cfg:5)"]);
}

#[test]
fn groups_and_weights_reach_the_membership() {
    let config = ensemble("group.1=1:2\ngroup.2=3\nweight.3=0\n").check_warnings(&[]);
    assert!(config.membership.is_hierarchical());
    assert_eq!(config.membership.weight(ServerId(3)), 0);
    ensemble("group.1=1:2\n")
        .check_errors(&["zoo.cfg: server 3 is not in a group: with groups or weights every participant needs one"]);
}

#[test]
fn unknown_keys_are_slips_or_warnings() {
    standalone("datadir=/data\nSERVER.1=a:1:2\nticktime=5\nzookeper.foo=1\n").check_errors(&[
        "zoo.cfg:3: unknown key `datadir`: did you mean `dataDir`?",
        "zoo.cfg:4: unknown key `SERVER.1`: did you mean `server.N`?",
        "zoo.cfg:5: unknown key `ticktime`: did you mean `tickTime`?",
    ]);
    Files::new("datadir = /root/zkdata  \nclientPort=2181").check_errors(&[
        "zoo.cfg:1: unknown key `datadir`: did you mean `dataDir`?",
        "zoo.cfg: dataDir is missing: add a line such as dataDir=/var/lib/zookeeper",
    ]);
    standalone("my.own.property=1\nzookeeper.snapCount=5\n").check_warnings(&[
        "key my.own.property (zoo.cfg:3) has no effect here: ZooKeeper 3.9 knows no such key",
        "key zookeeper.snapCount (zoo.cfg:4) has no effect here: in this file keys are written without the prefix, \
         `snapCount`",
    ]);
}

#[test]
fn keys_without_effect_warn_once_unless_they_ask_for_what_happens_anyway() {
    standalone(
        "forceSync=yes\nreconfigEnabled=false\nleader.nodelay=TRUE\nrequestThrottleLimit=0\nadmin.enableServer=false",
    )
    .check_warnings(&[]);
    standalone(
        "forceSync=no\n\
         nio.numWorkerThreads=4\nssl.keyStore.location=/k\nadmin.httpVersion=20",
    )
    .check_warnings(&[
        "key forceSync (zoo.cfg:3) has no effect here: nothing is acknowledged before it is on disk",
        "key nio.numWorkerThreads (zoo.cfg:4) has no effect here: there are no such threads to count",
        "key ssl.keyStore.location (zoo.cfg:5) has no effect here: TLS comes later, and nothing is encrypted \
             until then",
        "key admin.httpVersion (zoo.cfg:6) has no effect here: TLS comes later",
    ]);
}

#[test]
fn security_that_is_not_there_is_refused() {
    standalone(
        "secureClientPort=2281\nsslQuorum=true\nquorum.auth.enableSasl=true\nsessionRequireClientSASLAuth=true\n\
         enforce.auth.enabled=true\nauthProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n\
         audit.enable=true\nadmin.forceHttps=true\n",
    )
    .check_errors(&[
        "zoo.cfg:3: key `secureClientPort` is refused: TLS comes later; remove it",
        "zoo.cfg:4: key `sslQuorum` is refused: TLS comes later; remove it or set it to false",
        "zoo.cfg:5: key `quorum.auth.enableSasl` is refused: SASL comes later; remove it or set it to false",
        "zoo.cfg:6: key `sessionRequireClientSASLAuth` is refused: SASL comes later; remove it or set it to false",
        "zoo.cfg:7: key `enforce.auth.enabled` is refused: enforced authentication comes later; remove it or set it \
         to false",
        "zoo.cfg:8: key `authProvider.1` is refused: there are no Java classes to load; the schemes here are world, \
         auth, digest, ip and super; remove it",
        "zoo.cfg:9: key `audit.enable` is refused: the audit log comes later; remove it or set it to false",
        "zoo.cfg:10: key `admin.forceHttps` is refused: TLS comes later; remove it or set it to false",
    ]);
    standalone("sslQuorum=false\nquorum.auth.enableSasl=False\naudit.enable=false\n").check_warnings(&[]);
    // A secret is not repeated.
    standalone("DigestAuthenticationProvider.superDigest=secret\n").check_errors(&[
        "zoo.cfg:3: DigestAuthenticationProvider.superDigest: expected `user:hash`, found a text without `:`",
    ]);
    let no_digest = |value: &str, expected: &str, found: &str| {
        let line = format!("DigestAuthenticationProvider.superDigest={value}\n");
        standalone(&line).check_errors(&[&format!(
            "zoo.cfg:3: DigestAuthenticationProvider.superDigest: expected `user:` and a hash of {expected} characters in base64, \
             found {found} behind the `:`. hint: printf user:password | openssl dgst -binary -sha1 | base64 (or the hash that \
             DigestAuthenticationProvider.digestAlg names)"
        )]);
    };
    no_digest("super:", "28", "0 characters");
    no_digest("super:secret", "28", "6 characters");
    no_digest("super:lK75jTNcA+U9vtVEw5vB51mj_w4=", "28", "what is no base64");
    no_digest("super:lK75jTNcA+U9vtVEw5vB51mj/w4x", "28", "what is no base64");
    let sha_256 = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=\nDigestAuthenticationProvider.digestAlg=SHA-256";
    no_digest(sha_256, "44", "28 characters");
    standalone("DigestAuthenticationProvider.superDigest=super:lK75jTNcA+U9vtVEw5vB51mj/w4=\n").check_warnings(&[]);
}

#[test]
fn values_are_checked() {
    standalone(
        "tickTime=0\nelectionAlg=2\nstandaloneEnabled=yes\nskipACL=true\nmaxClientCnxns=many\npeerType=leader\n\
         dataLogDir=\nsnapshot.compression.method=zip\n",
    )
    .check_errors(&[
        "zoo.cfg:3: tickTime: found `0`, expected a whole number from 1",
        "zoo.cfg:4: electionAlg: found `2`, expected 3",
        "zoo.cfg:5: standaloneEnabled: found `yes`, expected true or false",
        "zoo.cfg:6: skipACL: found `true`, expected yes or no",
        "zoo.cfg:7: maxClientCnxns: found `many`, expected a whole number from -1",
        "zoo.cfg:8: peerType: found `leader`, expected participant or observer",
        "zoo.cfg:9: dataLogDir: found ``, expected a path",
        "zoo.cfg:10: snapshot.compression.method: found `zip`, expected empty, gz or snappy",
    ]);
    standalone("minSessionTimeout=5000\nmaxSessionTimeout=4000\n").check_errors(&[
        "zoo.cfg:3: minSessionTimeout (5000 ms) is larger than maxSessionTimeout (4000 ms); exchange or correct them",
    ]);
    standalone("tickTime=1000\nmaxSessionTimeout=1000\n").check_errors(&[
        "zoo.cfg:4: minSessionTimeout (2000 ms) is larger than maxSessionTimeout (1000 ms); exchange or correct them",
    ]);
    let config = standalone("autopurge.snapRetainCount=1\nsnapCount=1\nminSessionTimeout=-1\n").check_warnings(&[
        "key autopurge.snapRetainCount (zoo.cfg:3) is 1, which is too small; 3 is used",
        "key snapCount (zoo.cfg:4) is 1, which is too small; 2 is used",
    ]);
    assert_eq!((config.settings.snap_retain_count, config.settings.snap_count), (3, 2));
    assert_eq!(config.session_timeout_bounds_ms(), (6000, 60_000));
}

#[test]
fn a_key_given_twice_counts_the_last_time() {
    let config = standalone("tickTime=1000\ntickTime=2000\n")
        .check_warnings(&["key tickTime is given twice, at zoo.cfg:3 and zoo.cfg:4; the last one counts"]);
    assert_eq!(config.settings.tick_time_ms, 2000);
}

#[test]
fn what_must_be_set_is_named() {
    Files::new("").check_errors(&[
        "zoo.cfg: dataDir is missing: add a line such as dataDir=/var/lib/zookeeper",
        "zoo.cfg: clientPort is missing: add a line such as clientPort=2181",
    ]);
    Files::new(&format!("{SERVERS}clientPort=2181\nclientPortAddress=10.0.0.1")).check_errors(&[
        "zoo.cfg: initLimit is missing: add a line such as initLimit=10",
        "zoo.cfg: syncLimit is missing: add a line such as syncLimit=5",
        "zoo.cfg: dataDir is missing: add a line such as dataDir=/var/lib/zookeeper",
    ]);
    Files::new("dataDir=@\nclientPortAddress=10.0.0.1\n").check_errors(&[
        "zoo.cfg:2: clientPortAddress is set but clientPort is not: add a line such as clientPort=2181",
    ]);
    // A wrong value is not reported as missing too.
    Files::new("dataDir=@\nclientPort=0\ninitLimit=x\nsyncLimit=0\nserver.1=a:1:2\nserver.2=b:1:2")
        .with("myid", "1")
        .check_errors(&[
            "zoo.cfg:2: clientPort: found `0`, expected a whole number from 1 to 65535",
            "zoo.cfg:3: initLimit: found `x`, expected a whole number from 1",
            "zoo.cfg:4: syncLimit: found `0`, expected a whole number from 1",
        ]);
    Files::new("dataDir=@\ninitLimit=10\nsyncLimit=5\nserver.1=a:1:2\nserver.2=b:1:2").with("myid", "2").check_errors(
        &["zoo.cfg: clientPort is missing: add a line such as clientPort=2181, or write ;2181 at the end of server.2 \
         (zoo.cfg:5)"],
    );
}

#[test]
fn bad_server_lines_are_all_reported() {
    let lines = "server.1=zk1:2888:3888\nserver.2=IP2.2888:3888\nserver.3=IP3:2888:2888\nserver.x=zk4:2888:3888\n\
                 server.1=zk5:2888:3888\nserver.01=zk6:2888:3888\nserver.7=ZK1:3888:4888\nserver.8=a:1:2|b:1:2\n\
                 server.9=c:1:0\nserver.10=d:2181:3888;2181\nserver.-1=e:1:2\nserver.11=f:1:2;f:1\n";
    let form = "`IP2.2888:3888` does not have the form \
                <host>:<quorum port>:<election port>[:participant|observer][;[<client host>:]<client port>]: a port \
                is missing";
    Files::new(&format!("{ENSEMBLE}{lines}")).with("myid", "12").check_errors(&[
        "zoo.cfg:9: server.1 is given twice, before at zoo.cfg:5; number the servers apart",
        &format!("zoo.cfg:6: server.2: {form}"),
        "zoo.cfg:7: server.3: `IP3:2888:2888` has quorum port and election port 2888: they must differ; use for \
         example 2888 and 3888",
        "zoo.cfg:8: server.x: `x` is not the number of a server: expected for example server.1",
        "zoo.cfg:10: server 1 is given twice, before at zoo.cfg:5; number the servers apart",
        "zoo.cfg:12: server.8: several addresses need multiAddress.enabled=true",
        "zoo.cfg:13: server.9: port 0 cannot be reached: expected a number from 1 to 65535",
        "zoo.cfg:15: server.-1: `-1` is not the number of a server: expected for example server.1",
        "zoo.cfg:11: server.7: ZK1:3888 is also an address of server 1 (zoo.cfg:5); each server needs its own",
        "zoo.cfg:14: server.10: port 2181 is used for clients and for servers; choose different ports",
        "zoo.cfg:16: server.11: f:1 is used for clients and for servers; choose different ports",
        "@/myid: 12 is not in the server list of zoo.cfg (1, 2, 3, 7, 8, 9, 10, 11): correct the number or add a \
         line server.12=…",
    ]);
    Files::new(&format!("{ENSEMBLE}{SERVERS}server.4=ZK1:2888:3889\n")).with("myid", "1").check_errors(&[
        "zoo.cfg:8: server.4: ZK1:2888 is also an address of server 1 (zoo.cfg:5); each server needs its own",
    ]);
    ensemble("")
        .with_override("clientPort", "3888")
        .check_errors(&["command line: clientPort 3888 is also a port of server.1 (zoo.cfg:5); choose another"]);
}

#[test]
fn observers_need_a_quorum() {
    let with = |lines: &str| Files::new(&format!("{ENSEMBLE}{lines}")).with("myid", "1");
    with("server.1=a:1:2:observer\n")
        .check_errors(&["zoo.cfg: there are observers but no participants: add participants for them to follow"]);
    with("server.1=a:1:2\nserver.2=b:1:2:observer\n").check_errors(&[
        "zoo.cfg: there are observers but only one participant: add participants, or set standaloneEnabled=false",
    ]);
    with("server.1=a:1:2\nserver.2=b:1:2:observer\nstandaloneEnabled=false\n")
        .check_warnings(&["an ensemble with 1 participant stops when one fails; three are needed to go on"]);
    with("standaloneEnabled=false\n").check_errors(&[
        "zoo.cfg:5: standaloneEnabled=false needs a participant: add a line such as server.1=localhost:2888:3888",
    ]);
}

#[test]
fn sizes_of_ensembles_that_help_nobody_are_warned_about() {
    let with = |count: usize| {
        let lines: String = (1..=count).map(|sid| format!("server.{sid}=zk{sid}:2888:3888\n")).collect();
        Files::new(&format!("{ENSEMBLE}{lines}")).with("myid", "1")
    };
    with(2).check_warnings(&["an ensemble with 2 participants stops when one fails; three are needed to go on"]);
    with(3).check_warnings(&[]);
    with(4).check_warnings(&[
        "an ensemble of 4 participants survives no more failures than one of 3; choose an odd number",
    ]);
}

#[test]
fn the_server_list_decides_the_role() {
    ensemble("peerType=observer").check_warnings(&[
        "key peerType (zoo.cfg:8) is observer, but the server list makes this server a participant; the list decides",
    ]);
    let observer = format!("{ENSEMBLE}{SERVERS}server.4=zk4:2888:3888:observer\npeerType=OBSERVER\n");
    assert_eq!(Files::new(&observer).with("myid", "4").check_warnings(&[]).role(), MemberRole::Observer);
}

#[test]
fn myid() {
    let with = |myid: &str| Files::new(&format!("{ENSEMBLE}{SERVERS}")).with("myid", myid);
    assert_eq!(with(" 2 \r\nanything").config().myid, Some(ServerId(2)));
    with("x").check_errors(&["@/myid: `x` is not a number: expected one line with a number from 1 to 255"]);
    with("").check_errors(&["@/myid: `` is not a number: expected one line with a number from 1 to 255"]);
    with("0").check_errors(&["@/myid: 0 is out of range: expected a number from 1 to 255"]);
    with("256").check_errors(&["@/myid: 256 is out of range: expected a number from 1 to 255"]);
    with(&"1".repeat(100))
        .check_errors(&["@/myid: `(a long text)` is not a number: expected one line with a number from 1 to 255"]);
    with("7").check_errors(&[
        "@/myid: 7 is not in the server list of zoo.cfg (1, 2, 3): correct the number or add a line server.7=…",
    ]);
    Files::new(&format!("{ENSEMBLE}{SERVERS}")).check_errors(&[
        "@/myid: file is missing: it holds the number of this server, here one of 1, 2, 3; write it with: \
         echo <number> > @/myid",
    ]);
    let extended = format!("{ENSEMBLE}{SERVERS}server.255=zk255:2888:3888\nextendedTypesEnabled=true\n");
    Files::new(&extended).with("myid", "255").check_errors(&[
        "@/myid: 255 is out of range: expected a number from 1 to 254 because extendedTypesEnabled=true",
    ]);
    let plain = extended.replace("=true", "=false");
    assert_eq!(Files::new(&plain).with("myid", "255").config().myid, Some(ServerId(255)));
    standalone("")
        .with("myid", "one")
        .check_errors(&["@/myid: `one` is not a number: expected one line with a number from 1 to 255"]);
}

#[test]
fn a_given_myid_completes_or_confirms_the_file() {
    let files = || Files::new(&format!("{ENSEMBLE}{SERVERS}"));
    assert_eq!(files().with_given_myid("3").config().myid, Some(ServerId(3)));
    assert_eq!(files().with("myid", "3").with_given_myid(" 3").config().myid, Some(ServerId(3)));
    files().with("myid", "2").with_given_myid("3").check_errors(&[
        "@/myid: says 2, but the command line says 3. hint: correct --myid if @ is this server's, else give it its \
             own data directory",
    ]);
    files().with("myid", "2").with_given_myid("three").check_errors(&[
        "@/myid: says 2, but the command line says three. hint: correct --myid if @ is this server's, else give it \
             its own data directory",
    ]);
    files()
        .with_given_myid("x")
        .check_errors(&["command line: `x` is not a number: expected one line with a number from 1 to 255"]);
}

#[test]
fn the_command_line_replaces_keys() {
    let config = standalone("tickTime=1000\n")
        .with_override("tickTime", "500")
        .with_override("zookeeper.snapCount", "7")
        .check_warnings(&[]);
    assert_eq!((config.settings.tick_time_ms, config.settings.snap_count), (500, 7));
    standalone("")
        .with_override("tickTime", "x")
        .check_errors(&["command line: tickTime: found `x`, expected a whole number from 1"]);
}

#[test]
fn files_that_are_no_configuration() {
    let nothing = Config::load(Path::new("/nonexistent/zoo.cfg"), &Overrides::default()).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "/nonexistent/zoo.cfg: cannot be read: No such file or directory (os error 2); \
    the path of a zoo.cfg is expected"
    );
    standalone("dataLogDir=C:\\users\\x\n")
        .check_errors(&["zoo.cfg:3: `\\u` must be followed by four hexadecimal digits; write `\\\\` for a backslash"]);
    Files::new(&"#".repeat(2 << 20))
        .check_errors(&["zoo.cfg: is longer than 1048576 bytes: is this a configuration file?"]);
}

#[test]
fn paths_that_depend_on_the_working_directory_are_warned_about() {
    Files::new("dataDir=data\nclientPort=2181\ndataLogDir=./log\n").check_warnings(&[
        "key dataDir (zoo.cfg:1) is the relative path data: it depends on where the server is started; \
         write ./ in front of it if that is meant",
    ]);
}

#[test]
fn every_key_is_accepted_with_its_default_in_one_file() {
    let unset_examples = [("dataDir", "@"), ("clientPort", "2181"), ("initLimit", "10"), ("syncLimit", "5")];
    let mut text = String::new();
    for key in keys::all().filter(|key| !key.name.ends_with(".N") && !key.name.ends_with(".*")) {
        let example = unset_examples.iter().find(|(name, _)| *name == key.name).map(|(_, value)| *value);
        if let Some(value) = key.default.text().or(example) {
            text += &format!("{}={value}\n", key.name);
        }
    }
    let (config, warnings) = Files::new(&text).load().unwrap();
    let defaults = Settings {
        data_dir: config.settings.data_dir.clone(),
        client_port: Some(2181),
        init_limit_ticks: Some(10),
        sync_limit_ticks: Some(5),
        ..Settings::default()
    };
    assert_eq!(config.settings, defaults);
    let strange = warnings.iter().map(Warning::to_string).find(|warning| !warning.contains("has no effect here"));
    assert_eq!(strange, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let files = Files::new("");
        fs::write(files.directory.path().join("zoo.cfg"), bytes).unwrap();
        let _ = files.load();
    }

    #[test]
    fn no_keys_make_it_panic(
        index in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        values in proptest::collection::vec("[-0-9a-z:;|\\[\\]/. ]{0,12}", 12),
        myid in "[0-9x]{0,4}",
    ) {
        let names: Vec<&str> = keys::all().map(|key| key.name).collect();
        let mut text = ENSEMBLE.to_owned();
        for (index, value) in index.iter().zip(&values) {
            text += &format!("{}={value}\n", index.get(&names).replace('N', "1"));
        }
        let _ = Files::new(&text).with("myid", &myid).load();
    }
}

#[test]
fn a_server_that_is_not_in_the_list_may_join() {
    let list = format!("{ENSEMBLE}{SERVERS}reconfigEnabled=true\n");
    let files = Files::new(&format!("{list}joinAs=zk7:2888:3888;2181\n")).with("myid", "7");
    let config = files
        .check_warnings(&["server 7 is not in the server list of zoo.cfg: it follows without a vote as \
         zk7:2888:3888 (zoo.cfg:9) until a reconfiguration lets it in"]);
    assert!(config.is_joining() && config.membership.servers.len() == 3);
    assert_eq!(config.own_spec().unwrap().addresses[0].host, "zk7");
    assert_eq!(config.quorum_listen(), [Listen { host: Some("zk7".to_owned()), port: 2888 }]);
    // One seed is enough, and does not make a standalone server.
    let alone = format!("{ENSEMBLE}server.1=zk1:2888:3888\nreconfigEnabled=true\njoinAs=zk7:2888:3888\n");
    assert_eq!(Files::new(&alone).with("myid", "7").config().mode, Mode::Ensemble);
    // A kept list says where it was when it was a member.
    let kept = "server.7=old:2888:3888:observer;0.0.0.0:2181\nserver.1=zk1:2888:3888:participant";
    let files = Files::new(&list).with("myid", "7").with("zoo.cfg.dynamic.100000005", kept);
    assert_eq!(files.config().own_spec().unwrap().addresses[0].host, "old");
    Files::new(&list)
        .with("myid", "7")
        .check_errors(&["zoo.cfg: does not list server 7, and nothing says under which address it may join. \
         hint: set joinAs=<host>:2888:3888;2181"]);
    Files::new(&format!("{list}joinAs=zk7:2888\n"))
        .with("myid", "7")
        .check_errors(&["zoo.cfg:9: joinAs: `zk7:2888` does not have the form <host>:<quorum port>:<election port>\
         [:participant|observer][;[<client host>:]<client port>]: a port is missing"]);
}
