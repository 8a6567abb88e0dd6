//! A small file that others rewrite while the process runs, as container runtimes do with `/etc/hosts`.

use parking_lot::Mutex;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is read of a file; lists of advertisers in `/etc/hosts` have been seen to take two megabytes.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// A file that changed so shortly before it was read may change again without a new time stamp.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// The file's meaning, read anew whenever the file is another.
pub(super) struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> T,
    read: Mutex<Option<(Version, Arc<T>)>>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// There is no such file, or it cannot be read.
    Missing,
    At {
        device: u64,
        inode: u64,
        bytes: u64,
        modified_ns: i128,
        changed_ns: i128,
    },
}

impl Version {
    fn of(file: &Metadata) -> Version {
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Version::At {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            modified_ns: ns(file.mtime(), file.mtime_nsec()),
            changed_ns: ns(file.ctime(), file.ctime_nsec()),
        }
    }

    /// Whether the next change will surely show.
    fn is_settled(self) -> bool {
        let Version::At { modified_ns, changed_ns, .. } = self else { return true };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let settled = SETTLED_AFTER.as_nanos().cast_signed();
        now.as_nanos().cast_signed() - modified_ns.max(changed_ns) > settled
    }
}

impl<T> Watched<T> {
    /// Nothing is read yet.
    pub fn new(path: PathBuf, parse: fn(&str) -> T) -> Watched<T> {
        Watched { path, parse, read: Mutex::new(None) }
    }

    /// What the file says now. A missing file is an empty one.
    pub fn get(&self) -> Arc<T> {
        let mut read = self.read.lock();
        let version = std::fs::metadata(&self.path).map_or(Version::Missing, |file| Version::of(&file));
        if let Some((known, value)) = &*read
            && *known == version
        {
            return Arc::clone(value);
        }
        let value = Arc::new((self.parse)(&self.text()));
        *read = version.is_settled().then(|| (version, Arc::clone(&value)));
        value
    }

    fn text(&self) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!(path = %self.path.display(), "read: {error}"),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        let watched = Watched::new(path.clone(), str::to_owned);
        assert_eq!(*watched.get(), "");
        // Of equal length, faster than any clock's tick, in place and by renaming.
        for round in 0..200 {
            let text = format!("{round:04}");
            if round % 2 == 0 {
                std::fs::write(&path, &text).unwrap();
            } else {
                let other = dir.path().join("new");
                std::fs::write(&other, &text).unwrap();
                std::fs::rename(&other, &path).unwrap();
            }
            assert_eq!(*watched.get(), text);
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(*watched.get(), "");
    }

    #[test]
    fn a_file_at_rest_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        std::fs::write(&path, "a").unwrap();
        // The change time cannot be set: a version in the past stands for a file that has rested.
        let at = |modified_ns| Version::At { device: 1, inode: 1, bytes: 1, modified_ns, changed_ns: modified_ns };
        assert!(at(0).is_settled());
        assert!(!Version::of(&std::fs::metadata(&path).unwrap()).is_settled());
        let watched = Watched::new(path.clone(), str::to_owned);
        let version = Version::of(&std::fs::metadata(&path).unwrap());
        *watched.read.lock() = Some((version, Arc::new("kept".to_owned())));
        assert_eq!(*watched.get(), "kept");
    }
}
