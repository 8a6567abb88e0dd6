//! The configuration of an ensemble that changes while it runs, kept for the next start.
//!
//! As Apache keeps it (`QuorumPeer.setQuorumVerifier`): the configuration in force is written to `zoo.cfg.dynamic.VERSION`, and
//! `zoo.cfg` gets to name that file instead of holding the server list; the one that is only proposed is in
//! `zoo.cfg.dynamic.next`, for Apache's servers and for people: ours read it from the log. Where there is no `zoo.cfg`, or where
//! it cannot be changed (a mounted file, the environment), the files are in the data directory, and the one with the highest
//! version counts.

use crate::config::Config;
use crate::durable;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use wire::ServerId;
use zab::properties;
use zab::quorum::{Membership, ServerSpec};

/// A file of this kind is never longer.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Between the name of the static file and the version.
const DYNAMIC: &str = ".dynamic.";
const NEXT: &str = ".dynamic.next";
/// What the static file is called where there is none.
const NAME_WITHOUT_FILE: &str = "zoo.cfg";

/// Where the files are.
#[derive(Debug, Clone)]
pub struct MembershipFiles {
    static_file: Option<PathBuf>,
    /// The name that theirs begin with where the static file's directory cannot be used.
    in_data_dir: PathBuf,
    data_dir: PathBuf,
}

impl MembershipFiles {
    /// The files that belong to a configuration.
    #[must_use]
    pub fn of(config: &Config) -> MembershipFiles {
        let data_dir = config.data_dir().to_owned();
        MembershipFiles { static_file: config.file.clone(), in_data_dir: data_dir.join(NAME_WITHOUT_FILE), data_dir }
    }

    /// The configuration with the highest version in the data directory. A file that cannot be read is named in the log and
    /// passed over.
    #[must_use]
    pub fn newest_in_data_dir(&self) -> Option<Membership> {
        let mut kept = kept_at(&self.in_data_dir);
        kept.sort_unstable();
        kept.into_iter().rev().find_map(|(version, path)| read(&path, Some(version)))
    }

    /// The configuration that was proposed last and not known to be in force. Nothing may depend on it: the proposal may have come
    /// to nothing, which its log tells, and not this file.
    fn next(&self) -> Option<Membership> {
        let kept = self.bases().filter_map(|base| read(&beside(base, NEXT), None));
        kept.max_by_key(|membership| membership.version)
    }

    /// Keeps a proposed configuration.
    ///
    /// # Errors
    /// When it can be kept nowhere.
    pub fn keep_next(&self, membership: &Membership) -> io::Result<()> {
        self.keep(|base| durable::replace(&beside(base, NEXT), &lines(membership, true))).map(|_| ())
    }

    /// Keeps a configuration that is in force, and forgets the one that was proposed, unless that is a later one.
    ///
    /// # Errors
    /// When it can be kept nowhere.
    pub fn keep_committed(&self, membership: &Membership, client_port_is_in_it: bool) -> io::Result<()> {
        let text = lines(membership, false);
        self.keep(|base| {
            let path = dynamic(base, membership.version);
            durable::replace(&path, &text)?;
            match &self.static_file {
                Some(file) if file == base => point_at(file, &path, client_port_is_in_it),
                _ => Ok(()),
            }
        })?;
        if self.next().is_some_and(|next| next.version <= membership.version) { self.forget_next() } else { Ok(()) }
    }

    /// Forgets the configuration that was proposed.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn forget_next(&self) -> io::Result<()> {
        for base in self.bases() {
            match fs::remove_file(beside(base, NEXT)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Copies the static file as long as the server list stands in it, because the first change takes it out of there
    /// (`QuorumPeerConfig.backupOldConfig`).
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn back_up_static(&self) -> io::Result<()> {
        let Some(file) = &self.static_file else { return Ok(()) };
        durable::replace(&beside(file, ".bak"), &fs::read(file)?)
    }

    fn bases(&self) -> impl Iterator<Item = &PathBuf> {
        self.static_file.iter().chain([&self.in_data_dir])
    }

    /// Writes beside the static file, or else into the data directory.
    fn keep(&self, write_at: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        if let Some(file) = &self.static_file {
            match write_at(file) {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(
                    file = %file.display(),
                    "the server list cannot be kept beside the configuration file ({error}): it is kept in {}",
                    self.data_dir.display()
                ),
            }
        }
        write_at(&self.in_data_dir)
    }
}

/// The line of a server in the last kept list that had one, and where that is: a server that was let go of may come back under
/// the address it had.
#[must_use]
pub fn last_line_of(static_file: Option<&Path>, data_dir: &Path, sid: ServerId) -> Option<(ServerSpec, PathBuf)> {
    let in_data_dir = data_dir.join(NAME_WITHOUT_FILE);
    let kept = static_file.into_iter().chain([in_data_dir.as_path()]).flat_map(kept_at);
    let mut kept: Vec<(i64, PathBuf)> = kept.collect();
    kept.sort_unstable();
    kept.into_iter().rev().find_map(|(version, path)| {
        let spec = read(&path, Some(version))?.servers.remove(&sid)?;
        Some((spec, path))
    })
}

/// The lists that were kept beside a static file, with their versions.
fn kept_at(base: &Path) -> Vec<(i64, PathBuf)> {
    let (Some(directory), Some(name)) = (base.parent(), base.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let prefix = format!("{name}{DYNAMIC}");
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let kept = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let version = i64::from_str_radix(entry.file_name().to_str()?.strip_prefix(&prefix)?, 16).ok()?;
        Some((version, entry.path())).filter(|_| version > 0)
    });
    kept.collect()
}

fn beside(base: &Path, suffix: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn dynamic(base: &Path, version: i64) -> PathBuf {
    beside(base, &format!("{DYNAMIC}{version:x}"))
}

/// The lines in the order in which Apache writes them, without a newline at the end.
fn lines(membership: &Membership, with_version: bool) -> Vec<u8> {
    let text = membership.to_text();
    let mut lines: Vec<&str> = text.lines().filter(|line| with_version || !line.starts_with("version=")).collect();
    lines.sort_unstable();
    lines.join("\n").into_bytes()
}

fn read(path: &Path, version: Option<i64>) -> Option<Membership> {
    let metadata = fs::metadata(path).ok()?;
    let found = if metadata.len() > FILE_BYTES_MAX {
        Err("it is too long to be one".to_owned())
    } else {
        fs::read_to_string(path).map_err(|error| error.to_string())
    };
    match found.and_then(|text| Membership::parse(&text).map_err(|error| error.to_string())) {
        Ok(membership) => {
            let version = version.unwrap_or(membership.version);
            Some(Membership { version, ..membership }).filter(|membership| !membership.servers.is_empty())
        }
        Err(reason) => {
            tracing::warn!(path = %path.display(), "passed over a file that should hold a server list: {reason}");
            None
        }
    }
}

/// Takes the server list out of the static file and names the dynamic one instead (`QuorumPeerConfig.editStaticConfig`).
/// Other than Apache it leaves comments and the order of the other lines as they are.
fn point_at(static_file: &Path, dynamic_file: &Path, client_port_is_in_it: bool) -> io::Result<()> {
    let text = fs::read(static_file)?;
    // Bytes are characters in this format.
    let text: String = text.into_iter().map(char::from).collect();
    let mut kept = String::with_capacity(text.len());
    let mut goes_on = false;
    for line in text.lines() {
        let is_replaced = if goes_on { true } else { moves_out(line, client_port_is_in_it) };
        goes_on = is_replaced && continues(line);
        if !is_replaced {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let target = fs::canonicalize(dynamic_file)?;
    kept.push_str(&format!("dynamicConfigFile={}\n", target.display()));
    let bytes: Vec<u8> = kept.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    // A link to the file stays one.
    durable::replace(&fs::canonicalize(static_file)?, &bytes)
}

/// Whether a line belongs to what the dynamic file holds or says where it is.
fn moves_out(line: &str, client_port_is_in_it: bool) -> bool {
    let parsed = properties::parse(line.trim_end_matches('\\')).unwrap_or_default();
    let Some(key) = parsed.first().map(|entry| entry.key.trim()) else { return false };
    let always = ["server.", "group", "weight", "dynamicConfigFile", "peerType"];
    always.iter().any(|prefix| key.starts_with(prefix))
        || (client_port_is_in_it && matches!(key, "clientPort" | "clientPortAddress"))
}

/// Whether the line that follows belongs to this one.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(version: i64) -> Membership {
        let text = format!(
            "server.10=c:1:2:observer;3\nserver.1=a:2888:3888:participant;2181\nserver.2=b:1:2:participant\nversion={version:x}"
        );
        Membership::parse(&text).unwrap()
    }

    fn in_dir(dir: &Path, static_file: bool) -> MembershipFiles {
        MembershipFiles {
            static_file: static_file.then(|| dir.join("conf").join("zoo.cfg")),
            in_data_dir: dir.join("data").join("zoo.cfg"),
            data_dir: dir.join("data"),
        }
    }

    fn set_up(text: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("conf")).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::write(dir.path().join("conf/zoo.cfg"), text).unwrap();
        dir
    }

    #[test]
    fn the_static_file_names_the_dynamic_one() {
        let text = "# keep me\ntickTime=2000\nserver.1=a:2888:3888\nserver.2=b:1:2\\\n;3\nclientPort=2181\n  peerType = observer\ngroup.1=1:2\ndynamicConfigFile=/old\n#server.9=x\n";
        let dir = set_up(text);
        let files = in_dir(dir.path(), true);
        files.back_up_static().unwrap();
        files.keep_committed(&membership(0x1_0000_0005), false).unwrap();
        let path = dir.path().join("conf/zoo.cfg.dynamic.100000005");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "server.10=c:1:2:observer;0.0.0.0:3\nserver.1=a:2888:3888:participant;0.0.0.0:2181\nserver.2=b:1:2:participant"
        );
        let edited = fs::read_to_string(dir.path().join("conf/zoo.cfg")).unwrap();
        let named = format!("dynamicConfigFile={}\n", fs::canonicalize(&path).unwrap().display());
        assert_eq!(edited, format!("# keep me\ntickTime=2000\nclientPort=2181\n#server.9=x\n{named}"));
        assert_eq!(fs::read_to_string(dir.path().join("conf/zoo.cfg.bak")).unwrap(), text);
        assert_eq!(files.newest_in_data_dir(), None);
        files.keep_committed(&membership(0x1_0000_0006), true).unwrap();
        let edited = fs::read_to_string(dir.path().join("conf/zoo.cfg")).unwrap();
        assert!(edited.ends_with("zoo.cfg.dynamic.100000006\n") && !edited.contains("clientPort"), "{edited}");
    }

    #[test]
    fn a_proposed_one_is_kept_until_it_or_a_later_one_is_in_force() {
        let dir = set_up("");
        let files = in_dir(dir.path(), true);
        assert_eq!(files.next(), None);
        files.keep_next(&membership(7)).unwrap();
        assert_eq!(files.next(), Some(membership(7)));
        files.keep_committed(&membership(6), false).unwrap();
        assert_eq!(files.next(), Some(membership(7)));
        files.keep_committed(&membership(7), false).unwrap();
        assert_eq!(files.next(), None);
    }

    #[test]
    fn without_a_file_to_change_the_data_directory_keeps_them() {
        let dir = set_up("");
        for files in [
            in_dir(dir.path(), false),
            MembershipFiles { static_file: Some(dir.path().join("missing/zoo.cfg")), ..in_dir(dir.path(), false) },
        ] {
            files.keep_next(&membership(0x31)).unwrap();
            assert_eq!(files.next(), Some(membership(0x31)));
            files.keep_committed(&membership(0x29), false).unwrap();
            files.keep_committed(&membership(0x31), false).unwrap();
            assert_eq!((files.newest_in_data_dir(), files.next()), (Some(membership(0x31)), None));
            // What cannot be read does not hide what can.
            fs::write(dir.path().join("data/zoo.cfg.dynamic.99"), "no=list").unwrap();
            assert_eq!(files.newest_in_data_dir(), Some(membership(0x31)));
        }
    }
}
