//! One task per client connection: bytes to requests, replies to bytes.
//!
//! ```text
//! accepted ─ four-letter word ─> answered, closed
//!     └───── first frame ─> Connect to the driver ─> waits ─> Connected ─> serving ─> closed
//! ```
//!
//! The hot path is `ClientTask::serve`: read, answer every complete frame in the buffer ([`crate::requests`]), write once.
//! It takes no lock but the tree's read lock and the connection's own, starts no task and allocates nothing per read.

use crate::clock;
use crate::connection::Conn;
use crate::four_letter;
use crate::frames::{self, Front, LENGTH_BYTES};
use crate::limits::{BUFFER_BYTES_KEPT, CLIENT_READ_BYTES_MAX, CLIENT_READ_BYTES_MIN, CLOSE_FLUSH};
use crate::metrics::instruments::{Closed, Phase};
use crate::notation::Remote;
use crate::outbox::{End, Wanted};
use crate::requests::{Fault, Requests};
use crate::shared::{ClientInput, Shared};
use bytes::{Buf, BytesMut};
use replica::{CloseReason, Identities};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use wire::client::ConnectRequest;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum Ending {
    /// The client closed it, or the network did.
    #[error("closed by the client")]
    Gone,
    /// The socket failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// The driver ordered it.
    #[error("{0:?}")]
    Ordered(End),
    /// The client sent something that cannot be answered.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// It asked a four-letter word and was answered.
    #[error("four-letter word answered")]
    Answered,
    /// It sent a frame while no clients are served.
    #[error("not serving")]
    NotServing,
    /// It had no session in time.
    #[error("no session within nio.sessionlessCnxnTimeout")]
    Sessionless,
    /// The process ends.
    #[error("the server stops")]
    Stopping,
}

impl Ending {
    /// What it is counted as.
    fn kind(&self) -> Closed {
        match self {
            Ending::Gone => Closed::Client,
            Ending::Socket(_) => Closed::Socket,
            Ending::Ordered(End::Overflow) => Closed::NotReading,
            Ending::Ordered(End::Close(CloseReason::NotServing | CloseReason::NotReadOnlyClient))
            | Ending::NotServing => Closed::NotServing,
            Ending::Ordered(End::Close(_)) | Ending::Answered | Ending::Stopping => Closed::Ended,
            Ending::Fault(_) => Closed::BadRequest,
            Ending::Sessionless => Closed::NoSession,
        }
    }
}

/// What woke a connection's task.
enum Event {
    /// This many bytes were read.
    Read(usize),
    /// The socket takes bytes again, or the outbox has news.
    Ready,
}

/// A client's connection and its task's state.
pub struct ClientTask {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
    read_bytes: usize,
    end: Option<End>,
    /// Replies of the driver that are in `output`: how many, and when the oldest was made, monotonic µs.
    unflushed: (u64, u64),
}

impl ClientTask {
    /// Serves an accepted connection until it ends.
    pub async fn run(shared: Arc<Shared>, conn: Arc<Conn>, stream: TcpStream) {
        let mut task = ClientTask {
            shared,
            conn,
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            read_bytes: CLIENT_READ_BYTES_MIN,
            end: None,
            unflushed: (0, 0),
        };
        task.shared.instruments.clients.opened.fetch_add(1, Relaxed);
        let ending = match task.live().await {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        task.log(&ending);
        task.shared.instruments.clients.note_closed(ending.kind());
        if !matches!(ending, Ending::Gone | Ending::Socket(_) | Ending::Ordered(End::Overflow)) {
            task.finish().await;
        }
        task.shared.registry.remove(&task.conn);
        task.shared.tree.read().remove_watcher(task.conn.id);
    }

    async fn live(&mut self) -> Result<std::convert::Infallible, Ending> {
        let sessionless = self.shared.client.sessionless;
        let request = match timeout(sessionless, self.first_frame()).await {
            Ok(request) => request?,
            Err(_) => {
                self.shared.stats.sessionless_expired.fetch_add(1, Relaxed);
                return Err(Ending::Sessionless);
            }
        };
        let address: Identities = Arc::new([tree::acl::ip_id(self.conn.peer.ip())]);
        let connect = ClientInput::Connect { conn: self.conn.clone(), request, identities: address.clone() };
        self.shared.clients.send(connect).await.map_err(|_| Ending::Stopping)?;
        let ending = match self.attached(address).await {
            Ok(requests) => self.serve(requests).await,
            Err(ending) => Err(ending),
        };
        // The queue is closed only when the process stops; then nobody needs to know.
        let _ = self.shared.clients.send(ClientInput::Gone(self.conn.id)).await;
        ending
    }

    /// Reads up to the first frame; answers a four-letter word instead if that is what came.
    async fn first_frame(&mut self) -> Result<ConnectRequest, Ending> {
        let max = self.shared.client.frame_bytes_max;
        let mut judged = false;
        loop {
            if !judged && let Some(word) = self.input.first_chunk::<LENGTH_BYTES>().copied() {
                judged = true;
                if four_letter::is_word(word) {
                    return Err(self.answer_word(word).await?);
                }
            }
            match frames::front(&self.input, max).map_err(Fault::from)? {
                Front::Complete(bytes) => return self.connect_request(bytes),
                Front::Partial(_) => self.read_more().await?,
            }
        }
    }

    fn connect_request(&mut self, bytes: usize) -> Result<ConnectRequest, Ending> {
        self.count_received();
        if !self.shared.serving.load(Relaxed) {
            self.shared.stats.closed_not_serving.fetch_add(1, Relaxed);
            return Err(Ending::NotServing);
        }
        self.shared.stats.connection_requests.fetch_add(1, Relaxed);
        let frame = self.input.split_to(bytes);
        let request = ConnectRequest::decode(&frame[LENGTH_BYTES..])
            .map_err(|source| Fault::Malformed { what: "connect request", source })?;
        Ok(request)
    }

    fn count_received(&self) {
        self.conn.stats.received.fetch_add(1, Relaxed);
        self.shared.stats.received.fetch_add(1, Relaxed);
    }

    async fn answer_word(&mut self, word: [u8; LENGTH_BYTES]) -> Result<Ending, Ending> {
        self.count_received();
        let wanted = LENGTH_BYTES + four_letter::argument_bytes(word, &self.shared);
        while self.input.len() < wanted {
            self.read_more().await?;
        }
        let text = four_letter::answer(word, &self.input[LENGTH_BYTES..wanted], &self.shared);
        self.output.extend_from_slice(text.as_bytes());
        Ok(Ending::Answered)
    }

    async fn read_more(&mut self) -> Result<(), Ending> {
        self.input.reserve(CLIENT_READ_BYTES_MIN);
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(Ending::Gone),
            bytes => {
                self.shared.stats.bytes_received.fetch_add(bytes as u64, Relaxed);
                Ok(())
            }
        }
    }

    /// Waits for the core's answer to the handshake.
    async fn attached(&mut self, identities: Identities) -> Result<Requests, Ending> {
        loop {
            let collected = self.conn.outbox.collect(&mut self.output);
            self.end = collected.end;
            if let Some(attached) = collected.attached {
                self.conn.attach(attached.session, attached.timeout_ms);
                tracing::Span::current().record("session", tracing::field::display(attached.session));
                let (shared, conn) = (self.shared.clone(), self.conn.clone());
                shared.tree.read().add_watcher(conn.id, identities.clone());
                let requests = Requests::new(shared, conn, attached.session, identities);
                requests.note_sent(collected.packets);
                return Ok(requests);
            }
            if let Some(end) = self.end {
                return Err(Ending::Ordered(end));
            }
            let outbox = &self.conn.outbox;
            poll_fn(|context| match outbox.poll_news(context, Wanted::Anything) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
    }

    /// The life of an established connection.
    async fn serve(&mut self, mut requests: Requests) -> Result<std::convert::Infallible, Ending> {
        loop {
            if self.output.is_empty() {
                let collected = self.conn.outbox.collect(&mut self.output);
                requests.note_sent(collected.packets);
                let answered = requests.note_answered(collected.answered);
                self.unflushed = (answered, collected.replied_us);
                self.end = collected.end;
            }
            if let Some(end) = self.end {
                return Err(Ending::Ordered(end));
            }
            self.write_some()?;
            let flushed = self.output.is_empty();
            if flushed && requests.admits() && self.has_frame()? {
                let taken = requests.take_frames(&mut self.input, &mut self.output);
                self.hand_over(&mut requests).await?;
                taken?;
                continue;
            }
            self.give_back_buffers();
            let may_read = flushed && requests.admits();
            if let Event::Read(bytes) = self.wait(may_read, !flushed).await? {
                self.shared.stats.bytes_received.fetch_add(bytes as u64, Relaxed);
                self.fit_reads(bytes);
            }
        }
    }

    fn has_frame(&self) -> Result<bool, Fault> {
        Ok(matches!(frames::front(&self.input, self.shared.client.frame_bytes_max)?, Front::Complete(_)))
    }

    /// Hands the kept requests to the driver. Where its queue is full the replies made so far are sent meanwhile, and the
    /// wait is the backpressure on this client.
    async fn hand_over(&mut self, requests: &mut Requests) -> Result<(), Ending> {
        let Some(input) = requests.take_pending() else { return Ok(()) };
        match self.shared.clients.try_send(input) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Ending::Stopping),
            Err(TrySendError::Full(input)) => {
                self.write_some()?;
                self.shared.clients.send(input).await.map_err(|_| Ending::Stopping)
            }
        }
    }

    /// Writes what the socket takes now.
    fn write_some(&mut self) -> Result<(), Ending> {
        while !self.output.is_empty() {
            match self.stream.try_write(&self.output) {
                Ok(0) => return Err(Ending::Gone),
                Ok(written) => {
                    self.shared.instruments.requests.bytes_sent.fetch_add(written as u64, Relaxed);
                    self.output.advance(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.output.clear();
        self.note_flushed();
        Ok(())
    }

    /// The socket has taken everything.
    fn note_flushed(&mut self) {
        let (replies, replied_us) = std::mem::take(&mut self.unflushed);
        if replies > 0 && replied_us > 0 {
            self.shared.instruments.phase(Phase::Reply, clock::micros().saturating_sub(replied_us), replies);
        }
    }

    /// Sleeps until the outbox has news, the socket takes bytes (`want_write`) or brings some (`may_read`).
    async fn wait(&mut self, may_read: bool, want_write: bool) -> Result<Event, Ending> {
        if may_read {
            let needed = match frames::front(&self.input, self.shared.client.frame_bytes_max).map_err(Fault::from)? {
                Front::Partial(bytes) | Front::Complete(bytes) => bytes.saturating_sub(self.input.len()),
            };
            self.input.reserve(needed.max(self.read_bytes));
        }
        let wanted = if want_write { Wanted::End } else { Wanted::Anything };
        let (outbox, stream, input, end) = (&self.conn.outbox, &mut self.stream, &mut self.input, &mut self.end);
        poll_fn(move |context| {
            if outbox.poll_news(context, wanted) {
                *end = if want_write { outbox.end() } else { None };
                return Poll::Ready(Ok(Event::Ready));
            }
            if want_write && let Poll::Ready(ready) = stream.poll_write_ready(context) {
                return Poll::Ready(ready.map(|()| Event::Ready).map_err(Ending::from));
            }
            if may_read && let Poll::Ready(read) = pin!(stream.read_buf(input)).poll(context) {
                return Poll::Ready(match read {
                    Ok(0) => Err(Ending::Gone),
                    Ok(bytes) => Ok(Event::Read(bytes)),
                    Err(error) => Err(error.into()),
                });
            }
            Poll::Pending
        })
        .await
    }

    /// A client that fills its buffer gets a larger one, so that long pipelines are answered in few batches.
    fn fit_reads(&mut self, bytes: usize) {
        if bytes >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 4).min(CLIENT_READ_BYTES_MAX);
        } else if bytes < self.read_bytes / 8 {
            self.read_bytes = (self.read_bytes / 2).max(CLIENT_READ_BYTES_MIN);
        }
    }

    /// Idle connections keep no large buffers.
    fn give_back_buffers(&mut self) {
        if self.output.is_empty() && self.output.capacity() > BUFFER_BYTES_KEPT {
            self.output = BytesMut::new();
        }
        if self.input.is_empty() && self.input.capacity() > BUFFER_BYTES_KEPT && self.read_bytes < BUFFER_BYTES_KEPT {
            self.input = BytesMut::new();
        }
    }

    /// Sends what is still to be sent, for a bounded time, and says that nothing follows.
    async fn finish(&mut self) {
        self.conn.outbox.collect(&mut self.output);
        let (stream, output) = (&mut self.stream, &self.output);
        let sent = timeout(CLOSE_FLUSH, async {
            stream.write_all(output).await?;
            stream.shutdown().await
        });
        if !matches!(sent.await, Ok(Ok(()))) {
            tracing::debug!(remote = %Remote(self.conn.peer), "the last replies were not taken by the client");
        }
        // Unread bytes would turn the close into a reset, which may overtake the last reply.
        let mut rest = [0; 1024];
        while matches!(self.stream.try_read(&mut rest), Ok(1..)) {}
    }

    /// One line for an ending that somebody may ask about.
    fn log(&self, ending: &Ending) {
        let (remote, session) = (Remote(self.conn.peer), self.conn.session());
        match ending {
            Ending::Answered | Ending::Stopping | Ending::Gone | Ending::NotServing => {
                tracing::debug!(%remote, %session, "client connection ends: {ending}");
            }
            Ending::Ordered(End::Overflow) => {
                tracing::warn!(%remote, %session, "close client connection: it does not read what it is sent");
            }
            Ending::Ordered(End::Close(
                CloseReason::SessionClosed | CloseReason::NotServing | CloseReason::NotReadOnlyClient,
            )) => {
                tracing::debug!(%remote, %session, "close client connection: {ending}");
            }
            Ending::Ordered(End::Close(reason)) => {
                tracing::info!(%remote, %session, "close client connection: {reason:?}");
            }
            Ending::Sessionless | Ending::Socket(_) => {
                tracing::info!(%remote, %session, "client connection ends: {ending}");
            }
            Ending::Fault(fault) => tracing::warn!(%remote, %session, "close client connection: {fault}"),
        }
    }
}
