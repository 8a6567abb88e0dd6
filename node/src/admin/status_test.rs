use super::*;
use crate::admin::state::testing;
use crate::shared::Configurations;
use replica::Status;

/// The list of the ensemble as a change of this version has left it.
fn membership(members: &[i64], version: i64) -> Arc<Membership> {
    let lines: String = members.iter().map(|sid| format!("server.{sid}=zk{sid}:2888:3888:participant\n")).collect();
    Arc::new(Membership::parse(&format!("{lines}server.101=ob:2888:3888:observer\nversion={version:x}\n")).unwrap())
}

/// A member that has read its data, and its state of such a name in this epoch behind a leader.
fn shows(node: &Arc<Node>, state: &str, epoch: i64, leader: Option<i64>, config: &Configurations) -> serde_json::Value {
    let running = node.running().unwrap();
    let status = Status {
        mode: "follower",
        serving: state.ends_with("broadcast"),
        peer_state: state.to_owned(),
        leader: leader.map(ServerId),
        epoch,
        last_zxid: Zxid(0x1_0000_0007),
        ..Status::default()
    };
    running.shared.serving.store(status.serving, Relaxed);
    running.shared.publish(status, config.clone());
    shown(node)
}

fn shown(node: &Arc<Node>) -> serde_json::Value {
    let (generation, facts, shown) = node.board.look(node);
    serde_json::from_str(&json(node, generation, &facts, shown).compact()).unwrap()
}

fn configured(members: &[i64], version: i64) -> Configurations {
    Configurations { committed: membership(members, version), pending: None }
}

#[tokio::test]
async fn a_server_that_loads_answers() {
    let node = testing::member();
    let text = shown(&node);
    let generation = text["generation"].as_u64().unwrap();
    assert_eq!(
        text,
        serde_json::json!({
            "generation": generation, "sid": 2, "state": "loading", "hasData": false, "ensemble": null, "incarnation": 0,
            "retiredAt": null, "leader": null, "epoch": null, "synced": false, "serving": false, "ready": false,
            "reason": "the data directory is being read", "lastZxid": "0x0", "configVersion": "0x0", "config": {},
            "pending": null, "version": env!("CARGO_PKG_VERSION"), "dataBytes": 0, "diskUsedPercent": null, "diskFull": false,
        })
    );
    // It has a driver, which has said nothing yet.
    node.runs(testing::running(&node));
    assert_eq!(shown(&node)["state"], "loading");
}

#[tokio::test]
async fn states_are_told_apart_by_the_core_and_the_configuration() {
    let node = testing::member();
    node.runs(testing::running(&node));
    let (inside, outside) = (configured(&[1, 2, 3], 0x1_0000_0005), configured(&[1, 3], 0x1_0000_0006));
    let check = |state: &str, config: &Configurations, expected: &str, leader: Option<i64>, is_synced: bool| {
        let text = shows(&node, state, 4, leader, config);
        let agreed = leader.filter(|_| !state.ends_with("discovery"));
        assert_eq!(text["state"], expected, "{state}");
        assert_eq!((text["leader"].as_i64(), text["epoch"].as_i64()), (agreed, agreed.map(|_| 4)), "{state}");
        assert_eq!((&text["synced"], &text["ready"]), (&is_synced.into(), &is_synced.into()), "{state}");
    };
    check("looking - election", &inside, "looking", None, false);
    check("looking - election", &outside, "joining", None, false);
    for (role, leader) in [("following", 1), ("observing", 1), ("leading", 2)] {
        for config in [&inside, &outside] {
            check(&format!("{role} - discovery"), config, role, Some(leader), false);
            check(&format!("{role} - synchronization"), config, role, Some(leader), false);
            check(&format!("{role} - broadcast"), config, role, Some(leader), true);
        }
    }
    check("stopped", &inside, "looking", None, false);
}

#[tokio::test]
async fn only_what_was_committed_is_the_configuration() {
    let node = testing::member();
    node.runs(testing::running(&node));
    let given = Configurations {
        committed: Arc::new(node.config.membership.clone()),
        pending: Some(membership(&[1, 2, 3], 0x1_0000_0000)),
    };
    let text = shows(&node, "following - synchronization", 1, Some(1), &given);
    assert_eq!(
        (&text["config"], &text["configVersion"]),
        (&serde_json::json!({}), &"0x0".into()),
        "a list from the start"
    );
    assert_eq!(text["pending"], "0x100000000");
    let text = shows(&node, "following - broadcast", 1, Some(1), &configured(&[1, 2], 0x1_0000_0000));
    assert_eq!(text["config"], serde_json::json!({"1": "voter", "2": "voter", "101": "observer"}));
    assert_eq!((&text["configVersion"], &text["pending"]), (&"0x100000000".into(), &serde_json::Value::Null));
}

#[tokio::test]
async fn data_is_held_from_the_end_of_the_first_synchronization_on() {
    let node = testing::member();
    node.runs(testing::running(&node));
    let config = configured(&[1, 2, 3], 0x1_0000_0005);
    for (state, epoch, expected) in [
        ("looking - election", 0, false),
        ("following - discovery", 3, false),
        ("following - synchronization", 3, false),
        ("looking - election", 0, false),
        ("following - broadcast", 3, true),
        ("following - discovery", 4, true),
    ] {
        assert_eq!(shows(&node, state, epoch, None, &config)["hasData"], expected, "{state}");
    }
}

#[tokio::test]
async fn a_core_that_is_silent_is_not_in_step() {
    let node = testing::member();
    node.runs(testing::running(&node));
    let config = configured(&[1, 2, 3], 0x1_0000_0005);
    assert_eq!(shows(&node, "following - broadcast", 1, Some(1), &config)["synced"], true);
    node.running().unwrap().shared.note_published_before(CORE_SILENT_MS_MAX + 1);
    let text = shown(&node);
    assert_eq!((&text["synced"], &text["ready"]), (&false.into(), &false.into()));
    assert!(text["reason"].as_str().unwrap().starts_with("the core has not moved"), "{text}");
}

#[tokio::test]
async fn a_generation_changes_with_what_it_stands_for() {
    let node = testing::member();
    let before = shown(&node)["generation"].as_u64().unwrap();
    assert_eq!(shown(&node)["generation"], before);
    node.runs(testing::running(&node));
    let config = configured(&[1, 2, 3], 0x1_0000_0005);
    let follows = shows(&node, "following - broadcast", 1, Some(1), &config)["generation"].as_u64().unwrap();
    assert!(follows > before);
    let again = || shows(&node, "following - broadcast", 1, Some(1), &configured(&[1, 2, 3], 0x1_0000_0005));
    assert_eq!(again()["generation"], follows, "the same, though published anew");
    let running = node.running().unwrap();
    let mut last = follows;
    let mut changes = |what: &str| {
        let now = shown(&node)["generation"].as_u64().unwrap();
        assert!(now > last, "{what}");
        last = now;
    };
    running.shared.disk.thread.waits_for_room.store(true, Relaxed);
    changes("a full disk");
    running.shared.serving.store(false, Relaxed);
    changes("no service");
    node.drain();
    assert_eq!(shown(&node)["ready"], false);
    let pending = Configurations { pending: Some(membership(&[1], 0x1_0000_0009)), ..config };
    shows(&node, "following - broadcast", 1, Some(1), &pending);
    changes("a proposed configuration");
    shows(&node, "following - broadcast", 2, Some(1), &pending);
    changes("an epoch");
}

#[tokio::test]
async fn whoever_waits_is_answered_by_a_change_or_in_the_end() {
    let node = testing::member();
    node.runs(testing::running(&node));
    let config = configured(&[1, 2, 3], 0x1_0000_0005);
    let known = shows(&node, "looking - election", 0, None, &config)["generation"].as_u64().unwrap();
    let wish = |after, ms| Wish { after: Some(after), patience: Duration::from_millis(ms) };
    assert_eq!(when_changed(&node, wish(known - 1, STATUS_WAIT_MS_MAX)).await.0, known, "another is there already");
    assert_eq!(when_changed(&node, wish(known, 1)).await.0, known, "nothing has changed");
    let (waiting, other) = (node.clone(), node.clone());
    // The end of its patience is further away than that of the test's: only the change ends it.
    let for_ever = Wish { after: Some(known), patience: Duration::MAX / 4 };
    let waits = tokio::spawn(async move { when_changed(&waiting, for_ever).await.0 });
    let wakes = tokio::task::spawn_blocking(move || shows(&other, "following - broadcast", 1, Some(1), &config));
    assert!(tokio::time::timeout(Duration::from_secs(30), waits).await.unwrap().unwrap() > known);
    wakes.await.unwrap();
}

#[tokio::test]
async fn where_too_many_wait_the_next_is_answered_at_once() {
    let node = testing::member();
    let known = shown(&node)["generation"].as_u64().unwrap();
    let _all = node.board.places.acquire_many(STATUS_WAITERS_MAX as u32).await.unwrap();
    let wish = Wish { after: Some(known), patience: Duration::MAX / 4 };
    let answer = tokio::time::timeout(Duration::from_secs(30), when_changed(&node, wish)).await;
    assert_eq!(answer.unwrap().0, known);
}

#[test]
fn a_wish_has_two_numbers_at_most() {
    let wish = |after, ms| Ok(Wish { after, patience: Duration::from_millis(ms) });
    assert_eq!(Wish::parse(""), wish(None, 0));
    assert_eq!(Wish::parse("after=17"), wish(Some(17), 0));
    assert_eq!(Wish::parse("waitMs=30000&after=0"), wish(Some(0), 30_000));
    for (wrong, said) in [
        ("after=-1", "after=-1: expected a whole number from 0 to 18446744073709551615"),
        ("after=x&waitMs=1", "after=x"),
        ("after=1&waitMs=30001", "waitMs=30001: expected a whole number from 0 to 30000"),
        ("waitMs=5", "waitMs without after"),
        ("after=1&after=2", "after is there twice"),
        ("sid=1", "unknown parameter \"sid\": expected after, waitMs"),
        ("after=%", "no part of a URL"),
    ] {
        assert!(Wish::parse(wrong).unwrap_err().contains(said), "{wrong}: {:?}", Wish::parse(wrong));
    }
}
