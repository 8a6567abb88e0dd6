use super::super::model::Key;
use super::*;
use crate::tools::servers::clients::Connection;
use crate::tools::servers::members::Member;
use crate::tools::servers::sample::{Behind, Phase};
use client::HostPort;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::collections::BTreeMap;

fn member(sid: i64) -> Member {
    Member {
        sid: Some(sid),
        votes: Some(true),
        address: HostPort { host: format!("zk{sid}"), port: 2181 },
        is_guessed: false,
    }
}

fn sample(role: Role, counter: i64, count: u64) -> Sample {
    let requests = |count| Requests { count: Some(count), p50_ms: Some(1.0), p99_ms: Some(9.0) };
    Sample {
        role: Some(role),
        zxid: Some((2 << 32) + counter),
        version: Some("3.9.5".into()),
        connections: Some(4),
        sessions: Some(12),
        watches: Some(30),
        znodes: Some(1000),
        outstanding: Some(1),
        uptime_ms: Some(61_000),
        reads: requests(count * 10),
        writes: requests(count),
        phases: vec![
            Phase { name: "reply".into(), count, sum_ms: count as f64 * 0.5 },
            Phase { name: "fsync".into(), count, sum_ms: count as f64 * 2.0 },
        ],
        ..Sample::default()
    }
}

fn model(view: View) -> Model {
    let mut model = Model::new(view);
    model.take_members(&[member(1), member(2), member(3)], false);
    for (at_ms, count) in [(0, 10), (1000, 30), (2000, 35)] {
        let mut leader = sample(Role::Leader, 9, count);
        leader.behind = BTreeMap::from([(2, Behind { zxids: 2, bytes: 77 })]);
        let client =
            |peer: &str, received| Connection { peer: peer.into(), session: 0x1000, received, ..Connection::default() };
        leader.clients = Some(vec![client("10.0.0.7:5", count), client("10.0.0.8:5", count * count)]);
        leader.slow = Some(vec![Slow {
            at_ms: 1_790_000_000_123,
            operation: "create".into(),
            path: "/a".into(),
            session: "0x1000".into(),
            peer: "10.0.0.7:5".into(),
            total_ms: 31.25,
            phases: vec![("fsync".into(), 30.0), ("queue".into(), 1.0)],
        }]);
        model.take(at_ms, &member(1), Ok(leader));
        model.take(at_ms, &member(2), Ok(sample(Role::Follower, 7, 0)));
        model.take(at_ms, &member(3), Err("nobody listens at zk3:2181".into()));
        model.tick();
    }
    model
}

/// The screen as text, through the same buffers as on a terminal.
fn screen(model: &mut Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, &TimeZone::UTC, frame.area(), frame.buffer_mut())).unwrap();
    let buffer = terminal.backend().buffer();
    let cells: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
    let lines = cells.chunks(usize::from(width)).map(|row| row.concat().trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_servers() {
    let expected = "\
zk top  leader 1  2/3 voters in step, 2 needed  epoch 2  3.9.5  50 reads/s  5.0 writes/s

ID  ADDRESS   ROLE              ZXID       LAG  CONNS  SESS  WATCHES  ZNODES  OUTST  READ/S  WRITE/S  R 50/99 MS  W 50/99 MS  UPTIME
 1  zk1:2181  leader     0x200000009         -      4    12       30    1000      1      50      5.0         1/9         1/9   1m 1s
 2  zk2:2181  follower   0x200000007  2 (77 B)      4    12       30    1000      1       0        0         1/9         1/9   1m 1s
 3  zk3:2181  no answer
! server 3 (zk3:2181) is missing: nobody listens at zk3:2181

reads/s   ";
    let shown = screen(&mut model(View::Servers), 140, 16);
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("▁█▃  max 200\nwrites/s "), "{shown}");
    assert!(shown.contains("\nID  A WRITE, MS  fsync  reply\n 1  leader        2.00   0.50\n"), "{shown}");
    assert!(shown.ends_with("1 servers  2 clients  3 slow  s sort: id  p pause  ? help  q quit"), "{shown}");
}

#[test]
fn a_narrow_screen_shows_what_matters() {
    let shown = screen(&mut model(View::Servers), 60, 12);
    assert!(shown.contains("\nID  ADDRESS   ROLE            LAG  READ/S  WRITE/S\n"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
}

#[test]
fn the_clients() {
    let mut model = model(View::Clients);
    let shown = screen(&mut model, 140, 8);
    let order: Vec<&str> = shown.lines().skip(3).take(2).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(order, ["10.0.0.8:5", "10.0.0.7:5"], "{shown}");
    assert!(shown.contains("server 2 (zk2:2181) has not told its connections"), "{shown}");
}

#[test]
fn slow_operations() {
    let mut model = model(View::Slow);
    let shown = screen(&mut model, 140, 8);
    assert!(
        shown.contains("14:13:20  31.2  create     /a    fsync 30.0, queue 1.0  10.0.0.7:5  0x1000    1"),
        "{shown}"
    );
    model.take(3000, &member(1), Ok(Sample { slow: Some(Vec::new()), ..sample(Role::Leader, 9, 0) }));
    assert!(screen(&mut model, 140, 8).contains("no operation was slower"));
}

#[test]
fn scrolling_ends_where_the_page_does() {
    let mut model = model(View::Servers);
    for _ in 0..100 {
        model.key(Key::Down);
    }
    let shown = screen(&mut model, 140, 8);
    assert!(shown.contains(" 1  leader ") && !shown.contains("no answer"), "{shown}");
    assert!(model.scrolled < 20);
}

#[test]
fn any_size_will_do() {
    for view in View::ALL {
        let mut model = model(view);
        for (width, height) in [(0, 0), (1, 1), (2, 5), (300, 2), (7, 100)] {
            screen(&mut model, width.max(1), height.max(1));
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
            draw(&mut model, &TimeZone::UTC, buffer.area, &mut buffer);
        }
        model.key(Key::Help);
        assert!(screen(&mut model, 80, 24).contains("slow operations"));
    }
}

#[test]
fn bars() {
    assert_eq!(sparkline(&[0.0, 1.0, 7.0], 7.0), "▁▂█");
    assert_eq!(sparkline(&[0.0, 0.0], 0.0), "▁▁");
    assert_eq!(sparkline(&[f64::NAN, f64::INFINITY], 1.0), "▁█");
}
