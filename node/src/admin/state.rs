//! What the HTTP ports know of the server behind them: it may still be reading its data directory, or be about to stop.

use super::json::{Json, object};
use super::limiter::Limiter;
use super::status::Board;
use crate::actions::Hands;
use crate::config::{CommandsFrom, Config};
use crate::inbox::{Internal, Look};
use crate::limits::{COMMAND_PATIENCE, STARTUP_LOOKING_MAX, STARTUP_POLL};
use crate::metrics;
use crate::recovery::LoadProgress;
use crate::settings;
use crate::shared::Shared;
use crate::snapshots::Snapshots;
use crate::volume::Volume;
use parking_lot::Mutex;
use prometheus::proto::MetricFamily;
use replica::Replica;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};
use wire::ServerId;

/// Values of keys that hold a secret, as they are shown.
const SECRET: &str = "(hidden)";

/// A server, from its start to its end.
#[derive(Debug)]
pub struct Node {
    /// Its configuration.
    pub config: Arc<Config>,
    /// The text of its configuration at the start, secrets hidden.
    pub initial_configuration: String,
    /// How far its data directory is read.
    pub progress: Arc<LoadProgress>,
    /// When the process began.
    pub since: Instant,
    /// How often a snapshot may be asked for.
    pub snapshot_limiter: Limiter,
    /// How often one may be restored.
    pub restore_limiter: Limiter,
    /// The right to restore one: each needs the memory of a tree.
    pub restoring: Arc<Semaphore>,
    /// Its volume.
    pub volume: Arc<Volume>,
    /// What it shows of itself to whoever runs the ensemble.
    pub board: Board,
    running: Mutex<Option<Arc<Running>>>,
    draining: AtomicBool,
    started: AtomicBool,
}

/// A server that has read its data directory.
#[derive(Debug)]
pub struct Running {
    /// What its tasks share.
    pub shared: Arc<Shared>,
    /// The driver's queue.
    pub internal: mpsc::Sender<Internal>,
    /// Writes its snapshots.
    pub snapshots: Arc<Snapshots>,
}

impl Node {
    /// A server that is about to read its data directory.
    #[must_use]
    pub fn new(config: Arc<Config>, volume: Volume, progress: Arc<LoadProgress>, since: Instant) -> Arc<Node> {
        let limit_ms = u64::try_from(config.settings.admin_rate_limiter_interval_ms).unwrap_or(0);
        Arc::new(Node {
            initial_configuration: initial_configuration(&config),
            // As in Apache, which takes this number for microseconds here: five minutes become 300 ms.
            snapshot_limiter: Limiter::new(Duration::from_micros(limit_ms)),
            restore_limiter: Limiter::new(Duration::from_millis(limit_ms)),
            restoring: Arc::new(Semaphore::new(1)),
            config,
            progress,
            since,
            volume: Arc::new(volume),
            board: Board::default(),
            running: Mutex::default(),
            draining: AtomicBool::new(false),
            started: AtomicBool::new(false),
        })
    }

    /// Its id, 0 for a standalone server without one.
    #[must_use]
    pub fn sid(&self) -> ServerId {
        settings::own_sid(&self.config)
    }

    /// From where commands that change something are taken without a password.
    #[must_use]
    pub fn commands_from(&self) -> CommandsFrom {
        self.config.settings.commands_from
    }

    /// The data directory is read, and the driver runs. Watches from here on whether the start is complete.
    pub fn runs(self: &Arc<Node>, running: Running) {
        *self.running.lock() = Some(Arc::new(running));
        tokio::spawn(self.clone().watch_start());
    }

    /// The server, unless it still reads its data directory.
    #[must_use]
    pub fn running(&self) -> Option<Arc<Running>> {
        self.running.lock().clone()
    }

    /// The server, while Apache's would answer commands: it serves clients, or it leads and takes none (`leaderServes=no`).
    #[must_use]
    pub fn serving(&self) -> Option<Arc<Running>> {
        self.running().filter(|running| running.serves())
    }

    /// The server was told to stop.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether it was told to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Whether the start is complete: it has served, or is a member in order that has nobody to serve with, or was retired. That is
    /// not taken back.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.started.load(Relaxed) || self.volume.retired_at().is_some()
    }

    async fn watch_start(self: Arc<Node>) {
        let mut looking_since = None;
        while !self.has_started() {
            if let Some(running) = self.running() {
                let looks = running.shared.status().peer_state.starts_with("looking");
                let since = looking_since.get_or_insert_with(Instant::now);
                if !looks {
                    looking_since = None;
                } else if since.elapsed() >= STARTUP_LOOKING_MAX {
                    self.started.store(true, Relaxed);
                }
                if running.serves() {
                    self.started.store(true, Relaxed);
                }
            }
            tokio::time::sleep(STARTUP_POLL).await;
        }
    }
}

impl Running {
    fn serves(&self) -> bool {
        self.shared.serving.load(Relaxed) || self.shared.leads_without_clients()
    }

    /// Shows the core and the driver to somebody.
    ///
    /// # Errors
    /// When the driver has too much to do, or stops.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Replica, &Hands) -> T + Send + 'static,
    ) -> Result<T, String> {
        let (answer, seen) = oneshot::channel();
        let look = Look(Box::new(move |replica: &Replica, hands: &Hands| {
            // Whoever asked may have given up waiting.
            let _ = answer.send(look(replica, hands));
        }));
        self.ask(Internal::Look(look), seen, COMMAND_PATIENCE).await
    }

    /// Gives the driver something and waits for the answer to it.
    ///
    /// # Errors
    /// When there is none in time, or the driver stops.
    pub async fn ask<T>(&self, item: Internal, answer: oneshot::Receiver<T>, within: Duration) -> Result<T, String> {
        let asked = async {
            self.internal.send(item).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(within, asked).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err("this server stops".to_owned()),
            Err(_) => Err(format!("no answer within {} s", within.as_secs())),
        }
    }
}

impl metrics::Source for Node {
    fn metrics(&self) -> Result<Vec<MetricFamily>, String> {
        let running = self.running().ok_or_else(|| "the data directory is being read".to_owned())?;
        Ok(metrics::families::of_server(&running.shared))
    }
}

/// `zoo.cfg` as it was read; where the environment is the configuration, what it would be. Values that are secrets are hidden, since
/// this port asks nobody who they are.
fn initial_configuration(config: &Config) -> String {
    let text = match &config.file {
        Some(file) => std::fs::read_to_string(file).unwrap_or_default(),
        None => config.given().iter().map(|entry| format!("{}={}\n", entry.key, entry.value)).collect(),
    };
    text.split_inclusive('\n').map(without_secret).collect()
}

fn without_secret(line: &str) -> String {
    match line.split_once('=') {
        Some((key, value)) if is_secret(key) => {
            let end = if value.ends_with('\n') { "\n" } else { "" };
            format!("{key}={SECRET}{end}")
        }
        _ => line.to_owned(),
    }
}

/// Whether the value of a key lets whoever has it do what others may not.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["superdigest", "password", "passwd"].iter().any(|part| key.contains(part))
}

/// The value of a key, hidden where it is a secret.
#[must_use]
pub fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    if is_secret(key) { SECRET } else { value }
}

/// How far the data directory is read, as JSON.
#[must_use]
pub fn progress(progress: &LoadProgress) -> Json {
    object([
        ("snapshot_bytes", progress.snapshot_bytes.load(Relaxed).into()),
        ("transactions", progress.transactions.load(Relaxed).into()),
    ])
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::config::{self, Environment, LoadOptions};
    use crate::volume::Stamp;
    use parking_lot::RwLock;
    use store::{DataDirs, RealFs};
    use tree::{Tree, TreeSettings};

    /// A server that reads its data directory, configured by these lines.
    pub fn node(lines: &str) -> Arc<Node> {
        node_of(&[("ZOO_CFG_EXTRA", lines)])
    }

    /// Server 2 of an ensemble of three that may change.
    pub fn member() -> Arc<Node> {
        let list = [1, 2, 3].map(|sid| format!("server.{sid}=zk{sid}:2888:3888;2181")).join(" ");
        node_of(&[("ZOO_SERVERS", &list), ("ZOO_MY_ID", "2"), ("ZOO_CFG_EXTRA", "reconfigEnabled=true")])
    }

    fn node_of(variables: &[(&str, &str)]) -> Arc<Node> {
        let variables = [("ZOO_DATA_DIR", "/nowhere")].iter().chain(variables);
        let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = Environment { variables, host_name: None };
        let options = LoadOptions { environment, ..LoadOptions::default() };
        let (config, _) = config::load(&options).map_err(|error| error.to_string()).unwrap();
        let volume = Volume::new(&DataDirs::single("/nowhere"), Stamp::default(), false);
        Node::new(Arc::new(config), volume, Arc::default(), Instant::now())
    }

    /// A tree and nobody who changes it.
    pub fn running(node: &Node) -> Running {
        let settings = TreeSettings { hash_seed: 0, digest_enabled: true, extended_types: true };
        let tree = Arc::new(RwLock::new(Tree::new(settings)));
        let shared = Arc::new(Shared::new(node.config.clone(), tree.clone(), mpsc::channel(1).0));
        let (dirs, settings) = (DataDirs::single("/nowhere"), settings::snapshots(&node.config));
        let snapshots = Snapshots::new(Arc::new(RealFs), dirs, tree, settings, None, shared.disk.clone());
        Running { shared, internal: mpsc::channel(1).0, snapshots: Arc::new(snapshots) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let line = "DigestAuthenticationProvider.superDigest=super:hash=\n";
        assert_eq!(without_secret(line), "DigestAuthenticationProvider.superDigest=(hidden)\n");
        assert_eq!(without_secret("ssl.keyStore.password=x"), "ssl.keyStore.password=(hidden)");
        for plain in ["tickTime=2000\n", "# superDigest\n", "\n", "ssl.keyStore.location=/k"] {
            assert_eq!(without_secret(plain), plain);
        }
        assert_eq!((shown("a", "b"), shown("x.passwd", "b")), ("b", "(hidden)"));
    }
}
