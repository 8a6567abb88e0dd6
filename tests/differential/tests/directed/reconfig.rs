//! Changing the ensemble: who may, what is refused and in which order, and what the configuration's znode shows.

use differential::compare::check_all;
use differential::request::short::{auth, create, get, get_acl, set, set_acl};
use differential::request::{Request, open};
use differential::script::{Script, Step};
use differential::target::{SUPER_PASSWORD, Target};
use support::ServerKind;

/// The version that the first leader of a new ensemble gives to its configuration.
const FIRST: i64 = 0x1_0000_0000;
const CONFIG: &str = "/zookeeper/config";

fn reconfig(joining: &str, leaving: &str, members: Option<&str>, config_id: i64) -> Request {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Request::Reconfig { joining: text(joining), leaving: text(leaving), members: members.map(str::to_owned), config_id }
}

fn on(server: usize, name: &str) -> Script {
    Script::new(name).step(Step::Connect { conn: 0, server, timeout_ms: 60_000, read_only: None })
}

fn as_super(script: Script) -> Script {
    script.each(0, [auth("super", SUPER_PASSWORD)])
}

/// Requests that change nothing, each for another reason. (One that cannot be decoded stops Apache's leader: it gives its error
/// transaction the zxid of the one before.)
fn refused() -> Vec<Request> {
    let join = |line: &str| reconfig(line, "", None, -1);
    vec![
        reconfig("", "1", None, 7),
        reconfig("", "1", None, FIRST + 1),
        reconfig("", "1,2,3", None, -1),
        reconfig("", "2,3", None, FIRST),
        reconfig("", "x", None, -1),
        reconfig("", "1.5", None, -1),
        join("server.4=127.0.0.1:1:2"),
        join("server.4"),
        join("server.4=127.0.0.1:1:2;3=4"),
        join("server.x=127.0.0.1:1:2;3"),
        join("server.4=127.0.0.1:1:2:leader;3"),
        join("server.4=127.0.0.1:1:2:observer;x"),
        join("server.4=127.0.0.1:1;3"),
        // Three who are not there, against three who are: no quorum.
        join("server.4=127.0.0.1:1:2;3,server.5=127.0.0.1:4:5;6,server.6=127.0.0.1:7:8;9"),
        // One machine's address for two servers.
        join("server.4=10.9.8.7:1:2:observer;3,server.5=10.9.8.7:2:9:observer;4"),
        reconfig("", "", Some("server.4=127.0.0.1:1:2;3,server.5=127.0.0.1:4:5;6"), -1),
        reconfig("", "", Some("server.4=127.0.0.1:1:2;3\ntickTime=5"), -1),
        reconfig("", "", Some("server.4=127.0.0.1:1:2:observer;3"), -1),
        reconfig("", "", Some(""), -1),
        reconfig("", "", Some("server.4=nonsense"), -1),
        reconfig("", "", Some("server.4=127.0.0.1:1:2;3\nserver.5=127.0.0.1:4:5;6\ngroup.1=4"), -1),
    ]
}

fn scripts() -> Vec<Script> {
    vec![
        on(0, "only who may write the znode").each(
            0,
            [
                get(CONFIG, false),
                get_acl(CONFIG),
                set(CONFIG, "x", -1),
                reconfig("", "1", None, -1),
                // What is wrong with the request is said before who may ask.
                reconfig("", "1", None, 7),
                reconfig("", "1,2,3", None, -1),
                auth("super", SUPER_PASSWORD),
                reconfig("", "1", None, 7),
                set(CONFIG, "x", 5),
            ],
        ),
        as_super(on(0, "refused on the leader")).each(0, refused()).each(0, [get(CONFIG, false)]),
        as_super(on(1, "refused through a follower")).each(0, refused()).each(0, [get(CONFIG, false)]),
        as_super(on(0, "an observer that is not there comes and goes, and the znode's watch fires"))
            .each(
                0,
                [
                    get(CONFIG, true),
                    reconfig("server.9=127.0.0.1:11:12:observer;13", "", None, FIRST),
                    reconfig("", "9", None, FIRST),
                    get(CONFIG, true),
                    reconfig("server.9=127.0.0.1:11:12:observer;127.0.0.1:13", "7", None, -1),
                    get(CONFIG, true),
                    create("/beside", "", 0),
                    reconfig("", "9,10", None, -1),
                    get(CONFIG, false),
                ],
            )
            .each(0, [set_acl(CONFIG, open(), -1), get_acl(CONFIG)]),
        on(0, "whom the znode's ACL lets write").each(
            0,
            [
                reconfig("server.8=10.1.2.3:11:12:observer;13", "", None, -1),
                reconfig("server.7=10.1.2.3:12:14:observer;15", "", None, -1),
                reconfig("", "8", None, -1),
                get(CONFIG, false),
            ],
        ),
    ]
}

#[test]
fn the_ensemble_is_changed_as_apaches_is() {
    let start = |kind| Target::ensemble_with(kind, &[("reconfigEnabled", "true")]);
    let (reference, tested) = std::thread::scope(|scope| {
        let reference = scope.spawn(|| start(ServerKind::Apache39));
        let tested = start(ServerKind::under_test());
        (reference.join().expect("the reference comes up"), tested)
    });
    check_all(&reference, &tested, &scripts());
}
