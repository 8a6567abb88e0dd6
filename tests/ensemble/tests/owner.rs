//! Who holds an ephemeral, asked of each server of an ensemble.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use support::ServerKind::Zookube;
use support::ensemble::Plan;
use support::session::{Mode, Session};
use support::{Role, http, ports, wait};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_leader_knows_through_which_server_an_owner_is_connected() {
    let mut plan = Plan::voters(&[Zookube; 3]).observer(Zookube);
    let admin: Vec<u16> = plan.specs.iter().map(|_| ports::free_port()).collect();
    for (spec, port) in plan.specs.iter_mut().zip(&admin) {
        *spec = spec.clone().set("admin.enableServer", "true").set("admin.serverPort", port);
    }
    let mut ensemble = plan.start();
    let leader = ensemble.wait_settled();
    let ask = |index: usize, path: &str| {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, admin[index]));
        let path = format!("/commands/owner?path={path}");
        wait::until("the admin server", LIMIT, || http::request(addr, "GET", &path, ""))
    };
    let learners = |role: Role| (0..4).filter(move |index| *index != leader).map(move |index| (index, role));
    let learner = |wanted: Role| {
        wait::until("a learner in its role", LIMIT, || {
            learners(wanted).find(|(index, role)| ensemble.role(*index) == *role).map(|(index, _)| index)
        })
    };
    let other = learner(Role::Follower);
    for (nth, index) in [learner(Role::Observer), other, leader].into_iter().enumerate() {
        let path = format!("/mine{nth}");
        let mut session = Session::open_any(&[ensemble.servers[index].addr()], 30_000, LIMIT);
        session.create(&path, b"", Mode::Ephemeral).expect("create");
        let id = format!("\"session_id\" : \"{:#x}\"", session.granted().session_id);
        let sid = format!("\"server_id\" : {}", ensemble.servers[index].id());
        let (status, told) = ask(leader, &path);
        assert!(status == 200 && told.contains(&id) && told.contains(&sid), "{told}");
        let (_, here) = ask(index, &path);
        assert!(here.contains(&id) && here.contains("\"connected_here\" : true"), "{here}");
        assert!(here.contains("\"client_address\" : \"127.0.0.1:"), "{here}");
        if index != leader {
            assert!(told.contains("\"connected_here\" : false") && told.contains("who the client is"), "{told}");
            let third = (0..4).find(|other| ![index, leader].contains(other)).expect("four servers");
            let asked = wait::until("another server to have the znode", LIMIT, || {
                let (status, text) = ask(third, &path);
                (status == 200).then_some(text)
            });
            let hint = format!("ask server {}, which leads", ensemble.servers[leader].id());
            assert!(asked.contains("\"server_id\" : null") && asked.contains(&hint), "{asked}");
        }
        session.close().expect("close");
    }
}
