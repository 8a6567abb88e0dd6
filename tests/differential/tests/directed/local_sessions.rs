//! Sessions that only one server knows, and their becoming known to all.

use differential::compare::check_all;
use differential::request::Request;
use differential::request::short::{
    check, create, create_ttl, create2, delete, ephemerals, exists, get, ls, set, sync,
};
use differential::script::{Password, Script, Step};
use differential::target::Target;
use support::ServerKind;

/// The leader and one of the others.
const SERVERS: [usize; 2] = [0, 1];

fn check_ensembles(settings: &[(&str, &str)], scripts: &[Script]) {
    let (reference, tested) = std::thread::scope(|scope| {
        let reference = scope.spawn(|| Target::ensemble_with(ServerKind::Apache39, settings));
        let tested = Target::ensemble_with(ServerKind::under_test(), settings);
        (reference.join().expect("the reference comes up"), tested)
    });
    check_all(&reference, &tested, scripts);
}

fn resume(conn: usize, session_of: usize, server: usize, password: Password) -> Step {
    Step::Resume { conn, session_of, server, password, ahead: 0 }
}

fn multi_with_ephemeral(path: &str) -> Request {
    Request::Multi(vec![create(&format!("{path}-p"), "", 0), create(path, "", 1)])
}

/// What both kinds do alike. The zxids show that no session takes one.
fn alike(server: usize) -> Vec<Script> {
    let path = format!("/alike{server}");
    let (path, other) = (path.as_str(), 1 - server);
    vec![
        Script::new(format!("writes and reads through server {server}"))
            .connect_to(0, server)
            .each(0, [create(path, "0", 0), set(path, "1", -1), get(path, true), sync("/"), ephemerals("/")])
            .each(
                0,
                [create_ttl(&format!("{path}/t"), 5, 86_400_000), check(path, 7), delete(&format!("{path}/t"), -1)],
            )
            .each(0, [Request::Multi(vec![check(path, 1), set(path, "2", -1)]), exists(path, false), Request::WhoAmI])
            .each(0, [Request::CloseSession]),
        Script::new(format!("closing behind writes and reads through server {server}"))
            .connect_to(0, server)
            .pipelined(
                0,
                vec![
                    set(path, "3", -1),
                    get(path, false),
                    sync("/"),
                    set(path, "4", -1),
                    ls("/", false),
                    Request::CloseSession,
                ],
            ),
        Script::new(format!("a local session of server {server} comes back there and nowhere else"))
            .connect_to(0, server)
            .connect_to(2, server)
            .step(resume(1, 0, server, Password::Right))
            .each(1, [get(path, false)])
            .step(resume(3, 2, server, Password::Wrong))
            .step(resume(3, 2, other, Password::Right))
            .step(resume(3, 2, server, Password::Right))
            .each(3, [set(path, "5", -1)])
            .drop_connection(3)
            .step(resume(2, 2, server, Password::Right))
            .each(2, [Request::CloseSession])
            .each(1, [Request::CloseSession]),
    ]
}

#[test]
fn local_sessions_own_no_ephemerals() {
    let refused = |server: usize| {
        let path = format!("/refused{server}");
        let path = path.as_str();
        Script::new(format!("ephemerals through server {server}"))
            .connect_to(0, server)
            .each(0, [create(path, "", 1), create2(path, "", 3), create(path, "", 0), create(path, "", 1)])
            .each(0, [multi_with_ephemeral(&format!("{path}/m")), create(path, "", 9), ls(path, false)])
            .pipelined(0, vec![set(path, "1", -1), create(&format!("{path}/e"), "", 1), get(path, false)])
            .each(0, [Request::CloseSession])
    };
    let scripts: Vec<Script> =
        SERVERS.into_iter().flat_map(|server| alike(server).into_iter().chain([refused(server)])).collect();
    check_ensembles(&[("localSessionsEnabled", "true")], &scripts);
}

#[test]
fn local_sessions_become_known_to_all_with_their_first_ephemeral() {
    let upgraded = |server: usize| {
        let path = format!("/upgraded{server}");
        let (path, other) = (path.as_str(), 1 - server);
        let child = |name: &str| format!("{path}/{name}");
        vec![
            Script::new(format!("ephemerals through server {server}"))
                .connect_to(0, server)
                .connect_to(1, other)
                .each(0, [create(path, "", 0), create(&child("e"), "", 1), create2(&child("f"), "", 1)])
                .each(1, [exists(&child("e"), true), ls(path, true), get(&child("f"), true)])
                .each(
                    0,
                    [ephemerals("/"), create(&child("e"), "", 1), set(&child("e"), "x", -1), Request::CloseSession],
                )
                .each(1, [ls(path, false)]),
            Script::new(format!("it may move from server {server} then"))
                .connect_to(0, server)
                .each(0, [create(&child("g"), "", 1)])
                .step(resume(1, 0, other, Password::Right))
                .each(1, [ephemerals("/"), delete(&child("g"), -1), Request::CloseSession]),
            Script::new(format!("a multi and a pipeline through server {server}"))
                .connect_to(0, server)
                .each(0, [multi_with_ephemeral(&child("m")), ephemerals("/"), Request::CloseSession])
                .connect_to(0, server)
                .pipelined(
                    0,
                    vec![
                        create(&child("h"), "", 1),
                        create(&child("i"), "", 1),
                        ephemerals("/"),
                        Request::CloseSession,
                    ],
                ),
            Script::new(format!("a refused ephemeral through server {server} makes it known as well"))
                .connect_to(0, server)
                .each(0, [create("/nosuch/e", "", 1)])
                .step(resume(1, 0, other, Password::Right))
                .each(1, [Request::CloseSession]),
        ]
    };
    let scripts: Vec<Script> =
        SERVERS.into_iter().flat_map(|server| alike(server).into_iter().chain(upgraded(server))).collect();
    check_ensembles(&[("localSessionsEnabled", "true"), ("localSessionsUpgradingEnabled", "true")], &scripts);
}
