//! Sessions, identities, and both in an ensemble.

use differential::compare::check_all;
use differential::request::short::{
    add_watch, auth, create, create_acl, create_ttl, delete, ephemerals, exists, get, get_acl, ls, ls2, set, set_acl,
    sync,
};
use differential::request::{Request, acl, digest_id, open};
use differential::script::{Password, Script, Step};
use differential::target::Target;
use support::ServerKind;

use crate::common::{check_standalone, one_by_one};

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

/// Writes that succeed and fail, reads, and syncs in one write, several times over.
fn mixed_pipeline(name: &str, server: usize) -> Script {
    let root = format!("/f51-{server}");
    let mut script = Script::new(name).connect_to(0, server).each(0, vec![create(&root, "", 0)]);
    for round in 0..10 {
        let path = format!("{root}/{round}");
        script = script.pipelined(
            0,
            vec![
                create(&path, "", 0),
                sync("/"),
                create(&path, "", 0),
                Request::Multi(vec![set(&path, "x", 0), delete("/none", -1)]),
                get(&path, false),
                sync(&path),
                set(&path, "y", 0),
                sync("/"),
                sync("/none"),
                get(&path, false),
                Request::Ping,
                delete("/none", -1),
                sync("/"),
                ls2(&root, false),
            ],
        );
    }
    script
}

/// A session is taken to another server while its first connection is still up.
fn moved(name: &str, from: usize, to: usize) -> Script {
    let path = format!("/moved-{from}{to}");
    let resume = Step::Resume { conn: 1, session_of: 0, server: to, password: Password::Right, ahead: 0 };
    Script::new(name)
        .connect_to(0, from)
        .each(0, vec![create(&path, "", 1)])
        .step(resume)
        .each(0, vec![set(&path, "too late", -1)])
        .each(1, vec![get(&path, false), set(&path, "here", -1), ephemerals("/")])
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
            moved("row 24: a session moves between followers, the old connection ends", 1, 2),
            moved("row 24: from the leader to a follower", 0, 1),
            moved("row 24: from a follower to the leader", 1, 0),
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
            mixed_pipeline("row 51: syncs among pipelined writes and reads, on the leader", 0),
            mixed_pipeline("row 51: syncs among pipelined writes and reads, on a follower", 1),
            Script::new("row 50: reads behind writes of the same session, on a follower")
                .connect_to(0, 1)
                .connect_to(1, 2)
                .each(1, vec![create("/f50", "", 0), add_watch("/f50", 1), get("/f50", true)])
                .pipelined(0, (0..20).flat_map(|i| [set("/f50", &i.to_string(), i), get("/f50", true)])),
        ],
    );
}
