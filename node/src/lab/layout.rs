//! The lab's directory: which servers there are, on which ports, in which files.
//!
//! ```text
//! zookube-lab/lab.lock       held while a lab runs here
//! zookube-lab/1/zoo.cfg      the configuration of server 1
//! zookube-lab/1/server.log   what it printed
//! zookube-lab/1/data/myid    and its log and snapshots
//! ```
//! The `zoo.cfg` files are also the record of the layout: a lab that starts again reads its servers and ports from them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::args::{BASE_PORT, Counts, LabArgs, SERVERS_MAX};
use super::ports::{self, Ports};
use super::zoo_cfg;

/// Whether a server votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It votes.
    Voter,
    /// It does not.
    Observer,
}

/// One server of the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its myid.
    pub id: u64,
    /// Whether it votes.
    pub kind: Kind,
    /// Where it listens.
    pub ports: Ports,
}

/// Why the lab cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file or directory failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// In the present tense.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A lab with other servers lives in the directory.
    #[error(
        "the lab in {dir} holds {stored}, asked for are {asked}; only observers can be added. \
         hint: leave --servers and --observers out to continue it, name another --dir, or remove {dir}",
        dir = dir.display()
    )]
    OtherCounts {
        /// The lab's directory.
        dir: PathBuf,
        /// What is there.
        stored: Counts,
        /// What is wanted.
        asked: Counts,
    },
    /// No server at all.
    #[error("a lab needs at least one voting server. hint: --servers 3")]
    NoVoter,
    /// Observers of a standalone server.
    #[error("one server alone has no quorum that observers could follow. hint: --servers 2 or more")]
    LoneVoter,
    /// More than one machine should carry.
    #[error("{asked} servers are asked for, a lab has at most {max}", max = SERVERS_MAX)]
    TooMany {
        /// Voters and observers.
        asked: usize,
    },
    /// The range of ports ends.
    #[error("no free port above {from}. hint: choose a lower --base-port")]
    NoFreePort {
        /// The port that was taken.
        from: u16,
    },
    /// Another lab runs here.
    #[error("another lab runs in {dir}. hint: stop it, or name another --dir", dir = dir.display())]
    Busy {
        /// The lab's directory.
        dir: PathBuf,
    },
    /// Something else is in the directory.
    #[error(
        "{path} does not belong to a lab: {reason}. hint: remove {dir} or name another --dir",
        path = path.display(), dir = dir.display()
    )]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// The lab's directory.
        dir: PathBuf,
    },
}

/// The servers and files of a lab, ready to be started.
#[derive(Debug)]
pub struct Layout {
    /// The directory, absolute.
    pub dir: PathBuf,
    /// The servers by id, which count from 1.
    pub members: Vec<Member>,
    /// What the user should know: what is continued, which ports were taken.
    pub notes: Vec<String>,
    // Held for its lock, which ends with the process, however that ends.
    _lock: File,
}

impl Layout {
    /// Reads what is stored, settles counts and ports, writes the files.
    ///
    /// # Errors
    /// See [`LayoutError`]; nothing was started and no data was touched.
    pub fn open(args: &LabArgs, is_free: impl FnMut(u16) -> bool) -> Result<Layout, LayoutError> {
        let dir = std::path::absolute(&args.dir).map_err(io_error("resolve", &args.dir))?;
        fs::create_dir_all(&dir).map_err(io_error("create", &dir))?;
        let lock = lock(&dir)?;
        let stored = stored(&dir)?;
        let counts = Counts::settle(args, (!stored.is_empty()).then(|| count(&stored)))?;
        let shown = args.dir.display();
        let mut notes = vec![if stored.is_empty() {
            format!("new lab in {shown}: {counts}")
        } else {
            format!("continuing the lab in {shown}: {counts}")
        }];
        let wanted = wanted(args.base_port, &stored, counts)?;
        let settled = ports::settle(&wanted, is_free, &mut notes)?;
        let kind = |place: usize| if place < counts.voters { Kind::Voter } else { Kind::Observer };
        let members: Vec<_> = (0..)
            .zip(settled)
            .map(|(place, ports)| Member { id: place as u64 + 1, kind: kind(place), ports })
            .collect();
        let layout = Layout { dir, members, notes, _lock: lock };
        layout.members.iter().try_for_each(|member| layout.write(member))?;
        Ok(layout)
    }

    /// The directory of one server.
    pub fn home(&self, id: u64) -> PathBuf {
        self.dir.join(id.to_string())
    }

    fn write(&self, member: &Member) -> Result<(), LayoutError> {
        let home = self.home(member.id);
        let data = home.join("data");
        fs::create_dir_all(&data).map_err(io_error("create", &data))?;
        let config = home.join("zoo.cfg");
        let old = read_if_there(&config)?;
        let new = zoo_cfg::text(old.as_deref(), member, &self.members, &data);
        if old.as_ref() != Some(&new) {
            fs::write(&config, new).map_err(io_error("write", &config))?;
        }
        let myid = data.join("myid");
        fs::write(&myid, format!("{}\n", member.id)).map_err(io_error("write", &myid))
    }
}

/// Stored ports unless others are asked for; servers that are new come right after the last stored client port.
fn wanted(base_port: Option<u16>, stored: &[Member], counts: Counts) -> Result<Vec<Ports>, LayoutError> {
    let base = base_port.or(stored.first().map(|member| member.ports.client)).unwrap_or(BASE_PORT);
    let place = |place: usize| match stored.get(place) {
        Some(member) if base_port.is_none() => Ok(member.ports),
        _ => Ports::wanted(base, place).ok_or(LayoutError::NoFreePort { from: base }),
    };
    (0..counts.voters + counts.observers).map(place).collect()
}

fn count(members: &[Member]) -> Counts {
    let voters = members.iter().filter(|member| member.kind == Kind::Voter).count();
    Counts { voters, observers: members.len() - voters }
}

/// The servers of the stored lab. One whose directory was removed, to see it come back empty, is still one of them:
/// the others' server lists name it.
fn stored(dir: &Path) -> Result<Vec<Member>, LayoutError> {
    let foreign = |path: &Path, reason: String| LayoutError::Foreign { path: path.into(), reason, dir: dir.into() };
    let mut configs = BTreeMap::new();
    for id in 1..=SERVERS_MAX as u64 {
        let path = dir.join(id.to_string()).join("zoo.cfg");
        if let Some(text) = read_if_there(&path)? {
            configs.insert(id, zoo_cfg::parse(&text).map_err(|reason| foreign(&path, reason))?);
        }
    }
    let Some((&first, config)) = configs.first_key_value() else { return Ok(Vec::new()) };
    let path = dir.join(first.to_string()).join("zoo.cfg");
    let refuse = |reason: &str| foreign(&path, reason.to_owned());
    // What a server without files would have, and the unused ports of a standalone one.
    let base = config.client.checked_sub(u16::try_from(first - 1).unwrap_or(u16::MAX));
    let default = |id: u64| {
        let place = usize::try_from(id - 1).ok()?;
        Ports::wanted(base?, place)
    };
    let servers = config.listed.len().max(1) as u64;
    let mut members = Vec::new();
    for id in 1..=servers {
        let own = default(id).ok_or_else(|| refuse("its clientPort is out of range"))?;
        let client = configs.get(&id).map_or(own.client, |stored| stored.client);
        let (quorum, election, kind) = match config.listed.get(&id) {
            Some(listed) => *listed,
            None if servers == 1 => (own.quorum, own.election, Kind::Voter),
            None => return Err(refuse("its servers are not numbered from 1")),
        };
        members.push(Member { id, kind, ports: Ports { client, quorum, election } });
    }
    if members.iter().is_sorted_by_key(|member| member.kind == Kind::Observer) {
        Ok(members)
    } else {
        Err(refuse("an observer comes before a voting server"))
    }
}

fn lock(dir: &Path) -> Result<File, LayoutError> {
    let path = dir.join("lab.lock");
    let file = File::options().create(true).append(true).open(&path).map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LayoutError::Busy { dir: dir.into() }),
        Err(fs::TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>, LayoutError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", path)(error)),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> LayoutError {
    let path = path.to_owned();
    move |source| LayoutError::Io { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(dir: &Path, servers: Option<usize>, observers: Option<usize>, base_port: Option<u16>) -> LabArgs {
        LabArgs { servers, observers, base_port, dir: dir.into(), json: false }
    }

    fn client_ports(layout: &Layout) -> Vec<u16> {
        layout.members.iter().map(|member| member.ports.client).collect()
    }

    #[test]
    fn a_stored_lab_is_continued_on_its_ports() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = Layout::open(&args(dir.path(), Some(2), Some(1), Some(5000)), |_| true).expect("a new lab");
        assert_eq!(client_ports(&first), [5000, 5001, 5002]);
        assert_eq!(fs::read_to_string(dir.path().join("3/data/myid")).expect("myid"), "3\n");
        drop(first);
        let again = Layout::open(&args(dir.path(), None, None, None), |port| port != 5001).expect("a stored lab");
        assert_eq!(client_ports(&again), [5000, 5003, 5002]);
        assert!(again.notes[0].starts_with("continuing the lab in"), "{:?}", again.notes);
        assert_eq!(again.notes[1], "port 5001 is taken: server 2 uses 5003 for clients");
        drop(again);
        let grown = Layout::open(&args(dir.path(), None, Some(2), None), |_| true).expect("one observer more");
        assert_eq!(client_ports(&grown), [5000, 5003, 5002, 5004]);
        assert_eq!(grown.members[3].kind, Kind::Observer);
    }

    #[test]
    fn a_server_whose_directory_was_removed_comes_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        drop(Layout::open(&args(dir.path(), Some(3), None, Some(5000)), |_| true).expect("a new lab"));
        for id in ["1", "3"] {
            fs::remove_dir_all(dir.path().join(id)).expect("it was there");
        }
        let again = Layout::open(&args(dir.path(), None, None, None), |_| true).expect("a stored lab");
        assert_eq!(client_ports(&again), [5000, 5001, 5002]);
        assert!(dir.path().join("3/data/myid").exists());
    }

    #[test]
    fn a_second_lab_on_one_directory_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let _first = Layout::open(&args(dir.path(), None, None, None), |_| true).expect("a new lab");
        let second = Layout::open(&args(dir.path(), None, None, None), |_| true);
        assert!(matches!(second, Err(LayoutError::Busy { .. })));
    }

    #[test]
    fn a_foreign_file_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("1")).expect("a directory");
        fs::write(dir.path().join("1/zoo.cfg"), "tickTime=1\n").expect("a file");
        let error = Layout::open(&args(dir.path(), None, None, None), |_| true).expect_err("no clientPort");
        assert!(
            error.to_string().contains("1/zoo.cfg does not belong to a lab: it has no clientPort. hint:"),
            "{error}"
        );
    }
}
