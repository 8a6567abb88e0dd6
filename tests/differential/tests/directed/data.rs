//! What znodes look like: metadata, paths, null fields, containers, restarts.

use differential::compare::check_all;
use differential::request::short::{
    check, container, count, create, create_ttl, create2, delete, ephemerals, exists, get, get_acl, ls, ls2, set,
    set_acl, sync,
};
use differential::request::{CreateOp, Request, acl, open};
use differential::script::{Script, Step};
use differential::target::{Target, spec};
use support::ServerKind;

use crate::common::{check_standalone, one_by_one, raw_create, standalone_pair};

#[test]
fn a_fresh_server_looks_like_apaches() {
    let paths = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];
    let looks = paths.iter().flat_map(|p| [exists(p, false), get(p, false), ls2(p, false), get_acl(p), count(p)]);
    check_standalone(&[
        one_by_one("row 6: the znodes that exist before any transaction", looks.collect()),
        Script::new("row 6: srvr, isro and ruok on an empty server")
            .step(Step::Word { server: 0, word: "srvr".into() })
            .step(Step::Word { server: 0, word: "isro".into() })
            .step(Step::Word { server: 0, word: "ruok".into() }),
    ]);
}

#[test]
fn metadata() {
    check_standalone(&[
        one_by_one(
            "rows 1-4: cversion, pzxid and versions of parents",
            vec![
                create("/m", "", 0),
                create("/m/a", "", 0),
                create("/m/b", "", 0),
                create("/m/c", "", 0),
                delete("/m/b", -1),
                exists("/m", false),
                set("/m", "x", 0),
                set_acl("/m", open(), 0),
                exists("/m", false),
                create("/m/a/deep", "", 0),
                exists("/m", false),
                delete("/m/a/deep", -1),
                exists("/m/a", false),
                exists("/m", false),
            ],
        ),
        one_by_one(
            "row 5: sequence numbers count every create and never return",
            vec![
                create("/seq", "", 0),
                create("/seq/x", "", 0),
                delete("/seq/x", -1),
                create("/seq/y", "", 2),
                create("/seq/", "", 2),
                create("/seq/e", "", 3),
                create2("/seq/z", "", 2),
                delete("/seq/y0000000001", -1),
                create("/seq/y", "", 2),
                ls("/seq", false),
                exists("/seq", false),
            ],
        ),
        one_by_one(
            "row 7: the owner of containers and TTL znodes is not shown",
            vec![
                container("/con"),
                exists("/con", false),
                create("/con/child", "", 0),
                create("/con/eph", "", 1),
                create_ttl("/ttl", 5, 1_000_000),
                exists("/ttl", false),
                create("/ttl/child", "", 0),
                create_ttl("/ttl/s", 6, 1_000_000),
                create("/eph", "", 1),
                create("/eph/child", "", 0),
                exists("/eph", false),
            ],
        ),
        one_by_one(
            "row 8: null data is not empty data",
            vec![
                raw_create(Some("/null"), None, open()),
                raw_create(Some("/empty"), Some(b""), open()),
                get("/null", false),
                get("/empty", false),
                Request::SetData { path: Some("/empty".into()), data: None, version: -1 },
                get("/empty", false),
                set("/null", "", -1),
                get("/null", false),
            ],
        ),
    ]);
}

#[test]
fn paths() {
    let bad = [
        "",
        "/",
        "a",
        "/a/",
        "//",
        "/a//b",
        "/.",
        "/..",
        "/a/.",
        "/a/../b",
        "/a\u{0}",
        "/\u{1}",
        "/\u{1f}",
        "/\u{7f}",
        "/\u{9f}",
        "/\u{a0}",
        "/\u{d7ff}",
        "/\u{e000}",
        "/\u{f8ff}",
        "/\u{f900}",
        "/\u{ffef}",
        "/\u{fff0}",
        "/\u{ffff}",
        "/\u{1F600}",
        "/missing/x",
        "/zookeeper",
        "/zookeeper/quota",
        "/zookeeper/config",
        "/...",
        "/a b",
    ];
    let every_op = |path: &&str| {
        vec![
            create(path, "", 0),
            create(path, "", 2),
            create_ttl(path, 6, 1000),
            exists(path, false),
            get(path, false),
            ls(path, false),
            get_acl(path),
            set(path, "x", 99),
            set_acl(path, open(), 99),
            delete(path, 99),
            count(path),
            ephemerals(path),
            sync(path),
            Request::Multi(vec![check(path, 99)]),
            Request::Multi(vec![create(path, "", 0), delete(path, 99)]),
        ]
    };
    let scripts: Vec<Script> =
        bad.iter().map(|path| one_by_one(&format!("rows 9, 10: path {path:?}"), every_op(path))).collect();
    check_standalone(&scripts);
}

#[test]
fn null_fields() {
    let none = || None::<String>;
    check_standalone(&[one_by_one(
        "row 64: null strings, buffers and vectors",
        vec![
            raw_create(None, Some(b""), open()),
            raw_create(Some("/n1"), None, None),
            raw_create(Some("/n2"), None, Some(vec![])),
            Request::Delete { path: none(), version: -1 },
            Request::Exists { path: none(), watch: false },
            Request::GetData { path: none(), watch: false },
            Request::SetData { path: none(), data: None, version: -1 },
            Request::GetAcl { path: none() },
            Request::SetAcl { path: none(), acl: open(), version: -1 },
            Request::GetChildren { path: none(), watch: false },
            Request::GetChildren2 { path: none(), watch: false },
            Request::Sync { path: none() },
            Request::GetEphemerals { prefix: none() },
            Request::GetAllChildrenNumber { path: none() },
            Request::CheckWatches { path: none(), kind: 1 },
            Request::RemoveWatches { path: none(), kind: 1 },
            Request::AddWatch { path: none(), mode: 0 },
            Request::Multi(vec![Request::Check { path: none(), version: 0 }]),
            Request::MultiRead(vec![Request::GetData { path: none(), watch: false }]),
            create("/after", "", 0),
            get("/after", false),
        ],
    )]);
}

#[test]
fn flags_and_opcodes() {
    let ops = [CreateOp::Create, CreateOp::Create2, CreateOp::Container];
    let flags = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let all = ops.iter().flat_map(|&op| {
        flags.map(|flags| {
            let path = Some(format!("/f{}x{}", op as i32, flags + 1));
            Request::Create { op, path, data: Some(vec![]), acl: open(), flags, ttl: -1 }
        })
    });
    let ttl = [(5, 0), (5, 1), (5, -1), (6, 0), (6, 1_099_511_627_775), (6, 1_099_511_627_776), (5, i64::MIN)];
    let ttl = ttl.iter().enumerate().map(|(i, &(flags, ttl))| create_ttl(&format!("/ttl{i}"), flags, ttl));
    let looks = ops.iter().flat_map(|&op| flags.map(|f| exists(&format!("/f{}x{}", op as i32, f + 1), false)));
    let script = one_by_one("row 18: flags against opcodes", all.chain(ttl).chain(looks).collect());
    let children = one_by_one(
        "row 18: what they are by what they may hold",
        vec![
            create("/f1x5/child", "", 0),
            create("/f19x2/child", "", 0),
            create("/f19x3/child", "", 0),
            create("/f19x5/child", "", 0),
            ephemerals("/"),
        ],
    );
    check_standalone(&[script, children]);
}

#[test]
fn containers_and_ttl_go() {
    let spec = |kind| spec(kind).set_unprefixed("znode.container.checkIntervalMs", 200);
    let (reference, tested) =
        (Target::standalone_as(spec(ServerKind::Apache39)), Target::standalone_as(spec(ServerKind::under_test())));
    let gone = |path: &str| Step::AwaitGone { conn: 0, path: path.into(), limit_ms: 20_000 };
    check_all(
        &reference,
        &tested,
        &[Script::new("row 19: what the reaper takes and what it leaves")
            .connect(0)
            .connect(1)
            .each(
                0,
                vec![
                    create("/never-a-container", "", 4),
                    container("/unused"),
                    container("/used"),
                    create("/used/child", "", 0),
                    create_ttl("/short", 5, 50),
                    create_ttl("/held", 5, 50),
                    create("/held/child", "", 0),
                    create_ttl("/long", 5, 100_000_000),
                ],
            )
            .each(1, vec![exists("/used", true), exists("/short", true)])
            .step(gone("/short"))
            .each(0, vec![delete("/used/child", -1)])
            .step(gone("/used"))
            .each(0, vec![exists("/unused", false), exists("/never-a-container", false), exists("/held", false)])
            .each(0, vec![exists("/long", false), delete("/held/child", -1)])
            .step(gone("/held"))
            .each(0, vec![create("/end", "", 0)])],
    );
}

#[test]
fn quotas() {
    let limits = |text: &str| create("/zookeeper/quota/q/zookeeper_limits", text, 0);
    let stats = || get("/zookeeper/quota/q/zookeeper_stats", false);
    let prepare = |text: &str| {
        vec![
            create("/q", "12345", 0),
            create("/q/old", "123", 0),
            create("/zookeeper/quota/q", "", 0),
            limits(text),
            create("/zookeeper/quota/q/zookeeper_stats", "count=0,bytes=0", 0),
            stats(),
        ]
    };
    let use_it = || {
        vec![
            create("/q/a", "1", 0),
            stats(),
            create("/q/b", "22", 0),
            create("/q/c", "333", 0),
            stats(),
            set("/q/a", "55555", -1),
            stats(),
            set("/q/a", "", -1),
            create("/q/a/deep", "1", 0),
            Request::Multi(vec![create("/q/m1", "", 0), create("/q/m2", "", 0), create("/q/m3", "", 0)]),
            stats(),
            delete("/q/old", -1),
            stats(),
            get("/zookeeper/quota/q/zookeeper_limits", false),
            delete("/zookeeper/quota/q/zookeeper_limits", -1),
            create("/q/free", "123456789", 0),
            stats(),
        ]
    };
    let texts = [
        "count=3,bytes=9",
        "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3",
        "count=-1,bytes=-1=;byteHardLimit=12;countHardLimit=-1",
        "count=1,bytes=1=;byteHardLimit=20;countHardLimit=4",
        "",
        "nonsense",
        "count=,bytes=",
        "countHardLimit=2",
    ];
    for text in texts {
        let script = one_by_one(&format!("rows 65, 66: quota {text:?}"), prepare(text)).each(0, use_it());
        check_standalone(&[script]);
    }
}

#[test]
fn ephemerals_and_counts() {
    check_standalone(&[Script::new("row 62: the prefix of getEphemerals is plain text")
        .connect(0)
        .connect(1)
        .each(0, vec![create("/a", "", 0), create("/a/e", "", 1), create("/ab", "", 1), create("/b", "", 1)])
        .each(0, vec![ephemerals("/a"), ephemerals("/"), ephemerals(""), ephemerals("/a/"), ephemerals("a")])
        .each(1, vec![ephemerals("/"), count("/"), count("/a"), count("/none"), count("/zookeeper")])]);
}

#[test]
fn after_a_restart() {
    let (mut reference, mut tested) = standalone_pair();
    let before = one_by_one(
        "rows 1, 5: before a restart",
        vec![
            create("/k", "", 0),
            create("/k/a", "1", 0),
            create("/k/b", "2", 0),
            delete("/k/a", -1),
            create("/k/s", "", 2),
            set("/k/b", "3", 0),
            set_acl("/k/b", Some(vec![acl(31, "world", "anyone"), acl(1, "digest", "u:h")]), 0),
            create_ttl("/k/t", 5, 100_000_000),
            container("/k/c"),
            raw_create(Some("/k/null"), None, open()),
            Request::Multi(vec![create("/k/m", "", 0), set("/k/m", "x", 0)]),
            delete("/nothing", -1),
        ],
    );
    let looks = ["/", "/k", "/k/b", "/k/t", "/k/c", "/k/null", "/k/m", "/zookeeper", "/zookeeper/config"];
    let looks = looks.iter().flat_map(|p| [get(p, false), get_acl(p), ls2(p, false)]);
    let after = one_by_one("rows 1, 5: after a restart", looks.collect())
        .each(0, vec![create("/k/s", "", 2), create("/k/t/x", "", 0), create("/end", "", 0), exists("/end", false)]);
    check_all(&reference, &tested, &[before]);
    for round in 1..=2 {
        reference.restart();
        tested.restart();
        let again = Script { name: format!("{}, round {round}", after.name), ..after.clone() };
        check_all(&reference, &tested, &[again]);
    }
}
