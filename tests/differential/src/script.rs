//! What a test does, step by step.

use std::fmt;

use crate::request::Request;

/// Which connection of a script; also names the session it opened last.
pub type Conn = usize;

/// The password a client shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    /// The one the server gave.
    Right,
    /// The right one with one bit turned.
    Wrong,
    /// None: the buffer is null.
    Missing,
}

/// One step. The next begins when all answers to it are in, on every connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Opens a connection to server `server` and asks for a new session.
    Connect {
        /// Which connection.
        conn: Conn,
        /// Which server of the target, modulo their number.
        server: usize,
        /// The timeout asked for.
        timeout_ms: i32,
        /// The last byte of the request, if it is there.
        read_only: Option<bool>,
    },
    /// Opens a connection and asks for the session that connection `session_of` opened last.
    Resume {
        /// Which connection.
        conn: Conn,
        /// Whose session.
        session_of: Conn,
        /// Which server.
        server: usize,
        /// How good the password is.
        password: Password,
        /// Added to the highest zxid seen.
        ahead: i64,
    },
    /// Sends the requests in one write.
    Send {
        /// On which connection.
        conn: Conn,
        /// What.
        requests: Vec<Request>,
    },
    /// Cuts the connection without a word; the session stays.
    Drop {
        /// Which connection.
        conn: Conn,
    },
    /// Opens a connection, sends bytes, and takes whatever comes until the server closes or has sent `frames` frames.
    Bytes {
        /// To which server.
        server: usize,
        /// What to send.
        bytes: Vec<u8>,
        /// How many frames to wait for.
        frames: usize,
    },
    /// As [`Step::Bytes`], on a connection with a session.
    BytesOn {
        /// On which connection.
        conn: Conn,
        /// What to send.
        bytes: Vec<u8>,
        /// How many frames to wait for.
        frames: usize,
    },
    /// Asks a four-letter word; the answer's numbers are masked.
    Word {
        /// To which server.
        server: usize,
        /// Which word.
        word: String,
    },
    /// Polls until the znode has gone (for containers and TTL), as seen by connection `conn`.
    AwaitGone {
        /// Which connection looks.
        conn: Conn,
        /// Which znode.
        path: String,
        /// How long to wait.
        limit_ms: u64,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { conn, requests } => {
                write!(f, "connection {conn} sends in one write:")?;
                requests.iter().try_for_each(|r| write!(f, "\n      {r}"))
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// A named list of steps.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// What the script shows, or its seed.
    pub name: String,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Whether zxids are left out of the comparison; see [`Script::zxids_may_differ`].
    pub without_zxids: bool,
}

impl Script {
    /// An empty script.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds a step.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Leaves zxids out of the comparison, for the one place where ours must not follow Apache: a write whose body
    /// cannot be decoded gets the zxid of the transaction before it there, which ends every follower of an ensemble.
    pub fn zxids_may_differ(mut self) -> Self {
        self.without_zxids = true;
        self
    }

    /// Opens a new session on connection `conn` to the first server.
    pub fn connect(self, conn: Conn) -> Self {
        self.connect_to(conn, 0)
    }

    /// Opens a new session on connection `conn` to a server.
    pub fn connect_to(self, conn: Conn, server: usize) -> Self {
        self.step(Step::Connect { conn, server, timeout_ms: 300_000, read_only: Some(false) })
    }

    /// Sends requests one by one, each when the previous one is answered.
    pub fn each(mut self, conn: Conn, requests: impl IntoIterator<Item = Request>) -> Self {
        let steps = requests.into_iter().map(|request| Step::Send { conn, requests: vec![request] });
        self.steps.extend(steps);
        self
    }

    /// Sends requests in one write.
    pub fn pipelined(self, conn: Conn, requests: impl IntoIterator<Item = Request>) -> Self {
        let requests = requests.into_iter().collect();
        self.step(Step::Send { conn, requests })
    }

    /// Cuts a connection.
    pub fn drop_connection(self, conn: Conn) -> Self {
        self.step(Step::Drop { conn })
    }

    /// Brings the session of `session_of` back on connection `conn`.
    pub fn resume(self, conn: Conn, session_of: Conn) -> Self {
        self.step(Step::Resume { conn, session_of, server: 0, password: Password::Right, ahead: 0 })
    }
}
