//! Each row of `pitfalls` that raw bytes can show, as a short script; the expected answer is Apache's, from this run.

use differential::compare::check_all;
use differential::request::short::{
    add_watch, auth, check, check_watches, container, count, create, create_acl, create_ttl, create2, delete,
    ephemerals, exists, get, get_acl, ls, ls2, remove_watches, set, set_acl, sync,
};
use differential::request::{CreateOp, Request, acl, digest_id, open};
use differential::script::{Password, Script, Step};
use differential::target::{Target, spec};
use support::ServerKind;
use support::client::{ConnectRequest, frame};
use support::jute::Encoder;

fn standalone_pair() -> (Target, Target) {
    (Target::standalone(ServerKind::Apache39), Target::standalone(ServerKind::under_test()))
}

/// Plays scripts to a fresh pair of standalone servers.
fn check_standalone(scripts: &[Script]) {
    let (reference, tested) = standalone_pair();
    check_all(&reference, &tested, scripts);
}

/// One connection, each request by itself.
fn one_by_one(name: &str, requests: Vec<Request>) -> Script {
    Script::new(name).connect(0).each(0, requests)
}

/// One connection, all requests in one write.
fn at_once(name: &str, requests: Vec<Request>) -> Script {
    Script::new(name).connect(0).pipelined(0, requests)
}

fn raw_create(path: Option<&str>, data: Option<&[u8]>, acl: Option<Vec<differential::request::Acl>>) -> Request {
    let path = path.map(str::to_owned);
    Request::Create { op: CreateOp::Create2, path, data: data.map(<[u8]>::to_vec), acl, flags: 0, ttl: -1 }
}

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
fn operations_that_end_the_connection() {
    let alone = |op: i32| {
        one_by_one(&format!("row 17: operation {op}"), vec![Request::Raw { op, body: vec![] }, get("/", false)])
    };
    let mut scripts: Vec<Script> = [0, 10, 13, 23, 99, 108, 200, -1, -2, -100, i32::MAX].map(alone).to_vec();
    scripts.push(one_by_one("row 17: check alone", vec![check("/", 0), get("/", false)]));
    check_standalone(&scripts);
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
fn sessions() {
    let connect = |conn, timeout_ms, read_only| Step::Connect { conn, server: 0, timeout_ms, read_only };
    let resume = |password, ahead| Step::Resume { conn: 1, session_of: 0, server: 0, password, ahead };
    check_standalone(&[
        Script::new("rows 23, 61: timeouts are clamped; the last byte only if it was sent")
            .step(connect(0, 1, Some(false)))
            .step(connect(1, 0, None))
            .step(connect(2, -1, Some(true)))
            .step(connect(3, i32::MAX, None))
            .step(connect(4, 100_000, Some(false))),
        Script::new("row 22: wrong password, a zxid ahead of the server, an unknown session")
            .connect(0)
            .each(0, vec![create("/s22", "", 1)])
            .drop_connection(0)
            .step(resume(Password::Wrong, 0))
            .step(resume(Password::Missing, 0))
            .step(resume(Password::Right, 1_000))
            .step(resume(Password::Right, 0))
            .each(1, vec![ephemerals("/"), exists("/s22", false)]),
        Script::new("row 25: the second connection of a session ends the first")
            .connect(0)
            .each(0, vec![create("/s25", "", 1), get("/s25", true)])
            .step(resume(Password::Right, 0))
            .each(1, vec![set("/s25", "x", -1), get("/s25", false)]),
        Script::new("rows 26, 27: closing takes ephemerals along, also those in flight")
            .connect(0)
            .connect(1)
            .each(1, vec![create("/s26", "", 0), exists("/s26/e1", true), exists("/s26/e2", true), ls("/s26", true)])
            .pipelined(0, vec![create("/s26/e1", "", 1), create("/s26/e2", "", 1), Request::CloseSession])
            .each(1, vec![ls2("/s26", false), ephemerals("/")]),
        Script::new("close and the session is gone")
            .connect(0)
            .connect(1)
            .each(0, vec![create("/s27", "", 1), Request::CloseSession])
            .each(1, vec![exists("/s27", false)]),
    ]);
}

#[test]
fn authentication() {
    let hash = digest_id("u", "p");
    let auth_acl = Some(vec![acl(31, "auth", "")]);
    let masked = Some(vec![acl(1, "world", "anyone"), acl(31, "digest", &hash), acl(8, "ip", "10.1.2.3")]);
    let scheme = |scheme: &str, auth: &str| Request::Auth { scheme: scheme.into(), auth: auth.into() };
    let ids = ["a", "a:", ":b", "a:b", "a:b:", "a:b:c", "", ":", "::", "a::", "a::b"];
    let ips = [
        "127.0.0.1",
        "127.0.0.0/8",
        "127.0.0.1/33",
        "127.0.0.1/",
        "127.0.0.1/-1",
        "300.0.0.1",
        "1.2.3",
        "",
        "::1",
        "::1/128",
        "::1/129",
        "fe80::/10",
        "0:0:0:0:0:0:0:1",
        "::ffff:1.2.3.4",
        "host",
        "127.0.0.1/8/8",
    ];
    let try_acls = |scheme: &str, values: &[&str]| {
        let path = format!("/try-{scheme}");
        let mut requests = vec![create(&path, "", 0)];
        requests.extend(
            values.iter().map(|id| set_acl(&path, Some(vec![acl(31, "world", "anyone"), acl(1, scheme, id)]), -1)),
        );
        requests.push(get_acl(&path));
        one_by_one(&format!("which ids the scheme {scheme} takes"), requests)
    };
    check_standalone(&[
        Script::new("rows 29, 30: identities belong to the connection")
            .connect(0)
            .each(
                0,
                vec![create_acl("/a29", "", 0, auth_acl.clone()), Request::WhoAmI, auth("u", "p"), Request::WhoAmI],
            )
            .each(0, vec![create_acl("/a29", "", 0, auth_acl.clone()), get_acl("/a29"), auth("v", "q")])
            .each(0, vec![create_acl("/b29", "", 0, auth_acl), get_acl("/b29"), auth("u", "p"), Request::WhoAmI])
            .drop_connection(0)
            .resume(0, 0)
            .each(0, vec![Request::WhoAmI, get("/a29", false), set("/a29", "", -1), exists("/a29", true)])
            .each(0, vec![auth("u", "p"), get("/a29", false)]),
        Script::new("row 30: a failed auth ends the connection").connect(0).each(0, vec![scheme("nosuch", "x")]),
        Script::new("auth for world").connect(0).each(0, vec![scheme("world", "anyone"), get("/", false)]),
        Script::new("auth for auth").connect(0).each(0, vec![scheme("auth", ""), get("/", false)]),
        Script::new("auth for ip").connect(0).each(0, vec![scheme("ip", "1.2.3.4"), Request::WhoAmI]),
        Script::new("auth for sasl").connect(0).each(0, vec![scheme("sasl", "x"), get("/", false)]),
        Script::new("auth for x509").connect(0).each(0, vec![scheme("x509", "x"), get("/", false)]),
        Script::new("auth without a colon").connect(0).each(0, vec![scheme("digest", "nocolon"), Request::WhoAmI]),
        Script::new("auth with nothing").connect(0).each(0, vec![scheme("digest", ""), Request::WhoAmI]),
        Script::new("row 63: who may see digests")
            .connect(0)
            .connect(1)
            .each(0, vec![create_acl("/a63", "", 0, masked), get_acl("/a63"), auth("u", "p"), get_acl("/a63")])
            .each(1, vec![auth("super", "wrong"), get_acl("/a63"), auth("super", "secret"), get_acl("/a63")])
            .each(1, vec![Request::WhoAmI, set_acl("/a63", open(), -1), delete("/a63", -1)]),
        try_acls("digest", &ids),
        try_acls("ip", &ips),
        try_acls("auth", &["", "x"]),
        try_acls("super", &["", "x"]),
        try_acls("sasl", &["", "x"]),
        try_acls("x509", &["", "CN=x"]),
        try_acls("world", &["anyone", "everyone", ""]),
    ]);
}

#[test]
fn watches() {
    let closed = Some(vec![acl(30, "world", "anyone")]);
    check_standalone(&[
        Script::new("row 31: exists registers on a missing znode, the others do not")
            .connect(0)
            .each(0, vec![exists("/w31", true), get("/w31", true), ls("/w31", true), create("/w31", "", 0)])
            .each(0, vec![set("/w31", "x", -1), delete("/w31", -1)]),
        Script::new("rows 32, 33: one NodeDeleted for each connection, events before replies")
            .connect(0)
            .connect(1)
            .each(0, vec![create("/w32", "", 0), create("/w32/x", "", 0)])
            .each(0, vec![get("/w32/x", true), ls("/w32/x", true), exists("/w32/x", true), ls("/w32", true)])
            .each(1, vec![ls("/w32/x", true), ls("/w32", true)])
            .pipelined(0, vec![set("/w32/x", "1", -1), get("/w32/x", true), delete("/w32/x", -1), ls("/w32", false)]),
        Script::new("row 34: persistent and recursive watches")
            .connect(0)
            .connect(1)
            .each(0, vec![create("/w34", "", 0), add_watch("/w34", 0), add_watch("/w34", 1), get("/w34", true)])
            .each(1, vec![add_watch("/w34", 1), add_watch("/", 0), add_watch("/w34/a", 0), add_watch("/w34", 7)])
            .each(0, vec![create("/w34/a", "", 0), create("/w34/a/b", "", 0), set("/w34/a/b", "", -1)])
            .each(0, vec![set("/w34", "", -1), set("/w34", "", -1), delete("/w34/a/b", -1), delete("/w34/a", -1)])
            .each(0, vec![delete("/w34", -1), create("/w34", "", 0)]),
        Script::new("row 35: setWatches catches up")
            .connect(0)
            .each(
                0,
                vec![create("/w35", "", 0), create("/w35/a", "", 0), create("/w35/b", "", 0), set("/w35/a", "", 0)],
            )
            .each(
                0,
                (0..8).map(|behind| Request::SetWatches {
                    behind,
                    lists: [
                        vec!["/w35".into(), "/w35/a".into(), "/gone".into()],
                        vec!["/w35/b".into(), "/to-come".into()],
                        vec!["/w35".into(), "/w35/a".into(), "/gone".into()],
                    ],
                }),
            )
            .each(
                0,
                (0..3).map(|behind| Request::SetWatches2 {
                    behind: behind * 4,
                    lists: [
                        vec!["/w35/a".into()],
                        vec!["/to-come".into()],
                        vec!["/w35".into()],
                        vec!["/w35/p".into(), "/w35".into()],
                        vec!["/w35".into(), "/gone".into()],
                    ],
                }),
            )
            .each(0, vec![create("/to-come", "", 0), create("/w35/p", "", 0), set("/w35/p", "", -1)]),
        Script::new("row 37: who may not read is not told, and the watch is spent")
            .connect(0)
            .connect(1)
            .each(0, vec![create("/w37", "", 0), create("/w37/c", "", 0)])
            .each(1, vec![get("/w37", true), ls("/w37", true), exists("/w37/c", true), add_watch("/w37", 1)])
            .each(0, vec![auth("super", "secret"), set_acl("/w37", closed.clone(), -1), set("/w37", "secret", -1)])
            .each(0, vec![create("/w37/d", "", 0), set("/w37/c", "", -1), set_acl("/w37", open(), -1)])
            .each(0, vec![set("/w37", "public", -1), create("/w37/e", "", 0), create_acl("/w37/f", "", 0, closed)])
            .each(0, vec![set("/w37/f", "", -1), delete("/w37/f", -1)]),
        Script::new("row 38: setACL and failed operations fire nothing")
            .connect(0)
            .each(0, vec![create("/w38", "", 0), get("/w38", true), ls("/w38", true), set_acl("/w38", open(), -1)])
            .each(0, vec![set("/w38", "", 9), create("/w38", "", 0), delete("/w38", 9)])
            .each(0, vec![Request::Multi(vec![set("/w38", "", -1), delete("/nothing", -1)])])
            .each(0, vec![Request::Multi(vec![set("/w38", "", -1), create("/w38/x", "", 0), delete("/w38/x", 0)])]),
    ]);
}

#[test]
fn watch_removal() {
    let kinds = [1, 2, 3, 4, 5];
    let mut script = Script::new("checkWatches and removeWatches of every type").connect(0).connect(1);
    script = script.each(0, vec![create("/r", "", 0)]);
    for kind in kinds {
        let set_all = vec![get("/r", true), ls("/r", true), add_watch("/r", 0), add_watch("/r", 1)];
        script = script.each(0, set_all).each(0, kinds.map(|k| check_watches("/r", k)));
        script = script.each(0, vec![remove_watches("/r", kind), remove_watches("/r", kind)]);
        script = script.each(0, kinds.map(|k| check_watches("/r", k)));
        script = script.each(1, vec![set("/r", "", -1), create("/r/x", "", 0), delete("/r/x", -1)]);
        script = script.each(0, vec![remove_watches("/r", 3)]);
    }
    script = script.each(0, vec![check_watches("/r", 0), remove_watches("/r", 6), check_watches("/none", 3)]);
    script = script.each(1, vec![check_watches("/r", 3), set("/r", "", -1)]);
    check_standalone(&[script]);
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
fn bytes_that_are_no_requests() {
    let hello = frame(&ConnectRequest::new_session(30_000).encode());
    let bytes = |server: usize, bytes: Vec<u8>| Step::Bytes { server, bytes, frames: 2 };
    let on = |bytes: Vec<u8>| Step::BytesOn { conn: 0, bytes, frames: 1 };
    let header_only = frame(&Encoder::new().int(1).int(4).0);
    let length = |n: i32| Encoder::new().int(n).0;
    check_standalone(&[
        Script::new("a length that cannot be")
            .step(bytes(0, length(-1)))
            .step(bytes(0, length(1_048_576)))
            .step(bytes(0, b"GET / HTTP/1.1\r\n\r\n".to_vec()))
            .step(bytes(0, frame(&[]))),
        Script::new("a connect request cut short").step(bytes(0, frame(&[0; 4]))).step(bytes(0, frame(&[0; 27]))),
        Script::new("a first request that is none").step(bytes(0, header_only.clone())),
        Script::new("row 67: a four-letter word after the handshake").connect(0).step(on(b"ruok".to_vec())),
        Script::new("a frame too long in a session").connect(0).step(on(length(1_048_576))),
        Script::new("a negative frame in a session").connect(0).step(on(length(-5))),
        Script::new("a frame too short for a header").connect(0).step(on(frame(&[0, 0, 0])).clone()),
        Script::new("a request without its body").connect(0).step(on(header_only)),
        Script::new("two connect requests").connect(0).step(on(hello)),
        Script::new("row 75: the longest frame there may be").connect(0).each(
            0,
            vec![
                create("/big", "", 0),
                set("/big", &"x".repeat(1_048_575 - 8 - 8 - 4 - 4), -1),
                get("/big", false),
                set("/big", "small", -1),
            ],
        ),
        Script::new("row 75: one byte too many")
            .connect(0)
            .each(0, vec![set("/big", &"x".repeat(1_048_575 - 8 - 8 - 4 - 3), -1)]),
    ]);
}

#[test]
fn four_letter_words() {
    let reference = Target::standalone_as(spec(ServerKind::Apache39).set("4lw.commands.whitelist", ""));
    let tested = Target::standalone_as(spec(ServerKind::under_test()).set("4lw.commands.whitelist", ""));
    let words = ["srvr", "stat", "ruok", "mntr", "conf", "cons", "dump", "envi", "wchs", "wchp", "wchc", "dirs"];
    let words = words.iter().chain(&["isro", "srst", "crst", "gtmk", "stmk", "hash", "xxxx", "SRVR"]);
    let ask = |script: Script, word: &&str| script.step(Step::Word { server: 0, word: (*word).to_owned() });
    check_all(&reference, &tested, &[words.fold(Script::new("row 68: nothing but srvr is allowed"), ask)]);

    let words = ["ruok", "isro", "srvr", "dirs", "wchs", "wchp", "wchc", "crst", "srst", "gtmk", "xxxx"];
    check_standalone(&[words.iter().fold(Script::new("row 68: all are allowed"), ask)]);
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

#[test]
fn sessions_in_an_ensemble() {
    let (reference, tested) = (Target::ensemble(ServerKind::Apache39), Target::ensemble(ServerKind::under_test()));
    let resume_at =
        |conn, session_of, server| Step::Resume { conn, session_of, server, password: Password::Right, ahead: 0 };
    check_all(
        &reference,
        &tested,
        &[
            Script::new("a session moves from server to server with its ephemerals")
                .connect_to(0, 1)
                .connect_to(9, 0)
                .each(0, vec![create("/e1", "", 1), auth("u", "p")])
                .drop_connection(0)
                .step(resume_at(0, 0, 2))
                .each(0, vec![Request::WhoAmI, create("/e2", "", 1), ephemerals("/")])
                .drop_connection(0)
                .step(resume_at(0, 0, 0))
                .each(0, vec![ephemerals("/"), Request::CloseSession])
                .each(9, vec![exists("/e1", false), exists("/e2", false)]),
            Script::new("row 22: wrong passwords and zxids ahead, on leader and follower")
                .connect_to(0, 0)
                .step(Step::Resume { conn: 1, session_of: 0, server: 1, password: Password::Wrong, ahead: 0 })
                .step(Step::Resume { conn: 1, session_of: 0, server: 0, password: Password::Wrong, ahead: 0 })
                .step(Step::Resume { conn: 1, session_of: 0, server: 1, password: Password::Right, ahead: 100 })
                .step(Step::Resume { conn: 1, session_of: 0, server: 0, password: Password::Right, ahead: 100 }),
            Script::new("errors on a follower are those of the leader").connect_to(0, 1).each(
                0,
                vec![
                    create("/missing/x", "", 0),
                    delete("/missing", -1),
                    set("/", "x", 99),
                    create("/bad//path", "", 0),
                    create_acl("/x", "", 0, Some(vec![])),
                    Request::Multi(vec![create("/x", "", 0), delete("/none", -1)]),
                    create("/good", "", 0),
                    create_ttl("/ttl", 5, 0),
                    Request::Reconfig { joining: None, leaving: Some("1".into()), members: None, config_id: -1 },
                    get("/good", false),
                    sync("/good"),
                ],
            ),
            Script::new("row 50: reads behind writes of the same session, on a follower")
                .connect_to(0, 1)
                .connect_to(1, 2)
                .each(1, vec![create("/f50", "", 0), add_watch("/f50", 1), get("/f50", true)])
                .pipelined(0, (0..20).flat_map(|i| [set("/f50", &i.to_string(), i), get("/f50", true)])),
        ],
    );
}
