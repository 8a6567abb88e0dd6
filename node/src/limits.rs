//! Every bound and pause of the process that the core does not set ([`replica::limits`] has the pipeline's).

use std::time::Duration;

/// Bytes of replies made before they are written and the next requests are looked at. A reply can be as long as a frame, a
/// request for it a dozen bytes: without this bound one receive buffer of reads could ask for gigabytes.
pub const OUTPUT_BYTES_SOFT_MAX: usize = 1 << 20;
/// Identities of one connection: each auth packet may add one, and all of them travel with every write.
pub const IDENTITIES_PER_CONNECTION_MAX: usize = 256;
/// Schemes and ids of those together, bytes: a write with all of them must fit into a packet between servers.
pub const IDENTITIES_BYTES_MAX: usize = 64 << 10;
/// Room offered to a read from a client's socket while little arrives.
pub const CLIENT_READ_BYTES_MIN: usize = 4 << 10;
/// Room offered to a read from a client's socket while it is filled each time.
pub const CLIENT_READ_BYTES_MAX: usize = 256 << 10;
/// A buffer that has grown beyond this is given back once it is empty.
pub const BUFFER_BYTES_KEPT: usize = 64 << 10;
/// How long a connection that is being closed may take for what was already sent to it.
pub const CLOSE_FLUSH: Duration = Duration::from_millis(1000);
/// Pause after a failed `accept` (out of file descriptors): the condition does not pass at once.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections waiting for `accept` where `clientPortListenBacklog` does not say (Java's default).
pub const LISTEN_BACKLOG: i32 = 50;

/// Pause between two looks for the host name of the client port.
pub const CLIENT_NAME_PAUSE: Duration = Duration::from_millis(1000);

/// Bytes that wait for the disk beyond which clients' requests are not taken (a full or slow disk).
pub const DISK_QUEUE_BYTES_MAX: usize = 256 << 20;
/// Pause between two attempts to write to a full disk.
pub const DISK_FULL_PAUSE: Duration = Duration::from_millis(500);
/// Pause between two looks at a full disk queue.
pub const DISK_QUEUE_PAUSE: Duration = Duration::from_millis(5);
/// Bytes of a snapshot encoded under one read guard of the tree.
pub const SNAPSHOT_CHUNK_BYTES: usize = 256 << 10;
/// Bytes of a snapshot that an operator asks for which are encoded under one read guard, while writes wait: a tree of that size
/// is as it was at one zxid. A few hundredths of a second.
pub const SNAPSHOT_AT_ONCE_BYTES_MAX: usize = 16 << 20;

/// How often memory is measured, where it has a limit.
pub const MEMORY_EVERY: Duration = Duration::from_millis(250);

/// How old the figures of the process may be that are published, ms.
pub const PROCESS_FIGURES_MS: u64 = 2000;

/// Connections to an HTTP port at one time.
pub const HTTP_CONNECTIONS_MAX: usize = 32;
/// How long a client may take for the head of a request, pauses before it included, where nothing is configured.
pub const HTTP_HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// The longest head of a request; its URL included.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 << 10;
/// Pause between two attempts to bind an HTTP port.
pub const HTTP_BIND_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection to the metrics port may last, requests and pauses together.
pub const METRICS_CONNECTION_LIFE: Duration = Duration::from_secs(120);
/// How long a connection to the admin server may last: long enough for a snapshot.
pub const ADMIN_CONNECTION_LIFE: Duration = Duration::from_secs(600);
/// The longest wait for a change of what a server shows of itself, ms.
pub const STATUS_WAIT_MS_MAX: u64 = 30_000;
/// Requests that wait for such a change at one time; more are answered at once. Whoever probes the server must find a place
/// beside them.
pub const STATUS_WAITERS_MAX: usize = 16;
/// The longest pause between two looks for such a change: not all of it is published.
pub const STATUS_LOOK_EVERY: Duration = Duration::from_millis(50);
/// How old the figures of the volume are at most.
pub const VOLUME_LOOK_EVERY: Duration = Duration::from_secs(2);
/// Bytes of a file that are read at once for an answer over HTTP.
pub const FILE_BODY_CHUNK_BYTES: usize = 128 << 10;
/// The longest snapshot that is restored, unpacked, where memory has no limit; where it has one, a part of what is left of it.
pub const RESTORE_BYTES_MAX: u64 = 64 << 30;
/// The part of the memory that is left: a tree takes more than its snapshot has bytes.
pub const RESTORE_MEMORY_PART: u64 = 3;
/// Pieces of a body that wait for the thread that reads it.
pub const RESTORE_PIECES_WAITING: usize = 4;
/// The longest body of a command that reads one into memory.
pub const COMMAND_BODY_BYTES_MAX: usize = 4 << 10;
/// How long a command waits for its answer: longer than a hand-over may last.
pub const COMMAND_PATIENCE: Duration = Duration::from_secs(5);
/// A core that has not moved for so long is stuck: with nothing to do it moves four times a second.
pub const CORE_SILENT_MS_MAX: i64 = 10_000;
/// Pause between two looks whether the start is complete.
pub const STARTUP_POLL: Duration = Duration::from_millis(100);
/// A member that has found nobody to follow for so long has started: what it waits for is others, not itself.
pub const STARTUP_LOOKING_MAX: Duration = Duration::from_secs(10);

/// Room offered to a read from a link.
pub const LINK_READ_BYTES: usize = 128 << 10;
/// How often the progress of a snapshot on a link is reported.
pub const LINK_PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Attempts to reach the leader, at least (`Learner.connectToLeader`).
pub const DIAL_TRIES: u32 = 5;
/// The pause after the first of them; it doubles up to `zookeeper.leaderConnectDelayDuringRetryMs`. Of servers that settle at the
/// same time the leader opens its port a moment after its followers dial: a fixed pause would be waited out in most elections.
pub const DIAL_PAUSE_MIN: Duration = Duration::from_millis(1);
/// How much longer than Apache's server a learner dials: an Apache leader begins by waiting that long (`finalizeWait`) for votes
/// that we do not wait for, and opens its port only then.
pub const DIAL_LONGER: Duration = Duration::from_millis(200);
/// Attempts to bind the quorum port, a second apart (a predecessor may still be letting go of it).
pub const BIND_TRIES: u32 = 3;
/// Pause between them.
pub const BIND_PAUSE: Duration = Duration::from_millis(1000);
/// Pause before [`BIND_TRIES`] more attempts to bind the port for observers.
pub const OBSERVER_PORT_PAUSE: Duration = Duration::from_secs(10);
/// How long a new leader looks for its own name before it listens on all addresses; its learners make [`DIAL_TRIES`] attempts
/// within about twice this time.
pub const OWN_NAME_PATIENCE: Duration = Duration::from_millis(200);
/// Accepted quorum connections at one time; an ensemble has at most 255 servers.
pub const LINKS_MAX: usize = 512;

/// The longest pause between two sweeps for active sessions.
pub const SWEEP_MAX: Duration = Duration::from_millis(250);
/// The least pause between two published copies of the status.
pub const STATUS_PAUSE_MS: i64 = 5;
/// Sessions that lengthen that pause by a millisecond, because the copy lists them: 100,000 sessions are listed once a second.
pub const STATUS_SESSIONS_PER_MS: usize = 100;
/// How long a request to an OpenTelemetry collector may take.
pub const COLLECTOR_PATIENCE: Duration = Duration::from_secs(3);
/// How long the end of the process waits for a collector to take what is left, for traces and for log lines each.
pub const EXPORT_FLUSH_PATIENCE: Duration = Duration::from_millis(500);
/// How long a clean stop may take before the process ends anyway.
pub const STOP_PATIENCE: Duration = Duration::from_millis(1800);
/// After this the process ends whatever it still does. Container engines wait longer before they kill, but whoever waits
/// for a stop should not have to.
pub const STOP_MAX: Duration = Duration::from_millis(1950);
/// Pause between two looks at whether the last clients were served.
pub const STOP_POLL: Duration = Duration::from_millis(10);

const _: () = assert!(STATUS_WAITERS_MAX * 2 <= HTTP_CONNECTIONS_MAX);
const _: () = assert!(STATUS_WAIT_MS_MAX < ADMIN_CONNECTION_LIFE.as_millis() as u64);
const _: () = assert!(STOP_PATIENCE.as_millis() < STOP_MAX.as_millis() && STOP_MAX.as_millis() < 2000);
