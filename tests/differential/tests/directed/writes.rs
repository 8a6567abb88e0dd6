//! Which writes succeed, in which order things are checked, and what a pipeline sees.

use differential::request::short::{
    check, container, count, create, create_acl, create_ttl, create2, delete, exists, get, get_acl, ls, ls2, set,
    set_acl,
};
use differential::request::{Request, acl, open};
use differential::run::run;
use differential::script::Script;
use differential::target::Target;
use support::ServerKind;
use support::jute::Encoder;

use crate::common::{at_once, check_standalone, one_by_one};

#[test]
fn order_of_checks() {
    let bad_acl = Some(vec![acl(31, "nosuch", "x")]);
    let read_only = Some(vec![acl(1, "world", "anyone")]);
    let write_only = Some(vec![acl(2, "world", "anyone")]);
    let setup = vec![
        create_acl("/ro", "", 0, read_only.clone()),
        create("/open", "data", 0),
        create("/open/child", "", 0),
        create("/open/eph", "", 1),
        create_acl("/wo", "data", 0, write_only),
        create("/full", "", 0),
        create_acl("/full/ro", "", 0, read_only),
    ];
    let scripts = [
        Script::new("row 11: which of two errors wins").connect(0).each(0, setup).each(
            0,
            vec![
                create_acl("/missing/x", "", 0, bad_acl.clone()),
                create_acl("/ro/x", "", 0, bad_acl.clone()),
                create_acl("/open", "", 0, bad_acl.clone()),
                create_acl("/bad//path", "", 0, bad_acl.clone()),
                create_acl("/bad//path", "", 9, bad_acl),
                create("/ro/x", "", 0),
                create("/ro/x//", "", 0),
                create("/missing/x//", "", 0),
                create("/open/eph/x", "", 0),
                create("/open/child", "", 0),
                create("/open/eph", "", 0),
                create_ttl("/ro/t", 5, 0),
                create_ttl("/missing/t", 5, 1_099_511_627_776),
                delete("/missing/x", -1),
                delete("/ro/x", -1),
                delete("/open/x", 3),
                delete("/open", 3),
                delete("/open", -1),
                delete("/full/ro", 7),
                set("/ro", "x", 7),
                set("/missing", "x", 7),
                set("/open", "x", 7),
                set_acl("/ro", open(), 7),
                set_acl("/ro", None, 7),
                set_acl("/missing", None, 7),
                set_acl("/missing", open(), 7),
                set_acl("/open", open(), 7),
                get("/wo", true),
                exists("/wo", true),
                ls("/wo", true),
                ls2("/wo", true),
                get_acl("/wo"),
                count("/wo"),
                set("/wo", "y", -1),
                Request::Multi(vec![check("/wo", 0)]),
                Request::Multi(vec![check("/open", 7)]),
                Request::Multi(vec![check("/missing", 7)]),
            ],
        ),
        one_by_one(
            "row 12: failed writes take a zxid",
            vec![
                create("/open/child", "", 0),
                delete("/nothing", -1),
                create("/good", "", 0),
                exists("/good", false),
                Request::Multi(vec![delete("/nothing", -1)]),
                create("/good2", "", 0),
                exists("/good2", false),
            ],
        ),
    ];
    check_standalone(&scripts);
}

#[test]
fn pipelines_and_multi() {
    let race = || vec![create("/p", "", 0), create("/p/b", "", 0), delete("/p", -1), delete("/p/b", -1)];
    check_standalone(&[
        at_once("row 13: validation sees what is queued", race()),
        at_once(
            "row 13: ephemerals and versions in flight",
            vec![
                delete("/p", -1),
                create("/p", "", 1),
                create("/p/child", "", 0),
                delete("/p", 1),
                set("/nope", "", -1),
                delete("/p", 0),
                create("/p", "", 0),
                set("/p", "1", 0),
                set("/p", "2", 0),
                set("/p", "3", 1),
                get("/p", false),
                delete("/p", 2),
                exists("/p", false),
            ],
        ),
        at_once(
            "row 14: a failed multi gives its sequence numbers back",
            vec![
                create("/r", "", 0),
                create("/r/n", "", 2),
                Request::Multi(vec![create("/r/n", "", 2), create("/r/n", "", 2), delete("/nothing", -1)]),
                create("/r/n", "", 2),
                ls2("/r", false),
            ],
        ),
        one_by_one(
            "row 15: later operations see earlier ones and share the zxid",
            vec![
                Request::Multi(vec![
                    create("/t", "", 0),
                    create2("/t/b", "12", 0),
                    check("/t", 0),
                    set("/t", "x", 0),
                    check("/t", 1),
                    create("/t/b/e", "", 1),
                    delete("/t/b/e", 0),
                ]),
                exists("/t", false),
                exists("/t/b", false),
                Request::Multi(vec![create("/t/c", "", 0), create("/t/c", "", 0), delete("/t", -1)]),
                exists("/t/c", false),
                Request::Multi(vec![]),
                Request::MultiRead(vec![]),
                Request::MultiRead(vec![get("/t", true), ls("/t", true), get("/none", false), ls("/none", false)]),
                set("/t", "no event: multiRead sets no watches", -1),
                Request::Multi(vec![get("/t", false)]),
                Request::MultiRead(vec![create("/t/x", "", 0)]),
                Request::Multi(vec![create("/t/x", "", 0), get("/t", false)]),
                exists("/t/x", false),
                Request::Multi(vec![set_acl("/t", open(), -1)]),
                Request::Multi(vec![exists("/t", false)]),
                Request::MultiRead(vec![exists("/t", false)]),
            ],
        ),
        one_by_one(
            "row 16: result types of containers and TTL znodes in a multi",
            vec![
                Request::Multi(vec![container("/c16"), create_ttl("/t16", 5, 99_999), create_ttl("/t16/s", 6, 99_999)]),
                exists("/c16", false),
                exists("/t16", false),
            ],
        ),
    ]);
}

#[test]
fn undecodable_bodies() {
    // Short bodies of every operation; what follows on the connection must still be answered.
    let ops = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 16, 17, 18, 19, 21, 22, 101, 103, 104, 105, 106];
    let scripts: Vec<Script> = ops
        .iter()
        .map(|&op| {
            let raw = |body: Vec<u8>| Request::Raw { op, body };
            let requests = vec![
                raw(vec![]),
                raw(vec![0, 0, 0]),
                raw(Encoder::new().int(5).raw(b"/a").0),
                raw(Encoder::new().int(-2).0),
                raw(Encoder::new().string("/a").0),
                create("/still", "", 0),
                get("/", false),
                delete("/still", -1),
            ];
            one_by_one(&format!("bodies of operation {op} that end too early"), requests).zxids_may_differ()
        })
        .collect();
    check_standalone(&scripts);
}

#[test]
fn operations_that_end_the_connection() {
    let alone = |op: i32| {
        one_by_one(&format!("row 17: operation {op}"), vec![Request::Raw { op, body: vec![] }, get("/", false)])
    };
    let mut scripts: Vec<Script> = [0, 10, 13, 23, 99, 108, 200, -1, -2, -100, i32::MAX].map(alone).to_vec();
    scripts.push(one_by_one("row 17: check alone", vec![check("/", 0), get("/", false)]));
    check_standalone(&scripts);
}

#[test]
fn reconfiguration_while_it_is_off() {
    let text = |s: &str| Some(s.to_owned());
    check_standalone(&[one_by_one(
        "reconfig on a standalone server",
        vec![
            Request::Reconfig { joining: text("server.9=127.0.0.1:1:2"), leaving: None, members: None, config_id: -1 },
            Request::Reconfig { joining: None, leaving: text("1"), members: None, config_id: -1 },
            get("/", false),
            Request::Raw { op: 102, body: Encoder::new().buffer(Some(b"token")).0 },
            get("/", false),
        ],
    )]);
}

/// Row 69: the one operation that must not be answered as Apache does, which deletes the znode for anybody.
#[test]
fn nobody_deletes_containers_through_the_back_door() {
    if ServerKind::under_test() != ServerKind::Zookube {
        return;
    }
    let target = Target::standalone(ServerKind::Zookube);
    let body = Encoder::new().string("/mine").0;
    let transcript = run(
        &target,
        &one_by_one("row 69", vec![create("/mine", "", 0), Request::Raw { op: 20, body }])
            .connect(1)
            .each(1, vec![exists("/mine", false)]),
    );
    let lines = |step: usize| transcript.results[step].lines.join("\n");
    assert!(lines(2).contains("err=-6"), "deleteContainer is not refused: {}", lines(2));
    assert!(lines(4).contains("err=0"), "the znode is gone: {}", lines(4));
}
