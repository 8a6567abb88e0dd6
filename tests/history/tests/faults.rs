//! Every kind of fault against three and five servers, and the checks of the history that comes of it.
//!
//! `ZOOKUBE_TEST_ROUNDS` sets how often each fault comes (2 on three servers, 1 on five); `ZOOKUBE_TEST_SEED` draws the faults of a run again.

use history::run::{Plan, run};

#[test]
fn three_servers_keep_what_they_acknowledge() {
    run(Plan::from_environment(3, 2));
}

#[test]
fn five_servers_keep_what_they_acknowledge() {
    run(Plan::from_environment(5, 1));
}
