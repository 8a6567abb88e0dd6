//! The crate `zookeeper-client` from crates.io, by an author who knows Apache's server, not ours.

use std::time::Duration;

use compat::Topology;
use zookeeper_client::{
    Acl, Acls, AddWatchMode, AuthId, Client, CreateMode, Error, EventType, LockPrefix, MultiReadResult,
    MultiWriteResult, Permission,
};

const OPEN: Acls<'static> = Acls::anyone_all();
const LIMIT: Duration = Duration::from_secs(60);

fn on(topology: &Topology, test: impl AsyncFn(&str)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let servers = topology.connect_string();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test(&servers)).await }).expect("the suite ends in time");
}

async fn connect(servers: &str) -> Client {
    Client::connector().with_session_timeout(Duration::from_secs(20)).connect(servers).await.expect("a session")
}

async fn all_operations(servers: &str) {
    let client = connect(servers).await;
    nodes(&client).await;
    multi(&client).await;
    watches(&client, &connect(servers).await).await;
    access(&client, &connect(servers).await).await;
    sessions(&client, servers).await;
    lock(&client, &connect(servers).await).await;
}

async fn nodes(client: &Client) {
    let persistent = CreateMode::Persistent.with_acls(OPEN);
    let (stat, _) = client.create("/r", b"one", &persistent).await.expect("create");
    assert_eq!(client.get_data("/r").await.expect("get"), (b"one".to_vec(), stat));
    let stat = client.set_data("/r", b"two", Some(0)).await.expect("set");
    assert_eq!((stat.version, stat.data_length), (1, 3));
    assert_eq!(client.set_data("/r", b"x", Some(0)).await, Err(Error::BadVersion));
    assert_eq!(client.check_stat("/r").await.expect("exists"), Some(stat));
    assert_eq!(client.check_stat("/none").await.expect("exists"), None);
    assert_eq!(client.create("/r", b"", &persistent).await.map(drop), Err(Error::NodeExists));
    assert_eq!(client.create("/none/x", b"", &persistent).await.map(drop), Err(Error::NoNode));
    let sequential = CreateMode::EphemeralSequential.with_acls(OPEN);
    for expected in 0..3 {
        let (stat, sequence) = client.create("/r/s", b"", &sequential).await.expect("create sequential");
        assert_eq!(sequence.into_i64(), expected);
        assert_ne!(stat.ephemeral_owner, 0);
    }
    let container = CreateMode::Container.with_acls(OPEN);
    client.create("/r/c", b"", &container).await.expect("create container");
    let ttl = CreateMode::Persistent.with_acls(OPEN).with_ttl(Duration::from_secs(1000));
    client.create("/r/t", b"", &ttl).await.expect("create ttl");
    let mut children = client.list_children("/r").await.expect("list");
    children.sort();
    assert_eq!(children, ["c", "s0000000000", "s0000000001", "s0000000002", "t"]);
    assert_eq!(client.get_children("/r").await.expect("children").1.num_children, 5);
    assert_eq!(client.count_descendants_number("/r").await.expect("count"), 5);
    assert_eq!(client.list_ephemerals("/r").await.expect("ephemerals").len(), 3);
    assert_eq!(client.delete("/r", None).await, Err(Error::NotEmpty));
    client.delete("/r/c", None).await.expect("delete");
    client.sync("/r").await.expect("sync");
}

async fn multi(client: &Client) {
    let persistent = CreateMode::Persistent.with_acls(OPEN);
    let mut writer = client.new_multi_writer();
    writer.add_create("/m", b"1", &persistent).expect("a valid path");
    writer.add_check_version("/m", 0).expect("a valid path");
    writer.add_set_data("/m", b"2", Some(0)).expect("a valid path");
    writer.add_create("/m/gone", b"", &persistent).expect("a valid path");
    writer.add_delete("/m/gone", None).expect("a valid path");
    let results = writer.commit().await.expect("a multi that succeeds");
    assert!(matches!(&results[0], MultiWriteResult::Create { path, .. } if path == "/m"));
    assert!(matches!(&results[2], MultiWriteResult::SetData { stat } if stat.version == 1));
    let mut writer = client.new_multi_writer();
    writer.add_set_data("/m", b"3", None).expect("a valid path");
    writer.add_delete("/none", None).expect("a valid path");
    let error = writer.commit().await.expect_err("a multi that fails");
    assert!(format!("{error:?}").contains("NoNode"), "{error:?}");
    let mut reader = client.new_multi_reader();
    reader.add_get_data("/m").expect("a valid path");
    reader.add_get_children("/m").expect("a valid path");
    reader.add_get_data("/none").expect("a valid path");
    let results = reader.commit().await.expect("a multi read");
    assert!(matches!(&results[0], MultiReadResult::Data { data, .. } if data == b"2"));
    assert!(matches!(&results[1], MultiReadResult::Children { children } if children.is_empty()));
    assert!(matches!(&results[2], MultiReadResult::Error { err: Error::NoNode }));
}

async fn watches(client: &Client, watcher: &Client) {
    let persistent = CreateMode::Persistent.with_acls(OPEN);
    watcher.sync("/").await.expect("sync");
    let (stat, once) = watcher.check_and_watch_stat("/w").await.expect("exists with a watch");
    assert_eq!(stat, None);
    let mut recursive = watcher.watch("/w", AddWatchMode::PersistentRecursive).await.expect("addWatch");
    let mut exact = watcher.watch("/w", AddWatchMode::Persistent).await.expect("addWatch");
    client.create("/w", b"", &persistent).await.expect("create");
    assert_eq!(once.changed().await.event_type, EventType::NodeCreated);
    client.create("/w/c", b"", &persistent).await.expect("create");
    client.set_data("/w/c", b"x", None).await.expect("set");
    client.delete("/w/c", None).await.expect("delete");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let event = recursive.changed().await;
        seen.push((event.event_type, event.path));
    }
    let expected = [
        (EventType::NodeCreated, "/w"),
        (EventType::NodeCreated, "/w/c"),
        (EventType::NodeDataChanged, "/w/c"),
        (EventType::NodeDeleted, "/w/c"),
    ];
    assert_eq!(seen, expected.map(|(kind, path)| (kind, path.to_owned())));
    assert_eq!(exact.changed().await.event_type, EventType::NodeCreated);
    assert_eq!(exact.changed().await.event_type, EventType::NodeChildrenChanged);
    // Dropping a watcher sends removeWatches; the sync behind it is answered on the same connection.
    drop((recursive, exact));
    drop(watcher.get_and_watch_data("/w").await.expect("getData with a watch"));
    watcher.sync("/").await.expect("the connection has survived the removal");
}

async fn access(client: &Client, stranger: &Client) {
    client.auth("digest", b"user:secret").await.expect("auth");
    let acls = [Acl::new(Permission::ALL, AuthId::new("auth", ""))];
    let options = CreateMode::Persistent.with_acls(Acls::new(&acls));
    client.create("/acl", b"", &options).await.expect("create");
    let (acls, stat) = client.get_acl("/acl").await.expect("getACL");
    assert_eq!((acls[0].scheme(), stat.aversion), ("digest", 0));
    stranger.sync("/").await.expect("sync");
    assert_eq!(stranger.get_data("/acl").await.map(drop), Err(Error::NoAuth));
    let stat = client.set_acl("/acl", &[Acl::new(Permission::ALL, AuthId::anyone())], Some(0)).await.expect("setACL");
    assert_eq!(stat.aversion, 1);
    stranger.sync("/").await.expect("sync");
    stranger.get_data("/acl").await.expect("now everybody may");
    assert_eq!(client.list_auth_users().await.expect("whoAmI").len(), 2);
}

async fn sessions(client: &Client, servers: &str) {
    let other = Client::connector().with_detached().connect(servers).await.expect("a session");
    let ephemeral = CreateMode::Ephemeral.with_acls(OPEN);
    other.create("/moving", b"", &ephemeral).await.expect("create");
    let session = other.into_session();
    let again = Client::connector().with_session(session).connect(servers).await.expect("the same session");
    assert_eq!(again.list_ephemerals("/").await.expect("ephemerals"), ["/moving"]);
    client.sync("/").await.expect("sync");
    let (_, gone) = client.check_and_watch_stat("/moving").await.expect("exists");
    drop(again);
    assert_eq!(gone.changed().await.event_type, EventType::NodeDeleted);
}

async fn lock(client: &Client, rival: &Client) {
    let persistent = CreateMode::Persistent.with_acls(OPEN);
    client.create("/locks", b"", &persistent).await.expect("create");
    rival.sync("/").await.expect("sync");
    let prefix = || LockPrefix::new_curator("/locks", "lock-").expect("a valid prefix");
    let held = client.lock(prefix(), b"", OPEN).await.expect("the lock");
    held.create("/locks-fenced", b"", &persistent).await.expect("a write under the lock");
    let (waited, ()) = tokio::join!(rival.lock(prefix(), b"", OPEN), async { drop(held) });
    waited.expect("the lock after the first has let go");
}

#[test]
fn all_operations_on_one_server() {
    on(&Topology::one(), all_operations);
}

#[test]
fn all_operations_on_three_servers() {
    on(&Topology::three(), all_operations);
}
