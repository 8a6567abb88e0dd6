//! The batch rule: who answers what, and in which order it leaves.

use super::*;
use crate::config::{Config, Overrides};
use parking_lot::RwLock;
use replica::CloseReason;
use tokio::sync::mpsc;
use tree::{ConnId, Tree, TreeSettings};

struct World {
    requests: Requests,
    conn: Arc<Conn>,
    _dir: tempfile::TempDir,
    _clients: mpsc::Receiver<ClientInput>,
}

fn world() -> World {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("zoo.cfg");
    std::fs::write(&file, format!("dataDir={}\nclientPort=2181\n", dir.path().display())).expect("write zoo.cfg");
    let (config, _) = Config::load(&file, &Overrides::default()).expect("a good configuration");
    let (clients, receiver) = mpsc::channel(1);
    let tree = Arc::new(RwLock::new(Tree::new(TreeSettings::default())));
    let shared = Arc::new(Shared::new(Arc::new(config), tree, clients));
    let peer = "10.0.0.1:1".parse().expect("an address");
    let conn = Arc::new(Conn::new(ConnId(1), peer));
    let identities: Identities = Arc::new([tree::acl::ip_id(peer.ip())]);
    shared.tree.read().add_watcher(conn.id, identities.clone());
    let requests = Requests::new(shared, conn.clone(), SessionId(7), identities);
    World { requests, conn, _dir: dir, _clients: receiver }
}

fn request(xid: i32, opcode: OpCode, body: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    jute::frame(&mut out, |out| {
        out.i32(xid);
        out.i32(opcode as i32);
        body(out);
    });
    out
}

fn exists(xid: i32) -> BytesMut {
    request(xid, OpCode::Exists, |out| {
        out.string("/");
        out.bool(false);
    })
}

fn set(xid: i32) -> BytesMut {
    request(xid, OpCode::SetData, |out| {
        out.string("/a");
        out.buffer(Some(b"x"));
        out.i32(-1);
    })
}

/// The xids of the frames in `output`.
fn xids(output: &[u8]) -> Vec<i32> {
    let (mut rest, mut xids) = (output, Vec::new());
    while let Front::Complete(bytes) = frames::front(rest, 1 << 20).expect("frames") {
        let header = RequestHeader::decode(&rest[LENGTH_BYTES..bytes]).expect("a header");
        xids.push(header.xid.0);
        rest = &rest[bytes..];
    }
    assert!(rest.is_empty(), "{rest:?}");
    xids
}

fn event() -> Bytes {
    jute::framed(|out| ReplyHeader { xid: wire::Xid(-1), zxid: Zxid(1), error: ErrorCode::Ok }.encode(out))
}

/// What the driver answers to a write.
fn reply(xid: i32) -> BytesMut {
    let mut out = BytesMut::new();
    ReplyHeader { xid: wire::Xid(xid), zxid: Zxid(1), error: ErrorCode::Ok }.encode_frame(&mut out);
    out
}

impl World {
    /// Takes the frames; answers the xids answered here and those handed to the driver.
    fn take(&mut self, frames: &[BytesMut]) -> (Vec<i32>, Vec<i32>) {
        let (input, output, result) = self.try_take(frames);
        assert_eq!(result, Ok(()));
        assert!(input.is_empty(), "everything is taken");
        (xids(&output), self.handed_over())
    }

    fn try_take(&mut self, frames: &[BytesMut]) -> (BytesMut, BytesMut, Result<(), Fault>) {
        let (mut input, mut output) = (BytesMut::from(&frames.concat()[..]), BytesMut::new());
        let result = self.requests.take_frames(&mut input, &mut output);
        (input, output, result)
    }

    fn handed_over(&mut self) -> Vec<i32> {
        match self.requests.take_pending() {
            Some(ClientInput::Requests { requests, .. }) => requests.iter().map(|(header, _)| header.xid.0).collect(),
            None => Vec::new(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn reads_that_arrive_together_are_answered_here_in_order() {
    let mut world = world();
    assert_eq!(world.take(&[exists(1), exists(2), exists(3)]), (vec![1, 2, 3], vec![]));
    assert!(world.conn.take_touched());
    assert_eq!(world.conn.stats.received.load(Relaxed), 3);
    assert_eq!(world.conn.stats.sent.load(Relaxed), 3);
}

#[test]
fn everything_behind_a_write_goes_to_the_driver_until_it_is_answered() {
    let mut world = world();
    assert_eq!(world.take(&[exists(1), set(2), exists(3)]), (vec![1], vec![2, 3]));
    assert_eq!(world.take(&[exists(4)]), (vec![], vec![4]));
    world.conn.outbox.replies(reply(2), 1);
    assert_eq!(world.take(&[exists(5)]), (vec![], vec![5]), "3 and 4 are still in the driver");
    let mut rest = reply(3);
    rest.extend_from_slice(&reply(4));
    rest.extend_from_slice(&reply(5));
    world.conn.outbox.replies(rest, 3);
    assert_eq!(world.take(&[exists(6)]), (vec![2, 3, 4, 5, 6], vec![]));
}

#[test]
fn events_leave_before_the_reads_that_may_show_the_change() {
    let mut world = world();
    world.conn.outbox.event(&event());
    assert_eq!(world.take(&[exists(1)]), (vec![-1, 1], vec![]));
}

#[test]
fn a_connection_that_is_told_to_end_answers_no_more_reads() {
    let mut world = world();
    world.conn.outbox.close(CloseReason::NotServing);
    let (input, output, result) = world.try_take(&[exists(1)]);
    assert_eq!((xids(&output), result), (vec![], Ok(())));
    assert!(!input.is_empty());
}

#[test]
fn operations_that_clients_may_not_ask_for_are_answered_and_end_the_connection() {
    for opcode in [0, 13, 20, -10, 99, i32::MIN] {
        let mut frame = exists(5);
        frame[8..12].copy_from_slice(&opcode.to_be_bytes());
        let (_, output, result) = world().try_take(&[exists(4), frame, exists(6)]);
        assert_eq!(result, Err(Fault::Illegal(opcode)));
        let mut expected = BytesMut::new();
        ReplyHeader { xid: wire::Xid(5), zxid: Zxid(-1), error: ErrorCode::Unimplemented }.encode_frame(&mut expected);
        assert!(output.ends_with(&expected), "opcode {opcode}");
        assert_eq!(xids(&output), [4, 5]);
    }
}

fn auth(scheme: &str) -> BytesMut {
    auth_as(scheme, "user1")
}

fn auth_as(scheme: &str, user: &str) -> BytesMut {
    request(-4, OpCode::Auth, |out| {
        out.i32(0);
        out.string(scheme);
        out.buffer(Some(format!("{user}:12345").as_bytes()));
    })
}

#[test]
fn identities_have_a_bound_in_number_and_in_bytes() {
    let many: Vec<BytesMut> = (0..300).map(|number| auth_as("digest", &format!("user{number}"))).collect();
    assert_eq!(world().try_take(&many).2, Err(Fault::TooManyIdentities));
    let long: Vec<BytesMut> = ["a", "b", "c"].map(|user| auth_as("digest", &user.repeat(30_000))).to_vec();
    assert_eq!(world().try_take(&long[..2]).2, Ok(()));
    assert_eq!(world().try_take(&long).2, Err(Fault::TooManyIdentities));
}

#[test]
fn an_identity_counts_for_the_requests_behind_it() {
    let mut world = world();
    assert_eq!(world.take(&[set(1), auth("digest"), auth("digest"), set(2)]), (vec![-4, -4], vec![1, 2]));
    let ids: Vec<&str> = world.requests.identities.iter().map(|id| id.scheme.as_str()).collect();
    assert_eq!(ids, ["ip", "digest"]);
}

#[test]
fn an_identity_that_is_not_proven_ends_the_connection_with_an_answer() {
    let (_, output, result) = world().try_take(&[auth("nonsense")]);
    assert!(matches!(result, Err(Fault::Auth(_))), "{result:?}");
    let mut expected = BytesMut::new();
    ReplyHeader { xid: wire::Xid(-4), zxid: Zxid(0), error: ErrorCode::AuthFailed }.encode_frame(&mut expected);
    assert_eq!(output, expected);
}

#[test]
fn sasl_is_answered_as_by_a_server_that_is_not_configured_for_it() {
    let sasl = request(3, OpCode::Sasl, |out| out.buffer(Some(b"token")));
    let (_, output, result) = world().try_take(&[sasl]);
    assert_eq!(result, Ok(()));
    let expected = jute::framed(|out| {
        ReplyHeader { xid: wire::Xid(3), zxid: Zxid(0), error: ErrorCode::Ok }.encode(out);
        out.i32(-1);
    });
    assert_eq!(output, expected);
}

#[test]
fn the_driver_holds_a_bounded_number_of_requests_of_one_connection() {
    let mut world = world();
    let many: Vec<BytesMut> = (0..REQUESTS_PER_CONNECTION_MAX as i32 + 5).map(set).collect();
    let (mut input, _, result) = world.try_take(&many);
    assert_eq!(result, Ok(()));
    assert_eq!(world.handed_over().len(), REQUESTS_PER_CONNECTION_MAX);
    assert!(!world.requests.admits());
    world.conn.outbox.replies(BytesMut::new(), 1);
    world.requests.note_answered(1);
    let mut output = BytesMut::new();
    world.requests.take_frames(&mut input, &mut output).expect("good frames");
    assert_eq!(world.handed_over(), [REQUESTS_PER_CONNECTION_MAX as i32]);
}

#[test]
fn replies_are_written_before_they_pile_up() {
    let mut world = world();
    let list = |xid| request(xid, OpCode::GetAcl, |out| out.string("/"));
    let many: Vec<BytesMut> = (0..40_000).map(list).collect();
    let (input, output, result) = world.try_take(&many);
    assert_eq!(result, Ok(()));
    assert!(!input.is_empty());
    assert!(output.len() < OUTPUT_BYTES_SOFT_MAX + 1024, "{}", output.len());
}

#[test]
fn bad_frames_end_the_connection_after_the_good_ones() {
    for (bad, what) in [(&[0xff; 8][..], "negative"), (&[0, 0, 0, 2, 1, 1][..], "too short for a header")] {
        let (_, output, result) = world().try_take(&[exists(1), BytesMut::from(bad)]);
        assert!(result.is_err(), "{what}");
        assert_eq!(xids(&output), [1], "{what}");
    }
}
