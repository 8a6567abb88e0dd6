//! The table at several widths.

use std::time::Duration;

use proptest::prelude::*;
use wire::{Epoch, Zxid};

use super::table::{Paint, Row, State, clip, render, width_of};

fn serving(id: u64, state: State) -> Row {
    Row {
        id,
        state,
        epoch: Some(Epoch(2)),
        zxid: Some(Zxid(0x2_0000_000a)),
        sessions: Some(12),
        connections: Some(4),
        rss_kib: Some(8 * 1024 + 512),
        pid: Some(31_337),
        address: format!("127.0.0.1:{}", 2180 + id),
        up: Some(Duration::from_secs(59 + 60 * 61)),
    }
}

fn empty(id: u64, state: State) -> Row {
    Row {
        epoch: None,
        zxid: None,
        sessions: None,
        connections: None,
        rss_kib: None,
        pid: None,
        up: None,
        ..serving(id, state)
    }
}

fn rows() -> Vec<Row> {
    let why = "exit code 2: zoo.cfg line 3: no such key".to_owned();
    vec![serving(1, State::Follower), empty(2, State::Down(why)), serving(3, State::Leader), empty(10, State::Starting)]
}

fn check(width: usize, expected: &str) {
    let lines: String = render(&rows(), width, Paint::Plain).iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(lines, expected, "at width {width}:\n{lines}");
}

#[test]
fn wide() {
    check(
        100,
        "\
id  role      epoch         zxid  sessions  conns   RSS    pid  clients              up
 1  follower      2  0x20000000a        12      4  8.5M  31337  127.0.0.1:2181  1:01:59
 2  down (exit code 2: zoo.cfg line 3: no such key)
 3  leader        2  0x20000000a        12      4  8.5M  31337  127.0.0.1:2183  1:01:59
10  starting      -            -         -      -     -      -  127.0.0.1:2190        -
",
    );
}

#[test]
fn eighty_columns_lose_the_least_needed() {
    check(
        81,
        "\
id  role      epoch         zxid  sessions   RSS    pid  clients              up
 1  follower      2  0x20000000a        12  8.5M  31337  127.0.0.1:2181  1:01:59
 2  down (exit code 2: zoo.cfg line 3: no such key)
 3  leader        2  0x20000000a        12  8.5M  31337  127.0.0.1:2183  1:01:59
10  starting      -            -         -     -      -  127.0.0.1:2190        -
",
    );
    check(
        79,
        "\
id  role      epoch         zxid  sessions   RSS    pid  clients
 1  follower      2  0x20000000a        12  8.5M  31337  127.0.0.1:2181
 2  down (exit code 2: zoo.cfg line 3: no such key)
 3  leader        2  0x20000000a        12  8.5M  31337  127.0.0.1:2183
10  starting      -            -         -     -      -  127.0.0.1:2190
",
    );
}

#[test]
fn narrow() {
    check(
        40,
        "\
id  role             zxid  sessions
 1  follower  0x20000000a        12
 2  down (exit code 2: zoo.cfg line 3: …
 3  leader    0x20000000a        12
10  starting            -         -
",
    );
    check(8, "id  rol…\n 1  fol…\n 2  dow…\n 3  lea…\n10  sta…\n");
    check(0, "\n\n\n\n\n");
}

#[test]
fn colours_are_those_of_the_role() {
    let lines = render(&rows(), 100, Paint::Colour);
    assert!(lines[1].contains("\u{1b}[36mfollower"), "{:?}", lines[1]);
    assert!(lines[2].contains("\u{1b}[31m  down ("), "{:?}", lines[2]);
    assert!(lines[3].contains("\u{1b}[1;32mleader"), "{:?}", lines[3]);
}

#[test]
fn clipping() {
    assert_eq!(clip("leader", 6), "leader");
    assert_eq!(clip("leader", 5), "lead…");
    assert_eq!(clip("leader", 1), "…");
    assert_eq!(clip("leader", 0), "");
    assert_eq!(clip("日本", 3), "日…");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(width in 0usize..140, why in "\\PC{0,60}") {
        let rows = [serving(1, State::Leader), empty(2, State::Down(why))];
        for line in render(&rows, width, Paint::Plain) {
            prop_assert!(width_of(&line) <= width, "{line:?} at {width}");
        }
    }
}
