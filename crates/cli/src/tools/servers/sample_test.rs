use super::*;
use proptest::prelude::*;
use serde_json::json;

const SRVR: &str = "Zookeeper version: 3.9.5-9a2c1f5e4d3b2a190817263544536271809a0b1c, built on 2025-06-10 10:00 UTC\n\
    Latency min/avg/max: 0/0.5/9\nReceived: 12\nSent: 11\nConnections: 3\nOutstanding: 1\nZxid: 0x300000012\n\
    Mode: follower\nNode count: 7\n";

#[test]
fn srvr_and_mntr_together_tell_all_that_apache_tells() {
    let mut sample = Sample::default();
    assert_eq!(sample.take_srvr(SRVR), Ok(()));
    sample.take_monitor(&Figures::of_mntr(
        "zk_uptime\t900\nzk_global_sessions\t2\nzk_local_sessions\t1\nzk_watch_count\t4\nzk_cnt_readlatency\t10\n\
         zk_p50_readlatency\t1\nzk_p99_readlatency\t8\nzk_cnt_updatelatency\t5\nzk_cnt_fsynctime\t2\nzk_sum_fsynctime\t9\n",
    ));
    assert_eq!((sample.role, sample.zxid, sample.epoch()), (Some(Role::Follower), Some(0x3_0000_0012), Some(3)));
    assert_eq!(sample.version.as_deref(), Some("3.9.5"));
    assert_eq!((sample.connections, sample.outstanding, sample.znodes), (Some(3), Some(1), Some(7)));
    assert_eq!((sample.sessions, sample.watches, sample.uptime_ms), (Some(3), Some(4), Some(900)));
    assert_eq!(sample.reads, Requests { count: Some(10), p50_ms: Some(1.0), p99_ms: Some(8.0) });
    assert_eq!(sample.phases, [Phase { name: "fsynctime".into(), count: 2, sum_ms: 9.0 }]);
}

#[test]
fn what_a_server_says_in_place_of_an_answer_is_told() {
    let told = |text: &str| Sample::default().take_srvr(text).unwrap_err();
    let whitelist = "srvr is not executed because it is not in the whitelist.\n";
    assert_eq!(told(whitelist), "`srvr` is not allowed there: add it to 4lw.commands.whitelist");
    assert!(told("This ZooKeeper instance is not currently serving requests\n").contains("serves no clients"));
    assert!(told("").contains("without an answer"));
    assert!(told("HTTP/1.1 400 Bad Request").contains("no ZooKeeper server"));
}

#[test]
fn the_status_of_ours_is_refined_by_its_figures() {
    let mut sample = Sample::default();
    sample.take_status(&json!({"sid": 2, "state": "leading", "epoch": 4, "leader": 2, "lastZxid": "0x300000001"}));
    assert_eq!((sample.role, sample.epoch()), (Some(Role::Leader), Some(4)), "an epoch without a transaction");
    sample.take_server_stats(&json!({"server_stats": {"server_state": "standalone", "uptime": 5}, "node_count": 6}));
    assert_eq!((sample.role, sample.uptime_ms, sample.znodes), (Some(Role::Standalone), Some(5), Some(6)));
}

#[test]
fn phases_of_all_roles_are_added_up() {
    let page = "zookube_write_phase_seconds_bucket{phase=\"fsync\",role=\"leader\",le=\"1\"} 3\n\
        zookube_write_phase_seconds_sum{phase=\"fsync\",role=\"leader\"} 0.5\n\
        zookube_write_phase_seconds_count{phase=\"fsync\",role=\"leader\"} 3\n\
        zookube_write_phase_seconds_sum{phase=\"fsync\",role=\"follower\"} 0.25\n\
        zookube_write_phase_seconds_count{phase=\"fsync\",role=\"follower\"} 1\n\
        zookube_peer_lag_bytes{peer=\"2\"} 100\nzookube_peer_lag_zxids{peer=\"2\"} 3\nzookube_peer_lag_bytes{peer=\"x\"} 1\n";
    let mut sample = Sample::default();
    sample.take_metrics(page);
    assert_eq!(sample.phases, [Phase { name: "fsync".into(), count: 4, sum_ms: 750.0 }]);
    assert_eq!(sample.behind, BTreeMap::from([(2, Behind { zxids: 3, bytes: 100 })]));
}

#[test]
fn versions_are_short() {
    let cases = [
        ("3.9.5-zookube.0.1.0, built on an unknown date", "3.9.5-zookube.0.1.0"),
        ("3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f, built on 2022-02-25", "3.8.0"),
        ("3.8.0-, built on a day", "3.8.0"),
        ("3.10.0-SNAPSHOT", "3.10.0-SNAPSHOT"),
    ];
    for (text, expected) in cases {
        assert_eq!(version(text), expected);
    }
}

proptest! {
    #[test]
    fn foreign_answers_do_no_harm(text in ".{0,300}", number in any::<i64>(), real in any::<f64>()) {
        let mut sample = Sample::default();
        let _ = sample.take_srvr(&format!("Mode: {text}\nZxid: 0x{number:x}\nConnections: {real}\n"));
        let page = json!({"sid": real, "epoch": number, "lastZxid": text, "server_stats": {"uptime": number, "last_processed_zxid": real}});
        sample.take_status(&page);
        sample.take_server_stats(&page);
        sample.take_monitor(&Figures::of_json(&page));
        sample.take_metrics(&format!("zookube_write_phase_seconds_sum{{phase={text}}} {real}\n{text}"));
        let _ = sample.epoch();
    }
}
