//! Apache's server in the same harness: one word is changed.

use containers::compose::{Lab, Program};
use containers::container::PATIENCE;
use containers::engine::engine;
use containers::images::Flavour;
use support::session::{Mode, Session};
use support::words;

/// Up, elected, healthy; then the same volumes under our server, and under Apache's again.
#[test]
fn the_engine_is_one_word() {
    engine();
    let program = Program::all()[0];
    let mut lab = Lab::new(program, Flavour::Apache);
    for (round, flavour) in [Flavour::Apache, Flavour::Zookube, Flavour::Apache].into_iter().enumerate() {
        lab.switch_to(flavour);
        lab.up();
        lab.wait_settled();
        (1..=3).for_each(|id| lab.server(id).wait_health("healthy"));
        let version = words::srvr_field(lab.addrs()[0], "Zookeeper version").expect("srvr");
        println!("{flavour:?}: {version}");
        let mut session = Session::open_any(&lab.addrs(), 10_000, PATIENCE);
        for before in 0..round {
            assert_eq!(session.get(&format!("/round-{before}")).expect("get").0, format!("{before}").as_bytes());
        }
        session.create(&format!("/round-{round}"), format!("{round}").as_bytes(), Mode::Persistent).expect("create");
        session.close().expect("close");
        lab.down();
    }
}
