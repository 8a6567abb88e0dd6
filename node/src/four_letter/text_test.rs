use super::*;

fn server() -> Server<'static> {
    Server {
        version: "3.9.5-abc, built on 2026-01-01 00:00 UTC",
        latency: Latencies { last: 1, min: 0, mean: 1.0 / 3.0, max: 17 },
        received: 12,
        sent: 11,
        connections: 2,
        outstanding: 0,
        zxid: Zxid(0x2_0000_00ff),
        mode: "leader",
        nodes: 5,
        proposal_bytes: Some([36, -1, 48]),
    }
}

fn idle(peer: &str) -> Connection {
    Connection { peer: peer.parse().unwrap(), queued: 0, received: 1, sent: 0, session: None }
}

fn busy() -> Connection {
    Connection {
        peer: "[::1]:41000".parse().unwrap(),
        queued: 2,
        received: 9,
        sent: 8,
        session: Some(ConnectionSession {
            id: SessionId(0x1_0000_0000_0001),
            operation: Some(OpCode::GetChildren2),
            established: Millis(1_700_000_000_123),
            timeout_ms: 30_000,
            last_cxid: 0x1f,
            last_zxid: Zxid(7),
            last_response: Millis(4711),
            latency: Latencies { last: 3, min: 0, mean: 2.9, max: 8 },
        }),
    }
}

#[test]
fn srvr_and_stat() {
    let figures = "Latency min/avg/max: 0/0.3333/17\nReceived: 12\nSent: 11\nConnections: 2\nOutstanding: 0\n\
                   Zxid: 0x2000000ff\nMode: leader\nNode count: 5\nProposal sizes last/min/max: 36/-1/48\n";
    let version = "Zookeeper version: 3.9.5-abc, built on 2026-01-01 00:00 UTC\n";
    assert_eq!(srvr(&server()), format!("{version}{figures}"));
    let clients = "Clients:\n /10.0.0.1:9[0](queued=0,recved=1,sent=0)\n \
                   /[0:0:0:0:0:0:0:1]:41000[1](queued=2,recved=9,sent=8)\n\n";
    assert_eq!(stat(&server(), &[idle("10.0.0.1:9"), busy()]), format!("{version}{clients}{figures}"));
    let follower = Server { mode: "follower", proposal_bytes: None, latency: Latencies::default(), ..server() };
    assert!(srvr(&follower).ends_with("Mode: follower\nNode count: 5\n"));
    assert!(srvr(&follower).contains("\nLatency min/avg/max: 0/0.0/0\n"));
}

#[test]
fn cons_shows_sessions() {
    let mut fresh = busy();
    let session = fresh.session.as_mut().unwrap();
    (session.operation, session.last_cxid, session.last_zxid) = (None, -1, Zxid::NONE);
    assert_eq!(
        cons(&[idle("127.0.0.1:5"), busy(), fresh]),
        " /127.0.0.1:5[0](queued=0,recved=1,sent=0)\n \
         /[0:0:0:0:0:0:0:1]:41000[1](queued=2,recved=9,sent=8,sid=0x1000000000001,lop=GETC,est=1700000000123,to=30000,\
         lcxid=0x1f,lzxid=0x7,lresp=4711,llat=3,minlat=0,avglat=2,maxlat=8)\n \
         /[0:0:0:0:0:0:0:1]:41000[1](queued=2,recved=9,sent=8,sid=0x1000000000001,lop=NA,est=1700000000123,to=30000,\
         lzxid=0xffffffffffffffff,lresp=4711,llat=3,minlat=0,avglat=2,maxlat=8)\n\n"
    );
    assert_eq!(cons(&[]), "\n");
}

#[test]
fn conf_alone_and_in_an_ensemble() {
    let alone = Conf {
        client_port: 2181,
        data_dir: "/data/version-2",
        data_dir_bytes: 424,
        data_log_dir: "/log/version-2",
        data_log_bytes: 67_108_880,
        tick_time_ms: 2000,
        max_client_cnxns: 60,
        session_timeout_bounds_ms: (4000, 40_000),
        listen_backlog: -1,
        server_id: 0,
        ensemble: None,
    };
    let expected = "clientPort=2181\nsecureClientPort=-1\ndataDir=/data/version-2\ndataDirSize=424\n\
                    dataLogDir=/log/version-2\ndataLogSize=67108880\ntickTime=2000\nmaxClientCnxns=60\n\
                    minSessionTimeout=4000\nmaxSessionTimeout=40000\nclientPortListenBacklog=-1\n";
    assert_eq!(conf(&alone), format!("{expected}serverId=0\n"));
    let member = EnsembleConf {
        init_limit_ticks: 10,
        sync_limit_ticks: 5,
        election_ports: vec![3888, 3889],
        quorum_ports: vec![2888],
        is_observer: true,
        membership: "server.2=a:2888:3888:observer\nversion=0".to_owned(),
    };
    assert_eq!(
        conf(&Conf { server_id: 2, ensemble: Some(member), ..alone }),
        format!(
            "{expected}serverId=2\ninitLimit=10\nsyncLimit=5\nelectionAlg=3\nelectionPort=3888|3889\nquorumPort=2888\n\
             peerType=1\nmembership: \nserver.2=a:2888:3888:observer\nversion=0"
        )
    );
}

#[test]
fn dump_of_leader_and_learner() {
    let leader = Dump {
        local_sessions: None,
        sessions: Sessions::Tracked(vec![
            (Millis(1_700_000_004_000), vec![SessionId(1), SessionId(2)]),
            (Millis(1_700_000_006_000), vec![SessionId(-1)]),
        ]),
        ephemerals: vec![(SessionId(2), vec!["/a".to_owned(), "/b".to_owned()])],
        connections: vec![(Millis(1_700_000_010_000), vec![("10.0.0.1:9".parse().unwrap(), SessionId(7))])],
    };
    assert_eq!(
        dump(&leader),
        "SessionTracker dump:\nSession Sets (2)/(3):\n2 expire at Tue Nov 14 22:13:24 UTC 2023:\n\t0x1\n\t0x2\n\
         1 expire at Tue Nov 14 22:13:26 UTC 2023:\n\t0xffffffffffffffff\n\
         ephemeral nodes dump:\nSessions with Ephemerals (1):\n0x2:\n\t/a\n\t/b\n\
         Connections dump:\nConnections Sets (1)/(1):\n1 expire at Tue Nov 14 22:13:30 UTC 2023:\n\
         \tip: /10.0.0.1:9 sessionId: 0x7\n"
    );
    let sessions = Sessions::Known(vec![(SessionId(1), 4000)]);
    let learner = Dump { local_sessions: None, sessions, ephemerals: vec![], connections: vec![] };
    assert_eq!(
        dump(&learner),
        "SessionTracker dump:\nGlobal Sessions(1):\n0x1\t4000ms\nephemeral nodes dump:\nSessions with Ephemerals (0):\n\
         Connections dump:\nConnections Sets (0)/(0):\n"
    );
    let buckets = vec![(Millis(1_700_000_004_000), vec![SessionId(3)])];
    let with_local = |dump| Dump { local_sessions: Some(buckets.clone()), ..dump };
    assert!(dump(&with_local(leader)).contains(":\n\t0x3\nGlobal Session Sets (2)/(3):\n"));
    assert!(dump(&with_local(learner)).starts_with(
        "SessionTracker dump:\nLocal Session Sets (1)/(1):\n1 expire at Tue Nov 14 22:13:24 UTC 2023:\n\t0x3\n\
         Global Sessions(1):\n0x1\t4000ms\nephemeral nodes dump:\n"
    ));
}

#[test]
fn watches() {
    assert_eq!(wchs(1, 2, 2), "1 connections watching 2 paths\nTotal watches:2\n");
    assert_eq!(wchc(&[(SessionId(10), vec!["/a".to_owned(), "/b".to_owned()])]), "0xa\n\t/a\n\t/b\n\n");
    assert_eq!(wchp(&[("/a".to_owned(), vec![SessionId(10), SessionId(11)])]), "/a\n\t0xa\n\t0xb\n\n");
    assert_eq!((wchc(&[]), wchp(&[])), ("\n".to_owned(), "\n".to_owned()));
}

#[test]
fn short_answers() {
    assert_eq!(dirs(1, 2), "datadir_size: 1\nlogdir_size: 2\n");
    assert_eq!(envi(&[("os.name", "Linux".to_owned())]), "Environment:\nos.name=Linux\n");
    assert_eq!(hash(&[(Zxid(128), 5), (Zxid(0x1_0000_0080), u64::MAX)]), "80: 5\n100000080: -1\n");
    assert_eq!(
        mntr(&[
            ("version", Metric::Text("3.9.5".to_owned())),
            ("avg_latency", Metric::Real(0.0)),
            ("znode_count", Metric::Integer(5)),
        ]),
        "zk_version\t3.9.5\nzk_avg_latency\t0.0\nzk_znode_count\t5\n"
    );
}

#[test]
fn doubles_print_as_in_java() {
    for (value, expected) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.3333, "0.3333"),
        (0.001, "0.001"),
        (0.0005, "5.0E-4"),
        (1.25e-5, "1.25E-5"),
        (1234.5, "1234.5"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (12_345_678.0, "1.2345678E7"),
        (f64::INFINITY, "Infinity"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(java_double(value), expected);
    }
    assert_eq!(rounded(2.0 / 3.0), 0.6667);
    assert_eq!(rounded(0.00004), 0.0);
}

#[test]
fn dates_print_as_in_java() {
    for (at, expected) in [
        (0, "Thu Jan 01 00:00:00 UTC 1970"),
        (-1, "Wed Dec 31 23:59:59 UTC 1969"),
        (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
        (951_868_800_000, "Wed Mar 01 00:00:00 UTC 2000"),
        (1_709_251_199_999, "Thu Feb 29 23:59:59 UTC 2024"),
        (1_735_689_599_000, "Tue Dec 31 23:59:59 UTC 2024"),
        (1_735_689_600_000, "Wed Jan 01 00:00:00 UTC 2025"),
        (4_107_542_400_000, "Mon Mar 01 00:00:00 UTC 2100"),
    ] {
        assert_eq!(java_date(Millis(at)), expected);
    }
    // Every day of four centuries follows the day before it.
    let mut last = civil(-1);
    for days in 0..DAYS_PER_400_YEARS {
        let (year, month, day) = civil(days);
        let follows = if day > 1 { (year, month) == (last.0, last.1) && day == last.2 + 1 } else { last.2 >= 28 };
        assert!(follows, "{last:?} then {:?}", (year, month, day));
        last = (year, month, day);
    }
    assert_eq!(last, (2369, 11, 31));
}
