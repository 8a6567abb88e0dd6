//! Whose data a directory holds: the stamp `zookube.volume` beside `myid`.
//!
//! A volume outlives the server that wrote it. One that comes back under another ensemble of the same name, or under a server
//! that was let go of and let in again, holds a history and promises that count for nobody any more; used as if they did, they
//! bring back what was deleted, or vote. The stamp names the ensemble (if somebody has given it a name: `volume.clusterId`), the
//! server's id, how often a server of that id was let in (`volume.incarnation`), and whether the server was retired.

use crate::config::{Config, Mode, VolumePolicy};
use crate::durable;
use crate::exit::{self, Fatal};
use crate::settings;
use parking_lot::Mutex;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use store::DataDirs;
use wire::ServerId;
use zab::properties;

/// The stamp's name in `dataDir`.
pub const STAMP: &str = "zookube.volume";
/// A stamp is never longer.
const STAMP_BYTES_MAX: u64 = 4096;
/// What the directory begins with into which the content of a volume is moved.
const ASIDE: &str = ".set-aside-";
/// Stays where it is when the rest is moved: the running process holds it.
const LOCK: &str = "zookube.lock";

/// What a stamp says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The ensemble's name.
    pub cluster_id: Option<String>,
    /// The server's id.
    pub sid: Option<ServerId>,
    /// How often a server of this id was let in; 0 = not counted.
    pub incarnation: i64,
    /// The version of the configuration from which on the server was no member any more.
    pub retired_at: Option<i64>,
}

/// The volume of a running server.
#[derive(Debug)]
pub struct Volume {
    data_dir: PathBuf,
    stamp: Mutex<Stamp>,
    /// Whether it held data before they were read; see [`crate::holdings`].
    pub held_data: bool,
}

impl Volume {
    /// The volume of these directories, with the stamp that [`admit`] has left there.
    #[must_use]
    pub fn new(dirs: &DataDirs, stamp: Stamp, held_data: bool) -> Volume {
        Volume { data_dir: dirs.data_dir.clone(), stamp: Mutex::new(stamp), held_data }
    }

    /// Its stamp.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp.lock().clone()
    }

    /// The version of the configuration at which its server was retired while it ran.
    #[must_use]
    pub fn retired_at(&self) -> Option<i64> {
        self.stamp.lock().retired_at
    }

    /// Stamps the volume as that of a server that left for good, by the configuration of this version; durable when this returns.
    /// For the driver alone: nobody else changes the stamp.
    ///
    /// # Errors
    /// When the stamp cannot be written; then the earlier one holds.
    pub fn retire(&self, version: i64) -> io::Result<()> {
        let retired = Stamp { retired_at: Some(version), ..self.stamp() };
        // Not while the stamp is locked: probes look at it, and must not wait for the disk.
        retired.write(&self.data_dir)?;
        *self.stamp.lock() = retired;
        Ok(())
    }
}

/// Why a volume is not gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Objection {
    /// Another ensemble's or server's.
    Foreign(String),
    /// A retired server's.
    Retired(i64),
    /// Of an earlier incarnation.
    Outdated(i64),
    /// Of a later one.
    Ahead(i64),
}

impl Stamp {
    /// Reads the stamp of a data directory; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read or is no stamp.
    pub fn read(data_dir: &Path) -> io::Result<Option<Stamp>> {
        let path = data_dir.join(STAMP);
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if found.len() > STAMP_BYTES_MAX {
            return Err(io::Error::other(format!("{} bytes are too many for a stamp", found.len())));
        }
        Stamp::parse(&fs::read_to_string(&path)?).map(Some).map_err(io::Error::other)
    }

    /// Writes the stamp: all of it or nothing, and durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        durable::replace(&data_dir.join(STAMP), self.text().as_bytes())
    }

    fn text(&self) -> String {
        format!(
            "# Whose data this is. Written by zookube-node; see docs/reconfiguration.md before you change it.\n{self}"
        )
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: Option<String>| {
            text.extend(value.map(|value| format!("{key}={value}\n")));
        };
        line("clusterId", self.cluster_id.clone());
        line("sid", self.sid.map(|sid| sid.to_string()));
        line("incarnation", Some(self.incarnation.to_string()));
        line("retiredAtVersion", self.retired_at.map(|version| format!("{version:x}")));
        text
    }

    fn parse(text: &str) -> Result<Stamp, String> {
        let mut stamp = Stamp::default();
        for entry in properties::parse(text).map_err(|error| error.to_string())? {
            let (key, value) = (entry.key.trim(), entry.value.trim());
            let wrong = || format!("line {}: `{value}` is no {key}", entry.line);
            match key {
                "clusterId" => stamp.cluster_id = Some(value.to_owned()),
                "sid" => stamp.sid = Some(ServerId(value.parse().map_err(|_| wrong())?)),
                "incarnation" => stamp.incarnation = value.parse().map_err(|_| wrong())?,
                "retiredAtVersion" => {
                    stamp.retired_at = Some(i64::from_str_radix(value, 16).map_err(|_| wrong())?);
                }
                // Of a later version of this program.
                _ => {}
            }
        }
        Ok(stamp)
    }

    /// What speaks against going on with the data of a volume that has this stamp.
    fn objection(&self, wanted: &Stamp) -> Option<Objection> {
        if let (Some(found), Some(own)) = (&self.cluster_id, &wanted.cluster_id)
            && found != own
        {
            return Some(Objection::Foreign(format!("it belongs to ensemble {found}, and this is {own}")));
        }
        if let (Some(found), Some(own)) = (self.sid, wanted.sid)
            && found != own
        {
            return Some(Objection::Foreign(format!("it belongs to server {found}, and this is server {own}")));
        }
        let is_counted = self.incarnation != 0 && wanted.incarnation != 0;
        if is_counted && self.incarnation > wanted.incarnation {
            return Some(Objection::Ahead(self.incarnation));
        }
        if is_counted && self.incarnation < wanted.incarnation {
            return Some(Objection::Outdated(self.incarnation));
        }
        self.retired_at.map(Objection::Retired)
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines())
    }
}

/// What this server would stamp its volume with.
fn wanted(config: &Config) -> Stamp {
    Stamp {
        cluster_id: config.settings.volume_cluster_id.clone(),
        sid: (config.mode == Mode::Ensemble).then(|| settings::own_sid(config)),
        incarnation: config.settings.volume_incarnation,
        retired_at: None,
    }
}

/// Compares the stamp with the server that wants to start, moves foreign data aside where that is wanted, and stamps the volume.
/// The directories are there and locked. Answers the stamp that the volume has then.
///
/// # Errors
/// When this server must not use the volume, with what to do.
pub fn admit(config: &Config, dirs: &DataDirs) -> Result<Stamp, Fatal> {
    let (path, wanted) = (dirs.data_dir.join(STAMP), wanted(config));
    let found = Stamp::read(&dirs.data_dir).map_err(|error| {
        let hint = "hint: see whose data this is, then correct or remove the stamp";
        Fatal::new(exit::DATA_DIR, format!("read {}: {error}. {hint}", path.display()))
    })?;
    let found = found.unwrap_or_default();
    let keeps = match found.objection(&wanted) {
        None => found.clone(),
        Some(objection) => {
            settle(&objection, config, dirs)?;
            Stamp::default()
        }
    };
    let incarnation = if wanted.incarnation == 0 { keeps.incarnation } else { wanted.incarnation };
    let stamp = Stamp {
        cluster_id: wanted.cluster_id.or(keeps.cluster_id),
        sid: wanted.sid.or(keeps.sid),
        incarnation,
        retired_at: None,
    };
    if stamp != Stamp::default() && stamp != found {
        let failed = |error| Fatal::new(exit::DATA_DIR, format!("write {}: {error}", path.display()));
        stamp.write(&dirs.data_dir).map_err(failed)?;
    }
    Ok(stamp)
}

/// Refuses, or moves the data aside.
fn settle(objection: &Objection, config: &Config, dirs: &DataDirs) -> Result<(), Fatal> {
    let settings = &config.settings;
    let (reason, policy, key) = match objection {
        Objection::Foreign(reason) => (reason.clone(), settings.volume_foreign, "volume.foreign"),
        Objection::Retired(version) => {
            (format!("its server was retired at configuration {version:x}"), settings.volume_retired, "volume.retired")
        }
        Objection::Outdated(found) => (
            format!("it is of incarnation {found}, and this is {}", settings.volume_incarnation),
            VolumePolicy::SetAside,
            "",
        ),
        Objection::Ahead(found) => {
            return Err(Fatal::new(
                exit::DATA_DIR,
                format!(
                    "{}: it is of incarnation {found}, later than this server's, {}. hint: raise volume.incarnation, or give this server its own volume",
                    dirs.data_dir.display(),
                    settings.volume_incarnation
                ),
            ));
        }
    };
    if policy == VolumePolicy::Refuse {
        return Err(Fatal::new(
            exit::DATA_DIR,
            format!(
                "{}: this data is not this server's: {reason}. hint: give it its own volume, or set {key}=setAside to begin without data",
                dirs.data_dir.display()
            ),
        ));
    }
    let moved = set_aside(dirs)
        .map_err(|error| Fatal::new(exit::DATA_DIR, format!("move aside {}: {error}", dirs.data_dir.display())))?;
    tracing::warn!(
        to = %moved.display(),
        "the data found here is not this server's: {reason}. It was moved aside, and the server begins without data"
    );
    Ok(())
}

/// Moves everything that a server has written, its id excepted, into a new directory beside it. What is not known stays.
///
/// A crash in between leaves a part moved and the old stamp in its place, which goes last: the next start moves the rest.
fn set_aside(dirs: &DataDirs) -> io::Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (log_dir, snap_dir) = (dirs.log_dir(), dirs.snap_dir());
    if log_dir != snap_dir {
        move_content(&log_dir, &free_name(&dirs.data_log_dir, seconds)?.join("version-2"))?;
    }
    let aside = free_name(&dirs.data_dir, seconds)?;
    move_content(&snap_dir, &aside.join("version-2"))?;
    for entry in fs::read_dir(&dirs.data_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("zoo.cfg.dynamic.")) {
            fs::rename(entry.path(), aside.join(name))?;
        }
    }
    fs::rename(dirs.data_dir.join(STAMP), aside.join(STAMP))?;
    File::open(&dirs.data_dir)?.sync_all()?;
    Ok(aside)
}

fn free_name(beneath: &Path, seconds: u64) -> io::Result<PathBuf> {
    let mut number = seconds;
    loop {
        let path = beneath.join(format!("{ASIDE}{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn move_content(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() != LOCK {
            fs::rename(entry.path(), to.join(entry.file_name()))?;
        }
    }
    File::open(to)?.sync_all()?;
    File::open(from)?.sync_all()
}

#[cfg(test)]
#[path = "volume_test.rs"]
mod tests;
