//! Questions that wait: each server is asked to answer when it has something new to say, so that a new leader is seen at once and
//! nobody has to ask again and again.

use super::pass::Trigger;
use crate::servers::Servers;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Between two questions to a server that does not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// And after many.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// The questions to the servers of one cluster.
#[derive(Debug, Default)]
pub(super) struct Polls(BTreeMap<IpAddr, Poll>);

#[derive(Debug)]
struct Poll(JoinHandle<()>);

impl Drop for Poll {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Polls {
    /// Asks these servers, and no others any more. With a server goes what it said last.
    pub(super) fn follow(
        &mut self,
        servers: BTreeMap<IpAddr, Option<u64>>,
        asked: &Arc<dyn Servers>,
        wakes: &broadcast::Sender<Trigger>,
        trigger: &Trigger,
    ) {
        self.0.retain(|server, poll| servers.contains_key(server) && !poll.0.is_finished());
        for (server, generation) in servers {
            let task = || poll(server, generation, asked.clone(), wakes.clone(), trigger.clone());
            self.0.entry(server).or_insert_with(|| Poll(tokio::spawn(task())));
        }
    }
}

/// Wakes the cluster whenever the server says something else, ceases to answer, or answers again.
async fn poll(
    server: IpAddr,
    mut said: Option<u64>,
    servers: Arc<dyn Servers>,
    wakes: broadcast::Sender<Trigger>,
    trigger: Trigger,
) {
    let mut pause = PAUSE;
    loop {
        let asked = Instant::now();
        let answer = match said {
            Some(generation) => servers.status_after(server, generation).await,
            None => servers.status(server).await,
        };
        let says = answer.ok().map(|answer| answer.generation);
        if says != said {
            (said, pause) = (says, PAUSE);
            // With nobody left to hear it the operator is about to end.
            if wakes.send(trigger.clone()).is_err() {
                return;
            }
        } else if says.is_some() {
            // A server with too many who wait answers at once.
            if asked.elapsed() < PAUSE {
                tokio::time::sleep(PAUSE).await;
            }
            continue;
        }
        if says.is_none() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}
