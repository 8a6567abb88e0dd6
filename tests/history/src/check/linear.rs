//! Writes are linearizable: there is one order of all writes on a znode that gives every reply that was given, and in which
//! no write comes before one that was over when it began.
//!
//! Only what clients saw goes in: no zxid, no log. The search for the order is `stateright`'s `LinearizabilityTester`. It
//! tries orders without remembering dead ends, so its work can explode with operations that may have happened at any time;
//! porcupine remembers, at the price of a second language and a compiler of it. Here the tester does well, because
//! - every znode is searched by itself and is used for a bounded time (`crate::keys`), with few unknown outcomes,
//! - every acknowledged write tells its version, so that a wrong guess is refuted by the next acknowledged write.
//!
//! Should it explode all the same, that is reported as a finding, not waited for.
//!
//! Reads are left out. ZooKeeper orders them within their session only, and `sync` before a read does not change that for
//! certain: a leader that has been deposed and does not know it yet answers a `sync` without asking anybody. What reads
//! must show is checked by zxid ([`super::zxids`]).

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::codes;
use crate::record::{Answer, Operation, Outcome, Request};

/// What the check has looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Znodes.
    pub znodes: usize,
    /// Operations whose reply the order had to explain.
    pub operations: usize,
    /// Operations of unknown outcome, free to have happened or not.
    pub unknown: usize,
}

/// Checks all writes; gives up on a znode whose search takes longer than `limit`.
///
/// # Errors
/// The znodes whose writes have no such order, and a history without an acknowledged write.
pub fn check(operations: &[Operation], limit: Duration) -> Result<Checked, Vec<String>> {
    let mut by_path: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.request.is_write()) {
        by_path.entry(operation.request.path().unwrap_or_default()).or_default().push(operation);
    }
    let (mut checked, mut findings) = (Checked::default(), Vec::new());
    for (path, writes) in by_path {
        let (tester, known, unknown) = tester(&writes);
        checked.znodes += 1;
        checked.operations += known;
        checked.unknown += unknown;
        match has_order(tester, limit) {
            Some(true) => {}
            Some(false) => findings.push(format!("the writes on {path} have no order:\n{}", table(&writes))),
            None => {
                findings.push(format!(
                    "no order of the {known} writes on {path} was found within {limit:?} ({unknown} unknown):\n{}",
                    table(&writes)
                ));
                break;
            }
        }
    }
    if !operations.iter().any(|operation| operation.request.is_write() && operation.is_acknowledged()) {
        findings.push("no write was acknowledged: there is nothing to check".to_owned());
    }
    if findings.is_empty() { Ok(checked) } else { Err(findings) }
}

/// The search, on a thread that is left behind when it takes too long: it cannot be interrupted.
fn has_order(tester: LinearizabilityTester<usize, Znode>, limit: Duration) -> Option<bool> {
    let (answer, result) = channel();
    std::thread::spawn(move || {
        // Nobody listens any more when the search took too long.
        let _ = answer.send(tester.is_consistent());
    });
    match result.recv_timeout(limit) {
        Ok(consistent) => Some(consistent),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(false),
    }
}

/// A znode as the writes' replies tell of it: its version, or that it is not there.
#[derive(Debug, Clone, Default)]
struct Znode(Option<i32>);

#[derive(Debug, Clone)]
enum Write {
    Create,
    Set(i32),
    Delete(i32),
}

#[derive(Debug, Clone, PartialEq)]
enum Reply {
    Version(i32),
    Deleted,
    Code(i32),
}

impl SequentialSpec for Znode {
    type Op = Write;
    type Ret = Reply;

    fn invoke(&mut self, write: &Write) -> Reply {
        match (write, self.0) {
            (Write::Create, None) => {
                self.0 = Some(0);
                Reply::Version(0)
            }
            (Write::Create, Some(_)) => Reply::Code(codes::NODE_EXISTS),
            (Write::Set(_) | Write::Delete(_), None) => Reply::Code(codes::NO_NODE),
            (Write::Set(expected) | Write::Delete(expected), Some(version))
                if *expected >= 0 && *expected != version =>
            {
                Reply::Code(codes::BAD_VERSION)
            }
            (Write::Set(_), Some(version)) => {
                self.0 = Some(version + 1);
                Reply::Version(version + 1)
            }
            (Write::Delete(_), Some(_)) => {
                self.0 = None;
                Reply::Deleted
            }
        }
    }
}

/// The writes as the tester wants them, and how many have a reply to explain and how many none.
fn tester(writes: &[&Operation]) -> (LinearizabilityTester<usize, Znode>, usize, usize) {
    // What was refused because of its session was not carried out and says nothing of the znode.
    let writes: Vec<&&Operation> = writes
        .iter()
        .filter(|w| !matches!(w.outcome, Outcome::Refused { code, .. } if codes::of_session(code)))
        .collect();
    // One that is under way for ever is a thread of its own: its client goes on. Behind all others, so that the search
    // supposes that it has happened only where nothing else explains what came next.
    let clients = writes.iter().map(|write| write.client + 1).max().unwrap_or(0);
    let mut events: Vec<(u64, usize, Result<Write, Reply>)> = Vec::new();
    let (mut known, mut unknown) = (0, 0);
    for write in writes {
        let Some(reply) = reply(write) else {
            events.push((write.invoked, clients + unknown, Ok(request(write))));
            unknown += 1;
            continue;
        };
        known += 1;
        events.push((write.invoked, write.client, Ok(request(write))));
        events.push((write.ended, write.client, Err(reply)));
    }
    events.sort_by_key(|(tick, ..)| *tick);
    let mut tester = LinearizabilityTester::new(Znode::default());
    for (_, thread, event) in events {
        // A history that is none (two requests of one client at a time) is one without an order.
        let _ = match event {
            Ok(write) => tester.on_invoke(thread, write).map(drop),
            Err(reply) => tester.on_return(thread, reply).map(drop),
        };
    }
    (tester, known, unknown)
}

fn request(operation: &Operation) -> Write {
    match &operation.request {
        Request::Create { .. } => Write::Create,
        Request::Set { version, .. } => Write::Set(*version),
        Request::Delete { version, .. } => Write::Delete(*version),
        Request::Get { .. } | Request::Sync => unreachable!("only writes are checked"),
    }
}

fn reply(operation: &Operation) -> Option<Reply> {
    match &operation.outcome {
        Outcome::Ok { answer: Answer::Written(stat), .. } => Some(Reply::Version(stat.version)),
        Outcome::Ok { .. } => Some(Reply::Deleted),
        Outcome::Refused { code, .. } => Some(Reply::Code(*code)),
        Outcome::Unknown => None,
    }
}

fn table(writes: &[&Operation]) -> String {
    let mut sorted = writes.to_vec();
    sorted.sort_by_key(|write| write.invoked);
    let line = |w: &&Operation| {
        format!("  {:>6}..{:<6} client {} {:?} -> {:?}", w.invoked, w.ended, w.client, request(w), reply(w))
    };
    sorted.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example::{operation, operations, set_request};

    const LIMIT: Duration = Duration::from_secs(30);

    fn version(operation: &mut Operation, to: i32) {
        let Outcome::Ok { answer: Answer::Written(stat), .. } = &mut operation.outcome else {
            panic!("{operation:?} was to be an acknowledged write");
        };
        stat.version = to;
    }

    #[track_caller]
    fn refused(operations: &[Operation]) {
        let findings = check(operations, LIMIT).expect_err("the history is wrong");
        assert!(findings[0].contains("have no order"), "{findings:?}");
    }

    #[test]
    fn the_right_history_passes() {
        let checked = check(&operations(), LIMIT).unwrap();
        assert_eq!(checked, Checked { znodes: 1, operations: 5, unknown: 1 });
    }

    #[test]
    fn an_empty_history_is_refused() {
        assert!(check(&[], LIMIT).is_err());
        let unanswered: Vec<_> = operations().into_iter().filter(|o| o.outcome == Outcome::Unknown).collect();
        assert_eq!(unanswered.len(), 1);
        assert!(check(&unanswered, LIMIT).is_err());
    }

    #[test]
    fn a_lost_write_is_found() {
        // The second set finds the version that the first one had already made.
        let mut history = operations();
        version(&mut history[4], 1);
        refused(&history);
    }

    #[test]
    fn a_stale_condition_that_was_accepted_is_found() {
        // A set on version 0 succeeds although version 1 had been acknowledged before it began.
        let mut history = operations();
        let stat = support::jute::Stat { version: 1, ..Default::default() };
        history[2].outcome = Outcome::Ok { zxid: 3, answer: Answer::Written(stat) };
        refused(&history);
    }

    #[test]
    fn a_write_before_its_time_is_found() {
        // Versions in an order that contradicts real time.
        let mut history = operations();
        version(&mut history[1], 2);
        version(&mut history[4], 1);
        refused(&history);
    }

    #[test]
    fn a_deletion_that_came_back_is_found() {
        let mut history = operations();
        let stat = support::jute::Stat { version: 3, ..Default::default() };
        history.push(operation(
            (4, 1),
            90,
            set_request("x", -1),
            Outcome::Ok { zxid: 6, answer: Answer::Written(stat) },
        ));
        refused(&history);
    }

    #[test]
    fn an_unknown_write_may_have_happened_late_or_never_but_not_twice() {
        let with_second_set_at = |to| {
            let mut history = operations();
            // Under way from the start: the set that nobody heard of.
            history[7].invoked = 12;
            history[7].ended = 13;
            version(&mut history[4], to);
            let Request::Delete { version, .. } = &mut history[6].request else { panic!("a deletion") };
            *version = to;
            history
        };
        assert!(check(&with_second_set_at(2), LIMIT).is_ok(), "never");
        assert!(check(&with_second_set_at(3), LIMIT).is_ok(), "once");
        refused(&with_second_set_at(4));
    }

    #[test]
    fn a_search_that_explodes_is_a_finding() {
        // Sets that may have happened in any order, and a version that no number of them explains.
        let mut history = operations();
        history.truncate(1);
        history.extend((0..14).map(|n| operation((9, n), 20, set_request("unknown", -1), Outcome::Unknown)));
        let stat = support::jute::Stat { version: 99, ..Default::default() };
        history.push(operation(
            (1, 2),
            90,
            set_request("x", -1),
            Outcome::Ok { zxid: 9, answer: Answer::Written(stat) },
        ));
        let findings = check(&history, Duration::from_millis(50)).expect_err("there is no order");
        assert!(findings[0].contains("was found within"), "{findings:?}");
    }
}
