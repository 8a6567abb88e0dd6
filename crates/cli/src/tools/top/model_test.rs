use super::*;
use crate::tools::servers::sample::Requests;
use client::HostPort;

fn member(sid: i64) -> Member {
    Member {
        sid: Some(sid),
        votes: Some(true),
        address: HostPort { host: format!("zk{sid}"), port: 2181 },
        is_guessed: false,
    }
}

fn sample(reads: u64, writes: u64) -> Sample {
    let of = |count| Requests { count: Some(count), ..Requests::default() };
    Sample { reads: of(reads), writes: of(writes), ..Sample::default() }
}

fn model() -> Model {
    let mut model = Model::new(View::Servers);
    model.take_members(&[member(1), member(2)], false);
    model
}

fn rates_of(model: &Model) -> (Option<f64>, Option<f64>) {
    (model.servers[0].rates.reads, model.servers[0].rates.writes)
}

#[test]
fn operations_a_second_are_differences() {
    let mut model = model();
    model.take(1000, &member(1), Ok(sample(10, 5)));
    assert_eq!(rates_of(&model), (None, None));
    model.take(3000, &member(1), Ok(sample(30, 6)));
    assert_eq!(rates_of(&model), (Some(10.0), Some(0.5)));
    model.take(3000, &member(1), Ok(sample(40, 6)));
    assert_eq!(rates_of(&model), (None, None), "no time has passed");
    model.take(5000, &member(1), Ok(sample(0, 8)));
    assert_eq!(rates_of(&model), (None, Some(1.0)), "a counter went down: another life");
}

#[test]
fn what_was_not_asked_for_gives_no_rate() {
    let key = ("10.0.0.1:5000".to_owned(), 7);
    let asked = |received| {
        let client = Connection { peer: key.0.clone(), session: key.1, received, ..Connection::default() };
        Ok(Sample { clients: Some(vec![client]), ..sample(0, 0) })
    };
    let mut model = model();
    let rate = |model: &Model| model.servers[0].rates.clients.get(&key).copied();
    model.take(1000, &member(1), asked(10));
    model.take(2000, &member(1), Ok(sample(0, 0)));
    assert!(model.servers[0].row.sample.as_ref().unwrap().clients.is_some(), "shown as it was");
    model.take(3000, &member(1), asked(30));
    assert_eq!(rate(&model), None, "nothing was told a second ago");
    model.take(4000, &member(1), asked(35));
    assert_eq!(rate(&model), Some(5.0));
}

#[test]
fn a_server_that_goes_and_comes_begins_anew() {
    let mut model = model();
    model.take(1000, &member(1), Ok(sample(10, 5)));
    model.take(2000, &member(1), Err("nobody listens".into()));
    assert_eq!(model.servers[0].row.sample, Err("nobody listens".to_owned()));
    model.take(3000, &member(1), Ok(sample(99, 5)));
    assert_eq!(rates_of(&model), (None, None));
    model.take(4000, &member(1), Ok(sample(100, 5)));
    assert_eq!(rates_of(&model), (Some(1.0), Some(0.0)));
    model.take(5000, &member(9), Ok(sample(1, 1)));
    assert_eq!(model.servers.len(), 2, "who is no member any more is not listened to");
}

#[test]
fn members_that_stay_keep_what_is_known_of_them() {
    let mut model = model();
    model.take(1000, &member(2), Ok(sample(10, 5)));
    model.take_members(&[member(2), member(3)], true);
    let sids: Vec<_> = model.servers.iter().map(|server| server.row.member.sid).collect();
    assert_eq!((sids, model.is_weighted), (vec![Some(2), Some(3)], true));
    assert!(model.servers[0].row.sample.is_ok() && model.servers[1].row.sample.is_err());
}

#[test]
fn phases_are_of_the_last_interval_where_there_were_writes() {
    let phases = |count, sum_ms| vec![Phase { name: "fsync".into(), count, sum_ms }];
    assert_eq!(means(&phases(10, 50.0), &[]), [("fsync".to_owned(), 5.0)]);
    assert_eq!(means(&phases(12, 70.0), &phases(10, 50.0)), [("fsync".to_owned(), 10.0)]);
    assert_eq!(means(&phases(10, 50.0), &phases(10, 50.0)), [("fsync".to_owned(), 5.0)]);
    assert_eq!(means(&phases(0, 0.0), &[]), []);
}

#[test]
fn the_history_is_the_sum_and_has_an_end() {
    let mut model = model();
    model.tick();
    assert!(model.history[0].0.is_sign_positive(), "nothing is 0, not -0");
    for sid in [1, 2] {
        model.take(1000, &member(sid), Ok(sample(0, 0)));
        model.take(2000, &member(sid), Ok(sample(3, 1)));
    }
    for _ in 0..HISTORY_LEN + 5 {
        model.tick();
    }
    assert_eq!((model.history.len(), model.history.back()), (HISTORY_LEN, Some(&(6.0, 2.0))));
}

#[test]
fn keys() {
    let mut model = model();
    model.key(Key::Down);
    model.key(Key::Right);
    assert_eq!((model.view, model.scrolled), (View::Clients, 0));
    model.key(Key::Left);
    model.key(Key::Left);
    assert_eq!(model.view, View::Slow);
    assert_eq!(model.sort(), "time");
    model.key(Key::Sort);
    assert_eq!(model.sort(), "duration");
    model.key(Key::View(View::Servers));
    assert_eq!(model.sort(), "id", "each view has its own order");
    model.key(Key::Help);
    model.key(Key::Down);
    assert_eq!((model.shows_help, model.scrolled), (false, 0), "any key closes the help");
    model.key(Key::Help);
    model.key(Key::Other);
    assert!(!model.shows_help);
    model.key(Key::Pause);
    model.take(1000, &member(1), Ok(sample(1, 1)));
    model.tick();
    assert!(model.servers[0].row.sample.is_err() && model.history.is_empty(), "nothing changes");
    assert_eq!((model.key(Key::Up), model.key(Key::Quit)), (Flow::On, Flow::Quit));
}

#[test]
fn clients_are_sorted_by_what_they_ask() {
    let client = |peer: &str, received, outstanding| Connection {
        peer: peer.into(),
        received,
        outstanding,
        ..Connection::default()
    };
    let mut model = Model::new(View::Clients);
    model.take_members(&[member(1)], false);
    let with = |list: Vec<Connection>| Sample { clients: Some(list), ..Sample::default() };
    model.take(1000, &member(1), Ok(with(vec![client("a", 100, 0), client("b", 10, 3)])));
    model.take(2000, &member(1), Ok(with(vec![client("a", 101, 0), client("b", 20, 3), client("c", 5, 0)])));
    let order =
        |model: &Model| model.sorted_clients().iter().map(|(_, client, _)| client.peer.clone()).collect::<String>();
    assert_eq!(order(&model), "bac");
    model.key(Key::Sort);
    assert_eq!(order(&model), "abc", "by requests in all");
    model.take(3000, &member(1), Ok(Sample::default()));
    assert_eq!(order(&model), "abc", "not asked for again, and not forgotten");
}
