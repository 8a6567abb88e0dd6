//! Each test breaks the right history of [`example`] in one way and demands that it is noticed.

use super::*;
use crate::check::example::{self, read};

#[track_caller]
fn finds(operations: &[Operation], log: &[TxnEntry], words: &str) {
    let timeline = Timeline::replay(log, "/r").unwrap();
    let findings = check(operations, log, &timeline).expect_err("the history is wrong");
    assert!(findings.iter().any(|finding| finding.contains(words)), "{findings:#?}");
}

fn stat(version: i32, mzxid: i64) -> Stat {
    Stat { czxid: 1, mzxid, version, ..Stat::default() }
}

#[test]
fn the_right_history_passes() {
    let log = example::log();
    let timeline = Timeline::replay(&log, "/r").unwrap();
    let checked = check(&example::operations(), &log, &timeline).unwrap();
    assert_eq!(checked, Checked { writes: 5, reads: 2, unknown_done: 0, stale_synced: 0 });
}

#[test]
fn an_empty_history_is_refused() {
    let log = example::log();
    let timeline = Timeline::replay(&log, "/r").unwrap();
    assert!(check(&[], &[], &timeline).is_err());
    finds(&[], &log, "nobody asked for");
    let unanswered: Vec<_> = example::operations().into_iter().filter(|o| o.outcome == Outcome::Unknown).collect();
    assert!(check(&unanswered, &[], &timeline).is_err());
}

#[test]
fn a_lost_write_is_found() {
    // The last set was acknowledged; in the log the deletion follows the set before.
    let mut log = example::log();
    log.remove(3);
    finds(&example::operations(), &log, "an answered write is in no log");
}

#[test]
fn a_write_under_another_zxid_is_found() {
    let mut operations = example::operations();
    let Outcome::Ok { zxid, .. } = &mut operations[4].outcome else { panic!("acknowledged") };
    *zxid = 5;
    finds(&operations, &example::log(), "its transaction is 0x4");
}

#[test]
fn a_write_of_other_data_is_found() {
    let mut log = example::log();
    log[3] = example::set(4, (1, 3), "else", 2);
    finds(&example::operations(), &log, "its transaction is another");
}

#[test]
fn a_stale_condition_that_was_accepted_is_found() {
    let mut operations = example::operations();
    operations[4].request = example::set_request("three", 0);
    finds(&operations, &example::log(), "its condition did not hold");
}

#[test]
fn a_condition_refused_without_reason_is_found() {
    let mut operations = example::operations();
    operations[2].request = example::set_request("never", 1);
    finds(&operations, &example::log(), "it was refused although");
}

#[test]
fn a_refusal_that_was_carried_out_is_found() {
    let mut operations = example::operations();
    operations[4].outcome = Outcome::Refused { zxid: 4, code: codes::BAD_VERSION };
    finds(&operations, &example::log(), "its transaction is another");
    operations[4].outcome = Outcome::Refused { zxid: 4, code: codes::SESSION_MOVED };
    finds(&operations, &example::log(), "refused, yet carried out");
}

#[test]
fn a_read_from_the_past_is_found() {
    // At zxid 4 the data are already "three".
    let mut operations = example::operations();
    operations[5] = read((2, 3), 60, 4, "two", stat(1, 2));
    finds(&operations, &example::log(), "at 0x4 there was");
}

#[test]
fn a_read_from_the_future_is_found() {
    let mut operations = example::operations();
    operations[5] = read((2, 3), 60, 3, "three", stat(2, 4));
    finds(&operations, &example::log(), "at 0x3 there was");
    operations[5] = read((2, 3), 60, 99, "three", stat(2, 4));
    finds(&operations, &example::log(), "a read from the future");
}

#[test]
fn a_read_of_a_wrong_stat_is_found() {
    let mut operations = example::operations();
    operations[5] = read((2, 3), 60, 3, "two", stat(1, 1));
    finds(&operations, &example::log(), "at 0x3 there was");
}

#[test]
fn a_znode_missed_by_a_read_is_found() {
    let mut operations = example::operations();
    operations[5].outcome = Outcome::Refused { zxid: 3, code: codes::NO_NODE };
    finds(&operations, &example::log(), "at 0x3 there was");
}

#[test]
fn a_session_that_goes_back_is_found() {
    let mut operations = example::operations();
    // Right by itself, but the session has already seen zxid 3.
    operations[5] = read((2, 3), 60, 1, "one", stat(0, 1));
    finds(&operations, &example::log(), "session 0x2 went back");
}

#[test]
fn real_time_against_the_order_of_zxids_is_found() {
    let mut operations = example::operations();
    // The set that became transaction 4 was over before the one that became transaction 2 began.
    (operations[4].invoked, operations[4].ended) = (14, 15);
    finds(&operations, &example::log(), "0x4 had been answered before this began");
}

#[test]
fn a_request_carried_out_twice_is_found() {
    let mut log = example::log();
    log[5] = example::create(6, (1, 1), "one");
    finds(&example::operations(), &log, "one request became two transactions");
}

#[test]
fn an_answer_that_no_right_server_gives_is_found() {
    let mut operations = example::operations();
    operations[5].outcome = Outcome::Refused { zxid: 3, code: -5 };
    finds(&operations, &example::log(), "no right server");
}

#[test]
fn an_unknown_outcome_may_be_in_the_log() {
    let mut log = example::log();
    log[5] = example::create(6, (3, 1), "lost");
    let timeline = Timeline::replay(&log, "/r").unwrap();
    assert_eq!(check(&example::operations(), &log, &timeline).unwrap().unknown_done, 1);
}

#[test]
fn reads_behind_a_sync_that_lag_are_counted() {
    let mut operations = example::operations();
    let sync = example::operation((2, 3), 56, Request::Sync, Outcome::Ok { zxid: 3, answer: Answer::Done });
    let mut late = read((2, 4), 60, 3, "two", stat(1, 2));
    late.request = Request::Get { path: example::PATH.to_owned(), synced: true };
    operations.splice(5..6, [sync, late]);
    let log = example::log();
    let timeline = Timeline::replay(&log, "/r").unwrap();
    assert_eq!(check(&operations, &log, &timeline).unwrap().stale_synced, 1);
}
