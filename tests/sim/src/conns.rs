//! A server's client connections: what a connection's task does, without the task.
//!
//! The parts that decide (requests, outbox) are the server's own; only the socket and the scheduler are simulated. A task
//! runs a little after it was woken, so that the core may take further steps in between.

use crate::network::PipeId;
use bytes::BytesMut;
use node::connection::Conn;
use node::frames::{self, Front, LENGTH_BYTES};
use node::outbox::Wanted;
use node::requests::Requests;
use node::shared::{ClientInput, Shared};
use parking_lot::Mutex;
use replica::Identities;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Wake, Waker};
use tree::ConnId;
use wire::client::ConnectRequest;

/// Connections whose tasks were woken.
pub type Woken = Arc<Mutex<Vec<ConnId>>>;

/// Where a connection's wake-up goes.
struct Bell {
    conn: ConnId,
    woken: Woken,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.woken.lock().push(self.conn);
    }
}

/// A client's connection.
pub struct ConnTask {
    /// Its pipe.
    pub pipe: PipeId,
    conn: Arc<Conn>,
    shared: Arc<Shared>,
    identities: Identities,
    waker: Waker,
    input: BytesMut,
    requests: Option<Requests>,
    asked: bool,
}

/// What a run of a task led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Bytes for the client.
    pub output: BytesMut,
    /// For the driver, in order.
    pub inputs: Vec<ClientInput>,
    /// Whether the connection is to be closed behind the output.
    pub close: bool,
}

impl ConnTask {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(conn: Arc<Conn>, shared: Arc<Shared>, pipe: PipeId, woken: &Woken) -> ConnTask {
        let waker = Waker::from(Arc::new(Bell { conn: conn.id, woken: woken.clone() }));
        let identities: Identities = Arc::new([tree::acl::ip_id(conn.peer.ip())]);
        ConnTask { pipe, conn, shared, identities, waker, input: BytesMut::new(), requests: None, asked: false }
    }

    /// Bytes have come.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Requests that the driver has of this connection.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.conn.stats.outstanding.load(Relaxed)
    }

    /// Runs until there is nothing to do (`ClientTask::live`).
    pub fn run(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        if !self.asked {
            self.ask(&mut outcome);
        }
        if self.asked && self.requests.is_none() && !outcome.close {
            self.attach(&mut outcome);
        }
        while !outcome.close && self.serve_once(&mut outcome) {}
        outcome
    }

    /// The first frame.
    fn ask(&mut self, outcome: &mut Outcome) {
        match frames::front(&self.input, self.shared.client.frame_bytes_max) {
            Ok(Front::Partial(_)) => {}
            Ok(Front::Complete(_)) if !self.shared.serving.load(Relaxed) => outcome.close = true,
            Ok(Front::Complete(bytes)) => {
                let frame = self.input.split_to(bytes);
                match ConnectRequest::decode(&frame[LENGTH_BYTES..]) {
                    Ok(request) => {
                        self.asked = true;
                        let (conn, identities) = (self.conn.clone(), self.identities.clone());
                        outcome.inputs.push(ClientInput::Connect { conn, request, identities });
                    }
                    Err(_) => outcome.close = true,
                }
            }
            Err(_) => outcome.close = true,
        }
    }

    /// Looks for the answer to the handshake.
    fn attach(&mut self, outcome: &mut Outcome) {
        let collected = self.conn.outbox.collect(&mut outcome.output);
        if let Some(attached) = collected.attached {
            self.conn.attach(attached.session, attached.timeout_ms);
            self.shared.tree.read().add_watcher(self.conn.id, self.identities.clone());
            let (shared, conn) = (self.shared.clone(), self.conn.clone());
            self.requests = Some(Requests::new(shared, conn, attached.session, self.identities.clone()));
        } else if collected.end.is_some() {
            outcome.close = true;
        } else {
            self.conn.outbox.poll_news(&mut Context::from_waker(&self.waker), Wanted::Anything);
        }
    }

    /// One turn of `ClientTask::serve`; answers whether there may be more to do.
    fn serve_once(&mut self, outcome: &mut Outcome) -> bool {
        let Some(requests) = &mut self.requests else { return false };
        let collected = self.conn.outbox.collect(&mut outcome.output);
        requests.note_answered(collected.answered);
        if collected.end.is_some() {
            outcome.close = true;
            return false;
        }
        let complete = match frames::front(&self.input, self.shared.client.frame_bytes_max) {
            Ok(front) => matches!(front, Front::Complete(_)),
            Err(_) => {
                outcome.close = true;
                return false;
            }
        };
        if complete && requests.admits() {
            // The task writes out before it reads on: its buffer is empty then.
            let mut output = BytesMut::new();
            let taken = requests.take_frames(&mut self.input, &mut output);
            outcome.output.extend_from_slice(&output);
            outcome.inputs.extend(requests.take_pending());
            outcome.close = taken.is_err();
            return !outcome.close;
        }
        self.conn.outbox.poll_news(&mut Context::from_waker(&self.waker), Wanted::Anything)
    }

    /// The connection is gone.
    pub fn gone(&self) -> Option<ClientInput> {
        self.shared.registry.remove(&self.conn);
        self.shared.tree.read().remove_watcher(self.conn.id);
        self.asked.then_some(ClientInput::Gone(self.conn.id))
    }
}
