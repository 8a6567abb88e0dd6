//! The loop around the core: takes what has queued up, steps through it, performs the actions, sleeps until the next input
//! or the next deadline. It knows no protocol.
//!
//! One thread with a runtime of its own. Inside a batch every input is stepped and its actions performed before the next,
//! so that a reply made by one step and an event made by a later one leave in that order; what touches other threads (the
//! disk's queue, the wake-ups of connections and links) happens once, at the end of the batch.

use crate::actions::{Hands, Outcome};
use crate::clients::Clients;
use crate::clock;
use crate::inbox::Internal;
use crate::limits::{DISK_QUEUE_PAUSE, STATUS_PAUSE_MS, STATUS_SESSIONS_PER_MS, SWEEP_MAX};
use crate::retire::{Refusal, Retire, Standing};
use crate::settings;
use crate::shared::ClientInput;
use crate::volume::Volume;
use replica::limits::INPUT_BATCH_MAX;
use replica::{Action, Input, Now, Replica};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use wire::Millis;
use wire::quorum::PacketType;

/// The driver.
pub struct Driver {
    replica: Replica,
    hands: Hands,
    internal: mpsc::Receiver<Internal>,
    clients: mpsc::Receiver<ClientInput>,
    actions: Vec<Action>,
    sweep_every: Duration,
    swept: Instant,
    published: Millis,
    /// The least pause until it is published again: longer where copying it takes longer.
    status_pause_ms: i64,
    /// Whether something happened since the status was published.
    stale: bool,
    stopped: bool,
}

/// What woke the driver.
enum Woken {
    Internal,
    Clients,
    Time,
}

impl Driver {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        replica: Replica,
        hands: Hands,
        internal: mpsc::Receiver<Internal>,
        clients: mpsc::Receiver<ClientInput>,
        tick: Duration,
    ) -> Driver {
        Driver {
            replica,
            hands,
            internal,
            clients,
            actions: Vec::new(),
            sweep_every: (tick / 4).clamp(Duration::from_millis(1), SWEEP_MAX),
            swept: Instant::now(),
            published: Millis(i64::MIN / 2),
            status_pause_ms: STATUS_PAUSE_MS,
            stale: false,
            stopped: false,
        }
    }

    /// Runs until the core says that it has stopped.
    pub async fn run(mut self) {
        self.replica.start(clock::now(), &mut self.actions);
        self.perform();
        self.end_batch();
        let (mut internal, mut clients) = (Vec::new(), Vec::new());
        while !self.stopped {
            let disk_is_behind = self.disk_is_behind();
            let wake_at = self.wake_at(disk_is_behind);
            let woken = tokio::select! {
                biased;
                taken = self.internal.recv_many(&mut internal, INPUT_BATCH_MAX) => {
                    if taken == 0 { return }
                    Woken::Internal
                }
                taken = self.clients.recv_many(&mut clients, INPUT_BATCH_MAX), if !disk_is_behind => {
                    if taken == 0 { return }
                    Woken::Clients
                }
                () = tokio::time::sleep_until(wake_at.into()) => Woken::Time,
            };
            if matches!(woken, Woken::Internal) && !disk_is_behind {
                while clients.len() < INPUT_BATCH_MAX
                    && let Ok(input) = self.clients.try_recv()
                {
                    clients.push(input);
                }
            }
            self.batch(&mut internal, &mut clients);
        }
        // What is left of it is looked at while the process goes on.
        self.publish();
    }

    /// A disk that is full or slow holds back clients; everything else goes on.
    fn disk_is_behind(&self) -> bool {
        self.hands.disk_bytes() > self.hands.shared().bounds.disk_queue_bytes_max
    }

    fn wake_at(&self, disk_is_behind: bool) -> Instant {
        let sweep = self.swept + self.sweep_every;
        let deadline = self.replica.next_deadline().map_or(sweep, clock::instant);
        let mut at = deadline.min(sweep);
        if self.stale {
            at = at.min(clock::instant(self.published.plus(self.status_pause_ms)));
        }
        if disk_is_behind { at.min(Instant::now() + DISK_QUEUE_PAUSE) } else { at }
    }

    fn batch(&mut self, internal: &mut Vec<Internal>, clients: &mut Vec<ClientInput>) {
        self.hands.note_batch(clients.len());
        for item in internal.drain(..) {
            self.take_internal(item);
        }
        for item in clients.drain(..) {
            self.take_client(item);
        }
        while let Some(input) = self.hands.take_own_input() {
            self.step(input);
        }
        self.take_time();
        self.end_batch();
    }

    fn take_internal(&mut self, item: Internal) {
        match item {
            Internal::Input(input) => self.step(input),
            Internal::Packets(link, packets) => {
                for packet in packets {
                    if packet.kind == PacketType::Ack {
                        self.hands.note_ack(link, packet.zxid, || self.replica.learner_sid(link));
                    }
                    // A link that the core has closed is silent from then on.
                    if self.hands.has_link(link) {
                        self.step(Input::Packet { link, packet });
                    }
                }
            }
            Internal::LinkUp { link, dialled } => {
                let id = link.id;
                if self.hands.link_up(link, dialled) {
                    self.step(Input::LinkUp { link: id, dialled });
                }
            }
            Internal::SnapshotBegins(link) => {
                if self.hands.has_link(link) {
                    self.step(Input::SnapshotBegins(link));
                }
            }
            Internal::Snapshot { link, zxid, tree } => {
                if self.hands.has_link(link) {
                    self.hands.note_snapshot_from(link);
                    self.step(Input::SnapshotReceived { link, zxid, tree });
                }
            }
            Internal::LinkProgress(link) => {
                if self.hands.has_link(link) {
                    self.step(Input::LinkProgress(link));
                }
            }
            Internal::LinkGone(link, reason) => {
                if self.hands.forget_link(link) {
                    self.step(Input::LinkGone { link, reason });
                }
            }
            Internal::HandOver { to, answer } => {
                let id = self.hands.expect_hand_over(answer);
                self.step(Input::HandOver { id, to });
            }
            Internal::Restore { zxid, tree, begun, done } => {
                let outcome = self.replica.restores_at(zxid);
                if outcome.is_ok() {
                    self.hands.expect_restore(done);
                    self.step(Input::Restore { zxid, tree });
                }
                // Whoever asked may have given up waiting.
                let _ = begun.send(outcome);
            }
            Internal::Retire(order) => self.retire(order),
            Internal::Look(look) => (look.0)(&self.replica, &self.hands),
            Internal::Halt { code, message } => crate::exit::halt(code, &message),
        }
    }

    /// Stamps the volume and stops, if this server has left. It waits for the disk here: what it goes by cannot change meanwhile.
    fn retire(&mut self, Retire { version, volume, answer }: Retire) {
        let outcome = match volume.retired_at() {
            Some(retired_at) => Ok(retired_at),
            None if self.stopped => Err(Refusal::Stops),
            None => self.stamp(version, &volume),
        };
        // Whoever asked may have given up waiting.
        let _ = answer.send(outcome);
    }

    fn stamp(&mut self, version: i64, volume: &Volume) -> Result<i64, Refusal> {
        let me = settings::own_sid(&self.hands.shared().config);
        let leads = self.replica.status().leader == Some(me);
        let standing = Standing { me, configurations: self.hands.configurations(), leads };
        standing.may_retire(version)?;
        volume.retire(version).map_err(Refusal::Stamp)?;
        tracing::warn!(
            version = format_args!("{version:#x}"),
            "this server has left the ensemble for good: its volume is stamped, it stops, and its process waits to be ended"
        );
        self.step(Input::Shutdown);
        Ok(version)
    }

    fn take_client(&mut self, item: ClientInput) {
        if let ClientInput::Requests { conn, requests, since_us, .. } = &item {
            self.hands.note_queued(*conn, *since_us, requests.len() as u64);
        }
        let clients = self.hands.clients();
        Clients::take_in(&clients, item, |input| self.step(input));
    }

    /// Sweeps for active sessions and tells the core the time, where it is due.
    fn take_time(&mut self) {
        let now = clock::mono();
        let deadline = self.replica.next_deadline().filter(|deadline| *deadline <= now);
        let due = deadline.is_some();
        if due || self.swept.elapsed() >= self.sweep_every {
            self.swept = Instant::now();
            let touched = self.hands.take_touched();
            if !touched.is_empty() {
                self.step(Input::Touched(touched));
            }
        }
        if let Some(deadline) = deadline {
            // What is due at once is not late.
            if deadline.0 > 0 {
                self.hands.note_late(deadline);
            }
            if let Some(delivered) = self.hands.votes_delivered() {
                self.step(Input::VotesDelivered(delivered));
            }
            self.step(Input::Deadline);
        }
    }

    fn step(&mut self, input: Input) {
        let now_us = clock::micros();
        let now = Now { mono: clock::mono_of(now_us), wall: clock::wall() };
        self.hands.note_step(now_us, now.wall);
        self.replica.step(now, input, &mut self.actions);
        self.hands.note_step_done(now_us);
        self.perform();
    }

    fn perform(&mut self) {
        for action in self.actions.drain(..) {
            if self.hands.perform(action) == Outcome::Stopped {
                self.stopped = true;
            }
        }
    }

    fn end_batch(&mut self) {
        self.hands.note_looking(self.replica.is_looking());
        self.hands.end_batch();
        let now = clock::mono();
        if now.since(self.published) >= self.status_pause_ms {
            self.published = now;
            self.publish();
        } else {
            self.stale = true;
        }
    }

    fn publish(&mut self) {
        self.stale = false;
        let status = self.replica.status();
        let sessions: usize = status.session_buckets.iter().map(|(_, sessions)| sessions.len()).sum();
        self.status_pause_ms = STATUS_PAUSE_MS + (sessions / STATUS_SESSIONS_PER_MS) as i64;
        self.hands.shared().publish(status, self.hands.configurations().unwrap_or_default());
    }
}
